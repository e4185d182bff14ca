"""The sites of a lattice as parts of work of like size, each inside one jackknife group."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Parts", "cut_parts"]

Ints = npt.NDArray[np.int64]

STRIP = 1 << 16  # longest run of sites along the last axis that one part takes
PART = (1 << 14, 1 << 18)  # fewest and most sites of a part, where the lattice allows it
TASKS = 64


class Parts(NamedTuple):
    """The work: runs of lattice rows, ordered by group; it never depends on the thread count.

    Attributes
    ----------
    group : (N,) array
        Group of each part.
    box : (N,) array
        Box of each part.
    rows : (N, 2) array
        First row and end; rows count through all samples of the group, each cut to the box.
    sample : (N,) array
        Where the samples of the group start in `order`.
    order : (S,) array
        Samples sorted by group.
    boxes : (B, 2, 4) array
        Lower and upper corners.
    tasks : (M + 1,) array
        Parts of task m are ``tasks[m] : tasks[m + 1]``.
    """

    group: Ints
    box: Ints
    rows: Ints
    sample: Ints
    order: Ints
    boxes: Ints
    tasks: Ints


def cut_parts(
    shape: tuple[int, ...],
    margins: tuple[int, ...],
    sample_group: Ints,
    edges: tuple[Ints, ...],
) -> tuple[Parts, Ints]:
    """Cut the sites that lie `margins` inside the lattice; also count the sites of each group.

    `shape`, `margins` and `edges` have four axes. The cut depends on nothing else, and is kept:
    the draws of a null model all have the same one.
    """
    parts, sites = _cut(
        shape,
        margins,
        np.ascontiguousarray(sample_group, np.int64).tobytes(),
        tuple(np.ascontiguousarray(edge, np.int64).tobytes() for edge in edges),
    )
    return parts, sites.copy()


@lru_cache(maxsize=64)
def _cut(
    shape: tuple[int, ...],
    margins: tuple[int, ...],
    sample_bytes: bytes,
    edge_bytes: tuple[bytes, ...],
) -> tuple[Parts, Ints]:
    sample_group = np.frombuffer(sample_bytes, np.int64)
    edges = tuple(np.frombuffer(edge, np.int64) for edge in edge_bytes)
    boxes, cell, cells = _boxes(shape, margins, edges)
    n_samples = np.bincount(sample_group)
    first_sample = np.cumsum(n_samples) - n_samples
    lengths = boxes[:, 1] - boxes[:, 0]
    width = lengths[:, 3]
    rows = n_samples[:, None] * np.where(width > 0, lengths[:, :3].prod(axis=1), 0)
    group = np.arange(n_samples.size)[:, None] * cells + cell
    sites = np.zeros(n_samples.size * cells, np.int64)
    np.add.at(sites, group, rows * width)

    total = int(sites.sum())
    rows_a_part = np.maximum(1, np.clip(total // TASKS, *PART) // np.maximum(1, width))
    count = -(-rows // rows_a_part)
    unit = np.repeat(np.arange(count.size), count.ravel())
    sample, box = np.divmod(unit, len(boxes))
    start = (np.arange(unit.size) - (np.cumsum(count) - count.ravel())[unit]) * rows_a_part[box]
    stop = np.minimum(start + rows_a_part[box], rows.ravel()[unit])
    done = np.cumsum((stop - start) * width[box])
    tasks = np.searchsorted(done, np.linspace(0, total, TASKS + 1)[1:-1])
    return (
        Parts(
            group=group.ravel()[unit],
            box=box,
            rows=np.column_stack([start, stop]),
            sample=first_sample[sample],
            order=np.argsort(sample_group, kind="stable"),
            boxes=boxes,
            tasks=np.unique(np.concatenate([[0], tasks, [unit.size]])),
        ),
        sites,
    )


def _boxes(
    shape: tuple[int, ...], margins: tuple[int, ...], edges: tuple[Ints, ...]
) -> tuple[Ints, Ints, int]:
    """Return the cells between the edges, cut to the margins and to strips, and their number."""
    spans = []
    for n, margin, edge in zip(shape, margins, edges, strict=True):
        span = np.column_stack([edge[:-1], edge[1:]]).astype(np.int64)
        spans.append(np.clip(span, margin, max(margin, n - margin)))
    cells = [len(span) for span in spans]
    strips = np.maximum(1, -((spans[3][:, 0] - spans[3][:, 1]) // STRIP))
    column = np.repeat(np.arange(cells[3]), strips)
    strip = np.arange(column.size) - (np.cumsum(strips) - strips)[column]
    low, high = spans[3][column].T
    ends = [low + (high - low) * (strip + k) // strips[column] for k in (0, 1)]
    spans[3] = np.column_stack(ends)
    index = np.indices([len(span) for span in spans]).reshape(4, -1)
    boxes = np.stack([span[i] for span, i in zip(spans, index, strict=True)], axis=-1)
    cell = np.ravel_multi_index((*index[:3], column[index[3]]), cells)
    return boxes, cell, int(np.prod(cells))
