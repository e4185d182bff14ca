"""Finite-width expansions: Taylor polynomials, moments of a chain, derivatives of a layer."""

import numpy as np
import pytest

from nnrg.activation_functions import as_activation
from nnrg.theory.gaussian_averages import gaussian_average
from nnrg.theory.layer_kernel import kernel
from nnrg.theory.loops._layer import tangent_layer
from nnrg.theory.loops._pair_layer import pair_layer
from nnrg.theory.loops._system_size import LayerLaw, Moments, next_moments
from nnrg.theory.loops._taylor import Taylor, cut, monomials


def test_taylor_polynomials_multiply_and_differentiate_as_polynomials():
    rng = np.random.default_rng(1)
    a, b = (Taylor(rng.normal(size=len(monomials(4))), 4) for _ in range(2))
    x = rng.normal(size=3) * 1e-3

    def value(t):
        return sum(
            c * np.prod(x**p) for c, p in zip(t.coefficients, monomials(t.degree), strict=True)
        )

    # What the product leaves out is of the fifth degree.
    assert abs(value(a * b) - value(a) * value(b)) < 1e-11
    series = sum(
        np.einsum("abcd"[:k] + ",a,b,c,d"[: 2 * k], a.derivatives(k), *[x] * k) / f
        for k, f in enumerate((1, 1, 2, 6, 24))
    )
    assert series == pytest.approx(value(a), rel=1e-13)
    assert cut(a, 2).coefficients.size == len(monomials(2)) == 10


def test_moments_of_a_quadratic_map_are_those_of_the_chain():
    # x' = a x + c x^2 with x Gaussian of variance s / n: E x' and Var x' exactly.
    a, c, s, n = 0.7, 0.9, 0.3, 50.0
    zero = [np.zeros((3,) * k) for k in range(6)]
    slope, bend = np.zeros((3, 3)), np.zeros((3, 3, 3))
    slope[0, 0], bend[0, 0, 0] = a, 2 * c
    still = (zero[2], zero[3], zero[4])
    law = LayerLaw((zero[1], slope, bend, zero[4], zero[5]), still, zero[3])
    second, fourth = zero[2].copy(), zero[4].copy()
    second[0, 0], fourth[0, 0, 0, 0] = s / n, 3 * (s / n) ** 2
    start = Moments(zero[1], second, zero[1], zero[2], zero[3], fourth)
    after = next_moments(law, start, n)
    assert after.first[0] == pytest.approx(c * s / n)
    assert after.second[0, 0] == pytest.approx(a * a * s / n)
    assert after.second_2[0, 0] == pytest.approx(3 * c * c * (s / n) ** 2)
    # E x'^3 = 3 a^2 c E x^4 + c^3 E x^6, the last beyond the order.
    assert after.third[0, 0, 0] == pytest.approx(9 * a * a * c * (s / n) ** 2)


@pytest.mark.parametrize("name", ["tanh", "gelu", "leaky_relu:0.3"])
def test_derivatives_of_a_layer_are_those_of_its_averages(name):
    phi, k, c, step = as_activation(name), 0.8, 0.3, 1e-3
    law, error = tangent_layer(phi, 1.3, 0.2, k, c, 2)
    assert error < 1e-9

    def at(dk, dc, dd=0.0):
        # E over v given z: mean (C/K) z, variance D - C^2/K.
        big, over = k + dk, c + dc
        alpha, beta = over / big, 1 + dd - over**2 / big

        def terms(z):
            value, slope = phi(z), phi.derivative(z)
            return 1.3**2 * np.stack(
                [value**2, value * slope * alpha * z, slope**2 * (alpha**2 * z * z + beta)]
            )

        mean = gaussian_average(terms, big, kinks=phi.kinks)[0]
        return mean + np.array([0.04, 0, 0])

    np.testing.assert_allclose(law.h[0], at(0, 0), rtol=1e-11)
    for axis, move in enumerate(np.eye(3) * step):
        up, down = at(*move), at(*-move)
        np.testing.assert_allclose(law.h[1][:, axis], (up - down) / (2 * step), atol=3e-6)
        curved = (up - 2 * at(0, 0) + down) / step**2
        np.testing.assert_allclose(law.h[2][:, axis, axis], curved, atol=1e-5)
    mixed = (at(step, step) - at(step, -step) - at(-step, step) + at(-step, -step)) / (4 * step**2)
    np.testing.assert_allclose(law.h[2][:, 0, 1], mixed, atol=1e-5)
    # Third and fourth: differences of the second.
    near = [tangent_layer(phi, 1.3, 0.2, k + d, c, 2)[0] for d in (-step, step)]
    np.testing.assert_allclose(
        law.h[3][..., 0], (near[1].h[2] - near[0].h[2]) / (2 * step), atol=1e-4
    )
    np.testing.assert_allclose(
        law.h[4][..., 0], (near[1].h[3] - near[0].h[3]) / (2 * step), atol=1e-3
    )
    for order in (0, 1):
        slope = (near[1].spread[order] - near[0].spread[order]) / (2 * step)
        np.testing.assert_allclose(law.spread[order + 1][..., 0], slope, atol=1e-3)


@pytest.mark.parametrize("name", ["tanh", "relu", "erf"])
def test_the_layer_of_two_inputs_is_the_kernel_and_that_of_one(name):
    phi, gram, step = as_activation(name), np.array([1.0, 0.4, 1.5]), 1e-4
    law, error = pair_layer(phi, 1.2, 0.3, gram, 2)
    one, _ = tangent_layer(phi, 1.2, 0.3, 1.0, 0.0, 2)
    assert error < 1e-8
    for k in range(5):
        assert law.h[k].flat[0] == pytest.approx(one.h[k].flat[0], rel=1e-9, abs=1e-12)
    assert law.skewness[0, 0, 0] == pytest.approx(one.skewness[0, 0, 0], rel=1e-9)

    def mean(k):
        c = k[1] / np.sqrt(k[0] * k[2])
        return 1.44 * float(kernel(phi, k[0], k[2], c)[0]) + 0.09

    assert law.h[0][1] == pytest.approx(mean(gram), rel=1e-10)
    for axis, move in enumerate(np.eye(3) * step):
        slope = (mean(gram + move) - mean(gram - move)) / (2 * step)
        assert law.h[1][1, axis] == pytest.approx(slope, abs=1e-7)
