import itertools

import ml_dtypes
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import f
from scipy.stats import t as student

from kernels import reference_schwinger_dyson as reference
from nnrg_kernels import _row_products, schwinger_dyson
from nnrg_kernels._jit import python_version
from nnrg_kernels.schwinger_dyson import accumulate

DTYPES = (np.float64, np.float32, np.float16, ml_dtypes.bfloat16)
ALL = {"second_neighbours": True, "diagonal": True, "quartic": True, "bounded": True}


def whole(values, **options):
    """Keywords for one group of everything, every channel, all axes periodic."""
    defaults = {
        "power": 3,
        "margin": 2,
        "periodic": (True,) * (values.ndim - 1),
        "sample_group": np.zeros(len(values), np.int64),
        "edges": tuple(np.array([0, n]) for n in values.shape[1:]),
    }
    return defaults | ALL | options


def assert_equals_twin(values, inverse, **options):
    got = accumulate(values, inverse, **options)
    names, sites, moments, cross, gram, second = reference.accumulate(values, inverse, **options)
    # Sums of terms of both signs: what can be asked for is measured in the sum of their sizes.
    size = np.abs(values.astype(np.float64) * inverse).max(initial=0.0)
    n = max(1, values.size)
    tops = (4 * values.ndim**2 * max(size, size**3)) ** np.arange(3)
    assert got.names == names
    assert_array_equal(got.sites, sites)
    for p in range(2 * options["power"] + 1):
        assert_allclose(got.moments[:, p], moments[:, p], rtol=0, atol=1e-14 * n * size**p)
    for k in range(options["power"] + 1):
        atol = 1e-14 * n * size**k * tops[1]
        assert_allclose(got.cross[:, k], cross[:, k], rtol=0, atol=atol)
    assert_allclose(got.gram, gram, rtol=0, atol=1e-14 * n * tops[2])
    # Terms of both signs, none above one in size, in "bounded" only.
    atol = np.where(np.array(names) == "bounded", 1e-14 * n, 0.0)
    assert np.all(np.abs(got.second - second) <= 1e-13 * np.abs(second) + atol)


@st.composite
def problems(draw):
    d = draw(st.integers(1, 4))
    longest = (40, 12, 7, 5)[d - 1]
    shape = tuple(draw(st.integers(1, longest)) for _ in range(d))
    n_samples = draw(st.integers(1, 4))
    second_neighbours = draw(st.booleans())
    edges = []
    for n in shape:
        inner = draw(st.sets(st.integers(1, n - 1), max_size=3)) if n > 1 else set()
        edges.append(np.array([0, *sorted(inner), n]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = 3.0 * rng.standard_normal((n_samples, *shape)) + 1.0
    return values.astype(draw(st.sampled_from(DTYPES))), {
        "power": draw(st.integers(1, 9)),
        "margin": draw(st.integers(1 + second_neighbours, 3)),
        "periodic": tuple(draw(st.booleans()) for _ in shape),
        "sample_group": rng.integers(0, n_samples, n_samples),
        "edges": tuple(edges),
        "second_neighbours": second_neighbours,
        "diagonal": draw(st.booleans()),
        "quartic": draw(st.booleans()),
        "bounded": draw(st.booleans()),
    }


@settings(max_examples=300, deadline=None, derandomize=True)
@given(problems())
def test_equals_the_naive_twin(problem):
    values, options = problem
    assert_equals_twin(values, 0.25, **options)


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
    for name in ("moments", "cross", "gram", "second"):
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
    for name in ("moments", "cross", "gram", "second"):
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
    for name in ("U:1", "bounded"):
        assert not np.isfinite(sums.second[1, sums.names.index(name)])


def test_lattice_thinner_than_its_margins_has_no_sites():
    values = np.ones((3, 4, 9))
    sums = accumulate(values, 1.0, **whole(values, periodic=(False, True)))
    assert_array_equal(sums.sites, [0])
    assert not any(np.any(a) for a in (sums.moments, sums.cross, sums.gram, sums.second))


def test_constant_field_feels_no_quadratic_coupling():
    values = np.full((2, 5, 6, 4), 1.7)
    sums = accumulate(values, 1.0, **whole(values))
    quadratic = [c for c, name in enumerate(sums.names) if name not in ("U:1", "bounded")]
    assert_array_equal(sums.cross[..., quadratic], 0.0)
    assert_array_equal(sums.second[0, quadratic], np.array([2, 2, 2, 6, 12]) * values.size)


def test_plane_wave_is_an_eigenfunction_of_every_quadratic_channel():
    # sum_n (y_x - y_n) = y_x sum_n (1 - cos k.n) for one sine wave on a periodic lattice.
    n, k = 64, 2 * np.pi * 3 / 64
    x = np.arange(n)
    values = np.sin(k * (x[:, None] + x))[None]
    sums = accumulate(values, 1.0, **whole(values))
    c1, c2 = 1 - np.cos(k), 1 - np.cos(2 * k)
    eigenvalues = dict(zip(sums.names, [2 * c1, 2 * c1, 4 * c2, 2 * c2], strict=False))
    for c, name in enumerate(sums.names[:4]):
        assert sums.cross[0, 1, c] == pytest.approx(eigenvalues[name] * n * n / 2, rel=1e-12)


def test_interpreted_kernels_equal_the_compiled_ones(monkeypatch):
    rng = np.random.default_rng(7)
    values = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    edges = (np.array([0, 3]), np.array([0, 1, 4]), np.array([0, 5]))
    options = whole(values, periodic=(True, True, False), edges=edges, power=4)
    compiled = accumulate(values, 0.8, **options)
    for name in ("_run_parts", "add_row_products", "derivative_rows", "load_line"):
        function = python_version(getattr(schwinger_dyson, name))
        monkeypatch.setattr(schwinger_dyson, name, function)
    interpreted = accumulate(values, 0.8, **options)
    for name in ("moments", "cross", "gram", "second"):
        assert_allclose(getattr(interpreted, name), getattr(compiled, name), rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("channels", range(1, 8))
@pytest.mark.parametrize("power", range(1, 10))
def test_products_of_rows_equal_a_matrix_product(channels, power):
    n, size = 37, 48
    rng = np.random.default_rng(8)
    y, t = rng.standard_normal(size), rng.standard_normal((channels, size))
    full = np.stack([y**power, *t, *(y**k for k in range(1, power))])[:, :n]
    exact = np.column_stack([full @ full[: 1 + channels].T, full.sum(axis=1)])
    # Products of the first rows with one another are complete from the diagonal on.
    complete = np.ones_like(exact, bool)
    complete[: 1 + channels] = np.triu(complete[: 1 + channels])
    for add in (_row_products.add_row_products, python_version(_row_products.add_row_products)):
        rows = np.full((power + channels, size), np.nan)
        rows[1 : 1 + channels] = t
        rows[1 + channels if power > 1 else 0] = y
        products = np.zeros_like(exact)
        add(rows, n, channels, products)
        assert_allclose(products[complete], exact[complete], rtol=1e-12, atol=1e-9)


def test_independent_gaussian_numbers_have_the_couplings_of_their_variance():
    # S = sum y^2 / (2 s^2): phi2 = 1/s^2 and nothing else. The groups are independent, so the
    # pull is Hotelling's T^2, an F variate; a wrong seed in 10^4 would raise a false alarm.
    s, n_groups, power = 1.3, 200, 5
    values = s * np.random.default_rng(20).standard_normal((n_groups, 64, 64))
    options = whole(values, power=power, sample_group=np.arange(n_groups))
    options |= {"second_neighbours": False, "quartic": False, "bounded": False}
    sums = accumulate(values, 1.0, **options)
    k = np.arange(power + 1)
    channels = len(sums.names)
    a = np.block(
        [
            [sums.moments[:, k[:, None] + k], sums.cross],
            [sums.cross.transpose(0, 2, 1), sums.gram],
        ]
    )
    falling = np.where(k > 0, k * sums.moments[:, np.maximum(k - 1, 0)], 0.0)
    h = np.concatenate([falling, sums.second], axis=1)

    def solve(weights):
        return np.linalg.solve(np.tensordot(weights, a, 1), weights @ h)

    g = solve(np.ones(n_groups))
    left_out = np.stack([solve(w) for w in 1.0 - np.eye(n_groups)])
    spread = left_out - left_out.mean(axis=0)
    covariance = (n_groups - 1) / n_groups * spread.T @ spread
    exact = np.zeros(power + 1 + channels)
    exact[1] = 1 / s**2
    pull = g - exact
    p = pull.size
    t2 = pull @ np.linalg.solve(covariance, pull)
    assert t2 * (n_groups - p) / (p * (n_groups - 1)) < f.isf(1e-4, p, n_groups - p)
    assert np.sqrt(covariance[1, 1]) < 0.01


@pytest.mark.parametrize("density", ["Gaussian", "Cauchy"])
def test_bounded_channel_obeys_the_equation_of_independent_numbers(density):
    # <T S'> = <T'>, with S' = y/s^2 or, of the Cauchy density, which has no moments, 2y/(1 + y^2).
    # The means of the groups are independent; a wrong seed in 10^4 would raise a false alarm.
    s, n_groups = 1.3, 200
    rng = np.random.default_rng(21)
    shape = (n_groups, 32, 32)
    values = s * rng.standard_normal(shape) if density == "Gaussian" else rng.standard_cauchy(shape)
    sums = accumulate(values, 1.0, **whole(values, sample_group=np.arange(n_groups)))
    c = sums.names.index("bounded")
    left = sums.cross[:, 1, c] / s**2 if density == "Gaussian" else 2 * sums.gram[:, c, c]
    right = sums.second[:, c]

    def pull(difference):
        return difference.mean() / (difference.std(ddof=1) / np.sqrt(n_groups))

    limit = student.isf(0.5e-4, n_groups - 1)
    assert abs(pull(left - right)) < limit
    # It tells a coupling that is wrong by a few per cent, too.
    assert abs(pull(1.05 * left - right)) > limit


def test_bounded_channel_bears_numbers_whose_square_overflows():
    values = np.array([[1e200, -1e200, 1.0, 0.0]])
    sums = accumulate(values, 1.0, **whole(values))
    c = sums.names.index("bounded")
    assert_array_equal([sums.cross[0, 0, c], sums.gram[0, c, c], sums.second[0, c]], [0.5, 0.25, 1])
