"""Tensors in memory: dicts, nested containers, torch-like tensors and modules."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import nnrg
from nnrg.errors import ArgumentError, FormatError, NonFiniteError


class TorchLike:
    """What of a torch tensor is relied on; bfloat16 has no NumPy twin there."""

    def __init__(self, array, dtype="float32"):
        self.array, self.dtype, self.shape = array, f"torch.{dtype}", array.shape

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array

    def float(self):
        return TorchLike(self.array.astype("f4"))

    def data_ptr(self):
        return self.array.__array_interface__["data"][0]

    def element_size(self):
        return self.array.itemsize

    def stride(self):
        return tuple(s // self.array.itemsize for s in self.array.strides)


class Module:
    def __init__(self, **tensors):
        self.tensors = tensors

    def state_dict(self):
        return dict(self.tensors)


class Foreign:
    """A tensor of a framework that NumPy can see."""

    def __init__(self, array):
        self.array, self.dtype, self.shape = array, array.dtype, array.shape

    def __array__(self, dtype=None, copy=None):
        return self.array.copy()


def test_arrays_are_the_callers_own():
    w = np.arange(6.0).reshape(2, 3)
    net = nnrg.load({"w": w})
    assert net.format == "memory" and net.path is None
    assert net.tensors["w"] is w


def test_a_network_loads_as_itself():
    net = nnrg.load({"w": np.ones((2, 2))})
    assert nnrg.load(net).to_dict() == net.to_dict()
    np.testing.assert_array_equal(nnrg.load(net).tensors["w"], np.ones((2, 2)))


def test_one_array_and_a_list_of_arrays():
    assert list(nnrg.load(np.ones((3, 2))).tensors) == ["array"]
    net = nnrg.load([np.ones((3, 2)), np.ones(3)])
    assert {n: s.shape for n, s in net.specs.items()} == {"0": (3, 2), "1": (3,)}


def test_nested_containers_are_flattened():
    tree = {"params": {"Dense_0": {"kernel": np.ones((4, 3)), "bias": np.ones(3)}}, "step": 3}
    net = nnrg.load(tree)
    assert set(net.tensors) == {"params.Dense_0.kernel", "params.Dense_0.bias"}
    assert net.specs["params.Dense_0.kernel"].layout == "IO"
    assert [(s.name, s.reason) for s in net.skipped] == [("step", "a Python int, not an array")]


def test_module_and_torch_tensors():
    w, b = np.ones((3, 2), "f4"), np.ones(3, "f4")
    net = nnrg.load(Module(**{"fc.weight": TorchLike(w), "fc.bias": TorchLike(b)}))
    assert net.n_parameters == 9
    assert net.specs["fc.weight"].dtype == "float32"
    np.testing.assert_array_equal(net.tensors["fc.weight"], w)


def test_bfloat16_torch_tensor_keeps_its_bits():
    array = np.random.default_rng(0).normal(size=(8, 8)).astype(ml_dtypes.bfloat16)
    net = nnrg.load({"w": TorchLike(array, "bfloat16")})
    assert net.specs["w"].dtype == "bfloat16"
    assert net.tensors["w"].tobytes() == array.tobytes()


@pytest.mark.parametrize("wrap", [lambda a: a, TorchLike])
def test_tied_weights_count_once(wrap):
    w = np.ones((5, 4), "f4")
    view = w[:]
    net = nnrg.load(
        {"wte.weight": wrap(w), "lm_head.weight": wrap(view), "t": wrap(w.T), "row": wrap(w[0])}
    )
    assert list(net.tensors) == ["wte.weight", "row"]
    assert net.n_parameters == 20 + 4
    assert {s.name: s.reason for s in net.skipped} == {
        "lm_head.weight": "tied to wte.weight: the same numbers, counted once",
        "t": "tied to wte.weight: the same numbers, counted once",
    }


def test_equal_but_separate_tensors_are_not_tied():
    net = nnrg.load({f"w{i}": Foreign(np.ones((50, 50))) for i in range(20)})
    assert net.n_parameters == 20 * 2500


def test_checkpoint_with_optimiser_state():
    checkpoint = {
        "epoch": 3,
        "state_dict": {"fc.weight": np.ones((3, 2)), "bn.running_mean": np.ones(3)},
        "optimizer": {"state": {0: {"exp_avg": np.ones((3, 2))}}},
    }
    net = nnrg.load(checkpoint)
    assert set(net.tensors) == {"fc.weight"}
    reasons = {s.name: s.reason for s in net.skipped}
    assert "optimiser" in reasons["optimizer"] and "key=" in reasons["epoch"]
    inner = nnrg.load(checkpoint, key="optimizer.state.0", trained=["exp_avg"])
    assert inner.n_parameters == 6
    with pytest.raises(ArgumentError, match="there are: epoch, state_dict, optimizer"):
        nnrg.load(checkpoint, key="model")


def test_integer_complex_object_and_text_entries():
    net = nnrg.load(
        {
            "w": np.ones(3),
            "i": np.arange(3),
            "z": np.ones(3, complex),
            "o": np.array([None]),
            "t": np.array(["a"]),
            "name": "mlp",
            "none": None,
        }
    )
    assert set(net.tensors) == {"w"}
    assert {s.name for s in net.skipped} == {"i", "z", "o", "t", "name", "none"}
    with pytest.raises(FormatError, match="no trained weights found"):
        nnrg.load({"o": np.array([None])})


def test_nonfinite_in_memory():
    with pytest.raises(NonFiniteError, match="arrays in memory: 'w' holds 1 NaN"):
        nnrg.load({"w": np.array([np.nan, 1.0])}).tensors["w"]


def test_equal_names_are_refused_not_overwritten():
    with pytest.raises(FormatError, match="two entries are called '1'"):
        nnrg.load({1: np.ones(2), "1": np.zeros(2)})
    with pytest.raises(FormatError, match=r"two entries are called 'a\.b'"):
        nnrg.load({"a": {"b": np.ones(2)}, "a.b": np.zeros(2)})


def test_containers_without_end_are_refused():
    loop: dict[str, object] = {"w": np.ones(2)}
    loop["self"] = loop
    with pytest.raises(FormatError, match="nested more than 64 deep"):
        nnrg.load(loop)
    laughs: dict[str, object] = {}
    for _ in range(40):
        laughs = {"a": laughs, "b": laughs}
    with pytest.raises(FormatError, match="more than 100000 entries"):
        nnrg.load(laughs)


@pytest.mark.parametrize("source", [3, None, 2.5, object(), b"bytes"])
def test_what_is_no_network_is_refused(source):
    with pytest.raises(ArgumentError, match="expected a path, a dict of arrays"):
        nnrg.load(source)
