"""Bootstrap: exact variances of the mean for members, blocks and both; seeds; intervals."""

import numpy as np
import pytest

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.bootstrap import Bootstrap, percentile_interval
from nnrg.stats.replicates import Replicates


def mean_of(table):
    return lambda sums: sums[:, :1] / len(table)


def ensemble(rng, members=12, blocks=8, between=1.0, within=2.0):
    values = rng.normal(scale=between, size=(members, 1)) + rng.normal(
        scale=within, size=(members, blocks)
    )
    return values, np.repeat(np.arange(members), blocks)


def drawn_variance(values, members, over, draws=40_000):
    flat = values.reshape(-1, 1)
    found = Bootstrap(draws, over=over).replicates(flat, mean_of(flat), members=members, rng=3)
    return found.covariance()[0, 0]


# The variance of `draws` resampled means is known to sqrt(2 / draws) = 0.7 %: 3 % is 4 sigma, a
# false alarm in 15 000 for fixed seeds.
CLOSE = dict(rtol=0.03)


def test_members_give_the_variance_of_the_members_means(rng):
    values, members = ensemble(rng)
    expected = values.mean(axis=1).var(ddof=1) / len(values)
    np.testing.assert_allclose(drawn_variance(values, members, "members"), expected, **CLOSE)


def test_blocks_give_the_variance_inside_members(rng):
    values, members = ensemble(rng)
    inside = values.var(axis=1, ddof=1).mean() / values.size
    np.testing.assert_allclose(drawn_variance(values, members, "blocks"), inside, **CLOSE)


def test_both_stages_count_the_variance_inside_members_once_more(rng):
    values, members = ensemble(rng)
    between = values.mean(axis=1).var(ddof=1) / len(values)
    inside = values.var(axis=1, ddof=1).mean() / values.size
    np.testing.assert_allclose(drawn_variance(values, members, "both"), between + inside, **CLOSE)


def test_members_of_unequal_size_with_members_of_one_block(rng):
    members = np.array([0, 0, 0, 1, 2, 2])
    weights = Bootstrap(5000, over="blocks").multiplicities(members, rng=1)
    np.testing.assert_allclose(weights[:, members == 0].sum(axis=1), 3)
    np.testing.assert_array_equal(weights[:, members == 1], 1)
    np.testing.assert_allclose(weights[:, members == 2].sum(axis=1), 2)
    whole = Bootstrap(5000, over="both").multiplicities(members, rng=1)
    # A member left out is left out with all its blocks.
    assert np.all((whole[:, members == 1] == 0).ravel() | (whole[:, members == 1].ravel() > 0))
    assert whole.min() == 0


def test_auto_takes_members_where_there_are_ten():
    assert Bootstrap().unit(10) == "members"
    assert Bootstrap().unit(9) == "blocks"
    assert Bootstrap(over="both").unit(2) == "both"


def test_same_seed_same_numbers(rng):
    x = rng.normal(size=(20, 1))
    one, two, other = (
        Bootstrap(50).replicates(x, mean_of(x), rng=seed).replicates for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(one, two)
    assert np.any(one != other)


def test_ratio_of_sums_agrees_with_the_jackknife(rng):
    x = rng.normal(3.0, 1.0, size=(200, 2)) + rng.normal(size=(200, 1))
    drawn = Bootstrap(4000).replicates(x, lambda s: s[:, :1] / s[:, 1:], rng=1)
    left_out = Replicates.of_mean(x, max_groups=200).map(lambda m: m[0] / m[1])
    # 4000 draws: 1.1 % of the error; the two differ by O(1/n) besides.
    np.testing.assert_allclose(drawn.errors(), left_out.errors(), rtol=0.05)
    assert drawn.dof == 199


def test_percentiles_of_an_exponential_mean_are_skewed(rng):
    x = rng.exponential(size=(30, 1))
    mean = Bootstrap(4000).replicates(x, mean_of(x), rng=2)
    low, high = percentile_interval(mean, 0.95)[0] - mean.values[0]
    assert high > -low > 0
    inner = percentile_interval(mean)[0]
    np.testing.assert_allclose(np.ptp(inner) / 2, mean.errors()[0], rtol=0.05)


def test_bad_input(rng):
    with pytest.raises(ArgumentError, match="draws must be an integer"):
        Bootstrap(1)
    with pytest.raises(ArgumentError, match="over must be"):
        Bootstrap(over="sites")
    with pytest.raises(ArgumentError, match="row of integers"):
        Bootstrap().multiplicities([0.5, 1.0])
    with pytest.raises(AnalysisError, match="nothing to draw from"):
        Bootstrap(over="members").multiplicities([0, 0, 0])
    with pytest.raises(AnalysisError, match="nothing to draw from"):
        Bootstrap().multiplicities([0, 1, 2])
    x = rng.normal(size=(20, 1))
    with pytest.raises(ArgumentError, match="sums must have shape"):
        Bootstrap().replicates(x[:, 0], mean_of(x))
    with pytest.raises(ArgumentError, match="statistic must turn sums"):
        Bootstrap().replicates(x, lambda sums: sums[:, 0])
    with pytest.raises(ArgumentError, match="at least 20 bootstrap"):
        percentile_interval(Replicates.of_mean(x))
    with pytest.raises(ArgumentError, match="level must lie"):
        percentile_interval(Bootstrap(50).replicates(x, mean_of(x), rng=1), 1.0)
    with pytest.raises(ArgumentError, match="at least 2 independent units"):
        Replicates.from_bootstrap([1.0], [[1.0], [2.0]], units=1)
