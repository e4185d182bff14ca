"""The learning rate that ``nnrg train`` and ``nnrg theory`` have words for, in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnrg.errors import ArgumentError

if TYPE_CHECKING:
    from nnrg.simulate.training.schedules import Schedule

__all__ = ["LEARNING_RATE", "SCHEDULE", "schedule_of"]

LEARNING_RATE = 0.01
"""The heavy ball with its momentum of 0.9 has the friction 1 at this rate."""

SCHEDULE = (
    "of the learning rate: constant (default), cosine or cosine:END (from its start to END, 0, at "
    "the last step), exponential:RATE (a step), step:FACTOR:EVERY"
)
"""Help of ``--schedule``."""


def schedule_of(text: str | None, rate: float, steps: int) -> Schedule:
    """Return the learning rate that starts at `rate`, for so many steps.

    Raises
    ------
    ArgumentError
        If the words are not those of `SCHEDULE`, or a number is out of range.
    """
    from nnrg.simulate.training import CosineDecay, ExponentialDecay, StepDecay

    name, *words = (text or "constant").split(":")
    try:
        found = [float(word) for word in words]
    except ValueError:
        found, name = [], ""
    if name == "constant" and not found:
        return rate
    if name == "cosine" and len(found) < 2:
        return CosineDecay(rate, steps, *found)
    if name == "exponential" and len(found) == 1:
        return ExponentialDecay(rate, found[0])
    if name == "step" and len(found) == 2 and found[1] % 1 == 0:
        return StepDecay(rate, found[0], int(found[1]))
    raise ArgumentError(
        "--schedule: expected constant, cosine, cosine:END, exponential:RATE or "
        f"step:FACTOR:EVERY, got {text!r}"
    )
