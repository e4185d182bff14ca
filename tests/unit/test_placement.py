"""Places of layers on the phase diagram: arguments, tables, and refusals."""

import json
from itertools import pairwise

import numpy as np
import pytest

import nnrg
from nnrg.activation_functions import as_activation
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.theory.placement import block_flow, layer_scales, place_network, signal, signal_flow
from nnrg.theory.placement.layers import bias_of, dense_chain, layer_matrix, placeable
from nnrg.theory.placement.phase import layer_phase


def perceptron(rng, sizes=(60, 50, 40), sigma_w=1.4, sigma_b=0.3):
    arrays = {}
    for i, (inputs, units) in enumerate(pairwise(sizes)):
        arrays[f"{i}.weight"] = rng.normal(0, sigma_w / np.sqrt(inputs), (units, inputs))
        arrays[f"{i}.bias"] = rng.normal(0, sigma_b, units)
    return nnrg.load(arrays)


def test_a_perceptron_is_a_chain_with_biases(rng):
    net = perceptron(rng)
    kept, notes = placeable(net, None)
    assert kept == ["0.weight", "1.weight"] and not notes
    assert bias_of(net, "1.weight") == "1.bias"
    assert dense_chain(net, kept) == (("0.weight", "0.bias"), ("1.weight", "1.bias"))
    assert layer_matrix(net, "0.weight").shape == (50, 60)


def test_layers_that_share_a_stream_are_no_chain(rng):
    names = ["query", "key", "value", "output.dense"]
    arrays = {f"layer.0.attention.{n}.weight": rng.normal(size=(24, 24)) for n in names}
    net = nnrg.load(arrays)
    assert dense_chain(net, list(net.specs)) == ()
    placed = place_network(net, activation="gelu", rng=1)
    assert placed.depth is None and "no chain" in placed.notes[-1]


def test_what_has_no_fan_in_is_left_out_by_name(rng):
    arrays = {
        "embedding.weight": rng.normal(size=(200, 16)),
        "fc.weight": rng.normal(size=(20, 16)),
        "head.weight": rng.normal(size=(1, 16)),
        "norm.weight": np.ones(16),
    }
    net = nnrg.load(arrays)
    placed = place_network(net, activation="tanh", rng=1)
    assert [layer.scales.name for layer in placed.layers] == ["fc.weight"]
    assert any("embedding has no fan-in" in note for note in placed.notes)
    assert any("1 units of 16 inputs" in note for note in placed.notes)
    with pytest.raises(ArgumentError, match=r"no place on the phase diagram: .* has no fan-in"):
        place_network(net, activation="tanh", names=["embedding.weight"])


def test_taps_of_a_convolution_are_inputs(rng):
    net = nnrg.load({"conv.weight": rng.normal(0, 2 / np.sqrt(72), (32, 8, 3, 3))})
    (layer,) = place_network(net, activation="relu", rng=1).layers
    assert (layer.scales.fan_in, layer.scales.units) == (72, 32)
    assert abs(layer.scales.sigma_w.value - 2) < 5 * layer.scales.sigma_w.error
    assert layer.phase == "chaotic" and "grows" in layer.flag


def test_a_second_moment_has_the_error_of_dependent_rows_and_columns():
    rng = np.random.default_rng(4)
    rows = rng.choice([0.5, 1.5], 400)[:, None]
    weights = rng.normal(size=(400, 300)) * np.sqrt(rows)
    found = layer_scales(weights / np.sqrt(300))
    independent = np.sqrt(2 / weights.size) / 2
    # Var of the mean of 400 row variances is 0.25 / 400, that of independent entries is smaller.
    assert found.sigma_w.error == pytest.approx(0.5 / np.sqrt(400) / 2, rel=0.1)
    assert found.sigma_w.error > 5 * independent
    assert found.row_spread.value == pytest.approx(0.25, abs=0.06)
    assert any(note.startswith("rows have unequal") for note in found.notes)
    assert not any(note.startswith("columns") for note in found.notes)


def test_a_planted_direction_is_an_outlier(rng):
    weights = rng.normal(size=(120, 200)) / np.sqrt(200)
    weights += 2.5 * np.outer(rng.normal(size=120), rng.normal(size=200)) / np.sqrt(120 * 200)
    found = layer_scales(weights)
    assert found.outliers == 1 and found.top > 1.1


def test_a_mean_is_said(rng):
    found = layer_scales(rng.normal(0.2, 1, (100, 80)) / np.sqrt(80))
    assert any(note.startswith("weights have a mean") for note in found.notes)
    # fan_in <w>^2 units / <w^2> of a mean of 0.2 s.d.
    assert found.mean_share.value == pytest.approx(8000 * 0.04 / 1.04, rel=0.25)


def test_tables_hold_values_with_errors_and_are_json(rng):
    placed = place_network(perceptron(rng), activation="tanh", draws=6, rng=3)
    table = placed.to_dataframe()
    assert list(table["name"]) == ["0.weight", "1.weight"]
    assert (table["sigma_w_error"] > 0).all() and (table["chi_1_error"] > 0).all()
    assert set(placed.depth.to_dataframe()["quantity"]) == {"q", "c"}
    assert {"sha256", "seed", "nnrg_version"} <= set(placed.attrs)
    json.loads(table.to_json())
    text = str(placed)
    assert "assumed: " in text and "mean field" in text and max(map(len, text.splitlines())) < 140
    first = placed.blocks[0].to_dataframe()
    assert first["variance"][0] == 1 and first["theory_variance"][1] == 0.25


def test_same_seed_same_numbers(rng):
    net = perceptron(rng)
    one, other = (place_network(net, activation="erf", draws=5, rng=8) for _ in range(2))
    np.testing.assert_array_equal(one.depth.q_nulls["permuted"], other.depth.q_nulls["permuted"])
    third = place_network(net, activation="erf", draws=5, rng=9)
    assert (third.depth.q != one.depth.q).all()


def test_nulls_keep_what_they_say(rng):
    weights, biases = rng.normal(1, 2, (40, 30)), rng.normal(size=40)
    flow = signal_flow([(weights, biases)], "linear", draws=6, rng=1)
    # One linear layer of inputs of mean square 1: q = |W|^2 / units + <b^2> within its spread.
    assert flow.q_theory[0] == pytest.approx(30 * (weights**2).mean() + (biases**2).mean())
    assert flow.q_nulls["gaussian"].shape == (6, 1)


def test_progress_is_told(rng):
    steps = []
    place_network(
        perceptron(rng),
        activation="tanh",
        draws=4,
        rng=1,
        progress=lambda *step: steps.append(step),
    )
    assert steps[0] == ("0.weight", 0, 2) and steps[-1] == ("layers", 2, 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "not in a file of weights"),
        ({"activation": "sofplus"}, "activation"),
        ({"activation": "tanh", "names": ["nothing"]}, "no trained tensor 'nothing'"),
        ({"activation": "tanh", "chain": ["1.weight", "0.weight"]}, "the chain must be"),
        ({"activation": "tanh", "draws": 2}, "draws"),
    ],
)
def test_bad_arguments_are_named(arguments, words, rng):
    with pytest.raises(ArgumentError, match=words):
        place_network(perceptron(rng), **arguments)


def test_bad_layers_are_named(rng):
    with pytest.raises(ArgumentError, match="expected a Network"):
        place_network({"w": np.ones((2, 2))}, activation="tanh")
    with pytest.raises(ArgumentError, match="no dense, convolutional or recurrent"):
        place_network(nnrg.load({"norm.weight": np.ones(5)}), activation="tanh")
    with pytest.raises(AnalysisError, match="all weights are zero"):
        layer_scales(np.zeros((3, 3)))
    with pytest.raises(NonFiniteError, match="NaN"):
        layer_scales([[1.0, np.nan], [1.0, 2.0]])
    with pytest.raises(NonFiniteError, match="layer 1 holds NaN"):
        signal_flow([([[1.0, np.nan], [1.0, 2.0]], None)], "tanh")
    with pytest.raises(ArgumentError, match="one for each of 1 layers"):
        signal_flow([(np.ones((3, 2)), None)], "tanh", names=["a", "b"])
    for wrong in (np.full((2, 2), "w"), np.ones((2, 2)) * 1j):
        with pytest.raises(ArgumentError, match="real numbers"):
            layer_scales(wrong)
    with pytest.raises(ArgumentError, match="4 numbers for 3 units"):
        layer_scales(np.ones((3, 3)), np.ones(4))
    with pytest.raises(ArgumentError, match="shape"):
        layer_scales(np.ones(3))
    with pytest.raises(ArgumentError, match="takes 4 inputs and gets 3"):
        signal_flow([(np.ones((3, 2)), None), (np.ones((2, 4)), None)], "tanh")
    with pytest.raises(AnalysisError, match="overflow"):
        signal_flow([(np.full((3, 2), 1e200), None)] * 1, "linear", rng=1)
    with pytest.raises(ArgumentError, match="between -1 and 1"):
        signal_flow([(np.ones((3, 2)), None)], "tanh", correlation=1.0)
    with pytest.raises(AnalysisError, match="constant"):
        block_flow(nnrg.SynapticField(np.ones((5, 64)), nnrg.Lattice(64)))


def test_spreads_and_kurtosis_of_independent_weights_vanish_on_average():
    # Means of 4000 draws of 5 x 4 weights; beyond 5 errors less than once in 4e5 runs each.
    rng = np.random.default_rng(3)
    found = [layer_scales(rng.normal(size=(5, 4))) for _ in range(4000)]
    for name in ("row_spread", "column_spread", "kurtosis"):
        values = np.array([getattr(each, name).value for each in found])
        assert abs(values.mean()) < 5 * values.std() / len(values) ** 0.5


def test_a_depth_scale_next_to_the_edge_of_chaos_has_no_upper_end():
    rng = np.random.default_rng(4)
    weights, biases = rng.normal(size=(256, 256)), rng.normal(size=256)

    def placed(sigma_w):
        w = weights * sigma_w / (weights**2).mean() ** 0.5 / 16
        b = biases * 0.3 / (biases**2).mean() ** 0.5
        return layer_phase(layer_scales(w, b), as_activation("tanh"))

    near, far = placed(1.397), placed(1.5)
    assert near.xi_c.value > 500
    assert near.xi_c.error == np.inf
    assert 0 < far.xi_c.error < 0.2 * far.xi_c.value


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        (["layers", "0.weight"], "no trained tensor 'layers'"),
        (["0.weight", "0.weight"], "named twice"),
        ("0.weight", "got 0.weight"),
    ],
)
def test_a_chain_of_no_layers_is_named(chain, words):
    net = nnrg.load({f"{i}.weight": np.eye(8) + 0.1 for i in range(2)})
    with pytest.raises(ArgumentError, match=words):
        place_network(net, activation="tanh", chain=chain, draws=3)


def test_large_networks_get_no_more_draws_than_were_asked_for(monkeypatch):
    monkeypatch.setattr(signal, "_MOST_WORK", 1.0)
    rng = np.random.default_rng(5)
    layers = [(rng.normal(0, 0.1, (20, 20)), None) for _ in range(2)]
    assert signal_flow(layers, "tanh", draws=4, rng=1).draws == 4
    assert signal_flow(layers, "tanh", draws=40, rng=1).draws == 8


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: layer_scales(np.full((3, 3), 1e200)), AnalysisError),
        (lambda: layer_scales(np.full((3, 3), 1e-200)), AnalysisError),
        (lambda: signal_flow("a", "tanh"), ArgumentError),
        (lambda: signal_flow([np.ones((3, 3))], "tanh"), ArgumentError),
        (lambda: signal_flow([(np.zeros((3, 3)), None)], "tanh"), AnalysisError),
        (
            lambda: place_network(nnrg.load({"a": np.eye(4)}), activation="tanh", names=5),
            ArgumentError,
        ),
    ],
)
def test_what_is_no_layer_is_named(call, error):
    with pytest.raises(error) as raised:
        call()
    assert "\n" not in str(raised.value)
