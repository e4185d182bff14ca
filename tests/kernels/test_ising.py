"""Ising kernels against naive twins that follow the same random numbers."""

from itertools import product

import numpy as np
import pytest

from nnrg_kernels.ising import flip_clusters, heat_bath

# The hash wraps around, on purpose; only interpreted kernels say so.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")

MASK = 2**64 - 1
KEY = 2**63 + 4711
SHAPES = [(1, 1, 12), (1, 6, 8), (4, 2, 6), (2, 2, 2)]


def splitmix(key, counter):
    z = (key + counter * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def neighbours(site, shape):
    """After and before along the last axis, then the others that have sites."""
    for axis in (2, 1, 0):
        if shape[axis] > 1:
            for step in (1, -1):
                beside = list(site)
                beside[axis] = (site[axis] + step) % shape[axis]
                yield tuple(beside)


def naive_cluster(spins, threshold, counter):
    """Grow a cluster site by site; every look at a bond takes one random number."""
    counter += 1
    index = int((splitmix(KEY, counter) >> 11) * 2.0**-53 * spins.size)
    seed = tuple(map(int, np.unravel_index(index, spins.shape)))
    spin, waiting, members = spins[seed], [seed], {seed}
    while waiting:
        for beside in neighbours(waiting.pop(), spins.shape):
            counter += 1
            drawn = splitmix(KEY, counter) <= threshold
            if beside not in members and spins[beside] == spin and drawn:
                members.add(beside)
                waiting.append(beside)
    for site in members:
        spins[site] = -spin
    return counter, len(members)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_clusters_equal_the_naive_twin(shape, share):
    spins = np.random.default_rng(1).choice(np.array([-1, 1], dtype=np.int8), shape)
    expected, counter, total = spins.copy(), 17, 0
    for _ in range(20):
        counter, size = naive_cluster(expected, int(share * 2**64), counter)
        total += size
    stack = np.empty(spins.size + 1, dtype=np.uint64)
    threshold = np.uint64(int(share * 2**64))
    after, flipped = flip_clusters(spins, 20, threshold, np.uint64(KEY), np.uint64(17), stack)
    np.testing.assert_array_equal(spins, expected)
    assert (int(after), flipped) == (counter, total)


def test_a_bond_that_is_always_drawn_flips_every_equal_spin():
    spins = np.ones((4, 6, 8), dtype=np.int8)
    stack = np.empty(spins.size + 1, dtype=np.uint64)
    _, flipped = flip_clusters(spins, 3, np.uint64(MASK), np.uint64(1), np.uint64(0), stack)
    assert np.all(spins == -1) and flipped == 3 * spins.size


def thresholds(beta):
    share = 1 / (1 + np.exp(-2 * beta * np.arange(-6, 7)))
    return np.array([min(MASK, int(s * 2**64)) for s in share], dtype=np.uint64)


@pytest.mark.parametrize("shape", SHAPES)
def test_heat_bath_equals_the_naive_twin(shape):
    spins = np.random.default_rng(2).choice(np.array([-1, 1], dtype=np.int8), shape)
    expected, table = spins.copy(), thresholds(0.3)
    for number in (3, 4):
        for colour in range(2):
            for site in product(*map(range, shape)):
                if sum(site) % 2 == colour:
                    total = sum(int(expected[beside]) for beside in neighbours(site, shape))
                    index = int(np.ravel_multi_index(site, shape))
                    draw = splitmix(KEY, number * spins.size + index + 1)
                    expected[site] = 1 if draw <= int(table[6 + total]) else -1
    heat_bath(spins, table, np.uint64(KEY), 3, 5)
    np.testing.assert_array_equal(spins, expected)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_any_number_of_threads_gives_the_same_spins(threads, monkeypatch):
    serial = np.random.default_rng(3).choice(np.array([-1, 1], dtype=np.int8), (6, 4, 10))
    shared = serial.copy()
    heat_bath(serial, thresholds(0.2), np.uint64(KEY), 0, 10)
    monkeypatch.setattr("nnrg_kernels.ising.threads_for", lambda rows, sites: threads)
    heat_bath(shared, thresholds(0.2), np.uint64(KEY), 0, 10)
    np.testing.assert_array_equal(shared, serial)
