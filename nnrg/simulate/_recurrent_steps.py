"""One recurrent network, step by step: its states and one tangent vector for each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real, shown
from nnrg.activation_functions import Activation
from nnrg.errors import ArgumentError

__all__ = ["Step", "at_least_zero", "one_network", "step_rule"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Step:
    """z -> keep z + drive (W phi(z) + b) + spread xi."""

    keep: float
    drive: float
    spread: float


def at_least_zero(name: str, value: float) -> float:
    """Return a number, or raise an `ArgumentError` if it is below zero."""
    number = as_real(name, value)
    if number < 0:
        raise ArgumentError(f"{name} must be at least zero, got {number:g}")
    return number


def step_rule(decay: float, noise: float, method: str, step: float) -> tuple[Step, float]:
    """Return the factors of one step, and the time that it takes.

    Raises
    ------
    ArgumentError
        If a number is out of range, or the method unknown.
    """
    gamma, spread = as_real("decay", decay), at_least_zero("noise", noise)
    if not gamma > 0:
        raise ArgumentError(f"decay must be above zero, got {gamma:g}")
    if method == "discrete":
        h, a, drive, variance = 1.0, 1 - gamma, 1.0, spread
    else:
        h = as_real("step", step)
        if not h > 0:
            raise ArgumentError(f"step must be above zero, got {h:g}")
        if method == "exponential":
            a = math.exp(-gamma * h)
            drive = -math.expm1(-gamma * h) / gamma
            variance = -spread * math.expm1(-2 * gamma * h) / (2 * gamma)
        elif method == "euler":
            a, drive, variance = 1 - gamma * h, h, spread * h
        else:
            raise ArgumentError(
                f"method must be 'exponential', 'euler' or 'discrete', got {shown(method)}"
            )
    if a < 0:
        raise ArgumentError(f"decay * step must be at most 1, got {1 - a:g}; try a smaller step")
    return Step(a, drive, math.sqrt(variance)), h


def one_network(
    phi: Activation,
    weights: Array,
    biases: Array,
    step: Step,
    n_states: int,
    burn_in: int,
    duration: int,
    lags: npt.NDArray[np.int64],
    generator: np.random.Generator,
) -> tuple[Array, float]:
    """Return c at each lag, in steps, and the mean growth of the tangent vectors' logarithm.

    States and tangent vectors go through the weights together, as one matrix.
    """
    n, m = len(weights), n_states
    z = generator.standard_normal((n, m))
    tangent = generator.standard_normal((n, m))
    tangent /= np.linalg.norm(tangent, axis=0)
    drive, shift = step.drive * weights, step.drive * biases
    states = np.empty((duration, n * m))
    both = np.empty((n, 2 * m))
    growth = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(burn_in + duration):
            both[:, :m] = phi.function(z)
            both[:, m:] = phi.first(z) * tangent
            moved = drive @ both
            z = step.keep * z + moved[:, :m] + shift
            if step.spread:
                z += step.spread * generator.standard_normal((n, m))
            tangent = step.keep * tangent + moved[:, m:]
            size = np.sqrt((tangent * tangent).sum(axis=0))
            if size.all():
                tangent /= size
            else:
                # A perturbation that nothing answers any more: all derivatives are zero.
                growth = -math.inf
            if t >= burn_in:
                states[t - burn_in] = z.ravel()
                if growth > -math.inf:
                    growth += float(np.log(size).mean())
        return _correlation(states, lags), growth / duration


def _correlation(states: Array, lags: npt.NDArray[np.int64]) -> Array:
    out = np.empty(len(lags))
    for i, lag in enumerate(lags):
        first, second = states[: len(states) - lag], states[lag:]
        out[i] = np.vdot(first, second) / first.size
    return out
