"""Boxes of a matrix of bfloat16 numbers in blocks of two by two: the first level in row pairs.

The first level, four fifths of the work, is done without a converted copy, and the second in
float32, which its numbers already are. From the third level on, boxes are swept as all others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._load import BFLOAT16
from nnrg_kernels._pyramid_boxes import sweep_bands, sweep_level
from nnrg_kernels._pyramid_faces import place_box, save_raw_faces
from nnrg_kernels._pyramid_rows import copy_run
from nnrg_kernels._pyramid_table import (
    BOX,
    EXTENTS,
    FIELD_AT,
    SHAPE,
    Buffers,
    Floats,
    Geometry,
    Ints,
)
from nnrg_kernels._pyramid_words import SPARE, Singles, Words, pair_rows

__all__ = ["SPARE", "goes_in_pairs", "sweep_pairs"]

# Sums of squares, and up to order 4 of fourth powers, of the numbers as they are must stay float32.
LEAST_SCALE, MOST_SCALE = 1e-12, 1e6
LEAST_SCALE_OF_FOURTH_POWERS = 1e-8


def goes_in_pairs(
    raw: npt.NDArray[np.uint8], code: int, scale: float, order: int, geometry: Geometry
) -> bool:
    """Return whether the first level can be done in pairs of rows."""
    if code != BFLOAT16:
        return False
    shape = geometry.table[0, SHAPE : SHAPE + 4].tolist()
    return (
        geometry.factors.tolist() == [2, 1, 1, 2]
        and shape[1:3] == [1, 1]
        and shape[0] % 2 == 0
        and shape[3] % 2 == 0
        and 1 < geometry.levels
        and (LEAST_SCALE_OF_FOURTH_POWERS if order <= 4 else LEAST_SCALE) < scale < MOST_SCALE
        and raw.__array_interface__["data"][0] % 4 == 0
    )


@borrowing_kernel
def _keep(buffers: Buffers, level: Ints, work: Ints, low: int, rows: int, means: Singles) -> None:
    """Write block means of the second level among those kept, as they truly are."""
    extent = work[EXTENTS + 1]
    width = extent[7]
    for i in range(rows):
        at = (work[BOX, 4] * level[SHAPE] + extent[0] + low + i) * level[SHAPE + 3] + extent[3]
        at += level[FIELD_AT]
        field = buffers.fields[at : at + width]
        source = means[i * width : (i + 1) * width]
        for m in range(width):
            field[m] = source[m] * buffers.field_scale + buffers.field_shift


@borrowing_kernel
def sweep_pairs(
    geometry: Geometry,
    buffers: Buffers,
    first: int,
    last: int,
    line: Singles,
    spare: Words,
    scratch: Floats,
    work: Ints,
) -> None:
    """Do chunks of work as `sweep` does; `line` holds a band of the second level."""
    table, raw, order = geometry.table, buffers.raw, buffers.order
    shift, inverse = buffers.shift, 1.0 / buffers.scale
    second, third = np.int64(1), np.int64(2)
    for i in range(geometry.chunks[first], geometry.chunks[last]):
        place_box(geometry, geometry.boxes[i], work)
        sums = buffers.sums[geometry.segments[i]]
        extent = work[EXTENTS]
        height, width = extent[4], work[EXTENTS + 1, 7]
        means = line[width:]
        for low in range(0, height, geometry.band):
            in_band = min(geometry.band, height - low)
            half = in_band // 2
            pair_rows(
                raw,
                shift,
                inverse,
                order,
                table[0],
                work[BOX, 4],
                extent,
                low,
                in_band,
                means,
                spare,
                sums[0],
            )
            save_raw_faces(buffers, table[0], geometry.n_boxes, work, low, in_band)
            if table[1, FIELD_AT] >= 0:
                _keep(buffers, table[1], work, low // 2, half, means)
            sweep_level(geometry, buffers, second, line, low // 2, half, sums[1], scratch, work)
            copy_run(line[half * width :], line[:width])
            sweep_bands(geometry, buffers, low, in_band, third, sums, scratch, work)
