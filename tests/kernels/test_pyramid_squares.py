"""Matrices in blocks of two by two, which are summed two rows at a time."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_allclose

from nnrg_kernels import _pyramid_squares
from nnrg_kernels._jit import python_version
from nnrg_kernels.pyramid import Pyramid, PyramidStream, pyramid


def exact_sums(before: np.ndarray, rows: np.ndarray, order: int) -> np.ndarray:
    """Power sums of two rows, and squared steps from the row before and along them."""
    powers = [np.sum(rows**p) if p <= order else 0.0 for p in range(1, 9)]
    steps = np.diff(np.concatenate([before[None], rows]), axis=0)
    return np.array([*powers, np.sum(steps**2), 0.0, 0.0, np.sum(np.diff(rows) ** 2)])


@pytest.mark.parametrize("order", [4, 8])
@pytest.mark.parametrize("width", [2, 7, 300])
@pytest.mark.parametrize(
    ("stored", "summed", "mapping", "tolerance"),
    [
        (np.float32, np.float64, (0.5, 1.25), 1e-13),
        (np.float64, np.float64, (None, 1.0), 1e-13),
        (np.float32, np.float32, (None, 1.0), 3e-6),
    ],
)
def test_sums_of_two_rows(stored, summed, mapping, tolerance, width, order) -> None:
    rows = np.random.default_rng(1).normal(0.3, 1.0, (3, width)).astype(stored)
    rows.flags.writeable = False
    kernel = getattr(_pyramid_squares, f"_two_to_{'fourth' if order == 4 else 'eighth'}")
    shift, inverse = mapping[0] or 0.0, mapping[1]
    x = (rows.astype(np.float64) - shift) * inverse
    expected = exact_sums(x[0], x[1:], order)
    for form in (kernel, python_version(kernel)):
        total, sums = np.zeros(width, summed), np.zeros(12)
        assert form(*rows, *mapping, total, sums)
        assert_allclose(sums, expected, rtol=tolerance, atol=width * tolerance)
        assert_allclose(total, x[1] + x[2], rtol=tolerance, atol=tolerance)


def swept(values: np.ndarray, cuts: list[int], wrap: bool, order: int) -> Pyramid:
    n_samples, *shape = values.shape
    return pyramid(
        values,
        (2, 2),
        5,
        periodic=(wrap, wrap),
        sample_group=np.arange(n_samples) // 2,
        edges=tuple(np.array([0, *(cut for cut in cuts if cut < n), n]) for n in shape),
        order=order,
    )


@pytest.mark.parametrize(
    ("shape", "cuts"),
    [
        ((1, 64, 64), []),
        ((3, 96, 160), [32, 64]),
        ((2, 70, 130), [64]),  # whole blocks of two, then odd numbers of them
        ((1, 33, 20000), [32]),
        ((1, 64, 8197), []),
    ],
)
@pytest.mark.parametrize("order", [4, 8])
@pytest.mark.parametrize("wrap", [True, False])
def test_rows_taken_straight_are_those_converted_before(shape, cuts, wrap, order) -> None:
    """Float32 rows are summed where they are, float64 rows in a shifted copy."""
    values = np.random.default_rng(2).normal(1e4, 1.0, shape).astype(np.float32)
    single = swept(values, cuts, wrap, order)
    double = swept(values.astype(np.float64), cuts, wrap, order)
    size = double.counts[..., None] * np.ones(order)
    assert np.all(np.abs(single.sums - double.sums) <= 1e-11 * (size + np.abs(double.sums)))
    assert_allclose(single.gradients, double.gradients, rtol=1e-11, atol=1e-12)
    for mine, other in zip(single.fields or [], double.fields or [], strict=True):
        assert_allclose(mine, other, rtol=1e-14)
    blocks = values.astype(np.float64)[:, : shape[1] // 32 * 32, : shape[2] // 32 * 32]
    blocks = blocks.reshape(shape[0], shape[1] // 32, 32, shape[2] // 32, 32).mean(axis=(2, 4))
    assert single.fields is not None
    assert_allclose(single.fields[-1], blocks, rtol=1e-14)


@pytest.mark.parametrize("order", [4, 8])
@pytest.mark.parametrize("at", [(0, 0), (31, 255), (7, 100)])
def test_half_precision_powers_that_overflow_are_summed_in_float64(at, order) -> None:
    values = np.random.default_rng(3).normal(0.0, 1e-3, (32, 256)).astype(np.float16)
    values[at] = 6e4 if order == 8 else 6.5e4
    scale = 1e-3 if order == 8 else 1e-6
    stream = PyramidStream(
        values.shape, values.dtype, (2, 2), 2, shift=0.0, scale=scale, order=order
    )
    stream.feed(values)
    result = stream.finish()
    x = values.astype(np.longdouble) / result.scale[0]
    sums = np.array([np.sum(x**p) for p in range(1, order + 1)], np.float64)
    assert sums[-1] > np.finfo(np.float32).max
    assert_allclose(result.sums[0, 0], sums, rtol=1e-5)
    steps = [np.sum(np.diff(x, axis=a) ** 2) for a in (0, 1)]
    assert_allclose(result.gradients[0, 0], np.array(steps, np.float64), rtol=1e-5)


@pytest.mark.parametrize("deviation", [1e-20, 1e-10, 1e-6, 0.02, 1e5, 1e15])
@pytest.mark.parametrize("offset", [0.0, 60.0])
def test_four_powers_of_bfloat16_whatever_the_offset_and_the_unit(deviation, offset) -> None:
    """Sums of neighbours and their differences give the powers of each to single precision."""
    normal = np.random.default_rng(4).normal(offset, 1.0, (1, 128, 256))
    values = (normal * deviation).astype(ml_dtypes.bfloat16)
    result = swept(values, [], False, 4)
    x = (values[0].astype(np.float64) - result.shift[0]) / result.scale[0]
    powers = np.array([np.sum(x**p) for p in range(1, 5)])
    assert_allclose(result.sums[0, 0], powers, rtol=2e-6, atol=0.1)
    assert_allclose(result.gradients[0, 0, 1], np.sum(np.diff(x) ** 2), rtol=2e-6)
