"""The effective action on graphs: operators, what a graph can tell, invariances."""

import networkx as nx
import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.custom_operator import CustomOperator
from nnrg.rg.graph_action.shells import edge_unit
from nnrg.rg.graph_action.terms import functions_outside, out_of_room
from nnrg.rg.level_fit import fit_level
from nnrg.rg.neighbourhoods.labels import LabelBlocks
from nnrg.rg.neighbourhoods.matching import MatchingBlocks
from nnrg.rg.neighbourhoods.product import ProductBlocks
from nnrg.simulate.gaussian import gaussian_free_field
from nnrg.simulate.graph_fields import graph_free_field, phi4_graph
from nnrg.simulate.phi4 import phi4_lattice


def graph_of(graph):
    return ConnectionGraph.from_networkx(nx.convert_node_labels_to_integers(graph))


def fit(values, graph, basis, **options):
    blocks = LabelBlocks(np.arange(values.shape[1]) // 2, graph=graph)
    field = nnrg.SynapticField(values, nnrg.Lattice(values.shape[1]))
    return nnrg.fit_couplings(
        nnrg.renormalize(field, blocks, levels=1, **options), basis=nnrg.Basis(basis), nulls=()
    )


def assert_same(one, other, names=None):
    """Values, errors, goodness of fit: equal up to rounding."""
    assert one.names == (names or other.names)
    np.testing.assert_allclose(one.values, other.values, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(one.errors(), other.errors(), rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(one.series["chi2"], other.series["chi2"], rtol=1e-6)


@pytest.fixture(scope="module")
def wired():
    """A weighted graph, some weights negative, with a field of its own."""
    rng = np.random.default_rng(1)
    drawn = nx.barabasi_albert_graph(120, 2, seed=3)
    for a, b in drawn.edges:
        drawn.edges[a, b]["weight"] = float(rng.choice([-1, 1]) * rng.uniform(0.5, 2))
    graph = ConnectionGraph.from_networkx(drawn)
    return graph, graph_free_field(graph, 60, mass2=1.0, stiffness=0.5, rng=2)


CHAIN = ("phi", "phi2", "phi3", "phi4", "grad2", "J:2", "J:3", "U:1", "U:2", "phi3phi:1")


def test_a_ring_is_a_periodic_chain():
    values = phi4_lattice(256, 40, r=0.5, u=3.0, rng=4, stride=20, thermalise=200)
    on_graph = fit(values, graph_of(nx.cycle_graph(256)), CHAIN)
    field = nnrg.SynapticField(values, nnrg.Lattice(256, periodic=True))
    on_lattice = nnrg.fit_couplings(
        nnrg.renormalize(field, levels=1), basis=nnrg.Basis(CHAIN), nulls=()
    )
    assert_same(on_graph, on_lattice)
    assert on_graph.series["sites"] == on_lattice.series["sites"] == [256 * 40]


def test_one_sample_is_told_by_regions_of_the_graph():
    # Regions are cut elsewhere than on the lattice: the whole is the same, errors are alike.
    values = phi4_lattice(4096, 1, r=0.5, u=3.0, rng=5, stride=20, thermalise=200)
    basis = nnrg.Basis(("phi2", "phi4", "grad2:0"))
    blocks = LabelBlocks(np.arange(4096) // 2, graph=graph_of(nx.cycle_graph(4096)))
    lattice = nnrg.Lattice(4096, periodic=True)
    flows = [
        nnrg.renormalize(nnrg.SynapticField(values, lattice), rule, levels=1)
        for rule in (blocks, None)
    ]
    one, other = (fit_level(flow, 0, basis) for flow in flows)
    np.testing.assert_allclose(one.whole, other.whole, rtol=1e-9)
    errors = [nnrg.fit_couplings(flow, basis=basis, nulls=()).errors() for flow in flows]
    assert flows[0].groups.kind == "regions"
    # Of two estimates of an error from some 20 regions each.
    assert np.all(np.abs(np.log(errors[0] / errors[1])) < 0.7)


def test_a_torus_is_a_periodic_lattice():
    values = gaussian_free_field((16, 16), 40, mass2=0.5, rng=5)
    torus = graph_of(nx.grid_2d_graph(16, 16, periodic=True))
    on_graph = fit(values.reshape(40, -1), torus, ("phi", "phi2", "phi4", "grad2", "U:1"))
    field = nnrg.SynapticField(values, nnrg.Lattice((16, 16), periodic=True))
    basis = nnrg.Basis(("phi", "phi2", "phi4", "J:1", "U:1"))
    on_lattice = nnrg.fit_couplings(nnrg.renormalize(field, levels=1), basis=basis, nulls=())
    # Distances differ, so do the tests of range: hops on the graph.
    np.testing.assert_allclose(on_graph.values, on_lattice.values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(on_graph.errors(), on_lattice.errors(), rtol=1e-9)


def test_the_product_of_two_rings_is_a_torus():
    values = gaussian_free_field((16, 12), 40, mass2=0.5, rng=6)
    basis = nnrg.Basis(("phi2", "phi4", "grad2"))
    sites = nnrg.Lattice((16, 12), populations=((0,), (1,)))
    rings = [LabelBlocks(np.arange(n) // 2, graph=graph_of(nx.cycle_graph(n))) for n in (16, 12)]
    flow = nnrg.renormalize(nnrg.SynapticField(values, sites), ProductBlocks(*rings), levels=1)
    on_graphs = nnrg.fit_couplings(flow, basis=basis, nulls=())
    field = nnrg.SynapticField(values, nnrg.Lattice((16, 12), periodic=True))
    on_lattice = nnrg.fit_couplings(nnrg.renormalize(field, levels=1), basis=basis, nulls=())
    assert on_graphs.names == ("phi2", "phi4", "grad2:0", "grad2:1")
    np.testing.assert_allclose(on_graphs.values, on_lattice.values, rtol=1e-9, atol=1e-12)
    assert on_graphs.attrs["sites_kind"] == "product"


def test_an_edgeless_graph_has_local_operators_only():
    values = np.random.default_rng(7).laplace(size=(50, 64))
    edgeless = graph_of(nx.empty_graph(64))
    on_graph = fit(values, edgeless, ("phi2", "phi4", "grad2", "J:2", "U:1"))
    field = nnrg.SynapticField(values, nnrg.Lattice(64, periodic=True))
    alone = nnrg.fit_couplings(
        nnrg.renormalize(field, levels=1), basis=nnrg.Basis(("phi2", "phi4")), nulls=()
    )
    np.testing.assert_allclose(on_graph.values[:, :2], alone.values, rtol=1e-12)
    np.testing.assert_allclose(on_graph.errors()[:, :2], alone.errors(), rtol=1e-9)
    assert np.isnan(on_graph.values[0, 2:]).all()
    assert all(flag.startswith("no edges") for flag in on_graph.flags[0][2:])


def test_relabelling_of_nodes_changes_nothing(wired):
    graph, values = wired
    order = np.random.default_rng(8).permutation(graph.n_nodes)
    basis = ("phi", "phi2", "phi4", "grad2", "J:2", "U:1")
    given = fit(values, graph, basis)
    relabelled = fit(values[:, order], graph.permuted(order), basis)
    assert_same(relabelled, given)
    assert np.isfinite(given.values).all()


def test_flow_on_a_graph_is_invariant_under_relabelling(wired):
    # Weights differ, so that no two edges tie and matching is unique.
    graph, values = wired
    graph = graph.strength("absolute")
    order = np.random.default_rng(9).permutation(graph.n_nodes)
    fits = []
    for nodes in (np.arange(graph.n_nodes), order):
        field = nnrg.SynapticField(values[:, nodes], graph.permuted(nodes))
        flow = nnrg.renormalize(field, MatchingBlocks(), levels=3)
        fits.append(nnrg.fit_couplings(flow, basis=nnrg.Basis.scalar(order=4), nulls=()))
    assert_same(fits[1], fits[0])


def test_unit_of_weights_does_not_matter(wired):
    graph, values = wired
    basis = ("phi2", "grad2", "J:2")
    heavier = ConnectionGraph.from_sparse(1000 * graph.to_sparse())
    assert edge_unit(heavier) == pytest.approx(1000 * edge_unit(graph))
    assert_same(fit(values, heavier, basis), fit(values, graph, basis))


def test_flipping_a_unit_and_its_weights_is_a_gauge(wired):
    # Signed: |w| (phi_x - sgn(w) phi_y)^2 is unchanged by phi_x -> -phi_x, w_xy -> -w_xy.
    graph, values = wired
    sign = np.random.default_rng(10).choice([-1.0, 1.0], graph.n_nodes)
    dense = graph.to_sparse().toarray()
    flipped = ConnectionGraph.from_sparse(sign[:, None] * dense * sign)
    basis = ("phi2", "phi4", "grad2", "U:1")
    one, other = fit(values, graph, basis), fit(values * sign, flipped, basis)
    np.testing.assert_allclose(one.values, other.values, rtol=1e-9)


def test_shells_that_tell_nothing_are_dropped_with_the_reason():
    names = ("phi2", "grad2", "J:2", "U:1")
    values = np.random.default_rng(11).normal(size=(60, 30))
    complete = fit(values, graph_of(nx.complete_graph(30)), names)
    assert np.isfinite(complete.values[0, :2]).all()
    assert complete.flags[0][2].startswith("no pairs: no two of 30 nodes are 2 hops apart")
    assert complete.flags[0][3].startswith("nearly all pairs")
    star = fit(values, graph_of(nx.star_graph(29)), names)
    assert star.flags[0][2].startswith("nearly all pairs")
    lonely = nx.disjoint_union(nx.path_graph(4), nx.empty_graph(26))
    assert fit(values, graph_of(lonely), names).flags[0][3].startswith("no room: 4 of 30")


def test_a_matrix_has_no_hops_and_a_missing_graph_no_neighbours():
    basis = nnrg.Basis.scalar(order=2, shells=1, quartic=1).on(2)
    ring = graph_of(nx.cycle_graph(8))
    reasons = out_of_room(basis, (ring, None))
    assert set(reasons) == {"grad2:1", "J:1.414", "U:1"}
    assert reasons["grad2:1"].startswith("no graph: the units of axis 1")
    assert reasons["U:1"].startswith("hops: U:1 needs a field on one graph")


def test_tests_of_range_are_outside_the_basis(wired):
    graph, _ = wired
    even = nnrg.Basis(("phi2", "phi4", "grad2:0"))
    assert list(functions_outside(even, (graph,))) == ["phi^2", "J:1", "U:1", "bounded"]
    ring = graph_of(nx.cycle_graph(12))
    assert list(functions_outside(even, (ring,))) == ["phi^2", "J:2", "U:1", "bounded"]
    with_range = nnrg.Basis(("phi2", "grad2:0", "J:2", "U:1"))
    assert "J:2" not in functions_outside(with_range, (ring,))
    assert "U:2" in functions_outside(with_range, (ring,))


def test_wrong_weights_do_not_fit():
    # A field on weights of two sizes, told with the weights of other edges: the fit says so.
    rng = np.random.default_rng(12)
    drawn = nx.random_regular_graph(4, 200, seed=1)
    weights = np.repeat([0.2, 1.8], drawn.number_of_edges() // 2)
    graphs = []
    for mixed in (rng.permutation(weights), rng.permutation(weights)):
        nx.set_edge_attributes(drawn, dict(zip(drawn.edges, mixed, strict=True)), "weight")
        graphs.append(ConnectionGraph.from_networkx(drawn))
    values = graph_free_field(graphs[0], 100, mass2=0.5, rng=13)
    right, wrong = (fit(values, graph, ("phi2", "phi4", "grad2")) for graph in graphs)
    assert right.series["p"][0] > 1e-3
    assert wrong.series["p"][0] < 1e-6


def test_operators_of_one_s_own():
    graph = graph_of(nx.cycle_graph(64))
    values = np.random.default_rng(14).normal(size=(60, 64))
    quartic = CustomOperator("quartic", lambda y: y**3 / 6, lambda y: y**2 / 2, fields=4)
    own = fit(values, graph, (nnrg.rg.operators.Operator("phi2"), quartic))
    known = fit(values, graph, ("phi2", "phi4"))
    np.testing.assert_allclose(own.values, known.values, rtol=1e-9)
    pair = CustomOperator("pair", lambda y, n: y - n, lambda y, n: 1.0, distance=1, fields=2)
    with pytest.raises(ArgumentError, match="on a graph operators of one's own"):
        fit(values, graph, (pair,))
    with pytest.raises(ArgumentError, match="phi2grad2 is not defined on a graph"):
        fit(values, graph, ("phi2", "phi2grad2"))
    with pytest.raises(AnalysisError, match="no operator of J:2"):
        fit(values, graph_of(nx.complete_graph(64)), ("J:2",))


def test_assumptions_are_checked_as_on_a_lattice():
    graph = graph_of(nx.cycle_graph(64))
    rng = np.random.default_rng(15)
    hard = fit(rng.uniform(-1, 1, size=(200, 64)), graph, ("phi2", "grad2"))
    assert "hard edge" in hard.flags[0][0]
    assert hard.estimate("phi2", 1).value == pytest.approx(0, abs=4 * hard.errors()[0, 0])
    spins = fit(rng.choice([-1.0, 1.0], size=(200, 64)), graph, ("phi2", "grad2"))
    assert "discrete values" in spins.flags[0][0]
    assert np.isnan(spins.values).all()
    uneven = rng.normal(size=(200, 64)) * np.repeat([0.5, 2.0], 32)
    assert "unequal variance of sites" in fit(uneven, graph, ("phi2", "phi4")).flags[0][0]


def test_phi4_chains_restart(tmp_path):
    graph = graph_of(nx.random_regular_graph(3, 40, seed=2))
    path = tmp_path / "chain.npz"
    options = {"r": 0.3, "u": 3.0, "rng": 16, "thermalise": 60, "stride": 7}
    whole = phi4_graph(graph, 12, **options)
    phi4_graph(graph, 5, **options, checkpoint=path)
    np.testing.assert_array_equal(phi4_graph(graph, 12, **options, checkpoint=path), whole)
    other = graph_of(nx.random_regular_graph(3, 40, seed=3))
    with pytest.raises(ArgumentError, match="another run: graph"):
        phi4_graph(other, 12, **options, checkpoint=path)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: graph_free_field(g, 3, mass2=0.0), "mass2 must be positive"),
        (lambda g: graph_free_field(g, 0, mass2=1.0), "n_samples must be an integer"),
        (lambda g: graph_free_field(nx.path_graph(3), 3, mass2=1.0), "must be a ConnectionGraph"),
        (lambda g: phi4_graph(g, 3, r=-1.0, u=0.0), "bounded from below"),
    ],
)
def test_bad_arguments_of_samplers_are_refused(call, message):
    with pytest.raises(ArgumentError, match=message):
        call(graph_of(nx.path_graph(4)))
