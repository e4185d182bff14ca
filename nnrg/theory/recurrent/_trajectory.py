"""The decaying solution c(tau): from the maximum of the potential back to c_0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.integrate import OdeSolution, solve_ivp

from nnrg.theory.recurrent.potential import NewtonianPotential

__all__ = ["Trajectory", "decaying"]

Array = npt.NDArray[np.float64]

# Where the exponential tail begins, relative to c_0 - c_infinity.
_TAIL = 1e-6
_FAINT = 1e-3


@dataclass(frozen=True, slots=True)
class Trajectory:
    """c(tau) = c_infinity + the solution of Newton's equation, an exponential far out.

    ``residual`` is by how much energy conservation and the equation of motion disagree at tau = 0:
    of c(0) where the velocity vanishes, of the velocity -D / 2 elsewhere; relative, the latter to
    no less than a thousandth of gamma (c(0) - c_infinity).
    """

    rest: float
    rate: float
    begin: float
    solution: OdeSolution
    residual: float

    def __call__(self, tau: npt.ArrayLike) -> Array:
        tau = np.abs(np.asarray(tau, dtype=np.float64))
        inside = self.solution(np.clip(self.begin - tau, 0, None))[0]
        tail = inside * np.exp(-self.rate * np.clip(tau - self.begin, 0, None))
        return np.asarray(self.rest + tail)


def decaying(potential: NewtonianPotential) -> Trajectory:
    """Integrate backwards in tau from the tail, along which other solutions fall away."""
    q, rest = potential.variance, potential.rest
    assert rest is not None
    rate = float(np.sqrt(-potential.curvature(rest)))
    start, kick = _TAIL * (q - rest), potential.noise / 2

    def motion(_: float, state: Array) -> Array:
        return np.array([state[1], -float(potential.force(rest + state[0]))])

    def turned(_: float, state: Array) -> float:
        return float(state[1])

    def arrived(_: float, state: Array) -> float:
        return float(q - rest - state[0])

    # A faint kick may end in a turn just before: what follows would leave the well.
    events = [turned] if kick == 0 else [turned, arrived]
    for event in events:
        event.terminal = True  # type: ignore[attr-defined]
        event.direction = -1  # type: ignore[attr-defined]
    # What rounding of the force, whose terms all but cancel near the transition, moves c by.
    noise = 8 * np.finfo(np.float64).eps * potential.decay**2 * q / rate**2
    least = max(1e-13 * start, noise)
    longest = 400 / rate + 100 / potential.decay
    run = solve_ivp(
        motion,
        (0.0, longest),
        np.array([start, rate * start]),
        method="DOP853",
        rtol=1e-11,
        atol=np.array([least, rate * least]),
        events=events,
        dense_output=True,
    )
    end, velocity = run.y[:, -1]
    if len(run.t_events[0]):
        residual = abs(end - (q - rest)) / q
    else:
        residual = abs(velocity - kick) / max(kick, _FAINT * potential.decay * (q - rest))
    return Trajectory(rest, rate, float(run.t[-1]), run.sol, float(residual))
