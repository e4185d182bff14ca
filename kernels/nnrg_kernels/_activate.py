"""Activation functions over arrays, by the codes of `nnrg.activation_functions`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._elementary import cosine, erf, erfc, sigmoid, sine, tanh
from nnrg_kernels._jit import inlined_kernel

__all__ = ["TANH", "activate"]

Floats = npt.NDArray[np.float64]

# Those below are piecewise linear with slopes of their own.
TANH, _ERF, _GELU, _SILU, _SIN, _COS, _SIGMOID, _GELU_TANH = 3, 4, 5, 6, 7, 8, 9, 10
_SQRT_HALF = 0.7071067811865476
_GELU_SCALE, _GELU_CUBIC = 0.7978845608028654, 0.044715


@inlined_kernel
def activate(code: int, below: float, above: float, z: Floats, out: Floats) -> None:
    """Write phi(z) to `out`; `below` and `above` are the slopes of codes 0 to 2."""
    n = out.size
    if code < TANH:
        for i in range(n):
            out[i] = z[i] * (above if z[i] >= 0 else below)
    elif code == TANH:
        for i in range(n):
            out[i] = tanh(z[i])
    elif code == _ERF:
        for i in range(n):
            out[i] = erf(z[i])
    elif code == _GELU:
        for i in range(n):
            y = _SQRT_HALF * z[i]
            tail = erfc(abs(y))
            out[i] = 0.5 * z[i] * (tail if y < 0 else 2.0 - tail)
    elif code == _SILU:
        for i in range(n):
            out[i] = z[i] * sigmoid(z[i])
    elif code == _SIN:
        for i in range(n):
            out[i] = sine(z[i])
    elif code == _COS:
        for i in range(n):
            out[i] = cosine(z[i])
    elif code == _SIGMOID:
        for i in range(n):
            out[i] = sigmoid(z[i])
    else:
        for i in range(n):
            y = _GELU_SCALE * (z[i] + _GELU_CUBIC * z[i] * z[i] * z[i])
            out[i] = z[i] * sigmoid(2.0 * y)
