"""Rows of a matrix in a file, read into buffers of one's own: by position where the file allows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import local
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnrg.errors import SourceError
from nnrg.networks._label import file_label
from nnrg.networks._raw import Extent
from nnrg.networks._safetensors import SafetensorsSource
from nnrg.networks.network import Network

__all__ = ["Reader", "permuted", "row_reader"]

Array = npt.NDArray[Any]
Reader = Callable[[int, Array], None]
"""``read(start, buffer)`` fills `buffer` with the rows from `start` on."""


class Access(NamedTuple):
    """How rows of a matrix are read.

    Attributes
    ----------
    read : callable
        ``read(start, buffer)`` fills `buffer` with the rows from `start` on.
    at_once : bool
        Whether several threads may call it at once.
    place : tuple of int, or None
        Descriptor of the open file, and where the matrix starts, if it lies there row after row.
    """

    read: Reader
    at_once: bool
    place: tuple[int, int] | None


@contextmanager
def row_reader(net: Network, name: str, rows: int) -> Iterator[Access]:
    """Yield what reads a matrix in runs of `rows`.

    Numbers read by position are not tested for NaN and infinity, which spread to every sum.
    """
    source = net._source
    extent = source.extents[name] if isinstance(source, SafetensorsSource) else None
    if extent is not None and extent.dtype.isnative and hasattr(os, "preadv"):
        with extent.open() as file:
            place = (file.fileno(), extent.offset)
            yield Access(_by_position(extent, file.fileno()), True, place)
        return
    chunks = net.chunks(name, rows)

    def read(_: int, buffer: Array) -> None:
        buffer[...] = next(chunks)

    yield Access(read, False, None)


def _by_position(extent: Extent, descriptor: int) -> Reader:
    def read(start: int, buffer: Array) -> None:
        view = buffer.reshape(-1).view(np.uint8).data
        offset = extent.offset + start * (buffer.nbytes // len(buffer))
        done = 0
        while done < len(view):
            count = os.preadv(descriptor, [view[done:]], offset + done)
            if not count:
                raise SourceError(
                    f"{file_label(extent.path)}: changed since it was loaded; load it again once "
                    "it is completely written"
                )
            done += count

    return read


def permuted(read: Reader, rows: int, orders: Sequence[Array], columns: Array) -> Reader:
    """Return a reader of runs of `rows`, the rows of each in its order, and all columns in one."""
    kept = local()

    def read_permuted(start: int, buffer: Array) -> None:
        # The order of rows is taken in a copy, which each thread keeps for its next run.
        if not hasattr(kept, "buffer"):
            kept.buffer = np.empty_like(buffer), np.empty_like(buffer)
        stored, ordered = (own[: len(buffer)].view(f"u{own.itemsize}") for own in kept.buffer)
        read(start, stored.view(buffer.dtype))
        np.take(stored, orders[start // rows], axis=0, out=ordered, mode="clip")
        np.take(ordered, columns, axis=1, out=buffer.view(stored.dtype), mode="clip")

    return read_permuted
