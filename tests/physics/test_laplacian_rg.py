"""Diffusion on graphs with known spectra: heat capacity, its integral, its plateau, its peaks."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from nnrg.graph.spectral import characteristic_times, spectral_dimension, spectral_flow
from nnrg.graph.spectral import spectral_measure as measure_of
from nnrg.simulate.graphs import (
    barabasi_albert,
    complete,
    hierarchical_modules,
    random_graph,
    ring,
    sierpinski_gasket,
    torus,
)

DIFFUSION = "Diffusion on graphs"


def ring_eigenvalues(n):
    return 4 * np.sin(np.pi * np.arange(n) / n) ** 2


def heat_capacity(values, tau):
    p = np.exp(-np.multiply.outer(tau, values))
    p /= p.sum(axis=1, keepdims=True)
    return tau**2 * (p @ values**2 - (p @ values) ** 2)


@pytest.mark.parametrize(
    ("name", "graph", "components"),
    [
        ("torus 24 x 24", torus((24, 24)), 1),
        ("Sierpinski gasket, 366 nodes", sierpinski_gasket(5), 1),
        ("Barabasi-Albert graph, m = 3, 400 nodes", barabasi_albert(400, 3, rng=1), 1),
        ("modules of modules, 256 nodes", hierarchical_modules(5, rng=1), 1),
        (
            "a ring of 300 and a complete graph of 40 apart",
            sp.block_diag([ring(300).to_sparse(), complete(40).to_sparse()]).tocsr(),
            2,
        ),
    ],
)
def test_integral_of_the_heat_capacity(name, graph, components, checked):
    # The grid starts at 0.01 / lambda_max, where C has integrated to less than 1e-4.
    for kind in ("combinatorial", "normalised"):
        flow = spectral_flow(graph, kind=kind)
        n = flow.measure.n_nodes
        integral = np.trapezoid(flow.heat_capacity.values, np.log(flow.tau))
        quantity = f"integral of C over ln tau / ln(N / components), {name}, {kind}"
        expected = np.log(n / components)
        checked(DIFFUSION, quantity, 1.0, integral / expected, rtol=1e-4)
        # At both ends nothing happens: what they add to the trapezium rule is nothing.
        assert flow.sum_rule.value == pytest.approx(integral - expected, abs=1e-7)


def test_heat_capacity_of_a_torus_is_the_sum_over_its_axes():
    # Eigenvalues add up over the axes, so that entropies do.
    tau = np.geomspace(0.01, 1e3, 40)
    one = heat_capacity(ring_eigenvalues(30), tau)
    other = heat_capacity(ring_eigenvalues(24), tau)
    found = spectral_flow(torus((30, 24)), tau).heat_capacity.values
    assert_allclose(found, one + other, atol=1e-10)


@pytest.mark.parametrize(
    ("n", "peak", "tau"), [(64, 5.229929, 0.07802), (1024, 12.982642, 0.007302)]
)
def test_peak_of_a_complete_graph(n, peak, tau, checked):
    times = characteristic_times(complete(n))
    assert len(times) == 1
    # With y = N tau, C = y^2 q (1 - q): the maximum is where 2 / y = 1 - 2 q.
    y = brentq(lambda y: 2 / y - 1 + 2 / (1 + np.exp(y) / (n - 1)), 3, 30, xtol=1e-14)
    q = 1 / (1 + np.exp(y) / (n - 1))
    exact = y**2 * q * (1 - q)
    checked(DIFFUSION, f"peak of C, complete graph of {n}", exact, times.heat_capacity[0])
    checked(DIFFUSION, f"tau of the peak, complete graph of {n}", y / n, times.tau[0], rtol=1e-8)
    # As published from a grid of times.
    assert exact == pytest.approx(peak, rel=1e-6) and y / n == pytest.approx(tau, rel=5e-4)


def test_plateau_and_peak_of_a_ring(checked):
    n = 1024
    measure = measure_of(ring(n))
    found = spectral_dimension(measure)
    assert found.has_plateau and found.estimate.flag == ""
    checked(DIFFUSION, "spectral dimension of a ring of 1024", 1.0, found.value, found.error)
    times = characteristic_times(measure)
    tau = times.tau[-1] * np.exp(np.linspace(-0.01, 0.01, 201))
    known = heat_capacity(ring_eigenvalues(n), tau).max()
    quantity = "last peak of C, ring of 1024"
    checked(DIFFUSION, quantity, known, times.heat_capacity[-1], rtol=1e-7)
    assert known == pytest.approx(0.766588, abs=3e-6)


@pytest.mark.slow
def test_peak_of_a_long_ring(checked):
    times = characteristic_times(ring(4096))
    quantity = "last peak of C, ring of 4096"
    checked(DIFFUSION, quantity, 0.766588, times.heat_capacity[-1], rtol=1e-6)


def test_torus_from_probes(checked):
    # 160 x 160 sites: the estimate, whose low modes are exact, against the known spectrum.
    side = 160
    measure = measure_of(torus((side, side)), rng=1)
    assert measure.method == "lanczos"
    flow = spectral_flow(measure)
    known = 2 * heat_capacity(ring_eigenvalues(side), flow.tau)
    off = np.abs(flow.heat_capacity.values - known)
    assert np.all(off <= 4.5 * flow.heat_capacity.errors + 1e-6)
    times = characteristic_times(measure)
    quantity = "last peak of C, torus of 160 x 160, from probes"
    value, error = times.heat_capacity[-1], times.heat_capacity_errors[-1]
    checked(DIFFUSION, quantity, 1.533225, value, max(error, 1e-4))
    found = spectral_dimension(measure)
    checked(DIFFUSION, "spectral dimension of a torus, from probes", 2.0, found.value, found.error)
    assert found.error < 0.1


def test_plateau_and_oscillations_of_a_sierpinski_gasket(checked):
    measure = measure_of(sierpinski_gasket(6))
    found = spectral_dimension(measure)
    known = 2 * np.log(3) / np.log(5)
    quantity = "spectral dimension of a Sierpinski gasket of 1095 nodes"
    checked(DIFFUSION, quantity, known, found.value, found.error)
    assert found.error < 0.1 and found.estimate.flag == ""
    # Corrections are periodic in ln tau with period ln 5: one peak for each level.
    tau = characteristic_times(measure).tau
    inner = tau[1:-1]
    assert_allclose(inner[1:] / inner[:-1], 5, rtol=0.05)
    checked(
        DIFFUSION,
        "ratio of times of neighbouring peaks, Sierpinski gasket",
        5.0,
        np.exp(np.log(inner[-1] / inner[0]) / (inner.size - 1)),
        rtol=0.03,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_plateau_of_a_tree_of_preferential_attachment(seed, checked):
    found = spectral_dimension(barabasi_albert(2500, 1, rng=seed))
    quantity = f"spectral dimension of a Barabasi-Albert tree of 2500, seed {seed}"
    # The plateau is that of this tree: trees of this size scatter by 0.06.
    checked(
        DIFFUSION, quantity, 2.0, found.value, found.error, uncertainty=0.06, source="numerical"
    )


@pytest.mark.slow
def test_no_plateau_of_a_graph_of_preferential_attachment(checked):
    measure = measure_of(barabasi_albert(2000, 3, rng=1))
    assert not spectral_dimension(measure).has_plateau
    times = characteristic_times(measure)
    assert len(times) == 1
    quantity = "peak of C, Barabasi-Albert graph, m = 3, 2000 nodes"
    known = {"uncertainty": 0.1, "source": "numerical"}
    checked(DIFFUSION, quantity, 9.2, times.heat_capacity[0], 0.0, **known)
    assert times.tau[0] == pytest.approx(3.7, abs=0.15)


def test_random_graphs_have_no_dimension():
    for seed in (1, 2):
        assert not spectral_dimension(random_graph(600, 3000, rng=seed)).has_plateau


@pytest.mark.slow
@pytest.mark.parametrize("graph", [torus((45, 45)), random_graph(2000, 12000, rng=3)])
def test_probes_and_all_eigenvalues_of_two_thousand_nodes(graph):
    exact = measure_of(graph, method="dense")
    tau = exact.times
    known, flow = exact.at(tau), spectral_flow(graph, tau, method="lanczos", rng=4)
    for curve, truth in ((flow.entropy, known.entropy), (flow.heat_capacity, known.heat_capacity)):
        assert np.all(np.abs(curve.values - truth) <= 4 * curve.errors + 1e-6)
    assert flow.entropy.errors.max() < 5e-3 * np.log(graph.n_nodes)
