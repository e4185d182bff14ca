"""Offsets, units, outliers and sixteen bits: what is left of the numbers."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

from nnrg_kernels._load import as_bytes
from nnrg_kernels.pyramid import Pyramid, pyramid


def one_group(field: np.ndarray, factors: tuple[int, ...], levels: int) -> Pyramid:
    return pyramid(
        field,
        factors,
        levels,
        periodic=(False,) * len(factors),
        sample_group=np.zeros(1, np.int64),
        edges=tuple(np.array([0, n]) for n in field.shape[1:]),
    )


def central(result: Pyramid, level: int) -> np.ndarray:
    """Central moments 2 to 8 in units of the standard deviation, from the power sums."""
    raw = np.concatenate([[1.0], result.sums[level, 0] / result.counts[level, 0]])
    moments = []
    for order in range(2, 9):
        terms = np.arange(order + 1)
        choose = np.array([math.comb(order, int(k)) for k in terms])
        moments.append(np.sum(choose * raw[terms] * (-raw[1]) ** (order - terms)))
    return np.array(moments) / moments[0] ** (np.arange(2, 9) / 2)


@pytest.mark.parametrize(
    ("mean", "deviation", "tolerance"),
    [
        (1e4, 1e-3, 1e-8),
        (1e4, 0.1, 1e-8),
        (0.0, 0.02, 1e-10),
        (0.0, 1e-6, 1e-10),
        (0.0, 1e6, 1e-10),
    ],
)
def test_moments_are_safe_whatever_the_offset_and_the_unit(mean, deviation, tolerance) -> None:
    """The reference adds exactly rounded numbers about the exact mean, in extended precision."""
    dtype = np.float64 if deviation == 1e-3 else np.float32
    rng = np.random.default_rng(5)
    values = (mean + deviation * rng.normal(size=(1, 256, 256))).astype(dtype)
    result = one_group(values, (2, 2), 6)
    exact = values[0].astype(np.longdouble)
    for level in range(7):
        x = exact - exact.mean()
        unit = np.sqrt(np.mean(x**2))
        moments = np.array([np.mean((x / unit) ** order) for order in range(2, 9)], float)
        error = np.abs(central(result, level) - moments) / np.abs(moments).max()
        assert error.max() < tolerance
        n = exact.shape[0] // 2
        exact = exact.reshape(n, 2, n, 2).mean(axis=(1, 3))


def test_outliers_keep_relative_accuracy() -> None:
    rng = np.random.default_rng(6)
    values = 0.02 * rng.normal(size=(1, 256, 256))
    values[0, 3, 5], values[0, 100, 200] = 50.0, -50.0
    result = one_group(values, (2, 2), 0)
    x = values[0].astype(np.longdouble)
    x = x - x.mean()
    unit = np.sqrt(np.mean(x**2))
    moments = np.array([np.mean((x / unit) ** order) for order in range(2, 9)], float)
    np.testing.assert_allclose(central(result, 0)[::2], moments[::2], rtol=1e-12)


def test_powers_that_overflow_float32_are_summed_in_float64() -> None:
    values = np.random.default_rng(11).normal(size=(1, 2**17)).astype(ml_dtypes.bfloat16)
    values[0, 77] = 1e6
    result = one_group(values, (2,), 0)
    x = (values[0].astype(np.float64) - result.shift[0]) / result.scale[0]
    assert x[77] ** 8 > np.finfo(np.float32).max
    np.testing.assert_allclose(result.sums[0, 0, 7], np.sum(x**8), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, ml_dtypes.bfloat16])
def test_kernels_are_compiled_once_for_arrays_that_may_be_written_and_that_may_not(dtype):
    values = np.arange(24.0).reshape(2, 3, 4).astype(dtype)
    raw, _ = as_bytes(values)
    assert not raw.flags.writeable
    assert values.flags.writeable
    assert np.shares_memory(raw, values)
    values[0, 0, 0] = 7.0
    assert raw.view(dtype)[0] == 7.0
