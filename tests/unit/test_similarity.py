"""Graphs of similar units: exact neighbours, relabelling, ties, units without a direction."""

from __future__ import annotations

import numpy as np
import pytest

import nnrg.graph.similarity as similarity
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.graph.similarity import similarity_graph, similarity_graph_of_products


def naive(vectors, k, measure, absolute=False, both=False):
    """Every pair by itself: the adjacency matrix, dense."""
    n = len(vectors)
    s = np.full((n, n), -np.inf)
    for i in range(n):
        for j in range(n):
            a, b = vectors[i], vectors[j]
            if i == j:
                continue
            if measure == "euclidean":
                s[i, j] = -np.sum((a - b) ** 2)
                continue
            if measure == "correlation":
                a, b = a - a.mean(), b - b.mean()
            s[i, j] = a @ b / np.sqrt((a @ a) * (b @ b))
            s[i, j] = abs(s[i, j]) if absolute else s[i, j]
    asks = np.zeros((n, n), dtype=bool)
    for i in range(n):
        asks[i, np.argsort(-s[i], kind="stable")[:k]] = True
    if measure == "euclidean":
        last = [-s[i][asks[i]].min() for i in range(n)]
        s = np.exp(s / (2 * np.median(last)))
    keep = (asks & asks.T) if both else (asks | asks.T)
    return np.where(keep & (s > 0), s, 0.0)


@pytest.mark.parametrize("measure", ["cosine", "correlation", "euclidean"])
@pytest.mark.parametrize("joined_by", ["either", "both"])
@pytest.mark.parametrize("absolute", [False, True])
def test_the_graph_is_that_of_every_pair_by_itself(measure, joined_by, absolute, monkeypatch):
    if absolute and measure == "euclidean":
        with pytest.raises(ArgumentError, match="no sign"):
            similarity_graph(np.eye(5), measure=measure, absolute=True, neighbours=2)
        return
    monkeypatch.setattr(similarity, "_SLAB", 150)  # several slabs, the last one shorter
    vectors = np.random.default_rng(1).normal(size=(37, 6)) + 0.3
    graph = similarity_graph(
        vectors, neighbours=4, measure=measure, joined_by=joined_by, absolute=absolute
    )
    expected = naive(vectors, 4, measure, absolute, joined_by == "both")
    np.testing.assert_allclose(graph.to_sparse().toarray(), expected, atol=1e-10)


@pytest.mark.parametrize("measure", ["cosine", "correlation", "euclidean"])
def test_relabelling_the_units_relabels_the_graph(measure):
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(200, 12))
    vectors[50:60] = vectors[:10]  # copies: ties
    order = rng.permutation(200)
    graph = similarity_graph(vectors, neighbours=5, measure=measure).permuted(order)
    other = similarity_graph(vectors[order], neighbours=5, measure=measure)
    assert np.array_equal(graph.indptr, other.indptr)
    assert np.array_equal(graph.indices, other.indices)
    np.testing.assert_allclose(graph.weights, other.weights, rtol=1e-10)


def test_scaling_a_unit_does_not_change_angles_even_near_the_ends_of_the_doubles():
    vectors = np.random.default_rng(3).normal(size=(30, 5))
    scale = np.geomspace(1e-250, 1e250, 30)[:, None]
    one, other = (similarity_graph(v, neighbours=3) for v in (vectors, vectors * scale))
    assert np.array_equal(one.indices, other.indices)


def test_units_without_a_direction_are_isolated_and_named():
    vectors = np.random.default_rng(4).normal(size=(20, 7))
    vectors[3] = 0
    vectors[11] = 0.1  # constant: no direction once its mean is out
    cosine = similarity_graph(vectors, neighbours=19)
    assert cosine.degrees()[3] == 0 and cosine.degrees()[11] > 0
    correlation = similarity_graph(vectors, neighbours=4, measure="correlation")
    assert np.array_equal(np.flatnonzero(correlation.degrees() == 0), [3, 11])
    assert any("2 units have no direction" in n and "3, 11" in n for n in correlation.notes)


def test_neighbours_that_are_not_alike_are_no_edges_and_counted():
    graph = similarity_graph(np.array([[1.0, 0], [1, 0.1], [-1, 0.05]]), neighbours=2)
    assert graph.n_edges == 1
    assert any("4 of 6 nearest neighbours are not alike" in note for note in graph.notes)
    opposite = similarity_graph(
        np.array([[1.0, 0], [1, 0.1], [-1, 0.05]]), neighbours=2, absolute=True
    )
    assert opposite.n_edges == 3


def test_bad_input_is_refused_by_name():
    good = np.random.default_rng(5).normal(size=(30, 3))
    with pytest.raises(ArgumentError, match=r"\(n_units, n_features\)"):
        similarity_graph(good[0])
    with pytest.raises(ArgumentError, match="neighbours must be an integer from 1 to 29"):
        similarity_graph(good, neighbours=30)
    with pytest.raises(ArgumentError, match="measure"):
        similarity_graph(good, measure="dot")
    with pytest.raises(ArgumentError, match="joined_by"):
        similarity_graph(good, joined_by="union")
    with pytest.raises(ArgumentError, match="real numbers"):
        similarity_graph(good * 1j)
    with pytest.raises(ArgumentError, match="real numbers"):
        similarity_graph([["a", "b"], ["c", "d"]], neighbours=1)
    with pytest.raises(NonFiniteError, match="1 of 90"):
        similarity_graph(np.where(np.arange(90).reshape(30, 3) == 7, np.nan, good))
    with pytest.raises(AnalysisError, match="equally near"):
        similarity_graph(np.ones((300, 4)), neighbours=2)
    with pytest.raises(AnalysisError, match="positive similarity"):
        similarity_graph(np.zeros((5, 4)), neighbours=2)
    with pytest.raises(AnalysisError, match="distances tell nothing"):
        similarity_graph(np.ones((30, 4)), neighbours=2, measure="euclidean")


def test_the_picture_of_a_graph_shows_signs_components_and_what_was_left_out():
    from nnrg.graph.connection_graph import ConnectionGraph
    from nnrg.plot._graph import graph as draw

    dense = np.zeros((7, 7))
    dense[0, 1] = dense[1, 2] = 1.0
    dense[3, 4] = -2.0
    dense[4, 5] = 0.5
    signed = ConnectionGraph.from_sparse(dense + dense.T, populations=[("a", 3), ("b", 4)])
    ax = draw(signed)
    assert ax.get_title() == "7 nodes, 4 edges, 1 isolated not drawn"
    (lines,) = ax.collections[:1]
    segments, colours = lines.get_segments(), lines.get_colors()
    assert len(segments) == 4 and len(np.unique(colours, axis=0)) == 2
    # The strongest edge is drawn last, and is the only negative one.
    assert (np.all(colours == colours[-1], axis=1)).sum() == 1
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]
    assert draw(signed, most_edges=2).get_title().startswith("7 nodes, strongest 2 of 4")
    assert len(draw(signed, values=np.arange(7.0)).figure.axes) == 2
    again = draw(signed)
    np.testing.assert_array_equal(
        again.collections[1].get_offsets(), ax.collections[1].get_offsets()
    )
    with pytest.raises(ArgumentError, match="not both"):
        draw(signed, values=np.zeros(7), labels=np.zeros(7, dtype=int))
    with pytest.raises(ArgumentError, match="each of 7 nodes"):
        draw(signed, values=np.zeros(6))
    with pytest.raises(ArgumentError, match="finite"):
        draw(signed, values=np.full(7, np.nan))


def test_a_large_graph_is_laid_out_by_its_lowest_modes():
    from nnrg.plot._graph import graph as draw

    angle = np.sort(np.random.default_rng(6).uniform(0, 2 * np.pi, 400))
    ring = similarity_graph(np.stack([np.cos(angle), np.sin(angle)], axis=1), neighbours=8)
    place = np.asarray(draw(ring).collections[1].get_offsets())
    apart = np.linalg.norm(place - np.roll(place, 1, axis=0), axis=1)
    across = np.linalg.norm(place - np.roll(place, 200, axis=0), axis=1)
    assert np.median(apart) < np.median(across) / 20


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("joined_by", ["either", "both"])
def test_products_of_vectors_give_the_graph_of_the_vectors(absolute, joined_by):
    """Units without a direction too, and slabs of rows."""
    vectors = np.random.default_rng(8).normal(size=(50, 7))
    vectors[[3, 41]] = 0
    options = {"neighbours": 4, "absolute": absolute, "joined_by": joined_by}
    one = similarity_graph(vectors, **options)
    other = similarity_graph_of_products(vectors @ vectors.T, **options)
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_array_equal(one.indptr, other.indptr)
    np.testing.assert_allclose(one.weights, other.weights, rtol=0, atol=2e-12)
    assert one.notes == other.notes


def test_products_that_are_not_finite_are_refused():
    products = np.eye(4)
    products[1, 2] = np.nan
    with pytest.raises(NonFiniteError, match="1 of 16"):
        similarity_graph_of_products(products, neighbours=1)
