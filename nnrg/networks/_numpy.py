"""Reader for NumPy's .npy and .npz files: headers at load, numbers on demand, never pickles.

An entry of an archive is a label, not a path: nothing is ever extracted.
"""

from __future__ import annotations

import math
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from nnrg.errors import FormatError
from nnrg.networks._label import file_label, label
from nnrg.networks._limits import (
    MAX_NAME,
    Stamp,
    as_format_error,
    check_expansion,
    check_zip_directory,
    open_regular,
)
from nnrg.networks._member import MemberStream, data_offset
from nnrg.networks._raw import Extent
from nnrg.networks._source import Array, Skipped, TensorSpec

__all__ = ["NumpySource", "read"]

_HINT = "download or save it again with numpy.savez"
_MAX_AXES = 64
_MAX_MEMBERS = 10_000  # NumPy parses headers at some thousands a second


@dataclass(frozen=True, slots=True)
class _Header:
    """What a .npy header says, and where the numbers begin after it."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    start: int

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(slots=True)
class NumpySource:
    """The arrays of one .npy or .npz file."""

    path: Path | None
    format: str
    stamp: Stamp
    specs: dict[str, TensorSpec] = field(default_factory=dict)
    headers: dict[str, _Header] = field(default_factory=dict)
    members: dict[str, tuple[int, zipfile.ZipInfo]] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def read(self, name: str) -> Array:
        """Read one array whole."""
        header = self.headers[name]
        if header.fortran and len(header.shape) > 1:
            flat = next(self._flat(name, header.shape[::-1], header.shape[-1]))
            return flat.T
        return next(self._flat(name, header.shape, header.shape[0] if header.shape else 1)).reshape(
            header.shape
        )

    def chunks(self, name: str, rows: int) -> Iterator[Array]:
        """Read one array in runs of `rows` entries of its first axis.

        An array in Fortran order has no contiguous rows: it is read whole.
        """
        header = self.headers[name]
        if header.fortran and len(header.shape) > 1:
            whole = self.read(name)
            for start in range(0, header.shape[0], rows):
                yield whole[start : start + rows]
        else:
            yield from self._flat(name, header.shape, rows)

    def _flat(self, name: str, shape: tuple[int, ...], rows: int) -> Iterator[Array]:
        assert self.path is not None
        header = self.headers[name]
        extent = Extent(self.path, self.stamp, header.start, header.dtype, shape)
        if name not in self.members:
            yield from extent.chunks(rows)
            return
        with extent.open() as file, _reading(self.path):
            member = MemberStream(file, *self.members[name])
            member.skip(header.start)
            yield from extent.runs(member, rows)


def read(path: Path) -> NumpySource:
    """Parse the headers of a .npy file or of all members of a .npz file.

    Parameters
    ----------
    path : Path
        A regular file.

    Returns
    -------
    NumpySource
        Specs of all numeric arrays. A .npy file's array is called by the stem of the file.

    Raises
    ------
    SourceError
        The file cannot be read.
    FormatError
        A header is damaged or claims more than the file holds, the archive has equal, encrypted
        or overlapping members, or members that expand as only a zip bomb does.
    """
    file, stamp = open_regular(path)
    skipped: list[Skipped] = []
    with file, _reading(path):
        if file.read(6) == npy.MAGIC_PREFIX:
            source = NumpySource(path, "npy", stamp)
            file.seek(0)
            _add(source, skipped, path.stem, file, stamp.size)
        else:
            source = NumpySource(path, "npz", stamp)
            _read_archive(source, skipped, file)
    source.skipped = tuple(skipped)
    return source


def _read_archive(source: NumpySource, skipped: list[Skipped], file: IO[bytes]) -> None:
    path = source.path
    assert path is not None
    check_zip_directory(path, file, source.stamp.size)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        _check_members(path, members, source.stamp.size)
        for info in members:
            name = info.filename.removesuffix(".npy")
            if name == info.filename:
                skipped.append(Skipped(name, "not a .npy member"))
                continue
            with archive.open(info) as member:
                known = _add(source, skipped, name, member, info.file_size)
            if known:
                source.members[name] = (data_offset(file, info), info)


def _check_members(path: Path, members: list[zipfile.ZipInfo], size: int) -> None:
    names = [info.filename for info in members]
    places = {info.header_offset for info in members}
    if len(members) > _MAX_MEMBERS:
        raise _bad(path, f"{len(members)} members, more than the {_MAX_MEMBERS} allowed")
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise _bad(path, f"the member {label(twice)!r} occurs twice")
    if len(places) < len(members):
        raise _bad(path, "two members overlap")
    for info in members:
        if info.flag_bits & 1:
            raise _bad(path, f"the member {label(info.filename)!r} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _bad(path, f"the member {label(info.filename)!r} is neither stored nor deflated")
        if len(info.filename) > MAX_NAME:
            raise _bad(path, f"a member's name has {len(info.filename)} characters")
        shown = f"the member {label(info.filename)!r}"
        check_expansion(path, shown, info.compress_size, info.file_size)
    check_expansion(path, "the archive", size, sum(info.file_size for info in members))


def _add(
    source: NumpySource, skipped: list[Skipped], name: str, file: IO[bytes], size: int
) -> bool:
    """Parse one array's header at the start of `file`; return whether it can be read."""
    assert source.path is not None
    header = _header(source.path, name, file)
    if header.dtype.hasobject:
        skipped.append(Skipped(name, "Python objects (a pickle), never unpickled"))
    elif header.dtype.kind not in "biufc":
        reason = f"{label(header.dtype.str, 40)} entries are not numbers of a known type"
        skipped.append(Skipped(name, reason, math.prod(header.shape)))
    elif header.start + header.nbytes != size:
        raise _bad(
            source.path,
            f"{label(name)!r} claims {header.nbytes} bytes of numbers, {size - header.start} "
            "are there",
        )
    elif header.nbytes == 0:
        skipped.append(Skipped(name, f"no elements: shape {list(header.shape)}"))
    else:
        source.headers[name] = header
        source.specs[name] = TensorSpec(name, header.shape, header.dtype.name)
        return True
    return False


def _header(path: Path, name: str, file: IO[bytes]) -> _Header:
    # A header written by Python 2 is legal and warns; so do type codes that NumPy has retired.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        version = npy.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = npy.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran, dtype = npy.read_array_header_2_0(file)
        else:
            raise _bad(path, f"{label(name)!r} has the .npy version {version}, known: 1.0 and 2.0")
    if len(shape) > _MAX_AXES or not all(0 <= n < 2**63 for n in shape):
        raise _bad(path, f"{label(name)!r} has the shape {label(shape)}")
    return _Header(tuple(int(n) for n in shape), fortran, dtype, file.tell())


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    with as_format_error(path, "not a valid .npy or .npz file", _HINT):
        yield


def _bad(path: Path, what: str) -> FormatError:
    return FormatError(f"{file_label(path)}: not a valid .npy or .npz file: {what}; {_HINT}")
