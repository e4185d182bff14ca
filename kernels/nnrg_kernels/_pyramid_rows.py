"""Sums over contiguous runs of float64 or float32 numbers: the inner loops of the block pyramid.

Runs are slices, indexed from zero to their size, because the compiler vectorises only loops whose
index it knows to be non-negative.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel, inlined_kernel
from nnrg_kernels._pyramid_table import COLUMN, PITCH, WIDTH

__all__ = [
    "MAX_ORDER",
    "STATISTICS",
    "block_row",
    "copy_run",
    "row_in_double",
    "run_statistics",
    "squared_distance",
    "squared_steps",
]

MAX_ORDER = 8
# One accumulator: sums of the powers 1..8, then squared differences along four axes.
STATISTICS = MAX_ORDER + 4

Reals = npt.NDArray[np.float64] | npt.NDArray[np.float32]
Real = float | np.float32
Integer = int | np.int64
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@borrowing_kernel
def copy_run(source: Reals, out: Reals) -> None:
    """Fill `out` from the start of `source`."""
    x = source[: out.size]
    for i in range(out.size):
        out[i] = x[i]


@borrowing_kernel
def _row_to_eighth(x: Reals, below: Reals, joined: bool, sums: Floats) -> bool:
    """Add the sums of one row up to the power 8; say if the powers were finite, or left out.

    All sums are made in one loop, which loads a number once. `x` has one number more than the
    row, `below` is the row before it in the first direction, to which bonds count if `joined`.
    """
    n = below.size
    here, upper = x[:n], x[1 : n + 1]
    s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = g0 = g3 = x.dtype.type(0)
    for i in range(n):
        a = here[i]
        d0 = a - below[i]
        d3 = upper[i] - a
        a2 = a * a
        a3 = a2 * a
        a4 = a2 * a2
        s1 += a
        s2 += a2
        s3 += a3
        s4 += a4
        s5 += a4 * a
        s6 += a4 * a2
        s7 += a4 * a3
        s8 += a4 * a4
        g0 += d0 * d0
        g3 += d3 * d3
    if joined:
        sums[8] += g0
    sums[11] += g3
    if x.itemsize == 4 and not np.isfinite(s8):
        return False
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
def _row_to_fourth(x: Reals, below: Reals, joined: bool, sums: Floats) -> bool:
    """Do the same up to the power 4."""
    n = below.size
    here, upper = x[:n], x[1 : n + 1]
    s1 = s2 = s3 = s4 = g0 = g3 = x.dtype.type(0)
    for i in range(n):
        a = here[i]
        d0 = a - below[i]
        d3 = upper[i] - a
        a2 = a * a
        s1 += a
        s2 += a2
        s3 += a2 * a
        s4 += a2 * a2
        g0 += d0 * d0
        g3 += d3 * d3
    if joined:
        sums[8] += g0
    sums[11] += g3
    if x.itemsize == 4 and not np.isfinite(s4):
        return False
    sums[0] += s1
    sums[1] += s2
    sums[2] += s3
    sums[3] += s4
    return True


@borrowing_kernel
def _powers_in_double(x: Reals, order: int, sums: Floats) -> None:
    """Add the power sums of a row in float64; it is rare, so that the loop may be slow."""
    highest = 4 if order <= 4 else MAX_ORDER
    for i in range(x.size):
        power = 1.0
        for p in range(highest):
            power *= x[i]
            sums[p] += power


@inlined_kernel
def row_in_double(x: Reals, total: Reals, joined: bool | np.bool, sums: Floats) -> None:
    """Add powers of a row up to the fourth and its bonds in float64, for what overflows float32.

    `total` is the sum of the row and, if `joined`, the row before it.
    """
    _powers_in_double(x, 4, sums)
    for i in range(x.size):
        if joined:
            sums[8] += (2.0 * x[i] - total[i]) ** 2
        if i > 0:
            sums[11] += (np.float64(x[i]) - x[i - 1]) ** 2


@borrowing_kernel
def squared_steps(x: Reals, stride: Integer) -> Real:
    """Return the sum of ``(x[i + stride] - x[i]) ** 2``."""
    upper = x[stride:]
    lower = x[: upper.size]
    total = x.dtype.type(0)
    for i in range(upper.size):
        step = upper[i] - lower[i]
        total += step * step
    return total


@inlined_kernel
def squared_distance(x: Floats, y: Floats) -> float:
    """Return the sum of ``(y[i] - x[i]) ** 2``."""
    other = y[: x.size]
    total = 0.0
    for i in range(x.size):
        step = other[i] - x[i]
        total += step * step
    return total


@borrowing_kernel
def run_statistics(
    x: Reals, carried: bool, stacked: bool, extent: Ints, planes: int, order: int, sums: Floats
) -> None:
    """Add power sums and squared nearest-neighbour differences of a run of planes to `sums`.

    `x` starts in the plane before the run, which is meaningful if `carried`; `planes` planes of
    ``extent[5] * extent[6]`` rows follow, ``extent[PITCH]`` apart, of which a segment of
    ``extent[WIDTH]`` sites is done. If it is not the last in its row, the site after it is there
    too; if it is, there is room for one more number. No bond joins planes that are `stacked`.
    Powers go up to 4 or, if `order` > 4, to 8.

    Float32 numbers are added in float32: a row has at most 8192 of them. The eighth power overflows
    from 6e4 standard deviations on; such a row is done again in float64.
    """
    row, width = extent[PITCH], extent[WIDTH]
    sheet = extent[6] * row
    plane = extent[5] * sheet
    at_end = extent[COLUMN] + width == extent[7]
    along = sums[11]
    for i in range(planes):
        joined = not stacked and (carried or i > 0)
        for j in range(extent[5] * extent[6]):
            start = (1 + i) * plane + j * row
            here = x[start : start + width + 1]
            below = here[:width]
            if joined:
                below = x[start - plane : start - plane + width]
            # The last number of a row is its own neighbour, so that there is a bond for each site
            # and no odd sites are left to the scalar end of the loop.
            spare = here[width]
            if at_end:
                here[width] = here[width - 1]
            if order <= 4:
                done = _row_to_fourth(here, below, joined, sums)
            else:
                done = _row_to_eighth(here, below, joined, sums)
            here[width] = spare
            if not done:
                _powers_in_double(here[:width], order, sums)
    if extent[7] == 1:
        sums[11] = along
    if extent[5] > 1:
        for i in range(planes):
            sums[9] += squared_steps(x[(1 + i) * plane : (2 + i) * plane], sheet)
    if extent[6] > 1:
        for i in range(planes * extent[5]):
            sums[10] += squared_steps(x[plane + i * sheet : plane + (i + 1) * sheet], row)


@borrowing_kernel
def block_row(x: Reals, f: Ints, extent: Ints, buffer: Reals, out: Floats) -> None:
    """Write one row of block means to `out`; `x` starts at the first row of its blocks.

    Rows are added first: only then is one row in ``f[0] * f[1] * f[2]`` summed across its sites.
    Sites of a block have unsigned indices: the test for negative ones would keep the loop scalar.
    """
    row = extent[PITCH]
    sheet = extent[6] * row
    plane = extent[5] * sheet
    used = out.size * f[3]
    n_rows = f[0] * f[1] * f[2]
    weight = 1.0 / (n_rows * f[3])
    if n_rows == 2 and f[3] == 2:
        other = plane if f[0] == 2 else sheet if f[1] == 2 else row
        first, second = x[:used], x[other : other + used]
        for m in range(out.size):
            even = np.uint64(2) * np.uint64(m)
            odd = even + np.uint64(1)
            out[m] = ((first[even] + second[even]) + (first[odd] + second[odd])) * weight
        return
    total = x[:used]
    done = 0
    for i in range(f[0]):
        for j in range(f[1]):
            for k in range(f[2]):
                start = i * plane + j * sheet + k * row
                term = x[start : start + used]
                if done == 1:
                    first = x[:used]
                    total = buffer[:used]
                    for m in range(used):
                        total[m] = first[m] + term[m]
                elif done > 1:
                    for m in range(used):
                        total[m] += term[m]
                done += 1
    if f[3] == 1:
        for m in range(out.size):
            out[m] = total[m] * weight
    elif f[3] == 2:
        for m in range(out.size):
            even = np.uint64(2) * np.uint64(m)
            out[m] = (total[even] + total[even + np.uint64(1)]) * weight
    else:
        blocks = total.reshape((out.size, f[3]))
        for m in range(out.size):
            mean = 0.0
            for k in range(f[3]):
                mean += blocks[m, k]
            out[m] = mean * weight
