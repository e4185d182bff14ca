"""Dynamical mean-field theory of recurrent networks in discrete time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation, Function
from nnrg.errors import ArgumentError
from nnrg.stats.estimate import Estimate
from nnrg.theory.recurrent._difference import Stationary, growth, stationary
from nnrg.theory.recurrent._solution import Solution, recurrent_assumptions
from nnrg.theory.recurrent._solve import is_silent
from nnrg.theory.recurrent.potential import NewtonianPotential, parameters

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DiscreteRecurrentMeanField", "rnn_dmft_discrete"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscreteRecurrentMeanField(Solution):
    """Stationary activity of an infinitely wide recurrent network in discrete time.

    Attributes
    ----------
    activation : Activation
    sigma_w, sigma_b, decay, noise : float
    phase : str
        "silent", "fixed point", "chaotic" (lyapunov > 0) or "noise-driven".
    variance : Estimate
        c(0); its error is what the last Newton step changed, and the quadrature.
    limit : float
        c at the last lag.
    lyapunov : Estimate
        Largest Lyapunov exponent per step.
    residual : float
        Of the equation for c, relative to c(0).
    instability : float
        sigma_w^2 <phi'^2> / gamma^2 - 1.
    lags : ndarray of shape (n_lags,)
        0, 1, 2, ... steps.
    correlation : ndarray of shape (n_lags,)
        c(lag), read-only.
    assumptions : tuple of str
    flag : str
    """

    phase: str
    limit: float
    residual: float
    instability: float
    lags: npt.NDArray[np.int64]
    correlation: Array

    def correlation_at(self, lags: npt.ArrayLike) -> Array:
        """Return c at whole lags; beyond the last one its value there."""
        k = np.abs(np.asarray(lags, dtype=np.int64))
        return np.asarray(self.correlation[np.minimum(k, len(self.correlation) - 1)])

    def to_dataframe(self) -> pd.DataFrame:
        """Return columns ``lag, correlation``."""
        import pandas as pd

        return pd.DataFrame({"lag": self.lags, "correlation": self.correlation})

    def _title(self) -> str:
        return f"Recurrent network in discrete time, {self.activation}: {self.phase}"

    def _rows(self) -> dict[str, str]:
        return {
            "c(0)": f"{self.variance}",
            "c(infinity)": f"{self.limit:.10g}",
            "lambda_max": f"{self.lyapunov} per step",
            "residual": f"{self.residual:.1e}; local instability {self.instability:+.6f}",
        }


def rnn_dmft_discrete(
    activation: str | Activation | Function,
    sigma_w: float,
    sigma_b: float = 0.0,
    *,
    decay: float = 1.0,
    noise: float = 0.0,
) -> DiscreteRecurrentMeanField:
    r"""Solve the dynamical mean-field theory of a recurrent network in discrete time.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : float, dimensionless
    decay : float
        gamma per step, 0 < gamma <= 1.
    noise : float
        D >= 0, the variance of the noise of each step.

    Returns
    -------
    DiscreteRecurrentMeanField

    Raises
    ------
    ArgumentError
        If a number is out of range, or the activation unknown.
    AnalysisError
        If the activity has no finite variance, or Newton's method does not converge.

    Notes
    -----
    .. math:: z(t+1) = (1 - \gamma) z(t) + W \phi(z(t)) + b + \xi(t)

    With a = 1 - gamma, the stationary c solves (1 + a^2) c(k) - a c(k - 1) - a c(k + 1) =
    sigma_w^2 <phi phi>_{c_0, c(k)} + sigma_b^2 + D delta_{k0}, and two replicas separate as
    mu^(t + t') psi(t - t') with the largest mu for which

    .. math:: (\mu^2 + a^2)\, \psi(k) = \sigma_w^2 \langle \phi' \phi' \rangle_{c_0, c(k)} \psi(k)
              + a \mu\, [\psi(k - 1) + \psi(k + 1)] ,

    lambda_max = ln mu. For gamma = 1 all lags decouple: c(k) = c* and lambda_max = ln chi_1 / 2, as
    for the layers of a feed-forward network. Euler's method and the exponential step for a
    network in continuous time are of this form, so that their step has no error here.

    Examples
    --------
    >>> from nnrg.theory.recurrent.discrete import rnn_dmft_discrete
    >>> net = rnn_dmft_discrete("tanh", 1.5, decay=0.5)
    >>> net.phase, round(net.variance.value, 6), round(net.lyapunov.value, 6)
    ('chaotic', 5.441878, 0.108062)
    """
    phi, w, b, gamma, d = parameters(activation, sigma_w, sigma_b, decay, noise)
    if gamma > 1:
        raise ArgumentError(
            f"decay must be at most 1 in discrete time, got {gamma:g}; at 1 nothing is kept"
        )
    network = NewtonianPotential(phi, w, b, gamma, d, 1.0)
    found = Stationary(np.zeros(1), 0.0, 0.0) if is_silent(network) else stationary(network)
    q = float(found.correlation[0])
    exponent, instability = growth(network, found)
    if q == 0:
        phase = "silent"
    elif len(found.correlation) == 1:
        phase = "fixed point"
    else:
        phase = "chaotic" if exponent.value > 0 else "noise-driven"
    flag = ""
    if abs(exponent.value) <= 3 * exponent.error:
        flag = "at the transition within the error: the phase cannot be told"
    return DiscreteRecurrentMeanField(
        activation=phi,
        sigma_w=w,
        sigma_b=b,
        decay=gamma,
        noise=d,
        phase=phase,
        variance=Estimate(q, found.error + 1e-13 * q),
        limit=float(found.correlation[-1]),
        lyapunov=exponent,
        residual=found.residual,
        instability=instability,
        lags=np.arange(len(found.correlation)),
        correlation=found.correlation.copy(),
        assumptions=recurrent_assumptions(phi, "steps"),
        flag=flag,
    )
