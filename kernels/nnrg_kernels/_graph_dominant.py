"""Rounds of locally dominant edges: each node points to its heaviest free neighbour."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel

__all__ = ["NOBODY", "collect_free", "point", "take_in_order", "wed", "weigh"]

Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
Flags = npt.NDArray[np.uint8]

NOBODY = -1


@borrowing_kernel
def point(
    indptr: Ints,
    indices: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    floor: float,
    taken: Flags,
    active: Small,
    choice: Small,
) -> None:
    """Renew the choice of the active nodes whose choice was taken by another.

    Neighbours ascend, so that of equal weights the lower neighbour's stays: for the edges of one
    node that is the order of their (lower end, higher end).
    """
    least = weights.dtype.type(floor)
    for node in active:
        if choice[node] != NOBODY and not taken[choice[node]]:
            continue
        begin, end = indptr[node], indptr[node + 1]
        row, row_weights = indices[begin:end], weights[begin:end]
        heaviest, best = least, np.int32(NOBODY)
        for e in range(row.size):
            # Few weights beat all before them: only their neighbours are looked up.
            if row_weights[e] > heaviest:
                neighbour = np.uint64(row[e])
                if not taken[neighbour]:
                    heaviest, best = row_weights[e], np.int32(neighbour)
        choice[node] = best


@borrowing_kernel
def wed(active: Small, choice: Small, taken: Flags, mate: Ints) -> int:
    """Pair the active nodes that chose each other; return how many still have a choice.

    They come to stand first in `active`.
    """
    left = 0
    for node in active:
        other = choice[node]
        if other == NOBODY:
            continue
        if choice[other] == node:
            mate[node] = other
            taken[node] = 1
        else:
            active[left] = node
            left += 1
    return left


@borrowing_kernel
def collect_free(
    indptr: Ints,
    indices: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    floor: float,
    taken: Flags,
    active: Small,
    ends: npt.NDArray[np.int32],
    loads: npt.NDArray[Any],
) -> int:
    """List the edges between free nodes by (lower end, higher end); return how many there are.

    Beyond the size of `ends` they are counted only.
    """
    least = weights.dtype.type(floor)
    count = 0
    for node in active:
        if taken[node]:
            continue
        begin, end = indptr[node], indptr[node + 1]
        row, row_weights = indices[begin:end], weights[begin:end]
        for e in range(row.size):
            if row[e] > node and row_weights[e] > least and not taken[np.uint64(row[e])]:
                if count < loads.size:
                    ends[count, 0], ends[count, 1] = node, row[e]
                    loads[count] = row_weights[e]
                count += 1
    return count


@borrowing_kernel
def take_in_order(order: Ints, ends: npt.NDArray[np.int32], taken: Flags, mate: Ints) -> None:
    """Take edges in the given order, those whose ends are both free."""
    for e in order:
        one, other = ends[e]
        if not taken[one] and not taken[other]:
            taken[one] = taken[other] = 1
            mate[one], mate[other] = other, one


@borrowing_kernel
def weigh(
    indptr: Ints,
    indices: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    nodes: Small,
    choice: Small,
    out: npt.NDArray[Any],
) -> None:
    """Write the weight of the edge between each of the nodes and its choice."""
    for k in range(nodes.size):
        node = nodes[k]
        begin, end = indptr[node], indptr[node + 1]
        out[k] = weights[begin + np.searchsorted(indices[begin:end], choice[node])]
