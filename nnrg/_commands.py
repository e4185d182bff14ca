"""What each command does, once its words are parsed."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnrg.cli import existing_folder, parse_lengths, parser
from nnrg.errors import ArgumentError, FormatError

__all__ = ["completion", "flow", "inspect", "plot"]

SCHEMA_VERSION = 1


def _print_json(value: Mapping[str, Any]) -> None:
    def finite(item: Any) -> Any:
        if isinstance(item, Mapping):
            return {str(k): finite(v) for k, v in item.items()}
        if isinstance(item, list | tuple):
            return [finite(v) for v in item]
        if hasattr(item, "item"):
            item = item.item()
        return None if isinstance(item, float) and not math.isfinite(item) else item

    out = finite({"schema_version": SCHEMA_VERSION, **value})
    sys.stdout.write(json.dumps(out, allow_nan=False) + "\n")


def _say(arguments: argparse.Namespace, text: str) -> None:
    if not arguments.quiet:
        sys.stderr.write(f"nnrg: {text}\n")


def completion(arguments: argparse.Namespace) -> int:
    """Print the completion script of a shell."""
    import shtab

    sys.stdout.write(shtab.complete(parser(), shell=arguments.shell) + "\n")
    return 0


def inspect(arguments: argparse.Namespace) -> int:
    """Print what is in a model's file, or the provenance of a results file."""
    from nnrg.networks.load import load

    path = Path(arguments.model)
    if path.suffix == ".nc" or (path.is_dir() and (path / "flow.nc").is_file()):
        return _inspect_results(arguments)
    net = load(
        arguments.model,
        key=arguments.key,
        allow_nonfinite=arguments.allow_nonfinite,
        buffers=tuple(arguments.buffers),
    )
    if arguments.json:
        _print_json(net.to_dict())
    else:
        sys.stdout.write((net.table() if arguments.all else str(net)) + "\n")
    return 0


def _inspect_results(arguments: argparse.Namespace) -> int:
    from nnrg.results import Run, open_results

    result = open_results(arguments.model)
    if arguments.json:
        fields = list(result) if isinstance(result, Run) else []
        _print_json({"provenance": dict(result.attrs), "fields": fields})
        return 0
    for key, value in result.attrs.items():
        sys.stdout.write(f"{key}: {value}\n")
    if isinstance(result, Run):
        for name in result:
            sys.stdout.write(f"field: {name}\n")
    return 0


def flow(arguments: argparse.Namespace) -> int:
    """Measure, print and draw the flow of each model."""
    folder = existing_folder(arguments.out)
    models = arguments.model or [None]
    runs = {}
    code = 0
    for model in models:
        target = folder if len(models) == 1 else folder / Path(model).name
        run = _flow_one(arguments, model, target)
        runs[str(run.attrs["model"])] = run
        if arguments.strict and any(
            "poor fit" in row[0] or "too few" in row[0] or "hard edge" in row[0]
            for m in run.measurements.values()
            for row in m.couplings.flags
        ):
            code = 6
    if arguments.json:
        _print_json({"runs": {name: _run_to_dict(run) for name, run in runs.items()}})
    if code:
        _say(arguments, "a quality gate failed: see the flags of the couplings")
    return code


def _flow_one(arguments: argparse.Namespace, model: str | None, target: Path) -> Any:
    import shutil

    from nnrg.data import default_network_path
    from nnrg.networks.load import load
    from nnrg.pipeline import flow_network
    from nnrg.progress import Progress
    from nnrg.rg.basis import Basis
    from nnrg.rg.blocks import GridBlocks
    from nnrg.rg.nulls import NullModel

    net = load(
        default_network_path() if model is None else model,
        key=arguments.key,
        allow_nonfinite=arguments.allow_nonfinite,
        buffers=tuple(arguments.buffers),
    )
    lengths = parse_lengths(arguments.blocks)
    parts = target / "parts"
    if not arguments.resume:
        shutil.rmtree(parts, ignore_errors=True)
    _announce_compilation(arguments)
    progress = Progress(enabled=False if arguments.quiet or arguments.no_progress else None)
    try:
        run = flow_network(
            net,
            tensors=tuple(arguments.tensors or ("*",)),
            sites=_lattices(arguments.sites),
            blocks=GridBlocks(lengths[0] if len(lengths) == 1 else lengths),
            levels=arguments.levels,
            rescale=_rescale(arguments.rescale),
            basis=Basis.scalar(order=arguments.order),
            nulls=(NullModel("permutation", arguments.draws),),
            rng=arguments.seed,
            keep=parts,
            command="nnrg " + " ".join(sys.argv[1:]),
            progress=progress,
        )
    finally:
        progress.close()
    run.save(target / "flow.nc")
    shutil.rmtree(parts, ignore_errors=True)
    written = _draw(arguments, run, target)
    if not arguments.json:
        sys.stdout.write(run.report() + "\n")
    _say(arguments, "wrote " + ", ".join(str(p) for p in [target / "flow.nc", *written]))
    return run


def _announce_compilation(arguments: argparse.Namespace) -> None:
    from nnrg_kernels._jit import cache_folder

    if not any(cache_folder().rglob("*.nbi")):
        _say(arguments, "compiling kernels, once after installation (10 to 25 s)")


def _lattices(sites: list[str]) -> Any:
    from nnrg.fields import Lattice

    out = {}
    for item in sites:
        pattern, _, lengths = item.rpartition("=")
        out[pattern or "*"] = Lattice(parse_lengths(lengths))
    return out or None


def _rescale(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _draw(arguments: argparse.Namespace, run: Any, target: Path) -> list[Path]:
    if arguments.figures == "none":
        return []
    from nnrg import plot as draw

    leading = run.leading
    chosen = {
        "natural": [n for n in run if run[n].natural] or [leading.name],
        "all": list(run),
        "leading": [leading.name],
    }[arguments.figures]
    written = []
    for name in chosen:
        stem = "flow" if name == leading.name else f"flow-{file_stem(name)}"
        figure = draw.figure(run[name], style_name=arguments.style)
        for ending in (".pdf", ".png"):
            written.append(target / f"{stem}{ending}")
            draw.save(figure, written[-1], style_name=arguments.style)
    if len(run) > 2:
        figure = draw.summary(run, style_name=arguments.style)
        for ending in (".pdf", ".png"):
            written.append(target / f"summary{ending}")
            draw.save(figure, written[-1], style_name=arguments.style)
    return written


def file_stem(name: str) -> str:
    """Return a tensor's name as a plain file name."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name)[:80].lstrip(".")


def _run_to_dict(run: Any) -> dict[str, Any]:
    return {
        "provenance": dict(run.attrs),
        "left_out": dict(run.left_out),
        "fields": {
            name: {
                "settings": dict(m.couplings.attrs),
                "cumulants": m.cumulants.to_dataframe().to_dict("records"),
                "couplings": m.couplings.to_dataframe().to_dict("records"),
                "fit": {
                    key: list(m.couplings.series[key])
                    for key in ("chi2", "dof", "p", "condition", "sites")
                },
            }
            for name, m in run.measurements.items()
        },
    }


def plot(arguments: argparse.Namespace) -> int:
    """Redraw a figure from a results file."""
    from nnrg import plot as draw
    from nnrg.results import Run, open_results

    run = open_results(arguments.results)
    if not isinstance(run, Run):
        raise FormatError(
            f"{arguments.results}: holds one table, not a run; draw it with nnrg.plot in Python"
        )
    if arguments.summary:
        figure = draw.summary(run, style_name=arguments.style)
    else:
        name = arguments.field or run.leading.name
        if name not in run.measurements:
            raise ArgumentError(f"no field {name!r}; there are {', '.join(run)}")
        figure = draw.figure(run[name], style_name=arguments.style)
    draw.save(figure, arguments.out, style_name=arguments.style)
    if arguments.json:
        _print_json({"figure": arguments.out})
    else:
        _say(arguments, f"wrote {arguments.out}")
    return 0
