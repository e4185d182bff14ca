"""Sums over the neighbours of each node, over the blocks of a partition, and distance shells."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._graph_columns import EIGHT, add_blocks, multiply_eight, multiply_one
from nnrg_kernels._graph_shells import count_shells, list_shells, transpose
from nnrg_kernels._graph_tasks import cut, cut_evenly, run_ranges

__all__ = ["block_means", "block_sums", "empty_columns", "neighbour_sum", "shells"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Index = npt.NDArray[Any]

CACHE_LINE = 64  # bytes
NODES = 1 << 10  # below this many, threads cost more than they bring to searches
PROBES = 8  # searches that estimate how many pairs there are


def empty_columns(n: int, k: int, dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
    """Return an empty (n, k) array that starts on a cache line.

    NumPy's own large arrays start 16 bytes after one: each row of eight columns then costs
    `neighbour_sum` two lines of memory and not one.
    """
    kind = np.dtype(dtype)
    buffer = np.empty(n * k * kind.itemsize + CACHE_LINE, np.uint8)
    start = -buffer.ctypes.data % CACHE_LINE
    return buffer[start : start + n * k * kind.itemsize].view(kind).reshape(n, k)


def neighbour_sum(
    indptr: Ints,
    indices: Index,
    weights: npt.NDArray[Any],
    values: npt.NDArray[Any],
    out: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
    """Return the weighted sum of the values of each node's neighbours, A @ values.

    Added up in float64, in the order of the neighbours.

    Parameters
    ----------
    indptr : (n + 1,) int64 array
    indices : int64 or int32 array
    weights : float64 or float32 array
    values : (n,) or (n, k) float64 or float32 array, C-contiguous
        Fastest with k a multiple of eight, from `empty_columns`.
    out : array like `values`, C-contiguous, optional
        Receives the result; may not share memory with `values`.

    Returns
    -------
    array like `values`
    """
    columns = values.reshape(values.shape[0], -1)
    n, k = values.shape[0], columns.shape[1]
    if out is None:
        out = empty_columns(n, k, values.dtype).reshape(values.shape)
    to = out.reshape(n, k)

    def run(_: int, start: int, stop: int) -> None:
        if k >= EIGHT:
            multiply_eight(indptr, indices, weights, columns, start, stop, to)
        for column in range(k // EIGHT * EIGHT, k):
            multiply_one(indptr, indices, weights, columns, column, start, stop, to)

    run_ranges(cut(indptr), run)
    return out


def block_sums(labels: Ints, n_blocks: int, values: npt.NDArray[Any]) -> Floats:
    """Return the sum of the values of each block of a partition, added up in float64.

    Parameters
    ----------
    labels : (n,) int64 array
        Block of each node, 0 .. n_blocks - 1.
    n_blocks : int
    values : (n,) or (n_samples, n) float64 or float32 array

    Returns
    -------
    (n_blocks,) or (n_samples, n_blocks) float64 array
        An empty block has zero.
    """
    rows = values.reshape(math.prod(values.shape[:-1]), labels.size)
    out = np.zeros((rows.shape[0], n_blocks))

    def run(_: int, start: int, stop: int) -> None:
        for sample in range(start, stop):
            add_blocks(labels, rows[sample], out[sample])

    run_ranges(cut(np.arange(rows.shape[0] + 1) * labels.size), run)
    return out.reshape(*values.shape[:-1], n_blocks)


def block_means(labels: Ints, n_blocks: int, values: npt.NDArray[Any]) -> Floats:
    """Return the mean of the values of each block of a partition, added up in float64.

    Parameters
    ----------
    labels, n_blocks, values
        As for `block_sums`.

    Returns
    -------
    (n_blocks,) or (n_samples, n_blocks) float64 array
        An empty block has NaN.
    """
    sizes = np.bincount(labels, minlength=n_blocks)
    sums = block_sums(labels, n_blocks, values)
    out = np.full(sums.shape, math.nan)
    np.divide(sums, sizes, out=out, where=sizes > 0)
    return out


def shells(
    indptr: Ints, indices: Index, longest: int, most: int
) -> tuple[list[tuple[Ints, Index]], int]:
    """Return the pairs of nodes at each hop distance 1 .. longest.

    Parameters
    ----------
    indptr : (n + 1,) int64 array
    indices : int64 or int32 array
        Neighbours of each node; each edge stored at both of its ends.
    longest : int
    most : int
        No pairs are listed if there are more.

    Returns
    -------
    shells : list of (indptr, indices)
        ``shells[r - 1]`` has the nodes exactly r hops from each node, ascending: each pair twice.
        Empty if there are more than `most` pairs.
    n_pairs : int
        Pairs in all shells together, each counted twice. If there are more than `most` the search
        ends early, and this is an estimate from a few nodes spread evenly.
    """
    n = indptr.size - 1
    counts = np.zeros((longest, n + 1), np.int64)
    edges = cut_evenly(n, NODES)
    workers = numba.get_num_threads()
    queues = np.empty((workers, n), np.int64)
    seen = np.full((workers, n), -1)
    found: list[int] = []

    def count(worker: int, start: int, stop: int) -> None:
        left = most - sum(found)
        if left >= 0:
            own = seen[worker], queues[worker]
            found.append(count_shells(indptr, indices, start, stop, left, *own, counts))

    run_ranges(edges, count)
    total = sum(found)
    if total > most:
        return [], max(most + 1, _estimate(indptr, indices, longest, seen[0], queues[0]))
    np.cumsum(counts, axis=1, out=counts)
    sizes = counts[:, -1].copy()
    bases = np.concatenate([[0], np.cumsum(sizes)])
    first = counts + bases[:-1, None]
    listed = np.empty(total, indices.dtype)
    seen.fill(-1)

    def search(worker: int, start: int, stop: int) -> None:
        own = seen[worker], queues[worker]
        list_shells(indptr, indices, start, stop, *own, first, listed)

    run_ranges(edges, search)
    result = [(counts[r], np.empty(sizes[r], indices.dtype)) for r in range(longest)]

    def turn(worker: int, start: int, stop: int) -> None:
        for r in range(start, stop):
            transpose(counts[r], listed[bases[r] : bases[r + 1]], queues[worker], result[r][1])

    run_ranges(list(range(longest + 1)) if n >= NODES else [0, longest], turn)
    return result, total


def _estimate(indptr: Ints, indices: Index, longest: int, seen: Ints, queue: Ints) -> int:
    n = indptr.size - 1
    counts = np.zeros((longest, n + 1), np.int64)
    nodes = np.unique(np.arange(PROBES) * n // PROBES).tolist()
    seen.fill(-1)
    pairs = sum(
        count_shells(indptr, indices, node, node + 1, n, seen, queue, counts) for node in nodes
    )
    return pairs * n // len(nodes)
