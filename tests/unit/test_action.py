"""Couplings by Schwinger-Dyson equations: symmetries, units, naive twins, flags."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nnrg
from nnrg.errors import ArgumentError
from nnrg.rg.action import measure
from nnrg.rg.operators import Operator
from nnrg.rg.schwinger_dyson import tests_outside as functions_outside
from nnrg.simulate.gaussian import ar1


def correlated_field(seed=0, n_samples=40, length=48, **options):
    phi = ar1(length, n_samples, rho=0.5, rng=seed)
    return nnrg.SynapticField(phi + 0.1 * phi**2, nnrg.Lattice(length, **options))


def fit(field, levels=2, **options):
    return nnrg.fit_couplings(nnrg.renormalize(field, levels=levels), nulls=(), **options)


def before_bias(result, level=0):
    """The solution before its jackknife bias was taken off: v = theta - sum (1 - f) (t - theta)."""
    share = result.weights[:, level] / result.weights[:, level].sum()
    filled = share > 0
    left_out = (1 - share)[filled] @ result.replicates[filled, level]
    return (result.values[level] + left_out) / np.count_nonzero(filled)


def naive_couplings(phi, powers):
    """A g = h over the inner sites of open chains, operator by operator."""
    inner = phi[:, 2:-2]
    first = [inner ** (n - 1) / float(np.prod(np.arange(1, n))) for n in powers]
    second = [
        np.zeros_like(inner) if n == 1 else inner ** (n - 2) / float(np.prod(np.arange(1, n - 1)))
        for n in powers
    ]
    first.append(2 * inner - phi[:, 1:-3] - phi[:, 3:-1])
    second.append(np.full_like(inner, 2.0))
    a = np.array([[np.mean(x * y) for y in first] for x in first])
    return np.linalg.solve(a, [np.mean(x) for x in second])


def test_couplings_solve_the_equations_of_every_inner_site():
    field = correlated_field()
    expected = naive_couplings(field.values, (1, 2, 3, 4, 6))
    result = fit(field)
    np.testing.assert_allclose(before_bias(result), expected, rtol=1e-9)


def test_bias_of_order_one_over_n_is_taken_off():
    """Mean of 200 small fields: within 4 errors (false alarms 6e-5), three times closer."""
    rng = np.random.default_rng(11)
    corrected, plain = [], []
    for _ in range(200):
        field = nnrg.SynapticField(rng.normal(size=(24, 32)), nnrg.Lattice(32))
        result = fit(field, levels=1)
        corrected.append(result.values[0])
        plain.append(before_bias(result))
    names = result.names
    truth = np.array([1.0 if name == "phi2" else 0.0 for name in names])
    off = np.mean(corrected, axis=0) - truth
    error = np.std(corrected, axis=0) / np.sqrt(200)
    assert np.all(np.abs(off) < 4 * error)
    four = names.index("phi4")
    assert abs(np.mean(plain, axis=0)[four]) > 3 * abs(off[four])


def test_replicates_leave_out_one_sample_each():
    field = correlated_field(n_samples=12)
    result = fit(field)
    for sample in (0, 5, 11):
        expected = naive_couplings(np.delete(field.values, sample, axis=0), (1, 2, 3, 4, 6))
        np.testing.assert_allclose(result.replicates[sample, 0], expected, rtol=1e-8)


@given(st.floats(1e-3, 1e3), st.integers(0, 1000))
def test_couplings_carry_the_unit_of_the_field(unit, seed):
    field = correlated_field(seed)
    first, second = fit(field), fit(field.replaced(field.values * unit))
    scale = unit**-first.fields
    np.testing.assert_allclose(second.values, first.values * scale, rtol=1e-6)
    np.testing.assert_allclose(second.errors(), first.errors() * scale, rtol=1e-5)
    np.testing.assert_allclose(second.series["p"], first.series["p"], rtol=1e-5)
    assert second.table() == first.table()


@given(st.integers(0, 1000))
def test_reflection_turns_the_odd_couplings(seed):
    field = correlated_field(seed)
    first, second = fit(field), fit(field.replaced(-field.values))
    parity = [1 if Operator(name).even else -1 for name in first.names]
    np.testing.assert_allclose(second.values, first.values * parity, rtol=1e-7, atol=1e-9)


def test_mirrored_chain_has_the_same_couplings():
    field = correlated_field()
    mirrored = field.replaced(field.values[:, ::-1])
    np.testing.assert_allclose(fit(mirrored).values, fit(field).values, rtol=1e-8)


def test_transposed_lattice_exchanges_the_stiffnesses():
    values = np.random.default_rng(3).normal(size=(30, 12, 16))
    values[:, 1:] += values[:, :-1]
    field = nnrg.SynapticField(values, nnrg.Lattice((12, 16)))
    turned = nnrg.SynapticField(np.swapaxes(values, 1, 2), nnrg.Lattice((16, 12)))
    first, second = fit(field), fit(turned)
    order = [*range(len(first.names) - 2), -1, -2]
    np.testing.assert_allclose(second.values[:, order], first.values, rtol=1e-8)


@pytest.mark.parametrize("rescale", ["variance", "clt", "kinetic", 0.3])
def test_couplings_are_those_of_the_rescaled_block_field(rescale):
    # What the flow reports at b is what a fit of its block field says.
    flow = nnrg.renormalize(correlated_field(length=96), levels=3, rescale=rescale)
    result = nnrg.fit_couplings(flow, nulls=())
    for level in (1, 2):
        again = fit(flow.at(level), levels=1)
        np.testing.assert_allclose(before_bias(result, level), before_bias(again), rtol=1e-7)


def test_errors_hold_the_error_of_the_measured_rescaling():
    # g' = g (kappa_2(b) / kappa_2(1))^(n/2), in every replicate.
    flow = nnrg.renormalize(correlated_field(n_samples=20), levels=2, rescale="variance")
    plain = nnrg.renormalize(correlated_field(n_samples=20), levels=2, rescale=0.0)
    first = nnrg.fit_couplings(flow, nulls=())
    second = nnrg.fit_couplings(plain, nulls=())
    kappa = flow.cumulants(order=2, nulls=()).replicates[:, :, 1]
    change = (kappa[:, 1] / kappa[:, 0])[:, None] ** (first.fields / 2)
    np.testing.assert_allclose(first.replicates[:, 1], second.replicates[:, 1] * change, rtol=1e-8)


def test_jackknife_of_the_fit_may_differ_from_that_of_the_flow():
    flow = nnrg.renormalize(correlated_field(length=96), levels=2)
    samples = nnrg.fit_couplings(flow, nulls=())
    regions = nnrg.fit_couplings(flow, nulls=(), errors=nnrg.Jackknife(over="sites"))
    np.testing.assert_allclose(before_bias(samples), before_bias(regions), rtol=1e-9)
    assert samples.attrs["jackknife_over"] == "samples"
    assert regions.attrs["jackknife_over"] == "regions"
    assert np.all(np.abs(np.log(regions.errors()[0] / samples.errors()[0])) < np.log(2.5))


def test_cumulants_and_couplings_share_their_null_draws():
    flow = nnrg.renormalize(correlated_field(), levels=2)
    told = []
    cumulants, couplings = measure(
        flow, nulls=(nnrg.NullModel(draws=3),), rng=5, progress=lambda *at: told.append(at)
    )
    alone = nnrg.fit_couplings(flow, nulls=(nnrg.NullModel(draws=3),), rng=5)
    np.testing.assert_array_equal(couplings.nulls["permutation"], alone.nulls["permutation"])
    by_flow = flow.cumulants(nulls=(nnrg.NullModel(draws=3),), rng=5)
    np.testing.assert_array_equal(cumulants.nulls["permutation"], by_flow.nulls["permutation"])
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_scores_are_those_of_the_draws():
    flow = nnrg.renormalize(correlated_field(), levels=2)
    result = nnrg.fit_couplings(flow, nulls=(nnrg.NullModel(draws=4),), rng=6)
    draws = result.nulls["permutation"]
    expected = (result.values - draws.mean(axis=0)) / (draws.std(axis=0, ddof=1) * np.sqrt(1.25))
    i = result.names.index("grad2:0")
    np.testing.assert_allclose(result.z()[:, i], expected[:, i], rtol=1e-12)
    np.testing.assert_allclose(result.null_mean(), draws.mean(axis=0), rtol=1e-12)
    assert np.all(np.isnan(fit(correlated_field()).z()))


def test_result_keeps_what_is_needed_to_read_it():
    result = fit(correlated_field(), levels=3)
    assert set(result.series) >= {"chi2", "dof", "p", "condition", "sites", "factor", "sigma"}
    assert np.all(result.series["condition"] >= 1)
    assert result.series["sites"][0] == 40 * 44
    assert "bounded" in result.attrs["tests_outside_basis"]
    assert "residual:bounded" in result.series
    frame = result.to_dataframe()
    assert frame.columns.tolist() == [
        *("scale", "operator", "value", "error", "n_samples", "null", "z", "flag"),
    ]
    assert len(frame) == 3 * len(result.names)
    row = frame[(frame["scale"] == 2) & (frame["operator"] == "phi4")].iloc[0]
    assert row["value"] == result.estimate("phi4", 2).value
    with pytest.raises(ValueError, match="read-only"):
        result.values[0, 0] = 0.0


def test_table_is_in_units_of_the_standard_deviation():
    values = np.random.default_rng(8).normal(scale=1e-3, size=(200, 128))
    field = nnrg.SynapticField(values, nnrg.Lattice(128))
    result = fit(field, basis=nnrg.Basis(("phi2", "grad2")))
    assert result.estimate("phi2", 1).value == pytest.approx(1e6, rel=0.05)
    cell = str(result).splitlines()[1].split()[1]
    assert float(cell.partition("(")[0]) == pytest.approx(1.0, rel=0.05)


def test_too_few_blocks_are_refused_with_a_reason():
    result = fit(correlated_field(length=16), levels=4)
    assert np.all(np.isnan(result.values[3]))
    assert result.flags[3][0].startswith("too few blocks")
    assert np.isnan(result.series["p"][3])


def test_field_of_two_values_with_an_empty_direction_is_refused():
    # phi^3 of +-1 is phi: the matrix has no inverse, and no number comes out of it.
    values = np.random.default_rng(9).choice([-1.0, 1.0], size=(40, 64))
    result = fit(nnrg.SynapticField(values, nnrg.Lattice(64)))
    assert np.all(np.isnan(result.values[0]))


def test_functions_outside_the_basis_are_outside_it():
    for names in (("phi2", "phi4"), ("phi", "phi2", "phi3", "phi4", "phi6"), ("J:2", "U[2]")):
        for lattice in (nnrg.Lattice(16), nnrg.Lattice(4, periodic=True)):
            basis = nnrg.Basis(names).on(1)
            basis = basis.without(basis.out_of_room(lattice))
            tests, margin = functions_outside(basis, lattice)
            assert set(tests).isdisjoint(basis.names)
            assert {"bounded"} < set(tests)
            assert margin >= max(o.reach(1) for o in basis)
            powers = {o.fields - 1 for o in basis if o.local}
            tested = {int(t.removeprefix("phi^")) for t in tests if t.startswith("phi^")}
            assert len(tested) == 1
            assert tested.isdisjoint(powers)


def test_operators_without_room_are_left_out_of_the_coarse_scales_only():
    basis = nnrg.Basis.scalar(order=4, shells=2)
    wide = fit(correlated_field(length=64), levels=4, basis=basis)
    alone = fit(correlated_field(length=64), levels=4, basis=nnrg.Basis.scalar(order=4))
    j2, j3 = wide.names.index("J:2"), wide.names.index("J:3")
    assert np.all(np.isfinite(wide.values[:3]))
    assert np.isnan(wide.values[3, [j3]]).all()
    assert wide.flags[3][j3] == "no room: distance 3 on 8 open sites"
    assert np.isfinite(wide.values[3, j2])
    assert np.isnan(
        fit(correlated_field(length=48), levels=4, basis=basis).values[3, [j2, j3]]
    ).all()
    assert alone.names == wide.names[: len(alone.names)]


def test_null_draws_use_the_equations_of_the_field():
    values = np.random.default_rng(12).uniform(-1, 1, size=(60, 64))
    field = nnrg.SynapticField(values, nnrg.Lattice(64))
    flow = nnrg.renormalize(field, levels=2)
    result = nnrg.fit_couplings(flow, nulls=(nnrg.NullModel(draws=8),), rng=3)
    # At a hard edge the permuted fields hold the same values, weighted alike.
    assert np.abs(result.z()[0][np.isfinite(result.z()[0])]).max() < 6
    assert np.abs(result.null_mean()[0, 1] - result.values[0, 1]) < 4 * result.errors()[0, 1]


@pytest.mark.parametrize("flow", [None, np.zeros((4, 4)), correlated_field()])
def test_input_that_is_no_flow_is_refused(flow):
    with pytest.raises(ArgumentError, match="expected a Flow"):
        measure(flow)
