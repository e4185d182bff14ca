"""Where a round of the pyramid cuts its lattice: a function of shapes only, never of threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg_kernels._pyramid_boxes import RUN, Geometry

__all__ = ["Round", "lattice_axes", "levels_at_once", "plan_round"]

Ints = npt.NDArray[np.int64]

# Most first-level sites in a block of one round's last level. More would save little traffic, and
# the shift, which is common to a round, would be off by too many of the last level's deviations.
LARGEST_BLOCK = 2**10
# Sites of one row of a box, of a plane, and of one band.
ROW, PLANE, BAND = 1024, 2048, 2**14
# Chunks of work: enough to keep two to a few tens of threads evenly busy.
CHUNKS = 64


@dataclass(frozen=True, slots=True)
class Round:
    """A planned round: its geometry, and the sizes of the arrays it needs."""

    geometry: Geometry
    group_of_segment: Ints
    n_samples: int
    keep: bool
    scratch_size: int
    faces_size: int

    @property
    def levels(self) -> int:
        """Levels whose statistics the round gives."""
        return int(self.geometry.face_at.shape[0])


def _padded(numbers: tuple[int, ...], fill: int) -> tuple[int, int, int, int]:
    """Spread up to four axes over four: axis 0 first, the others last; one axis is the last."""
    if len(numbers) == 1:
        return (fill, fill, fill, numbers[0])
    head, tail = numbers[:1], numbers[1:]
    a, b, c, d = head + (fill,) * (4 - len(numbers)) + tail
    return (a, b, c, d)


def lattice_axes(d: int) -> tuple[int, ...]:
    """Return which of the four padded axes are the axes of a lattice in `d` dimensions."""
    return ((3,), (0, 3), (0, 2, 3), (0, 1, 2, 3))[d - 1]


def levels_at_once(factors: tuple[int, ...], remaining: int) -> int:
    """Return how many coarse-graining steps one round takes."""
    volume = int(np.prod(factors))
    levels = min(remaining, 1)
    while levels < remaining and volume ** (levels + 1) <= LARGEST_BLOCK:
        levels += 1
    return levels


def _cut(edges: Ints, unit: int, target: int) -> tuple[Ints, Ints]:
    """Cut each cell into runs of whole units of about `target` sites; return cuts and cells."""
    cuts = [0]
    cells = []
    for cell in range(len(edges) - 1):
        start, stop = int(edges[cell]), int(edges[cell + 1])
        n_units = (stop - start) // unit
        n_runs = max(1, min(n_units, -(-(stop - start) // max(target, unit))))
        inner = start + unit * (np.arange(1, n_runs) * n_units // n_runs)
        cuts.extend(inner.tolist())
        cuts.append(stop)
        cells.extend([cell] * n_runs)
    return np.array(cuts, np.int64), np.array(cells, np.int64)


def _targets(n_samples: int, shape: Ints, unit: Ints) -> tuple[int, int, int, int]:
    """Return the sites along each axis that a box should have."""
    row = int(min(shape[3], max(unit[3], PLANE if shape[2] == shape[0] == 1 else ROW)))
    if shape[2] > 1:
        row = min(row, max(int(unit[3]), 128))
    sheet = max(1, PLANE // row)
    middle = sheet if shape[1] == 1 else max(1, round(sheet**0.5))
    boxes = n_samples
    for axis, target in ((1, middle), (2, middle), (3, row)):
        boxes *= -(-int(shape[axis]) // max(target, int(unit[axis])))
    depth = -(-int(shape[0]) * boxes // CHUNKS)
    plane = row * middle ** int((shape[1:3] > 1).sum())
    return max(depth, int(unit[0]), -(-2 * BAND // plane)), middle, middle, row


def plan_round(
    shape: tuple[int, ...],
    factors: tuple[int, ...],
    levels: int,
    wraps: npt.NDArray[np.bool_],
    sample_group: Ints,
    edges: tuple[Ints, ...],
    keep: bool,
    open_faces: bool = False,
) -> Round:
    """Plan the statistics of levels 0..`levels` - 1 (at least of level 0) of one lattice.

    `wraps` has shape (max(levels, 1), d). With `open_faces` the first and last planes along the
    first axis are kept even if nothing in this lattice joins them.
    """
    n_samples = int(sample_group.size)
    f = np.array(_padded(factors, 1), np.int64)
    n = np.array(_padded(shape, 1), np.int64)
    blocks = np.array([f**level for level in range(levels + 1)], np.int64)
    shapes = n // blocks
    unit = blocks[-1]
    n_levels = max(levels, 1)
    wrapped = np.array([_padded(tuple(row), 0) for row in wraps.astype(int).tolist()], np.int64)

    whole = np.array([0, 1], np.int64)
    all_edges = [whole] * 4
    for axis, own in zip(lattice_axes(len(shape)), edges, strict=True):
        all_edges[axis] = own
    targets = _targets(n_samples, n, unit)
    cut = [_cut(all_edges[a], int(unit[a]), targets[a]) for a in range(4)]
    n_boxes = np.array([len(cells) for _, cells in cut], np.int64)
    cuts = np.zeros((4, int(n_boxes.max()) + 1), np.int64)
    for a in range(4):
        cuts[a, : n_boxes[a] + 1] = cut[a][0]

    n_cells = [len(own) - 1 for own in all_edges]
    group = sample_group[:, None]
    for a in range(4):
        group = (group[:, :, None] * n_cells[a] + cut[a][1]).reshape(n_samples, -1)
    group = group.reshape(-1)
    boxes = np.argsort(group, kind="stable")
    group = group[boxes]
    chunks = np.arange(CHUNKS + 1) * boxes.size // CHUNKS
    chunks = np.unique(chunks)
    starts = np.zeros(boxes.size, np.bool_)
    starts[1:] = group[1:] != group[:-1]
    starts[chunks[:-1]] = True

    largest = [np.diff(cuts[a, : n_boxes[a] + 1]) for a in range(4)]
    plane_sizes = [
        int(np.prod([(largest[a] // blocks[level, a]).max() for a in (1, 2, 3)]))
        for level in range(n_levels)
    ]
    plane = max(1, plane_sizes[0])
    band = int(unit[0]) * max(1, BAND // (plane * int(unit[0])))
    sizes = [plane + max(RUN, int(f[0]) * plane)]
    sizes += [
        (1 + band // int(blocks[level, 0])) * plane_sizes[level] for level in range(1, n_levels)
    ]
    scratch_at = np.cumsum([0, *sizes])

    face_sizes = np.zeros((n_levels, 4), np.int64)
    strides = np.zeros((n_levels, 4, 4), np.int64)
    for level in range(n_levels):
        for a in range(4):
            size = 1
            for b in (3, 2, 1, 0):
                if b != a:
                    strides[level, a, b] = size
                    size *= int(shapes[level, b])
            face_sizes[level, a] = size
    joined = (n > 1) & ((n_boxes > 1) | wrapped.any(axis=0))
    if open_faces:
        joined[lattice_axes(len(shape))[0]] = True
    n_faces = np.where(joined, face_sizes * n_boxes * 2 * n_samples, 0)
    face_at = np.cumsum(n_faces).reshape(n_faces.shape) - n_faces
    face_at[:, ~joined] = -1

    kept = np.prod(shapes[1:], axis=1) * n_samples
    field_at = np.full(levels + 1, -1, np.int64)
    if keep:
        field_at[1:] = np.cumsum(kept) - kept
    geometry = Geometry(
        shape=shapes,
        factors=f,
        blocks=blocks,
        n_boxes=n_boxes,
        cuts=cuts,
        boxes=boxes,
        segments=np.cumsum(starts) - 1,
        chunks=chunks,
        band=band,
        scratch_at=scratch_at,
        face_at=face_at,
        face_strides=strides,
        face_sizes=face_sizes,
        wraps=wrapped,
        field_at=field_at,
    )
    return Round(
        geometry=geometry,
        group_of_segment=group[starts],
        n_samples=n_samples,
        keep=keep,
        scratch_size=int(scratch_at[-1]) + plane,
        faces_size=int(n_faces.sum()),
    )
