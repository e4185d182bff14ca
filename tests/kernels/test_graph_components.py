"""Union-find against a search, and against graphs whose components are known."""

import numpy as np
import pytest
from kernels.reference_graph import permuted, random_graph
from numpy.testing import assert_array_equal

from kernels import reference_graph
from nnrg_kernels.graph_components import components


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("edges", [0, 20, 150, 300, 2000])
def test_searched_components(edges, index, rng):
    graph = random_graph(rng, 300, edges, index=index)
    assert_array_equal(components(*graph[:2]), reference_graph.components(graph))


def test_paths_in_any_order(rng):
    """A path has the deepest trees: its nodes are numbered forwards, backwards and at random."""
    n = 3000
    columns = np.stack([np.arange(-1, n - 1), np.arange(1, n + 1)], 1).ravel()[1:-1]
    indptr = np.clip(2 * np.arange(n + 1) - 1, 0, 2 * n - 2)
    graph = indptr, columns, np.ones(columns.size)
    for order in (np.arange(n), np.arange(n)[::-1], rng.permutation(n)):
        assert not components(*permuted(graph, order)[:2]).any()


def test_components_are_numbered_by_their_first_node(rng):
    labels = components(*random_graph(rng, 1000, 400)[:2])
    _, first = np.unique(labels, return_index=True)
    assert np.all(np.diff(first) > 0)
    assert labels[0] == 0


@pytest.mark.parametrize("n", [0, 1, 7])
def test_isolated_nodes_are_components(n):
    found = components(np.zeros(n + 1, np.int64), np.empty(0, np.int64))
    assert found.dtype == np.int64
    assert_array_equal(found, np.arange(n))
