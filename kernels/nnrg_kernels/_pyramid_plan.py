"""Where a round of the pyramid cuts its lattice: a function of shapes only, never of threads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg_kernels import _pyramid_table as columns
from nnrg_kernels._pyramid_boxes import line_size
from nnrg_kernels._pyramid_singles import singles_size
from nnrg_kernels._pyramid_table import Geometry

__all__ = ["Round", "levels_at_once", "plan_round", "spread"]

Ints = npt.NDArray[np.int64]

# Most first-level sites in a block of one round's last level. More would save little traffic, and
# the shift, which is common to a round, would be off by too many of the last level's deviations.
LARGEST_BLOCK = 2**10
# Sites of a row of a box in one, two and more dimensions, of a plane, and of one band.
ROWS, PLANE, BAND = (2**13, 2**13, 2**7, 2**7), 2**13, 2**14
# The same for a run of rows, which is one thread's own, and the sites of a box: large boxes have
# fewer faces.
STREAM_ROWS, STREAM_BOX = (2**13, 2**14, 2**7, 2**7), 2**21
# Samples with fewer sites than this are swept many at a time.
SMALL_SAMPLE = 2**13
# Chunks of work: enough to keep two to a few tens of threads evenly busy.
CHUNKS = 64


@dataclass(frozen=True, slots=True)
class Round:
    """A planned round: its geometry, and the sizes of the arrays it needs.

    Attributes
    ----------
    axes : tuple of int
        Which of the four axes are those of the lattice.
    group_of_segment : ndarray, shape (segments,)
        Group of each accumulator, ascending.
    groups, first_segments : ndarray
        Groups that have accumulators, and the first one of each.
    has_bonds : bool
        Whether bonds lead from one box to another, or across a boundary.
    in_squares : bool
        Whether it is matrices in blocks of two by two.
    """

    geometry: Geometry
    axes: tuple[int, ...]
    group_of_segment: Ints
    groups: Ints
    first_segments: Ints
    top_size: int
    fields_size: int
    line_size: int
    scratch_size: int
    faces_size: int
    has_bonds: bool
    in_squares: bool


def levels_at_once(factors: tuple[int, ...], remaining: int) -> int:
    """Return how many coarse-graining steps one round takes."""
    volume = math.prod(factors)
    levels = min(remaining, 1)
    while levels < remaining and volume ** (levels + 1) <= LARGEST_BLOCK:
        levels += 1
    return levels


def plan_round(
    shape: tuple[int, ...],
    factors: tuple[int, ...],
    levels: int,
    wraps: npt.NDArray[np.bool_],
    sample_group: Ints,
    edges: tuple[Ints, ...],
    keep: bool,
    open_faces: bool = False,
    whole: bool = False,
) -> Round:
    """Plan `levels` steps on one lattice, and the statistics of as many levels as `wraps` has rows.

    These are all, `levels` + 1, or all but the last, whose block means then leave the round. With
    `open_faces` the first and last planes along the first axis are kept even if nothing in this
    lattice joins them. If `whole`, groups are not cut into boxes.
    """
    d, n_samples = len(shape), sample_group.size
    stacked = d < 4 and n_samples > 1 and math.prod(shape) < SMALL_SAMPLE
    axes = ((3,), (1, 3), (1, 2, 3))[d - 1] if stacked else spread(d)
    n, f = np.ones(4, np.int64), np.ones(4, np.int64)
    wrapped = np.zeros((len(wraps), 4), np.int64)
    all_edges = [np.array([0, 1], np.int64)] * 4
    n[list(axes)], f[list(axes)], wrapped[:, list(axes)] = shape, factors, wraps
    for axis, own in zip(axes, edges, strict=True):
        all_edges[axis] = own
    if stacked:
        n[0] = n_samples
        runs = np.flatnonzero(np.diff(sample_group)) + 1
        all_edges[0] = np.concatenate([[0], runs, [n_samples]])
        sample_group, n_samples = sample_group[all_edges[0][:-1]], 1

    blocks = np.array([f**level for level in range(levels + 1)], np.int64)
    rows, smallest = (STREAM_ROWS, STREAM_BOX) if open_faces else (ROWS, 2 * BAND)
    if whole:
        smallest = math.prod(shape)
        rows = (smallest,) * 4
    targets = _targets(n_samples, n, blocks[-1], stacked, rows, smallest)
    cut = [_cut(all_edges[a], int(blocks[-1, a]), targets[a]) for a in range(4)]
    n_boxes = np.array([cells.size for _, cells in cut], np.int64)
    cuts = np.zeros((4, int(n_boxes.max()) + 1), np.int64)
    for a in range(4):
        cuts[a, : n_boxes[a] + 1] = cut[a][0]

    if stacked:  # the cells of axis 0 are the groups of samples
        group = sample_group[cut[0][1]][None]
    else:
        n_cells = len(all_edges[0]) - 1
        group = (sample_group[:, None] * n_cells + cut[0][1]).reshape(n_samples, -1)
    for a in range(1, 4):
        n_cells = len(all_edges[a]) - 1
        group = (group[:, :, None] * n_cells + cut[a][1]).reshape(n_samples, -1)
    group = group.reshape(-1)
    boxes = np.argsort(group, kind="stable")
    group = group[boxes]
    chunks = np.unique(np.arange(CHUNKS + 1) * boxes.size // CHUNKS)
    starts = np.zeros(boxes.size, np.bool_)
    starts[1:] = group[1:] != group[:-1]
    starts[chunks[:-1]] = True

    table = np.zeros((levels + 1, columns.COLUMNS), np.int64)
    table[:, columns.BLOCK : columns.BLOCK + 4] = blocks
    shapes = table[:, columns.SHAPE : columns.SHAPE + 4]
    shapes[:] = n // blocks
    kept = np.prod(shapes[1:], axis=1) * n_samples
    table[:, columns.FIELD_AT] = -1
    if keep:
        table[1:, columns.FIELD_AT] = np.cumsum(kept) - kept
    band, row_size, line_size, scratch_size = _lay_out_scratch(table, f, cuts, n_boxes)
    joined = (n > 1) & ((n_boxes > 1) | wrapped.any(axis=0))
    if stacked:
        joined[0] = False
    has_bonds = bool(joined.any())
    if open_faces:
        joined[axes[0]] = True
    faces_size = _lay_out_faces(table, wrapped, joined, n_boxes * n_samples)
    geometry = Geometry(
        table=table,
        levels=len(wraps),
        factors=f,
        n_boxes=n_boxes,
        cuts=cuts,
        boxes=boxes,
        segments=np.cumsum(starts) - 1,
        chunks=chunks,
        band=band,
        stacked=stacked,
        row_size=row_size,
    )
    groups, first_segments = np.unique(group[starts], return_index=True)
    top_size = int(kept[-1]) if len(wraps) == levels else 0
    fields_size = int(kept.sum()) if keep else 0
    return Round(
        geometry=geometry,
        axes=axes,
        group_of_segment=group[starts],
        groups=groups,
        first_segments=first_segments,
        top_size=top_size,
        fields_size=fields_size,
        line_size=line_size,
        scratch_size=scratch_size,
        faces_size=faces_size,
        has_bonds=has_bonds,
        in_squares=shapes[0, 1:3].tolist() == [1, 1] and f.tolist() == [2, 1, 1, 2],
    )


def spread(d: int) -> tuple[int, ...]:
    """Return the four-axis numbers of d axes: rows are the last, bands are of the first."""
    return ((3,), (0, 3), (0, 2, 3), (0, 1, 2, 3))[d - 1]


def _cut(edges: Ints, unit: int, target: int) -> tuple[Ints, Ints]:
    """Cut each cell into runs of whole units of about `target` sites; return cuts and cells."""
    cuts = [np.zeros(1, np.int64)]
    cells = []
    for cell in range(len(edges) - 1):
        start, stop = int(edges[cell]), int(edges[cell + 1])
        n_units = (stop - start) // unit
        n_runs = max(1, min(n_units, -(-(stop - start) // max(target, unit))))
        cuts.append(start + unit * (np.arange(1, n_runs) * n_units // n_runs))
        cuts.append(np.array([stop]))
        cells.append(np.full(n_runs, cell))
    return np.concatenate(cuts), np.concatenate(cells)


def _targets(
    n_samples: int,
    shape: Ints,
    unit: Ints,
    stacked: bool,
    rows: tuple[int, ...],
    smallest: int,
) -> tuple[int, int, int, int]:
    """Return the sites along each axis that a box should have."""
    d = 1 + int((shape[:3] > 1).sum()) - stacked
    row = int(min(shape[3], max(unit[3], rows[d - 1])))
    sheet = max(1, PLANE // row)
    middle = sheet if shape[1] == 1 or shape[2] == 1 else max(1, round(sheet**0.5))
    boxes, plane = n_samples, row
    for axis, target in ((1, middle), (2, middle), (3, row)):
        boxes *= -(-int(shape[axis]) // max(target, int(unit[axis])))
        if axis < 3:
            plane *= min(int(shape[axis]), max(target, int(unit[axis])))
    depth = -(-int(shape[0]) * boxes // CHUNKS)
    return max(depth, int(unit[0]), -(-smallest // plane)), middle, middle, row


def _lay_out_scratch(
    table: Ints, factors: Ints, cuts: Ints, n_boxes: Ints
) -> tuple[int, int, int, int]:
    """Place the levels' planes in scratch; return the planes of a band, and sizes.

    These are of a row buffer, of a run of the first level and the plane before it, and of a band
    of each other level and the plane before it; the last two include a row buffer.
    """
    blocks = table[:, columns.BLOCK : columns.BLOCK + 4]
    planes = np.ones(len(table), np.int64)
    for a in (1, 2, 3):
        starts = cuts[a, : n_boxes[a] + 1] // blocks[:, a : a + 1]
        planes *= np.diff(starts, axis=1).max(axis=1)
    row = int(np.diff(cuts[3, : n_boxes[3] + 1]).max())
    plane, unit, f0 = max(1, int(planes[0])), int(blocks[-1, 0]), int(factors[0])
    band = unit * max(1, BAND // (plane * unit))
    sizes = (1 + band // blocks[:, 0]) * planes
    sizes[0] = 0
    sizes = -(-sizes // 8) * 8
    ends = np.cumsum(sizes)
    table[:, columns.SCRATCH_AT] = ends - sizes
    line = line_size(plane, row, f0, int(factors[3])) + row
    if len(table) > 1:
        line = max(line, int(sizes[1]) + row, singles_size(row, len(table) - 1))
    return band, row, line, int(ends[-1]) + row


def _lay_out_faces(table: Ints, wrapped: Ints, joined: npt.NDArray[np.bool_], slabs: Ints) -> int:
    """Place the faces of each level and axis; return their size in all."""
    end = 0
    table[:, columns.FACE_AT : columns.FACE_AT + 4] = -1
    for level in range(len(wrapped)):
        row = table[level]
        row[columns.WRAPS : columns.WRAPS + 4] = wrapped[level]
        for a in range(4):
            size = 1
            for b in (3, 2, 1, 0):
                if b != a:
                    row[columns.STRIDE + 4 * a + b] = size
                    size *= int(row[columns.SHAPE + b])
            row[columns.FACE_SIZE + a] = size
            if joined[a]:
                row[columns.FACE_AT + a] = end
                end += 2 * size * int(slabs[a])
    return end
