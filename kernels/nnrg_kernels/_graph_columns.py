"""Rows of a sparse matrix times a block of columns, eight columns at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._prefetch import prefetch

__all__ = ["EIGHT", "add_blocks", "multiply_eight", "multiply_one"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

EIGHT = 8
AHEAD = 16  # entries whose columns are asked for ahead


@borrowing_kernel
def multiply_one(
    indptr: Ints,
    indices: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    values: npt.NDArray[Any],
    column: int,
    start: int,
    stop: int,
    out: npt.NDArray[Any],
) -> None:
    """Write rows start .. stop of one column of the product."""
    for node in range(start, stop):
        begin, end = indptr[node], indptr[node + 1]
        row, row_weights = indices[begin:end], weights[begin:end]
        total = 0.0
        for e in range(row.size):
            total += np.float64(row_weights[e]) * values[np.uint64(row[e]), column]
        out[node, column] = total


@borrowing_kernel
def multiply_eight(
    indptr: Ints,
    indices: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    values: npt.NDArray[Any],
    start: int,
    stop: int,
    out: npt.NDArray[Any],
) -> None:
    """Write rows start .. stop of every whole eight of columns of the product.

    Eight sums with names stay in registers, which the elements of an array would not.
    """
    width = values.shape[1]
    for node in range(start, stop):
        begin, end = indptr[node], indptr[node + 1]
        row, row_weights = indices[begin:end], weights[begin:end]
        for column in range(0, width - EIGHT + 1, EIGHT):
            c = np.uint64(column)
            c1, c2 = np.uint64(column + 1), np.uint64(column + 2)
            c3, c4 = np.uint64(column + 3), np.uint64(column + 4)
            c5, c6 = np.uint64(column + 5), np.uint64(column + 6)
            c7 = np.uint64(column + 7)
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
            for e in range(row.size):
                # Its columns may lie across two cache lines.
                if begin + e + AHEAD < indices.size:
                    soon = np.int64(indices[begin + e + AHEAD]) * width + column
                    prefetch(values, soon)
                    prefetch(values, soon + EIGHT - 1)
                j, w = np.uint64(row[e]), np.float64(row_weights[e])
                s0 += w * values[j, c]
                s1 += w * values[j, c1]
                s2 += w * values[j, c2]
                s3 += w * values[j, c3]
                s4 += w * values[j, c4]
                s5 += w * values[j, c5]
                s6 += w * values[j, c6]
                s7 += w * values[j, c7]
            out[node, column] = s0
            out[node, column + 1] = s1
            out[node, column + 2] = s2
            out[node, column + 3] = s3
            out[node, column + 4] = s4
            out[node, column + 5] = s5
            out[node, column + 6] = s6
            out[node, column + 7] = s7


@borrowing_kernel
def add_blocks(labels: Ints, values: npt.NDArray[Any], out: Floats) -> None:
    """Add the values of one sample to the sums of their blocks, in the order of the nodes."""
    for node in range(values.size):
        out[np.uint64(labels[node])] += np.float64(values[node])
