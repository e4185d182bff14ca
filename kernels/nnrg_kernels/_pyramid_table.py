"""Integers and buffers that describe one round of the pyramid to its kernels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "BLOCK",
    "BOX",
    "COLUMN",
    "COLUMNS",
    "EXTENTS",
    "EXTENT_COLUMNS",
    "FACE_AT",
    "FACE_SIZE",
    "FIELD_AT",
    "OTHER",
    "PITCH",
    "SCRATCH_AT",
    "SHAPE",
    "STRIDE",
    "WIDTH",
    "WRAPS",
    "Buffers",
    "Floats",
    "Geometry",
    "Integer",
    "Ints",
    "Reals",
]

Reals = npt.NDArray[np.float64] | npt.NDArray[np.float32]
Integer = int | np.int64
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Columns of the table of levels. One small array goes into the inner functions, because each
# array in a tuple costs as much as an argument of its own at every call.
SHAPE = 0  # 4 columns: sites along each axis
BLOCK = 4  # 4: first-level sites in a block along each axis
FACE_AT = 8  # 4: where the faces of each axis start, -1 for none
FACE_SIZE = 12  # 4: sites of one face
WRAPS = 16  # 4: one if bonds join the last site to the first
STRIDE = 20  # 4 x 4: strides of the faces of each axis, zero along the axis itself
FIELD_AT = 36  # where the level's block means start among those kept, -1 for not kept
SCRATCH_AT = 37  # where the level's planes start in scratch memory
COLUMNS = 38
# Columns of an extent: 4 with the first site, 4 with the sites along each axis, and where in a row
# the work is: the distance of rows in memory, the first site of the segment, its sites.
PITCH, COLUMN, WIDTH = 8, 9, 10
EXTENT_COLUMNS = 11
# Rows of a thread's work space before the extents of the levels: a box and its neighbour.
BOX, OTHER, EXTENTS = 0, 1, 2


class Geometry(NamedTuple):
    """Integers that describe one round; levels count from the round's first."""

    table: Ints  # (K + 1, COLUMNS)
    levels: int  # levels that get statistics here: K + 1, or K if level K goes to `top`
    factors: Ints  # (4,)
    n_boxes: Ints  # (4,) boxes along each axis
    cuts: Ints  # (4, max boxes + 1) first-level coordinates of the cuts
    boxes: Ints  # box numbers in order of their group
    segments: Ints  # accumulator of each entry of `boxes`
    chunks: Ints  # where each chunk of work starts in `boxes`, and the end
    band: int  # first-level planes swept at once
    stacked: bool  # axis 0 counts samples, which no bond joins
    row_size: int  # of a buffer for sums of rows, at the end of every scratch array


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
    top: Floats  # shifted and scaled block means of level K, unless it is done here
    sums: Floats  # (segments, levels + 1, STATISTICS), the last one for what no one asks for
