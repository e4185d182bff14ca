"""Adjacency matrices and networkx graphs as the arrays of a ConnectionGraph, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError

if TYPE_CHECKING:
    import networkx
    from scipy.sparse import csr_array

__all__ = ["as_csr", "as_labels", "as_nodes", "contracted", "distance_shells"]
__all__ += ["from_networkx", "populations", "to_networkx"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def as_csr(matrix: object) -> tuple[csr_array, tuple[str, ...]]:
    """Return a symmetric CSR matrix without duplicates, loops or zeros, and what was done."""
    from scipy.sparse import coo_array, issparse

    try:
        entries = coo_array(matrix if issparse(matrix) else np.asarray(matrix))
    except (TypeError, ValueError):
        entries = None
    if entries is None or entries.ndim != 2 or entries.shape[0] != entries.shape[1]:
        got = getattr(matrix, "shape", None) or type(matrix).__name__
        raise ArgumentError(
            f"an adjacency matrix must be square, got {shown(got)}; of a weight matrix, "
            "Network.graph joins its two populations"
        )
    if entries.shape[0] == 0:
        raise ArgumentError("a graph needs at least one node, got none")
    if entries.dtype.kind not in "fiub":
        raise ArgumentError(f"weights of edges must be real numbers, got {entries.dtype}")
    bad = int(np.count_nonzero(~np.isfinite(entries.data)))
    if bad:
        raise NonFiniteError(
            f"{bad} of {entries.data.size} edges have a weight that is NaN or infinite; "
            "remove or repair them first"
        )
    notes = []
    row, column = (np.asarray(c, dtype=np.int64) for c in entries.coords)
    data = entries.data.astype(np.float64)
    loops = row == column
    if np.any(loops & (data != 0)):
        count = int(np.count_nonzero(loops & (data != 0)))
        notes.append(f"{count} self-loops left out, of total weight {data[loops].sum():.4g}")
    keep = ~loops & (data != 0)
    n = entries.shape[0]
    csr = coo_array((data[keep], (row[keep], column[keep])), shape=(n, n)).tocsr()
    if csr.nnz < np.count_nonzero(keep):
        notes.append(f"{np.count_nonzero(keep) - csr.nnz} duplicate edges added to others")
    if abs(csr - csr.T).max() > 0:
        notes.append("directed edges: the weights of both directions are added up")
        csr = (csr + csr.T).tocsr()
    csr.eliminate_zeros()
    csr.sort_indices()
    return csr, tuple(notes)


def populations(given: Sequence[tuple[str, int]] | None, n: int) -> tuple[tuple[str, ...], Ints]:
    """Return the names of populations and the population of each of `n` nodes."""
    if given is None:
        return ("nodes",), np.zeros(n, dtype=np.int64)
    names = tuple(str(name) for name, _ in given)
    sizes = [as_count("size of a population", size) for _, size in given]
    if sum(sizes) != n or len(set(names)) < len(names):
        raise ArgumentError(
            f"populations must have different names and {n} nodes in all, got {shown(given)}"
        )
    return names, np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)


def from_networkx(graph: networkx.Graph, weight: str) -> tuple[Any, tuple[str, ...], Ints]:
    """Return the adjacency matrix, the names of populations and the population of each node."""
    import networkx

    if not isinstance(graph, networkx.Graph):
        raise ArgumentError(
            f"expected a networkx graph, got {type(graph).__name__}; "
            "ConnectionGraph.from_sparse takes matrices"
        )
    if graph.number_of_nodes() == 0:
        raise ArgumentError("a graph needs at least one node, got none")
    try:
        matrix = networkx.to_scipy_sparse_array(graph, weight=weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"edge attribute {shown(weight)} must be a number on every edge that has it; "
            "give weight= the name of another"
        ) from None
    of_node = [str(p) for _, p in graph.nodes(data="population", default="nodes")]
    names = tuple(dict.fromkeys(of_node))
    return matrix, names, np.array([names.index(p) for p in of_node], dtype=np.int64)


def to_networkx(matrix: csr_array, names: tuple[str, ...], population: Ints) -> networkx.Graph:
    """Return a networkx graph with weights and populations."""
    import networkx

    graph = networkx.from_scipy_sparse_array(matrix)
    networkx.set_node_attributes(
        graph, {i: names[p] for i, p in enumerate(population.tolist())}, "population"
    )
    return graph


def as_nodes(nodes: npt.ArrayLike, n: int) -> Ints:
    """Return numbers of nodes, each from 0 to n - 1."""
    chosen = np.asarray(nodes)
    if chosen.ndim != 1 or chosen.size == 0 or chosen.dtype.kind not in "iu":
        raise ArgumentError(f"nodes must be a one-dimensional integer array, got {shown(nodes)}")
    if chosen.min() < 0 or chosen.max() >= n:
        raise ArgumentError(f"nodes must lie within 0 .. {n - 1}, got {shown(nodes)}")
    return chosen.astype(np.int64)


def as_labels(labels: npt.ArrayLike, n: int) -> Ints:
    """Return the block of each of n sites; blocks are numbered 0, 1, .. without gaps."""
    blocks = np.asarray(labels)
    if blocks.shape != (n,) or blocks.dtype.kind not in "iu":
        raise ArgumentError(
            f"labels must be one integer for each of {n} sites, got {blocks.dtype} of shape "
            f"{blocks.shape}; sites without a label must be left out of the field first"
        )
    # More blocks than sites cannot be without gaps, and must not be counted.
    if n and (blocks.min() < 0 or blocks.max() >= n or not np.all(np.bincount(blocks))):
        raise ArgumentError(
            "labels must be 0, 1, .. without gaps; try numpy.unique(labels, return_inverse=True)"
        )
    return blocks.astype(np.int64)


def distance_shells(indptr: Ints, indices: Ints, longest: int, most: int) -> dict[int, csr_array]:
    """Return the pairs of nodes at each hop distance from 1 to `longest`, `most` at the most."""
    from scipy.sparse import csr_array

    from nnrg_kernels.graph_neighbours import shells

    n = indptr.size - 1
    found, pairs = shells(indptr, indices, longest, most)
    if pairs > most:
        raise AnalysisError(
            f"about {pairs} ordered pairs of {n} nodes are at most {longest} hops apart, more "
            f"than {most}; ask for shorter distances"
        )
    return {
        r: csr_array((np.ones(near.size), near, starts), (n, n))
        for r, (starts, near) in enumerate(found, 1)
    }


def contracted(
    indptr: Ints, indices: Ints, weights: Floats, blocks: Ints
) -> tuple[Ints, Ints, Floats]:
    """Return P^T A P by rows, less its diagonal: weights between two blocks are added up."""
    from nnrg_kernels.graph_contraction import contract

    starts, near, sums, _ = contract(indptr, indices, weights, blocks, int(blocks.max()) + 1)
    return starts, near, sums
