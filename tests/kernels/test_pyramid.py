"""The block pyramid against its naive twin, and the laws that its sums obey."""

from __future__ import annotations

import ml_dtypes
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import reference_pyramid as naive
from nnrg_kernels import _load, _pyramid_rows
from nnrg_kernels._jit import python_version
from nnrg_kernels.pyramid import Pyramid, pyramid

DTYPES = (np.float64, np.float32, np.float16, ml_dtypes.bfloat16)


def open_pyramid(values: np.ndarray, factors: tuple[int, ...], levels: int, **options) -> Pyramid:
    """One group, open boundaries, unless told otherwise."""
    d = values.ndim - 1
    given_options = {
        "periodic": (False,) * d,
        "sample_group": np.zeros(len(values), np.int64),
        "edges": tuple(np.array([0, n]) for n in values.shape[1:]),
    }
    return pyramid(values, factors, levels, **(given_options | options))


def rounding(dtype: np.dtype) -> float:
    """Error of one operation: the first levels of 16-bit fields, and no others, are in float32."""
    return 3e-7 if np.dtype(dtype).itemsize == 2 else 1e-13


def assert_equals_naive(
    values: np.ndarray,
    factors: tuple[int, ...],
    levels: int,
    periodic: tuple[bool, ...],
    sample_group: np.ndarray,
    edges: tuple[np.ndarray, ...],
    order: int = 8,
) -> None:
    result = pyramid(
        values,
        factors,
        levels,
        periodic=periodic,
        sample_group=sample_group,
        edges=edges,
        order=order,
    )
    fields = naive.levels(values, factors, levels)
    error = rounding(values.dtype)
    assert [field.shape for field in result.fields] == [field.shape for field in fields[1:]]
    for level, field in enumerate(fields):
        if level:
            np.testing.assert_allclose(result.fields[level - 1], field, rtol=error, atol=error)
        counts, sums, bonds, gradients = naive.statistics(
            field,
            values.shape[1:],
            tuple(f**level for f in factors),
            periodic,
            sample_group,
            edges,
            order,
            result.shift[level],
            result.scale[level],
        )
        np.testing.assert_array_equal(result.counts[level], counts)
        np.testing.assert_array_equal(result.bonds[level], bonds)
        size = np.abs(sums).max(axis=0) + counts.sum()
        assert np.all(np.abs(result.sums[level] - sums) < 10 * error * size)
        np.testing.assert_allclose(
            result.gradients[level], gradients, rtol=100 * error, atol=100 * error
        )


@st.composite
def lattices(draw: st.DrawFn) -> dict[str, object]:
    d = draw(st.integers(1, 4))
    most = (40, 14, 7, 5)[d - 1]
    shape = tuple(draw(st.integers(1, most)) for _ in range(d))
    factors = tuple(draw(st.integers(1, min(n, 4))) for n in shape)
    levels = 0
    limit = draw(st.integers(0, 4))
    while levels < limit and all(
        n >= f ** (levels + 1) for n, f in zip(shape, factors, strict=True)
    ):
        levels += 1
    n_samples = draw(st.integers(1, 4))
    n_groups = draw(st.integers(1, n_samples))
    sample_group = [draw(st.integers(0, n_groups - 1)) for _ in range(n_samples)]
    edges = []
    for n, f in zip(shape, factors, strict=True):
        block = f**levels
        inner = draw(st.sets(st.integers(1, max(1, (n - 1) // block)), max_size=3))
        edges.append(np.array([0, *(block * i for i in sorted(inner) if block * i < n), n]))
    dtype = draw(st.sampled_from(DTYPES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return {
        "values": (rng.normal(size=(n_samples, *shape)) + 2.0).astype(dtype),
        "factors": factors,
        "levels": levels,
        "periodic": tuple(draw(st.booleans()) for _ in range(d)),
        "sample_group": np.array(sample_group),
        "edges": tuple(edges),
        "order": draw(st.integers(1, 8)),
    }


@settings(max_examples=120, deadline=None, derandomize=True)
@given(lattices())
def test_equals_the_naive_twin(case: dict[str, object]) -> None:
    assert_equals_naive(**case)


# Shapes that need several boxes, bands, rounds and threads, with faces between them.
@pytest.mark.parametrize(
    ("shape", "factors", "levels", "cuts"),
    [
        ((1, 9001), (2,), 12, ([],)),
        ((1, 9003), (2,), 3, ([8, 4096],)),
        ((3, 8200), (3,), 5, ([2187],)),
        ((1, 70, 1500), (2, 2), 6, ([64], [512])),
        ((1, 130, 260), (2, 2), 3, ([8, 64, 72], [8, 256])),
        ((1, 3, 2100), (1, 2), 11, ([1], [])),
        ((1, 700, 5), (2, 1), 4, ([16, 32], [2])),
        ((1, 20, 30, 40), (2, 2, 2), 4, ([16], [], [])),
        ((2, 12, 9, 36), (2, 3, 1), 2, ([4], [], [7])),
        ((1, 8, 6, 10, 12), (2, 2, 2, 2), 2, ([4], [], [4], [8])),
        ((40, 6, 7), (2, 2), 2, ([], [4])),
    ],
)
def test_equals_the_naive_twin_across_boxes(shape, factors, levels, cuts) -> None:
    rng = np.random.default_rng(7)
    values = (rng.normal(size=shape) * 3.0 - 1.0).astype(np.float32)
    edges = tuple(np.array([0, *inner, n]) for inner, n in zip(cuts, shape[1:], strict=True))
    group = rng.integers(0, 3, shape[0])
    for wrap in (True, False):
        assert_equals_naive(values, factors, levels, (wrap,) * len(factors), group, edges)


def test_composition_of_two_block_factors() -> None:
    """R_2 R_2 R_2 R_2 = R_4 R_4 = R_16, for means and for everything counted on them."""
    values = np.random.default_rng(1).normal(size=(1, 320, 640)).astype(np.float32)
    by_two = open_pyramid(values, (2, 2), 4)
    by_four = open_pyramid(values, (4, 4), 2)
    at_once = open_pyramid(values, (16, 16), 1)
    for level in (1, 2):
        np.testing.assert_allclose(
            by_four.fields[level - 1], by_two.fields[2 * level - 1], rtol=1e-12, atol=1e-14
        )
        np.testing.assert_array_equal(by_four.counts[level], by_two.counts[2 * level])
        np.testing.assert_allclose(
            by_four.gradients[level] * by_four.scale[level] ** 2,
            by_two.gradients[2 * level] * by_two.scale[2 * level] ** 2,
            rtol=1e-11,
        )
    np.testing.assert_allclose(at_once.fields[0], by_two.fields[3], rtol=1e-12, atol=1e-14)


def test_variance_of_block_means_of_white_noise_falls_as_the_block_volume() -> None:
    """kappa_2(b) = sigma^2 / b^d within four standard errors sqrt(2 / n)."""
    values = np.random.default_rng(2).normal(size=(1, 1024, 1024)).astype(np.float32)
    result = open_pyramid(values, (2, 2), 7, order=2, keep=False)
    n = result.counts[:, 0]
    mean = result.sums[:, 0, 0] / n
    kappa = (result.sums[:, 0, 1] / n - mean**2) * result.scale**2
    assert np.all(np.abs(kappa * 4.0 ** np.arange(8) - 1.0) < 4.0 * np.sqrt(2.0 / n))


def test_mean_is_the_same_at_every_level() -> None:
    values = np.random.default_rng(3).normal(5.0, 2.0, size=(2, 64, 128))
    result = open_pyramid(values, (2, 2), 6)
    means = result.shift + result.scale * result.sums[:, 0, 0] / result.counts[:, 0]
    np.testing.assert_allclose(means, values.mean(), rtol=1e-14)


def test_bits_do_not_depend_on_the_number_of_threads() -> None:
    values = np.random.default_rng(4).normal(size=(2, 300, 1100)).astype(np.float32)
    options = {
        "periodic": (True, True),
        "sample_group": np.array([1, 0]),
        "edges": (np.array([0, 64, 300]), np.array([0, 64, 640, 1100])),
    }
    before = numba.get_num_threads()
    results = []
    try:
        for n_threads in (1, before):
            numba.set_num_threads(n_threads)
            results.append(open_pyramid(values, (2, 2), 6, **options))
    finally:
        numba.set_num_threads(before)
    one, many = results
    assert one.sums.tobytes() == many.sums.tobytes()
    assert one.gradients.tobytes() == many.gradients.tobytes()
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one.fields, many.fields, strict=True))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_value_that_is_not_finite_spoils_its_group_and_no_other(bad, dtype) -> None:
    values = np.ones((2, 64, 32)).astype(dtype)
    values[1, 40, 5] = bad
    result = open_pyramid(
        values,
        (2, 2),
        3,
        sample_group=np.array([0, 1]),
        edges=(np.array([0, 32, 64]), np.array([0, 32])),
    )
    spoiled = ~np.isfinite(result.sums).all(axis=-1)
    assert spoiled.tolist() == [[False, False, False, True]] * 4
    assert (~np.isfinite(result.gradients)).any(axis=-1).tolist() == spoiled.tolist()


def test_constant_field_has_no_fluctuation() -> None:
    result = open_pyramid(np.full((1, 40, 50), 0.3, np.float32), (2, 2), 4)
    assert np.all(result.scale == 1.0)
    assert np.all(result.gradients == 0.0)
    assert np.all(np.abs(result.sums) < 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_loading_equals_conversion_and_its_interpreted_twin(dtype) -> None:
    special = [0.0, -0.0, 1.0, -1.5, 6e-8, -3e-5, 65504.0, np.inf, -np.inf, np.nan]
    rng = np.random.default_rng(8)
    values = np.concatenate([special, rng.normal(size=70) * 10.0 ** rng.integers(-6, 4, 70)])
    values = values.astype(dtype)
    raw, code = _load.as_bytes(values)
    expected = (values[3:].astype(np.float64) - 0.25) * 3.0
    for load in (_load.load, python_version(_load.load)):
        out = np.empty(values.size - 3)
        load(raw, code, 3, 0.25, 3.0, out)
        np.testing.assert_array_equal(out, expected)


def test_every_half_precision_number_is_loaded_exactly() -> None:
    bits = np.arange(2**16, dtype=np.uint16)
    for dtype in (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)):
        values = bits.view(dtype)
        out = np.empty(values.size)
        _load.load(*_load.as_bytes(values), 0, 0.0, 1.0, out)
        with np.errstate(invalid="ignore"):  # a cast of a signalling NaN
            np.testing.assert_array_equal(out, values.astype(np.float64))


@pytest.mark.parametrize("order", [3, 8])
def test_row_kernels_equal_their_interpreted_twins(order) -> None:
    rng = np.random.default_rng(9)
    extent = np.array([0, 0, 0, 0, 9, 4, 6, 20, 20, 0, 20])
    plane = 4 * 6 * 20
    x = rng.normal(size=4 * plane + 1)
    for carried, stacked in ((True, False), (False, False), (False, True)):
        sums = [np.ones(_pyramid_rows.STATISTICS) for _ in range(2)]
        kernel = _pyramid_rows.run_statistics
        kernel(x, carried, stacked, extent, 3, order, sums[0])
        python_version(kernel)(x, carried, stacked, extent, 3, order, sums[1])
        np.testing.assert_allclose(sums[0], sums[1], rtol=1e-12)
    for factors in ((1, 1, 1, 2), (2, 2, 2, 2), (3, 1, 2, 5), (1, 1, 1, 1)):
        outs = [np.zeros(20 // factors[3]) for _ in range(2)]
        kernel = _pyramid_rows.block_row
        kernel(x, np.array(factors), extent, np.empty(20), outs[0])
        python_version(kernel)(x, np.array(factors), extent, np.empty(20), outs[1])
        np.testing.assert_allclose(outs[0], outs[1], rtol=1e-13, atol=1e-15)


def test_a_cell_may_have_no_site_on_the_first_level_of_a_round() -> None:
    field = np.random.default_rng(3).normal(size=(1, 64, 260))
    result = pyramid(
        field,
        (2, 2),
        6,
        periodic=(False, False),
        sample_group=np.zeros(1, np.int64),
        edges=(np.array([0, 64]), np.array([0, 256, 260])),
    )
    assert result.counts[6].tolist() == [4, 0]
    assert np.all(result.sums[6, 1] == 0)
