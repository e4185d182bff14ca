"""Learning rates that change with the step of training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import ArgumentError

__all__ = [
    "CosineDecay",
    "ExponentialDecay",
    "Schedule",
    "StepDecay",
    "describe_schedule",
    "is_own",
    "rates",
]

Schedule = float | Callable[[int], float]
"""A learning rate: a positive number, or a function of the step 0, 1, 2, ..."""


def _positive(name: str, value: object) -> float:
    number = as_real(name, value)
    if number <= 0:
        raise ArgumentError(f"{name} must be positive, got {shown(value)}")
    return number


@dataclass(frozen=True, slots=True)
class StepDecay:
    """Learning rate that is multiplied by a factor every so many steps.

    Parameters
    ----------
    initial : float
        Learning rate of the first step.
    factor : float
        Positive.
    every : int
        Steps at one rate.

    Examples
    --------
    >>> [StepDecay(0.1, 0.5, 10)(step) for step in (0, 9, 10, 20)]
    [0.1, 0.1, 0.05, 0.025]
    """

    initial: float
    factor: float
    every: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "initial", _positive("initial", self.initial))
        object.__setattr__(self, "factor", _positive("factor", self.factor))
        object.__setattr__(self, "every", as_count("every", self.every))

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        return float(self.initial * self.factor ** (step // self.every))


@dataclass(frozen=True, slots=True)
class ExponentialDecay:
    """Learning rate ``initial * exp(-rate * step)``.

    Parameters
    ----------
    initial : float
    rate : float
        Inverse steps, of either sign.

    Examples
    --------
    >>> round(ExponentialDecay(0.1, 0.01)(100), 5)
    0.03679
    """

    initial: float
    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "initial", _positive("initial", self.initial))
        object.__setattr__(self, "rate", as_real("rate", self.rate))

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        return self.initial * math.exp(-self.rate * step)


@dataclass(frozen=True, slots=True)
class CosineDecay:
    """Learning rate that falls from `initial` to `final` along half a cosine, and stays there.

    Parameters
    ----------
    initial : float
    steps : int
        Steps until `final` is reached.
    final : float
        Not negative.

    Examples
    --------
    >>> [round(CosineDecay(0.2, 10)(step), 12) for step in (0, 5, 10, 20)]
    [0.2, 0.1, 0.0, 0.0]
    """

    initial: float
    steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "initial", _positive("initial", self.initial))
        object.__setattr__(self, "steps", as_count("steps", self.steps))
        object.__setattr__(self, "final", as_real("final", self.final))
        if self.final < 0:
            raise ArgumentError(f"final must not be negative, got {self.final}")

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        share = (1 + math.cos(math.pi * min(step, self.steps) / self.steps)) / 2
        return self.final + (self.initial - self.final) * share


def rates(schedule: Schedule, steps: int) -> npt.NDArray[np.float64]:
    """Return the learning rates of steps 0 to ``steps - 1``.

    Raises
    ------
    ArgumentError
        If one is negative or not finite.
    """
    if not callable(schedule):
        return np.full(steps, _positive("learning_rate", schedule))
    values = np.array([_rate(schedule, step) for step in range(steps)])
    if values.size and values.min() < 0:
        at = int(values.argmin())
        raise ArgumentError(
            f"learning rates must not be negative, got {values[at]:.6g} at step {at}"
        )
    return values


def _rate(schedule: Callable[[int], float], step: int) -> float:
    try:
        rate = schedule(step)
    except OverflowError:
        rate = math.inf
    return as_real(f"the learning rate of step {step}", rate)


def is_own(schedule: Schedule) -> bool:
    """Return whether a schedule is a function of the caller's, which its name does not tell."""
    return callable(schedule) and type(schedule) not in (StepDecay, ExponentialDecay, CosineDecay)


def describe_schedule(schedule: Schedule) -> object:
    """Return a schedule as JSON: its number, or its kind and parameters.

    Of other callables only the name is known; a record keeps the rates themselves beside it.
    """
    if not callable(schedule):
        return _positive("learning_rate", schedule)
    if not is_own(schedule):
        parameters: dict[str, Any] = asdict(schedule)  # type: ignore[call-overload]
        return {"schedule": type(schedule).__name__, **parameters}
    return {"schedule": getattr(schedule, "__name__", type(schedule).__name__)}
