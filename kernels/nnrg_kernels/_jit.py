"""Numba settings of every kernel, in one place.

``kernel`` compiles a serial loop that releases the GIL, ``borrowing_kernel`` one that Python's own
threads share arrays in. Kernels have no explicit signatures, which would compile them at import.

Machine code is kept on disk in a folder named by a hash of all kernel sources. Numba's own key is
one source file's time stamp and size: it misses a change in a second file that a kernel calls, and
wheels give every file the same time. Where no folder can be written, code is kept in memory.

Fast-math is a set of flags without ``nnan`` and ``ninf``, so that NaN and infinity in the data
reach the result. ``reassoc`` lets sums be vectorised: the order of a reduction is then fixed by
the compiled code and the data's shape, never by the number of threads.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba

__all__ = [
    "FAST_MATH",
    "borrowing_kernel",
    "cache_folder",
    "inlined_kernel",
    "kernel",
    "python_version",
]

F = TypeVar("F", bound=Callable[..., Any])

FAST_MATH = {"reassoc", "contract", "nsz", "arcp"}


@cache
def cache_folder() -> Path:
    """Return the folder of the compiled kernels: one per state of their sources."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    root = os.environ.get("NUMBA_CACHE_DIR")
    if not root:
        home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        root = str(Path(home) / "nnrg")
    return Path(root) / f"kernels-{digest.hexdigest()[:16]}"


def _compile(function: F, **options: Any) -> F:
    # The folder is looked up once, when the decorator runs: the global setting is put back.
    settings: Any = numba.config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(cache_folder())
    try:
        return numba.njit(cache=True, error_model="numpy", **options)(function)  # type: ignore[no-any-return]
    except (RuntimeError, OSError):  # the folder cannot be written
        return numba.njit(error_model="numpy", **options)(function)  # type: ignore[no-any-return]
    finally:
        settings.CACHE_DIR = before


def kernel(function: F) -> F:
    """Compile a serial loop that releases the GIL."""
    return _compile(function, nogil=True, fastmath=FAST_MATH)


def borrowing_kernel(function: F) -> F:
    """Compile a serial loop that releases the GIL and keeps no reference counts.

    Numba counts references to an array's memory with atomic operations, at every slice and every
    attribute of a tuple. Two threads that slice the same arrays then spend most of their time on
    the counters' one cache line. Functions compiled here neither allocate nor return arrays, so
    that their caller's reference is enough and no count is kept.
    """
    return _compile(function, nogil=True, fastmath=FAST_MATH, _nrt=False)


def inlined_kernel(function: F) -> F:
    """Compile a loop that other kernels call: it becomes part of each of them.

    As a function of its own it is compiled twice, alone and along with its caller, and the order of
    its sums may differ between the two: which one runs depends on whether the caller was compiled
    in this process or taken from the cache. Inlined, there is but one.
    """
    return _compile(function, nogil=True, fastmath=FAST_MATH, _nrt=False, forceinline=True)


def python_version(function: F) -> F:
    """Return the interpreted twin of a kernel; also works under ``NUMBA_DISABLE_JIT=1``."""
    return getattr(function, "py_func", function)
