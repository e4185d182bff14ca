"""Reader for PyTorch files, without torch and without running anything of the file.

Two containers hold the same pickle: a zip archive (torch >= 1.6) with one member a storage, and
the older stream of five pickles followed by the storages one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nnrg.errors import ArgumentError, FormatError
from nnrg.networks._archive import Archive, Member, open_archive
from nnrg.networks._label import file_label, label
from nnrg.networks._limits import MAX_TENSORS, Stamp, as_format_error, open_regular
from nnrg.networks._raw import Extent, numpy_dtype
from nnrg.networks._source import Array, Skipped, TensorSpec
from nnrg.networks._torch_objects import ITEM_BYTES, Tensor, UnpicklingError
from nnrg.networks._torch_pickle import Pickles
from nnrg.networks._torch_select import select

__all__ = ["LEGACY_MAGIC", "TorchSource", "read"]

LEGACY_MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
MAX_PICKLE = 16 * 2**20
"""Bytes of all that is not numbers: a tensor's name, shape and place take some 150."""

MAX_REPEATED = 64 * 2**20
"""Bytes up to which a tensor may be larger than its storage, by strides that step on the spot."""

_DAMAGED = "download or save it again"
_SCRIPT = (
    "a TorchScript program, which holds code; with torch: "
    "torch.save(torch.jit.load(FILE).state_dict(), 'weights.pt') and load that"
)


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """What a container holds: the object that was saved, and where its numbers are."""

    root: object
    places: dict[str, Member]
    stamp: Stamp
    container: str


@dataclass(slots=True)
class TorchSource:
    """The tensors of one PyTorch file."""

    path: Path | None
    specs: Mapping[str, TensorSpec]
    extents: Mapping[str, Extent]
    tensors: Mapping[str, Tensor]
    skipped: tuple[Skipped, ...]
    metadata: Mapping[str, str]
    format: str = "torch"

    def read(self, name: str) -> Array:
        """Read one tensor whole, in C order whatever its strides in the file."""
        tensor, data = self.tensors[name], self.extents[name].read()
        if _contiguous(tensor):
            return data
        steps = tuple(step * data.itemsize for step in tensor.strides)
        view = np.lib.stride_tricks.as_strided(data, tensor.shape, steps, writeable=False)
        return np.ascontiguousarray(view)

    def chunks(self, name: str, rows: int) -> Iterator[Array]:
        """Read one tensor in runs of `rows` entries of its first axis.

        A transposed or otherwise strided tensor has no contiguous rows: it is read whole.
        """
        if _contiguous(self.tensors[name]):
            yield from self.extents[name].chunks(rows)
        else:
            whole = self.read(name)
            for start in range(0, whole.shape[0], rows):
                yield whole[start : start + rows]


def read(path: Path, key: str | None = None) -> TorchSource:
    """Parse a PyTorch file: zip or legacy container, a state dict or a checkpoint that holds one.

    Parameters
    ----------
    path : Path
        A regular file.
    key : str, optional
        Where in the file the state dict is, keys joined by dots (``"model.state_dict"``).
        Chosen by name and size if not given; the choice is in the source's ``metadata["key"]``.

    Returns
    -------
    TorchSource
        Specs of all tensors of the network. Axes are as in the file (torch stores out x in).

    Raises
    ------
    SourceError
        The file cannot be read.
    FormatError
        The file is damaged, is a TorchScript program, or its pickle names an object that is not
        on the list of harmless ones.
    ArgumentError
        There is no `key` in the file.
    """
    path = Path(path)
    file, stamp = open_regular(path)
    try:
        with file, as_format_error(path, "not a valid PyTorch file", _DAMAGED):
            magic = file.read(len(LEGACY_MAGIC))
            if magic[:2] == b"PK":
                checkpoint = _open_zip(path)
            elif magic == LEGACY_MAGIC:
                checkpoint = _open_legacy(file, stamp)
            else:
                raise _bad(path, "neither a zip archive nor torch's older format")
        return _build(path, key, checkpoint)
    except ArgumentError as error:
        raise ArgumentError(f"{file_label(path)}: {error}") from error
    except UnpicklingError as error:
        raise FormatError(f"{file_label(path)}: {error.what}; {error.hint}") from error


def _bad(path: Path, what: str, hint: str = _DAMAGED) -> FormatError:
    return FormatError(f"{file_label(path)}: not a valid PyTorch file: {what}; {hint}")


def _open_zip(path: Path) -> _Checkpoint:
    archive = open_archive(path)
    pickles = [name for name in archive.members if name.rpartition("/")[2] == "data.pkl"]
    if any(name.rpartition("/")[2] == "constants.pkl" for name in archive.members):
        raise FormatError(f"{file_label(path)}: {_SCRIPT}")
    if len(pickles) != 1:
        hint = "save it as torch.save(model.state_dict())"
        raise _bad(path, f"{len(pickles)} members called data.pkl, expected one", hint)
    prefix = pickles[0].removesuffix("data.pkl")
    _check_byte_order(archive, f"{prefix}byteorder")
    root = Pickles(archive.read(pickles[0], MAX_PICKLE)).parse()
    places = {
        name.removeprefix(f"{prefix}data/"): archive.member(name)
        for name in archive.members
        if name.startswith(f"{prefix}data/")
    }
    return _Checkpoint(root, places, archive.stamp, "zip")


def _check_byte_order(archive: Archive, name: str) -> None:
    if name in archive.members and archive.read(name, 64) != b"little":
        raise _bad(archive.path, "its numbers are big-endian", "save it on a little-endian machine")


def _open_legacy(file: BinaryIO, stamp: Stamp) -> _Checkpoint:
    file.seek(0)
    pickles = Pickles(file.read(MAX_PICKLE))
    _, _, system, root, keys = (pickles.parse() for _ in range(5))
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise UnpicklingError("its numbers are big-endian", "save it on a little-endian machine")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise UnpicklingError("no list of storages after the tensors", _DAMAGED)
    if len(keys) > MAX_TENSORS or len(set(keys)) < len(keys):
        raise UnpicklingError("a list of storages that is too long or names one twice", _DAMAGED)
    places = {}
    offset = pickles.position
    for key in keys:
        if key not in pickles.storages:
            raise UnpicklingError(f"the storage {label(key)!r} is of no tensor", _DAMAGED)
        file.seek(offset)
        length = int.from_bytes(file.read(8), "little") * ITEM_BYTES[pickles.storages[key].dtype]
        if offset + 8 + length > stamp.size:
            raise UnpicklingError(f"the storage {label(key)!r} ends outside the file", _DAMAGED)
        places[key] = Member(offset + 8, length)
        offset += 8 + length
    return _Checkpoint(root, places, stamp, "legacy")


def _build(path: Path, key: str | None, checkpoint: _Checkpoint) -> TorchSource:
    selection = select(checkpoint.root, key)
    metadata = {"container": checkpoint.container, "key": selection.key}
    specs, extents, skipped = {}, {}, selection.skipped
    for name, tensor in selection.tensors.items():
        place = _checked_place(name, tensor, checkpoint.places)
        if not tensor.size:
            skipped.append(Skipped(name, f"no elements: shape {list(tensor.shape)}"))
            continue
        dtype = numpy_dtype(tensor.dtype)
        offset = place.offset + tensor.offset * dtype.itemsize
        shape = tensor.shape if _contiguous(tensor) else (tensor.span,)
        extents[name] = Extent(path, checkpoint.stamp, offset, dtype, shape)
        # A matrix and its transpose have the same first number and as many.
        specs[name] = TensorSpec(
            name,
            tensor.shape,
            tensor.dtype,
            storage=(tensor.storage.key, tensor.offset, tensor.span, tensor.size),
        )
    return TorchSource(path, specs, extents, selection.tensors, tuple(skipped), metadata)


def _checked_place(name: str, tensor: Tensor, places: dict[str, Member]) -> Member:
    storage = tensor.storage
    place = places.get(storage.key)
    claimed = storage.n_elements * ITEM_BYTES[storage.dtype]
    if place is None or place.size != claimed:
        held = "is missing" if place is None else f"holds {place.size}"
        raise UnpicklingError(
            f"the storage of {label(name)!r} should have {claimed} bytes and {held}", _DAMAGED
        )
    logical = tensor.size * ITEM_BYTES[tensor.dtype]
    if logical > max(claimed, MAX_REPEATED):
        raise UnpicklingError(
            f"{label(name)!r} repeats {claimed} bytes to {logical}", "save it with .contiguous()"
        )
    return place


def _contiguous(tensor: Tensor) -> bool:
    expected = 1
    for length, step in zip(reversed(tensor.shape), reversed(tensor.strides), strict=True):
        if length != 1 and step != expected:
            return False
        expected *= length
    return expected == math.prod(tensor.shape)
