"""Pairs of nodes of a weighted graph: greedy by weight, then by a heaviest neighbour shared."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._graph_dominant import NOBODY, collect_free, point, take_in_order, wed, weigh
from nnrg_kernels._graph_tasks import cut, run_ranges

__all__ = ["match_heaviest", "match_two_hop"]

Ints = npt.NDArray[np.int64]
Index = npt.NDArray[Any]

# Rounds go on while each pairs at least this part of the nodes left; what remains is sorted.
PROGRESS = 8


def match_heaviest(
    indptr: Ints, indices: Index, weights: npt.NDArray[Any], floor: float = -math.inf
) -> Ints:
    """Pair the nodes of the heaviest edge, then of the heaviest between free nodes, and so on.

    The pairs are those of the edges sorted by weight, descending, and of equal weights by
    (lower end, higher end), of which each is taken whose ends are both still free. An edge that is
    the heaviest of both of its ends is taken whatever else happens [1]_, so that all such edges
    are taken at once, round by round.

    Parameters
    ----------
    indptr : (n + 1,) int64 array
    indices : int64 or int32 array
        Neighbours of each node, ascending; each edge stored at both of its ends.
    weights : float64 or float32 array
        The same at both ends.
    floor : float
        Only edges of a larger weight pair nodes.

    Returns
    -------
    (n,) int64 array
        The other node of the pair; a node that is left alone, itself.

    References
    ----------
    .. [1] R. Preis, STACS 1999, LNCS 1563, 259; F. Manne and R. Bisseling, PPAM 2007, LNCS 4967,
       708.
    """
    n = indptr.size - 1
    mate = np.arange(n)
    taken = np.zeros(n, np.uint8)
    choice = np.full(n, NOBODY, np.int32)
    active = np.arange(n, dtype=np.int32)
    edges = cut(indptr)
    left = dict(zip(edges[:-1], np.diff(edges).tolist(), strict=True))

    def renew(_: int, start: int, __: int) -> None:
        own = active[start : start + left[start]]
        point(indptr, indices, weights, floor, taken, own, choice)

    def pair(_: int, start: int, __: int) -> None:
        left[start] = wed(active[start : start + left[start]], choice, taken, mate)

    now, paired = n, n
    while paired * PROGRESS > now:
        run_ranges(edges, renew)
        run_ranges(edges, pair)
        paired = now - sum(left.values())
        now -= paired
    if now:
        rest = np.concatenate([active[start : start + size] for start, size in left.items()])
        _match_sorted(indptr, indices, weights, floor, taken, rest, mate)
    return mate


def _match_sorted(
    indptr: Ints,
    indices: Index,
    weights: npt.NDArray[Any],
    floor: float,
    taken: npt.NDArray[np.uint8],
    active: npt.NDArray[np.int32],
    mate: Ints,
) -> None:
    """Pair what the rounds left, where one edge may wait for the next along a long path."""
    ends, loads = np.empty((0, 2), np.int32), np.empty(0, weights.dtype)
    size = collect_free(indptr, indices, weights, floor, taken, active, ends, loads)
    ends, loads = np.empty((size, 2), np.int32), np.empty(size, weights.dtype)
    collect_free(indptr, indices, weights, floor, taken, active, ends, loads)
    take_in_order(np.argsort(-loads, kind="stable"), ends, taken, mate)


def match_two_hop(
    indptr: Ints,
    indices: Index,
    weights: npt.NDArray[Any],
    mate: Ints,
    floor: float = -math.inf,
) -> Ints:
    """Pair nodes left alone that share their heaviest neighbour, so that stars coarsen.

    Of the lone nodes around one neighbour the two with the heaviest edges to it make the first
    pair, and so on; of equal weights the lower node comes first. The rule is that of METIS [1]_,
    made independent of the order of the nodes.

    Parameters
    ----------
    indptr, indices, weights : arrays
        As for `match_heaviest`.
    mate : (n,) int64 array
        Its result.
    floor : float
        Only edges of a larger weight count.

    Returns
    -------
    (n,) int64 array
        The other node of the pair; a node that is left alone, itself.

    References
    ----------
    .. [1] D. LaSalle et al., "Improving graph partitioning for modern graphs and architectures",
       IA3 2015.
    """
    alone = np.flatnonzero(mate == np.arange(mate.size)).astype(np.int32)
    choice = np.full(mate.size, NOBODY, np.int32)
    point(indptr, indices, weights, floor, np.zeros(mate.size, np.uint8), alone, choice)
    alone = alone[choice[alone] != NOBODY]
    loads = np.empty(alone.size, weights.dtype)
    weigh(indptr, indices, weights, alone, choice, loads)
    order = np.lexsort((-loads, choice[alone]))
    alone = alone[order]
    around = choice[alone]
    # Place among those around the same neighbour: even ones take the next.
    begins = np.flatnonzero(np.diff(around, prepend=NOBODY))
    sizes = np.diff(begins, append=around.size)
    place = np.arange(around.size) - np.repeat(begins, sizes)
    first = np.flatnonzero((place % 2 == 0) & (place + 1 < np.repeat(sizes, sizes)))
    result = mate.copy()
    result[alone[first]] = alone[first + 1]
    result[alone[first + 1]] = alone[first]
    return result
