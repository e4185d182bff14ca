"""The figures of a run: which there are, and how one is drawn, in whichever process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.results import Measurement, Run

__all__ = ["DRAWING", "Drawing", "draw", "drawings_of", "file_stem"]

DRAWING = (
    "nnrg.plot",
    "matplotlib.figure",
    "matplotlib.style",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
)
"""Modules that take long to import and are needed for the first figure."""


_ENDINGS = (".pdf", ".png")


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure to draw: of a field, or the summary of a run."""

    of: Measurement | Run
    paths: tuple[Path, ...]


def file_stem(name: str) -> str:
    """Return a tensor's or a model's name as a plain file name."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name)[:80].lstrip(".")


def drawings_of(run: Run, folder: Path, figures: str) -> list[Drawing]:
    """Return what to draw: `figures` is one of leading, natural, all and none."""
    if figures == "none":
        return []
    leading = run.leading.name
    chosen = {
        "natural": [n for n in run if run[n].natural] or [leading],
        "all": list(run),
        "leading": [leading],
    }[figures]
    stems = {name: "flow" if name == leading else f"flow-{file_stem(name)}" for name in chosen}
    drawings = [Drawing(run[name], _paths(folder, stem)) for name, stem in stems.items()]
    if len(run) > 2:
        drawings.append(Drawing(run, _paths(folder, "summary")))
    return drawings


def _paths(folder: Path, stem: str) -> tuple[Path, ...]:
    return tuple(folder / f"{stem}{ending}" for ending in _ENDINGS)


def draw(
    drawing: Drawing, style: str, *, progress: Callable[[int, int], None] | None = None
) -> None:
    """Draw a figure and write its files; the steps are its files."""
    from nnrg import plot
    from nnrg.results import Run

    of = drawing.of
    if isinstance(of, Run):
        figure = plot.summary(of, style_name=style)
    else:
        figure = plot.figure(of, style_name=style)
    for done, path in enumerate(drawing.paths, 1):
        plot.save(figure, path, style_name=style)
        if progress is not None:
            progress(done, len(drawing.paths))
