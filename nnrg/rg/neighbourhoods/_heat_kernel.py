"""Supernodes of the heat kernel: nodes that diffusion has made one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.graph.spectral._laplacian import check_strength

__all__ = ["HeatKernel", "dense_laplacian", "laplacian_kind"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Dense eigenvectors: 72 MB, and half a minute of one core.
MOST_NODES = 3000
# Equal to rounding: where diffusion has come to rest all elements of a component are equal.
_ROUNDING = 1e-12
# Eigenvalues below this share of the largest are zero: one for each (balanced) component.
_ZERO = 1e-10
# exp(-40) is below double precision beside 1.
_FADED = 40.0
_ROWS = 512


def laplacian_kind(graph: ConnectionGraph) -> str:
    """Return the Laplacian that has a heat kernel whatever the signs of the weights."""
    return "signed" if graph.signed else "combinatorial"


def dense_laplacian(graph: ConnectionGraph) -> Floats:
    """Return the Laplacian of a graph, the signed one where weights are negative.

    Raises
    ------
    AnalysisError
        If the graph has more than 3000 nodes, or sums of its weights are far from one.
    """
    if graph.n_nodes > MOST_NODES:
        raise AnalysisError(
            f"eigenvectors of the Laplacian of {graph.n_nodes} nodes take a dense matrix, which is "
            f"made for at most {MOST_NODES}; try nnrg.MatchingBlocks, or a part of the graph"
        )
    check_strength(graph.strengths())
    return np.asarray(graph.laplacian(laplacian_kind(graph)).toarray())


class HeatKernel:
    """exp(-tau L) of a graph, from the eigenvectors of its Laplacian.

    Parameters
    ----------
    graph : ConnectionGraph
        Of at most 3000 nodes.

    Raises
    ------
    AnalysisError
        If it has more, or sums of its weights are far from one.
    """

    def __init__(self, graph: ConnectionGraph) -> None:
        from scipy.linalg import eigh

        values, self._vectors = eigh(dense_laplacian(graph), overwrite_a=True, driver="evd")
        self._values = np.maximum(values, 0.0)
        self.n_nodes = graph.n_nodes

    def times(self) -> Floats:
        """Return tau from 1/lambda_max on, doubling, until diffusion has come to rest."""
        top = float(self._values[-1])
        moving = self._values[self._values > _ZERO * top]
        if top == 0 or moving.size == 0:
            return np.empty(0)
        steps = int(np.ceil(np.log2(_FADED * top / moving[0])))
        return np.asarray(2.0 ** np.arange(steps + 1) / top)

    def supernodes(self, tau: float, together: Ints) -> Ints:
        """Return connected components of rho_ij >= min(rho_ii, rho_jj), and of what was together.

        Parameters
        ----------
        tau : float
        together : (n,) int64 array
            Blocks of nodes that stay together.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        first, second = [], []
        vectors, scaled = self._modes(tau)
        diagonal = np.einsum("ik,ik->i", scaled, vectors)
        for start in range(0, diagonal.size, _ROWS):
            block = scaled[start : start + _ROWS] @ vectors.T
            least = np.minimum(diagonal[start : start + _ROWS, None], diagonal)
            i, j = np.nonzero(block >= least * (1 - _ROUNDING))
            first.append(i + start)
            second.append(j)
        n = together.size
        leader = np.full(int(together.max()) + 1, n, dtype=np.int64)
        np.minimum.at(leader, together, np.arange(n))
        i = np.concatenate([*first, np.arange(n)])
        j = np.concatenate([*second, leader[together]])
        links = coo_array((np.ones(i.size, dtype=np.int8), (i, j)), shape=(n, n))
        return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)

    def _modes(self, tau: float) -> tuple[Floats, Floats]:
        """Return the eigenvectors that have not faded, and these times exp(-tau lambda)."""
        kept = int(np.count_nonzero(self._values <= _FADED / tau))
        vectors = self._vectors[:, :kept]
        return vectors, vectors * np.exp(-tau * self._values[:kept])
