"""A network flow as a figure: one panel a quantity, one line a layer, a band for the null model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.networks._label import label
from nnrg.plot._style import freeze, journal, new_figure, style
from nnrg.rg.network_flow.flow import NetworkFlow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["network_flow"]

_QUANTITIES = ("ratio_4", "neighbour:0", "neighbour:1", "mp_top", "mp_outliers", "mp_moment_2")
_NAMES = {
    "ratio_3": r"$\lambda_3$",
    "ratio_4": r"$\lambda_4$",
    "kappa_1": r"$\kappa_1$",
    "kappa_2": r"$\kappa_2$",
    "neighbour:0": "neighbours, out axis",
    "neighbour:1": "neighbours, in axis",
    "mp_top": r"$\lambda_{\max}$ over MP edge",
    "mp_outliers": "fraction of outliers",
    "mp_moment_2": "second moment over MP",
    "mp_distance": "distance from MP law",
    "f_S": r"symmetric fraction $f_S$",
    "non_normality": "non-normality over iid",
}
_COLUMNS = 3
_MOST_PANELS = 9
_MOST_NAMED = 12
# Smooth parts of the axis are linear up to here where numbers span decades.
_LINEAR = 1.0


def network_flow(
    flow: NetworkFlow,
    quantities: Sequence[str] | str | None = None,
    *,
    tensors: Sequence[str] | None = None,
    null: str | None = None,
    style_name: str = "aps",
) -> Figure:
    """Draw numbers of all tensors against the number of units in a block.

    Parameters
    ----------
    flow : NetworkFlow
    quantities : sequence of str, optional
        Names of what was measured, one panel each; by default fourth cumulants, neighbours, and
        singular values.
    tensors : sequence of str, optional
        By default all matrices, or all vectors where there are none.
    null : str, optional
        Null model of the bands, two standard deviations; by default the first.
    style_name : {"aps", "nature"}

    Returns
    -------
    Figure
        Colours run from the first to the last layer; points that are flagged are open.

    Raises
    ------
    ArgumentError
        If there is no such tensor, quantity or style, or nothing was measured.
    """
    chosen = _tensors(flow, tensors)
    names = _quantities(flow, chosen, quantities)
    book = journal(style_name)
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    with style(style_name):
        from matplotlib import colormaps

        colours = colormaps["viridis"](np.linspace(0, 0.9, len(chosen)))
        width = book.page if columns > 1 else book.column
        fig = new_figure(width, min(book.height, 22 + 46 * rows))
        panels = fig.subplots(rows, columns, squeeze=False)
        for ax, name in zip(panels.flat, names, strict=False):
            for tensor, colour in zip(chosen, colours, strict=True):
                _line(ax, flow, tensor, name, colour, null)
            _frame(ax, name)
        for ax in panels.flat[len(names) :]:
            ax.set_visible(False)
        for ax in panels[-1]:
            ax.set_xlabel("units in a block")
        _legend(fig, chosen, colours)
        freeze(fig)
    return fig


def _tensors(flow: NetworkFlow, tensors: Sequence[str] | None) -> list[str]:
    if tensors is not None:
        wanted = [tensors] if isinstance(tensors, str) else list(tensors)
        return [flow.tensor(name).name for name in wanted]
    matrices = [name for name, t in flow.tensors.items() if t.spectrum is not None]
    found = matrices or list(flow.tensors)
    if not found:
        raise ArgumentError("no tensor of this flow was measured: there is nothing to draw")
    return found


def _quantities(
    flow: NetworkFlow, chosen: Sequence[str], quantities: Sequence[str] | str | None
) -> list[str]:
    there = {q for name in chosen for q in flow.tensors[name].quantities}
    if quantities is None:
        return [q for q in _QUANTITIES if q in there]
    wanted = [quantities] if isinstance(quantities, str) else list(quantities)
    unknown = [q for q in wanted if q not in there]
    if unknown or not 0 < len(wanted) <= _MOST_PANELS:
        what = f"no quantity {shown(unknown[0])}" if unknown else f"{len(wanted)} quantities"
        raise ArgumentError(
            f"{what} for a figure of 1 to {_MOST_PANELS}; there are {', '.join(sorted(there))}"
        )
    return wanted


def _line(
    ax: Axes, flow: NetworkFlow, name: str, quantity: str, colour: Any, null: str | None
) -> None:
    """Draw one layer: points with errors, and the band of its null model."""
    tensor = flow.tensors[name]
    if quantity not in tensor.quantities:
        return
    numbers = tensor.holder(quantity)
    i = numbers.names.index(quantity)
    x = np.array([_units(tensor.flow.means, level) for level in range(len(tensor.flow))])
    y, error = numbers.values[:, i], np.nan_to_num(numbers.errors()[:, i])
    known = np.isfinite(y)
    centre, width = numbers.null_mean(null)[:, i], 2 * numbers.null_spread(null)[:, i]
    band = known & np.isfinite(centre + width)
    if band.any():
        low, high = (centre - width)[band], (centre + width)[band]
        ax.fill_between(x[band], low, high, color=colour, alpha=0.12, lw=0)
    if not known.any():
        return
    ax.errorbar(x[known], y[known], error[known], color=colour, marker="o", ms=2.5, lw=0.8)
    doubtful = known & np.array([row[i] != "" for row in numbers.flags])
    ax.plot(x[doubtful], y[doubtful], ls="", marker="o", ms=2.5, mfc="white", mec=colour, zorder=3)


def _units(means: Sequence[Any], level: int) -> float:
    """Return units in a block, the geometric mean of the axes."""
    first, here = means[0].shape[1:], means[level].shape[1:]
    return float((np.prod(first) / np.prod(here)) ** (1 / len(first)))


def _frame(ax: Axes, name: str) -> None:
    ax.set_xscale("log", base=2)
    low, high = ax.get_ylim()
    if name.startswith("ratio") and max(abs(low), abs(high)) > 20 * _LINEAR:
        ax.set_yscale("symlog", linthresh=_LINEAR)
    if name in ("mp_top", "mp_moment_2"):
        ax.set_yscale("log", nonpositive="clip")
    expected = 1.0 if name in ("mp_top", "mp_moment_2", "non_normality") else 0.0
    if name != "f_S":
        ax.axhline(expected, color="0.6", lw=0.5, zorder=0)
    ax.set_ylabel(_NAMES.get(name, name))


def _legend(fig: Figure, chosen: Sequence[str], colours: Any) -> None:
    """Name the layers above all panels: all, or the first and the last."""
    from matplotlib.lines import Line2D

    few = len(chosen) <= _MOST_NAMED
    shown_ = range(len(chosen)) if few else (0, len(chosen) - 1)
    handles = [Line2D([], [], color=colours[i], marker="o", ms=2.5, lw=0.8) for i in shown_]
    names = [label(chosen[i], 28) for i in shown_]
    if not few:
        names[-1] += f" ({len(chosen)} layers)"
    legend = fig.legend(handles, names, loc="outside upper center", ncols=3, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
