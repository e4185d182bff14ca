"""Sums over runs of sites, and moments of block means by the kinds of their rows and columns."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel

__all__ = ["moments_by_kind", "scaled_by_kind", "sum_runs"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def sum_runs(values: npt.NDArray[Any], starts: Ints, axis: int) -> Floats:
    """Return sums over runs of neighbouring sites along one axis, added up in float64.

    Parameters
    ----------
    values : float64 or float32 array, C-contiguous
    starts : (B + 1,) int64 array, ascending
        First site of each run, and the end of the last.
    axis : int

    Returns
    -------
    float64 array
        Of the shape of `values`, with B in place of the length of the axis.

    Examples
    --------
    >>> import numpy as np
    >>> sum_runs(np.array([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]]), np.array([0, 1, 3]), 1).tolist()
    [[1.0, 6.0], [8.0, 48.0]]
    """
    before, length, after = values.shape[:axis], values.shape[axis], values.shape[axis + 1 :]
    rows, width = prod(before), prod(after)
    out = np.empty((*before, starts.size - 1, *after))
    to = out.reshape(rows, starts.size - 1, width)
    _sum_runs(values.reshape(rows, length, width), starts, to)
    return out


def moments_by_kind(
    means: Floats, shift: float, row_kind: Ints, column_kind: Ints, kinds: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Return sums of y - shift, and of its square, for each kind of row and of column.

    Parameters
    ----------
    means : (S, n_0, n_1) float64 array, C-contiguous
    shift : float
    row_kind, column_kind : (n_0,) and (n_1,) int64 arrays
    kinds : pair of int
        How many kinds there are.

    Returns
    -------
    sums, squares : float64 arrays of shape `kinds`
    """
    sums, squares = np.zeros((2, *kinds))
    _add_moments(means, float(shift), row_kind, column_kind, sums, squares)
    return sums, squares


def scaled_by_kind(
    means: Floats, mean: float, row_kind: Ints, column_kind: Ints, factor: Floats
) -> Floats:
    """Return mean + f (y - mean), with a factor f for each kind of row and of column."""
    out = np.empty_like(means)
    _scale(means, float(mean), row_kind, column_kind, factor, out)
    return out


@borrowing_kernel
def _sum_runs(values: npt.NDArray[Any], starts: Ints, out: Floats) -> None:
    width = values.shape[2]
    for row in range(values.shape[0]):
        for block in range(starts.size - 1):
            begin, end = starts[block], starts[block + 1]
            if width == 1:
                total = 0.0
                run = values[row, begin:end, 0]
                for i in range(run.size):
                    total += run[i]
                out[row, block, 0] = total
                continue
            to = out[row, block]
            for i in range(width):
                to[i] = 0.0
            for site in range(begin, end):
                line = values[row, site]
                for i in range(width):
                    to[i] += line[i]


@borrowing_kernel
def _add_moments(
    means: Floats, shift: float, row_kind: Ints, column_kind: Ints, sums: Floats, squares: Floats
) -> None:
    for sample in range(means.shape[0]):
        for row in range(means.shape[1]):
            line = means[sample, row]
            first, second = sums[row_kind[row]], squares[row_kind[row]]
            for i in range(line.size):
                y, kind = line[i] - shift, np.uint64(column_kind[i])
                first[kind] += y
                second[kind] += y * y


@borrowing_kernel
def _scale(
    means: Floats, mean: float, row_kind: Ints, column_kind: Ints, factor: Floats, out: Floats
) -> None:
    for sample in range(means.shape[0]):
        for row in range(means.shape[1]):
            line, to, of_kind = means[sample, row], out[sample, row], factor[row_kind[row]]
            for i in range(line.size):
                to[i] = mean + (line[i] - mean) * of_kind[np.uint64(column_kind[i])]
