"""A picture of a graph: nodes by spectral coordinates or springs, edges by sign and strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.networks._label import label
from nnrg.plot._style import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["graph"]

MOST_EDGES = 3000
"""Edges that are drawn: the strongest."""

_LARGEST = 20_000
_SPRINGS_UP_TO = 300
_SEED = 1
_NAMES = 10
# Blue and orange of a palette that the colour-blind tell apart; grey where no sign is.
_COLOURS = ("#0072B2", "#D55E00")
_UNSIGNED = "#777777"

Floats = npt.NDArray[np.float64]


def graph(
    graph: ConnectionGraph,
    *,
    ax: Axes | None = None,
    values: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    most_edges: int = MOST_EDGES,
) -> Axes:
    """Draw a graph.

    Parameters
    ----------
    graph : ConnectionGraph
    ax : Axes, optional
        A new one of a column's width by default.
    values : array of shape (n_nodes,), optional
        Field on the nodes: their colour, with a colour bar.
    labels : int array of shape (n_nodes,), optional
        Block of each node: its colour. By default the population's.
    most_edges : int
        The strongest so many edges are drawn; the title says how many of how many.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        If there is not one value or label for each node, both are given, or the graph has more
        than 20 000 nodes.

    Notes
    -----
    Up to 300 nodes are laid out by springs, larger graphs by the two lowest non-trivial
    eigenvectors of the normalised Laplacian of absolute weights, ranks in place of values so that
    dense parts do not coincide; components are laid out one beside the other. Isolated nodes are
    not drawn, and counted in the title. Blue edges are positive, orange ones negative; the area
    of a node grows with its degree.
    """
    from matplotlib.collections import LineCollection

    n = graph.n_nodes
    as_count("most_edges", most_edges)
    if n > _LARGEST:
        raise ArgumentError(
            f"{n} nodes are too many to draw (at most {_LARGEST}); take a subgraph, or blocks by "
            "contracted(labels)"
        )
    if values is not None and labels is not None:
        raise ArgumentError("give values= or labels=, not both: each is the colour of the nodes")
    colour = _colour(graph, values if values is not None else labels)
    ax = new_figure(86, 86).subplots() if ax is None else ax
    degrees = graph.degrees()
    shown = np.flatnonzero(degrees)
    place = _layout(graph)
    rows = np.repeat(np.arange(n), degrees)
    upper = np.flatnonzero(rows < graph.indices)
    strongest = upper[np.argsort(-np.abs(graph.weights[upper]), kind="stable")[:most_edges]]
    weights = graph.weights[strongest]
    size = np.abs(weights) / np.abs(weights).max() if weights.size else weights
    order = np.argsort(size, kind="stable")
    ends = np.stack([place[rows[strongest]], place[graph.indices[strongest]]], axis=1)
    tint = np.where(weights < 0, _COLOURS[1], _COLOURS[0] if graph.signed else _UNSIGNED)
    fade = min(1.0, 4 / np.sqrt(max(weights.size, 1)) + 0.05)
    lines = LineCollection(
        list(ends[order]),
        colors=list(tint[order]),
        linewidths=0.2 + 0.8 * size[order],
        alpha=fade,
        zorder=1,
        rasterized=weights.size > _SPRINGS_UP_TO,
    )
    ax.add_collection(lines)
    x, y = place[shown].T
    points = ax.scatter(
        x,
        y,
        s=2 + 18 * degrees[shown] / max(int(degrees.max()), 1),
        c=colour[shown],
        cmap="tab10" if values is None else "viridis",
        vmin=0 if values is None else None,
        vmax=_NAMES - 1 if values is None else None,
        linewidths=0,
        zorder=2,
    )
    if values is not None:
        ax.get_figure().colorbar(points, ax=ax, shrink=0.7)  # type: ignore[union-attr]
    elif labels is None and 1 < len(graph.names) <= _NAMES:
        for k, name in enumerate(graph.names):
            ax.scatter([], [], color=points.to_rgba(np.array([k]))[0], s=10, label=label(name, 28))
        ax.legend(loc="upper left", bbox_to_anchor=(0, 0), ncols=2, frameon=False)
    ax.set_title(_title(graph, weights.size, n - shown.size))
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.autoscale_view()
    return ax


def _colour(graph: ConnectionGraph, given: npt.ArrayLike | None) -> Floats:
    if given is None:
        return (graph.population % _NAMES).astype(float)
    colour = np.asarray(given)
    if colour.shape != (graph.n_nodes,) or colour.dtype.kind not in "fiu":
        raise ArgumentError(
            f"expected one number for each of {graph.n_nodes} nodes, got {colour.dtype} of shape "
            f"{colour.shape}"
        )
    if not np.isfinite(colour).all():
        raise ArgumentError("values of nodes must be finite")
    return colour.astype(float) if colour.dtype.kind == "f" else (colour % _NAMES).astype(float)


def _title(graph: ConnectionGraph, drawn: int, isolated: int) -> str:
    edges = f"{drawn} edges" if drawn == graph.n_edges else f"strongest {drawn} of {graph.n_edges}"
    alone = f", {isolated} isolated not drawn" if isolated else ""
    return f"{graph.n_nodes} nodes, {edges}{alone}"


def _layout(graph: ConnectionGraph) -> Floats:
    """Return the place of each node, components side by side."""
    of_node = graph.components()
    place = np.zeros((graph.n_nodes, 2))
    sizes = np.bincount(of_node)
    left = 0.0
    for component in np.argsort(-sizes, kind="stable"):
        if sizes[component] < 2:
            break
        nodes = np.flatnonzero(of_node == component)
        side = float(np.sqrt(nodes.size))
        part = graph.subgraph(nodes)
        inside = _springs(part) if nodes.size <= _SPRINGS_UP_TO else _spectral(part)
        inside -= inside.min(axis=0)
        inside *= side / max(float(inside.max()), 1e-12)
        place[nodes] = inside + np.array([left, 0.0])
        left += side * 1.15
    return place


def _springs(graph: ConnectionGraph) -> Floats:
    import networkx

    simple = graph.strength("absolute").to_networkx()
    found = networkx.spring_layout(simple, seed=_SEED, weight="weight")
    return np.array([found[i] for i in range(graph.n_nodes)])


def _spectral(graph: ConnectionGraph) -> Floats:
    """Return ranks along the two lowest non-trivial modes of the normalised Laplacian."""
    from scipy.sparse import identity
    from scipy.sparse.linalg import eigsh

    laplacian = graph.strength("absolute").laplacian("normalised")
    start = np.random.default_rng(_SEED).normal(size=graph.n_nodes)
    # The largest modes of 2 - L: no inverse is needed.
    shifted = 2 * identity(graph.n_nodes, format="csr") - laplacian
    modes = eigsh(shifted, k=3, which="LA", v0=start, tol=1e-4)[1][:, ::-1][:, 1:]
    ranks: Floats = np.argsort(np.argsort(modes, axis=0, kind="stable"), axis=0).astype(float)
    return ranks
