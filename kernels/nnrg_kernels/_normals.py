"""Normal and chi-square numbers that are functions of (key, counter): no state, no order."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nnrg_kernels._elementary import log_of_uniform, turn
from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._random import bits, uniforms

__all__ = ["chi_square", "fill_normals", "successes"]

Floats = npt.NDArray[np.float64]

_TO_ANGLE = 2.0 * math.pi * 2.0**-32
_EIGHTH = 0x20000000
_QUARTER = 0x3FFFFFFF


@borrowing_kernel
def _normal_pair(key: np.uint64, counter: np.uint64) -> tuple[float, float]:
    """Return two independent normal numbers of one output of the hash (Box and Muller).

    With its halves u, v as numbers in (0, 1): sqrt(-2 ln u) times cosine and sine of 2 pi v. No
    number is larger than 6.8, which of 1e11 one would be.
    """
    word = bits(key, counter)
    u = (np.int64(word >> np.uint64(32)) + 0.5) * 2.0**-32
    radius = math.sqrt(-2.0 * log_of_uniform(u))
    low = np.int64(np.int64(word & np.uint64(0xFFFFFFFF)) + np.int64(_EIGHTH))
    quarter = np.int64(low >> np.int64(30))
    rest = np.int64(np.int64(low & np.int64(_QUARTER)) - np.int64(_EIGHTH))
    cosine, sine = turn((rest + 0.5) * _TO_ANGLE, quarter)
    return radius * cosine, radius * sine


@borrowing_kernel
def fill_normals(key: np.uint64, counter: np.uint64, out: Floats) -> None:
    """Fill `out` with normal numbers of the outputs `counter`, `counter` + 1, ... of the hash.

    The first half of the numbers, the larger one, are the cosines.
    """
    half = (out.size + 1) // 2
    pairs = out.size - half
    first, second = out[:pairs], out[half:]
    for m in range(second.size):
        a, b = _normal_pair(key, np.uint64(counter + np.uint64(m)))
        first[m] = a
        second[m] = b
    if half > pairs:
        out[pairs] = _normal_pair(key, np.uint64(counter + np.uint64(pairs)))[0]


@borrowing_kernel
def chi_square(key: np.uint64, counter: np.uint64, dof: int | np.int64) -> tuple[float, np.uint64]:
    """Return a chi-square number of `dof` degrees of freedom, and the next counter.

    By rejection from the cube of a normal number (G. Marsaglia and W. W. Tsang, ACM Trans. Math.
    Softw. 26 (2000) 363, doi:10.1145/358407.358414); up to three degrees as a sum of squares.
    """
    one = np.uint64(1)
    if dof <= 0:
        return 0.0, counter
    if dof <= 3:
        a, b = _normal_pair(key, counter)
        counter = np.uint64(counter + one)
        total = a * a + (b * b if dof > 1 else 0.0)
        if dof == 3:
            a, b = _normal_pair(key, counter)
            counter = np.uint64(counter + one)
            total += a * a
        return total, counter
    d = 0.5 * dof - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x, _ = _normal_pair(key, counter)
        u, _ = uniforms(key, np.uint64(counter + one))
        counter = np.uint64(counter + np.uint64(2))
        v = 1.0 + c * x
        if v > 0.0:
            v = v * v * v
            if math.log(u) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
                return 2.0 * d * v, counter


@borrowing_kernel
def successes(key: np.uint64, counter: np.uint64, trials: int) -> tuple[np.int64, np.uint64]:
    """Return how many of so many fair coins show heads, and the next counter."""
    total = np.uint64(0)
    for start in range(0, trials, 64):
        word = bits(key, counter)
        counter = np.uint64(counter + np.uint64(1))
        if trials - start < 64:
            word = np.uint64(word >> np.uint64(64 - (trials - start)))
        # Bits counted two, four, eight at a time.
        pairs = np.uint64(np.uint64(word >> np.uint64(1)) & np.uint64(0x5555555555555555))
        word = np.uint64(word - pairs)
        fours = np.uint64(np.uint64(word >> np.uint64(2)) & np.uint64(0x3333333333333333))
        word = np.uint64(np.uint64(word & np.uint64(0x3333333333333333)) + fours)
        word = np.uint64(word + np.uint64(word >> np.uint64(4)))
        word = np.uint64(word & np.uint64(0x0F0F0F0F0F0F0F0F))
        total += np.uint64(np.uint64(word * np.uint64(0x0101010101010101)) >> np.uint64(56))
    return np.int64(total), counter
