"""The steps that ``nnrg train`` makes, and those it records."""

from __future__ import annotations

import argparse
from typing import Any

from nnrg._theory_command.learning_rate import schedule_of
from nnrg._theory_command.outcome import numbers
from nnrg.errors import ArgumentError
from nnrg.simulate.training import (
    Adam,
    GradientDescent,
    HeavyBall,
    Nesterov,
    logarithmic_steps,
)

__all__ = ["optimiser_of", "steps_of"]


def steps_of(arguments: argparse.Namespace) -> Any:
    """Return which steps are recorded, as a `Recording` takes them."""
    text = arguments.record
    if text is None:
        return None
    if text.startswith("log:"):
        return logarithmic_steps(arguments.steps, numbers(text[4:], "--record log:", int)[0])
    found = numbers(text, "--record", int)
    return found[0] if len(found) == 1 and "," not in text else found


def optimiser_of(arguments: argparse.Namespace) -> Any:
    """Return the optimiser with its schedule."""
    rate = schedule_of(arguments.schedule, arguments.learning_rate, arguments.steps)
    momentum = () if arguments.momentum is None else (arguments.momentum,)
    kinds = {
        "gradient-descent": GradientDescent,
        "heavy-ball": HeavyBall,
        "nesterov": Nesterov,
        "adam": Adam,
    }
    if momentum and arguments.optimiser in ("gradient-descent", "adam"):
        raise ArgumentError(
            f"--momentum is of heavy-ball and nesterov, not of {arguments.optimiser}; leave it out"
        )
    return kinds[arguments.optimiser](rate, *momentum)
