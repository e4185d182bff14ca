"""Sums of cells of any width: a cell may be eight sites shorter than a row, or a single site."""

from itertools import pairwise

import numpy as np
import pytest

from nnrg_kernels.pyramid import pyramid


def summed(y, rows, columns):
    return [y[a:b, c:d].sum() for a, b in pairwise(rows) for c, d in pairwise(columns)]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("length", [9, 10, 12, 16, 17, 24, 33])
def test_every_cut_of_a_row_in_two_has_the_sums_of_its_cells(length, dtype):
    field = np.random.default_rng(1).normal(size=(1, 5, length)).astype(dtype)
    rows = np.array([0, 2, 5])
    for cut in range(1, length):
        columns = np.array([0, cut, length])
        found = pyramid(
            field,
            (1, 1),
            0,
            periodic=(False, False),
            sample_group=np.zeros(1, np.int64),
            edges=(rows, columns),
            keep=False,
        )
        y = (field[0].astype(np.float64) - found.shift[0]) / found.scale[0]
        np.testing.assert_allclose(
            found.sums[0, :, 1],
            summed(y * y, rows, columns),
            rtol=1e-12 if dtype is np.float64 else 1e-5,
        )
        along = [
            np.sum(np.diff(y[a:b, c : d + 1], axis=1) ** 2)
            for a, b in pairwise(rows)
            for c, d in pairwise(columns)
        ]
        np.testing.assert_allclose(found.gradients[0, :, 1], along, rtol=1e-4)


@pytest.mark.parametrize("length", [9, 16, 33])
def test_cells_of_a_chain_and_of_its_blocks(length):
    field = np.random.default_rng(2).normal(size=(3, 2 * length))
    for cut in range(1, length):
        edges = np.array([0, 2 * cut, 2 * length])
        found = pyramid(
            field,
            (2,),
            1,
            periodic=(True,),
            sample_group=np.arange(3),
            edges=(edges,),
        )
        for level, factor in enumerate((1, 2)):
            means = field.reshape(3, -1, factor).mean(axis=2)
            y = (means - found.shift[level]) / found.scale[level]
            cells = [y[s, a:b].sum() for s in range(3) for a, b in pairwise(edges // factor)]
            np.testing.assert_allclose(found.sums[level, :, 0], cells, rtol=0, atol=1e-10)


def test_a_long_row_that_is_swept_in_segments():
    length = 2**14 + 8  # a segment of float64 with its gap is as long as the row
    field = np.random.default_rng(3).normal(size=(1, length))
    found = pyramid(
        field,
        (1,),
        0,
        periodic=(False,),
        sample_group=np.zeros(1, np.int64),
        edges=(np.array([0, length]),),
        keep=False,
    )
    y = (field - found.shift[0]) / found.scale[0]
    np.testing.assert_allclose(found.sums[0, 0, 1], np.sum(y * y), rtol=1e-12)
    np.testing.assert_allclose(found.gradients[0, 0, 0], np.sum(np.diff(y) ** 2), rtol=1e-12)
