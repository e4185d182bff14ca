"""What the figures of theories share: points, lines, legends, and pages of panels."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.networks._label import label
from nnrg.plot._figures import _letter
from nnrg.plot._given import axes_of
from nnrg.plot._style import freeze, journal, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["chosen", "legend", "look", "new_axes", "page", "plain_log", "points", "zero_line"]

Array = npt.NDArray[np.float64]

new_axes = axes_of

_MOST_PANELS = 6
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# Characters of a note in a line, per millimetre of the figure.
_NOTE = 0.78


def look(i: int) -> dict[str, Any]:
    """Return colour and marker of the i-th curve; the second time round a colour has another."""
    from matplotlib import rcParams

    cycle = rcParams["axes.prop_cycle"].by_key()
    # Outside of a journal's style there are colours alone.
    markers = cycle.get("marker", _MARKERS)
    n = len(cycle["color"])
    return {"color": cycle["color"][i % n], "marker": markers[(i + i // n) % len(markers)]}


def points(
    ax: Axes,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    error: npt.ArrayLike,
    appearance: dict[str, Any],
    *,
    name: str | None = None,
    doubtful: npt.ArrayLike | None = None,
    x_error: npt.ArrayLike | None = None,
) -> bool:
    """Draw measured numbers with one standard deviation, doubtful ones open; whether there are any.

    What is not positive has no place on a logarithmic axis: the caller chooses axes that show all.
    """
    x, y, error = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (x, y, error))
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return False
    bars = np.nan_to_num(error)
    sideways = None if x_error is None else np.nan_to_num(np.asarray(x_error))[known]
    style_ = {"ls": "", "ms": 3.2, "lw": 0.8, **appearance}
    ax.errorbar(x[known], y[known], bars[known], sideways, label=name, **style_)
    open_ = known & ~np.isfinite(error)
    if doubtful is not None:
        open_ |= known & np.asarray(doubtful, dtype=bool)
    ax.plot(x[open_], y[open_], **{**style_, "mfc": "white", "zorder": 3})
    return True


def chosen(quantity: object, known: Iterable[str]) -> str:
    """Return a quantity by name.

    Raises
    ------
    ArgumentError
        If there is no such quantity.
    """
    names = list(known)
    if not isinstance(quantity, str) or quantity not in names:
        raise ArgumentError(f"quantity must be one of {', '.join(names)}, got {shown(quantity)}")
    return quantity


def zero_line(ax: Axes) -> None:
    """Draw where nothing is, thin and behind everything."""
    ax.axhline(0, color="0.6", lw=0.5, zorder=0)


def plain_log(ax: Axes) -> None:
    """Label a logarithmic ordinate of few decades with plain numbers, 1, 2 and 5 of each decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    low, high = sorted(ax.get_ylim())
    if not 0 < low < high or high > 60 * low:
        return
    subs = (1.0, 2.0, 5.0) if high > 4 * low else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
    ax.yaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    ax.yaxis.set_minor_locator(LogLocator(subs=(1.0,), numticks=12))


def legend(ax: Axes, columns: int = 3) -> None:
    """Put the legend above the axes, where it covers nothing."""
    handles, names = ax.get_legend_handles_labels()
    if not handles:
        return
    from matplotlib.container import ErrorbarContainer

    # Bars of entries below each other would run together.
    handles = [h[0] if isinstance(h, ErrorbarContainer) else h for h in handles]
    ax.legend(
        handles,
        names,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=min(len(names), columns),
        handlelength=1.2,
        columnspacing=0.8,
        handletextpad=0.3,
        labelspacing=0.2,
        borderaxespad=0.2,
        borderpad=0.1,
    )


def page(*panels: Callable[[Axes], object], note: str = "", style_name: str = "aps") -> Figure:
    """Put panels together: one at the width of a column, more at that of a page.

    Parameters
    ----------
    *panels : callable
        Each draws into the Axes that it is given, for example ``lambda ax:
        nnrg.plot.phase_diagram(line, ax=ax)``; one to six.
    note : str
        What was assumed, written below the panels.
    style_name : {"aps", "nature"}

    Returns
    -------
    Figure

    Raises
    ------
    ArgumentError
        If there is no panel or more than six, or no such style.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.criticality import critical_line
    >>> line = critical_line("tanh", sigma_b=np.linspace(0, 0.5, 20))
    >>> fig = nnrg.plot.page(lambda ax: nnrg.plot.phase_diagram(line, ax=ax))
    >>> round(fig.get_figwidth() * 25.4)
    86
    """
    n = len(panels)
    if not 1 <= n <= _MOST_PANELS:
        raise ArgumentError(f"a page has 1 to {_MOST_PANELS} panels, got {n}; make more pages")
    book = journal(style_name)
    columns = {1: 1, 3: 3}.get(n, 2)
    rows = -(-n // columns)
    width = book.column if n == 1 else book.page
    lines = textwrap.wrap(label(note, 600), int(width * _NOTE)) if note else []
    with style(style_name):
        height = rows * (68 if columns < 3 else 62) + 4 * len(lines)
        fig = new_figure(width, min(book.height, height))
        axes = fig.subplots(rows, columns, squeeze=False).ravel()
        for panel, ax in zip(panels, axes, strict=False):
            panel(ax)
        for ax in axes[n:]:
            ax.set_visible(False)
        if n > 1:
            for ax, letter in zip(axes[:n], "abcdef", strict=False):
                _letter(ax, letter, book)
        if lines:
            fig.supxlabel("\n".join(lines), fontsize="small", parse_math=False)
        freeze(fig)
    return fig
