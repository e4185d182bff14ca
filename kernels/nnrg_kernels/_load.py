"""Numbers of any float type, converted to float64 in tiles.

A kernel takes its field as flat bytes and a code for the type, so that it is compiled once and not
once per type, and no converted copy of a whole field is ever made.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import kernel

__all__ = ["BFLOAT16", "FLOAT16", "FLOAT32", "FLOAT64", "as_bytes", "load"]

FLOAT64, FLOAT32, FLOAT16, BFLOAT16 = 0, 1, 2, 3
_CODES = {"float64": FLOAT64, "float32": FLOAT32, "float16": FLOAT16, "bfloat16": BFLOAT16}


def as_bytes(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], int]:
    """Return C-contiguous `values` as flat bytes, without a copy, and the code of their type."""
    return values.reshape(-1).view(np.uint8), _CODES[values.dtype.name]


@kernel
def load(
    raw: npt.NDArray[np.uint8],
    code: int,
    start: int,
    shift: float,
    inverse: float,
    out: npt.NDArray[np.float64],
) -> None:
    """Write ``(x[start : start + out.size] - shift) * inverse`` to `out`."""
    n = out.size
    if code == 0:
        x64 = raw[8 * start : 8 * (start + n)].view(np.float64)
        for i in range(n):
            out[i] = (x64[i] - shift) * inverse
    elif code == 1:
        x32 = raw[4 * start : 4 * (start + n)].view(np.float32)
        for i in range(n):
            out[i] = (np.float64(x32[i]) - shift) * inverse
    elif code == 2:
        # Exponent and mantissa shifted into a float32; the scale 2^112 mends the exponent's
        # offset and is exact for subnormal numbers too. Only infinity and NaN need the branch.
        half = raw[2 * start : 2 * (start + n)].view(np.uint16)
        word = np.empty(1, np.uint32)
        single = word.view(np.float32)
        for i in range(n):
            h = np.uint32(half[i])
            word[0] = np.uint32(np.uint32(h & np.uint32(0x7FFF)) << np.uint32(13))
            x = np.float64(single[0]) * 5.192296858534828e33
            if (h & np.uint32(0x7C00)) == np.uint32(0x7C00):
                x = np.inf if (h & np.uint32(0x03FF)) == np.uint32(0) else np.nan
            if (h & np.uint32(0x8000)) != np.uint32(0):
                x = -x
            out[i] = (x - shift) * inverse
    else:
        brain = raw[2 * start : 2 * (start + n)].view(np.uint16)
        wide = np.empty(n, np.uint32)
        for i in range(n):
            wide[i] = np.uint32(np.uint32(brain[i]) << np.uint32(16))
        y32 = wide.view(np.float32)
        for i in range(n):
            out[i] = (np.float64(y32[i]) - shift) * inverse
