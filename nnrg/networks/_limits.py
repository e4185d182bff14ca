"""What may be spent on a file before it is known to be sound, and how its faults are reported.

A header of a few bytes can claim any number of tensors and any number of bytes. Every claim is
compared with one of these limits, or with the size of the file, before memory is taken for it.
"""

from __future__ import annotations

import os
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

from nnrg.errors import FormatError, SourceError
from nnrg.networks._label import file_label, human_bytes

__all__ = [
    "MAX_EXPANSION",
    "MAX_EXPANSION_FREE",
    "MAX_HEADER",
    "MAX_NAME",
    "MAX_TENSORS",
    "MAX_ZIP_DIRECTORY",
    "Stamp",
    "as_format_error",
    "check_expansion",
    "check_zip_directory",
    "open_regular",
]

MAX_TENSORS = 100_000
"""Tensors in one model: the largest public checkpoints have a few ten thousand."""

MAX_HEADER = 16 * 2**20
"""Bytes of a text header. Parsed JSON takes up to ten times the memory of its text."""

MAX_ZIP_DIRECTORY = 4 * 2**20
"""Bytes of an archive's list of members: some 50 000 of them. In memory it is 20 times larger."""

MAX_NAME = 16 * 2**10
"""Characters of a tensor's name."""

MAX_EXPANSION = 200
"""Uncompressed over compressed size that real weights never reach."""

MAX_EXPANSION_FREE = 64 * 2**20
"""Bytes below which the compression ratio does not matter."""


class Stamp(NamedTuple):
    """Size and time of change of a file, by which a later read knows that it is the same."""

    size: int
    modified_ns: int


_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def as_format_error(path: Path | None, what: str, hint: str) -> Iterator[None]:
    """Turn what a parsing library raises on damaged bytes into a one-line `FormatError`.

    Errors of this package pass unchanged.
    """
    try:
        yield
    except (FormatError, SourceError):
        raise
    except _FAULTS as error:
        lines = str(error).strip().splitlines()
        reason = lines[0][:160] if lines else type(error).__name__
        raise FormatError(f"{file_label(path)}: {what}: {reason}; {hint}") from error


def open_regular(path: Path) -> tuple[BinaryIO, Stamp]:
    """Open a regular file unbuffered; refuse anything that could block or never end.

    Raises
    ------
    SourceError
        The file is missing, unreadable, a directory, FIFO, socket or device.
    """
    name = file_label(path)
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):
            what = _KINDS.get(stat.S_IFMT(kind), "a special file")
            raise SourceError(
                f"{name}: is {what}, expected a regular file; give the path of a weight file"
            )
        file = path.open("rb", buffering=0)
    except FileNotFoundError as error:
        raise SourceError(f"{name}: no such file; check the path") from error
    except PermissionError as error:
        raise SourceError(f"{name}: not readable by this user; check its permissions") from error
    except SourceError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{name}: cannot be opened: {reason}; check the path") from error
    status = os.fstat(file.fileno())
    return file, Stamp(status.st_size, status.st_mtime_ns)


_ZIP_TAIL = 22 + 2**16 + 76  # end record, longest comment, 64-bit end record

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


def check_expansion(path: Path, name: str, stored: int, expanded: int) -> None:
    """Refuse a compressed entry that grows as only a zip bomb does.

    Raises
    ------
    FormatError
        `expanded` is above `MAX_EXPANSION_FREE` and above `MAX_EXPANSION` times `stored`.
    """
    if expanded > MAX_EXPANSION_FREE and expanded > MAX_EXPANSION * max(stored, 1):
        raise FormatError(
            f"{file_label(path)}: {name} grows from {human_bytes(stored)} to "
            f"{human_bytes(expanded)}, above {MAX_EXPANSION}:1; "
            "if the file is trusted, save it again uncompressed (numpy.savez)"
        )


def check_zip_directory(path: Path, file: IO[bytes], size: int) -> None:
    """Refuse an archive whose list of members is too large to be parsed, before it is parsed.

    Raises
    ------
    FormatError
        The end record of the archive is missing or claims more than `MAX_ZIP_DIRECTORY` bytes.
    """
    start = max(0, size - _ZIP_TAIL)
    file.seek(start)
    tail = file.read(_ZIP_TAIL)
    file.seek(0)
    # The same two places, in the same order, where the standard library looks.
    end = len(tail) - 22
    if end < 0 or tail[end : end + 4] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        end = tail.rfind(b"PK\x05\x06")
    if end < 0 or end + 22 > len(tail):
        raise FormatError(
            f"{file_label(path)}: a zip archive without its end; download or save it again"
        )
    claimed = int.from_bytes(tail[end + 12 : end + 16], "little")
    if end >= 76 and tail[end - 76 : end - 72] == b"PK\x06\x06":
        claimed = int.from_bytes(tail[end - 36 : end - 28], "little")
    if claimed > MAX_ZIP_DIRECTORY:
        raise FormatError(
            f"{file_label(path)}: a zip archive whose list of members takes "
            f"{human_bytes(claimed)}, above {human_bytes(MAX_ZIP_DIRECTORY)}; "
            "save the weights as safetensors"
        )
