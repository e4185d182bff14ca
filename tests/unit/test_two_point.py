"""Two-point functions: sums over pairs against loops, options, and input that cannot be used."""

from dataclasses import FrozenInstanceError
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose

import nnrg
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.two_point._connected import centred, connected, level_sums
from nnrg.rg.two_point._lags import lag_squares
from nnrg.rg.two_point._range import on_shells
from nnrg.rg.two_point._verdict import judge
from nnrg.rg.two_point.correlation import measure_two_point
from nnrg.rg.two_point.four_point import measure_four_point
from nnrg.rg.two_point.kernel import QuadraticKernel, quadratic_kernel
from nnrg.rg.two_point.lengths import (
    correlation_length,
    correlation_width,
    fit_decay,
    scan_decay,
    second_moment_length,
)
from nnrg.rg.two_point.nonlocality import nonlocality
from nnrg.rg.two_point.periodogram import periodogram
from nnrg.rg.two_point.precision import precision_kernel
from nnrg.rg.two_point.propagator import fit_propagator
from nnrg.rg.two_point.spectrum import spectrum
from nnrg.simulate.gaussian import ar1, gaussian_free_field
from nnrg.stats.replicates import Replicates


def flow_of(values, *, periodic=False, levels=1, **options):
    sites = nnrg.Lattice(values.shape[1:], periodic=periodic)
    return nnrg.renormalize(nnrg.SynapticField(values, sites), levels=levels, **options)


@pytest.fixture(scope="module")
def chain():
    return flow_of(ar1(64, 60, rho=0.6, rng=1), levels=3)


@pytest.fixture(scope="module")
def level(chain):
    return measure_two_point(chain)[0]


def loop(values, periodic, lags):
    """Sums of phi_x phi_{x+u} and numbers of pairs, by group of one sample or one site."""
    shape = values.shape[1:]
    sums = np.zeros((*values.shape, *(lag.size for lag in lags)))
    pairs = np.zeros_like(sums)
    for u_index in product(*(range(lag.size) for lag in lags)):
        u = [lag[i] for lag, i in zip(lags, u_index, strict=True)]
        for x in np.ndindex(*shape):
            y = [
                (a + b) % n if p else a + b
                for a, b, n, p in zip(x, u, shape, periodic, strict=True)
            ]
            if all(0 <= b < n for b, n in zip(y, shape, strict=True)):
                index = (slice(None), *x, *u_index)
                sums[index] = values[(slice(None), *x)] * values[(slice(None), *y)]
                pairs[index] = 1
    return sums, pairs


@pytest.mark.parametrize("periodic", [(True, True), (False, False), (True, False)])
@pytest.mark.parametrize(("n_samples", "shape"), [(12, (5, 6)), (1, (16, 12))])
def test_pair_sums_equal_loops_over_pairs(periodic, n_samples, shape, rng):
    flow = flow_of(rng.normal(size=(n_samples, *shape)), periodic=periodic)
    values, unit = centred(flow.means[0])
    sums = level_sums(flow, 0, values, unit, 2).sums
    expected, pairs = loop(values, periodic, sums.lags)
    axes = (1, 2)
    if flow.groups.kind == "samples":
        expected, pairs = expected.sum(axis=axes), pairs.sum(axis=axes)
    else:
        index = [
            np.searchsorted(edge, np.arange(n), side="right") - 1
            for edge, n in zip(flow.groups.edges, shape, strict=True)
        ]
        cell = index[0][:, None] * (flow.groups.edges[1].size - 1) + index[1]
        picked = cell[None] == np.arange(flow.groups.n_groups)[:, None, None]
        expected = np.einsum("gxy,sxyuv->guv", picked, expected)
        pairs = np.einsum("gxy,sxyuv->guv", picked, pairs)

    # A pair belongs to the end from which the other lies ahead: u and -u hold the same pairs.
    for a in (expected, pairs):
        for i, j in np.ndindex(*a.shape[1:]):
            u, v = sums.lags[0][i], sums.lags[1][j]
            if (u, v) < (0, 0):
                a[:, i, j] = a[:, -i, -j]
    assert_allclose(sums.sums, expected, atol=1e-10)
    assert_allclose(sums.pairs, pairs)


@pytest.mark.parametrize("mean", ["field", "site"])
def test_square_of_the_mean_has_no_bias(mean):
    # Averages over many small fields of a known constant plus unit noise: errors are 0.004.
    rng = np.random.default_rng(2)
    found = []
    for _ in range(300):
        values = 3 + rng.normal(size=(12, 6))
        flow = flow_of(values, periodic=True)
        sums = level_sums(flow, 0, *centred(flow.means[0]), None)
        found.append(connected(sums, flow.groups, mean)[0])
    error = np.std(found, axis=0) / np.sqrt(300)
    assert np.abs((np.mean(found, axis=0) - [1, 0, 0, 0, 0, 0]) / error).max() < 4


def test_replicates_are_the_numbers_without_one_group():
    values = ar1(20, 12, rho=0.5, rng=3)
    whole = measure_two_point(flow_of(values))[0]
    one_less = measure_two_point(flow_of(values[1:]))[0]
    # About another fixed number near the mean: a difference of second order, at the ends only.
    assert_allclose(whole.rows[1], one_less.rows[0], atol=3e-3)
    ring = measure_two_point(flow_of(values, periodic=True))[0]
    ring_less = measure_two_point(flow_of(values[1:], periodic=True))[0]
    assert_allclose(ring.rows[1] / ring.rows[0][0], ring_less.rows[0] / ring.rows[0][0], atol=1e-10)


def test_site_means_are_taken_off_and_sample_means_lower_everything():
    values = ar1(64, 100, rho=0.5, rng=4)
    hill = 10 * np.sin(np.arange(64))
    sites = measure_two_point(flow_of(values + hill), mean="site")[0]
    plain = measure_two_point(flow_of(values))[0]
    errors = plain.axis(0)[1].errors()
    assert np.abs((sites.axis(0)[1].values - plain.axis(0)[1].values) / errors)[:8].max() < 3
    lowered = measure_two_point(flow_of(values, periodic=True), mean="sample")[0]
    assert abs(lowered.rows[0].sum()) < 1e-9
    with pytest.raises(AnalysisError, match="needs G"):
        second_moment_length(lowered)


def test_shells_hold_every_lag_within_reach_once():
    values = np.random.default_rng(5).normal(size=(20, 9, 9))
    level = measure_two_point(flow_of(values), max_lag=3)[0]
    radius, pairs, means = level.shells()
    assert_allclose(radius, np.sqrt([0, 1, 2, 4, 5, 8, 9]))
    squares = lag_squares(level.lags)
    for r, n, c in zip(radius, pairs, means.values, strict=True):
        here = np.isclose(squares, r * r)
        assert n == level.pairs[here].sum()
        assert c == pytest.approx(np.average(level.rows[0][here], weights=level.pairs[here]))


def test_a_unit_of_the_field_changes_only_the_unit_of_the_numbers():
    values = gaussian_free_field((16, 16), 60, mass2=1.0, rng=6)
    reports, fits = [], []
    for unit in (1.0, 1e-25, 1e20):
        flow = flow_of(values * unit, periodic=True, levels=2)
        reports.append(nonlocality(flow))
        fit = fit_propagator(spectrum(measure_two_point(flow)[0]), terms=("r", "Z"))
        fits.append(fit.parameters.values * unit**2)
    for report, fit in zip(reports[1:], fits[1:], strict=True):
        assert_allclose(report.values, reports[0].values, rtol=1e-3, atol=1e-6)
        assert_allclose(fit, fits[0], rtol=1e-4)


def test_correlogram_of_independent_sites_is_flat():
    values = np.random.default_rng(7).normal(size=(100, 40))
    s = spectrum(measure_two_point(flow_of(values))[0])
    assert "correlogram" in s.method
    assert np.abs((s.values.values - 1) / s.values.errors()).max() < 4
    assert "correlogram" in str(s)


def test_periodogram_is_the_spectrum_of_all_lags():
    values = gaussian_free_field((16, 16), 40, mass2=1.0, rng=8)
    flow = flow_of(values, periodic=True, levels=2)
    for level, other in zip(measure_two_point(flow), periodogram(flow), strict=True):
        s = spectrum(level)
        assert_allclose(s.values.values[1:], other.values.values, rtol=1e-9)
        assert_allclose(s.values.errors()[1:], other.values.errors(), rtol=0.1)
        assert_allclose(s.modes[1:], other.modes)
        assert_allclose(s.square[1:], other.square)


def test_results_are_frozen_and_read_only(chain, level):
    with pytest.raises(FrozenInstanceError):
        level.scale = 2
    with pytest.raises(ValueError, match="read-only"):
        level.rows[0, 0] = 1
    report = nonlocality(chain)
    with pytest.raises(ValueError, match="read-only"):
        report.values[0, 0] = 1
    assert max(map(len, str(report).splitlines())) < 200
    assert report.to_xarray()["value"].shape == report.values.shape
    assert "b = 1" in str(level)
    assert "mean of each field" in str(measure_two_point(chain))
    assert "K(0)" in str(quadratic_kernel(level))


def test_numbers_without_errors_are_not_given(chain):
    report = nonlocality(chain)
    errors = report.errors()
    assert np.array_equal(np.isnan(report.values), np.isnan(errors))
    for row, flags in zip(report.values, report.flags, strict=True):
        assert all(flag for value, flag in zip(row, flags, strict=True) if np.isnan(value))


def test_block_means_that_vanish_are_flagged_and_not_measured():
    noise = np.random.default_rng(9).normal(size=(20, 16, 1))
    values = np.concatenate([noise, -noise], axis=2).reshape(20, 32)
    report = nonlocality(flow_of(values, levels=2))
    assert np.isnan(report.values[1]).all()
    assert all(report.flags[1])


def test_lattices_of_a_few_sites_have_no_ranges():
    values = np.random.default_rng(10).normal(size=(30, 2, 2))
    report = nonlocality(flow_of(values, levels=2))
    assert np.isnan(report.values[1]).all()
    assert set(report.verdicts) <= {"none", "cannot be told"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda flow, level: measure_two_point(level), "expected a Flow"),
        (lambda flow, level: measure_two_point(flow, mean="median"), "mean must be"),
        (lambda flow, level: measure_two_point(flow, max_lag=0), "max_lag must be"),
        (lambda flow, level: measure_two_point(flow).at(3), "no scale b = 3"),
        (lambda flow, level: level.axis(1), "axis must be"),
        (lambda flow, level: spectrum(flow), "takes a Correlation"),
        (lambda flow, level: spectrum(level, bins=1), "bins must be"),
        (lambda flow, level: list(periodogram(flow)), "needs a periodic lattice"),
        (lambda flow, level: list(periodogram(level)), "expected a Flow"),
        (lambda flow, level: fit_propagator(level), "takes a Spectrum"),
        (lambda flow, level: fit_propagator(spectrum(level), terms=("m",)), "terms must be"),
        (
            lambda flow, level: fit_propagator(spectrum(level), terms=("A",), sigma=5.0),
            "sigma must lie",
        ),
        (lambda flow, level: fit_decay(flow), "takes a Correlation"),
        (lambda flow, level: fit_decay(level, r_min=0), "r_min must be"),
        (lambda flow, level: quadratic_kernel(flow), "takes a Correlation"),
        (lambda flow, level: quadratic_kernel(level, method="ridge"), "method must be"),
        (lambda flow, level: quadratic_kernel(level).tail("linear"), "kind must be"),
        (lambda flow, level: quadratic_kernel(level).tail(staggered="no"), "staggered must be"),
        (lambda flow, level: precision_kernel(flow, 9), "level must be"),
        (lambda flow, level: measure_four_point(flow, mean=1), "mean must be"),
        (lambda flow, level: nonlocality(flow, nulls="shuffled"), "null model"),
    ],
)
def test_arguments_that_cannot_be_used(call, message, chain, level):
    with pytest.raises(ArgumentError, match=message):
        call(chain, level)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda flow, level: quadratic_kernel(level, method="circulant"), "circulant inverse"),
        (lambda flow, level: precision_kernel(flow), "independent samples a site"),
        (lambda flow, level: fit_decay(level, r_min=40), "fewer than two lags"),
        (lambda flow, level: fit_propagator(spectrum(level), k_max=1e-6), "needs|no bin"),
    ],
)
def test_numbers_that_these_data_do_not_tell(call, message, chain, level):
    with pytest.raises(AnalysisError, match=message):
        call(chain, level)


def test_too_few_groups_and_sites_that_depend_on_each_other_are_refused():
    values = np.random.default_rng(11).normal(size=(2, 32))
    two = flow_of(values, errors=nnrg.Jackknife(over="samples"))
    with pytest.raises(AnalysisError, match="3 jackknife groups"):
        measure_two_point(two)
    with pytest.raises(ArgumentError, match="regions are left out"):
        measure_two_point(flow_of(values[:1]), mean="site")
    repeated = np.repeat(np.random.default_rng(12).normal(size=(200, 4)), 2, axis=1)
    with pytest.raises(AnalysisError, match="linear functions"):
        precision_kernel(flow_of(repeated))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_short_floats_are_measured_in_single_precision(dtype):
    values = ar1(128, 40, rho=0.5, rng=13)
    exact = measure_two_point(flow_of(values))[0]
    short = measure_two_point(flow_of(values.astype(dtype)))[0]
    assert_allclose(short.rows[0], exact.rows[0], atol=2e-3 if dtype == np.float16 else 1e-6)


def test_lengths_and_windows():
    values = gaussian_free_field((64, 64), 60, mass2=0.25, rng=14)
    level = measure_two_point(flow_of(values, periodic=True))[0]
    fits = scan_decay(level, r_max=8)
    assert [fit.window[0] for fit in fits] == list(range(1, len(fits) + 1))
    length = correlation_length(spectrum(level))
    assert abs(length.value - 2) < 4 * length.error
    text = str(fit_propagator(spectrum(level)))
    assert "chi2/dof" in text and "x from" in text


def test_tails_without_a_slope_are_no_power_laws():
    # Couplings of alternating sign: searches for a tail of one sign ran away, and a power of 119
    # without an error passed for a law.
    flow = flow_of(ar1(512, 200, rho=0.9, rng=1), levels=3)
    report = nonlocality(flow)
    assert "power law" not in report.verdicts
    column = report.names.index("K_sigma")
    assert np.isnan(report.values[:, column]).all()


def test_the_sign_of_a_staggered_tail_is_that_of_its_first_distance():
    # Of r_min between two distances it was that of the nearer one, with the parity of r_min^2:
    # 1/l = -1(19) with chi2/dof = 1236/3 from 1.4 on, where 1.2 and 2 gave 1.41(15).
    flow = flow_of(ar1(1024, 400, rho=0.9, rng=2), levels=3)
    kernel = quadratic_kernel(measure_two_point(flow)[2])
    from_two = kernel.tail("exponential", r_min=2, staggered=True)
    assert from_two.p > 0.01
    for r_min in (1.2, 1.4, 1.5, 1.6):
        tail = kernel.tail("exponential", r_min=r_min, staggered=True)
        assert tail.window == from_two.window
        assert_allclose(tail.parameters.values, from_two.parameters.values, rtol=1e-12)
    with pytest.raises(AnalysisError, match="three bins"):
        kernel.tail("exponential", r_min=1e4, staggered=True)


@pytest.mark.parametrize("dimension", [1, 2])
def test_couplings_are_said_to_alternate_with_distance_on_a_chain_only(dimension):
    # Exact averages of a free field in two dimensions alternate along the axes only: K(2, 1) > 0.
    side = np.arange(-12, 13)
    squares = sum(axis**2 for axis in np.meshgrid(*[side] * dimension)).ravel()
    exact = -((-1.0) ** (squares + 1)) * np.exp(-np.sqrt(squares) / 3)
    noise = 1e-5 * np.random.default_rng(5).normal(size=(100, squares.size))
    rows = Replicates.from_jackknife(exact, exact + noise, np.ones(100))
    profile = on_shells(squares, np.ones(squares.size), rows, dimension)
    kernel = QuadraticKernel(1, "window", rows.select(squares == 0), profile, 2.0, 12.0)
    assert ("alternating in sign" in judge(kernel).evidence) is (dimension == 1)


def test_second_moments_that_may_be_zero_set_no_length():
    # The root of a difference of one error had an error of half its own size.
    found = []
    for seed in range(10):
        values = gaussian_free_field((256,), 60, mass2=0.25, rng=seed)
        found.append(second_moment_length(measure_two_point(flow_of(values, periodic=True))[0]))
    assert all(np.isnan(one.value) or one.value > 3 * one.error for one in found)
    lost = next(one for one in found if np.isnan(one.value))
    assert "no length" in lost.flag


def test_width_of_a_correlation_is_where_it_falls_to_a_part_in_e():
    # AR(1): C(r) = rho^r; a random walk of the lag between two sites is a straight line.
    field = nnrg.SynapticField(ar1(256, 400, rho=0.8, rng=71), nnrg.Lattice(256))
    level = measure_two_point(nnrg.renormalize(field, levels=1))[0]
    width, flag = correlation_width(level)
    exact = 0.8 ** np.arange(12)
    at = int(np.argmax(exact <= np.exp(-1)))
    part = (exact[at - 1] - np.exp(-1)) / (exact[at - 1] - exact[at])
    found = width.estimate()
    assert abs(found.value - (at - 1 + part)) < 4.5 * found.error
    assert flag == ""
    constant = np.repeat(np.random.default_rng(72).normal(size=(60, 1)), 32, axis=1)
    level = measure_two_point(nnrg.renormalize(nnrg.SynapticField(constant, nnrg.Lattice(32))))[0]
    width, flag = correlation_width(level)
    assert np.isnan(width.errors()).all()
    assert "stays above" in flag
