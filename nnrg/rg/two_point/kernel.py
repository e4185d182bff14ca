"""The quadratic kernel K(u) = Gamma_2, the inverse of the two-point function, and its range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.two_point._connected import as_replicates
from nnrg.rg.two_point._inverse import Inverse, circulant
from nnrg.rg.two_point._inverse import window as inside_window
from nnrg.rg.two_point._lags import lag_squares
from nnrg.rg.two_point._range import Profile, on_shells
from nnrg.rg.two_point._windows import best
from nnrg.rg.two_point.correlation import Correlation
from nnrg.stats.estimate import Estimate
from nnrg.stats.fits import FitResult
from nnrg.stats.replicates import Replicates

__all__ = ["QuadraticKernel", "quadratic_kernel"]

Array = npt.NDArray[np.float64]

# With fewer samples the inverse of a single momentum's G is mostly noise.
_FEWEST_SAMPLES = 30


@dataclass(frozen=True, slots=True, eq=False)
class QuadraticKernel:
    """K(u) of the quadratic action 1/2 sum phi_x K(x - y) phi_y, in the field's unit to the -2.

    Attributes
    ----------
    scale : int
        b along one axis.
    method : {"circulant", "window", "matrix"}
        How the two-point function was inverted.
    onsite : Replicates
        K(0).
    profile : Profile
        K without the origin, on distance shells; of ``"matrix"`` for each pair of sites.
    condition : float
        Ratio of the largest to the smallest eigenvalue of what was inverted.
    reach : float
        Largest distance at which tails are fitted, in blocks.
    flag : str
    """

    scale: float
    method: str
    onsite: Replicates
    profile: Profile
    condition: float
    reach: float
    flag: str = ""

    def second_moment(self) -> Estimate:
        """Return l_2^2 = sum u^2 |K| / sum |K| over u != 0, in squared blocks.

        Noise counts as couplings do, at all distances alike: a kernel that is hard to measure
        looks nonlocal. `noise_free_second_moment` does not.
        """
        return self.profile.second_moment().estimate(flag=self.flag)

    def noise_free_second_moment(self) -> Estimate:
        """Return sum u^2 K^2 / sum K^2 over u != 0 with the noise taken off, in squared blocks."""
        return self.profile.noise_free_second_moment().estimate(flag=self._flag())

    def ratio(self) -> Estimate:
        """Return l_2^2 over its value for couplings that do not know distance; dimensionless."""
        return self._over_random(self.profile.second_moment(), self.flag)

    def noise_free_ratio(self) -> Estimate:
        """Return the noise-free second moment over its random value; dimensionless."""
        return self._over_random(self.profile.noise_free_second_moment(), self._flag())

    def participation(self) -> Estimate:
        """Return the side, in blocks, of the box of lags over which K^2 is spread."""
        return self.profile.participation().estimate(flag=self._flag())

    def _over_random(self, moment: Replicates, flag: str) -> Estimate:
        random = self.profile.random
        return moment.map(lambda u2: u2 / random).estimate(flag=flag)

    def _flag(self) -> str:
        signal = self.profile.signal()
        quiet = "" if signal.value > 3 * signal.error else "off-site couplings are within noise"
        return "; ".join(flag for flag in (self.flag, quiet) if flag)

    def tail(
        self,
        kind: Literal["power", "exponential"] = "power",
        *,
        r_min: float = 1.0,
        r_max: float | None = None,
        staggered: bool = False,
    ) -> FitResult:
        """Fit the decay of -K(r) on bins of equal width in ln r.

        Parameters
        ----------
        kind : {"power", "exponential"}
            ``-K = A r^-p`` with p = d + sigma, or ``-K = A exp(-r / l)``.
        r_min, r_max : float
            Window in blocks; to a quarter of a periodic lattice by default, beyond which K feels
            its own images.
        staggered : bool
            Whether the sign of K alternates with the number of steps from one block to the other,
            as it does for averages over blocks of a local field on a chain. In more dimensions
            theirs alternates along the axes only.

        Returns
        -------
        FitResult
            ``ln A`` (A relative to the largest bin, at the first distance) and ``p`` or ``1/l``.

        Raises
        ------
        ArgumentError
            If an option is unknown or of the wrong type.
        AnalysisError
            If there are fewer than three bins, or no fit.
        """
        if kind not in ("power", "exponential"):
            raise ArgumentError(f"kind must be 'power' or 'exponential', got {shown(kind)}")
        if not isinstance(staggered, bool):
            raise ArgumentError(f"staggered must be True or False, got {shown(staggered)}")
        low = as_real("r_min", r_min, hint="try 1")
        high = self.reach if r_max is None else as_real("r_max", r_max, hint="try 8")
        sign = self._sign(low, staggered)
        return self.profile.tail(low, high, kind, sign, staggered=staggered)

    def _sign(self, low: float, staggered: bool) -> float:
        """Return the sign of K at the first distance of a window, at odd ones if `staggered`."""
        radius = self.profile.radius
        window = np.flatnonzero(radius >= low * (1 - 1e-9))  # as `log_bins` has it
        if window.size == 0:
            return -1.0
        first = window[0]
        # Ferromagnetic couplings, which make neighbours alike, have K < 0.
        negative = self.profile.values.values[first] <= 0
        # Where staggered, it has the sign of r = 1 at odd squared distances.
        turned = staggered and round(radius[first] ** 2) % 2 == 0
        return -1.0 if negative != turned else 1.0

    def scan_tail(self, kind: Literal["power", "exponential"] = "power") -> tuple[FitResult, ...]:
        """Return tail fits for r_min = 1, 2, 3, 4, 6, 8, ... that leave three bins.

        Raises
        ------
        AnalysisError
            If there is none.
        """
        fits: list[FitResult] = []
        for r_min in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32):
            try:
                fits.append(self.tail(kind, r_min=r_min))
            except AnalysisError:
                if not fits and r_min == 1:
                    raise
                break
        return tuple(fits)

    def exponent(self) -> Estimate:
        """Return sigma from the tail A r^-(d + sigma), from twice its best window's start on.

        The nearest distances show that there is a tail, but are the last to follow its law.

        Raises
        ------
        AnalysisError
            If no window has a fit.
        """
        d = self.profile.dimension
        fit = best(self.scan_tail("power"))
        try:
            farther = self.tail("power", r_min=2 * fit.window[0])
            fit = farther if farther.dof > 0 else fit
        except AnalysisError:
            pass
        return fit.parameters.select(1).map(lambda p: p - d).estimate(flag=fit.flag)

    def __str__(self) -> str:
        radius, near = self.profile.near(6)
        cells = [f"K({r:.3g}) = {near.estimate(i)}" for i, r in enumerate(radius)]
        cells.insert(0, f"K(0) = {self.onsite.estimate()}")
        head = f"b = {self.scale} ({self.method}): {'  '.join(cells)}"
        return head + (f"\n  {self.flag}" if self.flag else "")


def quadratic_kernel(
    level: Correlation,
    *,
    method: Literal["auto", "circulant", "window"] = "auto",
    window: int | None = None,
    n_samples: int | None = None,
) -> QuadraticKernel:
    r"""Invert the two-point function of one scale.

    Parameters
    ----------
    level : Correlation
    method : {"auto", "circulant", "window"}
        ``"circulant"`` needs every lag of a periodic lattice: K(u) is the transform of 1/G(k).
        ``"window"`` serves open lattices and single configurations: the row of the inverse of
        C(u - v), u and v within a window, that belongs to its centre. ``"auto"`` takes the first
        where it can.
    window : int, optional
        Half width of the window in blocks: 128, 6, 2, 1 in one to four dimensions, or half the
        longest lag if that is less.
    n_samples : int, optional
        Samples behind each momentum, for ``"circulant"``: the number of groups if not given. It
        takes thirty.

    Returns
    -------
    QuadraticKernel

    Raises
    ------
    ArgumentError
        If the method is unknown.
    AnalysisError
        If the lattice has no lag, samples are too few for ``"circulant"``, or what is to be
        inverted is not positive definite.

    Notes
    -----
    The row of the window is that of the best linear prediction of a site from its neighbours:
    K(0) is one over the variance left, -K(u)/K(0) the coefficients. It is exact where K vanishes
    beyond the window; of a power law the tail is fitted up to a quarter of the window in one
    dimension and half of it in more, where the exponent sigma of fractional noise with H = 0.8
    is 0.05 too low at the far end. Inverting amplifies noise: `QuadraticKernel.condition` says by
    how much.

    Examples
    --------
    A chain with correlation 1/2 of neighbours couples nearest neighbours and nothing else:

    >>> import nnrg
    >>> from nnrg.rg.two_point.correlation import measure_two_point
    >>> from nnrg.simulate.gaussian import ar1
    >>> field = nnrg.SynapticField(ar1(256, 200, rho=0.5, rng=1), nnrg.Lattice(256))
    >>> kernel = quadratic_kernel(measure_two_point(nnrg.renormalize(field, levels=1))[0], window=8)
    >>> radius, near = kernel.profile.near(2)
    >>> print(round(float(near.values[0] / kernel.onsite.values[0]), 1))  # - rho / (1 + rho^2)
    -0.4
    """
    if not isinstance(level, Correlation):
        raise ArgumentError(f"quadratic_kernel takes a Correlation, got {type(level).__name__}")
    if method not in ("auto", "circulant", "window"):
        raise ArgumentError(f"method must be 'auto', 'circulant' or 'window', got {shown(method)}")
    if max(level.longest) < 1:
        raise AnalysisError(f"b = {level.scale}: {level.sites!r} has no lags; use fewer levels")
    if not np.all(np.isfinite(level.rows)):
        raise AnalysisError(f"b = {level.scale}: block means that vanish have no kernel")
    samples = level.weights.size if n_samples is None else as_count("n_samples", n_samples)
    able = level.whole and level.has_mean and samples >= _FEWEST_SAMPLES
    if method == "circulant" and not able:
        raise AnalysisError(
            f"b = {level.scale}: the circulant inverse needs every lag of a periodic lattice, "
            f"{_FEWEST_SAMPLES} samples and mean='field' or 'site'; try method='window'"
        )
    if method == "circulant" or (method == "auto" and able):
        return _kernel(level, "circulant", circulant(level))
    half = None if window is None else as_count("window", window)
    return _kernel(level, "window", inside_window(level, half))


def _kernel(level: Correlation, method: str, inverse: Inverse) -> QuadraticKernel:
    lags, rows, condition, reach = inverse
    squares = lag_squares(lags).ravel()
    values = as_replicates(rows, level.weights).unbiased()
    return QuadraticKernel(
        scale=level.scale,
        method=method,
        onsite=values.select(0),
        profile=on_shells(
            squares,
            np.ones(squares.size),
            values,
            len(lags),
            level.sites.shape if method == "circulant" else (),
        ),
        condition=condition,
        reach=reach,
        flag=level.flag,
    )
