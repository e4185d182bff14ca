"""What an ONNX file can do to its reader: nothing but a one-line error, in time and memory."""

from __future__ import annotations

import os

import numpy as np
import pytest
from formats._measure import refused as refused_at_little_cost
from formats.onnx_files import external, graph, node, write_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from nnrg.errors import FormatError, NNRGError, SourceError
from nnrg.networks._onnx import read

W = np.arange(15, dtype="float32").reshape(5, 3)


@pytest.fixture
def save(tmp_path):
    return lambda nodes, tensors: write_model(tmp_path / "model.onnx", nodes, tensors)


def refused(path, match: str | None = None, error=FormatError) -> str:
    with pytest.raises(error, match=match) as caught:
        read(path)
    message = str(caught.value)
    assert message.isprintable()
    assert "; " in message
    return message


def tensor(dims, raw=b"", **fields) -> TensorProto:
    return TensorProto(name="w", dims=dims, data_type=TensorProto.FLOAT, raw_data=raw, **fields)


@pytest.mark.parametrize(
    "wrong",
    [
        tensor([-1, 2], bytes(16)),
        tensor([2, 3], bytes(16)),
        tensor([4], bytes(15)),
        tensor([2**62, 4], bytes(16)),
        tensor([2**31, 2**31], bytes(16)),
        tensor([1] * 100, bytes(4)),
        TensorProto(name="w", dims=[3], data_type=TensorProto.FLOAT, float_data=[1.0, 2.0]),
        TensorProto(name="w", dims=[3], data_type=TensorProto.DOUBLE, float_data=[1.0] * 3),
    ],
)
def test_shapes_that_do_not_fit_their_numbers_are_refused(save, wrong):
    assert "'w' " in refused(save([], {"w": wrong}))


@pytest.mark.parametrize(
    "location",
    ["../secret.bin", "/etc/hostname", "sub/w.bin", "..", ".", "", "a\\b", "c:w", "w\0.bin"],
)
def test_numbers_outside_the_folder_are_not_read(save, location):
    path = save([], {"w": external(location, shape=(2,))})
    (path.parent.parent / "secret.bin").write_bytes(bytes(8))
    (path.parent / "sub").mkdir(exist_ok=True)
    (path.parent / "sub" / "w.bin").write_bytes(bytes(8))
    refused(path, "are not in a plain file beside the model")


def test_links_to_other_files_are_not_read(save, tmp_path):
    (tmp_path / "secret").mkdir()
    secret = tmp_path / "secret" / "numbers"
    secret.write_bytes(W.tobytes())
    path = save([], {"w": external("w.bin")})
    (tmp_path / "w.bin").symlink_to(secret)
    refused(path, "not in a plain file")
    (tmp_path / "w.bin").unlink()
    (tmp_path / "w.bin").hardlink_to(secret)
    refused(path, "not in a plain file")
    (tmp_path / "w.bin").unlink()
    refused(path, "no such file", SourceError)
    os.mkfifo(tmp_path / "w.bin")
    refused(path, "FIFO", SourceError)


@pytest.mark.parametrize(
    "entries",
    [
        {"offset": 1},
        {"offset": -4},
        {"offset": "1e3"},
        {"offset": 10**30},
        {"length": 59},
        {"length": 2**63},
        {"offset": 4, "length": 60},
    ],
)
def test_numbers_outside_the_file_beside_the_model_are_refused(save, tmp_path, entries):
    (tmp_path / "w.bin").write_bytes(W.tobytes())
    refused(save([], {"w": external("w.bin", **entries)}), "60 bytes at")


@pytest.mark.parametrize(
    "content",
    [
        b"\x08\x08garbage",
        b"\x08",
        bytes(range(8, 200)),
        b"\x08\x07" + b"\xff" * 50,
        b"\x3a\xff\x7f",
    ],
)
def test_garbage_is_refused(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    refused(path)


def test_every_truncation_is_refused(save, tmp_path):
    whole = save([node("MatMul", "x", "w")], {"w": W}).read_bytes()
    cut = tmp_path / "cut.onnx"
    for length in range(whole.index(W.tobytes()) + W.nbytes):
        cut.write_bytes(whole[:length])
        refused(cut)


def varint(n: int) -> bytes:
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def deep(n: int) -> bytes:
    """A graph in an attribute of a node of a graph, n times."""
    inner = b""
    for _ in range(n):
        inner = field(1, field(5, field(6, inner)))
    return inner


MANY = 1_500_000
BOMBS = {
    "empty nodes": lambda: b"\x0a\x00" * MANY,
    "empty tensors": lambda: b"\x2a\x00" * MANY,
    "nodes with one empty input": lambda: b"\x0a\x02\x0a\x00" * (MANY // 2),
    "one node with many inputs": lambda: field(1, b"\x0a\x00" * MANY),
    "a tensor with many dimensions": lambda: field(5, field(1, b"\x01" * 2 * MANY)),
    "integers of one byte": lambda: field(5, field(7, b"\x01" * 2 * MANY)),
    "graphs in graphs": lambda: deep(200),
    "sparse tensors": lambda: b"\x7a\x00" * MANY,
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_message_costs_more_than_two_seconds_and_200_megabytes(tmp_path, name):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x08" + field(7, BOMBS[name]()))
    refused_at_little_cost(path, "FormatError")


def test_many_small_tensors_are_refused(tmp_path):
    path = tmp_path / "model.onnx"
    one = numpy_helper.from_array(np.ones(2, "float32")).SerializeToString()
    path.write_bytes(b"\x08\x08" + field(7, field(5, one) * 120_000))
    refused_at_little_cost(path, "FormatError", "120000 tensors")


def test_names_are_labels_and_errors_print_them_harmless(save):
    name = "\x1b[31m../evil\n"
    assert list(read(save([], {name: W})).specs) == [name]
    wrong = tensor([2], bytes(4))
    wrong.name = name
    refused(save([], {name: wrong}), r"\\x1b\[31m")


def test_pipes_folders_and_missing_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none.onnx"):
        refused(path, error=SourceError)


def small_model() -> bytes:
    inner = graph([node("MatMul", "x", "v")], {"v": W})
    nodes = [
        node("Constant", output="c", value=numpy_helper.from_array(W)),
        node("If", "x", then_branch=inner),
        node("Gemm", "x", "w", "c", transB=1),
    ]
    half = helper.make_tensor("h", TensorProto.FLOAT16, (2,), [1.0, 2.0])
    return helper.make_model(graph(nodes, {"w": W, "h": half})).SerializeToString()


@settings(
    max_examples=300, deadline=2000, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
def test_mutated_bytes_raise_nothing_but_our_errors(tmp_path, data):
    content = bytearray(small_model())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    try:
        source = read(path)
        for name in source.specs:
            source.read(name)
    except NNRGError as error:
        assert str(error).isprintable()
