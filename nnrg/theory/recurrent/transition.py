"""Where recurrent networks become chaotic, and where their fixed point loses stability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnrg.activation_functions import Activation, Function
from nnrg.errors import AnalysisError
from nnrg.stats.estimate import Estimate
from nnrg.theory.recurrent._overlap import overlaps
from nnrg.theory.recurrent._solve import first_root, least_variance, solve_variance
from nnrg.theory.recurrent.potential import NewtonianPotential, parameters

__all__ = ["ChaosTransition", "chaos_transition"]

_FAINT = 1e-8


@dataclass(frozen=True, slots=True)
class ChaosTransition:
    """Gains sigma_w at which a recurrent network in continuous time changes.

    Attributes
    ----------
    activation : Activation
    sigma_b, decay, noise : float
    sigma_w : Estimate
        Onset of chaos, lambda_max = 0; the error is that of the root.
    variance : float
        c_0 there.
    local_instability : Estimate
        sigma_w <phi'^2>^(1/2) = gamma, where single perturbations of a frozen state would grow.
    assumptions : tuple of str
    """

    activation: Activation
    sigma_b: float
    decay: float
    noise: float
    sigma_w: Estimate
    variance: float
    local_instability: Estimate
    assumptions: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"Onset of chaos, {self.activation}, sigma_b {self.sigma_b:g}, decay {self.decay:g}, "
            f"noise {self.noise:g}: sigma_w {self.sigma_w}, c_0 {self.variance:.8g}; local "
            f"instability at sigma_w {self.local_instability}"
        )


def chaos_transition(
    activation: str | Activation | Function,
    sigma_b: float = 0.0,
    *,
    decay: float = 1.0,
    noise: float = 0.0,
) -> ChaosTransition:
    """Return the gain at which a recurrent network in continuous time becomes chaotic.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_b : float, dimensionless
    decay : float
        gamma > 0.
    noise : float
        D >= 0.

    Raises
    ------
    ArgumentError
        If a number is out of range, or the activation unknown.
    AnalysisError
        If no gain makes it chaotic with a finite variance.

    Notes
    -----
    D = 0: gamma^2 = sigma_w^2 <phi'^2> at the fixed point gamma^2 q = sigma_w^2 <phi^2> +
    sigma_b^2, for q -> 0 sigma_w phi'(0) = gamma. D > 0: no force at the start, gamma^2 c_0 =
    sigma_w^2 <phi^2> + sigma_b^2, with c_0 of the solution that decays; local instability,
    gamma^2 = sigma_w^2 <phi'^2> with its own c_0, comes before.

    Examples
    --------
    >>> from nnrg.theory.recurrent.transition import chaos_transition
    >>> round(chaos_transition("tanh").sigma_w.value, 9)
    1.0
    >>> noisy = chaos_transition("tanh", noise=0.5)
    >>> round(noisy.local_instability.value, 4), round(noisy.sigma_w.value, 4)
    (1.3713, 1.6741)
    """
    phi, _, b, gamma, d = parameters(activation, 1.0, sigma_b, decay, noise)
    assumptions = ("infinite width", "stationary activity", "one solution for each gain")
    least = max(least_variance(NewtonianPotential(phi, 1.0, b, gamma, d, 1.0)), 0.0)

    def gain(function: Function, q: float, over: float) -> float:
        one = np.array([q])
        average = float(overlaps(function, phi.kinks, one, one, np.ones(1))[0])
        return float(np.sqrt(over / average)) if average > 0 else np.inf

    def onset(q: float) -> float:
        return gain(phi.function, q, max(gamma**2 * q - b**2, 0.0))

    def local(q: float) -> float:
        return gain(phi.first, q, gamma**2)

    if d == 0:
        if least == 0 and float(phi(0.0)) == 0:
            slope = float(np.sqrt(np.mean(phi.derivative(np.array([-1e-12, 1e-12])) ** 2)))
            # Faint activity is no fixed point at a smaller gain: the silent state goes first.
            if slope > 0 and gamma / slope <= onset(1e-4) * (1 + 1e-9):
                if phi.slopes is not None:
                    raise _none(phi)
                found = Estimate(gamma / slope, 1e-15 * gamma / slope)
                return ChaosTransition(phi, b, gamma, d, found, 0.0, found, assumptions)
        least = max(least * (1 + 1e-9), _FAINT)
        q = _root(lambda x: local(x) - onset(x), least, phi)
        found = _checked(NewtonianPotential(phi, onset(q), b, gamma, d, q))
        return ChaosTransition(phi, b, gamma, d, found, q, found, assumptions)

    def excess(rule: Callable[[float], float], q: float) -> float:
        return NewtonianPotential(phi, rule(q), b, gamma, d, q).excess

    # At the least variance itself the gain is zero and all the energy that of the kick.
    first = _root(lambda x: excess(onset, x), least * (1 + 1e-6), phi)
    second = _root(lambda x: excess(local, x), least * (1 + 1e-6), phi)
    found = _checked(NewtonianPotential(phi, onset(first), b, gamma, d, first))
    lower = Estimate(local(second), 1e-10 * local(second))
    return ChaosTransition(phi, b, gamma, d, found, first, lower, assumptions)


def _checked(potential: NewtonianPotential) -> Estimate:
    """Gain of a solution, if it is the one that activity grows to."""
    if not np.isclose(solve_variance(potential)[0].variance, potential.variance, rtol=1e-4):
        raise _none(potential.activation)
    return Estimate(potential.sigma_w, 1e-10 * potential.sigma_w)


def _root(function: Callable[[float], float], least: float, phi: Activation) -> float:
    root = first_root(function, least)
    if root is None or root == least:
        raise _none(phi)
    return root


def _none(phi: Activation) -> AnalysisError:
    return AnalysisError(
        f"a gain that makes the network chaotic must exist, but {phi} grows without bound or jumps "
        "before its perturbations grow; try an activation that saturates, as tanh"
    )
