"""Actions on graphs with known couplings: free fields, phi^4, and their null models."""

import networkx as nx
import numpy as np
import pytest
from physics.agreement import p_value

import nnrg
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods.labels import LabelBlocks
from nnrg.rg.neighbourhoods.matching import MatchingBlocks
from nnrg.simulate.graph_fields import graph_free_field, phi4_graph

FREE, PHI4 = "Free field on graphs", "phi^4 on graphs"
QUADRATIC = nnrg.Basis(("phi2", "grad2:0"))
QUARTIC = nnrg.Basis(("phi2", "phi4", "grad2:0"))


def graph_of(graph):
    return ConnectionGraph.from_networkx(nx.convert_node_labels_to_integers(graph))


def signed(graph, seed):
    rng = np.random.default_rng(seed)
    for a, b in graph.edges:
        graph.edges[a, b]["weight"] = float(rng.choice([-1, 1]) * rng.uniform(0.2, 2))
    return graph


# Of the complete graph one mode in a sample tells r apart from r + n Z: it takes more samples.
GRAPHS = {
    "ring": (graph_of(nx.cycle_graph(64)), 40),
    "torus": (graph_of(nx.grid_2d_graph(8, 8, periodic=True)), 40),
    "Barabasi-Albert graph": (graph_of(nx.barabasi_albert_graph(64, 2, seed=1)), 40),
    "complete graph": (graph_of(nx.complete_graph(24)), 240),
    "random signed graph": (graph_of(signed(nx.gnm_random_graph(64, 160, seed=2), 3)), 40),
}


def fit(values, graph, basis):
    blocks = LabelBlocks(np.arange(values.shape[1]) // 2, graph=graph)
    flow = nnrg.renormalize(nnrg.SynapticField(values, graph), blocks, levels=1)
    return nnrg.fit_couplings(flow, basis=basis, nulls=())


@pytest.mark.parametrize("name", GRAPHS)
def test_free_field_couplings(name, checked):
    graph, _ = GRAPHS[name]
    known = (0.6, 0.5)
    values = graph_free_field(graph, 4000, mass2=known[0], stiffness=known[1], rng=1)
    found = fit(values, graph, QUADRATIC)
    assert p_value(found, QUADRATIC.names, [known]) > 1e-4
    assert found.series["p"][0] > 1e-4
    for operator, expected in zip(QUADRATIC.names, known, strict=True):
        e = found.estimate(operator, 1)
        checked(FREE, f"{operator}, {name}", expected, e.value, e.error, within=4.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", GRAPHS)
def test_errors_of_free_field_couplings_cover(name):
    # Standard deviations of 120 pulls have an error of 6.5 %, and Student's t of some forty groups
    # adds 2 to 3 %: false alarms below one in a hundred for each number.
    graph, n_samples = GRAPHS[name]
    known = np.array([0.6, 0.5])
    fields = graph_free_field(graph, 120 * n_samples, mass2=known[0], stiffness=known[1], rng=2)
    pulls = []
    for values in fields.reshape(120, n_samples, -1):
        found = fit(values, graph, QUADRATIC)
        pulls.append((found.values[0] - known) / found.errors()[0])
    pulls = np.array(pulls)
    assert np.all(np.abs(pulls.mean(axis=0)) < 3 / np.sqrt(120))
    spread = pulls.std(axis=0, ddof=1)
    assert np.all((spread > 0.85) & (spread < 1.2)), spread


@pytest.mark.parametrize("name", ["random 3-regular graph", "torus"])
def test_phi4_couplings(name, checked):
    graph = {
        "random 3-regular graph": lambda: graph_of(nx.random_regular_graph(3, 256, seed=4)),
        "torus": lambda: graph_of(nx.grid_2d_graph(16, 16, periodic=True)),
    }[name]()
    known = {"phi2": -0.3, "phi4": 3.0, "grad2:0": 1.0}
    values = phi4_graph(graph, 1200, r=-0.3, u=3.0, rng=5, stride=25, thermalise=500)
    found = fit(values, graph, QUARTIC)
    assert p_value(found, QUARTIC.names, [list(known.values())]) > 1e-4
    assert found.series["p"][0] > 1e-4
    for operator, expected in known.items():
        e = found.estimate(operator, 1)
        checked(PHI4, f"{operator}, {name}", expected, e.value, e.error, within=4.5)


def test_couplings_at_two_hops_are_found(checked):
    graph = graph_of(nx.random_regular_graph(3, 200, seed=6))
    shell = graph.distance_shells(2)[2]
    both = ConnectionGraph.from_sparse(0.8 * graph.to_sparse() + 0.15 * shell)
    unit = float(np.abs(both.weights).mean())
    options = {"r": 0.2, "u": 3.0, "stride": 20, "thermalise": 400}
    basis = nnrg.Basis(("phi2", "phi4", "grad2:0", "J:2", "U:1"))
    known = [0.2, 3.0, 0.8, 0.15, 0.0]
    found = fit(phi4_graph(both, 1200, **options, stiffness=unit, rng=7), graph, basis)
    assert p_value(found, basis.names, [known]) > 1e-4
    for operator, expected in zip(basis.names, known, strict=True):
        e = found.estimate(operator, 1)
        quantity = f"{operator}, J(2) = 0.15 on a random 3-regular graph"
        checked(PHI4, quantity, expected, e.value, e.error, within=4.5)
    # Left out of the basis it is seen by the test of range.
    short = fit(phi4_graph(both, 400, **options, stiffness=unit, rng=8), graph, QUARTIC)
    assert short.series["p"][0] < 1e-6
    assert abs(short.series["residual:J:2"][0]) > 5


def test_weights_are_those_of_the_action(checked):
    rng = np.random.default_rng(9)
    drawn = nx.random_regular_graph(4, 200, seed=10)
    for a, b in drawn.edges:
        drawn.edges[a, b]["weight"] = float(rng.lognormal())
    graph = graph_of(drawn)
    values = graph_free_field(graph, 1500, mass2=0.5, stiffness=0.7, rng=11)
    found = fit(values, graph, QUARTIC)
    assert found.series["p"][0] > 1e-4
    for operator, expected in (("phi2", 0.5), ("phi4", 0.0), ("grad2:0", 0.7)):
        e = found.estimate(operator, 1)
        checked(FREE, f"{operator}, weights of unequal size", expected, e.value, e.error)


@pytest.mark.slow
def test_scores_of_noise_are_normal():
    # Row 85: on independent numbers scores against any null model are those of Student's t with
    # 19 degrees of freedom, of standard deviation 1.06. Numbers of one field depend on one
    # another; of 30 fields the standard deviation is known to some 13 %.
    graph = graph_of(nx.barabasi_albert_graph(128, 3, seed=12))
    rng = np.random.default_rng(13)
    scores = {}
    names = ("permutation", "configuration", "independent", "gaussian")
    for seed in range(30):
        values = rng.normal(size=(40, 128))
        flow = nnrg.renormalize(nnrg.SynapticField(values, graph), MatchingBlocks(), levels=3)
        options = {"nulls": tuple(nnrg.NullModel(n, 20) for n in names), "rng": seed}
        found = flow.cumulants(order=4, **options)
        at = [found.names.index(n) for n in ("kappa_2", "neighbour:0")]
        for name in names:
            scores.setdefault(name, []).append(found.z(name)[1:, at].ravel())
    for name in names:
        z = np.array(scores[name])
        assert np.all(np.abs(z.mean(axis=0)) < 4.5 * 1.06 / np.sqrt(30)), (name, z.mean(axis=0))
        assert np.all((z.std(axis=0) > 0.6) & (z.std(axis=0) < 1.5)), (name, z.std(axis=0))
