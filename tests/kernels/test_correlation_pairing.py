"""Greedy pairing against the argmax of the whole matrix, again and again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from nnrg_kernels.correlation_pairing import correlations, greedy_pairs, sums_of_pairs


def by_argmax(similarity):
    """Pairs in the order of the largest entry left, ties by the lowest pair of indices."""
    left = np.triu(np.ones(similarity.shape, bool), 1)
    pairs = []
    while left.any():
        values = np.where(left, similarity, -np.inf)
        # The first of the largest among those that are left, which may be -inf itself.
        at = np.flatnonzero((values == values[left].max()) & left)[0]
        i, j = divmod(int(at), len(similarity))
        pairs.append((i, j))
        left[[i, j]] = left[:, [i, j]] = False
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def symmetric(values):
    return np.ascontiguousarray(np.triu(values) + np.triu(values, 1).T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [2, 3, 7, 64, 129])
def test_pairs_are_those_of_the_argmax(n, dtype, rng):
    similarity = symmetric(rng.normal(size=(n, n)).astype(dtype))
    pairs, left = greedy_pairs(similarity)
    assert_array_equal(pairs, by_argmax(similarity))
    rest = set(range(n)) - set(pairs.ravel().tolist())
    assert rest == ({left} if n % 2 else set()) and (left >= 0) == bool(n % 2)


def test_pairs_across_runs_of_columns(rng):
    similarity = symmetric(rng.normal(size=(1100, 1100)).astype(np.float32))
    assert_array_equal(greedy_pairs(similarity)[0], by_argmax(similarity))


def test_a_common_signal_makes_one_unit_the_best_of_all(rng):
    # Rounds of mutual best pairs would take one pair each.
    loading = rng.uniform(0.1, 1, size=201)
    similarity = np.outer(loading, loading)
    pairs, left = greedy_pairs(similarity)
    order = np.argsort(-loading)
    assert_array_equal(pairs, np.sort(order[:200].reshape(-1, 2), axis=1))
    assert left == int(np.argmin(loading))


@given(arrays(np.float32, (9, 9), elements=st.sampled_from([-2.0, -1.0, -0.0, 0.0, 0.5, 1.0])))
def test_ties_go_to_the_lowest_pair_of_indices(values):
    similarity = symmetric(values)
    assert_array_equal(greedy_pairs(similarity)[0], by_argmax(similarity))


def test_the_diagonal_is_not_looked_at(rng):
    similarity = symmetric(rng.normal(size=(20, 20)))
    before = greedy_pairs(similarity)[0]
    similarity[np.diag_indices(20)] = np.nan
    assert_array_equal(greedy_pairs(similarity)[0], before)


def test_no_unit_and_one_unit_are_no_pair():
    for n, alone in ((0, -1), (1, 0)):
        pairs, left = greedy_pairs(np.zeros((n, n)))
        assert pairs.shape == (0, 2) and left == alone


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_covariance_of_sums_is_that_of_summed_data(dtype, rng):
    x = rng.normal(size=(50, 31)).astype(dtype)
    covariance = symmetric(np.cov(x.T).astype(dtype))
    pairs = rng.permutation(31)[:30].reshape(-1, 2)
    found = sums_of_pairs(covariance, pairs)
    expected = np.cov(x[:, pairs].sum(axis=2, dtype=np.float64).T)
    assert_allclose(found, expected, atol=2e-6 if dtype == np.float32 else 1e-14)
    assert_array_equal(found, found.T)
    assert found.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_correlations_are_symmetric_to_the_last_bit(dtype, rng):
    x = rng.normal(size=(40, 23)) * rng.uniform(1e-3, 1e3, size=23)
    x[:, 5] = 0
    covariance = symmetric((x.T @ x / 40).astype(dtype))
    found = correlations(covariance)
    alive = np.arange(23) != 5
    inner = np.ix_(alive, alive)
    scale = np.sqrt(np.diag(covariance)[alive].astype(np.float64))
    expected = covariance[inner] / (scale[:, None] * scale)
    assert_allclose(found[inner], expected, atol=1e-6 if dtype == np.float32 else 1e-14)
    assert_array_equal(found, found.T)
    assert not found[5].any()
    assert_array_equal(correlations(covariance, magnitude=True), np.abs(found))
