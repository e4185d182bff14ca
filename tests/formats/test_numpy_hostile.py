""".npy and .npz files that lie: one line that names the file, soon, with little memory."""

from __future__ import annotations

import struct
import zipfile
import zlib

import numpy as np
import pytest
from formats._measure import refused
from formats.weight_files import (
    CENTRAL,
    END,
    GOOD,
    LOCAL,
    ONES,
    archive,
    described,
    npy,
    npy_header,
    patched,
)

import nnrg
from nnrg.errors import FormatError

BOMB = archive(("w.npy", npy(np.zeros(2**25))), method=zipfile.ZIP_DEFLATED)
RENAMED = archive(("w.npy", ONES), ("v.npy", ONES)).replace(b"v.npy", b"w.npy")
NUMPY = {
    "header of 4 TiB": (npy_header(described(f"({2**39},)")), "claims"),
    "shape overflow": (npy_header(described(f"({2**62}, 8)")), "claims"),
    "negative shape": (npy_header(described("(-1, 8)")) + bytes(64), "shape"),
    "truncated numbers": (ONES[:-1], "claims 128 bytes"),
    "bytes at the end": (ONES + b"x", "claims 128 bytes"),
    "truncated header": (ONES[:30], "not a valid .npy"),
    "code in the header": (npy_header("__import__('os').system('true')"), "not a valid .npy"),
    "deep header": (npy_header("(" * 5000, (2, 0)), "not a valid .npy"),
    "header of 4 GB": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(64), "not a valid .npy"),
    "large header": (npy_header(" " * 300_000 + described("(2,)"), (2, 0)), "not a valid .npy"),
    "version 9": (npy_header(described("(2,)"), (9, 0)), "version"),
    "unknown dtype": (npy_header(described("(2,)", "'<q9'")), "not a valid .npy"),
    "pickle": (npy(np.array([{}, None], dtype=object)), "never unpickled"),
    "pickle in npz": (archive(("w.npy", npy(np.array([None])))), "never unpickled"),
    "complex only": (npy(np.ones(3, complex)), "complex128"),
    "integers only": (npy(np.arange(3)), "int64"),
    "empty array": (npy(np.empty((0, 3))), "no elements"),
    "zip bomb": (BOMB, "above 200:1"),
    "many small bombs": (
        archive(
            *((f"{i}.npy", npy(np.zeros(2**20))) for i in range(12)), method=zipfile.ZIP_DEFLATED
        ),
        "above 200:1",
    ),
    "duplicate members": (RENAMED, "'w.npy' occurs twice"),
    "encrypted": (
        patched(patched(GOOD, LOCAL, 6, b"\x01"), CENTRAL, 8, b"\x01"),
        "is encrypted",
    ),
    "unknown compression": (
        patched(patched(GOOD, LOCAL, 8, b"\x63"), CENTRAL, 10, b"\x63"),
        "neither stored nor deflated",
    ),
    "lzma": (archive(("w.npy", ONES), method=zipfile.ZIP_LZMA), "neither stored nor deflated"),
    "size lies": (patched(GOOD, CENTRAL, 24, struct.pack("<I", 2**20)), "bytes of numbers"),
    "size lies by far": (patched(GOOD, CENTRAL, 24, struct.pack("<I", 2**30)), "above 200:1"),
    "overlapping members": (
        patched(archive(("a.npy", ONES), ("b.npy", ONES)), CENTRAL, 42, bytes(4)),
        "two members overlap",
    ),
    "offset beyond the file": (
        patched(GOOD, CENTRAL, 42, struct.pack("<I", 2**31)),
        "not a valid .npy or .npz",
    ),
    "directory of 4 GB": (patched(GOOD, END, 12, b"\xfe\xff\xff\xff"), "list of members"),
    "directory cut off": (GOOD[:-30], "zip"),
    "empty archive": (archive(), "neither PyTorch, Keras nor NumPy"),
    "other archive": (archive(("readme.txt", b"hello")), "neither PyTorch, Keras nor NumPy"),
    "member is no npy": (archive(("w.npy", b"not numpy")), "not a valid .npy"),
    "checksum": (patched(GOOD, CENTRAL, 16, b"\0\0\0\0"), "CRC"),
    "damaged deflate": (
        patched(
            archive(("w.npy", ONES), method=zipfile.ZIP_DEFLATED), LOCAL, 40, b"\xff\xff\xff\xff"
        ),
        "not a valid .npy",
    ),
}


@pytest.mark.parametrize("case", NUMPY)
def test_numpy(tmp_path, case):
    data, words = NUMPY[case]
    path = tmp_path / "model.npz"
    path.write_bytes(data)
    refused(path, "FormatError", words)


def test_many_members_are_refused_before_they_are_listed(tmp_path):
    names = [f"{i:06}" for i in range(120_000)]
    directory = b"".join(
        CENTRAL + bytes(24) + struct.pack("<H", 6) + bytes(16) + name.encode() for name in names
    )
    end = END + bytes(4) + struct.pack("<HHIIH", 0xFFFF, 0xFFFF, len(directory), 4, 0)
    path = tmp_path / "model.npz"
    path.write_bytes(LOCAL + directory + end)
    refused(path, "FormatError", "list of members")


def test_largest_allowed_zip_directory_stays_within_memory(tmp_path):
    path = tmp_path / "model.npz"
    with zipfile.ZipFile(path, "w") as file:
        for i in range(20_000):  # 200 bytes each in the list of members
            file.writestr(f"{i:0150}.txt", b"")
    refused(path, "FormatError", "neither PyTorch")


def test_more_members_than_any_network_has_arrays(tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(archive(*((f"{i}.npy", b"") for i in range(10_001))))
    refused(path, "FormatError", "10001 members, more than the 10000 allowed")


def test_member_names_are_labels(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    names = ["../../evil", "/abs/evil", "a\\b", "C:evil", "e\x1b[31m\nvil"]
    data = archive(*((f"{name}.npy", ONES) for name in names))
    (folder / "m.npz").write_bytes(data)
    net = nnrg.load(folder / "m.npz")
    assert net.n_parameters == 16 * len(names)
    for name in net.tensors:
        np.testing.assert_array_equal(net.tensors[name], np.ones(16))
    assert "\x1b" not in str(net)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["in", "m.npz"]


def test_deflate_that_ends_early(tmp_path):
    good = archive(("w.npy", npy(np.arange(5000.0))), method=zipfile.ZIP_DEFLATED)
    start = good.index(b"w.npy") + 5
    stop = good.index(CENTRAL)
    short = zlib.compress(ONES, wbits=-15)
    path = tmp_path / "m.npz"
    path.write_bytes(good[:start] + short.ljust(stop - start, b"\0") + good[stop:])
    with pytest.raises(FormatError):
        nnrg.load(path).tensors["w"]
