"""Exponents of fields whose exponents are known, and refusals where there are none."""

from dataclasses import replace

import numpy as np
import pytest

import nnrg
from nnrg.errors import ArgumentError
from nnrg.rg.scaling.derived import derive, lengths, numbers
from nnrg.rg.scaling.exponents import fit_exponents
from nnrg.simulate import ar1, fractional_gaussian_noise, gaussian_free_field


def cumulants(values, *, levels=None, blocks=None, periodic=False):
    field = nnrg.SynapticField(values, nnrg.Lattice(values.shape[1:], periodic=periodic))
    flow = nnrg.renormalize(field, blocks, levels=levels)
    return flow.cumulants(order=4, nulls=())


def pull(estimate, expected):
    return (estimate.value - expected) / estimate.error


# Single estimates are compared at four standard errors: a false alarm in 16 000 each.
FAR = 4.0
TOPIC = "Exponents of known flows"


@pytest.mark.parametrize(("shape", "levels"), [((1024,), 9), ((64, 64), 6), ((16, 16, 16), 4)])
def test_independent_sites_have_the_exponent_of_the_central_limit(rng, shape, levels, checked):
    measured = cumulants(rng.normal(size=(128, *shape)), levels=levels)
    found = fit_exponents(measured, boltzmann=True, names=["Delta", "eta", "alpha"])
    d = len(shape)
    assert found.dimension == d
    for name, known in (("Delta", d / 2), ("eta", 2.0), ("alpha", 1.0)):
        one = found[name].estimate
        quantity = f"{name} of independent sites, d = {d}"
        checked(TOPIC, quantity, known, one.value, one.error)
    assert found["Delta"].estimate.error < 0.02


def test_gaussian_sites_approach_no_fixed_point():
    # They are at it: lambda_4 = 0 at every scale. A constant is rejected by chance once in 100.
    values = np.random.default_rng(3).normal(size=(128, 256))
    found = fit_exponents(cumulants(values, levels=6), boltzmann=True, names=["omega"])
    assert found["omega"].refusal.startswith("does not change with b")


def test_skewed_independent_sites_approach_the_gaussian_fixed_point_with_omega_d(rng, checked):
    # lambda_4 = 6 / b.
    found = fit_exponents(cumulants(rng.exponential(size=(1280, 512)), levels=8), boltzmann=True)
    omega = found["omega"].estimate
    checked(TOPIC, "omega of exponential sites, d = 1", 1.0, omega.value, omega.error)
    assert found["omega"].estimate.error < 0.25
    assert abs(pull(found["Delta"].estimate, 0.5)) < FAR


@pytest.mark.parametrize("hurst", [0.3, 0.8])
def test_fractional_noise_has_delta_one_minus_hurst(rng, hurst, checked):
    values = fractional_gaussian_noise(2048, 256, hurst=hurst, rng=rng)
    found = fit_exponents(cumulants(values, levels=9), boltzmann=True)
    delta = found["Delta"]
    for name, known in (("Delta", 1 - hurst), ("alpha", 2 * hurst)):
        one = found[name].estimate
        checked(TOPIC, f"{name} of fractional noise, H = {hurst}", known, one.value, one.error)
    assert delta.estimate.error < 0.006
    # The plateau: each running exponent by itself, of 16 in both cases.
    assert len(delta.running) == 8
    assert max(abs(pull(one, 1 - hurst)) for one in delta.running) < 4.5


@pytest.mark.parametrize("sigma", [0.5, 0.8])
def test_long_range_gaussian_field_has_delta_half_of_d_minus_sigma(rng, sigma, checked):
    values = gaussian_free_field((8192,), 200, mass2=0.0, sigma=sigma, rng=rng)
    slope = derive(
        cumulants(values, levels=8, periodic=True),
        lambda k: -np.diff(np.log(k[:, 0])) / 2 / np.log(2),
        names=["kappa_2"],
    )
    # The mode at k = 0, left out at mass zero, shifts the slope by a few percent at this size.
    middle = slope.select([3, 4, 5]).map(np.mean).estimates()[0]
    quantity = f"Delta of the long-range field, sigma = {sigma}, 8192 sites, b = 8 to 64"
    known = exact_slope(8192, sigma, (8, 64))
    checked(TOPIC, quantity, known, middle.value, middle.error)
    assert abs(exact_slope(8192, sigma, (8, 64)) - (1 - sigma) / 2) > 5 * middle.error
    filled = exact_slope(1 << 17, sigma, (64, 512), infinite=True)
    assert abs(filled - (1 - sigma) / 2) < 1e-3


def exact_slope(length, sigma, between, *, infinite=False):
    """-ln(kappa_2 ratio) / 2 ln b of block means of the massless long-range field.

    With `infinite` the cell around k = 0 holds the integral of |k|^-sigma.
    """
    k = 2 * np.pi * np.arange(1, length) / length
    spectrum = (2 * np.sin(k / 2)) ** -sigma
    cell = (np.pi / length) ** (1 - sigma) / (1 - sigma) * length / np.pi if infinite else 0.0

    def variance(b):
        window = (np.sin(b * k / 2) / (b * np.sin(k / 2))) ** 2
        return np.sum(spectrum * window) + cell

    low, high = between
    return -np.log(variance(high) / variance(low)) / (2 * np.log(high / low))


def test_frozen_field_has_alpha_two(rng, checked):
    values = np.repeat(rng.normal(size=(2000, 1)), 64, axis=1)
    found = fit_exponents(cumulants(values, levels=5), boltzmann=True, names=["alpha"])
    # Pooled k-statistics divide by sites minus one, as if sites were independent: 1 / n_samples.
    assert max(abs(one.value - 2) for one in found["alpha"].running) < 1 / 2000
    farthest = max((one.value for one in found["alpha"].running), key=lambda a: abs(a - 2))
    checked(TOPIC, "alpha of a field constant in each sample", 2.0, farthest, rtol=2.5e-4)


@pytest.mark.slow
def test_errors_of_the_exponent_cover(rng):
    pulls = []
    for _ in range(150):
        values = fractional_gaussian_noise(256, 40, hurst=0.7, rng=rng)
        found = fit_exponents(cumulants(values, levels=6), boltzmann=True, names=["Delta"])
        pulls.append(pull(found["Delta"].estimate, 0.3))
    # The error of the mean of 150 is 0.08 and of their spread 0.06: four of these. The systematic
    # error is part of the denominator, so that the spread may be below one.
    assert abs(np.mean(pulls)) < 0.33 + 0.25
    assert 0.6 < np.std(pulls) < 1.25


def test_correlated_chain_has_no_exponent(rng):
    measured = cumulants(ar1(1024, 256, rho=0.9, rng=rng), levels=8)
    found = fit_exponents(measured, boltzmann=True)
    delta = found["Delta"]
    assert delta.refusal.startswith("no window of scales follows one power of b: it drifts from")
    assert np.isnan(delta.estimate.value)
    assert delta.estimate.flag == delta.refusal
    assert delta.law.power is not None  # the fits stay open to view
    assert "refused" in str(found)


def test_without_criticality_every_exponent_is_refused(rng):
    found = fit_exponents(cumulants(rng.normal(size=(128, 256)), levels=6))
    assert not found.criticality.passed
    for one in found:
        assert np.isnan(one.estimate.value)
    assert found["Delta"].refusal.startswith("criticality test failed: no correlation")


def test_self_similar_noise_passes_the_criticality_test():
    values = fractional_gaussian_noise(1024, 512, hurst=0.8, rng=1)
    found = fit_exponents(cumulants(values, levels=5), names=["Delta", "eta"])
    assert found.criticality.passed
    assert abs(pull(found["Delta"].estimate, 0.2)) < FAR
    assert "two are needed" in found["Delta"].estimate.flag  # decades of b


# -- nu, from couplings of a known flow --------------------------------------------------------


@pytest.fixture(scope="module")
def measured():
    values = np.random.default_rng(2).normal(size=(64, 512))
    flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(512)), levels=7)
    return nnrg.fit_couplings(flow, basis=nnrg.Basis(("phi2", "grad2")), nulls=())


def flowing(measured, mass, noise, seed=3):
    """The couplings of a flow with r = mass(b) and Z = 1, known to `noise` at each scale."""
    rng = np.random.default_rng(seed)
    b, groups = measured.scales.astype(float), 200
    parts = rng.normal(size=(groups, b.size)) * noise(b) * np.sqrt(groups)
    r = mass(b) + parts.mean(axis=0)
    left = (groups * r - mass(b) - parts) / (groups - 1)
    return replace(
        measured,
        values=np.stack([r, np.ones(b.size)], axis=1),
        replicates=np.stack([left, np.ones(left.shape)], axis=2),
        weights=np.ones((groups, b.size)),
        flags=(("", ""),) * b.size,
    )


@pytest.mark.parametrize(("y", "fixed"), [(2.0, 0.0), (1.0, -0.3), (1.5, 0.1)])
def test_growth_of_the_mass_gives_nu(measured, y, fixed, checked):
    couplings = flowing(
        measured, lambda b: fixed + 0.5 * (b / 64) ** y, lambda b: 1e-3 * (b / 64) ** (y / 2)
    )
    found = fit_exponents(couplings, boltzmann=True)["nu"]
    nu = found.estimate
    quantity = f"nu of a mass growing as b^{y:g} from {fixed:g}"
    checked(TOPIC, quantity, 1 / y, nu.value, nu.error)
    assert nu.error < 0.15 / y
    limit = found.law.power.best
    if "limit" in limit.names:
        assert abs(pull(limit.estimate("limit"), fixed)) < FAR


def test_nu_is_refused_beyond_the_correlation_length_and_where_nothing_grows(measured):
    def refusal(mass):
        couplings = flowing(measured, mass, lambda b: 1e-3 + 0 * b)
        return fit_exponents(couplings, boltzmann=True, names=["nu"])["nu"].refusal

    assert "disordered fixed point" in refusal(lambda b: 0.6 * b**2)
    assert "does not change with b" in refusal(lambda b: 0.2 + 0 * b)
    assert "it is not relevant" in refusal(lambda b: 0.4 / b)


def test_nu_of_a_free_field_is_one_half(checked):
    # 1 / G'(0) = b^2 r; of the block action all couplings to distance 3.2 take part in Z.
    values = gaussian_free_field((64, 64), 400, mass2=0.01, rng=4)
    field = nnrg.SynapticField(values, nnrg.Lattice((64, 64), periodic=True))
    flow = nnrg.renormalize(field, levels=4, rescale="kinetic")
    basis = nnrg.Basis(("phi2", "grad2", "J[6]"))
    found = fit_exponents(
        nnrg.fit_couplings(flow, basis=basis, nulls=()), boltzmann=True, names=["nu"]
    )["nu"]
    nu = found.estimate
    checked(TOPIC, "nu of the free field, d = 2", 0.5, nu.value, nu.error)
    assert nu.error < 0.2


# -- ensembles and arguments -------------------------------------------------------------------


def test_members_of_an_ensemble_are_left_out_one_at_a_time(rng):
    members = [cumulants(rng.normal(size=(10, 256)), levels=6) for _ in range(12)]
    found = fit_exponents(members, boltzmann=True, names=["Delta"])
    assert abs(pull(found["Delta"].estimate, 0.5)) < FAR
    assert found.note == "errors over 12 members"
    mean = numbers(members, ["kappa_2"])
    values = np.stack([one.values[:, 1] for one in members])
    np.testing.assert_allclose(mean.values, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(mean.errors(), values.std(axis=0, ddof=1) / 12**0.5, rtol=1e-10)


def test_few_members_are_described_by_the_groups_inside_them(rng):
    members = [cumulants(rng.normal(size=(20, 256)), levels=5) for _ in range(3)]
    found = fit_exponents(members, boltzmann=True, names=["Delta"])
    assert found.note.startswith("errors inside 3 members")
    mean = numbers(members, ["kappa_2"])
    squares = sum(one.errors()[:, 1] ** 2 for one in members)
    np.testing.assert_allclose(mean.errors(), np.sqrt(squares) / 3, rtol=1e-9)


def test_lengths_of_blocks_with_unequal_factors(rng):
    for factors in (2, (2, 1), (3, 2)):
        field = nnrg.SynapticField(rng.normal(size=(20, 27, 20)), nnrg.Lattice((27, 20)))
        flow = nnrg.renormalize(field, nnrg.GridBlocks(factors))
        np.testing.assert_allclose(lengths(flow.cumulants(order=2, nulls=())), flow.lengths)


def test_derived_numbers_have_the_covariance_of_their_replicates(rng):
    measured = cumulants(rng.normal(size=(50, 64)), levels=3)
    found = derive(measured, lambda k: k[:, 0] / k[:, 1] ** 2, names=["kappa_4", "kappa_2"])
    i, j = measured.names.index("kappa_4"), measured.names.index("kappa_2")
    np.testing.assert_allclose(found.values, measured.values[:, i] / measured.values[:, j] ** 2)
    direct = numbers(measured, ["kappa_2"])
    expected = measured.covariance().sel(operator="kappa_2", operator_2="kappa_2").values
    np.testing.assert_allclose(direct.covariance(), expected, rtol=1e-9)


def test_bad_arguments(rng, measured):
    few = cumulants(rng.normal(size=(20, 64)), levels=2)
    found = fit_exponents(few, boltzmann=True)
    assert found["Delta"].refusal == "2 scales with a value and an error, three are needed"
    assert "give cumulants=" in fit_exponents(measured, boltzmann=True)["Delta"].refusal
    assert "give nnrg.fit_couplings" in found["nu"].refusal
    with pytest.raises(ArgumentError, match="names must be a list among"):
        fit_exponents(few, names=["beta"])
    with pytest.raises(ArgumentError, match="expected Cumulants, Couplings"):
        fit_exponents([])
    with pytest.raises(ArgumentError, match="goes with couplings"):
        fit_exponents(few, cumulants=few)
    with pytest.raises(ArgumentError, match="2 couplings need as many"):
        fit_exponents([measured, measured], cumulants=few)
    with pytest.raises(ArgumentError, match="equal scales and operators"):
        fit_exponents([few, cumulants(rng.normal(size=(20, 64)), levels=3)])
    with pytest.raises(ArgumentError, match="no exponent 'beta'"):
        found["beta"]
    with pytest.raises(ArgumentError, match="no observable"):
        numbers(few, ["kappa_9"])
    with pytest.raises(ArgumentError, match="no scale b = 7"):
        numbers(few, scales=[7])
