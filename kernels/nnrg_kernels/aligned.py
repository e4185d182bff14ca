"""Arrays that start on a cache line."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["aligned_empty"]

CACHE_LINE = 64  # bytes


def aligned_empty(
    shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.float64
) -> npt.NDArray[Any]:
    """Return an empty array that starts on a cache line, which `numpy.empty` does not.

    Vector loads across two lines cost double. So does the system's copy of a file, page after page,
    to memory that starts 16 bytes after a page, which is where `numpy.empty` puts a large array.

    Examples
    --------
    >>> aligned_empty((3, 2)).ctypes.data % 64
    0
    """
    sizes = shape if isinstance(shape, tuple) else (operator.index(shape),)
    kind = np.dtype(dtype)
    size = math.prod(sizes) * kind.itemsize
    memory = np.empty(size + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + size].view(kind).reshape(sizes)
