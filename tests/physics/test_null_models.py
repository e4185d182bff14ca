"""Null models: scores of fields without order follow the law they are read with."""

import numpy as np
import pytest
from scipy import stats

import nnrg
from nnrg.rg.action import measure
from nnrg.rg.nulls import measure_null
from nnrg.rg.nulls._initialisation import initialisation
from nnrg.rg.nulls._surrogates import phase
from nnrg.simulate.chain import phi4_chain
from nnrg.simulate.gaussian import ar1, gaussian_free_field

DRAWS = 9


def scores_and_ranks(results, null="permutation"):
    """z of each result, and how many of its null draws lie below it."""
    z = np.array([r.z(null) for r in results])
    below = [(r.nulls[null] < r.values).sum(axis=0) for r in results]
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


def gaussian_fields(kind, count):
    """Gaussian fields with a two-point function of their own, on open and periodic lattices."""
    for seed in range(count):
        rng = np.random.default_rng([41, seed])
        if kind == "periodic":
            values = gaussian_free_field((12, 12), 16, mass2=0.3, rng=rng) + 1.0
            yield nnrg.SynapticField(values, nnrg.Lattice((12, 12), periodic=True))
        else:  # open, of unequal variances and means of its sites
            profile = np.hanning(34)[1:-1]
            values = profile * (ar1(32, 24, rho=0.8, rng=rng) + 0.5)
            yield nnrg.SynapticField(values, nnrg.Lattice(32))


def shape_numbers(values):
    """Skewness and excess kurtosis of all values, and of means over two sites."""
    pairs = values[..., ::2] + values[..., 1::2]
    out = []
    for y in (values, pairs):
        y = (y - y.mean()) / y.std()
        out += [np.mean(y**3), np.mean(y**4) - 3]
    return np.array(out)


@pytest.mark.parametrize("kind", ["periodic", "open"])
def test_a_gaussian_field_is_one_of_its_surrogates(kind):
    below = []
    for seed, field in enumerate(gaussian_fields(kind, 400)):
        draw, rng = phase(field), np.random.default_rng([42, seed])
        draws = np.array([shape_numbers(draw(rng).values) for _ in range(DRAWS)])
        below.append((draws < shape_numbers(field.values)).sum(axis=0))
    # The rank is uniform on 0 .. draws exactly; eight tests at 1e-4.
    for rank in np.transpose(below):
        counts = np.bincount(rank, minlength=DRAWS + 1)
        assert stats.chisquare(counts).pvalue > 1e-4


def test_an_untrained_tensor_is_told_from_its_initialisation_as_often_as_it_should_be():
    def numbers(values):
        y = values - values.mean()
        return np.array([values.mean(), np.mean(y**2), np.mean(y[:, 1:] * y[:, :-1])])

    scores = []
    draws = 40
    for seed in range(300):
        rng = np.random.default_rng([43, seed])
        values = rng.laplace(size=(2, 200, 17))
        values = values[..., 1:] + values[..., :-1]
        field, start = (nnrg.SynapticField(v, nnrg.Lattice(16)) for v in values)
        prepared = initialisation(field, nnrg.GridBlocks(2).arrange, (start,), draws)
        drawn = np.array([numbers(draw(rng).values) for draw in prepared])
        away = numbers(field.values) - drawn.mean(axis=0)
        scores.append(away / (drawn.std(axis=0, ddof=1) * np.sqrt(1 + 1 / draws)))
    # A single initialisation has its own error, which the draws must carry: without it the
    # standard deviation would be sqrt 2. Of 300 scores it is known to 4 %.
    z = np.array(scores)
    assert np.all(np.abs(z.mean(axis=0)) < 4 * z.std(axis=0) / np.sqrt(300))
    assert np.all((0.85 < z.std(axis=0)) & (z.std(axis=0) < 1.2))


def correlogram(values, lags):
    """Mean product of sites `lag` apart along each axis, over all pairs of an open lattice."""
    y = values - values.mean(axis=tuple(range(1, values.ndim)), keepdims=True)
    out = [
        np.mean(np.moveaxis(y, a, -1)[..., lag:] * np.moveaxis(y, a, -1)[..., : y.shape[a] - lag])
        for a in range(1, y.ndim)
        for lag in lags
    ]
    return np.array(out)


@pytest.mark.parametrize(
    ("shape", "n_samples", "independent"),
    [((2048,), 1, True), ((96, 96), 1, True), ((400,), 4, False), ((512,), 40, True)],
    ids=["chain", "plane", "dependent", "many"],
)
def test_surrogates_of_open_lattices_keep_the_two_point_function(shape, n_samples, independent):
    # Cut from periodic lattices four times as large: the ends of the cut are not neighbours.
    large = gaussian_free_field([2 * n for n in shape], n_samples, mass2=0.2, rng=43)
    values = large[(slice(None), *(slice(n) for n in shape))] ** 3
    field = nnrg.SynapticField(values, nnrg.Lattice(shape), independent=independent)
    flow = nnrg.renormalize(field, levels=2)
    lags = [0, 1, 2, 3, 5, 8]
    model, seed = nnrg.NullModel("phase", 100), np.random.SeedSequence(44)
    draws = np.array(
        list(measure_null(flow, model, seed, lambda n: correlogram(n.field.values, lags)))
    )
    given = correlogram(values, lags)
    error = draws.std(axis=0) / np.sqrt(100)
    # Each draw has its own correlogram about the same mean; the demeaned sample is lower at all
    # lags by the variance of its mean, which draws lose once more.
    mean = draws.mean(axis=0)
    assert np.all(np.abs(mean - given) < 4.5 * error + 0.02 * given[0])
    # No bond joins the two ends: they are as far apart as in the field.
    ends = list(
        measure_null(flow, model, seed, lambda n: n.field.values[:, 0] * n.field.values[:, -1])
    )
    product = np.mean(ends) - np.mean(values[:, 0]) * np.mean(values[:, -1])
    scale = float(values.var())
    assert product < 0.5 * given[1] + 4.5 * scale / np.sqrt(np.size(ends))


@pytest.mark.parametrize(("periodic", "n_samples"), [(True, 8), (False, 60), (False, 8)])
def test_surrogates_are_gaussian(periodic, n_samples):
    values = np.random.default_rng(45).laplace(size=(n_samples, 32, 32))
    field = nnrg.SynapticField(values, nnrg.Lattice((32, 32), periodic=periodic))
    kappa = nnrg.renormalize(field, levels=2).cumulants(order=4, nulls=("phase",), rng=46)
    i = kappa.names.index("ratio_4")
    noise = np.sqrt(24 / values.size)
    assert kappa.values[0, i] > 2.5  # 3 for the Laplace law
    leak = 3 / (n_samples + 2) if not periodic and n_samples >= 16 else 0.0
    expected = leak * kappa.values[0, i]
    assert abs(kappa.null_mean("phase")[0, i] - expected) < 4 * noise / np.sqrt(20) + 0.02


def test_only_the_interacting_chain_beats_its_surrogates():
    chain = phi4_chain(64, 300, r=0.5, u=6.0, rng=47)
    kappa = nnrg.renormalize(nnrg.SynapticField(chain, nnrg.Lattice(64)), levels=4).cumulants(
        order=4, nulls=("permutation", "phase", "gaussian"), rng=48
    )
    i = kappa.names.index("ratio_4")
    for null in ("phase", "gaussian"):
        assert np.all(kappa.z(null)[:2, i] < -5)
        # Of the chain's -0.42 the surrogate of 300 samples keeps one per cent.
        mean = kappa.null_mean(null)[:, i]
        assert np.all(np.abs(mean) < 0.01 + 4.5 * kappa.null_spread(null)[:, i] / np.sqrt(20))
    # The free field with the same variance and neighbour differences has nearly the same range.
    j = kappa.names.index("kappa_2")
    np.testing.assert_allclose(kappa.null_mean("gaussian")[:, j], kappa.values[:, j], rtol=0.03)


def test_the_fitted_free_field_of_a_free_field_is_itself():
    values = gaussian_free_field((32, 32), 20, mass2=0.5, stiffness=2.0, rng=49)
    field = nnrg.SynapticField(values, nnrg.Lattice((32, 32), periodic=True))
    kappa = nnrg.renormalize(field, levels=4).cumulants(order=4, nulls=("gaussian",), rng=50)
    # All numbers of all scales, mass and stiffness being the only ones that were fitted.
    told = np.isfinite(kappa.z("gaussian"))
    assert np.abs(kappa.z("gaussian")[told]).max() < stats.t(19).isf(1e-3 / 2 / told.sum())


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
