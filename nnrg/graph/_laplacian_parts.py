"""The Laplacians of a graph as a diagonal less an adjacency matrix, and which weights they take."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError

__all__ = ["laplacian_parts"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_KINDS = ("combinatorial", "normalised", "signed")


def laplacian_parts(
    indptr: Ints, indices: Ints, weights: Floats, kind: str
) -> tuple[Floats, Floats, Floats]:
    """Return the weights and the diagonal of a Laplacian, and the strength of each node.

    Parameters
    ----------
    indptr, indices, weights : arrays
        CSR of a symmetric adjacency matrix without self-loops.
    kind : {"combinatorial", "normalised", "signed"}
        D - A; 1 - D^{-1/2} A D^{-1/2} (zero on isolated nodes); D - A with D the sums of absolute
        weights, for graphs with negative weights.

    Raises
    ------
    ArgumentError
        If the kind is none of these, or weights are negative where they must not be.
    """
    if kind not in _KINDS:
        raise ArgumentError(
            f"kind must be one of {', '.join(_KINDS)}, got {shown(kind)}; try 'combinatorial'"
        )
    negative = int(np.count_nonzero(weights < 0))
    if negative and kind != "signed":
        raise ArgumentError(
            f"the {kind} Laplacian needs positive weights, {negative // 2} of "
            f"{weights.size // 2} edges are negative; try kind='signed', or strength('absolute') "
            "first"
        )
    n = indptr.size - 1
    node = np.repeat(np.arange(n), np.diff(indptr))
    strength = np.bincount(node, np.abs(weights), minlength=n).astype(np.float64)
    if kind != "normalised":
        return weights, strength, strength
    root = np.zeros(n)
    np.divide(1.0, np.sqrt(strength), out=root, where=strength > 0)
    return weights * root[node] * root[indices], (strength > 0).astype(np.float64), strength
