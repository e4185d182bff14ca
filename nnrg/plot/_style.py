"""Journal styles: exact widths, fonts, and files that have the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from nnrg._files import as_path, written_whole
from nnrg._validate import shown
from nnrg.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STYLES", "Journal", "freeze", "new_figure", "save", "style"]

_MM_PER_INCH = 25.4


@dataclass(frozen=True, slots=True)
class Journal:
    """Widths of a page and of a column, greatest height, in mm; how panels are lettered."""

    page: float
    column: float
    height: float
    letter: str
    letter_weight: str
    letter_size: float


STYLES = {
    "aps": Journal(178, 86, 235, "({})", "normal", 8),
    "nature": Journal(183, 89, 170, "{}", "bold", 8),
}
"""Journal styles by name: ``"aps"`` (Physical Review) and ``"nature"``."""

_METADATA: dict[str, dict[str, None]] = {
    ".pdf": {"CreationDate": None},
    ".svg": {"Date": None},
    ".png": {"Software": None},
}


def journal(name: str) -> Journal:
    """Return a style by name."""
    if not isinstance(name, str) or name not in STYLES:
        raise ArgumentError(f"style must be one of {', '.join(STYLES)}, got {shown(name)}")
    return STYLES[name]


@contextmanager
def style(name: str = "aps") -> Iterator[None]:
    """Use a journal's style within a ``with`` block.

    Parameters
    ----------
    name : {"aps", "nature"}

    Raises
    ------
    ArgumentError
        If there is no such style.

    Examples
    --------
    >>> import matplotlib, nnrg
    >>> with nnrg.plot.style("nature"):
    ...     matplotlib.rcParams["pdf.fonttype"]
    42
    """
    import matplotlib.style

    journal(name)
    sheet = resources.files("nnrg") / "styles" / f"{name}.mplstyle"
    interactive = matplotlib.is_interactive()
    try:
        with (
            resources.as_file(sheet) as path,
            matplotlib.rc_context(),
            matplotlib.style.context(["default", str(path)]),
        ):
            try:
                yield
            finally:
                interactive = matplotlib.is_interactive()
    finally:
        # The first figure of a notebook turns this on; put back with the rest, no later figure
        # would be shown.
        matplotlib.interactive(interactive)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in mm, laid out without overlaps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (width / _MM_PER_INCH, height / _MM_PER_INCH)
    fig = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(fig)
    return fig


def freeze(fig: Figure) -> None:
    """Lay out the figure once and for all: every file it is saved to would do it again."""
    engine = fig.get_layout_engine()
    if engine is not None:
        engine.execute(fig)
        # Not "none": its placeholder makes every save draw the figure twice.
        fig.set_layout_engine(None)


def save(fig: Figure, path: str | Path, *, style_name: str = "aps") -> None:
    """Write a figure as PDF, SVG or PNG, the same bytes every time, whole or not at all.

    Parameters
    ----------
    fig : Figure
    path : path ending in .pdf, .svg or .png
    style_name : {"aps", "nature"}
        Resolution and kind of fonts; the style the figure was drawn in.

    Raises
    ------
    ArgumentError
        If the ending is none of these, or there is no such style.
    SourceError
        If the file cannot be written.
    """
    target = as_path(path)
    ending = target.suffix.lower()
    check_ending(target)
    with written_whole(target, ending) as draft, style(style_name):
        fig.savefig(draft, format=ending[1:], metadata=_METADATA[ending])


def check_ending(path: str | Path) -> None:
    """Raise ArgumentError unless the name of a figure says a format that can be written."""
    if Path(path).suffix.lower() not in _METADATA:
        raise ArgumentError(f"{path}: a figure's name must end in .pdf, .svg or .png")
