"""Sums over runs of sites, and moments by kind of block, against NumPy."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nnrg_kernels.graph_blocks import moments_by_kind, scaled_by_kind, sum_runs


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(3, 17), (1, 1), (2, 9, 13), (4, 12, 1)])
def test_sums_of_runs_are_those_of_numpy(shape, kind):
    rng = np.random.default_rng(1)
    values = rng.normal(size=shape).astype(kind)
    for axis in range(len(shape)):
        n = shape[axis]
        inner = np.flatnonzero(rng.random(n - 1) < 0.4) + 1
        starts = np.array([0, *inner, n])
        wide = values.astype(np.float64)
        parts = [wide.take(range(a, b), axis).sum(axis, keepdims=True) for a, b in pairwise(starts)]
        # Sums of at most 17 numbers of order one.
        assert_allclose(sum_runs(values, starts, axis), np.concatenate(parts, axis), atol=1e-14)


def test_sums_are_added_up_in_double_precision():
    # In single precision 2^24 + 1 is 2^24.
    values = np.ones((1, 3), np.float32)
    values[0, 0] = 2.0**24
    assert sum_runs(values, np.array([0, 3]), 1).tolist() == [[2.0**24 + 2]]


def test_moments_and_scaling_by_kind_are_those_of_masks():
    rng = np.random.default_rng(2)
    means = rng.normal(size=(3, 7, 11))
    rows, columns = rng.integers(0, 3, 7), rng.integers(0, 4, 11)
    sums, squares = moments_by_kind(means, 0.25, rows, columns, (3, 4))
    factor = rng.random((3, 4))
    scaled = scaled_by_kind(means, -0.5, rows, columns, factor)
    for i in range(3):
        for j in range(4):
            at = np.ix_(range(3), rows == i, columns == j)
            assert_allclose(sums[i, j], (means[at] - 0.25).sum(), atol=1e-13)
            assert_allclose(squares[i, j], ((means[at] - 0.25) ** 2).sum(), atol=1e-13)
    expected = -0.5 + (means + 0.5) * factor[rows][:, columns]
    assert_allclose(scaled, expected, atol=1e-14)


def test_what_is_not_finite_is_seen_where_it_is():
    values = np.ones((2, 6))
    values[1, 2] = np.nan
    sums = sum_runs(values, np.array([0, 2, 4, 6]), 1)
    assert_array_equal(np.isnan(sums), [[False] * 3, [False, True, False]])
