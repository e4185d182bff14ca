"""Boxes of a bfloat16 matrix that are read from a file while they are swept.

A few rows at a time go from the file into a window that stays in cache, and are summed there. A
run of rows can then be long: what is done once for each run, and its faces, cost nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._load import BFLOAT16, load
from nnrg_kernels._pyramid_faces import place_box, stitch
from nnrg_kernels._pyramid_pairs import unit_is_safe
from nnrg_kernels._pyramid_plan import Round
from nnrg_kernels._pyramid_round import Swept, by_group, empty_sums
from nnrg_kernels._pyramid_singles import singles_size, sweep_singles
from nnrg_kernels._pyramid_table import (
    BOX,
    EXTENT_COLUMNS,
    EXTENTS,
    FACE_AT,
    FACE_SIZE,
    SHAPE,
    Buffers,
    Floats,
    Geometry,
    Ints,
)
from nnrg_kernels._pyramid_words import Singles, pair_words
from nnrg_kernels.aligned import aligned_empty

__all__ = ["Window", "goes_by_file", "sweep_run_of_file"]

Bytes = npt.NDArray[np.uint8]

WINDOW_BYTES = 2**21
# A row is added in float32.
LONGEST_ROW = 2**15

# ssize_t pread(int descriptor, void *buffer, size_t count, off_t offset)
_pread: Any = numba.types.ExternalFunction(
    "pread",
    numba.types.intp(numba.types.int32, numba.types.voidptr, numba.types.uintp, numba.types.int64),
)


def goes_by_file(plan: Round, dtype: np.dtype[Any], scale: float, order: int) -> bool:
    """Return whether all boxes of a run can be read and swept row by row."""
    geometry = plan.geometry
    block = 2**geometry.levels
    return (
        hasattr(os, "pread")
        and not numba.config.DISABLE_JIT  # type: ignore[attr-defined]
        and dtype.name == "bfloat16"
        and order <= 4
        and plan.in_squares
        and unit_is_safe(scale, order)
        and len(geometry.table) > geometry.levels > 1
        and bool((geometry.cuts[0, : geometry.n_boxes[0] + 1] % block == 0).all())
        and geometry.table[0, SHAPE + 3] % block == 0
        and geometry.table[0, SHAPE + 3] <= LONGEST_ROW
        and geometry.n_boxes[3] == 1
        and geometry.table[0, FACE_AT + 3] < 0
    )


@dataclass(frozen=True, slots=True)
class Window:
    """Memory of a thread that sweeps runs of a file.

    Attributes
    ----------
    memory : uint8
        A row, and those read at once after it.
    line : float32
        The last rows of the levels, as in `sweep_singles`.
    work : (rows, EXTENT_COLUMNS) int64
        Work space.
    """

    memory: Bytes
    line: Singles
    work: Ints

    @classmethod
    def of(cls, row: int, levels: int) -> Window:
        """Return what a matrix with so many numbers in a row needs, for so many levels at once."""
        at_once = max(2, WINDOW_BYTES // (2 * row) // 2 * 2)
        return cls(
            memory=aligned_empty((1 + at_once) * 2 * row, np.uint8),
            line=aligned_empty(singles_size(row, levels), np.float32),
            work=np.empty((EXTENTS + levels + 1, EXTENT_COLUMNS), np.int64),
        )


def sweep_run_of_file(
    descriptor: int,
    offset: int,
    plan: Round,
    value_map: tuple[float, float],
    order: int,
    top: Floats,
    faces: Floats,
    window: Window,
) -> Swept | None:
    """Do what `sweep_round` does for a run that starts at `offset` in a file; None if cut off.

    It is None after any other failure to read, too.
    """
    sums = empty_sums(plan)
    raw = window.memory[:]
    raw.flags.writeable = False
    none = np.empty(0)
    buffers = Buffers(raw, BFLOAT16, *value_map, *value_map, order, faces, none, top, sums)
    if not sweep_file(
        plan.geometry, buffers, descriptor, offset, window.memory, window.line, window.work
    ):
        return None
    if plan.has_bonds:
        stitch(plan.geometry, buffers, 0, plan.geometry.chunks.size - 1, window.work)
    return Swept(by_group(sums, plan, len(plan.groups)), faces, buffers.fields, top)


@borrowing_kernel
def _fill(descriptor: int, offset: int, out: Bytes) -> bool:
    """Fill `out` with the bytes from `offset` on; say if they were all there."""
    done = 0
    while done < out.size:
        rest = out[done:]
        count = _pread(np.int32(descriptor), rest.ctypes, np.uint64(rest.size), offset + done)
        if count <= 0:
            return False
        done += count
    return True


@borrowing_kernel
def sweep_file(
    geometry: Geometry,
    buffers: Buffers,
    descriptor: int,
    offset: int,
    window: Bytes,
    line: Singles,
    work: Ints,
) -> bool:
    """Do all boxes of a run that starts at `offset` in a file; say if all of it was there.

    `window` is the memory of the bytes that `buffers` has: the row before those read at once, and
    these. `line` is as in `sweep_singles`.
    """
    level, order, faces = geometry.table[0], buffers.order, buffers.faces
    shift, inverse = buffers.shift, 1.0 / buffers.scale
    width = level[SHAPE + 3]
    row_bytes, size = 2 * width, width // 2
    at_once = window.size // row_bytes - 1
    words, first_row = buffers.raw.view(np.uint32), window[:row_bytes].view(np.uint32)
    means, totals = line[:size], line[size : 2 * size]
    for i in range(geometry.boxes.size):
        place_box(geometry, geometry.boxes[i], work)
        sums = buffers.sums[geometry.segments[i]]
        start, height = work[EXTENTS, 0], work[EXTENTS, 4]
        for low in range(0, height, at_once):
            rows = min(at_once, height - low)
            read = window[row_bytes : (1 + rows) * row_bytes]
            if not _fill(descriptor, offset + (start + low) * row_bytes, read):
                return False
            for k in range(0, rows, 2):
                pair_words(
                    words[k * size : (1 + k) * size],
                    words[(1 + k) * size : (2 + k) * size],
                    words[(2 + k) * size : (3 + k) * size],
                    low + k > 0,
                    shift,
                    inverse,
                    order,
                    means,
                    totals,
                    sums[0],
                    sums[1],
                )
                sweep_singles(geometry, buffers, (low + k) // 2, line, sums, work)
            for side in range(2):
                edge = side * (height - 1) - low
                if level[FACE_AT] >= 0 and 0 <= edge < rows:
                    to = level[FACE_AT] + (work[BOX, 0] * 2 + side) * level[FACE_SIZE]
                    out = faces[to : to + width]
                    load(buffers.raw, BFLOAT16, (1 + edge) * width, shift, inverse, out)
            last_row = words[rows * size : (1 + rows) * size]
            for m in range(size):
                first_row[m] = last_row[m]
    return True
