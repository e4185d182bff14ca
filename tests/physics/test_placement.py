"""Random networks of known (sigma_w, sigma_b) are found where they are; trained ones are not."""

import numpy as np
import pytest

import nnrg
import nnrg.data
from nnrg.theory.criticality.mean_field import MeanField
from nnrg.theory.placement import block_flow, layer_scales, place_network, signal_flow

SIGMA_W, SIGMA_B = 1.5, 0.2


def layers(rng, width=64, depth=2, deviate="normal"):
    for _ in range(depth):
        if deviate == "normal":
            weights = rng.normal(size=(width, width))
        else:
            weights = rng.uniform(-np.sqrt(3), np.sqrt(3), (width, width))
        yield SIGMA_W * weights / np.sqrt(width), SIGMA_B * rng.normal(size=width)


@pytest.mark.parametrize("deviate", ["normal", "uniform"])
def test_sigmas_of_random_layers_have_honest_errors(deviate):
    """200 layers: pulls of mean 0 and s.d. 1; 4.5 s.d. of both, a false alarm in 3e4 of four."""
    rng = np.random.default_rng(31)
    pulls = []
    for _ in range(100):
        for weights, biases in layers(rng, deviate=deviate):
            found = layer_scales(weights, biases)
            pulls.append(
                [
                    (found.sigma_w.value - SIGMA_W) / found.sigma_w.error,
                    (found.sigma_b.value - SIGMA_B) / found.sigma_b.error,
                ]
            )
            assert found.outliers == 0
    mean, spread = np.mean(pulls, axis=0), np.std(pulls, axis=0)
    # A standard deviation is biased by -1/(4n) of itself, and its error correlates with it.
    assert np.all(np.abs(mean) < 4.5 / np.sqrt(200) + 0.1)
    assert np.all(np.abs(spread - 1) < 4.5 / np.sqrt(400) + 0.05)


def test_a_random_network_lies_where_it_was_drawn(tmp_path, checked):
    """A file of eight layers; chi_1 of all together within 4 sigmas of mean field's own."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(5)
    arrays = {}
    for i, (weights, biases) in enumerate(layers(rng, width=200, depth=8)):
        arrays[f"{i}.weight"], arrays[f"{i}.bias"] = weights, biases
    save_file(arrays, tmp_path / "net.safetensors")
    placed = place_network(nnrg.load(tmp_path / "net.safetensors"), activation="tanh", rng=6)
    exact = MeanField("tanh", SIGMA_W, SIGMA_B)
    weights = np.array([1 / layer.chi_1.error**2 for layer in placed.layers])
    mean = np.average([layer.chi_1.value for layer in placed.layers], weights=weights)
    checked(
        "Placement of a network",
        "chi_1 of 8 random tanh layers",
        exact.chi_1,
        mean,
        1 / np.sqrt(weights.sum()),
    )
    assert all(layer.phase == "chaotic" for layer in placed.layers)
    critical = placed.layers[0].critical_sigma_w
    assert MeanField("tanh", critical.value, placed.layers[0].scales.sigma_b.value).chi_1 == (
        pytest.approx(1, abs=1e-8)
    )
    # No layer's flow of block averages differs from that of independent weights: chance 1e-2.
    assert np.nanmin(placed.chances) > 1e-2
    # Nulls are the same ensemble: 32 numbers of Student's t with 47 degrees of freedom.
    worst = max(np.abs(values).max() for values in placed.depth.sigmas.values())
    assert worst < 4.5


def test_block_flow_of_independent_weights_is_calibrated():
    """300 fields: p below 0.05 in 5 %, 4 s.d.: 15(4) +- 15; heavy tails of variances add some."""
    rng = np.random.default_rng(9)
    chances = [
        block_flow(nnrg.SynapticField(rng.normal(size=(96, 64)), nnrg.Lattice(64))).p
        for _ in range(300)
    ]
    assert np.isfinite(chances).all()
    assert np.sum(np.array(chances) < 0.05) < 30
    assert np.mean(chances) == pytest.approx(0.5, abs=4 * 0.2887 / np.sqrt(300) + 0.02)


def test_block_flow_of_correlated_weights_is_their_own():
    """AR(1) rows of correlation r: kappa_2(2) / kappa_2(1) = (1 + r) / 2."""
    rng = np.random.default_rng(12)
    field = nnrg.SynapticField(nnrg.simulate.ar1(64, 4000, rho=0.6, rng=rng), nnrg.Lattice(64))
    flow = block_flow(field)
    assert abs(flow.variance[1] - 0.8) < 4.5 * flow.variance_error[1]
    assert flow.sigmas[1] > 20 and flow.p < 1e-10


def test_signal_flow_sees_training_and_not_chance():
    """A network with one layer made low-rank differs; 30 random ones give t of 47 degrees."""
    rng = np.random.default_rng(14)
    numbers = []
    for i in range(30):
        flow = signal_flow(list(layers(rng, width=48, depth=3)), "tanh", rng=100 + i)
        numbers.append(np.concatenate([flow.sigmas["q", "gaussian"], flow.sigmas["c", "gaussian"]]))
    spread = np.std(numbers, axis=0)
    # s.d. of t with 47 degrees 1.02, of 30 values 13 %: 4.5 s.d., six numbers, 4e-5.
    assert np.all(np.abs(spread - 1.02) < 4.5 * 0.13)
    chain = list(layers(rng, width=48, depth=3))
    weights, biases = chain[1]
    outputs = np.tanh(rng.normal(size=(2000, 48)) @ chain[0][0].T + chain[0][1])
    leading = np.linalg.svd(outputs, full_matrices=False)[2][0]
    spike = 2 * np.outer(rng.normal(size=48), leading)
    flow = signal_flow([chain[0], (weights + spike, biases), chain[2]], "tanh", rng=15)
    assert max(np.abs(values).max() for values in flow.sigmas.values()) > 4.5


def test_the_shipped_network_is_no_random_one():
    placed = place_network(
        nnrg.load(nnrg.data.default_network_path()), activation="relu", draws=8, rng=1
    )
    (layer,) = placed.layers
    assert layer.phase == "ordered" and layer.sigmas < -50
    assert layer.scales.outliers > 10
    assert placed.blocks[0].sigmas[1] > 50 and placed.chances[0] < 1e-10
