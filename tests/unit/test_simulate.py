"""Samplers against exact answers, and the exact answers against published digits."""

import numpy as np
import pytest
from physics import exact

from nnrg.errors import ArgumentError
from nnrg.simulate import (
    ar1,
    fractional_gaussian_noise,
    gaussian_free_field,
    phi4_chain,
    phi4_lattice,
)
from nnrg.stats.jackknife import jackknife_covariance, leave_one_out
from nnrg.stats.kstatistics import kstatistics
from nnrg.stats.partition import sample_groups


def cumulants_with_errors(samples, order, groups=100):
    """k-statistics of rows of data, with errors from leaving out groups of rows."""
    group = sample_groups(len(samples), groups)
    sums = np.zeros((group.max() + 1, order))
    power = np.ones_like(samples)
    for p in range(order):
        power *= samples
        np.add.at(sums[:, p], group, power.sum(axis=1))
    counts = np.bincount(group) * samples.shape[1]
    full = kstatistics(sums.sum(axis=0), counts.sum())
    replicates = kstatistics(leave_one_out(sums), leave_one_out(counts))
    return full, np.sqrt(np.diag(jackknife_covariance(replicates, full, counts)))


# Exact answers: digits of the validation table.


@pytest.mark.parametrize("points", [401, 601])
def test_block_cumulants_of_the_chain_at_r_one_half(points):
    chain = exact.Phi4Chain(0.5, 6.0, points=points)
    assert abs(chain.correlation_length - 0.8851318740) < 6e-11
    lambda4 = [-0.4239376934, -0.3521687841, -0.2623716326, -0.1597091920]
    lambda4 += [-0.0857174532, -0.0440659898, -0.0223059244]
    for b, digits in zip([1, 2, 4, 8, 16, 32, 64], lambda4, strict=True):
        assert abs(chain.standardised(b, 4)[4] - digits) < 6e-11
    for b, kappa2, lambda6 in [
        (1, 0.3596605131, 1.2327660645),
        (8, 0.6395733518, 0.1912667972),
        (64, 0.6950376282, 0.0036484341),
    ]:
        assert abs(chain.block_cumulants(b, 2)[2] / b - kappa2) < 6e-11
        assert abs(chain.standardised(b, 6)[6] - lambda6) < 6e-11


def test_block_cumulants_of_the_chain_at_r_minus_one():
    chain = exact.Phi4Chain(-1.0, 6.0)
    assert abs(chain.correlation_length - 1.5289648214) < 6e-11
    for b, digits in [(1, -0.8437599945), (4, -0.7175535266), (16, -0.3042608985)]:
        assert abs(chain.standardised(b, 4)[4] - digits) < 6e-11
    assert abs(chain.standardised(64, 4)[4] + 0.0818924717) < 6e-11


def test_block_flow_of_the_chain_approaches_the_gaussian_fixed_point():
    chain = exact.Phi4Chain(0.5, 6.0)
    at32, at64 = chain.standardised(32, 6), chain.standardised(64, 6)
    assert -at64[4] * 64 == pytest.approx(1.42758, abs=6e-6)
    assert at64[4] / at32[4] == pytest.approx(1 / 2, rel=0.02)
    assert at64[6] / at32[6] == pytest.approx(1 / 4, rel=0.05)


def test_cumulants_in_zero_dimensions():
    kappa = exact.zero_dimensional_cumulants(1.0, 1.0)
    assert abs(kappa[2] - 0.750511146389689) < 1e-14
    assert abs(kappa[4] + 0.192867820904) < 6e-13
    assert abs(kappa[6] - 0.357771432688) < 6e-13


@pytest.mark.parametrize(("shape", "b"), [((64,), 4), ((32, 16), 2)])
def test_block_mass_of_the_free_field_is_b_squared_r(shape, b):
    # Block means times b^Delta, Delta = (d - 2)/2.
    g = exact.free_block_propagator(shape, 0.3, b) * b ** (len(shape) - 2)
    assert 1 / g.flat[0] == pytest.approx(b**2 * 0.3, rel=1e-12)


def test_block_propagator_is_that_of_block_means():
    correlation = exact.free_correlation((24,), 0.3)
    covariance = correlation[(np.arange(24)[:, None] - np.arange(24)) % 24]
    block = np.kron(np.eye(8), np.full(3, 1 / 3))
    means = block @ covariance @ block.T
    expected = np.fft.fft(means[0]).real
    np.testing.assert_allclose(exact.free_block_propagator((24,), 0.3, 3), expected, rtol=1e-12)


# Samplers.


@pytest.fixture(scope="module")
def chain_field():
    return phi4_chain(64, 20_000, r=0.5, u=6.0, rng=86)


@pytest.fixture(scope="module")
def chain_exact():
    return exact.Phi4Chain(0.5, 6.0)


@pytest.mark.parametrize("b", [1, 8, 64])
def test_chain_has_the_exact_block_cumulants(chain_field, chain_exact, b):
    blocks = chain_field.reshape(20_000, 64 // b, b).sum(axis=2)
    k, error = cumulants_with_errors(blocks, 6)
    expected = chain_exact.block_cumulants(b, 6)[1:]
    assert np.all(np.abs(k - expected) < 3.5 * error)
    assert error[1] < 0.011 * expected[1]


def test_every_site_of_the_chain_has_the_exact_density(chain_field, chain_exact):
    cumulative = np.cumsum(chain_exact.psi**2)
    midpoints = (chain_exact.phi[1:] + chain_exact.phi[:-1]) / 2
    for x in (0, 1, 63):
        empirical = np.searchsorted(np.sort(chain_field[:, x]), midpoints) / 20_000
        # Kolmogorov-Smirnov: 1.95 / sqrt(n) is exceeded once in a thousand.
        assert np.abs(empirical - cumulative[:-1]).max() < 1.95 / np.sqrt(20_000)


def test_chain_correlations_are_exact_and_values_are_continuous(chain_field, chain_exact):
    expected = chain_exact.correlation(4)
    for lag, value in enumerate(expected):
        product = (chain_field[:, : 64 - lag] * chain_field[:, lag:]).mean(axis=1)
        assert abs(product.mean() - value) < 3.5 * product.std() / np.sqrt(20_000)
    assert np.unique(chain_field).size == chain_field.size


@pytest.mark.parametrize(
    ("r", "u", "w"), [(0.2, 0.0, 0.0), (-4.0, 6.0, 0.0), (30.0, 400.0, 0.0), (1.0, -1.0, 3.0)]
)
def test_chain_of_other_potentials(r, u, w):
    field = phi4_chain(8, 20_000, r=r, u=u, w=w, rng=5)
    k, error = cumulants_with_errors(field, 4)
    if u == w == 0:  # a free chain: 1 / sqrt(r (r + 4)), and no more
        expected = np.array([0, (r * (r + 4)) ** -0.5, 0, 0])
    else:
        expected = exact.Phi4Chain(r, u, w, points=801).block_cumulants(1, 4)[1:]
    assert np.all(np.abs(k - expected) < 3.5 * error)


def test_ar1_has_unit_variance_and_the_exact_block_correlation():
    rho, b = 0.8, 4
    phi = ar1(32, 40_000, rho=rho, rng=4)
    covariance = rho ** np.abs(np.arange(32)[:, None] - np.arange(32))
    assert_white(phi @ np.linalg.inv(np.linalg.cholesky(covariance)).T)
    means = phi.reshape(-1, 8, b).mean(axis=2)
    for n in (1, 2, 3):
        product = (means[:, n:] * means[:, :-n]).mean(axis=1)
        expected = exact.ar1_block_correlation(rho, b, n)
        assert abs(product.mean() - expected) < 3.5 * product.std() / 200


def assert_white(numbers):
    """Columns must be uncorrelated with unit variance and zero mean, each within 5 errors."""
    n, p = numbers.shape
    assert np.abs(numbers.mean(axis=0)).max() < 5 / np.sqrt(n)
    second = numbers.T @ numbers / n
    assert np.abs(np.diag(second) - 1).max() < 5 * np.sqrt(2 / n)
    assert np.abs(second - np.diag(np.diag(second))).max() < 5 / np.sqrt(n)
    assert abs(np.trace(second) / p - 1) < 4 * np.sqrt(2 / (n * p))


@pytest.mark.parametrize("hurst", [0.2, 0.5, 0.85])
def test_fractional_noise_has_the_exact_covariance(hurst):
    phi = fractional_gaussian_noise(24, 20_000, hurst=hurst, rng=7)
    covariance = exact.fgn_correlation(hurst, np.arange(24)[:, None] - np.arange(24))
    assert_white(phi @ np.linalg.inv(np.linalg.cholesky(covariance)).T)


def test_block_means_of_fractional_noise_have_the_law_of_the_noise():
    hurst, b = 0.8, 4
    phi = fractional_gaussian_noise(64, 20_000, hurst=hurst, rng=8)
    blocks = phi.reshape(-1, 16, b).mean(axis=2) * b ** (1 - hurst)
    covariance = exact.fgn_correlation(hurst, np.arange(16)[:, None] - np.arange(16))
    assert_white(blocks @ np.linalg.inv(np.linalg.cholesky(covariance)).T)


@pytest.mark.parametrize(
    ("shape", "stiffness", "sigma"),
    [((17,), 1.0, 2.0), ((32,), 2.0, 0.6), ((6, 5), 0.5, 2.0), ((4, 3, 6), 1.0, 1.3)],
)
def test_free_field_has_the_exact_propagator(shape, stiffness, sigma):
    n = 20_000
    phi = gaussian_free_field(shape, n, mass2=0.3, stiffness=stiffness, sigma=sigma, rng=2)
    modes = np.fft.fftn(phi, axes=range(1, phi.ndim))
    power = (np.abs(modes) ** 2).mean(axis=0) / np.prod(shape)
    ratio = power / exact.free_propagator(shape, 0.3, stiffness, sigma)
    assert np.abs(ratio - 1).max() < 5 * np.sqrt(2 / n)
    # Different momenta are independent.
    cross = (modes.reshape(n, -1)[:, 1] * modes.reshape(n, -1)[:, 2].conj()).mean()
    assert abs(cross) < 5 * np.sqrt(power.flat[1] * power.flat[2] / n) * np.prod(shape)


def test_massless_free_field_has_no_zero_mode():
    phi = gaussian_free_field((8, 8), 5, mass2=0.0, rng=1)
    np.testing.assert_allclose(phi.mean(axis=(1, 2)), 0, atol=1e-14)
    assert phi.std() > 0.3


def pull(values, expected, blocks=50):
    """Distance from `expected` in errors, from the spread of `blocks` runs of the chain."""
    means = np.array([part.mean() for part in np.array_split(values, blocks)])
    return (means.mean() - expected) / (means.std(ddof=1) / np.sqrt(blocks))


@pytest.mark.parametrize("clusters", [0, 10])
@pytest.mark.parametrize("shape", [(32,), (16, 16), (6, 8, 4)])
def test_lattice_free_field_has_the_exact_mean_square(shape, clusters):
    phi = phi4_lattice(
        shape, 1000, r=0.5, u=0.0, stiffness=0.7, rng=3, stride=20, clusters=clusters
    )
    exact_correlation = exact.free_correlation(shape, 0.5, 0.7)
    axes = tuple(range(1, phi.ndim))
    assert abs(pull((phi**2).mean(axis=axes), exact_correlation.flat[0])) < 3.5
    neighbour = (phi * np.roll(phi, 1, -1)).mean(axis=axes)
    assert abs(pull(neighbour, exact_correlation.flat[1])) < 3.5


def test_lattice_without_stiffness_is_zero_dimensional():
    phi = phi4_lattice((64, 64), 100, r=1.0, u=1.0, stiffness=0.0, rng=36, stride=15)
    k, error = cumulants_with_errors(phi.reshape(100, -1), 4, groups=50)
    expected = exact.zero_dimensional_cumulants(1.0, 1.0)[1:5]
    assert np.all(np.abs(k - expected) < 3.5 * error)
    assert error[1] < 0.005 and error[3] < 0.02


@pytest.mark.parametrize("clusters", [0, 10])
@pytest.mark.parametrize("r", [0.5, -1.0])
def test_ring_agrees_with_the_transfer_matrix(r, clusters):
    # 32 sites are more than 20 correlation lengths: the ring is an infinite chain to 1e-9.
    phi = phi4_lattice((32,), 2500, r=r, u=6.0, rng=2, stride=10, clusters=clusters)
    chain = exact.Phi4Chain(r, 6.0)
    for lag, value in enumerate(chain.correlation(4)):
        product = (phi * np.roll(phi, lag, axis=1)).mean(axis=1)
        assert abs(pull(product, value)) < 3.5
    kappa = chain.block_cumulants(1, 4)
    assert abs(pull((phi**4).mean(axis=1), kappa[4] + 3 * kappa[2] ** 2)) < 3.5


def test_ordered_lattice_visits_both_signs():
    phi = phi4_lattice((32, 32), 200, r=-0.8, u=3.0, rng=1, stride=20)
    mean = phi.mean(axis=(1, 2))
    assert np.abs(mean).min() > 0.3
    assert 70 < np.count_nonzero(mean > 0) < 130


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: ar1(8, 3, rho=0.5, rng=rng),
        lambda rng: fractional_gaussian_noise(8, 3, hurst=0.7, rng=rng),
        lambda rng: gaussian_free_field((4, 4), 3, mass2=1.0, rng=rng),
        lambda rng: phi4_chain(8, 3, r=1.0, u=1.0, rng=rng),
        lambda rng: phi4_lattice((4, 4), 3, r=1.0, u=1.0, rng=rng, thermalise=10, stride=5),
    ],
    ids=["ar1", "fgn", "free", "chain", "phi4"],
)
def test_seeds_are_kept(draw):
    first = draw(7)
    np.testing.assert_array_equal(first, draw(7))
    np.testing.assert_array_equal(first, draw(np.random.SeedSequence(7)))
    assert not np.array_equal(first, draw(8))
    generator = np.random.default_rng(7)
    assert not np.array_equal(draw(generator), draw(generator))
    assert np.all(np.isfinite(draw(None)))
    with pytest.raises(ArgumentError, match="rng"):
        draw(-1)


def test_progress_is_told_after_each_configuration():
    told = []
    phi4_lattice((4,), 3, r=1.0, u=1.0, rng=1, stride=2, progress=lambda *state: told.append(state))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: ar1(0, 3, rho=0.5),
        lambda: ar1(8, 3, rho=1.0),
        lambda: fractional_gaussian_noise(8, 3, hurst=1.0),
        lambda: gaussian_free_field((), 3, mass2=1.0),
        lambda: gaussian_free_field((4,), 3, mass2=-1.0),
        lambda: gaussian_free_field((4,), 3, mass2=0.0, stiffness=0.0),
        lambda: gaussian_free_field((4,), 3, mass2=1.0, sigma=3.0),
        lambda: phi4_chain(0, 3, r=1.0, u=1.0),
        lambda: phi4_chain(8, 3, r=1.0, u=-1.0),
        lambda: phi4_chain(8, 3, r=-1.0, u=0.0),
        lambda: phi4_chain(8, 3, r=np.nan, u=1.0),
        lambda: phi4_lattice((5, 4), 3, r=1.0, u=1.0),
        lambda: phi4_lattice((4, 4, 4, 4), 3, r=1.0, u=1.0),
        lambda: phi4_lattice((4,), 0, r=1.0, u=1.0),
        lambda: phi4_lattice((4,), 3, r=0.0, u=0.0),
        lambda: phi4_lattice((4,), 3, r=1.0, u=1.0, stiffness=-1.0),
        lambda: phi4_lattice((4,), 3, r=1.0, u=1.0, clusters=-1),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw):
    with pytest.raises(ArgumentError, match="got"):
        draw()
