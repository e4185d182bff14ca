"""The Laplacian of a graph as D - A, with the zero modes that its components are known to have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.graph._laplacian_parts import laplacian_parts

__all__ = ["Laplacian", "check_strength", "laplacian"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LEAST, _MOST = 1e-100, 1e100


@dataclass(frozen=True, slots=True, eq=False)
class Laplacian:
    """D - A of one kind, and its zero modes.

    Attributes
    ----------
    indptr, indices, weights : arrays
        CSR of A; for the normalised Laplacian of D^(-1/2) A D^(-1/2).
    diagonal : (n,) array
    component : (n,) int64 array
        Connected component of each node.
    zero_mode : (n,) array
        What is zero outside a component that has a zero mode, of length one inside.
    n_zero : int
        Number of zero modes: of components, or of balanced ones if weights are signed.
    kind : str
    """

    indptr: Ints
    indices: Ints
    weights: Floats
    diagonal: Floats
    component: Ints
    zero_mode: Floats
    n_zero: int
    kind: str

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return int(self.diagonal.size)

    @property
    def n_components(self) -> int:
        """Number of connected components."""
        return int(self.component.max()) + 1

    def without_zero_modes(self, vectors: Floats) -> Floats:
        """Return vectors, shape (n, K), less their parts along the zero modes."""
        out = np.empty_like(vectors)
        for c in range(vectors.shape[1]):
            part = np.bincount(self.component, self.zero_mode * vectors[:, c])
            out[:, c] = vectors[:, c] - self.zero_mode * part[self.component]
        return out

    def trace(self) -> float:
        """Sum of the eigenvalues."""
        return float(self.diagonal.sum())


def laplacian(graph: object, kind: str) -> Laplacian:
    """Return the Laplacian of a graph or of a SciPy sparse adjacency matrix.

    Raises
    ------
    ArgumentError
        If the kind is not known, the matrix is no symmetric adjacency matrix of real numbers
        without self-loops, or weights are negative where they must not be.
    NonFiniteError
        If a weight is NaN or infinite.
    AnalysisError
        If there is one node only, or no edge, or weights are far from one.
    """
    indptr, indices, weights = _adjacency(graph)
    n = indptr.size - 1
    if n < 2:
        raise AnalysisError(
            f"a spectrum of diffusion needs at least two nodes, got {n}; "
            "join the node to others, or leave it out"
        )
    if not weights.size:
        raise AnalysisError(
            f"the graph of {n} nodes has no edge, so that nothing diffuses; "
            "keep more edges, for instance with a lower threshold"
        )
    scaled, diagonal, strength = laplacian_parts(indptr, indices, weights, kind)
    check_strength(strength)
    component, mode, n_zero = _zero_modes(indptr, indices, weights, bool(np.any(weights < 0)))
    if kind == "normalised":
        mode = np.where(strength > 0, mode * np.sqrt(strength), mode)
    length = np.sqrt(np.bincount(component, mode**2))
    mode = np.divide(mode, length[component], out=np.zeros(n), where=length[component] > 0)
    return Laplacian(indptr, indices, scaled, diagonal, component, mode, n_zero, kind)


def check_strength(strength: Floats) -> None:
    """Refuse weights whose sums, squared and divided by one another, leave double precision.

    Raises
    ------
    AnalysisError
        If the largest sum of absolute weights at a node is no number from 1e-100 to 1e100, or zero.
    """
    largest = float(strength.max(initial=0.0))
    if largest and not _LEAST < largest < _MOST:
        raise AnalysisError(
            f"weights of the graph add up to {largest:.3g} at a node, outside {_LEAST:g} .. "
            f"{_MOST:g}: the spectrum leaves double precision; divide them by their mean"
        )


def _adjacency(graph: Any) -> tuple[Ints, Ints, Floats]:
    if hasattr(graph, "indptr") and hasattr(graph, "weights"):
        # A ConnectionGraph: symmetric and clean by construction.
        return graph.indptr, graph.indices, graph.weights
    from scipy.sparse import csr_array, issparse

    if not issparse(graph) or len(graph.shape) != 2 or graph.shape[0] != graph.shape[1]:
        raise ArgumentError(
            "expected a ConnectionGraph or a square SciPy sparse adjacency matrix, got "
            f"{shown(type(graph).__name__)}; try ConnectionGraph.from_sparse or .from_networkx"
        )
    if not np.issubdtype(graph.dtype, np.integer) and not np.issubdtype(graph.dtype, np.floating):
        raise ArgumentError(
            f"weights must be real numbers, got {graph.dtype}; take their absolute values"
        )
    matrix = csr_array(graph, dtype=np.float64, copy=True)
    matrix.sum_duplicates()
    if not np.isfinite(matrix.data).all():
        bad = int(np.count_nonzero(~np.isfinite(matrix.data)))
        raise NonFiniteError(
            f"{bad} of {matrix.nnz} weights are NaN or infinite; leave these edges out"
        )
    matrix.eliminate_zeros()
    if np.any(matrix.diagonal()):
        loops = int(np.count_nonzero(matrix.diagonal()))
        raise ArgumentError(
            f"{loops} nodes are connected to themselves, which no Laplacian sees; "
            "call matrix.setdiag(0), or use ConnectionGraph.from_sparse"
        )
    skew = abs(matrix - matrix.T).max() if matrix.nnz else 0.0
    if skew > 1e-12 * (abs(matrix).max() if matrix.nnz else 0.0):
        raise ArgumentError(
            "the adjacency matrix is not symmetric: its edges are directed; "
            "try matrix + matrix.T, or ConnectionGraph.from_sparse"
        )
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), matrix.data


def _zero_modes(
    indptr: Ints, indices: Ints, weights: Floats, signed: bool
) -> tuple[Ints, Floats, int]:
    """Return components, signs of the zero modes (0 where there is none), and their number.

    With signed weights a component has a zero mode if it is balanced: two sets of nodes, positive
    edges inside and negative ones between them. In the double cover, where a negative edge leads
    to the other copy, a balanced component falls into two.
    """
    from nnrg_kernels.graph_components import components

    n = indptr.size - 1
    component = np.asarray(components(indptr, indices), dtype=np.int64)
    count = int(component.max()) + 1
    if not signed:
        return component, np.ones(n), count
    same = np.where(weights > 0, indices, indices + n)
    other = np.where(weights > 0, indices + n, indices)
    cover = np.asarray(
        components(
            np.concatenate([indptr, indptr[1:] + indices.size]), np.concatenate([same, other])
        )
    )
    first = np.unique(component, return_index=True)[1]
    sign = np.where(cover[:n] == cover[first][component], 1.0, -1.0)
    balanced = cover[:n][first] != cover[n:][first]
    return component, np.where(balanced[component], sign, 0.0), int(balanced.sum())
