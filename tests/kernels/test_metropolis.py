"""Metropolis sweeps against a naive twin; the same field for any number of threads."""

from itertools import product
from math import exp

import networkx as nx
import numpy as np
import pytest

from nnrg_kernels._exp import exp_of_negative
from nnrg_kernels._random import uniforms
from nnrg_kernels.clusters import flip_signs
from nnrg_kernels.metropolis import merge_colours, split_colours, sweep

# The hash wraps around and exp may overflow, on purpose; only interpreted kernels say so.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")

MASK = 2**64 - 1


def split(phi):
    colours = np.empty((2, *phi.shape[:2], phi.shape[2] // 2))
    split_colours(phi, colours)
    return colours


def merge(colours):
    phi = np.empty((*colours.shape[1:3], 2 * colours.shape[3]))
    merge_colours(colours, phi)
    return phi


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
    colours = split(phi)
    count = sweep(colours, np.array(couplings), 1.3, np.uint64(2**63 + 12345), 3, 4)
    np.testing.assert_allclose(merge(colours), expected, rtol=0, atol=1e-12)
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


@pytest.mark.parametrize("shape", [(1, 1, 12), (1, 6, 8), (4, 2, 6), (2, 2, 2)])
def test_colours_are_those_of_a_checkerboard_and_merge_to_the_field(shape):
    phi = np.random.default_rng(3).normal(size=shape)
    colours = split(phi)
    even = np.indices(shape).sum(axis=0) % 2 == 0
    np.testing.assert_array_equal(colours[0].ravel(), phi[even])
    np.testing.assert_array_equal(colours[1].ravel(), phi[~even])
    np.testing.assert_array_equal(merge(colours), phi)


def test_exponential_is_that_of_numpy():
    x = -np.concatenate([np.linspace(0, 2, 20_000), np.geomspace(2, 700, 20_000)])
    values = np.array([exp_of_negative(v) for v in x])
    np.testing.assert_allclose(values, np.exp(x), rtol=5e-14, atol=0)
    assert exp_of_negative(-np.inf) == exp_of_negative(-1e9) < 1e-300


@pytest.mark.parametrize("shape", [(1, 32, 16), (8, 6, 10)])
@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_any_number_of_threads_gives_the_same_field(shape, threads, monkeypatch):
    start = split(np.random.default_rng(1).normal(size=shape))
    couplings, key = np.array([-0.8, 3.0, 1.0]), np.uint64(17)
    serial, shared = start.copy(), start.copy()
    accepted = sweep(serial, couplings, 1.0, key, 0, 10)
    monkeypatch.setattr("nnrg_kernels.metropolis.threads_for", lambda rows, sites: threads)
    assert sweep(shared, couplings, 1.0, key, 0, 10) == accepted
    np.testing.assert_array_equal(shared, serial)


def test_sweeps_made_in_two_calls_are_those_made_in_one():
    start = split(np.random.default_rng(2).normal(size=(1, 8, 8)))
    couplings, key = np.array([0.5, 1.0, 1.0]), np.uint64(4)
    once, twice = start.copy(), start.copy()
    total = sweep(once, couplings, 1.0, key, 0, 9)
    parts = sweep(twice, couplings, 1.0, key, 0, 4) + sweep(twice, couplings, 1.0, key, 4, 9)
    np.testing.assert_array_equal(once, twice)
    assert total == parts


def test_nan_is_not_accepted_and_does_not_spread():
    phi = np.zeros((1, 1, 8))
    phi[0, 0, 3] = np.nan
    colours = split(phi)
    sweep(colours, np.array([1.0, 1.0, 1.0]), 1.0, np.uint64(1), 0, 5)
    assert np.isnan(merge(colours)[0, 0]).tolist() == [n == 3 for n in range(8)]


@pytest.mark.parametrize("shape", [(1, 1, 12), (1, 6, 8), (4, 2, 6)])
def test_signs_flip_by_clusters_of_the_bonds_drawn(shape):
    key, number, stiffness = 2**63 + 99, 5, 0.7
    phi = np.random.default_rng(4).normal(size=shape)
    flipped = phi.copy()
    flip_signs(flipped, stiffness, np.uint64(key), number, np.empty(phi.size, dtype=np.int64))
    first, graph = number * 4 * phi.size, nx.Graph()
    graph.add_nodes_from(range(phi.size))
    axes = [axis for axis in (2, 1, 0) if shape[axis] > 1]
    for site in product(*map(range, shape)):
        index = int(np.ravel_multi_index(site, shape))
        for bond, axis in enumerate(axes, start=1):
            beside = list(site)
            beside[axis] = (site[axis] + 1) % shape[axis]
            share = ((splitmix(key, first + 4 * index + bond) >> 32) + 0.5) / 2**32
            if share > exp(min(0.0, -2 * stiffness * phi[site] * phi[tuple(beside)])):
                graph.add_edge(index, int(np.ravel_multi_index(beside, shape)))
    expected = phi.copy().ravel()
    clusters = list(nx.connected_components(graph))
    for cluster in clusters:
        if splitmix(key, first + 4 * min(cluster) + 4) >> 63:
            expected[list(cluster)] *= -1
    np.testing.assert_array_equal(flipped.ravel(), expected)
    assert 1 < len(clusters) < phi.size
