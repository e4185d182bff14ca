"""Writing netCDF4 files of results: groups of named arrays with named dimensions; never pickle.

Written through h5py, following the netCDF4 convention of HDF5 dimension scales, because xarray and
pandas would take longer to import than a small flow takes to measure. Any netCDF4 reader opens the
files: ``xarray.open_dataset(path, group="field0/couplings")``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from nnrg._files import written_whole

if TYPE_CHECKING:
    import h5py

__all__ = [
    "BARE_DIMENSION",
    "FORMAT",
    "SEAL_SIZE",
    "Group",
    "Variable",
    "is_sealed",
    "seal",
    "write",
]

FORMAT = "nnrg results 1"
SEAL = b"\nnnrg sha256 "
SEAL_SIZE = len(SEAL) + 64

BARE_DIMENSION = "This is a netCDF dimension but not a netCDF variable."


class Variable(NamedTuple):
    """An array with a name for each of its dimensions."""

    dims: tuple[str, ...]
    values: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Group:
    """Variables by name, and attributes: numbers and strings."""

    variables: Mapping[str, Variable] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)


def write(path: str | Path, groups: Mapping[str, Group]) -> None:
    """Write each group to one file ("" is the root), whole or not at all.

    Raises
    ------
    ArgumentError
        If `path` is no path.
    SourceError
        If the file cannot be written, or what is there is a folder or a device.
    """
    import h5py

    with written_whole(path) as draft:
        with h5py.File(draft, "w", track_order=True) as file:
            dimensions = 0
            for group, data in groups.items():
                inside = file.require_group(group) if group else file
                dimensions = _write_group(inside, data, dimensions)
            file.attrs["nnrg_format"] = FORMAT
        seal(draft)


def seal(path: Path) -> None:
    """Put the checksum of a file at its end, where HDF5 does not look.

    The HDF5 library may crash or never return on damaged bytes: a reader compares first.
    """
    with path.open("r+b") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0, 2)
        file.write(SEAL + digest.encode())


def is_sealed(file: BinaryIO) -> bool:
    """Tell whether a file ends with the checksum of all that stands before."""
    size = file.seek(0, 2) - SEAL_SIZE
    if size < 0:
        return False
    file.seek(0)
    digest = hashlib.sha256()
    while size > 0:
        piece = file.read(min(size, 1 << 20))
        if not piece:
            return False
        digest.update(piece)
        size -= len(piece)
    return file.read() == SEAL + digest.hexdigest().encode()


def _write_group(group: h5py.Group, data: Group, first: int) -> int:
    """Write one group; its dimensions are numbered from `first`, the next number is returned."""
    import h5py

    for key, value in data.attrs.items():
        group.attrs[str(key)] = _storable(value) if isinstance(value, str) else value
    text = h5py.string_dtype()
    lengths: dict[str, int] = {}
    for key, variable in data.variables.items():
        values = np.asarray(variable.values)
        if values.dtype.kind in "OU":
            values = np.array([_storable(str(v)) for v in values.flat], dtype=object).reshape(
                values.shape
            )
            group.create_dataset(str(key), data=values, dtype=text)
        elif values.size > 256:
            group.create_dataset(
                str(key), data=values, compression="gzip", compression_opts=4, shuffle=True
            )
        else:
            group.create_dataset(str(key), data=values)
        lengths.update(zip(map(str, variable.dims), values.shape, strict=True))
    for number, (name, length) in enumerate(lengths.items(), first):
        if name in group:
            group[name].make_scale(name)
        else:
            scale = group.create_dataset(name, shape=(length,), dtype=">f4")
            scale.make_scale(f"{BARE_DIMENSION}{length:10d}")
        group[name].attrs["_Netcdf4Dimid"] = np.int32(number)
    for key, variable in data.variables.items():
        for axis, name in enumerate(variable.dims):
            if str(key) != name:
                group[str(key)].dims[axis].attach_scale(group[str(name)])
    return first + len(lengths)


def _storable(text: str) -> str:
    """Return a string that HDF5 can hold: names from files may carry NUL or lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
