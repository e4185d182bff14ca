"""Speed of the graph kernels on a random graph of 10^7 edges, as ratios taken in one process.

Edges per second count each edge once. Those that the tests ask for are per core, of processor time:
a neighbour's load on the machine lengthens it less than wall time.
"""

from functools import partial
from time import perf_counter, process_time

import numba
import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.csgraph import connected_components

from nnrg_kernels.graph_components import components
from nnrg_kernels.graph_contraction import contract
from nnrg_kernels.graph_matching import match_heaviest, match_two_hop
from nnrg_kernels.graph_neighbours import (
    block_means,
    block_sums,
    empty_columns,
    neighbour_sum,
    shells,
)

pytestmark = pytest.mark.benchmark

NODES, EDGES = 10**6, 10**7


def fastest(repeats, *functions):
    """Shortest wall time, shortest processor time and last result of each, run in turn."""
    walls, cores, results = [], [], []
    for _ in range(repeats):
        for function in functions:
            wall, core = perf_counter(), process_time()
            results.append(function())
            walls.append(perf_counter() - wall)
            cores.append(process_time() - core)
    n = len(functions)
    return [(min(walls[i::n]), min(cores[i::n]), results[(repeats - 1) * n + i]) for i in range(n)]


@pytest.fixture(scope="module")
def graph():
    """Erdos-Renyi: the worst case for the cache."""
    rng = np.random.default_rng(1)
    ends = np.sort(rng.integers(0, NODES, (int(1.001 * EDGES), 2)), axis=1)
    key = np.unique(ends[ends[:, 0] != ends[:, 1]] @ [NODES, 1])
    low, high = np.divmod(rng.permutation(key)[:EDGES], NODES)
    weights = rng.random(EDGES, np.float32) + np.float32(0.01)
    twice = np.concatenate([weights, weights])
    ends = np.concatenate([low, high]), np.concatenate([high, low])
    a = scipy.sparse.coo_array((twice, ends), (NODES, NODES)).tocsr()
    a.sort_indices()
    return a


@pytest.fixture(scope="module")
def arrays(graph):
    return graph.indptr.astype(np.int64), graph.indices.astype(np.int64), graph.data


@pytest.fixture(scope="module")
def pairs():
    """A random pairing: blocks whose nodes are far apart."""
    return np.random.default_rng(2).permutation(np.arange(NODES) // 2)


def report(capsys, rows, edges=EDGES):
    with capsys.disabled():
        print(f"\n{NODES} nodes, {EDGES} edges, {numba.get_num_threads()} threads")
        for name, (wall, core, _) in rows.items():
            rate = f"{edges / wall / 1e6:6.0f} Medges/s" if edges else ""
            print(f"{name:46} {1e3 * wall:7.0f} ms {1e3 * core:7.0f} ms of a core {rate}")


def test_contraction(graph, arrays, pairs, capsys):
    indptr, indices, weights = arrays
    small = indices.astype(np.int32)
    half = NODES // 2
    p = scipy.sparse.csr_array(
        (np.ones(NODES, np.float32), pairs, np.arange(NODES + 1)), (NODES, half)
    )
    rows = np.repeat(np.arange(NODES, dtype=np.int32), np.diff(indptr))

    def relabel():
        ends = pairs[rows], pairs[small]
        return scipy.sparse.coo_array((weights, ends), (half, half)).tocsr()

    runs = {
        "contract": partial(contract, indptr, indices, weights, pairs, half),
        "contract, 32-bit indices": partial(contract, indptr, small, weights, pairs, half),
        "SciPy P.T @ A @ P": lambda: p.T @ graph @ p,
        "SciPy relabelled coo.tocsr": relabel,
        "contract, blocks of 1000": partial(
            contract, indptr, indices, weights, pairs // 500, half // 500
        ),
    }
    for run in (*runs.values(),)[:2]:
        run()  # compiles
    timed = dict(zip(runs, fastest(4, *runs.values()), strict=True))
    report(capsys, timed)
    ours, _, triple, coo, _ = timed.values()
    expected = coo[2].tocoo()
    off = expected.row != expected.col
    *found, within = ours[2]
    assert_array_equal(found[1], expected.col[off])
    assert_allclose(found[2], expected.data[off], rtol=1e-6)
    assert_allclose(found[2].sum(dtype=float) / 2 + within.sum(), weights.sum(dtype=float) / 2)
    assert triple[0] > 5 * ours[0]
    assert coo[0] > 2 * ours[0]
    assert EDGES / ours[1] > 40e6 / 2


@numba.njit
def take_sorted(order, low, high, mate):
    for e in order:
        one, other = low[e], high[e]
        if mate[one] == one and mate[other] == other:
            mate[one], mate[other] = other, one
    return mate


def test_greedy_pairing(arrays, capsys):
    indptr, indices, weights = arrays
    rows = np.repeat(np.arange(NODES), np.diff(indptr))
    once = rows < indices
    low, high, w = rows[once], indices[once], weights[once]

    def by_sorting():
        return take_sorted(np.argsort(-w, kind="stable"), low, high, np.arange(NODES))

    take_sorted(np.arange(0), low, high, np.arange(NODES))
    match_heaviest(indptr, indices, weights)  # compiles
    match_two_hop(indptr, indices, weights, np.arange(NODES))
    ours, slow = fastest(2, partial(match_heaviest, indptr, indices, weights), by_sorting)
    (second,) = fastest(3, partial(match_two_hop, indptr, indices, weights, ours[2]))
    report(
        capsys, {"match_heaviest": ours, "sorted greedy, compiled": slow, "match_two_hop": second}
    )
    assert_array_equal(ours[2], slow[2])
    assert slow[0] > 5 * ours[0]
    assert EDGES / ours[1] > 30e6 / 2
    assert second[1] < ours[1]


def test_components(graph, arrays, capsys):
    indptr, indices, _ = arrays
    components(indptr, indices)  # compiles
    ours, slow = fastest(
        2, partial(components, indptr, indices), partial(connected_components, graph, False)
    )
    report(capsys, {"components": ours, "SciPy connected_components": slow})
    assert ours[2].max() + 1 == slow[2][0]
    assert slow[1] > 10 * ours[1]


@pytest.mark.parametrize("k", [8, 16])
def test_sums_over_neighbours(k, graph, arrays, capsys):
    a = graph.astype(np.float64)
    values, out = empty_columns(NODES, k), empty_columns(NODES, k)
    values[:] = np.random.default_rng(3).standard_normal((NODES, k))
    own = values.copy()  # on no cache line, as NumPy allocates it
    arguments = *arrays[:2], a.data
    neighbour_sum(*arguments, values, out)  # compiles
    ours, unaligned, slow = fastest(
        3,
        partial(neighbour_sum, *arguments, values, out),
        partial(neighbour_sum, *arguments, own, out),
        lambda: a @ own,
    )
    report(
        capsys,
        {f"neighbour_sum, {k} columns": ours, "not aligned": unaligned, "SciPy A @ V": slow},
    )
    assert_allclose(ours[2], slow[2], rtol=1e-10, atol=1e-10)
    assert slow[0] > 1.8 * ours[0]


def test_sums_over_blocks(pairs, capsys):
    values = np.random.default_rng(4).standard_normal(NODES)
    block_sums(pairs, NODES // 2, values)  # compiles
    ours, slow = fastest(
        7,
        partial(block_sums, pairs, NODES // 2, values),
        lambda: np.bincount(pairs, values, NODES // 2),
    )
    report(capsys, {"block_sums": ours, "np.bincount": slow}, edges=0)
    assert_array_equal(ours[2], slow[2])
    assert ours[1] < 1.5 * slow[1]


def test_whole_flow(arrays, capsys):
    """Pairing, contraction and means of one field, level by level, until 100 blocks are left."""
    values = np.random.default_rng(5).standard_normal(NODES)
    sizes = []

    def flow():
        sizes.clear()
        indptr, indices, weights = arrays
        means = values
        while indptr.size - 1 > 100:
            n = indptr.size - 1
            mate = match_heaviest(indptr, indices, weights)
            mate = match_two_hop(indptr, indices, weights, mate)
            first = mate >= np.arange(n)
            labels = (np.cumsum(first) - 1)[np.minimum(mate, np.arange(n))]
            blocks = int(labels.max()) + 1
            indptr, indices, weights, _ = contract(indptr, indices, weights, labels, blocks)
            means = block_means(labels, blocks, means)
            sizes.append((n, indices.size // 2))
        return means

    flow()  # compiles
    (run,) = fastest(1, flow)
    report(capsys, {f"flow of {len(sizes)} levels to {run[2].size} blocks": run}, edges=0)
    with capsys.disabled():
        print("nodes, edges of the next:", sizes)
    # Of all threads together: on idle cores wall time is shorter.
    assert run[1] < 6.0


def test_shells_of_a_sparse_graph(capsys):
    """Both passes of the search, against powers of SciPy's matrix."""
    n = 100_000
    ends = np.random.default_rng(6).integers(0, n, (2, 2 * n))
    joined = scipy.sparse.coo_array((np.ones(2 * n), tuple(ends)), (n, n)).tocsr()
    a = ((joined + joined.T) > 0).astype(np.float64)
    a.setdiag(0.0)
    a.eliminate_zeros()
    a.sort_indices()
    arrays = a.indptr.astype(np.int64), a.indices.astype(np.int64)

    def powers():
        reached, found = scipy.sparse.eye_array(n, format="csr"), []
        for _ in range(3):
            further = ((reached @ a + reached) > 0).astype(np.float64)
            found.append((further - reached).nnz)
            reached = further
        return found

    shells(*arrays, 3, 10**8)  # compiles
    ours, slow = fastest(2, partial(shells, *arrays, 3, 10**8), powers)
    rows = {f"shells 1 to 3, {ours[2][1] / 1e6:.0f} million pairs": ours, "SciPy powers": slow}
    report(capsys, rows, edges=0)
    counts = np.array([indices.size for _, indices in ours[2][0]])
    assert counts.sum() == ours[2][1]
    assert slow[0] > 3 * ours[0]
