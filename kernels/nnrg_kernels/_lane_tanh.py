"""The hyperbolic tangent with one exponential and one division, to the last digits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

from nnrg_kernels._jit import inlined_kernel

__all__ = ["tanh"]

_LOG2_E = 1.4426950408889634
# ln 2 in two parts: a multiple of the first, of 33 bits, is exact.
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
# From here on tanh is one.
_LARGE = 20.0
# Numbers as large as this are integers, and hold their last bits where an integer does.
_INTEGERS = 6755399441055744.0
_ONE = 0x3FF0000000000000


def _typed(_: Any, a: Any, b: Any, c: Any) -> Any:
    """Return the signature and the code of ``a * b + c``, rounded once and never regrouped."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = ir.DoubleType()
        function = get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, ir.FunctionType(number, [number] * 3), "llvm.fma.f64"
        )
        return builder.call(function, arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


_fused: Any = intrinsic(_typed)


@inlined_kernel
def tanh(x: float) -> float:
    """Return tanh x = -m / (2 + m), m = e^(-2 |x|) - 1, with a relative error below 1e-15.

    With -2 |x| = s - n ln 2, m is 2^-n (e^s - 1) + (2^-n - 1), which keeps its digits near zero.
    e^s - 1 is its Taylor polynomial of order 12.
    """
    y = 2.0 * min(abs(x), _LARGE)
    rounded = _fused(y, _LOG2_E, _INTEGERS)
    n = rounded - _INTEGERS
    s = _fused(n, _LN2_LOW, _fused(n, _LN2_HIGH, -y))
    p = 1 / 479001600.0
    p = p * s + 1 / 39916800.0
    p = p * s + 1 / 3628800.0
    p = p * s + 1 / 362880.0
    p = p * s + 1 / 40320.0
    p = p * s + 1 / 5040.0
    p = p * s + 1 / 720.0
    p = p * s + 1 / 120.0
    p = p * s + 1 / 24.0
    p = p * s + 1 / 6.0
    p = p * s + 0.5
    p = _fused(p * s, s, s)
    word = np.int64(np.float64(rounded).view(np.int64) << np.int64(52))
    power: float = np.int64(np.int64(_ONE) - word).view(np.float64)
    m = _fused(power, p, power - 1.0)
    return math.copysign(m / (2.0 + m), x)
