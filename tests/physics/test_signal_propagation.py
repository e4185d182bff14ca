"""Signal propagation at infinite width: the edge of chaos, depth scales, power laws in depth."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from nnrg.activation_functions import as_activation
from nnrg.theory.criticality import (
    MeanField,
    approach_to_criticality,
    critical_line,
    half_stable_points,
    uniformity_line,
)
from nnrg.theory.gaussian_averages import moments

EDGE, DEPTH, POWER = "Edge of chaos", "Signal propagation in depth", "Approach to criticality"
TANH_EDGE = {
    0.01: 1.4242052905,
    0.05: 1.7609546396,
    0.1: 1.9860726411,
    0.3: 2.5051271897,
    1.0: 3.4432109123,
}


@pytest.mark.parametrize(
    ("name", "known"), [("relu", 2), ("leaky_relu:0.3", 2 / 1.09), ("linear", 1)]
)
def test_scale_invariant_critical_points(name, known, checked):
    line = critical_line(name, sigma_b=[0.0])
    checked(EDGE, f"sigma_w^2 of {name} at its critical point", known, line.sigma_w[0] ** 2)
    for q0 in (1e-6, 1.0, 1e6):
        field = MeanField(name, line.sigma_w[0], 0.0, q0=q0)
        assert (field.phase, field.q_star) == ("critical", q0)
    assert MeanField(name, 1.01 * line.sigma_w[0], 0.0).phase == "chaotic"
    assert MeanField(name, 0.99 * line.sigma_w[0], 0.0).phase == "ordered"


def test_erf_edge_of_chaos(checked):
    q = np.array([1e-3, 0.1, 0.5, 3.0, 100.0, 1e4])
    line = critical_line("erf", q=q)
    w2 = np.pi / 4 * np.sqrt(1 + 4 * q)
    b2 = q - w2 * 2 / np.pi * np.arcsin(2 * q / (1 + 2 * q))
    assert_allclose(line.sigma_w**2, w2, rtol=1e-13)
    # both sides are differences of numbers of order q
    assert (np.abs(line.sigma_b**2 - b2) <= 2e-15 * q).all()
    start = critical_line("erf", sigma_b=[0.0]).sigma_w[0] ** 2
    checked(EDGE, "sigma_w^2 of erf at sigma_b = 0", np.pi / 4, start)
    middle = critical_line("erf", sigma_b=[(0.5 - np.pi * 3**0.5 / 12) ** 0.5])
    checked(EDGE, "q* of erf where sigma_w^2 = pi sqrt(3) / 4", 0.5, middle.q[0])


def test_tanh_edge_of_chaos(checked):
    line = critical_line("tanh", sigma_b=np.sqrt(list(TANH_EDGE)))
    assert (line.sigma_w_error < 1e-12).all()
    for i, (b2, known) in enumerate(TANH_EDGE.items()):
        obtained, error = line.sigma_w[i] ** 2, 2 * line.sigma_w[i] * line.sigma_w_error[i]
        quantity = f"sigma_w^2 of tanh at sigma_b^2 = {b2}"
        checked(EDGE, quantity, known, obtained, error, uncertainty=5e-11, within=2)


def test_tanh_at_one_critical_point(checked):
    line = critical_line("tanh", sigma_b=[0.05**0.5])
    law = approach_to_criticality("tanh", line.sigma_w[0], line.sigma_b[0]).law("1 - c")
    assert law.exponent == -1
    point = "tanh, sigma_b^2 = 0.05, critical"
    checked(EDGE, f"q*, {point}", 0.5700478816, line.q[0], line.q_error[0], uncertainty=1e-10)
    checked(DEPTH, f"xi_q, {point}", 1.52109741, line.xi_q[0], rtol=5e-9)
    checked(
        POWER,
        f"kappa of 1 - c -> kappa / l, {point}",
        6.17112614,
        law.amplitude,
        law.amplitude_error,
        uncertainty=1e-8,
        within=1,
    )


def test_tanh_in_the_ordered_phase(checked):
    field = MeanField("tanh", 1.3, 0.05**0.5)
    assert field.phase == "ordered"
    for quantity, known, obtained, error in (
        ("q*", 0.5270871079, field.q_star, field.q_star_error),
        ("chi_1", 0.9845121932, field.chi_1, field.chi_1_error),
        ("xi_c = -1 / ln chi_1", 64.06562, field.xi_c, field.xi_c_error),
        ("xi_q", 1.564439, field.xi_q, field.xi_q_error),
    ):
        at = f"{quantity}, tanh, sigma_w = 1.3, sigma_b^2 = 0.05"
        checked(DEPTH, at, known, obtained, error, uncertainty=1e-7 * known, within=4)


def chaotic_by_the_trapezium_rule(w2, b2):
    """q*, c* and the slope there, by sums on a grid that converge exponentially."""
    from scipy.optimize import brentq

    z = np.linspace(-12, 12, 401)
    weight = np.exp(-z * z / 2) * (z[1] - z[0]) / np.sqrt(2 * np.pi)
    q = brentq(lambda q: w2 * weight @ np.tanh(np.sqrt(q) * z) ** 2 + b2 - q, 1, 20, xtol=1e-14)
    u = np.sqrt(q) * z[:, None]

    def second(c):
        return np.sqrt(q) * (c * z[:, None] + np.sqrt(1 - c * c) * z[None])

    def gap(c):
        return (w2 * weight @ (np.tanh(u) * np.tanh(second(c))) @ weight + b2) / q - c

    c = brentq(gap, 0.01, 0.9, xtol=1e-14)
    return q, c, w2 * weight @ (np.cosh(u) ** -2 * np.cosh(second(c)) ** -2) @ weight


def test_tanh_in_the_chaotic_phase(checked):
    field = MeanField("tanh", 2.5, 0.05**0.5)
    assert field.phase == "chaotic"
    q, c, slope = chaotic_by_the_trapezium_rule(6.25, 0.05)
    for quantity, known, obtained in (
        ("q*", q, field.q_star),
        ("c*", c, field.c_star),
        ("xi_c", -1 / np.log(slope), field.xi_c),
    ):
        at = f"{quantity}, tanh, sigma_w = 2.5, sigma_b^2 = 0.05"
        checked(DEPTH, at, known, obtained, rtol=1e-10, source="sums on a grid")
    known = "chi_1, tanh, sigma_w = 2.5, sigma_b^2 = 0.05"
    checked(DEPTH, known, 1.59475045, field.chi_1, rtol=5e-9)


def test_gelu_half_stable_point(checked):
    (point,) = half_stable_points("gelu")
    root = np.sqrt(17)
    checked(EDGE, "K* of GELU, half-stable", (3 + root) / 2, point.q, rtol=1e-12)
    checked(EDGE, "sigma_w^2 of GELU, half-stable", 1.9830582574, point.sigma_w**2, rtol=1e-10)
    checked(EDGE, "sigma_b^2 of GELU, half-stable", 0.1729223908, point.sigma_b**2, rtol=1e-9)
    m = moments("gelu", point.q)
    assert_allclose(point.sigma_w**2 * np.array([m.slope_square, m.first]), 1, rtol=1e-12)
    # D. Roberts, S. Yaida and B. Hanin, arXiv:2106.10165, section 5.3
    (silu,) = half_stable_points("silu")
    assert_allclose(
        [silu.q, silu.sigma_w**2, silu.sigma_b**2],
        [14.32017362, 1.98800468, 0.55514317],
        rtol=1e-8,
    )
    assert half_stable_points("tanh") == half_stable_points("erf") == ()


def test_relu_correlations_approach_one_as_depth_to_minus_two(checked):
    # l^2 (1 - c) -> 9 pi^2 / 2 with corrections of order ln(l) / l.
    law = approach_to_criticality("relu", 2**0.5, 0.0).law("1 - c")
    checked(POWER, "l^2 (1 - c), ReLU, l -> infinity", 9 * np.pi**2 / 2, law.amplitude)
    checked("Absorbing-state exponent", "delta of 1 - c, ReLU", 2.0, -law.exponent)
    e = MeanField("relu", 2**0.5, 0.0).propagate(10**4, c0=0.0).one_minus_c
    for depth, known in ((10**2, 35.77), (10**3, 43.13), (10**4, 44.25)):
        measured = depth**2 * e[depth]
        quantity = f"l^2 (1 - c), ReLU, from c = 0, l = {depth}"
        checked(POWER, quantity, known, measured, 0.0, uncertainty=5e-3, within=1)


@pytest.mark.parametrize("name", ["tanh", "erf", "sin"])
def test_smooth_correlations_approach_one_as_one_over_depth(name, checked):
    # Mean-field absorbing-state exponent: delta = 1. The start is e = 1e-3, where terms of order
    # e^3 are small: 1 / e - l / kappa moves by their logarithm only.
    line = critical_line(name, sigma_b=[0.3])
    w, b, q = line.sigma_w[0], line.sigma_b[0], line.q[0]
    law = approach_to_criticality(name, w, b).law("1 - c")
    depth = 40 if name == "tanh" else 4000
    e = MeanField(name, w, b, q0=q).propagate(depth, c0=1 - 1e-7).one_minus_c
    kappa = depth / (1 / e[-1] - 1 / e[0])
    quantity = f"kappa of 1 - c -> kappa / l, {name}, sigma_b = 0.3"
    checked(POWER, quantity, law.amplitude, kappa, rtol=1e-6, source="map of correlations")
    topic = "Absorbing-state exponent"
    checked(topic, f"delta of 1 - c at the edge of chaos, {name}", 1.0, -law.exponent)


def test_kinks_anywhere_give_the_exponent_two():
    hard = as_activation(lambda z: np.clip(z, -1, 1), kinks=(-1.0, 1.0))
    line = critical_line(hard, sigma_b=[0.4])
    law = approach_to_criticality(hard, line.sigma_w[0], line.sigma_b[0]).law("1 - c")
    assert law.exponent == -2
    field = MeanField(hard, line.sigma_w[0], line.sigma_b[0], q0=line.q[0])
    # e' = e - a e^(3/2) (1 + order e): 2 / a from one step
    e = field.propagate(1, c0=1 - 2.0**-40).one_minus_c
    a = (e[0] - e[1]) / e[0] ** 1.5
    assert 4 / a**2 == pytest.approx(law.amplitude, rel=1e-4)


def test_variance_decays_as_half_over_depth_for_tanh_without_bias(checked):
    law = approach_to_criticality("tanh", 1.0, 0.0).law("q - q*")
    quantity = "l q, tanh, sigma_w = 1, sigma_b = 0, l -> infinity"
    checked(POWER, quantity, 0.5, law.amplitude, law.amplitude_error, within=1)
    assert law.amplitude_error < 1e-6
    q = MeanField("tanh", 1.0, 0.0).propagate(2000).q
    quantity = "l q, tanh, sigma_w = 1, sigma_b = 0, l = 2000"
    checked(POWER, quantity, 0.500654, 2000 * q[2000], 0.0, uncertainty=2e-4)
    assert law.exponent == -1


def test_variance_next_to_the_half_stable_point_moves_as_one_over_depth():
    (point,) = half_stable_points("gelu")
    law = approach_to_criticality("gelu", point.sigma_w, point.sigma_b, q0=8.0).law("q - q*")
    assert law.amplitude == pytest.approx(-2 / point.bend)
    delta = 1e-3
    field = MeanField("gelu", point.sigma_w, point.sigma_b, q0=8.0)
    step = field.q_map(point.q + delta) - point.q - delta
    assert step == pytest.approx(-(delta**2) / law.amplitude, rel=1e-3)


def test_correlations_next_to_the_half_stable_point_follow_the_variance():
    # One step from the power laws themselves: q* + Q / l and 1 - A / l become those of l + 1.
    (point,) = half_stable_points("gelu")
    laws = approach_to_criticality("gelu", point.sigma_w, point.sigma_b, q0=8.0)
    a, q = (laws.law(name).amplitude for name in ("1 - c", "q - q*"))
    depth = 1e8
    start = MeanField("gelu", point.sigma_w, point.sigma_b, q0=point.q + q / depth)
    e = start.propagate(1, c0=1 - a / depth).one_minus_c
    assert (e[0] - e[1]) * depth**2 == pytest.approx(a, rel=5e-3)


def test_uniformity_line_meets_the_edge_of_chaos(checked):
    tanh, erf = uniformity_line("tanh"), uniformity_line("erf")
    root = np.sqrt(3)
    topic = "Line of uniformity"
    for quantity, known, obtained in (
        ("q, tanh", 0.7645760066, tanh.q),
        ("entropy, tanh", 0.6836355636, tanh.entropy),
        ("KL from uniform, tanh", np.log(2) - 0.6836355636, tanh.kl),
        ("sigma_w^2 on the edge, tanh", 1.9486641944, tanh.crossing[0] ** 2),
        ("sigma_b^2 on the edge, tanh", 0.0902548321, tanh.crossing[1] ** 2),
        ("q, erf", 0.5, erf.q),
        ("KL from uniform, erf", 0.0, erf.kl),
        ("sigma_w^2 on the edge, erf", np.pi * root / 4, erf.crossing[0] ** 2),
        ("sigma_b^2 on the edge, erf", 0.5 - np.pi * root / 12, erf.crossing[1] ** 2),
    ):
        checked(topic, quantity, known, obtained, rtol=1.5e-10)


def test_uniformity_of_erf_is_exact():
    # erf(z) is uniform on (-1, 1) for z ~ N(0, 1/2), whose distribution function it is.
    assert uniformity_line("erf").entropy == pytest.approx(np.log(2), abs=1e-14)


@pytest.mark.parametrize(("name", "w", "b"), [("tanh", 1.3, 0.3), ("gelu", 1.3, 0.2)])
def test_depth_scales_are_those_of_the_maps(name, w, b):
    field = MeanField(name, w, b)
    trajectory = MeanField(name, w, b, q0=field.q_star * 1.001).propagate(30)
    rate = (trajectory.q[2:] - field.q_star) / (trajectory.q[1:-1] - field.q_star)
    assert -1 / np.log(rate[12]) == pytest.approx(field.xi_q, rel=1e-3)
    e = MeanField(name, w, b, q0=field.q_star).propagate(6, c0=1 - 1e-9).one_minus_c
    assert -1 / np.log(e[6] / e[5]) == pytest.approx(field.xi_c, rel=1e-6)


def test_wide_networks_obey_the_maps():
    # Means over 100 networks within 4.5 errors, false alarm 6 x 7e-6; corrections of order depth /
    # width are a tenth of an error at this width.
    rng = np.random.default_rng(5)
    width, depth, networks, w, b = 4000, 3, 100, 1.5, 0.3
    field = MeanField("tanh", w, b).propagate(depth, c0=0.5)
    products = np.empty((2, networks, depth))
    for i in range(networks):
        u, v = rng.normal(size=(2, width))
        z = np.stack([u, 0.5 * u + np.sqrt(0.75) * v], axis=1)
        for layer in range(depth):
            phi = np.tanh(z)
            # Given phi, preactivations are Gaussian, independent between neurons.
            root = np.linalg.cholesky(w * w * phi.T @ phi / width + b * b)
            z = rng.normal(size=(width, 2)) @ root.T
            products[:, i, layer] = (z * z[:, :1]).mean(axis=0)
    error = products.std(axis=1, ddof=1) / np.sqrt(networks)
    known = field.q[1:], field.q[1:] * field.c[1:]
    assert (np.abs(products.mean(axis=1) - known) < 4.5 * error).all()
    assert (error < 4e-3).all()
