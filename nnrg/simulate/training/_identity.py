"""What the numbers of a run depend on, and whether a file is of the same run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError, FormatError
from nnrg.provenance import describe_run, utc_now
from nnrg.simulate.training._fingerprint import digest, sha256_of_rates
from nnrg.simulate.training._frames import Frames, read_frames
from nnrg.simulate.training._header import read_header
from nnrg.simulate.training._layout import Layout
from nnrg.simulate.training._model import Array, Model
from nnrg.simulate.training.losses import Loss, describe_loss
from nnrg.simulate.training.optimisers import Optimiser
from nnrg.simulate.training.schedules import is_own

__all__ = [
    "begun",
    "configuration_of",
    "digest",
    "ended",
    "kept_frames",
    "require_layout",
    "require_same",
]

# What may differ between a run and the one that goes on with it.
_FREE = ("steps", "flags", "diverged", "stability", "provenance", "rates_sha256")


def begun(command: str) -> dict[str, str | int]:
    """Return the provenance of a run that begins; its end is written in the room left for it."""
    now = utc_now()
    return {**describe_run(command, now), "finished": "no".ljust(len(now))}


def ended(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a run that has come to its end."""
    return {
        **configuration,
        "provenance": {**configuration["provenance"], "finished": utc_now()},
    }


def configuration_of(
    model: Model,
    optimiser: Optimiser,
    loss: Loss,
    x: Array,
    y: Array,
    probe: Array | None,
    start: Mapping[str, Array] | None,
    batch: int | None,
    n_seeds: int,
    steps: int,
    dtype: str,
    seed: np.random.SeedSequence,
    rates: npt.NDArray[np.float64],
    outputs: bool,
) -> dict[str, Any]:
    """Return a run as JSON."""
    described: dict[str, Any] = {
        "model": model.describe(),
        "optimiser": optimiser.describe(),
        **describe_loss(loss, y),
        "data": {"n_samples": len(x), "inputs_sha256": digest(x), "targets_sha256": digest(y)},
        "outputs": outputs,
        "probe_sha256": None if probe is None else digest(probe),
        "initial_sha256": None if start is None else digest(*start.values()),
        "batch": batch,
        "n_seeds": n_seeds,
        "dtype": dtype,
        "seed": [str(seed.entropy), *map(str, seed.spawn_key)],
        "steps": steps,
        "flags": [],
        "provenance": begun("train"),
    }
    if is_own(optimiser.learning_rate):
        described["rates_sha256"] = sha256_of_rates(rates)
    # As JSON gives it back: tuples are lists there.
    found: dict[str, Any] = json.loads(json.dumps(described))
    return found


def _leaves(tree: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {name: tree}
    found = {}
    for key, value in tree.items():
        found.update(_leaves(value, f"{name}.{key}" if name else key))
    return found


def require_same(
    path: Path, known: Mapping[str, Any], wanted: Mapping[str, Any], free: Sequence[str] = ()
) -> None:
    """Raise ArgumentError if a file is of another run, naming a difference."""
    skip = {*_FREE, *free}
    one = _leaves({key: value for key, value in known.items() if key not in skip})
    other = _leaves({key: value for key, value in wanted.items() if key not in skip})
    for key in [*other, *one]:
        if one.get(key) != other.get(key):
            raise ArgumentError(
                f"{path} is the record of another run: {key} was {shown(one.get(key))}, got "
                f"{shown(other.get(key))}; give the same arguments or another file"
            )


def require_layout(path: Path | None, known: Layout, wanted: Layout) -> None:
    """Raise ArgumentError if frames of a file hold other tensors than those to come."""
    for one, other in zip_longest(known.entries, wanted.entries):
        if one != other:
            raise ArgumentError(
                f"{path} is the record of another run: its frames hold {shown(one)}, got "
                f"{shown(other)}; give another file"
            )


def _require_rates(
    path: Path, known: Mapping[str, Any], frames: Frames, rates: npt.NDArray[np.float64]
) -> None:
    """Raise ArgumentError if a file was recorded with other learning rates."""
    recorded = frames.tensors()["learning_rate"][:, 0] if frames.steps else ()
    for step, rate in zip(frames.steps, recorded, strict=True):
        if 0 < step <= len(rates) and rate != rates[step - 1]:
            raise ArgumentError(
                f"{path} is the record of another run: optimiser.learning_rate was {rate:.6g} at "
                f"step {step - 1}, got {rates[step - 1]:.6g}; give the same schedule or another "
                "file"
            )
    for count, text in known.get("rates_sha256", {}).items():
        if int(count) <= len(rates) and digest(rates[: int(count)]) != text:
            raise ArgumentError(
                f"{path} is the record of another run: optimiser.learning_rate was another in its "
                f"first {count} steps; give the same schedule or another file"
            )


def kept_frames(
    path: Path,
    configuration: Mapping[str, Any],
    times: Sequence[int],
    seed: np.random.SeedSequence,
    seeded: bool,
    rates: npt.NDArray[np.float64],
) -> tuple[dict[str, Any], Frames, np.random.SeedSequence, int | None]:
    """Return what a file says, frames of it that a run goes on from, the run's seed, and a place.

    The place is where frames begin, if the header is that of the whole run.

    Raises
    ------
    ArgumentError
        If it is of another run, or recorded at other steps.
    FormatError
        If it is no record, or does not say the seed that is asked for.
    """
    known, frames, planned = read_frames(path)
    require_same(path, known, configuration, () if seeded else ("seed",))
    _require_rates(path, known, frames, rates)
    if not seeded:
        if "seed" not in known:
            raise FormatError(f"{path} does not say its seed; give rng, or another file")
        entropy, *key = (int(word) for word in known["seed"])
        seed = np.random.SeedSequence(entropy, spawn_key=tuple(key))
    if frames.steps and frames.steps[-1] >= times[-1]:
        # A shorter run than the one on file: the first part of it.
        same = tuple(t for t in frames.steps if t <= times[-1])
        if set(times) <= set(same):
            return known, Frames(frames.layout, same, frames.raw), seed, None
    same = tuple(a for a, b in zip(frames.steps, times, strict=False) if a == b)
    # The last step is recorded whatever the stride is, and need not be one of a longer run.
    if len(same) < len(frames.steps) - 1:
        raise ArgumentError(
            f"{path} is recorded at other steps: step {frames.steps[len(same)]} was recorded, got "
            f"{times[len(same)] if len(same) < len(times) else 'none'}; give the same or another "
            "file"
        )
    end = len(same) * frames.layout.nbytes
    whole = planned == tuple(times) and "diverged" not in known
    place = read_header(path)[3] if whole and same else None
    return known, Frames(frames.layout, same, frames.raw[:end]), seed, place
