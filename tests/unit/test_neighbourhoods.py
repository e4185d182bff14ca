"""Rules that choose blocks on graphs: the independence rule, and what all have in common."""

import networkx as nx
import numpy as np
import pytest
from neighbourhood_fields import blocks_as_sets, field_on, geometric, weighted

import nnrg
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods.diffusion import DiffusionBlocks
from nnrg.rg.neighbourhoods.hierarchy import Neighbourhoods
from nnrg.rg.neighbourhoods.independence import check_independence, split_samples
from nnrg.rg.neighbourhoods.labels import LabelBlocks
from nnrg.rg.neighbourhoods.matching import MatchingBlocks
from nnrg.rg.neighbourhoods.modes import GraphModes
from nnrg.rg.neighbourhoods.product import ProductBlocks
from nnrg.rg.neighbourhoods.random import RandomUnits
from nnrg.rg.neighbourhoods.seriation import SeriationBlocks

# Independence.


def test_blocks_from_what_is_measured_are_refused_by_every_rule():
    graph = geometric(sources=("fc1.weight", "fc2.weight"))
    field = field_on(nnrg.Lattice(100), sources=frozenset({"fc2.weight", "fc3.weight"}))
    labels = LabelBlocks(np.arange(100) // 2, sources="fc2.weight")
    rules = (MatchingBlocks(graph), DiffusionBlocks(graph), SeriationBlocks(graph), labels)
    for rule in rules:
        with pytest.raises(AnalysisError, match=r"chosen by 'fc2.weight'.*other layers.*split="):
            rule.choose(field, None, 2)
    with pytest.raises(AnalysisError, match=r"chosen by 'fc2.weight'"):
        nnrg.renormalize(field, GraphModes(graph, 2))
    on_itself = field_on(graph, sources=frozenset({"fc1.weight"}))
    with pytest.raises(AnalysisError, match=r"chosen by 'fc1.weight'"):
        MatchingBlocks().choose(on_itself, None, 2)
    matrix = field_on(
        nnrg.Lattice((100, 4), populations=((0,), (1,))), sources=frozenset({"fc1.weight"})
    )
    with pytest.raises(AnalysisError, match=r"chosen by 'fc1.weight'"):
        ProductBlocks(MatchingBlocks(graph), None).choose(matrix, None, 2)


def test_independence_is_said_to_be_unknown_where_a_side_has_no_names():
    field = field_on(nnrg.Lattice(4), sources=frozenset({"a"}))
    assert check_independence(field, {"b"}) == ()
    assert "the blocks do not say" in check_independence(field, ())[0]
    nameless = field_on(nnrg.Lattice(4))
    assert "the field does not say" in check_independence(nameless, {"b"})[0]
    assert "neither" in check_independence(nameless, ())[0]
    flow = nnrg.renormalize(field_on(geometric()), MatchingBlocks())
    assert any("independence not checked" in note for note in flow.notes)


def test_samples_that_repeat_one_another_are_on_one_side_of_a_split():
    rng = np.random.default_rng(5)
    single = rng.normal(size=(40, 30))
    values = np.concatenate([single, -2 * single, single + 1e-3])
    field = nnrg.SynapticField(values, nnrg.Lattice(30))
    halves = split_samples(field, 0.5, 3)
    assert set(halves.choosing % 40).isdisjoint(halves.measuring % 40)
    assert sorted([*halves.choosing, *halves.measuring]) == list(range(120))
    again = split_samples(field, 0.5, 3)
    assert np.array_equal(again.choosing, halves.choosing)
    assert not np.array_equal(split_samples(field, 0.5, 4).choosing, halves.choosing)


def test_what_is_measured_had_no_part_in_the_choice():
    field = field_on(nnrg.Lattice(40), n_samples=60)
    rule = MatchingBlocks(split=0.5, neighbours=5, seed=2)
    choice = rule.choose(field, None, 2)
    halves = split_samples(field, 0.5, 2)
    assert np.array_equal(choice.field.values, field.values[halves.measuring])
    # Other numbers in the samples that are measured: the same blocks.
    values = field.values.copy()
    values[halves.measuring] = np.random.default_rng(9).normal(size=(halves.measuring.size, 40))
    other = rule.choose(nnrg.SynapticField(values, nnrg.Lattice(40)), None, 2)
    for a, b in zip(choice.hierarchies[0].labels, other.hierarchies[0].labels, strict=True):
        assert np.array_equal(a, b)
    assert any("others chose the blocks (seed 2)" in note for note in choice.hierarchies[0].notes)
    assert choice.graphs[0].sources.isdisjoint(choice.field.sources)


def test_correlated_units_are_found_on_some_samples_and_measured_on_others():
    rng = np.random.default_rng(8)
    place = rng.permutation(np.repeat(np.arange(16), 2))
    values = rng.normal(size=(200, 16))[:, place] + 0.3 * rng.normal(size=(200, 32))
    field = nnrg.SynapticField(values, nnrg.Lattice(32), natural=False)
    for rule in (MatchingBlocks(split=0.5, neighbours=3), DiffusionBlocks(split=0.3, neighbours=1)):
        hierarchy = rule.choose(field, 2, 2).hierarchies[0]
        pairs = {frozenset(np.flatnonzero(place == one).tolist()) for one in range(16)}
        assert blocks_as_sets(hierarchy, 1, np.arange(32)) == pairs


@pytest.mark.parametrize("share", [0, 1, -0.5, 1.5, "half", True, float("nan")])
def test_shares_that_are_none_are_refused(share):
    with pytest.raises(ArgumentError, match="split must be"):
        MatchingBlocks(split=share)


def test_splits_that_cannot_be_are_refused():
    few = field_on(nnrg.Lattice(20), n_samples=6)
    with pytest.raises(AnalysisError, match=r"leaves 3 to choose and 3 .* more samples or a graph"):
        MatchingBlocks(split=0.5).choose(few, None, 2)
    taps = field_on(nnrg.Lattice(20), n_samples=40, independent=False)
    with pytest.raises(AnalysisError, match="not independent"):
        DiffusionBlocks(split=0.5).choose(taps, None, 2)
    with pytest.raises(ArgumentError, match="got both"):
        MatchingBlocks(geometric(), split=0.5)
    with pytest.raises(ArgumentError, match="neighbours must be"):
        MatchingBlocks(split=0.5, neighbours=0)
    with pytest.raises(ArgumentError, match="seed must be"):
        MatchingBlocks(split=0.5, seed=-1)


# What every rule has in common.


def all_rules(graph):
    return {
        "matching": MatchingBlocks(graph),
        "diffusion": DiffusionBlocks(graph),
        "spectral": SeriationBlocks(graph),
        "leaf": SeriationBlocks(graph, method="leaf", b=3),
        "random": RandomUnits(2),
        "labels": LabelBlocks([np.arange(graph.n_nodes) // 2, np.arange(graph.n_nodes) // 8]),
    }


@pytest.mark.parametrize("name", sorted(all_rules(geometric())))
def test_a_rule_gives_nested_blocks_that_cover_the_sites_it_keeps(name):
    graph = geometric()
    rule = all_rules(graph)[name]
    assert isinstance(rule, Neighbourhoods)
    assert "\n" not in rule.provenance and rule.provenance
    assert repr(rule).startswith(type(rule).__name__) and len(repr(rule)) < 100
    field = field_on(graph)
    choice = rule.choose(field, None, 3)
    (hierarchy,), (chosen,) = choice.hierarchies, choice.graphs
    assert hierarchy.n_sites == choice.field.sites.n_sites == chosen.n_nodes
    assert hierarchy.n_blocks(0) == hierarchy.n_sites
    counts = [hierarchy.n_blocks(level) for level in range(len(hierarchy))]
    assert len(counts) > 1 and min(counts) >= 3 and sorted(set(counts), reverse=True) == counts
    again = rule.choose(field, 2, 3)
    assert len(again.hierarchies[0]) == 2
    assert len(rule.choose(field, 1, 3).hierarchies[0]) == 1
    with pytest.raises(ArgumentError, match=r"40 scales were asked.*ask for fewer"):
        rule.choose(field, 40, 3)


@pytest.mark.parametrize("name", ["matching", "diffusion", "spectral", "leaf"])
def test_numbering_of_units_changes_names_and_nothing_else(name):
    graph = geometric()
    field = field_on(graph)
    order = np.random.default_rng(4).permutation(100)
    moved = graph.permuted(order)
    other = nnrg.SynapticField(field.values[:, order], moved)
    here = all_rules(graph)[name].choose(field, None, 2)
    there = all_rules(moved)[name].choose(other, None, 2)
    # The first sample's values tell which unit is which after some were left out.
    first, second = here.field.values[0], there.field.values[0]
    assert len(here.hierarchies[0]) == len(there.hierarchies[0])
    for level in range(len(here.hierarchies[0])):
        assert blocks_as_sets(here.hierarchies[0], level, first) == blocks_as_sets(
            there.hierarchies[0], level, second
        )
    flow, again = (
        nnrg.renormalize(f, all_rules(g)[name], errors=nnrg.Jackknife(over="samples"))
        for f, g in ((field, graph), (other, moved))
    )
    one, two = (f.cumulants(order=4, nulls=()) for f in (flow, again))
    np.testing.assert_allclose(one.values, two.values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.errors(), two.errors(), rtol=1e-9, atol=1e-12)


def test_equal_weights_are_taken_in_the_order_of_nodes_and_are_reproducible():
    graph = ConnectionGraph.from_networkx(nx.complete_graph(8))
    field = field_on(graph)
    labels = MatchingBlocks().choose(field, 3, 2).hierarchies[0].labels
    assert labels[1].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert labels[2].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("rule", [MatchingBlocks, DiffusionBlocks, SeriationBlocks, GraphModes])
def test_what_is_no_graph_is_refused(rule):
    for wrong in (nx.cycle_graph(4), "graph", 3):
        with pytest.raises(ArgumentError, match="ConnectionGraph"):
            rule(wrong)


def test_graphs_that_do_not_fit_are_refused():
    field = field_on(nnrg.Lattice(10))
    for rule in (MatchingBlocks, DiffusionBlocks, SeriationBlocks):
        with pytest.raises(ArgumentError, match="100 units do not fit the 10 of field"):
            rule(geometric()).choose(field, None, 2)
    with pytest.raises(ArgumentError, match="has no graph: give MatchingBlocks"):
        MatchingBlocks().choose(field, None, 2)
    with pytest.raises(ArgumentError, match="reshape them to one axis"):
        MatchingBlocks(geometric()).choose(field_on(nnrg.Lattice((10, 10))), None, 2)
    matrix = field_on(nnrg.Lattice((10, 10), populations=((0,), (1,))))
    with pytest.raises(ArgumentError, match="ProductBlocks"):
        DiffusionBlocks(geometric()).choose(matrix, None, 2)
    both = ConnectionGraph.from_sparse(
        nx.to_scipy_sparse_array(nx.cycle_graph(16)), populations=[("hidden", 10), ("out", 6)]
    )
    with pytest.raises(ArgumentError, match=r"of_population\('hidden'\)"):
        MatchingBlocks(both).choose(field, None, 2)
    with pytest.raises(ArgumentError, match="of population 'out' alone"):
        LabelBlocks([0, 0, 1, 1, 2, 2]).choose(field_on(both), None, 2)
    with pytest.raises(NonFiniteError):
        SeriationBlocks(np.full((3, 3), np.nan))


@pytest.mark.parametrize("n", [1, 2])
def test_graphs_of_one_or_two_nodes_make_no_blocks(n):
    graph = ConnectionGraph.from_networkx(nx.complete_graph(n))
    field = field_on(graph)
    for rule in (MatchingBlocks(), DiffusionBlocks(), RandomUnits(2)):
        with pytest.raises(AnalysisError, match="no blocks can be formed on the"):
            rule.choose(field, None, 2)


def test_edgeless_graphs_make_no_blocks():
    graph = ConnectionGraph.from_sparse(np.zeros((6, 6)))
    field = field_on(graph)
    for rule in (MatchingBlocks(), DiffusionBlocks()):
        with pytest.raises(AnalysisError, match=r"no blocks can be formed.*edges"):
            rule.choose(field, None, 2)
        with pytest.raises(ArgumentError, match="its blocks make 1"):
            rule.choose(field, 2, 2)
    with pytest.raises(AnalysisError, match="without an edge"):
        SeriationBlocks(graph).choose(field, None, 2)


def test_components_are_not_joined_and_isolated_nodes_stay_alone():
    graph = nx.disjoint_union(nx.cycle_graph(16), nx.cycle_graph(16))
    graph.add_nodes_from(["a", "b", "c"])
    sites = weighted(graph)
    component = sites.components()
    for rule in (MatchingBlocks(), SeriationBlocks(sites)):
        choice = rule.choose(field_on(sites), None, 2)
        hierarchy = choice.hierarchies[0]
        assert any("5 components" in note for note in hierarchy.notes)
        kept = choice.graphs[0].components()
        for labels in hierarchy.labels:
            of_block = np.full(labels.max() + 1, -1)
            of_block[labels] = kept
            assert np.array_equal(of_block[labels], kept)
    hierarchy = MatchingBlocks().choose(field_on(sites), None, 2).hierarchies[0]
    sizes = np.bincount(hierarchy.labels[-1])[hierarchy.labels[-1]]
    assert sizes[component > 1].tolist() == [1, 1, 1]
    assert "3 sites are alone at every scale" in hierarchy.notes


def test_the_graph_of_the_field_orders_it_unless_another_is_given():
    graph = geometric()
    field = field_on(graph)
    own, given = (
        nnrg.renormalize(field, rule) for rule in (SeriationBlocks(), SeriationBlocks(graph))
    )
    for one, two in zip(own.means, given.means, strict=True):
        np.testing.assert_array_equal(one, two)
    assert SeriationBlocks().provenance == "spectral order of the graph of the field"
    assert repr(SeriationBlocks()) == "SeriationBlocks(method='spectral', b=2)"
    with pytest.raises(ArgumentError, match=r"has no graph: give SeriationBlocks\(graph\)$"):
        nnrg.renormalize(field_on(nnrg.Lattice(16)), SeriationBlocks())


def test_modes_of_a_graph_are_those_of_a_field_that_lives_on_it():
    graph = geometric()
    field = field_on(graph, 20)
    here = nnrg.renormalize(field, GraphModes(graph))
    row = nnrg.SynapticField(field.values, nnrg.Lattice(graph.n_nodes))
    for one, two in zip(here.means, nnrg.renormalize(row, GraphModes(graph)).means, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any("has no order" in note for note in here.notes)
    assert nnrg.fit_couplings(here, nulls=(), rng=1).attrs["natural_order"] == 0


def test_graphs_too_large_for_a_dense_kernel_are_refused():
    ring = ConnectionGraph.from_networkx(nx.cycle_graph(3001))
    for rule in (DiffusionBlocks(ring), SeriationBlocks(ring)):
        with pytest.raises(AnalysisError, match=r"at most 3000.*MatchingBlocks"):
            rule.choose(field_on(ring, 2), None, 2)
    with pytest.raises(AnalysisError, match="at most 3000"):
        nnrg.renormalize(field_on(nnrg.Lattice(3001), 12), GraphModes(ring))
    with pytest.raises(AnalysisError, match=r"at most 2000.*spectral"):
        SeriationBlocks(ring, method="leaf").choose(field_on(ring, 2), None, 2)


def test_weights_whose_sums_leave_double_precision_are_refused():
    graph = ConnectionGraph.from_sparse(nx.to_scipy_sparse_array(nx.star_graph(8)) * 1e308)
    field = field_on(nnrg.Lattice(9))
    for rule in (DiffusionBlocks(graph), SeriationBlocks(graph), GraphModes(graph)):
        with pytest.raises(AnalysisError, match=r"leaves? double precision"):
            nnrg.renormalize(field, rule)
    # Of sums nothing is asked as long as the order of weights is known.
    assert len(MatchingBlocks(graph).choose(field, 2, 2).hierarchies[0]) == 2
