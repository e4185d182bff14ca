"""Graphs that no method is made for: a named error of one line, or a rule that is said."""

import networkx as nx
import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError, ArgumentError, NNRGError, NonFiniteError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.graph.similarity import similarity_graph
from nnrg.rg.neighbourhoods.diffusion import DiffusionBlocks
from nnrg.rg.neighbourhoods.labels import LabelBlocks
from nnrg.rg.neighbourhoods.matching import MatchingBlocks
from nnrg.rg.neighbourhoods.modes import GraphModes
from nnrg.rg.neighbourhoods.pairs import PairBlocks
from nnrg.rg.neighbourhoods.product import ProductBlocks
from nnrg.rg.neighbourhoods.seriation import SeriationBlocks


def weights(n, sign=1.0):
    graph = nx.random_regular_graph(3, n, seed=1)
    upper = np.triu(np.random.default_rng(1).uniform(0.1, 1, (n, n)), 1)
    return sign * nx.to_numpy_array(graph) * (upper + upper.T)


def apart():
    """Return two components and four isolated nodes."""
    out = np.zeros((40, 40))
    out[:20, :20], out[20:36, 20:36] = weights(20), weights(16)
    return out


GRAPHS = {
    "one node": np.zeros((1, 1)),
    "two nodes": np.array([[0.0, 1.0], [1.0, 0.0]]),
    "two nodes apart": np.zeros((2, 2)),
    "no edge": np.zeros((32, 32)),
    "apart": apart(),
    "negative": weights(32, -1.0),
    "star": nx.to_numpy_array(nx.star_graph(31)),
    "complete": nx.to_numpy_array(nx.complete_graph(32)),
    "huge": weights(32, 1e300),
    "tiny": weights(32, 1e-300),
    "subnormal": weights(32, 1e-320),
}
METHODS = {
    "matching": lambda f, g: nnrg.renormalize(f, MatchingBlocks(g)),
    "diffusion": lambda f, g: nnrg.renormalize(f, DiffusionBlocks(g)),
    "peaks": lambda f, g: nnrg.renormalize(f, DiffusionBlocks(g, times="peaks")),
    "seriation": lambda f, g: nnrg.renormalize(f, SeriationBlocks(g)),
    "leaves": lambda f, g: nnrg.renormalize(f, SeriationBlocks(g, method="leaf")),
    "modes": lambda f, g: nnrg.renormalize(f, GraphModes(g)),
    "heat": lambda f, g: g.heat_capacity([0.1, 1.0, 10.0]),
    "entropy": lambda f, g: g.spectral_entropy(1.0),
    "dimension": lambda f, g: g.spectral_dimension(),
    "shells": lambda f, g: g.distance_shells(3),
}


def field_on(n, **keywords):
    values = np.random.default_rng(2).normal(size=(30, n))
    return nnrg.SynapticField(values, nnrg.Lattice(n), natural=False, **keywords)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", GRAPHS)
def test_every_method_works_or_says_in_a_line_why_not(name, method):
    graph = ConnectionGraph.from_sparse(GRAPHS[name])
    try:
        found = METHODS[method](field_on(graph.n_nodes), graph)
    except NNRGError as error:
        said = str(error)
        assert "\n" not in said and len(said) < 400
        assert ";" in said  # what to try
    else:
        assert found is not None


@pytest.mark.parametrize("name", ["huge", "tiny", "subnormal"])
@pytest.mark.parametrize("method", ["diffusion", "modes", "heat", "entropy", "dimension"])
def test_weights_far_from_one_are_refused_where_a_spectrum_is_asked_for(name, method):
    graph = ConnectionGraph.from_sparse(GRAPHS[name])
    with pytest.raises(AnalysisError, match="divide them by their mean"):
        METHODS[method](field_on(32), graph)


def test_matching_does_not_depend_on_the_unit_of_the_weights():
    first, *others = (
        MatchingBlocks(ConnectionGraph.from_sparse(weights(32) * unit)).choose(field_on(32), 4, 2)
        for unit in (1.0, 2.0**900, 2.0**-900)
    )
    for other in others:
        for mine, theirs in zip(
            first.hierarchies[0].labels, other.hierarchies[0].labels, strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("rule", [MatchingBlocks, DiffusionBlocks])
def test_components_are_handled_each_for_itself_and_said(rule):
    choice = rule(ConnectionGraph.from_sparse(apart())).choose(field_on(40), None, 2)
    component = np.concatenate([np.zeros(20), np.ones(16), 2 + np.arange(4)])
    for labels in choice.hierarchies[0].labels[1:]:
        for block in range(labels.max() + 1):
            assert np.unique(component[labels == block]).size == 1
    notes = " ".join(choice.hierarchies[0].notes)
    assert "6 components" in notes and "no block joins two of them" in notes


def test_a_row_is_of_one_component_after_the_other():
    choice = SeriationBlocks(ConnectionGraph.from_sparse(apart())).choose(field_on(40), 3, 2)
    notes = " ".join(choice.hierarchies[0].notes)
    assert "6 components" in notes and "4 of 40 sites left out" in notes
    assert choice.field.sites.n_sites == 36


def test_self_loops_duplicates_and_directions_are_merged_by_rule_and_said():
    from scipy.sparse import coo_array

    loops = ConnectionGraph.from_sparse(weights(8) + 3 * np.eye(8))
    assert np.all(loops.to_sparse().diagonal() == 0) and any("loop" in n for n in loops.notes)
    twice = coo_array((np.ones(4), ([0, 0, 1, 1], [1, 1, 0, 0])), shape=(2, 2))
    assert ConnectionGraph.from_sparse(twice).weights.tolist() == [2.0, 2.0]
    upper = ConnectionGraph.from_sparse(np.triu(weights(8)))
    assert (upper.to_sparse() != upper.to_sparse().T).nnz == 0
    assert any("direct" in n for n in upper.notes)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_weight_that_is_no_number_is_named(bad):
    matrix = weights(8)
    matrix[0, 1] = matrix[1, 0] = bad
    with pytest.raises(NonFiniteError, match="NaN or infinite"):
        ConnectionGraph.from_sparse(matrix)
    with pytest.raises(NonFiniteError, match="NaN or infinite"):
        ConnectionGraph.from_networkx(nx.from_numpy_array(matrix))
    with pytest.raises(NonFiniteError, match="NaN or infinite"):
        similarity_graph(matrix)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1, 0], "32"),
        ([0] * 31 + [2], "without gaps|gap|numbered"),
        ([0] * 31 + [-1], "negative"),
        ([0.5] * 32, "integer"),
    ],
)
def test_labels_that_do_not_cover_every_site_are_refused(labels, said):
    with pytest.raises(ArgumentError, match=said):
        LabelBlocks(labels).choose(field_on(32), None, 1)


def test_the_partition_of_another_population_is_refused_and_its_own_named():
    matrix = np.zeros((48, 48))
    matrix[:32, 32:] = np.random.default_rng(3).uniform(0.1, 1, (32, 16))
    graph = ConnectionGraph.from_sparse(
        matrix + matrix.T, populations=[("hidden", 32), ("out", 16)]
    )
    for rule in (MatchingBlocks, DiffusionBlocks, SeriationBlocks, GraphModes):
        with pytest.raises(ArgumentError, match=r"graph.of_population\('out'\)"):
            nnrg.renormalize(field_on(16), rule(graph))
    rows = MatchingBlocks(ConnectionGraph.from_sparse(weights(32)))
    columns = MatchingBlocks(ConnectionGraph.from_sparse(weights(16)))
    lattice = nnrg.Lattice((16, 32), populations=((0,), (1,)))
    field = nnrg.SynapticField(np.random.default_rng(4).normal(size=(1, 16, 32)), lattice)
    with pytest.raises(ArgumentError, match="blocks of 32 units do not fit the 16"):
        nnrg.renormalize(field, ProductBlocks(rows, columns))


def test_units_of_one_layer_have_no_edges_and_are_told_where_to_get_some():
    matrix = np.zeros((48, 48))
    matrix[:32, 32:] = np.random.default_rng(3).uniform(0.1, 1, (32, 16))
    graph = ConnectionGraph.from_sparse(
        matrix + matrix.T, populations=[("hidden", 32), ("out", 16)]
    )
    within = graph.of_population("hidden")
    for rule in (MatchingBlocks, DiffusionBlocks):
        with pytest.raises(AnalysisError, match=r"with edges.*net\.similarity_graph"):
            nnrg.renormalize(field_on(32), rule(within))
    with pytest.raises(AnalysisError, match="give one with edges"):
        nnrg.renormalize(field_on(32), SeriationBlocks(within))
    negative = ConnectionGraph.from_sparse(-weights(32))
    with pytest.raises(AnalysisError, match=r"positive weight.*strength\('absolute'\)"):
        nnrg.renormalize(field_on(32), SeriationBlocks(negative))


def test_rules_for_lattices_name_those_for_graphs():
    graph = ConnectionGraph.from_sparse(weights(32))
    field = nnrg.SynapticField(np.random.default_rng(5).normal(size=(12, 32)), graph)
    with pytest.raises(ArgumentError, match=r"RandomBlocks.*nnrg\.RandomUnits"):
        nnrg.renormalize(field, nnrg.RandomBlocks())


def test_ranges_on_a_graph_are_couplings_of_its_shells():
    graph = ConnectionGraph.from_networkx(nx.cycle_graph(64))
    field = nnrg.SynapticField(np.random.default_rng(6).normal(size=(40, 64)), graph)
    flow = nnrg.renormalize(field, MatchingBlocks(), levels=2)
    with pytest.raises(ArgumentError, match=r"Basis\.scalar\(shells=3, quartic=2\)"):
        nnrg.nonlocality(flow)
    basis = nnrg.Basis.scalar(shells=3, quartic=2)  # as advised
    assert {"J:2", "J:3"} <= set(nnrg.fit_couplings(flow, basis=basis, nulls=(), rng=1).names)


def test_a_graph_too_large_for_eigenvectors_is_refused_before_they_are_computed():
    graph = ConnectionGraph.from_networkx(nx.path_graph(3001))
    for rule in (DiffusionBlocks, SeriationBlocks, GraphModes):
        with pytest.raises(AnalysisError, match=r"3001 nodes.*try nnrg\.MatchingBlocks"):
            nnrg.renormalize(field_on(3001), rule(graph))


def test_samples_that_are_not_independent_cannot_be_split():
    field = field_on(32, independent=False)
    for rule in (MatchingBlocks(split=0.5), DiffusionBlocks(split=0.5), PairBlocks()):
        with pytest.raises(AnalysisError, match="not independent"):
            nnrg.renormalize(field, rule)


def test_wirings_that_make_fewer_scales_are_drawn_again_or_the_null_is_left_out_with_a_note():
    graph = ConnectionGraph.from_networkx(nx.connected_caveman_graph(6, 6))
    flow = nnrg.renormalize(field_on(36), DiffusionBlocks(graph))
    found = flow.cumulants(order=4, rng=1)
    noted = "null model 'configuration' left out" in str(found.attrs["notes"])
    assert ("configuration" in found.nulls) is not noted
    assert {"permutation", "independent"} <= set(found.nulls)
