"""k-statistics: exact unbiasedness, SciPy's own for the first four, and symmetries."""

from fractions import Fraction
from itertools import combinations_with_replacement
from math import comb, factorial, fsum, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstat

from nnrg.errors import ArgumentError
from nnrg.stats.kstatistics import gaussian_error, kstatistic_terms, kstatistics, recentre

VALUES = (-1, 0, 3)
CHANCES = (Fraction(1, 2), Fraction(1, 3), Fraction(1, 6))


def exact_cumulants(order):
    moments = [
        sum(p * Fraction(x) ** m for x, p in zip(VALUES, CHANCES, strict=True))
        for m in range(order + 1)
    ]
    kappa = [Fraction(0)]
    for n in range(1, order + 1):
        rest = sum(comb(n - 1, m - 1) * kappa[m] * moments[n - m] for m in range(1, n))
        kappa.append(moments[n] - rest)
    return kappa


def all_samples(n):
    """Every sample of n draws up to order, with its exact probability."""
    for draw in combinations_with_replacement(range(3), n):
        counts = [draw.count(i) for i in range(3)]
        ways = factorial(n) // prod(factorial(c) for c in counts)
        chance = ways * prod(p**c for p, c in zip(CHANCES, counts, strict=True))
        yield [VALUES[i] for i in draw], chance


def power_sums(x, order=8):
    x = np.asarray(x, dtype=np.float64)
    return np.stack([np.sum(x**p, axis=-1) for p in range(1, order + 1)], axis=-1)


@pytest.mark.parametrize("order", range(1, 9))
@pytest.mark.parametrize("excess", [0, 1, 3])
def test_coefficients_are_unbiased_in_rational_arithmetic(order, excess):
    n = order + excess
    falling = [prod(range(n - m + 1, n + 1)) for m in range(order + 1)]
    mean = Fraction(0)
    for sample, chance in all_samples(n):
        sums = [sum(x**p for x in sample) for p in range(order + 1)]
        for parts, coefficients in kstatistic_terms(order):
            weight = sum(Fraction(a, falling[m]) for m, a in enumerate(coefficients, start=1))
            mean += chance * weight * prod(sums[p] for p in parts)
    assert mean == exact_cumulants(order)[order]


@pytest.mark.parametrize("n", [8, 9, 12])
def test_kstatistics_are_unbiased(n):
    samples, chances = zip(*all_samples(n), strict=True)
    k = kstatistics(power_sums(np.array(samples)), n)
    for order, exact in enumerate(exact_cumulants(8)[1:], start=1):
        mean = fsum(float(p) * v for p, v in zip(chances, k[:, order - 1], strict=True))
        scale = float(np.abs(k[:, order - 1]).max())
        assert abs(mean - float(exact)) < 1e-12 * scale


@pytest.mark.parametrize("n", [4, 5, 17, 1000])
def test_first_four_equal_scipy(n):
    x = np.random.default_rng(n).gamma(2.0, size=n)
    k = kstatistics(power_sums(x - x[0], 4), n, shift=x[0])
    np.testing.assert_allclose(k, [kstat(x, r) for r in range(1, 5)], rtol=1e-10)


def test_cumulants_of_the_exponential_distribution():
    # Of so many numbers that s_p = n <x^p>, <x^p> = p!, and 1/n does not show: kappa_p = (p-1)!
    n = 1e13
    k = kstatistics([n * factorial(p) for p in range(1, 9)], n)
    np.testing.assert_allclose(k, [factorial(p - 1) for p in range(1, 9)], rtol=1e-9)


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(30, 90),
    shift=st.floats(-3, 3),
    scale=st.floats(0.01, 100),
)
def test_shift_and_scale_are_undone(seed, n, shift, scale):
    x = np.random.default_rng(seed).exponential(size=n)
    plain = kstatistics(power_sums(x), n)
    moved = kstatistics(power_sums((x - shift) / scale), n, shift=shift, scale=scale)
    spread = 1 + np.abs(x - shift).max()
    np.testing.assert_allclose(moved, plain, rtol=1e-10, atol=1e-11 * spread**8)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), move=st.floats(-5, 5), factor=st.floats(-4, 4))
def test_shift_invariance_and_homogeneity(seed, move, factor):
    x = np.random.default_rng(seed).normal(size=(3, 20))
    k = kstatistics(power_sums(x), 20)
    changed = kstatistics(power_sums(factor * x + move), 20)
    orders = np.arange(1, 9)
    expected = k * factor**orders
    expected[:, 0] += move
    scale = (1 + abs(move) + 4 * abs(factor)) ** orders
    assert np.all(np.abs(changed - expected) < 1e-11 * scale)


def test_vectorised_over_leading_axes_with_their_own_counts():
    rng = np.random.default_rng(3)
    lengths = np.array([[8, 9, 30], [12, 500, 10]])
    data = [[rng.normal(1.0, 2.0, n) for n in row] for row in lengths]
    sums = np.array([[power_sums(x) for x in row] for row in data])
    k = kstatistics(sums, lengths)
    assert k.shape == (2, 3, 8)
    for i, j in np.ndindex(2, 3):
        np.testing.assert_array_equal(k[i, j], kstatistics(sums[i, j], lengths[i, j]))


@pytest.mark.parametrize("n", range(9))
def test_too_few_numbers_give_nan(n):
    k = kstatistics(power_sums(np.arange(n) + 0.0), n)
    assert np.array_equal(np.isnan(k), np.arange(1, 9) > n)


def test_recentre_equals_sums_about_the_mean():
    x = np.random.default_rng(0).normal(0.7, 1.0, 1000)
    mean, central = recentre(power_sums(x), x.size)
    assert mean == pytest.approx(x.mean(), rel=1e-14)
    np.testing.assert_allclose(central, power_sums(x - x.mean()), rtol=1e-11, atol=1e-9)
    assert central[0] == 0


def test_a_shift_near_the_mean_keeps_the_digits():
    # Mean 1e4, standard deviation 1: raw eighth powers would lose all of kappa_3.
    x = 1e4 + np.random.default_rng(1).exponential(size=4096)
    k = kstatistics(power_sums((x - 1e4) / 2.0, 4), x.size, shift=1e4, scale=2.0)
    np.testing.assert_allclose(k[1:], [kstat(x - 1e4, r) for r in (2, 3, 4)], rtol=1e-9)


def test_gaussian_error_is_the_spread_of_the_standardised_kstatistic():
    n = 1000
    x = np.random.default_rng(5).standard_normal((4000, n))
    k = kstatistics(power_sums(x, 4), n)
    for order in (3, 4):
        ratio = k[:, order - 1] / k[:, 1] ** (order / 2)
        # The spread of 4000 numbers is known to 1/sqrt(8000) = 1.1 %.
        assert ratio.std() == pytest.approx(float(gaussian_error(order, n)), rel=0.045)


def test_gaussian_error_is_the_norm_of_the_hermite_polynomial():
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    for order in range(1, 9):
        square = np.polynomial.hermite_e.hermeval(nodes, np.eye(9)[order]) ** 2
        norm = np.sum(weights * square) / np.sum(weights)
        assert float(gaussian_error(order, 50)) == pytest.approx(np.sqrt(norm / 50), rel=1e-12)


@pytest.mark.parametrize(
    ("sums", "n"), [(1.0, 3), (np.ones(9), 3), (np.ones((2, 0)), 3), (np.ones((2, 3)), [1, 2, 3])]
)
def test_shapes_that_do_not_fit_are_refused(sums, n):
    with pytest.raises(ArgumentError, match="got"):
        kstatistics(sums, n)


@pytest.mark.parametrize("order", [0, 2.5, [], [4, -1]])
def test_gaussian_error_refuses_orders_that_are_not_positive_integers(order):
    with pytest.raises(ArgumentError, match="positive integer"):
        gaussian_error(order, 10)
