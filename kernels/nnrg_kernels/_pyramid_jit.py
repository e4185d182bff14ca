"""Kernels that only borrow their arrays.

Numba counts references to an array's memory with atomic operations, at every slice and every
attribute of a tuple. Two threads that slice the same arrays then spend most of their time on the
counters' one cache line. Functions compiled here neither allocate nor return arrays, so that
their caller's reference is enough and no count is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from nnrg_kernels._jit import FAST_MATH, _compile

__all__ = ["borrowing_kernel"]

F = TypeVar("F", bound=Callable[..., Any])


def borrowing_kernel(function: F) -> F:
    """Compile a serial loop that releases the GIL and keeps no reference counts."""
    return _compile(function, nogil=True, fastmath=FAST_MATH, _nrt=False)
