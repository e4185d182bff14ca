"""Errors that cover: pulls of every reported number over 200 fields of known law.

A mean of 200 pulls has an error of 0.07 and their spread one of 0.05, so the bounds below are
3.5 and 3 to 4 of these away. Couplings have a bias that falls as one over the number of sites
(a quotient of means, with twelfth moments for phi6): 0.3 of an error at 4 thousand sites, 0.1 at 60
thousand. The fields here are as small as this permits.
"""

import numpy as np
import pytest
from physics import exact
from scipy import stats

import nnrg
from nnrg.rg.action import measure
from nnrg.simulate.chain import phi4_chain
from nnrg.simulate.gaussian import gaussian_free_field
from nnrg.simulate.phi4 import phi4_lattice as phi4

FIELDS = 200
R, U = 0.5, 6.0


def measured(fields, sites, levels):
    """Cumulants and couplings of each field."""
    return [
        measure(nnrg.renormalize(nnrg.SynapticField(v, sites), levels=levels), nulls=())
        for v in fields
    ]


def pulls(results, expected):
    return np.array([(r.values - expected) / r.errors() for r in results])


def assert_covers(pull, mean=0.25, spread=(0.85, 1.2)):
    """Over the first axis: fields."""
    assert np.all(np.isfinite(pull))
    assert np.abs(pull.mean(axis=0)).max() < mean
    deviation = pull.std(axis=0, ddof=1)
    assert spread[0] < deviation.min() and deviation.max() < spread[1]


def chain_cumulants(names, scales):
    """Exact values of everything that cumulants report of the chain."""
    model = exact.Phi4Chain(R, U)
    correlation = model.correlation(2 * max(scales))
    out = []
    for b in scales:
        kappa = model.block_cumulants(b, 8)
        lag = np.abs(np.arange(b)[:, None] - np.arange(b))
        near = correlation[lag + 0].sum()
        far = correlation[b + np.arange(b)[:, None] - np.arange(b)].sum()
        values = {f"kappa_{n}": kappa[n] / b**n for n in range(1, 9)}
        values |= {f"ratio_{n}": kappa[n] / kappa[2] ** (n / 2) for n in range(3, 9)}
        values["neighbour:0"] = far / near
        out.append([values[n] for n in names])
    return np.array(out)


def chain_results(length, n_samples, fields=FIELDS, *, seed):
    # One segment after another of the infinite chain: fields are independent of each other.
    values = phi4_chain(length, fields * n_samples, r=R, u=U, rng=seed)
    values = values.reshape(fields, n_samples, length)
    return measured(values, nnrg.Lattice(length), levels=5)


@pytest.fixture(
    scope="module",
    params=[(256, 128, "samples"), (16384, 1, "regions")],
    ids=["samples", "one configuration"],
)
def chain(request):
    length, n_samples, kind = request.param
    results = chain_results(length, n_samples, seed=20)
    assert results[0][0].attrs["jackknife_over"] == kind
    return results


def test_errors_of_cumulants_cover_at_every_scale(chain):
    cumulants = [k for k, _ in chain]
    expected = chain_cumulants(cumulants[0].names, cumulants[0].scales)
    assert_covers(pulls(cumulants, expected))


def test_errors_of_couplings_cover(chain):
    couplings = [g for _, g in chain]
    assert couplings[0].names == ("phi", "phi2", "phi3", "phi4", "phi6", "grad2:0")
    assert_covers(pulls(couplings, [0, R, 0, U, 0, 1])[:, 0])


def test_goodness_of_fit_is_uniform_where_the_basis_holds_the_action(chain):
    p = np.array([g.series["p"][0] for _, g in chain])
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    # One field in a hundred is wrongly called a poor fit; 8 of 200 happen in 0.1 % of runs.
    assert np.count_nonzero(p < 0.01) < 8


@pytest.mark.parametrize(
    ("shape", "n_samples", "kind"),
    [((32, 32), 64, "samples"), ((256, 256), 1, "regions")],
    ids=["samples", "one configuration"],
)
def test_errors_of_free_field_couplings_cover(shape, n_samples, kind):
    rng = np.random.default_rng(21)
    fields = (gaussian_free_field(shape, n_samples, mass2=R, rng=rng) for _ in range(FIELDS))
    results = measured(fields, nnrg.Lattice(shape, periodic=True), levels=2)
    assert results[0][1].attrs["jackknife_over"] == kind
    couplings = [g for _, g in results]
    assert_covers(pulls(couplings, [0, R, 0, 0, 0, 1, 1])[:, 0])
    p = np.array([g.series["p"][0] for g in couplings])
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_a_second_neighbour_coupling_that_is_not_fitted_is_seen():
    # S = sum_k (r + 4 sin^2(k/2) + 4 J sin^2 k) |phi_k|^2 / 2 with J = 0.1; the same without it.
    k = 2 * np.pi * np.arange(129) / 256
    noise = np.random.default_rng(22).normal(size=(128, 256))
    p = {}
    for coupling in (0.0, 0.1):
        kernel = R + 4 * np.sin(k / 2) ** 2 + 4 * coupling * np.sin(k) ** 2
        values = np.fft.irfft(np.fft.rfft(noise) / np.sqrt(kernel))
        field = nnrg.SynapticField(values, nnrg.Lattice(256, periodic=True))
        fit = nnrg.fit_couplings(nnrg.renormalize(field, levels=2), nulls=())
        p[coupling] = fit.series["p"][0]
    assert p[0.0] > 0.01 > 1e-4 > p[0.1]


@pytest.mark.parametrize("law", ["sech", "laplace"])
def test_an_even_potential_that_is_not_a_polynomial_is_seen(law):
    # Independent sites with S = ln cosh(pi phi / 2) or |phi|: even, and not in the basis.
    uniform = np.random.default_rng(23).random((256, 1024))
    draw = {
        "sech": lambda q: 2 / np.pi * np.log(np.tan(np.pi / 2 * q)),
        "laplace": stats.laplace.ppf,
    }
    field = nnrg.SynapticField(draw[law](uniform), nnrg.Lattice(1024))
    fit = nnrg.fit_couplings(nnrg.renormalize(field, levels=2), nulls=())
    assert fit.series["p"][0] < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(("length", "n_samples"), [(512, 256), (65536, 1)])
def test_errors_of_the_chain_cover_closely(length, n_samples):
    results = chain_results(length, n_samples, 600, seed=24)
    expected = chain_cumulants(results[0][0].names, results[0][0].scales)
    assert_covers(pulls([k for k, _ in results], expected), mean=0.2, spread=(0.9, 1.12))
    couplings = [g for _, g in results]
    assert_covers(pulls(couplings, [0, R, 0, U, 0, 1])[:, 0], mean=0.2, spread=(0.9, 1.12))
    p = np.array([g.series["p"][0] for g in couplings])
    assert stats.kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "n_samples"), [((64, 64), 16), ((256, 256), 1)])
def test_errors_of_lattice_couplings_cover(shape, n_samples):
    values = phi4(shape, FIELDS * n_samples, r=0.2, u=3.0, rng=25, stride=25)
    fields = values.reshape(FIELDS, n_samples, *shape)
    results = measured(fields, nnrg.Lattice(shape, periodic=True), levels=2)
    couplings = [g for _, g in results]
    assert_covers(pulls(couplings, [0, 0.2, 0, 3.0, 0, 1, 1])[:, 0])
    p = np.array([g.series["p"][0] for g in couplings])
    assert stats.kstest(p, "uniform").pvalue > 1e-3
