"""Levels of a bfloat16 matrix above the first in float32 numbers, two rows at a time.

Numbers of eight bits have block means that float32 holds with all that they mean. Power sums of a
level come with its numbers, from the loop that makes them; what is left are its bonds.
"""

from __future__ import annotations

import numpy as np

from nnrg_kernels._jit import borrowing_kernel, inlined_kernel
from nnrg_kernels._pyramid_faces import save_faces
from nnrg_kernels._pyramid_rows import row_in_double
from nnrg_kernels._pyramid_table import (
    BOX,
    COLUMN,
    EXTENTS,
    FACE_AT,
    FIELD_AT,
    PITCH,
    SHAPE,
    WIDTH,
    Buffers,
    Floats,
    Geometry,
    Ints,
    Reals,
)
from nnrg_kernels._pyramid_words import Singles

__all__ = ["goes_in_singles", "keep_row", "singles_size", "sweep_singles"]


def singles_size(row: int, levels: int) -> int:
    """Return the numbers of a line for boxes of at most so many sites in a row."""
    return sum(2 * (row >> k) for k in range(1, levels))


@borrowing_kernel
def goes_in_singles(geometry: Geometry, extent: Ints, order: int) -> bool | np.bool:
    """Return whether a box has nothing but whole blocks of a level above the round's last."""
    block = 1 << geometry.levels
    whole = extent[4] % block == 0 and extent[7] % block == 0
    return whole and order <= 4 and geometry.table.shape[0] > geometry.levels


@inlined_kernel
def _halve(total: Singles, out: Reals) -> None:
    """Write the means of blocks of two by two, whose two rows have the sum `total`."""
    x = total[: 2 * out.size]
    for m in range(out.size):
        even = np.uint64(2) * np.uint64(m)
        out[m] = (x[even] + x[even + np.uint64(1)]) * np.float32(0.25)


@inlined_kernel
def _halve_to_fourth(
    total: Singles, joined: bool | np.bool, out: Singles, new_total: Singles, sums: Floats
) -> None:
    """Do the same, with sums of powers up to 4, and bonds, of the row of means.

    `out` holds the row of means before it, if `joined`; `new_total` becomes the sum of the two.
    """
    n = out.size
    x, totals = total[: 2 * n], new_total[:n]
    s1 = s2 = s3 = s4 = g0 = g3 = np.float32(0)
    last = (x[0] + x[1]) * np.float32(0.25)
    for m in range(n):
        even = np.uint64(2) * np.uint64(m)
        a = (x[even] + x[even + np.uint64(1)]) * np.float32(0.25)
        below = out[m]
        out[m] = a
        totals[m] = below + a
        d0, d3 = a - below, a - last
        last = a
        a2 = a * a
        s1 += a
        s2 += a2
        s3 += a2 * a
        s4 += a2 * a2
        g0 += d0 * d0
        g3 += d3 * d3
    if not np.isfinite(s4) or (joined and not np.isfinite(g0)):
        row_in_double(out, totals, joined, sums)
        return
    sums[0] += s1
    sums[1] += s2
    sums[2] += s3
    sums[3] += s4
    sums[11] += g3
    if joined:
        sums[8] += g0


@borrowing_kernel
def keep_row(
    buffers: Buffers, level: Ints, sample: int, row: int, column: int, means: Reals
) -> None:
    """Write block means, from a row and column of their level on, as they truly are."""
    if level[FIELD_AT] < 0:
        return
    at = level[FIELD_AT] + (sample * level[SHAPE] + row) * level[SHAPE + 3] + column
    field = buffers.fields[at : at + means.size]
    for m in range(means.size):
        field[m] = means[m] * buffers.field_scale + buffers.field_shift


@inlined_kernel
def sweep_singles(
    geometry: Geometry, buffers: Buffers, row: int, line: Singles, sums: Floats, work: Ints
) -> None:
    """Take a row of the second level, whose sums are made, as far up as it goes.

    It is `row` rows down the box. `line` holds, for each level, the last row and what it adds up
    to with the row before it: every second row completes one of the level above.
    """
    table, sample = geometry.table, work[BOX, 4]
    here = line
    for k in range(1, geometry.levels):
        extent, level, up = work[EXTENTS + k], table[k], table[k + 1]
        width = extent[7]
        half = width // 2
        extent[PITCH], extent[COLUMN], extent[WIDTH] = width, 0, width
        if level[FACE_AT + 3] >= 0 or row == 0 or row == extent[4] - 1:
            save_faces(level, geometry.n_boxes, work[BOX], extent, here, row, 1, buffers.faces)
        keep_row(buffers, level, sample, extent[0] + row, extent[3], here[:width])
        if row % 2 == 0:
            break
        row //= 2
        total, above = here[width : 2 * width], here[2 * width :]
        if k + 1 < geometry.levels:
            out, new_total = above[:half], above[half : 2 * half]
            _halve_to_fourth(total, row > 0, out, new_total, sums[k + 1])
        else:
            first, column = extent[0] // 2 + row, extent[3] // 2
            at = (sample * up[SHAPE] + first) * up[SHAPE + 3] + column
            means = buffers.top[at : at + half]
            _halve(total, means)
            keep_row(buffers, up, sample, first, column, means)
        here = above
