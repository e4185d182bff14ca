"""Synaptic field theory: arguments, results, bad input, and numbers by other ways."""

import importlib

import numpy as np
import pytest

from nnrg.activation_functions import ACTIVATION_NAMES, as_activation
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.lattice import Lattice
from nnrg.simulate.gaussian import ar1
from nnrg.simulate.training import (
    MLP,
    Adam,
    CosineDecay,
    GradientDescent,
    HeavyBall,
    Nesterov,
    RecurrentNet,
    StepDecay,
    train,
)
from nnrg.stats.replicates import Replicates
from nnrg.theory import synaptic
from nnrg.theory.synaptic._activation_series import activation_series, squared_error_series
from nnrg.theory.synaptic._displacements import Displacements
from nnrg.theory.synaptic._nilpotent import compose, multiply


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    return rng.normal(size=(30, 8)), rng.normal(size=30)


@pytest.fixture
def network():
    rng = np.random.default_rng(2)
    return synaptic.FeedForward.of(
        [rng.normal(size=(4, 8)), rng.normal(size=(1, 4))], [rng.normal(size=4), None]
    )


def test_every_public_name_is_there_and_no_module_shadows_one():
    for name in synaptic.__all__:
        assert getattr(synaptic, name).__name__ == name
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"nnrg.theory.synaptic.{name}")
    assert dir(synaptic) == sorted(synaptic.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = synaptic.nothing


# Series.


@pytest.mark.parametrize("name", [*ACTIVATION_NAMES, "leaky_relu:0.3"])
def test_series_is_the_function_near_its_point(name):
    activation = as_activation(name)
    h = np.array([[-2.3, -0.7], [0.4, 1.9]])
    series = activation_series(activation, h, 6)
    t = 0.02
    powers = t ** np.arange(7.0)
    near = np.tensordot(powers, series, axes=1)
    np.testing.assert_allclose(near, activation(h + t), rtol=0, atol=3e-11)
    np.testing.assert_allclose(series[1], activation.derivative(h), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(2 * series[2], activation.second_derivative(h), atol=1e-12)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "silu", "erf", "gelu", "gelu_tanh", "cos"])
def test_series_satisfies_taylor_at_shifted_points(name):
    """Coefficients at h + t are those of the series about h, re-expanded: all orders at once."""
    from math import comb

    activation, h, t = as_activation(name), np.array([-0.9, 0.0, 0.6]), 1e-2
    long = activation_series(activation, h, 16)
    there = activation_series(activation, h + t, 6)
    for k in range(7):
        again = sum(comb(n, k) * long[n] * t ** (n - k) for n in range(k, 17))
        np.testing.assert_allclose(there[k], again, rtol=1e-10, atol=1e-13)


def test_series_of_a_function_known_by_its_values():
    function = as_activation(lambda z: np.log1p(np.exp(z)))
    h = np.array([-0.5, 0.3])
    found = activation_series(function, h, 6)
    known = activation_series(as_activation("sigmoid"), h, 5) / np.arange(1, 7)[:, None]
    np.testing.assert_allclose(found[1:], known, atol=1e-7)
    np.testing.assert_allclose(found[0], function(h), rtol=1e-12)


def test_kinks_have_no_higher_vertices():
    relu = as_activation("relu")
    assert activation_series(relu, np.zeros(1), 1).shape == (2, 1)
    with pytest.raises(ArgumentError, match="kink at an expansion point"):
        activation_series(relu, np.zeros(1), 2)
    bent = as_activation(lambda z: np.abs(z) + z**2)
    with pytest.raises(AnalysisError, match="known by its values only"):
        activation_series(bent, np.array([0.1]), 2)
    rough = as_activation(lambda z: np.tanh(z) + 1e-3 * np.sin(60 * z))
    with pytest.raises(AnalysisError, match="two fits differ"):
        activation_series(rough, np.array([0.1]), 6)


def test_squared_error_of_a_series():
    series = np.array([0.3, 1.0, -0.5, 0.2])
    found = squared_error_series(series, 0.1)
    known = np.polynomial.polynomial.polymul(*[np.array([0.2, 1.0, -0.5, 0.2])] * 2)[:4] / 2
    np.testing.assert_allclose(found, known, rtol=1e-14)


def test_nilpotent_numbers_multiply_like_polynomials_of_square_zero():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 8))
    found = multiply(a, b)
    for whole in range(8):
        known = sum(a[p] * b[whole ^ p] for p in range(8) if p & whole == p)
        assert found[whole] == pytest.approx(known, rel=1e-13)
    # exp of a sum of parts is the product of 1 + part.
    z = np.zeros(8)
    z[[0, 1, 2, 4]] = 0.5, 2.0, 3.0, 5.0
    series = np.exp(0.5) / np.array([1.0, 1.0, 2.0, 6.0])
    out = compose(series, z) / np.exp(0.5)
    np.testing.assert_allclose(out, [1, 2, 3, 6, 5, 10, 15, 30], rtol=1e-14)


# Vertices.


def test_vertices_print_and_tabulate(data):
    found = synaptic.perceptron_vertices(*data, sites=Lattice((2, 4)), spacing=0.5)
    text = str(found)
    assert "8 -> 1, mse, from 30 samples" in text and text.count("V_") == 6 and "assumed" in text
    frame = found.to_dataframe()
    assert frame["order"].tolist() == [1, 2, 3, 4, 5, 6]
    assert frame["strength"][0] == pytest.approx(-np.sqrt((found.source()[0] ** 2).sum()))
    assert (frame["error"] > 0).all()
    assert frame["continuum_factor"][1] == pytest.approx(0.5 ** (-2 * 2 / 2))
    with pytest.raises(ValueError, match="read-only"):
        found.factors[0] = 1


def test_fields_of_several_outputs_do_not_mix():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    found = synaptic.perceptron_vertices(x, y, activation="tanh")
    first, second = np.zeros((2, 2, 3))
    first[0], second[1] = 1, 1
    assert found.contract(first, second).value == 0
    assert found.contract(first, first).value != 0
    alone = synaptic.perceptron_vertices(x, y[:, 1], activation="tanh")
    np.testing.assert_allclose(found.tensor(3, output=1), alone.tensor(3), rtol=1e-13)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "match"),
    [
        (([[1.0, 2.0]],), {}, ArgumentError, "two samples or more"),
        (([1.0, 2.0],), {}, ArgumentError, "n_samples, n_inputs"),
        (("abc",), {}, ArgumentError, "real numbers"),
        ((np.ones((3, 2)), np.ones(4)), {}, ArgumentError, "targets must have shape"),
        ((np.full((3, 2), np.nan),), {}, NonFiniteError, "finite"),
        ((np.ones((3, 2)),), {"order": 7}, ArgumentError, "order"),
        ((np.ones((3, 2)),), {"spacing": 0.0}, ArgumentError, "spacing"),
        ((np.ones((3, 2)),), {"weights": np.ones(3)}, ArgumentError, "weights must have shape"),
        ((np.ones((3, 2)),), {"biases": np.ones(3)}, ArgumentError, "biases must have shape"),
        ((np.ones((3, 2)),), {"sites": Lattice(3)}, ArgumentError, "sites must be 2"),
        ((np.ones((3, 2)),), {"activation": "relu"}, ArgumentError, "kink"),
        ((np.ones((3, 2)),), {"activation": "none"}, ArgumentError, "activation"),
    ],
)
def test_bad_data_for_a_perceptron(arguments, options, error, match):
    with pytest.raises(error, match=match) as caught:
        synaptic.perceptron_vertices(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_bad_questions_to_a_perceptron(data):
    found = synaptic.perceptron_vertices(*data, order=3)
    for bad, match in (
        (lambda: found.contract(), "n from 1 to 3"),
        (lambda: found.contract(*[np.ones(8)] * 4), "raise order"),
        (lambda: found.contract(np.ones(7)), "field must have shape"),
        (lambda: found.at([[0.5]]), "integers"),
        (lambda: found.at([[8]]), "sites 0..7"),
        (lambda: found.at([[0]], output=1), "output"),
        (lambda: found.tensor(4), "n must be"),
        (lambda: found.continuum_factor(0), "n must be"),
    ):
        with pytest.raises(ArgumentError, match=match):
            bad()
    wide = synaptic.perceptron_vertices(np.ones((2, 100)), order=4)
    with pytest.raises(ArgumentError, match="contract, apply or at"):
        wide.tensor(4)
    with pytest.raises(AnalysisError, match="order 2"):
        synaptic.gradient_expansion(synaptic.perceptron_vertices(*data, order=1))


def test_network_in_one_row(network):
    row = network.row()
    assert row.size == network.n_parameters == 41
    again = network.at(row)
    for a, b in zip(network.weights + network.biases, again.weights + again.biases, strict=True):
        np.testing.assert_array_equal(a, b)
    field = network.field(2, biases=[3.0])
    assert field[network.bounds(2)].tolist() == [0, 0, 0, 0, 3.0] and field.sum() == 3


@pytest.mark.parametrize(
    ("weights", "biases", "match"),
    [
        ([], None, "matrices"),
        ([np.ones(3)], None, "matrices"),
        ([np.ones((2, 3)), np.ones((1, 3))], None, "layer 2 takes 3"),
        ([np.ones((2, 3))], [None, None], "one for each of 1"),
        ([np.ones((2, 3))], [np.ones(3)], "2 neurons and 3 biases"),
    ],
)
def test_bad_networks(weights, biases, match):
    with pytest.raises(ArgumentError, match=match):
        synaptic.FeedForward.of(weights, biases)


def test_bad_questions_to_a_network(network, data):
    found = synaptic.network_vertices(network, *data)
    assert "8-4-1, 41 parameters" in str(found)
    for bad, match in (
        (lambda: found.contract(np.ones(40)), "field must have shape"),
        (lambda: found.apply(*[np.ones(41)] * 6), "V_6"),
        (lambda: found.tensor(4), "contract or apply"),
        (lambda: found.between(0, 1), "layer"),
        (lambda: network.field(3), "layer must be"),
        (lambda: network.field(1, weights=np.ones((2, 2))), "must have shape"),
        (lambda: synaptic.network_vertices(network, data[0][:, :3], data[1]), "inputs must"),
    ):
        with pytest.raises(ArgumentError, match=match):
            bad()


def test_tensor_of_a_small_network_is_symmetric_and_agrees():
    rng = np.random.default_rng(5)
    net = synaptic.FeedForward.of([rng.normal(size=(2, 2)), rng.normal(size=(1, 2))])
    found = synaptic.network_vertices(net, rng.normal(size=(5, 2)), rng.normal(size=5))
    tensor = found.tensor(3)
    for axes in ((1, 0, 2), (2, 1, 0), (0, 2, 1)):
        np.testing.assert_allclose(tensor, tensor.transpose(axes), atol=1e-12)
    fields = rng.normal(size=(3, net.n_parameters))
    whole = np.einsum("ijk,i,j,k", tensor, *fields)
    assert found.contract(*fields).value == pytest.approx(whole, rel=1e-11)


def test_vertices_do_not_depend_on_how_samples_are_parted(network, data, monkeypatch):
    found = synaptic.network_vertices(network, *data)
    fields = np.random.default_rng(6).normal(size=(3, 41))
    whole, gradient = found.contract(*fields), found.apply(*fields)
    monkeypatch.setattr("nnrg.theory.synaptic.deep._PART", 256)
    assert found.contract(*fields).value == pytest.approx(whole.value, rel=1e-12)
    np.testing.assert_allclose(found.apply(*fields), gradient, rtol=1e-10, atol=1e-12)


# Kernels.


@pytest.mark.parametrize(
    ("shape", "periodic", "reach"),
    [((9,), False, 3), ((8,), True, None), ((5, 6), (True, False), 2), ((4, 4), True, None)],
)
def test_displacements_by_naive_sums(shape, periodic, reach):
    sites = Lattice(shape, periodic)
    found = Displacements.of(sites, reach)
    assert len({tuple(u) for u in found.vectors}) == len(found.vectors)
    x = np.random.default_rng(7).normal(size=(3, sites.n_sites))
    weights = np.array([1.0, 2.0, -0.5])
    places = list(np.ndindex(*shape))
    expected = np.zeros((3, len(found.vectors)))
    for i, u in enumerate(found.vectors):
        pairs = []
        for s in places:
            to = [
                (a + b) % n if closed else a + b
                for a, b, n, closed in zip(s, u, shape, sites.periodic, strict=True)
            ]
            if all(0 <= t < n for t, n in zip(to, shape, strict=True)):
                pairs.append((np.ravel_multi_index(s, shape), np.ravel_multi_index(to, shape)))
        pairs = np.array(pairs)
        expected[:, i] = weights * (x[:, pairs[:, 0]] * x[:, pairs[:, 1]]).mean(axis=1)
        assert found.pairs()[i] == len(pairs)
    np.testing.assert_allclose(found.of_samples(x, weights), expected, atol=1e-13)
    for row, w, known in zip(x, weights, expected, strict=True):
        np.testing.assert_allclose(found.of_matrix(w * np.outer(row, row)), known, atol=1e-13)


def test_expansion_prints_flags_and_tabulates():
    x = ar1(64, 2000, rho=0.8, rng=8)
    found = synaptic.gradient_expansion(
        synaptic.perceptron_vertices(x, activation="linear", order=2), reach=12
    )
    text = str(found)
    assert "k_0" in text and "Z" in text and "flag: Z of axis 0 is negative" in text
    frame = found.to_dataframe()
    assert frame["u0"].tolist() == list(range(-12, 13))
    assert found.moments().values[2] == pytest.approx(-found.moments().values[1] / 2)
    assert found.correlation_length().value > 1
    assert found.exact().values[0] == pytest.approx(found.mass2.value)
    with pytest.raises(ArgumentError, match="axis"):
        found.tail(1)


def test_tail_that_is_not_seen_cannot_be_told():
    x = np.random.default_rng(9).normal(size=(200, 40))
    found = synaptic.gradient_expansion(
        synaptic.perceptron_vertices(x, activation="linear", order=2)
    )
    power, exponential, law = found.tail()
    assert power is None and exponential is None and law.startswith("cannot be told")


def test_a_kernel_of_negative_sum_has_no_range():
    x = np.array([[1.0, -1.0, 0.0, 0.0], [0.0, 1.0, -1.0, 0.0], [0.0, 0.0, 1.0, -1.0]])
    data = synaptic.perceptron_vertices(x, activation="linear", order=2)
    found = synaptic.gradient_expansion(data, reach=1)
    assert found.mass2.value < 0 and np.isnan(found.correlation_length().value)
    assert "k_0 -" in str(found)


def test_lorentz_report_refuses_and_prints(data):
    found = synaptic.perceptron_vertices(*data, activation="linear", order=2)
    text = str(synaptic.lorentz_report(found, hubble=0.1, duration=30))
    assert "no a^-2: gradient term too large by 403.4" in text and "spread of c(x)^2" in text
    with pytest.raises(ArgumentError, match="must not be negative"):
        synaptic.lorentz_report(found, hubble=-1, duration=1)
    with pytest.raises(AnalysisError, match="smaller reach"):
        synaptic.lorentz_report(found, hubble=1, duration=1, reach=4)
    with pytest.raises(AnalysisError, match="order 2"):
        synaptic.lorentz_report(synaptic.perceptron_vertices(*data, order=1), hubble=1, duration=1)


def test_local_stiffness_averages_to_the_stiffness():
    x = np.random.default_rng(10).normal(size=(50, 24))
    data = synaptic.perceptron_vertices(
        x, activation="linear", order=2, sites=Lattice((4, 6), periodic=True)
    )
    for reach in (1, 2, 3):
        for staggered in (False, True):
            found = synaptic.lorentz_report(
                data, hubble=1, duration=1, reach=reach, staggered=staggered
            )
            mean = found.local_stiffness.values.mean()
            assert mean == pytest.approx(found.stiffness.values[0], rel=1e-12)
            assert found.output_stiffness is None


# Optimisers.


def test_maps_of_friction():
    ball = HeavyBall(0.04, 0.8)
    back, symmetric, exponential = (
        synaptic.friction(ball, discretisation=d) for d in ("backward", "symmetric", "exponential")
    )
    h, gamma = symmetric.time_step, symmetric.gamma
    assert (1 - gamma * h / 2) / (1 + gamma * h / 2) == pytest.approx(0.8)
    assert h**2 / (1 + gamma * h / 2) == pytest.approx(0.04)
    assert np.exp(-exponential.gamma * exponential.time_step) == pytest.approx(0.8)
    assert back.gamma == pytest.approx(1.0) and back.learning_rate == 0.04 and back.momentum == 0.8
    assert back.scale_factor([0.0, 2.0]).tolist() == pytest.approx([1.0, np.exp(2)])
    coarse = synaptic.friction(HeavyBall(0.04, 0.5))
    assert any("differ" in f for f in coarse.flags) and "flag" in str(coarse)
    slow = synaptic.friction(HeavyBall(StepDecay(0.04, 0.25, 10), 0.8), step=10)
    assert slow.gamma == pytest.approx(2.0) and "stays what it is at step 10" in str(slow)
    first = synaptic.friction(GradientDescent(0.04))
    assert first.gamma_per_step == pytest.approx(25) and "first order" in first.assumptions[0]


def test_adam_has_no_common_friction():
    moments = np.array([1e-4, 1e-2, 1.0])
    adam = Adam(1e-3, epsilon=1e-12)
    found = synaptic.friction(adam, second_moments=moments)
    # gamma = (1 - beta) / sqrt(eta (1 - beta) / sqrt(v)), the median of v.
    assert found.gamma == pytest.approx(0.1 / np.sqrt(1e-3 * 0.1 / 0.1))
    assert found.spread == pytest.approx(10.0)
    assert found.flags[0].startswith("no common Hubble rate") and found.assumptions
    # A history of moments that stand still tends to it.
    n = np.arange(1, 4001)[:, None]
    history = synaptic.cosmic_history(adam, 4000, second_moments=moments * (1 - adam.beta2**n))
    assert history.gamma[-1] == pytest.approx(found.gamma, rel=1e-6)
    assert history.spread[-1] == pytest.approx(10.0) and "no common Hubble" in str(history)


@pytest.mark.parametrize(
    ("optimiser", "options", "match"),
    [
        ("heavy_ball", {}, "optimiser must be"),
        (HeavyBall(lambda t: 0.0), {}, "learning rate of step 0 must be positive"),
        (HeavyBall(0.1), {"discretisation": "x"}, "discretisation"),
        (HeavyBall(0.1, 0.0), {"discretisation": "exponential"}, "infinite"),
        (HeavyBall(0.1), {"dimension": 0}, "dimension"),
        (HeavyBall(0.1), {"step": -1}, "step"),
        (Adam(0.1), {}, "second_moments"),
        (Adam(0.1), {"second_moments": [-1.0]}, "negative"),
    ],
)
def test_bad_optimisers(optimiser, options, match):
    with pytest.raises(ArgumentError, match=match):
        synaptic.friction(optimiser, **options)


def test_constant_schedule_is_de_sitter_and_others_are_not():
    still = synaptic.cosmic_history(HeavyBall(0.01, 0.9), 50, dimension=2)
    assert "de Sitter" in str(still) and "not" not in str(still)
    np.testing.assert_allclose(still.hubble, 0.5, rtol=1e-12)
    np.testing.assert_allclose(still.slow_roll, 0, atol=1e-12)
    np.testing.assert_allclose(still.log_scale_factor, still.times / 2, atol=1e-12)
    assert still.e_folds == pytest.approx(4.9 / 2)
    falling = HeavyBall(StepDecay(0.01, 0.5, 1), 0.9)
    carried, fresh = (
        synaptic.cosmic_history(falling, 10, velocity=v) for v in ("step", "gradient")
    )
    assert "not de Sitter" in str(fresh) and carried.flags and fresh.flags
    root, eta = np.sqrt(2), falling.rates(10)
    assert carried.gamma[3] == pytest.approx((1 - 0.9 * root) / np.sqrt(eta[3]))
    assert fresh.gamma[3] == pytest.approx((1 - 0.9 / root) / np.sqrt(eta[3]))
    assert "contracts" in carried.flags[0]
    assert next(iter(fresh.to_dataframe())) == "time"
    for bad, match in (
        (lambda: synaptic.cosmic_history(falling, 1), "steps"),
        (lambda: synaptic.cosmic_history([0.1, 0.2], 2), "optimiser"),
        (lambda: synaptic.cosmic_history(HeavyBall(CosineDecay(0.1, 3)), 5), "at step 3; take"),
        (lambda: synaptic.cosmic_history(falling, 4, momenta=[0.5]), "one number or 4"),
        (lambda: synaptic.cosmic_history(falling, 4, momenta=1.5), "from 0 to 1"),
        (lambda: synaptic.cosmic_history(falling, 4, velocity="x"), "velocity"),
        (lambda: synaptic.cosmic_history(Adam(0.1), 4), "second_moments"),
        (lambda: synaptic.cosmic_history(Adam(0.1), 4, momenta=0.5), "beta1"),
        (lambda: synaptic.cosmic_history(Adam(0.1), 4, second_moments=[1.0]), "T = 4"),
    ):
        with pytest.raises(ArgumentError, match=match):
            bad()


def test_action_refuses_first_order_motion_and_bad_shapes():
    w = np.ones((5, 2))
    cost = np.ones(5)
    with pytest.raises(AnalysisError, match="no action"):
        synaptic.trajectory_action(w, cost, w, learning_rates=0.1, momenta=0.0)
    for options, match in (
        ({"costs": cost[:4]}, "costs"),
        ({"gradients": w[:, :1]}, "one shape"),
        ({"learning_rates": [0.1, 0.2]}, "learning_rates must be one number or 5"),
        ({"learning_rates": -0.1}, "positive"),
    ):
        arguments = {
            "weights": w,
            "costs": cost,
            "gradients": w,
            "learning_rates": 0.1,
            "momenta": 0.9,
        }
        with pytest.raises(ArgumentError, match=match):
            synaptic.trajectory_action(**{**arguments, **options})


def test_action_of_a_long_trajectory_does_not_overflow():
    w = np.exp(-1e-3 * np.arange(20000.0))
    found = synaptic.trajectory_action(w, w**2 / 2, w, learning_rates=0.01, momenta=0.9)
    assert np.isfinite(found.action)
    # Not a solution, and said to be none.
    assert found.stationarity.max() > 0.1 and found.relative_energy_residual > 0.1
    assert "action of 20000 steps" in str(found)
    assert len(found.to_dataframe()) == 19998


def test_weights_of_modes_carry_errors_and_regimes():
    given = Replicates.from_covariance([-1.0, 0.0, 0.1, 0.25, 9.0, 500.0], np.full(6, 0.01))
    found = synaptic.de_sitter_weights(given, HeavyBall(0.01, 0.9), dimension=2)
    assert found.regimes == (
        "growing",
        "massless",
        "overdamped",
        "critical",
        "underdamped",
        "underdamped",
    )
    assert found.discrete_regimes[5] == "unstable"
    np.testing.assert_allclose(found.invariant_error, 4 * 0.1, rtol=1e-9)
    assert found.weights[1].tolist() == [2.0, 0.0]
    assert found.weights[0, 1].real < 0
    assert "regime" in found.to_dataframe() and "underdamped" in str(found)
    for bad, match in (
        (lambda: synaptic.de_sitter_weights([[1.0]], HeavyBall(1.0, 0.5)), "shape"),
        (lambda: synaptic.de_sitter_weights([1.0], HeavyBall(1.0, 0.0)), "with momentum"),
        (lambda: synaptic.de_sitter_weights([1.0], GradientDescent(1.0)), "second order"),
    ):
        with pytest.raises(ArgumentError, match=match):
            bad()


def test_modes_refuse_bad_numbers_and_print():
    t = np.linspace(0, 4, 9)
    pair = synaptic.compare_modes(t, 5.0)
    assert "no redshift" in str(pair) and list(pair.to_dataframe()) == [
        "time",
        "network",
        "de_sitter",
    ]
    assert np.isnan(synaptic.compare_modes(t, 500.0).frozen[0])
    for bad, match in (
        (lambda: synaptic.compare_modes([1.0, 0.0], 1.0), "increasing"),
        (lambda: synaptic.compare_modes(t, -1.0), "zero or more"),
        (lambda: synaptic.compare_modes(t, 1.0, hubble=0.0), "hubble > 0"),
    ):
        with pytest.raises(ArgumentError, match=match):
            bad()


# Bulk and boundary.


def test_continuity_prints_and_says_when_the_motion_is_another(network, data):
    velocity = np.random.default_rng(11).normal(size=41)
    found = synaptic.depth_continuity(network, *data, velocity, gamma=0.5)
    assert "by the equation of motion" in str(found)
    assert found.to_dataframe()["layer"].tolist() == [1, 2]
    assert found.bulk == pytest.approx(velocity @ velocity / 2)
    gradient = synaptic.network_vertices(network, *data).apply()
    right = synaptic.depth_continuity(
        network, *data, velocity, gamma=0.5, accelerations=-0.5 * velocity - gradient
    )
    assert right.relative_residual < 1e-12
    wrong = synaptic.depth_continuity(
        network, *data, velocity, gamma=0.5, accelerations=-0.6 * velocity - gradient
    )
    assert wrong.relative_residual > 1e-3
    assert found.boundary == pytest.approx(
        synaptic.network_vertices(network, *data).contract().value
    )
    assert (found.current_error[1:] > 0).all() and found.current[0] == 0


def test_continuity_refuses_bad_arguments(network, data):
    v = np.ones(41)
    for bad, match in (
        (lambda: synaptic.depth_continuity(network, *data, v[:3], gamma=1), "velocities"),
        (
            lambda: synaptic.depth_continuity(network, data[0][:, :2], data[1], v, gamma=1),
            "8 numbers",
        ),
        (
            lambda: synaptic.depth_continuity(
                network, *data, v, gamma=1, input_velocities=np.ones((30, 2))
            ),
            "input_velocities",
        ),
        (lambda: synaptic.step_continuity(network, *data, v, learning_rate=0), "learning_rate"),
        (
            lambda: synaptic.depth_continuity(network, *data, v, gamma=1).coarse_grained(3),
            "layers",
        ),
    ):
        with pytest.raises(ArgumentError, match=match):
            bad()
    huge = network.at(network.row() * 1e200)
    with pytest.raises(AnalysisError, match="double precision"):
        synaptic.depth_continuity(huge, *data, v * 1e200, gamma=1)


# Toys, sources, flow.


def test_toys_refuse_what_they_are_not():
    x = np.random.default_rng(12).normal(size=(10, 5))
    for bad, match in (
        (lambda: synaptic.ring_toy(x[:, :2]), "N of 3"),
        (lambda: synaptic.ring_toy(x, x[:, :3]), "one shape"),
        (lambda: synaptic.ring_toy(x, staggered=True), "even length"),
        (lambda: synaptic.ring_toy(x, synapses="both"), "synapses"),
        (lambda: synaptic.ring_toy(x, spacing=-1), "spacing"),
        (lambda: synaptic.ring_toy(x, synapses="independent").mass2(), "decoupled dimers"),
        (lambda: synaptic.two_layer_toy(x, x[:, :2], (1, 1, 1)), "one shape"),
        (lambda: synaptic.two_layer_toy(x, x, (1, 1)), "s_0, s_1, s_2"),
    ):
        with pytest.raises(ArgumentError, match=match):
            bad()
    assert "M " in str(synaptic.ring_toy(x))
    assert "no propagation" in str(synaptic.ring_toy(x, synapses="independent"))
    toy = synaptic.two_layer_toy(x, x, (0.5, 1.0, 0.0))
    assert "mass of the first layer 0" in str(toy)
    assert toy.source().values.size == 5 and toy.last_stiffness == -0.25


def test_source_of_a_ring_is_minus_the_gradient_at_zero():
    rng = np.random.default_rng(13)
    x, y = rng.normal(size=(2, 20, 6))
    toy = synaptic.ring_toy(x, y)
    h = 1e-6

    def cost(w):
        out = w * x + np.roll(w, -1) * np.roll(x, -1, axis=1)
        return ((out - y) ** 2).sum(axis=1).mean() / 2

    slope = [(cost(h * e) - cost(-h * e)) / (2 * h) for e in np.eye(6)]
    np.testing.assert_allclose(toy.source().values, -np.array(slope), atol=1e-8)


def test_static_sources_are_called_static():
    """One of a hundred draws would be called time-dependent; the seed is fixed."""
    x = np.random.default_rng(14).normal(size=(3, 400, 4))
    stages = [synaptic.perceptron_vertices(a, a[:, 0], order=3) for a in x]
    same = synaptic.source_history([0, 1, 2], stages)
    assert same.static and same.changes().shape == (2, 3) and "static" in str(same)
    faster = synaptic.source_history([0, 1, 2], stages, learning_rates=[1.0, 1.0, 2.0])
    assert not faster.static and faster.scales.tolist() == [1, 1, 2]
    ratio = faster.stages[2].values / same.stages[2].values
    np.testing.assert_allclose(ratio, 2)
    assert len(same.to_dataframe()) == 9
    for bad, match in (
        (lambda: synaptic.source_history([0, 0, 1], stages), "increasing"),
        (lambda: synaptic.source_history([0, 1, 2], stages, learning_rates=[1, 2]), "positive"),
        (lambda: synaptic.source_history([0, 1, 2], stages, field=np.zeros(4)), "not be zero"),
        (
            lambda: synaptic.source_history(
                [0, 1], [stages[0], synaptic.perceptron_vertices(x[0], order=2)]
            ),
            "one shape and order",
        ),
    ):
        with pytest.raises(ArgumentError, match=match):
            bad()


def test_a_point_that_moves_is_no_source(data):
    """The sources of training are data and step size: weights that learn are told apart."""
    x, y = data

    def history(rate, **more):
        model, optimiser = MLP((8, 4, 1)), HeavyBall(rate, 0.9)
        made = train(model, (x, y), optimiser=optimiser, steps=40, record=1, rng=1, **more)
        return made, synaptic.record_sources(made, x, y, steps=[0, 20, 40], order=2)

    made, constant = history(0.02)
    assert constant.static and constant.point_moves
    # The point has moved: the forces are those of other weights.
    assert (
        np.abs(constant.changes()).max() > 4
        and not np.isfinite(constant.changes(sources=True)).any()
    )
    text = str(constant)
    assert "data and step size alone: static" in text and "they change with it" in text
    _, falling = history(CosineDecay(0.02, 40, 1e-4), batch=10)
    first = falling.at_first_point
    for scale, now in zip(falling.scales, first, strict=True):
        np.testing.assert_allclose(now.values, scale * first[0].values, rtol=1e-12)
    assert not falling.static and "eta / eta_0 from 0.005 to 1" in str(falling)
    assert any("mini-batches" in a for a in falling.assumptions) and not constant.assumptions
    # Other data at other weights: about the first, what the other data alone make.
    early, late = (synaptic.recorded_network(made, step=step) for step in (0, 40))
    stages = [synaptic.network_vertices(early, x, y), synaptic.network_vertices(late, -x, y + 1)]
    found = synaptic.source_history([0, 1], stages, order=3)
    alone = synaptic.network_vertices(early, -x, y + 1).strengths(found.field, 3)
    np.testing.assert_allclose(found.at_first_point[1].values, alone.values, rtol=1e-12)
    assert found.stages[1].values[0] != pytest.approx(alone.values[0], rel=0.01)
    frame = found.to_dataframe()
    np.testing.assert_allclose(frame["at_first_point"][3:], alone.values)
    np.testing.assert_allclose(frame["at_first_point_error"][3:], alone.errors())


def test_flow_of_vertices_prints_and_refuses(data):
    found = synaptic.perceptron_vertices(*data, order=4)
    flow = synaptic.coarse_grain_vertices(found, levels=2, weight_decay=0.5, temperature=10.0)
    assert "b = 2" in str(flow) and flow.flags[0].startswith("b = 2: one loop")
    frame = flow.to_dataframe()
    assert frame["scheme"].tolist() == ["projected", "eliminated"] * 2
    assert frame["loop_k0"][0] == pytest.approx(0, abs=1e-9)
    few = synaptic.perceptron_vertices(data[0][:5], activation="linear", order=2)
    for bad, error, match in (
        (lambda: synaptic.coarse_grain_vertices(found, levels=4), ArgumentError, "divide"),
        (lambda: synaptic.coarse_grain_vertices(few), AnalysisError, "weight_decay"),
        (
            lambda: synaptic.coarse_grain_vertices(few, temperature=1.0),
            AnalysisError,
            "order 4",
        ),
        (
            lambda: synaptic.coarse_grain_vertices(found, weight_decay=-1.0),
            ArgumentError,
            "negative",
        ),
    ):
        with pytest.raises(error, match=match):
            bad()


def test_dressed_vertices_hold_the_eliminated_kernel(data):
    """V_2 of the eliminated vertices is the Schur complement where there is no weight decay."""
    found = synaptic.perceptron_vertices(*data, activation="linear", order=2)
    one = synaptic.coarse_grain_vertices(found, levels=2).scales[1]
    kernel = one.eliminated_vertices.kernel()
    shape = one.eliminated.displacements
    np.testing.assert_allclose(shape.of_matrix(kernel), one.eliminated.profile.values, rtol=1e-9)
    assert one.eliminated_vertices.spacing == 2 * found.spacing


def test_comparison_with_trained_fields_prints_and_refuses(data):
    rng = np.random.default_rng(15)
    found = synaptic.perceptron_vertices(*data, activation="linear", order=2)
    flow = synaptic.coarse_grain_vertices(found, levels=2)
    w = np.linalg.lstsq(data[0], rng.normal(size=(30, 200)))[0].T
    same = synaptic.compare_kernel_flow(flow, w)
    assert "200 trained fields" in str(same) and len(same.to_dataframe()) == 2 * 2
    # Errors of the prediction count where the fields saw other inputs.
    wide = synaptic.compare_kernel_flow(flow, w, same_inputs=False, temperature=1 / 30)
    assert np.abs(wide.deviations()).max() < np.abs(same.deviations()).max() + 5
    assert wide.temperature.value == 1 / 30 and wide.temperature.error == 0
    for bad, error, match in (
        (lambda: synaptic.compare_kernel_flow(flow, w[:, :3]), ArgumentError, "fields must have"),
        (lambda: synaptic.compare_kernel_flow(flow, w[:9]), AnalysisError, "too few"),
        (
            lambda: synaptic.compare_kernel_flow(flow, w, temperature=0.0),
            ArgumentError,
            "above zero",
        ),
    ):
        with pytest.raises(error, match=match):
            bad()


def made(data, model=None, optimiser=None, **options):
    model = MLP((8, 3, 1)) if model is None else model
    optimiser = HeavyBall(0.01, 0.5) if optimiser is None else optimiser
    options = {"record": 1, "rng": 1, **options}
    return train(model, data, optimiser=optimiser, steps=4, **options)


def test_records_of_other_training_are_refused(data):
    for record, match in (
        (made(data, optimiser=GradientDescent(0.01)), "second order"),
        (made(data, optimiser=HeavyBall(0.01, 0.0)), "second order"),
        (made(data, record=2), "record every step"),
    ):
        with pytest.raises(AnalysisError, match=match):
            synaptic.record_action(record, *data)
    right, batches = made(data), made(data, batch=10)
    for bad, error, match in (
        (lambda: synaptic.record_action(right, *data, seed=1), ArgumentError, "seed"),
        (lambda: synaptic.record_action(right, data[0][:9], data[1][:9]), ArgumentError, "30 sam"),
        (lambda: synaptic.record_action(right, data[0][:, :3], data[1]), ArgumentError, "inputs"),
        (lambda: synaptic.record_continuity(right, *data, step=9), ArgumentError, "not recorded"),
        (lambda: synaptic.record_modes(batches, *data), AnalysisError, "mini-batches"),
        (
            lambda: synaptic.record_modes(made(data, optimiser=Adam(0.1)), *data),
            AnalysisError,
            "heavy ball or Nesterov",
        ),
        (lambda: synaptic.record_modes(made(data, record=2), *data), AnalysisError, "steps 0, 1"),
        (
            lambda: synaptic.record_history(
                made(data, optimiser=HeavyBall(lambda t: 0.1), record=3)
            ),
            AnalysisError,
            "not recorded",
        ),
    ):
        with pytest.raises(error, match=match) as caught:
            bad()
        assert "\n" not in str(caught.value)


def test_laws_of_motion_are_not_read_off_other_data(data):
    """Of other inputs or targets every number would be wrong, and nothing would say so."""
    x, y = data
    right = made(data)
    for read in (
        synaptic.record_action,
        synaptic.record_modes,
        synaptic.record_continuity,
        synaptic.record_sources,
    ):
        with pytest.raises(ArgumentError, match="inputs must be those of the record"):
            read(right, x + 1, y)
        with pytest.raises(ArgumentError, match="targets must be those of the record"):
            read(right, x, y[::-1])
    # The same numbers in another type are the same data.
    single = x.astype(np.float32), y.astype(np.float32)
    trained = made(single)
    wide = [a.astype(np.float64) for a in single]
    found = synaptic.record_action(trained, *wide)
    assert found.relative_energy_residual < 1e-10
    assert found.provenance["record"] == trained.provenance


def test_a_ring_of_odd_length_has_no_staggered_field(data):
    """(-1)^x does not close: signs of neighbours across the seam are the same."""
    vertices = synaptic.perceptron_vertices(data[0][:, :5], sites=Lattice(5, periodic=True))
    for read, more in (
        (synaptic.gradient_expansion, {}),
        (synaptic.lorentz_report, {"hubble": 1.0, "duration": 1.0}),
    ):
        with pytest.raises(ArgumentError, match="even length"):
            read(vertices, staggered=True, **more)
    assert "no targets: y = 0" in vertices.assumptions


def test_layers_of_records(data):
    right = made(data)
    net = synaptic.recorded_network(right, step=2)
    assert net.depth == 2 and net.n_parameters == 8 * 3 + 3 + 3 + 1
    # What is not trained has no energy: 27 numbers move, not 31.
    bare = made(data, MLP((8, 3, 1), bias=False))
    assert synaptic.recorded_chain(bare).n_parameters == 27
    found = synaptic.record_continuity(bare, *data, step=3)
    v = [np.diff(w[0, 3:5], axis=0).ravel() for w in bare.weights.values()]
    u = [np.diff(w[0, 2:4], axis=0).ravel() for w in bare.weights.values()]
    middle = (np.concatenate(v) + np.concatenate(u)) / 2
    assert found.bulk == pytest.approx(middle @ middle / 0.02, rel=1e-9)
    recurrent = made((data[0][:, :, None], data[1]), RecurrentNet(1, 3, 1, length=8))
    with pytest.raises(ArgumentError, match="multilayer perceptron"):
        synaptic.recorded_network(recurrent)
    chain = synaptic.recorded_chain(recurrent)
    assert chain.names[-2:] == ("time 8", "readout") and chain.copies(1) == 8
    with pytest.raises(ArgumentError, match="model must be"):
        synaptic.LayerChain.of_model("MLP", {})
    with pytest.raises(ArgumentError, match="FeedForward or a LayerChain"):
        synaptic.depth_continuity("net", *data, np.ones(3), gamma=1)


def test_friction_of_records(data):
    record = made(data, optimiser=Nesterov(0.01, 0.5), n_seeds=2)
    assert synaptic.record_friction(record).hessian_damping == pytest.approx(0.05)
    found = synaptic.record_history(record, dimension=2)
    np.testing.assert_allclose(found.hubble, 2.5, rtol=1e-12)
    adam = made(data, optimiser=Adam(0.01), n_seeds=2)
    moments = np.concatenate(
        [v[1, 4].ravel() for v in adam.optimiser_state["second_moment"].values()]
    )
    rates = 0.01 * 0.1 / (np.sqrt(moments / (1 - 0.999**4)) + 1e-8)
    known = 0.1 / np.sqrt(np.median(rates))
    assert synaptic.record_friction(adam, seed=1).gamma == pytest.approx(known)
    assert len(synaptic.record_history(adam, seed=1).times) == 4


# Soft neurons and depth.


def test_soft_neurons_refuse_and_stand_where_the_forward_pass_is(network, data):
    chain = synaptic.LayerChain.of(network)
    soft = synaptic.SoftNeurons.on(chain, data[0], stiffness=2.0)
    v = np.random.default_rng(3).normal(size=41)
    found = synaptic.depth_continuity(network, *data, v, gamma=0.3, neurons=soft)
    # No strain and at rest: energy of the weights alone, and no force on them.
    assert found.bulk == pytest.approx(v @ v / 2) and not found.energy_error.any()
    assert found.energy_rate.sum() == pytest.approx(-0.3 * v @ v)
    for bad, match in (
        (lambda: synaptic.SoftNeurons([np.ones(3)], stiffness=1.0), "arrays"),
        (lambda: synaptic.SoftNeurons([np.ones((2, 3))], stiffness=0.0), "above zero"),
        (lambda: synaptic.SoftNeurons([np.ones((2, 3))], [np.ones((2, 2))], stiffness=1), "shapes"),
        (
            lambda: synaptic.depth_continuity(
                network,
                *data,
                v,
                gamma=1,
                neurons=synaptic.SoftNeurons([np.ones((30, 4))], stiffness=1),
            ),
            "soft neurons must have shapes",
        ),
        (
            lambda: synaptic.step_continuity(network, *data, learning_rate=0.1, neurons=soft),
            "give step",
        ),
        (lambda: synaptic.step_continuity(network, *data, learning_rate=0.1, momentum=0.5), "step"),
    ):
        with pytest.raises(ArgumentError, match=match):
            bad()


def test_depth_flow_prints_and_refuses(network, data):
    flow = synaptic.coarse_grain_depth(network, data[0])
    assert flow.scales == (1, 2) and "b = 2" in str(flow)
    frame = flow.to_dataframe()
    assert frame["scale"].tolist() == [1, 2] and (frame["gain_error"] > 0).all()
    three = synaptic.FeedForward.of([np.eye(2)] * 3)
    assert "leave out the last 1 of 3" in synaptic.coarse_grain_depth(three, np.eye(2)).flags[0]
    dead = synaptic.FeedForward.of([np.eye(2), -np.eye(2)], activation="relu", output="relu")
    for bad, error, match in (
        (lambda: synaptic.coarse_grain_depth(network, data[0], levels=3), ArgumentError, "levels"),
        (lambda: synaptic.coarse_grain_depth(network, data[0], stiffness=0), ArgumentError, "abov"),
        (lambda: synaptic.coarse_grain_depth(network, data[0][:, :2]), ArgumentError, "8 numbers"),
        (lambda: synaptic.coarse_grain_depth(dead, np.ones((3, 2))), AnalysisError, "off"),
    ):
        with pytest.raises(error, match=match):
            bad()


# Cross-entropy.


def test_bad_classes():
    x = np.random.default_rng(4).normal(size=(6, 5))
    for bad, match in (
        (lambda: synaptic.perceptron_vertices(x, loss="cross_entropy"), "needs targets"),
        (lambda: synaptic.perceptron_vertices(x, [0] * 6, loss="cross_entropy"), "two classes"),
        (lambda: synaptic.perceptron_vertices(x, np.ones((6, 2)), loss="cross_entropy"), "sum to"),
        (lambda: synaptic.perceptron_vertices(x, [0] * 6, loss="hinge"), "loss"),
    ):
        with pytest.raises(ArgumentError, match=match):
            bad()
    found = synaptic.perceptron_vertices(
        x, [0, 1, 2] * 2, activation="linear", loss="cross_entropy"
    )
    with pytest.raises(ArgumentError, match="one number or 2"):
        found.tensor(2, output=(0, 1, 2))
    report = synaptic.lorentz_report(found, hubble=1, duration=1)
    assert report.output_stiffness is None and "softmax" in report.flags[0]


@pytest.mark.parametrize("bad", ["abc", 1.5, object(), np.ones(3)])
def test_objects_of_another_kind_are_named(bad, network, data):
    """Each of these was an AttributeError or a TypeError once."""
    found = synaptic.perceptron_vertices(*data, order=2)
    v = np.ones(41)
    for call in (
        lambda: synaptic.friction(bad),
        lambda: synaptic.cosmic_history(HeavyBall(0.1), 5, velocity=bad),
        lambda: synaptic.perceptron_vertices(*data, loss=bad),
        lambda: synaptic.perceptron_vertices(*data, sites=bad),
        lambda: synaptic.gradient_expansion(bad),
        lambda: synaptic.lorentz_report(bad, hubble=1, duration=1),
        lambda: synaptic.ring_toy(data[0], synapses=bad),
        lambda: synaptic.two_layer_toy(data[0], data[0], (bad, 1)),
        lambda: synaptic.network_vertices(bad, *data),
        lambda: synaptic.depth_continuity(bad, *data, v, gamma=1),
        lambda: synaptic.depth_continuity(network, *data, v, gamma=1, neurons=bad),
        lambda: synaptic.FeedForward.of(bad),
        lambda: synaptic.SoftNeurons(bad, stiffness=1),
        lambda: synaptic.record_action(bad, *data),
        lambda: synaptic.record_history(bad),
        lambda: synaptic.source_history([0.0], [bad]),
        lambda: found.contract(bad),
    ):
        with pytest.raises(ArgumentError) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_numbers_beyond_double_precision_are_refused(network, data):
    for call in (
        lambda: synaptic.de_sitter_weights([1e308], HeavyBall(0.1)),
        lambda: synaptic.compare_modes([0.0, 1.0], 1e308),
        lambda: synaptic.compare_modes([0.0, 1.0], 1e6),
        lambda: synaptic.source_history(
            [0.0], [synaptic.perceptron_vertices(*data, order=2)], field=np.full(8, 1e308)
        ),
    ):
        with pytest.raises(ArgumentError):
            call()
    with pytest.raises(AnalysisError, match="double precision"):
        synaptic.depth_continuity(network, *data, np.ones(41), gamma=1e300)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda net, x: synaptic.recorded_chain("run"), "must be a TrainingRecord"),
        (lambda net, x: synaptic.recorded_network(None), "must be a TrainingRecord"),
        (lambda net, x: synaptic.coarse_grain_depth(net, x, stiffness=1e-320), "above zero, from"),
        (lambda net, x: synaptic.SoftNeurons.on(net, x, stiffness=1.0, mass=1e200), "mass must be"),
        (lambda net, x: synaptic.compare_modes([0, 1], 1.0, initial=(0, 0)), "not both zero"),
        (lambda net, x: synaptic.compare_modes([0, 1], 1.0, initial=(1,)), "two numbers"),
        (lambda net, x: synaptic.perceptron_vertices(x * 1e200, x), "sixth powers"),
    ],
)
def test_numbers_out_of_range_are_named(call, match):
    net = synaptic.FeedForward.of([np.eye(3)] * 2)
    with pytest.raises(ArgumentError, match=match):
        call(net, np.eye(3))


def test_gains_beyond_double_precision_are_named():
    net = synaptic.FeedForward.of([1e200 * np.eye(3)] * 2, activation="linear")
    with pytest.raises(AnalysisError, match="leave double precision"):
        synaptic.coarse_grain_depth(net, np.eye(3))
    fast = np.full(net.n_parameters, 1e200)
    with pytest.raises(AnalysisError, match="leave double precision"):
        synaptic.depth_continuity(net, np.eye(3), np.eye(3), fast, gamma=1.0)


def test_adam_has_no_friction_before_its_first_step(data):
    record = made(data, optimiser=Adam(0.1))
    with pytest.raises(ArgumentError, match="step 0"):
        synaptic.record_friction(record, step=0)
    found = synaptic.record_friction(made(data, optimiser=HeavyBall(CosineDecay(0.1, 9), 0.5)))
    assert any("stays what it is at step" in a for a in found.assumptions)
