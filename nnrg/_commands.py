"""What each command but ``flow`` does, once its words are parsed."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nnrg._json import as_json
from nnrg.cli import parser
from nnrg.errors import ArgumentError, FormatError, SourceError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nnrg.comparison.result import Comparison
    from nnrg.networks.network import Network
    from nnrg.results import Run

__all__ = ["completion", "inspect", "load_model", "open_run", "plot", "refuse_record", "say"]

_PATHS = ("MODEL", "RUN", "FIG", "SAMPLES")


def say(arguments: argparse.Namespace, text: str) -> None:
    """Write a line of words to stderr, unless they are not wanted."""
    if not arguments.quiet:
        sys.stderr.write(f"nnrg: {text}\n")


def refuse_record(path: str) -> None:
    """Raise FormatError if a file is a recorded training: its frames are no tensors of a model."""
    from nnrg.simulate.training._header import read_header

    if not Path(path).is_file():  # what is not there, or is no file, is told by who reads models
        return
    try:
        configuration, _, steps, _ = read_header(Path(path))
    except (FormatError, SourceError):
        return
    seeds = configuration.get("n_seeds", 1)
    raise FormatError(
        f"{path}: a recorded training ({seeds} seed{'s' * (seeds != 1)}, {len(steps)} steps to "
        f"{steps[-1]}), not one model: nnrg.simulate.training.open_record(FILE).network(seed, "
        "step) is one; nnrg theory synaptic --record FILE, nnrg theory cosmology --record FILE "
        "and nnrg theory hamiltonian FILE read it"
    )


def load_model(arguments: argparse.Namespace) -> Network:
    """Return the network that the words of a command name, read as they say."""
    from nnrg.networks.load import load

    return load(
        arguments.model,
        key=arguments.key,
        allow_nonfinite=arguments.allow_nonfinite,
        buffers=tuple(arguments.buffers),
    )


def completion(arguments: argparse.Namespace) -> int:
    """Print the completion script of a shell."""
    import shtab

    def mark(command: argparse.ArgumentParser) -> None:
        for action in command._actions:
            if isinstance(action, argparse._SubParsersAction):
                for inner in action.choices.values():
                    mark(inner)
            elif action.metavar in _PATHS:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif action.metavar == "DIR":
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]

    top = parser()
    mark(top)
    sys.stdout.write(shtab.complete(top, shell=arguments.shell) + "\n")
    return 0


def inspect(arguments: argparse.Namespace) -> int:
    """Print what is in a model's file, or the provenance of a results file."""
    path = Path(arguments.model)
    if path.suffix == ".nc" or (path / "flow.nc").is_file():
        return _inspect_results(arguments)
    refuse_record(arguments.model)
    net = load_model(arguments)
    if arguments.json:
        sys.stdout.write(as_json(net.to_dict()) + "\n")
    else:
        sys.stdout.write((net.table() if arguments.all else str(net)) + "\n")
    return 0


def _inspect_results(arguments: argparse.Namespace) -> int:
    from nnrg.networks._label import label
    from nnrg.results import Run, open_results

    result = open_results(arguments.model)
    fields = list(result) if isinstance(result, Run) else []
    left_out = dict(result.left_out) if isinstance(result, Run) else {}
    if arguments.json:
        text = as_json(
            {
                "kind": result.kind,
                "provenance": dict(result.attrs),
                "fields": fields,
                "left_out": left_out,
            }
        )
        sys.stdout.write(text + "\n")
        return 0
    lines = {"results": result.kind, **result.attrs}
    width = max(map(len, lines))
    for key, value in lines.items():
        sys.stdout.write(f"{label(key):<{width}}  {label(value, 1000)}\n")
    for name in fields:
        sys.stdout.write(f"{'field':<{width}}  {label(name)}\n")
    if left_out:
        sys.stdout.write(f"{'left out':<{width}}  {len(left_out)} tensors\n")
    return 0


def open_run(path: str) -> Run:
    """Return the run of a results file."""
    from nnrg.results import Run, open_results

    run = open_results(path)
    if not isinstance(run, Run):
        raise FormatError(f"{path}: holds one table, not a run; draw it with nnrg.plot in Python")
    return run


def _figure(arguments: argparse.Namespace) -> Figure:
    """Draw what a results file holds: a run, or a comparison of runs."""
    from nnrg import plot as draw

    source = Path(arguments.results)
    try:
        run = open_run(arguments.results)
    except (FormatError, SourceError):  # no run: a comparison, or what was said of the run
        comparison = _comparison(source)
        if comparison is None:
            raise
        if arguments.summary or arguments.panel or arguments.field:
            raise ArgumentError(
                f"{source}: holds a comparison, which has one figure: leave out --summary, --panel "
                "and --field"
            ) from None
        return draw.comparison(comparison, style_name=arguments.style)
    if arguments.summary:
        return draw.summary(run, style_name=arguments.style)
    field = run[arguments.field] if arguments.field else run.leading
    if arguments.panel:
        return draw.column(field, arguments.panel, style_name=arguments.style)
    return draw.figure(field, style_name=arguments.style)


def _comparison(source: Path) -> Comparison | None:
    """Return what ``nnrg compare`` wrote, if it wrote this; runs are larger, and tried first."""
    from nnrg.comparison.file import open_comparison

    with suppress(FormatError, SourceError):
        return open_comparison(source)
    return None


def plot(arguments: argparse.Namespace) -> int:
    """Redraw a figure from a results file."""
    from nnrg.plot import _style

    _style.check_ending(arguments.out)
    from nnrg import plot as draw

    draw.save(_figure(arguments), arguments.out, style_name=arguments.style)
    if arguments.json:
        sys.stdout.write(as_json({"figure": arguments.out}) + "\n")
    else:
        say(arguments, f"wrote {arguments.out}")
    return 0
