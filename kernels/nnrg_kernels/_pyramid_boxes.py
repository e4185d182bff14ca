"""Boxes of a lattice taken through several levels of block means while they are in cache.

Every lattice is seen with four axes. It is cut into boxes, each inside one group. A box is swept
along axis 0 in bands of whole blocks; a band is coarse-grained level by level in scratch memory,
and the last plane of each level is carried to the next band. Only the planes next to a cut leave
the box, as faces: once all boxes are done, `stitch` adds the bonds across cuts, and across the
boundary of a periodic axis, which is a cut too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._load import FLOAT32, load
from nnrg_kernels._pyramid_faces import place_box, save_faces
from nnrg_kernels._pyramid_rows import block_row, copy_run, run_statistics
from nnrg_kernels._pyramid_squares import in_squares, sum_squares, sweep_straight
from nnrg_kernels._pyramid_table import (
    BLOCK,
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
    Integer,
    Ints,
    Reals,
)

__all__ = ["line_size", "sweep", "sweep_bands", "sweep_level"]

# Planes are taken in runs of about this many bytes, and planes of one very long row are cut into
# segments, so that a run with the plane before it stays in L2. Shorter segments would stay in L1,
# but the reads from memory, which then jump from row to row, cost more than that gains.
RUN_BYTES, SEGMENT_BYTES = 2**17, 2**15
# Between the segments of two rows, for the site after a segment.
GAP = 8


def line_size(plane: int, row: int, f0: int, f3: int) -> int:
    """Return the most numbers of a run of the first level, with the plane before it.

    No plane has more than `plane` sites, no row more than `row`; blocks have `f0` planes and `f3`
    sites of a row.
    """
    segment = min(row, max(RUN_BYTES // 4, f3)) + GAP
    plane = max(plane, segment)
    return plane + max(RUN_BYTES // 4, f0 * plane)


@borrowing_kernel
def _coarsen(
    level: Ints,
    factors: Ints,
    sample: int,
    extent: Ints,
    run: Reals,
    first: int,
    planes: int,
    means: Floats,
    packed: bool | np.bool,
    buffer: Reals,
    fields: Floats,
    field_shift: float,
    field_scale: float,
) -> None:
    """Write the block means of a run of planes to `means`, and to `fields` as they truly are.

    `level` is the row of the level above. `means` is its whole array or, if `packed`, starts
    where the means of this run belong.
    """
    h1, h2, h3 = extent[5], extent[6], extent[PITCH]
    f0, f1, f2, f3 = factors[0], factors[1], factors[2], factors[3]
    m1, m2, m3 = h1 // f1, h2 // f2, extent[WIDTH] // f3
    column, up_row = extent[COLUMN] // f3, extent[7] // f3
    for i in range(planes // f0):
        for j in range(m1):
            for k in range(m2):
                row = ((i * f0 * h1 + j * f1) * h2 + k * f2) * h3
                at = sample * level[SHAPE] + (extent[0] + first) // f0 + i
                at = at * level[SHAPE + 1] + extent[1] // f1 + j
                at = at * level[SHAPE + 2] + extent[2] // f2 + k
                at = at * level[SHAPE + 3] + extent[3] // f3 + column
                to = ((i * m1 + j) * m2 + k) * up_row + column if packed else at
                out = means[to : to + m3]
                block_row(run[row:], factors, extent, buffer, out)
                if level[FIELD_AT] >= 0:
                    at += level[FIELD_AT]
                    field = fields[at : at + m3]
                    for m in range(field.size):
                        field[m] = out[m] * field_scale + field_shift


@borrowing_kernel
def _load_planes(
    raw: npt.NDArray[np.uint8],
    code: int,
    shift: float,
    inverse: float,
    level: Ints,
    sample: int,
    extent: Ints,
    first: int,
    planes: int,
    out: Reals,
) -> None:
    """Fill `out` with the segment of a run of planes, and with the site after it in each row."""
    h1, h2, h3 = extent[5], extent[6], extent[7]
    n1, n2, n3 = level[SHAPE + 1], level[SHAPE + 2], level[SHAPE + 3]
    pitch, column, width = extent[PITCH], extent[COLUMN], extent[WIDTH]
    start = sample * level[SHAPE] + extent[0] + first
    # A segment with its gap can be as long as a row of the lattice, and is none.
    if pitch == n3 and width == n3 and h1 == n1 and h2 == n2:
        size = planes * n1 * n2 * n3
        load(raw, code, start * n1 * n2 * n3, shift, inverse, out[:size])
        return
    if column + width < h3:
        width += 1
    for i in range(planes):
        for j in range(h1):
            for k in range(h2):
                row = ((i * h1 + j) * h2 + k) * pitch
                at = ((start + i) * n1 + extent[1] + j) * n2 + extent[2] + k
                at = at * n3 + extent[3] + column
                load(raw, code, at, shift, inverse, out[row : row + width])


@borrowing_kernel
def _segment(extent: Ints, factor: int, itemsize: int) -> Integer:
    """Return the sites of a segment of a row: all, if there are more rows in a plane."""
    row: int = extent[7]
    if extent[5] * extent[6] > 1:
        return row
    size = RUN_BYTES if extent[4] == 1 else SEGMENT_BYTES
    most: int = max(1, size // (itemsize * factor)) * factor
    return max(1, min(row, most))  # a box may have no site of its own on a level


@borrowing_kernel
def _planes_of_run(plane: int, factor: int, itemsize: int) -> int:
    return factor * max(1, RUN_BYTES // (itemsize * plane * factor))


@borrowing_kernel
def sweep_level(
    geometry: Geometry,
    buffers: Buffers,
    k: Integer,
    x: Reals,
    low: int,
    planes: int,
    sums: Floats,
    scratch: Floats,
    work: Ints,
) -> None:
    """Do the planes of level `k` in a band, which starts `low` planes of the level up the box.

    `x` holds the plane before the band and the band; on the first level, it is there to be filled
    run by run. Its end is room for a sum of rows. What is needed is taken from the tuples here,
    once, because to pass a tuple on costs as much as a short run.
    """
    table, factors, n_boxes = geometry.table, geometry.factors, geometry.n_boxes
    stacked, order, faces = geometry.stacked, buffers.order, buffers.faces
    fields, field_shift, field_scale = buffers.fields, buffers.field_shift, buffers.field_scale
    raw, code, shift, inverse = buffers.raw, buffers.code, buffers.shift, 1.0 / buffers.scale
    level, box, extent = table[k], work[BOX], work[EXTENTS + k]
    row, n_rows = extent[7], extent[5] * extent[6]
    segment = _segment(extent, factors[3], x.itemsize)
    pitch = row
    if k == 0 and n_rows == 1:
        pitch = segment + GAP
    plane = n_rows * pitch
    step = _planes_of_run(n_rows * pitch if k == 0 else n_rows * segment, factors[0], x.itemsize)
    buffer = x[x.size - geometry.row_size :]
    coarsens = k + 1 < table.shape[0]
    packed = k + 1 < geometry.levels
    up = table[k + 1] if coarsens else level
    up_plane = (extent[5] // factors[1]) * (extent[6] // factors[2]) * (row // factors[3])
    target = scratch[up[SCRATCH_AT] + up_plane :] if packed else buffers.top
    extent[PITCH] = pitch
    squares = coarsens and in_squares(level, factors, extent, planes)
    for i in range(0, planes, step):
        in_run, first = min(step, planes - i), low + i
        before = 1 if first > 0 else 0
        means = target[i // factors[0] * up_plane :] if packed else target
        for column in range(0, row, segment):
            extent[COLUMN], extent[WIDTH] = column, min(segment, row - column)
            here = x
            if k == 0:
                out = x[(1 - before) * plane :]
                n_planes = in_run + before
                start = first - before
                _load_planes(raw, code, shift, inverse, level, box[4], extent, start, n_planes, out)
            else:
                here = x[i * plane + column :]
            run = here[plane:]
            save_faces(level, n_boxes, box, extent, run, first, in_run, faces)
            if squares:
                sum_squares(
                    up,
                    box[4],
                    extent,
                    here,
                    first,
                    in_run,
                    order,
                    means,
                    packed,
                    buffer,
                    fields,
                    field_shift,
                    field_scale,
                    sums,
                )
                continue
            run_statistics(here, first > 0, stacked, extent, in_run, order, sums)
            if coarsens:
                _coarsen(
                    up,
                    factors,
                    box[4],
                    extent,
                    run,
                    first,
                    in_run,
                    means,
                    packed,
                    buffer,
                    fields,
                    field_shift,
                    field_scale,
                )


@borrowing_kernel
def sweep_bands(
    geometry: Geometry,
    buffers: Buffers,
    low: int,
    in_band: int,
    lowest: Integer,
    sums: Floats,
    scratch: Floats,
    work: Ints,
) -> None:
    """Do the levels from `lowest` up of a band whose planes `scratch` holds on the lowest."""
    table = geometry.table
    for k in range(lowest, geometry.levels):
        extent = work[EXTENTS + k]
        plane = extent[5] * extent[6] * extent[7]
        planes = in_band // table[k, BLOCK]
        if plane == 0 or planes == 0:
            break
        x = scratch[table[k, SCRATCH_AT] :]
        below = low // table[k, BLOCK]
        sweep_level(geometry, buffers, k, x, below, planes, sums[k], scratch, work)
        copy_run(x[planes * plane :], x[:plane])


@borrowing_kernel
def sweep(
    geometry: Geometry,
    buffers: Buffers,
    first: int,
    last: int,
    line: Reals,
    scratch: Floats,
    work: Ints,
) -> None:
    """Do the chunks of work from `first` up to `last`, each with accumulators of its own.

    All statistics of the boxes but the bonds across their faces are added. `line` holds a run of
    the first level, in float64 or float32; all other levels are float64.
    """
    table = geometry.table
    straight = buffers.code == FLOAT32 and table.shape[0] > 1
    bottom, second = np.int64(0), np.int64(1)  # literals would be compiled as cases of their own
    for i in range(geometry.chunks[first], geometry.chunks[last]):
        place_box(geometry, geometry.boxes[i], work)
        sums = buffers.sums[geometry.segments[i]]
        height = work[EXTENTS, 4]
        for low in range(0, height, geometry.band):
            in_band = min(geometry.band, height - low)
            if straight and in_squares(table[0], geometry.factors, work[EXTENTS], in_band):
                sweep_straight(geometry, buffers, low, in_band, sums[0], scratch, work)
            else:
                sweep_level(geometry, buffers, bottom, line, low, in_band, sums[0], scratch, work)
            sweep_bands(geometry, buffers, low, in_band, second, sums, scratch, work)
