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

from nnrg_kernels._load import load
from nnrg_kernels._pyramid_faces import box_extent, save_faces, stitch
from nnrg_kernels._pyramid_jit import borrowing_kernel
from nnrg_kernels._pyramid_rows import block_row, copy_run, run_statistics
from nnrg_kernels._pyramid_table import (
    BLOCK,
    BOX,
    EXTENTS,
    FIELD_AT,
    SCRATCH_AT,
    SHAPE,
    Buffers,
    Floats,
    Geometry,
    Integer,
    Ints,
    Reals,
)

__all__ = ["RUN", "sweep"]

# Planes are taken in runs of about this many sites: with the plane before, they stay in L1.
RUN = 2048


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
    h1, h2, h3 = extent[5], extent[6], extent[7]
    f0, f1, f2, f3 = factors[0], factors[1], factors[2], factors[3]
    m1, m2, m3 = h1 // f1, h2 // f2, h3 // f3
    for i in range(planes // f0):
        for j in range(m1):
            for k in range(m2):
                row = ((i * f0 * h1 + j * f1) * h2 + k * f2) * h3
                at = sample * level[SHAPE] + (extent[0] + first) // f0 + i
                at = at * level[SHAPE + 1] + extent[1] // f1 + j
                at = at * level[SHAPE + 2] + extent[2] // f2 + k
                at = at * level[SHAPE + 3] + extent[3] // f3
                to = ((i * m1 + j) * m2 + k) * m3 if packed else at
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
    h1, h2, h3 = extent[5], extent[6], extent[7]
    n1, n2, n3 = level[SHAPE + 1], level[SHAPE + 2], level[SHAPE + 3]
    start = sample * level[SHAPE] + extent[0] + first
    if h1 == n1 and h2 == n2 and h3 == n3:
        load(raw, code, start * n1 * n2 * n3, shift, inverse, out)
        return
    for i in range(planes):
        for j in range(h1):
            for k in range(h2):
                row = ((i * h1 + j) * h2 + k) * h3
                at = ((start + i) * n1 + extent[1] + j) * n2 + extent[2] + k
                at = at * n3 + extent[3]
                load(raw, code, at, shift, inverse, out[row : row + h3])


@borrowing_kernel
def _run(
    geometry: Geometry,
    buffers: Buffers,
    k: Integer,
    x: Reals,
    first: int,
    planes: int,
    slot: int,
    buffer: Reals,
    sums: Floats,
    scratch: Floats,
    work: Ints,
) -> None:
    """Do a run of planes of level `k`; `x` starts with the plane before it.

    `first` counts the planes of the box before the run, `slot` those of the band.
    """
    table, factors = geometry.table, geometry.factors
    box, extent = work[BOX], work[EXTENTS + k]
    plane = extent[5] * extent[6] * extent[7]
    end = (1 + planes) * plane
    run_statistics(x[: end + 1], first > 0, geometry.stacked, extent, planes, buffers.order, sums)
    run = x[plane:end]
    save_faces(table[k], geometry.n_boxes, box, extent, run, first, planes, buffers.faces)
    if k + 1 == table.shape[0]:
        return
    up = table[k + 1]
    packed = k + 1 < geometry.levels
    means = buffers.top
    if packed:
        up_plane = (extent[5] // factors[1]) * (extent[6] // factors[2]) * (extent[7] // factors[3])
        means = scratch[up[SCRATCH_AT] + (1 + slot // factors[0]) * up_plane :]
    _coarsen(
        up,
        factors,
        box[4],
        extent,
        run,
        first,
        planes,
        means,
        packed,
        buffer,
        buffers.fields,
        buffers.field_shift,
        buffers.field_scale,
    )


@borrowing_kernel
def _box(
    geometry: Geometry, buffers: Buffers, sums: Floats, line: Reals, scratch: Floats, work: Ints
) -> None:
    """Add the statistics of one box, except bonds across its faces, to `sums`.

    `line` holds a run of the first level, in float64 or float32; all other levels are float64.
    """
    table, f0 = geometry.table, geometry.factors[0]
    box = work[BOX]
    for k in range(geometry.levels):
        box_extent(geometry.cuts, table[k], box, work[EXTENTS + k])
    extent = work[EXTENTS]
    height, plane = extent[4], extent[5] * extent[6] * extent[7]
    inverse = 1.0 / buffers.scale
    line_end = line[line.size - geometry.row_size :]
    scratch_end = scratch[scratch.size - geometry.row_size :]
    step = f0 * max(1, RUN // (plane * f0))
    bottom = np.int64(0)  # a literal would be compiled as a case of its own
    for low in range(0, height, geometry.band):
        in_band = min(geometry.band, height - low)
        for i in range(0, in_band, step):
            planes = min(step, in_band - i)
            run = line[plane : (1 + planes) * plane]
            _load_planes(
                buffers.raw,
                buffers.code,
                buffers.shift,
                inverse,
                table[0],
                box[4],
                extent,
                low + i,
                planes,
                run,
            )
            _run(
                geometry,
                buffers,
                bottom,
                line,
                low + i,
                planes,
                i,
                line_end,
                sums[0],
                scratch,
                work,
            )
            copy_run(run[(planes - 1) * plane :], line[:plane])
        for k in range(1, geometry.levels):
            above = work[EXTENTS + k]
            up_plane = above[5] * above[6] * above[7]
            n_planes = in_band // table[k, BLOCK]
            below = low // table[k, BLOCK]
            if up_plane == 0 or n_planes == 0:
                break
            x = scratch[table[k, SCRATCH_AT] :]
            stride = f0 * max(1, RUN // (up_plane * f0))
            for i in range(0, n_planes, stride):
                _run(
                    geometry,
                    buffers,
                    k,
                    x[i * up_plane :],
                    below + i,
                    min(stride, n_planes - i),
                    i,
                    scratch_end,
                    sums[k],
                    scratch,
                    work,
                )
            copy_run(x[n_planes * up_plane :], x[:up_plane])


@borrowing_kernel
def sweep(
    geometry: Geometry,
    buffers: Buffers,
    first: int,
    last: int,
    stitching: bool,
    line: Reals,
    scratch: Floats,
    work: Ints,
) -> None:
    """Do the chunks of work from `first` up to `last`, each with accumulators of its own."""
    box = work[BOX]
    for i in range(geometry.chunks[first], geometry.chunks[last]):
        number = geometry.boxes[i]
        for a in range(3, -1, -1):
            box[a] = number % geometry.n_boxes[a]
            number //= geometry.n_boxes[a]
        box[4] = number
        sums = buffers.sums[geometry.segments[i]]
        if stitching:
            stitch(geometry, buffers.faces, sums, work)
        else:
            _box(geometry, buffers, sums, line, scratch, work)
