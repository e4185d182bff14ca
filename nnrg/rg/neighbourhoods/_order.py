"""Nodes of a graph in one row: by the slowest mode of the Laplacian, or as leaves of a tree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods._heat_kernel import dense_laplacian

__all__ = ["leaf_order", "spectral_order"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# All pairs of leaves, and a time that grows with the third power of their number.
_MOST_LEAVES = 2000
# Two eigenvalues this close, relative to the largest, are one to rounding.
_SAME = 1e-9


def spectral_order(graph: ConnectionGraph) -> tuple[list[Ints], tuple[str, ...]]:
    """Return the nodes of each component, the largest first, sorted by its Fiedler vector."""
    notes = []
    if graph.signed:
        dropped = int(np.count_nonzero(graph.weights < 0)) // 2
        notes.append(f"{dropped} edges of negative weight are left out of the order")
        graph = _positive(graph)
    component = graph.components()
    sizes = np.bincount(component)
    largest_first = np.argsort(-sizes, kind="stable")
    runs, ambiguous = [], 0
    for one in largest_first.tolist():
        nodes = np.flatnonzero(component == one)
        if nodes.size > 2:
            vector, unique = _fiedler_vector(graph.subgraph(nodes))
            ambiguous += not unique
            nodes = nodes[np.argsort(vector, kind="stable")]
        runs.append(nodes)
    if sizes.size > 1:
        notes.append(
            f"the graph has {sizes.size} components ({np.count_nonzero(sizes == 1)} of one node), "
            "each in an order of its own: no block joins two of them"
        )
    if ambiguous:
        notes.append(
            f"{ambiguous} component(s) have several slowest modes, as a ring has: their order "
            "depends on how units are numbered"
        )
    return runs, tuple(notes)


def _fiedler_vector(graph: ConnectionGraph) -> tuple[Floats, bool]:
    """Return the second eigenvector of the Laplacian, and whether there is only one."""
    from scipy.linalg import eigh

    n = graph.n_nodes
    laplacian = dense_laplacian(graph)
    last = min(2, n - 1)
    values, vectors = eigh(laplacian, subset_by_index=(0, last))
    vector = vectors[:, 1] * np.sqrt(n)
    # Elements that are equal to rounding are ties, taken in the order of the nodes.
    vector = np.round(vector, 9)
    skew = float(np.sum(vector**3))
    scale = 2 * float(laplacian.diagonal().max())
    unique = last < 2 or bool(values[2] - values[1] > _SAME * scale)
    return (-vector if skew < 0 else vector), unique


def leaf_order(graph: ConnectionGraph) -> tuple[list[Ints], tuple[str, ...]]:
    """Return the nodes in the optimal order of the leaves of average linkage."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    n = graph.n_nodes
    if n > _MOST_LEAVES:
        raise AnalysisError(
            f"an optimal order of {n} leaves takes all pairs of them, which are made for at most "
            f"{_MOST_LEAVES}; try method='spectral', or nnrg.MatchingBlocks"
        )
    if n < 3:
        return [np.arange(n, dtype=np.int64)], ()
    similarity = graph.to_sparse().toarray()
    distance = similarity.max() - similarity
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return [leaves_list(tree).astype(np.int64)], ()


def _positive(graph: ConnectionGraph) -> ConnectionGraph:
    """Return the graph without its edges of negative weight."""
    matrix = graph.to_sparse()
    matrix.data = np.maximum(matrix.data, 0.0)
    matrix.eliminate_zeros()
    return replace(
        graph,
        indptr=matrix.indptr.astype(np.int64),
        indices=matrix.indices.astype(np.int64),
        weights=matrix.data,
    )
