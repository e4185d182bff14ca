"""Boxes of a lattice taken through several levels of block means while they are in cache.

Every lattice is seen with four axes, ``(n_0, 1.., n_last)``. It is cut into boxes, each inside one
group. A box is swept along axis 0 in bands of whole blocks; a band is coarse-grained level by
level in scratch memory, and the last plane of each level is carried to the next band. Only the
planes next to a cut leave the box, as faces: once all boxes are done, `_stitch` adds the bonds
across cuts, and across the boundary of a periodic axis, which is a cut too.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import kernel, parallel_kernel
from nnrg_kernels._pyramid_jit import borrowing_kernel
from nnrg_kernels._load import load
from nnrg_kernels._pyramid_rows import block_row, copy_run, run_statistics

__all__ = ["RUN", "Buffers", "Geometry", "sweep", "sweep_parallel"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Planes are taken in runs of about this many sites: with the plane before, they stay in L1.
RUN = 2048


class Geometry(NamedTuple):
    """Integers that describe one round; level axes count from the round's first level."""

    shape: Ints  # (K + 1, 4) sites of each level
    factors: Ints  # (4,)
    blocks: Ints  # (K + 1, 4) first-level sites in a block of each level, along each axis
    n_boxes: Ints  # (4,) boxes along each axis
    cuts: Ints  # (4, max boxes + 1) first-level coordinates of the cuts
    boxes: Ints  # box numbers in order of their group
    segments: Ints  # accumulator of each entry of `boxes`
    chunks: Ints  # where each chunk of work starts in `boxes`, and the end
    band: int  # first-level planes swept at once
    scratch_at: Ints  # (max(K, 1) + 1,) where each level starts in scratch; a row buffer is last
    face_at: Ints  # (max(K, 1), 4) where the faces of each level and axis start, -1 for none
    face_strides: Ints  # (max(K, 1), 4, 4) strides of a face, zero along its own axis
    face_sizes: Ints  # (max(K, 1), 4)
    wraps: Ints  # (max(K, 1), 4) one if bonds join the last site to the first
    field_at: Ints  # (K + 1,) where the block means of each level start in `fields`, -1 for none


class Buffers(NamedTuple):
    """Numbers that go in and come out of one round."""

    raw: npt.NDArray[np.uint8]
    code: int
    shift: float  # what is taken from the values read, and what they are divided by
    scale: float
    field_shift: float  # what takes shifted and scaled numbers to those of the field
    field_scale: float
    order: int
    faces: Floats
    fields: Floats  # true block means of the levels that are kept
    top: Floats  # shifted and scaled block means of level K
    sums: Floats  # (segments, max(K, 1), STATISTICS)


@borrowing_kernel
def _extent(geometry: Geometry, level: int, box: Ints, start: Ints, size: Ints) -> None:
    for a in range(4):
        block = geometry.blocks[level, a]
        start[a] = geometry.cuts[a, box[a]] // block
        size[a] = geometry.cuts[a, box[a] + 1] // block - start[a]


@borrowing_kernel
def _save_faces(
    geometry: Geometry,
    buffers: Buffers,
    level: int,
    box: Ints,
    start: Ints,
    size: Ints,
    run: Floats,
    first: int,
    planes: int,
) -> None:
    """Copy what of the run of `planes` planes from `first` on lies at a cut."""
    for a in range(4):
        at = geometry.face_at[level, a]
        if at < 0:
            continue
        stride = geometry.face_strides[level, a]
        for side in range(2):
            edge = side * (size[a] - 1)
            if a == 0:
                edge -= first
                if edge < 0 or edge >= planes:
                    continue
            face = (box[4] * geometry.n_boxes[a] + box[a]) * 2 + side
            base = at + face * geometry.face_sizes[level, a] + first * stride[0]
            for b in range(4):
                base += start[b] * stride[b]
            i_low, i_high = (edge, edge + 1) if a == 0 else (0, planes)
            j_low, j_high = (edge, edge + 1) if a == 1 else (0, size[1])
            k_low, k_high = (edge, edge + 1) if a == 2 else (0, size[2])
            for i in range(i_low, i_high):
                for j in range(j_low, j_high):
                    for k in range(k_low, k_high):
                        row = ((i * size[1] + j) * size[2] + k) * size[3]
                        # an axis' own stride is zero: its index drops out
                        to = base + i * stride[0] + j * stride[1] + k * stride[2]
                        if a == 3:
                            buffers.faces[to] = run[row + edge]
                        else:
                            copy_run(run[row:], buffers.faces[to : to + size[3]])


@borrowing_kernel
def _coarsen(
    geometry: Geometry,
    buffers: Buffers,
    level: int,
    sample: int,
    start: Ints,
    size: Ints,
    run: Floats,
    first: int,
    planes: int,
    slot: int,
    scratch: Floats,
) -> None:
    """Write the block means of a run of planes to where the level above is read from.

    `first` counts the planes of the box before the run, `slot` those of its band.
    """
    up = level + 1
    f = geometry.factors
    shape = geometry.shape
    last = up == shape.shape[0] - 1
    m1, m2, m3 = size[1] // f[1], size[2] // f[2], size[3] // f[3]
    buffer = scratch[geometry.scratch_at[-1] :]
    # Sites above that the level's shape leaves out lie at the far end only.
    for i in range(planes // f[0]):
        for j in range(m1):
            for k in range(m2):
                row = ((i * f[0] * size[1] + j * f[1]) * size[2] + k * f[2]) * size[3]
                at = sample
                at = at * shape[up, 0] + (start[0] + first) // f[0] + i
                at = at * shape[up, 1] + start[1] // f[1] + j
                at = at * shape[up, 2] + start[2] // f[2] + k
                at = at * shape[up, 3] + start[3] // f[3]
                if last:
                    out = buffers.top[at : at + m3]
                else:
                    here = (((1 + slot // f[0] + i) * m1 + j) * m2 + k) * m3
                    here += geometry.scratch_at[up]
                    out = scratch[here : here + m3]
                block_row(run[row:], f, size, buffer, out)
                if geometry.field_at[up] >= 0:
                    at += geometry.field_at[up]
                    field = buffers.fields[at : at + m3]
                    for m in range(m3):
                        field[m] = out[m] * buffers.field_scale + buffers.field_shift


@borrowing_kernel
def _load_planes(
    geometry: Geometry,
    buffers: Buffers,
    sample: int,
    start: Ints,
    size: Ints,
    first: int,
    planes: int,
    out: Floats,
) -> None:
    shape = geometry.shape[0]
    inverse = 1.0 / buffers.scale
    at = (sample * shape[0] + start[0] + first) * shape[1] * shape[2] * shape[3]
    if size[1] == shape[1] and size[2] == shape[2] and size[3] == shape[3]:
        load(buffers.raw, buffers.code, at, buffers.shift, inverse, out)
        return
    for i in range(planes):
        for j in range(size[1]):
            for k in range(size[2]):
                row = ((i * size[1] + j) * size[2] + k) * size[3]
                sheet = (sample * shape[0] + start[0] + first + i) * shape[1] + start[1] + j
                at = (sheet * shape[2] + start[2] + k) * shape[3] + start[3]
                load(
                    buffers.raw,
                    buffers.code,
                    at,
                    buffers.shift,
                    inverse,
                    out[row : row + size[3]],
                )


@borrowing_kernel
def _box(
    geometry: Geometry, buffers: Buffers, box: Ints, sums: Floats, scratch: Floats, work: Ints
) -> None:
    n_levels = geometry.face_at.shape[0]
    n_up = geometry.shape.shape[0] - 1
    start, size = work[0], work[1]
    _extent(geometry, 0, box, start, size)
    height = size[0]
    for low in range(0, height, geometry.band):
        in_band = min(geometry.band, height - low)
        for level in range(n_levels):
            block = geometry.blocks[level, 0]
            _extent(geometry, level, box, start, size)
            plane = size[1] * size[2] * size[3]
            n_planes = in_band // block
            first = low // block
            if plane == 0 or n_planes == 0:
                continue
            x = scratch[geometry.scratch_at[level] : geometry.scratch_at[level + 1]]
            step = geometry.factors[0] * max(1, RUN // (plane * geometry.factors[0]))
            for i in range(0, n_planes, step):
                planes = min(step, n_planes - i)
                if level == 0:
                    here = x[: (1 + planes) * plane]
                    _load_planes(
                        geometry, buffers, box[4], start, size, first + i, planes, here[plane:]
                    )
                else:
                    here = x[i * plane : (i + 1 + planes) * plane]
                run_statistics(here, first + i > 0, size, planes, buffers.order, sums[level])
                run = here[plane:]
                _save_faces(geometry, buffers, level, box, start, size, run, first + i, planes)
                if level < n_up:
                    _coarsen(
                        geometry,
                        buffers,
                        level,
                        box[4],
                        start,
                        size,
                        run,
                        first + i,
                        planes,
                        i,
                        scratch,
                    )
                if level == 0:
                    copy_run(run[(planes - 1) * plane :], x[:plane])
            if level > 0:
                copy_run(x[n_planes * plane :], x[:plane])


@borrowing_kernel
def _stitch(geometry: Geometry, buffers: Buffers, box: Ints, sums: Floats, work: Ints) -> None:
    """Add the bonds from the last planes of a box to the first planes of the boxes after it."""
    start, size, extent = work[0], work[1], work[2]
    other, other_start, other_size = work[3], work[4], work[5]
    for level in range(geometry.face_at.shape[0]):
        _extent(geometry, level, box, start, size)
        for a in range(4):
            at = geometry.face_at[level, a]
            following = box[a] + 1
            if following == geometry.n_boxes[a]:
                if geometry.wraps[level, a] == 0:
                    continue
                following = 0
            for b in range(5):
                other[b] = box[b]
                extent[b] = size[b]
            other[a] = following
            _extent(geometry, level, other, other_start, other_size)
            if at < 0 or size[a] == 0 or other_size[a] == 0:
                continue
            stride = geometry.face_strides[level, a]
            face = geometry.face_sizes[level, a]
            sample = box[4] * geometry.n_boxes[a]
            base = 0
            for b in range(4):
                base += start[b] * stride[b]
            lower_at = at + ((sample + box[a]) * 2 + 1) * face + base
            upper_at = at + (sample + following) * 2 * face + base
            extent[a] = 1
            total = 0.0
            for i in range(extent[0]):
                for j in range(extent[1]):
                    for k in range(extent[2]):
                        shift = i * stride[0] + j * stride[1] + k * stride[2]
                        lower = buffers.faces[lower_at + shift : lower_at + shift + extent[3]]
                        upper = buffers.faces[upper_at + shift : upper_at + shift + extent[3]]
                        for m in range(lower.size):
                            step = upper[m] - lower[m]
                            total += step * step
            sums[level, 8 + a] += total


@borrowing_kernel
def _chunk(
    geometry: Geometry, buffers: Buffers, chunk: int, stitching: bool, scratch: Floats, work: Ints
) -> None:
    box = work[6]
    for i in range(geometry.chunks[chunk], geometry.chunks[chunk + 1]):
        number = geometry.boxes[i]
        for a in range(3, -1, -1):
            box[a] = number % geometry.n_boxes[a]
            number //= geometry.n_boxes[a]
        box[4] = number
        sums = buffers.sums[geometry.segments[i]]
        if stitching:
            _stitch(geometry, buffers, box, sums, work)
        else:
            _box(geometry, buffers, box, sums, scratch, work)


@borrowing_kernel
def sweep(geometry: Geometry, buffers: Buffers, stitching: bool, scratch: Floats, work: Ints) -> None:
    """Do all chunks of work, one after the other."""
    for chunk in range(geometry.chunks.size - 1):
        _chunk(geometry, buffers, chunk, stitching, scratch[0], work[0])


@parallel_kernel
def sweep_parallel(geometry: Geometry, buffers: Buffers, stitching: bool, scratch: Floats, work: Ints) -> None:
    """Do all chunks of work; each has accumulators of its own, whichever thread takes it."""
    for chunk in numba.prange(geometry.chunks.size - 1):
        thread = numba.get_thread_id()
        _chunk(geometry, buffers, chunk, stitching, scratch[thread], work[thread])
