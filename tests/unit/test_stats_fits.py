"""Correlated fits: closed forms, coverage of errors, uniform p-values, refusals."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import curve_fit

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.fits import chance_of_zero, correlated_fit
from nnrg.stats.model_average import average_fits, fit_windows
from nnrg.stats.replicates import Replicates


def line(x):
    return np.stack([np.ones(x.size), x], axis=1)


def chain_covariance(n, rho):
    """Errors that grow with x, neighbours correlated by rho: what a flow over scales has."""
    x = np.arange(n)
    spread = 2.0 ** (x / 2)
    return rho ** np.abs(x[:, None] - x) * spread[:, None] * spread


def test_known_covariance_gives_generalised_least_squares(rng):
    x, covariance = np.arange(6.0), chain_covariance(6, 0.8)
    y = rng.multivariate_normal(1 + 0.5 * x, covariance)
    fit = correlated_fit(line(x), x, Replicates.from_covariance(y, covariance))
    inverse, columns = np.linalg.inv(covariance), line(x)
    expected = np.linalg.inv(columns.T @ inverse @ columns)
    np.testing.assert_allclose(fit.parameters.covariance(), expected, rtol=1e-9)
    values = expected @ columns.T @ inverse @ y
    np.testing.assert_allclose(fit.parameters.values, values, rtol=1e-9)
    rest = y - columns @ values
    np.testing.assert_allclose(fit.chi2, rest @ inverse @ rest, rtol=1e-9)
    np.testing.assert_allclose(fit.p, stats.chi2.sf(fit.chi2, 4), rtol=1e-9)
    assert (fit.dof, fit.window) == (4, (0.0, 5.0))
    np.testing.assert_allclose(fit.comparable_chi2, fit.chi2, rtol=1e-6)
    assert "known" in fit.note


def test_nonlinear_fit_agrees_with_scipy(rng):
    def decay(x, amplitude, rate):
        return amplitude * np.exp(-rate * x)

    x = np.linspace(0, 3, 8)
    covariance = 1e-4 * (np.eye(8) + 0.5)
    y = rng.multivariate_normal(decay(x, 2.0, 0.7), covariance)
    fit = correlated_fit(
        decay, x, Replicates.from_covariance(y, covariance), start=(1.0, 1.0), names=("a", "rate")
    )
    values, expected = curve_fit(decay, x, y, p0=(1, 1), sigma=covariance, absolute_sigma=True)
    np.testing.assert_allclose(fit.parameters.values, values, rtol=1e-6)
    # The errors are from refits a standard error away, SciPy's from derivatives.
    np.testing.assert_allclose(fit.parameters.covariance(), expected, rtol=5e-3)
    assert fit.estimate("rate").value == fit.parameters.values[1]


def test_linear_model_given_as_a_function_gives_the_same_numbers(rng):
    x = np.arange(6.0)
    data = Replicates.of_mean(rng.normal(size=(100, 6)) + x)
    one = correlated_fit(line(x), x, data)
    other = correlated_fit(lambda x, a, b: a + b * x, x, data, start=(3.0, 0.0))
    np.testing.assert_allclose(other.parameters.values, one.parameters.values, atol=1e-7)
    np.testing.assert_allclose(other.parameters.errors(), one.parameters.errors(), rtol=1e-5)
    np.testing.assert_allclose([other.chi2, other.p], [one.chi2, one.p], rtol=1e-6)


def many_fits(rng, points, groups, rho, handling, trials=700):
    x = np.arange(float(points))
    root = np.linalg.cholesky(chain_covariance(points, rho))
    fits = []
    for _ in range(trials):
        samples = rng.normal(size=(groups, points)) @ root.T * np.sqrt(groups) + 1 + 0.5 * x
        fits.append(correlated_fit(line(x), x, Replicates.of_mean(samples), covariance=handling))
    pulls = np.array([(f.parameters.values - [1, 0.5]) / f.parameters.errors() for f in fits])
    return fits, pulls


@pytest.mark.parametrize(
    ("points", "groups", "handling"),
    [(5, 64, "auto"), (5, 22, "full"), (8, 10, "auto"), (8, 20, "truncate")],
)
def test_pulls_are_those_of_student_and_p_values_uniform(rng, points, groups, handling):
    fits, pulls = many_fits(rng, points, groups, 0.8, handling)
    # Student's t with G - 1 degrees of freedom is what the errors of G groups allow at best: one
    # standard error then covers 68.3 % to 65.7 %. 700 pulls know the fraction to 1.8 %: four of
    # these and one percent for the approximation, a false alarm in 10^4.
    inside = (np.abs(pulls) < 1).mean(axis=0)
    expected = 1 - 2 * stats.t.sf(1, groups - 1)
    assert np.all(inside > expected - 0.08)
    # Truncation leaves directions out, and errs towards larger errors.
    assert np.all(inside < expected + (0.13 if handling == "truncate" else 0.08))
    # The error of the mean of 700 is 0.04: five of these.
    assert np.all(np.abs(pulls.mean(axis=0)) < 0.2)
    p = np.array([f.p for f in fits])
    # Binomial errors of 700 at 5 % and 1 % are 0.8 % and 0.4 %: four of these above.
    assert (p < 0.05).mean() < 0.083
    assert (p < 0.01).mean() < 0.026
    if handling != "truncate" and groups > 10:
        assert stats.kstest(p, "uniform").pvalue > 1e-4
    if handling == "full":
        # N (N-1) / ((N-nu)(N-nu-1)) for N = 21, nu = 3 is 1.37: without it errors would be 17 %
        # too small. The spread of 700 is known to 2.7 %; that of Student's t is 1.05.
        assert 0.94 < pulls.std(axis=0).mean() < 1.16


def test_wrong_model_is_called_poor(rng):
    x = np.arange(8.0)
    samples = 0.2 * x**2 + rng.normal(size=(200, 8))
    fit = correlated_fit(line(x), x, Replicates.of_mean(samples))
    assert fit.p < 1e-6
    assert fit.flag.startswith("poor fit")
    assert fit.estimate("p1").flag == fit.flag
    assert "flag: poor fit" in str(fit)


def test_singular_covariance_is_said_and_used_where_it_fluctuates():
    covariance = chain_covariance(4, 0.5)
    twice = np.block([[covariance, covariance], [covariance, covariance]])
    y = np.array([1.0, 2.0, 1.0, 3.0])
    x = np.arange(4.0)
    one = correlated_fit(line(x), x, Replicates.from_covariance(y, covariance))
    both = Replicates.from_covariance(np.tile(y, 2), twice)
    other = correlated_fit(line(np.tile(x, 2)), np.tile(x, 2), both)
    np.testing.assert_allclose(other.parameters.values, one.parameters.values, rtol=1e-6)
    np.testing.assert_allclose([other.chi2, other.dof], [one.chi2, 2], rtol=1e-6)
    assert "4 directions of least fluctuation left out" in other.note


def test_exact_fit_has_no_degree_of_freedom():
    fit = correlated_fit(line(np.arange(2.0)), [0, 1], Replicates.from_covariance([1, 3], [1, 1]))
    np.testing.assert_allclose(fit.parameters.values, [1, 2], rtol=1e-12)
    assert (fit.dof, fit.comparable_chi2, fit.flag) == (0, 0.0, "")
    assert np.isnan(fit.p)


def test_tiny_numbers_are_fitted_as_others_are(rng):
    x, samples = np.arange(5.0), rng.normal(size=(100, 5))
    one = correlated_fit(line(x), x, Replicates.of_mean(samples))
    small = correlated_fit(line(x), x, Replicates.of_mean(1e-200 * samples))
    np.testing.assert_allclose(small.parameters.errors(), 1e-200 * one.parameters.errors())
    np.testing.assert_allclose(small.chi2, one.chi2, rtol=1e-9)


def test_windows_drop_what_the_model_does_not_describe(rng):
    x = np.arange(8.0)
    truth = 1 + 4 * np.exp(-2 * x)
    samples = truth + 0.3 * rng.normal(size=(150, 8))
    fits = fit_windows(
        lambda x: np.ones((x.size, 1)), x, Replicates.of_mean(samples), fewest=3, names=["c"]
    )
    assert len(fits) == 6 * 7 / 2
    average = average_fits(fits, "c")
    np.testing.assert_allclose(average.weights.sum(), 1)
    assert average.best.window[0] >= 2
    assert abs(average.value - 1) < 4 * average.estimate.error
    assert average.weights[[f.window[0] == 0 for f in fits]].sum() < 1e-6
    assert average.table().count("\n") == len(fits)
    error = np.hypot(average.statistical, average.systematic)
    np.testing.assert_allclose(average.estimate.error, error)


def test_weights_are_those_of_the_information_criterion():
    y = np.array([3.0, 1.0, 1.5, 0.5])
    fits = fit_windows(
        lambda x: np.ones((x.size, 1)),
        np.arange(4.0),
        Replicates.from_covariance(y, np.ones(4)),
        fewest=3,
        names=["c"],
    )
    windows = [y, y[:3], y[1:]]
    score = [np.sum((w - w.mean()) ** 2) + 2 + 2 * (4 - w.size) for w in windows]
    expected = np.exp(-np.array(score) / 2)
    expected /= expected.sum()
    average = average_fits(fits, "c")
    np.testing.assert_allclose(average.weights, expected, rtol=1e-6)
    means = np.array([w.mean() for w in windows])
    np.testing.assert_allclose(average.value, expected @ means, rtol=1e-6)
    np.testing.assert_allclose(average.statistical**2, expected @ [1 / 4, 1 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(
        average.systematic**2, expected @ (means - average.value) ** 2, rtol=1e-6
    )


def test_nonlinear_windows_find_their_start(rng):
    x = np.arange(1.0, 9.0)
    data = Replicates.from_covariance(3 * np.exp(-0.5 * x), np.full(8, 1e-8))
    fits = fit_windows(
        lambda x, a, m: a * np.exp(-m * x),
        x,
        data,
        fewest=4,
        start=lambda x, y: (float(y[0]), 1.0),
        names=("a", "m"),
    )
    np.testing.assert_allclose(average_fits(fits, "m").value, 0.5, rtol=1e-6)


def test_bad_input(rng):
    x = np.arange(5.0)
    data = Replicates.of_mean(rng.normal(size=(50, 5)))
    with pytest.raises(ArgumentError, match="as many numbers as the data"):
        correlated_fit(line(x), x[:3], data)
    with pytest.raises(ArgumentError, match="needs start="):
        correlated_fit(lambda x, a: a * x, x, data)
    with pytest.raises(ArgumentError, match="5 finite numbers at start"):
        correlated_fit(lambda x, a: a / 0 * x[:2], x, data, start=(np.float64(1),))
    with pytest.raises(ArgumentError, match="one finite row"):
        correlated_fit(line(x[:4]), x, data)
    with pytest.raises(ArgumentError, match="as many names"):
        correlated_fit(line(x), x, data, names=["a"])
    with pytest.raises(ArgumentError, match="covariance must be one of"):
        correlated_fit(line(x), x, data, covariance="ridge")
    with pytest.raises(AnalysisError, match="do not determine 2 parameters"):
        correlated_fit(line(x[:1]), x[:1], data.select([0]))
    with pytest.raises(AnalysisError, match="changes nothing"):
        correlated_fit(np.ones((5, 2)), x, data)
    with pytest.raises(AnalysisError, match="no inverse of use"):
        few = Replicates.of_mean(rng.normal(size=(5, 5)))
        correlated_fit(line(x), x, few, covariance="full")
    with pytest.raises(AnalysisError, match="number 2 of 5"):
        broken = data.map(lambda v: np.where(np.arange(5) == 2, np.nan, v))
        correlated_fit(line(x), x, broken)
    with pytest.raises(AnalysisError, match="number 0 of 5"):
        correlated_fit(line(x), x, data.map(lambda v: np.where(np.arange(5) == 0, 1.0, v)))
    with pytest.raises(ArgumentError, match="increasing"):
        fit_windows(line, x[::-1], data, fewest=3)
    with pytest.raises(AnalysisError, match="hold no window"):
        fit_windows(line, x, data, fewest=6)
    fit = correlated_fit(line(x), x, data, names=("a", "b"))
    with pytest.raises(ArgumentError, match="no parameter 'c'"):
        fit.estimate("c")
    with pytest.raises(ArgumentError, match="have no parameter 'c'"):
        average_fits([fit], "c")


def test_a_search_that_ends_where_it_begins_determines_nothing():
    # Where only the first number is not zero the rate of an exponential may be anything large.
    rng = np.random.default_rng(3)
    data = Replicates.of_mean(rng.normal(size=(200, 4)) + np.array([50.0, 0.0, 0.0, 0.0]))

    def decay(x, height, rate):
        return height * np.exp(-rate * x)

    with pytest.raises(AnalysisError, match="do not determine all parameters"):
        correlated_fit(decay, np.arange(4.0), data, start=(50.0, 60.0))


def test_chance_of_zero_is_that_of_hotelling_and_uniform_where_all_are_zero():
    rng = np.random.default_rng(31)
    x = rng.normal(size=(30, 4)) @ np.tril(np.ones((4, 4)))
    data = Replicates.of_mean(x)
    t2 = x.mean(axis=0) @ np.linalg.solve(np.cov(x.T) / 30, x.mean(axis=0))
    exact = stats.f.sf(t2 * (30 - 4) / (4 * 29), 4, 30 - 4)
    assert chance_of_zero(data) == pytest.approx(exact, rel=1e-9)
    draws = [chance_of_zero(Replicates.of_mean(rng.normal(size=(20, 3)))) for _ in range(400)]
    # False alarms: 1e-4.
    assert stats.kstest(draws, "uniform").pvalue > 1e-4
    assert np.isnan(chance_of_zero(Replicates.of_mean(rng.normal(size=(4, 6)))))
    assert np.isnan(chance_of_zero(Replicates.of_mean(np.ones((9, 2)))))


def test_window_of_bins_is_wider_than_their_centres():
    x = np.array([1.0, 2.0, 4.0])
    data = Replicates.from_covariance(2 * x, np.ones(3))
    assert correlated_fit(x[:, None], x, data).window == (1.0, 4.0)
    assert correlated_fit(x[:, None], x, data, window=(0.5, 5.5)).window == (0.5, 5.5)


@pytest.mark.parametrize("unit", [1e-40, 1.0, 1e40])
def test_unit_of_the_parameters_does_not_reach_the_fit(unit):
    x = np.arange(1.0, 7.0)
    samples = np.exp(-0.3 * x) + 0.02 * np.random.default_rng(32).normal(size=(60, 6))
    fit = correlated_fit(
        lambda x, a, rate: a / unit * np.exp(-rate * x),
        x,
        Replicates.of_mean(samples),
        start=(0.8 * unit, 0.4),
    )
    plain = correlated_fit(
        lambda x, a, rate: a * np.exp(-rate * x), x, Replicates.of_mean(samples), start=(0.8, 0.4)
    )
    scale = [unit, 1.0]
    np.testing.assert_allclose(fit.parameters.values / scale, plain.parameters.values, rtol=1e-5)
    np.testing.assert_allclose(
        fit.parameters.errors() / scale, plain.parameters.errors(), rtol=1e-4
    )


def test_refits_of_a_curved_model_are_the_minima_of_each_replicate():
    # A poor fit of few numbers, where the curvature of the model at its residual counts.
    x = np.arange(1.0, 6.0)
    rng = np.random.default_rng(33)
    samples = 3 * np.exp(-0.5 * x) + 0.3 * np.sin(2 * x) + rng.normal(size=(40, 5))
    data = Replicates.of_mean(samples)

    def model(x, a, rate):
        return a * np.exp(-rate * x)

    fit = correlated_fit(model, x, data, start=(3.0, 0.5), covariance="diagonal")

    def minimum(y):
        return curve_fit(model, x, y, p0=(3.0, 0.5), sigma=data.errors(), xtol=1e-14, ftol=1e-14)[0]

    expected = np.stack([minimum(y) for y in data.replicates])
    moved = expected - minimum(data.values)
    found = fit.parameters.replicates - fit.parameters.values
    assert np.abs(found - moved).max() < 0.01 * np.abs(moved).max()
