"""Dense layers of networks side by side.

Matrices have a block of `width` networks as their last axis, so that each number of all networks of
a block is one vector register. Blocks are filled up with copies of the last network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._activate import TANH
from nnrg_kernels._jit import borrowing_kernel, inlined_kernel
from nnrg_kernels._lane_tanh import tanh
from nnrg_kernels._lane_tiles import column_tile, row_tile, single_tile, square_tile
from nnrg_kernels._lane_transposes import LANES, lanes_to_rows, rows_to_lanes

__all__ = ["backward_layer", "forward_layer"]

Array = npt.NDArray[Any]
Width = tuple[int, ...]


@borrowing_kernel
def _product(
    width: Width,
    start: Array,
    start_row: int,
    a: Array,
    a_row: int,
    a_term: int,
    b: Array,
    b_column: int,
    b_term: int,
    c: Array,
    rows: int,
    columns: int,
    terms: int,
) -> None:
    """Write c[i, j] = start[i] + sum_k a[i, k] b[k, j], rows of c on end; strides in entries."""
    n = len(width)
    for i in range(0, rows - rows % 4, 4):
        first, left = start[i * start_row * n :], a[i * a_row * n :]
        out = c[i * columns * n :]
        for j in range(0, columns - columns % 4, 4):
            right, target = b[j * b_column * n :], out[j * n :]
            square_tile(
                width, first, start_row, left, a_row, a_term, right, b_column, b_term,
                target, columns, terms,
            )  # fmt: skip
        for j in range(columns - columns % 4, columns):
            right, target = b[j * b_column * n :], out[j * n :]
            column_tile(
                width, first, start_row, left, a_row, a_term, right, b_column, b_term,
                target, columns, terms,
            )  # fmt: skip
    for i in range(rows - rows % 4, rows):
        first, left = start[i * start_row * n :], a[i * a_row * n :]
        out = c[i * columns * n :]
        for j in range(0, columns - columns % 4, 4):
            right, target = b[j * b_column * n :], out[j * n :]
            row_tile(
                width, first, start_row, left, a_row, a_term, right, b_column, b_term,
                target, columns, terms,
            )  # fmt: skip
        for j in range(columns - columns % 4, columns):
            right, target = b[j * b_column * n :], out[j * n :]
            single_tile(
                width, first, start_row, left, a_row, a_term, right, b_column, b_term,
                target, columns, terms,
            )  # fmt: skip


@inlined_kernel
def _spread(width: Width, values: Array, first: int, out: Array) -> None:
    """Write rows of values (S, n) from the first on as a block (n * width,)."""
    n, last, done = values.shape[1], values.shape[0] - 1, 0
    if len(width) == LANES:
        done = n - n % LANES
        for k in range(0, done, LANES):
            rows_to_lanes(values, first, out[k * LANES :], k)
    for lane in range(len(width)):
        source, target = values[min(first + lane, last)], out[lane:]
        for k in range(np.uint64(done), np.uint64(n)):
            target[k * np.uint64(len(width))] = source[k]


@inlined_kernel
def _gather(width: Width, block: Array, first: int, out: Array) -> None:
    """Write a block (n * width,) to rows of `out` (S, n) from the first on."""
    n, done = out.shape[1], 0
    if len(width) == LANES:
        done = n - n % LANES
        for k in range(0, done, LANES):
            lanes_to_rows(out, first, block[k * LANES :], k)
    for lane in range(min(len(width), out.shape[0] - first)):
        source, target = block[lane:], out[first + lane]
        for k in range(np.uint64(done), np.uint64(n)):
            target[k] = source[k * np.uint64(len(width))]


@borrowing_kernel
def forward_layer(
    width: Width,
    weight: Array,
    bias: Array,
    below: Array,
    n_samples: int,
    code: int,
    slopes: tuple[float, float],
    spread_weight: Array,
    spread_bias: Array,
    z: Array,
    h: Array,
) -> None:
    """Write z = W h + b; for a piecewise linear function also phi(z), for tanh in the place of z.

    Parameters
    ----------
    width : tuple
        As long as a block has networks.
    weight : array of shape (S, n_out * n_in)
    bias : array of shape (S, n_out) or (S, 0)
    below : array of shape (blocks or 1, n_in * n_samples * width)
        h of the layer before; one block if it is the same for all.
    n_samples : int
    code : int
        Of the activation function; negative if there is nothing to write.
    slopes : (float, float)
        Of a piecewise linear function, below and above zero.
    spread_weight, spread_bias : arrays of shape (blocks, n_out * n_in * width), (blocks, ...)
        Written: weights and biases in blocks. Biases keep their zeros if there are none.
    z, h : array of shape (blocks, at least n_out * n_samples * width)
        Numbers beyond are room that lets loops run in whole registers.
    """
    n_out = spread_bias.shape[1] // len(width)
    n_in = weight.shape[1] // n_out
    for block in range(z.shape[0]):
        w, b, first = spread_weight[block], spread_bias[block], block * len(width)
        _spread(width, weight, first, w)
        if bias.shape[1]:
            _spread(width, bias, first, b)
        x, y = below[min(block, below.shape[0] - 1)], z[block]
        _product(width, b, 1, w, n_in, 1, x, 1, n_samples, y, n_out, n_samples, n_in)
        if code == TANH:
            for i in range(np.uint64(y.size)):
                y[i] = tanh(y[i])
        elif code >= 0:
            out, (down, up) = h[block], slopes
            for i in range(np.uint64(out.size)):
                out[i] = y[i] * (up if y[i] >= 0 else down)


@borrowing_kernel
def backward_layer(
    width: Width,
    spread_weight: Array,
    below: Array,
    n_samples: int,
    code: int,
    slopes: tuple[float, float],
    z: Array,
    delta: Array,
    constants: Array,
    weight_block: Array,
    bias_block: Array,
    weight_slope: Array,
    bias_slope: Array,
    back: Array,
) -> None:
    """Write the slopes of weights and biases, and of the layer before where `back` has room.

    Parameters
    ----------
    width, spread_weight, below, n_samples, code, slopes, z
        As of `forward_layer`.
    delta : array of shape (blocks, at least n_out * n_samples * width)
        Slopes by h, which are overwritten by those by z.
    constants : array of shape (2 * width,)
        Zeros, then ones.
    weight_block, bias_block : arrays of shape (n_out * n_in * width,), (n_out * width,)
        Room to work in.
    weight_slope, bias_slope : arrays of shape (S, n_out * n_in), (S, n_out) or (S, 0)
    back : array of shape (blocks, n_in * n_samples * width) or (blocks, 0)
    """
    zero, one = constants[: len(width)], constants[len(width) :]
    n_out = bias_block.size // len(width)
    n_in = weight_slope.shape[1] // n_out
    for block in range(delta.shape[0]):
        x, d, first = below[min(block, below.shape[0] - 1)], delta[block], block * len(width)
        y = z[block]
        if code == TANH:
            for i in range(np.uint64(d.size)):
                d[i] *= 1 - y[i] * y[i]
        elif code >= 0:
            down, up = slopes
            for i in range(np.uint64(d.size)):
                d[i] *= up if y[i] >= 0 else down
        _product(
            width, zero, 0, d, n_samples, 1, x, n_samples, 1, weight_block, n_out, n_in, n_samples
        )
        _gather(width, weight_block, first, weight_slope)
        if bias_slope.shape[1]:
            _product(width, zero, 0, d, n_samples, 1, one, 0, 0, bias_block, n_out, 1, n_samples)
            _gather(width, bias_block, first, bias_slope)
        if back.shape[1]:
            w, e = spread_weight[block], back[block]
            _product(width, zero, 0, w, 1, n_in, d, 1, n_samples, e, n_in, n_samples, n_out)
