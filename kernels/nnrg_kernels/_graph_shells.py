"""Breadth-first search from each node of a range, up to a distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel

__all__ = ["count_shells", "list_shells", "transpose"]

Ints = npt.NDArray[np.int64]


@borrowing_kernel
def _next_shell(
    indptr: Ints,
    indices: npt.NDArray[Any],
    source: int,
    begin: int,
    end: int,
    seen: Ints,
    queue: Ints,
) -> int:
    """Append the unseen neighbours of ``queue[begin:end]`` to the queue; return its new end."""
    last = end
    for q in range(begin, end):
        node = queue[q]
        for neighbour in indices[indptr[node] : indptr[node + 1]]:
            if seen[neighbour] != source:
                seen[neighbour] = source
                queue[last] = neighbour
                last += 1
    return last


@borrowing_kernel
def count_shells(
    indptr: Ints,
    indices: npt.NDArray[Any],
    start: int,
    stop: int,
    most: int,
    seen: Ints,
    queue: Ints,
    counts: Ints,
) -> int:
    """Count the nodes at each distance from nodes start .. stop, `counts[r - 1, node + 1]`.

    Stops where there are more than `most`; returns how many were found. `seen` holds no node of
    the range yet.
    """
    total = 0
    for source in range(start, stop):
        seen[source], queue[0] = source, source
        begin, end = 0, 1
        for r in range(counts.shape[0]):
            last = _next_shell(indptr, indices, source, begin, end, seen, queue)
            counts[r, source + 1] = last - end
            begin, end = end, last
            if begin == end:
                break
        total += end - 1
        if total > most:
            break
    return total


@borrowing_kernel
def list_shells(
    indptr: Ints,
    indices: npt.NDArray[Any],
    start: int,
    stop: int,
    seen: Ints,
    queue: Ints,
    first: Ints,
    out: npt.NDArray[Any],
) -> None:
    """Write the nodes at distance r from a node from ``out[first[r - 1, node]]`` on."""
    for source in range(start, stop):
        seen[source], queue[0] = source, source
        begin, end = 0, 1
        for r in range(first.shape[0]):
            last = _next_shell(indptr, indices, source, begin, end, seen, queue)
            at = first[r, source]
            for q in range(end, last):
                out[at + q - end] = queue[q]
            begin, end = end, last
            if begin == end:
                break


@borrowing_kernel
def transpose(indptr: Ints, indices: npt.NDArray[Any], cursor: Ints, out: npt.NDArray[Any]) -> None:
    """Write the transpose of a symmetric pattern: the same rows, whose columns now ascend."""
    for row in range(cursor.size):
        cursor[row] = indptr[row]
    for row in range(cursor.size):
        for column in indices[indptr[row] : indptr[row + 1]]:
            out[cursor[column]] = row
            cursor[column] += 1
