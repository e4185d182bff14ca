"""The flow of synaptic vertices, and of weights that were really trained, scale by scale.

Statistical tests: numbers within 4 or 4.5 errors of their jackknife, seeds fixed; with new seeds
one run in about a thousand would fail.
"""

from itertools import permutations, product
from math import factorial

import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError
from nnrg.lattice import Lattice
from nnrg.simulate.training import (
    CosineDecay,
    GradientDescent,
    HeavyBall,
    Nesterov,
    Recording,
    exponential_inputs,
    perceptron,
    train,
)
from nnrg.theory.synaptic._elimination import block_modes, eliminate, inverse_kernel
from nnrg.theory.synaptic._label_noise import beyond_quadratic
from nnrg.theory.synaptic._tree import loop_couplings, series_powers, tree_couplings
from nnrg.theory.synaptic.coarse_graining import coarse_grain_vertices
from nnrg.theory.synaptic.perceptron import perceptron_vertices
from nnrg.theory.synaptic.support_law import relaxed_law
from nnrg.theory.synaptic.trained_flow import compare_kernel_flow
from nnrg.theory.synaptic.trained_law import training_law

FLOW, LAW = "Synaptic fields, flow of vertices", "Synaptic fields, law of trained weights"
WEIGHT = "layers.0.weight"


def linear(x, y=None, **options):
    return perceptron_vertices(x, y, activation="linear", order=2, **options)


# Vertices beyond the quadratic one.


@pytest.fixture(scope="module")
def polynomial():
    """Two weights, a cost of sixth order in them, one mode to be eliminated."""
    rng = np.random.default_rng(1)
    x, factors = rng.normal(size=(9, 2)), np.zeros((7, 9))
    factors[2], factors[4] = 1 + rng.random(9), 0.5 + rng.random(9)
    factors[3], factors[5] = 0.4 * rng.normal(size=(2, 9))
    factors[6] = 0.3 * rng.random(9)
    return x, factors


def left_over(x, factors, radius=0.12, points=64):
    """Taylor coefficients n! c_n of the cost and of ln(its curvature) / 2 with the fast mode least.

    By Newton's method on a circle in the complex plane, and Cauchy's integral.
    """
    slow, fast = x @ [0.5**0.5, 0.5**0.5], x @ [0.5**0.5, -(0.5**0.5)]

    def derivative(h, k):
        terms = (factors[n] * h ** (n - k) / factorial(n - k) for n in range(max(k, 2), 7))
        return sum(terms)

    phi = radius * np.exp(2j * np.pi * np.arange(points) / points)
    tree, loop = [], []
    for s in phi:
        f = 0j
        for _ in range(60):
            h = slow * s + fast * f
            f -= (derivative(h, 1) * fast).mean() / (derivative(h, 2) * fast**2).mean()
        h = slow * s + fast * f
        tree.append(derivative(h, 0).mean())
        loop.append(np.log((derivative(h, 2) * fast**2).mean()) / 2)

    def numbers(values):
        return [
            factorial(n) * float((np.array(values) * phi ** (-n)).mean().real) for n in range(7)
        ]

    return numbers(tree), numbers(loop)


def test_vertices_with_exchange_and_one_loop(polynomial, checked):
    """V_3 .. V_6 of a field whose fast mode follows, and one loop of V_2, V_3, V_4."""
    x, factors = polynomial
    kernel = (x * factors[2, :, None]).T @ x / len(x)
    found = eliminate(inverse_kernel(kernel), np.full((1, 2), 0.5**0.5))
    powers = series_powers(x, factors, found.response, found.fast, 5)
    tree = tree_couplings(powers, factors)[:, 0]
    loop = loop_couplings(x, powers, factors, found.fast, 4)
    exact_tree, exact_loop = left_over(x, factors)
    assert found.kernel[0, 0] == pytest.approx(exact_tree[2], rel=1e-9)
    for n in (3, 4, 5, 6):
        checked(FLOW, f"V_{n} with exchange", exact_tree[n], tree[n - 3], rtol=1e-6)
    for n in (2, 3, 4):
        checked(FLOW, f"one loop of V_{n}", exact_loop[n], loop[n - 2], rtol=1e-6)
    assert loop[0] == pytest.approx(found.loop(x, factors[3], factors[4])[0, 0], rel=1e-12)


def test_vertices_of_white_and_of_correlated_data(checked):
    """Gaussian inputs, tanh at zero: V_4 = -8 <X^4>, V_6 = 136 <X^6>; V_4(I, I, J, J) beside it."""
    ring = Lattice(8, periodic=True)
    for name, length in (("white", 1e-2), ("exponential", 2.0)):
        data = exponential_inputs(2000, 8, correlation_length=length, rng=2)
        vertices = perceptron_vertices(data.inputs, order=6, sites=ring)
        for one in coarse_grain_vertices(vertices, levels=2).scales:
            modes = block_modes(ring, one.scale)
            variance = (modes @ data.covariance @ modes.T)[0]
            high = one.higher
            far = variance[len(modes) // 2]
            contact = high.contact_projected.estimates()
            for n, expected in ((4, -24 * variance[0] ** 2), (6, 2040 * variance[0] ** 3)):
                got = contact[n - 3]
                quantity = f"V_{n} at one block, {name} data, b = {one.scale}"
                checked(FLOW, quantity, expected, got.value, got.error, within=4.5)
            half = int(np.argmax(high.pairs.displacements.vectors))
            pair = high.pairs.profile.estimate(half)
            expected = -8 * (variance[0] ** 2 + 2 * far**2)
            quantity = f"V_4(I, I, J, J) half way round, {name} data, b = {one.scale}"
            checked(FLOW, quantity, expected, pair.value, pair.error, within=4.5)
            if name == "white":
                plateau = high.plateau()
                checked(FLOW, "plateau of V_4", 1 / 3, plateau.value, plateau.error, within=4.5)


def test_uniform_vertices_are_those_of_one_mode():
    """Projected, the uniform field is the same mode at every scale: V_n per block by its blocks."""
    x = np.random.default_rng(3).normal(size=(300, 8)) + 0.5
    vertices = perceptron_vertices(x, order=6)
    even = np.full(8, 8**-0.5)
    for one in coarse_grain_vertices(vertices, levels=3).scales:
        blocks = 8 // one.scale
        for n, got in zip(one.higher.orders, one.higher.uniform_projected.values, strict=True):
            expected = vertices.contract(*[even] * n).value * blocks ** (n / 2 - 1)
            assert got == pytest.approx(expected, rel=1e-9)
        # Nothing is eliminated at b = 1.
        if one.scale == 1:
            np.testing.assert_allclose(
                one.higher.uniform.values, one.higher.uniform_projected.values, rtol=1e-9
            )


def test_rate_of_the_tail_of_exponential_data(checked):
    """exp(-r / xi): b / xi for blocks projected; eliminated, arcosh(1 + b (cosh(1 / xi) - 1)).

    The inverse kernel couples neighbours alone, and so does that of blocks, of b times the mass.
    """
    xi, ring = 4.0, Lattice(128, periodic=True)
    data = exponential_inputs(4000, 128, correlation_length=xi, rng=22)
    exact = inverse_kernel(data.covariance)
    flow = coarse_grain_vertices(linear(data.inputs, sites=ring), levels=3, reach=32)
    frame = flow.to_dataframe().set_index(["scale", "scheme"])
    for b in (1, 2, 4):
        known = {"projected": b / xi, "eliminated": np.arccosh(1 + b * (np.cosh(1 / xi) - 1))}
        kernel = eliminate(exact, block_modes(ring, b)).kernel[0]
        ratio = float(np.log(kernel[2] / kernel[3]))
        checked(
            FLOW, f"rate of the eliminated kernel, b = {b}", known["eliminated"], ratio, rtol=1e-5
        )
        for scheme, rate in known.items():
            row = frame.loc[b, scheme]
            assert row["tail"] == "exponential"
            quantity = f"rate of the tail in blocks, {scheme}, b = {b}"
            checked(FLOW, quantity, rate, row["rate"], row["rate_error"], within=4.5)


# The law of trained weights.


@pytest.mark.parametrize(
    "optimiser",
    [
        GradientDescent(0.3),
        HeavyBall(0.1, 0.8),
        Nesterov(0.1, 0.8),
        GradientDescent(CosineDecay(0.4, 30)),
        HeavyBall(CosineDecay(0.2, 30), 0.7),
        Nesterov(CosineDecay(0.2, 30), 0.7),
    ],
)
def test_law_of_training_is_that_of_the_trainer(optimiser, checked):
    """Covariance from trained responses to each weight of the start and to each label."""
    rng = np.random.default_rng(4)
    n, p, steps = 6, 20, 25
    x, y = rng.normal(size=(p, n)), rng.normal(size=p)
    options = {"optimiser": optimiser, "steps": steps, "record": steps, "rng": 1}

    def last(outputs, targets, start):
        made = train(perceptron(n, outputs), (x, targets), initial={WEIGHT: start}, **options)
        return made.weights[WEIGHT][0, -1]

    left = last(n, np.zeros((p, n)), np.eye(n)).T
    labels = last(p, np.eye(p), np.zeros((p, n))).T
    taught = labels @ x
    law = training_law(
        linear(x, y), optimiser=optimiser, steps=steps, sigma_w=0.7, label_noise=0.5, teacher=0.3
    )
    expected = 0.7**2 / n * left @ left.T + 0.5**2 * labels @ labels.T + 0.3**2 * taught @ taught.T
    np.testing.assert_allclose(law.covariance, expected, atol=1e-12)
    np.testing.assert_allclose(law.mean, labels @ y, atol=1e-12)
    worst = np.abs(law.covariance - expected).max()
    rate = "constant" if np.isscalar(optimiser.learning_rate) else "cosine"
    quantity = f"covariance of weights, {type(optimiser).__name__}, {rate} rate"
    checked(LAW, quantity, 0.0, worst, rtol=1e-12)


@pytest.mark.parametrize("kind", [GradientDescent, HeavyBall, Nesterov])
@pytest.mark.parametrize(("batch", "steps"), [(1, 3), (1, 4), (2, 2), (2, 5)])
def test_noise_of_mini_batches_over_all_orders(kind, batch, steps, checked):
    """All orders of four samples in two epochs, at a rate so small that only its first order is."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(4, 2)), rng.normal(size=4)
    x -= x.T @ y / (y @ y) * y[:, None]  # the minimum at zero, where training starts
    eta = 1e-6
    optimiser = kind(eta) if kind is GradientDescent else kind(eta, 0.6)
    mu = getattr(optimiser, "momentum", 0.0)
    epochs = -(-steps // (4 // batch))
    ends = []
    for orders in np.array(list(permutations(range(4)))):
        # Epochs do not know of each other, so that their covariances add.
        for epoch in range(epochs):
            w = v = np.zeros(2)
            for step in range(steps):
                e, at = divmod(step, 4 // batch)
                chosen = orders[at * batch : (at + 1) * batch]
                g = -(x[chosen] * y[chosen, None]).mean(axis=0) if e == epoch else np.zeros(2)
                v = mu * v - eta * g
                w = w + v
            ends.append((epoch, w))
    moments = [
        np.mean([np.outer(w, w) for e, w in ends if e == epoch], axis=0) for epoch in range(epochs)
    ]
    law = training_law(linear(x, y), optimiser=optimiser, steps=steps, batch=batch)
    if np.abs(sum(moments)).max() < 1e-18:  # a whole epoch without momentum: it cancels
        assert np.abs(law.covariance).max() < 1e-16
        return
    np.testing.assert_allclose(law.covariance, sum(moments), rtol=1e-4)
    quantity = f"noise of mini-batches, {kind.__name__}, B = {batch}, {steps} steps"
    ratio = law.covariance[0, 0] / sum(moments)[0, 0]
    checked(LAW, quantity, 1.0, ratio, rtol=1e-4)


def test_independent_mini_batches_make_a_white_field():
    """Far within one epoch the covariance is eta r^2 / 2 B / (1 - eta K / 2)."""
    eta, batch = 0.02, 2
    data = exponential_inputs(100_000, 8, correlation_length=2.0, rng=6)
    y = np.random.default_rng(7).normal(size=100_000)
    vertices = linear(data.inputs, y)
    law = training_law(vertices, optimiser=GradientDescent(eta), steps=1500, batch=batch)
    # The residual that weights make by moving, r^2 eta tr K / 2 B, comes on top.
    residual = (y**2).mean() / (1 - eta * np.trace(vertices.kernel()) / (2 * batch))
    white = eta * residual / (2 * batch)
    expected = white * np.linalg.inv(np.eye(8) - eta / 2 * vertices.kernel())
    np.testing.assert_allclose(law.covariance, expected, atol=0.015 * white)
    assert law.flags == ()


def test_vertices_in_the_law_of_noisy_labels(checked):
    """Mean and covariance of the minimum of a tanh neuron: noise of four labels by quadrature."""
    rng = np.random.default_rng(18)
    x, exact = rng.normal(size=(4, 2)), np.array([0.4, -0.7])
    clean = np.tanh(x @ exact)
    vertices = perceptron_vertices(x, clean, weights=exact, order=4)
    kernel = vertices.kernel()
    shift, more = beyond_quadratic(x, vertices.factors[:, :, 0], kernel)
    nodes, weights = np.polynomial.hermite_e.hermegauss(7)
    noise = np.array(list(product(nodes, repeat=4)))
    chance = np.array(list(product(weights / weights.sum(), repeat=4))).prod(axis=1)

    def moments(sigma):
        w = np.tile(exact, (len(noise), 1))
        for _ in range(12):
            f = np.tanh(w @ x.T)
            slope, rest = 1 - f**2, f - clean - sigma * noise
            gradient = (rest * slope) @ x / 4
            curvature = np.einsum("ga,ai,aj->gij", slope**2 - 2 * rest * f * slope, x, x) / 4
            w = w - np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        mean = chance @ w
        covariance = (w - mean).T @ ((w - mean) * chance[:, None])
        first = sigma**2 / 4 * np.linalg.inv(kernel)
        return np.append((mean - exact) / sigma**2, ((covariance - first) / sigma**4).ravel())

    # The next order is that of sigma^2.
    found = (4 * moments(0.005) - moments(0.01)) / 3
    expected = np.append(shift, more.ravel())
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    checked(LAW, "shift of a weight by V_3", expected[0], found[0], rtol=1e-3)
    checked(LAW, "variance of a weight by V_3 and V_4", expected[2], found[2], rtol=1e-3)


def test_fourth_cumulant_of_noisy_labels(checked):
    """One block of two weights of a tanh neuron: noise of four labels by quadrature."""
    rng = np.random.default_rng(18)
    x, exact = rng.normal(size=(4, 2)), np.array([0.4, -0.7])
    clean = np.tanh(x @ exact)
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    noise = np.array(list(product(nodes, repeat=4)))
    chance = np.array(list(product(weights / weights.sum(), repeat=4))).prod(axis=1)

    def excess(sigma):
        w = np.tile(exact, (len(noise), 1))
        for _ in range(12):
            f = np.tanh(w @ x.T)
            slope, rest = 1 - f**2, f - clean - sigma * noise
            gradient = (rest * slope) @ x / 4
            curvature = np.einsum("ga,ai,aj->gij", slope**2 - 2 * rest * f * slope, x, x) / 4
            w = w - np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        w = w - chance @ w
        square = chance @ w**2
        return ((chance @ w**4 / square**2 - 3) / sigma**2).mean()

    found = (4 * excess(0.01) - excess(0.02)) / 3
    vertices = perceptron_vertices(x, clean, weights=exact, order=4)
    options = {"optimiser": HeavyBall(0.5, 0.9), "steps": 4000, "label_noise": 0.01}
    law = training_law(vertices, **options)
    expected = law.fourth() / 0.01**2
    assert found == pytest.approx(expected, rel=1e-3)
    checked(LAW, "kappa_4 / kappa_2^2 of a weight by V_3 and V_4", expected, found, rtol=1e-3)
    # Of one sample w = artanh(y): (24 f''^2 - 4 f' f''') / f'^4.
    one = perceptron_vertices(np.ones((2, 2)) * [[1, 0], [0, 1]], np.tanh([0.3, 0.3]),
                              weights=[0.3, 0.3], order=4)  # fmt: skip
    t = np.tanh(0.3)
    s = 1 - t**2
    known = 1e-4 * (24 * (2 * t * s) ** 2 - 4 * s * (-2 * s * (1 - 3 * t**2))) / s**4
    assert training_law(one, **options).fourth() == pytest.approx(known, rel=1e-12)
    assert training_law(linear(x), **options).fourth() == 0.0
    alone = perceptron_vertices(x, clean, weights=exact, order=2)
    assert np.isnan(training_law(alone, **options).fourth())


def test_fields_of_a_singular_kernel_are_compared_on_its_support():
    """Patches without their mean: least squares on noise of the modes that the data have."""
    sites, rng = Lattice((8, 8)), np.random.default_rng(31)
    x = rng.normal(size=(400, 64)) @ np.linalg.cholesky(
        np.exp(-np.abs(np.subtract.outer(np.arange(64), np.arange(64))) / 9)
    )
    x -= x.mean(axis=1, keepdims=True)
    vertices = linear(x, sites=sites)
    with pytest.raises(AnalysisError, match="cannot be eliminated"):
        coarse_grain_vertices(vertices, levels=2)
    w = np.linalg.lstsq(x, rng.normal(size=(400, 600)))[0].T
    w += rng.normal(size=(600, 1))  # what no data of mean zero can know of
    law = relaxed_law(vertices)
    found = compare_kernel_flow(law, w, levels=2, permutations=8, rng=32)
    assert law.support.shape == (64, 63)
    assert found.agrees and found.null_p("permuted") < 1e-4
    assert abs(found.temperature.value * 400 - 1) < 4 * 400 * found.temperature.error
    # The mean is in no kernel: all displacements together, of all blocks, are zero.
    for b in (1, 2):
        modes = block_modes(sites, b)
        covariance = modes @ law.covariance @ modes.T
        kernel = np.linalg.pinv(covariance, hermitian=True)
        got = law.kernel(b, reach=8 // b - 1)
        shape = got.displacements
        np.testing.assert_allclose(
            got.profile.values, shape.of_matrix(kernel), rtol=1e-7, atol=1e-9
        )
    # Half of the modes, by a cut: the others may be anything.
    cut = float(np.sqrt(law.curvatures[31] * law.curvatures[32]))
    half = relaxed_law(vertices, least_curvature=cut)
    assert half.support.shape == (64, 32)
    free = w + rng.normal(size=w.shape) @ (np.eye(64) - half.support @ half.support.T)
    assert compare_kernel_flow(half, free, levels=2).agrees
    assert not compare_kernel_flow(law, free, levels=2).agrees


def test_trained_neurons_that_are_not_linear_know_of_v3_and_v4():
    """Noise of labels so large that the quadratic action is not enough, nor too much."""
    data = exponential_inputs(128, 16, correlation_length=2.0, rng=19)
    rng = np.random.default_rng(20)
    exact = rng.normal(size=16)
    exact /= (data.inputs @ exact).std()
    clean = np.tanh(data.inputs @ exact)
    labels = clean[:, None] + 0.4 * rng.normal(size=(128, 800))
    optimiser, steps = HeavyBall(0.2, 0.9), 500
    made = train(
        perceptron(16, 800, "tanh"), (data.inputs, labels), optimiser=optimiser, steps=steps,
        initial={WEIGHT: np.tile(exact, (800, 1))}, rng=21, record=[0, steps],
    )  # fmt: skip
    after = made.weights[WEIGHT][0, -1]
    agrees = {}
    for order in (2, 4):
        vertices = perceptron_vertices(data.inputs, clean, weights=exact, order=order)
        law = training_law(vertices, optimiser=optimiser, steps=steps, label_noise=0.4)
        agrees[order] = compare_kernel_flow(law, after, levels=2).agrees
    assert agrees == {2: False, 4: True}


def test_kernel_of_a_law_is_eliminated_exactly(checked):
    """Long after, with noisy labels: the eliminated kernel of the data times P / sigma^2."""
    rng = np.random.default_rng(8)
    data = linear(rng.normal(size=(60, 16)))
    law = training_law(data, optimiser=HeavyBall(0.2, 0.9), steps=4000, label_noise=0.5)
    flow = coarse_grain_vertices(data, levels=3)
    for one in flow.scales:
        expected = one.eliminated.profile.values * 60 / 0.25
        got = law.kernel(one.scale).profile.values
        np.testing.assert_allclose(got, expected, rtol=1e-8)
        ratio = float(got.sum() / expected.sum())
        checked(LAW, f"k_0 of the law over that of the data, b = {one.scale}", 1.0, ratio)


# Beside weights that were trained.


@pytest.fixture(scope="module")
def ring_law():
    data = exponential_inputs(128, 16, correlation_length=2.0, rng=9)
    vertices = linear(data.inputs, sites=Lattice(16, periodic=True))
    return training_law(
        vertices, optimiser=HeavyBall(0.05, 0.8), steps=20, sigma_w=1.0, label_noise=1.0
    )


def test_predicted_flow_is_exact_to_sampling_errors(ring_law, checked):
    """Pulls of 60 ensembles drawn from the law: mean zero, deviation one, p uniform.

    0.37 are four errors of the deviation of 60 numbers, 0.52 of their mean; the mean of 60 uniform
    numbers has the error 0.037.
    """
    rng, root = np.random.default_rng(10), np.linalg.cholesky(ring_law.covariance)
    pulls, joint, fourth = [], [], []
    for _ in range(60):
        found = compare_kernel_flow(ring_law, rng.normal(size=(200, 16)) @ root.T)
        pulls.append(found.deviations().ravel())
        joint.append(found.joint()[2])
        fourth.append(found.fourth.values / found.fourth.errors())
    for name, z in (("K(r)", np.array(pulls)), ("kappa_4", np.array(fourth))):
        assert np.abs(z.mean(axis=0)).max() < 0.52
        np.testing.assert_allclose(z.std(axis=0), 1, atol=0.37)
        spread = float(np.sqrt((z**2).mean()))
        checked(LAW, f"root of the mean square of the pulls of {name}", 1.0, spread, 0.06)
    checked(LAW, "mean of the chances of all K(r) together", 0.5, np.mean(joint), 0.037)


def test_trained_weights_flow_as_the_law_says(checked):
    """A third of the modes relaxed: neither the start nor the data, but what lies between."""
    ring = Lattice(16, periodic=True)
    data = exponential_inputs(128, 16, correlation_length=2.0, rng=11)
    labels = np.random.default_rng(12).normal(size=(128, 400))
    optimiser = HeavyBall(0.05, 0.8)
    made = train(
        perceptron(16, 400), (data.inputs, labels), optimiser=optimiser, steps=20, rng=13,
        record=Recording([0, 20], outputs=False),
    )  # fmt: skip
    before, after = made.weights[WEIGHT][0]
    vertices = linear(data.inputs, sites=ring)
    law = training_law(vertices, optimiser=optimiser, steps=20, sigma_w=1.0, label_noise=1.0)
    assert 0.1 < law.relaxed < 0.6
    flow = nnrg.renormalize(nnrg.SynapticField(after, ring), nnrg.GridBlocks(2), levels=3)
    for b, mean in zip(flow.scales, flow.means, strict=True):
        np.testing.assert_allclose(mean * b**0.5, after @ block_modes(ring, b).T, atol=1e-12)
    options = {"permutations": 20, "untrained": before, "rng": 14}
    found = compare_kernel_flow(law, flow, **options)
    same = compare_kernel_flow(law, after, **options)
    np.testing.assert_array_equal(found.deviations(), same.deviations())
    assert found.agrees and found.quadratic and found.verdict.startswith("flows as predicted")
    assert max(found.null_p(name) for name in found.nulls) < 1e-4
    for b, p, m in zip(found.scales, found.predicted, found.measured, strict=True):
        for r in found.distances:
            quantity = f"K({r}) of half trained blocks over the law, b = {b}"
            value, error = m.values[r] / p.values[0], m.errors()[r] / p.values[0]
            checked(LAW, quantity, p.values[r] / p.values[0], value, error, within=4.5)
    # The kernel of the data is not theirs yet, up to any temperature.
    assert not compare_kernel_flow(coarse_grain_vertices(vertices), after).agrees


def test_mini_batches_do_not_flow_as_the_data_do():
    """Noise of mini-batches makes fields almost without order; the data have much."""
    ring = Lattice(8, periodic=True)
    data = exponential_inputs(4000, 8, correlation_length=2.0, rng=15)
    y = np.random.default_rng(16).normal(size=4000)
    optimiser, steps = GradientDescent(0.05), 400
    made = train(
        perceptron(8, sigma_w=0.0), (data.inputs, y), optimiser=optimiser, steps=steps, batch=8,
        n_seeds=300, rng=17, record=Recording([0, steps], outputs=False),
    )  # fmt: skip
    after = made.weights[WEIGHT][:, -1, 0]
    vertices = linear(data.inputs, y, sites=ring)
    law = training_law(vertices, optimiser=optimiser, steps=steps, batch=8)
    assert compare_kernel_flow(law, after, levels=2).agrees
    beside = compare_kernel_flow(coarse_grain_vertices(vertices, levels=2), after)
    assert not beside.agrees and np.abs(beside.deviations()).max() > 20
    assert beside.verdict.startswith("does not flow")
