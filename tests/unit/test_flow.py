"""`renormalize`: composition, rescaling, trimming, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nnrg
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError, RepeatedSamplesError
from nnrg.rg.renormalize import repeat_flow, with_errors
from nnrg.rg.rescaling import field_exponent


def random_field(shape, n_samples=12, seed=0, **options):
    values = np.random.default_rng(seed).normal(size=(n_samples, *shape))
    return nnrg.SynapticField(values, nnrg.Lattice(shape, **options))


def block_means(values, factors):
    """Means over whole blocks, by hand."""
    for axis, f in enumerate(factors, start=1):
        whole = values.shape[axis] // f
        values = np.take(values, np.arange(whole * f), axis=axis)
        shape = (*values.shape[:axis], whole, f, *values.shape[axis + 1 :])
        values = values.reshape(shape).mean(axis=axis + 1)
    return values


CASES = st.lists(st.tuples(st.integers(1, 3), st.integers(4, 14)), min_size=1, max_size=3).filter(
    lambda axes: max(f for f, _ in axes) > 1
)


@given(CASES, st.integers(0, 1000))
def test_every_scale_holds_the_means_of_whole_blocks(axes, seed):
    factors, shape = zip(*axes, strict=True)
    levels = 2 if min(n // f**2 for f, n in axes) < 1 else 3
    field = random_field(shape, seed=seed)
    flow = nnrg.renormalize(field, nnrg.GridBlocks(factors), levels=levels)
    for level in range(levels):
        expected = block_means(field.values, [f**level for f in factors])
        np.testing.assert_allclose(flow.means[level], expected, rtol=0, atol=1e-12)
        assert flow.sites[level].shape == expected.shape[1:]


@given(st.integers(2, 4), st.integers(2, 4), st.sampled_from(["clt", "kinetic", "variance", 0.3]))
def test_blocking_twice_is_blocking_once(b, c, rescale):
    # R_b R_c = R_bc, the rescaling included.
    field = random_field((b * c * 3, b * c * 2), seed=b * c)
    once = nnrg.renormalize(field, nnrg.GridBlocks(b * c), levels=2, rescale=rescale).at(1)
    half = nnrg.renormalize(field, nnrg.GridBlocks(b), levels=2, rescale=rescale).at(1)
    twice = nnrg.renormalize(half, nnrg.GridBlocks(c), levels=2, rescale=rescale).at(1)
    np.testing.assert_allclose(twice.values, once.values, rtol=0, atol=1e-12)


@given(st.floats(0.01, 100), st.floats(-5, 5), st.integers(0, 1000))
def test_flow_follows_a_change_of_unit_and_of_origin(unit, origin, seed):
    field = random_field((16,), seed=seed)
    moved = field.replaced(field.values * unit + origin)
    first = nnrg.renormalize(field, levels=3)
    second = nnrg.renormalize(moved, levels=3)
    np.testing.assert_allclose(second.variances(), unit**2 * first.variances(), rtol=1e-8)
    np.testing.assert_allclose(second.factors(), first.factors(), rtol=1e-8)


@pytest.mark.parametrize(
    ("rescale", "expected"), [("clt", 1.0), ("kinetic", 0.0), (0.25, 0.25), (-1, -1.0)]
)
def test_field_is_rescaled_by_b_to_the_exponent(rescale, expected):
    field = random_field((16, 16))
    flow = nnrg.renormalize(field, levels=3, rescale=rescale)
    assert field_exponent(rescale, 2) == expected
    np.testing.assert_allclose(flow.factors(), np.array([1.0, 2.0, 4.0]) ** expected, rtol=1e-14)
    np.testing.assert_allclose(flow.at(2).values, flow.means[2] * 4.0**expected, rtol=1e-14)
    assert flow.at(0) is flow.field


@pytest.mark.parametrize("shape", [(64,), (16, 16), (8, 8, 8)])
def test_rescaling_to_the_variance_keeps_it(shape):
    field = random_field(shape, n_samples=30)
    flow = nnrg.renormalize(field, levels=3)
    for _, block in flow:
        assert block.values.var(ddof=1) == pytest.approx(field.values.var(ddof=1), rel=1e-10)
    assert field_exponent("variance", len(shape)) is None


def test_sites_that_fill_no_block_are_left_out_and_noted():
    flow = nnrg.renormalize(random_field((13, 8)), levels=3)
    assert [s.shape for s in flow.sites] == [(13, 8), (6, 4), (3, 2)]
    assert flow.notes == (
        "b = 2: trailing 1 x 0 sites left out (only whole blocks are formed)",
        "b = 4: trailing 1 x 0 sites left out (only whole blocks are formed)",
    )
    assert nnrg.renormalize(random_field((16, 8)), levels=3).notes == ()


def test_periodic_axis_with_a_remainder_is_open_afterwards():
    flow = nnrg.renormalize(random_field((12, 10), periodic=True), levels=3)
    assert [s.periodic for s in flow.sites] == [(True, True), (True, True), (True, False)]


def test_order_without_meaning_is_noted_at_every_scale():
    field = nnrg.SynapticField(np.random.default_rng(1).normal(size=(12, 8)), nnrg.Lattice(8),
                               natural=False)  # fmt: skip
    flow = nnrg.renormalize(field)
    assert any("without meaning" in note for note in flow.notes)
    assert not flow.at(1).natural


def test_levels_stop_where_no_error_would_be_left():
    assert [len(nnrg.renormalize(random_field((n,)))) for n in (4, 8, 64)] == [2, 3, 6]
    # One configuration: the coarsest scale keeps blocks enough to leave some out.
    one = nnrg.renormalize(random_field((1024,), n_samples=1))
    assert one.scales == (1, 2, 4, 8, 16, 32, 64)
    assert one.groups.kind == "regions"
    flat = nnrg.renormalize(random_field((64, 2)), nnrg.GridBlocks((2, 1)))
    assert flat.sites[-1].shape == (2, 2)


def test_groups_of_regions_hold_whole_blocks():
    flow = nnrg.renormalize(random_field((100, 60), n_samples=1), levels=4)
    for level in range(4):
        assert flow.statistics.counts[level].sum() == flow.sites[level].n_sites
    for edges in flow.groups.edges:
        assert np.all(edges[:-1] % 8 == 0)


def chain_of_samples(seed, *, rho, n=128, size=64):
    values = np.random.default_rng(seed).normal(size=(n, size))
    for i in range(1, n):
        values[i] = rho * values[i - 1] + np.sqrt(1 - rho**2) * values[i]
    return nnrg.SynapticField(values, nnrg.Lattice(size))


def test_samples_of_a_markov_chain_are_left_out_in_runs():
    # tau = (1 + rho) / (2 (1 - rho)) = 2: errors of single samples are half of what they must be.
    pulls = []
    for seed in range(60):
        flow = nnrg.renormalize(chain_of_samples(seed, rho=0.6), levels=2)
        kappa = flow.cumulants(order=4, nulls=())
        pulls.append(kappa.estimate("kappa_1", 1).value / kappa.estimate("kappa_1", 1).error)
    # Student's t with about ten degrees of freedom has 1.12; one of 60 beyond 1.5 in 1e-3 of runs.
    assert np.std(pulls) < 1.5
    assert "with an autocorrelation time of" in flow.groups.note
    assert flow.groups.n_groups <= 16


@pytest.mark.parametrize("norms", [np.ones(96), np.repeat([1.0, 3.0, 10.0], 32)])
def test_rows_without_an_order_are_left_out_one_by_one(norms):
    # Blocks of rows of unequal size, as of packed gates, are no chain.
    for seed in range(20):
        field = chain_of_samples(seed, rho=0.0, n=96)
        field = nnrg.SynapticField(norms[:, None] * field.values, field.sites)
        flow = nnrg.renormalize(field, levels=2)
        assert (flow.groups.n_groups, flow.groups.note) == (96, "")


def test_copies_of_a_sample_are_left_out_together():
    one = np.random.default_rng(4).normal(size=(1, 256))
    copies = nnrg.SynapticField(np.repeat(one, 40, axis=0), nnrg.Lattice(256))
    with pytest.raises(AnalysisError, match=r"the 40 samples .* repeat one another"):
        nnrg.renormalize(copies)
    assert nnrg.renormalize(copies, errors=nnrg.Jackknife(over="sites")).groups.n_groups > 8
    # Samples that are all correlated, but not the same, are left out as they are.
    alike = np.random.default_rng(5).normal(size=(20, 256)) + 3 * one
    twice = nnrg.SynapticField(np.repeat(alike, 2, axis=0), nnrg.Lattice(256))
    flow = nnrg.renormalize(twice)
    assert flow.groups.n_groups == 20
    assert flow.groups.note.startswith("40 samples are 20 and copies of them")


def test_copies_among_more_samples_than_are_compared_are_left_out_together():
    values = np.random.default_rng(7).normal(size=(1700, 8))
    lattice = nnrg.Lattice(8)
    copied = nnrg.renormalize(nnrg.SynapticField(np.tile(values, (10, 1)), lattice), levels=2)
    assert copied.groups.note == "17000 samples are 1700 and copies of them, left out together"
    once = nnrg.renormalize(nnrg.SynapticField(values, lattice), levels=2)
    errors = [f.cumulants(order=2, nulls=()).estimate("kappa_2", 1).error for f in (copied, once)]
    assert errors[0] == pytest.approx(errors[1], rel=0.01)


def test_spins_that_agree_by_chance_are_not_called_copies():
    rng = np.random.default_rng(8)
    few = rng.choice([-1.0, 1.0], size=(17000, 8))
    ordered = np.where(rng.random((17000, 64)) < 0.02, -1.0, 1.0)
    for spins in (few, ordered):
        flow = nnrg.renormalize(nnrg.SynapticField(spins, nnrg.Lattice(spins.shape[1])), levels=2)
        assert (flow.groups.n_groups, flow.groups.note) == (128, "")
    one = nnrg.SynapticField(np.repeat(spins[:1] * few[:8].ravel(), 40, axis=0), nnrg.Lattice(64))
    with pytest.raises(RepeatedSamplesError):
        nnrg.renormalize(one)


def test_a_slow_markov_chain_is_left_out_in_runs():
    # tau = 9.5: neighbours are correlated by 0.9, which would link all samples into one.
    pulls = []
    for seed in range(12):
        flow = nnrg.renormalize(chain_of_samples(seed, rho=0.9, n=3000), levels=2)
        kappa = flow.cumulants(order=2, nulls=()).estimate("kappa_1", 1)
        pulls.append(kappa.value / kappa.error)
        assert 30 <= flow.groups.n_groups <= 50
        assert f"{flow.groups.n_groups} runs of" in flow.groups.note
        assert "repeat" not in flow.groups.note
    # Chi squared with 12 degrees of freedom lies outside in 2e-3 of runs.
    assert 2.5 < np.sum(np.square(pulls)) < 33
    with pytest.raises(RepeatedSamplesError, match="take every n-th of a longer Markov chain"):
        nnrg.renormalize(chain_of_samples(0, rho=0.97, n=200))


def test_groups_that_were_asked_for_are_taken_and_told():
    field = chain_of_samples(1, rho=0.6, n=1000)
    asked = nnrg.renormalize(field, levels=2, errors=nnrg.Jackknife(blocks=100)).groups
    assert asked.n_groups == 100
    assert "100 runs of 10 " in asked.note and "as blocks= asks; runs of 20 are" in asked.note
    fewer = nnrg.renormalize(field, levels=2, errors=nnrg.Jackknife(blocks=16)).groups
    assert fewer.n_groups == 16
    assert fewer.note.endswith("16 runs of 62 or 63 are left out together")


def test_other_errors_leave_the_numbers_alone():
    flow = nnrg.renormalize(random_field((32, 32)), levels=3)
    other = with_errors(flow, nnrg.Jackknife(over="sites"))
    assert flow.groups.kind == "samples" and other.groups.kind == "regions"
    np.testing.assert_allclose(other.variances(), flow.variances(), rtol=1e-12)
    assert with_errors(flow, flow.errors) is flow


def test_repeated_flow_has_the_same_totals():
    flow = nnrg.renormalize(random_field((24, 12)), levels=3)
    again = repeat_flow(flow, flow.field)
    np.testing.assert_allclose(again.variances(), flow.variances(), rtol=1e-12)
    assert again.scales == flow.scales
    for first, second in zip(flow.means, again.means, strict=True):
        np.testing.assert_array_equal(first, second)


def test_flow_iterates_over_its_scales():
    flow = nnrg.renormalize(random_field((16,)), nnrg.GridBlocks(3), levels=3)
    assert [b for b, _ in flow] == list(flow.scales) == [1, 3, 9]
    assert len(flow) == 3
    np.testing.assert_array_equal(flow.at(-1).values, flow.at(2).values)
    for level in (3, -4, 1.5, "a", None, True):
        with pytest.raises(ArgumentError, match="level must be"):
            flow.at(level)


@pytest.mark.parametrize(
    "levels",
    [
        0,
        -1,
        1.5,
        2.7,
        True,
        10,
        64,
        20000,
        pytest.param(10**5000, id="huge"),
        "abc",
        np.nan,
        np.inf,
        [2],
    ],
)
def test_levels_that_do_not_fit_are_refused(levels):
    with pytest.raises(ArgumentError, match="levels") as caught:
        nnrg.renormalize(random_field((16,)), levels=levels)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "rescale", ["unit", True, np.nan, np.inf, None, [1.0], [1, 2], 1j, 10**400, -60.0, 60.0]
)
def test_rescaling_that_is_none_is_refused(rescale):
    with pytest.raises(ArgumentError, match="rescale"):
        nnrg.renormalize(random_field((16,)), rescale=rescale)


@pytest.mark.parametrize("blocks", [2, "grid", (2,), nnrg.GridBlocks])
def test_blocks_that_are_none_are_refused(blocks):
    with pytest.raises(ArgumentError, match=r"GridBlocks\(2\)"):
        nnrg.renormalize(random_field((16,)), blocks)


@pytest.mark.parametrize("errors", ["samples", 10, nnrg.Jackknife])
def test_errors_that_are_no_jackknife_are_refused(errors):
    field = random_field((16,))
    with pytest.raises(ArgumentError, match="must be a Jackknife"):
        nnrg.renormalize(field, errors=errors)
    with pytest.raises(ArgumentError, match="must be a Jackknife"):
        with_errors(nnrg.renormalize(field), errors)


def test_what_is_no_flow_has_no_errors():
    with pytest.raises(ArgumentError, match=r"try nnrg\.renormalize"):
        with_errors(random_field((16,)), nnrg.Jackknife())


def test_blocks_longer_than_the_lattice_leave_one_scale():
    longest = nnrg.GridBlocks(2**31 - 1)
    for shape in ((16,), (8, 8, 4), (4, 4, 4, 4)):
        for n_samples in (3, 12):
            field = random_field(shape, n_samples=n_samples)
            flow = nnrg.renormalize(field, longest, levels=1)
            assert len(flow) == 1
            assert flow.variances()[0] == pytest.approx(field.values.var(ddof=1), rel=1e-12)
    with pytest.raises(ArgumentError, match="fewer levels"):
        nnrg.renormalize(random_field((16,)), longest, levels=2)
    with pytest.raises(AnalysisError, match="too small"):
        nnrg.renormalize(random_field((16,)), longest)


def test_input_without_a_flow_is_refused():
    with pytest.raises(ArgumentError, match=r"try nnrg\.SynapticField"):
        nnrg.renormalize(np.zeros((4, 4)))
    with pytest.raises(AnalysisError, match="too small"):
        nnrg.renormalize(random_field((3,)))
    for constant in (0.0, 1.0, 0.1, 1e-30, 1e30):
        field = nnrg.SynapticField(np.full((12, 16), constant), nnrg.Lattice(16))
        with pytest.raises(AnalysisError, match="constant"):
            nnrg.renormalize(field)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-32, 1e32, 1e160, 1e300])
@pytest.mark.parametrize("n_samples", [1, 12])
def test_fields_whose_powers_leave_double_precision_are_refused(scale, n_samples):
    field = random_field((64,), n_samples=n_samples)
    with pytest.raises(AnalysisError, match="multiply by a constant"):
        nnrg.renormalize(field.replaced(field.values * scale), levels=2)


def test_numbers_that_change_afterwards_are_checked_again():
    values = np.random.default_rng(0).normal(size=(12, 16))
    field = nnrg.SynapticField(values, nnrg.Lattice(16))
    values[0, 0] = np.nan
    with pytest.raises(NonFiniteError, match="1 of 192"):
        nnrg.renormalize(field)


@pytest.mark.parametrize("factors", [(2, 1), (1, 3), (4, 2)])
def test_independent_sites_keep_their_variance_under_unequal_factors(factors):
    # Errors of a variance over n independent Gaussian numbers are sqrt(2/n) of it.
    flow = nnrg.renormalize(
        random_field((64, 64), n_samples=20), nnrg.GridBlocks(factors), levels=3, rescale="clt"
    )
    scaled = flow.variances() * flow.factors() ** 2
    n = 20 * np.array([s.n_sites for s in flow.sites])
    assert np.all(np.abs(scaled - 1) < 4.5 * np.sqrt(2 / n))
    np.testing.assert_allclose(flow.lengths, np.prod(factors) ** (np.arange(3) / 2), rtol=1e-14)
    assert flow.scales == tuple(max(factors) ** level for level in range(3))


@pytest.mark.parametrize("shape", [(27,), (27, 27), (27, 27, 27)])
def test_equal_factors_have_their_own_length(shape):
    flow = nnrg.renormalize(random_field(shape, n_samples=2), nnrg.GridBlocks(3), levels=3)
    assert flow.lengths.tolist() == list(flow.scales) == [1, 3, 9]


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e8, 1e30])
def test_small_and_large_fields_have_a_flow(scale):
    field = random_field((32,))
    flow = nnrg.renormalize(field.replaced(field.values * scale), levels=3)
    expected = nnrg.renormalize(field, levels=3)
    np.testing.assert_allclose(flow.variances(), scale**2 * expected.variances(), rtol=1e-9)


def test_small_fluctuations_about_a_large_mean_keep_their_variance():
    field = random_field((64,))
    flow = nnrg.renormalize(field.replaced(1e6 + 1e-3 * field.values), levels=3)
    expected = nnrg.renormalize(field, levels=3)
    np.testing.assert_allclose(flow.variances(), 1e-6 * expected.variances(), rtol=1e-5)


@pytest.mark.parametrize("sign", [1.0, -2.0])
def test_a_set_of_samples_that_is_there_twice_is_left_out_together(sign):
    values = np.random.default_rng(6).normal(size=(30, 64))
    field = nnrg.SynapticField(np.concatenate([values, sign * values]), nnrg.Lattice(64))
    groups = nnrg.renormalize(field).groups
    assert groups.n_groups == 30 and "60 samples are 30" in groups.note
