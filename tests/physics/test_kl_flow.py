"""Relative entropy along the decimation of the Ising chain: exact, enumerated, and from samples."""

from itertools import product

import numpy as np
import pytest

import nnrg
from nnrg.errors import ArgumentError
from nnrg.rg.decimation import Decimation
from nnrg.rg.scaling.ising_maps import migdal_kadanoff
from nnrg.rg.scaling.relative_entropy import ising_relative_entropy
from nnrg.stats.replicates import Replicates

CHAIN = "Ising chain"


def decimated(k, b):
    return float(migdal_kadanoff(k, b=b, dimension=1))


def enumerated(k, other, n):
    """D(P_K || P_K') / n of a periodic chain, by summing over all states."""
    spins = np.array(list(product([1, -1], repeat=n)))
    bonds = np.sum(spins * np.roll(spins, -1, axis=1), axis=1)

    def law(coupling):
        weight = np.exp(coupling * bonds)
        return weight / weight.sum()

    p, q = law(k), law(other)
    return np.sum(p * np.log(p / q)) / n


@pytest.mark.parametrize("n", [3, 4, 9, 14])
@pytest.mark.parametrize(("k", "other"), [(0.8, 0.3), (0.2, 1.1), (0.5, -0.4), (1.0, 0.0)])
def test_relative_entropy_of_a_ring_is_that_of_all_its_states(k, other, n):
    found = ising_relative_entropy(k, other, n_sites=n)
    np.testing.assert_allclose(found, enumerated(k, other, n), rtol=1e-11)


@pytest.mark.parametrize("b", [2, 3, 4])
def test_relative_entropy_of_long_chains_is_the_limit_of_rings(b, checked):
    # Corrections fall as tanh(K)^N: three rings give the limit (Aitken).
    k, other = 0.5, decimated(0.5, b)
    small, middle, large = (enumerated(k, other, n) for n in (10, 13, 16))
    limit = large - (large - middle) ** 2 / (large - 2 * middle + small)
    found = float(ising_relative_entropy(k, other))
    known = (k - other) * np.tanh(k) + np.log(np.cosh(other) / np.cosh(k))
    assert limit == pytest.approx(known, rel=1e-5)
    quantity = f"relative entropy per spin under decimation, K = 0.5, b = {b}"
    checked(CHAIN, quantity, known, found, rtol=1e-12)


@pytest.mark.parametrize("k", [0.5, 1.5])
def test_relative_entropy_grows_along_decimation_and_saturates(k, checked):
    steps = [k] + [decimated(k, b) for b in (2, 4, 8, 16, 32, 64, 128, 256)]
    found = ising_relative_entropy(k, steps)
    assert abs(found[0]) < 1e-15
    assert np.all(np.diff(found) >= 0) and np.all(np.diff(found)[:4] > 0)
    # What is missing falls as K' tanh K, to the first order of K'.
    last = k * np.tanh(k) - np.log(np.cosh(k))
    np.testing.assert_allclose(last - found[-1], steps[-1] * np.tanh(k), rtol=1e-2, atol=1e-14)
    quantity = f"relative entropy per spin after decimation for ever, K = {k}"
    checked(CHAIN, quantity, last, float(ising_relative_entropy(k, decimated(k, 2**20))))


def test_relative_entropy_of_close_and_of_cold_chains():
    # Half the Fisher information 1 / cosh^2 K times the squared difference; and no overflow.
    near = ising_relative_entropy(0.7, 0.7 + 1e-4)
    np.testing.assert_allclose(near, 0.5e-8 / np.cosh(0.7) ** 2, rtol=1e-4)
    np.testing.assert_allclose(ising_relative_entropy(800.0, 0.0), np.log(2), rtol=1e-12)
    np.testing.assert_allclose(ising_relative_entropy(0.0, 800.0), 800 - np.log(2), rtol=1e-12)


def pair_frequencies(values):
    """Share of each of the four neighbouring pairs in each sample, shape (n_samples, 4)."""
    up = values > 0
    code = 2 * up[:, :-1] + up[:, 1:]
    return np.stack([(code == c).mean(axis=1) for c in range(4)], axis=1)


@pytest.fixture(scope="module")
def sampled():
    # Bonds of an open chain are independent: satisfied with probability 1 / (1 + exp(-2K)).
    rng = np.random.default_rng(21)
    satisfied = rng.random((4000, 512)) < 1 / (1 + np.exp(-1.8))
    satisfied[:, 0] = rng.random(4000) < 0.5  # the first spin
    field = nnrg.SynapticField(np.cumprod(2.0 * satisfied - 1, axis=1), nnrg.Lattice(512))
    return field, nnrg.renormalize(field, Decimation(2), levels=4)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_relative_entropy_of_counted_pairs(sampled, level, checked):
    # Of Markov chains D / N is that of pairs less that of single spins; nothing here knows of
    # couplings. Four standard errors each: a false alarm in 16 000.
    field, flow = sampled
    shares = np.concatenate(
        [pair_frequencies(field.values), pair_frequencies(flow.means[level])], axis=1
    )

    def rate(means):
        before, after = means[:4].reshape(2, 2), means[4:].reshape(2, 2)
        pairs = np.sum(before * np.log(before / after))
        ones = np.sum(before.sum(axis=1) * np.log(before.sum(axis=1) / after.sum(axis=1)))
        return np.array([pairs - ones])

    found = Replicates.of_mean(shares, max_groups=64).map(rate).estimates()[0]
    b = 2**level
    known = float(ising_relative_entropy(0.9, decimated(0.9, b)))
    assert found.error < 0.02 * known
    quantity = f"relative entropy of counted pairs, K = 0.9, b = {b}"
    checked(CHAIN, quantity, known, found.value, found.error)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_relative_entropy_of_fitted_couplings(sampled, level, checked):
    # The most likely coupling of a chain is the artanh of its energy, refitted in each replicate.
    field, flow = sampled
    bonds = np.stack(
        [(v[:, 1:] * v[:, :-1]).mean(axis=1) for v in (field.values, flow.means[level])],
        axis=1,
    )
    found = (
        Replicates.of_mean(bonds, max_groups=64)
        .map(lambda t: np.append(np.arctanh(t), ising_relative_entropy(*np.arctanh(t))))
        .estimates()
    )
    b = 2**level
    checked(
        CHAIN,
        f"K' fitted after decimation, K = 0.9, b = {b}",
        decimated(0.9, b),
        found[1].value,
        found[1].error,
    )
    known = float(ising_relative_entropy(0.9, decimated(0.9, b)))
    quantity = f"relative entropy of fitted couplings, K = 0.9, b = {b}"
    checked(CHAIN, quantity, known, found[2].value, found[2].error)


def test_bad_couplings():
    with pytest.raises(ArgumentError, match="finite"):
        ising_relative_entropy(np.inf, 0.1)
    with pytest.raises(ArgumentError, match="broadcast"):
        ising_relative_entropy([1.0, 2.0], [0.1, 0.2, 0.3])
    with pytest.raises(ArgumentError, match="n_sites"):
        ising_relative_entropy(1.0, 0.5, n_sites=2)
