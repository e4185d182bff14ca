"""Spectra of graph Laplacians: laws, both routes, what is printed, bad input."""

from operator import attrgetter

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

import nnrg
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.graph.spectral import (
    characteristic_times,
    heat_capacity,
    lowest_eigenvalues,
    spectral_dimension,
    spectral_entropy,
    spectral_flow,
    spectral_measure,
)
from nnrg.simulate.graphs import (
    barabasi_albert,
    complete,
    hierarchical_modules,
    random_graph,
    ring,
    sierpinski_gasket,
    torus,
)


def weighted(n, edges, seed, signed=False):
    rng = np.random.default_rng(seed)
    i, j = rng.integers(0, n, (2, edges))
    weights = rng.uniform(0.5, 2, edges) * (rng.choice([-1.0, 1.0], edges) if signed else 1.0)
    upper = sp.triu(sp.coo_array((weights, (i, j)), (n, n)).tocsr(), 1)
    return (upper + upper.T).tocsr()


def laplacian_by_hand(matrix, kind):
    a = matrix.toarray()
    strength = np.abs(a).sum(axis=1)
    if kind != "normalised":
        return np.diag(strength) - a
    root = np.where(strength > 0, 1 / np.sqrt(np.maximum(strength, 1e-300)), 0)
    return np.diag((strength > 0).astype(float)) - root[:, None] * a * root


def thermal_by_hand(values, tau):
    """S = -sum p ln p, and C from its numerical derivative."""

    def entropy(t):
        p = np.exp(-t * (values - values.min()))
        p = p / p.sum()
        return -np.sum(p[p > 0] * np.log(p[p > 0]))

    h = 1e-4
    s = np.array([entropy(t) for t in tau])
    c = [-(entropy(t * np.exp(h)) - entropy(t * np.exp(-h))) / (2 * h) for t in tau]
    return s, np.array(c)


@pytest.mark.parametrize(
    ("kind", "signed"), [("combinatorial", False), ("normalised", False), ("signed", True)]
)
def test_entropy_and_heat_capacity_are_those_of_the_density_matrix(kind, signed):
    matrix = weighted(120, 160, 1, signed)  # with isolated nodes and several components
    values = np.linalg.eigvalsh(laplacian_by_hand(matrix, kind))
    tau = np.geomspace(0.05, 50, 9)
    flow = spectral_flow(matrix, tau, kind=kind)
    s, c = thermal_by_hand(values, tau)
    assert_allclose(flow.entropy.values, s, atol=1e-9)
    assert_allclose(flow.heat_capacity.values, c, atol=1e-6)
    assert_array_equal(flow.entropy.errors, 0.0)


def test_the_entropy_of_a_disconnected_graph_ends_at_the_number_of_components():
    matrix = sp.block_diag([torus((5, 5)).to_sparse(), ring(7).to_sparse(), np.zeros((3, 3))])
    flow = spectral_flow(matrix.tocsr())
    assert flow.measure.n_components == 5
    assert_allclose(flow.entropy.values[-1], np.log(5), atol=1e-9)
    assert_allclose(flow.entropy.values[0], np.log(35), atol=1e-3)
    assert abs(flow.sum_rule.value) < 1e-4
    assert "5 components" in str(flow)


def test_a_graph_of_two_nodes():
    flow = spectral_flow(sp.csr_array([[0.0, 3.0], [3.0, 0.0]]), [0.1, 1.0])
    s, c = thermal_by_hand(np.array([0.0, 6.0]), [0.1, 1.0])
    assert_allclose(flow.entropy.values, s, atol=1e-12)
    assert_allclose(flow.heat_capacity.values, c, atol=1e-6)


def test_a_balanced_signed_graph_has_the_spectrum_of_the_unsigned_one():
    matrix = weighted(150, 600, 2)
    side = np.random.default_rng(3).choice([-1.0, 1.0], 150)
    switched = sp.diags_array(side) @ matrix @ sp.diags_array(side)
    for method in ("dense", "lanczos"):
        plain = spectral_measure(matrix, method=method, rng=1)
        signed = spectral_measure(switched, kind="signed", method=method, rng=1)
        assert signed.n_lowest == plain.n_lowest == plain.n_components
    assert_allclose(
        spectral_measure(switched, kind="signed").quadrature.eigenvalues,
        spectral_measure(matrix).quadrature.eigenvalues,
        atol=1e-12,
    )


def test_a_frustrated_component_has_no_zero_mode():
    triangle = 1.0 - np.eye(3)
    triangle[0, 1] = triangle[1, 0] = -1.0
    matrix = sp.block_diag([triangle, 1.0 - np.eye(4)]).tocsr()
    measure = spectral_measure(matrix, kind="signed")
    assert measure.n_lowest == 1 and measure.n_components == 2
    values = np.linalg.eigvalsh(laplacian_by_hand(matrix, "signed"))
    assert_allclose(measure.quadrature.eigenvalues, values, atol=1e-12)


def test_sum_rule_of_an_unbalanced_graph_counts_the_lowest_multiplet():
    odd = -ring(9).to_sparse()  # eigenvalues 2 + 2 cos: the lowest is double
    measure = spectral_measure(odd, kind="signed")
    assert measure.n_lowest == 2
    assert abs(spectral_flow(measure).sum_rule.value) < 1e-4


def test_relabelling_changes_nothing():
    graph = sierpinski_gasket(4)
    order = np.random.default_rng(4).permutation(graph.n_nodes)
    tau = np.geomspace(0.1, 100, 7)
    assert_allclose(
        spectral_flow(graph.permuted(order), tau).heat_capacity.values,
        spectral_flow(graph, tau).heat_capacity.values,
        atol=1e-10,
    )


@pytest.mark.parametrize("kind", ["combinatorial", "normalised", "signed"])
def test_the_estimate_agrees_with_all_eigenvalues(kind):
    # Largest of some ten independent deviations with 63 degrees of freedom: 4 errors are passed
    # by chance once in two thousand.
    matrix = weighted(700, 2000, 5, signed=kind == "signed")
    exact = spectral_measure(matrix, kind=kind, method="dense")
    estimate = spectral_flow(matrix, exact.times, kind=kind, method="lanczos", rng=6)
    known = exact.at(exact.times)
    inside = exact.times <= estimate.measure.resolved_until
    assert inside.mean() > 0.8
    for curve, truth in (
        (estimate.entropy, known.entropy),
        (estimate.heat_capacity, known.heat_capacity),
    ):
        off = np.abs(curve.values - truth)[inside]
        assert np.all(off <= 4 * curve.errors[inside] + 1e-9)
    assert estimate.entropy.errors[inside].max() < 0.01 * np.log(700)


def test_errors_are_those_of_the_estimate():
    # Squared deviations in units of the squared error, over 40 seeds and three times.
    graph = random_graph(500, 1500, rng=7)
    tau = np.array([0.2, 1.0, 4.0])
    truth = spectral_measure(graph, method="dense").at(tau)
    pulls = []
    for seed in range(40):
        found = spectral_measure(graph, method="lanczos", probes=16, deflate=0, rng=seed)
        value = found.at(tau)
        for name in ("entropy", "heat_capacity"):
            error = np.hypot(*found.errors(tau, attrgetter(name)))
            pulls.append((getattr(value, name) - getattr(truth, name)) / error)
    # Student's t with 15 degrees of freedom has variance 15 / 13; 240 pulls, some 80 independent,
    # put the mean square within 0.2 of that; half and twice are four such away.
    assert 0.55 < np.mean(np.square(pulls)) < 2.0
    assert abs(np.mean(pulls)) < 0.5


def test_low_modes_are_taken_out_exactly():
    graph = torus((40, 40))
    measure = spectral_measure(graph, method="lanczos", deflate=64, rng=8)
    k = 4 * np.sin(np.pi * np.arange(40) / 40) ** 2
    known = np.sort(np.add.outer(k, k).ravel())
    found = measure.quadrature.eigenvalues
    assert found.size > 20
    assert_allclose(found[:21], known[:21], rtol=1e-3)
    late = np.array([200.0])
    weight = np.exp(-200 * known)
    first, second = (float(np.sum(weight * known**q) / weight.sum()) for q in (1, 2))
    assert_allclose(measure.at(late).heat_capacity, 200**2 * (second - first**2), rtol=1e-3)


def test_without_taking_out_modes_late_times_are_noisy_and_say_so():
    graph, late = torus((40, 40)), np.array([100.0])
    errors = [
        spectral_measure(graph, method="lanczos", deflate=d, rng=9).errors(
            late, lambda t: t.entropy
        )[0][0]
        for d in (0, 64)
    ]
    assert errors[0] > 20 * errors[1]


def test_what_few_steps_cannot_resolve_is_said():
    flow = spectral_flow(ring(3000), method="lanczos", steps=60, rng=10)
    until = flow.measure.resolved_until
    assert 10 < until < 1e5 and flow.tau[-1] <= until
    late = heat_capacity(flow.measure, [until * 10])
    assert late[0].flag.startswith("not resolved") and flow.entropy[0].flag == ""
    assert "not resolved beyond" in str(flow)
    # Diffusion is cut off at full height: the ends of the integral count.
    cut = spectral_flow(barabasi_albert(600, 1, rng=2), method="lanczos", steps=40, rng=10)
    assert cut.heat_capacity.values[-1] > 0.5
    assert abs(cut.sum_rule.value) < 2e-5


def test_seeds_repeat_and_a_generator_moves_on():
    graph = random_graph(300, 900, rng=11)
    one = spectral_flow(graph, [1.0], method="lanczos", rng=12)
    two = spectral_flow(graph, [1.0], method="lanczos", rng=12)
    assert_array_equal(one.entropy.values, two.entropy.values)
    assert one.measure.seed == 12
    rng = np.random.default_rng(13)
    first = spectral_flow(graph, [1.0], method="lanczos", rng=rng)
    second = spectral_flow(graph, [1.0], method="lanczos", rng=rng)
    assert first.entropy.values[0] != second.entropy.values[0]


def test_a_graph_and_its_matrix_give_the_same():
    graph, tau = barabasi_albert(200, 2, rng=14), [0.5, 5.0]
    for observable in (spectral_entropy, heat_capacity):
        assert_array_equal(observable(graph, tau), observable(graph.to_sparse(), tau))
        matrix = nx.to_scipy_sparse_array(graph.to_networkx(), dtype=float)
        assert_allclose(observable(graph, tau), observable(matrix, tau), rtol=1e-12)


def test_results_print_on_one_screen_and_go_into_frames():
    flow = spectral_flow(sierpinski_gasket(4), method="lanczos", rng=15)
    assert len(str(flow).splitlines()) <= 30 and max(map(len, str(flow).splitlines())) <= 100
    frame = flow.to_dataframe()
    assert list(frame.columns[:2]) == ["tau", "entropy"] and len(frame) == flow.tau.size
    times = characteristic_times(flow)
    assert len(times.to_dataframe()) == len(times) == len(str(times).splitlines()) - 2
    assert np.all(times.tau_errors > 0)
    for array in (flow.tau, flow.entropy.values, times.tau):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_maxima_of_separated_scales():
    # Ten complete graphs of 20 weakly in a ring: they fill first, the ring long after.
    blocks = sp.block_diag([complete(20).to_sparse()] * 10).tolil()
    for c in range(10):
        i, j = 20 * c, 20 * ((c + 1) % 10) + 1
        blocks[i, j] = blocks[j, i] = 0.1
    times = characteristic_times(blocks.tocsr())
    assert times.tau[0] < 1 and np.all(times.tau[1:] > 100) and len(times) > 1
    assert times.heat_capacity[0] > 4 * times.heat_capacity[1]


def test_no_dimension_is_a_result():
    found = spectral_dimension(complete(50))
    assert not found.has_plateau and np.isnan(found.value) and np.isnan(found.error)
    assert found.estimate.flag.startswith("no decade")
    assert str(found).startswith("no spectral dimension")


def test_eigenvalues_of_both_routes():
    matrix = ring(3000).laplacian()
    known = np.sort(4 * np.sin(np.pi * np.arange(3000) / 3000) ** 2)[:5]
    assert_allclose(lowest_eigenvalues(matrix, 5), known, atol=1e-9)
    assert_allclose(lowest_eigenvalues(ring(50).laplacian())[-1], 4.0)
    assert_allclose(
        lowest_eigenvalues(random_graph(3000, 45000, rng=1).laplacian(), 2)[0], 0, atol=1e-8
    )


@pytest.mark.parametrize("tau", [[-1.0], [0.0], [np.nan], [np.inf], [], [[1.0]], "soon", None])
def test_times_that_are_none(tau):
    if tau is None:
        assert spectral_flow(ring(8)).tau.size > 2
        return
    with pytest.raises(ArgumentError, match="tau must be"):
        spectral_flow(ring(8), tau)


def test_bad_graphs():
    with pytest.raises(AnalysisError, match="at least two nodes"):
        spectral_flow(sp.csr_array((1, 1)))
    with pytest.raises(AnalysisError, match="no edge"):
        spectral_flow(sp.csr_array((5, 5)))
    with pytest.raises(ArgumentError, match="directed"):
        spectral_flow(sp.csr_array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))
    with pytest.raises(ArgumentError, match="connected to themselves"):
        spectral_flow(sp.csr_array([[1.0, 1.0], [1.0, 0.0]]))
    with pytest.raises(NonFiniteError, match="NaN or infinite"):
        spectral_flow(sp.csr_array([[0.0, np.nan], [np.nan, 0.0]]))
    with pytest.raises(ArgumentError, match="ConnectionGraph or a square"):
        spectral_flow(np.eye(3))
    with pytest.raises(ArgumentError, match="ConnectionGraph or a square"):
        spectral_flow(sp.csr_array((2, 3)))
    with pytest.raises(ArgumentError, match="real numbers"):
        spectral_flow(sp.csr_array([[0, 1j], [-1j, 0]]))
    for kind in ("combinatorial", "normalised"):
        with pytest.raises(ArgumentError, match="positive weights"):
            spectral_flow(-ring(5).to_sparse(), kind=kind)


def test_explicit_zeros_and_duplicates_are_no_edges_of_their_own():
    twice = sp.csr_array(sp.coo_array(([1.0, 1.0, 2.0, 0.0], ([0, 0, 1, 2], [1, 1, 0, 0])), (3, 3)))
    measure = spectral_measure(twice)
    assert measure.n_components == 2
    assert_allclose(measure.quadrature.eigenvalues, [0, 0, 4], atol=1e-12)


def test_bad_options():
    for options, match in (
        ({"kind": "random walk"}, "kind must be"),
        ({"method": "exact"}, "method must be"),
        ({"probes": 1}, "probes"),
        ({"steps": 0}, "steps"),
        ({"deflate": -1}, "deflate"),
    ):
        with pytest.raises(ArgumentError, match=match):
            spectral_measure(ring(8), **options)
    with pytest.raises(ArgumentError, match="rng"):
        spectral_measure(ring(8), method="lanczos", rng="x")
    with pytest.raises(AnalysisError, match=r"GB.*lanczos"):
        spectral_measure(ring(20_000), method="dense")
    with pytest.raises(AnalysisError, match="GB"):
        lowest_eigenvalues(ring(20_000).laplacian())
    with pytest.raises(ArgumentError, match="k must be"):
        lowest_eigenvalues(ring(20).laplacian(), 21)


def test_many_small_components_need_no_estimate():
    matrix = sp.block_diag([ring(5).to_sparse()] * 1500).tocsr()
    measure = spectral_measure(matrix)
    assert measure.method == "dense" and measure.n_lowest == 1500
    assert_allclose(measure.at(np.array([1e3])).entropy, np.log(1500))


def test_graphs_are_what_they_are_called():
    assert_array_equal(torus((3, 4, 5)).degrees(), 6)
    assert_array_equal(complete(6).degrees(), 5)
    gasket = sierpinski_gasket(3)
    assert gasket.n_nodes == 42 and gasket.n_edges == 81
    assert sorted(np.unique(gasket.degrees(), return_counts=True)[1].tolist()) == [3, 39]
    tree = barabasi_albert(50, 1, rng=1)
    assert tree.n_edges == 49 and tree.components().max() == 0
    assert hierarchical_modules(4, rng=1).components().max() == 0
    assert isinstance(random_graph(10, 20, rng=1), ConnectionGraph)
    for bad in (
        lambda: torus((2, 5)),
        lambda: torus(()),
        lambda: ring(2),
        lambda: complete(1),
        lambda: sierpinski_gasket(14),
        lambda: barabasi_albert(3, 3),
        lambda: random_graph(1, 1),
        lambda: hierarchical_modules(2, decay=0.0),
    ):
        with pytest.raises(nnrg.errors.ArgumentError):
            bad()
