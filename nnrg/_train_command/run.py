"""What ``nnrg train`` does, once its words are parsed."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np

from nnrg._commands import say
from nnrg._files import written_whole
from nnrg._flow_command import writable_folder
from nnrg._json import as_json
from nnrg._random import as_seed
from nnrg._theory_command.outcome import told
from nnrg._train_command.data import data_of, write_data
from nnrg._train_command.model import model_of
from nnrg._train_command.optimiser import optimiser_of, steps_of
from nnrg.errors import ArgumentError
from nnrg.provenance import describe_run, utc_now
from nnrg.simulate.training import Recording, TrainingRecord, train
from nnrg.simulate.training._frames import read_frames

__all__ = ["train_command"]

_STEM = "training"
_QUALITY = 6


def train_command(arguments: argparse.Namespace) -> int:
    """Train a network, print and write what was recorded."""
    started = utc_now()
    folder = writable_folder(arguments.out)
    path = folder / f"{_STEM}.safetensors"
    seed = _seed(arguments, path)
    of_data, of_run = seed.spawn(2)
    data = data_of(arguments, of_data)
    model, data = model_of(arguments, data)
    options: dict[str, Any] = {
        "optimiser": optimiser_of(arguments),
        "steps": arguments.steps,
        "record": Recording(steps_of(arguments), outputs=not arguments.no_outputs, path=path),
        "loss": arguments.loss,
        "batch": arguments.batch,
        "n_seeds": arguments.seeds,
        "dtype": arguments.dtype,
    }
    written = [path]
    drawn, begun = folder / "data.safetensors", path.exists()
    if arguments.data is None:
        written.append(drawn)
        if not begun:  # before the run, which may be stopped
            write_data(drawn, data)
    made = train(model, data, rng=of_run, progress=told(arguments, "train"), **options)
    if arguments.data is None and begun:  # after it, as it may be refused
        write_data(drawn, data)
    body = _body(arguments, made, seed, started)
    written += _write(folder, made, body, arguments.style)
    sys.stdout.write((as_json(body) if arguments.json else str(made)) + "\n")
    say(arguments, "wrote " + ", ".join(map(str, written)))
    return _QUALITY if arguments.strict and made.flags else 0


def _seed(arguments: argparse.Namespace, path: Path) -> np.random.SeedSequence:
    """Return the seed that was given, that of the record to go on with, or a new one."""
    if not path.exists():
        return as_seed(arguments.seed)
    configuration, frames, _ = read_frames(path)
    known = int(configuration.get("seed", [0])[0])
    if arguments.seed is not None and as_seed(arguments.seed).entropy != known:
        raise ArgumentError(
            f"{path} is the record of another run: its seed was {known}, got {arguments.seed}; "
            "leave --seed out to go on, or give another -o"
        )
    if frames.steps:
        say(arguments, f"going on with {path}, which is recorded up to step {frames.steps[-1]}")
    return np.random.SeedSequence(known)


def _body(
    arguments: argparse.Namespace,
    made: TrainingRecord,
    seed: np.random.SeedSequence,
    started: str,
) -> dict[str, Any]:
    return {
        "command": "train",
        "provenance": {
            **describe_run(shlex.join(["nnrg", *arguments.words]), started),
            "seed": str(seed.entropy),
        },
        "record": str(made.path),
        "configuration": {k: v for k, v in made.configuration.items() if k != "provenance"},
        "flags": list(made.flags),
        "diverged": None if made.diverged is None else dict(made.diverged),
        "rows": made.to_dataframe().to_dict("records"),
    }


def _write(folder: Path, made: TrainingRecord, body: dict[str, Any], style_name: str) -> list[Path]:
    written = [folder / f"{_STEM}.json", folder / f"{_STEM}.csv"]
    with written_whole(written[0]) as draft:
        draft.write_text(as_json(body) + "\n", encoding="utf-8")
    with written_whole(written[1]) as draft:
        made.to_dataframe().to_csv(draft, index=False)
    from nnrg import plot

    figure = plot.page(lambda ax: plot.training_costs(made, ax=ax), style_name=style_name)
    for ending in (".pdf", ".png"):
        written.append(folder / f"{_STEM}{ending}")
        plot.save(figure, written[-1], style_name=style_name)
    return written
