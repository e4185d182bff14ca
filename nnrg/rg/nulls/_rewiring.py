"""The configuration model: a graph with the degrees of another, and nothing else of its wiring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.graph.connection_graph import ConnectionGraph

__all__ = ["rewired"]

Ints = npt.NDArray[np.int64]

# Each edge is proposed once a round; a few swaps for each edge mix all that degrees leave free.
_ROUNDS = 30


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
    Double edge swaps, (a, b) and (c, d) become (a, d) and (c, b), of random pairs of edges, in
    rounds: a swap that would make a loop or an edge that is there already, or that another swap of
    the round makes too, is left out. As many ways lead from one graph to the other as back, so
    that all graphs of these degrees are equally likely in the end: B. K. Fosdick et al., SIAM
    Review 60 (2018) 315.
    """
    n = graph.n_nodes
    rows = np.repeat(np.arange(n), graph.degrees())
    once = rows < graph.indices
    a, b, weights = rows[once], graph.indices[once], graph.weights[once]
    turned = graph.population[a] > graph.population[b]
    a, b = np.where(turned, b, a), np.where(turned, a, b)
    kind = graph.population[a] * len(graph.names) + graph.population[b]
    inside = graph.population[a] == graph.population[b]
    swapped = 0
    for _ in range(_ROUNDS):
        flip = inside & (rng.random(a.size) < 0.5)
        a, b = np.where(flip, b, a), np.where(flip, a, b)
        # Pairs of edges of one kind, next to one another in a random order.
        order = rng.permutation(a.size)
        order = order[np.argsort(kind[order], kind="stable")]
        first, second = order[:-1], order[1:]
        start = rng.integers(0, 2)
        first, second = first[start::2], second[start::2]
        alike = kind[first] == kind[second]
        first, second = first[alike], second[alike]
        taken = np.sort(_key(a, b, n))
        new = _key(a[first], b[second], n), _key(a[second], b[first], n)
        good = (a[first] != b[second]) & (a[second] != b[first])
        good &= ~_among(new[0], taken) & ~_among(new[1], taken)
        both = np.concatenate(new)
        _, place, count = np.unique(both, return_inverse=True, return_counts=True)
        alone = count[place] == 1
        good &= alone[: first.size] & alone[first.size :]
        first, second = first[good], second[good]
        b[first], b[second] = b[second], b[first]
        swapped += first.size
    if swapped == 0:
        raise AnalysisError(
            f"no swap of two of the {graph.n_edges} edges of a graph of {n} nodes gives another "
            "graph with its degrees; leave out the null model 'configuration'"
        )
    for one in np.unique(kind):
        of_kind = np.flatnonzero(kind == one)
        weights[of_kind] = weights[rng.permutation(of_kind)]
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


def _key(a: Ints, b: Ints, n: int) -> Ints:
    return np.minimum(a, b) * n + np.maximum(a, b)


def _among(keys: Ints, ordered: Ints) -> npt.NDArray[np.bool_]:
    at = np.minimum(np.searchsorted(ordered, keys), ordered.size - 1)
    return np.asarray(ordered[at] == keys)
