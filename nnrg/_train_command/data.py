"""What ``nnrg train`` learns from: a file, or inputs drawn here with the targets of a teacher."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from nnrg._files import write_tensors
from nnrg._theory_command.training_data import arrays
from nnrg._validate import as_count
from nnrg.errors import ArgumentError, SourceError
from nnrg.simulate.training import (
    TrainingData,
    exponential_inputs,
    photograph_patches,
    power_law_inputs,
    teacher_data,
)

__all__ = ["data_of", "sites_of", "write_data"]

_OF_DRAWN = ("covariance", "samples", "teacher", "outputs", "noise")
_COVARIANCE, _SAMPLES, _SITES = "exponential:4", 256, 32


def data_of(arguments: argparse.Namespace, seed: np.random.SeedSequence) -> TrainingData:
    """Return what is learnt from; inputs that are drawn are flat."""
    if arguments.data is not None:
        for name in _OF_DRAWN:
            if getattr(arguments, name) is not None:
                raise ArgumentError(f"--{name} is of data drawn here, not of --data; leave it out")
        return _read(arguments.data)
    inputs, teacher, noise = (np.random.default_rng(child) for child in seed.spawn(3))
    found = _inputs(arguments, inputs)
    count = 1 if arguments.outputs is None else as_count("--outputs", arguments.outputs)
    n = found.inputs.shape[1]
    weights = teacher.standard_normal((count, n)) / np.sqrt(n)
    return teacher_data(
        found,
        weights,
        activation=arguments.teacher or "linear",
        noise=arguments.noise or 0.0,
        rng=noise,
    )


def _inputs(arguments: argparse.Namespace, rng: np.random.Generator) -> TrainingData:
    count = _SAMPLES if arguments.samples is None else as_count("--samples", arguments.samples)
    text = arguments.covariance or _COVARIANCE
    kind, colon, number = text.partition(":")
    shape = sites_of(arguments.sites)
    if kind == "patches" and colon:
        side = int(_number(text, number, whole=True))
        if shape not in ((), (side, side)):
            raise ArgumentError(
                f"patches of side {side} have {side}x{side} sites; leave --sites out"
            )
        return photograph_patches(count, side, rng=rng)
    length = int(np.prod(shape)) if shape else _SITES
    if len(shape) > 1:
        raise ArgumentError(f"inputs of {text} live on a ring: give --sites {length}")
    if kind == "exponential" and colon:
        return exponential_inputs(count, length, correlation_length=_number(text, number), rng=rng)
    if kind == "power" and colon:
        return power_law_inputs(count, length, exponent=_number(text, number), rng=rng)
    if text == "white":
        return power_law_inputs(count, length, exponent=0.0, mass2=1.0, rng=rng)
    raise ArgumentError(
        f"--covariance: expected exponential:XI, power:A, white or patches:N, got {text!r}"
    )


def _number(text: str, number: str, *, whole: bool = False) -> float:
    try:
        return int(number) if whole else float(number)
    except ValueError:
        kind = "an integer" if whole else "a number"
        raise ArgumentError(
            f"--covariance: expected {kind} after the colon, got {text!r}"
        ) from None


def sites_of(text: str | None) -> tuple[int, ...]:
    """Return the lengths of a lattice such as 32 or 8x8; none if nothing is given."""
    if text is None:
        return ()
    try:
        found = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        found = ()
    if not 1 <= len(found) <= 2 or min(found) < 1:
        raise ArgumentError(f"--sites: expected a length such as 32, or 8x8, got {text!r}")
    return found


def _read(path: str) -> TrainingData:
    if not Path(path).exists():
        raise SourceError(f"{path}: no such file; --covariance draws data, --data reads them")
    found = arrays(path)
    if found.targets is None:
        raise ArgumentError(f"{path}: no array called targets beside the inputs")
    return found


def write_data(path: Path, data: TrainingData) -> None:
    """Write inputs, targets and a covariance that is known.

    Raises
    ------
    SourceError
        If the file cannot be written.
    """
    arrays = {"inputs": data.inputs, "targets": data.targets, "covariance": data.covariance}
    kept = {k: np.ascontiguousarray(v, np.float64) for k, v in arrays.items() if v is not None}
    write_tensors(path, kept)
