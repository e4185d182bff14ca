"""Finite-size scaling: exact observables of whole lattices, crossings, the Ising critical point."""

from itertools import product

import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.scaling.finite_size import crossings, finite_size_observables, fit_size_exponent
from nnrg.simulate import ar1, gaussian_free_field, ising
from nnrg.stats.collapse import ScalingCurve, collapse
from nnrg.stats.replicates import Replicates

FAR = 4.0  # standard errors: a false alarm in 16 000 for each number


def periodic(values):
    return nnrg.SynapticField(values, nnrg.Lattice(values.shape[1:], periodic=True))


def pull(estimate, expected):
    return (estimate.value - expected) / estimate.error


def test_observables_are_those_of_their_definition(rng):
    values = rng.normal(size=(64, 6, 6)) + 0.2 * rng.normal(size=(64, 1, 1))
    found = finite_size_observables(periodic(values))
    m = values.mean(axis=(1, 2))
    spectrum = np.abs(np.fft.fft2(values)) ** 2 / 36
    smallest = (spectrum[:, 0, 1].mean() + spectrum[:, 1, 0].mean()) / 2
    xi = np.sqrt(spectrum[:, 0, 0].mean() / smallest - 1) / (2 * np.sin(np.pi / 6))
    expected = [
        1 - np.mean(m**4) / (3 * np.mean(m**2) ** 2),
        np.abs(m).mean(),
        36 * np.mean(m**2),
        xi / 6,
    ]
    np.testing.assert_allclose(found.numbers.values, expected, rtol=1e-6)
    assert "binder = " in str(found)


@pytest.mark.parametrize("shape", [(64,), (24, 24), (12, 12, 12)])
def test_free_field_has_its_correlation_length_and_no_binder_cumulant(rng, shape, checked):
    # G(k) = 1 / (r + k^2): xi = 1 / sqrt(r) exactly on every lattice, U_4 = 0.
    found = finite_size_observables(periodic(gaussian_free_field(shape, 1500, mass2=0.1, rng=rng)))
    mean = np.sqrt(2 / np.pi * 10 / np.prod(shape))
    for name, known in (
        ("xi_over_L", 0.1**-0.5 / shape[0]),
        ("binder", 0.0),
        ("susceptibility", 10.0),
        ("magnetisation", mean),
    ):
        one = found.estimate(name)
        quantity = f"{name} of the free field, d = {len(shape)}, r = 0.1"
        checked("Finite-size observables", quantity, known, one.value, one.error)


def test_errors_know_of_the_autocorrelation(rng):
    # Each site an AR(1) chain in time: the mean is one too, and m^2 forgets with rho^2.
    rho, pulls = 0.8, []
    for _ in range(30):
        chains = ar1(2000, 16, rho=rho, rng=rng).T.reshape(2000, 4, 4)
        found = finite_size_observables(periodic(chains))
        pulls.append(pull(found.estimate("susceptibility"), 1.0))
    exact = 0.5 * (1 + rho**2) / (1 - rho**2)
    assert abs(pull(found.tau, exact)) < FAR
    assert len(found.numbers.replicates) <= 2000 // (2 * exact)
    # The error of a mean of 30 is 0.18, of their spread 0.13.
    assert abs(np.mean(pulls)) < 0.75
    assert 0.55 < np.std(pulls, ddof=1) < 1.5


def test_exact_ising_observables_of_a_small_lattice():
    # All 2^9 states of 3 x 3 periodic spins, in numbers proportional to their probability at
    # infinite temperature: m is a sum of nine fair coins.
    states = np.array(list(product([-1.0, 1.0], repeat=9))).reshape(-1, 3, 3)
    order = np.random.default_rng(1).permutation(len(states))
    found = finite_size_observables(periodic(states[order]))
    m2, m4 = 1 / 9, (3 * 9 - 2) / 9**3
    np.testing.assert_allclose(found.numbers.values[0], 1 - m4 / (3 * m2**2), rtol=1e-9)
    np.testing.assert_allclose(found.numbers.values[2], 1.0, rtol=1e-9)


def test_crossings_find_the_common_point_with_errors_that_cover(rng):
    control, pulls = np.linspace(0.9, 1.1, 7), []
    for _ in range(100):
        curves = []
        for size in (8, 16, 32):
            exact = 0.6 + 0.2 * size * (control - 1) + 0.01 * (size * (control - 1)) ** 2
            measured = exact + 0.01 * rng.normal(size=7)
            errors = Replicates.from_covariance(measured, np.full(7, 1e-4))
            curves.append(ScalingCurve(size, control, errors))
        found = crossings(curves)
        assert [c.sizes for c in found] == [(8, 16), (16, 32)]
        pulls.append([pull(found[1].control, 1.0), pull(found[1].height, 0.6)])
    # 100 pulls: errors 0.1 of the mean and 0.07 of the spread; four of these.
    assert np.all(np.abs(np.mean(pulls, axis=0)) < 0.4)
    assert np.all(np.abs(np.std(pulls, axis=0) - 1) < 0.3)


def test_curves_that_do_not_cross_are_said_not_to():
    control = np.linspace(0.0, 1.0, 5)
    errors = np.full(5, 1e-6)
    curves = [
        ScalingCurve(8, control, Replicates.from_covariance(control, errors)),
        ScalingCurve(16, control, Replicates.from_covariance(control + 1, errors)),
    ]
    (found,) = crossings(curves)
    assert np.isnan(found.control.value)
    assert "no crossing" in found.height.flag
    apart = ScalingCurve(16, control + 5, curves[1].data)
    assert "no crossing" in crossings([curves[0], apart])[0].control.flag


def test_power_of_the_size(rng):
    sizes = np.array([8.0, 16, 32, 64, 128])
    exact = 1.3 * sizes**1.75
    data = Replicates.of_mean(exact * (1 + 0.05 * rng.normal(size=(400, 5))))
    found = fit_size_exponent(sizes, data)
    assert abs(pull(found.estimate, 1.75)) < FAR
    assert found.estimate.error < 0.005


def test_bad_input(rng):
    with pytest.raises(ArgumentError, match="periodic lattice"):
        finite_size_observables(nnrg.SynapticField(rng.normal(size=(64, 8)), nnrg.Lattice(8)))
    with pytest.raises(ArgumentError, match="axes of one length"):
        finite_size_observables(periodic(rng.normal(size=(64, 8, 4))))
    with pytest.raises(AnalysisError, match="too few for 8 groups"):
        finite_size_observables(periodic(rng.normal(size=(10, 8))))
    with pytest.raises(AnalysisError, match="constant"):
        finite_size_observables(periodic(np.ones((32, 8))))
    with pytest.raises(AnalysisError, match="independent groups"):
        finite_size_observables(periodic(ar1(400, 8, rho=0.99, rng=1).T))
    small = ScalingCurve(8, [0.0, 1.0], Replicates.from_covariance([0.0, 1.0], [1.0, 1.0]))
    with pytest.raises(ArgumentError, match="two or more different sizes"):
        crossings([small, small])
    large = ScalingCurve(16, [0.0, 1.0], small.data)
    with pytest.raises(AnalysisError, match="more than 2 are needed"):
        crossings([small, large])
    with pytest.raises(ArgumentError, match="positive numbers"):
        fit_size_exponent([8, 16], Replicates.from_covariance([1.0], [1.0]))
    with pytest.raises(AnalysisError, match="no window of 3"):
        fit_size_exponent([8, 16], Replicates.from_covariance([1.0, 2.0], [1.0, 1.0]))


# -- the critical point of the two-dimensional Ising model ----------------------------------------

BETA = 0.5 * np.log(1 + np.sqrt(2))
TOPIC = "2-d Ising model, finite-size scaling"


@pytest.mark.slow
def test_ising_at_its_critical_point(checked):
    found = {
        n: finite_size_observables(ising((n, n), 20_000, beta=BETA, rng=n)) for n in (16, 32, 64)
    }
    # Infinite-volume values on the square torus: J. Salas and A. D. Sokal, J. Stat. Phys. 98
    # (2000) 551. At L = 64 corrections are 1e-4 and below.
    for name, known in (("binder", 0.610692), ("xi_over_L", 0.9050488)):
        one = found[64].estimate(name)
        checked(TOPIC, f"{name} at T_c, L = 64", known, one.value, one.error, source="published")
    assert found[64].estimate("binder").error < 2e-3
    sizes = np.array([16.0, 32, 64])
    gamma = fit_size_exponent(
        sizes, Replicates.join([found[n].select("susceptibility") for n in (16, 32, 64)])
    )
    beta = fit_size_exponent(
        sizes, Replicates.join([found[n].select("magnetisation") for n in (16, 32, 64)])
    )
    for quantity, known, one in (
        ("gamma / nu = 2 y_h - d", 7 / 4, gamma.estimate),
        ("- beta / nu = y_h - d", -1 / 8, beta.estimate),
    ):
        checked(TOPIC, f"{quantity}, L = 16 to 64", known, one.value, one.error)
    assert gamma.estimate.error < 0.01


@pytest.mark.slow
def test_ising_curves_collapse_with_nu_one_and_cross_at_the_critical_point(checked):
    curves = []
    for n in (16, 32, 64):
        couplings = BETA + np.linspace(-0.4, 0.4, 7) / n
        runs = [
            finite_size_observables(ising((n, n), 6000, beta=beta, rng=100 * n + i))
            for i, beta in enumerate(couplings)
        ]
        binder = Replicates.join([run.select("binder") for run in runs])
        curves.append(ScalingCurve(n, couplings, binder))
    found = collapse(curves, start=(0.45, 1.3))
    assert found.p > 1e-3
    assert found.nu.error < 0.1
    rows = [
        ("nu from data collapse", 1.0, found.nu),
        ("K_c from data collapse", BETA, found.critical),
    ]
    for one in crossings(curves):
        sizes = "L = {:g} and {:g}".format(*one.sizes)
        rows += [
            (f"K_c from the crossing of {sizes}", BETA, one.control),
            (f"U_4 at the crossing of {sizes}", 0.610692, one.height),
        ]
    for quantity, known, estimate in rows:
        source = "published" if quantity.startswith("U_4") else "exact"
        checked(TOPIC, quantity, known, estimate.value, estimate.error, source=source)
