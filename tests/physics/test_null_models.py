"""Null models: scores of fields without order follow the law they are read with."""

import numpy as np
import pytest
from scipy import stats

import nnrg
from nnrg.rg.action import measure
from nnrg.simulate.gaussian import ar1

DRAWS = 9


def scores_and_ranks(results):
    """z of each result, and how many of its null draws lie below it."""
    z = np.array([r.z() for r in results])
    below = [(r.nulls["permutation"] < r.values).sum(axis=0) for r in results]
    return z, np.array(below)


def assert_is_one_of_the_draws(z, rank):
    # Where the field is exchangeable with its null, the rank is uniform on 0 .. draws exactly,
    # and z is Student's t with draws - 1 degrees of freedom up to the number's own non-normality.
    counts = np.bincount(rank, minlength=DRAWS + 1)
    assert stats.chisquare(counts).pvalue > 1e-4
    assert stats.kstest(z, stats.t(DRAWS - 1).cdf).pvalue > 1e-3


@pytest.fixture(scope="module")
def independent():
    values = np.random.default_rng(31).normal(size=(300, 24, 64))
    results = []
    for seed, v in enumerate(values):
        flow = nnrg.renormalize(nnrg.SynapticField(v, nnrg.Lattice(64)), levels=4)
        nulls = nnrg.NullModel("permutation", draws=DRAWS)
        results.append(flow.cumulants(order=4, nulls=(nulls,), rng=seed))
    return results


@pytest.mark.parametrize(
    ("name", "level"),
    [("neighbour:0", 0), ("kappa_2", 1), ("kappa_2", 3), ("ratio_4", 1), ("ratio_3", 2)],
)
def test_scores_of_independent_sites_are_students_t(independent, name, level):
    z, rank = scores_and_ranks(independent)
    i = independent[0].names.index(name)
    assert_is_one_of_the_draws(z[:, level, i], rank[:, level, i])


def test_scores_of_random_neighbourhoods_are_students_t():
    # A strongly correlated field in random blocks is itself one more draw of its null.
    values = ar1(64, 300 * 24, rho=0.9, rng=32).reshape(300, 24, 64)
    results = []
    for seed, v in enumerate(values):
        field = nnrg.SynapticField(v, nnrg.Lattice(64))
        flow = nnrg.renormalize(field, nnrg.RandomBlocks(2, seed=seed), levels=3)
        nulls = nnrg.NullModel("permutation", draws=DRAWS)
        results.append(flow.cumulants(order=2, nulls=(nulls,), rng=1000 + seed))
    z, rank = scores_and_ranks(results)
    for name, level in (("neighbour:0", 0), ("kappa_2", 1), ("kappa_2", 2)):
        i = results[0].names.index(name)
        assert_is_one_of_the_draws(z[:, level, i], rank[:, level, i])


def test_grid_blocks_of_a_correlated_field_are_told_from_random_ones():
    field = nnrg.SynapticField(ar1(64, 64, rho=0.9, rng=33), nnrg.Lattice(64))
    cumulants, couplings = measure(nnrg.renormalize(field, levels=3), rng=34)
    i = cumulants.names.index("kappa_2")
    assert np.isnan(cumulants.z()[0, i])  # a permutation keeps the one-point law
    assert np.all(cumulants.z()[1:, i] > 8)
    assert couplings.z()[0, couplings.names.index("grad2:0")] > 10


@pytest.mark.slow
def test_scores_of_couplings_of_independent_sites_are_students_t():
    values = np.random.default_rng(35).normal(size=(300, 64, 64))
    results = []
    for seed, v in enumerate(values):
        flow = nnrg.renormalize(nnrg.SynapticField(v, nnrg.Lattice(64)), levels=3)
        nulls = nnrg.NullModel("permutation", draws=DRAWS)
        results.append(nnrg.fit_couplings(flow, nulls=(nulls,), rng=seed))
    z, rank = scores_and_ranks(results)
    for name, level in (("grad2:0", 0), ("phi2", 1), ("phi4", 1), ("grad2:0", 2)):
        i = results[0].names.index(name)
        # One field in a thousand looks as if it had an edge, and is refused.
        told = np.isfinite(z[:, level, i])
        assert np.count_nonzero(told) >= 297
        assert_is_one_of_the_draws(z[told, level, i], rank[told, level, i])
