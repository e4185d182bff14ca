"""Gaussian averages: closed forms against quadrature, errors that hold, kinks, large variances."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import erf

from nnrg.activation_functions import as_activation
from nnrg.errors import ArgumentError
from nnrg.theory import _closed_forms
from nnrg.theory._roots import bracketed_roots
from nnrg.theory.gaussian_averages import gaussian_average, moments, pair_average
from nnrg.theory.layer_kernel import decorrelation, kernel, slope_kernel

EXACT = ["linear", "relu", "leaky_relu:0.3", "leaky_relu:-0.5", "erf", "gelu", "sin", "cos"]
Q = np.array([1e-6, 0.1, 1.0, 7.0, 300.0])
C = np.array([-1.0, -0.99, -0.2, 0.0, 0.7, 0.9999, 1.0])


def without_closed_form(name):
    return replace(as_activation(name), code=-1, slopes=None)


def test_even_powers_of_a_normal_variable():
    powers = np.arange(2, 13, 2)
    value, error = gaussian_average(lambda x: np.stack([x**p for p in powers]), [0.5, 3.0])
    double_factorials = np.cumprod(np.arange(1, 12, 2))
    exact = double_factorials[:, None] * np.array([0.5, 3.0]) ** (powers[:, None] / 2)
    assert value.shape == (6, 2)
    assert (np.abs(value - exact) <= error).all()
    assert (error < 1e-12 * exact).all()


def test_exponentials_move_their_weight_far_out():
    q = np.array([1.0, 9.0, 100.0])
    value, error = gaussian_average(np.exp, q)
    assert_allclose(value, np.exp(q / 2), rtol=1e-12)
    assert (np.abs(value - np.exp(q / 2)) <= error).all()


def test_an_average_that_does_not_exist_is_no_number():
    value, error = gaussian_average(lambda x: np.exp(x * x), 1.0)
    assert np.isnan(value)
    assert np.isinf(error)


@pytest.mark.parametrize("place", [0.0, 0.3, -2.0, 9.0])
@pytest.mark.parametrize("q", [1e-3, 1.0, 1e4])
def test_a_step_anywhere(place, q):
    value, error = gaussian_average(lambda x: (x > place) * 1.0, q, kinks=(place,))
    exact = stats.norm.sf(place / np.sqrt(q))
    assert abs(value - exact) <= error + 1e-16 * exact
    assert error <= 1e-12


@pytest.mark.parametrize("q", [1e-8, 1e-3, 1.0, 50.0, 1e4, 1e8])
def test_a_narrow_bend_under_a_wide_gaussian(q):
    value, error = gaussian_average(lambda x: erf(x) ** 2, q)
    exact = 2 / np.pi * np.arctan2(2 * q, np.sqrt(1 + 4 * q))
    assert abs(value - exact) <= error
    assert error <= 1e-13 * exact


def test_mean_and_variance_zero():
    value, error = gaussian_average(np.cos, [0.0, 2.0], mean=[0.5, 0.5])
    assert_allclose(value, [np.cos(0.5), np.cos(0.5) * np.exp(-1)], rtol=1e-14)
    assert error[0] == 0


@pytest.mark.parametrize("name", EXACT)
def test_closed_moments_are_found_by_quadrature(name):
    exact, numeric = moments(name, Q), moments(without_closed_form(name), Q)
    for field in exact.errors:
        allowed = exact.errors[field] + numeric.errors[field]
        difference = getattr(exact, field) - getattr(numeric, field)
        assert (np.abs(difference) <= allowed + 1e-300).all(), field


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("kind", [kernel, slope_kernel])
def test_closed_kernels_are_found_by_quadrature(name, kind):
    q, c = np.array([[1e-6], [1.0], [300.0]]), np.array([-1, -0.2, 0.7, 0.9999, 1])
    exact, numeric = kind(name, q, 3 * q, c), kind(without_closed_form(name), q, 3 * q, c)
    assert (np.abs(exact[0] - numeric[0]) <= exact[1] + numeric[1] + 1e-300).all()
    assert (numeric[1] <= 1e-11 * (1 + np.abs(exact[0]))).all()


@pytest.mark.parametrize("name", EXACT)
def test_closed_decorrelation_is_found_by_quadrature(name):
    q, epsilon = np.array([[1e-4], [1.0]]), np.array([1e-20, 1e-8, 1e-3, 0.3, 1.9])
    exact, numeric = (
        decorrelation(name, q, epsilon),
        decorrelation(without_closed_form(name), q, epsilon),
    )
    assert (np.abs(exact[0] - numeric[0]) <= exact[1] + numeric[1]).all()
    assert (numeric[1] <= 1e-10 * exact[0] + 1e-300).all()


def test_decorrelation_is_the_difference_of_kernels():
    q, epsilon = np.array([0.3, 2.0]), np.array([0.4, 1.2])
    for name in ("tanh", "gelu", "silu"):
        difference = kernel(name, q, q, 1.0)[0] - kernel(name, q, q, 1 - epsilon)[0]
        assert_allclose(decorrelation(name, q, epsilon)[0], difference, rtol=1e-12)


def test_derivative_of_the_kernel_is_the_kernel_of_derivatives():
    # Price's theorem, here for variances that differ and a function without a closed form.
    q1, q2, c, h = 0.7, 2.0, 0.4, 1e-4
    up, down = (kernel("silu", q1, q2, c + s * h)[0] for s in (1, -1))
    slope = (up - down) / (2 * h * np.sqrt(q1 * q2))
    assert slope_kernel("silu", q1, q2, c)[0] == pytest.approx(slope, rel=1e-8)


@pytest.mark.parametrize("name", ["tanh", "silu", "erf", "gelu", "sin"])
def test_derivatives_of_the_second_moment(name):
    q, h = np.array([0.2, 1.5]), 1e-4
    m = moments(name, q)
    up, down = moments(name, q + h), moments(name, q - h)
    assert_allclose(m.first, (up.square - down.square) / (2 * h), rtol=1e-7)
    assert_allclose(m.second, (up.first - down.first) / (2 * h), rtol=1e-6)
    assert_allclose(m.curvature, m.first - m.slope_square)


def test_errors_of_a_callable_cover_its_differences():
    q = np.array([0.05, 1.0, 20.0])
    exact, numeric = moments("tanh", q), moments(lambda z: np.tanh(z), q)
    for field in exact.errors:
        allowed = exact.errors[field] + numeric.errors[field]
        assert (np.abs(getattr(exact, field) - getattr(numeric, field)) <= allowed).all(), field


def test_kinks_away_from_zero_enter_the_curvature():
    # phi = |z - 1|: <phi^2> = q + 1, <phi'^2> = 1, <phi phi''> = 0; phi = max(z - 1, 0) + 1:
    # phi'' is a delta function at 1, where phi is 1.
    m = moments(as_activation(lambda z: np.abs(z - 1), kinks=(1.0,)), 2.0)
    assert m.square == pytest.approx(3)
    assert m.curvature == pytest.approx(0, abs=1e-11)
    raised = moments(as_activation(lambda z: np.maximum(z - 1, 0) + 1, kinks=(1.0,)), 2.0)
    assert raised.curvature == pytest.approx(stats.norm.pdf(1, scale=np.sqrt(2)), rel=1e-9)
    assert raised.curvature_square == pytest.approx(0, abs=1e-6)


def test_pair_average_of_functions_that_differ():
    # <u^3 v> = 3 q1 r
    value, error = pair_average(lambda u: u**3, lambda v: v, 2.0, 0.5, [-0.3, 0.9])
    exact = 3 * 2.0 * np.array([-0.3, 0.9])
    assert (np.abs(value - exact) <= error).all()
    assert (error < 1e-10).all()


@pytest.mark.parametrize("c", [-1.0, -0.999, 0.2, 1 - 1e-9, 1.0])
def test_orthants_away_from_zero(c):
    steps = (lambda u: (u > 0.4) * 1.0, lambda v: (v > -0.7) * 1.0)
    value, error = pair_average(*steps, 1.0, 1.0, c, kinks=((0.4,), (-0.7,)))
    if abs(c) < 1 - 1e-8:
        law = stats.multivariate_normal([0, 0], [[1, c], [c, 1]])
        exact = law.cdf([-0.4, 0.7])
    else:
        exact = stats.norm.sf(0.4) if c > 0 else stats.norm.cdf(0.7) - stats.norm.cdf(0.4)
    assert value == pytest.approx(exact, abs=1e-9)
    assert error < 1e-9


def test_results_do_not_depend_on_what_is_averaged_together():
    alone = [moments("tanh", q).square for q in Q]
    assert_allclose(moments("tanh", Q).square, alone, rtol=1e-15)
    together = kernel("silu", 1.0, 1.0, C)[0]
    assert_allclose(together, [kernel("silu", 1.0, 1.0, c)[0] for c in C], rtol=1e-14)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gaussian_average(np.tanh, -1.0), "at least zero"),
        (lambda: gaussian_average(np.tanh, np.nan), "finite"),
        (lambda: gaussian_average(np.tanh, "one"), "finite"),
        (lambda: gaussian_average(lambda x: 1.0, 1.0), "shape"),
        (lambda: gaussian_average(np.tanh, 1.0, tolerance=0), "tolerance"),
        (lambda: pair_average(np.tanh, np.tanh, 1, 1, 1.1), "from -1 to 1"),
        (lambda: moments("tanh", 0.0), "above zero"),
        (lambda: kernel("tanh", -1, 1, 0), "at least zero"),
        (lambda: decorrelation("tanh", 1, -0.1), "from 0 to 2"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()


def test_roots_of_many_functions_at_once():
    power = np.array([1.0, 3.0, 9.0])
    roots = bracketed_roots(lambda x: x**power - 0.5, np.zeros(3), np.full(3, 2.0))
    assert_allclose(roots, 0.5 ** (1 / power), rtol=1e-14)


def test_closed_forms_say_where_there_are_none():
    q = np.ones(1)
    assert _closed_forms.moments(as_activation("tanh"), q) == {}
    assert _closed_forms.pair(as_activation("silu"), q, q, q) is None
