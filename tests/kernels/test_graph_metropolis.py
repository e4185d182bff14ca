"""Metropolis sweeps on a graph against a naive twin."""

import networkx as nx
import numpy as np
import pytest

from nnrg_kernels._random import uniforms
from nnrg_kernels.graph_metropolis import sweep_graph

# The hash wraps around on purpose; only interpreted kernels say so.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")


def action(phi, dense, r, u, z):
    jumps = phi[:, None] - np.sign(dense) * phi
    return np.sum(r / 2 * phi**2 + u / 24 * phi**4) + z / 4 * np.sum(np.abs(dense) * jumps**2)


def naive_sweep(phi, dense, couplings, width, key, number):
    accepted = 0
    r, u, z = couplings
    for x in range(phi.size):
        a, b = uniforms(key, np.uint64(number * phi.size + x))
        new = phi.copy()
        new[x] += width * (2 * a - 1) / np.sqrt(1 + z * np.abs(dense[x]).sum())
        if b < np.exp(min(0.0, action(phi, dense, r, u, z) - action(new, dense, r, u, z))):
            phi[:] = new
            accepted += 1
    return accepted


def test_sweeps_equal_the_naive_twin():
    rng = np.random.default_rng(1)
    graph = nx.gnm_random_graph(14, 30, seed=2)
    dense = nx.to_numpy_array(graph) * np.triu(rng.normal(size=(14, 14)), 1)
    dense = dense + dense.T
    rows, columns = np.nonzero(dense)
    indptr = np.searchsorted(rows, np.arange(15)).astype(np.int64)
    phi = rng.normal(size=14)
    twin = phi.copy()
    couplings, key = np.array([-0.5, 3.0, 0.7]), np.uint64(77)
    accepted = sweep_graph(
        phi, indptr, columns.astype(np.int64), dense[rows, columns], couplings, 2.0, key, 3, 13
    )
    expected = sum(naive_sweep(twin, dense, couplings, 2.0, key, n) for n in range(3, 13))
    assert accepted == expected
    assert 40 < accepted < 130
    np.testing.assert_allclose(phi, twin, rtol=0, atol=1e-12)
