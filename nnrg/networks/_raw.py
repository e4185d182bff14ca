"""Numbers that lie in a file as plain bytes: read whole, or in runs of rows through one buffer.

The file is opened for each read and compared with what it was when its header was parsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from nnrg.errors import SourceError
from nnrg.networks._label import file_label
from nnrg.networks._limits import Stamp, open_regular
from nnrg.networks._source import Array
from nnrg_kernels.aligned import aligned_empty

__all__ = ["Extent", "numpy_dtype"]


_PIECE = 2**24  # a decompressor returns a copy of what it is asked for: ask for little at a time


def numpy_dtype(name: str) -> np.dtype[Any]:
    """Return the NumPy or ml_dtypes type called `name`."""
    return np.dtype(getattr(ml_dtypes, name, name))


def _native(array: Array) -> Array:
    """Return `array` in the byte order of this machine, swapped in place if need be."""
    if array.dtype.isnative:
        return array
    return array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))


def _fill(file: Any, array: Array) -> bool:
    """Read bytes into a C-contiguous `array` until it is full; return whether it was filled."""
    view = array.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        count = file.readinto(view[done : done + _PIECE])
        if not count:
            return False
        done += count
    return True


@dataclass(frozen=True, slots=True)
class Extent:
    """A C-ordered tensor at a fixed place in a file.

    Attributes
    ----------
    path : Path
        The file.
    stamp : Stamp
        Its size and time when its header was parsed.
    offset : int
        First byte.
    dtype : numpy.dtype
        Type of the numbers as stored, with its byte order.
    shape : tuple of int
        Shape of the tensor.
    """

    path: Path
    stamp: Stamp
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def read(self) -> Array:
        """Return the whole tensor.

        Raises
        ------
        SourceError
            The file is gone, or is not the one whose header was parsed.
        """
        return next(self.chunks(self.shape[0] if self.shape else 1)).reshape(self.shape)

    def chunks(self, rows: int) -> Iterator[Array]:
        """Yield runs of `rows` entries of the first axis, in one buffer that is overwritten."""
        with self.open() as file:
            file.seek(self.offset)
            yield from self.runs(file, rows)

    def open(self) -> BinaryIO:
        """Open the file, which must be the one whose header was parsed."""
        file, stamp = open_regular(self.path)
        if stamp != self.stamp:
            file.close()
            raise self._changed()
        return file

    def runs(self, file: Any, rows: int) -> Iterator[Array]:
        """Yield the runs of rows from `file`, which stands at the first number."""
        shape = self.shape or (1,)
        buffer = aligned_empty((min(rows, shape[0]), *shape[1:]), self.dtype)
        for start in range(0, shape[0], rows):
            part = buffer[: min(rows, shape[0] - start)]
            if not _fill(file, part):
                raise self._changed()
            yield _native(part)

    def _changed(self) -> SourceError:
        return SourceError(
            f"{file_label(self.path)}: changed since it was loaded; load it again once it is "
            "completely written"
        )
