"""What a panel or a figure is given, or an error that says what it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from nnrg._validate import as_count, as_items, shown
from nnrg.errors import ArgumentError
from nnrg.plot._style import new_figure
from nnrg.results import Measurement, Run
from nnrg.rg.couplings import Couplings
from nnrg.rg.cumulants import Cumulants
from nnrg.rg.observables import Observables

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["as_orders", "axes_of", "given"]

T = TypeVar("T")

_MADE_BY: dict[type, str] = {
    Cumulants: "Cumulants: flow.cumulants(), or run[name].cumulants",
    Couplings: "Couplings: nnrg.fit_couplings(flow), or run[name].couplings",
    Observables: "Cumulants or Couplings: nnrg.fit_couplings(flow), or run[name].couplings",
    Measurement: "one field of a Run: run[name]; of a table alone draw panels, nnrg.plot.couplings",
    Run: "a Run: nnrg.flow_network(net), or nnrg.open_results(path)",
}


def given(result: object, kind: type[T]) -> T:
    """Return what is drawn, if it is of the kind that is.

    Raises
    ------
    ArgumentError
        If it is not.
    """
    if not isinstance(result, kind):
        raise ArgumentError(f"this draws {_MADE_BY[kind]}; got {shown(result)}")
    return result


def as_orders(orders: object) -> tuple[int, ...]:
    """Return the orders of cumulants that are drawn.

    Raises
    ------
    ArgumentError
        If they are no sequence of integers.
    """
    items = as_items(orders)
    if items is None:
        raise ArgumentError(f"orders must be a sequence of integers, got {shown(orders)}; try (4,)")
    return tuple(as_count("each of orders", n, hint="try orders=(3, 4)") for n in items)


def axes_of(ax: Axes | None) -> Axes:
    """Return axes to draw into, those of a new figure if none are given.

    Raises
    ------
    ArgumentError
        If they are no axes.
    """
    if ax is None:
        return new_figure(86, 65).subplots()
    if not callable(getattr(ax, "plot", None)):
        raise ArgumentError(f"ax must be matplotlib Axes, got {shown(ax)}; try plt.gca()")
    return ax
