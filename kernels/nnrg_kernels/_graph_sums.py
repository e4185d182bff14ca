"""Sums over the neighbours of each node, for a tile of lines of sites.

A line is the sites of a sample along its last axis. For neighbours along that axis the lines of a
tile stand next to one another, so that a list of neighbours is read once for all of them; along the
axis before it a neighbour is a whole line. Both ways all loops run over vectors.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel, inlined_kernel

__all__ = ["TILE", "Lists", "add_strengths", "fill_sums", "turn_lines"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TILE = 8  # lines that share one pass over the lists of neighbours: a vector of AVX-512


class Lists(NamedTuple):
    """Sums over neighbours n, sum_n w n^p, one behind the other.

    Attributes
    ----------
    across : (Q,) int64 array
        1 for neighbours along the axis before the last, 0 along the last.
    power : (Q,) int64 array
        p - 1.
    first : (Q + 1,) int64 array
        Where the rows of each list start in `indptr`.
    indptr, indices, weights : arrays
        Lists of neighbours by rows; `indptr` counts from the start of all `indices`.
    strength : float64 array
        Sum of the absolute weights of each row.
    """

    across: Ints
    power: Ints
    first: Ints
    indptr: Ints
    indices: Ints
    weights: Floats
    strength: Floats


@borrowing_kernel
def add_strengths(indptr: Ints, weights: Floats, out: Floats) -> None:
    """Write the sum of the absolute weights of each row."""
    for row in range(out.size):
        total = 0.0
        for e in range(indptr[row], indptr[row + 1]):
            total += abs(weights[e])
        out[row] = total


@inlined_kernel
def turn_lines(powers: Floats, low: int, high: int, turned: Floats) -> None:
    """Copy eight lines of each power next to one another; the last one stands for those missing."""
    for p in range(powers.shape[0]):
        lines, to, last = powers[p], turned[p], high - 1
        a, b = lines[low], lines[min(low + 1, last)]
        c, d = lines[min(low + 2, last)], lines[min(low + 3, last)]
        e, f = lines[min(low + 4, last)], lines[min(low + 5, last)]
        g, h = lines[min(low + 6, last)], lines[min(low + 7, last)]
        for x in range(to.shape[0]):
            to[x, 0], to[x, 1], to[x, 2], to[x, 3] = a[x], b[x], c[x], d[x]
            to[x, 4], to[x, 5], to[x, 6], to[x, 7] = e[x], f[x], g[x], h[x]


@borrowing_kernel
def fill_sums(
    powers: Floats,
    length: int,
    lists: Lists,
    first_line: int,
    last_line: int,
    left: int,
    right: int,
    ready: bool,
    turned: Floats,
    out: Floats,
) -> None:
    """Write the sums of every list at columns `left` to `right` of some lines.

    Parameters
    ----------
    powers : (P, lines, n) array
        The field and its powers.
    length : int
        Lines of a sample.
    first_line, last_line, left, right : int
        First of the lines and of the columns, and the ones behind the last.
    ready : bool
        Whether the lines, one tile of them, stand in `turned` already.
    turned : (P, n, 8) array
        Room for the lines of a tile next to one another.
    out : (Q, any, any) array
        The first line and column of the range at its origin.
    """
    for low in range(first_line, last_line, TILE):
        high = min(low + TILE, last_line)
        if not ready and high - low > 1:
            turn_lines(powers, low, high, turned)
        for q in range(lists.across.size):
            values, first = powers[lists.power[q]], lists.first[q]
            if lists.across[q]:
                for line in range(low, high):
                    node = first + line % length
                    base = line - line % length
                    begin, end = lists.indptr[node], lists.indptr[node + 1]
                    _add_lines(values, base, lists.indices[begin:end], lists.weights[begin:end],
                               left, right, out[q, line - first_line])  # fmt: skip
            elif high - low == 1:
                for x in range(left, right):
                    begin, end = lists.indptr[first + x], lists.indptr[first + x + 1]
                    row, weights = lists.indices[begin:end], lists.weights[begin:end]
                    total = 0.0
                    for e in range(row.size):
                        total += weights[e] * values[low, np.uint64(row[e])]
                    out[q, low - first_line, x - left] = total
            else:
                to = out[q, low - first_line :]
                for x in range(left, right):
                    begin, end = lists.indptr[first + x], lists.indptr[first + x + 1]
                    _add_eight(turned[lists.power[q]], lists.indices[begin:end],
                               lists.weights[begin:end], to, x - left)  # fmt: skip


@inlined_kernel
def _add_lines(
    values: Floats, base: int, row: Ints, weights: Floats, left: int, right: int, out: Floats
) -> None:
    """Write the weighted sum of whole lines, four at a time: the sum is stored less often."""
    total = out[: right - left]
    for i in range(total.size):
        total[i] = 0.0
    whole = row.size // 4 * 4
    for k in range(0, whole, 4):
        a, b = values[base + row[k], left:right], values[base + row[k + 1], left:right]
        c, d = values[base + row[k + 2], left:right], values[base + row[k + 3], left:right]
        wa, wb, wc, wd = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for i in range(total.size):
            total[i] += wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i]
    for k in range(whole, row.size):
        a, wa = values[base + row[k], left:right], weights[k]
        for i in range(total.size):
            total[i] += wa * a[i]


@inlined_kernel
def _add_eight(values: Floats, row: Ints, weights: Floats, out: Floats, at: int) -> None:
    """Write the weighted sum of eight numbers of each neighbour.

    Sums with names stay in registers; two sets of them, so that one does not wait for the other.
    """
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    t0 = t1 = t2 = t3 = t4 = t5 = t6 = t7 = 0.0
    pairs = row.size // 2
    for e in range(pairs):
        near, w = values[np.uint64(row[2 * e])], weights[2 * e]
        next_, u = values[np.uint64(row[2 * e + 1])], weights[2 * e + 1]
        s0 += w * near[0]
        s1 += w * near[1]
        s2 += w * near[2]
        s3 += w * near[3]
        s4 += w * near[4]
        s5 += w * near[5]
        s6 += w * near[6]
        s7 += w * near[7]
        t0 += u * next_[0]
        t1 += u * next_[1]
        t2 += u * next_[2]
        t3 += u * next_[3]
        t4 += u * next_[4]
        t5 += u * next_[5]
        t6 += u * next_[6]
        t7 += u * next_[7]
    if 2 * pairs < row.size:
        near, w = values[np.uint64(row[2 * pairs])], weights[2 * pairs]
        s0 += w * near[0]
        s1 += w * near[1]
        s2 += w * near[2]
        s3 += w * near[3]
        s4 += w * near[4]
        s5 += w * near[5]
        s6 += w * near[6]
        s7 += w * near[7]
    out[0, at], out[1, at], out[2, at], out[3, at] = s0 + t0, s1 + t1, s2 + t2, s3 + t3
    out[4, at], out[5, at], out[6, at], out[7, at] = s4 + t4, s5 + t5, s6 + t6, s7 + t7
