"""All eigenvalues of a Laplacian, one component after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.graph.spectral._laplacian import Laplacian

__all__ = ["LARGEST", "affordable", "all_eigenvalues"]

Floats = npt.NDArray[np.float64]

AFFORDABLE = 4096
"""Nodes of a connected graph up to which all eigenvalues are cheaper than an estimate."""
LARGEST = 16384
"""Nodes of a component beyond which the matrix is refused."""


def affordable(operator: Laplacian) -> bool:
    """Say whether all eigenvalues cost no more than those of one graph of `AFFORDABLE` nodes."""
    sizes = np.bincount(operator.component).astype(float)
    return bool(np.sum(sizes**3) <= AFFORDABLE**3)


def all_eigenvalues(operator: Laplacian) -> Floats:
    """Return all n eigenvalues, ascending; those known to be zero are exactly zero.

    Raises
    ------
    AnalysisError
        If a component is larger than `LARGEST`.
    """
    from scipy.linalg import eigvalsh
    from scipy.sparse import csr_array

    n = operator.n_nodes
    sizes = np.bincount(operator.component)
    largest = int(sizes.max())
    if largest > LARGEST:
        raise AnalysisError(
            f"all eigenvalues of a component of {largest} nodes need {8e-9 * largest**2:.1f} GB "
            f"for the matrix, {LARGEST} nodes are the limit; try method='lanczos'"
        )
    matrix = csr_array((operator.weights, operator.indices, operator.indptr), shape=(n, n))
    order = np.argsort(operator.component, kind="stable")
    ends = np.cumsum(sizes)
    has_zero = np.bincount(operator.component, operator.zero_mode**2) > 0
    found = []
    for c in range(sizes.size):
        nodes = order[ends[c] - sizes[c] : ends[c]]
        if nodes.size == 1:
            found.append(np.zeros(1))
            continue
        block = matrix[nodes][:, nodes].toarray() if sizes.size > 1 else matrix.toarray()
        np.negative(block, out=block)
        block[np.diag_indices(nodes.size)] += operator.diagonal[nodes]
        values = eigvalsh(block, overwrite_a=True, check_finite=False)
        np.maximum(values, 0.0, out=values)
        if has_zero[c]:
            values[0] = 0.0
        found.append(values)
    return np.sort(np.concatenate(found))
