"""Whole networks: what independent weights must give at every scale, and what structure gives."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

import nnrg
from nnrg.rg.network_flow.depth import depth_blocks
from nnrg.rg.network_flow.renormalize import renormalize_network
from nnrg.rg.network_flow.spectrum import johnstone_edge, marchenko_pastur, spectral_numbers

TOPIC = "Whole networks"


def network(seed, draw, sizes=(64, 128, 128, 64)):
    rng = np.random.default_rng(seed)
    return nnrg.load(
        {
            f"fc{i}.weight": draw(rng, (n_out, n_in))
            for i, (n_in, n_out) in enumerate(pairwise(sizes), 1)
        }
    )


def gaussian(rng, shape):
    return rng.normal(size=shape)


def exponential(rng, shape):
    return rng.exponential(size=shape) - 1


def test_blocks_of_independent_weights_are_independent(checked):
    """Row 12: chosen by other layers, blocks leave kappa_2 / B, no fourth cumulant, and MP."""
    net = network(1, gaussian)
    flow = renormalize_network(net, nulls=(), rng=1)
    tensor = flow.tensor("fc2.weight")
    for level in (1, 2, 3):
        first, here = (tensor.flow.means[i].shape[1:] for i in (0, level))
        units = np.prod(first) / np.prod(here)
        for quantity, expected in (
            ("kappa_2", 1 / units),
            ("ratio_4", 0.0),
            ("neighbour:0", 0.0),
            ("neighbour:1", 0.0),
            ("mp_moment_2", 1.0),
        ):
            got = flow.estimate("fc2.weight", quantity, level)
            what = f"iid weights, blocks chosen by other layers: {quantity} at level {level}"
            checked(TOPIC, what, expected, got.value, got.error, within=4.5)
        numbers = tensor.spectrum
        assert numbers.values[level, numbers.names.index("mp_outliers")] <= 1 / here[1]
        assert numbers.values[level, numbers.names.index("mp_distance")] < 0.1


def test_cumulants_of_exponential_weights_fall_as_the_blocks_grow(checked):
    """Row 1 and 3 with B = b^2 entries in a block: lambda_3 = 2/b, lambda_4 = 6/b^2."""
    flow = renormalize_network(network(2, exponential), "random", nulls=(), rng=2)
    for level, b in ((0, 1), (1, 2), (2, 4)):
        for quantity, expected in (("ratio_3", 2 / b), ("ratio_4", 6 / b**2)):
            got = flow.estimate("fc2.weight", quantity, level)
            what = f"exponential weights, random blocks: {quantity}, b = {b}"
            checked(TOPIC, what, expected, got.value, got.error, within=4.5)


def test_symmetric_fraction_of_independent_recurrent_weights(checked):
    """Row 11: (n + 1)/2n with n the blocks left, the same blocks on both axes."""
    rng = np.random.default_rng(3)
    arrays = {"rnn.weight_ih_l0": (128, 32), "rnn.weight_hh_l0": (128, 128)}
    net = nnrg.load({name: rng.normal(size=shape) for name, shape in arrays.items()})
    flow = renormalize_network(net, nulls=nnrg.NullModel("shuffle", draws=20), rng=3)
    numbers = flow.tensor("rnn.weight_hh_l0").spectrum
    for level in range(4):
        n = numbers.series["rows"][level]
        got = flow.estimate("rnn.weight_hh_l0", "f_S", level)
        # Of independent entries the spread is 1/(sqrt(2) n), the error an estimate of that.
        checked(TOPIC, f"f_S of iid, level {level}", (n + 1) / (2 * n), got.value, 0.7072 / n)
        assert 0.2 < got.error * n < 3
        i = numbers.names.index("non_normality")
        assert numbers.values[level, i] == pytest.approx(1, abs=4 / n)
    assert np.nanmax(np.abs(numbers.z()[:4])) < 5.5  # 24 numbers, t with 19 degrees: 1e-3 in all


def test_antisymmetry_survives_blocks_that_are_the_same_on_both_axes(checked):
    """R_b commutes with transposition: f_S = 0 at every scale, which the null has not."""
    rng = np.random.default_rng(4)
    w = rng.normal(size=(128, 128))
    net = nnrg.load({"rnn.weight_ih_l0": rng.normal(size=(128, 32)), "rnn.weight_hh_l0": w - w.T})
    flow = renormalize_network(net, nulls=nnrg.NullModel("shuffle", draws=10), rng=4)
    for level in range(4):
        got = flow.estimate("rnn.weight_hh_l0", "f_S", level)
        checked(TOPIC, f"f_S of antisymmetric weights, level {level}", 0.0, got.value)
        assert got.null.value > 0.4


@pytest.mark.parametrize("q", [0.1, 0.5, 1.0])
def test_marchenko_pastur_law(checked, q):
    """Row 13: edges (1 +- sqrt q)^2, moments 1, 1 + q, 1 + 3q + q^2."""
    low, high = (1 - np.sqrt(q)) ** 2, (1 + np.sqrt(q)) ** 2
    assert marchenko_pastur([low, high], q) == pytest.approx([0, 1], abs=1e-14)
    x = low + (high - low) * np.linspace(0, 1, 400_001) ** 2
    share = np.diff(marchenko_pastur(x, q))
    middle = (x[1:] + x[:-1]) / 2
    for order, expected in ((1, 1.0), (2, 1 + q), (3, 1 + 3 * q + q * q)):
        what = f"moment {order} of Marchenko-Pastur, q = {q}"
        checked(TOPIC, what, expected, float(share @ middle**order), rtol=1e-4)


def test_one_white_matrix_in_a_hundred_has_an_outlier():
    """Binomial test of 2000 matrices: false alarm 1e-3 if the law of the edge were exact.

    It is so only for large matrices; at 40 x 60 it is right to a fifth of the one per cent.
    """
    rng = np.random.default_rng(5)
    w = rng.normal(size=(2000, 40, 60))
    top = np.linalg.eigvalsh(w @ w.swapaxes(1, 2) / 60)[:, -1]
    hits = int((top > johnstone_edge(40, 60)).sum())
    assert stats.binomtest(hits, 2000, 0.01).pvalue > 1e-3


def test_a_spike_is_an_outlier_at_its_place(checked):
    """Row 14: a population eigenvalue 1 + l above sqrt(q) is seen at (1 + l)(1 + q/l)."""
    rng = np.random.default_rng(6)
    p, n, spike = 200, 400, 3.0
    tops = []
    for _ in range(40):
        w = rng.normal(size=(1, p, n))
        w[0, 0] *= np.sqrt(1 + spike)
        # The variance, to which spectral_numbers scales, has grown by spike / p.
        tops.append(spectral_numbers(w)[0] * np.mean((w - w.mean()) ** 2))
    q = p / n
    expected = (1 + spike) * (1 + q / spike) / (1 + np.sqrt(q)) ** 2
    error = float(np.std(tops, ddof=1) / np.sqrt(len(tops)))
    # Corrections are of order 1/n.
    mean = float(np.mean(tops))
    checked(TOPIC, "largest eigenvalue over MP edge, spike l = 3", expected, mean, error + 2 / n)


@pytest.mark.slow
def test_null_scores_of_independent_weights_are_those_of_chance():
    """z of 132 numbers against Student's t with 18 degrees: Kolmogorov test, false alarm 1e-3."""
    scores = []
    for seed in range(6):
        net = network(100 + seed, gaussian, (48, 64, 64, 64, 48))
        flow = renormalize_network(net, nulls=nnrg.NullModel("permutation", draws=19), rng=seed)
        for name in ("fc1.weight", "fc2.weight", "fc3.weight", "fc4.weight"):
            numbers = flow.tensor(name).cumulants
            for quantity in ("neighbour:0", "kappa_2", "ratio_3"):
                i = numbers.names.index(quantity)
                scores += numbers.z()[1:3, i].tolist()
    known = np.array([z for z in scores if np.isfinite(z)])
    assert known.size >= 130  # the first and last layer have one axis without a graph
    assert stats.kstest(known, stats.t(18).cdf).pvalue > 1e-3


def test_planted_groups_of_units_are_found_by_the_other_layers():
    """Units of a group have like rows in one layer and like columns in the next."""
    rng = np.random.default_rng(7)
    group = np.arange(128) % 16
    groups = rng.normal(size=(16, 64)), rng.normal(size=(64, 16))
    noise = rng.normal(size=(128, 64)), rng.normal(size=(64, 128))
    order = rng.permutation(128)
    net = nnrg.load(
        {
            "fc1.weight": (groups[0][group] + noise[0])[order],
            "fc2.weight": (groups[1][:, group] + noise[1])[:, order],
        }
    )
    flow = renormalize_network(net, nulls=nnrg.NullModel("permutation", draws=20), rng=7)
    for name, axis in (("fc1.weight", 0), ("fc2.weight", 0)):
        numbers = flow.tensor(name).cumulants
        assert len(flow.tensor(name).axes) == 2
        side = 0 if name == "fc1.weight" else 1
        i = numbers.names.index(f"neighbour:{side}")
        assert numbers.z()[0, i] > 10
        # Blocks inside a group keep its variance: 1 + 1/B of noise, not (1 + 1)/B.
        kappa = numbers.values[:, numbers.names.index("kappa_2")]
        units = 128 / flow.tensor(name).flow.means[3].shape[1 + side]
        assert kappa[3] == pytest.approx(1 + 1 / units, rel=0.2), axis


# -- depth ---------------------------------------------------------------------------------------


def test_an_ar1_process_in_depth(checked):
    """Row 4 with layers for sites: correlation rho^r, and of blocks of b the AR(1) formula."""
    rng = np.random.default_rng(8)
    rho, n, units = 0.7, 16, 20_000
    layers = np.empty((n, units))
    layers[0] = rng.normal(size=units)
    for i in range(1, n):
        layers[i] = rho * layers[i - 1] + np.sqrt(1 - rho**2) * rng.normal(size=units)
    net = nnrg.load({f"layer.{i}.norm.bias": v for i, v in enumerate(layers)})
    flow = depth_blocks(net, "layer.*.norm.bias", aligned=True, draws=40, rng=8)
    assert [len(f) for f in flow.fields] == [16, 8, 4, 2]
    for b in (1, 2, 4):
        k = np.arange(1, b)
        variance = (1 + 2 * np.sum((1 - k / b) * rho**k)) / b
        nearest = rho * (1 - rho**b) ** 2 / (b * b * (1 - rho) ** 2) / variance
        for name, expected in (("growth", b * variance), ("depth:1", nearest)):
            if name == "growth" and b == 1:
                continue
            got = flow.numbers.estimate(name, b)
            checked(TOPIC, f"AR(1) in depth: {name}, b = {b}", expected, got.value, got.error)
    z = flow.numbers.z()[0]
    assert z[flow.numbers.names.index("depth:1")] > 5


def test_independent_layers_show_nothing_in_depth(checked):
    rng = np.random.default_rng(9)
    net = nnrg.load(
        {f"encoder.layer.{i}.output.norm.bias": rng.normal(size=4000) for i in range(8)}
    )
    flow = depth_blocks(net, "encoder.layer.*.output.norm.bias", aligned=True, rng=9)
    for name, b, expected in (("depth:1", 1, 0.0), ("depth:3", 1, 0.0), ("growth", 2, 1.0)):
        got = flow.numbers.estimate(name, b)
        checked(TOPIC, f"independent layers: {name}, b = {b}", expected, got.value, got.error)
    assert np.nanmax(np.abs(flow.numbers.z("units"))) < 5
