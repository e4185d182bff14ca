"""Null draws in one pass, against the flow of each draw and its fit."""

import networkx as nx
import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import nnrg
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg._null_numbers import numbers_of_draws, numbers_of_flows
from nnrg.rg.action import measure
from nnrg.rg.graph_action import draws
from nnrg.rg.level_fit import fit_level
from nnrg.rg.neighbourhoods.matching import MatchingBlocks
from nnrg.rg.neighbourhoods.product import ProductBlocks
from nnrg.rg.renormalize import repeat_flow


def graph_of(n, seed, signed=False):
    graph = nx.random_regular_graph(4, n, seed=seed)
    rng = np.random.default_rng(seed)
    for _, _, attributes in graph.edges(data=True):
        attributes["weight"] = float(rng.uniform(0.5, 2.0) * (rng.choice([-1, 1]) if signed else 1))
    return ConnectionGraph.from_networkx(graph)


def skewed(shape, seed, kind=np.float64):
    """Numbers with a mean and odd cumulants."""
    return (3.0 + np.random.default_rng(seed).gamma(2.0, size=shape)).astype(kind)


def flow_on_one(signed=False, kind=np.float64):
    graph = graph_of(60, 1, signed)
    field = nnrg.SynapticField(skewed((200, 60), 2, kind), graph)
    return nnrg.renormalize(field, MatchingBlocks(), levels=4)


def flow_on_two(rows=True, signed=False):
    field = nnrg.SynapticField(
        skewed((3, 60, 48), 3), nnrg.Lattice((60, 48), populations=((0,), (1,)))
    )
    along = MatchingBlocks(graph_of(60, 4, signed)) if rows else None
    return nnrg.renormalize(field, ProductBlocks(along, MatchingBlocks(graph_of(48, 5))), levels=3)


def both(flow, basis, drawn):
    basis = basis.on(flow.field.sites.dimension)
    fits = [fit_level(flow, level, basis) for level in range(len(flow))]
    of_field = numbers_of_draws(flow, fits, basis, 8)
    return of_field(drawn), numbers_of_flows(fits, basis, 8)(repeat_flow(flow, drawn))


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert_array_equal(np.isnan(a), np.isnan(b))
        a, b = np.nan_to_num(a), np.nan_to_num(b)
        # In units of the largest of each name; couplings are solved from moments of tenth order.
        scale = np.abs(b).max(axis=0)
        assert np.all(np.abs(a - b) <= 1e-8 * scale)


FLOWS = {
    "one graph": flow_on_one,
    "one graph, single precision": lambda: flow_on_one(kind=np.float32),
    "one signed graph": lambda: flow_on_one(signed=True),
    "two graphs": flow_on_two,
    "two graphs, one of them signed": lambda: flow_on_two(signed=True),
    "a graph of the columns alone": lambda: flow_on_two(rows=False),
}


@pytest.mark.parametrize("name", list(FLOWS))
@pytest.mark.parametrize("names", [("phi", "phi2", "phi3", "phi4", "grad2"), ("phi2",)])
def test_a_draw_has_the_numbers_of_its_flow(name, names):
    flow = FLOWS[name]()
    drawn = flow.field.replaced(skewed(flow.field.values.shape, 9, flow.field.values.dtype), "")
    assert_same(*both(flow, nnrg.Basis(names), drawn))


def test_couplings_by_hop_distance_are_those_of_the_flow_too():
    flow = flow_on_one()
    drawn = flow.field.replaced(skewed(flow.field.values.shape, 9), "")
    assert_same(*both(flow, nnrg.Basis(("phi2", "grad2", "J:2")), drawn))


def test_batches_of_samples_add_up_to_the_whole(monkeypatch):
    flow, basis = flow_on_one(), nnrg.Basis.scalar(order=4)
    drawn = flow.field.replaced(skewed(flow.field.values.shape, 9), "")
    at_once, _ = both(flow, basis, drawn)
    monkeypatch.setattr(draws, "_BATCH", 60 * 7)
    in_batches, _ = both(flow, basis, drawn)
    monkeypatch.setattr(draws, "_KEPT", 0)
    made_again, _ = both(flow, basis, drawn)
    for a, b, c in zip(at_once, in_batches, made_again, strict=True):
        assert_allclose(a, b, rtol=1e-9)
        assert_array_equal(b, c)


@pytest.mark.parametrize("name", ["U:1", "phi3phi:1"])
def test_products_of_neighbours_are_left_to_the_flow_of_each_draw(name):
    flow, basis = flow_on_one(), nnrg.Basis(("phi2", "grad2", name)).on(1)
    fits = [fit_level(flow, level, basis) for level in range(2)]
    assert numbers_of_draws(flow, fits, basis, 8) is None


def test_numbers_do_not_depend_on_threads():
    # Large enough for draws on threads.
    graph = graph_of(60, 1)
    field = nnrg.SynapticField(skewed((400, 60), 2), graph)
    flow = nnrg.renormalize(field, MatchingBlocks(), levels=3)
    before, found = numba.get_num_threads(), []
    try:
        for threads in (1, 2):
            numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
            found.append(measure(flow, nulls=nnrg.NullModel("permutation", 5), rng=3))
    finally:
        numba.set_num_threads(before)
    for one, two in zip(*found, strict=True):
        assert_array_equal(one.nulls["permutation"], two.nulls["permutation"])
