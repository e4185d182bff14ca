"""Cumulants of a matrix read in one pass are those of the matrix held in memory."""

from __future__ import annotations

import os

import ml_dtypes
import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose
from safetensors.numpy import save_file

import nnrg
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError, SourceError
from nnrg.rg._row_reader import row_reader
from nnrg_kernels import _pyramid_runs


@pytest.fixture
def matrix() -> np.ndarray:
    rng = np.random.default_rng(7)
    smooth = rng.normal(size=(600, 300)).cumsum(axis=0)
    return (smooth - smooth.mean()).astype(np.float32)


def test_stream_equals_memory(tmp_path, matrix) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"w": matrix}, path)
    streamed = nnrg.stream_cumulants(nnrg.load(path), "w", levels=4, order=8, draws=0)
    lattice = nnrg.Lattice(matrix.shape, populations=((0,), (1,)))
    flow = nnrg.renormalize(nnrg.SynapticField(matrix, lattice), levels=4)
    held = flow.cumulants(nulls=())
    assert streamed.names == held.names
    assert_allclose(streamed.values, held.values, rtol=1e-9, atol=1e-12)


def test_sixteen_bit_stream_keeps_its_accuracy(tmp_path, matrix) -> None:
    path = tmp_path / "model.safetensors"
    half = matrix.astype(ml_dtypes.bfloat16)
    save_file({"w": half}, path)
    streamed = nnrg.stream_cumulants(nnrg.load(path), "w", levels=4, draws=0)
    exact = nnrg.stream_cumulants(nnrg.load({"w": half.astype(np.float64)}), "w", levels=4, draws=0)
    kappa_2 = streamed.names.index("kappa_2")
    assert_allclose(streamed.values[:, kappa_2], exact.values[:, kappa_2], rtol=1e-6)


def test_large_sixteen_bit_file_equals_memory(tmp_path, monkeypatch) -> None:
    """Runs of many buffers, as a file of 256 MiB has them, are swept while they are read."""
    monkeypatch.setattr("nnrg.rg.stream._BUFFER_BYTES", 32 * 128 * 2)
    runs = []
    kernel = _pyramid_runs.sweep_run_of_file
    monkeypatch.setattr(
        _pyramid_runs, "sweep_run_of_file", lambda *a: runs.append(a[1]) or kernel(*a)
    )
    rng = np.random.default_rng(6)
    half = rng.normal(size=(4128, 128)).cumsum(axis=1).astype(ml_dtypes.bfloat16)
    path = tmp_path / "model.safetensors"
    save_file({"w": half}, path)
    options = {"levels": 7, "draws": 3, "rng": 1}
    streamed = nnrg.stream_cumulants(nnrg.load(path), "w", **options)
    assert len(runs) > 10
    held = nnrg.stream_cumulants(nnrg.load({"w": half}), "w", **options)
    assert_allclose(streamed.values, held.values, rtol=1e-6, atol=1e-7)
    assert_allclose(streamed.nulls["permutation"], held.nulls["permutation"], rtol=1e-6, atol=1e-7)


def test_null_of_independent_numbers_is_not_beaten() -> None:
    """|z| of 4 scales against t with 19 degrees; the threshold 6 has false-alarm rate 4e-5."""
    white = np.random.default_rng(3).normal(size=(512, 256)).astype(np.float32)
    c = nnrg.stream_cumulants(nnrg.load({"w": white}), "w", draws=20, rng=5)
    z = c.z()[1:, c.names.index("kappa_2")]
    assert np.isfinite(z).all()
    assert np.abs(z).max() < 6


def test_rows_that_follow_one_another_beat_the_null(matrix) -> None:
    c = nnrg.stream_cumulants(nnrg.load({"w": matrix}), "w", levels=3, draws=5, rng=5)
    assert c.z()[1, c.names.index("neighbour:0")] > 8.6  # p = 0.001 for 4 degrees of freedom


def test_runs_of_rows_that_are_not_independent_are_flagged(matrix) -> None:
    net = nnrg.load({"walk": matrix, "white": np.random.default_rng(1).normal(size=(600, 300))})
    flags = {
        name: nnrg.stream_cumulants(net, name, levels=3, draws=0).flags[0][1]
        for name in net.tensors
    }
    assert flags["walk"].startswith("correlated regions")
    assert flags["white"] == ""


def test_same_seed_same_numbers(matrix) -> None:
    net = nnrg.load({"w": matrix})
    first, second = (nnrg.stream_cumulants(net, "w", levels=2, draws=3, rng=9) for _ in range(2))
    np.testing.assert_array_equal(first.nulls["permutation"], second.nulls["permutation"])


@pytest.fixture
def long(tmp_path):
    """A file of several buffers, the last one short, and what it holds."""
    x = np.random.default_rng(5).normal(size=(4100, 1030)).cumsum(axis=1).astype(np.float32)
    path = tmp_path / "long.safetensors"
    save_file({"first": x[:3], "w": x}, path)
    return path, x


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_read_by_position_are_those_read_one_after_the_other(long, threads) -> None:
    path, x = long
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        by_position = nnrg.stream_cumulants(nnrg.load(path), "w", draws=3, rng=9)
    finally:
        numba.set_num_threads(before)
    in_turn = nnrg.stream_cumulants(nnrg.load({"w": x}), "w", draws=3, rng=9)
    for name in ("values", "replicates", "weights"):
        np.testing.assert_array_equal(getattr(by_position, name), getattr(in_turn, name))
    np.testing.assert_array_equal(by_position.nulls["permutation"], in_turn.nulls["permutation"])


def test_numbers_that_are_not_finite_are_refused_unless_allowed(tmp_path) -> None:
    x = np.random.default_rng(5).normal(size=(512, 256)).astype(ml_dtypes.bfloat16)
    x[300, 7], x[511, 255] = np.inf, np.nan
    path = tmp_path / "bad.safetensors"
    save_file({"w": x}, path)
    with pytest.raises(NonFiniteError, match=r"'w' holds . NaN or infinite"):
        nnrg.stream_cumulants(nnrg.load(path), "w", draws=0)
    with pytest.raises(AnalysisError, match="standard deviation"):
        nnrg.stream_cumulants(nnrg.load(path, allow_nonfinite=True), "w", draws=0)


def test_a_file_cut_off_while_it_is_read_is_refused(long) -> None:
    path, _ = long
    net = nnrg.load(path)

    def cut_off(done: int, of: int) -> None:
        os.truncate(path, path.stat().st_size // 2)

    with pytest.raises(SourceError, match="changed since it was loaded"):
        nnrg.stream_cumulants(net, "w", draws=3, progress=cut_off)


def test_rows_that_end_early_are_refused(long) -> None:
    path, _ = long
    with row_reader(nnrg.load(path), "w", 8) as (read, at_once, _):
        assert at_once
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(SourceError, match="changed since it was loaded"):
            read(4000, np.empty((8, 1030), np.float32))


@pytest.mark.parametrize(
    ("tensor", "options", "error"),
    [
        (np.ones(64, np.float32), {}, ArgumentError),
        (np.ones((64, 64), np.float32), {"levels": 2}, AnalysisError),
        (np.eye(8, dtype=np.float32), {}, AnalysisError),
        (np.eye(64, dtype=np.float32), {"levels": 2, "draws": 2}, ArgumentError),
        (np.eye(64, dtype=np.float32), {"levels": 1}, AnalysisError),
        (np.eye(64, dtype=np.float32), {"levels": 9}, AnalysisError),
        (np.eye(64, dtype=np.float32), {"levels": 2, "order": 9}, ArgumentError),
        (np.eye(64, dtype=np.float32), {"levels": 2, "order": 4.0}, ArgumentError),
        *(
            (np.eye(64, dtype=np.float32), {"levels": levels}, ArgumentError)
            for levels in ("abc", np.nan, np.inf, [2], 2.7, True, 0, -1, 20000)
        ),
        *(
            (np.eye(64, dtype=np.float32), {"levels": 2, "blocks": blocks}, ArgumentError)
            for blocks in (2, "grid", nnrg.RandomBlocks(2), nnrg.GridBlocks)
        ),
        *(
            (np.eye(64, dtype=np.float32), {"levels": 2, "draws": draws}, ArgumentError)
            for draws in (None, "x", np.nan, 5.0, True, -3)
        ),
        (np.eye(64, dtype=np.float32), {"levels": 7}, AnalysisError),  # one run of rows
        (np.random.default_rng(1).normal(size=(64, 64)) * 1e160, {"levels": 2}, AnalysisError),
        (np.random.default_rng(1).normal(size=(64, 64)) * 1e307, {"levels": 2}, AnalysisError),
        (np.eye(64) * 1e160, {"levels": 2}, AnalysisError),
        (np.eye(64) * 1e-160, {"levels": 2}, AnalysisError),
        (np.full((64, 64), 0.1), {"levels": 2}, AnalysisError),
    ],
)
def test_what_cannot_be_streamed_is_refused(tensor, options, error) -> None:
    with pytest.raises(error):
        nnrg.stream_cumulants(nnrg.load({"w": tensor}), "w", **options)


def test_what_is_no_network_is_refused(matrix) -> None:
    with pytest.raises(ArgumentError, match=r"try nnrg\.load"):
        nnrg.stream_cumulants({"w": matrix}, "w")


def test_unknown_tensor_is_named(matrix) -> None:
    with pytest.raises(ArgumentError, match="weights"):
        nnrg.stream_cumulants(nnrg.load({"w": matrix}), "weights")
