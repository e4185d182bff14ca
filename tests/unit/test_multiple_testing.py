"""P-values of scores and ranks, and of many numbers at once: exact values and their laws."""

import numpy as np
import pytest
from scipy import stats

from nnrg.errors import ArgumentError
from nnrg.stats.multiple_testing import (
    adjust_p_values,
    outlier_scores,
    rank_p_values,
    student_p_values,
)


@pytest.mark.parametrize("draws", [2, 3, 20, 1000])
def test_student_p_values_are_those_of_the_distribution(draws):
    z = np.array([-40.0, -2.0, 0.0, 0.3, 5.0, np.nan])
    expected = 2 * stats.t(draws - 1).sf(np.abs(z))
    np.testing.assert_allclose(student_p_values(z, draws), expected, rtol=1e-10)


def test_rank_p_values_count_draws():
    draws = np.arange(19.0)[:, None] * np.ones(4)
    p = rank_p_values([18.5, -1.0, 9.0, 17.5], draws)
    np.testing.assert_allclose(p, [0.1, 0.1, 1.0, 0.2])


def test_rank_p_values_hold_for_any_law():
    values = np.random.default_rng(1).standard_cauchy(size=(20, 20000))
    p = rank_p_values(values[0], values[1:])
    # P(p <= a) = a for a = 0.1, 0.2, ...; at 4.5 sigma of ten numbers: 7e-5.
    for a in np.arange(0.1, 1.0, 0.1):
        share = np.mean(p <= a + 1e-9)
        assert abs(share - a) < 4.5 * np.sqrt(a * (1 - a) / 20000)


def test_what_has_no_rank_has_no_p_value():
    draws = np.array([[1.0, 2.0, 1.0], [1.0, np.nan, 2.0], [1.0, 3.0, 3.0]])
    assert np.isnan(rank_p_values([2.0, 2.0, np.nan], draws)).all()


def test_adjusted_p_values_of_a_textbook_family():
    p = np.array([0.01, 0.02, 0.03, 0.04, 0.05])
    np.testing.assert_allclose(adjust_p_values(p), 0.05)
    np.testing.assert_allclose(adjust_p_values(p, "holm"), [0.05, 0.08, 0.09, 0.09, 0.09])
    harmonic = np.sum(1 / np.arange(1, 6))
    np.testing.assert_allclose(adjust_p_values(p, "benjamini-yekutieli"), 0.05 * harmonic)


@pytest.mark.parametrize("method", ["benjamini-hochberg", "benjamini-yekutieli", "holm"])
def test_nan_is_no_member_of_the_family_and_order_does_not_matter(method):
    p = np.random.default_rng(2).random(30) ** 3
    order = np.random.default_rng(3).permutation(30)
    alone = adjust_p_values(p, method)
    np.testing.assert_allclose(adjust_p_values(p[order], method), alone[order])
    with_nan = np.full((2, 30), np.nan)
    with_nan[1] = p
    adjusted = adjust_p_values(with_nan, method)
    assert np.isnan(adjusted[0]).all()
    np.testing.assert_array_equal(adjusted[1], alone)
    assert np.all(alone >= p)
    assert adjust_p_values([np.nan], method).shape == (1,)


def test_holm_keeps_the_chance_of_one_false_alarm_and_hochberg_the_share_of_false_ones():
    rng = np.random.default_rng(4)
    z = rng.normal(size=(4000, 20))
    z[:, :10] += 3.0
    p = 2 * stats.norm.sf(np.abs(z))
    holm = np.array([adjust_p_values(row, "holm") for row in p]) <= 0.1
    hochberg = np.array([adjust_p_values(row) for row in p]) <= 0.1
    # 4 sigma above what is promised: 3e-5.
    assert holm[:, 10:].any(axis=1).mean() < 0.1 + 4 * np.sqrt(0.09 / 4000)
    false = hochberg[:, 10:].sum(axis=1) / np.maximum(hochberg.sum(axis=1), 1)
    assert abs(false.mean() - 0.05) < 4 * false.std() / np.sqrt(4000)  # half are true nulls
    assert hochberg[:, :10].mean() > holm[:, :10].mean() > 0.5


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: student_p_values([1.0], 1), "draws must be an integer"),
        (lambda: student_p_values(["a"], 20), "z must be real numbers"),
        (lambda: student_p_values([1j], 20), "z must be real numbers"),
        (lambda: rank_p_values([1.0], [[1.0, 2.0]]), "draws must have shape"),
        (lambda: rank_p_values(1.0, 2.0), "draws must have shape"),
        (lambda: adjust_p_values([0.1], "bonferroni"), "method must be one of"),
        (lambda: adjust_p_values([0.1], None), "method must be one of"),
        (lambda: adjust_p_values([1.5]), "between 0 and 1"),
        (lambda: adjust_p_values([-0.1]), "between 0 and 1"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ArgumentError, match=says):
        call()


def test_an_empty_family_stays_empty():
    assert adjust_p_values([]).shape == (0,)
    assert adjust_p_values(np.empty((0, 3)), "holm").shape == (0, 3)


def test_outlier_scores_are_likelihood_ratios():
    members = np.random.default_rng(2).standard_t(3, size=(21, 7)) * 10.0 ** np.arange(-3, 4)
    naive = [
        np.mean([np.log(21 * c.var() / (20 * np.delete(c, m).var())) for c in members.T])
        for m in range(21)
    ]
    np.testing.assert_allclose(outlier_scores(members), naive, rtol=1e-9)
    np.testing.assert_allclose(outlier_scores(1e200 * members), naive, rtol=1e-9)


def test_ranks_of_outlier_scores_are_equally_likely():
    # Dependent numbers of a law without mean: at 4.5 sigma of five shares, 4e-5.
    rng = np.random.default_rng(3)
    broad = rng.standard_cauchy(size=(4000, 20, 6))
    broad[..., 3:] += broad[..., :3]
    ranks = np.array([np.sum(s >= s[0]) for s in map(outlier_scores, broad)])
    for a in (0.05, 0.1, 0.2, 0.5, 0.8):
        share = np.mean(ranks <= 20 * a)
        assert abs(share - a) < 4.5 * np.sqrt(a * (1 - a) / 4000)


def test_one_odd_draw_does_not_hide_a_field_that_differs_in_all():
    members = np.random.default_rng(4).normal(size=(21, 8))
    members[0] += 20.0
    members[7, 2] += 1000.0
    assert outlier_scores(members).argmax() == 0


@pytest.mark.parametrize(
    "members", [np.ones((2, 3)), np.ones(5), np.ones((5, 2)), np.empty((5, 0))]
)
def test_outlier_scores_refuse(members):
    with pytest.raises(ArgumentError):
        outlier_scores(members)
    with pytest.raises(ArgumentError, match="finite"):
        outlier_scores([[0.0], [1.0], [np.nan]])
