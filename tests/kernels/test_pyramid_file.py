"""Bfloat16 matrices that are swept while they are read from a file."""

from __future__ import annotations

import os
from pathlib import Path

import ml_dtypes
import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nnrg_kernels import _pyramid_file, _pyramid_runs
from nnrg_kernels.pyramid import Pyramid, PyramidStream

ROWS = 32  # in a buffer
HEADER = 54  # bytes before the first number: no multiple of four


@pytest.fixture
def swept(monkeypatch) -> list[int]:
    """Where the runs start that the kernel under test has done."""
    starts: list[int] = []
    kernel = _pyramid_runs.sweep_run_of_file

    def counted(descriptor: int, offset: int, *rest: object) -> object:
        result = kernel(descriptor, offset, *rest)
        if result is not None:
            starts.append(offset)
        return result

    monkeypatch.setattr(_pyramid_runs, "sweep_run_of_file", counted)
    return starts


def brain(shape: tuple[int, int], seed: int = 1) -> np.ndarray:
    return (0.5 + np.random.default_rng(seed).normal(size=shape)).astype(ml_dtypes.bfloat16)


def written(values: np.ndarray, folder: Path) -> Path:
    path = folder / "numbers"
    path.write_bytes(bytes(HEADER) + values.tobytes())
    return path


def pulled(path: Path, stream: PyramidStream, values: np.ndarray) -> Pyramid:
    def read(start: int, rows: np.ndarray) -> None:
        rows[...] = values[start : start + len(rows)]

    with path.open("rb") as file:
        stream.pull(read, ROWS, place=(file.fileno(), HEADER))
    return stream.finish()


def close(found: Pyramid, expected: Pyramid) -> None:
    assert_array_equal(found.counts, expected.counts)
    assert_array_equal(found.bonds, expected.bonds)
    size = np.abs(expected.sums).max(axis=1, keepdims=True)
    assert np.all(np.abs(found.sums - expected.sums) <= 1e-6 * size)
    assert_allclose(found.gradients, expected.gradients, rtol=1e-6)


@pytest.mark.parametrize("shape", [(4096, 64), (2150, 96)])
@pytest.mark.parametrize("inner", [[], [640, 1056]])
@pytest.mark.parametrize("wrap", [False, True])
def test_equals_rows_that_are_fed(swept, tmp_path, shape, inner, wrap) -> None:
    values = brain(shape)
    options = {
        "shift": 0.4,
        "scale": 1.1,
        "order": 4,
        "periodic": (wrap, False),
        "edges": np.array([0, *inner, shape[0]]),
    }
    fed = PyramidStream(shape, values.dtype, (2, 2), 6, **options)
    for start in range(0, shape[0], ROWS):
        fed.feed(values[start : start + ROWS])
    stream = PyramidStream(shape, values.dtype, (2, 2), 6, **options)
    close(pulled(written(values, tmp_path), stream, values), fed.finish())
    assert len(swept) >= shape[0] // (8 * ROWS)


def test_bits_depend_neither_on_threads_nor_on_the_window(swept, tmp_path, monkeypatch) -> None:
    values = brain((2048, 128), seed=2)
    path = written(values, tmp_path)
    results = []
    before = numba.get_num_threads()
    try:
        for threads, window in ((1, 2**21), (before, 2**21), (before, 1), (1, 6 * 256)):
            numba.set_num_threads(threads)
            monkeypatch.setattr(_pyramid_file, "WINDOW_BYTES", window)
            stream = PyramidStream(
                values.shape, values.dtype, (2, 2), 6, shift=0.5, scale=1.0, order=4
            )
            results.append(pulled(path, stream, values))
    finally:
        numba.set_num_threads(before)
    assert swept
    for other in results[1:]:
        assert other.sums.tobytes() == results[0].sums.tobytes()
        assert other.gradients.tobytes() == results[0].gradients.tobytes()


@pytest.mark.parametrize(
    ("dtype", "order", "width"),
    [(ml_dtypes.bfloat16, 8, 64), (np.float32, 4, 64), (ml_dtypes.bfloat16, 4, 66)],
)
def test_what_the_kernel_cannot_do_is_read(swept, tmp_path, dtype, order, width) -> None:
    values = np.random.default_rng(3).normal(size=(2048, width)).astype(dtype)
    options = {"shift": 0.0, "scale": 1.0, "order": order}
    fed = PyramidStream(values.shape, values.dtype, (2, 2), 6, **options)
    fed.feed(values)
    stream = PyramidStream(values.shape, values.dtype, (2, 2), 6, **options)
    close(pulled(written(values, tmp_path), stream, values), fed.finish())
    assert not swept


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_spoils_its_group_and_no_other(swept, tmp_path, bad) -> None:
    values = brain((2048, 64), seed=4)
    values[700, 3] = bad
    stream = PyramidStream(
        values.shape,
        values.dtype,
        (2, 2),
        6,
        shift=0.5,
        scale=1.0,
        order=4,
        edges=np.array([0, 512, 1024, 2048]),
    )
    result = pulled(written(values, tmp_path), stream, values)
    assert swept
    for level in range(6):
        assert (~np.isfinite(result.sums[level])).any(axis=-1).tolist() == [False, True, False]


def test_a_file_that_ends_early_is_left_to_the_reader(swept, tmp_path) -> None:
    values = brain((2048, 64), seed=5)
    path = written(values, tmp_path)
    os.truncate(path, path.stat().st_size - 100)
    stream = PyramidStream(values.shape, values.dtype, (2, 2), 6, shift=0.5, scale=1.0, order=4)
    asked = []

    def read(start: int, rows: np.ndarray) -> None:
        asked.append(start)
        raise OSError("cut off")

    with path.open("rb") as file, pytest.raises(OSError, match="cut off"):
        stream.pull(read, ROWS, place=(file.fileno(), HEADER))
    assert asked
    assert swept
