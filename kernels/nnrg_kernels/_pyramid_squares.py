"""Planes in blocks of two by two: sums and block means of two rows at a time, in one loop.

This takes half of what other blocks take: no number is loaded again for the row after it or for
block means, and float32 numbers are taken from the field without a converted copy.
"""

from __future__ import annotations

import numpy as np

from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._pyramid_faces import save_raw_faces
from nnrg_kernels._pyramid_rows import MAX_ORDER, Real, Reals
from nnrg_kernels._pyramid_table import (
    BOX,
    COLUMN,
    EXTENTS,
    FIELD_AT,
    PITCH,
    SCRATCH_AT,
    SHAPE,
    WIDTH,
    Buffers,
    Floats,
    Geometry,
    Ints,
)

__all__ = ["in_squares", "sum_squares", "sweep_straight"]


@borrowing_kernel
def in_squares(level: Ints, factors: Ints, extent: Ints, planes: int) -> bool | np.bool:
    """Return whether all sites of a band of planes are in blocks of two by two."""
    flat = level[SHAPE + 1] * level[SHAPE + 2] * factors[1] * factors[2] == 1
    return flat and factors[0] == 2 and factors[3] == 2 and extent[7] % 2 == 0 and planes % 2 == 0


@borrowing_kernel
def _mapped(x: Real, shift: float | None, inverse: float) -> Real:
    """Return a number as its powers are taken; if there is no shift, it is stored that way."""
    if shift is None:
        return x
    return (x - shift) * inverse


@borrowing_kernel
def _two_to_fourth(
    before: Reals,
    upper: Reals,
    lower: Reals,
    shift: float | None,
    inverse: float,
    total: Reals,
    sums: Floats,
) -> bool:
    """Add the sums of two rows up to the power 4; say if they were finite, or left out.

    `before` is the row before them; `total` becomes the sum of the two, as powers are taken of it.
    Gradients are those of the numbers as they are stored. The first number of a row is its own
    neighbour: to carry the last number on takes less than to load the next one.
    """
    n = total.size
    x, y, z = before[:n], upper[:n], lower[:n]
    number = total.dtype.type
    s1 = s2 = s3 = s4 = g0 = g3 = number(0)
    last_y, last_z = number(y[0]), number(z[0])
    for i in range(n):
        this_y, this_z = number(y[i]), number(z[i])
        dy, dz = this_y - number(x[i]), this_z - this_y
        g0 += dy * dy + dz * dz
        dy, dz = this_y - last_y, this_z - last_z
        g3 += dy * dy + dz * dz
        last_y, last_z = this_y, this_z
        a, c = _mapped(this_y, shift, inverse), _mapped(this_z, shift, inverse)
        both = a + c
        total[i] = both
        a2, c2 = a * a, c * c
        s1 += both
        s2 += a2 + c2
        s3 += a2 * a + c2 * c
        s4 += a2 * a2 + c2 * c2
    if total.itemsize == 4 and not (np.isfinite(s4) and np.isfinite(g0) and np.isfinite(g3)):
        return False
    square = 1.0 if shift is None else inverse * inverse
    sums[8] += g0 * square
    sums[11] += g3 * square
    sums[0] += s1
    sums[1] += s2
    sums[2] += s3
    sums[3] += s4
    return True


@borrowing_kernel
def _two_to_eighth(
    before: Reals,
    upper: Reals,
    lower: Reals,
    shift: float | None,
    inverse: float,
    total: Reals,
    sums: Floats,
) -> bool:
    """Do the same up to the power 8."""
    n = total.size
    x, y, z = before[:n], upper[:n], lower[:n]
    number = total.dtype.type
    s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = g0 = g3 = number(0)
    last_y, last_z = number(y[0]), number(z[0])
    for i in range(n):
        this_y, this_z = number(y[i]), number(z[i])
        dy, dz = this_y - number(x[i]), this_z - this_y
        g0 += dy * dy + dz * dz
        dy, dz = this_y - last_y, this_z - last_z
        g3 += dy * dy + dz * dz
        last_y, last_z = this_y, this_z
        a, c = _mapped(this_y, shift, inverse), _mapped(this_z, shift, inverse)
        both = a + c
        total[i] = both
        a2, c2 = a * a, c * c
        a3, c3 = a2 * a, c2 * c
        a4, c4 = a2 * a2, c2 * c2
        s1 += both
        s2 += a2 + c2
        s3 += a3 + c3
        s4 += a4 + c4
        s5 += a4 * a + c4 * c
        s6 += a4 * a2 + c4 * c2
        s7 += a4 * a3 + c4 * c3
        s8 += a4 * a4 + c4 * c4
    if total.itemsize == 4 and not (np.isfinite(s8) and np.isfinite(g0) and np.isfinite(g3)):
        return False
    square = 1.0 if shift is None else inverse * inverse
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
def _two_in_double(before: Reals, upper: Reals, lower: Reals, order: int, sums: Floats) -> None:
    """Add the sums of two rows in float64; it is rare, so that the loop may be slow."""
    highest = 4 if order <= 4 else MAX_ORDER
    for row, above in ((upper, before), (lower, upper)):
        last = np.float64(row[0])
        for i in range(row.size):
            number = np.float64(row[i])
            step = number - np.float64(above[i])
            sums[8] += step * step
            step = number - last
            sums[11] += step * step
            last = number
            power = 1.0
            for p in range(highest):
                power *= number
                sums[p] += power


@borrowing_kernel
def _write_means(
    total: Reals,
    up: Ints,
    sample: int,
    extent: Ints,
    plane: int,
    column: int,
    to: int,
    means: Floats,
    fields: Floats,
    field_shift: float,
    field_scale: float,
) -> None:
    """Write the block means of two rows, whose sum is `total`, and those of the field if kept.

    They belong at `to` in `means` or, if that is negative, where they are on the level above.
    """
    half = total.size // 2
    at = (sample * up[SHAPE] + (extent[0] + plane) // 2) * up[SHAPE + 3]
    at += (extent[3] + column) // 2
    if to < 0:
        to = at
    out = means[to : to + half]
    for m in range(half):
        even = np.uint64(2) * np.uint64(m)
        out[m] = (total[even] + total[even + np.uint64(1)]) * 0.25
    if up[FIELD_AT] >= 0:
        field = fields[up[FIELD_AT] + at : up[FIELD_AT] + at + half]
        for m in range(half):
            field[m] = out[m] * field_scale + field_shift


@borrowing_kernel
def sum_squares(
    up: Ints,
    sample: int,
    extent: Ints,
    x: Reals,
    first: int,
    planes: int,
    order: int,
    means: Floats,
    packed: bool | np.bool,
    buffer: Reals,
    fields: Floats,
    field_shift: float,
    field_scale: float,
    sums: Floats,
) -> None:
    """Do what `run_statistics` and `_coarsen` do, for planes that are all blocks of two by two.

    `up` is the row of the level above, `buffer` has room for a row; `x` starts in the plane before
    the run, which is meaningful if `first` planes of the box come before the run.
    """
    pitch, column, width = extent[PITCH], extent[COLUMN], extent[WIDTH]
    total = buffer[:width]
    for i in range(0, planes, 2):
        start = (1 + i) * pitch
        upper, lower = x[start : start + width], x[start + pitch : start + pitch + width]
        before = upper
        if first + i > 0:
            before = x[start - pitch : start - pitch + width]
        if order <= 4:
            done = _two_to_fourth(before, upper, lower, None, 1.0, total, sums)
        else:
            done = _two_to_eighth(before, upper, lower, None, 1.0, total, sums)
        if not done:
            _two_in_double(before, upper, lower, order, sums)
        if column + width < extent[7]:
            for end in (start + width, start + pitch + width):
                step = np.float64(x[end]) - np.float64(x[end - 1])
                sums[11] += step * step
        to = (i * extent[7] // 2 + column) // 2 if packed else -1
        _write_means(
            total,
            up,
            sample,
            extent,
            first + i,
            column,
            to,
            means,
            fields,
            field_shift,
            field_scale,
        )


@borrowing_kernel
def sweep_straight(
    geometry: Geometry,
    buffers: Buffers,
    low: int,
    planes: int,
    sums: Floats,
    scratch: Floats,
    work: Ints,
) -> None:
    """Do what `sweep_level` does for a band of the first level of float32 numbers in squares.

    The rows are taken where they are, at whole length: the next ones come from memory while the
    sums of these are made.
    """
    level, up = geometry.table[0], geometry.table[1]
    box, extent, raw, order = work[BOX], work[EXTENTS], buffers.raw, buffers.order
    shift, inverse = buffers.shift, 1.0 / buffers.scale
    row, pitch = extent[7], level[SHAPE + 3]
    numbers = raw[: raw.size // 4 * 4].view(np.float32)
    total = scratch[scratch.size - geometry.row_size :][:row]
    packed = geometry.levels > 1
    means = scratch[up[SCRATCH_AT] + row // 2 :] if packed else buffers.top
    for i in range(0, planes, 2):
        start = (box[4] * level[SHAPE] + extent[0] + low + i) * pitch + extent[3]
        upper, lower = numbers[start : start + row], numbers[start + pitch : start + pitch + row]
        before = upper
        if low + i > 0:
            before = numbers[start - pitch : start - pitch + row]
        if order <= 4:
            _two_to_fourth(before, upper, lower, shift, inverse, total, sums)
        else:
            _two_to_eighth(before, upper, lower, shift, inverse, total, sums)
        _write_means(
            total,
            up,
            box[4],
            extent,
            low + i,
            0,
            i // 2 * (row // 2) if packed else -1,
            means,
            buffers.fields,
            buffers.field_shift,
            buffers.field_scale,
        )
    save_raw_faces(buffers, level, geometry.n_boxes, work, low, planes)
