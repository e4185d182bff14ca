"""Numbers of any float type, converted to float64 in tiles.

A kernel takes its field as flat bytes and a code for the type, so that it is compiled once and not
once per type, and no converted copy of a whole field is ever made.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel

__all__ = ["BFLOAT16", "FLOAT16", "FLOAT32", "FLOAT64", "as_bytes", "load"]

FLOAT64, FLOAT32, FLOAT16, BFLOAT16 = 0, 1, 2, 3
_CODES = {"float64": FLOAT64, "float32": FLOAT32, "float16": FLOAT16, "bfloat16": BFLOAT16}


def as_bytes(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], int]:
    """Return C-contiguous `values` as flat bytes, without a copy, and the code of their type.

    The bytes are read-only, whatever the array is: a kernel is compiled for either kind of array.
    """
    raw = values.reshape(-1).view(np.uint8)
    raw.flags.writeable = False
    return raw, _CODES[values.dtype.name]


@borrowing_kernel
def load(
    raw: npt.NDArray[np.uint8],
    code: int,
    start: int,
    shift: float,
    inverse: float,
    out: npt.NDArray[Any],
) -> None:
    """Write ``(x[start : start + out.size] - shift) * inverse`` to `out`, float64 or float32.

    Arithmetic is that of `out`.
    """
    n = out.size
    number = out.dtype.type
    origin, unit = number(shift), number(inverse)
    if code == 0:
        x64 = raw[8 * start : 8 * (start + n)].view(np.float64)
        for i in range(n):
            out[i] = (number(x64[i]) - origin) * unit
    elif code == 1:
        x32 = raw[4 * start : 4 * (start + n)].view(np.float32)
        for i in range(n):
            out[i] = (number(x32[i]) - origin) * unit
    elif code == 2:
        half = raw[2 * start : 2 * (start + n)].view(np.uint16)
        mend = number(5.192296858534828e33)
        for i in range(n):
            # Exponent and mantissa take the places of a float32's; the factor 2^112 mends the
            # exponent's offset, exactly so for subnormal numbers too. Infinity and NaN have all
            # exponent bits set, and need them set in the wider field.
            h = np.uint32(half[i])
            word = np.uint32(np.uint32(h & np.uint32(0x7FFF)) << np.uint32(13))
            if np.uint32(h & np.uint32(0x7C00)) == np.uint32(0x7C00):
                word = np.uint32(word | np.uint32(0x70000000))
            word = np.uint32(word | np.uint32(np.uint32(h & np.uint32(0x8000)) << np.uint32(16)))
            out[i] = (number(word.view(np.float32)) * mend - origin) * unit
    else:
        brain = raw[2 * start : 2 * (start + n)].view(np.uint16)
        for i in range(n):
            wide = np.uint32(np.uint32(brain[i]) << np.uint32(16))
            out[i] = (number(wide.view(np.float32)) - origin) * unit
