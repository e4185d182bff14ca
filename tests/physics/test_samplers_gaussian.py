"""Long-range Gaussian fields, their squares, and the hierarchical model, against exact answers.

Bounds of 4.5 errors on some fifty independent numbers: exceeded by chance once in 3000 runs.
"""

from math import factorial

import numpy as np
import pytest
from physics import exact
from scipy.special import beta

from nnrg.simulate import fractional_gaussian_noise, hierarchical, long_range_gaussian, rosenblatt
from nnrg.simulate._hierarchy import first_level, next_level
from nnrg.stats.kstatistics import kstatistics


def deviation(samples, expected):
    """Distance of a mean of independent samples from `expected`, in its errors."""
    return abs(samples.mean() - expected) / (samples.std(ddof=1) / np.sqrt(len(samples)))


# Long-range Gaussian fields.


@pytest.mark.parametrize(
    ("shape", "couplings"),
    [
        ((64,), {"sigma": 0.5}),
        ((33,), {"sigma": 1.5, "stiffness": 0.7, "mass2": 0.1}),
        ((12, 10), {"sigma": 1.2, "amplitude": 2.0, "mass2": 0.01}),
        ((6, 4, 8), {"sigma": 0.8, "stiffness": 3.0}),
    ],
)
def test_long_range_field_has_the_exact_spectrum(shape, couplings):
    n = 20_000
    phi = long_range_gaussian(shape, n, rng=4, **couplings)
    power = (np.abs(np.fft.fftn(phi, axes=range(1, phi.ndim))) ** 2).mean(axis=0) / np.prod(shape)
    squared = exact.lattice_momentum_squared(shape)
    inverse = couplings.get("mass2", 0.0) + couplings.get("stiffness", 0.0) * squared
    inverse = inverse + couplings.get("amplitude", 1.0) * squared ** (couplings["sigma"] / 2)
    found = power * inverse
    if inverse.flat[0] == 0:
        assert power.flat[0] < 1e-20
        found.flat[0] = 1.0
    assert np.abs(found - 1).max() < 5 * np.sqrt(2 / n)


@pytest.mark.parametrize("sigma", [0.3, 0.5, 0.8])
def test_blocks_of_a_long_range_field_scale_with_the_dimension_of_the_field(sigma, checked):
    length, n = 4096, 400
    phi = long_range_gaussian((length,), n, sigma=sigma, rng=6)
    flow = []
    for b in (16, 32, 64):
        means = phi.reshape(n, length // b, b).mean(axis=2)
        # The mean square of block means is that of the propagator folded over the aliases.
        k = exact.lattice_momentum_squared((length,))[1:]
        g = np.append(0.0, k ** (-sigma / 2))
        wave = np.exp(2j * np.pi * np.outer(np.arange(length), np.arange(b)) / length)
        window = np.abs(wave.mean(axis=1)) ** 2
        expected = (g * window).mean()
        squares = (means**2).mean(axis=1)
        assert deviation(squares, expected) < 4.5
        flow.append(expected)
    quantity = f"kappa_2 of blocks over the exact one, sigma = {sigma}, b = 64"
    error = squares.std(ddof=1) / np.sqrt(n) / expected
    checked("Long-range Gaussian field", quantity, 1.0, squares.mean() / expected, error)
    # Delta = (1 - sigma) / 2, but for the mean, which is left out.
    slope = -np.log(flow[1] / flow[0]) / np.log(2) / 2
    assert abs(slope - (1 - sigma) / 2) < 0.08


# Squares of long-range Gaussian fields.


def correlation_matrix(decay, b):
    return exact.fgn_correlation(1 - decay / 2, np.subtract.outer(np.arange(b), np.arange(b)))


def rosenblatt_skewness(decay):
    """Third cumulant of the standardised limit of block sums."""
    norm = (0.5 * (1 - 2 * decay) * (1 - decay)) ** 1.5
    return 16 * norm * beta(1 - decay, 1 - decay) / ((1 - decay) * (2 - 3 * decay))


@pytest.mark.parametrize(
    ("decay", "digits"), [(0.1, 2.76953785775), (0.2, 2.54796913947), (0.4, 1.18327217256)]
)
def test_skewness_of_the_rosenblatt_law(decay, digits):
    assert abs(rosenblatt_skewness(decay) - digits) < 1e-11


@pytest.mark.parametrize("decay", [0.1, 0.2])
def test_block_sums_of_the_sampled_field_approach_the_rosenblatt_law(decay, checked):
    skewness = []
    for b in (128, 256, 512, 1024):
        matrix = correlation_matrix(decay, b)
        square = matrix @ matrix
        skewness.append(8 * np.sum(square * matrix) / (2 * np.trace(square)) ** 1.5)
    # Corrections are of order b^(2D-1): two sizes give the limit up to higher ones.
    share = 2 ** (2 * decay - 1)
    limits = (np.array(skewness[1:]) - share * np.array(skewness[:-1])) / (1 - share)
    quantity = f"skewness for b to infinity of the covariance sampled, D = {decay}"
    limit = rosenblatt_skewness(decay)
    checked("Rosenblatt field", quantity, limit, limits[-1], rtol=1e-6, source="published")
    assert np.all(np.abs(np.diff(limits)) < 0.02)


@pytest.mark.parametrize("decay", [0.1, 0.2, 0.4])
@pytest.mark.parametrize("b", [1, 16, 64])
def test_sampled_blocks_have_the_exact_cumulants(decay, b, checked):
    n = 40_000
    sums = rosenblatt(b, n, decay=decay, rng=8).sum(axis=1)
    values = np.linalg.eigvalsh(correlation_matrix(decay, b)) / np.sqrt(2)
    kappa = [2 ** (p - 1) * factorial(p - 1) * np.sum(values**p) for p in (2, 3)]
    groups = sums.reshape(200, -1)
    estimates = np.array([kstatistics([(g**p).sum() for p in (1, 2, 3)], g.size) for g in groups])
    assert deviation(sums, 0.0) < 4.5
    assert deviation(estimates[:, 1], kappa[0]) < 4.5
    assert deviation(estimates[:, 2], kappa[1]) < 4.5
    if b > 1:
        size, third = kappa[0] ** 1.5, estimates[:, 2]
        value, error = third.mean() / size, third.std(ddof=1) / np.sqrt(200) / size
        quantity = f"skewness of the sum of {b} sites, D = {decay}"
        checked("Rosenblatt field", quantity, kappa[1] / size, value, error, within=4.5)


def test_rosenblatt_field_is_the_second_hermite_polynomial_of_the_noise():
    noise = fractional_gaussian_noise(64, 5, hurst=0.85, rng=2)
    phi = rosenblatt(64, 5, decay=0.3, rng=2)
    np.testing.assert_allclose(phi, (noise**2 - 1) / np.sqrt(2), rtol=1e-14)


# The hierarchical model.

DYSON = "Hierarchical model"


def block_couplings(n, sigma, stiffness=1.0):
    return [stiffness * 2 ** ((1 - sigma) * k) for k in range(1, n + 1)]


def action_slope(phi, r, u, sigma, stiffness):
    """sum_x phi_x dS/dphi_x, of mean n_sites in every field theory."""
    out = (r * phi**2 + u / 6 * phi**4).sum(axis=1)
    for coupling in block_couplings(int(np.log2(phi.shape[1])), sigma, stiffness):
        half = (phi[:, 0::2] - phi[:, 1::2]) / 2
        out += coupling * (half**2).sum(axis=1)
        phi = (phi[:, 0::2] + phi[:, 1::2]) / 2
    return out


def sum_of_all_sites(r, u, sigma, n, *, edge=4.5, points=181):
    """Cumulants of the mean of 2^n sites by the recursion on a uniform grid of block sums.

    In the form of Dyson, with 2 t^2 = m_1^2 + m_2^2 - 2 m^2: a plain convolution and a factor.
    """
    sums = np.linspace(-edge, edge, points)
    weight = np.exp(-r / 2 * sums**2 - u / 24 * sums**4)
    for k, coupling in enumerate(block_couplings(n, sigma), start=1):
        halved = weight * np.exp(-coupling / 4 * (sums / 2 ** (k - 1)) ** 2)
        weight = np.convolve(halved, halved)
        edge *= 2
        sums = np.linspace(-edge, edge, weight.size)
        weight = weight * np.exp(coupling / 2 * (sums / 2**k) ** 2)
        weight /= weight.max()
    mean = sums / 2**n
    moments = [float(np.sum(weight * mean**p) / weight.sum()) for p in range(5)]
    return exact.cumulants_from_moments(moments)


@pytest.mark.parametrize(("r", "u"), [(0.5, 6.0), (-2.0, 6.0), (1.0, 0.0)])
def test_four_sites_have_the_moments_of_the_whole_integral(r, u):
    edge = 3.2 if u else 7.0
    grid = np.linspace(-edge, edge, 53)
    a, b, c, d = np.meshgrid(grid, grid, grid, grid, indexing="ij", sparse=True)
    one, two = block_couplings(2, 0.6)
    action = sum(r / 2 * x**2 + u / 24 * x**4 for x in (a, b, c, d))
    action = action + one / 2 * (((a - b) / 2) ** 2 + ((c - d) / 2) ** 2)
    weight = np.exp(-action - two / 2 * ((a + b - c - d) / 4) ** 2)
    weight /= weight.sum()
    phi = hierarchical(4, 50_000, r=r, u=u, rng=3)
    functions = [lambda w, x, y, z: w**2, lambda w, x, y, z: w * x, lambda w, x, y, z: w * y]
    functions += [lambda w, x, y, z: w**4, lambda w, x, y, z: (w * z) ** 2]
    for function in functions:
        expected = np.sum(weight * function(a, b, c, d))
        assert deviation(function(*phi.T), expected) < 4.5


@pytest.mark.parametrize(
    ("r", "u", "sigma", "n"), [(0.5, 6.0, 0.6, 6), (-1.5, 6.0, 0.6, 4), (-0.5, 1.0, 0.3, 5)]
)
def test_mean_of_all_sites_obeys_the_exact_recursion(r, u, sigma, n, checked):
    kappa = sum_of_all_sites(r, u, sigma, n)
    coarse = sum_of_all_sites(r, u, sigma, n, points=121)
    np.testing.assert_allclose(kappa[[2, 4]], coarse[[2, 4]], rtol=1e-7)
    means = hierarchical(2**n, 20_000, r=r, u=u, sigma=sigma, rng=5).mean(axis=1)
    assert deviation(means, 0.0) < 4.5
    for power, known in ((2, kappa[2]), (4, kappa[4] + 3 * kappa[2] ** 2)):
        values = means**power
        quantity = f"<m^{power}> of {2**n} sites, r = {r}, u = {u:g}, sigma = {sigma}"
        error = values.std(ddof=1) / np.sqrt(values.size)
        checked(DYSON, quantity, known, values.mean(), error, within=4.5, source="recursion")


@pytest.mark.parametrize(
    ("r", "u", "sigma", "stiffness"),
    [(0.5, 6.0, 0.6, 1.0), (-3.0, 6.0, 0.3, 0.5), (0.01, 1.0, 0.9, 2.0), (0.2, 0.0, 0.5, 1.0)],
)
def test_fields_of_many_levels_obey_the_schwinger_dyson_equation(r, u, sigma, stiffness):
    phi = hierarchical(1024, 300, r=r, u=u, sigma=sigma, stiffness=stiffness, rng=6)
    assert deviation(action_slope(phi, r, u, sigma, stiffness) / 1024, 1.0) < 4.5


def test_free_blocks_have_the_exact_variance():
    r, sigma, n = 0.001, 0.6, 12
    phi = hierarchical(2**n, 2000, r=r, sigma=sigma, rng=7)
    inverse = [r * 2**k + g for k, g in enumerate(block_couplings(n, sigma), start=1)]
    for level in range(0, n, 3):
        expected = sum(1 / x for x in inverse[level:]) + 1 / (r * 2**n)
        means = phi.reshape(len(phi), -1, 2**level).mean(axis=2)
        assert deviation((means**2).mean(axis=1), expected) < 4.5


def test_weak_interaction_is_the_free_field():
    r, u, sigma = 1.0, 1e-9, 0.6
    level = first_level(r, u)
    for k, coupling in enumerate(block_couplings(5, sigma), start=1):
        level = next_level(level, coupling)
        x = np.linspace(0, 0.9 * level.weight.edge, 50)
        np.testing.assert_allclose(level.weight(x), -(2**k) * r / 2 * x**2, atol=3e-6)
