"""The ONNX reader: where weights are, and what the nodes say about their axes."""

from __future__ import annotations

import sys

import ml_dtypes
import numpy as np
import pytest
from formats.onnx_files import external, graph, node, write_model
from numpy.testing import assert_array_equal
from onnx import TensorProto, helper, numpy_helper

import nnrg
from nnrg.errors import FormatError, SourceError
from nnrg.networks._onnx import read

RNG = np.random.default_rng(20261121)


def numbers(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("float32")


@pytest.fixture
def save(tmp_path):
    return lambda nodes, tensors: write_model(tmp_path / "model.onnx", nodes, tensors)


W, B = numbers(5, 3), numbers(5)


def test_initialisers_are_read_back_exactly(save):
    source = read(save([node("Gemm", "x", "w", "b", transB=1)], {"w": W, "b": B}))
    assert list(source.specs) == ["w", "b"]
    assert_array_equal(source.read("w"), W)
    assert_array_equal(source.read("b"), B)
    joined = np.concatenate([chunk.copy() for chunk in source.chunks("w", 2)])
    assert_array_equal(joined, W)


@pytest.mark.parametrize(
    ("use", "shape", "layout", "gates"),
    [
        (node("MatMul", "x", "w"), (3, 5), "IO", ""),
        (node("MatMul", "w", "x"), (5, 3), "OI", ""),
        (node("Gemm", "x", "w"), (3, 5), "IO", ""),
        (node("Gemm", "x", "w", transB=1), (5, 3), "OI", ""),
        (node("Gemm", "w", "x"), (5, 3), "OI", ""),
        (node("Gemm", "w", "x", transA=1), (3, 5), "IO", ""),
        (node("Gemm", "x", "x", "w"), (5,), "O", ""),
        (node("Conv", "x", "w"), (4, 3, 7), "OIK", ""),
        (node("Conv", "x", "w"), (4, 3, 7, 7), "OIHW", ""),
        (node("Conv", "x", "x", "w"), (4,), "O", ""),
        (node("ConvTranspose", "x", "w"), (3, 4, 7, 7), "IOHW", ""),
        (node("LSTM", "x", "w"), (1, 8, 3), "NOI", "iofc"),
        (node("LSTM", "x", "x", "w"), (2, 8, 2), "?OI", "iofc"),
        (node("GRU", "x", "w"), (1, 6, 3), "NOI", "zrh"),
        (node("Gather", "w", "x"), (50, 4), "VC", ""),
        (node("LayerNormalization", "x", "w"), (4,), "C", ""),
        (node("Add", "x", "w"), (4, 4), "", ""),
    ],
)
def test_the_axes_are_told_by_the_node_that_uses_the_tensor(save, use, shape, layout, gates):
    spec = read(save([use], {"w": numbers(*shape)})).specs["w"]
    assert (spec.layout, spec.gates) == (layout, gates)


def test_a_transposed_matrix_has_the_axes_of_its_transpose_swapped(save):
    nodes = [node("Transpose", "w", output="t", perm=[1, 0]), node("MatMul", "x", "t")]
    assert read(save(nodes, {"w": W})).specs["w"].layout == "OI"


def test_uses_that_disagree_leave_the_axes_open(save):
    nodes = [node("MatMul", "x", "w", output="a"), node("MatMul", "w", "x", output="b")]
    assert read(save(nodes, {"w": W})).specs["w"].layout == ""


def test_a_tensor_used_under_another_name_is_one_tensor(save):
    nodes = [node("Identity", "w", output="same"), node("MatMul", "x", "same")]
    source = read(save(nodes, {"w": W}))
    assert {name: spec.layout for name, spec in source.specs.items()} == {"w": "IO"}


def test_constant_nodes_and_graphs_inside_nodes_hold_weights(save):
    constant = node("Constant", output="c", value=numpy_helper.from_array(W))
    branches = {
        f"{name}_branch": graph([node("MatMul", "x", name), node("MatMul", "x", "c")], {name: W})
        for name in ("then", "else")
    }
    specs = read(save([constant, node("If", "x", **branches)], {"b": B})).specs
    assert {name: spec.layout for name, spec in specs.items()} == {
        "b": "",
        "c": "IO",
        "then": "IO",
        "else": "IO",
    }


def test_a_name_used_again_in_an_inner_graph_is_another_tensor(save):
    inner = graph([node("MatMul", "w", "x")], {"w": W + 1})
    use = [node("If", "x", then_branch=inner), node("MatMul", "x", "w", output="y")]
    source = read(save(use, {"w": W}))
    assert {name: spec.layout for name, spec in source.specs.items()} == {"w": "IO", "w#2": "OI"}
    assert_array_equal(source.read("w#2"), W + 1)


def test_what_is_no_weight_is_named(save):
    ints = [
        node("Constant", output=f"c{i}", value=numpy_helper.from_array(np.arange(i)))
        for i in (2, 3)
    ]
    nodes = [
        *ints,
        node("Conv", "x", "w", "b1"),
        node("BatchNormalization", "x", "gamma", "beta", "mean", "var"),
        node("Resize", "x", "", "scales"),
    ]
    tensors = {
        "w": numbers(1, 3, 7),
        "b1": numbers(1),
        "gamma": B,
        "beta": B,
        "mean": B,
        "var": B,
        "scales": numbers(4),
        "shape": np.array([1, -1]),
        "eps": numbers(1),
        "none": numbers(0, 3),
        "quantised": np.zeros((3, 3), "int8"),
    }
    source = read(save(nodes, tensors))
    assert list(source.specs) == ["w", "b1", "gamma", "beta"]
    assert {s.name: (s.reason, s.size) for s in source.skipped} == {
        "mean": ("running statistics of a normalisation layer, not trained", 5),
        "var": ("running statistics of a normalisation layer, not trained", 5),
        "scales": ("a setting of Resize, not a weight", 4),
        "shape": ("int64 initialiser: shapes, indices or quantised numbers", 2),
        "eps": ("initialiser of one number", 1),
        "none": ("no elements", 0),
        "quantised": ("int8 initialiser: shapes, indices or quantised numbers", 9),
        "c2 and 1 more": ("int64 Constant node: shapes, indices or quantised numbers", 5),
    }
    assert nnrg.load(source.path).n_parameters == 21 + 1 + 5 + 5


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.FLOAT, "float32"),
        (TensorProto.DOUBLE, "float64"),
        (TensorProto.FLOAT16, "float16"),
        (TensorProto.BFLOAT16, "bfloat16"),
        (TensorProto.FLOAT8E4M3FN, "float8_e4m3fn"),
        (TensorProto.FLOAT8E5M2, "float8_e5m2"),
    ],
)
def test_every_float_type_is_read_exactly(save, kind, dtype, raw):
    values = W.astype(getattr(ml_dtypes, dtype, dtype))
    held = values.tobytes() if raw else values.astype("float64").ravel().tolist()
    tensor = helper.make_tensor("w", kind, (5, 3), held, raw=raw)
    source = read(save([], {"w": tensor}))
    assert source.specs["w"].dtype == dtype
    assert_array_equal(source.read("w"), values)


def test_numbers_in_a_file_beside_the_model_are_read_in_place(save):
    path = save([node("MatMul", "x", "w")], {"w": external("w.bin", offset=4, length=60)})
    (path.parent / "w.bin").write_bytes(b"head" + W.tobytes() + b"tail")
    source = read(path)
    assert_array_equal(source.read("w"), W)
    joined = np.concatenate([chunk.copy() for chunk in source.chunks("w", 2)])
    assert_array_equal(joined, W)
    assert source.specs["w"].layout == "IO"


def test_a_model_without_weights_says_so(save, tmp_path):
    with pytest.raises(FormatError, match=r"no weights found \(only: int64 initialiser"):
        read(save([], {"shape": np.array([1, 2])}))
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(b"")
    with pytest.raises(FormatError, match="no weights found"):
        read(empty)


def test_without_the_onnx_package_the_error_names_it(save, monkeypatch):
    path = save([], {"w": W})
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(SourceError, match=r"pip install 'nnrg\[onnx\]'"):
        read(path)
