"""Contraction of a weighted graph by a partition of its nodes: the Galerkin product P^T A P."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._graph_merge import (
    FEW,
    count_members,
    merge_rows,
    place_rows,
    relabel,
    sort_members,
)
from nnrg_kernels._graph_tasks import cut, cut_evenly, run_ranges

__all__ = ["contract"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Index = npt.NDArray[Any]

# Rows written side by side: their open cache lines fit the cache.
ROWS = 1 << 17


class _Scratch:
    """What one worker merges rows in; its counts of columns add up to those of all."""

    def __init__(self, longest: int, n_blocks: int) -> None:
        self.keys = np.empty(longest + 1, np.int32)
        self.values = np.empty(longest + 1)
        self.packed = np.empty(2 * FEW, np.uint64)
        self.dense = np.zeros(n_blocks)
        self.bits = np.zeros(n_blocks // 64 + 1, np.uint64)
        self.summary = np.zeros(n_blocks // 4096 + 1, np.uint64)
        self.below = np.zeros(n_blocks, np.int32)


def contract(
    indptr: Ints, indices: Index, weights: npt.NDArray[Any], labels: Ints, n_blocks: int
) -> tuple[Ints, Index, npt.NDArray[Any], Floats]:
    r"""Return the graph of the blocks of a partition, :math:`P^\mathsf{T} A P` off the diagonal.

    The weight between two blocks is the sum of the weights between their nodes, added up in
    float64 in an order set by the graph alone, and both of its copies are that one number.
    A sum of exactly zero, which signed weights can have, is no edge.

    Parameters
    ----------
    indptr : (n + 1,) int64 array
    indices : int64 or int32 array
        Neighbours of each node, ascending; each edge stored at both of its ends, no self-loop.
    weights : float64 or float32 array
        The same at both ends.
    labels : (n,) int64 array
        Block of each node, 0 .. n_blocks - 1.
    n_blocks : int

    Returns
    -------
    indptr, indices, weights : arrays
        Of the types of the arguments, columns ascending.
    within : (n_blocks,) float64 array
        Sum of the weights inside each block, each edge once.
    """
    first = np.zeros(n_blocks + 1, np.int64)
    entries = np.zeros(n_blocks + 1, np.int64)
    count_members(indptr, labels, first, entries)
    members, small = np.empty((2, labels.size), np.int32)
    ends = first.copy()
    sort_members(labels, ends, members, small)

    blocks = np.empty(indices.size, np.int32)

    def look_up(_: int, start: int, stop: int) -> None:
        relabel(indices[start:stop], small, blocks[start:stop])

    run_ranges(cut_evenly(indices.size), look_up)
    longest = int(np.diff(entries).max(initial=0))
    columns = np.empty(indices.size, np.int32)
    sums = np.empty(indices.size, weights.dtype)
    upper = np.zeros((n_blocks, 2), np.int64)
    within = np.zeros(n_blocks)
    edges = cut(entries)
    scratch = [_Scratch(longest, n_blocks) for _ in range(min(numba.get_num_threads(), len(edges)))]

    def merge(worker: int, start: int, stop: int) -> None:
        own = scratch[worker]
        merge_rows(
            indptr,
            blocks,
            weights,
            members,
            first,
            start,
            stop,
            int(entries[start]),
            own.keys,
            own.values,
            own.packed,
            own.dense,
            own.bits,
            own.summary,
            columns,
            sums,
            upper,
            own.below,
            within,
        )

    run_ranges(edges, merge)
    sizes = upper[:, 1] - upper[:, 0]
    for own in scratch:
        sizes += own.below
    new = np.zeros(n_blocks + 1, np.int64)
    np.cumsum(sizes, out=new[1:])
    out_columns = np.empty(new[-1], indices.dtype)
    out_sums = np.empty(new[-1], weights.dtype)
    cursor = np.empty(n_blocks, np.int64)

    def place(_: int, start: int, stop: int) -> None:
        place_rows(columns, sums, upper, new, cursor, start, stop, out_columns, out_sums)

    run_ranges(cut(new, max(numba.get_num_threads(), n_blocks // ROWS)), place)
    return new, out_columns, out_sums, within
