"""Small weight files, byte by byte, right and wrong."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import numpy as np


def header(text: bytes, body: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(dtype="F32", shape=(2,), begin=0, end=8) -> str:
    return json.dumps({"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]})


def one(name="w", **fields) -> bytes:
    return f"{{{json.dumps(name)}:{entry(**fields)}}}".encode()


def many(n: int) -> bytes:
    before, after = entry(begin=0, end=8).split("0, 8")
    parts = (f'"t{i}":{before}{8 * i}, {8 * i + 8}{after}' for i in range(n))
    return f"{{{','.join(parts)}}}".encode()


def npy_header(text: str, version: tuple[int, int] = (1, 0)) -> bytes:
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text) + 1)
    return b"\x93NUMPY" + bytes(version) + size + text.encode("latin1") + b"\n"


def described(shape: str, descr: str = "'<f8'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in members:
            file.writestr(name, data)
    return buffer.getvalue()


def patched(data: bytes, at: bytes, offset: int, new: bytes) -> bytes:
    """Overwrite bytes `offset` behind every occurrence of the record signature `at`."""
    out = bytearray(data)
    place = data.find(at)
    assert place >= 0
    while place >= 0:
        out[place + offset : place + offset + len(new)] = new
        place = data.find(at, place + 4)
    return bytes(out)


LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
ONES = npy(np.ones(16))
GOOD = archive(("w.npy", ONES))
BODY = bytes(8)
