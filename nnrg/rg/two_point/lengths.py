"""Correlation lengths: of a fitted propagator, of the decay of C(r), and of second moments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.two_point._connected import as_replicates
from nnrg.rg.two_point._windows import best, handling
from nnrg.rg.two_point.correlation import Correlation
from nnrg.rg.two_point.propagator import DETECTED, logarithm, scan_propagator
from nnrg.rg.two_point.spectrum import Spectrum, lag_window
from nnrg.stats.estimate import Estimate
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates

__all__ = [
    "correlation_length",
    "correlation_width",
    "fit_decay",
    "fitted_lengths",
    "scan_decay",
    "second_moment_length",
    "second_moment_lengths",
]

Array = npt.NDArray[np.float64]

# Below so many correlation lengths the smallest momentum is no small one.
_LENGTHS = 6.0
# G(0) must be above G(k_min) by so many errors to set a length.
_ABOVE = 3.0


def correlation_length(spectrum: Spectrum) -> Estimate:
    """Return xi = sqrt(Z / r) in blocks, from 1/G = r + Z khat^2 + c4 khat^4 in its best window.

    NaN with a flag where r or Z is not positive: the data then set no length.

    Raises
    ------
    AnalysisError
        If no window has a fit.

    Notes
    -----
    The rate at which a free propagator r + Z khat^2 decays along an axis is the other length, 2
    asinh(1 / (2 xi)): the two agree where xi is long.
    """
    lengths, flag = fitted_lengths(spectrum)
    length = lengths.estimate(flag=flag)
    if np.isnan(length.value) or np.isnan(length.error):
        return Estimate(np.nan, np.nan, length.n_samples, flag="r or Z is not told from zero")
    return length


def fitted_lengths(spectrum: Spectrum) -> tuple[Replicates, str]:
    """Return sqrt(Z / r) of the best window, with each group left out, and a flag."""
    fit = best(scan_propagator(spectrum))
    poor = f"1/G is no polynomial in khat^2 (p = {fit.p:.1g})" if fit.p < 0.01 else ""
    flag = "; ".join(f for f in (spectrum.flag, poor) if f)
    return fit.parameters.map(lambda x: np.sqrt(x[1] / x[0])), flag


def correlation_width(level: Correlation) -> tuple[Replicates, str]:
    """Return the distance at which C(r) first falls to C(0) / e, in blocks, and a flag.

    C is that on distance shells, joined by straight lines. No law is assumed, so that it is a
    length of smooth and of oscillating correlations too; of an exponential it is the correlation
    length, of independent sites 1 - 1/e. NaN where C stays above within the lags there are.
    """
    radius, _, values = level.shells()

    def crossing(c: Array) -> float:
        ratio = c / c[0] - np.exp(-1.0)
        at = int(np.argmax(ratio <= 0))
        if at == 0:
            return np.nan
        high, low = ratio[at - 1], ratio[at]
        return float(radius[at - 1] + (radius[at] - radius[at - 1]) * high / (high - low))

    width = values.map(crossing)
    if np.isfinite(width.errors()).all():
        return width, level.flag
    return width, "C stays above C(0)/e within the lags"


def fit_decay(
    level: Correlation, *, axis: int = 0, r_min: int = 1, r_max: int | None = None
) -> FitResult:
    r"""Fit the decay of C along one axis: :math:`C(r) = A\, r^{-(d-1)/2} e^{-r/\xi}`.

    Parameters
    ----------
    level : Correlation
    axis : int
    r_min, r_max : int
        Window in blocks. By default to where C first falls below four of its errors.

    Returns
    -------
    FitResult
        ``ln A`` (A in the unit of the field squared) and ``1/xi`` in inverse blocks.

    Raises
    ------
    ArgumentError
        If the window is out of range.
    AnalysisError
        If fewer than two lags of C in the window are above four errors.

    Notes
    -----
    The form of Ornstein and Zernike, exact for r much larger than xi; in one dimension a pure
    exponential.
    """
    if not isinstance(level, Correlation):
        raise ArgumentError(f"fit_decay takes a Correlation, got {type(level).__name__}")
    lags, line = level.axis(axis)
    low = as_count("r_min", r_min, 1)
    high = int(lags[-1]) if r_max is None else as_count("r_max", r_max, low)
    lost = np.flatnonzero(~(line.values > DETECTED * line.errors()))
    last = min(high, int(lost[0]) - 1 if lost.size else high, int(lags[-1]))
    kept = (lags >= low) & (lags <= last)
    if np.count_nonzero(kept) < 2:
        raise AnalysisError(
            f"b = {level.scale}: fewer than two lags of C from r = {low} on are above "
            f"{DETECTED:g} errors; the decay cannot be told from these data"
        )
    r = lags[kept].astype(np.float64)
    shape = -(len(level.lags) - 1) / 2 * np.log(r)
    data = logarithm(line, kept).map(lambda y: y - shape)
    return correlated_fit(
        np.column_stack([np.ones(r.size), -r]),
        r,
        data,
        names=("ln A", "1/xi"),
        covariance=handling(data),
    )


def scan_decay(
    level: Correlation, *, axis: int = 0, r_max: int | None = None
) -> tuple[FitResult, ...]:
    """Return fits of the decay of C for r_min = 1, 2, ..., as long as three lags are above errors.

    Raises
    ------
    AnalysisError
        If there is none.
    """
    fits: list[FitResult] = []
    for r_min in range(1, max(2, max(level.longest))):
        try:
            fit = fit_decay(level, axis=axis, r_min=r_min, r_max=r_max)
        except AnalysisError:
            if not fits:
                raise
            break
        if fit.dof < 1 and fits:
            break
        fits.append(fit)
    return tuple(fits)


def second_moment_length(level: Correlation) -> Estimate:
    r"""Return the second-moment correlation length in blocks.

    Parameters
    ----------
    level : Correlation
        With every lag of a periodic lattice, or a correlogram: its own smallest momentum is used.

    Returns
    -------
    Estimate
        NaN with a flag where G(0) is not above G(k_min). Flagged where the lattice is short.

    Raises
    ------
    AnalysisError
        If G(0) is unknown because the mean of each sample was taken off, or there are no momenta.

    Notes
    -----
    .. math:: \xi_{2nd} = \frac{[G(0)/G(k_{min}) - 1]^{1/2}}{2 \sin(k_{min}/2)}

    averaged over the axes that are longest. Biased on few blocks: for a free field with L = 256,
    r = 0.0025 it implies a stiffness 1.0009, 1.0046, 1.0195, 1.0792 at b = 2, 4, 8, 16 instead of
    1, because k_min grows and block averages damp G(k_min).
    """
    size = max(lag.size for lag in level.lags) if level.whole else max(level.longest)
    length = second_moment_lengths(level).estimate()
    flags = [level.flag] if level.flag else []
    if np.isnan(length.value) or np.isnan(length.error):
        flags.append("G(0) is not told from G(k_min): no length")
        return Estimate(np.nan, np.nan, length.n_samples, flag="; ".join(flags))
    if size < _LENGTHS * length.value:
        flags.append(f"biased: {size} lags along an axis are few for this length")
    return Estimate(length.value, length.error, length.n_samples, flag="; ".join(flags))


def second_moment_lengths(level: Correlation) -> Replicates:
    """Return the second-moment length with each group left out; see `second_moment_length`."""
    if not level.has_mean:
        raise AnalysisError(
            "the second moment needs G(0), and the mean of each sample was taken off; "
            "use mean='field' or mean='site'"
        )
    sizes = [lag.size for lag in level.lags]
    if max(sizes) < 3:
        raise AnalysisError(f"b = {level.scale}: {level.sites!r} has no momenta; use fewer levels")
    rows = level.rows * lag_window(level)
    flat = tuple(range(1, rows.ndim))
    zero = rows.sum(axis=flat)
    longest = [a for a, n in enumerate(sizes) if n == max(sizes)]
    k = 2 * np.pi / max(sizes)
    smallest = np.zeros(len(rows))
    for axis in longest:
        wave = np.cos(k * level.lags[axis])
        others = tuple(a for a in flat if a != axis + 1)
        smallest += rows.sum(axis=others) @ wave / len(longest)
    with np.errstate(invalid="ignore", divide="ignore"):
        above = zero / smallest - 1
        lengths = np.sqrt(above) / (2 * np.sin(k / 2))
    ratio = as_replicates(above, level.weights).estimate()
    if not ratio.value > _ABOVE * ratio.error:
        lengths[:] = np.nan  # the root of what may be zero has no error of use
    return as_replicates(lengths, level.weights).unbiased()
