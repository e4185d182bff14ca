"""Rows of the three-term recurrence of Lanczos, for eight vectors side by side.

The eight numbers of a node are one vector register and, where the block starts on one, one cache
line: a neighbour costs one load. The compiler does not find this by itself (a sum over neighbours
is made of eight scalar ones, twice as slow), so the sum is written out for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nnrg_kernels._jit import borrowing_kernel

__all__ = ["WIDTH", "multiply_rows", "subtract_rows"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[Any]

WIDTH = 8
"""Vectors of a block."""


def _sum_neighbours(
    typing_context: Any, indices: Any, weights: Any, vectors: Any, lo: Any, hi: Any, out: Any
) -> Any:
    """Put the sum of weights[e] * vectors[8 indices[e] : + 8], lo <= e < hi, into out[:8]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def data(k: int) -> Any:
            return context.make_array(signature.args[k])(context, builder, args[k]).data

        index, weight, vector, target = data(0), data(1), data(2), data(5)
        number, register = ir.DoubleType(), ir.VectorType(ir.DoubleType(), WIDTH)
        long, lanes = ir.IntType(64), ir.VectorType(ir.IntType(32), WIDTH)
        unset = ir.Constant(register, ir.Undefined)
        zero = ir.Constant(ir.IntType(32), 0)
        start = ir.Constant(register, [0.0] * WIDTH)
        total = cgutils.alloca_once_value(builder, start)  # type: ignore[no-untyped-call]
        step = ir.Constant(long, 1)
        with cgutils.for_range_slice(builder, args[3], args[4], step, inc=True) as (e, _):
            node = builder.load(builder.gep(index, [e]))
            if node.type.width < long.width:
                node = builder.zext(node, long)
            here = builder.gep(vector, [builder.mul(node, ir.Constant(long, WIDTH))])
            row = builder.load(builder.bitcast(here, register.as_pointer()), align=8)
            w = builder.load(builder.gep(weight, [e]))
            if w.type != number:
                w = builder.fpext(w, number)
            w = builder.insert_element(unset, w, zero)
            w = builder.shuffle_vector(w, unset, ir.Constant(lanes, [0] * WIDTH))
            product = builder.fmul(w, row, flags=("contract",))
            builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
        builder.store(builder.load(total), builder.bitcast(target, register.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(indices, weights, vectors, lo, hi, out), codegen


sum_neighbours: Any = intrinsic(_sum_neighbours)


@borrowing_kernel
def multiply_rows(
    indptr: Ints,
    indices: Ints,
    weights: npt.NDArray[Any],
    diagonal: Floats,
    vectors: Floats,
    scale: Floats,
    back: Floats,
    start: int,
    stop: int,
    before: Floats,
    sums: Floats,
) -> None:
    """Put (D - A) v - back * before in the place of `before`; sum its products with v.

    Parameters
    ----------
    indptr, indices, weights : arrays
        CSR of A.
    diagonal : (n,) array
        D.
    vectors : (8 n,) array
        Node by node; times `scale` these are the vectors v.
    scale, back : (8,) arrays
    start, stop : int
        Rows to fill in.
    before : (8 n,) array
    sums : (2, 8) array
        The first row is room to work in, the second is what is summed.
    """
    row, total = sums[0], sums[1]
    for c in range(8):
        total[c] = 0.0
    for i in range(np.uint64(start), np.uint64(stop)):
        lo, hi = np.int64(indptr[i]), np.int64(indptr[i + np.uint64(1)])
        sum_neighbours(indices, weights, vectors, lo, hi, row)
        d, first = diagonal[i], i << np.uint64(3)
        for c in range(np.uint64(8)):
            v = scale[c] * vectors[first + c]
            new = d * v - scale[c] * row[c] - back[c] * before[first + c]
            before[first + c] = new
            total[c] += new * v


@borrowing_kernel
def subtract_rows(
    vectors: Floats, factor: Floats, start: int, stop: int, new: Floats, squares: Floats
) -> None:
    """Take factor * vectors from `new`, and sum the squares of what is left.

    Parameters
    ----------
    vectors, new : (8 n,) arrays
    factor, squares : (8,) arrays
    start, stop : int
        Rows.
    """
    for c in range(8):
        squares[c] = 0.0
    for i in range(np.uint64(start), np.uint64(stop)):
        first = i << np.uint64(3)
        for c in range(np.uint64(8)):
            x = new[first + c] - factor[c] * vectors[first + c]
            new[first + c] = x
            squares[c] += x * x
