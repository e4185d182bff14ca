"""Signed Laplacians of rows of numbers, a row for each node, and products with their powers.

With the numbers of a node next to one another, one for each sample or each node of another graph, a
neighbour is a whole row: sums over neighbours run over vectors, whatever the graph.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._graph_sums import add_strengths
from nnrg_kernels._jit import borrowing_kernel, inlined_kernel

__all__ = ["add_neighbours", "apply_laplacian", "row_products", "strengths"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_PIECE = 512  # numbers whose powers are held at a time: with the channels they fit the first cache


def strengths(indptr: Ints, weights: Floats) -> Floats:
    """Return the sum of the absolute weights of each node.

    Parameters
    ----------
    indptr : (n + 1,) int64 array
    weights : float64 array

    Returns
    -------
    (n,) float64 array

    Examples
    --------
    >>> import numpy as np
    >>> strengths(np.array([0, 2, 3]), np.array([1.0, -2.0, 4.0])).tolist()
    [3.0, 4.0]
    """
    out = np.empty(indptr.size - 1)
    add_strengths(indptr, weights, out)
    return out


def apply_laplacian(
    indptr: Ints, indices: Ints, weights: Floats, strength: Floats, values: Floats, out: Floats
) -> None:
    """Write T_x = sum_n (|w| v_x - w v_n) over the neighbours n of each node x, row by row.

    Parameters
    ----------
    indptr, indices, weights : arrays
        Neighbours by rows (CSR), each with its weight; int64, int64 and float64.
    strength : (n,) float64 array
        Sum of the absolute weights of each node.
    values : (n, k) float64 array, C-contiguous
    out : (n, k) float64 array, C-contiguous
        May not share memory with `values`.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty((2, 2))
    >>> apply_laplacian(
    ...     np.array([0, 1, 2]), np.array([1, 0]), np.ones(2), np.ones(2),
    ...     np.array([[1.0, 2.0], [4.0, 8.0]]), out,
    ... )
    >>> out.tolist()
    [[-3.0, -6.0], [3.0, 6.0]]
    """
    _apply_laplacian(indptr, indices, weights, strength, values, out)


def row_products(
    values: Floats, channels: Floats, power: int, order: int
) -> tuple[Floats, Floats, Floats]:
    """Return sums of powers, of powers times channels, and of channels times channels.

    Parameters
    ----------
    values : (n,) float64 array, C-contiguous
        u, of order one.
    channels : (C, n) float64 array, C-contiguous
        T, any number of rows.
    power : int
        Largest power K of u that channels are multiplied with.
    order : int
        Largest power P of u that is summed, at least K.

    Returns
    -------
    moments : (P + 1,) array
        sum u^p, from p = 0.
    cross : (K + 1, C) array
        sum u^k T_c, from k = 0.
    gram : (C, C) array
        sum T_c T_d.

    Examples
    --------
    >>> import numpy as np
    >>> moments, cross, gram = row_products(np.array([1.0, 2.0]), np.array([[3.0, -1.0]]), 1, 2)
    >>> moments.tolist(), cross.tolist(), gram.tolist()
    ([2.0, 3.0, 5.0], [[2.0], [1.0]], [[10.0]])
    """
    count = channels.shape[0]
    moments, cross = np.zeros(order + 1), np.zeros((power + 1, count))
    gram = np.zeros((count, count))
    _add_products(values, channels, np.empty(_PIECE), moments, cross, gram)
    return moments, cross, gram


@borrowing_kernel
def add_neighbours(
    indptr: Ints, indices: Ints, weights: Floats, values: Floats, out: Floats
) -> None:
    """Write sum_n w v_n over the neighbours n of each node, row by row; as `apply_laplacian`."""
    for x in range(out.shape[0]):
        begin, end = indptr[x], indptr[x + 1]
        _add_rows(values, indices[begin:end], weights[begin:end], out[x])


@borrowing_kernel
def _apply_laplacian(
    indptr: Ints, indices: Ints, weights: Floats, strength: Floats, values: Floats, out: Floats
) -> None:
    for x in range(out.shape[0]):
        begin, end = indptr[x], indptr[x + 1]
        to, own, total = out[x], values[x], strength[x]
        _add_rows(values, indices[begin:end], weights[begin:end], to)
        for i in range(to.size):
            to[i] = total * own[i] - to[i]


@inlined_kernel
def _add_rows(values: Floats, row: Ints, weights: Floats, out: Floats) -> None:
    """Write the weighted sum of rows, four at a time: the sum is stored less often."""
    for i in range(out.size):
        out[i] = 0.0
    whole = row.size // 4 * 4
    for k in range(0, whole, 4):
        a, b = values[row[k]], values[row[k + 1]]
        c, d = values[row[k + 2]], values[row[k + 3]]
        wa, wb, wc, wd = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for i in range(out.size):
            out[i] += wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i]
    for k in range(whole, row.size):
        a, wa = values[row[k]], weights[k]
        for i in range(out.size):
            out[i] += wa * a[i]


@borrowing_kernel
def _add_products(
    values: Floats, channels: Floats, room: Floats, moments: Floats, cross: Floats, gram: Floats
) -> None:
    order, power, count = moments.size - 1, cross.shape[0] - 1, channels.shape[0]
    for at in range(0, values.size, room.size):
        n = min(room.size, values.size - at)
        u, p = values[at : at + n], room[:n]
        moments[0] += n
        for c in range(count):
            row = channels[c, at : at + n]
            total = 0.0
            for i in range(n):
                total += row[i]
            cross[0, c] += total
            for d in range(c, count):
                other = channels[d, at : at + n]
                total = 0.0
                for i in range(n):
                    total += row[i] * other[i]
                gram[c, d] += total
        for k in range(1, order + 1):
            total = 0.0
            if k == 1:
                for i in range(n):
                    p[i] = u[i]
                    total += u[i]
            else:
                for i in range(n):
                    p[i] *= u[i]
                    total += p[i]
            moments[k] += total
            if k <= power:
                for c in range(count):
                    row = channels[c, at : at + n]
                    total = 0.0
                    for i in range(n):
                        total += p[i] * row[i]
                    cross[k, c] += total
    for c in range(count):
        for d in range(c):
            gram[c, d] = gram[d, c]
