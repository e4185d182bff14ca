"""The feed-forward counterpart in continuous time: weights that are drawn anew at every instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from nnrg.activation_functions import Activation, Function
from nnrg.errors import AnalysisError
from nnrg.stats.estimate import Estimate
from nnrg.theory.criticality._correlation import correlation_fixed_point
from nnrg.theory.gaussian_averages import gaussian_average
from nnrg.theory.recurrent._overlap import Overlap, overlaps
from nnrg.theory.recurrent._solution import Solution
from nnrg.theory.recurrent._solve import first_root
from nnrg.theory.recurrent.potential import parameters

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ContinuousFeedForward", "continuous_feed_forward"]

Array = npt.NDArray[np.float64]

_FAINT = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuousFeedForward(Solution):
    """Stationary activity of the network whose weights are white noise in time.

    Attributes
    ----------
    activation : Activation
    sigma_w, sigma_b, decay, noise : float
    variance : Estimate
        q with 2 gamma q = sigma_w^2 <phi^2> + sigma_b^2 + D; zero if nothing is active.
    growth : Estimate
        sigma_w^2 <phi'^2> - 2 gamma: the squared distance of neighbours grows as exp(growth t).
    lyapunov : Estimate
        Half of it.
    overlap : Estimate
        c* of two states of one network with noise of their own, to which they relax.
    assumptions : tuple of str
    flag : str
    """

    growth: Estimate
    overlap: Estimate

    def correlation_at(self, tau: npt.ArrayLike) -> Array:
        """Return c(tau) = q exp(-gamma |tau|): only the decay remembers."""
        tau = np.abs(np.asarray(tau, dtype=np.float64))
        return self.variance.value * np.exp(-self.decay * tau)

    def to_dataframe(self) -> pd.DataFrame:
        """Return columns ``quantity, value, error``."""
        import pandas as pd

        names = ("variance", "growth", "lyapunov", "overlap")
        rows = [(name, getattr(self, name)) for name in names]
        return pd.DataFrame(
            [{"quantity": name, "value": e.value, "error": e.error} for name, e in rows]
        )

    def _title(self) -> str:
        return f"Feed-forward network in continuous time, {self.activation}"

    def _rows(self) -> dict[str, str]:
        return {
            "q": f"{self.variance}",
            "c*": f"{self.overlap}",
            "growth": f"{self.growth} of squared distances",
            "lambda_max": f"{self.lyapunov}",
        }


def continuous_feed_forward(
    activation: str | Activation | Function,
    sigma_w: float,
    sigma_b: float = 0.0,
    *,
    decay: float = 1.0,
    noise: float = 0.0,
) -> ContinuousFeedForward:
    r"""Solve mean-field theory for weights and biases that are white in time.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : float, dimensionless
        <W_ij(t) W_ij(t')> = sigma_w^2 / N delta(t - t'), biases likewise.
    decay : float
        gamma > 0.
    noise : float
        D >= 0.

    Raises
    ------
    ArgumentError
        If a number is out of range, or the activation unknown.
    AnalysisError
        If the variance diverges.

    Notes
    -----
    By Ito's rule :math:`\dot q = -2 \gamma q + \sigma_w^2 \langle\phi^2\rangle_q + \sigma_b^2 + D`
    for one state, :math:`\dot c = -2 \gamma c + \sigma_w^2 \langle\phi\phi\rangle_{q, c} +
    \sigma_b^2` for two, and :math:`\dot k = (\sigma_w^2 \langle\phi'^2\rangle - 2 \gamma)\, k` for
    the square of their distance: chaos begins at sigma_w^2 <phi'^2> = 2 gamma, with one local
    condition, unlike in a recurrent network.

    Examples
    --------
    >>> from nnrg.theory.recurrent.feed_forward import continuous_feed_forward
    >>> net = continuous_feed_forward("linear", 1.0, noise=0.5)
    >>> round(net.variance.value, 12), net.growth.value
    (0.5, -1.0)
    """
    phi, w, b, gamma, d = parameters(activation, sigma_w, sigma_b, decay, noise)

    def drift(q: float) -> float:
        one = np.array([q])
        square = float(overlaps(phi.function, phi.kinks, one, one, np.ones(1))[0])
        return w * w * square + b * b + d - 2 * gamma * q

    least = (b * b + d) / (2 * gamma)
    if least == 0 and float(phi(0.0)) == 0 and drift(_FAINT) <= 0:
        q, spread = 0.0, 0.0
        slope = float(np.mean(phi.derivative(np.array([-1e-12, 1e-12])) ** 2))
        error = 1e-15
    else:
        root = first_root(drift, max(least, _FAINT))
        if root is None:
            raise AnalysisError(
                f"the variance must stay finite, but with {phi} and sigma_w = {w:g}, decay = "
                f"{gamma:g} it grows without bound; try a smaller sigma_w"
            )
        q = root
        square, quadrature = gaussian_average(lambda z: phi(z) ** 2, q, kinks=phi.kinks)
        step = 1e-5 * q
        gradient = abs(drift(q + step) - drift(q)) / step
        error = w * w * float(quadrature) + abs(w * w * float(square) + b * b + d - 2 * gamma * q)
        spread = error / gradient if gradient else float("inf")
        value, fault = gaussian_average(lambda z: phi.derivative(z) ** 2, q, kinks=phi.kinks)
        slope, error = float(value), float(fault) + spread
    growth = Estimate(w * w * slope - 2 * gamma, w * w * error + 1e-15 * gamma)
    near = abs(growth.value) <= 3 * growth.error
    overlap = Estimate(0.0, 0.0)
    if q > 0:
        scaled = w * w / (2 * gamma), b * b / (2 * gamma)
        overlap = _overlap(phi, *scaled, Estimate(q, spread), d > 0, growth)
    return ContinuousFeedForward(
        activation=phi,
        sigma_w=w,
        sigma_b=b,
        decay=gamma,
        noise=d,
        variance=Estimate(q, spread),
        growth=growth,
        lyapunov=Estimate(growth.value / 2, growth.error / 2),
        overlap=overlap,
        assumptions=("infinite width", "weights and biases drawn anew at every instant (Ito)"),
        flag="at the transition within the error" if near else "",
    )


def _overlap(
    phi: Activation, w2: float, b2: float, variance: Estimate, noisy: bool, growth: Estimate
) -> Estimate:
    """Return the stable covariance of two states, w2 <phi phi> + b2 = c; theirs is not the noise.

    Its approach is slow near the transition: the equation is solved, not iterated.
    """
    q, spread = variance.value, variance.error
    if not noisy:
        if growth.value <= growth.error:
            return Estimate(q, spread)
        c, error, _, _ = correlation_fixed_point(phi, w2, b2, q, spread)
        return Estimate(q * c, q * error + spread)
    curve = Overlap(phi, q)

    def gap(c: float) -> float:
        return w2 * float(curve.value(c)) + b2 - c

    # A convex map that stays below c at q crosses it once.
    root = brentq(gap, 0.0, q, xtol=1e-15 * q, rtol=1e-14) if gap(0.0) > 1e-13 * q else 0.0
    rest = max(1 - w2 * float(curve.slope(root)), 1e-12)
    return Estimate(root, (spread + 1e-12 * q) / rest)
