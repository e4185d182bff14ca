"""Ensembles of random networks against exact laws, and drawn by the law against by weights."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from nnrg.activation_functions import as_activation
from nnrg.simulate.architectures import ConvolutionalNetwork, DenseNetwork
from nnrg.simulate.ensembles import random_networks
from nnrg.simulate.percolation import directed_percolation

ONE = np.array([[1.0, -0.4, 0.7]])
TWO = np.array([[1.0, 0.5, -0.3], [0.2, 1.0, 0.8]])
WIDTH, OUTPUT, PERCOLATION = (
    "Random networks of finite width",
    "Random networks, one hidden layer",
    "Directed percolation",
)


def average(function, *variances):
    """<f(z)> of independent normal z to 1e-10, one after another."""
    nodes, weights = special.roots_hermitenorm(200)
    weights = weights / weights.sum()
    grids = np.meshgrid(*[np.sqrt(v) * nodes for v in variances], indexing="ij")
    total = np.asarray(function(*grids))
    for _ in variances:
        total = np.tensordot(weights, total, axes=(0, 0))
    return float(total)


@pytest.mark.parametrize(("name", "slope"), [("linear", 2), ("relu", 5)])
@pytest.mark.parametrize(("width", "depth"), [(16, 4), (64, 8), (256, 8)])
def test_second_moment_of_the_metric(name, slope, width, depth, checked):
    """E[K^2] / E[K]^2 = (1 + s / n)^T at any width; six numbers within 4.5 errors, 4e-5."""
    sigma_w = {"linear": 1.0, "relu": 2**0.5}[name]
    net = DenseNetwork(name, sigma_w, width=width, depth=depth, n_outputs=0)
    found = random_networks(net, ONE, 200_000, rng=width).relative_variance(depth)
    quantity = f"E[K^2] / E[K]^2, {name}, n = {width}, T = {depth}"
    expected = (1 + slope / width) ** depth
    checked(WIDTH, quantity, expected, 1 + found.value, found.error, within=4.5)
    assert found.error < 0.03 * expected


@pytest.mark.parametrize("name", ["relu", "leaky_relu:0.3", "linear"])
def test_mean_logarithm_of_the_metric(name):
    """E ln K of one scale-invariant layer: the mean logarithm of chi-square numbers, exactly.

    Of n neurons m are above zero, with a binomial law; within 4.5 errors, 2e-5 in all.
    """
    below, above = as_activation(name).slopes
    n, total, mass = 6, 0.0, 0.0
    for m in range(n + 1):
        chance = special.comb(n, m) / 2**n
        up, down = above**2, below**2
        if up == down:
            value = np.log(up) + special.digamma(n / 2) + np.log(2)
        elif down == 0 or m in (0, n):
            count, factor = (m, up) if m else (n, down)
            if factor == 0:
                continue
            value = np.log(factor) + special.digamma(count / 2) + np.log(2)
        else:

            def integrand(share, m=m, up=up, down=down):
                return np.log(up * share + down * (1 - share)) * stats.beta.pdf(
                    share, m / 2, (n - m) / 2
                )

            value = special.digamma(n / 2) + np.log(2) + integrate.quad(integrand, 0, 1)[0]
        total, mass = total + chance * value, mass + chance
    net = DenseNetwork(name, width=n, n_outputs=0)
    found = random_networks(net, [[1.0]], 100_000, rng=3)
    one = found.log_metric(1)
    assert abs(one.value - (total / mass - np.log(n))) < 4.5 * one.error < 0.03
    # Silent networks: all neurons of a ReLU layer below zero.
    silent = found.n_networks - found.alive[1]
    chance = 2.0**-n if below == 0 else 0.0
    assert 1e-5 < stats.binom.cdf(silent, found.n_networks, chance)
    assert 1e-5 < stats.binom.sf(silent - 1, found.n_networks, chance)


@pytest.mark.parametrize("name", ["tanh", "gelu", "erf", "sin", "relu"])
@pytest.mark.parametrize("method", ["layer law", "weights"])
def test_metric_after_one_layer(name, method):
    """Means and covariances of the Gram matrix of two inputs: one layer is iid over neurons.

    Six numbers for each of ten cases within 5 errors: false-alarm rate 4e-5 in all.
    """
    sigma_w, sigma_b, n = 1.3, 0.4, 8
    size = 100_000 if method == "layer law" else 8000
    net = DenseNetwork(name, sigma_w, sigma_b, width=n, n_outputs=0)
    found = random_networks(net, TWO, size, rng=4, method=method)
    k = sigma_w**2 / 3 * TWO @ TWO.T + sigma_b**2
    root, phi = np.linalg.cholesky(k), as_activation(name)

    def product(*powers):
        def function(u, v):
            first = phi(root[0, 0] * u)
            return first ** powers[0] * phi(root[1, 0] * u + root[1, 1] * v) ** powers[1]

        return average(function, 1.0, 1.0)

    def entry(a, b):
        return (a == 0) + (b == 0), (a == 1) + (b == 1)

    # A kink costs the quadrature digits; it is then good to 1e-3, far below the errors here.
    pairs = [(0, 0), (0, 1), (1, 1)]
    for a, b in pairs:
        one = found.metric(1, a, b)
        expected = sigma_w**2 * product(*entry(a, b)) + sigma_b**2
        assert abs(one.value - expected) < 5 * one.error + 1e-4 * (name == "relu")
    for p in pairs:
        q = (1, 1) if p == (0, 0) else p
        powers = np.add(entry(*p), entry(*q))
        covariance = product(*powers) - product(*entry(*p)) * product(*entry(*q))
        one = found.metric_covariance(1, p, q)
        expected = sigma_w**4 / n * covariance
        assert abs(one.value - expected) < 5 * one.error + 1e-4 * (name == "relu")


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu"])
@pytest.mark.parametrize("residual", [0.0, 0.7])
def test_the_law_of_layers_is_that_of_weights(name, residual):
    """Two samples of every entry of the metric and of the outputs, three layers deep.

    Kolmogorov-Smirnov, five tests for each of six cases at 1e-5: false-alarm rate 3e-4 in all.
    """
    net = DenseNetwork(name, 1.5, 0.3, width=5, depth=3, n_outputs=1, residual=residual)
    law, weights = (
        random_networks(net, TWO, n, rng=5, method=method, keep=("metrics", "outputs"))
        for n, method in ((100_000, "layer law"), (5000, "weights"))
    )
    for p in range(3):
        a, b = law.metric_samples[:, 3, p], weights.metric_samples[:, 3, p]
        assert stats.ks_2samp(a, b).pvalue > 1e-5
    for a in range(2):
        pair = law.output_samples[:, 0, a], weights.output_samples[:, 0, a]
        assert stats.ks_2samp(*pair).pvalue > 1e-5


def test_mean_and_variance_by_law_and_by_weights(checked):
    """tanh, N = 64, depth 4: mean and N Var of the metric agree; within 4 errors, 1e-4."""
    net = DenseNetwork("tanh", 1.0, 0.0, width=64, depth=4, n_outputs=0)
    law = random_networks(net, ONE, 100_000, rng=6)
    weights = random_networks(net, ONE, 3000, rng=7, method="weights")
    for found, quantity in (
        ([r.metric(4) for r in (law, weights)], "mean metric by law - by weights, tanh, n = 64"),
        (
            [r.relative_variance(4) for r in (law, weights)],
            "Var K / K^2 by law - by weights, tanh, n = 64",
        ),
    ):
        error = np.hypot(found[0].error, found[1].error)
        checked(WIDTH, quantity, 0.0, found[0].value - found[1].value, error)
        assert error < 0.04 * found[0].value


@pytest.mark.parametrize(
    ("name", "sigma_w", "expected"),
    [("relu", 2**0.5, 15.0), ("tanh", 1.0, 1.88187242), ("erf", 1.0, 1.67951563)],
)
@pytest.mark.parametrize("width", [16, 64])
def test_excess_kurtosis_of_an_output(name, sigma_w, expected, width, checked):
    """N times the excess kurtosis at q = 1, exact at any width; six numbers, 4.5 errors, 4e-5."""
    sigmas = [1.0, sigma_w]
    net = DenseNetwork(name, sigmas, 0.0, width=width)
    found = random_networks(net, [[1.0]], 200_000, rng=width)
    one = found.excess_kurtosis()
    quantity = f"N x excess kurtosis of the output, {name}, N = {width}"
    checked(OUTPUT, quantity, expected, width * one.value, width * one.error, within=4.5)
    # The same from the outputs themselves, one a network: far less precise.
    raw = found.outputs
    ratio = raw.replicates.select([raw.place(0, 0), raw.place(0, 0, 0, 0)])
    plain = ratio.map(lambda v: v[1:] / v[:1] ** 2).estimates()[0]
    assert abs(plain.value - expected / width) < 4.5 * plain.error
    assert plain.error > 3 * one.error


def test_correlators_of_outputs_and_of_metrics():
    """Direct and conditional estimates agree, all inputs and outputs to sixth order.

    Chi^2 of the differences, correlated among each other, is not used: of 203 pulls none beyond 5,
    false-alarm rate 1e-4.
    """
    net = DenseNetwork("relu", 2**0.5, 0.2, width=6, depth=1, n_outputs=2)
    found = random_networks(net, TWO, 100_000, order=6, rng=8)
    pulls = []
    for order in (2, 4, 6):
        for row in found.outputs.indices(order):
            direct = found.outputs.estimate(*map(int, row))
            other = found.correlator(*[(int(v) // 2, int(v) % 2) for v in row])
            pulls.append((direct.value - other.value) / np.hypot(direct.error, other.error))
    assert len(pulls) == 129 and np.abs(pulls).max() < 5


@pytest.mark.parametrize(("weights", "kurtosis"), [("uniform", -1.2), ("student:12", 0.75)])
def test_other_weights(weights, kurtosis):
    """Linear layer: n Var K / K^2 = 2 + kappa_4(z) / K^2, kappa_4(z) that of the weights.

    Within 4.5 errors; a normal layer, with 2 for both, is more than 5 errors off.
    """
    x = np.array([[1.0, 0.5, -2.0]])
    net = DenseNetwork("linear", width=8, n_outputs=0, weights=weights)
    found = random_networks(net, x, 12_000, rng=9)
    excess = kurtosis * np.sum(x**4) / np.sum(x**2) ** 2
    one = found.relative_variance(1)
    assert abs(8 * one.value - 2 - excess) < 4.5 * 8 * one.error < abs(excess) * 4.5 / 5


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_the_law_of_layers_of_a_ring_is_that_of_weights(name):
    """Kolmogorov-Smirnov, five tests for each of two cases at 1e-5: 1e-4 in all."""
    x = np.random.default_rng(1).normal(size=(2, 4))
    net = ConvolutionalNetwork(name, 1.5, 0.3, positions=4, width=5, depth=3, n_outputs=1)
    law, weights = (
        random_networks(net, x, 5000, rng=rng, method=method, keep=("metrics", "outputs"))
        for rng, method in ((15, "layer law"), (16, "weights"))
    )
    for p in range(3):
        a, b = law.metric_samples[:, 3, p], weights.metric_samples[:, 3, p]
        assert stats.ks_2samp(a, b).pvalue > 1e-5
    for a in range(2):
        pair = law.output_samples[:, 0, a], weights.output_samples[:, 0, a]
        assert stats.ks_2samp(*pair).pvalue > 1e-5


def test_a_ring_of_one_position_is_a_dense_network():
    """Kolmogorov-Smirnov at 1e-5."""
    ring = ConvolutionalNetwork(
        "tanh", 1.3, 0.2, positions=1, kernel_size=1, width=6, depth=3, n_outputs=1
    )
    dense = DenseNetwork("tanh", 1.3, 0.2, width=6, depth=3)
    one = random_networks(ring, ONE[:, :, None], 6000, rng=10, keep="metrics")
    two = random_networks(dense, ONE, 60_000, rng=11, keep="metrics")
    pair = one.metric_samples[:, 3, 0], two.metric_samples[:, 3, 0]
    assert stats.ks_2samp(*pair).pvalue > 1e-5


def test_metrics_of_a_linear_ring_diffuse():
    """The mean metric at a position is that of the layer before, averaged over the kernel.

    Linear, sigma_w = 1: exact at any width; 48 numbers within 5 errors, 3e-5.
    """
    x = np.zeros((1, 16))
    x[0, 3] = 4.0
    ring = ConvolutionalNetwork("linear", positions=16, width=8, depth=3, n_outputs=0)
    found = random_networks(ring, x, 4000, rng=12)
    profile = x[0] ** 2
    for t in range(3):
        profile = sum(np.roll(profile, s) for s in (-1, 0, 1)) / 3
        local = found.local_metrics[t]
        away = np.abs(local.values(1) - profile)
        assert np.all(away <= 5 * local.errors(1) + 1e-12)
    assert found.metric(3).value == pytest.approx(1.0, abs=5 * found.metric(3).error)


def test_perturbations_of_convolutional_networks_are_not_local_as_in_percolation():
    """Relative variance of the mean over a ring eight times as long: 0.79(2) of it, and 0.13(3).

    Shared weights move all positions together; noise at single sites leaves an eighth. Five and ten
    standard deviations of repeated runs from the bounds.
    """

    def of_networks(positions):
        net = ConvolutionalNetwork("tanh", 1.6, 0.3, positions=positions, width=8, depth=32)
        inputs = np.random.default_rng([0, positions]).normal(size=(2, 8, positions))
        found = random_networks(net, inputs, 400, method="weights", keep="metrics", rng=0)
        k = found.metric_samples[:, -1]
        apart = 1 - 2 * k[:, 1] / (k[:, 0] + k[:, 2])
        return apart.var() / apart.mean() ** 2

    def of_percolation(sites):
        density = directed_percolation(sites, 400, [32], rng=0).density
        return float((density.errors() / density.values)[0]) ** 2

    assert of_networks(128) / of_networks(16) > 0.5
    assert of_percolation(128) / of_percolation(16) < 0.3


@pytest.mark.slow
def test_percolation_decays_with_the_known_exponent(checked):
    """delta = 0.159464(6) from t = 64 to 4096; within 4 errors, false-alarm rate 6e-5."""
    times = np.unique(np.rint(2 ** np.arange(4, 12.01, 0.5)).astype(int))
    decay = directed_percolation(1 << 18, 48, times, rng=13)
    fit = decay.exponent(first=64)
    assert fit.p > 1e-3
    found = fit.estimate("delta")
    checked(
        PERCOLATION, "delta, 1 + 1 dimensions", 0.159464, found.value, found.error,
        uncertainty=6e-6, source="Hinrichsen 2000",
    )  # fmt: skip
    assert found.error < 6e-4
    # Above the critical point the density stays, below it dies out.
    for p, sign in ((0.655, 1), (0.634, -1)):
        other = directed_percolation(1 << 15, 10, times, probability=p, rng=14)
        slope = other.exponent(first=512).estimate("delta")
        assert sign * (0.159464 - slope.value) > 10 * slope.error
