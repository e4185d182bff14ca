"""The Hubble rate against the learning rate: the exponent of a power law over several runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.estimate import Estimate
from nnrg.theory.cosmology.background import BackgroundFit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HubbleLaw", "hubble_law"]

# A bend that is not worth a word, and how many errors a larger one is told from zero by.
_STRAIGHT, _SIGMAS = 1e-3, 4.0


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
    curvature : Estimate
        Second-order coefficient of ln H against ln eta: zero for a power law.
    chi2_per_dof : float
        Of the line through the means over seeds, whose errors are taken as independent.
    window : (float, float)
        Least and largest learning rate.
    fits : tuple of BackgroundFit
    flags : tuple of str
    """

    match: str
    time_unit: str
    exponent: Estimate
    amplitude: Estimate
    curvature: Estimate
    chi2_per_dof: float
    window: tuple[float, float]
    fits: tuple[BackgroundFit, ...]
    flags: tuple[str, ...]

    @property
    def decades(self) -> float:
        """Decades of learning rate."""
        return math.log10(self.window[1] / self.window[0])

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
            f"H ~ eta^x, {self.match} match, time in {self.time_unit}: x {self.exponent}, H at "
            f"eta = 1 {self.amplitude}, chi2/dof {self.chi2_per_dof:.3g}, curvature "
            f"{self.curvature}, eta {self.window[0]:g} to {self.window[1]:g}"
        ]
        rows += [f"  {fit.learning_rate:10.4g}  H {fit.hubble}" for fit in self.fits]
        return "\n".join([*rows, *(f"! {flag}" for flag in self.flags)])


def hubble_law(fits: Sequence[BackgroundFit]) -> HubbleLaw:
    """Fit a power law to Hubble rates at several learning rates.

    Parameters
    ----------
    fits : sequence of BackgroundFit
        Of one match, with the same seeds, at three learning rates at least.

    Returns
    -------
    HubbleLaw
        Fitted for each seed; errors over seeds.

    Raises
    ------
    ArgumentError
        If fits are of several matches or numbers of seeds.
    AnalysisError
        If there are fewer than three learning rates, or a run has no H.

    Notes
    -----
    H ~ 1 / eta and Lambda ~ 1 / eta^2 in the units of time of the slow-roll and second-order
    matches, H ~ eta^(-1/2) in that of the momentum match: the exponent is of a unit of time, and
    only m^2 / H^2 is not.

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
    runs = sorted(fits, key=lambda fit: fit.learning_rate)
    if len({(fit.match, fit.n_samples) for fit in runs}) > 1:
        raise ArgumentError("fits must be of one match and of the same seeds")
    if len({fit.learning_rate for fit in runs}) < 3:
        raise AnalysisError(
            f"a power law needs three learning rates at least, got {len(runs)} fits"
        )
    eta = np.log([fit.learning_rate for fit in runs])
    hubble = np.stack([fit.replicates["hubble"] for fit in runs])
    if not (hubble > 0).all():
        raise AnalysisError("a run has no positive Hubble rate; leave it out, see its flags")
    logs = np.log(hubble)
    slope, offset = np.polyfit(eta, logs, 1)
    curvature = np.polyfit(eta, logs, 2)[0]
    mean = logs.mean(axis=1)
    error = logs.std(axis=1, ddof=1) / math.sqrt(logs.shape[1])
    misfit = mean - np.polyval([slope.mean(), offset.mean()], eta)
    # Without any spread over seeds there is nothing to compare with.
    chi2 = float((misfit**2 / error**2).sum()) if (error > 0).all() else math.nan
    window = (runs[0].learning_rate, runs[-1].learning_rate)
    flags = [f"eta = {fit.learning_rate:g}: {flag}" for fit in runs for flag in fit.flags]
    bend = _estimate(curvature)
    if abs(bend.value) > max(_STRAIGHT, _SIGMAS * bend.error):
        flags.append(
            f"no power law within the errors: ln H bends by {bend} per ln(eta)^2; learning rates "
            "are not small beside the inverse eigenvalue, or features are learned"
        )
    if window[1] < 100 * window[0] * (1 - 1e-9):
        flags.append(
            f"{math.log10(window[1] / window[0]):.1f} decades of learning rate: fewer than two do "
            "not tell an exponent"
        )
    return HubbleLaw(
        match=runs[0].match,
        time_unit=runs[0].time_unit,
        exponent=_estimate(slope),
        amplitude=_estimate(np.exp(offset)),
        curvature=bend,
        chi2_per_dof=chi2 / (len(runs) - 2),
        window=window,
        fits=tuple(runs),
        flags=tuple(flags),
    )


def _estimate(values: npt.NDArray[np.float64]) -> Estimate:
    n = len(values)
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n), n)
