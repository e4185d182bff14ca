"""Criticality, beta functions and fixed points: what they return, and bad input."""

import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.scaling.beta import beta_functions, fit_linear_flow
from nnrg.rg.scaling.criticality import criticality
from nnrg.rg.scaling.fixed_points import find_fixed_point
from nnrg.rg.scaling.swendsen import linearised_rg


def flow_of(values, **options):
    lattice = nnrg.Lattice(values.shape[1:], periodic=True)
    return nnrg.renormalize(nnrg.SynapticField(values, lattice), **options)


@pytest.fixture(scope="module")
def flow():
    return flow_of(np.random.default_rng(1).exponential(size=(80, 64)), levels=4)


@pytest.fixture(scope="module")
def cumulants(flow):
    return flow.cumulants(order=4, nulls=())


@pytest.fixture(scope="module")
def couplings(flow):
    return nnrg.fit_couplings(flow, basis=nnrg.Basis(("phi2", "phi4", "grad2")), nulls=())


def test_beta_functions_are_differences_of_dimensionless_numbers(cumulants, couplings):
    names = ("ratio_3", "neighbour:0")
    beta = beta_functions(cumulants, names=names)
    at = [cumulants.names.index(n) for n in names]
    expected = np.diff(cumulants.values[:, at], axis=0) / np.log(2)
    np.testing.assert_allclose(beta.values, expected, rtol=1e-12)
    np.testing.assert_allclose(beta.scales, np.sqrt([2, 8, 32]))
    means = (cumulants.values[1:, at] + cumulants.values[:-1, at]) / 2
    np.testing.assert_allclose(beta.couplings.values.reshape(3, 2), means)
    # The covariance is that of the numbers themselves, all scales together.
    matrix = cumulants.covariance().values[:, at][:, :, :, at].reshape(8, 8)
    step = np.kron(np.eye(3, 4, k=1) - np.eye(3, 4), np.eye(2)) / np.log(2)
    np.testing.assert_allclose(beta.covariance(), step @ matrix @ step.T, rtol=1e-8, atol=1e-14)
    one = beta.estimate("neighbour:0", 1)
    np.testing.assert_allclose([one.value, one.error], [beta.values[1, 1], beta.errors[1, 1]])
    assert "beta = d g / d ln b" in str(beta)

    g = couplings.values * couplings.series["sigma"][:, None] ** couplings.fields
    np.testing.assert_allclose(beta_functions(couplings).values, np.diff(g, axis=0) / np.log(2))
    first = couplings.values * couplings.series["sigma"][0] ** couplings.fields
    by_first = beta_functions(couplings, unit="first").values
    np.testing.assert_allclose(by_first, np.diff(first, axis=0) / np.log(2))


def test_ensemble_is_the_mean_of_its_members():
    rng = np.random.default_rng(2)
    members = [
        flow_of(rng.normal(size=(20, 64)), levels=3).cumulants(order=4, nulls=()) for _ in range(12)
    ]
    beta = beta_functions(members, names=["ratio_4"])
    singles = np.array([beta_functions(m, names=["ratio_4"]).values for m in members])
    np.testing.assert_allclose(beta.values, singles.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(beta.errors, singles.std(axis=0, ddof=1) / np.sqrt(12), rtol=1e-9)
    assert beta.n_members == 12


def test_results_print_on_one_screen(cumulants, couplings):
    for text in (
        str(criticality(cumulants)),
        str(criticality(couplings)),
        str(find_fixed_point(cumulants, names=["ratio_4", "neighbour:0"])),
        str(beta_functions(couplings)),
    ):
        assert len(text.splitlines()) < 25 and max(map(len, text.splitlines())) < 110


def test_few_scales_are_said(flow):
    two = flow_of(flow.field.values, levels=2).cumulants(order=4, nulls=())
    verdict = criticality(two)
    assert not verdict and verdict.reason.startswith("cannot be told: 2 scales")
    assert verdict.evidence == () and "failed" in str(verdict)
    with pytest.raises(AnalysisError, match="at least 3"):
        find_fixed_point(two, names=["ratio_4"])
    one = flow_of(flow.field.values, levels=1).cumulants(order=4, nulls=())
    with pytest.raises(AnalysisError, match="one scale"):
        beta_functions(one)
    rg = linearised_rg(flow_of(flow.field.values, levels=2), ("phi2", "phi4"))
    assert criticality(rg).reason.startswith("cannot be told: one RG step")


def test_no_correlation_measured_is_said(cumulants):
    verdict = criticality(cumulants, names=["ratio_4"])
    assert not verdict.passed and "no correlation of sites was measured" in verdict.reason


def test_numbers_that_could_not_be_told_are_left_out():
    # Spins have no action at b = 1, and their first scales no couplings.
    spins = np.random.default_rng(3).choice([-1.0, 1.0], size=(100, 64))
    fit = nnrg.fit_couplings(flow_of(spins, levels=4), nulls=())
    assert np.isnan(fit.values[0]).all()
    verdict = criticality(fit)
    assert not verdict.passed
    with pytest.raises(AnalysisError, match=r"fixed point|could not be told"):
        find_fixed_point(fit, names=["phi4"])
    with pytest.raises(AnalysisError, match="leave that scale out"):
        fit_linear_flow([fit] * 12, names=["phi4"])


def test_too_few_points_for_a_linear_flow(cumulants):
    with pytest.raises(AnalysisError, match="too few for 1"):
        fit_linear_flow(cumulants, names=["ratio_3"])
    with pytest.raises(AnalysisError, match="too few"):
        fit_linear_flow(cumulants, names=[])


def test_couplings_that_do_not_vary_are_refused():
    rng = np.random.default_rng(4)
    members = [
        flow_of(rng.normal(size=(20, 64)), levels=3).cumulants(order=4, nulls=()) for _ in range(12)
    ]
    # Of fields that differ by noise alone a slope may come out, but never unflagged.
    try:
        fit = fit_linear_flow(members, names=["ratio_4"])
    except AnalysisError as error:
        assert "by no more than their errors" in str(error)
    else:
        assert fit.flag.startswith("noisy")


@pytest.mark.parametrize("call", [nnrg.beta_functions, nnrg.fit_exponents, nnrg.criticality])
@pytest.mark.parametrize("given", [None, 3, [], "flow", [None]])
def test_what_is_no_result_of_a_flow_is_refused(call, given):
    with pytest.raises(ArgumentError, match="expected Cumulants, Couplings or a list of them"):
        call(given)


def test_bad_arguments(cumulants, couplings):
    for call, match in (
        (lambda: criticality("couplings"), "Cumulants, Couplings"),
        (lambda: criticality([]), "Cumulants, Couplings"),
        (lambda: criticality(cumulants, tolerance=0.0), "tolerance"),
        (lambda: criticality(cumulants, tolerance=np.nan), "tolerance"),
        (lambda: criticality(cumulants, names=["phi4"]), "no observable"),
        (lambda: criticality([cumulants, couplings]), "one kind"),
        (lambda: beta_functions(cumulants, names=["phi4"]), "no observable"),
        (lambda: beta_functions(couplings, unit="mine"), "unit"),
        (lambda: beta_functions(couplings).estimate("phi4", 3), "steps 0 to 2"),
        (lambda: find_fixed_point(cumulants, names="ratio_4"), "names"),
        (lambda: find_fixed_point(cumulants, names=[]), "names"),
        (lambda: fit_linear_flow([cumulants] * 9, names=["x"]), "no observable"),
        (lambda: fit_linear_flow(cumulants, names=["ratio_4"], scales=[1, 3]), "no scale"),
        (lambda: fit_linear_flow(cumulants, names=["ratio_4"], scales=[1, 2, 8]), "one factor"),
        (lambda: fit_linear_flow(cumulants, names=["ratio_4"], scales=[4, 2]), "one factor"),
    ):
        with pytest.raises(ArgumentError, match=match):
            call()
    rg = linearised_rg(flow_of(np.random.default_rng(5).normal(size=(60, 32))), ("phi2", "phi4"))
    with pytest.raises(ArgumentError, match="eigenvalues"):
        criticality(rg, names=["phi2"])
