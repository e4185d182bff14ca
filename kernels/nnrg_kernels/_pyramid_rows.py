"""Sums over contiguous runs of float64 or float32 numbers: the inner loops of the block pyramid.

Runs are slices, indexed from zero to their size, because the compiler vectorises only loops whose
index it knows to be non-negative.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._pyramid_jit import borrowing_kernel

__all__ = [
    "MAX_ORDER",
    "STATISTICS",
    "block_row",
    "copy_run",
    "power_sums",
    "run_statistics",
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
def _add_powers(x: Reals, order: int, one: Real, always: bool, sums: Floats) -> bool:
    """Add power sums in the arithmetic of `one`, `always` or if none overflowed; say if done."""
    zero = one - one
    s1 = s2 = s3 = s4 = zero
    if order <= 4:
        for i in range(x.size):
            a = x[i] * one
            a2 = a * a
            s1 += a
            s2 += a2
            s3 += a2 * a
            s4 += a2 * a2
        if not always and not np.isfinite(s4):
            return False
    else:
        s5 = s6 = s7 = s8 = zero
        for i in range(x.size):
            a = x[i] * one
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
        if not always and not np.isfinite(s8):
            return False
        sums[4] += s5
        sums[5] += s6
        sums[6] += s7
        sums[7] += s8
    sums[0] += s1
    sums[1] += s2
    sums[2] += s3
    sums[3] += s4
    return True


@borrowing_kernel
def power_sums(x: Reals, order: int, sums: Floats) -> None:
    """Add the sum of ``x ** p`` to ``sums[p - 1]``, p up to 4 or, if `order` > 4, up to 8.

    Float32 numbers are added in float32: a run has some 10^3 of them. The eighth power overflows
    from 6e4 standard deviations on; such a run is done again in float64.
    """
    double = x.itemsize == 8
    if not _add_powers(x, order, x.dtype.type(1), double, sums):
        _add_powers(x, order, 1.0, not double, sums)


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


@borrowing_kernel
def run_statistics(
    x: Reals, carried: bool, stacked: bool, extent: Ints, planes: int, order: int, sums: Floats
) -> None:
    """Add power sums and squared nearest-neighbour differences of a run of planes to `sums`.

    `x` holds the plane before the run (meaningful if `carried`), then `planes` planes of
    ``extent[5] * extent[6] * extent[7]`` sites. No bond joins planes that are `stacked`.
    """
    row = extent[7]
    sheet = extent[6] * row
    plane = extent[5] * sheet
    run = x[plane : (1 + planes) * plane]
    power_sums(run, order, sums)
    if not stacked:
        if carried:
            sums[8] += squared_steps(x[: (1 + planes) * plane], plane)
        elif planes > 1:
            sums[8] += squared_steps(run, plane)
    if extent[5] > 1:
        for i in range(planes):
            sums[9] += squared_steps(run[i * plane : (i + 1) * plane], sheet)
    if extent[6] > 1:
        for i in range(planes * extent[5]):
            sums[10] += squared_steps(run[i * sheet : (i + 1) * sheet], row)
    if row > 1:
        total: Real = 0.0
        one = np.int64(1)  # a literal would be compiled as a case of its own
        for i in range(planes * extent[5] * extent[6]):
            total += squared_steps(run[i * row : (i + 1) * row], one)
        sums[11] += total


@borrowing_kernel
def block_row(x: Reals, f: Ints, extent: Ints, buffer: Reals, out: Floats) -> None:
    """Write one row of block means to `out`; `x` starts at the first row of its blocks.

    Rows are added first: only then is one row in ``f[0] * f[1] * f[2]`` summed across its sites.
    """
    row = extent[7]
    sheet = extent[6] * row
    plane = extent[5] * sheet
    used = out.size * f[3]
    total = x[:used]
    n_rows = 0
    for i in range(f[0]):
        for j in range(f[1]):
            for k in range(f[2]):
                start = i * plane + j * sheet + k * row
                term = x[start : start + used]
                if n_rows == 1:
                    first = x[:used]
                    total = buffer[:used]
                    for m in range(used):
                        total[m] = first[m] + term[m]
                elif n_rows > 1:
                    for m in range(used):
                        total[m] += term[m]
                n_rows += 1
    weight = 1.0 / (n_rows * f[3])
    if f[3] == 1:
        for m in range(out.size):
            out[m] = total[m] * weight
    elif f[3] == 2:
        pairs = total.reshape((out.size, 2))
        for m in range(out.size):
            out[m] = (pairs[m, 0] + pairs[m, 1]) * weight
    else:
        blocks = total.reshape((out.size, f[3]))
        for m in range(out.size):
            mean = 0.0
            for k in range(f[3]):
                mean += blocks[m, k]
            out[m] = mean * weight
