"""Sums over neighbours and blocks, and distance shells, against dense arrays."""

import numba
import numpy as np
import pytest
from kernels.reference_graph import as_sparse, permuted, random_graph
from numpy.testing import assert_allclose, assert_array_equal

from kernels import reference_graph
from nnrg_kernels.graph_neighbours import (
    block_means,
    block_sums,
    empty_columns,
    neighbour_sum,
    shells,
)


def lists(rows):
    return [indices.tolist() for _, indices in rows], [indptr.tolist() for indptr, _ in rows]


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (8,), (16,), (21,)])
def test_matrix_product(shape, dtype, index, rng):
    graph = random_graph(rng, 120, 700, dtype, index)
    values = rng.normal(size=(120, *shape)).astype(dtype)
    expected = as_sparse(graph).toarray() @ values.astype(np.float64)
    found = neighbour_sum(*graph, values)
    assert found.dtype == dtype and found.shape == values.shape
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    assert_allclose(found, expected, rtol=tolerance, atol=10 * tolerance)
    out = np.full_like(values, np.nan)
    assert neighbour_sum(*graph, values, out) is out
    assert_array_equal(out, found)


def test_products_of_many_rows_do_not_depend_on_threads(rng):
    graph = random_graph(rng, 30_000, 90_000)
    values = rng.normal(size=(30_000, 8))
    before = numba.get_num_threads()
    results = []
    for threads in sorted({1, before}):
        numba.set_num_threads(threads)
        results.append(neighbour_sum(*graph, values))
    numba.set_num_threads(before)
    assert_array_equal(results[0], results[-1])
    assert_allclose(results[0], as_sparse(graph) @ values, rtol=1e-11, atol=1e-11)


def test_infinity_stays_where_it_is(rng):
    graph = random_graph(rng, 30, 60)
    values = np.zeros((30, 8))
    values[3] = np.inf
    touched = ~np.isfinite(neighbour_sum(*graph, values)[:, 0])
    assert_array_equal(touched, as_sparse(graph).toarray()[:, 3] != 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_empty_columns_start_on_a_cache_line(dtype):
    assert empty_columns(0, 8, dtype).shape == (0, 8)
    for n in (1, 1000):
        columns = empty_columns(n, 8, dtype)
        assert columns.shape == (n, 8) and columns.dtype == dtype
        assert columns.flags.c_contiguous and columns.flags.writeable
        assert columns.ctypes.data % 64 == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("samples", [(), (1,), (5,), (0,), (2000,)])
def test_sums_and_means_of_blocks(samples, dtype, rng):
    values = rng.normal(size=(*samples, 50)).astype(dtype)
    labels = rng.permutation(np.arange(50) % 9)
    labels[labels == 4] = 5
    expected = values.astype(np.float64) @ np.eye(9)[labels]
    assert_allclose(block_sums(labels, 9, values), expected, rtol=1e-12, atol=1e-12)
    means = block_means(labels, 9, values)
    assert means.shape == (*samples, 9) and means.dtype == np.float64
    assert np.isnan(means[..., 4]).all()
    full = np.arange(9) != 4
    expected = expected[..., full] / np.bincount(labels)[full]
    assert_allclose(means[..., full], expected, rtol=1e-12, atol=1e-12)


def test_sums_of_float32_are_taken_in_float64():
    values = np.full(1 << 20, 0.1, np.float32)
    total = block_sums(np.zeros(values.size, np.int64), 1, values)[0]
    assert_allclose(total, float(np.float32(0.1)) * values.size, rtol=1e-12)


def test_blocks_of_no_node():
    nothing = np.empty(0, np.int64)
    assert_array_equal(block_sums(nothing, 2, np.empty((3, 0))), np.zeros((3, 2)))
    assert np.isnan(block_means(nothing, 2, np.empty(0))).all()


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize(("n", "edges", "longest"), [(60, 70, 9), (150, 600, 4), (1500, 3000, 3)])
def test_shells_are_distances(n, edges, longest, index, rng):
    graph = random_graph(rng, n, edges, index=index)
    distance = reference_graph.hops(graph, longest)
    found, pairs = shells(*graph[:2], longest, n * n)
    assert pairs == np.count_nonzero(distance)
    assert len(found) == longest
    for r, (indptr, indices) in enumerate(found, 1):
        rows, columns = np.nonzero(distance == r)
        assert indices.dtype == index
        assert_array_equal(np.repeat(np.arange(n), np.diff(indptr)), rows)
        assert_array_equal(indices, columns)


def test_shells_of_a_ring():
    n = 11
    indices = np.sort((np.arange(n)[:, None] + [-1, 1]) % n, axis=1).ravel()
    found, pairs = shells(2 * np.arange(n + 1), indices, 7, 1000)
    assert pairs == n * (n - 1)
    assert [len(columns) for _, columns in found] == [2 * n] * 5 + [0] * 2
    expected = np.sort((np.arange(n)[:, None] + [-4, 4]) % n, axis=1)
    assert_array_equal(found[3][1].reshape(n, 2), expected)


def test_shells_follow_the_order_of_the_nodes(rng):
    graph = random_graph(rng, 80, 120)
    order = rng.permutation(80)
    one, _ = shells(*graph[:2], 4, 10_000)
    other, _ = shells(*permuted(graph, order)[:2], 4, 10_000)
    for (indptr, indices), moved in zip(one, other, strict=True):
        expected = permuted((indptr, indices, np.ones(indices.size)), order)
        assert_array_equal(moved[0], expected[0])
        assert_array_equal(moved[1], expected[1])


@pytest.mark.parametrize("n", [40, 3000])
def test_too_many_pairs_are_estimated_and_not_listed(n, rng):
    indices = np.sort((np.arange(n)[:, None] + [-1, 1]) % n, axis=1).ravel()
    ring = 2 * np.arange(n + 1), indices
    assert shells(*ring, 3, 6 * n)[1] == 6 * n
    # All nodes of a ring are alike: the estimate from a few is exact.
    assert shells(*ring, 3, 6 * n - 1) == ([], 6 * n)
    assert shells(*ring, 3, 0) == ([], 6 * n)
    lonely = np.concatenate([np.zeros(n - 1, int), [1, 2]]), np.array([n - 1, n - 2])
    assert shells(*lonely, 2, 1) == ([], 2)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_shells_of_nodes_without_neighbours(n):
    found, pairs = shells(np.zeros(n + 1, np.int64), np.empty(0, np.int64), 2, 10)
    assert pairs == 0
    assert lists(found) == ([[], []], [[0] * (n + 1)] * 2)


def test_no_shell_is_asked_for(rng):
    assert shells(*random_graph(rng, 10, 20)[:2], 0, 10) == ([], 0)
