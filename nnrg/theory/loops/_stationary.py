"""The fixed point of the metric, and the 1/width corrections that become stationary there."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from nnrg.activation_functions import Activation
from nnrg.errors import AnalysisError
from nnrg.theory.criticality.mean_field import MeanField
from nnrg.theory.loops._layer import tangent_layer

__all__ = ["Stationary", "stationary"]

# Below it a smooth network is linear to six digits; the second derivatives still have nine.
_ZERO = 1e-6
_MARGINAL = 1e-12
# Closer to 1 chi_par lets fluctuations grow beyond any width of use.
_SLOW = 1e-6


@dataclass(frozen=True, slots=True)
class Stationary:
    """Averages at K* and stationary corrections times n: shift, variance, squared alignment.

    ``limit`` is what the metric tends to. A scale-invariant network may have none (NaN), or zero:
    nothing else here depends on it, and ``metric`` is 1.
    ``ratio`` is <phi'^4> / <phi'^2>^2; ``log_slope`` and ``log_bend`` are the derivatives of
    ln chi_1 with respect to K; ``growth_variance`` is the growth of Var ln D a layer, times n.
    """

    metric: float
    limit: float
    chi_1: float
    chi_par: float
    curvature: float
    ratio: float
    log_slope: float
    log_bend: float
    shift: float
    variance: float
    alignment: float
    growth_variance: float
    error: float

    @property
    def terms(self) -> dict[str, float]:
        """The four parts of the correction to the growth of E[ln D] a layer, times n."""
        k, s = self.metric, self.log_slope
        return {
            "spread of one layer": -(3 * self.ratio - 1) / 2,
            "shift of the metric": s * self.shift if s else 0.0,
            "variance of the metric": (self.log_bend * self.variance / 2 if self.log_bend else 0.0),
            "alignment with the signal": 2 * k * s * self.alignment if s else 0.0,
        }


def stationary(phi: Activation, sigma_w: float, sigma_b: float, start: float = 1.0) -> Stationary:
    """Return the corrections at the fixed point that the metric tends to from `start`.

    Raises
    ------
    AnalysisError
        If the metric diverges, or tends to its fixed point more slowly than exponentially.
    """
    k, limit = _metric(phi, sigma_w, sigma_b, start)
    law, error = tangent_layer(phi, sigma_w, sigma_b, k, 0.0, 1)
    chi, chi_par = (_rounded(float(x)) for x in (law.h[0][2], law.h[1][0, 0]))
    if not chi > 0:
        raise AnalysisError(f"{phi.name} has slope zero at K* = {k:.3g}: no tangent grows")
    curvature = float(law.h[2][0, 0, 0])
    if phi.slopes:
        slope, bend = 0.0, 0.0
        curvature = 0.0
    else:
        slope = float(law.h[1][2, 0]) / chi
        bend = float(law.h[2][2, 0, 0]) / chi - slope**2
    noise = law.spread[0]
    variance = noise[0, 0] / (1 - chi_par**2) if abs(chi_par) < 1 else float("inf")
    shift = curvature * variance / 2 / (1 - chi_par) if curvature else 0.0
    decay = chi_par**2 / chi
    alignment = noise[1, 1] / (chi * k) / (1 - decay) if decay < 1 else float("inf")
    ratio = (float(noise[2, 2]) / chi**2 + 1) / 3
    growth_variance = 3 * ratio - 1
    if slope:
        # Cov(K, ln D): the same neurons make both, and a larger K changes chi_1.
        together = (chi_par * slope * variance + noise[0, 2] / chi) / (1 - chi_par)
        growth_variance += slope**2 * variance + 2 * slope * together
    out = Stationary(
        k,
        limit,
        chi,
        chi_par,
        curvature,
        ratio,
        slope,
        bend,
        shift,
        variance,
        alignment,
        growth_variance,
        error,
    )
    if not all(isfinite(x) for x in out.terms.values()):
        raise AnalysisError(
            f"at K* = {k:.3g} of {phi.name} chi_par = {chi_par:.4g}, chi_1 = {chi:.4g}: "
            "fluctuations do not become stationary; take finite_width at a depth"
        )
    return out


def _rounded(chi: float) -> float:
    """Return 1 for what differs from it by rounding: 1 - chi is divided by."""
    return 1.0 if abs(chi - 1) < _MARGINAL else chi


def _metric(phi: Activation, sigma_w: float, sigma_b: float, start: float) -> tuple[float, float]:
    mean_field = MeanField(phi, sigma_w, sigma_b, q0=start)
    if phi.slopes and (mean_field.divergence or not mean_field.q_star > 0):
        return 1.0, mean_field.q_star
    if mean_field.divergence:
        raise AnalysisError(
            f"the metric of {phi.name} at sigma_w={sigma_w:g}, sigma_b={sigma_b:g} has no limit: "
            f"{mean_field.divergence}"
        )
    if not phi.slopes and mean_field.chi_par > 1 - _SLOW:
        raise AnalysisError(
            f"the metric of {phi.name} at sigma_w={sigma_w:g}, sigma_b={sigma_b:g} tends to K* = "
            f"{mean_field.q_star:.3g} with chi_par = {mean_field.chi_par:.6g}, more slowly than "
            "exponentially; take critical_slopes, or finite_width at a depth"
        )
    return max(mean_field.q_star, _ZERO), mean_field.q_star
