"""What ``nnrg theory`` does, once its words are parsed: one theory, printed, written and drawn."""

from __future__ import annotations

import argparse
import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from nnrg._commands import say
from nnrg._files import written_whole
from nnrg._flow_command import writable_folder
from nnrg._json import as_json
from nnrg._random import as_seed
from nnrg._theory_command.outcome import Outcome

__all__ = ["theory"]

_HOMES = {
    "criticality": "criticality",
    "loops": "networks",
    "recurrent": "networks",
    "correlators": "fields",
    "edgeworth": "fields",
    "engineering": "fields",
    "information-flow": "fields",
    "cosmology": "cosmology",
    "hamiltonian": "hamiltonian",
    "synaptic": "synaptic",
}


def theory(arguments: argparse.Namespace) -> int:
    """Work out one theory, print it, and write its tables and figures."""
    from nnrg.provenance import describe_run, utc_now

    started = utc_now()
    folder = writable_folder(arguments.out) if arguments.out else None
    # Drawn here, so that what is written says which it was.
    arguments.seed = as_seed(arguments.seed).entropy
    name = arguments.theory
    run = getattr(import_module(f"nnrg._theory_command.{_HOMES[name]}"), name.replace("-", "_"))
    outcome: Outcome = run(arguments)
    body = {
        "theory": name,
        "provenance": {
            **describe_run(shlex.join(["nnrg", *arguments.words]), started),
            "seed": str(arguments.seed),
        },
        **outcome.record,
    }
    written = [] if folder is None else _write(outcome, body, folder, arguments)
    sys.stdout.write((as_json(body) if arguments.json else outcome.text) + "\n")
    if written:
        say(arguments, "wrote " + ", ".join(map(str, written)))
    return 0


def _write(
    outcome: Outcome, body: dict[str, Any], folder: Path, arguments: argparse.Namespace
) -> list[Path]:
    stem = arguments.theory
    written = [folder / f"{stem}.json"]
    with written_whole(written[0]) as draft:
        draft.write_text(as_json(body) + "\n", encoding="utf-8")
    if outcome.table is not None:
        written.append(folder / f"{stem}.csv")
        with written_whole(written[-1]) as draft:
            outcome.table.to_csv(draft, index=False)
    if outcome.pages:
        from nnrg import plot

        for added, panels in outcome.pages.items():
            note = " ".join(filter(None, (outcome.notes.get(added), outcome.note)))
            figure = plot.page(*panels, note=note, style_name=arguments.style)
            for ending in (".pdf", ".png"):
                written.append(folder / f"{stem}{added}{ending}")
                plot.save(figure, written[-1], style_name=arguments.style)
    return written
