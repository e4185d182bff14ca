"""The figure of a comparison: a panel for each quantity, all flows in each, and their distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.comparison.result import Comparison, Curves
from nnrg.errors import ArgumentError
from nnrg.networks._label import label
from nnrg.plot._figures import _letter
from nnrg.plot._panels import _limit, _say
from nnrg.plot._style import freeze, journal, new_figure, style
from nnrg.plot._symbols import symbol

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["comparison"]

Array = npt.NDArray[np.float64]

_COLUMNS, _MOST_PANELS, _MOST_FLOWS, _MOST_NAMED = 3, 8, 8, 5
_AXIS = {
    "relative": r"relative scale $b\,/$width",
    "blocks": "blocks left",
    "scale": "block length $b$ (sites)",
}
# Of broad laws, or the same as another: not shown unless asked for.
_SECOND_RANK = ("phi5", "phi6", "phi7", "phi8", "ratio_5", "ratio_6", "ratio_7", "ratio_8")


def comparison(
    result: Comparison, *, quantities: Sequence[str] | None = None, style_name: str = "aps"
) -> Figure:
    """Return the figure of a comparison at full page width.

    One panel a quantity with all flows: errors, flagged points open, the band of each flow's own
    null model at two standard deviations. The last panel is the matrix of distances: D^2 in units
    of its error by colour.

    Parameters
    ----------
    result : Comparison
    quantities : sequence of str, optional
        Which, at most 8; by default the couplings, ratios and correlations that flows have in
        common, those of the most significant differences first where there are more.
    style_name : {"aps", "nature"}

    Returns
    -------
    Figure
        178 mm (Physical Review) or 183 mm (Nature) wide, its layout fixed.

    Raises
    ------
    ArgumentError
        If a quantity was not compared, or there is no such style.
    """
    names = _chosen(result, quantities)
    flows = result.curves[:_MOST_FLOWS]
    book = journal(style_name)
    rows = -(-(len(names) + 1) // _COLUMNS)
    with style(style_name):
        looks = _looks(len(flows))
        fig = new_figure(book.page, min(book.height, 16 + 46 * rows))
        panels = fig.subplots(rows, _COLUMNS, squeeze=False)
        for ax, name, letter in zip(panels.flat, names, "abcdefgh", strict=False):
            _quantity(ax, result, flows, name, looks)
            _letter(ax, letter, book)
        last = panels.flat[len(names)]
        _matrix(last, result)
        _letter(last, "abcdefghi"[len(names)], book)
        for ax in panels.flat[len(names) + 1 :]:
            ax.set_visible(False)
        _legend(fig, flows, looks, len(result.curves))
        band = f"; bands: {label(result.null, 30)}, two standard deviations" if result.null else ""
        fig.supxlabel(f"open points: flagged{band}", fontsize="small")
        freeze(fig)
    return fig


def _chosen(result: Comparison, quantities: Sequence[str] | None) -> list[str]:
    there = list(dict.fromkeys(r.quantity for r in result.rows if r.kind != "exponent"))
    if quantities is not None:
        wanted = [quantities] if isinstance(quantities, str) else list(quantities)
        unknown = [n for n in wanted if n not in there]
        if unknown or not 0 < len(wanted) <= _MOST_PANELS:
            what = f"no quantity {unknown[0]!r}" if unknown else f"{len(wanted)} quantities"
            raise ArgumentError(
                f"{what} for a figure of 1 to {_MOST_PANELS}; there are {', '.join(there)}"
            )
        return wanted
    told = [n for n in there if any(np.isfinite(r.z) for r in result.rows if r.quantity == n)]
    first = [n for n in told if n not in _SECOND_RANK] or told or there
    smallest = {
        n: min((r.p for r in result.rows if r.quantity == n and np.isfinite(r.p)), default=2.0)
        for n in first
    }
    kept = set(sorted(first, key=lambda n: smallest[n])[:_MOST_PANELS])
    return [n for n in first if n in kept]


def _looks(count: int) -> list[dict[str, Any]]:
    """Colour and marker of each flow, alike in every panel."""
    from matplotlib import rcParams

    cycle = rcParams["axes.prop_cycle"].by_key()
    return [
        {
            key: values[(i + (i // len(values) if key == "marker" else 0)) % len(values)]
            for key, values in cycle.items()
        }
        for i in range(count)
    ]


def _quantity(
    ax: Axes,
    result: Comparison,
    flows: Sequence[Curves],
    name: str,
    looks: Sequence[dict[str, Any]],
) -> None:
    """Draw one quantity of all flows against the scale that is equal."""
    ax.axhline(0, color="0.6", lw=0.5)
    points, bars, spans = [], [], []
    for k, (flow, look) in enumerate(zip(flows, looks, strict=True)):
        if name not in flow.quantities:
            continue
        i = flow.quantities.index(name)
        y, e = flow.values[:, i], np.nan_to_num(flow.errors[:, i])
        known = np.isfinite(y)
        if not known.any():
            continue
        x = flow.positions * 1.04 ** (k - (len(flows) - 1) / 2)
        ax.errorbar(x[known], y[known], e[known], **look)
        doubtful = known & np.array([row[i] != "" for row in flow.flags])
        hollow = {**look, "ls": "", "mfc": "white", "mec": look.get("color"), "zorder": 3}
        ax.plot(x[doubtful], y[doubtful], **hollow)
        centre, width = flow.null_mean[:, i], 2 * flow.null_spread[:, i]
        band = known & np.isfinite(centre - width)
        if band.any():
            low, high = (centre - width)[band], (centre + width)[band]
            ax.fill_between(x[band], low, high, color=look.get("color"), alpha=0.18, lw=0)
            bars += [low, high]
        points.append(y[known])
        bars += [y[known] - e[known], y[known] + e[known]]
        spans.append(flow.positions[known])
    ax.set_xscale("log", base=2)
    if points:
        _limit(ax, np.concatenate(points), np.concatenate(bars))
        _ticks(ax, np.concatenate(spans), result.at)
    else:
        _say(ax, "no flow has a value")
    ax.set_xlabel(_AXIS[result.at])
    ax.set_ylabel(_written(name))


def _written(name: str) -> str:
    """Return a quantity as the label of an axis."""
    kind, _, axis = name.partition(":")
    if kind == "neighbour":
        return f"correlation, axis {axis}"
    if kind == "grad2":
        return rf"$Z\,\sigma^2$, axis {axis}"
    if kind in ("phi", "phi2", "phi3", "phi4"):
        n = {"phi": 1}.get(kind) or int(kind[3:])
        power = "" if n == 1 else f"^{n}"
        return rf"{symbol(name, ())[:-1]}\,\sigma{power}$"
    shown = symbol(name, ())
    return shown if "$" in shown else shown.replace("_", " ")


def _ticks(ax: Axes, positions: Array, at: str) -> None:
    """Choose ticks that are powers of two, no more than five."""
    low, high = np.log2(positions.min()), np.log2(positions.max())
    first, last = int(np.ceil(low - 1e-6)), int(np.floor(high + 1e-6))
    powers = range(first, last + 1, max(1, -(-(last - first + 1) // 5)))
    texts = [
        (f"$2^{{{p}}}$" if at == "relative" and p else str(2**p) if p >= 0 else f"{2.0**p:g}")
        for p in powers
    ]
    ax.set_xticks([2.0**p for p in powers], texts, minor=False)
    ax.minorticks_off()
    ax.set_xlim(2.0**low / 1.35, 2.0**high * 1.35)


def _matrix(ax: Axes, result: Comparison) -> None:
    """Draw D^2 over its error by colour, with p in each cell where there is room."""
    flows = result.names[:_MOST_FLOWS]
    n = len(flows)
    square, error = (m[:n, :n] for m in result.distance_matrix())
    with np.errstate(invalid="ignore", divide="ignore"):
        score = np.where(error > 0, square / error, np.nan)
    ax.set_facecolor("0.9")
    image = ax.imshow(score, cmap="Purples", vmin=0, vmax=6)
    for i in range(n):
        for j in range(n):
            if n <= _MOST_NAMED and np.isfinite(score[i, j]):
                shade = "white" if score[i, j] > 3.5 else "black"
                ax.text(
                    j,
                    i,
                    f"{score[i, j]:.1f}",
                    fontsize="small",
                    ha="center",
                    va="center",
                    color=shade,
                )
    short = (
        [label(name, 9) for name in flows] if n <= _MOST_NAMED else [str(i + 1) for i in range(n)]
    )
    ax.set_xticks(range(n), short, parse_math=False)
    ax.set_yticks(range(n), short, parse_math=False)
    if n <= _MOST_NAMED:
        ax.tick_params(axis="x", rotation=30)
    ax.minorticks_off()
    ax.tick_params(length=0)
    ax.figure.colorbar(
        image, ax=ax, extend="both", ticks=(0, 2, 4, 6), label=r"distance $D^2/\delta D^2$"
    )


def _legend(
    fig: Figure, flows: Sequence[Curves], looks: Sequence[dict[str, Any]], count: int
) -> None:
    """Name the flows above all panels."""
    from matplotlib.lines import Line2D

    many = len(flows) > _MOST_NAMED
    names = [(f"{i + 1} " if many else "") + label(f.name, 22) for i, f in enumerate(flows)]
    handles = [Line2D([], [], **look) for look in looks]
    if count > len(flows):
        names.append(f"and {count - len(flows)} more")
        handles.append(Line2D([], [], ls=""))
    legend = fig.legend(
        handles, names, loc="outside upper center", ncols=min(len(names), 4), frameon=False
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
