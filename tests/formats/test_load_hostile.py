"""Bad, hostile and mistaken inputs: one line that names the file, soon, with little memory."""

from __future__ import annotations

import json
import os
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import xarray
from formats._measure import refused
from formats.weight_files import (
    ONES,
    archive,
    npy,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nnrg
from nnrg.errors import NNRGError

OTHERS = {
    "empty": (b"", "is empty"),
    "git-LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "git lfs pull",
    ),
    "text": (b"hello, world, this is text\n", "no known format"),
    "HTML": (b"<!DOCTYPE html><html>404</html>", "HTML page"),
    "gzip": (b"\x1f\x8b\x08\x00" + bytes(20), "gzip"),
    "pickle": (b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n", "pickle"),
    "JSON": (b'  {"a": 1}', "weight_map"),
    "JSON list": (b"[1, 2, 3, 4, 5]", "no known format"),
    "GGUF": (b"GGUF\x03\x00\x00\x00" + bytes(30), "GGUF"),
    "TFLite": (b"\x1c\x00\x00\x00TFL3" + bytes(30), "TFLite"),
    "netCDF-3": (b"CDF\x01" + bytes(40), "netCDF"),
    "tar": (bytes(257) + b"ustar\x0000" + bytes(300), "tar archive"),
    "zeros": (bytes(1000), "no known format"),
    "one byte": (b"{", "not valid JSON"),
    "MATLAB": (b"MATLAB 5.0 MAT-file", "MATLAB"),
}


@pytest.mark.parametrize("case", OTHERS)
@pytest.mark.parametrize("suffix", ["pt", "bin"])
def test_files_that_are_no_weights(tmp_path, case, suffix):
    data, words = OTHERS[case]
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(data)
    refused(path, "FormatError", words)


@pytest.mark.parametrize("suffix", ["pt", "h5", "onnx", "npz", "safetensors", "", "txt"])
def test_the_content_decides_and_not_the_extension(tmp_path, suffix):
    arrays = {"w": np.ones((3, 2), "f4")}
    path = tmp_path / f"model.{suffix}"
    safetensors.numpy.save_file(arrays, path)
    assert nnrg.load(path).format == "safetensors"
    with path.open("wb") as file:
        np.savez(file, **arrays)
    assert nnrg.load(str(path)).format == "npz"


def test_saved_results_are_not_a_network(tmp_path):
    path = tmp_path / "flow.nc"
    xarray.Dataset({"g": ("scale", np.ones(3))}).to_netcdf(path, engine="h5netcdf")
    refused(path, "FormatError", "netCDF", "open_results")


def test_missing_file_and_odd_paths(tmp_path):
    refused(tmp_path / "gone.safetensors", "SourceError", "no such file")
    refused(tmp_path / "file" / "below.pt", "SourceError", "no such file")
    refused(tmp_path / ("x" * 300), "SourceError", "cannot be opened")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    refused(loop, "SourceError", "cannot be opened")
    file = tmp_path / "file.npy"
    file.write_bytes(ONES)
    refused(file / "below.npy", "SourceError", "cannot be opened")
    with pytest.raises(NNRGError, match=r"a\\x00b"):
        nnrg.load("a\0b")


def test_special_files_neither_block_nor_run(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    refused(fifo, "SourceError", "is a FIFO")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        refused(tmp_path / "socket", "SourceError", "is a socket")
    refused("/dev/zero", "SourceError", "is a character device")
    refused("/dev/stdin", "SourceError", "expected a regular file")


def test_standard_input_is_told_to_be_saved_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NNRGError, match="standard input is not read"):
        nnrg.load("-")


def test_folders(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(empty, "SourceError", "is a directory without *.safetensors")
    for name in ("a", "b"):
        safetensors.numpy.save_file({"w": np.ones(2, "f4")}, empty / f"{name}.safetensors")
    refused(empty, "SourceError", "2 models (a.safetensors, b.safetensors)")
    (empty / "model.safetensors").mkdir()
    refused(empty, "SourceError", "is a directory")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("saved_model.pb", "tf2onnx"),
        ("net.mlmodel", "Core ML"),
        ("flax_model.msgpack", "safetensors.flax"),
        ("model.ckpt.index", "tf2onnx"),
        ("model.ckpt.data-00000-of-00001", "tf2onnx"),
        ("net.param", "ncnn"),
    ],
)
def test_formats_without_a_magic_are_named_with_what_converts_them(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"\x08\x01\x12\x10" + bytes(40))
    refused(tmp_path / name, "FormatError", words)


def test_an_onnx_file_called_pb_is_read_by_its_content(tmp_path):
    (tmp_path / "model.pb").write_bytes(b"\x08\x01\x12\x10" + bytes(40))
    refused(tmp_path / "model.pb", "FormatError", "ONNX")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("pytorch_model.bin", "the path of the file in it: pytorch_model.bin"),
        ("saved_model.pb", "TensorFlow SavedModel"),
        ("flow.nc", "it holds results"),
        ("pytorch_model.bin.index.json", "save it as safetensors"),
    ],
)
def test_folders_of_other_frameworks_say_what_to_do(tmp_path, file, words):
    (tmp_path / file).write_bytes(b'{"weight_map": {"w": "pytorch_model-1.bin"}}')
    refused(tmp_path, "SourceError", words)
    if file.endswith("index.json"):
        refused(tmp_path / file, "FormatError", words)


def test_unreadable_file(tmp_path):
    for parent in (tmp_path, *tmp_path.parents):
        if os.getuid() == 0 and parent.stat().st_uid == 0 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)  # let another user reach the file
    path = tmp_path / "secret.npy"
    path.write_bytes(ONES)
    path.chmod(0)
    refused(path, "SourceError", "not readable by this user", user=65534)


def test_index_of_shards_with_hostile_content(tmp_path):
    path = tmp_path / "model.safetensors.index.json"
    cases = {
        '{"weight_map": []}': "weight_map",
        '{"weight_map": {"w": 1}}': "weight_map",
        '{"weight_map": {}}': "weight_map",
        '{"weight_map": {"w": "a", "w": "b"}}': "'w' occurs twice",
        '{"weight_map": {"w": "model.safetensors.index.json"}}': "not a valid safetensors",
        json.dumps({"weight_map": {f"t{i}": f"{i}.st" for i in range(9000)}}): "9000 shards",
    }
    for text, words in cases.items():
        path.write_text(text)
        refused_text = refused(tmp_path, "FormatError", words)
        assert str(tmp_path) in refused_text
    path.write_text('{"weight_map": {"w": "gone.safetensors"}}')
    with pytest.raises(NNRGError, match=r"gone\.safetensors: no such file"):
        nnrg.load(tmp_path)


def mutations(data: bytes) -> st.SearchStrategy[bytes]:
    """Return a strategy of `data` with some bytes changed, cut out, doubled or appended."""

    def change(edits: list[tuple[int, int, bytes]]) -> bytes:
        out = data
        for at, length, new in edits:
            at %= len(out) + 1
            out = out[:at] + new + out[at + length :]
        return out

    edit = st.tuples(
        st.integers(0, 4 * len(data)),
        st.sampled_from([0, 1, 1, 1, 1, 2, 4, 8, 50, 10**6]),
        st.one_of(
            st.binary(min_size=1, max_size=2), st.sampled_from([b"", b"\xff" * 8, b"\0" * 4])
        ),
    )
    return st.lists(edit, min_size=1, max_size=4).map(change)


SMALL = safetensors.numpy.save(
    {"a.weight": np.ones((3, 2), "f4"), "a.bias": np.ones(3, "f2"), "i": np.arange(3)}
)
SEEDS = {
    "safetensors": SMALL,
    "npy": npy(np.ones((3, 4))),
    "npz": archive(("w.npy", ONES), ("b.npy", npy(np.ones(3, "f4")))),
    "compressed npz": archive(("w.npy", ONES), method=zipfile.ZIP_DEFLATED),
    "index": json.dumps({"weight_map": {"w": "shard.safetensors"}}).encode(),
}


@pytest.mark.parametrize("kind", SEEDS)
def test_only_our_errors_leave_a_damaged_file(tmp_path, kind):
    (tmp_path / "shard.safetensors").write_bytes(safetensors.numpy.save({"w": np.ones(2)}))
    path = tmp_path / "model"

    @settings(
        max_examples=200,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(mutations(SEEDS[kind]))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        try:
            net = nnrg.load(path)
            str(net)
            for name in net.tensors:
                net.tensors[name]
            for name in net.buffers:
                net.buffers[name]
        except NNRGError as error:
            assert "\n" not in str(error)
            assert str(tmp_path) in str(error)

    check()
