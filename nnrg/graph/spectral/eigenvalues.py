"""Lowest eigenvalues of a Laplacian, to full precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError

__all__ = ["lowest_eigenvalues"]

Floats = npt.NDArray[np.float64]

DENSE = 2048
LARGEST = 10_000
# Neighbours of a node up to which factors of the matrix are taken to stay sparse.
SPARSE = 8


def lowest_eigenvalues(laplacian: Any, k: int | None = None) -> Floats:
    """Return the `k` lowest eigenvalues of a symmetric sparse matrix, ascending.

    Parameters
    ----------
    laplacian : SciPy sparse array of shape (n, n)
        Positive semi-definite.
    k : int, optional
        All of them by default, of up to 10 000 nodes.

    Returns
    -------
    ndarray of shape (k,)
        In the unit of the matrix; rounding below zero is cut off.

    Raises
    ------
    ArgumentError
        If it is no square sparse matrix, or `k` is not from 1 to n.
    AnalysisError
        If all are asked of more than 10 000 nodes, or the iteration does not converge.

    Examples
    --------
    >>> from nnrg.simulate.graphs import ring
    >>> lowest_eigenvalues(ring(12).laplacian(), 3).round(6).tolist()
    [0.0, 0.267949, 0.267949]
    """
    from scipy.sparse import issparse

    if not issparse(laplacian) or laplacian.ndim != 2 or laplacian.shape[0] != laplacian.shape[1]:
        raise ArgumentError(
            "expected a square SciPy sparse matrix, got "
            f"{shown(type(laplacian).__name__)}; try ConnectionGraph.laplacian()"
        )
    n = int(laplacian.shape[0])
    count = n if k is None else as_count("k", k, 1, n)
    if count > n // 2 and n > LARGEST:
        raise AnalysisError(
            f"{count} eigenvalues of {n} nodes need the whole matrix, {8e-9 * n * n:.1f} GB; "
            f"{LARGEST} nodes are the limit, ask for fewer eigenvalues"
        )
    if n <= DENSE or count > n // 2:
        from scipy.linalg import eigvalsh

        values = eigvalsh(laplacian.toarray(), subset_by_index=(0, count - 1))
    else:
        values = _iterated(laplacian, count)
    return np.asarray(np.maximum(np.sort(values), 0.0))


def _iterated(laplacian: Any, count: int) -> Floats:
    from scipy.sparse.linalg import ArpackError, eigsh

    n = int(laplacian.shape[0])
    largest = float(abs(laplacian).sum(axis=1).max())
    start = np.random.default_rng(0).standard_normal(n)
    ncv = min(n, max(2 * count + 1, 40))
    try:
        if laplacian.nnz <= (SPARSE + 1) * n:
            shift = -1e-6 * max(largest, 1e-300)
            found = eigsh(
                laplacian.tocsc(), count, sigma=shift, v0=start, ncv=ncv, return_eigenvectors=False
            )
        else:
            found = eigsh(
                laplacian, count, which="SA", v0=start, ncv=ncv, return_eigenvectors=False
            )
    except ArpackError as error:
        raise AnalysisError(
            f"{count} lowest eigenvalues of {n} nodes did not converge "
            f"({' '.join(str(error).split())[:120]}); ask for fewer, or use spectral_measure"
        ) from error
    return np.asarray(found)
