"""Double edge swaps: a random graph with the degrees of another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel, inlined_kernel
from nnrg_kernels._random import bits

__all__ = ["swap_edges"]

Ints = npt.NDArray[np.int64]

EMPTY = -1
SPREAD = 0x9E3779B97F4A7C15  # odd: keys that follow one another are spread over the table


def swap_edges(
    a: Ints, b: Ints, first: Ints, last: Ints, turns: npt.NDArray[np.bool_], key: int, steps: int
) -> int:
    """Swap the ends of random pairs of edges again and again; return how many swaps were made.

    Parameters
    ----------
    a, b : (m,) int64 arrays
        The ends of each edge, different ones, each pair of nodes at most once; overwritten.
    first, last : (m,) int64 arrays
        The edges that an edge may be swapped with, the same ones for all of them.
    turns : (m,) bool array
        Whether the ends of an edge may change places.
    key : int
        Seed, 0 .. 2^64 - 1.
    steps : int
        Pairs that are proposed.

    Notes
    -----
    Edges (a, b) and (c, d) become (a, d) and (c, b). A swap that would make a loop, or an edge that
    is there already, is left out, and counts as a step.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = np.array([0, 2]), np.array([1, 3])
    >>> all_, last = np.zeros(2, np.int64), np.full(2, 2)
    >>> swap_edges(a, b, all_, last, np.ones(2, bool), 7, 20) > 0
    True
    >>> sorted([*a.tolist(), *b.tolist()])
    [0, 1, 2, 3]
    """
    size = 1 << max(4, int(4 * a.size - 1).bit_length())
    table = np.full(size, EMPTY)
    return int(_swap(a, b, first, last, turns, np.uint64(key), steps, table))


@borrowing_kernel
def _swap(
    a: Ints,
    b: Ints,
    first: Ints,
    last: Ints,
    turns: npt.NDArray[np.bool_],
    key: np.uint64,
    steps: int,
    table: Ints,
) -> int:
    for e in range(a.size):
        _insert(table, _pair(a[e], b[e]))
    swapped = 0
    for step in range(steps):
        z = bits(key, np.uint64(2 * step + 1))
        one = _below(z, a.size)
        other = first[one] + _below(bits(key, np.uint64(2 * step + 2)), last[one] - first[one])
        if other == one:
            continue
        if turns[one] and z & np.uint64(1):
            a[other], b[other] = b[other], a[other]
        p, q, r, s = a[one], b[one], a[other], b[other]
        if p == s or r == q or _has(table, _pair(p, s)) or _has(table, _pair(r, q)):
            continue
        _remove(table, _pair(p, q))
        _remove(table, _pair(r, s))
        _insert(table, _pair(p, s))
        _insert(table, _pair(r, q))
        b[one], b[other] = s, q
        swapped += 1
    return swapped


@inlined_kernel
def _below(z: np.uint64, n: int) -> np.int64:
    """Return a number below n from the upper half of 64 random bits."""
    return np.int64(np.uint64(np.uint64(z >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@inlined_kernel
def _pair(p: int, q: int) -> int:
    """Return one number for a pair of nodes, of which there are fewer than 2^31."""
    return min(p, q) << 31 | max(p, q)


@inlined_kernel
def _home(table: Ints, pair: int) -> np.int64:
    """Return where a pair is looked for first."""
    spread = np.uint64(np.uint64(pair) * np.uint64(SPREAD))
    return np.int64(spread >> np.uint64(32)) & (table.size - 1)


@inlined_kernel
def _place(table: Ints, pair: int) -> np.int64:
    """Return where a pair stands, or the empty place where it would."""
    at = _home(table, pair)
    while table[at] != EMPTY and table[at] != pair:
        at = (at + 1) & (table.size - 1)
    return at


@inlined_kernel
def _has(table: Ints, pair: int) -> np.bool_:
    return np.bool_(table[_place(table, pair)] == pair)


@inlined_kernel
def _insert(table: Ints, pair: int) -> None:
    table[_place(table, pair)] = pair


@inlined_kernel
def _remove(table: Ints, pair: int) -> None:
    """Take a pair out, and move up those that stand behind it for want of room."""
    mask = table.size - 1
    hole = _place(table, pair)
    at = hole
    while True:
        at = (at + 1) & mask
        if table[at] == EMPTY:
            break
        if ((at - _home(table, table[at])) & mask) >= ((at - hole) & mask):
            table[hole] = table[at]
            hole = at
    table[hole] = EMPTY
