"""Gaussian fields with correlations: exact block laws of AR(1), free field, fractional noise."""

import numpy as np
import pytest
from physics import exact
from physics.agreement import deviations, p_value, residuals
from scipy import stats

import nnrg
from nnrg.simulate.gaussian import ar1, fractional_gaussian_noise, gaussian_free_field

QUADRATIC = nnrg.Basis(("phi2", "grad2"))
CHAIN, FREE, NOISE = "AR(1) chain", "Free field, block averages", "Fractional Gaussian noise"


def chain(values):
    return nnrg.SynapticField(values, nnrg.Lattice(values.shape[1]))


def ar1_block_variance(rho, b):
    """kappa_2 of the mean over b sites of a unit-variance AR(1) chain."""
    lag = np.arange(1, b)
    return (b + 2 * np.sum((b - lag) * rho**lag)) / b**2


@pytest.fixture(scope="module")
def ar1_values():
    return ar1(256, 2560, rho=0.8, rng=4)


def test_ar1_block_variance_and_neighbour_correlation(ar1_values, checked):
    flow = nnrg.renormalize(chain(ar1_values), levels=6)
    measured = flow.cumulants(order=4, nulls=())
    expected = []
    for b in flow.scales:
        variance = ar1_block_variance(0.8, b)
        expected.append([variance, exact.ar1_block_correlation(0.8, b, 1) / variance, 0.0])
    names = ("kappa_2", "neighbour:0", "ratio_4")
    assert p_value(measured, names, expected) > 1e-4
    assert np.abs(deviations(measured, names, expected)).max() < 4.5
    assert measured.estimate("neighbour:0", 4).error < 0.004
    for b, row in zip(flow.scales, expected, strict=True):
        if b not in (2, 8, 32):
            continue
        for name, known in zip(names[:2], row, strict=False):
            found = measured.estimate(name, b)
            quantity = f"{name} of block means, rho = 0.8, b = {b}"
            checked(CHAIN, quantity, known, found.value, found.error, within=4.5)


@pytest.mark.parametrize("b", [2, 4])
def test_ar1_correlation_length_falls_as_one_over_b(ar1_values, b, checked):
    # C'(2) / C'(1) = rho^b exactly. The spread of its logarithm is taken from 64 parts.
    block = nnrg.renormalize(chain(ar1_values), nnrg.GridBlocks(b), levels=2).at(1).values
    parts = np.array_split(block, 64)
    near = np.array([np.mean(p[:, 1:] * p[:, :-1]) for p in parts])
    far = np.array([np.mean(p[:, 2:] * p[:, :-2]) for p in parts])
    linear = far - 0.8**b * near
    assert abs(linear.mean()) < 4 * linear.std(ddof=1) / 8
    assert near.mean() > 20 * near.std(ddof=1) / 8
    ratio, error = far.mean() / near.mean(), linear.std(ddof=1) / 8 / near.mean()
    checked(CHAIN, f"C'(2) / C'(1) of block means, rho = 0.8, b = {b}", 0.8**b, ratio, error)


def test_ar1_couplings(checked):
    # The inverse covariance of an AR(1) chain is tridiagonal.
    rho = 0.6
    flow = nnrg.renormalize(chain(ar1(128, 640, rho=rho, rng=5)), levels=2)
    fit = nnrg.fit_couplings(flow, basis=QUADRATIC, nulls=())
    expected = [[(1 - rho) / (1 + rho), rho / (1 - rho**2)]]
    assert p_value(fit, fit.names, expected, scales=[1]) > 1e-4
    assert fit.series["p"][0] > 1e-4
    for name, known in zip(fit.names, expected[0], strict=True):
        found = fit.estimate(name, 1)
        checked(CHAIN, f"{name}, rho = 0.6", known, found.value, found.error)


@pytest.mark.parametrize("b", [2, 3])
def test_decimated_ar1_stays_nearest_neighbour(b, checked):
    rho = 0.9
    kept = np.ascontiguousarray(ar1(128 * b, 1280, rho=rho, rng=6)[:, ::b])
    flow = nnrg.renormalize(chain(kept), levels=2)
    fit = nnrg.fit_couplings(flow, basis=QUADRATIC, nulls=())
    far = rho**b
    expected = [[(1 - far) / (1 + far), far / (1 - far**2)]]
    assert p_value(fit, fit.names, expected, scales=[1]) > 1e-4
    assert abs(residuals(flow, 0, QUADRATIC)["J:2"]) < 4.5
    wide = nnrg.fit_couplings(flow, basis=nnrg.Basis((*fit.names, "J:2")), nulls=())
    for name, known in zip(wide.names, (*expected[0], 0.0), strict=True):
        found = wide.estimate(name, 1)
        quantity = f"{name} of the chain decimated by b = {b}, rho = 0.9"
        checked(CHAIN, quantity, known, found.value, found.error)


def test_blocked_ar1_does_not_stay_nearest_neighbour():
    flow = nnrg.renormalize(chain(ar1(256, 1280, rho=0.9, rng=7)), levels=2)
    assert abs(residuals(flow, 0, QUADRATIC)["J:2"]) < 4.5
    assert abs(residuals(flow, 1, QUADRATIC)["J:2"]) > 10
    fit = nnrg.fit_couplings(flow, basis=QUADRATIC, nulls=())
    assert fit.series["p"][0] > 1e-4 and fit.series["p"][1] < 1e-6
    assert fit.flags[1][0].startswith("poor fit")


@pytest.mark.parametrize("shape", [(64,), (32, 32), (8, 8, 16)])
def test_free_field_block_mass_grows_as_b_squared(shape, checked):
    # 1 / G'(0) = b^2 r: exact in every configuration relative to its own G(0), and
    # n r G(0) follows chi-squared with n degrees of freedom.
    n, r = 400, 0.05
    phi = gaussian_free_field(shape, n, mass2=r, rng=8)
    field = nnrg.SynapticField(phi, nnrg.Lattice(shape, periodic=True))
    flow = nnrg.renormalize(field, levels=4, rescale="kinetic")
    axes = tuple(range(1, phi.ndim))

    def zero_mode(values):
        return np.sum(values, axis=axes) ** 2 / np.prod(values.shape[1:])

    finest = zero_mode(phi)
    for b, block in flow:
        np.testing.assert_allclose(1 / zero_mode(block.values), b**2 / finest, rtol=1e-10)
        scaled = n * b**2 * r * zero_mode(block.values).mean()
        assert 1e-4 < stats.chi2(n).cdf(scaled) < 1 - 1e-4
    d, growth = len(shape), float(np.mean(finest / zero_mode(block.values)))
    checked(FREE, f"1/G'(0) over 1/G(0), d = {d}, b = {b}", float(b**2), growth)
    mass, error = n / finest.sum(), np.sqrt(2 / n)
    checked(FREE, f"1/G(0) over the mass of the action, d = {d}", 1.0, mass / r, error * mass / r)


def test_free_field_block_propagator_at_every_momentum():
    shape, n, r = (16, 16), 2000, 0.3
    phi = gaussian_free_field(shape, n, mass2=r, rng=9)
    field = nnrg.SynapticField(phi, nnrg.Lattice(shape, periodic=True))
    flow = nnrg.renormalize(field, levels=3, rescale="kinetic")
    for b, block in flow:
        power = np.abs(np.fft.fft2(block.values)) ** 2 / np.prod(block.values.shape[1:])
        ratio = power.mean(axis=0) / exact.free_block_propagator(shape, r, b)
        assert np.abs(ratio - 1).max() < 5 * np.sqrt(2 / n)


def test_free_field_couplings_in_two_dimensions(checked):
    # One axis stiffer than the other would be seen: both are fitted.
    phi = gaussian_free_field((32, 32), 128, mass2=0.4, stiffness=0.7, rng=10)
    field = nnrg.SynapticField(phi, nnrg.Lattice((32, 32), periodic=True))
    fit = nnrg.fit_couplings(nnrg.renormalize(field, levels=2), nulls=())
    assert fit.names == ("phi", "phi2", "phi3", "phi4", "phi6", "grad2:0", "grad2:1")
    expected = [[0, 0.4, 0, 0, 0, 0.7, 0.7]]
    assert p_value(fit, fit.names, expected, scales=[1]) > 1e-4
    assert np.abs(deviations(fit, fit.names, expected, scales=[1])).max() < 4.5
    for name, known in zip(fit.names, expected[0], strict=True):
        found = fit.estimate(name, 1)
        quantity = f"{name}, r = 0.4, Z = 0.7, d = 2, 128 fields of 32 x 32"
        checked("Free field, couplings", quantity, known, found.value, found.error, within=4.5)


@pytest.mark.parametrize("hurst", [0.3, 0.8])
def test_fractional_noise_is_a_fixed_point_of_blocking(hurst):
    # Delta = 1 - H: every block field has the covariance of the field itself.
    phi = fractional_gaussian_noise(128, 4000, hurst=hurst, rng=11)
    flow = nnrg.renormalize(chain(phi), levels=4, rescale=1 - hurst)
    for _, block in flow:
        sites = np.arange(block.values.shape[1])
        covariance = exact.fgn_correlation(hurst, sites[:, None] - sites)
        white = np.linalg.solve(np.linalg.cholesky(covariance), block.values.T)
        assert stats.kstest(white.ravel(), "norm").pvalue > 1e-4
        second = white @ white.T / white.shape[1]
        np.testing.assert_allclose(np.diag(second), 1, atol=5 * np.sqrt(2 / 4000))
        assert np.abs(second - np.diag(np.diag(second))).max() < 5 / np.sqrt(4000)


@pytest.mark.parametrize("hurst", [0.3, 0.8])
def test_fractional_noise_keeps_variance_and_neighbour_correlation(hurst, checked):
    phi = fractional_gaussian_noise(128, 4000, hurst=hurst, rng=12)
    flow = nnrg.renormalize(chain(phi), levels=5, rescale=1 - hurst)
    measured = flow.cumulants(order=4, nulls=())
    b = np.array(flow.scales, dtype=float)
    neighbour = 2.0 ** (2 * hurst - 1) - 1
    expected = np.stack(
        [b ** (2 * hurst - 2), np.full(b.size, neighbour), np.zeros(b.size)], axis=1
    )
    names = ("kappa_2", "neighbour:0", "ratio_4")
    assert p_value(measured, names, expected) > 1e-4
    assert np.abs(deviations(measured, names, expected)).max() < 4.5
    for scale, row in zip(flow.scales, expected, strict=True):
        if scale not in (1, 4, 16):
            continue
        found = measured.estimate("kappa_2", scale)
        power = float(scale) ** (2 - 2 * hurst)
        quantity = f"kappa_2 b^(2 - 2H), H = {hurst}, b = {scale}"
        checked(NOISE, quantity, 1.0, found.value * power, found.error * power, within=4.5)
        found = measured.estimate("neighbour:0", scale)
        quantity = f"correlation of neighbouring blocks, H = {hurst}, b = {scale}"
        checked(NOISE, quantity, row[1], found.value, found.error, within=4.5)
