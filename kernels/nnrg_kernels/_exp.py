"""The exponential function as arithmetic, which loops over arrays can be vectorised through."""

from __future__ import annotations

import numpy as np

from nnrg_kernels._jit import borrowing_kernel

__all__ = ["exp_of_negative"]

_LOG2_E = 1.4426950408889634
# ln 2 in two parts: a multiple of the first, of 33 bits, is exact.
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
# Below, the result would not be a normal number; nothing here can tell e^-700 from zero.
_LEAST = -700.0


@borrowing_kernel
def exp_of_negative(x: float) -> float:
    """Return e^x for x <= 0 with a relative error below 5e-14; what is below -700 counts as -700.

    x = n ln 2 + s with integer n; 2^n is written into the exponent of a float64, and e^s,
    at most ln(2) / 2 in size, is its Taylor polynomial of order 11.
    """
    x = max(x, _LEAST)
    n = np.int32(x * _LOG2_E - 0.5)
    s = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = 1 / 39916800.0
    p = p * s + 1 / 3628800.0
    p = p * s + 1 / 362880.0
    p = p * s + 1 / 40320.0
    p = p * s + 1 / 5040.0
    p = p * s + 1 / 720.0
    p = p * s + 1 / 120.0
    p = p * s + 1 / 24.0
    p = p * s + 1 / 6.0
    p = p * s + 0.5
    p = p * s + 1.0
    p = p * s + 1.0
    power: float = np.int64(np.int64(n + 1023) << np.int64(52)).view(np.float64)
    return p * power
