"""Tiles of matrix products for networks side by side: one number of each is a vector register.

An entry of such a matrix is `width` numbers, one of each network. A tile of the product stays in
registers while the sum runs, which the compiler does not find by itself. Every number is a sum in
the order of its terms, whatever tile or width it is computed in, so that it is the same to the last
bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

__all__ = ["column_tile", "row_tile", "single_tile", "square_tile"]

LONG = ir.IntType(64)


def _tile(rows: int, columns: int) -> Callable[..., Any]:
    """Return the intrinsic that writes a tile of ``start + a b`` to `c`.

    Its arguments are ``width, start, start_row, a, a_row, a_term, b, b_column, b_term, c, c_row,
    terms``. `width` is a tuple as long as an entry, arrays begin at the tile's first entry, strides
    are counted in entries, and columns of `c` are next to each other.
    """

    def typed(
        typing_context: Any,
        width: Any,
        start: Any,
        start_row: Any,
        a: Any,
        a_row: Any,
        a_term: Any,
        b: Any,
        b_column: Any,
        b_term: Any,
        c: Any,
        c_row: Any,
        terms: Any,
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            number = context.get_data_type(c.dtype)
            register = number if width.count == 1 else ir.VectorType(number, width.count)
            lanes = ir.Constant(LONG, width.count)
            align = number.get_abi_size(context.target_data)

            def origin(k: int) -> Any:
                return context.make_array(signature.args[k])(context, builder, args[k]).data

            def place(data: Any, *steps: tuple[int | Any, Any]) -> Any:
                """Return the address of the entry so many strides on."""
                at = ir.Constant(LONG, 0)
                for count, stride in steps:
                    count = ir.Constant(LONG, count) if isinstance(count, int) else count
                    at = builder.add(at, builder.mul(count, stride))
                found = builder.gep(data, [builder.mul(at, lanes)])
                return builder.bitcast(found, register.as_pointer())

            def load(*where: Any) -> Any:
                return builder.load(place(*where), align=align)

            many = f"v{width.count}" if width.count > 1 else ""
            fused = get_or_insert_function(  # type: ignore[no-untyped-call]
                builder.module,
                ir.FunctionType(register, [register] * 3),
                f"llvm.fma.{many}f{8 * align}",
            )
            first, left, right, out = origin(1), origin(3), origin(6), origin(9)
            sums = [
                cgutils.alloca_once_value(builder, load(first, (i, args[2])))  # type: ignore[no-untyped-call]
                for i in range(rows)
                for _ in range(columns)
            ]
            with cgutils.for_range(builder, args[11]) as loop:
                k = loop.index
                x = [load(left, (i, args[4]), (k, args[5])) for i in range(rows)]
                y = [load(right, (j, args[7]), (k, args[8])) for j in range(columns)]
                for n, total in enumerate(sums):
                    i, j = divmod(n, columns)
                    builder.store(builder.call(fused, [x[i], y[j], builder.load(total)]), total)
            for n, total in enumerate(sums):
                i, j = divmod(n, columns)
                target = place(out, (i, args[10]), (j, ir.Constant(LONG, 1)))
                builder.store(builder.load(total), target, align=align)
            return context.get_dummy_value()

        assert start.dtype == a.dtype == b.dtype == c.dtype
        sizes = (a_row, a_term, b_column, b_term, c_row, terms)
        assert all(isinstance(size, types.Integer) for size in sizes)
        n = types.int64
        return types.void(width, start, n, a, n, n, b, n, n, c, n, n), codegen

    return typed


square_tile: Any = intrinsic(_tile(4, 4))
column_tile: Any = intrinsic(_tile(4, 1))
row_tile: Any = intrinsic(_tile(1, 4))
single_tile: Any = intrinsic(_tile(1, 1))
