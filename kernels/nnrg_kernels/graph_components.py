"""Connected components of a graph, by union-find."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel

__all__ = ["components"]

Ints = npt.NDArray[np.int64]


@borrowing_kernel
def _unite(indptr: Ints, indices: npt.NDArray[Any], parent: npt.NDArray[Any]) -> None:
    """Join the ends of every edge; a parent is never above its child (Rem's algorithm).

    Both climb at once, the one with the higher parent first, and what is climbed over is hung
    lower: no root is searched for when the two paths meet early.
    """
    for node in range(parent.size):
        parent[node] = node
    for node in range(parent.size):
        for neighbour in indices[indptr[node] : indptr[node + 1]]:
            if neighbour >= node:
                break
            a, b = np.int64(node), np.int64(neighbour)
            while parent[a] != parent[b]:
                if parent[a] < parent[b]:
                    a, b = b, a
                above = np.int64(parent[a])
                parent[a] = parent[b]
                if above == a:
                    break
                a = above


@borrowing_kernel
def _number(parent: npt.NDArray[Any], labels: Ints) -> int:
    count = 0
    for node in range(parent.size):
        if parent[node] == node:
            labels[node] = count
            count += 1
        else:
            labels[node] = labels[parent[node]]
    return count


def components(indptr: Ints, indices: npt.NDArray[Any]) -> Ints:
    """Return the connected component of each node.

    Parameters
    ----------
    indptr : (n + 1,) int64 array
    indices : int64 or int32 array
        Neighbours of each node, ascending; each edge stored at both of its ends.

    Returns
    -------
    (n,) int64 array
        Components are numbered from 0 in the order of their first nodes.
    """
    n = indptr.size - 1
    parent = np.empty(n, np.int32 if n < 1 << 31 else np.int64)
    labels = np.empty(n, np.int64)
    _unite(indptr, indices, parent)
    _number(parent, labels)
    return labels
