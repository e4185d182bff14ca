"""Bfloat16 planes in blocks of two by two: sums of two rows at a time, straight from memory.

A word of 32 bits holds two neighbours of a row, and each of them is a float32 after one shift or
one mask. Powers, both gradients and the block means of two rows are then made in one loop that
loads a word twice, moves no number across a register and needs no converted copy of the rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._pyramid_table import SHAPE, Floats, Ints

__all__ = ["SPARE", "Singles", "Words", "pair_rows"]

Words = npt.NDArray[np.uint32]
Singles = npt.NDArray[np.float32]

# The end of a row has no next word: it is done in a copy, whose length keeps loops whole.
TAIL = 64
# Words of work space: the ends of three rows, two of them with a next word.
SPARE = 3 * (TAIL + 1)


@borrowing_kernel
def _first(word: np.uint32) -> np.float32:
    wide: np.float32 = np.uint32(word << np.uint32(16)).view(np.float32)
    return wide


@borrowing_kernel
def _second(word: np.uint32) -> np.float32:
    wide: np.float32 = np.uint32(word & np.uint32(0xFFFF0000)).view(np.float32)
    return wide


@borrowing_kernel
def _pair_to_fourth(
    before: Words,
    upper: Words,
    lower: Words,
    origin: np.float32,
    unit: np.float32,
    out: Singles,
    sums: Floats,
) -> bool:
    """Add the sums of two rows to `sums`, with powers up to 4; say if they were finite.

    `upper` and `lower` have one word more than `out`; `before` is the row before them. Powers are
    those of ``x * unit - origin``, gradients those of the numbers as they are, whose differences
    lose nothing to the shift.

    Two neighbours enter by their sum p, mapped, and their difference q, not mapped, which the
    gradient needs as well: ``2 (a^2 + b^2) = p^2 + q^2``, ``4 (a^3 + b^3) = p^3 + 3 p q^2`` and
    ``8 (a^4 + b^4) = p^4 + 6 p^2 q^2 + q^4``. This takes an eighth less than the powers of each.
    The sum of two bfloat16 numbers is exact, unless one is too small to matter.
    """
    n = out.size
    x, y, z = before[:n], upper[:n], lower[:n]
    next_y, next_z = upper[1 : n + 1], lower[1 : n + 1]
    quarter, two_origins = np.float32(0.25), np.float32(2) * origin
    s1 = p2 = p3 = p4 = q2 = q4 = p1_q2 = p2_q2 = g0 = g3 = np.float32(0)
    for i in range(n):
        a, b, c, d = _first(y[i]), _second(y[i]), _first(z[i]), _second(z[i])
        da, db, dc, dd = a - _first(x[i]), b - _second(x[i]), c - a, d - b
        g0 += (da * da + db * db) + (dc * dc + dd * dd)
        db, dd = _first(next_y[i]) - b, _first(next_z[i]) - d
        g3 += db * db + dd * dd
        p, q = (a + b) * unit - two_origins, b - a
        r, t = (c + d) * unit - two_origins, d - c
        total = p + r
        out[i] = total * quarter
        pp, qq, rr, tt = p * p, q * q, r * r, t * t
        s1 += total
        p2 += pp + rr
        q2 += qq + tt
        p3 += pp * p + rr * r
        p1_q2 += p * qq + r * tt
        p4 += pp * pp + rr * rr
        p2_q2 += pp * qq + rr * tt
        q4 += qq * qq + tt * tt
    if not (np.isfinite(p4) and np.isfinite(q4) and np.isfinite(g0) and np.isfinite(g3)):
        return False
    square = np.float64(unit) * np.float64(unit)
    sums[8] += g0 * square
    sums[11] += (np.float64(g3) + q2) * square
    sums[0] += s1
    sums[1] += (p2 + q2 * square) / 2.0
    sums[2] += (p3 + 3.0 * square * p1_q2) / 4.0
    sums[3] += (p4 + 6.0 * square * p2_q2 + square * square * q4) / 8.0
    return True


@borrowing_kernel
def _pair_to_eighth(
    before: Words,
    upper: Words,
    lower: Words,
    origin: np.float32,
    unit: np.float32,
    out: Singles,
    sums: Floats,
) -> bool:
    """Do the same up to the power 8, from the powers of each number."""
    n = out.size
    x, y, z = before[:n], upper[:n], lower[:n]
    next_y, next_z = upper[1 : n + 1], lower[1 : n + 1]
    quarter = np.float32(0.25)
    s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = g0 = g3 = np.float32(0)
    for i in range(n):
        a, b, c, d = _first(y[i]), _second(y[i]), _first(z[i]), _second(z[i])
        da, db, dc, dd = a - _first(x[i]), b - _second(x[i]), c - a, d - b
        g0 += (da * da + db * db) + (dc * dc + dd * dd)
        da, db, dc, dd = b - a, _first(next_y[i]) - b, d - c, _first(next_z[i]) - d
        g3 += (da * da + db * db) + (dc * dc + dd * dd)
        a, b, c, d = a * unit - origin, b * unit - origin, c * unit - origin, d * unit - origin
        total = (a + b) + (c + d)
        out[i] = total * quarter
        a2, b2, c2, d2 = a * a, b * b, c * c, d * d
        a3, b3, c3, d3 = a2 * a, b2 * b, c2 * c, d2 * d
        a4, b4, c4, d4 = a2 * a2, b2 * b2, c2 * c2, d2 * d2
        s1 += total
        s2 += (a2 + b2) + (c2 + d2)
        s3 += (a3 + b3) + (c3 + d3)
        s4 += (a4 + b4) + (c4 + d4)
        s5 += (a4 * a + b4 * b) + (c4 * c + d4 * d)
        s6 += (a4 * a2 + b4 * b2) + (c4 * c2 + d4 * d2)
        s7 += (a4 * a3 + b4 * b3) + (c4 * c3 + d4 * d3)
        s8 += (a4 * a4 + b4 * b4) + (c4 * c4 + d4 * d4)
    if not (np.isfinite(s8) and np.isfinite(g0) and np.isfinite(g3)):
        return False
    square = np.float64(unit) * np.float64(unit)
    sums[8] += g0 * square
    sums[11] += g3 * square
    sums[0] += s1
    sums[1] += s2
    sums[2] += s3
    sums[3] += s4
    sums[4] += s5
    sums[5] += s6
    sums[6] += s7
    sums[7] += s8
    return True


@borrowing_kernel
def _pair_in_double(
    before: Words,
    upper: Words,
    lower: Words,
    shift: float,
    inverse: float,
    order: int,
    size: int,
    sums: Floats,
) -> None:
    """Add the sums of two rows in float64; it is rare, so that the loop may be slow."""
    highest = 4 if order <= 4 else 8
    for row, above in ((upper, before), (lower, upper)):
        for i in range(size):
            a, b = np.float64(_first(row[i])), np.float64(_second(row[i]))
            following = np.float64(_first(row[i + 1]))
            step = (a - np.float64(_first(above[i]))) * inverse
            sums[8] += step * step
            step = (b - np.float64(_second(above[i]))) * inverse
            sums[8] += step * step
            step = (b - a) * inverse
            sums[11] += step * step
            step = (following - b) * inverse
            sums[11] += step * step
            for number in (a, b):
                power = 1.0
                for p in range(highest):
                    power *= (number - shift) * inverse
                    sums[p] += power


@borrowing_kernel
def _pair(
    before: Words,
    upper: Words,
    lower: Words,
    shift: float,
    inverse: float,
    order: int,
    out: Singles,
    sums: Floats,
) -> None:
    origin, unit = np.float32(shift * inverse), np.float32(inverse)
    if order <= 4:
        done = _pair_to_fourth(before, upper, lower, origin, unit, out, sums)
    else:
        done = _pair_to_eighth(before, upper, lower, origin, unit, out, sums)
    if not done:
        _pair_in_double(before, upper, lower, shift, inverse, order, out.size, sums)


@borrowing_kernel
def pair_rows(
    raw: npt.NDArray[np.uint8],
    shift: float,
    inverse: float,
    order: int,
    level: Ints,
    sample: int,
    extent: Ints,
    low: int,
    rows: int,
    means: Singles,
    spare: Words,
    sums: Floats,
) -> None:
    """Add the sums of a band of rows to `sums`, and write its block means to `means`.

    The band starts `low` rows down the box whose place on the level is `extent`; rows, box and
    band have even lengths. `spare` is work space of at least `SPARE` words.
    """
    words = raw[: raw.size // 4 * 4].view(np.uint32)
    size, pitch = extent[7] // 2, level[SHAPE + 3] // 2
    tail = min(size, TAIL)
    body = size - tail
    end = spare[:tail]
    end_upper, end_lower = spare[tail : 2 * tail + 1], spare[2 * tail + 1 : 3 * tail + 2]
    for i in range(0, rows, 2):
        at = (sample * level[SHAPE] + extent[0] + low + i) * pitch + extent[3] // 2
        upper = words[at : at + size]
        lower = words[at + pitch : at + pitch + size]
        before = upper
        if low + i > 0:
            before = words[at - pitch : at - pitch + size]
        out = means[i // 2 * size : (i // 2 + 1) * size]
        for m in range(tail):
            end[m] = before[body + m]
            end_upper[m] = upper[body + m]
            end_lower[m] = lower[body + m]
        # The last number is its own neighbour.
        end_upper[tail] = np.uint32(end_upper[tail - 1] >> np.uint32(16))
        end_lower[tail] = np.uint32(end_lower[tail - 1] >> np.uint32(16))
        done = 0
        while done < size:  # one call of what is long to compile
            if done == body:
                before, upper, lower = end, end_upper, end_lower
            part = out[:body] if done < body else out[body:]
            _pair(before, upper, lower, shift, inverse, order, part, sums)
            done += part.size
