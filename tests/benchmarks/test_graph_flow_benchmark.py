"""Speed of a flow with null draws on two graphs, as ratios of processor time in one process.

Against the same flow on an index lattice, which has four neighbours a site and no blocks of unequal
size, and against the sums of one scale written with NumPy and SciPy.
"""

from functools import partial
from time import process_time

import numpy as np
import pytest
from numpy.testing import assert_allclose

import nnrg
from nnrg.graph.similarity import similarity_graph
from nnrg.rg.action import measure
from nnrg_kernels.graph_schwinger_dyson import GraphTerm, Neighbours, accumulate_on_graph

pytestmark = pytest.mark.benchmark

ROWS, COLUMNS, DRAWS, POWER = 1536, 384, 10, 5


def fastest(repeats, *functions):
    """Shortest processor time of each, run in turn."""
    spent = []
    for _ in range(repeats):
        for function in functions:
            start = process_time()
            function()
            spent.append(process_time() - start)
    return [min(spent[i :: len(functions)]) for i in range(len(functions))]


def similar(n, seed):
    """A graph of units of which eight at a time are alike."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 60)) + np.repeat(rng.normal(size=(n // 8, 60)), 8, axis=0)
    return similarity_graph(
        vectors, neighbours=10, measure="correlation", provenance="alike", sources=("other",)
    )


@pytest.fixture(scope="module")
def graphs():
    return similar(ROWS, 1), similar(COLUMNS, 2)


@pytest.fixture(scope="module")
def field():
    values = np.random.default_rng(3).standard_t(6, size=(1, ROWS, COLUMNS)).astype(np.float32)
    sites = nnrg.Lattice((ROWS, COLUMNS), populations=((0,), (1,)))
    return nnrg.SynapticField(values, sites, name="w")


def test_a_flow_with_draws_on_graphs_and_on_the_lattice(field, graphs, capsys):
    rules = nnrg.ProductBlocks(*(nnrg.MatchingBlocks(graph) for graph in graphs))

    def run(blocks, name="permutation", draws=DRAWS):
        flow = nnrg.renormalize(field, blocks)
        return measure(flow, nulls=(nnrg.NullModel(name, draws),), rng=1)

    # What is compiled, and what is spent once, is not a draw's.
    fastest(1, lambda: run(rules, draws=3), lambda: run(None, draws=3))
    on_graphs, on_lattice = fastest(3, lambda: run(rules), lambda: run(None))
    with capsys.disabled():
        print(f"\n{ROWS} x {COLUMNS}, a flow and {DRAWS} draws, processor time")
        print(f"on graphs {on_graphs:.2f} s, on the lattice {on_lattice:.2f} s")
        for name in ("configuration", "gaussian"):
            (spent,) = fastest(2, partial(run, rules, name))
            print(f"on graphs, {name:13} {spent:.2f} s")
    assert on_graphs < 4 * on_lattice


def plain(values, links, strengths):
    """Sums of products of y^0 .. y^5 and of both Laplacians of y, with NumPy and SciPy."""
    y = values[0].astype(np.float64)
    rows = strengths[0][:, None] * y - links[0] @ y
    columns = y * strengths[1] - (links[1] @ y.T).T
    functions = [np.ones_like(y)]
    for _ in range(POWER):
        functions.append(functions[-1] * y)
    stacked = np.stack([f.ravel() for f in (*functions, rows, columns)])
    return stacked @ stacked.T


def test_sums_of_one_scale(field, graphs, capsys):
    links = [graph.to_sparse() for graph in graphs]
    strengths = [graph.strengths() for graph in graphs]
    near = [Neighbours(a, g.indptr, g.indices, g.weights) for a, g in enumerate(graphs)]

    def ours():
        return accumulate_on_graph(
            field.values,
            1.0,
            power=POWER,
            neighbours=near,
            terms=[GraphTerm("quadratic", axis) for axis in (0, 1)],
            sample_group=np.zeros(1, np.int64),
            edges=(np.array([0, ROWS]), np.array([0, COLUMNS])),
        )

    def theirs():
        return plain(field.values, links, strengths)

    found, wanted = ours(), theirs()
    assert_allclose(found.gram[0], wanted[-2:, -2:], rtol=1e-10)
    # Fifth powers of heavy tails: what cancels is of the size of the largest term.
    bound = 1e-10 * np.abs(wanted).max()
    assert_allclose(found.cross[0], wanted[: POWER + 1, -2:], rtol=1e-8, atol=bound)
    kernel, numpy = fastest(5, ours, theirs)
    with capsys.disabled():
        print(f"\nsums of one scale: {1e3 * kernel:.1f} ms, NumPy and SciPy {1e3 * numpy:.1f} ms")
    assert kernel < numpy / 2
