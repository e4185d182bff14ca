"""Schwinger-Dyson sums on graphs: a naive twin with dense matrices, and the lattice kernel."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.reference_schwinger_dyson import USERS, groups
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from nnrg_kernels import graph_schwinger_dyson
from nnrg_kernels.graph_schwinger_dyson import GraphTerm, Neighbours, accumulate_on_graph
from nnrg_kernels.schwinger_dyson import Term, accumulate

ARRAYS = ("sites", "moments", "cross", "gram", "second", "edge")
PAIRS = ("quadratic", "quartic", "cubic")


def as_neighbours(dense, axis=0, *, weighted=True):
    csr = csr_array(dense)
    csr.sort_indices()
    weights = csr.data.astype(np.float64) if weighted else np.empty(0)
    return Neighbours(axis, csr.indptr.astype(np.int64), csr.indices.astype(np.int64), weights)


def along(dense, axis, y):
    """Sum over the neighbours of each site along one axis."""
    return np.moveaxis(np.tensordot(dense, y, axes=(1, axis + 1)), 0, axis + 1)


def channel(y, term, graphs):
    """T_c and dT_c/dy_x at every site."""
    if term.kind == "bounded":
        return y / (1 + y**2), (1 - y**2) / (1 + y**2) ** 2
    if term.kind == "site":
        first, second = (getattr(f, "py_func", f) for f in term.function)
        return first(y), second(y)
    axis, dense = graphs[term.near]
    if term.kind == "quadratic":
        strength = along(np.abs(dense), axis, np.ones_like(y))
        return strength * y - along(dense, axis, y), strength
    links = (dense != 0).astype(float)
    if term.kind == "quartic":
        return y * along(links, axis, y**2), along(links, axis, y**2)
    plain = along(links, axis, y)
    return y**2 / 2 * plain + along(links, axis, y**3) / 6, y * plain


def naive(values, inverse, *, power, graphs, terms, sample_group, edges, window=None):
    """What the driver returns, from whole arrays and one mask for each group."""
    y = values.astype(np.float64) * inverse
    pairs = [channel(y, term, graphs) for term in terms]
    rows = np.array([p[0] for p in pairs]).reshape(-1, *y.shape)
    slopes = np.array([p[1] for p in pairs]).reshape(-1, *y.shape)
    w, dw = np.ones_like(y), np.zeros_like(y)
    if window:
        low, high = window
        w = 4 * (y - low) * (high - y) / (high - low) ** 2
        dw = 4 * (high + low - 2 * y) / (high - low) ** 2
    group, n_groups = groups(y.shape, sample_group, edges)
    out = {name: [] for name in ARRAYS}
    for g in range(n_groups):
        at = group == g
        t, powers = rows[:, at], np.array([y[at] ** p for p in range(2 * power + 1)])
        out["sites"].append(at.sum())
        out["moments"].append((powers * w[at]).sum(axis=1))
        out["cross"].append((powers[: power + 1] * w[at]) @ t.T)
        out["gram"].append((t * w[at]) @ t.T)
        out["second"].append((slopes[:, at] * w[at] + t * dw[at]).sum(axis=1))
        out["edge"].append((powers[: power + 1] * dw[at]).sum(axis=1))
    return {name: np.array(a) for name, a in out.items()}


def assert_equals_twin(values, inverse, *, graphs, **options):
    near = tuple(as_neighbours(dense, axis) for axis, dense in graphs)
    got = accumulate_on_graph(values, inverse, neighbours=near, **options)
    wanted = naive(values, inverse, graphs=graphs, **options)
    size = max(1.0, np.abs(values.astype(np.float64) * inverse).max())
    degree = max([1.0, *(np.abs(d).sum(axis=1).max() for _, d in graphs)])
    n = 1e-14 * values.size * max(1.0, 4 / np.ptp(options.get("window") or (0.0, 9.0)))
    top = 4 * (degree + max([1, *(d.shape[0] for _, d in graphs)])) * size**3
    scales = {
        "sites": 0.0,
        "moments": size ** np.arange(2 * options["power"] + 1.0),
        "cross": size ** np.arange(options["power"] + 1.0)[:, None] * top,
        "gram": top**2,
        "second": top,
        "edge": size ** np.arange(options["power"] + 1.0),
    }
    for name, scale in scales.items():
        found = getattr(got, name)
        assert found.shape == wanted[name].shape
        assert np.all(np.abs(found - wanted[name]) <= n * scale), name


def random_graph(rng, n, density):
    upper = np.triu(rng.normal(size=(n, n)) * (rng.random((n, n)) < density), 1)
    return upper + upper.T


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(draw(st.integers(1, 14)) for _ in range(draw(st.integers(1, 2))))
    n_samples = draw(st.integers(1, 20))
    graphs = [
        (axis, random_graph(rng, shape[axis], draw(st.sampled_from([0.0, 0.2, 1.0]))))
        for axis in draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=3))
    ]
    terms = []
    for kind in draw(st.lists(st.sampled_from([*PAIRS, "bounded", "site"]), max_size=6)):
        near = draw(st.integers(0, len(graphs) - 1)) if kind in PAIRS else -1
        terms.append(GraphTerm(kind, near, USERS["site"] if kind == "site" else None))
    edges = []
    for n in shape:
        inner = draw(st.sets(st.integers(1, n - 1), max_size=3)) if n > 1 else set()
        edges.append(np.array([0, *sorted(inner), n]))
    values = (2.0 * rng.standard_normal((n_samples, *shape)) + 0.5).clip(-8.0, 8.0)
    return values.astype(draw(st.sampled_from([np.float64, np.float32, np.float16]))), {
        "power": draw(st.integers(1, 7)),
        "graphs": graphs,
        "terms": tuple(terms),
        "sample_group": rng.integers(0, n_samples, n_samples),
        "edges": tuple(edges),
        "window": draw(st.sampled_from([None, (-2.25, 2.5)])),
    }


@settings(max_examples=80, deadline=None, derandomize=True)
@given(problems())
def test_equals_the_naive_twin(problem):
    values, options = problem
    assert_equals_twin(values, 0.25, **options)


@pytest.mark.parametrize(("columns", "batch"), [(5, 64), (2048, 2000)])
def test_many_pieces_of_many_batches_equal_the_naive_twin(monkeypatch, columns, batch):
    monkeypatch.setattr(graph_schwinger_dyson, "COLUMNS", columns)
    monkeypatch.setattr(graph_schwinger_dyson, "BATCH", batch)
    rng = np.random.default_rng(1)
    graphs = [(0, random_graph(rng, 31, 0.2)), (1, random_graph(rng, 22, 0.4))]
    terms = tuple(GraphTerm(kind, near) for kind in PAIRS for near in (0, 1))
    for n_samples in (1, 3, 70):
        values = rng.standard_normal((n_samples, 31, 22))
        assert_equals_twin(
            values,
            1.0,
            power=3,
            graphs=graphs,
            terms=terms,
            sample_group=np.arange(n_samples) // 4,
            edges=(np.array([0, 10, 31]), np.array([0, 3, 22])),
        )


def ring(n):
    dense = np.roll(np.eye(n), 1, axis=0)
    return dense + dense.T


@pytest.mark.parametrize("n_samples", [1, 5, 40])
def test_rings_are_periodic_lattices(n_samples):
    # The product of two rings is a torus, each axis with its own neighbours.
    values = np.random.default_rng(2).standard_normal((n_samples, 12, 10))
    shared = {
        "power": 3,
        "sample_group": np.arange(n_samples) // 2,
        "edges": (np.array([0, 5, 12]), np.array([0, 10])),
    }
    near = (as_neighbours(ring(12), 0, weighted=False), as_neighbours(ring(10), 1))
    terms = tuple(GraphTerm(kind, axis) for kind in PAIRS for axis in (0, 1))
    on_graph = accumulate_on_graph(values, 0.7, neighbours=near, terms=terms, **shared)
    offsets = (((1, 0),), ((0, 1),))
    on_lattice = accumulate(
        values,
        0.7,
        margin=1,
        periodic=(True, True),
        terms=tuple(Term(kind, offsets[axis]) for kind in PAIRS for axis in (0, 1)),
        **shared,
    )
    for name in ARRAYS:
        assert_allclose(getattr(on_graph, name), getattr(on_lattice, name), rtol=0, atol=2e-11)


@pytest.mark.parametrize("n_samples", [1, 40])
def test_sums_are_the_same_for_any_number_of_threads(n_samples):
    rng = np.random.default_rng(3)
    n = 100_000 // n_samples
    links = csr_array((np.ones(3 * n), (rng.integers(0, n, 3 * n), rng.integers(0, n, 3 * n))))
    links.resize((n, n))
    links = links + links.T
    links.sort_indices()
    near = Neighbours(0, links.indptr.astype(np.int64), links.indices.astype(np.int64), links.data)
    values = rng.standard_normal((n_samples, n)).astype(np.float32)

    def sums():
        return accumulate_on_graph(
            values,
            1.0,
            power=5,
            neighbours=(near,),
            terms=tuple(GraphTerm(kind, 0) for kind in PAIRS),
            sample_group=np.arange(n_samples) // 3,
            edges=(np.array([0, n // 3, n]),),
            window=(-6.0, 6.0),
        )

    together = sums()
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        alone = sums()
    finally:
        numba.set_num_threads(before)
    for name in ARRAYS:
        assert_array_equal(getattr(together, name), getattr(alone, name))


def test_what_is_not_finite_is_seen():
    values = np.ones((2, 6))
    values[1, 2] = np.nan
    sums = accumulate_on_graph(
        values,
        1.0,
        power=1,
        neighbours=(as_neighbours(ring(6)),),
        terms=(GraphTerm("quadratic", 0),),
        sample_group=np.array([0, 1]),
        edges=(np.array([0, 6]),),
    )
    assert np.all(np.isfinite(sums.gram[0]))
    assert np.isnan(sums.gram[1]).all()
