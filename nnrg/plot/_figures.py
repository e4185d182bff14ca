"""Whole figures at the widths of a journal's page and column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrg.errors import ArgumentError
from nnrg.networks._label import label
from nnrg.plot import _panels
from nnrg.plot._given import given
from nnrg.plot._style import Journal, freeze, journal, new_figure, style
from nnrg.plot._symbols import scale_name
from nnrg.results import Measurement, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

__all__ = ["PANELS", "column", "figure", "summary"]

_MOST_ROWS = 60

PANELS: dict[str, tuple[str, Callable[..., Axes]]] = {
    "variance": ("cumulants", _panels.variance),
    "correlation": ("cumulants", _panels.correlation),
    "ratios": ("cumulants", _panels.ratios),
    "couplings": ("couplings", _panels.couplings),
    "z": ("couplings", _panels.z_scores),
}
"""Panels by name: which table of a measurement each draws, and the function that draws it."""


# Characters of a title that fit the width of a page.
_TITLE = 104


def figure(result: Measurement, *, style_name: str = "aps") -> Figure:
    """Return the figure of one field's flow: six panels at full page width.

    Parameters
    ----------
    result : Measurement
        One field of a `Run`.
    style_name : {"aps", "nature"}

    Returns
    -------
    Figure
        178 mm (Physical Review) or 183 mm (Nature) wide, its layout fixed.
    """
    c, g = given(result, Measurement).cumulants, result.couplings
    book = journal(style_name)
    with style(style_name):
        fig = new_figure(book.page, 118)
        panels = fig.subplots(2, 3)
        two = ("grad2", "J:")
        quadratic = [n for n in g.names if n == "phi2" or n.startswith(two)] or list(g.names)
        rest = [n for n in g.names if n not in quadratic] or quadratic
        _panels.variance(c, ax=panels[0, 0])
        _panels.correlation(c, ax=panels[0, 1])
        _panels.ratios(c, ax=panels[0, 2])
        _panels.couplings(g, operators=quadratic, ax=panels[1, 0])
        _panels.couplings(g, operators=rest, ax=panels[1, 1])
        _panels.z_scores(g, ax=panels[1, 2])
        for ax, letter in zip(panels.flat, "abcdef", strict=True):
            _letter(ax, letter, book)
        order = " (index order: no natural neighbours)" if result.order == "index" else ""
        on = label(g.attrs["lattice"], 40)
        if g.attrs.get("sites_kind") == "graph":
            on = f"graph of {int(c.series['sites'][0])} units"
        where = f": {on}{order}"
        title = label(result.name, max(16, _TITLE - len(where))) + where
        fig.suptitle(title, fontsize="medium", parse_math=False)
        null = next(iter(c.nulls), None)
        band = f"; bands: {label(null, 30)}, two standard deviations" if null else ""
        fig.supxlabel(f"open points: flagged{band}", fontsize="small")
        freeze(fig)
    return fig


def column(result: Measurement, panel: str = "variance", *, style_name: str = "aps") -> Figure:
    """Return one panel of a field's flow at the width of a column.

    Parameters
    ----------
    result : Measurement
    panel : {"variance", "correlation", "ratios", "couplings", "z"}
    style_name : {"aps", "nature"}

    Returns
    -------
    Figure
        86 mm (Physical Review) or 89 mm (Nature) wide, its layout fixed.

    Raises
    ------
    ArgumentError
        If there is no such panel.
    """
    if panel not in PANELS:
        raise ArgumentError(f"panel must be one of {', '.join(PANELS)}, got {panel!r}")
    table, draw = PANELS[panel]
    with style(style_name):
        fig = new_figure(journal(style_name).column, 65)
        draw(getattr(given(result, Measurement), table), ax=fig.subplots())
        freeze(fig)
    return fig


def summary(run: Run, *, style_name: str = "aps") -> Figure:
    """Return one figure of all fields of a run: z of the block variance by field and scale.

    With more than 60 fields, those on natural lattices and then those the largest z-scores.

    Parameters
    ----------
    run : Run
    style_name : {"aps", "nature"}

    Returns
    -------
    Figure
    """
    run = given(run, Run)
    scores = {name: _variance_scores(run[name]) for name in run}
    names = _most_telling(run, scores)
    book = journal(style_name)
    with style(style_name):
        fig = new_figure(book.page, min(book.height, max(55, 30 + 2.7 * len(names))))
        ax = fig.subplots()
        # Grey is what no draw tells apart: the null keeps it, or there are too few blocks.
        ax.set_facecolor("0.9")
        image = _cells(ax, [scores[name] for name in names])
        size = 7 if len(names) <= 40 else 5.5
        ax.set_yticks(
            range(len(names)),
            [("" if run[n].natural else f"({run[n].order}) ") + label(n, 44) for n in names],
            fontsize=size,
            parse_math=False,
        )
        ax.tick_params(length=0)
        kinds = {run[n].couplings.attrs.get("sites_kind", "lattice") for n in names}
        ax.set_xlabel(
            scale_name(*kinds)
            if len(kinds) == 1
            else "block length $b$; on graphs units in a block, mean"
        )
        null = next((m for c in run for m in run[c].cumulants.nulls), "no null model")
        fig.colorbar(
            image,
            ax=ax,
            extend="both",
            ticks=range(-6, 7, 2),
            label=rf"$z$ of $\kappa_2(b)$: {label(null, 20)}",
        )
        left = f"; {len(names)} of {len(run)} fields" if len(names) < len(run) else ""
        title = f"{label(run.attrs.get('model', 'network'), 50)}: variance of the block mean{left}"
        fig.suptitle(title, fontsize="medium", parse_math=False)
        freeze(fig)
    return fig


def _variance_scores(m: Measurement) -> dict[float, float]:
    z = m.cumulants.z()[:, m.cumulants.names.index("kappa_2")]
    return {float(b): float(s) for b, s in zip(m.cumulants.scales, z, strict=True) if b > 1}


def _cells(ax: Axes, rows: Sequence[Mapping[float, float]]) -> ScalarMappable:
    """Draw a row of cells for each field, each as far as halfway to its neighbours in ln b.

    Blocks on graphs have lengths of their own, so that fields have no common columns.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    norm = Normalize(-6, 6)
    image = ScalarMappable(norm, "RdBu_r")
    known = [b for row in rows for b in row] or [2.0]
    for place, row in enumerate(rows):
        if not row:
            continue
        x = np.log2(np.array(list(row)))
        middle = (x[1:] + x[:-1]) / 2
        edges = np.concatenate([[max(x[0] - 0.5, 0.0)], middle, [x[-1] + 0.5]])
        z = np.array([list(row.values())])
        ax.pcolormesh(edges, [place - 0.5, place + 0.5], z, cmap=image.cmap, norm=norm)
    ax.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    last = int(np.ceil(np.log2(max(known)) - 1e-9))
    ax.set_xlim(0, last + 0.5)
    step = -(-last // 12)
    powers = range(1, last + 1, max(step, 1))
    ax.set_xticks(list(powers), [str(2**p) for p in powers])
    ax.minorticks_off()
    return image


def _most_telling(run: Run, scores: Mapping[str, Mapping[float, float]]) -> list[str]:
    """Names to show, in the order of the run."""

    def weight(name: str) -> Any:
        sizes = [abs(z) for z in scores[name].values() if np.isfinite(z)]
        return run[name].natural, max(sizes, default=0.0)

    kept = set(sorted(run, key=weight, reverse=True)[:_MOST_ROWS])
    return [name for name in run if name in kept]


def _letter(ax: Axes, letter: str, book: Journal) -> None:
    """Letter a panel at the corner above its axis of ordinates."""
    ax.annotate(
        book.letter.format(letter),
        (0, 1),
        (-24, 3),
        xycoords="axes fraction",
        textcoords="offset points",
        fontweight=book.letter_weight,
        fontsize=book.letter_size,
        ha="left",
        va="bottom",
    )
