"""Canonical gauge: the same function, one representative, what is no symmetry left alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.networks import _balance
from nnrg.networks.gauge import canonical

RELU = lambda z: np.maximum(z, 0)  # noqa: E731


def mlp(widths, seed=0, biases=True):
    rng = np.random.default_rng(seed)
    arrays = {}
    for i, (into, out) in enumerate(pairwise(widths), 1):
        arrays[f"fc{i}.weight"] = rng.normal(size=(out, into)) / np.sqrt(into)
        if biases:
            arrays[f"fc{i}.bias"] = rng.normal(size=out)
    return arrays


def forward(tensors, x, f):
    depth = sum(name.endswith("weight") for name in tensors)
    for i in range(1, depth + 1):
        x = x @ np.asarray(tensors[f"fc{i}.weight"]).T
        if f"fc{i}.bias" in tensors:
            x = x + tensors[f"fc{i}.bias"]
        x = f(x) if i < depth else x
    return x


def transformed(arrays, factors):
    """Multiply what enters each hidden unit by a factor, divide what leaves it."""
    out = {name: array.copy() for name, array in arrays.items()}
    for i, factor in factors.items():
        out[f"fc{i}.weight"] *= factor[:, None]
        if f"fc{i}.bias" in out:
            out[f"fc{i}.bias"] *= factor
        out[f"fc{i + 1}.weight"] /= factor
    return out


def tensors(result):
    return {name: result.network.tensors[name] for name in result.network.tensors}


def close(one, other, tolerance=1e-11):
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_allclose(array, other[name], rtol=tolerance, atol=tolerance, err_msg=name)


def norms(arrays, i):
    into = np.square(arrays[f"fc{i}.weight"]).sum(axis=1)
    into = into + np.square(arrays.get(f"fc{i}.bias", 0.0))
    return np.sqrt(into), np.linalg.norm(arrays[f"fc{i + 1}.weight"], axis=0)


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("widths", [(5, 9, 3), (5, 20, 15, 12, 4), (4, *[8] * 40, 2)])
def test_rectified_networks_are_balanced_unit_by_unit(widths, biases):
    arrays = mlp(widths, biases=biases)
    fixed = canonical(arrays, "relu")
    new = tensors(fixed)
    for i in range(1, len(widths) - 1):
        into, out = norms(new, i)
        np.testing.assert_allclose(into, out, rtol=1e-11)
    x = np.random.default_rng(1).normal(size=(50, widths[0]))
    expected = forward(arrays, x, RELU)
    np.testing.assert_allclose(
        forward(new, x, RELU), expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max()
    )
    assert fixed.left_alone.keys() == {"fc1:in", f"fc{len(widths) - 1}:out"}
    again = canonical(fixed.network, "relu")
    close(tensors(again), new)


@pytest.mark.parametrize(
    ("activation", "f"), [("relu", RELU), ("tanh", np.tanh), ("linear", lambda z: z)]
)
def test_random_gauges_have_one_representative(activation, f):
    arrays = mlp((6, 15, 11, 7, 3), seed=2)
    rng = np.random.default_rng(3)
    factors = {}
    for i, width in ((1, 15), (2, 11), (3, 7)):
        scale = np.exp(rng.normal(size=width, scale=3)) if activation != "tanh" else np.ones(width)
        sign = rng.choice([-1.0, 1.0], width) if activation != "relu" else np.ones(width)
        factors[i] = scale * sign
    other = transformed(arrays, factors)
    x = rng.normal(size=(20, 6))
    np.testing.assert_allclose(forward(arrays, x, f), forward(other, x, f), rtol=1e-9)
    one, two = canonical(arrays, activation), canonical(other, activation)
    close(tensors(one), tensors(two), 1e-9)
    np.testing.assert_allclose(forward(tensors(two), x, f), forward(arrays, x, f), rtol=1e-9)
    if activation != "relu":
        for i in (1, 2, 3):
            assert (tensors(one)[f"fc{i + 1}.weight"].sum(axis=0) > 0).all()


def test_permuting_units_permutes_the_canonical_weights():
    arrays = mlp((6, 15, 11, 3), seed=4)
    order = np.random.default_rng(5).permutation(15)
    moved = dict(arrays)
    moved["fc1.weight"], moved["fc1.bias"] = arrays["fc1.weight"][order], arrays["fc1.bias"][order]
    moved["fc2.weight"] = arrays["fc2.weight"][:, order]
    for activation in ("relu", "tanh"):
        one, two = tensors(canonical(arrays, activation)), tensors(canonical(moved, activation))
        close(
            {**one, "fc1.weight": one["fc1.weight"][order], "fc1.bias": one["fc1.bias"][order],
             "fc2.weight": one["fc2.weight"][:, order]},
            two,
        )  # fmt: skip


def test_channels_of_convolutions_and_their_pixels():
    rng = np.random.default_rng(6)
    arrays = {
        "conv1.weight": rng.normal(size=(4, 2, 3, 3)),
        "conv1.bias": rng.normal(size=4),
        "prelu1.weight": rng.uniform(0.1, 0.3, 4),
        "conv2.weight": rng.normal(size=(5, 4, 3, 3)),
        "fc.weight": rng.normal(size=(3, 5 * 4)),
    }
    net = nnrg.load(arrays)
    topology = net.topology(flatten="channels first")
    new = tensors(canonical(net, "prelu", topology=topology))
    into = np.sqrt(np.square(new["conv1.weight"]).sum((1, 2, 3)) + new["conv1.bias"] ** 2)
    np.testing.assert_allclose(
        into, np.sqrt(np.square(new["conv2.weight"]).sum((0, 2, 3))), rtol=1e-11
    )
    leave = np.sqrt(np.square(new["fc.weight"].reshape(3, 5, 4)).sum((0, 2)))
    np.testing.assert_allclose(
        np.sqrt(np.square(new["conv2.weight"]).sum((1, 2, 3))), leave, rtol=1e-11
    )
    assert np.array_equal(new["prelu1.weight"], arrays["prelu1.weight"])

    def run(t):
        x = np.random.default_rng(7).normal(size=(2, 6, 6))
        for name in ("conv1", "conv2"):
            windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
            x = np.einsum("oiuv,ixyuv->oxy", t[f"{name}.weight"], windows)
            if name == "conv1":
                x = x + t["conv1.bias"][:, None, None]
            x = np.where(
                x > 0, x, (t["prelu1.weight"][:, None, None] if name == "conv1" else 0) * x
            )
        return t["fc.weight"] @ x.reshape(-1)

    np.testing.assert_allclose(run(new), run(arrays), rtol=1e-11)


def test_dead_units_are_named_and_keep_their_weights():
    arrays = mlp((6, 8, 7, 3), seed=8, biases=False)
    arrays["fc1.weight"][2] = 0
    arrays["fc3.weight"][:, 4] = 0
    arrays["fc2.weight"][5] = np.where(np.arange(8) == 2, 1.0, 0)  # fed by the dead unit alone
    fixed = canonical(arrays, "relu")
    assert {name: units.tolist() for name, units in fixed.dead.items()} == {
        "fc1:out": [2], "fc2:out": [4, 5],
    }  # fmt: skip
    assert np.isfinite(fixed.scales["fc1:out"]).all() and fixed.scales["fc1:out"][2] == 1
    assert "1 dead: 2" in str(fixed)
    x = np.random.default_rng(9).normal(size=(30, 6))
    np.testing.assert_allclose(
        forward(tensors(fixed), x, RELU), forward(arrays, x, RELU), rtol=1e-10, atol=1e-12
    )
    signs = canonical({**arrays, "fc2.weight": arrays["fc2.weight"] * (np.arange(8) != 1)}, "tanh")
    assert signs.unsigned["fc1:out"].tolist() == [1]


def test_what_is_no_symmetry_is_left_alone_and_said():
    rng = np.random.default_rng(10)
    net = nnrg.load(
        {
            "conv1.weight": rng.normal(size=(4, 2, 3)),
            "conv1_BN.weight": rng.normal(size=4),
            "conv1_BN.bias": rng.normal(size=4),
            "conv1_BN.running_mean": rng.normal(size=4),
            "conv2.weight": rng.normal(size=(6, 4, 3)),
            "lstm.weight_ih_l0": rng.normal(size=(20, 6)),
            "lstm.weight_hh_l0": rng.normal(size=(20, 5)),
            "fc.weight": rng.normal(size=(2, 5)),
        }
    )
    fixed = canonical(net, "relu")
    assert fixed.scales.keys() == {"conv2:out"}
    assert "normalisation" in fixed.left_alone["conv1:out"]
    assert "gates" in fixed.left_alone["lstm.l0:hidden"]
    for name in ("conv1.weight", "lstm.weight_hh_l0", "fc.weight"):
        assert np.array_equal(fixed.network.tensors[name], net.tensors[name])
    assert np.array_equal(
        fixed.network.buffers["conv1_BN.running_mean"], net.buffers["conv1_BN.running_mean"]
    )
    assert "left alone: a normalisation" in str(fixed)
    assert "gelu has no symmetry" in canonical(net, "gelu").left_alone["conv2:out"]
    with pytest.raises(ArgumentError, match="activation must be one of"):
        canonical(net, "swish")


def test_tied_tensors_are_left_alone():
    weight = np.random.default_rng(11).normal(size=(5, 5))
    arrays = {"fc1.weight": weight, "fc2.weight": np.ones((5, 5)), "fc3.weight": weight}
    fixed = canonical(nnrg.load(arrays), "relu")
    assert any("tied" in reason for reason in fixed.left_alone.values())


def test_types_and_layouts_are_kept():
    arrays = {name: a.astype(np.float32) for name, a in mlp((5, 9, 3)).items()}
    net = nnrg.load({name: a.T if a.ndim == 2 else a for name, a in arrays.items()})
    assert net.specs["fc1.weight"].layout == "IO"
    fixed = canonical(net).network
    assert (
        fixed.specs["fc1.weight"].layout == "IO" and fixed.tensors["fc1.weight"].dtype == np.float32
    )
    direct = canonical(arrays).network.tensors["fc1.weight"]
    np.testing.assert_allclose(fixed.tensors["fc1.weight"].T, direct, rtol=1e-6)


def test_weights_of_very_different_size_balance_or_are_told(monkeypatch):
    arrays = mlp((3, 6, 6, 2), biases=False)
    arrays["fc2.weight"] = np.diag(10.0 ** np.array([0, -120, 120, 0, -130, 130]))
    arrays["fc2.weight"][0, 1:] = 1e-150
    new = tensors(canonical(arrays))
    for i in (1, 2):
        np.testing.assert_allclose(*norms(new, i), rtol=1e-10)
    monkeypatch.setattr(_balance, "_SWEEPS", 2)
    with pytest.raises(AnalysisError, match="do not balance within 2 steps"):
        canonical(arrays)
