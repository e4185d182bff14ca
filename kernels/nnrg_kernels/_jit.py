"""Numba settings of every kernel, in one place.

``kernel`` compiles a serial loop that releases the GIL; ``parallel_kernel`` is for the few outer
drivers that hand disjoint pieces of work to serial kernels (``parallel=True`` is slow to compile).
Kernels have no explicit signatures, which would compile them at import, and are cached on disk;
where the cache folder cannot be written, Numba is told to keep them in memory.

Fast-math is a set of flags without ``nnan`` and ``ninf``, so that NaN and infinity in the data
reach the result. ``reassoc`` lets sums be vectorised: the order of a reduction is then fixed by
the compiled code and the data's shape, never by the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

__all__ = ["FAST_MATH", "kernel", "parallel_kernel", "python_version"]

F = TypeVar("F", bound=Callable[..., Any])

FAST_MATH = {"reassoc", "contract", "nsz", "arcp"}


def _compile(function: F, **options: Any) -> F:
    try:
        return numba.njit(cache=True, error_model="numpy", **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder for the cache can be written: compile in memory
        return numba.njit(error_model="numpy", **options)(function)  # type: ignore[no-any-return]


def kernel(function: F) -> F:
    """Compile a serial loop that releases the GIL."""
    return _compile(function, nogil=True, fastmath=FAST_MATH)


def parallel_kernel(function: F) -> F:
    """Compile an outer driver whose ``prange`` iterations write to disjoint outputs."""
    return _compile(function, nogil=True, parallel=True, fastmath=FAST_MATH)


def python_version(function: F) -> F:
    """Return the interpreted twin of a kernel; also works under ``NUMBA_DISABLE_JIT=1``."""
    return getattr(function, "py_func", function)
