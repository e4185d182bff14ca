"""Greedy pairing of units by largest correlation, and the covariance of the sums of pairs.

Greedy pairing takes the largest correlation of the matrix, sets its two units aside, and repeats.
A pair whose two units are each other's best among the units left is in the greedy pairing whatever
else is left, so that it can be taken at once. Such pairs are found by following best partners: from
a unit to its best, from that to its own best, until two point at each other. A unit is looked at
when the chain reaches it, and once more when the pair beyond it was taken: at most 3 N / 2 scans of
a row, for any matrix. Rounds over all units whose best was taken need of order N^2 of them where a
common signal makes one unit everybody's best.

Ties are broken by the lowest pair of indices, as by a scan of the matrix row by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel, kernel

__all__ = ["correlations", "greedy_pairs", "sums_of_pairs"]

Matrix = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]

# Columns of which the largest is found before any is looked at alone.
_RUN = 1024
_INTEGERS: dict[Any, Any] = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}


@borrowing_kernel
def _write_keys(bits: Matrix, flip: Any, keys: Matrix) -> None:
    """Write integers in the order of the floats whose bits are read; both zeros are one number."""
    for i in range(bits.shape[0]):
        row, into = bits[i], keys[i]
        for j in range(into.size):
            key = row[j] ^ ((row[j] >> 63) & flip)
            into[j] = key + (key == -1)


@kernel
def _follow(keys: Matrix, limit: Matrix, lowest: Any, chain: Indices, pairs: Indices) -> None:
    """Take pairs off the end of a chain of best partners until fewer than two units are left."""
    n = limit.size
    length = first = taken = 0
    while taken < pairs.shape[0]:
        if length == 0:
            while limit[first] == lowest:
                first += 1
            chain[0] = first
            length = 1
        unit = chain[length - 1]
        row = keys[unit]
        limit[unit] = lowest
        best, run = lowest, 0
        for start in range(0, n, _RUN):
            part, open_to = row[start : start + _RUN], limit[start : start + _RUN]
            top = lowest
            for j in range(part.size):
                top = max(top, min(part[j], open_to[j]))
            if top > best:
                best, run = top, start
        partner = run
        while min(row[partner], limit[partner]) != best:
            partner += 1
        limit[unit] = ~lowest
        if length > 1 and partner == chain[length - 2]:
            limit[unit] = limit[partner] = lowest
            pairs[taken, 0], pairs[taken, 1] = min(unit, partner), max(unit, partner)
            taken += 1
            length -= 2
        else:
            chain[length] = partner
            length += 1


def greedy_pairs(similarity: Matrix) -> tuple[Indices, int]:
    """Pair units as repeatedly taking the largest entry off the diagonal would.

    Parameters
    ----------
    similarity : (N, N) float32 or float64 array
        Symmetric to the last bit, or the search might not end, and without NaN; in C order. The
        diagonal is not looked at.

    Returns
    -------
    pairs : (N // 2, 2) int64 array
        In the order they are taken in, the lower index first.
    left : int
        The unit that is left where N is odd, else -1.
    """
    n = len(similarity)
    integer = _INTEGERS[similarity.dtype]
    top = np.iinfo(integer)
    flip = integer(top.max)
    keys = np.empty(similarity.shape, integer)
    _write_keys(similarity.view(integer), flip, keys)
    limit = np.full(n, flip)
    pairs = np.empty((n // 2, 2), np.int64)
    _follow(keys, limit, integer(top.min), np.empty(n + 1, np.int64), pairs)
    value = similarity[pairs[:, 0], pairs[:, 1]]
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0], -value))]
    left = np.flatnonzero(limit != top.min)
    return pairs, int(left[0]) if left.size else -1


def correlations(covariance: Matrix, *, magnitude: bool = False) -> Matrix:
    """Return the correlations of a covariance, symmetric to the last bit if it is.

    Parameters
    ----------
    covariance : (N, N) float32 or float64 array
    magnitude : bool
        Whether their signs are dropped.

    Returns
    -------
    (N, N) array of the same type
        Zero where a unit has no variance.
    """
    variance = np.maximum(np.diagonal(covariance), 0)
    inverse = np.zeros_like(variance)
    np.divide(1, np.sqrt(variance), out=inverse, where=variance > 0)
    # The product of the two scales comes first: it is the same for (i, j) and (j, i). Compiled
    # loops may reassociate it.
    out = np.multiply.outer(inverse, inverse)
    out *= covariance
    return np.asarray(np.abs(out, out=out) if magnitude else out)


@borrowing_kernel
def _add_pairs(covariance: Matrix, pairs: Indices, column: Matrix, out: Matrix) -> None:
    for p in range(pairs.shape[0]):
        first, second, into = covariance[pairs[p, 0]], covariance[pairs[p, 1]], out[p]
        for j in range(column.size):
            column[j] = first[j] + second[j]
        # Half of it, and mirrored: the other half adds the same four numbers in another order.
        for q in range(p + 1):
            into[q] = column[pairs[q, 0]] + column[pairs[q, 1]]
            out[q, p] = into[q]


def sums_of_pairs(covariance: Matrix, pairs: Indices) -> Matrix:
    """Return the covariance of the sums of pairs of units.

    Parameters
    ----------
    covariance : (N, N) float array
    pairs : (M, 2) int64 array

    Returns
    -------
    (M, M) array of the same type
        Symmetric to the last bit.
    """
    out = np.empty((len(pairs), len(pairs)), covariance.dtype)
    _add_pairs(covariance, pairs, np.empty(len(covariance), covariance.dtype), out)
    return out
