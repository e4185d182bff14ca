"""Bfloat16 planes in blocks of two by two: sums of two rows at a time, straight from memory.

A word of 32 bits holds two neighbours of a row, and each of them is a float32 after one shift or
one mask. Powers, both gradients and the block means of two rows are then made in one loop that
loads a word twice and needs no converted copy of the rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel, inlined_kernel
from nnrg_kernels._pyramid_rows import row_in_double
from nnrg_kernels._pyramid_table import SHAPE, Floats, Ints

__all__ = ["Singles", "Words", "pair_rows", "pair_words"]

Words = npt.NDArray[np.uint32]
Singles = npt.NDArray[np.float32]


@borrowing_kernel
def _first(word: np.uint32) -> np.float32:
    wide: np.float32 = np.uint32(word << np.uint32(16)).view(np.float32)
    return wide


@borrowing_kernel
def _second(word: np.uint32) -> np.float32:
    wide: np.float32 = np.uint32(word & np.uint32(0xFFFF0000)).view(np.float32)
    return wide


@inlined_kernel
def _pair_to_fourth(
    before: Words,
    upper: Words,
    lower: Words,
    joined: bool | np.bool,
    origin: np.float32,
    unit: np.float32,
    out: Singles,
    total: Singles,
    sums: Floats,
    above: Floats,
) -> bool:
    """Add the sums of two rows to `sums`, with powers up to 4; say if they were finite.

    `before` is the row before them. Powers are those of ``x * unit - origin``, gradients those of
    the numbers as they are, whose differences lose nothing to the shift. The row of block means is
    written to `out`, where the row of means before it is if `joined`; their sum is `total`. It gets
    its own sums, in `above`.

    The four numbers of a block enter by their mean u, mapped, and three differences, not mapped:
    ``q = b - a`` and ``t = d - c`` of its rows and ``v = (a + b) - (c + d)`` between them. The
    bonds inside a block are ``q^2 + t^2`` and ``(v^2 + (q - t)^2) / 2``, and with
    ``e = q^2 + t^2``, ``f = q^2 - t^2`` and ``w = v^2 + 2 e``, in the unit of u,

        sum x^2 = 4 u^2 + w / 4
        sum x^3 = 4 u^3 + 3/4 u w + 3/8 v f
        sum x^4 = 4 u^4 + 3/2 (u^2 w + u v f) + w^2 / 64 + v^2 e / 8 + f^2 / 16

    which takes less than the powers of each, and gives those of the block means by the way. The
    sum of two bfloat16 numbers is exact, unless one is too small to matter.

    The first number of a row is its own neighbour. To carry the last one on takes a twentieth more
    than to load the next one, of which the end of a row has none and would be done in a copy.
    """
    n = out.size
    x, y, z, means = before[:n], upper[:n], lower[:n], total[:n]
    quarter, two = np.float32(0.25) * unit, np.float32(2)
    u1 = u2 = u3 = u4 = v2 = e1 = f2 = w2 = h2 = np.float32(0)
    u_w = u2_w = v_f = u_v_f = v2_e = g0 = g3 = up0 = up3 = np.float32(0)
    last_b, last_d = _first(y[0]), _first(z[0])
    last_u = ((last_b + _second(y[0])) + (last_d + _second(z[0]))) * quarter - origin
    for i in range(n):
        a, b, c, d = _first(y[i]), _second(y[i]), _first(z[i]), _second(z[i])
        da, db = a - _first(x[i]), b - _second(x[i])
        g0 += da * da + db * db
        da, dc = a - last_b, c - last_d
        g3 += da * da + dc * dc
        last_b, last_d = b, d
        p, q, r, t = a + b, b - a, c + d, d - c
        u, v, h = (p + r) * quarter - origin, p - r, q - t
        below = out[i]
        out[i] = u
        means[i] = below + u
        du, dv = u - below, u - last_u
        up0 += du * du
        up3 += dv * dv
        last_u = u
        uu, vv, qq, tt = u * u, v * v, q * q, t * t
        e, f = qq + tt, qq - tt
        w, vf = vv + two * e, v * f
        h2 += h * h
        u1 += u
        u2 += uu
        u3 += uu * u
        u4 += uu * uu
        v2 += vv
        e1 += e
        f2 += f * f
        w2 += w * w
        u_w += u * w
        u2_w += uu * w
        v_f += vf
        u_v_f += u * vf
        v2_e += vv * e
    # If these are finite, so are all others. The test takes a number from itself: a sum of sums,
    # which may be reordered, would cancel to zero.
    if not (np.isfinite(u4) and np.isfinite(w2) and np.isfinite(g0) and np.isfinite(g3)):
        return False
    if joined and not np.isfinite(up0):
        return False
    first = np.float64(unit)
    second = first * first
    sums[8] += (g0 + (np.float64(v2) + h2) / 2.0) * second
    sums[11] += (np.float64(g3) + e1) * second
    sums[0] += 4.0 * u1
    sums[1] += 4.0 * u2 + second * (v2 / 4.0 + e1 / 2.0)
    sums[2] += 4.0 * u3 + second * (0.75 * u_w + 0.375 * first * v_f)
    inner = w2 / 64.0 + v2_e / 8.0 + f2 / 16.0
    sums[3] += 4.0 * u4 + second * (1.5 * (u2_w + first * u_v_f) + second * inner)
    above[0] += u1
    above[1] += u2
    above[2] += u3
    above[3] += u4
    above[11] += up3
    if joined:
        above[8] += up0
    return True


@inlined_kernel
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
    quarter = np.float32(0.25)
    s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = g0 = g3 = np.float32(0)
    last_b, last_d = _first(y[0]), _first(z[0])
    for i in range(n):
        a, b, c, d = _first(y[i]), _second(y[i]), _first(z[i]), _second(z[i])
        da, db, dc, dd = a - _first(x[i]), b - _second(x[i]), c - a, d - b
        g0 += (da * da + db * db) + (dc * dc + dd * dd)
        da, db, dc, dd = a - last_b, b - a, c - last_d, d - c
        g3 += (da * da + db * db) + (dc * dc + dd * dd)
        last_b, last_d = b, d
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


@inlined_kernel
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
    for row, earlier in ((upper, before), (lower, upper)):
        last = np.float64(_first(row[0]))
        for i in range(size):
            a, b = np.float64(_first(row[i])), np.float64(_second(row[i]))
            step = (a - np.float64(_first(earlier[i]))) * inverse
            sums[8] += step * step
            step = (b - np.float64(_second(earlier[i]))) * inverse
            sums[8] += step * step
            step = (a - last) * inverse
            sums[11] += step * step
            step = (b - a) * inverse
            sums[11] += step * step
            last = b
            for number in (a, b):
                power = 1.0
                for p in range(highest):
                    power *= (number - shift) * inverse
                    sums[p] += power


@inlined_kernel
def pair_words(
    before: Words,
    upper: Words,
    lower: Words,
    joined: bool | np.bool,
    shift: float,
    inverse: float,
    order: int,
    out: Singles,
    total: Singles,
    sums: Floats,
    above: Floats,
) -> None:
    """Add the sums of two rows to `sums`, and write the block means of both to `out`.

    `before` is the row before them, if `joined`. Up to order 4, the sums of the block means are
    added to `above`; `out` then holds the row of means before it, and `total` becomes the sum of
    the two.
    """
    size = out.size
    origin, unit = np.float32(shift * inverse), np.float32(inverse)
    earlier = upper
    if joined:
        earlier = before
    if order <= 4:
        done = _pair_to_fourth(earlier, upper, lower, joined, origin, unit, out, total, sums, above)
    else:
        done = _pair_to_eighth(earlier, upper, lower, origin, unit, out, sums)
    if not done:
        _pair_in_double(earlier, upper, lower, shift, inverse, order, size, sums)
        if order <= 4:
            row_in_double(out, total, joined, above)


@inlined_kernel
def pair_rows(
    raw: npt.NDArray[np.uint8],
    shift: float,
    inverse: float,
    order: int,
    level: Ints,
    sample: int,
    extent: Ints,
    low: int,
    out: Singles,
    total: Singles,
    sums: Floats,
    above: Floats,
) -> None:
    """Do `pair_words` for two rows, the first of which is `low` rows down a box of a level.

    `extent` is where the box is; it and its rows have even lengths.
    """
    words = raw[: raw.size // 4 * 4].view(np.uint32)
    size, pitch = extent[7] // 2, level[SHAPE + 3] // 2
    at = (sample * level[SHAPE] + extent[0] + low) * pitch + extent[3] // 2
    upper = words[at : at + size]
    lower = words[at + pitch : at + pitch + size]
    joined = low > 0
    before = upper
    if joined:
        before = words[at - pitch : at - pitch + size]
    pair_words(before, upper, lower, joined, shift, inverse, order, out[:size], total, sums, above)
