"""Coarse-graining other than block means: composition, lattices, groups, nulls, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nnrg
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.blocks import Coarsening, GridBlocks, RandomBlocks, as_blocks
from nnrg.rg.decimation import Decimation, MajorityBlocks
from nnrg.rg.momentum_shell import MomentumShell
from nnrg.rg.nulls import measure_null
from nnrg.rg.principal_components import PrincipalComponents
from nnrg.rg.renormalize import repeat_flow, with_errors

LATTICE = [MomentumShell, Decimation, MajorityBlocks]
SCHEMES = [*LATTICE, PrincipalComponents]


def random_field(shape, n_samples=12, seed=0, **options):
    values = np.random.default_rng(seed).normal(size=(n_samples, *shape))
    return nnrg.SynapticField(values, nnrg.Lattice(shape, **options))


def shell_by_matrix(values, axis, b, periodic):
    """The modes below pi / b at the centres of blocks, one real mode after another."""
    n = values.shape[axis]
    x, centre = np.arange(n), b * np.arange(n // b) + (b - 1) / 2
    kernel = np.zeros((n // b, n))
    for j in range(n // b if not periodic else (n // b + 1) // 2):
        if not periodic:
            fine = np.cos(np.pi * j * (x + 0.5) / n)
            kernel += np.outer(np.cos(np.pi * j * (centre + 0.5) / n), fine) / (fine @ fine)
            continue
        k = 2 * np.pi * j / n
        for f in (np.cos, np.sin)[: 1 if j == 0 else 2]:
            kernel += np.outer(f(k * centre), f(k * x)) / (f(k * x) @ f(k * x))
    if periodic and (n // b) % 2 == 0:
        # The mode at the edge that peaks at the coarse sites, with the variance of one real mode.
        edge = np.cos(np.pi / b * (x - centre[0]))
        sign = (-1.0) ** np.arange(n // b)
        kernel += np.outer(sign, edge) * np.sqrt(2) / n
    return np.moveaxis(np.tensordot(values, kernel, ([axis], [1])), -1, axis)


@pytest.mark.parametrize("periodic", [True, False, (True, False)])
@pytest.mark.parametrize("factors", [(2, 2), (3, 1), (2, 4)])
def test_shell_is_the_projection_onto_the_modes_below_the_cut(periodic, factors):
    field = random_field((24, 16), periodic=periodic)
    flow = nnrg.renormalize(field, MomentumShell(factors), levels=2)
    expected = field.values
    for axis, (b, closed) in enumerate(zip(factors, field.sites.periodic, strict=True), start=1):
        expected = shell_by_matrix(expected, axis, b, closed) if b > 1 else expected
    np.testing.assert_allclose(flow.means[1], expected, rtol=0, atol=1e-12)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=3),
    st.integers(2, 4),
    st.integers(2, 3),
    st.sampled_from([MomentumShell(2), MomentumShell(2, "sphere"), Decimation(2)]),
    st.sampled_from(["clt", "kinetic", 0.3]),
)
def test_two_steps_are_one(axes, b, c, scheme, rescale):
    # R_b R_c = R_bc, the rescaling included.
    def by(factor):
        return type(scheme)(factor, *([scheme.cutoff] if hasattr(scheme, "cutoff") else []))

    shape, periodic = tuple(b * c * n for n, _ in axes), tuple(p for _, p in axes)
    field = random_field(shape, n_samples=10, periodic=periodic)
    once = nnrg.renormalize(field, by(b * c), levels=2, rescale=rescale).at(1)
    half = nnrg.renormalize(field, by(b), levels=2, rescale=rescale).at(1)
    twice = nnrg.renormalize(half, by(c), levels=2, rescale=rescale).at(1)
    np.testing.assert_allclose(twice.values, once.values, rtol=0, atol=1e-12)
    assert twice.sites == once.sites


@pytest.mark.parametrize("scheme", [MomentumShell(2), MomentumShell(2, "sphere")])
@pytest.mark.parametrize("shape", [(8,), (13, 28), (7, 6, 5)])
@pytest.mark.parametrize("periodic", [True, False])
def test_shell_keeps_the_mean_and_constants(scheme, shape, periodic):
    field = random_field(shape, periodic=periodic)
    flow = nnrg.renormalize(field, scheme, levels=3)
    grid = nnrg.renormalize(field, GridBlocks(2), levels=3)
    axes = tuple(range(1, field.values.ndim))
    shifted = nnrg.renormalize(field.replaced(field.values + 5), scheme, levels=3)
    for level in range(3):
        # The mean over the sites that the whole blocks cover, as of the blocks themselves.
        expected = grid.means[level].mean(axis=axes)
        np.testing.assert_allclose(flow.means[level].mean(axis=axes), expected, atol=1e-13)
        np.testing.assert_allclose(shifted.means[level], flow.means[level] + 5, atol=1e-12)


def test_a_wave_below_the_cut_stays_and_one_above_is_gone():
    x = np.arange(48)
    for periodic in (True, False):
        sites = nnrg.Lattice(48, periodic=periodic)
        low, high = (
            np.cos(2 * np.pi * j * x / 48) if periodic else np.cos(np.pi * j * (x + 0.5) / 48)
            for j in ((5, 9) if periodic else (15, 17))
        )
        field = nnrg.SynapticField(np.stack([low, high]), sites)
        coarse = nnrg.renormalize(field, MomentumShell(3), levels=2).means[1]
        centre = 3 * np.arange(16) + 1
        np.testing.assert_allclose(coarse[0], low[centre], atol=1e-13)
        np.testing.assert_allclose(coarse[1], 0, atol=1e-13)


def test_sphere_leaves_the_corners_of_the_zone_empty():
    field = random_field((24, 24), periodic=True)
    flow = nnrg.renormalize(field, MomentumShell(2, "sphere"), levels=2)
    cube = nnrg.renormalize(field, MomentumShell(2), levels=2)
    k = 2 * np.pi * np.fft.fftfreq(12)
    inside = k[:, None] ** 2 + k**2 <= np.pi**2 + 1e-9
    modes, all_modes = np.fft.fft2(flow.means[1]), np.fft.fft2(cube.means[1])
    np.testing.assert_allclose(modes[:, ~inside], 0, atol=1e-12)
    np.testing.assert_allclose(modes[:, inside], all_modes[:, inside], atol=1e-12)
    assert "corners" in flow.singular and any("corners" in note for note in flow.notes)
    assert cube.singular == ""
    line = random_field((24,))
    one, other = (nnrg.renormalize(line, MomentumShell(2, c)).means[1] for c in ("cube", "sphere"))
    np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("scheme", LATTICE)
def test_lattices_scales_and_notes_are_those_of_grid_blocks(scheme):
    for shape, factors in [((28, 28), 2), ((13, 8), (2, 1)), ((81,), 3)]:
        field = random_field(shape, periodic=True)
        flow, grid = (nnrg.renormalize(field, rule(factors)) for rule in (scheme, GridBlocks))
        assert flow.scales == grid.scales and flow.sites == grid.sites
        assert flow.notes == grid.notes
        np.testing.assert_array_equal(flow.lengths, grid.lengths)
        np.testing.assert_array_equal(flow.statistics.counts, grid.statistics.counts)
        np.testing.assert_array_equal(flow.statistics.bonds, grid.statistics.bonds)
    unordered = nnrg.SynapticField(field.values, field.sites, natural=False)
    assert any("without meaning" in n for n in nnrg.renormalize(unordered, scheme(3)).notes)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_statistics_are_those_of_the_fields(scheme, dtype):
    values = np.random.default_rng(3).normal(loc=0.5, size=(80, 8, 12)).astype(dtype)
    field = nnrg.SynapticField(values, nnrg.Lattice((8, 12), periodic=(True, False)))
    flow = nnrg.renormalize(field, scheme(2), levels=3)
    assert isinstance(flow.blocks, Coarsening) and not isinstance(GridBlocks(2), Coarsening)
    stats = flow.statistics
    for level, (means, sites) in enumerate(zip(flow.means, flow.sites, strict=True)):
        y = means.astype(np.float64)
        assert flow.variances()[level] == pytest.approx(y.var(ddof=1), rel=1e-5)
        jumps = [np.diff(y, axis=1), np.diff(y, axis=2)]
        if sites.periodic[0] and sites.shape[0] > 2:
            jumps[0] = np.roll(y, -1, axis=1) - y
        squares = stats.gradients[level].sum(axis=0) * stats.scale[level] ** 2
        np.testing.assert_allclose(squares, [np.sum(j**2) for j in jumps], rtol=1e-4)
        assert stats.bonds[level].sum(axis=0).tolist() == [j.size for j in jumps]
    assert flow.at(2).sites == flow.sites[2]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_repeated_flow_and_other_errors_have_the_same_numbers(scheme):
    flow = nnrg.renormalize(random_field((16, 8), n_samples=100), scheme(2), levels=3)
    again = repeat_flow(flow, flow.field)
    for first, second in zip(flow.means, again.means, strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(again.variances(), flow.variances(), rtol=1e-12)
    fewer = with_errors(flow, nnrg.Jackknife(blocks=10))
    assert fewer.groups.n_groups == 10 and fewer.groups.kind == "samples"
    np.testing.assert_allclose(fewer.variances(), flow.variances(), rtol=1e-12)
    assert with_errors(flow, flow.errors) is flow


@pytest.mark.parametrize("scheme", SCHEMES)
def test_null_draws_go_through_the_scheme(scheme):
    flow = nnrg.renormalize(random_field((16, 8), n_samples=100), scheme(2), levels=3)
    for null in measure_null(flow, nnrg.NullModel(draws=3), np.random.SeedSequence(2), lambda f: f):
        expected = nnrg.renormalize(null.field, scheme(2), levels=3)
        assert null.scales == flow.scales
        for first, second in zip(null.means, expected.means, strict=True):
            np.testing.assert_allclose(first, second, rtol=0, atol=1e-12)
    measured = flow.cumulants(order=4, rng=1)
    assert measured.nulls["permutation"].shape == (20, 3, len(measured.names))


@pytest.mark.parametrize("scheme", LATTICE)
def test_regions_hold_the_sites_of_their_blocks(scheme):
    field = random_field((64, 32), n_samples=1)
    flow = nnrg.renormalize(field, scheme(2), levels=3)
    grid = nnrg.renormalize(field, GridBlocks(2), levels=3)
    assert flow.groups.kind == "regions"
    np.testing.assert_array_equal(flow.statistics.counts, grid.statistics.counts)
    edges = flow.groups.edges_at((2, 2), 2, (16, 8))
    cell = flow.means[2][0, edges[0][0] : edges[0][1], edges[1][0] : edges[1][1]]
    stats = flow.statistics
    total = stats.sums[2, 0, 0] * stats.scale[2] + stats.counts[2, 0] * stats.shift[2]
    assert total == pytest.approx(cell.sum(), abs=1e-10)
    assert ("approximate" in flow.groups.note) == (scheme is MomentumShell)


def test_decimation_keeps_the_first_site_of_each_block():
    field = random_field((13, 8), n_samples=10)
    flow = nnrg.renormalize(field, Decimation(2), levels=3)
    np.testing.assert_array_equal(flow.means[1], field.values[:, 0:12:2, ::2])
    np.testing.assert_array_equal(flow.means[2], field.values[:, 0:12:4, ::4])


def test_majority_is_the_sign_of_the_sum_and_ties_are_coins():
    spins = np.sign(np.random.default_rng(4).normal(size=(400, 12, 8)))
    field = nnrg.SynapticField(spins, nnrg.Lattice((12, 8)))
    flow = nnrg.renormalize(field, MajorityBlocks(2, seed=1), levels=3)
    for level in (1, 2):
        before = flow.means[level - 1]
        n, m = flow.sites[level].shape
        sums = before[:, : 2 * n, : 2 * m].reshape(400, n, 2, m, 2).sum(axis=(2, 4))
        told = sums != 0
        np.testing.assert_array_equal(flow.means[level][told], np.sign(sums[told]))
        coins = flow.means[level][~told]
        assert set(np.unique(coins)) == {-1.0, 1.0}
        assert abs(coins.mean()) < 4.5 / np.sqrt(coins.size)
    other = nnrg.renormalize(field, MajorityBlocks(2, seed=2), levels=2)
    assert not np.array_equal(other.means[1], flow.means[1])
    fit = nnrg.fit_couplings(flow, basis=nnrg.Basis(("phi2", "phi4")), nulls=())
    assert np.isnan(fit.values).all() and "discrete" in fit.flags[1][0]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_fields_without_a_flow_are_refused(scheme):
    for constant in (0.0, 1.0, 0.1):
        field = nnrg.SynapticField(np.full((40, 16), constant), nnrg.Lattice(16))
        with pytest.raises(AnalysisError, match="constant"):
            nnrg.renormalize(field, scheme(2))
    for scale in (1e-300, 1e-32, 1e32, 1e300):
        field = random_field((16,), n_samples=40)
        with pytest.raises(AnalysisError, match="multiply by a constant"):
            nnrg.renormalize(field.replaced(field.values * scale), scheme(2), levels=2)
    with pytest.raises(AnalysisError, match="too small"):
        nnrg.renormalize(random_field((3,)), scheme(2))
    with pytest.raises(ArgumentError, match="fewer levels"):
        nnrg.renormalize(random_field((16,)), scheme(2), levels=6)
    assert len(nnrg.renormalize(random_field((16,)), scheme(2), levels=1)) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("b", [0, 1, 2.0, True, (1, 1), (), "2", None, 10**30])
def test_block_lengths_that_are_none_are_refused(scheme, b):
    with pytest.raises(ArgumentError, match="block length"):
        scheme(b)
    with pytest.raises(ArgumentError, match="3 factors"):
        scheme((2, 2, 2)).factors(nnrg.Lattice(8))


def test_options_that_are_none_are_refused():
    for cutoff in ("ball", None, 2, ["cube"]):
        with pytest.raises(ArgumentError, match="cutoff must be"):
            MomentumShell(2, cutoff)
    for split in ("yes", None, 1):
        with pytest.raises(ArgumentError, match="split must be"):
            PrincipalComponents(2, split)
    for seed in (-1, 1.5, None):
        with pytest.raises(ArgumentError, match="seed"):
            MajorityBlocks(2, seed)


def test_rules_are_values():
    assert MomentumShell(2) == MomentumShell(np.int64(2)) != MomentumShell(3)
    assert len({GridBlocks(2), RandomBlocks(2), *(s(2) for s in SCHEMES)}) == 6
    assert as_blocks(MomentumShell(2)) == MomentumShell(2)
    assert repr(PrincipalComponents((2, 1))) == "PrincipalComponents(b=(2, 1), split=True)"


def test_rescaling_is_that_of_block_means():
    for scheme in SCHEMES:
        field = random_field((8, 8), n_samples=60)
        for rescale, exponent in (("clt", 1.0), ("kinetic", 0.0), (0.25, 0.25)):
            flow = nnrg.renormalize(field, scheme(2), levels=2, rescale=rescale)
            assert flow.factors().tolist() == [1.0, 2.0**exponent]
            np.testing.assert_allclose(flow.at(1).values, flow.means[1] * 2.0**exponent, rtol=1e-14)
        kept = nnrg.renormalize(field, scheme(2), levels=2).at(1).values.var(ddof=1)
        assert kept == pytest.approx(field.values.var(ddof=1), rel=1e-10)
