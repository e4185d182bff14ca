"""Which nodes of a graph an operator couples: its edges, and the pairs at a hop distance."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg_kernels.graph_schwinger_dyson import Neighbours

__all__ = ["EDGES", "cheap", "edge_unit", "has_uniform_weights", "missing_shell", "neighbours"]

# The hop number that stands for the edges with their weights.
EDGES = 0
# A shell that no operator asks for is looked at if it has at most so many pairs a node, or in all.
_CHEAP = (64, 1 << 20)
# Share of all pairs above which a shell says no more than the mean of the field.
_NEARLY_ALL = 0.75
# Shells of the scales of a flow are asked for again and again by null draws.
_KEPT = 32


def edge_unit(graph: ConnectionGraph) -> float:
    """Return the mean absolute weight of an edge, in the unit of the weights; 1 without edges."""
    return float(np.abs(graph.weights).mean()) if graph.n_edges else 1.0


def has_uniform_weights(graph: ConnectionGraph) -> bool:
    """Tell whether all edges have one and the same weight, a positive one."""
    w = graph.weights
    return bool(w.size == 0 or (w.min() > 0 and w.max() - w.min() <= 1e-12 * w.max()))


def cheap(graph: ConnectionGraph) -> bool:
    """Tell whether pairs at two hops are few enough to be looked at unasked."""
    degrees = graph.degrees()
    walks = int(np.sum(degrees * (degrees - 1)))
    return walks <= max(_CHEAP[0] * graph.n_nodes, _CHEAP[1])


def neighbours(graph: ConnectionGraph, hops: int, axis: int) -> Neighbours:
    """Return the nodes at a hop distance of each node.

    With `hops` EDGES, the neighbours with their weights divided by `edge_unit`: couplings of two
    graphs then compare, whatever the unit of their weights, and an unweighted graph is as it is.

    Raises
    ------
    AnalysisError
        If there are too many pairs.
    """
    if hops == EDGES:
        weights = np.empty(0) if has_uniform_weights(graph) else graph.weights / edge_unit(graph)
        return Neighbours(axis, graph.indptr, graph.indices, weights)
    indptr, indices = (graph.indptr, graph.indices) if hops == 1 else _shell(graph, hops)
    return Neighbours(axis, indptr, indices, np.empty(0))


@lru_cache(maxsize=_KEPT)
def _shell(
    graph: ConnectionGraph, hops: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    pairs = graph.distance_shells(hops)[hops]
    return pairs.indptr.astype(np.int64), pairs.indices.astype(np.int64)


@lru_cache(maxsize=_KEPT)
def missing_shell(graph: ConnectionGraph, hops: int) -> str:
    """Say why the pairs at a hop distance cannot be told from other terms, or "" if they can."""
    n = graph.n_nodes
    try:
        near = neighbours(graph, hops, 0)
    except AnalysisError as error:
        return f"too many pairs: {error}"
    if near.indices.size == 0:
        return f"no pairs: no two of {n} nodes are {hops} hops apart"
    if near.indices.size > _NEARLY_ALL * n * (n - 1):
        return f"nearly all pairs: {near.indices.size // 2} are {hops} hops apart"
    reached = int(np.count_nonzero(np.diff(near.indptr)))
    if 2 * reached < n:
        return f"no room: {reached} of {n} nodes have others {hops} hops away"
    return ""
