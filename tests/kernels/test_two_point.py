"""Radial sums over lattice momenta against whole arrays."""

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nnrg_kernels.two_point import lattice_momenta, radial_counts, radial_power

# Clear of every khat^2 of the lattices below, which rounding would put on either side of an edge.
EDGES = np.array([0.013, 0.27, 0.9, 2.6, 3.1, 7.3, 11.9])


def squares(shape):
    axes = [4 * np.sin(np.pi * np.arange(n) / n) ** 2 for n in shape]
    return sum(np.meshgrid(*axes, indexing="ij"))


@pytest.mark.parametrize(
    "shape", [(1,), (6,), (7,), (1, 5), (6, 8), (5, 7), (3, 4, 5), (2, 3, 2, 4)]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sums_counts_and_means_of_bins(shape, dtype, rng):
    import scipy.fft

    values = rng.normal(size=shape).astype(dtype)
    power = np.abs(np.fft.fftn(values.astype(np.float64))) ** 2
    expected = np.histogram(squares(shape), EDGES, weights=power)[0]
    found = radial_power(scipy.fft.rfftn(values), shape, EDGES)
    assert_allclose(found[0], expected, rtol=1e-12 if dtype == np.float64 else 2e-6, atol=1e-9)
    counts, means = radial_counts(shape, EDGES)
    number = np.histogram(squares(shape), EDGES)[0]
    assert_array_equal(counts[0], number)
    total = np.histogram(squares(shape), EDGES, weights=squares(shape))[0]
    assert_allclose(means[0][number > 0], (total / np.maximum(number, 1))[number > 0])
    assert np.isnan(means[0][number == 0]).all()


def test_momenta_below_the_first_and_above_the_last_edge_are_left_out(rng):
    transform = np.fft.rfft2(rng.normal(size=(8, 8)))
    assert radial_power(transform, (8, 8), np.array([9.0, 10.0]))[0, 0] == 0
    assert radial_counts((8, 8), np.array([-1.0, 100.0]))[0][0, 0] == 64


@pytest.mark.parametrize("shape", [(16,), (12, 10), (5, 4, 6)])
def test_parts_are_rows_taken_in_turn(shape, rng):
    transform = np.fft.rfftn(rng.normal(size=shape))
    rows, row_weights, columns, column_weights = lattice_momenta(shape)
    flat = transform.reshape(rows.size, columns.size)
    power = np.abs(flat) ** 2 * row_weights[:, None] * column_weights
    square = rows[:, None] + columns
    found = radial_power(transform, shape, EDGES, 3)
    for part in range(3):
        mine = np.arange(rows.size) % 3 == part
        expected = np.histogram(square[mine], EDGES, weights=power[mine])[0]
        assert_allclose(found[part], expected, rtol=1e-12, atol=1e-12)
    in_parts, whole = (radial_counts(shape, EDGES, parts)[0] for parts in (3, 1))
    assert_array_equal(in_parts.sum(axis=0), whole[0])


def test_the_number_of_threads_changes_no_bit(rng):
    transform = np.fft.rfft2(rng.normal(size=(512, 1024)))
    before = numba.get_num_threads()
    try:
        results = []
        for threads in (1, before):
            numba.set_num_threads(threads)
            results.append(radial_power(transform, (512, 1024), EDGES))
    finally:
        numba.set_num_threads(before)
    assert_array_equal(*results)


def test_a_number_that_is_not_finite_reaches_its_bin():
    values = np.ones((4, 4))
    values[1, 1] = np.nan
    assert np.isnan(radial_power(np.fft.rfft2(values), (4, 4), EDGES)).any()
