"""What ``nnrg compare`` does, once its words are parsed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnrg._commands import open_run, say
from nnrg._flow_command import writable_folder
from nnrg._json import as_json
from nnrg._validate import shown
from nnrg.errors import ArgumentError

if TYPE_CHECKING:
    from nnrg.results import Run

__all__ = ["compare"]

STEM = "comparison"


def compare(arguments: argparse.Namespace) -> int:
    """Compare, print and draw the flows of several runs."""
    if len(arguments.run_paths) < 2 and len(arguments.field or ()) < 2:
        raise ArgumentError(
            "a comparison needs two runs or more, or two fields of one; give nnrg compare RUN RUN, "
            "or --field twice"
        )
    named = _named(arguments.run_paths)
    folder = writable_folder(arguments.out)
    runs: dict[str, Run] = {name: open_run(path) for name, path in named.items()}
    from nnrg.comparison.compare import compare as compare_flows

    comparison = compare_flows(
        runs,
        at=arguments.at,
        field=_fields(arguments.field or [], tuple(named)),
        interpolate=arguments.interpolate,
        tolerance=arguments.tolerance,
        null=arguments.null,
        level=arguments.level,
    )
    written = [folder / f"{STEM}{ending}" for ending in (".nc", ".csv", ".json", ".tex")]
    for path, write in zip(
        written,
        (comparison.save, comparison.to_csv, comparison.to_json, comparison.to_latex),
        strict=True,
    ):
        write(path)
    if not arguments.no_figure:
        from nnrg import plot

        figure = plot.comparison(comparison, style_name=arguments.style)
        for ending in (".pdf", ".png"):
            written.append(folder / f"{STEM}{ending}")
            plot.save(figure, written[-1], style_name=arguments.style)
    text = as_json(comparison.to_dict()) if arguments.json else str(comparison)
    sys.stdout.write(text + "\n")
    say(arguments, "wrote " + ", ".join(map(str, written)))
    return 0


def _named(paths: Sequence[str]) -> dict[str, str]:
    """Return the path of each run by its label: NAME=RUN, or the name of its folder or file."""
    out: dict[str, str] = {}
    for given in paths:
        name, equals, path = given.partition("=")
        # A path may hold an equals sign itself.
        if not equals or Path(given).exists():
            name, path = _label(Path(given)), given
        if not name or not path:
            raise ArgumentError(f"{given}: expected RUN or NAME=RUN; give both sides of the =")
        if name in out and equals:
            raise ArgumentError(f"two runs are called {name!r}; give each its own NAME=RUN")
        names = [name, *(f"{name}-{i}" for i in range(2, len(paths) + 1))]
        out[next(n for n in names if n not in out)] = path
    return out


def _fields(asked: Sequence[str], runs: Sequence[str]) -> dict[str, str | tuple[str, ...]]:
    """Return the fields asked for of each run: NAME of every one, RUN=NAME of one of them."""
    own: dict[str, list[str]] = {name: [] for name in runs}
    common: list[str] = []
    for given in asked:
        name, equals, field = given.partition("=")
        if not equals:
            common.append(given)
        elif name in own:
            own[name].append(field)
        else:
            raise ArgumentError(
                f"--field {shown(given)}: no run is called {shown(name)}; there are "
                + ", ".join(runs[:8])
            )
    chosen = {name: tuple(fields or common) for name, fields in own.items()}
    return {name: f[0] if len(f) == 1 else f for name, f in chosen.items() if f}


def _label(path: Path) -> str:
    whole = path.absolute()
    file = whole.stem if whole.suffix == ".nc" else whole.name
    # A file is called flow.nc in every folder.
    return (whole.parent.name if whole.name == "flow.nc" else file) or "run"
