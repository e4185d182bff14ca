"""Null models on graphs: what their draws share with the field, and what has no such draws."""

import networkx as nx
import numpy as np
import pytest
from scipy import stats

import nnrg
from nnrg.errors import AnalysisError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.moments import observe
from nnrg.rg.neighbourhoods.labels import LabelBlocks
from nnrg.rg.neighbourhoods.matching import MatchingBlocks
from nnrg.rg.neighbourhoods.pairs import PairBlocks
from nnrg.rg.neighbourhoods.product import ProductBlocks
from nnrg.rg.nulls import measure_null
from nnrg.rg.nulls._free_field import fit_free_field
from nnrg.rg.nulls._graphs import fit_free_field_on_graphs
from nnrg.rg.nulls._matched import at_sizes_of
from nnrg.rg.nulls._rewiring import rewired
from nnrg.rg.verdict import verdict
from nnrg.simulate.gaussian import gaussian_free_field
from nnrg.simulate.graph_fields import graph_free_field, phi4_graph


def graph_of(graph):
    return ConnectionGraph.from_networkx(nx.convert_node_labels_to_integers(graph))


def flow_of(values, graph, blocks=None, levels=3, **options):
    field = nnrg.SynapticField(values, graph, **options)
    return nnrg.renormalize(field, blocks or MatchingBlocks(), levels=levels)


def draws(flow, name, count=3, seed=7):
    model = nnrg.NullModel(name, count)
    return list(measure_null(flow, model, np.random.SeedSequence(seed), lambda null: null))


def edges_of(graph):
    rows, columns = graph.to_sparse().nonzero()
    return rows[rows < columns], columns[rows < columns]


@pytest.fixture(scope="module")
def regular():
    graph = graph_of(nx.random_regular_graph(4, 128, seed=1))
    return graph, graph_free_field(graph, 60, mass2=0.3, rng=2)


def test_rewired_graphs_keep_degrees_and_weights():
    rng = np.random.default_rng(1)
    drawn = nx.barabasi_albert_graph(200, 3, seed=1)
    for a, b in drawn.edges:
        drawn.edges[a, b]["weight"] = float(rng.normal())
    graph = graph_of(drawn)
    again = rewired(graph, rng)
    np.testing.assert_array_equal(again.degrees(), graph.degrees())
    np.testing.assert_array_equal(np.sort(again.weights), np.sort(graph.weights))
    dense = again.to_sparse().toarray()
    np.testing.assert_array_equal(dense, dense.T)
    assert np.all(np.diag(dense) == 0)
    assert again.n_edges == graph.n_edges == np.count_nonzero(np.triu(dense))
    shared = np.count_nonzero((dense != 0) & (graph.to_sparse().toarray() != 0)) / 2
    assert shared < 0.2 * graph.n_edges


def test_all_graphs_of_the_same_degrees_are_equally_likely():
    # Of the 70 labelled 2-regular graphs on 6 nodes 60 are hexagons and 10 are two triangles.
    # False alarms: one in 10 000.
    rng = np.random.default_rng(2)
    graph = graph_of(nx.cycle_graph(6))
    found = {}
    for _ in range(700):
        key = tuple(rewired(graph, rng).indices.tolist())
        found[key] = found.get(key, 0) + 1
    assert len(found) == 70
    assert stats.chisquare(list(found.values())).pvalue > 1e-4


def test_rewiring_keeps_populations_apart():
    rng = np.random.default_rng(3)
    layers = nx.bipartite.gnmk_random_graph(30, 40, 200, seed=4)
    matrix = nx.to_scipy_sparse_array(layers)
    graph = ConnectionGraph.from_sparse(matrix, populations=[("in", 30), ("out", 40)])
    again = rewired(graph, rng)
    assert again.population[again.indices[: again.indptr[30]]].min() == 1
    np.testing.assert_array_equal(again.degrees(), graph.degrees())
    assert not np.array_equal(again.indices, graph.indices)


def test_a_complete_graph_cannot_be_rewired():
    with pytest.raises(AnalysisError, match="gives another graph with its degrees"):
        rewired(graph_of(nx.complete_graph(9)), np.random.default_rng(5))


def test_the_configuration_model_chooses_blocks_again(regular):
    graph, values = regular
    flow = flow_of(values, graph)
    for null in draws(flow, "configuration"):
        assert len(null) == len(flow)
        np.testing.assert_array_equal(
            np.sort(null.field.values, axis=1), np.sort(flow.field.values, axis=1)
        )
        np.testing.assert_array_equal(null.graphs[0][0].degrees(), 4)
        assert not np.array_equal(null.graphs[0][0].indices, flow.graphs[0][0].indices)
        # Neighbours on a random graph have little to do with one another.
        assert null.variances()[-1] < 0.8 * flow.variances()[-1]


def test_numbers_are_compared_at_equal_sizes():
    # Blocks of 4 told as blocks of 5: kappa_n of independent units falls like b^(1-n).
    values = np.random.default_rng(14).laplace(size=(30, 240))
    field = nnrg.SynapticField(values, graph_of(nx.cycle_graph(240)))
    four, five = (
        nnrg.renormalize(field, LabelBlocks(np.arange(240) // b), levels=2) for b in (4, 5)
    )
    before = four.cumulants(order=8, nulls=()).values
    moved = at_sizes_of(four, five)
    after = observe(moved.statistics, 8, replicates=False)[0]
    power = np.arange(8)
    np.testing.assert_allclose(after[0], before[0], rtol=1e-12)
    np.testing.assert_allclose(after[1, :8], before[1, :8] * 0.8**power, rtol=1e-8)
    np.testing.assert_allclose(after[1, -1], before[1, -1], rtol=1e-8)
    np.testing.assert_allclose(np.var(moved.means[1]), 0.8 * np.var(four.means[1]), rtol=1e-12)


def test_blocks_that_a_graph_did_not_choose_stay(regular):
    graph, values = regular
    labels = LabelBlocks([np.arange(128) // 4], graph=graph)
    flow = flow_of(values, graph, labels, levels=2)
    for null in draws(flow, "configuration"):
        np.testing.assert_array_equal(null.means[1], flow.means[1])
        assert null.graphs[1][0].n_edges != flow.graphs[1][0].n_edges


def test_a_matrix_is_rewired_along_both_axes():
    graphs = [graph_of(nx.random_regular_graph(4, n, seed=1)) for n in (24, 32)]
    sites = nnrg.Lattice((24, 32), populations=((0,), (1,)))
    field = nnrg.SynapticField(np.random.default_rng(6).normal(size=(20, 24, 32)), sites)
    blocks = ProductBlocks(*(MatchingBlocks(g) for g in graphs))
    flow = nnrg.renormalize(field, blocks, levels=2)
    for null in draws(flow, "configuration"):
        for axis in (0, 1):
            np.testing.assert_array_equal(null.graphs[0][axis].degrees(), 4)


def test_independent_units_keep_their_one_point_law(regular):
    graph, values = regular
    flow = flow_of(values.astype(np.float32), graph)
    for null in draws(flow, "independent"):
        np.testing.assert_array_equal(
            np.sort(null.field.values, axis=0), np.sort(flow.field.values, axis=0)
        )
        own, near = (null.field.values[:, side] for side in edges_of(null.field.sites))
        assert abs(np.mean(own * near) / np.var(own)) < 5 / np.sqrt(own.size)
    with pytest.raises(AnalysisError, match="one sample"):
        draws(flow_of(graph_free_field(graph, 1, mass2=1.0, rng=1), graph), "independent")


def test_permuted_units_stay_in_their_population():
    layers = nx.bipartite.gnmk_random_graph(32, 32, 200, seed=4)
    matrix = nx.to_scipy_sparse_array(layers)
    graph = ConnectionGraph.from_sparse(matrix, populations=[("in", 32), ("out", 32)])
    values = np.repeat([0.0, 10.0], 32) + np.random.default_rng(7).normal(size=(20, 64))
    flow = flow_of(values, graph, levels=2)
    first = flow.field.sites.population == 0
    for null in draws(flow, "permutation"):
        assert null.field.values[:, first].max() < null.field.values[:, ~first].min()
        assert not np.array_equal(null.field.values, flow.field.values)


def test_surrogates_keep_the_covariance_of_all_units(regular):
    graph, values = regular
    flow = flow_of(np.sinh(values), graph)
    for null in draws(flow, "phase"):
        np.testing.assert_allclose(
            np.cov(null.field.values.T), np.cov(flow.field.values.T), atol=1e-8
        )
    with pytest.raises(AnalysisError, match="at least 16; take the null model 'gaussian'"):
        draws(flow_of(values[:9], graph), "phase")


@pytest.mark.parametrize("n_samples", [1, 30])
def test_free_field_on_a_torus_is_that_of_the_lattice(n_samples):
    values = gaussian_free_field((24, 16), n_samples, mass2=0.4, stiffness=0.7, rng=8)
    field = nnrg.SynapticField(values, nnrg.Lattice((24, 16), periodic=True))
    r, stiffness = fit_free_field(field)
    sites = nnrg.Lattice((24, 16), populations=((0,), (1,)))
    rings = [LabelBlocks(np.arange(n) // 2, graph=graph_of(nx.cycle_graph(n))) for n in (24, 16)]
    product = nnrg.renormalize(nnrg.SynapticField(values, sites), ProductBlocks(*rings), levels=1)
    found = fit_free_field_on_graphs(product)
    assert found[0] == pytest.approx(r, rel=1e-6)
    np.testing.assert_allclose(found[1], stiffness, rtol=1e-6)


@pytest.mark.parametrize("n_samples", [1, 40])
@pytest.mark.parametrize("signed", [False, True])
def test_free_field_is_fitted_and_drawn_on_the_same_graph(n_samples, signed):
    rng = np.random.default_rng(9)
    drawn = nx.barabasi_albert_graph(200, 3, seed=2)
    for a, b in drawn.edges:
        drawn.edges[a, b]["weight"] = float(rng.choice([-1.0, 1.0]) if signed else 1.0)
    graph = graph_of(drawn)
    values = graph_free_field(graph, n_samples, mass2=0.8, stiffness=0.5, rng=10) + 0.3
    flow = flow_of(values, graph, LabelBlocks(np.arange(200) // 2), levels=2)
    r, (stiffness,) = fit_free_field_on_graphs(flow)
    # Fisher information of r and Z: 1/2 sum over modes of (1, lambda)^2 / D^2.
    modes = np.linalg.eigvalsh(graph.laplacian("signed").toarray())
    parts = np.stack([np.ones(200), modes]) / (0.8 + 0.5 * modes)
    errors = np.sqrt(np.diag(np.linalg.inv(n_samples / 2 * parts @ parts.T)))
    assert abs(r - 0.8) < 4 * errors[0]
    assert abs(stiffness - 0.5) < 4 * errors[1]
    again = [fit_free_field_on_graphs(null) for null in draws(flow, "gaussian", count=12, seed=11)]
    numbers = np.array([[one[0], one[1][0]] for one in again])
    assert np.all(np.abs(numbers.mean(axis=0) - (r, stiffness)) < 4 * errors / np.sqrt(12))
    assert np.all(np.abs(numbers - (r, stiffness)) < 5 * errors)


def test_what_has_no_free_field_is_refused():
    with pytest.raises(AnalysisError, match="without edges"):
        draws(
            flow_of(
                np.random.default_rng(1).normal(size=(20, 16)),
                graph_of(nx.empty_graph(16)),
                LabelBlocks(np.arange(16) // 2),
                levels=2,
            ),
            "gaussian",
        )
    ring = graph_of(nx.cycle_graph(4100))
    values = np.random.default_rng(2).normal(size=(1, 4100))
    with pytest.raises(AnalysisError, match="more than 4000"):
        draws(flow_of(values, ring, levels=2), "gaussian")
    no_graph = nnrg.SynapticField(np.random.default_rng(3).normal(size=(60, 32)), nnrg.Lattice(32))
    with pytest.raises(AnalysisError, match="blocked without a graph"):
        draws(nnrg.renormalize(no_graph, PairBlocks(), levels=2), "configuration")


def test_every_null_model_runs_through_the_pipeline_of_a_graph(regular):
    graph, values = regular
    flow = flow_of(values, graph)
    names = ("permutation", "shuffle", "rows", "columns", "phase", "rotation", "gaussian")
    names = (*names, "configuration", "independent")
    nulls = [nnrg.NullModel(name, 3) for name in names]
    basis = nnrg.Basis(("phi2", "phi4", "grad2"))
    result = nnrg.fit_couplings(flow, basis=basis, nulls=nulls, rng=1)
    assert tuple(result.nulls) == names
    for name in names:
        assert np.isfinite(result.nulls[name]).all()
    stiffness = result.names.index("grad2:0")
    destroyed = {"permutation", "shuffle", "rows", "columns", "configuration", "independent"}
    for name in destroyed:
        assert np.abs(result.nulls[name][:, 0, stiffness]).max() < 0.2
    for name in ("phase", "gaussian"):
        assert np.abs(result.nulls[name][:, 0, stiffness] - 1).max() < 0.15


def test_verdict_speaks_of_the_topology(regular):
    graph, values = regular
    flow = flow_of(values, graph, levels=2)
    options = {"nulls": ("permutation", "configuration", "independent", "phase"), "rng": 2}
    basis = nnrg.Basis(("phi2", "phi4", "grad2"))
    couplings = nnrg.fit_couplings(flow, basis=basis, **options)
    told = verdict(couplings, flow.cumulants(order=4, **options))
    assert told.statement == "local structure"
    assert "local on the topology of" in told.reason and "degrees" not in told.reason
    fewer = flow.cumulants(order=4, nulls="permutation", rng=2)
    assert "degrees not ruled out: null model 'configuration' was not run" in verdict(fewer).reason
    assert {e.scale for test in told.tests for e in test.numbers} == set(flow.scales)
    assert couplings.attrs["sites_kind"] == "graph"
    assert couplings.attrs["periodic"] == 0


def test_a_free_field_on_a_graph_has_no_interactions(regular):
    graph, _ = regular
    basis, said = nnrg.Basis(("phi2", "phi4", "grad2")), []
    for seed in range(6):
        flow = flow_of(graph_free_field(graph, 60, mass2=0.3, rng=20 + seed), graph, levels=2)
        options = {"nulls": ("permutation", "phase"), "rng": seed}
        couplings = nnrg.fit_couplings(flow, basis=basis, **options)
        told = verdict(couplings, flow.cumulants(order=4, **options))
        assert told.statement != "indistinguishable from permuted"
        said.append("no interactions beyond Gaussian" in told.reason)
    # A draw of the null stands out among 20 others in one field of 21: four of six have 7e-5.
    assert said.count(False) < 4


def test_noise_on_a_graph_is_noise():
    graph = graph_of(nx.random_regular_graph(4, 128, seed=3))
    flow = flow_of(np.random.default_rng(12).normal(size=(60, 128)), graph)
    couplings = nnrg.fit_couplings(flow, basis=nnrg.Basis(("phi2", "phi4", "grad2")), rng=3)
    assert verdict(couplings).statement == "indistinguishable from permuted"


def test_interactions_on_a_graph_are_told():
    graph = graph_of(nx.random_regular_graph(4, 128, seed=3))
    values = phi4_graph(graph, 100, r=-1.5, u=6.0, rng=13, stride=40, thermalise=400)
    flow = flow_of(values, graph, levels=2)
    options = {"nulls": ("permutation", "phase"), "rng": 4}
    basis = nnrg.Basis(("phi2", "phi4", "grad2"))
    told = verdict(
        nnrg.fit_couplings(flow, basis=basis, **options), flow.cumulants(order=4, **options)
    )
    assert told.statement == "interactions beyond Gaussian"
