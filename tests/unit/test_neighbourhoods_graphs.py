"""Blocks by matching the heaviest edges, and by diffusion."""

import networkx as nx
import numpy as np
import pytest
from neighbourhood_fields import blocks_as_sets, field_on, geometric
from scipy.linalg import expm

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.graph.spectral import characteristic_times
from nnrg.rg.neighbourhoods.diffusion import DiffusionBlocks
from nnrg.rg.neighbourhoods.matching import MatchingBlocks

# Matching.


def test_matching_takes_pairs_greedily_by_weight_level_by_level():
    graph = geometric(60)
    labels = MatchingBlocks().choose(field_on(graph), 3, 2).hierarchies[0].labels
    adjacency = graph.to_sparse().toarray()
    sites = np.arange(60)
    for level in (1, 2):
        blocks = np.unique(sites)
        between = np.array(
            [[adjacency[np.ix_(sites == a, sites == b)].mean() for b in blocks] for a in blocks]
        )
        np.fill_diagonal(between, 0.0)
        free = set(range(blocks.size))
        pair = np.arange(blocks.size)
        for flat in np.argsort(-between, axis=None, kind="stable"):
            a, b = divmod(int(flat), blocks.size)
            if a in free and b in free and between[a, b] > 0:
                free -= {a, b}
                pair[b] = a
        for a in sorted(free):  # those left that share their heaviest neighbour
            others = [b for b in free if b > a and pair[b] == b and pair[a] == a]
            same = [b for b in others if between[a].argmax() == between[b].argmax()]
            assert len(same) <= 1, "pairs of two-hop neighbours would need an order"
            if same and between[a].any():
                pair[same[0]] = a
        sites = np.unique(pair[np.searchsorted(blocks, sites)], return_inverse=True)[1]
        found = labels[level]
        assert len(set(zip(sites.tolist(), found.tolist(), strict=True))) == found.max() + 1
        assert sites.max() == found.max()


def test_stars_shrink_by_pairs_of_leaves():
    graph = ConnectionGraph.from_networkx(nx.star_graph(16))
    hierarchy = MatchingBlocks().choose(field_on(graph), 2, 2).hierarchies[0]
    assert sorted(hierarchy.sizes(1).tolist()) == [1] + [2] * 8


def test_only_positive_sums_of_signed_weights_join():
    weights = np.zeros((4, 4))
    for a, b, w in ((0, 1, -9.0), (1, 2, 1.0), (2, 3, -1.0), (3, 0, 2.0)):
        weights[a, b] = weights[b, a] = w
    graph = ConnectionGraph.from_sparse(weights)
    choice = MatchingBlocks().choose(field_on(graph), None, 2)
    assert blocks_as_sets(choice.hierarchies[0], 1, np.arange(4)) == {
        frozenset({0, 3}),
        frozenset({1, 2}),
    }
    assert len(choice.hierarchies[0]) == 2  # the two blocks are joined by -10
    assert any("positive" in note for note in choice.hierarchies[0].notes)
    negative = ConnectionGraph.from_sparse(-np.abs(weights))
    with pytest.raises(AnalysisError, match=r"strength\('absolute'\)"):
        MatchingBlocks().choose(field_on(negative), None, 2)
    magnitudes = MatchingBlocks(graph.strength("absolute")).choose(field_on(graph), 2, 2)
    assert blocks_as_sets(magnitudes.hierarchies[0], 1, np.arange(4)) == {
        frozenset({0, 1}),
        frozenset({2, 3}),
    }


# Diffusion.


def supernodes(graph, tau, kind="combinatorial"):
    """The published rule, entry by entry."""
    rho = expm(-tau * graph.laplacian(kind).toarray())
    n = graph.n_nodes
    links = nx.empty_graph(n)
    links.add_edges_from(
        (i, j) for i in range(n) for j in range(i) if rho[i, j] >= min(rho[i, i], rho[j, j])
    )
    return {frozenset(c) for c in nx.connected_components(links)}


@pytest.mark.parametrize("tau", [0.8, 1.5, 4.0])
def test_supernodes_are_those_of_the_heat_kernel(tau):
    graph = geometric(50)
    choice = DiffusionBlocks(graph, times=[tau]).choose(field_on(graph), 2, 2)
    assert blocks_as_sets(choice.hierarchies[0], 1, np.arange(50)) == supernodes(graph, tau)
    assert any(f"tau = {tau:.3g}" in note for note in choice.hierarchies[0].notes)


def test_blocks_of_one_time_stay_together_at_the_next():
    graph = geometric(60)
    times = (0.5, 1.0, 2.0)
    choice = DiffusionBlocks(graph, times=times).choose(field_on(graph), 4, 2)
    joined = nx.empty_graph(60)
    for level, tau in enumerate(times, 1):
        for block in supernodes(graph, tau):
            nx.add_path(joined, sorted(block))
        expected = {frozenset(c) for c in nx.connected_components(joined)}
        assert blocks_as_sets(choice.hierarchies[0], level, np.arange(60)) == expected


def test_negative_weights_diffuse_by_the_signed_laplacian():
    # Flipping the sign of a set of nodes flips elements of the kernel: no other graph is as close.
    graph = geometric(40)
    sign = np.where(np.arange(40) % 3 == 0, -1.0, 1.0)
    flipped = ConnectionGraph.from_sparse(graph.to_sparse().toarray() * np.outer(sign, sign))
    choice = DiffusionBlocks(flipped, times=[1.0]).choose(field_on(flipped), 2, 2)
    expected = supernodes(flipped, 1.0, "signed")
    assert blocks_as_sets(choice.hierarchies[0], 1, np.arange(40)) == expected
    assert all(len({sign[i] for i in block}) == 1 for block in expected)
    assert any("signed Laplacian" in note for note in choice.hierarchies[0].notes)


def test_nodes_that_are_all_alike_are_joined_at_no_time_or_all_at_once():
    ring = ConnectionGraph.from_networkx(nx.cycle_graph(32))
    with pytest.raises(AnalysisError, match="nodes are alike, as on a ring"):
        DiffusionBlocks().choose(field_on(ring), None, 2)
    everything = DiffusionBlocks().choose(field_on(ring), 2, 2).hierarchies[0]
    assert everything.n_blocks(1) == 1


def test_times_may_be_the_maxima_of_the_heat_capacity():
    # Within a clique, where nodes are alike, and between cliques.
    graph = ConnectionGraph.from_networkx(nx.ring_of_cliques(8, 6))
    inside, between, *_ = characteristic_times(graph).tau
    (hierarchy,) = DiffusionBlocks(times="peaks").choose(field_on(graph), None, 2).hierarchies
    assert f"no block is joined at tau = {inside:.3g}" in hierarchy.notes
    assert any(f"kernel at tau = {between:.3g}" in note for note in hierarchy.notes)
    assert hierarchy.labels[1].tolist() == np.repeat(np.arange(8), 6).tolist()
    assert blocks_as_sets(hierarchy, 1, np.arange(48)) == supernodes(graph, between)


@pytest.mark.parametrize("times", ["long", [], [0.0, 1.0], [2.0, 1.0], [np.nan], 3.0, ["a"]])
def test_times_that_are_none_are_refused(times):
    with pytest.raises(ArgumentError, match="time"):
        DiffusionBlocks(geometric(), times=times)
