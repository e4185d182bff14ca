"""Blocks by given labels, in a row, at random, and of the two axes of a matrix."""

import networkx as nx
import numpy as np
import pytest
from neighbourhood_fields import field_on
from scipy.cluster.hierarchy import leaves_list, linkage

import nnrg
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods.labels import LabelBlocks
from nnrg.rg.neighbourhoods.matching import MatchingBlocks
from nnrg.rg.neighbourhoods.product import ProductBlocks
from nnrg.rg.neighbourhoods.random import RandomUnits
from nnrg.rg.neighbourhoods.seriation import SeriationBlocks, seriation_order


def matrix_on(n_out, n_in, **options):
    return field_on(nnrg.Lattice((n_out, n_in), populations=((0,), (1,))), **options)


def graph_of(networkx_graph):
    return ConnectionGraph.from_networkx(networkx_graph)


# Labels.


def test_labels_become_levels():
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(6), 4))
    field = field_on(nnrg.Lattice(24))
    rule = LabelBlocks([labels, labels // 2, labels // 6], provenance="heads")
    assert repr(rule) == "LabelBlocks(24 -> 6 -> 3 -> 1 blocks)" and rule.provenance == "heads"
    hierarchy = rule.choose(field, None, 2).hierarchies[0]
    assert [hierarchy.n_blocks(level) for level in range(len(hierarchy))] == [24, 6, 3]
    flow = nnrg.renormalize(field, rule, errors=nnrg.Jackknife(over="samples"))
    expected = [field.values[:, labels == one].mean(axis=1) for one in range(6)]
    np.testing.assert_allclose(np.sort(flow.means[1]), np.sort(np.stack(expected, axis=1)))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 0, -1, 1], "1 labels are negative"),
        ([0, 0, 2, 2], "without gaps"),
        ([0.0, 0.0, 1.0, 1.0], "one integer for each"),
        ([np.nan, 0, 1, 1], "one integer for each"),
        (["a", "a", "b", "b"], "one integer for each"),
        ([[0, 0, 1, 1], [0, 1, 1, 0]], "not nested"),
        ([[0, 0, 1, 1], [0, 0, 0]], "several such arrays of one length"),
        ([], "one integer for each"),
        (np.zeros((2, 2, 2), int), "one integer for each"),
    ],
)
def test_labels_that_cover_not_every_site_once_are_refused(labels, message):
    with pytest.raises(ArgumentError, match=message):
        LabelBlocks(labels)


def test_labels_of_other_units_are_refused():
    with pytest.raises(ArgumentError, match="4 units do not fit the 6 of field"):
        LabelBlocks([0, 0, 1, 1]).choose(field_on(nnrg.Lattice(6)), None, 1)
    with pytest.raises(ArgumentError, match="5 units do not fit the 4"):
        LabelBlocks([0, 0, 1, 1], graph=graph_of(nx.cycle_graph(5))).choose(
            field_on(nnrg.Lattice(4)), None, 1
        )
    with pytest.raises(AnalysisError, match="smaller blocks"):
        LabelBlocks([0, 0, 0, 0]).choose(field_on(nnrg.Lattice(4)), None, 2)
    with pytest.raises(ArgumentError, match="its blocks make 2"):
        LabelBlocks([0, 0, 1, 1]).choose(field_on(nnrg.Lattice(4)), 3, 1)


def test_labels_take_neighbours_from_a_graph_or_from_that_of_the_field():
    ring = graph_of(nx.cycle_graph(4))
    rule = LabelBlocks([0, 0, 1, 1])
    assert rule.choose(field_on(ring), None, 1).graphs == (ring,)
    assert rule.choose(field_on(nnrg.Lattice(4)), None, 1).graphs == (None,)
    given = LabelBlocks([0, 0, 1, 1], graph=ring)
    assert given.choose(field_on(nnrg.Lattice(4)), None, 1).graphs == (ring,)


# A row.


def shuffled(graph, seed=2):
    order = np.random.default_rng(seed).permutation(graph.n_nodes)
    return graph.permuted(order), order


def test_a_shuffled_chain_is_put_in_order():
    moved, order = shuffled(graph_of(nx.path_graph(50)))
    (run,), notes = seriation_order(moved)
    row = order[run]
    assert row.tolist() in (list(range(50)), list(range(49, -1, -1)))
    assert notes == ()


def test_blocks_of_a_chain_are_those_of_the_lattice():
    moved, order = shuffled(graph_of(nx.path_graph(64)))
    values = np.random.default_rng(3).normal(size=(20, 64)).cumsum(axis=1)
    here = nnrg.renormalize(
        nnrg.SynapticField(values[:, order], nnrg.Lattice(64)), SeriationBlocks(moved)
    )
    there = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(64)), nnrg.GridBlocks(2))
    assert here.scales == there.scales
    for one, two in zip(here.means, there.means, strict=True):
        assert min(np.abs(one - two).max(), np.abs(one[:, ::-1] - two).max()) < 1e-12


def test_a_remainder_is_left_out_and_said():
    graph = graph_of(nx.path_graph(23))
    choice = SeriationBlocks(graph, b=3).choose(field_on(graph), None, 2)
    assert choice.field.sites.n_sites == choice.graphs[0].n_nodes == 18
    assert choice.hierarchies[0].sizes(2).tolist() == [9, 9]
    assert "5 of 23 sites left out (only whole blocks of 9 are formed)" in (
        choice.hierarchies[0].notes
    )
    # The places of a row are in order, and so are its blocks.
    assert choice.hierarchies[0].order.tolist() == list(range(18))
    assert choice.hierarchies[0].labels[1].tolist() == (np.arange(18) // 3).tolist()


def test_a_ring_has_no_order_of_its_own_and_signed_edges_are_left_out():
    (_,), notes = seriation_order(graph_of(nx.cycle_graph(12)))
    assert any("several slowest modes" in note for note in notes)
    chain = nx.path_graph(12)
    chain.add_edge(0, 11, weight=-1.0)
    (run,), notes = seriation_order(graph_of(chain))
    assert run.tolist() in (list(range(12)), list(range(11, -1, -1)))
    assert any("1 edges of negative weight" in note for note in notes)


def test_leaves_are_those_of_scipy():
    points = np.random.default_rng(6).normal(size=(20, 2))
    distance = np.linalg.norm(points[:, None] - points, axis=-1)
    similarity = 10 - distance
    (run,), _ = seriation_order(SeriationBlocks(similarity).graph, "leaf")
    condensed = distance[np.triu_indices(20, 1)]
    expected = leaves_list(linkage(condensed, "average", optimal_ordering=True))
    assert run.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("matrix", "error", "message"),
    [
        (np.ones((2, 3)), ArgumentError, "square matrix"),
        ("similar", ArgumentError, "square matrix"),
        (np.arange(9.0).reshape(3, 3), ArgumentError, "symmetric"),
        (np.full((3, 3), np.inf), NonFiniteError, "9 similarities"),
    ],
)
def test_similarities_that_are_none_are_refused(matrix, error, message):
    with pytest.raises(error, match=message):
        SeriationBlocks(matrix)


def test_options_of_a_row_are_checked():
    ring = graph_of(nx.cycle_graph(4))
    with pytest.raises(ArgumentError, match="method must be"):
        SeriationBlocks(ring, method="tsp")
    with pytest.raises(ArgumentError, match="at least 2 units"):
        SeriationBlocks(ring, b=1)
    with pytest.raises(ArgumentError, match="names its own"):
        SeriationBlocks(ring, sources="fc1.weight")
    assert SeriationBlocks(np.eye(3) + 1, sources="fc1.weight").graph.sources == {"fc1.weight"}


# At random.


def test_random_units_are_the_random_blocks_of_a_lattice():
    field = field_on(nnrg.Lattice(64))
    units = nnrg.renormalize(field, RandomUnits(2, seed=7))
    blocks = nnrg.renormalize(field, nnrg.RandomBlocks(2, seed=7))
    for one, two in zip(units.means, blocks.means, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-14)


def test_random_units_stay_within_their_population():
    graph = ConnectionGraph.from_sparse(
        nx.to_scipy_sparse_array(nx.cycle_graph(30)), populations=[("a", 13), ("b", 17)]
    )
    choice = RandomUnits(4, seed=1).choose(field_on(graph), 2, 2)
    assert choice.field.sites.populations == (("a", 12), ("b", 16))
    labels, population = choice.hierarchies[0].labels[1], choice.graphs[0].population
    assert all(len(set(population[labels == one])) == 1 for one in range(7))
    assert "2 of 30 sites left out (only whole blocks of 4 are formed)" in (
        choice.hierarchies[0].notes
    )


@pytest.mark.parametrize(("b", "seed"), [(1, 0), (2.5, 0), (2, -1), (2, "a")])
def test_random_units_check_their_options(b, seed):
    with pytest.raises(ArgumentError):
        RandomUnits(b, seed)


# Both axes of a matrix.


def test_a_matrix_is_blocked_by_the_partitions_of_its_two_populations():
    field = matrix_on(6, 8)
    rows, columns = np.array([0, 1, 2, 0, 1, 2]), np.array([0, 1, 1, 0, 2, 3, 3, 2])
    flow = nnrg.renormalize(field, ProductBlocks(LabelBlocks(rows), LabelBlocks(columns)), levels=2)
    expected = np.array(
        [
            [field.values[:, rows == a][:, :, columns == b].mean(axis=(1, 2)) for b in range(4)]
            for a in range(3)
        ]
    ).transpose(2, 0, 1)
    np.testing.assert_allclose(flow.means[1], expected, atol=1e-14)
    assert flow.scales == (1, 2)  # 4 sites, to the 1/2


def test_an_axis_may_be_left_as_it_is_or_lose_a_remainder():
    ring = graph_of(nx.cycle_graph(9))
    field = matrix_on(5, 9)
    choice = ProductBlocks(None, RandomUnits(2, seed=3)).choose(field, 3, 2)
    assert choice.field.sites.shape == (5, 8)
    assert choice.hierarchies[0].sizes(2).tolist() == [1] * 5
    order = np.random.default_rng(3).permutation(9)[:8]
    assert np.array_equal(choice.field.values, field.values[:, :, order])
    assert any("left as it is" in note for note in choice.hierarchies[0].notes)
    chosen = ProductBlocks(RandomUnits(2), MatchingBlocks(ring)).choose(field, None, 2)
    assert [len(h) for h in chosen.hierarchies] == [2, 2]
    assert chosen.graphs == (None, ring)
    assert chosen.field.sites.shape == (4, 9)


def test_random_units_of_both_axes_are_random_blocks_of_the_matrix():
    field = matrix_on(16, 32)
    flow = nnrg.renormalize(field, ProductBlocks(RandomUnits(2, 5), RandomUnits(2, 6)))
    rows, columns = (np.random.default_rng(s).permutation(n) for s, n in ((5, 16), (6, 32)))
    there = nnrg.SynapticField(field.values[:, rows][:, :, columns], nnrg.Lattice((16, 32)))
    grid = nnrg.renormalize(there, nnrg.GridBlocks(2))
    assert flow.scales[: len(grid.scales)] == grid.scales[: len(flow.scales)]
    for one, two in zip(flow.means, grid.means, strict=False):
        np.testing.assert_allclose(one, two, atol=1e-14)


def test_rules_that_cannot_choose_an_axis_are_refused():
    labels = LabelBlocks([0, 0, 1, 1])
    with pytest.raises(ArgumentError, match="both are None"):
        ProductBlocks(None, None)
    with pytest.raises(ArgumentError, match="rows must be a rule"):
        ProductBlocks("labels", labels)
    with pytest.raises(ArgumentError, match="columns must be a rule"):
        ProductBlocks(labels, ProductBlocks(labels, labels))
    with pytest.raises(ArgumentError, match=r"samples of one axis.*MatchingBlocks a graph"):
        ProductBlocks(labels, MatchingBlocks(split=0.5))
    with pytest.raises(ArgumentError, match=r"populations=\(\(0,\), \(1,\)\)"):
        ProductBlocks(labels, labels).choose(field_on(nnrg.Lattice((4, 4))), None, 1)
    with pytest.raises(ArgumentError, match=r"4 units do not fit the 5 of .*\(columns\)"):
        ProductBlocks(labels, labels).choose(matrix_on(4, 5), None, 1)
