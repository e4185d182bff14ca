"""Connected correlators of one-hidden-layer networks: exact values, and drawn ensembles.

Statistical tests: some hundred numbers within 4.5 errors of their jackknife, p-values above 1e-5
(the false-alarm rate of each); all seeds are fixed. Numbers of a finite sample of cumulants are a
little skewed, so that one run in about a hundred new sets of seeds would fail.
"""

from itertools import combinations, product
from math import erf, exp, pi, sqrt

import numpy as np
import pytest
from scipy import integrate

from nnrg.simulate.shallow import one_hidden_layer, one_hidden_layer_neurons
from nnrg.stats.joint_cumulants import joint_cumulants
from nnrg.theory.correlators import (
    CosNet,
    ErfNet,
    GaussNet,
    OneHiddenLayer,
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

KURTOSIS, KERNEL, COUPLED = "One-hidden-layer kurtosis", "Network kernels", "Dependent neurons"
PAIRINGS = (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2)))


# Excess kurtosis of the output.


@pytest.mark.parametrize(
    ("net", "x", "name", "known", "rtol"),
    [
        (ReLUNet(width=100), [[3.0, 1.0]], "ReLU", 15.0, 1e-12),
        (CosNet(width=100), [0.4], "Cos", 1.5, 1e-12),
        (TanhNet(width=100), [1.0], "tanh, q = 1", 1.88187242, 3e-9),
        (ErfNet(width=100), [1.0], "erf, q = 1", 1.67951563, 3e-9),
        (ErfNet(width=100, sigma_w=sqrt(0.5)), [1.0], "erf, q = 1/2", 2.4, 1e-12),
    ],
)
def test_excess_kurtosis(net, x, name, known, rtol, checked):
    (found,) = net.excess_kurtosis(x)
    checked(KURTOSIS, f"N excess kurtosis, {name}", known, 100 * found.value, rtol=rtol)
    assert found.error < 1e-10


@pytest.mark.parametrize(
    "size", ["some", pytest.param("many", marks=pytest.mark.slow)], ids=["some", "many"]
)
@pytest.mark.parametrize("width", [16, 64, 256])
@pytest.mark.parametrize(
    "net", [ReLUNet(width=2), TanhNet(width=2), CosNet(width=2)], ids=["relu", "tanh", "cos"]
)
def test_kurtosis_of_drawn_networks(net, width, size, checked):
    net = net.with_width(width)
    count = {"some": 8_000_000, "many": 120_000_000}[size] // (width + 64)
    phi = one_hidden_layer(net, [1.0], n_networks=count, rng=width)
    found = joint_cumulants(phi, 4).replicates.map(lambda k: k[3] / k[1] ** 2)
    value, error = found.values[0], found.errors()[0]
    (known,) = net.excess_kurtosis([1.0])
    label = f"{net.name.partition(' ')[0]}, N = {width}, {count} networks"
    checked(KURTOSIS, label, known.value, value, error, within=4.5)
    if size == "many" and width == 16:
        assert value > 15 * error


# Kernels, in the form of public code of the predecessor paper.


def test_kernels(checked):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 3))
    d, sw, sb = 3, 1.3, 0.6
    kxx, kyy, kxy = (sb**2 + sw**2 * (a @ b) / d for a, b in ((x, x), (y, y), (x, y)))
    angle = np.arccos(kxy / sqrt(kxx * kyy))
    arc_cosine = sqrt(kxx * kyy) * (np.sin(angle) + (pi - angle) * np.cos(angle)) / (2 * pi)
    arcsine = 2 / pi * np.arcsin(2 * kxy / sqrt((1 + 2 * kxx) * (1 + 2 * kyy)))
    gauss = exp(-(sw**2) * np.sum((x - y) ** 2) / (2 * d))
    output = {"output_sigma_w": sw, "output_sigma_b": sb}
    known = {
        "ReLU": (ReLUNet(width=9, sigma_w=sw, sigma_b=sb, **output), arc_cosine),
        "erf": (ErfNet(width=9, sigma_w=sw, sigma_b=sb, **output), arcsine),
        "Gauss": (GaussNet(width=9, sigma_w=sw, sigma_b=sb, **output), gauss),
        "Cos": (CosNet(width=9, sigma_w=sw, **output), gauss / 2),
    }
    for name, (net, form) in known.items():
        found = net.kernel(x[None], y[None])
        checked(KERNEL, f"{name}-net", sb**2 + sw**2 * form, float(found), rtol=1e-12)


# Four- and six-point functions against their formulas and direct integrals.


@pytest.mark.parametrize("d", [1, 2, 5])
def test_cos_net_four_points(d, checked):
    x = np.random.default_rng(d).normal(size=(4, d))
    s0, s1, width = 0.8, 1.7, 12

    def e(y):
        return exp(-(s0**2) * (y @ y) / (2 * d))

    known = sum(
        3 * e(x[a] + x[b] - x[c] - x[f]) - 2 * e(x[a] - x[b]) * e(x[c] - x[f])
        for (a, b), (c, f) in PAIRINGS
    )
    net = CosNet(width=width, sigma_w=s0, output_sigma_w=s1)
    assert float(net.cumulant4(x)) == pytest.approx(s1**4 / (8 * width) * known, rel=1e-13)
    same = float(net.cumulant4(x[[0, 0, 0, 0]]))
    checked("Cos-net", f"coincident G_c4, d = {d}", 3 * s1**4 / (8 * width), same, rtol=1e-13)


@pytest.mark.parametrize("d", [1, 3])
def test_gauss_net_four_points(d, checked):
    x = np.random.default_rng(d).normal(size=(4, d)) / 2
    s0, s1, sc, width = 0.9, 1.2, 0.4, 7
    cross = sum(x[a] @ x[b] for a, b in combinations(range(4), 2))
    together = exp(-(s0**2) / (2 * d) * (np.sum(x**2) - 2 * cross))
    pairs = sum(
        exp(-(s0**2) * (np.sum((x[a] - x[b]) ** 2) + np.sum((x[c] - x[f]) ** 2)) / (2 * d))
        for (a, b), (c, f) in PAIRINGS
    )
    net = GaussNet(width=width, sigma_w=s0, sigma_b=sc, output_sigma_w=s1)
    known = s1**4 / width * (3 * exp(4 * sc**2) * together - pairs)
    assert float(net.cumulant4(x)) == pytest.approx(known, rel=1e-13)
    (excess,) = net.excess_kurtosis(x[:1])
    form = 3 / width * (exp(4 * sc**2 + 4 * s0**2 * np.sum(x[0] ** 2) / d) - 1)
    checked("Gauss-net", f"excess kurtosis at x, d = {d}", form, excess.value, rtol=1e-12)


def one_neuron_cumulant(moment, order):
    """C_r of h = v f for a normal v, from a function that averages products of f over places."""

    def h(places):
        return float(np.prod(range(1, len(places), 2))) * moment(places)

    every = tuple(range(order))
    if order == 2:
        return h(every)
    if order == 4:
        return h(every) - sum(h(a) * h(b) for a, b in PAIRINGS)
    total = h(every)
    for four in combinations(every, 4):
        two = tuple(a for a in every if a not in four)
        total -= h(four) * h(two)
    pairings = 0.0
    for other in every[1:]:
        rest = [a for a in every[1:] if a != other]
        pairings += h((0, other)) * sum(
            h((rest[a], rest[b])) * h((rest[c], rest[f])) for (a, b), (c, f) in PAIRINGS
        )
    return total + 2 * pairings


def integral(function):
    """Average over one standard normal variable."""
    weight = 1 / sqrt(2 * pi)
    value, _ = integrate.quad(
        lambda u: weight * exp(-u * u / 2) * function(u),
        -12, 12, epsabs=1e-13, epsrel=1e-12, limit=400, points=[0.0],
    )  # fmt: skip
    return value


@pytest.mark.parametrize("order", [4, 6])
def test_cos_and_gauss_nets_by_direct_integration(order, checked):
    x = np.array([0.3, -0.4, 1.1, 0.0, 0.7, -1.2])[:order]
    s0, sc = 0.9, 0.35
    phases = np.arange(64) * 2 * pi / 64  # exact for trigonometric polynomials

    def cosines(places):
        at = x[list(places)]
        return integral(lambda u: np.prod(np.cos(s0 * u * at + phases[:, None]), axis=1).mean())

    def exponentials(places):
        # theta and c make one normal variable of the sum of all exponents.
        at, r = x[list(places)], len(places)
        spread = sqrt(s0**2 * at.sum() ** 2 + r**2 * sc**2)
        return integral(lambda u: exp(spread * u)) * exp(-r * sc**2 - s0**2 * (at @ at))

    topic = f"{order}-point functions"
    cos = CosNet(width=2, sigma_w=s0).cumulant(x, order)
    known = one_neuron_cumulant(cosines, order) * 2 ** (1 - order / 2)
    checked(topic, "Cos-net", known, float(cos), rtol=1e-10)
    gauss = GaussNet(width=2, sigma_w=s0, sigma_b=sc).cumulant(x, order)
    known = one_neuron_cumulant(exponentials, order) * 2 ** (1 - order / 2)
    checked(topic, "Gauss-net", known, float(gauss), rtol=1e-9)


@pytest.mark.parametrize("order", [4, 6])
@pytest.mark.parametrize(
    ("name", "phi"),
    [("relu", lambda z: max(z, 0.0)), ("erf", erf), ("tanh", np.tanh), ("sin", np.sin)],
)
def test_perceptrons_on_a_line_by_direct_integration(order, name, phi, checked):
    # Without bias the preactivations at inputs on a line are one variable.
    x = np.array({4: [0.5, 1.0, -0.7, -1.4], 6: [0.5, 1.0, -0.7, 1.4, 0.8, -1.1]}[order])

    def moment(places):
        at = x[list(places)]
        return integral(lambda u: float(np.prod([phi(a * u) for a in at])))

    known = one_neuron_cumulant(moment, order) / 3 ** (order / 2 - 1)
    found = OneHiddenLayer(name, width=3).cumulant(x, order)
    checked(f"{order}-point functions", f"{name}-net on a line", known, float(found), rtol=1e-9)


def test_six_points_of_the_cos_net_vanish_where_they_coincide():
    # v cos(c) is one of the two coordinates of a complex normal number of uniform phase, times a
    # Rayleigh variable: 15 (5/16) - 45 (3/8) (1/2) + 30 / 8 = 0.
    assert abs(float(CosNet(width=2).cumulant6([0.2] * 6))) < 1e-14


# Drawn ensembles.

INPUTS = np.array([[0.0, 0.4], [1.0, -0.5], [-0.6, 0.8]])
NETS = [
    CosNet(width=3, sigma_w=1.4, output_sigma_w=0.7),
    GaussNet(width=3, sigma_w=0.5, sigma_b=0.2),
    ReLUNet(width=3, sigma_b=0.5, output_sigma_b=0.3),
    ErfNet(width=3, sigma_w=2.0),
    TanhNet(width=3, sigma_b=0.7),
    OneHiddenLayer("gelu", width=3, sigma_w=1.5),
    OneHiddenLayer("leaky_relu:0.3", width=3, sigma_b=0.2),
    ScaleMixture(TanhNet(width=3, output_sigma_b=0.2), alpha=0.2),
]


@pytest.mark.parametrize("net", NETS, ids=[net.name.partition(" ")[0] for net in NETS[:-1]] + ["s"])
def test_every_four_point_function_of_drawn_networks(net, checked):
    phi = one_hidden_layer(net, INPUTS, n_networks=100_000, rng=7)
    found = measured_correlators(phi, order=4, architecture=net, inputs=INPUTS)
    for order in (2, 3, 4):
        assert found.p_value(order) > 1e-5
        assert np.abs(found.sigmas(order)).max() < 4.5
    one = found.estimate(0, 0, 1, 2)
    name = f"{net.name}, points 0 0 1 2"
    checked("Drawn four-point functions", name, one.null.value, one.value, one.error, within=4.5)
    assert abs(found.estimate(0, 0, 0, 0).value) > 5 * found.estimate(0, 0, 0, 0).error


@pytest.mark.parametrize("net", [ErfNet(width=2, sigma_w=2.0), ReLUNet(width=2)])
def test_six_point_functions_of_drawn_networks(net, checked):
    phi = one_hidden_layer(net, INPUTS, n_networks=400_000, rng=3)
    found = measured_correlators(phi, order=6, architecture=net, inputs=INPUTS)
    assert found.p_value(6) > 1e-5
    one = found.estimate(0, 0, 1, 1, 2, 2)
    name = f"{net.name}, points 0 0 1 1 2 2"
    checked("Drawn six-point functions", name, one.null.value, one.value, one.error, within=4.5)


def test_width_scaling_of_independent_neurons(checked):
    found = width_scaling(CosNet(width=2), [0.0] * 4, [2, 4, 8, 16], n_networks=100_000, rng=1)
    assert np.abs(found.sigmas()).max() < 4.5
    assert found.fit.p > 1e-5
    exponent = found.fit.estimate("exponent")
    checked("Cos-net", "exponent of 1/N of G_c4", 1.0, exponent.value, exponent.error, within=4.5)


# Neurons that are not independent.


def test_decomposition_is_an_identity():
    # Of any numbers whatever: the moments averaged over choices of neurons give back the output's.
    rng = np.random.default_rng(5)
    h = rng.gamma(0.7, size=(50, 5)) * rng.normal(size=(50, 1)) + rng.normal(size=(50, 1))
    h -= h.mean()
    n = h.shape[1]

    def mean(*powers):
        chosen = [
            np.mean(np.prod([h[:, i] ** p for i, p in zip(each, powers, strict=True)], axis=0))
            for each in product(range(n), repeat=len(powers))
            if len(set(each)) == len(each)
        ]
        return np.mean(chosen)

    keys = [(1,), (2,), (1, 1), (3,), (2, 1), (1, 1, 1)]
    keys += [(4,), (3, 1), (2, 2), (2, 1, 1), (1, 1, 1, 1)]
    terms = four_point_terms({key: mean(*key) for key in keys}, n)
    phi = h.sum(axis=1) / sqrt(n)
    known = np.mean(phi**4) - 3 * np.mean(phi**2) ** 2
    assert abs(known) > 0.1
    assert sum(terms.values()) == pytest.approx(known, rel=1e-12)
    found = measured_neurons(h, groups=10)
    for name, term in zip(found.names, terms.values(), strict=False):
        assert found.estimate(name).value == pytest.approx(term, rel=1e-10, abs=1e-13)
    # The form of A. 4.1: moments, and the square of the two-point function taken off at the end.
    expanded = (
        n * mean(4)
        + 3 * n * (n - 1) * mean(2, 2)
        + 4 * n * (n - 1) * mean(3, 1)
        + 6 * n * (n - 1) * (n - 2) * mean(2, 1, 1)
        + n * (n - 1) * (n - 2) * (n - 3) * mean(1, 1, 1, 1)
    ) / n**2
    two = mean(2) + (n - 1) * mean(1, 1)
    assert expanded - 3 * two**2 == pytest.approx(known, rel=1e-12)


def test_scale_mixture_has_a_part_that_does_not_fall_with_the_width(checked):
    alpha, g = 0.3, 0.5
    for width in (10, 1000, 100_000):
        net = ScaleMixture(CosNet(width=width), alpha=alpha)
        known = 3 * alpha * g**2 + (1 + alpha) * 3 / (8 * width)
        assert float(net.cumulant4([0.0] * 4)) == pytest.approx(known, rel=1e-12)
        terms = four_point_terms(net.neuron_moments([0.0]), width)
        assert sum(terms.values()) == pytest.approx(known, rel=1e-10)
    # Six points at N -> infinity: cumulants of s^2 times the 15 pairings of G.
    six = float(ScaleMixture(CosNet(width=10**9), alpha=alpha).cumulant6([0.0] * 6))
    checked(COUPLED, "G_c6 of a common scale, N -> infinity", 30 * alpha**2 * g**3, six, rtol=1e-6)


def test_formula_of_independent_neurons_fails_on_dependent_ones(checked):
    net = ScaleMixture(TanhNet(width=32), alpha=0.2)
    neurons = one_hidden_layer_neurons(net, [1.0, -0.5], n_networks=40_000, rng=2)
    phi = neurons.sum(axis=1) / sqrt(32)
    found = measured_correlators(phi, order=4, architecture=net, inputs=[1.0, -0.5])
    assert found.p_value(4) > 1e-5
    one = found.estimate(0, 0, 0, 0)
    checked(COUPLED, "G_c4 of a common scale", one.null.value, one.value, one.error, within=4.5)
    wrong = float(net.independent_prediction([1.0] * 4))
    assert (one.value - wrong) / one.error > 8
    split = measured_neurons(neurons)
    assert np.all(split.sigmas() > 10)
    terms = four_point_terms(net.neuron_moments([1.0]), 32)
    pairs = split.estimate("2+2")
    checked(COUPLED, "3 kappa(1122)", terms[2, 2], pairs.value, pairs.error, within=4.5)
    alone = split.estimate("one neuron")
    assert abs(alone.value - wrong) < 4.5 * alone.error
    # The same test says nothing of independent neurons.
    free = one_hidden_layer_neurons(net.layer, [1.0, -0.5], n_networks=40_000, rng=3)
    assert np.abs(measured_neurons(free).sigmas()).max() < 4.5


# Symmetry and locality.


def test_translations():
    x, shifts = np.array([0.0, 0.5, 1.0, 0.2]), [0.7, 1.5]
    cos = translation_test(CosNet(width=4), x, shifts, n_networks=50_000, rng=4)
    assert cos.is_invariant
    assert np.abs(cos.sigmas()).max() < 4.5
    six = translation_test(CosNet(width=4), [0.0, 0.5, 1.0, 0.2, 0.9, 0.1], shifts)
    assert six.is_invariant
    net = GaussNet(width=4, sigma_w=0.5, sigma_b=0.0)
    assert translation_test(net, x[:2], shifts).is_invariant
    gauss = translation_test(net, x, shifts[:1], n_networks=200_000, rng=4)
    assert not gauss.is_invariant
    assert not gauss.measured_flag
    assert abs(gauss.sigmas()[0]) > 8
    assert abs(gauss.formula_sigmas()[0]) < 4.5


def test_cos_net_does_not_cluster(checked):
    net = CosNet(width=4, output_sigma_w=1.2)
    found = cluster_test(net, [0.0, 2.0, 9.0], n_networks=50_000, rng=5)
    assert not found.clusters
    assert not found.flag
    assert abs(found.two_point[-1]) < 1e-10
    known = 1.2**4 / (2 * 4)
    checked("Cos-net", "G_c4 of pairs far apart", known, found.values[-1], rtol=1e-12)
    measured, error = found.measured[-1], found.measured_errors[-1]
    checked("Cos-net", "G_c4 of pairs far apart, drawn", known, measured, error, within=4.5)
    assert abs(found.sigmas()[-1]) > 20
    assert np.abs(found.formula_sigmas()).max() < 4.5
    # Three legs here and one there: then it does vanish.
    alone = CosNet(width=4).cumulant4([0.0, 0.0, 0.0, 9.0])
    assert abs(float(alone)) < 1e-12
