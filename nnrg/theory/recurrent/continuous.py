"""Dynamical mean-field theory of recurrent networks in continuous time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation, Function
from nnrg.stats.estimate import Estimate
from nnrg.theory.recurrent._schroedinger import ground_level, lowest_level
from nnrg.theory.recurrent._solution import Solution, recurrent_assumptions
from nnrg.theory.recurrent._solve import overlap_error, solve_variance, variance_error
from nnrg.theory.recurrent._trajectory import Trajectory, decaying
from nnrg.theory.recurrent.potential import NewtonianPotential, parameters

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RecurrentMeanField", "rnn_dmft"]

Array = npt.NDArray[np.float64]

_POINTS = 400
# Where Price's theorem is off by more, the numbers are not to be trusted.
_POOR = 1e-6


@dataclass(frozen=True, kw_only=True)
class RecurrentMeanField(Solution):
    """Stationary activity of an infinitely wide recurrent network in continuous time.

    Attributes
    ----------
    activation : Activation
    sigma_w, sigma_b, decay, noise : float
    phase : str
        "silent" (z = 0), "fixed point", "chaotic" (lyapunov > 0), or "noise-driven".
    variance : Estimate
        c_0 = <z^2>; the error is that of quadrature and root.
    limit : float
        c(infinity): what the biases, and a mean of phi, freeze.
    lyapunov : Estimate
        Largest Lyapunov exponent, in inverse units of time; the error is that of `ground_energy`.
    ground_energy : Estimate
        E_0 of the Schroedinger problem; its error is what another halving of the grid changes,
        plus the zero mode's distance from zero.
    zero_mode : float
        The level that must be zero because dc/dtau solves its equation; NaN for constant c.
    boundary_residual : float
        By how much energy conservation and equation of motion disagree at tau = 0; relative.
    price_residual : float
        Distance of d<phi phi>/dc from <phi' phi'>, relative.
    instability : float
        sigma_w^2 <phi'^2> / gamma^2 - 1: the fixed-point equation is locally unstable above zero.
    transition : float
        (sigma_w^2 <phi^2> + sigma_b^2) / (gamma^2 c_0) - 1 for D > 0, and for D = 0 `instability`
        of what is not chaotic: chaos above zero.
    tau, correlation : ndarray of shape (n_tau,)
        c(tau), read-only.
    assumptions : tuple of str
    flag : str
        Why the numbers are not to be trusted; empty if there is no reason.
    potential : NewtonianPotential or None
        None for silence.
    """

    phase: str
    limit: float
    ground_energy: Estimate
    zero_mode: float
    boundary_residual: float
    price_residual: float
    instability: float
    transition: float
    tau: Array
    correlation: Array
    potential: NewtonianPotential | None

    @cached_property
    def _trajectory(self) -> Trajectory | None:
        if self.potential is None or self.potential.motion == "constant":
            return None
        return decaying(self.potential)

    def correlation_at(self, tau: npt.ArrayLike) -> Array:
        """Return c(tau) at any times, symmetric in tau."""
        tau = np.asarray(tau, dtype=np.float64)
        if self._trajectory is None:
            return np.full(tau.shape, self.variance.value)
        return self._trajectory(tau)

    def to_dataframe(self) -> pd.DataFrame:
        """Return c(tau): columns ``tau, correlation``."""
        import pandas as pd

        return pd.DataFrame({"tau": self.tau, "correlation": self.correlation})

    def _title(self) -> str:
        return f"Recurrent network in continuous time, {self.activation}: {self.phase}"

    def _rows(self) -> dict[str, str]:
        return {
            "c(0)": f"{self.variance}",
            "c(infinity)": f"{self.limit:.10g}",
            "lambda_max": f"{self.lyapunov}",
            "E_0": f"{self.ground_energy}; zero mode at {self.zero_mode:.1e}",
            "residuals": f"boundary {self.boundary_residual:.1e}, Price {self.price_residual:.1e}",
            "transition": f"{self.transition:+.6f} (chaos above 0); local instability "
            f"{self.instability:+.6f}",
        }


def rnn_dmft(
    activation: str | Activation | Function,
    sigma_w: float,
    sigma_b: float = 0.0,
    *,
    decay: float = 1.0,
    noise: float = 0.0,
) -> RecurrentMeanField:
    r"""Solve the dynamical mean-field theory of a recurrent network in continuous time.

    Parameters
    ----------
    activation : str, Activation or callable
        phi; see `nnrg.activation_functions.as_activation`.
    sigma_w : float, dimensionless
        Gain: weights W_ij ~ N(0, sigma_w^2 / N), the same at all times.
    sigma_b : float, dimensionless
        Biases b_i ~ N(0, sigma_b^2), the same at all times.
    decay : float
        gamma > 0, in inverse units of time.
    noise : float
        D >= 0 of independent white noise, <xi(t) xi(t')> = D delta(t - t').

    Returns
    -------
    RecurrentMeanField

    Raises
    ------
    ArgumentError
        If a number is out of range, or the activation unknown.
    AnalysisError
        If the activity has no finite variance.

    Notes
    -----
    .. math:: \dot z_i = -\gamma z_i + \sum_j W_{ij} \phi(z_j) + b_i + \xi_i , \qquad
              (\gamma^2 - \partial_\tau^2)\, c = \sigma_w^2 \langle \phi \phi \rangle_{c_0, c}
              + \sigma_b^2 + D\, \delta(\tau) .

    c(tau) is the motion of a particle in a potential (`NewtonianPotential`) that starts at c_0
    with velocity -D/2 and comes to rest at the potential's maximum, which fixes c_0. Other c_0 give
    periodic or growing solutions, which are no stable states of a network.

    Two replicas separate as exp(lambda (t + t')) psi(t - t') with

    .. math:: [-\partial_\tau^2 + \gamma^2 - \sigma_w^2 \langle\phi'\phi'\rangle_{c_0, c(\tau)}]
              \psi = E_0 \psi , \qquad \lambda_{max} = -\gamma + \sqrt{\gamma^2 - E_0} .

    The derivative of c is a solution for E = 0. Without noise it is odd, the ground state lies
    below, and any c that is not constant is chaotic; the transition is at sigma_w phi'(0) = gamma
    (no bias), or sigma_w^2 <phi'^2> = gamma^2 at the fixed point. With noise |dc/dtau| has a kink
    at tau = 0, which vanishes with the acceleration there: chaos begins where gamma^2 c_0 =
    sigma_w^2 <phi^2> + sigma_b^2, later than sigma_w^2 <phi'^2> = gamma^2. H. Sompolinsky, A.
    Crisanti, H. J. Sommers, Phys. Rev. Lett. 61, 259 (1988); J. Schuecker, S. Goedeke, M. Helias,
    Phys. Rev. X 8, 041029 (2018); K. T. Grosvenor, R. Jefferson, SciPost Phys. 12, 081 (2022).

    Examples
    --------
    >>> from nnrg.theory.recurrent.continuous import rnn_dmft
    >>> chaotic = rnn_dmft("tanh", 2.0)
    >>> chaotic.phase, round(chaotic.variance.value, 6), round(chaotic.lyapunov.value, 6)
    ('chaotic', 1.924805, 0.112458)
    >>> rnn_dmft("tanh", 2.0, noise=4.0).phase
    'noise-driven'
    """
    phi, w, b, gamma, d = parameters(activation, sigma_w, sigma_b, decay, noise)
    potential, remark = solve_variance(NewtonianPotential(phi, w, b, gamma, d, 1.0))
    q = potential.variance
    if q == 0:
        # The slopes on both sides of zero, half of the neurons on each.
        slopes = phi.derivative(np.array([-1e-12, 1e-12]))
        energy = gamma**2 - w**2 * float(np.mean(slopes**2))
        tau = np.linspace(0, 10 / gamma, _POINTS)
        level = Estimate(energy, 1e-15 * gamma**2)
        shape = {"tau": tau, "correlation": np.zeros(_POINTS), "limit": 0.0}
        residuals = (math.nan, 0.0, 0.0)
        return _result(potential, Estimate(0.0, 0.0), level, residuals, remark, shape)
    quadrature = overlap_error(potential)
    variance = Estimate(q, variance_error(potential, quadrature))
    price = potential.overlap.price_residual()
    if potential.motion == "constant":
        level = Estimate(-float(potential.curvature(q)), w**2 * quadrature + 1e-12 * gamma**2)
        tau = np.linspace(0, 10 / gamma, _POINTS)
        shape = {"tau": tau, "correlation": np.full(_POINTS, q), "limit": q}
        return _result(potential, variance, level, (math.nan, 0.0, price), remark, shape)
    path = decaying(potential)
    length = path.begin + 8 / path.rate
    edge = path.rate**2

    def well(tau: Array) -> Array:
        return -potential.curvature(path(tau))

    boundary = None if d == 0 else float(potential.force(q)) / (d / 2)
    zero = lowest_level(well, length, boundary)
    energy, error = ground_level(well, length, edge, gamma)
    level = Estimate(energy, error + abs(zero.energy))
    tau = np.linspace(0, length, _POINTS)
    shape = {"tau": tau, "correlation": path(tau), "limit": path.rest}
    residuals = (zero.energy, path.residual, price)
    return _result(potential, variance, level, residuals, remark, shape)


def _result(
    potential: NewtonianPotential,
    variance: Estimate,
    level: Estimate,
    residuals: tuple[float, float, float],
    remark: str,
    shape: dict[str, object],
) -> RecurrentMeanField:
    phi, gamma, w = potential.activation, potential.decay, potential.sigma_w
    q, d = potential.variance, potential.noise
    root = math.sqrt(max(gamma**2 - level.value, 0.0))
    error = level.error / (2 * root) if root > math.sqrt(level.error) else math.sqrt(level.error)
    lyapunov = Estimate(root - gamma, error)
    silent = q == 0
    constant = silent or potential.motion == "constant"
    if constant:
        instability = -level.value / gamma**2
        transition = instability
        phase = "silent" if silent else "fixed point"
    else:
        instability = float(potential.curvature(q)) / gamma**2
        transition = float(potential.force(q)) / (gamma**2 * q)
        phase = "chaotic" if transition > 0 else "noise-driven"
    flags = [remark] if remark else []
    if abs(lyapunov.value) <= 3 * lyapunov.error:
        flags.append("at the transition within the error: the phase cannot be told")
    elif constant and lyapunov.value > 0:
        flags.append("the fixed point is unstable, and the chaos beside it too weak to be resolved")
    if residuals[2] > _POOR:
        flags.append("the activation is not resolved by the quadrature at this variance")
    if residuals[1] > 1e-5:
        flags.append("equation of motion and energy conservation disagree")
    limit = shape["limit"]
    assert isinstance(limit, float)
    return RecurrentMeanField(
        activation=phi,
        sigma_w=w,
        sigma_b=potential.sigma_b,
        decay=gamma,
        noise=d,
        phase=phase,
        variance=variance,
        limit=limit,
        lyapunov=lyapunov,
        ground_energy=level,
        zero_mode=residuals[0],
        boundary_residual=residuals[1],
        price_residual=residuals[2],
        instability=instability,
        transition=transition,
        tau=np.asarray(shape["tau"]),
        correlation=np.asarray(shape["correlation"]),
        assumptions=recurrent_assumptions(phi, "times"),
        flag="; ".join(flags),
        potential=None if silent else potential,
    )
