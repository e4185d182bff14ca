"""How finite-width corrections grow with depth at the critical points of the metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation, as_activation
from nnrg.errors import AnalysisError
from nnrg.theory.gaussian_averages import moments

__all__ = ["CriticalSlopes", "critical_slopes"]

Array = npt.NDArray[np.float64]

# Two small metrics: what is linear in K between them is extrapolated to K = 0.
_SMALL = np.array([1e-4, 2e-4])


@dataclass(frozen=True, slots=True)
class CriticalSlopes:
    """Growth a layer of corrections, times n, deep down at the critical point with sigma_b = 0.

    Attributes
    ----------
    activation : str
    universality_class : str
        ``"scale-invariant"``, or ``"K* = 0"``: K falls as 1 / (a t).
    sigma_w : float
        The critical sigma_w; sigma_b = 0.
    decay : float
        a of K = 1 / (a t); zero if scale-invariant.
    variance : float
        n V / K^2 a layer.
    shift : float
        n K_1 / K a layer.
    log_tangent : float
        n times the correction to E[ln D] a layer.
    error : float
        Of `decay` and of `log_tangent`: quadrature and extrapolation. The rest is exact.
    """

    activation: str
    universality_class: str
    sigma_w: float
    decay: float
    variance: float
    shift: float
    log_tangent: float
    error: float
    assumptions: tuple[str, ...] = ("order 1/n", "leading order in the depth t", "sigma_b = 0")

    def __str__(self) -> str:
        metric = f", K = 1 / ({self.decay:.6g} t)" if self.decay else ", K constant"
        return (
            f"{self.activation}, critical at sigma_w = {self.sigma_w:.8g}, sigma_b = 0: "
            f"{self.universality_class}{metric}\n"
            f"V / K^2 = {self.variance:.6g} t / n, K_1 / K = {self.shift:+.6g} t / n, "
            f"E[ln D] {self.log_tangent:+.6g} t / n (error {self.error:.1g})"
        )


def critical_slopes(
    activation: str | Activation | Callable[[Array], Array],
) -> CriticalSlopes:
    r"""Return the universal growth with depth of finite-width corrections at criticality.

    Parameters
    ----------
    activation : str, Activation or callable

    Returns
    -------
    CriticalSlopes

    Raises
    ------
    AnalysisError
        If there is no critical point with sigma_b = 0 that the metric tends to.

    Notes
    -----
    Scale-invariant, slopes :math:`a_\pm`, :math:`A_k = (a_+^k + a_-^k) / 2`: :math:`V / K^2 = (3
    A_4 / A_2^2 - 1) t / n`, no shift, ln D :math:`-(3 A_4 / A_2^2 - 1) t / 2n`. For :math:`\phi =
    s z + \ldots` with :math:`\sigma_w s = 1` and :math:`g = K - a K^2 + \ldots`, a > 0:
    :math:`K = 1 / (a t)`, and from the recursions of `finite_width`, with :math:`g' = 1 - 2/t`,
    :math:`g'' = -2a`, noise :math:`2 K^2`,

    .. math:: V / K^2 = \tfrac23 t / n, \qquad K_1 / K = -\tfrac13 t / n

    for every such activation. With :math:`\chi_1 = 1 - e a K`, the squared correlation of tangent
    and signal grows as :math:`t / ((4 - e) n)`, and ln D as :math:`[-1 + e/3 - 2e / (4 - e)] t /
    n`; e = 1 for odd activations, -4/3 in all.

    Examples
    --------
    >>> print(critical_slopes("relu"))
    relu, critical at sigma_w = 1.4142136, sigma_b = 0: scale-invariant, K constant
    V / K^2 = 5 t / n, K_1 / K = +0 t / n, E[ln D] -2.5 t / n (error 0)
    """
    phi = as_activation(activation)
    if phi.slopes:
        second, fourth = ((phi.slopes[0] ** p + phi.slopes[1] ** p) / 2 for p in (2, 4))
        slope = 3 * fourth / second**2 - 1
        sigma_w = float(second**-0.5)
        return CriticalSlopes(
            phi.name, "scale-invariant", sigma_w, 0.0, slope, 0.0, -slope / 2, 0.0
        )
    value, gain = float(phi(0.0)), float(phi.derivative(0.0))
    if abs(value) > 1e-12 or gain == 0 or 0.0 in phi.kinks:
        raise AnalysisError(
            f"{phi.name} has no critical point with sigma_b = 0: phi(0) = {value:g}, "
            f"phi'(0) = {gain:g}, kinks {phi.kinks}"
        )
    m = moments(phi, _SMALL)
    # g'' and chi_1' at K = 0, each extrapolated linearly.
    bend = (2 * m.second[0] - m.second[1]) / gain**2
    tilts = (m.slope_square / gain**2 - 1) / _SMALL
    tilt = 2 * tilts[0] - tilts[1]
    error = float(abs(m.second[0] - m.second[1]) / gain**2 * _SMALL[0])
    error += float(m.errors["second"].max() / gain**2)
    if not bend < 0:
        raise AnalysisError(
            f"K* = 0 of {phi.name} is unstable at sigma_w = {1 / abs(gain):.4g}, sigma_b = 0: the "
            "metric grows; the critical point is elsewhere"
        )
    a = float(-bend / 2)
    e = float(-tilt / a)
    log = -1 + e / 3 - 2 * e / (4 - e) if e < 4 else nan
    return CriticalSlopes(phi.name, "K* = 0", 1 / abs(gain), a, 2 / 3, -1 / 3, log, error)
