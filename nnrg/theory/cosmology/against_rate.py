"""The Hubble rate against the learning rate: the exponent of a power law over several runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.estimate import Estimate
from nnrg.theory.cosmology._background_result import BackgroundFit
from nnrg.theory.cosmology._rates import seeds_estimate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HubbleLaw", "hubble_law"]

# A bend that is not worth a word, and how many errors a larger one is told from zero by.
_STRAIGHT, _SIGMAS = 1e-3, 4.0
_REFUSED = "no power law at this precision"
# A line that leaves so much is refused; one of twenty that are straight is, too.
_SURE = 0.05
# A spread of ln H over seeds below this is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HubbleLaw:
    """Power laws of H and Lambda in the learning rate.

    Attributes
    ----------
    match, time_unit : str
    exponent : Estimate
        Slope of ln H against ln eta; of Lambda it is twice that.
    amplitude : Estimate
        H at eta = 1.
    error_factor : float
        By which errors of both are larger than their spread over seeds says: the root of
        chi2_per_dof where that is above one.
    curvature : Estimate
        Second-order coefficient of ln H against ln eta: zero for a power law.
    predicted_exponent : float
        Of the match: -1, or -1/2 for the heavy ball.
    chi2_per_dof, p : float
        Of the line, by Hotelling's T^2 of what seeds leave over together, whose mean is one; NaN
        without a spread over seeds, or without more seeds than learning rates.
    verdict : {"power law", "no power law at this precision", "cannot be told"}
        Refused if p is below 0.05, or ln H bends by four errors; not told of less than two decades,
        or without chi2_per_dof of seeds that differ.
    window : (float, float)
        Least and largest learning rate.
    fits : tuple of BackgroundFit
    flags : tuple of str
    """

    match: str
    time_unit: str
    exponent: Estimate
    amplitude: Estimate
    error_factor: float
    curvature: Estimate
    predicted_exponent: float
    chi2_per_dof: float
    p: float
    verdict: str
    window: tuple[float, float]
    fits: tuple[BackgroundFit, ...]
    flags: tuple[str, ...]

    @property
    def decades(self) -> float:
        """Decades of learning rate."""
        return math.log10(self.window[1] / self.window[0])

    @property
    def sigmas(self) -> float:
        """By how many errors the exponent differs from the match; NaN without an error."""
        error = self.exponent.error
        apart = self.exponent.value - self.predicted_exponent
        return apart / error if error > _ROUNDING else math.nan

    @property
    def widened(self) -> str:
        """Words about errors that hold a factor, or none."""
        return f", errors widened by {self.error_factor:.2g}" if self.error_factor > 1 else ""

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each run."""
        import pandas as pd

        names = ("hubble", "mass2", "cosmological_constant", "invariant", "eigenvalue")
        return pd.DataFrame(
            [
                {
                    "learning_rate": fit.learning_rate,
                    **{name: getattr(fit, name).value for name in names},
                    **{f"{name}_error": getattr(fit, name).error for name in names},
                    "predicted_hubble": fit.predicted_hubble,
                    "flag": "; ".join(fit.flags),
                }
                for fit in self.fits
            ]
        )

    def __str__(self) -> str:
        rows = [
            f"H ~ eta^x, {self.match} match, time in {self.time_unit}: x {self.exponent}, from the "
            f"match {self.predicted_exponent:g}, H at eta = 1 {self.amplitude}, chi2/dof "
            f"{self.chi2_per_dof:.3g}, p {self.p:.2g}, curvature "
            f"{self.curvature}, eta {self.window[0]:g} to {self.window[1]:g}: {self.verdict}"
            f"{self.widened}"
        ]
        rows += [f"  {fit.learning_rate:10.4g}  H {fit.hubble}" for fit in self.fits]
        return "\n".join([*rows, *(f"! {flag}" for flag in self.flags)])


def hubble_law(fits: Sequence[BackgroundFit]) -> HubbleLaw:
    """Fit a power law to Hubble rates at several learning rates.

    Parameters
    ----------
    fits : sequence of BackgroundFit
        Of one match, mode and momentum, with the same seeds, at three learning rates at least.

    Returns
    -------
    HubbleLaw
        Fitted for each seed; errors over seeds, times the root of chi2/dof where a straight line
        leaves more than seeds do.

    Raises
    ------
    ArgumentError
        If fits are of several matches, modes, momenta or numbers of seeds.
    AnalysisError
        If there are fewer than three learning rates, or a run has no H.

    Notes
    -----
    H ~ 1 / eta and Lambda ~ 1 / eta^2 in the units of time of the slow-roll and second-order
    matches, H ~ eta^(-1/2) in that of the momentum match: the exponent is of a unit of time, and
    only m^2 / H^2 is not. In the units of the first two it is -1 for any training that follows
    the gradient, whether its outputs are a field in an expanding universe or not: what tests the
    duality is the amplitude, not the exponent.

    Runs that hold within the tolerance of a scan may still refuse a power law: with common starts
    seeds tell far smaller departures from a straight line than those from the match.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import HeavyBall, perceptron, train
    >>> from nnrg.theory.cosmology import fit_background
    >>> x = np.random.default_rng(1).standard_normal((20, 5))
    >>> def fit(eta):
    ...     made = train(perceptron(5), (x, x.sum(1)), optimiser=HeavyBall(eta, 0.9), steps=200,
    ...                  record=1, n_seeds=3, rng=1)
    ...     return fit_background(made, x, x.sum(1), match="momentum", mode=0)
    >>> round(hubble_law([fit(eta) for eta in (0.01, 0.02, 0.04)]).exponent.value, 6)
    -0.5
    """
    listed = isinstance(fits, Sequence)
    if not listed or not all(isinstance(fit, BackgroundFit) for fit in fits):
        raise ArgumentError(f"fits must be of fit_background, got {shown(fits)}")
    runs = sorted(fits, key=lambda fit: fit.learning_rate)
    if len({(fit.match, fit.n_samples) for fit in runs}) > 1:
        raise ArgumentError("fits must be of one match and of the same seeds")
    if len({fit.mode for fit in runs}) > 1:
        raise ArgumentError("fits must be of one mode")
    if runs and np.ptp([_unit_hubble(fit) for fit in runs]) > _ROUNDING:
        raise ArgumentError("fits must be of one momentum: H of the match depends on it")
    rates = len({fit.learning_rate for fit in runs})
    if rates < 3:
        raise AnalysisError(f"a power law needs three learning rates at least, got {rates}")
    eta = np.log([fit.learning_rate for fit in runs])
    hubble = np.stack([fit.replicates["hubble"] for fit in runs])
    if not (hubble > 0).all():  # NaN is not, either
        raise AnalysisError("a run has no positive Hubble rate; leave it out, see its flags")
    logs = np.log(hubble)
    slope, offset = np.polyfit(eta, logs, 1)
    curvature = np.polyfit(eta, logs, 2)[0]
    chi2_per_dof, p = _straightness(eta, logs)
    window = (runs[0].learning_rate, runs[-1].learning_rate)
    flags = [f"eta = {fit.learning_rate:g}: {flag}" for fit in runs for flag in fit.flags]
    bend = seeds_estimate(curvature)
    short = window[1] < 100 * window[0] * (1 - 1e-9)
    untold = math.isnan(p) and float(logs.std(axis=1).min()) > _ROUNDING
    verdict = "cannot be told" if short or untold else "power law"
    factor = math.sqrt(chi2_per_dof) if chi2_per_dof > 1 else 1.0
    if untold:
        flags.append(
            f"whether it is a power law is not told: chi2/dof of {len(runs)} runs needs "
            f"{len(runs) + 1} seeds at least, got {logs.shape[1]}"
        )
    if p < _SURE:
        verdict = _REFUSED
        flags.append(
            f"{_REFUSED}: chi2/dof {chi2_per_dof:.2g}, p {p:.2g}; the exponent is one of this "
            f"window, and its error holds a factor of {factor:.2g}"
        )
    if abs(bend.value) > max(_STRAIGHT, _SIGMAS * bend.error):
        verdict = _REFUSED
        flags.append(
            f"{_REFUSED}: ln H bends by {bend} per ln(eta)^2; learning rates "
            "are not small beside the inverse eigenvalue, or features are learned"
        )
    if short:
        flags.append(
            f"{math.log10(window[1] / window[0]):.1f} decades of learning rate: fewer than two do "
            "not tell an exponent"
        )
    return HubbleLaw(
        match=runs[0].match,
        time_unit=runs[0].time_unit,
        exponent=_widened(slope, factor),
        amplitude=_widened(np.exp(offset), factor),
        error_factor=factor,
        curvature=bend,
        predicted_exponent=_exponent(runs[0]),
        chi2_per_dof=chi2_per_dof,
        p=p,
        verdict=verdict,
        window=window,
        fits=tuple(runs),
        flags=tuple(flags),
    )


def _widened(values: npt.NDArray[np.float64], factor: float) -> Estimate:
    found = seeds_estimate(values)
    return replace(found, error=factor * found.error)


def _exponent(fit: BackgroundFit) -> float:
    """Return the exponent of H in the learning rate that the match of a fit says."""
    return -0.5 if fit.match == "momentum" else -1.0


def _unit_hubble(fit: BackgroundFit) -> float:
    """Return ln H of the match at eta = 1."""
    return math.log(fit.predicted_hubble) - _exponent(fit) * math.log(fit.learning_rate)


def _straightness(x: npt.NDArray[np.float64], logs: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return T^2 over its mean, and p, of all contrasts of (n, S) numbers that a line leaves."""
    from scipy.special import fdtrc

    n, seeds = logs.shape
    line = np.stack([np.ones(n), x - x.mean()], axis=1)
    contrasts = np.linalg.qr(line, mode="complete")[0][:, 2:].T @ logs
    dof, rest = n - 2, seeds - (n - 2)
    spread = contrasts.std(axis=1)
    if rest < 3 or spread.min() < _ROUNDING:
        return math.nan, math.nan
    covariance = np.atleast_2d(np.cov(contrasts)) / seeds
    mean = contrasts.mean(axis=1)
    f = float(mean @ np.linalg.solve(covariance, mean)) * rest / (dof * (seeds - 1))
    # The mean of Fisher's distribution is rest / (rest - 2).
    return f * (rest - 2) / rest, float(fdtrc(dof, rest, f))
