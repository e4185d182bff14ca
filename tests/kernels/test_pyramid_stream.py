"""A field that is fed in runs of rows gives what it gives in memory."""

from __future__ import annotations

import math

import ml_dtypes
import numba
import numpy as np
import pytest

from nnrg_kernels.pyramid import PyramidStream, pyramid


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_pulled_rows_are_fed_rows_whatever_the_threads(threads, at_once) -> None:
    values = np.random.default_rng(4).normal(size=(1000, 200)).astype(np.float32)
    options = {"shift": 0.1, "scale": 1.1, "edges": np.array([0, 384, 1000])}
    fed = PyramidStream(values.shape, values.dtype, (2, 2), 6, **options)
    for start in range(0, 1000, 64):
        fed.feed(values[start : start + 64])
    pulled = PyramidStream(values.shape, values.dtype, (2, 2), 6, **options)
    order = []

    def read(start: int, rows: np.ndarray) -> None:
        order.append(start)
        rows[...] = values[start : start + len(rows)]

    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        pulled.pull(read, 64, at_once=at_once)
    finally:
        numba.set_num_threads(before)
    assert (sorted(order) if at_once else order) == list(range(0, 1000, 64))
    expected, found = fed.finish(), pulled.finish()
    np.testing.assert_array_equal(found.sums, expected.sums)
    np.testing.assert_array_equal(found.gradients, expected.gradients)


def test_no_rows_change_nothing() -> None:
    values = np.random.default_rng(4).normal(size=(64, 64))
    results = []
    for cuts in ((32,), (0, 32, 32), (32, 64, 64)):
        stream = PyramidStream(
            (64, 64), values.dtype, (2, 2), 2, shift=0.0, scale=1.0, periodic=(True, False)
        )
        for rows in np.split(values, cuts):
            stream.feed(rows)
        results.append(stream.finish().gradients)
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])


def test_error_of_a_read_reaches_the_caller() -> None:
    stream = PyramidStream((256, 16), np.float32, (2, 2), 2, shift=0.0, scale=1.0)

    def read(start: int, rows: np.ndarray) -> None:
        raise OSError(f"row {start}")

    with pytest.raises(OSError, match="row 0"):
        stream.pull(read, 32)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize(
    ("shape", "factors", "levels", "inner"),
    [
        ((1000,), (2,), 5, [64, 512]),
        ((20000,), (2,), 14, []),
        ((300, 90), (2, 2), 6, [64, 192]),
        ((81, 40), (3, 2), 3, [27]),
        ((129, 70), (1, 2), 6, [50]),
        ((40, 12, 20), (2, 2, 2), 2, [8, 20]),
        ((33, 4, 5, 6), (2, 2, 2, 2), 2, [4]),
    ],
)
@pytest.mark.parametrize("wrap", [True, False])
def test_stream_equals_the_field_in_memory(shape, factors, levels, inner, dtype, wrap) -> None:
    rng = np.random.default_rng(10)
    # The first levels of 16-bit fields, and no others, are done in float32.
    rounding = 3e-7 if np.dtype(dtype).itemsize == 2 else 1e-13
    values = (rng.normal(size=shape) + 1.0).astype(dtype)
    periodic = (wrap,) * len(shape)
    edges = np.array([0, *inner, shape[0]])
    stream = PyramidStream(
        shape, dtype, factors, levels, shift=1.0, scale=0.9, periodic=periodic, edges=edges
    )
    row = 0
    while row < shape[0]:
        stop = row + stream.row_multiple * int(rng.integers(1, 4))
        stream.feed(values[row:stop])
        row = stop
    streamed = stream.finish()
    whole = pyramid(
        values[None],
        factors,
        levels,
        sample_group=np.zeros(1, np.int64),
        periodic=periodic,
        edges=(edges, *(np.array([0, n]) for n in shape[1:])),
    )
    np.testing.assert_array_equal(streamed.counts, whole.counts)
    np.testing.assert_array_equal(streamed.bonds, whole.bonds)
    for level in range(levels + 1):
        np.testing.assert_allclose(
            streamed.gradients[level] * streamed.scale[level] ** 2,
            whole.gradients[level] * whole.scale[level] ** 2,
            rtol=100 * rounding,
            atol=rounding,
        )
        for group in range(len(edges) - 1):
            # the same polynomial of the field: re-centre the streamed sums on the other's map
            ratio = streamed.scale[level] / whole.scale[level]
            offset = (streamed.shift[level] - whole.shift[level]) / whole.scale[level]
            raw = [streamed.counts[level, group], *streamed.sums[level, group]]
            for order in range(1, 9):
                sums = sum(
                    math.comb(order, k) * ratio**k * offset ** (order - k) * raw[k]
                    for k in range(order + 1)
                )
                size = streamed.counts[level, group] + np.abs(whole.sums[level, group]).max()
                assert abs(sums - whole.sums[level, group, order - 1]) < 100 * rounding * size
