"""Architectures with one hidden layer: quadrature, shapes, results, and what is refused."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erf, ndtr
from scipy.stats import norm

from nnrg.activation_functions import as_activation
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.simulate.shallow import one_hidden_layer, one_hidden_layer_neurons
from nnrg.stats._set_partitions import even_partitions, partitions
from nnrg.stats.joint_cumulants import joint_cumulants
from nnrg.theory.correlators import (
    CosNet,
    ErfNet,
    GaussNet,
    OneHiddenLayer,
    Quadrature,
    ReLUNet,
    ScaleMixture,
    TanhNet,
    cluster_test,
    four_point_terms,
    measured_correlators,
    measured_neurons,
    translation_test,
    width_scaling,
)
from nnrg.theory.correlators._gaussian_products import product_averages
from nnrg.theory.correlators._refinement import quasi_random
from nnrg.theory.correlators._rules import homogeneous_rule, product_rule
from nnrg.theory.correlators._set_partitions import cumulant_weight, sum_over_partitions
from nnrg.theory.correlators._sign_products import erf_products
from nnrg.theory.gaussian_averages import pair_average

Q = Quadrature()
EVERY = [CosNet, GaussNet, ReLUNet, ErfNet, TanhNet]


def gram(k, rank, seed=0, size=1.0):
    rows = np.random.default_rng(seed).normal(size=(k, rank))
    return size * rows @ rows.T / rank


# Set partitions.


def test_partitions_are_counted_by_bell_numbers():
    assert [len(partitions(n)) for n in range(1, 8)] == [1, 2, 5, 15, 52, 203, 877]
    assert [len(even_partitions(n)) for n in (2, 4, 6, 8)] == [1, 4, 31, 379]
    assert sum(cumulant_weight(p) for p in partitions(6)) == 0  # of a constant


def test_moments_and_cumulants_are_inverse():
    tuples = np.array([[0, 0, 1, 2, 2, 3], [0, 1, 1, 1, 2, 3]])
    rng = np.random.default_rng(1)
    table = {}

    def moment(sub):
        values = [table.setdefault(tuple(row), rng.normal()) for row in sub.tolist()]
        return np.array(values), np.zeros(len(sub))

    def cumulant(sub):
        return sum_over_partitions(sub, moment, cumulant_weight)

    values, errors = sum_over_partitions(tuples, cumulant, lambda _: 1.0)
    assert values == pytest.approx(moment(tuples)[0], rel=1e-12)
    assert np.all(errors < 1e-12)


# Averages of products, by methods that have nothing in common. Quasi-random numbers are allowed
# eight errors from six shifts (5 degrees of freedom): one in 2000 would fail, with other seeds.


def test_outputs_that_do_not_fluctuate_are_said_to():
    text = str(measured_correlators(np.ones((100, 2))))
    assert "3 of 3 numbers are the same in all networks" in text
    assert "nan" not in text


@pytest.mark.parametrize("x", [1.0, 2.0, 3.0])
def test_activations_that_grow_fast_are_followed_to_where_their_average_is(x):
    # <exp(z)^r> = exp(r^2 x^2 / 2): at 12 standard deviations for x = 3.
    found = OneHiddenLayer(np.exp, width=8).cumulant4([x] * 4)
    exact = 3 / 8 * (np.exp(8 * x**2) - np.exp(4 * x**2))
    assert abs(float(found) - exact) <= found.errors + 1e-14 * exact
    assert found.errors < 1e-9 * exact


def test_averages_that_no_rule_reaches_have_no_error_that_could_be_trusted():
    points = 5 * np.random.default_rng(0).normal(size=(4, 2))
    found = OneHiddenLayer(np.exp, width=8).cumulant4(points)
    assert np.isinf(found.errors)
    assert "not converged" in found.flag


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("order", [4, 6])
def test_products_of_erf_by_signs_and_by_the_trapezoidal_rule(rank, order):
    covariance = gram(order, rank, seed=order)
    tuples = np.array([range(order), [0] * order, [0, 1] * (order // 2)])
    by_rule, error, _ = product_averages(as_activation("erf"), covariance, tuples, Q)
    by_signs, bound = erf_products(covariance, tuples, 1e-9)
    assert by_rule == pytest.approx(by_signs, abs=3e-9)
    assert np.all(error < 1e-10)
    assert np.all(bound < 1e-7)


def test_eight_signs():
    covariance = gram(8, 2, seed=8)
    tuples = np.arange(8)[None]
    by_rule, _, _ = product_averages(as_activation("erf"), covariance, tuples, Q)
    by_signs, bound = erf_products(covariance, tuples, 1e-2)
    assert np.all(np.abs(by_rule - by_signs) < bound)
    assert bound[0] < 1e-3


@pytest.mark.parametrize("name", ["relu", "leaky_relu:0.2"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_exact_directions_against_quasi_random_numbers(name, rank):
    # A little variance of each variable's own lifts the rank: quasi-random numbers are used.
    covariance = gram(6, rank, seed=rank)
    tuples = np.array([[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 3, 5], [0, 0, 1, 1, 2, 4]])
    phi = as_activation(name)
    exact, error, method = product_averages(phi, covariance, tuples, Q)
    assert "quadrature" in method
    lifted = covariance + 1e-11 * np.eye(6)
    drawn, spread, method = product_averages(phi, lifted, tuples, Quadrature(shifts=6))
    assert method == "quasi-random"
    assert np.all(np.abs(exact - drawn) < 8 * np.maximum(spread, 1e-6))
    assert np.all(error < 1e-9)


@pytest.mark.parametrize("rank", [1, 2, 3, 4, 6])
def test_linear_functions_of_rectified_units_are_exact(rank):
    # z = relu(z) - relu(-z): leaky_relu:1 is the identity, and Wick's theorem holds.
    tuples = np.array([[0, 1, 2, 3], [0, 0, 1, 3], [2, 2, 2, 2]])
    if rank != 4:
        tuples = np.concatenate([tuples, np.roll(tuples, 1, axis=0)[:, :2]], axis=1)
    covariance = gram(4, rank, seed=rank)
    known, _, method = product_averages(as_activation("linear"), covariance, tuples, Q)
    assert method == "closed form"
    found, error, _ = product_averages(as_activation("leaky_relu:1"), covariance, tuples, Q)
    assert found == pytest.approx(known, rel=1e-9)
    assert np.all(error < 1e-8)


@pytest.mark.parametrize("order", [4, 6])
def test_orthants_against_quasi_random_numbers(order):
    covariance = 0.5 + gram(order, order + 2, seed=order)
    tuples = np.array([range(order)])
    phi = as_activation("relu")
    exact, error, method = product_averages(phi, covariance, tuples, Q)
    assert method == f"{order // 2 - 1}-dimensional quadrature"
    rows = np.linalg.cholesky(covariance)
    drawn, spread = quasi_random(phi, rows, tuples, Quadrature(shifts=6))
    assert np.all(np.abs(exact - drawn) < 8 * spread)
    assert np.all(spread < 0.02 * exact)
    assert np.all(error < 1e-8)


@pytest.mark.parametrize("name", ["sin", "cos"])
@pytest.mark.parametrize("rank", [2, 3, 4])
def test_waves_against_the_trapezoidal_rule(name, rank):
    covariance = gram(4, rank, seed=3)
    tuples = np.array([[0, 1, 2, 3], [0, 0, 1, 1], [0, 1, 1, 1]])
    known, _, _ = product_averages(as_activation(name), covariance, tuples, Q)
    function = as_activation({"sin": lambda z: np.sin(z), "cos": lambda z: np.cos(z)}[name])
    found, error, method = product_averages(
        function, covariance, tuples, Quadrature(tolerance=1e-6)
    )
    assert method == f"{rank}-dimensional quadrature"
    assert np.all(np.abs(found - known) < 1e-9 + error)


def test_error_of_a_function_with_a_kink_covers_the_truth():
    # A callable that does not say it scales: the trapezoidal rule converges slowly.
    tuples = np.array([[0, 1, 2, 2], [0, 0, 1, 1]])
    covariance = gram(3, 2, seed=8)
    known, _, _ = product_averages(as_activation("relu"), covariance, tuples, Q)
    function = as_activation(lambda z: np.maximum(z, 0.0))
    some = Quadrature(max_nodes=100_000)
    found, error, _ = product_averages(function, covariance, tuples, some)
    assert np.all(np.abs(found - known) < 3 * error)
    assert np.all(error < 1e-3 * known)


def test_a_kink_that_is_known_is_cut():
    hard = as_activation(lambda z: np.clip(z, -1, 1), kinks=(-1.0, 1.0))
    net = OneHiddenLayer(hard, width=2, sigma_w=1.3, sigma_b=0.4)
    x, y = np.array([[0.7, -0.2], [0.1, 0.9]])[:, None]
    # <phi(u) phi(v)> of correlated variables: the integral over v given u in closed form.
    kxx, kxy, kyy = (
        float(net.covariance(np.concatenate(p))[0, 1]) for p in ((x, x), (x, y), (y, y))
    )
    sd = np.sqrt(kyy - kxy**2 / kxx)

    def given(u):
        m, (low, high) = kxy / kxx * u, ((-1 - kxy / kxx * u) / sd, (1 - kxy / kxx * u) / sd)
        inside = m * (ndtr(high) - ndtr(low)) + sd * (norm.pdf(low) - norm.pdf(high))
        return np.clip(u, -1, 1) * (inside - ndtr(low) + ndtr(-high)) * norm.pdf(u, scale=kxx**0.5)

    known, _ = quad(given, -14, 14, points=[-1, 1], epsabs=1e-14, limit=200)
    found = net.kernel(x, y)
    assert float(found) == pytest.approx(known, abs=1e-9)
    # One point: <phi^4> / <phi^2>^2 from moments of a clipped normal variable.
    (excess,) = OneHiddenLayer(hard, width=3).excess_kurtosis([2.0])
    second, fourth = (
        quad(lambda u, n=n: np.clip(u, -1, 1) ** n * norm.pdf(u, scale=2), -25, 25, points=[-1, 1])[
            0
        ]
        for n in (2, 4)
    )
    assert excess.value == pytest.approx(fourth / second**2 - 1, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "sigma_w"),
    [
        ("tanh", 1.7),
        ("tanh", 100.0),
        ("erf", 1.7),
        ("erf", 100.0),
        ("gelu", 1.7),
        ("silu", 1.7),
        ("sin", 1.7),
        ("leaky_relu:0.2", 1.7),
    ],
)
def test_kernel_against_nested_adaptive_quadrature(name, sigma_w):
    net = OneHiddenLayer(name, width=2, sigma_w=sigma_w, sigma_b=0.3)
    x = np.array([[0.4, -1.0], [0.9, 0.8]])
    k, phi = net.covariance(x), as_activation(name)
    c = k[0, 1] / np.sqrt(k[0, 0] * k[1, 1])
    known, error = pair_average(phi, phi, k[0, 0], k[1, 1], c, kinks=(phi.kinks, phi.kinks))
    found = net.kernel(x).values[0, 1]
    assert abs(found - known) < 1e-9 * max(1.0, abs(known)) + error


def test_rules_have_the_moments_of_normal_variables():
    for dimension, rows in ((1, 1), (2, 2), (3, 3), (4, 4)):
        for level in (0, 2):
            nodes, weights = product_rule(dimension, level, 10**6)
            assert weights.sum() == pytest.approx(1, rel=1e-12)
            fourth = weights @ nodes**4
            assert fourth == pytest.approx(np.full(rows, 3.0), rel=2e-4 if level == 0 else 1e-7)
    assert product_rule(4, 9, 10**6) is None
    for rank in (1, 2, 3):
        directions = np.random.default_rng(rank).normal(size=(5, rank))
        nodes, weights = homogeneous_rule(directions, 4, 1)
        assert np.linalg.norm(nodes, axis=1) == pytest.approx(np.ones(len(nodes)))
        assert weights @ nodes[:, 0] ** 4 == pytest.approx(3, rel=1e-9)


def test_large_variance():
    # tanh(100 z) is nearly a sign: <phi^4> / <phi^2>^2 - 1 = 8 / (3 sqrt(2 pi) 100) to this order.
    (found,) = TanhNet(width=3, sigma_w=100.0).excess_kurtosis([1.0])
    second = 1 - 2 / (np.sqrt(2 * np.pi) * 100)  # <sech^2> = 2 p(0) / 100
    fourth = second - 2 / 3 / (np.sqrt(2 * np.pi) * 100)
    assert found.value == pytest.approx(fourth / second**2 - 1, rel=2e-4)
    assert found.error < 1e-10


# Correlators.


@pytest.mark.parametrize("kind", EVERY)
def test_tensor_is_symmetric_and_agrees_with_single_points(kind):
    net = kind(width=6, output_sigma_b=0.4)
    x = np.array([[0.2, -0.5], [1.0, 0.3], [-0.4, 0.9]])
    for order in (2, 4, 6):
        tensor = net.cumulant_tensor(x, order)
        values = np.asarray(tensor)
        assert values.shape == (3,) * order
        assert values == pytest.approx(np.swapaxes(values, 0, order - 1), abs=0)
        at = (0, 1, 2, 2, 0, 1)[:order]
        one = net.cumulant(x[list(at)], order)
        assert values[at] == pytest.approx(float(one), rel=1e-7, abs=1e-10)
    assert np.asarray(net.kernel(x)) == pytest.approx(np.asarray(net.cumulant_tensor(x, 2)))
    assert net.kernel(x, x[:2]).values.shape == (3, 2)


@pytest.mark.parametrize("kind", EVERY)
def test_width_and_output_scale_are_exact_powers(kind):
    x = [0.3, 0.2, 0.9, 1.1, 0.6, 0.4]
    net = kind(width=5)
    other = kind(width=20, output_sigma_w=3.0)
    for order in (4, 6):
        ratio = float(other.cumulant(x[:order], order)) / float(net.cumulant(x[:order], order))
        assert ratio == pytest.approx(3.0**order * 4 ** (1 - order / 2), rel=1e-9)
    assert net.with_width(20).width == 20


@pytest.mark.parametrize("kind", [ReLUNet, ErfNet, TanhNet])
def test_constant_neurons_are_normal(kind):
    # Without spread of the hidden parameters h = v phi(0): nothing, but for the output bias.
    net = kind(width=3, sigma_w=0.0, output_sigma_b=0.5)
    assert np.asarray(net.kernel([1.0, 2.0])) == pytest.approx(np.full((2, 2), 0.25))
    assert float(net.cumulant6([1.0] * 6)) == 0
    constant = OneHiddenLayer("cos", width=3, sigma_w=0.0)
    assert abs(float(constant.cumulant4([1.0, 0.0, 2.0, 3.0]))) < 1e-15


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_an_input_that_all_neurons_ignore(d):
    x = np.concatenate([np.zeros((1, d)), np.eye(d), np.ones((1, d))])
    tensor = ReLUNet(width=3).cumulant_tensor(x, 4).values
    assert np.all(tensor[0] == 0)
    assert np.all(tensor[1, 1, 1, 1] > 0)
    rest = ReLUNet(width=3).cumulant_tensor(x[1:], 4).values
    assert tensor[1:, 1:, 1:, 1:] == pytest.approx(rest, abs=1e-9)


def test_repeated_points_are_one_variable():
    x = np.random.default_rng(3).normal(size=(4, 5))
    again = x[[2, 0, 0, 1, 3, 2]]
    found = ReLUNet(width=3).cumulant6(again)
    assert "quadrature" in found.method
    assert float(ReLUNet(width=3).cumulant6(again[::-1])) == pytest.approx(float(found), rel=1e-9)
    few = Quadrature(max_nodes=400_000, shifts=4)
    smooth = TanhNet(width=3, sigma_w=0.5, quadrature=few).cumulant6(again)
    assert smooth.method == "4-dimensional quadrature"
    sorted_first = ReLUNet(width=3).cumulant_tensor(x, 6).values[0, 0, 1, 2, 2, 3]
    assert float(ReLUNet(width=3).cumulant6(again)) == pytest.approx(sorted_first, rel=1e-7)


def test_batches_of_points():
    net = ErfNet(width=4, sigma_b=0.3)
    sets = np.random.default_rng(2).normal(size=(3, 4, 2))
    batch = net.cumulant4(sets)
    assert batch.values.shape == (3,)
    assert batch.values[1] == pytest.approx(float(net.cumulant4(sets[1])))
    assert net.cumulant6([0.1] * 6).order == 6


def test_eight_points_of_a_gaussian_scale():
    # kappa_8 of h = v f with constant f vanishes; with a Cos-net the generic sum gives that of
    # 105 (35/128) - 28 * 15 * 3 ... by recursion of one-dimensional cumulants.
    moments = [0.5, 3 * 3 / 8, 15 * 5 / 16, 105 * 35 / 128]
    m2, m4, m6, m8 = moments
    known = m8 - 28 * m6 * m2 - 35 * m4**2 + 420 * m4 * m2**2 - 630 * m2**4
    found = CosNet(width=2).cumulant([0.7] * 8, 8)
    assert float(found) == pytest.approx(known / 8, rel=1e-11)


def test_mixture_without_spread_is_the_layer():
    net, x = ErfNet(width=3, output_sigma_b=0.2), [0.1, 0.5, -0.3, 1.0]
    mixed = ScaleMixture(net, alpha=0.0)
    assert float(mixed.cumulant4(x)) == pytest.approx(float(net.cumulant4(x)), rel=1e-11)
    assert float(mixed.independent_prediction(x)) == pytest.approx(float(net.cumulant4(x)))
    assert np.asarray(mixed.kernel(x)) == pytest.approx(np.asarray(net.kernel(x)))
    assert mixed.with_width(9).layer.width == 9
    phi = one_hidden_layer(mixed, x, n_networks=10, rng=1)
    assert np.array_equal(phi, one_hidden_layer(net, x, n_networks=10, rng=1))


def test_correlator_as_array_number_and_text():
    net = CosNet(width=10)
    one = net.cumulant4([0.0] * 4)
    assert float(one) == pytest.approx(0.0375)
    assert str(one).splitlines() == [
        "G_c^(4) of Cos-net (sigma_w = 1, output 1), N = 10, closed form",
        "               0.0375",
    ]
    tensor = net.cumulant_tensor([0.0, 1.0], 4)
    assert len(str(tensor).splitlines()) < 20
    assert "16 in all" in str(tensor)
    frame = tensor.to_dataframe()
    assert list(frame.columns) == ["i0", "i1", "i2", "i3", "value", "error"]
    assert len(frame) == 16
    with pytest.raises(ValueError, match="read-only"):
        tensor.values[0] = 1.0
    with pytest.raises(ArgumentError, match="single correlator"):
        float(tensor)
    assert np.asarray(tensor, dtype=np.float32).dtype == np.float32


def test_unconverged_quadrature_is_flagged_and_its_error_honest():
    # erf that does not say its name: the truth comes from products of signs.
    x = np.random.default_rng(4).normal(size=(4, 6))
    fine = ErfNet(width=3, sigma_w=9.0).cumulant4(x)
    unnamed = OneHiddenLayer(
        lambda z: as_activation("erf")(z),
        width=3,
        sigma_w=9.0,
        quadrature=Quadrature(max_nodes=2000, shifts=4),
    )
    rough = unnamed.cumulant4(x)
    assert rough.method == "quasi-random"
    assert not fine.flag
    assert abs(float(rough) - float(fine)) < 3 * rough.errors
    # Exponentials of large variance in six dimensions: a few nodes make the average.
    few = Quadrature(max_nodes=1000, shifts=4)
    heavy = OneHiddenLayer(lambda z: np.exp(z), width=3, sigma_w=3.0, quadrature=few)
    coarse = heavy.cumulant6(np.eye(6) * 2)
    assert coarse.method == "quasi-random"
    assert "not converged" in coarse.flag
    assert "flag" in str(coarse)
    overflow = GaussNet(width=3, sigma_w=40.0).cumulant4([9.0] * 4)
    assert "double precision" in overflow.flag


# Sampling.


@pytest.mark.parametrize("kind", EVERY)
def test_draws_do_not_depend_on_workers(kind):
    net, x = kind(width=40), [0.1, 0.7]
    runs = [one_hidden_layer(net, x, n_networks=5000, rng=3, workers=w) for w in (1, 2, 5)]
    assert all(np.array_equal(runs[0], run) for run in runs[1:])
    neurons = one_hidden_layer_neurons(net, x, n_networks=5000, rng=3)
    assert neurons.sum(axis=1) / np.sqrt(40) == pytest.approx(runs[0], rel=1e-12, abs=1e-12)
    assert not np.array_equal(runs[0], one_hidden_layer(net, x, n_networks=5000, rng=4))


# Measured.


def test_measured_correlators_accepts_what_was_streamed_and_prints():
    net, x = CosNet(width=2), [0.0, 0.8]
    phi = one_hidden_layer(net, x, n_networks=4000, rng=1)
    direct = measured_correlators(phi, order=4, architecture=net, inputs=x)
    streamed = measured_correlators(joint_cumulants(phi, 4), architecture=net, inputs=x)
    assert np.array_equal(direct.values(4), streamed.values(4))
    assert direct.predicted[3] == pytest.approx(
        [float(net.cumulant4([x[i] for i in row])) for row in direct.cumulants.indices(4)]
    )
    free = measured_correlators(phi, order=4)
    assert np.isnan(free.p_value(2))
    assert free.p_value(4) < direct.p_value(4)
    assert "against a free theory" in str(free)
    assert len(str(direct).splitlines()) < 20
    frame = direct.to_dataframe()
    assert {"value", "error", "predicted", "sigmas"} <= set(frame.columns)
    assert len(frame) == 2 + 3 + 4 + 5


def test_heavy_tails_are_flagged():
    net = GaussNet(width=2, sigma_b=1.0)
    phi = one_hidden_layer(net, [0.0], n_networks=2000, rng=1)
    found = measured_correlators(phi, order=4, architecture=net, inputs=[0.0])
    assert "tails too heavy" in found.estimate(0, 0, 0, 0).flag
    assert "tails too heavy" in str(found)


def test_tables_and_texts_of_the_tests():
    net = CosNet(width=4)
    clusters = cluster_test(net, [0.0, 3.0], n_networks=2000, rng=1)
    assert list(clusters.to_dataframe()["separation"]) == [0.0, 3.0]
    assert "does not obey" in str(clusters)
    relu = cluster_test(ReLUNet(width=4), [0.0, 3.0], points=[1.0] * 4)
    assert "still correlated" in relu.flag
    shifts = translation_test(net, [0.0] * 4, [1.0], n_networks=2000, rng=1)
    assert "invariant under translations" in str(shifts)
    assert len(shifts.to_dataframe()) == 1
    given = translation_test(
        net, [0.0] * 4, [1.0], samples=np.random.default_rng(1).normal(size=(99, 8))
    )
    assert given.n_networks == 99
    widths = width_scaling(net, [0.0] * 4, [4, 8])
    assert widths.fit is None
    assert list(widths.to_dataframe()["predicted"]) == pytest.approx([3 / 32, 3 / 64])
    noisy = width_scaling(net, [0.0] * 4, [64, 128, 256], n_networks=200, rng=1)
    assert noisy.fit is None
    assert "cannot be told" in str(noisy)
    neurons = one_hidden_layer_neurons(net, [0.0, 1.0], n_networks=200, rng=1)
    split = measured_neurons(neurons)
    assert "no dependence" in str(split)
    assert len(split.to_dataframe()) == 14


# What is refused.


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CosNet(width=1), "width must be an integer of at least 2"),
        (lambda: CosNet(width=2, sigma_w=-1.0), "sigma_w must not be negative"),
        (lambda: ReLUNet(width=2, sigma_b=float("nan")), "sigma_b must be a finite"),
        (lambda: GaussNet(width=2, output_sigma_b=-0.1), "output_sigma_b must not be negative"),
        (lambda: OneHiddenLayer("no", width=2), "activation must be one of"),
        (lambda: OneHiddenLayer(lambda z: z[0], width=2), "vectorised"),
        (lambda: OneHiddenLayer(lambda z: np.log(z), width=2), "finite"),
        (lambda: Quadrature(tolerance=0.0), "tolerance must lie"),
        (lambda: Quadrature(max_nodes=1), "max_nodes"),
        (lambda: CosNet(width=2).cumulant4([0.0, 1.0]), r"shape \(4, d\)"),
        (lambda: CosNet(width=2).cumulant([0.0] * 3, 3), "odd correlators vanish"),
        (lambda: CosNet(width=2).cumulant([0.0] * 10, 10), "from 2 to 8"),
        (lambda: CosNet(width=2).kernel([[0.0, 1.0]], [[0.0]]), "one dimension"),
        (lambda: CosNet(width=2).kernel(np.zeros((2, 2, 2))), r"shape \(k, d\)"),
        (lambda: CosNet(width=2).kernel("a"), "real numbers"),
        (lambda: CosNet(width=2).kernel([]), "one row for each"),
        (lambda: ScaleMixture(CosNet(width=2), alpha=-1.0), "alpha must not be negative"),
        (lambda: ScaleMixture("net", alpha=1.0), "independent neurons"),
        (lambda: four_point_terms({(2,): 1.0}, 1), "width"),
        (lambda: four_point_terms({(5,): 1.0}, 4), "keys such as"),
        (lambda: measured_neurons(np.zeros((30, 1))), "width of at least two"),
        (lambda: one_hidden_layer("net", [0.0], n_networks=2), "draw_neurons"),
        (lambda: one_hidden_layer(CosNet(width=2), [0.0], n_networks=0), "n_networks"),
        (lambda: translation_test(CosNet(width=2), [0.0] * 4, [[0.0, 1.0]]), "dimension"),
        (lambda: cluster_test(CosNet(width=2), [1.0, 0.0]), "ascend"),
        (lambda: cluster_test(CosNet(width=2), [1.0], points=[0.0]), "four or six"),
        (
            lambda: cluster_test(CosNet(width=2), [1.0], samples=np.zeros((50, 3))),
            "one column for each",
        ),
        (lambda: width_scaling(CosNet(width=2), [0.0] * 4, []), "got none"),
        (lambda: width_scaling(CosNet(width=2), [0.0] * 4, [1]), "width"),
        (lambda: width_scaling(CosNet(width=2), [0.0] * 2, [4]), "four or six"),
        (
            lambda: measured_correlators(np.zeros((99, 1)), architecture=CosNet(width=2)),
            "inputs must be given",
        ),
        (
            lambda: measured_correlators(
                np.zeros((99, 2)), architecture=CosNet(width=2), inputs=[0.0]
            ),
            "2 points",
        ),
        (lambda: measured_correlators(np.zeros((99, 2)), order=7), "order"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: CosNet(width=2).kernel([np.nan]), NonFiniteError, "finite"),
        (lambda: CosNet(width=2).cumulant_tensor(np.zeros(60), 6), AnalysisError, "fewer points"),
        (lambda: ReLUNet(width=2).excess_kurtosis([0.0]), AnalysisError, "finite fluctuations"),
        (lambda: TanhNet(width=2).kernel([1e200]), AnalysisError, "double precision"),
        (lambda: GaussNet(width=2).excess_kurtosis([1e3]), AnalysisError, "finite fluctuations"),
        (lambda: measured_neurons(np.zeros((5, 3))), AnalysisError, "at least 20 networks"),
        (lambda: measured_neurons(np.full((50, 3), np.inf)), NonFiniteError, "finite"),
        (lambda: measured_correlators(np.zeros((5, 1))), AnalysisError, "at least"),
        (
            lambda: one_hidden_layer(
                OneHiddenLayer("linear", width=2, sigma_w=1e200, output_sigma_w=1e200),
                [1.0],
                n_networks=9,
                rng=1,
            ),
            NonFiniteError,
            "overflows",
        ),
        (
            lambda: cluster_test(CosNet(width=2), [1.0], samples=np.full((50, 4), np.nan)),
            NonFiniteError,
            "finite",
        ),
        (
            lambda: cluster_test(CosNet(width=2), [1.0], n_networks=5, rng=1),
            AnalysisError,
            "at least",
        ),
    ],
)
def test_bad_numbers(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_an_output_that_vanishes_has_no_correlation_to_fall_off():
    with pytest.raises(AnalysisError, match="constant at one of the first two points"):
        cluster_test(ReLUNet(width=16), [1.0, 2.0])


def test_six_points_in_six_dimensions_have_an_honest_error():
    # Products of four factors are there no better than the one of six.
    x = np.random.default_rng(6).normal(size=(6, 6))
    exact = ErfNet(width=10).cumulant6(x)
    rough = Quadrature(max_nodes=400_000)
    found = OneHiddenLayer(lambda z: erf(z), width=10, quadrature=rough).cumulant6(x)
    assert found.method == "quasi-random"
    assert abs(found.values - exact.values) < 4 * found.errors + exact.errors


def test_a_cumulant_that_vanishes_is_not_called_unconverged():
    found = CosNet(width=10).cumulant6([0.3] * 6)
    assert found.flag == ""
    assert abs(found.values) <= found.errors < 1e-14


def test_no_shift_is_no_change():
    found = translation_test(
        CosNet(width=8), [0.0, 0.5, 1.0, 0.2], [0.0, 1.0], n_networks=500, rng=1
    )
    assert found.sigmas()[0] == found.formula_sigmas()[0] == 0
    assert found.measured_errors[1] > 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: cluster_test("Cos-net", [0.0, 1.0]),
        lambda: translation_test(None, [0.0] * 4, [1.0]),
        lambda: width_scaling([], [0.0] * 4, [4, 8]),
        lambda: measured_correlators(np.ones((100, 1)), architecture="Cos-net", inputs=[0.0]),
        lambda: width_scaling(CosNet(width=8), [0.0] * 4, 8),
        lambda: cluster_test(CosNet(width=8), [0.0, 1.0], samples="abc"),
        lambda: cluster_test(CosNet(width=8), [0.0, 1.0], n_networks=10**30),
    ],
)
def test_what_is_no_network_or_sample_is_named(call):
    with pytest.raises(ArgumentError):
        call()


def test_a_function_that_has_the_name_of_another_is_itself():
    def sin(z):
        return np.sin(2 * z)

    covariance, pairs = np.array([[1.0, 0.3], [0.3, 0.5]]), np.array([[0, 1]])
    value, _, _ = product_averages(as_activation(sin), covariance, pairs, Quadrature())
    # <sin 2x sin 2y> = exp(-2 (v_x + v_y)) sinh(4 c) of Gaussians of variances v, covariance c.
    np.testing.assert_allclose(value, np.exp(-2 * 1.5) * np.sinh(4 * 0.3), rtol=1e-8)
