"""One member of a zip archive, read as a stream from where it lies in the file.

The archive's list of members is parsed once, at load; a member is then found without it.
"""

from __future__ import annotations

import zipfile
import zlib
from typing import IO, Any

__all__ = ["MemberStream", "data_offset"]

_INPUT = 2**18


def data_offset(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Return where the bytes of a member begin, from its own header in the file."""
    file.seek(info.header_offset)
    fixed = file.read(30)
    name, extra = (int.from_bytes(fixed[at : at + 2], "little") for at in (26, 28))
    return info.header_offset + 30 + name + extra


class MemberStream:
    """The uncompressed bytes of a stored or deflated member; its checksum is compared at the end.

    Parameters
    ----------
    file : binary file
        The archive.
    offset : int
        Where the member's bytes begin.
    info : zipfile.ZipInfo
        Its sizes, checksum and compression.
    """

    def __init__(self, file: IO[bytes], offset: int, info: zipfile.ZipInfo) -> None:
        file.seek(offset)
        self._file: Any = file
        self._stored = info.compress_type == zipfile.ZIP_STORED
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._compressed_left = info.compress_size
        self._left = info.file_size
        self._checksum = info.CRC
        self._running = 0

    def readinto(self, view: memoryview) -> int:
        """Fill the start of `view`; return the number of bytes, 0 at the end.

        Raises
        ------
        zipfile.BadZipFile
            The checksum does not fit.
        """
        view = view[: self._left]
        count = self._file.readinto(view) if self._stored else self._inflate_into(view)
        self._running = zlib.crc32(view[:count], self._running)
        self._left -= count
        if count and not self._left and self._running != self._checksum:
            raise zipfile.BadZipFile("CRC-32 does not fit")
        return int(count)

    def skip(self, count: int) -> None:
        """Pass over `count` bytes."""
        buffer = memoryview(bytearray(count))
        while buffer:
            done = self.readinto(buffer)
            if not done:
                raise EOFError("the member ends within its header")
            buffer = buffer[done:]

    def _inflate_into(self, view: memoryview) -> int:
        data = b""
        while not data and len(view) and not self._inflate.eof:
            block = self._inflate.unconsumed_tail
            if not block:
                block = self._file.read(min(_INPUT, self._compressed_left))
                self._compressed_left -= len(block)
                if not block:
                    break
            data = self._inflate.decompress(block, len(view))
        view[: len(data)] = data
        return len(data)
