"""Cumulants of block means: symmetries, nulls, tables."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import nnrg
from nnrg.errors import ArgumentError
from nnrg.rg.cumulants import cumulant_names, measure_cumulants


def skewed_field(shape=(32,), n_samples=20, seed=0, **options):
    values = np.random.default_rng(seed).gamma(2.0, size=(n_samples, *shape))
    return nnrg.SynapticField(values, nnrg.Lattice(shape, **options))


def cumulants_of(field, order=8, **options):
    options.setdefault("nulls", ())
    return nnrg.renormalize(field, levels=3).cumulants(order=order, **options)


def column(result, name):
    return result.values[:, result.names.index(name)]


def test_names_are_those_of_the_numbers():
    assert cumulant_names(4, 2) == (
        *("kappa_1", "kappa_2", "kappa_3", "kappa_4"),
        *("ratio_3", "ratio_4", "neighbour:0", "neighbour:1"),
    )
    result = cumulants_of(skewed_field((8, 8)), order=5)
    assert result.names == cumulant_names(5, 2)
    assert result.order == 5
    assert result.values.shape == (3, len(result.names))


def test_cumulants_agree_with_those_of_the_block_means():
    flow = nnrg.renormalize(skewed_field((8, 12)), levels=3)
    result = flow.cumulants(order=4, nulls=())
    for level, means in enumerate(flow.means):
        flat = means.ravel()
        for n in (1, 2, 3, 4):
            expected = stats.kstat(flat, n)
            assert column(result, f"kappa_{n}")[level] == pytest.approx(expected, rel=1e-9)
        spread = flat.var(ddof=1)
        for axis in (0, 1):
            jump = np.diff(means, axis=1 + axis)
            expected = 1 - np.mean(jump**2) / (2 * spread)
            assert column(result, f"neighbour:{axis}")[level] == pytest.approx(expected, rel=1e-9)


def test_periodic_lattice_counts_the_bond_around_the_axis():
    field = skewed_field((6,), periodic=True)
    result = nnrg.renormalize(field, levels=1).cumulants(order=2, nulls=())
    jump = np.roll(field.values, -1, axis=1) - field.values
    expected = 1 - np.mean(jump**2) / (2 * field.values.var(ddof=1))
    assert column(result, "neighbour:0")[0] == pytest.approx(expected, rel=1e-12)


@given(st.floats(0.01, 100), st.floats(-10, 10), st.integers(0, 1000))
def test_cumulants_follow_a_change_of_unit_and_of_origin(unit, origin, seed):
    field = skewed_field(seed=seed)
    first = cumulants_of(field, 4)
    second = cumulants_of(field.replaced(field.values * unit + origin), 4)
    for n in (2, 3, 4):
        expected = unit**n * column(first, f"kappa_{n}")
        np.testing.assert_allclose(column(second, f"kappa_{n}"), expected, rtol=1e-6, atol=1e-300)
    expected = unit * column(first, "kappa_1") + origin
    np.testing.assert_allclose(column(second, "kappa_1"), expected, rtol=1e-9, atol=1e-9)
    for name in ("ratio_3", "ratio_4", "neighbour:0"):
        expected = column(first, name)
        np.testing.assert_allclose(column(second, name), expected, rtol=1e-6, atol=1e-6)


@given(st.integers(0, 1000))
def test_reflection_turns_the_odd_cumulants(seed):
    field = skewed_field(seed=seed)
    first, second = cumulants_of(field), cumulants_of(field.replaced(-field.values))
    parity = [
        -1 if name.startswith(("kappa", "ratio")) and int(name[6:]) % 2 else 1
        for name in first.names
    ]
    np.testing.assert_allclose(second.values, first.values * parity, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(second.errors(), first.errors(), rtol=1e-6)


@given(st.permutations(range(20)))
def test_order_of_the_samples_does_not_matter(order):
    field = skewed_field()
    first = cumulants_of(field)
    second = cumulants_of(field.replaced(field.values[list(order)]))
    np.testing.assert_allclose(second.values, first.values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(second.errors(), first.errors(), rtol=1e-7)


def test_transposed_lattice_exchanges_the_axes():
    field = skewed_field((8, 16))
    turned = nnrg.SynapticField(np.swapaxes(field.values, 1, 2), nnrg.Lattice((16, 8)))
    first, second = cumulants_of(field), cumulants_of(turned)
    order = [*range(len(first.names) - 2), -1, -2]
    np.testing.assert_allclose(second.values[:, order], first.values, rtol=1e-10)


def test_error_of_the_mean_is_that_of_its_samples():
    field = skewed_field(n_samples=50)
    estimate = cumulants_of(field).estimate("kappa_1", 1)
    means = field.values.mean(axis=1)
    assert estimate.value == pytest.approx(means.mean(), rel=1e-12)
    assert estimate.error == pytest.approx(means.std(ddof=1) / np.sqrt(50), rel=1e-9)
    assert estimate.n_samples == 50


def test_rescaling_does_not_touch_the_cumulants():
    field = skewed_field()
    first = nnrg.renormalize(field, levels=3, rescale="clt").cumulants(nulls=())
    second = nnrg.renormalize(field, levels=3, rescale=0.1).cumulants(nulls=())
    np.testing.assert_array_equal(first.values, second.values)
    assert first.attrs["exponent_Delta"] == 0.5
    assert second.attrs["exponent_Delta"] == 0.1


def test_last_block_has_no_neighbour():
    field = skewed_field((4,))
    result = nnrg.renormalize(field, levels=3).cumulants(order=2, nulls=())
    assert np.isnan(column(result, "neighbour:0")[2])
    assert result.estimate("neighbour:0", 4).flag == "too few blocks"


def test_ratios_within_gaussian_noise_are_flagged():
    values = np.random.default_rng(2).normal(size=(100, 64))
    field = nnrg.SynapticField(values, nnrg.Lattice(64))
    result = cumulants_of(field, 4)
    noise = np.sqrt(24 / 6400)
    value, flag = result.values[0, result.names.index("ratio_4")], result.flags[0][5]
    assert (flag == "below Gaussian noise") == (abs(value) < noise)
    assert cumulants_of(skewed_field(), 4).estimate("ratio_4", 1).flag == ""


def test_frame_has_a_row_for_each_scale_and_order():
    result = nnrg.renormalize(skewed_field(), levels=3).cumulants(
        order=4, nulls=("permutation",), rng=1
    )
    frame = result.to_dataframe()
    assert frame.columns.tolist() == [
        *("scale", "order", "kappa", "kappa_error", "ratio", "ratio_error"),
        *("n_samples", "null", "z", "flag"),
    ]
    assert frame["scale"].tolist() == [1] * 4 + [2] * 4 + [4] * 4
    row = frame[(frame["scale"] == 2) & (frame["order"] == 3)].iloc[0]
    estimate = result.estimate("ratio_3", 2)
    assert (row["ratio"], row["ratio_error"]) == (estimate.value, estimate.error)
    assert row["null"] == float(estimate.null)
    first = frame[(frame["scale"] == 1) & (frame["order"] == 1)].iloc[0]
    field = skewed_field().values
    assert first["ratio"] == pytest.approx(field.mean() / field.std(ddof=1), rel=1e-9)
    assert first["ratio_error"] > 0
    assert len(str(result).splitlines()) == 4


def test_covariance_holds_all_scales_together():
    result = cumulants_of(skewed_field(n_samples=40), 3)
    covariance = result.covariance()
    assert covariance.dims == ("scale", "operator", "scale_2", "operator_2")
    size = covariance.sizes["scale"] * covariance.sizes["operator"]
    matrix = covariance.values.reshape(size, size)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12)
    np.testing.assert_allclose(np.sqrt(np.diag(matrix)), result.errors().ravel(), rtol=1e-9)
    # The mean is the same number at every scale.
    at = covariance.sel(operator="kappa_1", operator_2="kappa_1").values
    np.testing.assert_allclose(at, at[0, 0], rtol=1e-9)


def test_seed_decides_the_null_draws():
    flow = nnrg.renormalize(skewed_field(), levels=2)
    first, same, other = (flow.cumulants(order=2, rng=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.nulls["permutation"], same.nulls["permutation"])
    assert not np.array_equal(first.nulls["permutation"], other.nulls["permutation"])
    assert first.attrs["seed"] == "1"


@pytest.mark.parametrize("order", [1, 9, 2.5, True, "4"])
def test_orders_out_of_range_are_refused(order):
    flow = nnrg.renormalize(skewed_field(), levels=2)
    with pytest.raises(ArgumentError, match="order must be"):
        measure_cumulants(flow, order=order)


def test_numbers_that_were_not_measured_are_refused():
    result = cumulants_of(skewed_field(), 4)
    with pytest.raises(ArgumentError, match="no observable"):
        result.estimate("ratio_5", 1)
    with pytest.raises(ArgumentError, match="no scale"):
        result.estimate("kappa_2", 3)
    with pytest.raises(ArgumentError, match="no null model"):
        result.z("phase")
