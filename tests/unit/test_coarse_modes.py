"""Modes of the coarse-grained graph as what probes need not estimate."""

from operator import attrgetter

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from nnrg.graph.spectral import spectral_measure
from nnrg.graph.spectral._coarse import coarse_modes
from nnrg.graph.spectral._laplacian import laplacian
from nnrg.simulate.graphs import barabasi_albert, random_graph, ring, torus


def dense_laplacian(operator):
    n = operator.n_nodes
    adjacency = sp.csr_array((operator.weights, operator.indices, operator.indptr), shape=(n, n))
    return np.diag(operator.diagonal) - adjacency.toarray()


def several_components():
    rng = np.random.default_rng(1)
    patch = torus((20, 22)).to_sparse()
    weights = sp.triu(patch).tocoo()
    weights.data = rng.uniform(0.2, 3.0, weights.data.size)
    parts = [weights + weights.T, ring(90).to_sparse(), np.zeros((30, 30))]
    return sp.block_diag(parts).tocsr()


@pytest.mark.parametrize(
    ("graph", "kind"),
    [
        (torus((24, 26)), "combinatorial"),
        (several_components(), "combinatorial"),
        (several_components(), "normalised"),
        (-several_components(), "signed"),
        (barabasi_albert(600, 1, rng=2), "normalised"),
    ],
)
def test_modes_are_those_of_a_subspace_without_zero_modes(graph, kind):
    operator = laplacian(graph, kind)
    matrix = dense_laplacian(operator)
    exact, vectors = np.linalg.eigh(matrix)
    modes = coarse_modes(operator, lambda count: exact[count])
    columns = modes.blocks @ modes.mixture
    assert modes.values.size > 20
    assert_allclose(columns.T @ columns, np.eye(modes.values.size), atol=1e-8)
    assert_allclose(columns.T @ matrix @ columns, np.diag(modes.values), atol=1e-8)
    zero = vectors[:, : operator.n_zero]
    assert_allclose(zero.T @ columns, 0, atol=1e-6)
    # Rayleigh and Ritz: each is at or above the eigenvalue of its rank; the lowest not by much.
    above = exact[operator.n_zero :][: modes.values.size]
    assert np.all(modes.values >= above - 1e-10)
    assert np.all(modes.values[:4] <= 1.7 * above[:4])
    z = np.random.default_rng(3).choice([-1.0, 1.0], (operator.n_nodes, 3))
    assert_allclose(modes.parts(z), (z.T @ columns) ** 2, rtol=1e-9, atol=1e-12)


def test_graphs_without_blocks_have_no_coarse_modes():
    pair = np.array([[0.0, 1.0], [1.0, 0.0]])
    for graph, kind in (
        (sp.block_diag([pair] * 200).tocsr(), "combinatorial"),
        (sp.block_diag([np.eye(3) - 1.0] * 100).tocsr(), "signed"),  # no triangle is balanced
    ):
        assert coarse_modes(laplacian(graph, kind), lambda count: 0.5) is None
    operator = laplacian(torus((24, 26)), "combinatorial")
    assert coarse_modes(operator, lambda count: 0.0) is None


def test_errors_are_honest_where_modes_are_coarse():
    # As in test_graph_spectral: 40 seeds, three times, two quantities; mean square of Student's t
    # with 15 degrees of freedom is 15 / 13, half and twice are four standard deviations away.
    graph, tau = torus((30, 50)), np.array([2.0, 10.0, 60.0])
    truth = spectral_measure(graph, method="dense").at(tau)
    pulls = []
    for seed in range(40):
        found = spectral_measure(graph, method="lanczos", probes=16, rng=seed)
        assert found.quadrature.coarse > 80
        value = found.at(tau)
        for name in ("entropy", "heat_capacity"):
            error = np.hypot(*found.errors(tau, attrgetter(name)))
            pulls.append((getattr(value, name) - getattr(truth, name)) / error)
    assert 0.55 < np.mean(np.square(pulls)) < 2.0
    assert abs(np.mean(pulls)) < 0.5


def largest_error(graph, **options):
    measure = spectral_measure(graph, method="lanczos", rng=4, **options)
    error = measure.errors(measure.times, attrgetter("entropy"))[0]
    return error.max() / np.log(graph.n_nodes), measure


def test_coarse_modes_take_the_noise_of_graphs_of_low_dimension():
    torus_error, measure = largest_error(torus((120, 130)), probes=8)
    few_exact, _ = largest_error(torus((120, 130)), probes=8, deflate=64)
    assert torus_error < 1.5e-3 and torus_error < few_exact / 5
    assert "from the coarse-grained graph" in repr(measure)
    # Eigenvectors are taken where these are the better ones: a random graph has no large blocks.
    random_error, measure = largest_error(random_graph(3000, 15000, rng=5))
    assert measure.quadrature.coarse == 0 and random_error < 2e-3
    assert repr(measure).endswith("modes exact)")
