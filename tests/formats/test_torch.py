"""The PyTorch reader: both containers, what is chosen in a checkpoint, what is left out."""

from __future__ import annotations

from collections import OrderedDict

import ml_dtypes
import numpy as np
import pytest
from formats.torch_files import Build, Global, Reduce, View, write_legacy, write_zip
from numpy.testing import assert_array_equal

from nnrg.errors import ArgumentError, FormatError
from nnrg.networks._torch import read

RNG = np.random.default_rng(20261121)
W = RNG.normal(size=(5, 3)).astype("float32")
B = RNG.normal(size=5).astype("float32")
WRITERS = [write_zip, write_legacy]


@pytest.fixture(params=WRITERS, ids=["zip", "legacy"])
def write(request, tmp_path):
    return lambda value: request.param(tmp_path / "model.pt", value)


def test_a_state_dict_is_read_back_exactly(write):
    source = read(write(OrderedDict({"fc.weight": W, "fc.bias": B})))
    assert [(s.name, s.shape, s.dtype) for s in source.specs.values()] == [
        ("fc.weight", (5, 3), "float32"),
        ("fc.bias", (5,), "float32"),
    ]
    assert_array_equal(source.read("fc.weight"), W)
    assert_array_equal(source.read("fc.bias"), B)
    assert source.skipped == ()


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "int8", "bool", "complex64"])
def test_every_dtype_is_read_back_exactly(write, dtype):
    values = (10 * RNG.normal(size=(4, 2))).astype(dtype)
    source = read(write({"x": values}))
    assert source.specs["x"].dtype == dtype
    assert_array_equal(source.read("x"), values)


def test_bfloat16_and_float8_come_as_ml_dtypes(tmp_path):
    half = W.astype(ml_dtypes.bfloat16)
    eighth = W.astype(ml_dtypes.float8_e4m3fn)
    view = View(
        eighth.view("uint8"), (5, 3), (3, 1), storage_type="UntypedStorage", dtype="float8_e4m3fn"
    )
    source = read(write_zip(tmp_path / "m.pt", {"half": half, "eighth": view}))
    assert_array_equal(source.read("half"), half)
    assert_array_equal(source.read("eighth"), eighth)
    assert source.specs["eighth"].dtype == "float8_e4m3fn"


def test_strided_views_are_read_in_logical_order(write):
    base = np.arange(60, dtype="float32")
    views = {
        "transposed": View(base, (4, 5), (1, 4), 3),
        "every second": View(base, (6,), (2,), 1),
        "constant along rows": View(base, (3, 7), (0, 1), 2),
        "scalar": View(base, (), (), 7),
        "one row": View(base, (1, 4), (999, 1), 0),
    }
    source = read(write(views))
    for name, view in views.items():
        steps = tuple(4 * step for step in view.strides)
        expected = np.lib.stride_tricks.as_strided(base[view.offset :], view.shape, steps)
        assert_array_equal(source.read(name), expected)
        assert source.read(name).flags.c_contiguous


@pytest.mark.parametrize("rows", [1, 2, 5, 100])
@pytest.mark.parametrize("name", ["straight", "transposed"])
def test_chunks_join_to_the_whole(write, name, rows):
    source = read(write({"straight": W, "transposed": View(W, (3, 5), (1, 3))}))
    joined = np.concatenate([chunk.copy() for chunk in source.chunks(name, rows)])
    assert_array_equal(joined, source.read(name))


def test_tied_weights_have_equal_storage_also_when_transposed(write):
    tied = {
        "a": View(W, (5, 3), (3, 1)),
        "b": View(W, (5, 3), (3, 1)),
        "a.T": View(W, (3, 5), (1, 3)),
        "first rows": View(W, (2, 3), (3, 1)),
        "last rows": View(W, (2, 3), (3, 1), 9),
    }
    storage = {name: spec.storage for name, spec in read(write(tied)).specs.items()}
    assert storage["a"] == storage["b"] == storage["a.T"]
    assert len({storage["a"], storage["first rows"], storage["last rows"]}) == 3


def test_empty_tensors_are_named_and_left_out(write):
    source = read(write({"x": W, "none": np.zeros((0, 3), "float32")}))
    assert list(source.specs) == ["x"]
    assert [(s.name, s.reason) for s in source.skipped] == [("none", "no elements: shape [0, 3]")]


OPTIMISER = {
    "state": {0: {"step": 7, "exp_avg": W, "exp_avg_sq": W + 1}},
    "param_groups": [{"lr": 0.1, "params": [0]}],
}
CHECKPOINT = {
    "epoch": 3,
    "model": {"args": {"dim": 5}, "state_dict": OrderedDict({"fc.weight": W, "fc.bias": B})},
    "optimizer": OPTIMISER,
    "opt_g": OPTIMISER,
    "lr_scheduler": {"last_epoch": 3},
    "model_ema": {"fc.weight": W + 2},
    "history": [0.5, 0.25],
}


def test_the_network_in_a_checkpoint_is_found_and_the_rest_is_named(write):
    source = read(write(CHECKPOINT))
    assert source.metadata["key"] == "model.state_dict"
    assert list(source.specs) == ["fc.weight", "fc.bias"]
    assert {s.name: (s.reason, s.size) for s in source.skipped} == {
        "epoch": ("not a tensor (int)", 0),
        "optimizer": ("optimiser state", 30),
        "opt_g": ("optimiser state", 30),
        "lr_scheduler": ("scheduler state", 0),
        "model_ema": ("moving average of the weights", 15),
        "history": ("record of the training", 0),
        "model.args": ("not a tensor (dict)", 0),
    }


def test_a_key_chooses_another_part(write):
    path = write(CHECKPOINT)
    source = read(path, key="model_ema")
    assert source.metadata["key"] == "model_ema"
    assert_array_equal(source.read("fc.weight"), W + 2)
    assert list(read(path, key="model.state_dict.fc.weight").specs) == ["fc.weight"]
    with pytest.raises(ArgumentError, match=r"model\.pt: no key 'modle'.*: epoch, model, "):
        read(path, key="modle")


def test_the_larger_of_two_candidates_is_taken_and_the_other_offered(write):
    source = read(write({"model": {"w": W}, "state_dict": {"w": W, "b": B}}))
    assert source.metadata["key"] == "state_dict"
    assert [(s.name, s.size) for s in source.skipped] == [("model", 15)]
    assert "key='model'" in source.skipped[0].reason


def test_without_a_known_key_all_parts_are_taken(write):
    source = read(write({"encoder": {"w": W}, "decoder": {"w": W + 1}, "list": [B]}))
    assert list(source.specs) == ["encoder.w", "decoder.w", "list.0"]


def test_a_lone_tensor_is_read(write):
    assert_array_equal(read(write(W)).read("tensor"), W)


def test_only_optimiser_state_is_no_network(write):
    with pytest.raises(FormatError, match=r"no weights found .*optimiser state"):
        read(write(OPTIMISER))


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (View(W, (5, 3), (3, 1), metadata={"conj": True}), "lazily conjugated"),
        (View(W, (5, 3), (3, 1), metadata={"neg": True}), "lazily conjugated"),
        (View(W.view("int8"), (60,), (1,), storage_type="QInt8Storage"), "quantised"),
        (Reduce(Global("torch._utils", "_rebuild_sparse_tensor"), (1, ())), "sparse"),
        (Reduce(Global("torch._utils", "_rebuild_qtensor"), (1, ())), "quantised"),
    ],
)
def test_tensors_whose_numbers_are_not_plain_are_left_out_with_the_reason(write, tensor, reason):
    source = read(write({"x": B, "odd": tensor}))
    assert list(source.specs) == ["x"]
    assert source.skipped[0].name == "odd"
    assert reason in source.skipped[0].reason


def test_parameters_and_python_2_dicts_are_read(write):
    pairs = Reduce(Global("collections", "OrderedDict"), ([["w", W], ["b", B]],))
    parameter = Reduce(Global("torch._utils", "_rebuild_parameter"), (W, True, OrderedDict()))
    subclass = Reduce(
        Global("torch._tensor", "_rebuild_from_type_v2"),
        (
            Global("torch._utils", "_rebuild_parameter"),
            Global("torch.nn.parameter", "Parameter"),
            (B, True, OrderedDict()),
            {"tag": 1},
        ),
    )
    assert list(read(write(pairs)).specs) == ["w", "b"]
    source = read(write({"w": parameter, "b": subclass}))
    assert_array_equal(source.read("w"), W)
    assert_array_equal(source.read("b"), B)


def test_the_metadata_attribute_of_a_state_dict_is_ignored(write):
    state = {"_metadata": {"fc": {"version": 1}}}
    dressed = Build(OrderedDict({"fc.weight": W}), state)
    assert list(read(write(dressed)).specs) == ["fc.weight"]
