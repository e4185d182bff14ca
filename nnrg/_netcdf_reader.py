"""Reading netCDF4 files of results that nobody vouches for.

Nothing that a file says of itself is believed before it is checked: no link is followed, no other
file is opened, no plug-in filter is loaded, and what is read is bounded by the size of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._netcdf import BARE_DIMENSION, FORMAT, is_sealed
from nnrg.errors import FormatError, SourceError
from nnrg.networks._hdf5_heaps import heaps_are_sound
from nnrg.networks._label import file_label, label
from nnrg.networks._limits import open_regular

if TYPE_CHECKING:
    import h5py

__all__ = ["Arrays", "read"]

# Gzip, shuffle and checksum, the filters that come with HDF5.
_FILTERS = {1, 2, 3}
_DEPTH = 2
_MOST_OBJECTS = 200_000
_MOST_TEXTS = 65_536
# Tables of numbers shrink to about a half; constant ones further, but those are small.
_ALWAYS_BYTES = 1 << 24
_BYTES_PER_BYTE = 100
_TEXT_BUFFER = 1 << 26


@dataclass(frozen=True, slots=True)
class Arrays:
    """What a group of a file holds: arrays by name, and attributes."""

    arrays: Mapping[str, npt.NDArray[Any]]
    attrs: Mapping[str, Any]


class _Refused(Exception):
    """What a file holds that results do not; never leaves this module."""


def read(path: str | Path) -> dict[str, Arrays]:
    """Read every group of a results file into memory; "" is the root.

    Raises
    ------
    SourceError
        If there is no such file, or it cannot be read.
    FormatError
        If it is not a results file, or holds what results never do.
    """
    import h5py

    source = Path(path)
    shown = file_label(source)
    if not source.exists():
        raise SourceError(f"{shown}: no such results file; nnrg flow MODEL -o DIR writes one")
    opened, stamp = open_regular(source)
    with opened:
        sealed = is_sealed(opened)
        # HDF5 would walk for ever through a damaged heap of text, whatever the checksum says.
        sound = heaps_are_sound(opened)
    if not h5py.is_hdf5(source):
        raise FormatError(
            f"{shown}: not a netCDF4 file, or cut off at its start; "
            "expected what nnrg flow or .save wrote"
        )
    if not sealed:
        raise FormatError(
            f"{shown}: changed, damaged or cut off since nnrg wrote it, or not results of nnrg: "
            "the checksum at its end is missing or wrong; make it again with nnrg flow"
        )
    if not sound:
        raise FormatError(
            f"{shown}: damaged text, or larger than results are (512 MB); "
            "make it again with nnrg flow"
        )
    try:
        with h5py.File(source, "r", locking=False) as file:
            if not _is_results(file):
                raise _Refused("a netCDF4 or HDF5 file, but not results of nnrg")
            return _Reader(stamp.size).groups(file)
    except _Refused as refusal:
        raise FormatError(f"{shown}: {refusal}; expected what nnrg flow or .save wrote") from None
    except (
        OSError,
        ValueError,
        LookupError,
        RuntimeError,
        TypeError,
        AttributeError,
        MemoryError,
        OverflowError,
    ) as error:
        raise FormatError(
            f"{shown}: damaged or cut off ({type(error).__name__} from HDF5); "
            "make it again with nnrg flow"
        ) from None


class _Reader:
    """Reads the groups of one file, counting what they hold."""

    def __init__(self, file_size: int) -> None:
        self._file_size = max(file_size, 1)
        self._bytes_left = _ALWAYS_BYTES + _BYTES_PER_BYTE * file_size
        self._objects_left = _MOST_OBJECTS

    def groups(self, file: h5py.File) -> dict[str, Arrays]:
        out: dict[str, Arrays] = {}
        pending: list[tuple[str, h5py.Group, int]] = [("", file, 0)]
        while pending:
            prefix, group, depth = pending.pop()
            arrays = {}
            for name in group:
                path = f"{prefix}/{name}".strip("/")
                item = self._object(group, name, path)
                if item.__class__.__name__ == "Group":
                    if depth == _DEPTH:
                        raise _Refused(f"{label(path)!r} is nested too deep")
                    pending.append((path, item, depth + 1))
                elif not _is_bare_dimension(item):
                    arrays[name] = self._array(item, path)
            out[prefix] = Arrays(arrays, _attributes(group))
        return out

    def _object(self, group: h5py.Group, name: str, path: str) -> Any:
        import h5py

        self._objects_left -= 1
        if self._objects_left < 0:
            raise _Refused(f"holds more than {_MOST_OBJECTS} objects")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _Refused(f"{label(path)!r} is a link, perhaps to another file")
        if group.get(name, getclass=True) not in (h5py.Group, h5py.Dataset):
            raise _Refused(f"{label(path)!r} is neither a group nor an array")
        return group[name]

    def _array(self, data: h5py.Dataset, path: str) -> npt.NDArray[Any]:
        import h5py

        if data.external or data.is_virtual:
            raise _Refused(f"the numbers of {label(path)!r} are in another file")
        plan = data.id.get_create_plist()
        codes = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}
        if not codes <= _FILTERS:
            raise _Refused(f"{label(path)!r} is packed by an unknown filter")
        if data.shape is None or data.ndim > 4:
            raise _Refused(f"{label(path)!r} has no shape that results have")
        self._spend(max(prod(data.shape), prod(data.chunks or ())) * data.dtype.itemsize, path)
        if h5py.check_string_dtype(data.dtype) is not None:
            return self._texts(data, path)
        if data.dtype.kind not in "fi" or data.dtype.itemsize > 8:
            raise _Refused(
                f"{label(path)!r} holds {label(data.dtype, 40)}, neither numbers nor text"
            )
        return np.asarray(data[...])

    def _texts(self, data: h5py.Dataset, path: str) -> npt.NDArray[Any]:
        """Read strings a few at a time: many may point at one long one."""
        if data.size > _MOST_TEXTS:
            raise _Refused(f"{label(path)!r} holds {data.size} strings")
        step = max(1, _TEXT_BUFFER // self._file_size)
        out = np.empty(data.shape, dtype=object)
        for row in np.ndindex(data.shape[:-1]):
            for start in range(0, data.shape[-1], step):
                at = (*row, slice(start, start + step))
                part = data.asstr()[at]
                self._spend(sum(map(len, part)), path)
                out[at] = part
        return out

    def _spend(self, count: int, path: str) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise _Refused(f"{label(path)!r} claims more data than a file of this size can hold")


def _is_bare_dimension(data: h5py.Dataset) -> bool:
    """Tell whether an array stands for a dimension that has no coordinate."""
    name = data.attrs.get("NAME", b"")
    return isinstance(name, bytes) and name.startswith(BARE_DIMENSION.encode())


def _is_results(file: h5py.File) -> bool:
    name = "nnrg_format"
    return name in file.attrs and file.attrs.get_id(name).shape == () and file.attrs[name] == FORMAT


def _attributes(group: h5py.Group) -> dict[str, Any]:
    """Return the attributes that are one number or one string; results have no others."""
    out: dict[str, Any] = {}
    for name in group.attrs:
        if name == "nnrg_format":
            continue
        if group.attrs.get_id(name).shape != ():
            raise _Refused(f"attribute {label(name)!r} is neither a number nor a string")
        value = group.attrs[name]
        if isinstance(value, np.generic):
            value = value.item()
        if not isinstance(value, str | int | float):
            raise _Refused(f"attribute {label(name)!r} is neither a number nor a string")
        out[str(name)] = value
    return out
