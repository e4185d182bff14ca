"""The lowest modes of a graph as its coarse-grained graph has them: what probes need not estimate.

On a graph of low dimension few modes are left at large tau, and random probes differ most there.
Blocks of strongly connected nodes, each smoothed over its surroundings, span these modes nearly:
smoothed aggregation [1]_. The approximate modes q of eigenvalue theta are a control variate [2]_:
z^T f(L) z - sum_q (q.z)^2 f(theta) differs little between probes, and with sum_q f(theta) has the
mean tr f(L), however good or bad the modes are. With f = exp(-tau L), convex, <q|f(L)|q> is never
below f(theta), so that the square of the difference's Frobenius norm is below that of f(L) by at
least that of its approximation.

.. [1] P. Vanek, J. Mandel and M. Brezina, Computing 56 (1996) 179, doi:10.1007/BF02238511.
.. [2] As levels of a multigrid hierarchy are in A. Frommer, M. N. Khalil and G. Ramirez-Hidalgo,
   arXiv:2108.11281.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.graph.spectral._laplacian import Laplacian

__all__ = ["CoarseModes", "coarse_modes"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Blocks at most, all of whose modes are found; nodes of a block at least, on average.
BLOCKS, SMALLEST = 1024, 8
# A matching that leaves more of the blocks than this share joins too little to go on.
PROGRESS = 0.9
# Smoothing ends when modes beyond the number of blocks are damped by exp(DAMPING), before a node is
# in FILL blocks on average or smoothed blocks have ENTRIES, or after WORK products for each entry
# of the matrix.
DAMPING, FILL, ENTRIES, WORK = 4.0, 32, 1.5e7, 200
# Directions of the smoothed blocks, of length one, below which they depend on the others.
DEPENDENT = 1e-10
# What rounding makes of a zero mode, relative to the next eigenvalue.
ZERO = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class CoarseModes:
    """Approximate lowest modes: sums of smoothed blocks.

    Attributes
    ----------
    values : (R,) array
        Their eigenvalues, ascending, each at or above the one of the graph.
    blocks : SciPy CSR array of shape (n, m)
    mixture : (m, R) array
        Orthonormal modes are the columns of ``blocks @ mixture``.
    """

    values: Floats
    blocks: Any
    mixture: Floats

    def parts(self, vectors: Floats) -> Floats:
        """Return the squared overlap of vectors, shape (n, K), with each mode, shape (K, R)."""
        return np.asarray(((self.blocks.T @ vectors).T @ self.mixture) ** 2)


def coarse_modes(operator: Laplacian, cutoff: Callable[[float], float]) -> CoarseModes | None:
    """Return the modes, other than zero modes, that smoothed blocks of nodes have.

    Parameters
    ----------
    operator : Laplacian
    cutoff : callable
        Eigenvalue below which so many modes lie, about.

    Returns
    -------
    CoarseModes or None
        None where matching does not form few enough blocks.
    """
    from scipy.linalg import eigh
    from scipy.sparse import csr_array, diags_array, eye_array

    n = operator.n_nodes
    label, count, n_zero = _blocks(operator)
    if not n_zero < count <= _most(n):
        return None
    low = cutoff(count)
    if not low > 0:
        return None
    inside = np.flatnonzero(label >= 0)
    start = np.where(operator.zero_mode != 0, operator.zero_mode, 1.0)[inside]
    start /= np.sqrt(np.bincount(label[inside], start**2))[label[inside]]
    indptr = np.concatenate([[0], np.cumsum(label >= 0)])
    blocks = csr_array((start, label[inside], indptr), shape=(n, count))
    adjacency = csr_array((operator.weights, operator.indices, operator.indptr), shape=(n, n))
    matrix = csr_array(diags_array(operator.diagonal) - adjacency)
    # Divided by the diagonal no eigenvalue is above two, whatever the degrees of the hubs.
    diagonal = np.where(operator.diagonal > 0, operator.diagonal, 1.0)
    share = min(low / float(diagonal.mean()), 1.0)
    half, centre = (2 - share) / 2, (2 + share) / 2
    scaled = csr_array(diags_array(1 / diagonal) @ matrix - centre * eye_array(n))
    smooth = _smoothed(scaled, blocks, half, centre)
    length = np.sqrt(np.asarray(smooth.power(2).sum(axis=0)).ravel())
    smooth = csr_array(smooth @ diags_array(1 / length))
    overlap, mix = eigh((smooth.T @ smooth).toarray(), overwrite_a=True, check_finite=False)
    kept = overlap > DEPENDENT
    mix = mix[:, kept] / np.sqrt(overlap[kept])
    projected = mix.T @ (smooth.T @ (matrix @ smooth)) @ mix
    values, turn = eigh(projected, overwrite_a=True, check_finite=False)
    if values.size <= n_zero or (n_zero and values[n_zero - 1] > ZERO * values[n_zero]):
        return None
    return CoarseModes(np.maximum(values[n_zero:], 0.0), smooth, mix @ turn[:, n_zero:])


def _most(n: int) -> int:
    return min(BLOCKS, n // SMALLEST)


def _blocks(operator: Laplacian) -> tuple[Ints, int, int]:
    """Return the block of each node, the number of blocks, and of zero modes among them.

    A component that is one block is a zero mode, known without: its nodes are labelled -1.
    """
    from nnrg_kernels.graph_contraction import contract
    from nnrg_kernels.graph_matching import match_heaviest, match_two_hop

    indptr, indices, weights = operator.indptr, operator.indices, np.abs(operator.weights)
    label = np.arange(operator.n_nodes)
    sizes: Floats = np.ones(operator.n_nodes)
    most = _most(operator.n_nodes)
    component = operator.component
    has_zero = np.bincount(component, operator.zero_mode**2) > 0
    while True:
        alone = (np.bincount(component)[component] == 1) & has_zero[component]
        count = int(np.count_nonzero(~alone))
        if count <= most:
            break
        # Mean weights, as in MatchingBlocks, else the largest block is everybody's partner.
        mean = weights / (sizes.repeat(np.diff(indptr)) * sizes[indices])
        mate = match_two_hop(indptr, indices, mean, match_heaviest(indptr, indices, mean))
        first = np.minimum(mate, np.arange(mate.size))
        leads = first == np.arange(mate.size)
        block = (np.cumsum(leads) - 1)[first]
        if np.count_nonzero(leads) - np.count_nonzero(alone) > PROGRESS * count:
            break
        label, component = block[label], component[leads]
        sizes = np.bincount(block, sizes).astype(np.float64)
        indptr, indices, weights, _ = contract(indptr, indices, weights, block, component.size)
    number = np.where(alone, -1, np.cumsum(~alone) - 1)
    return number[label], count, operator.n_zero - int(np.count_nonzero(alone))


def _smoothed(shifted: Any, blocks: Any, half: float, centre: float) -> Any:
    """Return T(D^-1 L) applied to the blocks: the Chebyshev filter of `Lanczos.filtered`."""
    from scipy.sparse import csr_array

    n, low = blocks.shape[0], centre - half
    wanted = max(1, int(np.ceil(DAMPING / (2 * np.sqrt(low / (centre + half))))))
    ratio = last = -half / centre
    before, now = blocks, csr_array((shifted @ blocks) * (last / half))
    room = min(FILL * n, ENTRIES)
    work = 1.0
    for _ in range(wanted - 1):
        work += now.nnz / n
        if _after(now, before) > room or work > WORK:
            break
        following = 1.0 / (2.0 / ratio - last)
        new = (shifted @ now) * (2.0 * following / half) - before * (last * following)
        before, now, last = now, csr_array(new), following
    # The result is multiplied by the matrix once more, whose rows may reach everywhere.
    return now if _after(now, before) <= 2 * room else before


def _after(now: Any, before: Any) -> float:
    """Return about how many entries blocks have after one more product, as many as they grew by."""
    return int(now.nnz) ** 2 / int(before.nnz)
