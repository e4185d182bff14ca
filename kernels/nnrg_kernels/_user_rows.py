"""Derivatives of a user's own operators: compiled once for each pair of functions, called by rows.

The sums over sites are compiled once for all. They reach a user's functions by the address of a
loop over the sites of a row, compiled for these functions, so that the call is paid once for
hundreds of sites and nothing else is compiled again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.core.funcdesc import ExternalFunctionDescriptor
from numba.extending import intrinsic

from nnrg_kernels._jit import FAST_MATH

__all__ = ["add_user_rows", "compile_pair", "compile_site"]

Floats = npt.NDArray[np.float64]

_NUMBERS = types.CPointer(types.float64)  # type: ignore[no-untyped-call]
_ARGUMENTS = (_NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS, types.intp)
_ROWS = types.intp(*_ARGUMENTS)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that compiled loops can call; a dispatcher stays as it is."""
    if hasattr(function, "py_func"):
        return function
    return numba.njit(error_model="numpy", fastmath=FAST_MATH)(function)


@lru_cache(maxsize=64)
def compile_pair(first: Callable[..., Any], second: Callable[..., Any]) -> Any:
    """Compile the loop over a row that adds first(y, n) and second(y, n) to two rows."""
    d1, d2 = _compiled(first), _compiled(second)

    def rows(y, near, derivative, slope, n):  # type: ignore[no-untyped-def]
        for i in range(n):
            derivative[i] += d1(y[i], near[i])
            slope[i] += d2(y[i], near[i])
        return n

    return numba.cfunc(_ROWS, error_model="numpy", fastmath=FAST_MATH)(rows)


@lru_cache(maxsize=64)
def compile_site(first: Callable[..., Any], second: Callable[..., Any]) -> Any:
    """Compile the loop over a row that adds first(y) and second(y) to two rows."""
    d1, d2 = _compiled(first), _compiled(second)

    def rows(y, near, derivative, slope, n):  # type: ignore[no-untyped-def]
        for i in range(n):
            derivative[i] += d1(y[i])
            slope[i] += d2(y[i])
        return n

    return numba.cfunc(_ROWS, error_model="numpy", fastmath=FAST_MATH)(rows)


def _add_user_rows(typing, address, y, near, derivative, slope):  # type: ignore[no-untyped-def]
    """Call the compiled loop at `address` on four rows, arrays of one length."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        arrays = [
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[1:], arguments[1:], strict=True)
        ]
        loop = ExternalFunctionDescriptor(  # type: ignore[no-untyped-call]
            "rows", types.intp, _ARGUMENTS
        )
        kind = context.get_external_function_type(loop)
        target = builder.inttoptr(arguments[0], kind.as_pointer())
        length = builder.extract_value(arrays[0].shape, 0)
        builder.call(target, [array.data for array in arrays] + [length])
        return context.get_dummy_value()

    return types.void(types.intp, y, near, derivative, slope), generate


add_user_rows: Any = intrinsic(_add_user_rows)
