"""Replicates: covariance, functions of numbers, independent measurements joined."""

from itertools import pairwise

import numpy as np
import pytest

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.jackknife import jackknife_covariance
from nnrg.stats.replicates import Replicates


def test_mean_of_samples_has_the_covariance_of_the_samples_over_n(rng):
    x = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3))
    mean = Replicates.of_mean(x)
    np.testing.assert_allclose(mean.values, x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(mean.covariance(), np.cov(x.T) / 40, rtol=1e-10)
    assert mean.dof == 39


def test_groups_of_samples_are_those_of_the_jackknife(rng):
    x = rng.normal(size=(47, 2))
    mean = Replicates.of_mean(x, max_groups=10)
    sizes = np.array([5] * 7 + [4] * 3)
    edges = np.concatenate([[0], np.cumsum(sizes)])
    left = [np.delete(x, slice(a, b), axis=0).mean(axis=0) for a, b in pairwise(edges)]
    np.testing.assert_allclose(mean.replicates, left, rtol=1e-12)
    expected = jackknife_covariance(left, x.mean(axis=0), sizes)
    np.testing.assert_allclose(mean.covariance(), expected, rtol=1e-12)


def test_given_covariance_is_given_back_and_propagates_exactly_through_a_matrix(rng):
    root = rng.normal(size=(4, 4))
    covariance, values = root @ root.T, rng.normal(size=4)
    known = Replicates.from_covariance(values, covariance)
    np.testing.assert_allclose(known.covariance(), covariance, rtol=1e-10, atol=1e-12)
    matrix = rng.normal(size=(2, 4))
    moved = known.map(lambda v: matrix @ v)
    np.testing.assert_allclose(moved.covariance(), matrix @ covariance @ matrix.T, rtol=1e-10)
    assert np.isnan(known.estimates()[0].n_samples)


def test_singular_covariance_of_numbers_that_move_together(rng):
    ones = Replicates.from_covariance([1.0, 2.0], np.full((2, 2), 0.25))
    difference = ones.map(lambda v: v[1] - v[0])
    assert difference.errors()[0] < 1e-12
    np.testing.assert_allclose(ones.errors(), [0.5, 0.5], rtol=1e-12)


def test_independent_measurements_have_no_covariance_and_keep_their_own(rng):
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(50, 1))
    both = Replicates.join([Replicates.of_mean(x), Replicates.of_mean(y)])
    covariance = both.covariance()
    np.testing.assert_allclose(covariance[:2, :2], np.cov(x.T) / 30, rtol=1e-10)
    np.testing.assert_allclose(covariance[2, 2], y.var(ddof=1) / 50, rtol=1e-10)
    np.testing.assert_array_equal(covariance[:2, 2], 0)
    np.testing.assert_allclose(both.correlation()[:2, :2], np.corrcoef(x.T), rtol=1e-10)
    total = both.map(lambda v: v.sum())
    np.testing.assert_allclose(total.covariance()[0, 0], covariance.sum(), rtol=1e-10)
    assert both.dof == 29


def test_function_is_evaluated_in_each_replicate_not_linearised(rng):
    x = rng.normal(3.0, 1.0, size=(20, 1))
    cube = Replicates.of_mean(x).map(lambda m: m**3)
    left = np.array([np.delete(x, j).mean() ** 3 for j in range(20)])
    expected = jackknife_covariance(left[:, None], [x.mean() ** 3])
    np.testing.assert_allclose(cube.covariance(), expected, rtol=1e-12)


def test_sizes_of_each_number_are_used():
    values, left = np.array([1.0, 2.0]), np.array([[1.1, 2.3], [0.8, 1.9], [1.05, 1.9]])
    sizes = np.array([[1.0, 4.0], [2.0, 4.0], [3.0, 0.0]])
    found = Replicates.from_jackknife(values, left, sizes)
    np.testing.assert_allclose(found.covariance(), jackknife_covariance(left, values, sizes))
    np.testing.assert_allclose(
        found.select(1).covariance(),
        jackknife_covariance(left[:, 1:], values[1:], sizes[:, 1:]),
    )


def test_inflation_multiplies_errors(rng):
    mean = Replicates.of_mean(rng.normal(size=(20, 2)))
    np.testing.assert_allclose(mean.inflated(1.5).errors(), 1.5 * mean.errors(), rtol=1e-12)


def test_number_that_fails_in_one_replicate_has_no_error():
    left = np.array([[1.0, 2.0], [1.1, np.nan], [0.9, 2.1]])
    found = Replicates.from_jackknife([1.0, 2.0], left)
    assert np.isfinite(found.errors()[0])
    assert np.isnan(found.errors()[1])


def test_tiny_numbers_keep_their_errors(rng):
    x = rng.normal(size=(20, 1))
    small = Replicates.of_mean(1e-200 * x).errors()
    np.testing.assert_allclose(small, 1e-200 * Replicates.of_mean(x).errors(), rtol=1e-12)


def test_arrays_cannot_be_written(rng):
    mean = Replicates.of_mean(rng.normal(size=(20, 2)))
    with pytest.raises(ValueError, match="read-only"):
        mean.values[0] = 1.0


def test_bad_input():
    with pytest.raises(ArgumentError, match="groups first"):
        Replicates.from_jackknife([1.0], [[1.0, 2.0], [1.0, 2.0]])
    with pytest.raises(ArgumentError, match="no negative eigenvalue"):
        Replicates.from_covariance([1.0, 2.0], [[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(ArgumentError, match="must be finite"):
        Replicates.from_covariance([1.0], [np.nan])
    with pytest.raises(ArgumentError, match="values must have shape"):
        Replicates.from_covariance([], [])
    with pytest.raises(ArgumentError, match="n >= 2"):
        Replicates.of_mean([[1.0, 2.0]])
    with pytest.raises(ArgumentError, match="real numbers"):
        Replicates.from_covariance([1j], [1.0])
    with pytest.raises(ArgumentError, match="real numbers"):
        Replicates.of_mean([[1.0, 2.0], [3.0]])
    with pytest.raises(ArgumentError, match="of one kind"):
        Replicates.join([])
    jackknife = Replicates.of_mean(np.arange(4.0)[:, None])
    with pytest.raises(ArgumentError, match="of one kind"):
        Replicates.join([jackknife, Replicates.from_covariance([1.0], [1.0])])
    with pytest.raises(AnalysisError, match="one number or one row"):
        jackknife.map(lambda v: np.ones(1 if v[0] == jackknife.values[0] else 2))


def test_bias_of_a_square_is_taken_off_by_replicates_of_every_kind():
    x = np.random.default_rng(21).normal(2.0, 1.0, size=(40, 1))
    variance = x.var(ddof=1) / 40
    expected = x.mean() ** 2 - variance
    left_out = Replicates.of_mean(x)
    known = Replicates.from_covariance([x.mean()], [variance])
    rows = np.array([x.mean() - variance**0.5, x.mean() + variance**0.5])[:, None]
    drawn = Replicates.from_bootstrap([x.mean()], rows, units=40)
    for numbers in (left_out, known, drawn):
        square = numbers.map(lambda mean: mean**2)
        np.testing.assert_allclose(square.unbiased().values, expected, rtol=1e-12)
        assert np.array_equal(square.unbiased().replicates, square.replicates)
    # Of a sum over independent measurements each part has its own bias.
    both = Replicates.join([left_out, left_out]).map(lambda means: np.sum(means**2))
    np.testing.assert_allclose(both.unbiased().values, 2 * expected, rtol=1e-12)


def test_one_number_is_that_of_all_with_a_flag():
    numbers = Replicates.of_mean(np.random.default_rng(22).normal(size=(30, 2)))
    one = numbers.estimate(1, flag="far")
    other = numbers.estimates()[1]
    assert (one.value, one.error, one.n_samples, one.flag) == (*_of(other), "far")


def _of(estimate):
    return estimate.value, estimate.error, estimate.n_samples
