"""The slow modes of a graph."""

import networkx as nx
import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.momentum_shell import MomentumShell
from nnrg.rg.neighbourhoods.modes import GraphModes


def on_lattice(values):
    return nnrg.SynapticField(values, nnrg.Lattice(values.shape[1]))


def noise(n_samples, n, seed=1):
    return np.random.default_rng(seed).normal(size=(n_samples, n))


def uneven(n=60, seed=2):
    return ConnectionGraph.from_networkx(nx.barabasi_albert_graph(n, 2, seed=seed))


def test_modes_of_a_ring_are_the_momentum_shell_at_the_centres_of_blocks():
    ring = ConnectionGraph.from_networkx(nx.cycle_graph(135))
    values = noise(20, 135)
    flow = nnrg.renormalize(on_lattice(values), GraphModes(ring, 3), levels=4)
    closed = nnrg.SynapticField(values, nnrg.Lattice(135, periodic=True))
    shell = nnrg.renormalize(closed, MomentumShell(3), levels=4)
    for level, b in enumerate((1, 3, 9, 27)):
        centres = flow.means[level][:, (b - 1) // 2 :: b]
        np.testing.assert_allclose(centres, shell.means[level], atol=1e-12)


def test_a_cut_is_no_block_mean():
    # On a ring both are known: a block mean damps each mode, the cut none or all.
    n, b = 81, 3
    ring = ConnectionGraph.from_networkx(nx.cycle_graph(n))
    for j in (1, 5, 13, 14, 30):
        k = 2 * np.pi * j / n
        wave = np.cos(k * np.arange(n))
        field = on_lattice(np.stack([wave, -wave, np.sin(k * np.arange(n))]))
        cut = next(iter(GraphModes(ring, b).coarsen(field, 2)))[0][0]
        mean = nnrg.renormalize(field, nnrg.GridBlocks(b), levels=2).means[1][0]
        at_centres = wave[1::b]
        np.testing.assert_allclose(cut[1::b], at_centres if j <= n / b / 2 else 0, atol=1e-12)
        damped = np.sin(k * b / 2) / (b * np.sin(k / 2)) * at_centres
        np.testing.assert_allclose(mean, damped, atol=1e-12)


def test_independent_sites_have_one_variance_and_a_constant_keeps_its_value():
    graph = uneven()
    rule = GraphModes(graph, 2)
    unit = on_lattice(np.concatenate([np.eye(60), -np.eye(60)]))  # mean zero, all directions
    for level, (values, _) in enumerate(rule.coarsen(unit, 4), 1):
        variance = (values**2).sum(axis=0) / 2
        np.testing.assert_allclose(variance, rule.counts(4)[level - 1] / 60, rtol=1e-9)
        assert rule.counts(4)[level - 1] == 60 // 2**level
    for values, _ in rule.coarsen(on_lattice(np.full((3, 60), 2.5)), 3):
        np.testing.assert_allclose(values, 2.5, rtol=1e-12)


def test_no_eigenvalue_is_cut_in_two():
    # The ring of 12: one slowest mode, then pairs; of 6 and 3 modes, 5 and 3 cut no pair.
    ring = ConnectionGraph.from_networkx(nx.cycle_graph(12))
    assert GraphModes(ring, 2).counts(4) == (5, 3, 1)
    with pytest.raises(AnalysisError, match="the 1 slowest of 9 modes cannot be told"):
        GraphModes(ConnectionGraph.from_sparse(np.zeros((9, 9))), 9).counts(2)
    with pytest.raises(AnalysisError, match="cannot be told"):
        GraphModes(ConnectionGraph.from_networkx(nx.path_graph(4)), 9).counts(2)


def test_signs_of_nodes_are_a_gauge_of_the_signed_laplacian():
    graph, sign = uneven(), np.where(np.arange(60) % 2, 1.0, -1.0)
    flipped = ConnectionGraph.from_sparse(graph.to_sparse().toarray() * np.outer(sign, sign))
    values = noise(30, 60)
    values -= values.mean(axis=0)
    values -= values.mean(axis=1, keepdims=True)
    turned = values * sign
    turned -= 0
    one = next(iter(GraphModes(graph).coarsen(on_lattice(values), 2)))[0]
    two = next(iter(GraphModes(flipped).coarsen(on_lattice(np.vstack([turned, -turned])), 2)))[0]
    np.testing.assert_allclose(two[:30] * sign, one, atol=1e-9)
    flow = nnrg.renormalize(on_lattice(turned), GraphModes(flipped))
    assert any("signed Laplacian" in note for note in flow.notes)


def test_numbering_of_nodes_changes_no_number():
    graph, values = uneven(), noise(30, 60)
    order = np.random.default_rng(7).permutation(60)
    here = nnrg.renormalize(on_lattice(values), GraphModes(graph), levels=3)
    there = nnrg.renormalize(on_lattice(values[:, order]), GraphModes(graph.permuted(order)), 3)
    for one, two in zip(here.means, there.means, strict=True):
        np.testing.assert_allclose(one[:, order], two, atol=1e-9)


def test_regions_cannot_be_left_out_and_notes_say_what_is_kept():
    graph = uneven()
    flow = nnrg.renormalize(on_lattice(noise(30, 60)), GraphModes(graph), levels=3)
    assert any("slowest 60, 30, 15 modes" in note for note in flow.notes)
    assert flow.singular
    with pytest.raises(AnalysisError, match="extend over all its nodes"):
        nnrg.renormalize(on_lattice(noise(3, 60)), GraphModes(graph))
    with pytest.raises(ArgumentError, match="60 units do not fit the 50"):
        nnrg.renormalize(on_lattice(noise(30, 50)), GraphModes(graph))
