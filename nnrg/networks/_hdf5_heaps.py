"""A check of the heaps in which HDF5 keeps text of variable length.

HDF5 walks through such a heap by the sizes that stand in it, and never ends when one is wrong.
A heap is "GCOL", a version, its size, and objects: index, count, size, content padded to 8 bytes;
an object of index 0 is the free space and takes what remains (HDF5 file format, III.E).
"""

from __future__ import annotations

import mmap
import struct
from typing import BinaryIO

__all__ = ["heaps_are_sound"]

MAX_SCANNED = 512 * 2**20
_SIGNATURE = b"GCOL"
_HEAD = struct.Struct("<4sB3xQ")
_OBJECT = struct.Struct("<HH4xQ")


def heaps_are_sound(file: BinaryIO) -> bool:
    """Whether every heap in a file can be walked through; False too if the file is too large."""
    size = file.seek(0, 2)
    if not size or size > MAX_SCANNED:
        return False
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(_SIGNATURE)
        while at >= 0:
            end = _end(data, at, size)
            if end < 0:
                return False
            at = data.find(_SIGNATURE, end)
    return True


def _end(data: mmap.mmap, start: int, size: int) -> int:
    """Return where the heap at `start` ends, -1 if its objects do not fill it."""
    if start + _HEAD.size > size:
        return -1
    length = _HEAD.unpack_from(data, start)[2]
    at, end = start + _HEAD.size, start + length
    if end > size:
        return -1
    while end - at >= _OBJECT.size:
        index, _, content = _OBJECT.unpack_from(data, at)
        if index == 0:
            return end if content == end - at else -1
        at += _OBJECT.size + -(-content // 8) * 8
    return end if 0 <= end - at < _OBJECT.size else -1
