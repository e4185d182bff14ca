"""Delete-group jackknife: exact formulas, unequal groups, coverage, and the cutting of data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.jackknife import (
    Jackknife,
    jackknife_bias,
    jackknife_covariance,
    leave_one_out,
)
from nnrg.stats.partition import sample_groups, spatial_edges


def group_sums(x, groups):
    sums = np.zeros((groups.max() + 1, *x.shape[1:]))
    np.add.at(sums, groups, x)
    return sums, np.bincount(groups)


def test_covariance_of_a_mean_is_the_sample_covariance_over_n():
    x = np.random.default_rng(1).normal(size=(50, 3)) @ [[1, 0.5, 0], [0, 1, 2], [0, 0, 1e-3]]
    covariance = jackknife_covariance(leave_one_out(x) / 49, x.mean(axis=0))
    np.testing.assert_allclose(covariance, np.cov(x.T) / 50, rtol=1e-10)


def test_equal_groups_give_the_textbook_formula():
    rng = np.random.default_rng(2)
    replicates, estimate = rng.normal(size=(12, 4)), rng.normal(size=4)
    deviation = replicates - replicates.mean(axis=0)
    textbook = 11 / 12 * deviation.T @ deviation
    np.testing.assert_allclose(jackknife_covariance(replicates, estimate), textbook, rtol=1e-12)
    np.testing.assert_allclose(
        jackknife_covariance(replicates, estimate, np.full(12, 7)), textbook, rtol=1e-12
    )
    np.testing.assert_allclose(
        jackknife_bias(replicates, estimate), 11 * (replicates.mean(axis=0) - estimate)
    )


def test_unequal_groups_give_busing_pseudo_values():
    rng = np.random.default_rng(3)
    sizes = np.array([1, 5, 2, 9, 3])
    replicates, estimate = rng.normal(size=(5, 2)), rng.normal(size=2)
    total, count = sizes.sum(), len(sizes)
    centre = count * estimate - sum(
        (1 - m / total) * theta for m, theta in zip(sizes, replicates, strict=True)
    )
    expected = np.zeros((2, 2))
    for m, theta in zip(sizes, replicates, strict=True):
        h = total / m
        tau = h * estimate - (h - 1) * theta
        expected += np.outer(tau - centre, tau - centre) / (h - 1) / count
    np.testing.assert_allclose(
        jackknife_covariance(replicates, estimate, sizes), expected, rtol=1e-12
    )
    np.testing.assert_allclose(jackknife_bias(replicates, estimate, sizes), estimate - centre)


def test_bias_of_the_plug_in_variance_is_removed_exactly():
    x = np.random.default_rng(4).exponential(size=30)
    left_out = np.array([[np.delete(x, j).var()] for j in range(30)])
    corrected = x.var() - jackknife_bias(left_out, [x.var()])[0]
    assert corrected == pytest.approx(x.var(ddof=1), rel=1e-12)


def ratio_pulls(group_of, seed):
    """Pulls of <xy>/<x^2>, known to be 2, over 400 sets of 600 data."""
    rng = np.random.default_rng(seed)
    pulls = np.empty(400)
    for i in range(400):
        x = rng.exponential(size=600)
        y = 2 * x + rng.normal(size=600)
        sums, sizes = group_sums(np.stack([x * y, x * x], axis=1), group_of)
        rest = leave_one_out(sums)
        estimate = sums[:, 0].sum() / sums[:, 1].sum()
        replicates = (rest[:, 0] / rest[:, 1])[:, None]
        covariance = jackknife_covariance(replicates, [estimate], sizes)
        pulls[i] = (estimate - 2) / np.sqrt(covariance[0, 0])
    return pulls


@pytest.mark.parametrize(
    "groups",
    [sample_groups(600, 30), np.repeat(np.arange(30), np.tile([10, 30], 15))],
    ids=["equal", "unequal"],
)
def test_pulls_of_a_ratio_have_mean_zero_and_unit_spread(groups):
    pulls = ratio_pulls(groups, seed=11)
    # Thirty groups: Student's t with 29 degrees of freedom has variance 29/27.
    assert abs(pulls.mean()) < 3 / np.sqrt(400)
    assert pulls.std() == pytest.approx(np.sqrt(29 / 27), abs=3 / np.sqrt(800))


def test_a_singular_replicate_makes_only_its_own_numbers_unknown():
    rng = np.random.default_rng(6)
    replicates, estimate = rng.normal(size=(10, 3)), rng.normal(size=3)
    whole = jackknife_covariance(replicates, estimate)
    replicates[4, 1] = np.nan
    covariance = jackknife_covariance(replicates, estimate)
    assert np.isnan(covariance[1]).all() and np.isnan(covariance[:, 1]).all()
    np.testing.assert_allclose(covariance[::2, ::2], whole[::2, ::2], rtol=1e-13)
    assert np.isnan(jackknife_bias(replicates, estimate)).tolist() == [False, True, False]


def test_an_empty_group_changes_nothing():
    rng = np.random.default_rng(8)
    replicates, estimate = rng.normal(size=(6, 2)), rng.normal(size=2)
    sizes = np.array([2.0, 1.0, 0.0, 3.0, 1.0, 2.0])
    filled = sizes > 0
    expected = jackknife_covariance(replicates[filled], estimate, sizes[filled])
    np.testing.assert_allclose(jackknife_covariance(replicates, estimate, sizes), expected)
    each = np.column_stack([sizes, np.ones(6)])
    variances = np.diag(jackknife_covariance(replicates, estimate, each))
    equal = jackknife_covariance(replicates, estimate)
    np.testing.assert_allclose(variances, [expected[0, 0], equal[1, 1]])
    bias = jackknife_bias(replicates[filled], estimate, sizes[filled])
    np.testing.assert_allclose(jackknife_bias(replicates, estimate, sizes), bias)


def test_numbers_as_small_as_1e_200_keep_their_error():
    replicates = np.random.default_rng(9).normal(size=(8, 1))
    unit = jackknife_covariance(replicates, [0.0])
    small = jackknife_covariance(1e-150 * replicates, [0.0])
    np.testing.assert_allclose(small, 1e-300 * unit, rtol=1e-12)


@pytest.mark.parametrize(
    ("replicates", "estimate", "sizes"),
    [
        (np.ones(4), np.ones(4), None),
        (np.ones((1, 2)), np.ones(2), None),
        (np.ones((4, 2)), np.ones(3), None),
        (np.ones((4, 2)), np.ones(2), [1, 2, 3]),
        (np.ones((4, 2)), np.ones(2), [1, 2, 3, -1]),
    ],
)
def test_shapes_and_sizes_that_do_not_fit_are_refused(replicates, estimate, sizes):
    with pytest.raises(ArgumentError, match="got"):
        jackknife_covariance(replicates, estimate, sizes)


@given(n=st.integers(1, 300), most=st.none() | st.integers(1, 300))
def test_sample_groups_are_contiguous_and_nearly_equal(n, most):
    groups = sample_groups(n, most)
    assert groups.size == n and groups[0] == 0
    assert set(np.diff(groups).tolist()) <= {0, 1}
    sizes = np.bincount(groups)
    assert sizes.size == min(n, most or n) and np.ptp(sizes) <= 1


@given(
    shape=st.lists(st.integers(8, 200), min_size=1, max_size=3),
    factor=st.integers(2, 3),
    levels=st.integers(0, 2),
    cells=st.integers(2, 9),
)
def test_spatial_edges_hold_whole_blocks(shape, factor, levels, cells):
    block = factor**levels
    if np.prod([max(1, min(cells, length // block)) for length in shape]) < 2:
        with pytest.raises(AnalysisError, match="fewer levels"):
            spatial_edges(shape, factor, levels, cells=cells)
        return
    for length, edges in zip(shape, spatial_edges(shape, factor, levels, cells=cells), strict=True):
        assert edges[0] == 0 and edges[-1] == length and np.all(np.diff(edges) > 0)
        assert np.all(edges[:-1] % block == 0)
        assert edges.size - 1 == max(1, min(cells, length // block))
        if length >= block:
            blocks = np.diff(np.append(edges[:-1], length // block * block)) // block
            assert np.ptp(blocks) <= 1


@pytest.mark.parametrize(
    ("shape", "factor", "levels", "cells"),
    [((), 2, 1, 4), ((8, 8), (2,), 1, 4), ((8,), 2, -1, 4), ((8,), 0, 1, 4), ((8,), 2, 1, 0)],
)
def test_spatial_edges_refuse_what_does_not_fit(shape, factor, levels, cells):
    with pytest.raises(ArgumentError, match="got"):
        spatial_edges(shape, factor, levels, cells=cells)


def test_policy_takes_samples_where_there_are_ten():
    assert [Jackknife().unit(n) for n in (1, 9, 10)] == ["sites", "sites", "samples"]
    assert Jackknife(over="sites").unit(1000) == "sites"
    assert Jackknife(over="samples").unit(2) == "samples"
    assert Jackknife().max_groups == 128 and Jackknife(20).max_groups == 20


def test_cells_of_the_policy_multiply_to_at_most_its_blocks():
    assert [Jackknife().cells_per_axis(d) for d in (1, 2, 3)] == [64, 8, 4]
    assert [Jackknife(30).cells_per_axis(d) for d in (1, 2, 3, 9)] == [30, 5, 3, 2]


@pytest.mark.parametrize("arguments", [{"blocks": 1}, {"blocks": 2.5}, {"over": "rows"}])
def test_policy_refuses_what_it_does_not_know(arguments):
    with pytest.raises(ArgumentError, match="got"):
        Jackknife(**arguments)


def test_sample_groups_refuse_no_samples():
    with pytest.raises(ArgumentError, match="at least 1"):
        sample_groups(0)
