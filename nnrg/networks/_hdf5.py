"""Reader for Keras models and weights in HDF5, and for .keras archives, through h5py alone.

The file is walked link by link: what leads out of it (external links, external storage, virtual
datasets) is refused before it is followed, as HDF5 itself would read any file of the user.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from nnrg.errors import FormatError, SourceError
from nnrg.networks._archive import open_archive
from nnrg.networks._hdf5_heaps import heaps_are_sound
from nnrg.networks._hdf5_walk import Walk
from nnrg.networks._keras import MAX_CONFIG, axes_and_gates, layer_classes, named_variables
from nnrg.networks._label import file_label, label
from nnrg.networks._limits import Stamp, as_format_error, open_regular
from nnrg.networks._source import Array, Skipped, TensorSpec

__all__ = ["Hdf5Source", "read"]

_HINT = "download or save it again"
_WEIGHTS = "model.weights.h5"


class _Window(io.RawIOBase):
    """A part of a file as a file: the weights inside a .keras archive."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: max(0, self._size - self._at)]
        self._file.seek(self._start + self._at)
        count: int = self._file.readinto(view)  # type: ignore[attr-defined]
        self._at += count
        return count


@dataclass(frozen=True, slots=True)
class _Container:
    """Where the HDF5 data are: the whole file, or a member of a zip archive."""

    path: Path
    stamp: Stamp
    start: int = 0
    size: int = -1

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Open the data, which must be those whose headers were parsed."""
        file, stamp = open_regular(self.path)
        with file:
            if stamp != self.stamp:
                raise SourceError(
                    f"{file_label(self.path)}: changed since it was loaded; load it again once it "
                    "is completely written"
                )
            if self.size < 0:
                file.close()
                with h5py.File(self.path, "r") as data:
                    yield data
            else:
                with h5py.File(_Window(file, self.start, self.size), "r") as data:
                    yield data


@dataclass(slots=True)
class Hdf5Source:
    """The datasets of one HDF5 file that are a network's."""

    path: Path | None
    container: _Container
    specs: Mapping[str, TensorSpec]
    places: Mapping[str, str]
    skipped: tuple[Skipped, ...]
    metadata: Mapping[str, str]
    format: str = "hdf5"

    def read(self, name: str) -> Array:
        """Read one dataset whole."""
        spec = self.specs[name]
        whole = next(self.chunks(name, spec.shape[0] if spec.shape else 1))
        return whole.reshape(spec.shape)

    def chunks(self, name: str, rows: int) -> Iterator[Array]:
        """Read one dataset in runs of `rows` entries of its first axis, in one buffer."""
        spec = self.specs[name]
        with (
            as_format_error(self.path, f"{label(name)!r} cannot be read", _HINT),
            self.container.open() as file,
        ):
            data = file[self.places[name]]
            if not spec.shape:
                yield np.asarray(data[()], spec.dtype).reshape(1)
                return
            buffer = np.empty((min(rows, spec.shape[0]), *spec.shape[1:]), spec.dtype)
            for start in range(0, spec.shape[0], rows):
                part = buffer[: min(rows, spec.shape[0] - start)]
                data.read_direct(part, np.s_[start : start + len(part)])
                yield part


def read(path: Path) -> Hdf5Source:
    """Parse a Keras model or weights file (.h5, .hdf5, .weights.h5, .keras), or plain HDF5.

    Parameters
    ----------
    path : Path
        A regular file.

    Returns
    -------
    Hdf5Source
        Specs of all datasets of the network, with the layout that Keras gives them.

    Raises
    ------
    SourceError
        The file cannot be read.
    FormatError
        The file is damaged, leads to other files, holds Python objects, or a dataset claims more
        numbers than it stores.
    """
    path = Path(path)
    file, stamp = open_regular(path)
    with file, as_format_error(path, "not a valid HDF5 file", _HINT):
        zipped = file.read(2) == b"PK"
        sound_heaps = heaps_are_sound(file)
    container, config = _Container(path, stamp), b""
    if zipped:
        archive = open_archive(path)
        if _WEIGHTS not in archive.members:
            raise _bad(path, f"an archive without {_WEIGHTS}")
        member = archive.member(_WEIGHTS)
        container = _Container(path, stamp, member.offset, member.size)
        settings = archive.members.get("config.json")
        if settings and settings.size <= MAX_CONFIG:
            config = archive.read("config.json", MAX_CONFIG)
    with (
        as_format_error(path, "not a valid HDF5 file", _HINT),
        container.open() as opened,
    ):
        walk = Walk(path, sound_heaps)
        walk.run(opened)
        classes = layer_classes(config or walk.text(opened, "model_config"))
        version = walk.text(opened, "keras_version")
    return _source(path, container, walk, classes, version)


def _source(
    path: Path, container: _Container, walk: Walk, classes: dict[str, str], version: bytes
) -> Hdf5Source:
    names = _names(path, walk)
    order = {name: rank for rank, name in enumerate(walk.listed)}
    found = sorted(walk.found, key=lambda place: order.get(place, len(order)))
    for missing in order.keys() - walk.found.keys():
        walk.skipped.append(Skipped(missing, "listed as a weight, but not in the file"))
    shapes = {names[place]: walk.found[place].shape for place in found}
    specs, places = {}, {}
    for place in found:
        name, spec = names[place], walk.found[place]
        layout, gates = axes_and_gates(name, shapes, classes)
        specs[name] = TensorSpec(name, spec.shape, spec.dtype, layout, gates, spec.storage)
        places[name] = f"{walk.root}/{place}"
    if not specs:
        reasons = sorted({item.reason for item in walk.skipped})
        others = f" (only: {label(', '.join(reasons), 200)})" if reasons else ""
        raise FormatError(f"{file_label(path)}: no weights found{others}; save the model's weights")
    metadata = {"container": "hdf5" if container.size < 0 else "keras"}
    if version:
        metadata["keras_version"] = version.decode(errors="replace")
    return Hdf5Source(path, container, specs, places, tuple(walk.skipped), metadata)


def _names(path: Path, walk: Walk) -> dict[str, str]:
    """Return the name of each dataset: its place, with the numbers of Keras 3 turned to names."""
    names = {place: place for place in walk.found}
    numbered: dict[str, list[str]] = {}
    for place in walk.found:
        layer, _, last = place.rpartition("/")
        if layer.endswith("vars") and last.isascii() and last.isdigit():
            numbered.setdefault(layer, []).append(place)
    for layer, members in numbered.items():
        members.sort(key=lambda place: int(place.rpartition("/")[2][:9]))
        for place, name in zip(members, named_variables(layer, len(members)), strict=True):
            if name:
                names[place] = f"{layer.removesuffix('vars').rstrip('/')}/{name}".lstrip("/")
    if len(set(names.values())) < len(names):
        raise _bad(path, "two datasets have one name")
    return names


def _bad(path: Path, what: str) -> FormatError:
    return FormatError(f"{file_label(path)}: not a valid HDF5 file: {what}; {_HINT}")
