"""ConnectionGraph: made from matrices and networkx graphs, contracted, permuted, cut."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array

from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.graph.connection_graph import ConnectionGraph


def random_graph(n: int = 40, p: float = 0.2, seed: int = 1, signed: bool = True):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((n, n)) < p, 1) * rng.normal(size=(n, n))
    dense = upper + upper.T
    return dense if signed else np.abs(dense)


def test_a_matrix_goes_in_and_comes_out():
    dense = random_graph()
    for given in (dense, csr_array(dense), coo_array(dense)):
        graph = ConnectionGraph.from_sparse(given)
        np.testing.assert_array_equal(graph.to_sparse().toarray(), dense)
        assert graph.notes == ()
    assert graph.n_edges == np.count_nonzero(np.triu(dense)) and graph.signed


def test_networkx_goes_in_and_comes_out():
    dense = random_graph()
    graph = ConnectionGraph.from_sparse(dense, populations=[("a", 15), ("b", 25)])
    back = ConnectionGraph.from_networkx(graph.to_networkx())
    np.testing.assert_array_equal(back.to_sparse().toarray(), dense)
    assert back.populations == (("a", 15), ("b", 25))
    assert nx.number_connected_components(graph.to_networkx()) == graph.components().max() + 1


def test_edges_without_weight_count_one_and_parallel_ones_add_up():
    multi = nx.MultiGraph()
    multi.add_nodes_from(range(3))
    multi.add_edges_from([(0, 1), (0, 1), (1, 2)])
    weights = ConnectionGraph.from_networkx(multi).to_sparse().toarray()
    assert weights[0, 1] == 2 and weights[1, 2] == 1 and weights[0, 2] == 0


def test_rules_for_loops_duplicates_directions_and_zeros_are_said():
    loops = ConnectionGraph.from_sparse(np.array([[2.0, 1.0], [1.0, 0.0]]))
    assert loops.notes == ("1 self-loops left out, of total weight 2",)
    twice = coo_array(([1.0, 1.0, 2.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    graph = ConnectionGraph.from_sparse(twice)
    assert graph.weights.tolist() == [2.0, 2.0] and "1 duplicate" in graph.notes[0]
    both_ways = ConnectionGraph.from_networkx(nx.DiGraph([(0, 1), (1, 0), (1, 2)]))
    assert both_ways.to_sparse().toarray().tolist() == [[0, 2, 0], [2, 0, 1], [0, 1, 0]]
    zero = coo_array(([0.0, 1.0, 1.0], ([0, 1, 2], [1, 2, 1])), shape=(3, 3))
    assert ConnectionGraph.from_sparse(zero).n_edges == 1


def test_directed_edges_are_added_up():
    graph = ConnectionGraph.from_sparse(np.array([[0.0, 2.0], [-0.5, 0.0]]))
    assert graph.weights.tolist() == [1.5, 1.5] and "directed" in graph.notes[0]


def test_laplacians_have_their_laws():
    graph = ConnectionGraph.from_sparse(random_graph(signed=False))
    plain, normalised = (graph.laplacian(k).toarray() for k in ("combinatorial", "normalised"))
    np.testing.assert_allclose(plain.sum(axis=0), 0, atol=1e-12)
    assert np.linalg.eigvalsh(plain)[0] > -1e-10
    spectrum = np.linalg.eigvalsh(normalised)
    assert -1e-10 < spectrum[0] and spectrum[-1] < 2 + 1e-10
    np.testing.assert_array_equal(graph.laplacian("signed").toarray(), plain)
    signed = ConnectionGraph.from_sparse(random_graph())
    assert np.linalg.eigvalsh(signed.laplacian("signed").toarray())[0] > -1e-10
    with pytest.raises(ArgumentError, match="kind='signed'"):
        signed.laplacian()


def test_a_balanced_signed_graph_has_the_spectrum_of_the_unsigned_one():
    dense = random_graph(signed=False)
    flip = np.random.default_rng(2).choice([-1.0, 1.0], dense.shape[0])
    balanced = ConnectionGraph.from_sparse(flip[:, None] * dense * flip)
    unsigned = ConnectionGraph.from_sparse(dense)
    np.testing.assert_allclose(
        np.linalg.eigvalsh(balanced.laplacian("signed").toarray()),
        np.linalg.eigvalsh(unsigned.laplacian().toarray()),
        atol=1e-10,
    )


def test_contraction_is_the_galerkin_product():
    dense = random_graph(60, 0.3)
    labels = np.random.default_rng(3).integers(0, 9, 60)
    graph = ConnectionGraph.from_sparse(dense)
    member = np.eye(9)[labels]
    expected = member.T @ dense @ member
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(graph.contracted(labels).to_sparse().toarray(), expected, atol=1e-12)


def test_contraction_keeps_populations_that_blocks_do_not_mix():
    graph = ConnectionGraph.from_sparse(random_graph(6, 0.9), populations=[("a", 2), ("b", 4)])
    assert graph.contracted([0, 0, 1, 1, 2, 2]).populations == (("a", 1), ("b", 2))
    assert graph.contracted([0, 0, 0, 1, 1, 1]).names == ("blocks of several populations",)


def test_relabelling_changes_nothing_else():
    dense = random_graph()
    order = np.random.default_rng(4).permutation(dense.shape[0])
    graph = ConnectionGraph.from_sparse(dense, populations=[("a", 10), ("b", 30)])
    moved = graph.permuted(order)
    np.testing.assert_array_equal(moved.to_sparse().toarray(), dense[np.ix_(order, order)])
    np.testing.assert_array_equal(moved.degrees(), graph.degrees()[order])
    np.testing.assert_allclose(moved.strengths(), graph.strengths()[order])
    assert moved.populations == graph.populations
    np.testing.assert_array_equal(moved.population, graph.population[order])


def test_parts_of_a_graph():
    graph = ConnectionGraph.from_sparse(random_graph(), populations=[("a", 10), ("b", 30)])
    part = graph.of_population("b")
    np.testing.assert_array_equal(part.to_sparse().toarray(), graph.to_sparse().toarray()[10:, 10:])
    with pytest.raises(ArgumentError, match="no population 'c'"):
        graph.of_population("c")


def test_distance_shells_are_those_of_networkx():
    graph = ConnectionGraph.from_sparse(random_graph(30, 0.08))
    shells = graph.distance_shells(3)
    lengths = dict(nx.all_pairs_shortest_path_length(graph.to_networkx()))
    for r, shell in shells.items():
        expected = {(i, j) for i, row in lengths.items() for j, d in row.items() if d == r}
        assert set(zip(*(c.tolist() for c in shell.tocoo().coords), strict=True)) == expected
    with pytest.raises(AnalysisError, match="shorter distances"):
        graph.distance_shells(3, most=10)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ones((2, 3)), "must be square"),
        (np.zeros((0, 0)), "at least one node"),
        (np.array([[0, 1j], [1j, 0]]), "real numbers"),
        ("graph", "must be square"),
        ([[0, 1], [1]], "must be square"),
    ],
)
def test_what_is_no_adjacency_matrix_is_refused(given, message):
    with pytest.raises(ArgumentError, match=message):
        ConnectionGraph.from_sparse(given)


def test_weights_that_are_not_finite_are_refused():
    with pytest.raises(NonFiniteError, match="2 of 2 edges"):
        ConnectionGraph.from_sparse(csr_array(np.array([[0, np.nan], [np.inf, 0]])))


def test_graphs_of_one_and_two_nodes():
    one = ConnectionGraph.from_sparse(np.zeros((1, 1)))
    assert one.n_nodes == 1 and one.n_edges == 0 and one.components().tolist() == [0]
    two = ConnectionGraph.from_networkx(nx.path_graph(2))
    assert two.contracted([0, 0]).n_edges == 0
    assert repr(two) == "ConnectionGraph(2 nodes, 1 edges, 1 component)"


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 1], "one integer for each"), ([0, 0, 2], "without gaps"), ([-1, 0, 1], "without gaps")],
)
def test_labels_must_cover_every_site(labels, message):
    with pytest.raises(ArgumentError, match=message):
        ConnectionGraph.from_networkx(nx.path_graph(3)).contracted(labels)
