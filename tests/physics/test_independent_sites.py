"""Independent sites: the flow of the central limit theorem, exact at every scale."""

from itertools import product

import numpy as np
import pytest
from physics.agreement import deviations, p_value
from physics.exact import cumulants_from_moments
from scipy import stats

import nnrg
from nnrg.rg.moments import observe


def lattice_field(values, **options):
    return nnrg.SynapticField(values, nnrg.Lattice(values.shape[1:], **options))


def plug_in_cumulants(values, order):
    return cumulants_from_moments([float(np.mean(values**n)) for n in range(order + 1)])


INDEPENDENT = "Independent sites: central limit"


def test_cumulants_of_block_means_fall_as_the_block_to_the_one_minus_n(checked):
    # Every field of four sites over three values, each once: means over an exact ensemble.
    letters = np.array([-1.0, 0.5, 3.0])
    fields = np.array(list(product(letters, repeat=4)))
    flow = nnrg.renormalize(lattice_field(fields), levels=3)
    site = plug_in_cumulants(letters, 8)
    for b, means in zip(flow.scales, flow.means, strict=True):
        expected = site * float(b) ** (1 - np.arange(9))
        np.testing.assert_allclose(
            plug_in_cumulants(means, 8)[1:], expected[1:], rtol=1e-10, atol=1e-10
        )
    last = plug_in_cumulants(flow.means[2], 8)
    for n in (4, 8):
        quantity = f"kappa_{n} of block means over that of sites, all fields of 3 values, b = 4"
        checked(INDEPENDENT, quantity, 4.0 ** (1 - n), last[n] / site[n])


def test_block_of_area_b_squared_keeps_the_variance_under_the_clt_exponent(checked):
    letters = np.array([-2.0, 1.0])
    fields = np.array(list(product(letters, repeat=4))).reshape(-1, 2, 2)
    flow = nnrg.renormalize(lattice_field(fields), levels=2, rescale="clt")
    site, block = plug_in_cumulants(letters, 6), plug_in_cumulants(flow.at(1).values, 6)
    n, d = np.arange(7), 2
    np.testing.assert_allclose(block[2:], (site * 2.0 ** (d * (1 - n / 2)))[2:], rtol=1e-12)
    for order in (4, 6):
        ratio = (block[order] / block[2] ** (order / 2)) / (site[order] / site[2] ** (order / 2))
        quantity = f"lambda_{order} of block means over that of sites, d = 2, b = 2"
        checked(INDEPENDENT, quantity, 2.0 ** (d * (1 - order / 2)), ratio)


def test_reported_cumulants_are_unbiased_at_every_scale():
    # The mean over all fields of eight sites of 0 or 1, each with its own probability.
    p = 0.3
    kappa = np.array([p, p * (1 - p), p * (1 - p) * (1 - 2 * p)])
    kappa = np.append(kappa, p * (1 - p) * (1 - 6 * p * (1 - p)))
    total = np.zeros((2, 4))
    for values in product([0.0, 1.0], repeat=8):
        probability = p ** sum(values) * (1 - p) ** (8 - sum(values))
        if len(set(values)) == 1:  # no fluctuations: refused, and its cumulants are known
            total[:, 0] += probability * values[0]
            continue
        flow = nnrg.renormalize(lattice_field(np.array([values])), levels=2)
        # Of so few sites most have no error, and are not reported.
        total += probability * observe(flow.statistics, 4, replicates=False)[0, :, :4]
    n = np.arange(1, 5)
    np.testing.assert_allclose(total, [kappa, kappa * 2.0 ** (1 - n)], rtol=1e-10)


@pytest.fixture(scope="module")
def exponential_flow():
    values = np.random.default_rng(3).exponential(size=(1280, 256))
    return nnrg.renormalize(lattice_field(values), levels=6, rescale="clt")


def test_exponential_field_loses_skewness_and_kurtosis_as_the_clt_says(exponential_flow, checked):
    # lambda_3 = 2 2^(-k/2), lambda_4 = 6 2^(-k) after k steps.
    measured = exponential_flow.cumulants(order=4, nulls=())
    k = np.arange(6)
    expected = np.stack([2.0**-k, 2 * 2.0 ** (-k / 2), 6 * 2.0**-k], axis=1)
    names = ("kappa_2", "ratio_3", "ratio_4")
    assert p_value(measured, names, expected) > 1e-4
    assert np.abs(deviations(measured, names, expected)).max() < 4.5
    assert measured.estimate("ratio_4", 1).error < 0.15
    for level in (0, 2, 5):
        b = 2**level
        for column, n in ((1, 3), (2, 4)):
            found = measured.estimate(f"ratio_{n}", b)
            quantity = f"lambda_{n} of exponential sites, b = {b}"
            known = expected[level, column]
            checked(INDEPENDENT, quantity, known, found.value, found.error, within=4.5)


def test_block_means_of_exponential_sites_have_the_gamma_law(exponential_flow):
    for level, b in enumerate(exponential_flow.scales):
        means = exponential_flow.means[level].ravel()
        assert stats.kstest(means, stats.gamma(b, scale=1 / b).cdf).pvalue > 1e-4


def test_independent_gaussian_sites_are_a_fixed_point(rng, checked):
    values = rng.normal(scale=0.5, size=(256, 16, 16))
    flow = nnrg.renormalize(lattice_field(values), levels=3, rescale="clt")
    fit = nnrg.fit_couplings(flow, basis=nnrg.Basis(("phi2", "phi4", "grad2")), nulls=())
    expected = [[4.0, 0.0, 0.0, 0.0]] * 3
    assert p_value(fit, fit.names, expected) > 1e-4
    assert np.abs(deviations(fit, fit.names, expected)).max() < 4.5
    for name, known in (("phi2", 4.0), ("phi4", 0.0)):
        found = fit.estimate(name, 4)
        quantity = f"{name} of Gaussian sites of variance 1/4, d = 2, Delta = 1, b = 4"
        checked(INDEPENDENT, quantity, known, found.value, found.error, within=4.5)


# A square matrix of independent numbers: both axes blocked together.


def symmetric_fraction(w):
    return float(np.sum((w + w.T) ** 2) / (4 * np.sum(w**2)))


MATRIX = "Random matrices"


@pytest.mark.parametrize("level", [0, 1, 2])
def test_symmetric_fraction_of_a_random_matrix_is_kept_by_blocking(level, checked):
    # The symmetric part of an N x N Gaussian matrix holds N (N + 1) / 2 of its N^2 directions:
    # the fraction is Beta distributed with mean (N + 1) / 2N, with N / b for N after blocking.
    size, draws = 16, 400
    rng = np.random.default_rng(11)
    fraction = []
    for _ in range(draws):
        sites = nnrg.Lattice((size, size), populations=((0,), (1,)))
        flow = nnrg.renormalize(nnrg.SynapticField(rng.normal(size=(size, size)), sites), levels=3)
        fraction.append(symmetric_fraction(flow.at(level).values[0]))
    n = size / 2**level
    law = stats.beta(n * (n + 1) / 4, n * (n - 1) / 4)
    assert law.mean() == pytest.approx((n + 1) / (2 * n), rel=1e-12)
    assert stats.kstest(fraction, law.cdf).pvalue > 1e-4
    quantity = f"symmetric fraction of a 16 x 16 matrix after b = {2**level}"
    error = law.std() / np.sqrt(draws)
    checked(MATRIX, quantity, (n + 1) / (2 * n), np.mean(fraction), error)


def test_symmetric_matrix_stays_symmetric(rng):
    w = rng.normal(size=(16, 16))
    flow = nnrg.renormalize(lattice_field(((w + w.T) / 2)[None]), levels=3)
    for _, field in flow:
        np.testing.assert_allclose(field.values[0], field.values[0].T, rtol=0, atol=1e-15)


def test_blocked_random_matrix_is_a_random_matrix_of_the_same_variance(checked):
    # Delta = 1 in two dimensions: independent numbers of the same variance, aspect ratio kept.
    rng = np.random.default_rng(12)
    p, n, sigma = 128, 256, 0.3
    flow = nnrg.renormalize(
        lattice_field(rng.normal(scale=sigma, size=(1, p, n))), levels=3, rescale=1.0
    )
    for b, block in flow:
        w = block.values[0] / sigma
        assert stats.kstest(w.ravel(), "norm").pvalue > 1e-4
        rows, columns = p // b, n // b
        q = rows / columns
        eigenvalues = np.linalg.svd(w, compute_uv=False) ** 2 / columns
        # Exact Wishart means; their spreads fall as 1 / columns.
        second = 1 + q + 1 / columns
        spread = np.sqrt(4 * q * (2 + 5 * q + 2 * q**2)) / rows
        for moment, known, error in ((1, 1.0, np.sqrt(2 / w.size)), (2, second, spread)):
            quantity = f"mean eigenvalue^{moment} of W W^T, 128 x 256, Delta = 1, b = {b}"
            found = np.mean(eigenvalues**moment)
            checked(MATRIX, quantity, known, found, error, source="Wishart law")
        # Marchenko-Pastur edges: the extremes in units of their Tracy-Widom spread, whose law has
        # less than 1e-5 outside (-7, 5) at the upper edge and the mirror image at the lower.
        for extreme, sign in ((eigenvalues.max(), 1), (eigenvalues.min(), -1)):
            edge = np.sqrt(columns) + sign * np.sqrt(rows)
            width = abs(edge) * (rows**-0.5 + sign * columns**-0.5) ** (1 / 3)
            assert -7 < sign * (columns * extreme - edge**2) / width < 5
        assert block.values.shape[1:] == (rows, columns)
