"""The configuration model: a graph with the degrees of another, and nothing else of its wiring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnrg.errors import AnalysisError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg_kernels.graph_rewiring import swap_edges

__all__ = ["rewired"]

# Pairs proposed for each edge: a few swaps of every edge mix all that degrees leave free.
_STEPS = 15


def rewired(graph: ConnectionGraph, rng: np.random.Generator) -> ConnectionGraph:
    """Return a random graph with the same number of neighbours of every node.

    Parameters
    ----------
    graph : ConnectionGraph
    rng : numpy.random.Generator

    Returns
    -------
    ConnectionGraph
        Without loops or parallel edges. Of several populations each node keeps its number of
        neighbours in each of them. The weights of the edges between two populations are dealt out
        among them at random.

    Raises
    ------
    AnalysisError
        If no other graph has these degrees.

    Notes
    -----
    Double edge swaps, (a, b) and (c, d) become (a, d) and (c, b), of random pairs of edges; a swap
    that would make a loop, or an edge that is there already, is left out and counts as a step. As
    many ways lead from one graph to the other as back, so that all graphs of these degrees are
    equally likely in the end: B. K. Fosdick et al., SIAM Review 60 (2018) 315.
    """
    n = graph.n_nodes
    rows = np.repeat(np.arange(n), graph.degrees())
    once = rows < graph.indices
    a, b, weights = rows[once], graph.indices[once], graph.weights[once]
    turned = graph.population[a] > graph.population[b]
    a, b = np.where(turned, b, a), np.where(turned, a, b)
    kind = graph.population[a] * len(graph.names) + graph.population[b]
    # Edges between the same two populations next to one another: they are swapped among themselves.
    order = np.argsort(kind, kind="stable")
    a, b, weights, kind = a[order], b[order], weights[order], kind[order]
    first, last = (np.searchsorted(kind, kind, side) for side in ("left", "right"))
    inside = graph.population[a] == graph.population[b]
    key = int(rng.integers(0, 2**64, dtype=np.uint64))
    swapped = swap_edges(a, b, first, last, inside, key, _STEPS * a.size)
    if swapped == 0:
        raise AnalysisError(
            f"no swap of two of the {graph.n_edges} edges of a graph of {n} nodes gives another "
            "graph with its degrees; leave out the null model 'configuration'"
        )
    for start in np.unique(first):
        rng.shuffle(weights[start : last[start]])
    from scipy.sparse import coo_array

    ends = np.concatenate([a, b]), np.concatenate([b, a])
    csr = coo_array((np.concatenate([weights, weights]), ends), shape=(n, n)).tocsr()
    csr.sort_indices()
    return replace(
        graph,
        indptr=csr.indptr.astype(np.int64),
        indices=csr.indices.astype(np.int64),
        weights=csr.data.astype(np.float64),
        notes=(*graph.notes, "edges rewired at random, degrees kept"),
    )
