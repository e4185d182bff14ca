"""Alignment across networks: planted permutations and signs found, chance told as chance."""

from __future__ import annotations

import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.networks.activations import FUNCTIONS, activations
from nnrg.networks.alignment import align, ensemble_field

X = np.random.default_rng(99).normal(size=(40, 6))


def mlp(seed=0, widths=(6, 20, 15, 3)):
    rng = np.random.default_rng(seed)
    arrays = {}
    for i in range(1, len(widths)):
        arrays[f"fc{i}.weight"] = rng.normal(size=(widths[i], widths[i - 1]))
        arrays[f"fc{i}.bias"] = rng.normal(size=widths[i])
    return arrays


def forward(net, x):
    for i in (1, 2, 3):
        x = x @ net.tensors[f"fc{i}.weight"].T + net.tensors[f"fc{i}.bias"]
        x = np.tanh(x) if i < 3 else x
    return x


def relabelled(arrays, orders, signs=None):
    out = {name: array.copy() for name, array in arrays.items()}
    for i, order in orders.items():
        sign = np.ones(order.size) if signs is None else signs[i]
        out[f"fc{i}.weight"] = out[f"fc{i}.weight"][order] * sign[:, None]
        out[f"fc{i}.bias"] = out[f"fc{i}.bias"][order] * sign
        out[f"fc{i + 1}.weight"] = out[f"fc{i + 1}.weight"][:, order] * sign
    return out


@pytest.mark.parametrize("activation", [None, "tanh"])
def test_planted_orders_and_signs_are_found_and_undone(activation):
    rng = np.random.default_rng(1)
    arrays = mlp()
    orders = {1: rng.permutation(20), 2: rng.permutation(15)}
    signs = {1: rng.choice([-1.0, 1.0], 20), 2: rng.choice([-1.0, 1.0], 15)} if activation else None
    nets = [nnrg.load(arrays), nnrg.load(relabelled(arrays, orders, signs))]
    found = align(nets, activation=activation, rng=2)
    assert found.populations == ("fc1:out", "fc2:out")
    for name in arrays:
        np.testing.assert_allclose(found.networks[1].tensors[name], arrays[name], rtol=1e-14)
    for i, name in ((1, "fc1:out"), (2, "fc2:out")):
        np.testing.assert_array_equal(
            orders[i][found.matchings[1].orders[name]], np.arange(len(orders[i]))
        )
    np.testing.assert_allclose(found.quality, 1, rtol=1e-12)
    assert (found.z_scores()[1] > 10).all() and "above chance" in str(found)
    back = align(nets, reference=1, activation=activation, rng=2)
    np.testing.assert_allclose(
        back.networks[0].tensors["fc2.weight"], nets[1].tensors["fc2.weight"], rtol=1e-14
    )
    assert {"fc1:in", "fc3:out"} == set(found.left_alone)


def test_aligned_networks_compute_what_they_did():
    nets = [nnrg.load(mlp(seed)) for seed in range(3)]
    found = align(nets, activation="tanh", rng=3)
    for one, other in zip(nets, found.networks, strict=True):
        np.testing.assert_allclose(forward(other, X), forward(one, X), rtol=1e-9, atol=1e-12)


def test_independent_networks_align_no_better_than_their_null():
    # The largest of 20 z scores of a null of 40 draws each lies below 4.5 in more than 99.9 %
    # of cases (Student's t with 39 degrees of freedom); quality itself is far above zero.
    scores, quality = [], []
    for seed in range(10):
        nets = [nnrg.load(mlp(100 + 2 * seed)), nnrg.load(mlp(101 + 2 * seed))]
        found = align(nets, null_draws=40, rng=seed)
        scores.append(found.z_scores()[1])
        quality.append(found.quality[1])
    assert np.abs(scores).max() < 4.5
    assert np.mean(quality) > 0.2
    # 20 scores of mean zero: their mean has a standard error near 0.25, four of it are allowed.
    assert abs(np.mean(scores)) < 1.0


def test_the_hidden_state_of_a_recurrent_layer_is_permuted_gate_by_gate():
    rng = np.random.default_rng(4)
    arrays = {
        "lstm.weight_ih_l0": rng.normal(size=(32, 5)),
        "lstm.weight_hh_l0": rng.normal(size=(32, 8)),
        "lstm.bias_ih_l0": rng.normal(size=32),
        "fc.weight": rng.normal(size=(3, 8)),
    }
    order = rng.permutation(8)
    rows = (8 * np.arange(4)[:, None] + order).reshape(-1)
    moved = {
        "lstm.weight_ih_l0": arrays["lstm.weight_ih_l0"][rows],
        "lstm.weight_hh_l0": arrays["lstm.weight_hh_l0"][rows][:, order],
        "lstm.bias_ih_l0": arrays["lstm.bias_ih_l0"][rows],
        "fc.weight": arrays["fc.weight"][:, order],
    }
    found = align([nnrg.load(arrays), nnrg.load(moved)], activation="tanh", rng=1)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.networks[1].tensors[name], array)


def test_units_are_matched_by_what_they_do():
    rng = np.random.default_rng(5)
    arrays = mlp()
    orders = {1: rng.permutation(20)}
    nets = [nnrg.load(arrays), nnrg.load(relabelled(arrays, orders))]
    chain = [("fc1.weight", "fc1.bias", "tanh")]
    probes = [activations(net, X, chain).values for net in nets]
    found = align(nets, activations={"fc1:out": probes}, rng=1)
    np.testing.assert_allclose(found.networks[1].tensors["fc1.weight"], arrays["fc1.weight"])
    assert found.quality[1, 0] == pytest.approx(1) and "activations of fc1:out" in found.how
    with pytest.raises(ArgumentError, match=r"2 arrays \(n_inputs, 20\)"):
        align(nets, activations={"fc1:out": probes[:1]})
    with pytest.raises(ArgumentError, match="'fc9:out' cannot be aligned"):
        align(nets, activations={"fc9:out": probes})


def test_units_whose_second_layer_is_not_in_the_file_are_aligned_when_named():
    rng = np.random.default_rng(7)
    weight = rng.normal(size=(12, 30))
    order = rng.permutation(12)
    nets = [nnrg.load({"e.weight": w}) for w in (weight, weight[order])]
    with pytest.raises(AnalysisError, match="not between two layers"):
        align(nets)
    found = align(nets, populations=["e:out"], rng=1)
    np.testing.assert_array_equal(found.networks[1].tensors["e.weight"], weight)
    assert found.left_alone == {"e:in": "not asked for"}
    with pytest.raises(ArgumentError, match="no population 'hidden'"):
        align(nets, populations=["hidden"])


def test_an_ensemble_of_hidden_units_must_be_aligned_or_said():
    arrays = mlp()
    orders = {1: np.random.default_rng(6).permutation(20)}
    nets = [nnrg.load(arrays), nnrg.load(relabelled(arrays, orders))]
    with pytest.raises(
        AnalysisError, match=r"hidden units \(fc1:out, fc2:out\).* order='as stored'"
    ):
        ensemble_field(nets, "fc2.weight")
    stored = ensemble_field(nets, "fc2.weight", order="as stored")
    assert stored.values.shape == (2, 15, 20) and stored.sample == "network" and stored.independent
    assert any("as stored" in note for note in stored.notes) and len(stored.sources) == 2
    field = ensemble_field(align(nets, rng=1), "fc2.weight")
    np.testing.assert_allclose(field.values[1], field.values[0])
    assert any("matching alone" in note for note in field.notes)
    assert ensemble_field(nets, "fc3.bias").values.shape == (2, 3)
    with pytest.raises(ArgumentError, match="two networks"):
        ensemble_field(nets[:1], "fc3.bias")
    with pytest.raises(ArgumentError, match="different shapes"):
        ensemble_field([nets[0], nnrg.load(mlp(widths=(6, 20, 15, 4)))], "fc3.bias")
    with pytest.raises(ArgumentError, match="order"):
        ensemble_field(nets, "fc3.bias", order="given")


def test_networks_that_cannot_be_aligned_are_told():
    with pytest.raises(ArgumentError, match="two networks or more"):
        align([nnrg.load(mlp())])
    with pytest.raises(ArgumentError, match="different tensors or shapes"):
        align([nnrg.load(mlp()), nnrg.load(mlp(widths=(6, 20, 14, 3)))])
    single = nnrg.load({"fc.weight": np.ones((3, 4))})
    with pytest.raises(AnalysisError, match="can be permuted: fc:in: not between two layers"):
        align([single, single])


def test_activations_are_those_of_a_direct_forward_pass():
    from scipy.special import expit

    net = nnrg.load(mlp())
    layers = [
        ("fc1.weight", "fc1.bias", "tanh"),
        ("fc2.weight", None, "relu"),
        ("fc3.weight", "fc3.bias", "linear"),
    ]
    t = net.tensors
    hidden = np.tanh(X @ t["fc1.weight"].T + t["fc1.bias"])
    z = hidden @ t["fc2.weight"].T
    out = np.maximum(z, 0) @ t["fc3.weight"].T + t["fc3.bias"]
    for layer, pre, expected in ((0, False, hidden), (1, True, z), (-1, False, out)):
        field = activations(net, X, layers, layer=layer, preactivation=pre, data="noise")
        np.testing.assert_allclose(field.values, expected, rtol=1e-13, atol=1e-13)
        assert not field.natural and field.sample == "input"
    assert field.sources == {"activations of fc3 of arrays in memory on noise"}
    z = np.array([-800.0, -1.0, 0.0, 2.0, 800.0])
    np.testing.assert_allclose(FUNCTIONS["sigmoid"](z), expit(z), rtol=1e-14)
    turned = nnrg.load({n: a.T if a.ndim == 2 else a for n, a in mlp().items()})
    np.testing.assert_allclose(activations(turned, X, layers).values, out, rtol=1e-13, atol=1e-13)


def test_activations_refuse_what_does_not_follow():
    net = nnrg.load(mlp())
    for inputs, layers, message in (
        (X[0], [("fc1.weight", None, "relu")], "n_inputs"),
        (X, [], "one layer or more"),
        (X, [("fc2.weight", None, "relu")], "takes 20 inputs and gets 6"),
        (X, [("fc1.weight", None, "swish")], "activation must be one of"),
        (X, [("fc1.weight", "fc2.bias", "relu")], "15 numbers for 20 units"),
        (X, [("fc1.bias", None, "relu")], "no dense layer"),
    ):
        with pytest.raises(ArgumentError, match=message):
            activations(net, inputs, layers)
    with pytest.raises(ArgumentError, match="layer"):
        activations(net, X, [("fc1.weight", None, "relu")], layer=1)
    with pytest.raises(NonFiniteError, match="overflow"):
        activations(net, np.full((2, 6), 1e308), [("fc1.weight", None, "relu")])
