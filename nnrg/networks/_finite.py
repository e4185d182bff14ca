"""Count NaN and infinity in floats of any width, from their bits.

Without the sign, the bits of a float, as an integer, are at or above a threshold if and only if it
is NaN or infinite. Two maxima of integers decide: that of the signed bits sees the positive
numbers, that of the unsigned bits the negative ones. `numpy.isfinite` goes one by one through the
16-bit and 8-bit types, and writes a result as long as its input for the others.
"""

from __future__ import annotations

import numpy as np

from nnrg.networks._source import Array

__all__ = ["count_nonfinite"]

# Smallest bits, without the sign, that are not a finite number.
_THRESHOLDS = {
    "float64": 0x7FF0000000000000,
    "float32": 0x7F800000,
    "float16": 0x7C00,
    "bfloat16": 0x7F80,
    "float8_e5m2": 0x7C,
    "float8_e4m3fn": 0x7F,
}
_PIECE = 2**17  # numbers at a time: they stay in the second-level cache between the two maxima


def count_nonfinite(array: Array) -> int:
    """Return how many numbers in `array` are NaN or infinite.

    Examples
    --------
    >>> count_nonfinite(np.array([1.0, np.nan, -np.inf]))
    2
    """
    threshold = _THRESHOLDS.get(array.dtype.name)
    if threshold is None:
        return 0 if array.dtype.kind in "biu" else int(np.sum(~np.isfinite(array)))
    if not array.flags.c_contiguous:
        array = array.T if array.flags.f_contiguous else np.ascontiguousarray(array)
    width = array.dtype.itemsize
    sign = 2 ** (8 * width - 1)
    unsigned = array.reshape(-1).view(f"u{width}")
    signed = unsigned.view(f"i{width}")
    count = 0
    for start in range(0, unsigned.size, _PIECE):
        piece = unsigned[start : start + _PIECE]
        if piece.max() >= sign + threshold or signed[start : start + _PIECE].max() >= threshold:
            count += int(np.count_nonzero(piece & unsigned.dtype.type(sign - 1) >= threshold))
    return count
