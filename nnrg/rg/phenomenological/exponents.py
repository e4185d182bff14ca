"""Exponents of the phenomenological RG: powers of the number K of units in a block."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, nan

import numpy as np
import numpy.typing as npt

from nnrg.rg.scaling._power_law import PowerLaw, fit_power, running_slopes
from nnrg.stats.estimate import Estimate
from nnrg.stats.replicates import Replicates

__all__ = ["MEANING", "ScalingExponent", "fit_exponent", "overall_slope", "unmeasured"]

Array = npt.NDArray[np.float64]

MEANING = {
    "alpha": "variance of block sums, K^alpha",
    "beta": "-ln P_0 of silence, K^beta",
    "mu": "covariance eigenvalues, (K / rank)^mu",
    "z": "correlation time, K^z",
}
# Fewer decades do not show a power law: too many other functions look like one.
_DECADES = 2.0
_FEWEST = 3
# Errors by which the first and the last exponent of what drifts differ.
_DRIFT = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class ScalingExponent:
    """One exponent with all that it rests on.

    Attributes
    ----------
    name : {"alpha", "beta", "mu", "z"}
    estimate : Estimate
        Dimensionless, averaged over fit windows, statistical and systematic error in quadrature.
        NaN where there is no one power; its flag says why.
    effective : Estimate
        Slope of the straight line through all points, equally weighted: what is compared with null
        draws. It exists where no power law does.
    refusal : str
        Why there is no exponent; empty if there is one.
    law : PowerLaw or None
        The fits: windows, chi^2, weights.
    x : array of shape (n,)
        K, or K / rank, of the points.
    running : tuple of Estimate
        The effective exponent between neighbouring points.
    """

    name: str
    estimate: Estimate
    effective: Estimate
    refusal: str
    law: PowerLaw | None
    x: Array
    running: tuple[Estimate, ...]

    def __post_init__(self) -> None:
        self.x.flags.writeable = False

    @property
    def window(self) -> tuple[float, float]:
        """First and last x of the window of largest weight; NaN where there is none."""
        if self.law is None or self.law.power is None:
            return (nan, nan)
        return self.law.power.best.window

    @property
    def decades(self) -> float:
        """Decades of x that the widest window spans in which one power is a good fit."""
        return 0.0 if self.law is None else self.law.decades

    def windows(self) -> str:
        """Return a table of all fit windows, heaviest first; empty where there is none."""
        if self.law is None or self.law.power is None:
            return ""
        return self.law.power.table()

    def __str__(self) -> str:
        if self.law is None:
            return f"{self.name:5} not measured: {self.refusal}"
        slope = "" if np.isnan(self.effective.value) else f"; slope over all {self.effective}"
        if self.refusal or self.law.power is None:
            return f"{self.name:5} refused: {self.refusal}{slope}"
        best = self.law.power.best
        low, high = best.window
        flag = f"; {self.estimate.flag}" if self.estimate.flag else ""
        return (
            f"{self.name:5} = {self.estimate}, {low:.3g} .. {high:.3g}, "
            f"chi2/dof = {best.chi2:.1f}/{best.dof}{slope}{flag}"
        )


def unmeasured(name: str, reason: str) -> ScalingExponent:
    """Return an exponent for which there are no numbers."""
    none = Estimate(nan, nan, flag=reason)
    return ScalingExponent(name, none, none, reason, None, np.empty(0), ())


def overall_slope(x: Array, values: Array) -> float:
    """Return the slope of ln(values) on ln(x), points weighted equally."""
    at = np.log(x) - np.log(x).mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(at @ np.log(values) / (at @ at))


def fit_exponent(name: str, x: Array, data: Replicates) -> ScalingExponent:
    """Fit a power of x to windows of half the points or more."""
    errors = data.errors()
    used = np.flatnonzero(np.isfinite(data.values) & np.isfinite(errors) & (data.values > 0))
    if used.size < _FEWEST:
        return unmeasured(
            name, f"{used.size} scales with a value and an error, {_FEWEST} are needed"
        )
    x, data = x[used], data.select(used)
    effective = data.map(lambda q: overall_slope(x, q)).estimate()
    slopes = running_slopes(x, data)
    running = slopes.estimates()
    law = fit_power(x, data)
    refusal = law.refusal
    if law.drifts:
        refusal = _no_power(slopes)
    if refusal or law.power is None:
        none = Estimate(nan, nan, flag=refusal)
        return ScalingExponent(name, none, effective, refusal, law, x, running)
    power = law.power
    flags = [power.best.flag]
    if law.decades < _DECADES:
        flags.append(f"widest good window spans {law.decades:.1f} decades, two are needed")
    estimate = Estimate(
        power.value,
        hypot(power.statistical, power.systematic),
        n_samples=power.estimate.n_samples,
        flag="; ".join(filter(None, flags)),
    )
    return ScalingExponent(name, estimate, effective, "", law, x, running)


def _no_power(slopes: Replicates) -> str:
    """Return that no window follows one power, and whether the exponent drifts beyond errors."""
    first, last = slopes.estimate(0), slopes.estimate(slopes.values.size - 1)
    apart = slopes.map(lambda s: s[-1] - s[0]).estimate()
    if abs(apart.value) > _DRIFT * apart.error:
        return f"no window follows one power, it drifts from {first} to {last}"
    return f"no window follows one power, though {first} at one end is {last} at the other"
