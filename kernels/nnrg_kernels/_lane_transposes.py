"""Squares of numbers transposed in registers: rows of networks to lanes of a block, and back."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

__all__ = ["LANES", "lanes_to_rows", "rows_to_lanes"]

LANES = 8
"""Networks of a block."""

_LONG = ir.IntType(64)


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Exchange squares of 1, 2, 4 numbers across the diagonal."""
    found = list(rows)
    for d in (1, 2, 4):
        low = [lane if not lane & d else LANES + lane - d for lane in range(LANES)]
        high = [lane + d if not lane & d else LANES + lane for lane in range(LANES)]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), LANES), m) for m in (low, high)]
        for i in range(LANES):
            if not i & d:
                pair = found[i], found[i + d]
                found[i], found[i + d] = (builder.shuffle_vector(*pair, mask) for mask in masks)
    return found


def _moved(to_lanes: bool) -> Any:
    """Return the intrinsic of ``rows, first, lane, column``.

    It moves the square of eight rows of an array of shape (S, n), the first row on, and eight
    columns, `column` on, to or from `lane`, a block of eight entries. Rows after the last are
    copies of it on the way to lanes, and left out on the way back.
    """

    def typed(typing_context: Any, rows: Any, first: Any, lanes: Any, column: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = signature.args[0]
            many = context.make_array(kind)(context, builder, args[0])
            block = context.make_array(signature.args[2])(context, builder, args[2])
            register = ir.VectorType(context.get_data_type(kind.dtype), LANES)
            align = context.get_data_type(kind.dtype).get_abi_size(context.target_data)
            count, stride = (
                builder.extract_value(many.shape, 0),
                builder.extract_value(many.strides, 0),
            )
            last = builder.sub(count, _LONG(1))

            def row(lane: int) -> tuple[Any, Any]:
                """Return where a row of the square begins, and whether there is one."""
                at = builder.add(args[1], _LONG(lane))
                there = builder.icmp_signed("<=", at, last)
                at = builder.mul(builder.select(there, at, last), stride)
                start = builder.gep(builder.bitcast(many.data, ir.IntType(8).as_pointer()), [at])
                start = builder.bitcast(start, many.data.type)
                start = builder.gep(start, [args[3]])
                return builder.bitcast(start, register.as_pointer()), there

            def entry(k: int) -> Any:
                return builder.bitcast(
                    builder.gep(block.data, [_LONG(LANES * k)]), register.as_pointer()
                )

            if to_lanes:
                taken = [builder.load(row(lane)[0], align=align) for lane in range(LANES)]
                for k, values in enumerate(_transposed(builder, taken)):
                    builder.store(values, entry(k), align=align)
            else:
                taken = [builder.load(entry(k), align=align) for k in range(LANES)]
                for lane, values in enumerate(_transposed(builder, taken)):
                    target, there = row(lane)
                    with builder.if_then(there):
                        builder.store(values, target, align=align)
            return context.get_dummy_value()

        assert rows.dtype == lanes.dtype
        return types.void(rows, types.int64, lanes, types.int64), codegen

    return typed


rows_to_lanes: Any = intrinsic(_moved(True))
lanes_to_rows: Any = intrinsic(_moved(False))
