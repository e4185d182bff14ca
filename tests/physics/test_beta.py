"""Beta functions with known slopes: independent sites, and the mass of a correlated chain."""

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import expm, tanhm

import nnrg
from nnrg.rg.scaling._errors_in_variables import regress
from nnrg.rg.scaling.beta import beta_functions, fit_linear_flow
from nnrg.simulate.gaussian import ar1
from nnrg.stats.replicates import Replicates


def cumulants_of(values, levels=3):
    field = nnrg.SynapticField(values, nnrg.Lattice(values.shape[1:], periodic=True))
    return nnrg.renormalize(field, levels=levels).cumulants(order=4, nulls=())


def gamma_members(seed, n_members, *, n_samples=32, length=256, levels=3):
    """Fields of independent sites whose skewness, 2 / sqrt(shape), differs from field to field."""
    rng = np.random.default_rng(seed)
    return [
        cumulants_of(rng.gamma(skew**-2, size=(n_samples, length)), levels)
        for skew in np.linspace(0.5, 1.5, n_members)
    ]


def test_beta_of_independent_sites(checked):
    # lambda_3 falls as b^{-1/2}, lambda_4 as 1/b: Hotelling's T^2 over all steps and names.
    values = np.random.default_rng(1).exponential(size=(4000, 256))
    beta = beta_functions(cumulants_of(values, 4), names=["ratio_3", "ratio_4"])
    b = 2.0 ** np.arange(4)
    expected = np.diff(np.stack([2 * b**-0.5, 6 / b], axis=1), axis=0) / np.log(2)
    distance = (beta.values - expected).ravel()
    t2 = distance @ np.linalg.solve(beta.covariance(), distance)
    g, p = len(beta.beta.replicates), distance.size
    assert stats.f.sf(t2 * (g - p) / (p * (g - 1)), p, g - p) > 1e-4
    assert np.all(np.abs(expected / beta.errors) > 10)  # not for want of power
    for i, name in enumerate(("lambda_3", "lambda_4")):
        quantity = f"d {name} / d ln b of exponential sites, b = 1 to 2"
        value, error = beta.values[0, i], beta.errors[0, i]
        checked("Beta functions of independent sites", quantity, expected[0, i], value, error)


def test_linear_flow_of_independent_sites(checked):
    # Slopes -1/2 and -1 about the Gaussian fixed point; four standard errors.
    members = gamma_members(2, 40, n_samples=128)
    skewness = fit_linear_flow(members, names=["ratio_3"])
    topic = "Beta functions of independent sites"
    for quantity, known, found in (
        ("slope of beta of lambda_3", -0.5, skewness.eigenvalues[0]),
        ("fixed point of lambda_3", 0.0, skewness.fixed_point[0]),
    ):
        checked(topic, quantity, known, found.value, found.error)
    assert skewness.eigenvalues[0].error < 0.03 and not skewness.flag
    both = fit_linear_flow(members, names=["ratio_3", "ratio_4"])
    assert both.condition > 10 and both.n_points == 80
    expected = np.diag([-0.5, -1.0])
    for i in range(2):
        for j in range(2):
            element = both.matrix[i][j]
            assert abs(element.value - expected[i, j]) < 4 * element.error
    assert "cond = " in str(both)


def noisy_flow(rng, slope, fixed, *, members, scales, noise):
    """Flows e^{A l} (g - g*) + g* at l = 0, ln 2, .. with Gaussian errors that grow by 3/2."""
    error = noise * np.repeat(1.5 ** np.arange(scales), 2)
    steps = [expm(slope * k * np.log(2)) for k in range(scales)]
    tables = []
    for _ in range(members):
        away = rng.normal(size=2)
        g = [fixed + step @ away for step in steps]
        samples = np.ravel(g) + error * np.sqrt(40) * rng.normal(size=(40, 2 * scales))
        tables.append(Replicates.of_mean(samples))
    return tables


def test_linear_flow_is_recovered_exactly_from_steps_of_finite_length():
    # Steps of ln 2 with |A| up to 2: a mere difference quotient would be off by a tenth.
    slope, fixed = np.array([[1.5, 0.4], [-0.3, -2.0]]), np.array([0.4, -1.0])
    tables = noisy_flow(np.random.default_rng(6), slope, fixed, members=12, scales=4, noise=1e-9)
    fit = regress(tables, 2, np.log(2))
    eigenvalues = np.sort(np.linalg.eigvals(slope))[::-1]
    exactly = [*slope.ravel(), *fixed, *eigenvalues]
    np.testing.assert_allclose(fit.numbers.values, exactly, atol=1e-6)


def test_noise_in_the_couplings_does_not_draw_the_slope_to_zero():
    # 40 ensembles of an exactly linear flow; a fifth of the spread is noise. Four errors of the
    # mean; without the correction the slopes would be off by eight.
    slope, fixed = np.array([[-0.5, 0.2], [0.0, 0.3]]), np.array([0.4, -1.0])
    rng = np.random.default_rng(3)
    found, plain, pulls = [], [], []
    for _ in range(40):
        tables = noisy_flow(rng, slope, fixed, members=60, scales=3, noise=0.3)
        fit = regress(tables, 2, np.log(2))
        found.append(fit.numbers.values)
        pulls.append((fit.numbers.values[4:6] - fixed) / fit.numbers.errors()[4:6])
        assert 0.05 < fit.noise < 0.4
        g = np.concatenate([t.values.reshape(3, 2) for t in tables]).reshape(-1, 3, 2)
        middle = ((g[:, 1:] + g[:, :-1]) / 2).reshape(-1, 2)
        beta = ((g[:, 1:] - g[:, :-1]) / np.log(2)).reshape(-1, 2)
        plain.append(np.linalg.lstsq(middle - middle.mean(0), beta - beta.mean(0))[0].T)
    exactly = [*slope.ravel(), *fixed, 0.3, -0.5]
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(40)
    assert np.abs((mean - exactly) / error).max() < 4
    off = np.mean(plain, axis=0) - (2 / np.log(2)) * tanhm(slope * np.log(2) / 2)
    spread = np.std(plain, axis=0, ddof=1) / np.sqrt(40)
    assert np.abs(off / spread).max() > 5
    assert abs(np.std(pulls) - 1) < 4 / np.sqrt(2 * 80)


@pytest.mark.slow
def test_errors_of_the_slope_cover():
    # Pulls over 60 ensembles: mean 0, standard deviation 1, each within four errors.
    pulls = []
    for seed in range(60):
        y = fit_linear_flow(gamma_members([4, seed], 24), names=["ratio_3"]).eigenvalues[0]
        pulls.append((y.value + 0.5) / y.error)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(60)
    assert abs(np.std(pulls) - 1) < 4 / np.sqrt(120)


def test_linear_flow_of_one_field_with_many_scales():
    # The correlation of neighbouring blocks of an AR(1) chain beyond its correlation length
    # falls as 1/b: C'(1) ~ 1/b^2 against kappa_2 ~ 1/b. Corrections of order xi/b are below 3 %.
    values = ar1(1024, 3000, rho=0.5, rng=5)
    measured = cumulants_of(values, 8)
    fit = fit_linear_flow(measured, names=["neighbour:0"], scales=[4, 8, 16, 32, 64, 128])
    assert fit.n_points == 5 and fit.eigenvalues[0].error < 0.1
    assert abs(fit.eigenvalues[0].value + 1) < 4 * fit.eigenvalues[0].error + 0.05
