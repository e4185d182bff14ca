"""Integrated autocorrelation time, effective sample size, and the length of independent blocks."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.stats.estimate import Estimate

__all__ = ["Autocorrelation", "autocorrelation_time", "block_length"]

Floats = npt.NDArray[np.float64]

# Shorter than so many autocorrelation times, a series does not tell its own.
_FEWEST_TIMES = 50
_FEWEST_POINTS = 16


@dataclass(frozen=True, slots=True)
class Autocorrelation:
    """How far the points of a series depend on one another.

    Attributes
    ----------
    tau : Estimate
        Integrated autocorrelation time, in steps; 1/2 for independent points.
    mean : Estimate
        Mean of the series, with the error that the dependence leaves it.
    window : int
        Lag at which the sum was cut, in steps.
    n_effective : float
        Number of independent points that say as much: n / (2 tau).
    n_points : int
    """

    tau: Estimate
    mean: Estimate
    window: int
    n_effective: float
    n_points: int

    def __str__(self) -> str:
        return (
            f"tau = {self.tau} steps, {self.n_points} points worth {self.n_effective:.0f} "
            f"independent ones, window {self.window}; mean {self.mean}"
        )


def autocorrelation_time(series: npt.ArrayLike, *, slowness: float = 1.5) -> Autocorrelation:
    r"""Measure the integrated autocorrelation time by the Gamma method.

    Parameters
    ----------
    series : array_like of shape (n,) or (n_chains, n)
        Successive values of one observable, in any unit; chains are independent of one another.
    slowness : float
        S, the assumed ratio of exponential to integrated time, 1 to 2. Larger sums further.

    Returns
    -------
    Autocorrelation
        Flagged where the series is shorter than 50 autocorrelation times.

    Raises
    ------
    ArgumentError
        If the shape does not fit or `slowness` is not positive.
    NonFiniteError
        If a value is NaN or infinite.
    AnalysisError
        If the series is constant or has fewer than 16 points.

    Notes
    -----
    .. math:: \tau = \frac12 + \sum_{t=1}^{W} \rho(t), \quad
              \delta\tau = \tau \sqrt{\frac{4}{n} \left(W + \frac12 - \tau\right)},

    and :math:`\sigma^2 = 2 \tau\, \Gamma(0) / n` of the mean. W is the first lag where
    :math:`e^{-W / \tau_W} - \tau_W / \sqrt{W n}` is negative,
    :math:`\tau_W = S / \ln \frac{2\tau + 1}{2\tau - 1}`. The bias that subtracting the measured
    mean leaves, :math:`-2 \tau\, \Gamma(0) / n` of each :math:`\Gamma(t)`, is added back (U. Wolff,
    Computer Physics Communications 156 (2004) 143, doi:10.1016/S0010-4655(03)00467-3, equations 49
    to 52; :math:`\delta\tau` is equation 42).

    Examples
    --------
    An AR(1) chain has :math:`\tau = (1 + \rho) / (2 (1 - \rho))`, 9.5 for 0.9.

    >>> from nnrg.simulate.gaussian import ar1
    >>> found = autocorrelation_time(ar1(100_000, 1, rho=0.9, rng=1)[0])
    >>> print(found.tau)
    9.6(5)
    """
    chains = np.atleast_2d(_real(series))
    slow = as_real("slowness", slowness, hint="try 1.5")
    if chains.ndim != 2 or slow <= 0:
        raise ArgumentError(
            "a series must have shape (n,) or (n_chains, n) and slowness must be positive, got "
            f"{chains.shape} and {slow}"
        )
    length, total = chains.shape[1], chains.size
    if length < _FEWEST_POINTS:
        raise AnalysisError(
            f"a series of {length} points is too short for an autocorrelation time, at least "
            f"{_FEWEST_POINTS} are needed; run longer"
        )
    mean = float(chains.mean())
    gamma = _autocovariance(chains - mean)
    # A constant series is one whose fluctuations are what rounding makes of its size.
    if not gamma[0] > (1e-14 * max(abs(mean), np.finfo(float).tiny)) ** 2:
        raise AnalysisError(
            f"the series is constant at {mean:g}: it has no autocorrelation time; "
            "choose an observable that fluctuates"
        )
    rho = gamma / gamma[0]
    sums = 0.5 + np.cumsum(rho[1:])
    window = _window(sums, total, slow)
    cut = float(sums[window - 1])
    # Each Gamma(t), that at t = 0 too, is too small by the variance of the mean.
    shift = max(2 * cut, 0.0) / total
    tau = (cut + (window + 0.5) * shift) / (1 + shift)
    tau = max(tau, 0.5 / np.sqrt(total))
    variance = float(gamma[0]) * (1 + shift)
    error = tau * np.sqrt(4 / total * max(window + 0.5 - tau, 0.5))
    effective = total / (2 * tau)
    flag = ""
    if length < _FEWEST_TIMES * tau:
        flag = f"short series: {length} steps are {length / tau:.0f} autocorrelation times"
    return Autocorrelation(
        Estimate(tau, error, n_samples=effective, flag=flag),
        Estimate(mean, float(np.sqrt(variance / effective)), n_samples=effective, flag=flag),
        window,
        effective,
        total,
    )


def _real(series: npt.ArrayLike) -> Floats:
    raw = np.asarray(series)
    if raw.dtype.kind not in "biuf" or raw.size == 0:
        raise ArgumentError(
            f"a series must be real numbers, got {raw.size} of type {raw.dtype}; "
            "analyse real and imaginary parts one by one"
        )
    values = raw.astype(np.float64)
    if not np.all(np.isfinite(values)):
        raise NonFiniteError(
            f"the series holds {np.count_nonzero(~np.isfinite(values))} values that are NaN or "
            "infinite; drop the steps before they appear"
        )
    return values


def _autocovariance(centred: Floats) -> Floats:
    """Return Gamma(t) for t = 0 .. n/2, averaged over chains, divided by the pairs there are."""
    from scipy.fft import irfft, next_fast_len, rfft

    length = centred.shape[1]
    padded = next_fast_len(length + length // 2 + 1, real=True)
    power = np.abs(rfft(centred, n=padded, axis=1)) ** 2
    lags = np.arange(length // 2 + 1)
    products = irfft(power.sum(axis=0), n=padded)[lags]
    return np.asarray(products / (len(centred) * (length - lags)))


def _window(sums: Floats, total: int, slowness: float) -> int:
    """Return the lag at which truncation and noise balance."""
    lag = np.arange(1, sums.size + 1)
    above = np.maximum(sums, 0.5 * (1 + 1e-12))
    time = slowness / np.log((2 * above + 1) / (2 * above - 1))
    slope = np.exp(-lag / time) - time / np.sqrt(lag * total)
    below = np.flatnonzero(slope < 0)
    return int(lag[below[0]] if below.size else lag[-1])


def block_length(n_points: int, correlation: float | Estimate) -> int:
    r"""Choose how many neighbouring points make one block of a jackknife or bootstrap.

    Parameters
    ----------
    n_points : int
        Length of the series, or of the lattice along one axis.
    correlation : float or Estimate
        Integrated autocorrelation time in steps, or correlation length in sites.

    Returns
    -------
    int
        At least twice the correlation, at least 1, at most `n_points`.

    Raises
    ------
    ArgumentError
        If the correlation is negative or not finite.
    AnalysisError
        If blocks of twice the correlation are fewer than two.

    Notes
    -----
    :math:`\tau\,(2 n / \tau)^{1/3}`, where the bias of the error that dependent blocks leave,
    :math:`-\tau / B`, and its noise, :math:`\sqrt{2 B / n}` of its square, are together
    smallest (U. Wolff, Computer Physics Communications 156 (2004) 143, section 3.4), but never
    below :math:`2 \tau`.

    Examples
    --------
    >>> block_length(10_000, 5.0), block_length(10_000, 0.5)
    (80, 18)
    """
    count = as_count("n_points", n_points, 1)
    tau = as_real("correlation", float(correlation), hint="give a length in steps or sites")
    if tau < 0:
        raise ArgumentError(
            f"correlation must not be negative, got {tau}; an autocorrelation time is 1/2 or more"
        )
    fewest = max(1, ceil(2 * tau))
    if count < 2 * fewest:
        raise AnalysisError(
            f"{count} points hold {count // fewest} block(s) of twice the correlation "
            f"({tau:.3g}), at least 2 are needed; use independent samples or a longer series"
        )
    best = tau * (2 * count / tau) ** (1 / 3) if tau > 0 else 1.0
    return int(min(max(fewest, ceil(best)), count // 2))
