"""Contraction of a weighted graph by a partition of its nodes: the Galerkin product P^T A P."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._graph_merge import (
    FEW,
    count_columns,
    count_members,
    merge_rows,
    place_rows,
    relabel,
    scatter_rows,
    sort_members,
)
from nnrg_kernels._graph_tasks import cut, cut_evenly, run_ranges

__all__ = ["contract"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Index = npt.NDArray[Any]

# Rows of a bucket, written in no order: they fit the cache of a core. Buckets are written side by
# side, which more of them than lines of that cache would slow down.
ROWS = 1 << 11
BUCKETS = 1 << 10


class _Scratch:
    """What one worker merges rows in."""

    def __init__(self, longest: int, n_blocks: int) -> None:
        self.keys = np.empty(longest + 1, np.int32)
        self.values = np.empty(longest + 1)
        # Columns and, behind them, numbers up to FEW: in 32 bits wherever they fit, twice as fast.
        self.packed = np.full(
            2 * FEW + 1, *((2**31 - 1, np.int32) if n_blocks < 2**24 else (2**63 - 1, np.int64))
        )
        self.dense = np.zeros(n_blocks)
        self.bits = np.zeros(n_blocks // 64 + 1, np.uint64)
        self.summary = np.zeros(n_blocks // 4096 + 1, np.uint64)


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
    task = {start: t for t, start in enumerate(edges)}
    shift = max(ROWS, (n_blocks - 1) // BUCKETS + 1, 1).bit_length() - 1
    counts = np.zeros((len(edges), ((n_blocks - 1) >> shift) + 1), np.int64)
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
            np.uint64(shift),
            counts[task[start]],
            within,
        )

    run_ranges(edges, merge)
    # Entries of the upper triangle by buckets of columns: what each task has of a bucket lies
    # behind what the tasks before it have, so that rows ascend.
    ends = np.cumsum(counts.T).reshape(counts.shape[::-1]).T
    cursors = np.ascontiguousarray(ends - counts)
    buckets = [0, *ends[-1].tolist()]
    by_column = blocks.view(np.uint64)[: buckets[-1]]  # in memory that is there and not needed
    values = np.empty(buckets[-1], weights.dtype)

    def scatter(_: int, start: int, stop: int) -> None:
        place = cursors[task[start]]
        scatter_rows(columns, sums, upper, start, stop, np.uint64(shift), place, by_column, values)

    run_ranges(edges, scatter)
    sizes = upper[:, 1] - upper[:, 0]

    def count(_: int, start: int, stop: int) -> None:
        count_columns(by_column[buckets[start] : buckets[stop]], sizes)

    groups = cut(np.asarray(buckets))
    run_ranges(groups, count)
    new = np.zeros(n_blocks + 1, np.int64)
    np.cumsum(sizes, out=new[1:])
    out_columns = np.empty(new[-1], indices.dtype)
    out_sums = np.empty(new[-1], weights.dtype)
    cursor = np.empty(n_blocks, np.int64)

    def place(_: int, start: int, stop: int) -> None:
        for bucket in range(start, stop):
            own = slice(buckets[bucket], buckets[bucket + 1])
            place_rows(
                by_column[own],
                values[own],
                columns,
                sums,
                upper,
                new,
                cursor,
                bucket << shift,
                min((bucket + 1) << shift, n_blocks),
                out_columns,
                out_sums,
            )

    run_ranges(groups, place)
    return new, out_columns, out_sums, within
