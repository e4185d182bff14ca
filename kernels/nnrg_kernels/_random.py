"""Random numbers that are a hash of (key, counter): no state, so no order of threads matters."""

from __future__ import annotations

import numpy as np

from nnrg_kernels._jit import borrowing_kernel

__all__ = ["bits", "uniforms"]


@borrowing_kernel
def bits(key: np.uint64, counter: np.uint64) -> np.uint64:
    """Return output number `counter`, 1 for the first, of SplitMix64 seeded by `key`.

    G. L. Steele, D. Lea and C. H. Flood, OOPSLA 2014, doi:10.1145/2660193.2660195. Every step is
    cast: a signed operand would turn the whole into floating point.
    """
    z = np.uint64(key + np.uint64(counter * np.uint64(0x9E3779B97F4A7C15)))
    z = np.uint64(np.uint64(z ^ np.uint64(z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    z = np.uint64(np.uint64(z ^ np.uint64(z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    return np.uint64(z ^ np.uint64(z >> np.uint64(31)))


@borrowing_kernel
def uniforms(key: np.uint64, counter: np.uint64) -> tuple[float, float]:
    """Return two numbers in (0, 1), the halves of one output."""
    z = bits(key, counter)
    high = np.int64(z >> np.uint64(32))
    low = np.int64(z & np.uint64(0xFFFFFFFF))
    return (high + 0.5) * 2.0**-32, (low + 0.5) * 2.0**-32
