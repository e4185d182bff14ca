"""What ``nnrg flow`` does, once its words are parsed."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nnrg._commands import refuse_record, say
from nnrg._drawings import DRAWING, Drawing, draw, drawings_of, file_stem
from nnrg._interrupts import interruptible
from nnrg._json import as_json, run_to_dict
from nnrg._unit_rules import UNIT_RULES
from nnrg._validate import as_count
from nnrg._workers import Worker, Workers, default_number
from nnrg.errors import ArgumentError, SourceError

if TYPE_CHECKING:
    from nnrg.networks.network import Network
    from nnrg.results import Run

__all__ = ["flow"]

# Flags that refuse a number or say that the action does not describe the field.
_GATES = ("poor fit", "too few", "discrete", "atom", "ill-conditioned", "unstable")
_PARTS = ".nnrg-parts"


def flow(arguments: argparse.Namespace) -> int:
    """Measure, print and draw the flow of each model."""
    models = arguments.model or [None]
    for model in models:
        if model is not None:
            refuse_record(model)
    targets = _targets(writable_folder(arguments.out), models)
    options = _options(arguments)
    runs = []
    drawing = arguments.figures != "none"
    number = default_number() if arguments.workers is None else arguments.workers
    with Workers(
        as_count("--workers", number, 1, hint="try 2"), imports=DRAWING if drawing else ()
    ) as workers:
        if drawing:
            workers.others()  # what draws is imported while this process measures
        for model, target in zip(models, targets, strict=True):
            runs.append(_flow_one(arguments, options, workers, model, target))
    if arguments.json:
        found = [{"folder": str(t), **run_to_dict(r)} for r, t in zip(runs, targets, strict=True)]
        sys.stdout.write(as_json({"runs": found}) + "\n")
    if arguments.strict and any(map(_fails, runs)):
        say(arguments, "a quality gate failed: see the flags of the couplings")
        return 6
    return 0


def _fails(run: Run) -> bool:
    flags = [row[0] for m in run.measurements.values() for row in m.couplings.flags]
    return any(gate in flag for flag in flags for gate in _GATES)


def writable_folder(path: str) -> Path:
    """Return `path` as a folder that can be written to; told before the work, not after it."""
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise ArgumentError(f"{folder}: is a file; -o takes a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(
            f"{folder}: cannot be written to ({reason}); give -o a folder you own"
        ) from None
    return folder


def _targets(folder: Path, models: Sequence[str | None]) -> list[Path]:
    """Return a folder for each model: the folder itself, or one in it by the model's name."""
    if len(models) == 1:
        return [folder]
    targets: list[Path] = []
    for model in models:
        stem = file_stem(Path(str(model)).absolute().resolve().name) or "model"
        names = [stem, *(f"{stem}-{i}" for i in range(2, len(models) + 1))]
        targets.append(next(folder / n for n in names if folder / n not in targets))
    return targets


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the words mean to `flow_network`; all are read before any model is."""
    from nnrg.rg.basis import Basis

    return {
        "tensors": tuple(arguments.tensors or ("*",)),
        "sites": _lattices(arguments.sites),
        "gauge": arguments.gauge,
        **_blocks(arguments),
        "levels": arguments.levels,
        "rescale": _rescale(arguments.rescale),
        "standardise": arguments.standardise,
        "basis": Basis.scalar(
            order=arguments.order, shells=arguments.shells, quartic=arguments.quartic
        ),
        "nulls": _nulls(arguments),
        "rng": arguments.seed,
        "command": shlex.join(["nnrg", *arguments.words]),
    }


def _blocks(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return one rule for all tensors, or the rule for those without a natural order."""
    if arguments.blocks in UNIT_RULES:
        if arguments.scheme != "grid":
            raise ArgumentError(
                f"--scheme {arguments.scheme} makes blocks of a lattice, --blocks "
                f"{arguments.blocks} of units without one: give one of them"
            )
        return {"units": arguments.blocks}
    if arguments.blocks is None and arguments.scheme == "grid":
        return {}
    lengths = _lengths(arguments.blocks or "2", "--blocks")
    return {"blocks": _scheme(arguments.scheme)(lengths[0] if len(lengths) == 1 else lengths)}


_SCHEMES = {
    "grid": "GridBlocks",
    "momentum": "MomentumShell",
    "components": "PrincipalComponents",
    "decimation": "Decimation",
}


def _scheme(name: str) -> Callable[[Any], Any]:
    import nnrg

    # By name: the others' libraries take a tenth of a second to import.
    return cast(Callable[[Any], Any], getattr(nnrg, _SCHEMES[name]))


def _nulls(arguments: argparse.Namespace) -> Any:
    import nnrg
    from nnrg.rg.nulls import DefaultNulls

    if not arguments.draws:
        return ()
    also: tuple[Any, ...] = ()
    if arguments.initial:
        reference = nnrg.load(arguments.initial)
        also = (nnrg.NullModel("initialisation", arguments.draws, reference=reference),)
    if arguments.nulls is None:
        return DefaultNulls(arguments.draws, also)
    names = [name for name in arguments.nulls.split(",") if name]
    return (*(nnrg.NullModel(name, arguments.draws) for name in names), *also)


def _lengths(text: str, option: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        rules = f", or one of {', '.join(UNIT_RULES)}" if option == "--blocks" else ""
        raise ArgumentError(
            f"{option}: expected lengths such as 28x28{rules}, got {text!r}"
        ) from None


def _lattices(sites: list[str]) -> Any:
    from nnrg.fields import Lattice

    out = {}
    for item in sites:
        pattern, _, lengths = item.rpartition("=")
        shape = _lengths(lengths, "--sites")
        # Pixels, as in a file that names its lattice itself.
        out[pattern or "*"] = Lattice(shape, axes=("row", "column") if len(shape) == 2 else None)
    return out or None


def _rescale(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _flow_one(
    arguments: argparse.Namespace,
    options: dict[str, Any],
    workers: Workers,
    model: str | None,
    target: Path,
) -> Run:
    from nnrg.data import default_network_path
    from nnrg.networks.load import load
    from nnrg.pipeline import flow_network
    from nnrg.progress import Progress

    net = load(
        default_network_path() if model is None else model,
        key=arguments.key,
        allow_nonfinite=arguments.allow_nonfinite,
        buffers=tuple(arguments.buffers),
    )
    parts = target / _PARTS
    if not arguments.resume:
        _remove(parts)
    _announce(arguments, net)
    progress = Progress(enabled=False if arguments.quiet or arguments.no_progress else None)
    try:
        with interruptible():
            run = flow_network(net, **options, keep=parts, workers=workers, progress=progress)
    except KeyboardInterrupt:
        progress.close()
        kept = len(list(parts.glob("*.nc"))) if parts.is_dir() else 0
        if kept:
            say(arguments, f"{kept} finished tensors are kept: --resume goes on from there")
        raise
    finally:
        progress.close()
    drawings = drawings_of(run, target, arguments.figures)

    def save() -> None:
        run.save(target / "flow.nc")
        _remove(parts)

    def draw_there(worker: Worker, drawing: Drawing) -> None:
        worker.start(draw, drawing, arguments.style)
        worker.wait()

    # Not patient: what is begun there has its libraries sooner than what is begun here.
    workers.share(
        drawings, lambda one: draw(one, arguments.style), draw_there, first=save, patient=False
    )
    written = [target / "flow.nc", *(path for drawing in drawings for path in drawing.paths)]
    if not arguments.json:
        sys.stdout.write(run.report() + "\n")
    say(arguments, "wrote " + ", ".join(map(str, written)))
    return run


def _remove(parts: Path) -> None:
    """Remove the parts of an earlier run, and nothing else that may be in the folder."""
    if parts.is_dir():
        for part in parts.glob("*.nc"):
            part.unlink(missing_ok=True)
        with suppress(OSError):
            parts.rmdir()


def _announce(arguments: argparse.Namespace, net: Network) -> None:
    """Say beforehand what will take long."""
    from nnrg.pipeline import estimate_seconds
    from nnrg_kernels._jit import cache_folder

    if not any(cache_folder().rglob("*.nbi")):
        say(arguments, "compiling kernels, once after installation (10 to 25 s)")
    seconds = estimate_seconds(net, arguments.draws)
    if seconds > 10 and arguments.tensors is None:
        say(
            arguments,
            f"{net.n_parameters:,} parameters in {len(net.specs)} tensors and {arguments.draws} "
            f"null draws: about {seconds:.0f} s on lattices, up to three times that on graphs; "
            "--nulls permutation, fewer --draws or some --tensors take less",
        )
