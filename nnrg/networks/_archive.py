"""Zip archives as names and byte ranges, all checked before anything of them is read.

PyTorch and Keras store members without compression, so that a tensor can be read in place.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nnrg.errors import FormatError
from nnrg.networks._label import file_label, label
from nnrg.networks._limits import (
    MAX_TENSORS,
    Stamp,
    as_format_error,
    check_zip_directory,
    open_regular,
)

__all__ = ["Archive", "Member", "open_archive"]

_LOCAL = struct.Struct("<4s5H3L2H")
_HINT = "download or save it again"


@dataclass(frozen=True, slots=True)
class Member:
    """Where the bytes of one stored file are in the archive."""

    offset: int
    size: int
    compressed: bool = False


@dataclass(frozen=True, slots=True)
class Archive:
    """The members of a zip file by name; nothing has been read of them."""

    path: Path
    stamp: Stamp
    members: dict[str, Member]

    def member(self, name: str) -> Member:
        """Return where a member is.

        Raises
        ------
        FormatError
            The member is compressed.
        """
        if self.members[name].compressed:
            raise FormatError(
                f"{file_label(self.path)}: the member {label(name)!r} is compressed, expected it "
                "as saved by PyTorch or Keras; unpack and pack it again with zip -0"
            )
        return self.members[name]

    def read(self, name: str, limit: int) -> bytes:
        """Return a member of at most `limit` bytes.

        Raises
        ------
        FormatError
            The member is larger, or compressed.
        """
        member = self.member(name)
        if member.size > limit:
            raise _bad(self.path, f"{label(name)!r} has {member.size} bytes, more than {limit}")
        with open_regular(self.path)[0] as file:
            file.seek(member.offset)
            return file.read(member.size)


def open_archive(path: Path) -> Archive:
    """List the members of a zip file.

    Raises
    ------
    SourceError
        The file cannot be read.
    FormatError
        The archive is damaged, or has equal, overlapping or encrypted members.
    """
    file, stamp = open_regular(path)
    with file, as_format_error(path, "not a valid zip archive", _HINT):
        check_zip_directory(path, file, stamp.size)
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
        if len(infos) > MAX_TENSORS:
            raise _bad(path, f"{len(infos)} members, more than the {MAX_TENSORS} allowed")
        members: dict[str, Member] = {}
        end = stamp.size
        for info in sorted(infos, key=lambda info: info.header_offset, reverse=True):
            name = info.orig_filename  # `filename` is cut at a NUL
            if name in members:
                raise _bad(path, f"the member {label(name)!r} occurs twice")
            if info.flag_bits & 0x41:
                raise _bad(path, f"the member {label(name)!r} is encrypted")
            compressed = info.compress_type != zipfile.ZIP_STORED
            if not compressed and info.compress_size != info.file_size:
                raise _bad(path, f"the member {label(name)!r} has two sizes")
            member = Member(_start(path, file, info), info.compress_size, compressed)
            if member.offset + member.size > end:
                raise _bad(path, f"{label(name)!r} overlaps the next member or the file's end")
            end = info.header_offset
            members[name] = member
    return Archive(path, stamp, members)


def _start(path: Path, file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Return where a member's bytes start; its own header must agree with the directory."""
    file.seek(info.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
        raise _bad(path, f"the member {label(info.orig_filename)!r} has no header")
    *_, name_length, extra_length = _LOCAL.unpack(header)
    encoding = "utf-8" if info.flag_bits & 0x800 else "cp437"
    if file.read(name_length).decode(encoding, "replace") != info.orig_filename:
        raise _bad(path, f"the member {label(info.orig_filename)!r} has two names")
    return int(info.header_offset + _LOCAL.size + name_length + extra_length)


def _bad(path: Path, what: str) -> FormatError:
    return FormatError(f"{file_label(path)}: not a valid zip archive: {what}; {_HINT}")
