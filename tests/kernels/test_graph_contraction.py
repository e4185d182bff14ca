"""Contraction of graphs against dense products, and its laws."""

import numba
import numpy as np
import pytest
import scipy.sparse
from kernels.reference_graph import as_arrays, as_sparse, permuted, random_graph
from numpy.testing import assert_allclose, assert_array_equal

from kernels import reference_graph
from nnrg_kernels import _graph_merge
from nnrg_kernels.graph_contraction import contract


def integers(rng, size):
    """Weights whose sums are exact, and often zero."""
    return rng.integers(-2, 3, size) * 1.0 + 0.0


def numbers(rng, size):
    return rng.integers(1, 9, size) * 1.0


def whole(graph):
    return as_sparse(graph).toarray()


def assert_graph(graph):
    """Symmetric to the bit, columns ascending, no diagonal, no zero."""
    indptr, indices, weights = graph
    assert indptr[0] == 0 and indptr[-1] == indices.size == weights.size
    for row in range(indptr.size - 1):
        columns = indices[indptr[row] : indptr[row + 1]]
        assert np.all(np.diff(columns) > 0) and row not in columns
    dense = whole(graph)
    assert_array_equal(dense, dense.T)
    assert np.all(weights != 0)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n", "edges", "n_blocks"), [(40, 90, 20), (60, 1500, 60), (300, 9000, 30), (300, 4000, 3)]
)
def test_dense_product(n, edges, n_blocks, dtype, index, rng):
    graph = random_graph(rng, n, edges, dtype, index)
    labels = rng.permutation(np.arange(n) % n_blocks)
    *found, within = contract(*graph, labels, n_blocks)
    expected, inside = reference_graph.contract(graph, labels, n_blocks)
    assert_graph(found)
    assert found[1].dtype == index and found[2].dtype == dtype
    rtol = 1e-6 if dtype == np.float32 else 1e-12
    assert_allclose(whole(found), expected, rtol=rtol, atol=1e-12 if dtype == np.float64 else 2e-6)
    assert_allclose(within, inside, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("edges", [60, 6000])
def test_sums_of_exactly_zero_are_no_edges(edges, rng):
    graph = random_graph(rng, 200, edges, weights=lambda g, m: g.choice([-1.0, 1.0], m))
    labels = rng.integers(0, 25, 200)
    labels[:25] = np.arange(25)
    *found, within = contract(*graph, labels, 25)
    expected, inside = reference_graph.contract(graph, labels, 25)
    assert np.count_nonzero(expected == 0) > 25  # more than the diagonal
    assert_graph(found)
    assert_array_equal(whole(found), expected)
    assert_array_equal(within, inside)


def test_few_and_many_entries_give_the_same(rng, monkeypatch):
    graph = random_graph(rng, 400, 1200)
    labels = rng.permutation(np.arange(400) // 8)
    rows = np.bincount(labels[np.repeat(np.arange(400), np.diff(graph[0]))])
    assert 1 < np.median(rows) < _graph_merge.FEW
    few = contract(*graph, labels, 50)
    # One block with most of the nodes has more entries than FEW; the others keep their labels.
    hub = np.where(labels < 25, 0, labels - 24)
    many = contract(*graph, hub, 26)
    expected, _ = reference_graph.contract(graph, hub, 26)
    assert_allclose(whole(many[:3]), expected, rtol=1e-12, atol=1e-12)
    assert_array_equal(whole(few[:3])[25:, 25:], whole(many[:3])[1:, 1:])


def test_columns_beyond_one_word_of_the_summary(rng):
    n = 20_000
    center = np.arange(1, n)
    star = (
        np.concatenate([[0, n - 1], n - 1 + np.arange(1, n)]),
        np.concatenate([center, np.zeros(n - 1, int)]),
        np.concatenate([rng.normal(size=n - 1)] * 2),
    )
    star[2][n - 1 :] = star[2][: n - 1]
    *found, within = contract(*star, np.arange(n), n)
    for got, want in zip(found, star, strict=True):
        assert_array_equal(got, want)
    assert not within.any()


def test_partition_of_a_partition_is_the_composed_one(rng):
    graph = random_graph(rng, 300, 2500, weights=integers)
    graph = as_arrays(whole(graph))
    fine = rng.permutation(np.arange(300) % 90)
    coarse = rng.permutation(np.arange(90) % 12)
    *middle, inside = contract(*graph, fine, 90)
    *found, outer = contract(*middle, coarse, 12)
    *expected, within = contract(*graph, coarse[fine], 12)
    for got, want in zip(found, expected, strict=True):
        assert_array_equal(got, want)
    assert_array_equal(outer + np.bincount(coarse, inside), within)


def test_total_weight_is_kept(rng):
    graph = random_graph(rng, 500, 3000, weights=numbers)
    *found, within = contract(*graph, rng.permutation(np.arange(500) % 40), 40)
    assert found[2].sum() / 2 + within.sum() == graph[2].sum() / 2


def test_order_of_the_nodes_does_not_matter(rng):
    graph = random_graph(rng, 200, 1500, weights=numbers)
    labels = rng.permutation(np.arange(200) % 33)
    order, names = rng.permutation(200), rng.permutation(33)
    expected = contract(*graph, labels, 33)
    found = contract(*permuted(graph, order), names[labels[order]], 33)
    for got, want in zip(found[:3], permuted(expected[:3], np.argsort(names)), strict=True):
        assert_array_equal(got, want)
    assert_array_equal(found[3][names], expected[3])


def test_threads_do_not_change_a_bit(rng):
    """Enough entries for several ranges of rows; against SciPy's triple product, too."""
    graph = random_graph(rng, 20_000, 60_000, np.float32)
    labels = rng.permutation(np.arange(20_000) // 3)
    before = numba.get_num_threads()
    results = []
    for threads in sorted({1, before}):
        numba.set_num_threads(threads)
        results.append(contract(*graph, labels, labels.max() + 1))
    numba.set_num_threads(before)
    for got, want in zip(results[0], results[-1], strict=True):
        assert_array_equal(got, want)
    n_blocks = labels.max() + 1
    p = scipy.sparse.csr_array((np.ones(labels.size), (np.arange(labels.size), labels)))
    expected = (p.T @ as_sparse(graph) @ p).tocoo()
    inside = expected.row == expected.col
    diagonal = np.bincount(expected.row[inside], expected.data[inside], n_blocks)
    assert_allclose(diagonal, 2 * results[0][3], atol=1e-12)
    indptr, indices, weights, _ = results[0]
    rows = np.repeat(np.arange(n_blocks), np.diff(indptr))
    order = np.lexsort((expected.col[~inside], expected.row[~inside]))
    assert_array_equal(rows, expected.row[~inside][order])
    assert_array_equal(indices, expected.col[~inside][order])
    assert_allclose(weights, expected.data[~inside][order], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_graphs_without_edges(n):
    graph = np.zeros(n + 1, np.int64), np.empty(0, np.int64), np.empty(0)
    *found, within = contract(*graph, np.arange(n), n)
    assert_array_equal(found[0], graph[0])
    assert found[1].size == found[2].size == 0
    assert_array_equal(within, np.zeros(n))


def test_one_block_keeps_only_its_sum(rng):
    graph = random_graph(rng, 50, 300, weights=numbers)
    indptr, indices, _, within = contract(*graph, np.zeros(50, np.int64), 1)
    assert_array_equal(indptr, [0, 0])
    assert indices.size == 0
    assert_array_equal(within, [graph[2].sum() / 2])


def test_isolated_nodes_and_empty_blocks_stay_without_neighbours():
    graph = as_arrays(np.array([[0, 2.0, 0], [2, 0, 0], [0, 0, 0]]))
    indptr, indices, weights, within = contract(*graph, np.array([4, 1, 2]), 6)
    assert_array_equal(indptr, [0, 0, 1, 1, 1, 2, 2])
    assert_array_equal(indices, [4, 1])
    assert_array_equal(weights, [2, 2])
    assert_array_equal(within, np.zeros(6))


def test_not_a_number_is_kept():
    dense = np.array([[0, np.nan, 1], [np.nan, 0, 0], [1, 0, 0]])
    _, indices, weights, _ = contract(*as_arrays(dense), np.arange(3), 3)
    assert_array_equal(indices, [1, 2, 0, 0])
    assert_array_equal(weights, [np.nan, 1, np.nan, 1])
