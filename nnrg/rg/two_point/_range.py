"""How far a function of distance reaches: second moments, participation, tails."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.rg.two_point._windows import handling
from nnrg.stats.estimate import Estimate
from nnrg.stats.fits import FitResult, chance_of_zero, correlated_fit
from nnrg.stats.replicates import Replicates

__all__ = ["DETECTED", "Profile", "log_bins", "on_shells"]

Array = npt.NDArray[np.float64]

# Sums of squares below so many of their errors are noise.
DETECTED = 3.0
_NEAR = 4
# Widest bin of distances, as the ratio of its ends.
_RATIO = 1.5
# Images of a periodic lattice that a power law is summed over, on either side, by dimension.
_TURNS = {1: 64, 2: 8, 3: 4, 4: 2}


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A function f of lags, on distance shells around the origin, without the origin.

    Attributes
    ----------
    radius : array of shape (n_shells,)
        In blocks.
    lags : array of shape (n_shells,)
        Lags, or pairs, in each shell.
    values : Replicates
        Mean of f over each shell.
    dimension : int
    period : tuple of int
        Sites along each axis of a lattice that closes on itself; empty of any other.
    """

    radius: Array
    lags: Array
    values: Replicates
    dimension: int
    period: tuple[int, ...] = ()

    @property
    def random(self) -> float:
        """Mean of u^2 over all lags: the second moment of an f that does not know distance."""
        return float(np.average(self.radius**2, weights=self.lags))

    def second_moment(self) -> Replicates:
        """Return sum u^2 |f| / sum |f|, in squared blocks; noise counts as f does."""

        def moment(f: Array) -> float:
            size = np.abs(f) * self.lags
            return float(size @ self.radius**2 / size.sum())

        return self.values.map(moment)

    def within(self, radius: float) -> Profile:
        """Return the same function up to a distance."""
        kept = self.radius <= radius * (1 + 1e-9)
        values = self.values.select(np.flatnonzero(kept))
        return Profile(self.radius[kept], self.lags[kept], values, self.dimension)

    def near(self, count: int = _NEAR) -> tuple[Array, Replicates]:
        """Return the `count` smallest distances and the means of f there."""
        radius, start = np.unique(self.radius, return_index=True)
        ends = np.append(start, self.radius.size)[1 : count + 1]
        radius, start = radius[:count], start[:count]

        last = int(ends[-1]) if ends.size else 0
        if last == 0:
            return radius, self.values.select([])
        lags = self.lags[:last]
        total = np.add.reduceat(lags, start)
        return radius, self.values.map(lambda f: np.add.reduceat(f[:last] * lags, start) / total)

    def p_value(self) -> float:
        """Return the chance that f vanishes at the nearest distances: Hotelling's T^2; or NaN."""
        near = self.near()[1]
        count = near.values.size
        return chance_of_zero(near) if 0 < count <= near.dof / 2 else float("nan")

    def signal(self) -> Estimate:
        """Return sum f^2 without that of the noise, in errors: what there is to have a range."""
        noise = self.values.errors() ** 2
        return self.values.map(lambda f: (f**2 - noise) @ self.lags).estimate()

    def noise_free_second_moment(self) -> Replicates:
        """Return sum u^2 f^2 / sum f^2, each less its noise, in squared blocks."""
        noise = self.values.errors() ** 2

        def moment(f: Array) -> float:
            size = (f**2 - noise) * self.lags
            return float(size @ self.radius**2 / size.sum())

        return self.values.map(moment)

    def participation(self) -> Replicates:
        """Return ((sum f^2)^2 / sum f^4)^(1/d), each less its noise, in blocks.

        The side of a box of lags in which f would be constant.
        """
        noise = self.values.errors() ** 2

        def side(f: Array) -> float:
            fourths = f**4 - 6 * f**2 * noise + 3 * noise**2
            lags = ((f**2 - noise) @ self.lags) ** 2 / (fourths @ self.lags)
            return float(lags ** (1 / self.dimension))

        return self.values.map(side)

    def _images(self) -> Array:
        """Return the distances of the nearest images of the origin on a periodic lattice."""
        if not self.period:
            return np.empty(0)
        turns = np.arange(-_TURNS[self.dimension], _TURNS[self.dimension] + 1)
        axes = [(turns * n) ** 2 if n > 1 else np.zeros(1) for n in self.period]
        squares = reduce(np.add.outer, axes).ravel()
        return np.sqrt(squares[squares > 0])

    def tail(
        self, r_min: float, r_max: float, kind: str, sign: float, *, staggered: bool = False
    ) -> FitResult:
        """Fit ``sign * f = A r^-p`` (kind "power") or ``A exp(-r / l)`` ("exponential").

        On bins of equal width in ln r; parameters ``ln A`` and ``p`` or ``1/l``. On a periodic
        lattice a power law is summed over its images. If `staggered`, f has the sign of -1 to the
        number of steps to its lag, which is that of its squared distance.

        Raises
        ------
        AnalysisError
            If there are fewer than three bins, or no minimum.
        """
        bin_of = log_bins(self.radius, r_min, r_max)
        inside = np.flatnonzero(bin_of >= 0)
        if inside.size == 0 or bin_of.max() < 2:
            raise AnalysisError(
                f"a tail needs three bins of distance between {r_min:.3g} and {r_max:.3g}; "
                "use a larger lattice"
            )
        start = np.flatnonzero(np.diff(bin_of[inside], prepend=-1))
        lags, r = self.lags[inside], self.radius[inside]
        total = np.add.reduceat(lags, start)

        def binned(numbers: Array) -> Array:
            return np.asarray(np.add.reduceat(numbers * lags, start, axis=-1) / total)

        signs = np.full(r.size, sign)
        if staggered:
            signs *= -((-1.0) ** np.round(r**2))
        data = self.values.map(lambda f: binned(signs * f[inside]))
        centre, reference = binned(r), float(r[0])
        y = data.values
        good = y > 0
        if np.count_nonzero(good) < 2:
            raise AnalysisError(f"no tail: the mean over {r_min:.3g} .. {r_max:.3g} has both signs")
        unit = float(np.abs(y).max())
        images, d = self._images(), self.dimension

        def power(_: Array, height: float, p: float) -> Array:
            return binned(np.exp(height) * _power_law(r, reference, p, images, d))

        def exponential(_: Array, height: float, rate: float) -> Array:
            return binned(np.exp(height - rate * (r - reference)))

        x, origin = centre, reference
        if kind == "power":
            x, origin = np.log(centre), np.log(reference)
        weight = 1 / np.maximum(data.errors()[good] / y[good], 1e-12)
        slope, height = np.polyfit(x[good], np.log(y[good] / unit), 1, w=weight)
        return correlated_fit(
            power if kind == "power" else exponential,
            centre,
            data.map(lambda f: f / unit),
            start=(height + slope * origin, -slope),
            names=("ln A", "p") if kind == "power" else ("ln A", "1/l"),
            covariance=handling(data),
            window=(float(r[0]), float(r[-1])),
        )


def _power_law(r: Array, unit: float, p: float, images: Array, d: int) -> Array:
    """Return (r / unit)^-p and its images, averaged over directions to order r^2."""
    law = (r / unit) ** -p
    if images.size == 0:
        return np.asarray(law)
    far = (images / unit) ** -p
    bend = p * (p + 2 - d) / (2 * d) * (far / images**2).sum()
    return np.asarray(law + far.sum() + bend * r**2)


def log_bins(radius: Array, r_min: float, r_max: float) -> npt.NDArray[np.int64]:
    """Return the bin of each ascending radius: one shell, or those within a factor 1.5; or -1."""
    found = np.full(radius.size, -1, dtype=np.int64)
    count, first = -1, -np.inf
    for i, r in enumerate(radius):
        if not r_min * (1 - 1e-9) <= r <= r_max * (1 + 1e-9):
            continue
        if count < 0 or r > first * _RATIO * (1 - 1e-9):
            count, first = count + 1, r
        found[i] = count
    return found


def on_shells(
    squares: npt.NDArray[np.int64],
    weights: Array,
    values: Replicates,
    dimension: int,
    period: tuple[int, ...] = (),
) -> Profile:
    """Average numbers at lags, or pairs, over shells of equal distance."""
    away = np.flatnonzero((squares > 0) & (weights > 0))
    found, shell = np.unique(squares[away], return_inverse=True)
    order = away[np.argsort(shell, kind="stable")]
    start = np.searchsorted(np.sort(shell), np.arange(found.size))
    counts = np.add.reduceat(weights[order], start)
    means = values.map(lambda f: np.add.reduceat(f[order] * weights[order], start) / counts)
    return Profile(np.sqrt(found), counts, means, dimension, period)
