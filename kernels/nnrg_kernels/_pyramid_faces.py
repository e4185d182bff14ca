"""What leaves a box: the planes next to a cut, and the bonds across it."""

from __future__ import annotations

from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._load import load
from nnrg_kernels._pyramid_rows import copy_run, squared_distance
from nnrg_kernels._pyramid_table import (
    BLOCK,
    BOX,
    COLUMN,
    EXTENTS,
    FACE_AT,
    FACE_SIZE,
    OTHER,
    PITCH,
    SHAPE,
    STRIDE,
    WIDTH,
    WRAPS,
    Buffers,
    Floats,
    Geometry,
    Ints,
    Reals,
)

__all__ = ["join_runs", "place_box", "save_faces", "save_raw_faces", "stitch"]


@borrowing_kernel
def _box_extent(cuts: Ints, level: Ints, box: Ints, extent: Ints) -> None:
    """Write where a box starts on a level, and its sites, along each axis."""
    for a in range(4):
        block = level[BLOCK + a]
        extent[a] = cuts[a, box[a]] // block
        extent[4 + a] = cuts[a, box[a] + 1] // block - extent[a]


@borrowing_kernel
def place_box(geometry: Geometry, number: int, work: Ints) -> None:
    """Write the coordinates of a box among boxes, and its place on each level, to `work`."""
    box = work[BOX]
    for a in range(3, -1, -1):
        box[a] = number % geometry.n_boxes[a]
        number //= geometry.n_boxes[a]
    box[4] = number
    for k in range(geometry.levels):
        _box_extent(geometry.cuts, geometry.table[k], box, work[EXTENTS + k])


@borrowing_kernel
def save_faces(
    level: Ints,
    n_boxes: Ints,
    box: Ints,
    extent: Ints,
    run: Reals,
    first: int,
    planes: int,
    faces: Floats,
) -> None:
    """Copy what of a run of planes lies at a cut; `first` planes of the box come before it."""
    h1, h2, h3 = extent[5], extent[6], extent[PITCH]
    column, width = extent[COLUMN], extent[WIDTH]
    for a in range(4):
        if level[FACE_AT + a] < 0:
            continue
        s0, s1 = level[STRIDE + 4 * a], level[STRIDE + 4 * a + 1]
        s2, s3 = level[STRIDE + 4 * a + 2], level[STRIDE + 4 * a + 3]
        corner = (extent[0] + first) * s0 + extent[1] * s1 + extent[2] * s2 + extent[3] * s3
        for side in range(2):
            edge = side * (extent[4 + a] - 1)
            if a == 0:
                edge -= first
                if edge < 0 or edge >= planes:
                    continue
            elif a == 3:
                edge -= column
                if edge < 0 or edge >= width:
                    continue
            face = (box[4] * n_boxes[a] + box[a]) * 2 + side
            base = level[FACE_AT + a] + face * level[FACE_SIZE + a] + corner
            i_low, i_high = (edge, edge + 1) if a == 0 else (0, planes)
            j_low, j_high = (edge, edge + 1) if a == 1 else (0, h1)
            k_low, k_high = (edge, edge + 1) if a == 2 else (0, h2)
            for i in range(i_low, i_high):
                for j in range(j_low, j_high):
                    for k in range(k_low, k_high):
                        row = ((i * h1 + j) * h2 + k) * h3
                        # The stride along axis a is zero, so that its index drops out.
                        to = base + i * s0 + j * s1 + k * s2
                        if a == 3:
                            faces[to] = run[row + edge]
                        else:
                            to += column
                            copy_run(run[row:], faces[to : to + width])


@borrowing_kernel
def save_raw_faces(
    buffers: Buffers, level: Ints, n_boxes: Ints, work: Ints, low: int, rows: int
) -> None:
    """Load what of a band of rows of a matrix, the first level, lies at a cut."""
    raw, code, shift, inverse = buffers.raw, buffers.code, buffers.shift, 1.0 / buffers.scale
    faces, box, extent = buffers.faces, work[BOX], work[EXTENTS]
    width, n3 = extent[7], level[SHAPE + 3]
    corner = box[4] * level[SHAPE] + extent[0]
    for side in range(2):
        edge = side * (extent[4] - 1)
        if level[FACE_AT] >= 0 and low <= edge < low + rows:
            face = (box[4] * n_boxes[0] + box[0]) * 2 + side
            to = level[FACE_AT] + face * level[FACE_SIZE] + extent[3] * level[STRIDE + 3]
            at = (corner + edge) * n3 + extent[3]
            load(raw, code, at, shift, inverse, faces[to : to + width])
        if level[FACE_AT + 3] >= 0:
            face = (box[4] * n_boxes[3] + box[3]) * 2 + side
            to = level[FACE_AT + 3] + face * level[FACE_SIZE + 3]
            stride = level[STRIDE + 12]
            for i in range(low, low + rows):
                at = (corner + i) * n3 + extent[3] + side * (width - 1)
                one = to + (extent[0] + i) * stride
                load(raw, code, at, shift, inverse, faces[one : one + 1])


@borrowing_kernel
def _stitch(geometry: Geometry, faces: Floats, sums: Floats, work: Ints) -> None:
    """Add the bonds from the last planes of a box to the first planes of the boxes after it."""
    box, other = work[BOX], work[OTHER]
    extent, beyond = work[EXTENTS], work[EXTENTS + 1]
    for k in range(geometry.levels):
        level = geometry.table[k]
        _box_extent(geometry.cuts, level, box, extent)
        for a in range(4):
            following = box[a] + 1
            if following == geometry.n_boxes[a]:
                if level[WRAPS + a] == 0:
                    continue
                following = 0
            for b in range(5):
                other[b] = box[b]
            other[a] = following
            _box_extent(geometry.cuts, level, other, beyond)
            if level[FACE_AT + a] < 0 or extent[4 + a] == 0 or beyond[4 + a] == 0:
                continue
            base = level[FACE_AT + a]
            for b in range(4):
                base += extent[b] * level[STRIDE + 4 * a + b]
            first_box = box[4] * geometry.n_boxes[a]
            lower_at = base + ((first_box + box[a]) * 2 + 1) * level[FACE_SIZE + a]
            upper_at = base + (first_box + following) * 2 * level[FACE_SIZE + a]
            s0, s1 = level[STRIDE + 4 * a], level[STRIDE + 4 * a + 1]
            s2 = level[STRIDE + 4 * a + 2]
            extent[4 + a] = 1
            total = 0.0
            for i in range(extent[4]):
                for j in range(extent[5]):
                    for m in range(extent[6]):
                        at = i * s0 + j * s1 + m * s2
                        lower = faces[lower_at + at : lower_at + at + extent[7]]
                        upper = faces[upper_at + at : upper_at + at + extent[7]]
                        total += squared_distance(lower, upper)
            sums[k, 8 + a] += total
            _box_extent(geometry.cuts, level, box, extent)


@borrowing_kernel
def stitch(geometry: Geometry, buffers: Buffers, first: int, last: int, work: Ints) -> None:
    """Add the bonds across cuts for the chunks of work from `first` up to `last`."""
    for i in range(geometry.chunks[first], geometry.chunks[last]):
        place_box(geometry, geometry.boxes[i], work)
        _stitch(geometry, buffers.faces, buffers.sums[geometry.segments[i]], work)


@borrowing_kernel
def join_runs(lower: Floats, ends: Ints, upper: Floats, other_ends: Ints, bonds: Floats) -> None:
    """Add the bonds from the last planes of a run to the first planes of the next, for each level.

    A row of `ends` is where faces hold the first and the last plane, and their sites.
    """
    for k in range(bonds.size):
        size = min(ends[k, 2], other_ends[k, 2])
        first, last = other_ends[k, 0], ends[k, 1]
        bonds[k] += squared_distance(lower[last : last + size], upper[first : first + size])
