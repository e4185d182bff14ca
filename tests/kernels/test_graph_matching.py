"""Greedy pairs against the sorted greedy, node by node, and pairs around one neighbour."""

import numba
import numpy as np
import pytest
from kernels.reference_graph import as_arrays, permuted, random_graph
from numpy.testing import assert_array_equal

from kernels import reference_graph
from nnrg_kernels.graph_matching import match_heaviest, match_two_hop

WEIGHTS = {
    "all different": lambda g, m: g.permutation(m) - m // 2,
    "five values": lambda g, m: g.integers(-2, 3, m),
    "all equal": lambda g, m: np.ones(m),
    "ascending": lambda g, m: np.arange(m),
}


def path(weights, dtype=np.float64):
    n = len(weights) + 1
    indptr = np.clip(2 * np.arange(n + 1) - 1, 0, 2 * n - 2)
    ends = np.stack([np.arange(n - 1), np.arange(1, n)])
    order = np.argsort(np.concatenate([ends[0], ends[1]]), kind="stable")
    columns = np.concatenate([ends[1], ends[0]])[order]
    values = np.concatenate([weights, weights])[order].astype(dtype)
    rows = np.repeat(np.arange(n), np.diff(indptr))
    order = np.lexsort((columns, rows))
    return indptr, columns[order], values[order]


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_sorted_greedy(weights, dtype, index, rng):
    for n, edges in ((2, 3), (30, 40), (300, 900), (120, 4000)):
        graph = random_graph(rng, n, edges, dtype, index, WEIGHTS[weights])
        for floor in (-np.inf, 0.0, 1.0):
            mate = match_heaviest(*graph, floor)
            assert_array_equal(mate, reference_graph.match_heaviest(graph, floor))
            found = match_two_hop(*graph, mate, floor)
            assert_array_equal(found, reference_graph.match_two_hop(graph, mate, floor))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_pairs_are_pairs_and_no_edge_joins_two_lone_nodes(weights, rng):
    indptr, indices, w = random_graph(rng, 30_000, 90_000, weights=WEIGHTS[weights])
    mate = match_heaviest(indptr, indices, w)
    nodes = np.arange(mate.size)
    assert_array_equal(mate[mate], nodes)
    rows = np.repeat(nodes, np.diff(indptr))
    alone = mate == nodes
    assert not np.any(alone[rows] & alone[indices])
    assert np.isin(rows * mate.size + indices, nodes * mate.size + mate).sum() == (~alone).sum()


@pytest.mark.parametrize("ascending", [True, False])
def test_long_paths_of_growing_weights(ascending):
    """Only one edge is locally dominant at a time: what remains must not take a round each."""
    n = 200_000
    weights = np.arange(1.0, n) if ascending else np.ones(n - 1)
    mate = match_heaviest(*path(weights))
    # From the heavy end, or of equal weights from the first node.
    assert_array_equal(mate, np.arange(n) ^ 1)


def test_threads_do_not_matter(rng):
    graph = random_graph(rng, 30_000, 100_000, np.float32)
    before = numba.get_num_threads()
    results = []
    for threads in sorted({1, before}):
        numba.set_num_threads(threads)
        results.append(match_heaviest(*graph))
    numba.set_num_threads(before)
    assert_array_equal(results[0], results[-1])
    assert_array_equal(results[0], reference_graph.match_heaviest(graph))


def test_order_of_the_nodes_does_not_matter(rng):
    graph = random_graph(rng, 400, 700, weights=lambda g, m: g.permutation(m))
    order = rng.permutation(400)
    one, other = graph, permuted(graph, order)
    mate, moved = match_heaviest(*one), match_heaviest(*other)
    assert_array_equal(order[moved], mate[order])
    pairs, moved = match_two_hop(*one, mate), match_two_hop(*other, moved)
    assert np.count_nonzero(pairs != mate) > 4
    assert_array_equal(order[moved], pairs[order])


def test_stars_coarsen():
    """The hub takes its heaviest leaf; the others pair in the order of their weights."""
    dense = np.zeros((8, 8))
    dense[0, 1:] = dense[1:, 0] = [3.0, 7, 1, 6, 2, 5, 4]
    mate = match_heaviest(*as_arrays(dense))
    assert_array_equal(mate, [2, 1, 0, 3, 4, 5, 6, 7])
    assert_array_equal(match_two_hop(*as_arrays(dense), mate), [2, 7, 0, 5, 6, 3, 4, 1])
    # Six leaves are left, and only three of them have an edge above the floor.
    assert_array_equal(match_two_hop(*as_arrays(dense), mate, 3.5), [2, 1, 0, 3, 6, 5, 4, 7])


def test_values_above_no_floor_pair_nobody():
    dense = np.array([[0, -np.inf, np.nan], [-np.inf, 0, 0], [np.nan, 0, 0]])
    graph = as_arrays(dense)
    mate = match_heaviest(*graph)
    assert_array_equal(mate, [0, 1, 2])
    assert_array_equal(match_two_hop(*graph, mate), [0, 1, 2])


@pytest.mark.parametrize("n", [0, 1, 4])
def test_nodes_without_neighbours_stay_alone(n):
    graph = np.zeros(n + 1, np.int64), np.empty(0, np.int64), np.empty(0)
    mate = match_heaviest(*graph)
    assert_array_equal(mate, np.arange(n))
    assert_array_equal(match_two_hop(*graph, mate), np.arange(n))
