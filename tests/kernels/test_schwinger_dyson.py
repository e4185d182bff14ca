import itertools

import ml_dtypes
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.reference_schwinger_dyson import (
    BUILT_IN,
    USERS,
    cosine,
    many_terms,
    shell,
    sine,
    whole,
)
from numpy.testing import assert_allclose, assert_array_equal

from kernels import reference_schwinger_dyson as reference
from nnrg_kernels import _part_sums, _row_products, schwinger_dyson
from nnrg_kernels._jit import python_version
from nnrg_kernels._user_rows import compile_pair
from nnrg_kernels.schwinger_dyson import Term, accumulate

DTYPES = (np.float64, np.float32, np.float16, ml_dtypes.bfloat16)
ARRAYS = ("moments", "cross", "gram", "second", "edge")


def assert_equals_twin(values, inverse, **options):
    got = accumulate(values, inverse, **options)
    sites, moments, cross, gram, second, edge = reference.accumulate(values, inverse, **options)
    # Sums of terms of both signs: what can be asked for is measured in the sum of their sizes.
    size = max(1.0, np.abs(values.astype(np.float64) * inverse).max(initial=0.0))
    near = 2 * max([1, *(len(term.offsets) for term in options["terms"])])
    n = 1e-14 * max(1, values.size)
    top = 2 * near * size**3
    if options.get("window"):
        low, high = options["window"]
        n *= max(1.0, 4 / (high - low))
    assert_array_equal(got.sites, sites)
    for p in range(2 * options["power"] + 1):
        assert_allclose(got.moments[:, p], moments[:, p], rtol=0, atol=n * size**p)
    for k in range(options["power"] + 1):
        assert_allclose(got.cross[:, k], cross[:, k], rtol=0, atol=n * size**k * top)
        assert_allclose(got.edge[:, k], edge[:, k], rtol=0, atol=n * size**k)
    assert_allclose(got.gram, gram, rtol=0, atol=n * top**2)
    assert_allclose(got.second, second, rtol=1e-13, atol=n * top)


@st.composite
def neighbourhoods(draw, d):
    """Terms of any kind on one or more shells."""
    farthest = (8, 4, 2, 2)[d - 1]
    terms = []
    for kind in draw(st.lists(st.sampled_from([*BUILT_IN, "bounded", *USERS]), max_size=8)):
        offsets = ()
        if kind not in ("bounded", "site"):
            squares = draw(st.sets(st.integers(1, farthest**2), min_size=1, max_size=2))
            offsets = tuple(o for squared in sorted(squares) for o in shell(d, squared))
        terms.append(Term(kind, offsets, USERS.get(kind)))
    return tuple(terms)


@st.composite
def problems(draw):
    d = draw(st.integers(1, 4))
    longest = (40, 12, 7, 5)[d - 1]
    shape = tuple(draw(st.integers(1, longest)) for _ in range(d))
    n_samples = draw(st.integers(1, 4))
    terms = draw(neighbourhoods(d))
    reach = max([0, *(abs(o) for term in terms for step in term.offsets for o in step)])
    edges = []
    for n in shape:
        inner = draw(st.sets(st.integers(1, n - 1), max_size=3)) if n > 1 else set()
        edges.append(np.array([0, *sorted(inner), n]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = (3.0 * rng.standard_normal((n_samples, *shape)) + 1.0).clip(-9.0, 10.0)
    return values.astype(draw(st.sampled_from(DTYPES))), {
        "power": draw(st.integers(1, 9)),
        "margin": draw(st.integers(reach, reach + 2)),
        "periodic": tuple(draw(st.booleans()) for _ in shape),
        "sample_group": rng.integers(0, n_samples, n_samples),
        "edges": tuple(edges),
        "terms": terms,
        "window": draw(st.sampled_from([None, (-2.25, 2.5), (-2.5, 4.0)])),
    }


@settings(max_examples=120, deadline=None, derandomize=True)
@given(problems())
def test_equals_the_naive_twin(problem):
    values, options = problem
    assert_equals_twin(values, 0.25, **options)


@pytest.mark.parametrize("d", [1, 2, 3, 4])
@pytest.mark.parametrize("length", [2, 3, 9, 20])
@pytest.mark.parametrize("axis", [0, -1])
def test_shells_eight_sites_away_equal_the_naive_twin(d, length, axis):
    shape = [3] * d
    shape[axis] = length
    values = np.random.default_rng(10).standard_normal((2, *shape))
    step = [0] * d
    step[axis] = 8
    far = (tuple(step),)
    terms = (*(Term(kind, far) for kind in BUILT_IN), Term("pair", far, USERS["pair"]))
    for wraps in (True, False):
        options = whole(values, terms=terms, margin=8, periodic=(wraps,) * d)
        assert_equals_twin(values, 1.0, **options)


def test_sixteen_operators_on_rows_longer_than_a_tile_equal_the_naive_twin():
    values = np.random.default_rng(11).standard_normal((1, 21, 1300)).astype(np.float32)
    terms = tuple(Term(kind, shell(2, r)) for kind in BUILT_IN for r in (1, 2, 4, 5, 8))
    for window in (None, (-6.0, 7.0)):
        options = whole(values, terms=terms, power=7, window=window)
        assert_equals_twin(values, 1.0, **options)


def test_no_terms_leave_the_moments():
    values = np.random.default_rng(12).standard_normal((3, 50))
    for power in (1, 2, 5):
        options = whole(values, terms=(), power=power, margin=0, window=(-6.0, 6.0))
        assert_equals_twin(values, 1.0, **options)


def test_functions_of_a_user_are_compiled_once_and_nothing_else_again():
    values = np.random.default_rng(13).standard_normal((2, 12, 12))
    near = shell(2, 1)
    accumulate(values, 1.0, **whole(values))
    before = len(schwinger_dyson.sum_parts.signatures)
    users = tuple(Term(kind, near, functions) for kind, functions in USERS.items())
    accumulate(values, 1.0, **whole(values, terms=(*users, Term("quartic", near))))
    assert len(schwinger_dyson.sum_parts.signatures) == before == 1
    assert compile_pair(sine, cosine) is compile_pair(sine, cosine)


@pytest.mark.parametrize("periodic", list(itertools.product((True, False), repeat=2)))
def test_rows_longer_than_a_tile_equal_the_naive_twin(periodic):
    values = np.random.default_rng(1).standard_normal((2, 7, 1300)).astype(np.float32)
    edges = (np.array([0, 3, 7]), np.array([0, 10, 600, 1300]))
    assert_equals_twin(values, 0.7, **whole(values, power=7, periodic=periodic, edges=edges))


@pytest.mark.parametrize("shape", [(1, 150_000), (1, 330, 331), (3, 41, 40, 39), (400, 14, 15)])
def test_parallel_work_equals_the_naive_twin(shape):
    values = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    groups = np.random.default_rng(3).integers(0, 3, shape[0])
    assert_equals_twin(values, 0.5, **whole(values, power=5, sample_group=groups))


@pytest.mark.parametrize("dtype", DTYPES)
def test_types_give_what_their_float64_copy_gives(dtype):
    values = np.random.default_rng(4).standard_normal((3, 9, 31)).astype(dtype)
    got = accumulate(values, 0.9, **whole(values))
    copy = accumulate(values.astype(np.float64), 0.9, **whole(values))
    for name in ARRAYS:
        assert_array_equal(getattr(got, name), getattr(copy, name))


@pytest.mark.parametrize("shape", [(1, 300_000), (1, 512, 600), (700, 28, 28)])
def test_number_of_threads_does_not_change_a_bit(shape):
    values = np.random.default_rng(5).standard_normal(shape).astype(np.float32)
    options = whole(values, power=7, sample_group=np.arange(shape[0]) % 13)
    before = numba.get_num_threads()
    results = []
    for threads in {1, before}:
        numba.set_num_threads(threads)
        results.append(accumulate(values, 1.0, **options))
    numba.set_num_threads(before)
    for name in ARRAYS:
        for result in results[1:]:
            assert_array_equal(getattr(result, name), getattr(results[0], name))


def test_samples_of_a_group_may_stand_anywhere():
    rng = np.random.default_rng(6)
    values, group = rng.standard_normal((12, 6, 7)), rng.integers(0, 4, 12)
    sums = accumulate(values, 1.0, **whole(values, sample_group=group))
    for g in np.unique(group):
        alone = np.ascontiguousarray(values[group == g])
        assert_allclose(
            sums.gram[g], accumulate(alone, 1.0, **whole(alone)).gram[0], rtol=1e-13, atol=0
        )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_not_finite_reaches_the_sums_of_its_group(bad, dtype):
    values = np.ones((2, 8, 8), dtype)
    values[1, 3, 4] = bad
    sums = accumulate(values, 1.0, **whole(values, sample_group=np.array([0, 1])))
    for name in ("moments", "cross", "gram"):
        array = getattr(sums, name)
        assert np.isfinite(array[0]).all()
    assert_array_equal(np.isfinite(sums.moments[1]), [True] + [False] * 6)
    assert not np.isfinite(sums.cross[1]).any()
    assert not np.isfinite(sums.gram[1]).any()
    for c, term in enumerate(many_terms(2)):
        assert np.isfinite(sums.second[1, c]) == (term.kind == "quadratic")


def test_lattice_thinner_than_its_margins_has_no_sites():
    values = np.ones((3, 4, 9))
    sums = accumulate(values, 1.0, **whole(values, periodic=(False, True)))
    assert_array_equal(sums.sites, [0])
    assert not any(np.any(a) for a in (sums.moments, sums.cross, sums.gram, sums.second))


def test_interpreted_kernels_equal_the_compiled_ones(monkeypatch):
    rng = np.random.default_rng(7)
    values = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    edges = (np.array([0, 3]), np.array([0, 1, 4]), np.array([0, 5]))
    options = whole(values, periodic=(True, True, False), edges=edges, power=4)
    options["window"] = (-5.0, 5.0)
    compiled = accumulate(values, 0.8, **options)
    for module, names in {
        schwinger_dyson: ("sum_parts",),
        _part_sums: (
            "derivative_rows",
            "fill_powers",
            "load_line",
            "multiply_rows",
            "weigh_rows",
            "weigh_sites",
        ),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, python_version(getattr(module, name)))
    interpreted = accumulate(values, 0.8, **options)
    for name in ARRAYS:
        assert_allclose(getattr(interpreted, name), getattr(compiled, name), rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("weighs", [False, True])
@pytest.mark.parametrize("channels", range(17))
def test_products_of_rows_equal_a_matrix_product(channels, weighs):
    n, size, head = 37, 48, 1 + channels
    rng = np.random.default_rng(8)
    y, t = rng.standard_normal(size), rng.standard_normal((channels, size))
    weighted = rng.standard_normal((head + 2, size))
    w, slope = weighted[-2:, :n]
    for power in range(1, 10):
        full = np.stack([y**power, *t, *(y**k for k in range(1, power))])[:, :n]
        others = np.array([*(w * full[:head]), w, slope]) if weighs else full[:head]
        exact = np.zeros((power + channels, head + 3))
        exact[:, : len(others)] = full @ others.T
        exact[:, -1] = full.sum(axis=1)
        # Products of the first rows with one another are complete from the diagonal on.
        complete = np.ones_like(exact, bool)
        complete[:head] = np.triu(complete[:head])
        rows = np.full((power + channels, size), np.nan)
        rows[1:head] = t
        rows[head if power > 1 else 0] = y
        products = np.zeros_like(exact)
        _row_products.fill_powers(rows, n, channels, products)
        if weighs:
            _row_products.weigh_rows(rows, weighted[-2], n, weighted)
        heads = weighted if weighs else rows
        _row_products.multiply_rows(rows, n, channels, heads, len(others), products)
        assert_allclose(products[complete], exact[complete], rtol=1e-12, atol=1e-9)
