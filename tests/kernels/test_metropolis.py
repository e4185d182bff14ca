"""Metropolis sweeps against a naive twin; the same field for any number of threads."""

from itertools import product
from math import exp

import numba
import numpy as np
import pytest

from nnrg_kernels.metropolis import sweep, sweep_parallel, uniforms

# The hash wraps around and exp may overflow, on purpose; only interpreted kernels say so.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")

MASK = 2**64 - 1


def splitmix(key, counter):
    z = (key + counter * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def naive_sweep(phi, couplings, width, key, number):
    """One sweep by the difference of the whole action, site by site."""
    r, u, stiffness = couplings

    def action(field):
        total = np.sum(r / 2 * field**2 + u / 24 * field**4)
        for axis in range(3):
            total += stiffness / 2 * np.sum((np.roll(field, -1, axis) - field) ** 2)
        return total

    phi, accepted = phi.copy(), 0
    for colour in range(2):
        for site in product(*map(range, phi.shape)):
            if sum(site) % 2 != colour:
                continue
            index = int(np.ravel_multi_index(site, phi.shape))
            bits = splitmix(key, number * phi.size + index)
            a, b = ((bits >> 32) + 0.5) / 2**32, ((bits & 0xFFFFFFFF) + 0.5) / 2**32
            trial = phi.copy()
            trial[site] += width * (2 * a - 1)
            if b < exp(min(0.0, action(phi) - action(trial))):
                phi, accepted = trial, accepted + 1
    return phi, accepted


@pytest.mark.parametrize("shape", [(1, 1, 12), (1, 6, 8), (4, 2, 6)])
@pytest.mark.parametrize("couplings", [(-0.8, 3.0, 1.0), (1.0, 1.0, 0.0), (0.5, 0.0, 2.5)])
def test_sweep_equals_the_naive_twin(shape, couplings):
    phi = np.random.default_rng(7).normal(size=shape)
    expected, accepted = naive_sweep(phi, couplings, 1.3, 2**63 + 12345, 3)
    count = sweep(phi, np.array(couplings), 1.3, np.uint64(2**63 + 12345), 3, 4)
    np.testing.assert_allclose(phi, expected, rtol=0, atol=1e-12)
    assert count == accepted and 0 < count < phi.size


def test_generator_gives_the_published_numbers_of_splitmix64():
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    for counter, bits in enumerate(published, start=1):
        high, low = uniforms(np.uint64(1234567), np.uint64(counter))
        assert int(high * 2**32) == bits >> 32
        assert int(low * 2**32) == bits & 0xFFFFFFFF


def test_random_numbers_are_uniform_and_uncorrelated():
    n = 100_000
    draws = np.array([uniforms(np.uint64(99), np.uint64(i)) for i in range(n)])
    assert np.all((draws > 0) & (draws < 1))
    x = (draws - 0.5) * np.sqrt(12)
    assert np.all(np.abs(x.mean(axis=0)) < 4 / np.sqrt(n))
    assert np.all(np.abs((x**2).mean(axis=0) - 1) < 4 * np.sqrt(0.8 / n))
    series = [x[:, 0] * x[:, 1], x[1:, 0] * x[:-1, 0], x[1:, 1] * x[:-1, 0], x[64:, 1] * x[:-64, 1]]
    assert all(abs(product.mean()) < 4 / np.sqrt(n) for product in series)


@pytest.mark.parametrize("shape", [(1, 1, 64), (1, 32, 16), (8, 6, 10)])
def test_any_number_of_threads_gives_the_same_field(shape):
    start = np.random.default_rng(1).normal(size=shape)
    couplings, key = np.array([-0.8, 3.0, 1.0]), np.uint64(17)
    serial = start.copy()
    accepted = sweep(serial, couplings, 1.0, key, 0, 10)
    before = numba.get_num_threads()
    for threads in (1, before):
        numba.set_num_threads(threads)
        phi, rows = start.copy(), np.zeros(shape[0] * shape[1], dtype=np.int64)
        sweep_parallel(phi, couplings, 1.0, key, 0, 10, rows)
        np.testing.assert_array_equal(phi, serial)
        assert rows.sum() == accepted
    numba.set_num_threads(before)


def test_sweeps_made_in_two_calls_are_those_made_in_one():
    start = np.random.default_rng(2).normal(size=(1, 8, 8))
    couplings, key = np.array([0.5, 1.0, 1.0]), np.uint64(4)
    once, twice = start.copy(), start.copy()
    total = sweep(once, couplings, 1.0, key, 0, 9)
    parts = sweep(twice, couplings, 1.0, key, 0, 4) + sweep(twice, couplings, 1.0, key, 4, 9)
    np.testing.assert_array_equal(once, twice)
    assert total == parts


def test_nan_is_not_accepted_and_does_not_spread():
    phi = np.zeros((1, 1, 8))
    phi[0, 0, 3] = np.nan
    sweep(phi, np.array([1.0, 1.0, 1.0]), 1.0, np.uint64(1), 0, 5)
    assert np.isnan(phi[0, 0]).tolist() == [False, False, False, True, False, False, False, False]
