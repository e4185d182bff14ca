"""Flows over nested blocks of units: the law of the lattice, blocks of unequal size, errors."""

from __future__ import annotations

from dataclasses import dataclass, field

import networkx as nx
import numpy as np
import numpy.typing as npt
import pytest

import nnrg
from nnrg.errors import ArgumentError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods._equalised import equalised
from nnrg.rg.neighbourhoods.hierarchy import Choice, Hierarchy
from nnrg.rg.renormalize import repeat_flow, with_errors


@dataclass(frozen=True)
class Given:
    """Blocks that are given, with the graph of the field."""

    partitions: list[npt.ArrayLike] = field(repr=False)
    provenance: str = "given"

    def choose(self, field, levels, fewest):
        hierarchy = Hierarchy(self.partitions)
        d = field.sites.dimension
        graph = field.sites if isinstance(field.sites, ConnectionGraph) else None
        return Choice(field, (hierarchy,) * d, (graph,) * d)


def free_field(n: int, samples: int, seed: int = 0) -> npt.NDArray[np.float64]:
    k = 2 * np.pi * np.fft.rfftfreq(n)
    noise = np.fft.rfft(np.random.default_rng(seed).normal(size=(samples, n)))
    return np.fft.irfft(noise / np.sqrt(0.5 + 4 * np.sin(k / 2) ** 2), n) + 0.3


def ring(n: int, seed: int | None = None) -> ConnectionGraph:
    graph = ConnectionGraph.from_networkx(nx.cycle_graph(n))
    return graph if seed is None else graph.permuted(np.random.default_rng(seed).permutation(n))


def test_blocks_on_a_ring_flow_like_those_of_the_lattice():
    n = 64
    values = free_field(n, 50)
    blocks = Given([np.arange(n) // b for b in (2, 4, 8)])
    graph = nnrg.renormalize(nnrg.SynapticField(values, ring(n)), blocks)
    chain = nnrg.renormalize(
        nnrg.SynapticField(values, nnrg.Lattice(n, periodic=True)), nnrg.GridBlocks(2), 4
    )
    assert graph.scales == chain.scales and [s.n_sites for s in graph.sites] == [64, 32, 16, 8]
    ours, theirs = graph.cumulants(nulls=()), chain.cumulants(nulls=())
    np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.errors(), theirs.errors(), rtol=1e-9, atol=1e-12)


def test_relabelling_units_changes_nothing():
    n, order = 60, np.random.default_rng(5).permutation(60)
    values, labels = free_field(n, 30), np.arange(n) // 7
    flow = nnrg.renormalize(nnrg.SynapticField(values, ring(n)), Given([labels]))
    moved = nnrg.renormalize(
        nnrg.SynapticField(values[:, order], ring(n).permuted(order)), Given([labels[order]])
    )
    a, b = flow.cumulants(nulls=()), moved.cumulants(nulls=())
    np.testing.assert_allclose(a.values, b.values, rtol=1e-9, atol=1e-12)
    assert a.scales.tolist() == b.scales.tolist()


def test_blocks_of_unequal_size_do_not_fake_a_fourth_cumulant():
    """Pulls over 40 fields; false alarm rate 3e-4 of |mean| > 3.6 / sqrt(40)."""
    rng = np.random.default_rng(7)
    n = 256
    pulls, naive = [], []
    for _ in range(40):
        labels = np.searchsorted(np.sort(rng.choice(n - 1, 40, replace=False)), np.arange(n))
        labels = np.unique(labels, return_inverse=True)[1]
        values = rng.normal(size=(64, n))
        flow = nnrg.renormalize(nnrg.SynapticField(values, ring(n)), Given([labels]))
        got = flow.cumulants(nulls=()).estimate("ratio_4", flow.scales[1])
        pulls.append(got.value / got.error)
        sizes = np.bincount(labels)
        naive.append(3 * np.var(1 / sizes) / np.mean(1 / sizes) ** 2)
    assert abs(np.mean(pulls)) < 3.6 / np.sqrt(40)
    assert np.mean(naive) > 1.5  # what a mixture of these variances would have


def test_independent_sites_keep_kappa_2_times_units_in_a_block():
    """One number of 200 samples x 40 blocks; false alarm rate 6e-5 at 4 errors."""
    rng = np.random.default_rng(8)
    labels = np.repeat(np.arange(20), rng.integers(1, 12, 20))
    values = rng.normal(size=(400, labels.size))
    graph = ConnectionGraph.from_sparse(np.zeros((labels.size, labels.size)))
    flow = nnrg.renormalize(nnrg.SynapticField(values, graph), Given([labels]))
    got = flow.cumulants(nulls=()).estimate("kappa_2", flow.scales[1])
    b = labels.size / 20
    assert abs(got.value * b - 1) < 4 * got.error * b
    assert flow.lengths[1] == b


def test_equal_sizes_are_left_as_they_are():
    means = np.random.default_rng(9).normal(size=(5, 6))
    assert equalised(means, (np.full(6, 3),)) is means


def test_a_matrix_is_blocked_along_both_populations():
    rng = np.random.default_rng(10)
    values = rng.normal(size=(1, 24, 24))
    sites = nnrg.Lattice((24, 24), populations=((0,), (1,)))
    labels = rng.permutation(np.arange(24) // 2)
    flow = nnrg.renormalize(
        nnrg.SynapticField(values, sites), Given([labels]), errors=nnrg.Jackknife(over="sites")
    )
    member = np.eye(12)[labels] / 2
    expected = member.T @ values[0] @ member
    assert flow.scales == (1, 2)
    np.testing.assert_allclose(
        np.sort(flow.means[1].ravel()), np.sort(expected.ravel()), atol=1e-12
    )


def test_regions_are_unions_of_coarsest_blocks():
    n = 96
    values = free_field(n, 1)
    blocks = Given([np.arange(n) // 2, np.arange(n) // 6])
    flow = nnrg.renormalize(nnrg.SynapticField(values, ring(n)), blocks)
    assert flow.groups.kind == "regions" and np.all(flow.groups.edges[0] % 6 == 0)
    for level in range(3):
        counts = flow.statistics.counts[level]
        assert counts.sum() == flow.sites[level].n_sites and np.all(counts > 0)


def test_a_flow_repeats_itself_and_takes_other_errors():
    n = 48
    flow = nnrg.renormalize(
        nnrg.SynapticField(free_field(n, 20), ring(n, 3)), Given([np.arange(n) // 5])
    )
    again = repeat_flow(flow, flow.field)
    np.testing.assert_allclose(again.means[1], flow.means[1])
    fewer = with_errors(flow, nnrg.Jackknife(blocks=5))
    assert fewer.groups.n_groups == 5
    np.testing.assert_allclose(
        fewer.statistics.sums.sum(axis=1), flow.statistics.sums.sum(axis=1), rtol=1e-9, atol=1e-9
    )


def test_scales_are_units_in_a_block_and_results_are_reopened(tmp_path):
    n = 50
    labels = np.minimum(np.arange(n) // 3, 15)
    flow = nnrg.renormalize(nnrg.SynapticField(free_field(n, 20), ring(n)), Given([labels]))
    assert flow.scales == (1, 3.125)
    cumulants = flow.cumulants(rng=1)
    cumulants.save(tmp_path / "c.nc")
    back = nnrg.open_results(tmp_path / "c.nc")
    np.testing.assert_array_equal(back.scales, cumulants.scales)
    assert list(back.nulls) == list(cumulants.nulls) and len(back.nulls) == 4
    np.testing.assert_array_equal(back.z(), cumulants.z())
    assert "3.125  " in str(cumulants)


def test_permuted_units_lose_their_neighbours():
    n = 128
    flow = nnrg.renormalize(
        nnrg.SynapticField(free_field(n, 40), ring(n)),
        Given([np.arange(n) // 4]),
    )
    cumulants = flow.cumulants(rng=1)
    assert abs(cumulants.z()[0, cumulants.names.index("neighbour:0")]) > 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: nnrg.renormalize(f), "which GridBlocks"),
        (lambda f: nnrg.renormalize(f, Given([np.zeros(16, int)]), rescale="kinetic"), "kinetic"),
        (lambda f: f.lattice, "lives on a graph"),
        (
            lambda f: nnrg.measure_two_point(nnrg.renormalize(f, Given([np.arange(16) // 8]))),
            "natural lattice",
        ),
    ],
)
def test_what_needs_a_lattice_says_so(call, message):
    field = nnrg.SynapticField(free_field(16, 20), ring(16))
    with pytest.raises(ArgumentError, match=message):
        call(field)


@pytest.mark.parametrize(
    ("partitions", "message"),
    [
        ([[0, 0, 1, 1], [0, 1, 0, 1]], "not nested"),
        ([[0, 0, 2, 2]], "without gaps"),
        ([[0, 0, 1]], "one integer"),
        ([], "needs the block"),
    ],
)
def test_hierarchies_that_are_none(partitions, message):
    with pytest.raises(ArgumentError, match=message):
        flow = nnrg.SynapticField(free_field(4, 20), ring(4))
        nnrg.renormalize(flow, Given(partitions))


def test_the_first_levels_of_a_hierarchy_are_those_of_the_whole():
    labels = np.random.default_rng(11).permutation(np.arange(24) // 2)
    whole = Hierarchy([labels, labels // 3, labels // 6])
    for levels in range(1, 5):
        part = whole.cut(levels)
        assert len(part) == levels
        for level in range(1, levels):
            pairs = set(zip(part.labels[level], whole.labels[level], strict=True))
            assert len(pairs) == whole.n_blocks(level) == part.n_blocks(level)
