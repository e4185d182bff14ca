"""Bfloat16 matrices in blocks of two by two, which are summed in pairs of rows."""

from __future__ import annotations

import ml_dtypes
import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kernels import reference_pyramid as naive
from nnrg_kernels import _pyramid_round, _pyramid_words
from nnrg_kernels._jit import python_version
from nnrg_kernels.pyramid import Pyramid, PyramidStream, pyramid

# A sum of float32 products, and the rounding of a block mean to float32.
ROUNDING = 3e-7


def brain(shape: tuple[int, ...], seed: int, mean: float = 0.5, deviation: float = 1.0):
    rng = np.random.default_rng(seed)
    return (mean + deviation * rng.normal(size=shape)).astype(ml_dtypes.bfloat16)


def in_memory(values: np.ndarray, levels: int, **options: object) -> Pyramid:
    given = {
        "periodic": (False, False),
        "sample_group": np.zeros(len(values), np.int64),
        "edges": tuple(np.array([0, n]) for n in values.shape[1:]),
    }
    return pyramid(values, (2, 2), levels, **(given | options))


@pytest.fixture
def pairs_swept(monkeypatch) -> list[int]:
    """First chunk of each call of the kernel under test, so that no test passes without it."""
    calls: list[int] = []
    kernel = _pyramid_round.sweep_pairs

    def counted(*arguments: object) -> None:
        calls.append(arguments[2])
        kernel(*arguments)

    monkeypatch.setattr(_pyramid_round, "sweep_pairs", counted)
    return calls


@pytest.mark.parametrize(
    ("shape", "levels", "cuts"),
    [
        ((1, 2, 2), 1, ([], [])),
        ((1, 64, 128), 6, ([], [])),
        ((3, 66, 130), 3, ([8, 64], [8, 16])),
        ((1, 40, 20000), 3, ([16], [8, 16384])),
        ((1, 300, 252), 7, ([128], [128])),
        ((2, 1030, 386), 2, ([4, 1024], [])),
    ],
)
@pytest.mark.parametrize("order", [4, 8])
@pytest.mark.parametrize("wrap", [True, False])
def test_equals_the_naive_twin(pairs_swept, shape, levels, cuts, order, wrap) -> None:
    values = brain(shape, seed=1)
    edges = tuple(np.array([0, *inner, n]) for inner, n in zip(cuts, shape[1:], strict=True))
    group = np.arange(shape[0]) % 2
    periodic = (wrap, wrap)
    result = in_memory(
        values, levels, periodic=periodic, sample_group=group, edges=edges, order=order
    )
    assert pairs_swept
    fields = naive.levels(values, (2, 2), levels)
    for level, field in enumerate(fields):
        if level:
            assert_allclose(result.fields[level - 1], field, rtol=ROUNDING, atol=ROUNDING)
        counts, sums, bonds, gradients = naive.statistics(
            field,
            shape[1:],
            (2**level, 2**level),
            periodic,
            group,
            edges,
            order,
            result.shift[level],
            result.scale[level],
        )
        assert_array_equal(result.counts[level], counts)
        assert_array_equal(result.bonds[level], bonds)
        size = np.abs(sums).max(axis=0) + counts.sum()
        # The rounding of a level is in the unit of the field: coarse levels have a smaller one.
        unit = max(1.0, result.scale[0] / result.scale[level])
        assert np.all(np.abs(result.sums[level] - sums) < 10 * ROUNDING * unit * size)
        assert_allclose(
            result.gradients[level], gradients, rtol=100 * ROUNDING, atol=100 * ROUNDING
        )


@pytest.mark.parametrize("deviation", [1e-10, 0.02, 1e5])
def test_unit_of_the_numbers_drops_out(pairs_swept, deviation) -> None:
    """Scaling by a power of two is exact in bfloat16, and leaves every statistic as it is."""
    values = brain((1, 256, 512), seed=2)
    unit = 2.0 ** round(np.log2(deviation))
    plain = in_memory(values, 5)
    pairs_swept.clear()
    scaled = in_memory((values.astype(np.float64) * unit).astype(values.dtype), 5)
    assert pairs_swept
    assert_allclose(scaled.scale, plain.scale * unit, rtol=1e-6)
    assert_allclose(scaled.sums, plain.sums, rtol=1e-5, atol=1e-2)
    assert_allclose(scaled.gradients, plain.gradients, rtol=1e-5)


@pytest.mark.parametrize("deviation", [1e-20, 1e15])
def test_numbers_whose_squares_leave_float32_take_the_other_way(pairs_swept, deviation) -> None:
    values = brain((1, 128, 128), seed=3, mean=0.0, deviation=deviation)
    result = in_memory(values, 2)
    assert not pairs_swept
    x = values[0].astype(np.float64) / result.scale[0]
    assert_allclose(result.gradients[0, 0, 0], np.sum(np.diff(x, axis=0) ** 2), rtol=1e-6)


@pytest.mark.parametrize("at", [(0, 0), (7, 8191), (8, 127), (9, 8), (15, 4000)])
@pytest.mark.parametrize("order", [4, 8])
def test_powers_and_squares_that_overflow_are_summed_in_float64(pairs_swept, at, order) -> None:
    values = brain((16, 8192), seed=4, mean=0.0, deviation=0.01)
    values[at] = 3e19
    stream = PyramidStream(
        values.shape, values.dtype, (2, 2), 1, shift=0.0, scale=0.01, order=order
    )
    stream.feed(values)
    result = stream.finish()
    assert pairs_swept
    x = values.astype(np.longdouble) / result.scale[0]
    sums = np.array([np.sum(x**p) for p in range(1, 9)], np.float64)
    assert sums[order - 1] > np.finfo(np.float32).max
    assert_allclose(result.sums[0, 0, :order], sums[:order], rtol=1e-5)
    steps = [np.sum(np.diff(x, axis=a) ** 2) for a in (0, 1)]
    assert_allclose(result.gradients[0, 0], np.array(steps, np.float64), rtol=1e-6)


@pytest.mark.parametrize("at", [(0, 0), (31, 129), (63, 255)])
def test_overflow_on_coarse_levels_is_summed_in_float64_too(pairs_swept, at) -> None:
    values = brain((64, 256), seed=8, mean=0.0, deviation=0.01)
    values[at] = 3e19
    stream = PyramidStream(values.shape, values.dtype, (2, 2), 6, shift=0.0, scale=0.01, order=4)
    for rows in (values[:32], values[32:]):
        stream.feed(rows)
    result = stream.finish()
    assert len(pairs_swept) == 2
    for level, field in enumerate(naive.levels(values[None].astype(np.float64), (2, 2), 4)):
        x = (field[0] / result.scale[0]).astype(np.longdouble)
        sums = np.array([np.sum(x**p) for p in range(1, 5)], np.float64)
        assert sums[3] > np.finfo(np.float32).max
        assert_allclose(result.sums[level, 0], sums, rtol=1e-5)
        steps = [np.sum(np.diff(x, axis=a) ** 2) for a in (0, 1)]
        assert_allclose(result.gradients[level, 0], np.array(steps, np.float64), rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [(32, 0), (33, 63), (63, 31)])
def test_a_value_that_is_not_finite_spoils_its_group_and_no_other(pairs_swept, bad, at) -> None:
    values = brain((2, 64, 128), seed=5)
    values[1][at] = bad
    result = in_memory(
        values,
        3,
        sample_group=np.array([0, 1]),
        edges=(np.array([0, 32, 64]), np.array([0, 64, 128])),
    )
    assert pairs_swept
    group = 4 + 2
    spoiled = np.arange(8) == group
    for level in range(4):
        assert (~np.isfinite(result.sums[level])).any(axis=-1).tolist() == spoiled.tolist()
        # A bond belongs to its lower end: one may lead into the group from a group before it.
        finite = np.isfinite(result.gradients[level]).all(axis=-1)
        assert not finite[group]
        assert finite[:4].all()
        assert finite[[5, 7]].all()


def test_bits_depend_neither_on_threads_nor_on_who_feeds(pairs_swept) -> None:
    values = brain((2048, 1100), seed=6)
    options = {"shift": 0.5, "scale": 1.0, "edges": np.array([0, 96, 2048])}
    before = numba.get_num_threads()
    results = []
    try:
        for n_threads in (1, before):
            numba.set_num_threads(n_threads)
            fed = PyramidStream(values.shape, values.dtype, (2, 2), 6, **options)
            for start in range(0, 2048, 256):
                fed.feed(values[start : start + 256])
            results.append(fed.finish())
            pulled = PyramidStream(values.shape, values.dtype, (2, 2), 6, **options)

            def read(start: int, rows: np.ndarray) -> None:
                rows[...] = values[start : start + len(rows)]

            pulled.pull(read, 256)
            results.append(pulled.finish())
    finally:
        numba.set_num_threads(before)
    assert pairs_swept
    for other in results[1:]:
        assert other.sums.tobytes() == results[0].sums.tobytes()
        assert other.gradients.tobytes() == results[0].gradients.tobytes()


@pytest.mark.parametrize("levels", [3, 6])
@pytest.mark.parametrize("order", [4, 8])
def test_bits_do_not_depend_on_what_memory_held_before(monkeypatch, levels, order) -> None:
    values = brain((1, 192, 160), seed=9)
    fresh = _pyramid_round.Workspace.of.__func__
    results = []
    for filling in (0.0, np.nan, 1e30):

        def filled(cls, plan, dtype, n_threads, filling=filling):
            space = fresh(cls, plan, dtype, n_threads)
            space.line[...] = filling
            space.scratch[...] = filling
            return space

        monkeypatch.setattr(_pyramid_round.Workspace, "of", classmethod(filled))
        results.append(in_memory(values, levels, order=order))
    for other in results[1:]:
        assert other.sums.tobytes() == results[0].sums.tobytes()
        assert other.gradients.tobytes() == results[0].gradients.tobytes()


@pytest.mark.parametrize("order", [4, 8])
@pytest.mark.parametrize("width", [2, 128, 200])
def test_row_pairs_equal_their_interpreted_twin(order, width) -> None:
    values = brain((6, width), seed=7)
    raw = values.view(np.uint8).reshape(-1)
    level = np.array([6, 1, 1, width])
    extent = np.array([0, 0, 0, 0, 6, 1, 1, width])
    results = []
    for kernel in (_pyramid_words.pair_rows, python_version(_pyramid_words.pair_rows)):
        row = np.arange(width // 2, dtype=np.float32)  # the row of means before the two to be made
        total, sums, above = np.zeros_like(row), np.zeros(12), np.zeros(12)
        means = [row.copy()]
        for low in (2, 4):
            kernel(raw, 0.5, 1.25, order, level, 0, extent, low, row, total, sums, above)
            means.append(row.copy())
            if order == 4:
                assert_array_equal(total, means[-2] + row)
        results.append((np.stack(means), sums, above))
    (means, sums, above), *expected = results
    for own, other in zip(results[0], *expected, strict=True):
        assert_allclose(own, other, rtol=1e-5, atol=1e-5)
    exact = values.astype(np.float64)
    x = (exact[2:] - 0.5) * 1.25
    coarse = x.reshape(2, 2, -1, 2).mean(axis=(1, 3))
    assert_array_equal(means[0], np.arange(width // 2))
    assert_allclose(means[1:], coarse, atol=1e-6)
    assert_allclose(sums[:4], [np.sum(x**p) for p in range(1, 5)], rtol=1e-5, atol=1e-4)
    assert_allclose(sums[8], np.sum(np.diff(exact[1:], axis=0) ** 2) * 1.25**2, rtol=1e-5)
    assert_allclose(sums[11], np.sum(np.diff(exact[2:]) ** 2) * 1.25**2, rtol=1e-5)
    if order == 4:
        bonds = [np.sum(np.diff(rows, axis=axis) ** 2) for axis, rows in ((0, means), (1, coarse))]
        assert_allclose(above[:4], [np.sum(coarse**p) for p in range(1, 5)], rtol=1e-5, atol=1e-5)
        assert_allclose(above[[8, 11]], bonds, rtol=1e-5, atol=1e-9)
