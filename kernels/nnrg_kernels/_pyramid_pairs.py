"""Boxes of a matrix of bfloat16 numbers in blocks of two by two: the first level in row pairs.

The first level, nine tenths of the work, is done without a converted copy. Up to order 4, boxes
of whole blocks are done in float32 at all levels; others are swept from the second level on as
those of any matrix.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._load import BFLOAT16
from nnrg_kernels._pyramid_boxes import sweep_bands, sweep_level
from nnrg_kernels._pyramid_faces import place_box, save_raw_faces
from nnrg_kernels._pyramid_plan import Round
from nnrg_kernels._pyramid_rows import copy_run
from nnrg_kernels._pyramid_singles import (
    goes_in_singles,
    keep_row,
    sweep_singles,
)
from nnrg_kernels._pyramid_table import BOX, EXTENTS, SHAPE, Buffers, Floats, Geometry, Ints
from nnrg_kernels._pyramid_words import Singles, pair_rows

__all__ = ["goes_in_pairs", "sweep_pairs", "unit_is_safe"]

# Sums of squares, and up to order 4 of fourth powers, of the numbers as they are must stay float32.
LEAST_SCALE, MOST_SCALE = 1e-12, 1e6
LEAST_SCALE_OF_FOURTH_POWERS = 1e-6


def unit_is_safe(scale: float, order: int) -> bool:
    """Return whether powers of numbers that are not mapped stay within float32."""
    least = LEAST_SCALE_OF_FOURTH_POWERS if order <= 4 else LEAST_SCALE
    return least < scale < MOST_SCALE


def goes_in_pairs(
    raw: npt.NDArray[np.uint8], code: int, scale: float, order: int, plan: Round
) -> bool:
    """Return whether the first level can be done in pairs of rows."""
    if code != BFLOAT16 or not plan.in_squares:
        return False
    geometry = plan.geometry
    return (
        geometry.table[0, SHAPE] % 2 == 0
        and geometry.table[0, SHAPE + 3] % 2 == 0
        and 1 < geometry.levels
        and unit_is_safe(scale, order)
        and raw.ctypes.data % 4 == 0
    )


@borrowing_kernel
def sweep_pairs(
    geometry: Geometry,
    buffers: Buffers,
    first: int,
    last: int,
    line: Singles,
    scratch: Floats,
    work: Ints,
) -> None:
    """Do chunks of work as `sweep` does.

    `line` holds a band of the second level and the row before it, or what `sweep_singles` needs.
    """
    table, raw, order = geometry.table, buffers.raw, buffers.order
    shift, inverse = buffers.shift, 1.0 / buffers.scale
    second, third = np.int64(1), np.int64(2)
    for i in range(geometry.chunks[first], geometry.chunks[last]):
        place_box(geometry, geometry.boxes[i], work)
        sums = buffers.sums[geometry.segments[i]]
        extent, sample = work[EXTENTS], work[BOX, 4]
        height, width = extent[4], extent[7] // 2
        in_singles = goes_in_singles(geometry, extent, order)
        for low in range(0, height, geometry.band):
            in_band = min(geometry.band, height - low)
            half = in_band // 2
            for k in range(half):
                # The second level is swept as all others, and makes its own sums, unless it goes on
                # row by row.
                means, totals = line[(1 + k) * width :][:width], line[line.size - width :]
                above = sums[geometry.levels]
                if in_singles:
                    means, totals = line[:width], line[width : 2 * width]
                    above = sums[1]
                else:
                    copy_run(line[k * width :], means)  # the row before it, from which bonds lead
                pair_rows(
                    raw,
                    shift,
                    inverse,
                    order,
                    table[0],
                    sample,
                    extent,
                    low + 2 * k,
                    means,
                    totals,
                    sums[0],
                    above,
                )
                if in_singles:
                    sweep_singles(geometry, buffers, low // 2 + k, line, sums, work)
                    continue
                row = (extent[0] + low) // 2 + k
                keep_row(buffers, table[1], sample, row, extent[3] // 2, means)
            save_raw_faces(buffers, table[0], geometry.n_boxes, work, low, in_band)
            if in_singles:
                continue
            sweep_level(geometry, buffers, second, line, low // 2, half, sums[1], scratch, work)
            copy_run(line[half * width :], line[:width])
            sweep_bands(geometry, buffers, low, in_band, third, sums, scratch, work)
