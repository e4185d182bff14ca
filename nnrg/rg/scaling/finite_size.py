"""Finite-size scaling: order parameter, Binder cumulant and correlation length of a whole lattice.

The curves of several sizes are laid on one another by `nnrg.stats.collapse`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numpy.polynomial import polynomial

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import SynapticField
from nnrg.rg.scaling._power_law import fit_power
from nnrg.stats.autocorrelation import autocorrelation_time, block_length
from nnrg.stats.collapse import ScalingCurve
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.model_average import ModelAverage
from nnrg.stats.replicates import Replicates

__all__ = [
    "Crossing",
    "FiniteSizeObservables",
    "crossings",
    "finite_size_observables",
    "fit_size_exponent",
]

Floats = npt.NDArray[np.float64]

_NAMES = ("binder", "magnetisation", "susceptibility", "xi_over_L")
# Fewest jackknife groups of a Markov chain that give an error.
_FEWEST = 8


@dataclass(frozen=True, slots=True, eq=False)
class FiniteSizeObservables:
    """Observables of a whole periodic lattice, with errors that know of autocorrelations.

    Attributes
    ----------
    size : int
        Linear size L.
    names : tuple of str
        ``binder``: 1 - <m^4> / (3 <m^2>^2); ``magnetisation``: <|m|>; ``susceptibility``:
        V <m^2>; ``xi_over_L``: second-moment correlation length over L. m is the mean over sites.
    numbers : Replicates
        In the order of `names`.
    tau : Estimate
        Integrated autocorrelation time of m^2, in samples.
    """

    size: int
    names: tuple[str, ...]
    numbers: Replicates
    tau: Estimate

    def estimate(self, name: str) -> Estimate:
        """Return one observable with its error; flagged if the chain is short."""
        one = self.select(name).estimates()[0]
        return Estimate(one.value, one.error, n_samples=one.n_samples, flag=self.tau.flag)

    def select(self, name: str) -> Replicates:
        """Return one observable with its replicates."""
        if name not in self.names:
            raise ArgumentError(f"no observable {shown(name)}; there are {', '.join(self.names)}")
        return self.numbers.select(self.names.index(name))

    def __str__(self) -> str:
        rows = zip(self.names, self.numbers.values, self.numbers.errors(), strict=True)
        text = ", ".join(f"{name} = {format_value_error(v, e)}" for name, v, e in rows)
        return f"L = {self.size}: {text}; tau = {self.tau} samples"


def finite_size_observables(field: SynapticField, *, max_groups: int = 64) -> FiniteSizeObservables:
    r"""Measure order parameter, Binder cumulant and correlation length of a periodic lattice.

    Parameters
    ----------
    field : SynapticField
        Successive samples of one Markov chain, or independent ones, on a periodic lattice whose
        axes are of one length. Not demeaned: the order parameter is its mean.
    max_groups : int
        At most so many jackknife groups; fewer if they must be longer to be independent.

    Returns
    -------
    FiniteSizeObservables

    Raises
    ------
    ArgumentError
        If the lattice is open or its axes differ.
    AnalysisError
        If the samples are fewer than eight independent groups, or the field is constant.

    Notes
    -----
    .. math:: U_4 = 1 - \frac{\langle m^4 \rangle}{3 \langle m^2 \rangle^2}, \quad
              \xi = \frac{1}{2 \sin (\pi / L)} \sqrt{\frac{G(0)}{G(k_{min})} - 1}, \quad
              G(k) = \frac1V \Big\langle \Big| \sum_x \phi_x e^{-ikx} \Big|^2 \Big\rangle

    with the smallest momentum averaged over axes. Groups hold at least the samples that
    `nnrg.stats.block_length` asks for at the autocorrelation time of m^2.

    Examples
    --------
    >>> from nnrg.simulate.gaussian import gaussian_free_field
    >>> import nnrg
    >>> values = gaussian_free_field((16, 16), 400, mass2=0.25, rng=1)
    >>> field = nnrg.SynapticField(values, nnrg.Lattice((16, 16), periodic=True))
    >>> print(finite_size_observables(field).estimate("xi_over_L"))  # exactly 2 / 16
    0.126(12)
    """
    sites = field.lattice
    lengths = set(sites.shape)
    if len(lengths) != 1 or not np.all(sites.periodic) or sites.shape[0] < 3:
        raise ArgumentError(
            "finite-size scaling needs a periodic lattice with axes of one length of at least 3, "
            f"got {sites!r}"
        )
    length, volume = sites.shape[0], sites.n_sites
    n = field.n_samples
    if n < 2 * _FEWEST:
        raise AnalysisError(f"{n} samples are too few for {_FEWEST} groups; run longer")
    sums = _sums(field)
    tau = autocorrelation_time(sums[:, 1]).tau
    block = block_length(n, tau)
    groups = min(as_count("max_groups", max_groups, _FEWEST), n // block)
    if groups < _FEWEST:
        raise AnalysisError(
            f"{n} samples with autocorrelation time {tau} make {groups} independent groups, at "
            f"least {_FEWEST} are needed; run longer"
        )

    def observables(means: Floats) -> list[float]:
        m1, m2, m4, gk = means
        ratio = max(m2 * volume / gk - 1, 0.0)
        xi = np.sqrt(ratio) / (2 * np.sin(np.pi / length) * length)
        return [1 - m4 / (3 * m2**2), m1, volume * m2, xi]

    numbers = Replicates.of_mean(sums, max_groups=groups).map(observables)
    return FiniteSizeObservables(length, _NAMES, numbers, tau)


def _sums(field: SynapticField) -> Floats:
    """Return |m|, m^2, m^4 and G(k_min) of each sample, shape (n_samples, 4)."""
    d, length = field.sites.dimension, field.sites.shape[0]
    wave = np.exp(-2j * np.pi * np.arange(length) / length)
    values = field.values
    gk = np.zeros(field.n_samples)
    for axis in range(d):
        others = tuple(1 + a for a in range(d) if a != axis)
        profile = values.sum(axis=others, dtype=np.float64)
        gk += np.abs(profile @ wave) ** 2 / (field.sites.n_sites * d)
    m = values.reshape(field.n_samples, -1).mean(axis=1, dtype=np.float64)
    return np.stack([np.abs(m), m**2, m**4, gk], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """Where the curves of two sizes cross.

    Attributes
    ----------
    sizes : tuple of two floats
    control : Estimate
        Value of the control parameter there, in its unit.
    height : Estimate
        The observable there.
    """

    sizes: tuple[float, float]
    control: Estimate
    height: Estimate

    def __str__(self) -> str:
        small, large = self.sizes
        return f"L = {small:g} and {large:g}: {self.height} at {self.control}"


def crossings(curves: Sequence[ScalingCurve], *, degree: int = 2) -> tuple[Crossing, ...]:
    """Find where the curves of neighbouring sizes cross.

    Parameters
    ----------
    curves : sequence of ScalingCurve
        Of a quantity that does not depend on the size at the critical point: a Binder cumulant,
        or the correlation length over L.
    degree : int
        Of the polynomial fitted to each curve; each needs more points than that.

    Returns
    -------
    tuple of Crossing
        One for each two neighbouring sizes, smallest first. Their drift with the size is that of
        corrections to scaling. NaN with a flag where two curves do not cross in the range that
        both cover.

    Raises
    ------
    ArgumentError
        If there are fewer than two sizes.
    AnalysisError
        If a curve has too few points.

    Notes
    -----
    Polynomials are fitted with the errors as weights, in each replicate of either curve.

    Examples
    --------
    >>> import numpy as np
    >>> control = np.linspace(0.9, 1.1, 5)
    >>> variances = np.full(5, 1e-4)
    >>> curves = [
    ...     ScalingCurve(
    ...         n, control, Replicates.from_covariance(0.6 + n * (control - 1), variances)
    ...     )
    ...     for n in (8, 16)
    ... ]
    >>> print(crossings(curves)[0])
    L = 8 and 16: 0.600(16) at 1.0000(12)
    """
    order = as_count("degree", degree, 1, 8, hint="try 2")
    ranked = sorted(curves, key=lambda curve: curve.size)
    if len({curve.size for curve in ranked}) != len(ranked) or len(ranked) < 2:
        raise ArgumentError(
            f"curves of two or more different sizes cross, got {[c.size for c in ranked]}; join "
            "the data of one size into one curve"
        )
    for curve in ranked:
        if curve.control.size <= order:
            raise AnalysisError(
                f"the curve of size {curve.size:g} has {curve.control.size} points, more than "
                f"{order} are needed; lower the degree"
            )
    return tuple(_crossing(small, large, order) for small, large in pairwise(ranked))


def _crossing(small: ScalingCurve, large: ScalingCurve, degree: int) -> Crossing:
    low = max(small.control[0], large.control[0])
    high = min(small.control[-1], large.control[-1])
    sizes = (small.size, large.size)
    middle, half = (low + high) / 2, (high - low) / 2
    no = "no crossing in the range that both sizes cover"
    if not half > 0:
        nothing = Estimate(np.nan, np.nan, flag=no)
        return Crossing(sizes, nothing, nothing)
    solves = []
    for curve in (small, large):
        weight = 1 / curve.data.errors()
        design = np.vander((curve.control - middle) / half, degree + 1, increasing=True)
        solves.append(np.linalg.pinv(design * weight[:, None]) * weight)
    cut = small.control.size
    # Of several roots the one nearest to the middle, then to that of the whole data.
    near = 0.0

    def cross(values: Floats) -> Floats:
        first, second = solves[0] @ values[:cut], solves[1] @ values[cut:]
        difference = first - second
        # A leading coefficient that is rounding alone would cost the other roots their digits.
        top = np.abs(difference).max()
        roots = polynomial.polyroots(polynomial.polytrim(difference, 1e-12 * top))
        real = roots.real[np.abs(roots.imag) < 1e-9]
        if not real.size:
            return np.full(2, np.nan)
        root = real[np.argmin(np.abs(real - near))]
        return np.array([root, polynomial.polyval(root, first)])

    joined = Replicates.join([small.data, large.data])
    near = float(cross(joined.values)[0])
    if not abs(near) <= 1:
        nothing = Estimate(np.nan, np.nan, flag=no)
        return Crossing(sizes, nothing, nothing)
    control, height = (
        joined.map(cross).map(lambda pair: np.array([middle + half * pair[0], pair[1]])).estimates()
    )
    return Crossing(sizes, control, height)


def fit_size_exponent(sizes: npt.ArrayLike, data: Replicates) -> ModelAverage:
    r"""Fit the power of the size that a positive observable follows at the critical point.

    Parameters
    ----------
    sizes : array_like of shape (n,)
        Linear sizes, increasing; three or more.
    data : Replicates
        The observable at each size: <|m|> goes as :math:`L^{-\beta/\nu}`, the susceptibility as
        :math:`L^{\gamma/\nu}`.

    Returns
    -------
    ModelAverage
        Of ``power``, over windows of half the sizes or more; flagged if the best fit is poor.

    Raises
    ------
    ArgumentError
        If sizes do not increase or do not fit the data.
    AnalysisError
        If there are fewer than three sizes, or a number is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> sizes = np.array([8.0, 16.0, 32.0, 64.0])
    >>> found = fit_size_exponent(sizes, Replicates.from_covariance(sizes**1.75, sizes * 1e-3))
    >>> print(found.estimate)
    1.7500(7)
    """
    length = np.asarray(sizes, dtype=np.float64)
    if length.ndim != 1 or length.shape != data.values.shape or not np.all(length > 0):
        raise ArgumentError(
            f"sizes must be {data.values.size} positive numbers, got shape {length.shape}"
        )
    law = fit_power(length, data)
    if law.power is None:
        raise AnalysisError(law.refusal)
    return law.power
