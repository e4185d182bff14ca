"""Phenomenological RG: exponents that are known, and a null model that is not beaten by chance."""

import numpy as np
import pytest
from scipy.linalg import toeplitz
from scipy.signal import lfilter
from scipy.special import ndtr

from nnrg.fields import Lattice, SynapticField
from nnrg.rg.neighbourhoods.hierarchy import Hierarchy
from nnrg.rg.neighbourhoods.pairs import PairBlocks, pair_hierarchy
from nnrg.rg.phenomenological import IndependentUnits, phenomenological_flow
from nnrg.simulate.gaussian import fractional_gaussian_noise
from nnrg.simulate.spins import ising

TOPIC = "Phenomenological RG"


def contiguous(n_units, levels):
    return Hierarchy([np.arange(n_units) >> level for level in range(1, levels)])


def run(x, **kwargs):
    return phenomenological_flow(x, **{"modes": False, "nulls": (), **kwargs})


def power_law_ring(n_sites, n_samples, sigma, rng):
    """Gaussian fields of spectrum |k|^-sigma on a ring, of unit variance, and their covariance."""
    k = 2 * np.pi * np.fft.rfftfreq(n_sites)
    spectrum = np.concatenate([[k[1]], k[1:]]) ** -sigma
    spectrum /= np.fft.irfft(spectrum, n_sites)[0]
    white = np.fft.rfft(rng.normal(size=(n_samples, n_sites)), axis=1)
    values = np.fft.irfft(white * np.sqrt(spectrum), n_sites, axis=1)
    return values, np.fft.irfft(spectrum, n_sites)


def test_pairs_of_noise_have_alpha_one_on_held_out_samples(checked, rng):
    x = rng.normal(size=(1500, 128)) * rng.uniform(0.3, 3, size=128)
    alpha = run(x).exponents()["alpha"]
    checked(
        TOPIC, "alpha, pairs of noise, held out", 1.0, alpha.estimate.value, alpha.estimate.error
    )
    assert alpha.effective.error < 0.01
    assert abs(alpha.effective.value - 1) < 4 * alpha.effective.error


def test_pairs_of_noise_seem_to_scale_on_the_samples_that_chose_them():
    # The trap: one step multiplies the variance by 2 (1 + rho), rho the mean over pairs.
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 128))
    measuring = x[PairBlocks().samples(SynapticField(x, Lattice(128))).measuring]
    labels = pair_hierarchy(measuring, 6)
    alpha = run(x, hierarchy=Hierarchy(labels)).exponents()["alpha"]
    correlation = np.corrcoef(measuring.T) - np.eye(128)
    largest = correlation.max()
    typical = np.sqrt(2 * np.log(128) / len(measuring))
    first = alpha.running[0]
    assert first.value > 1 + 5 * first.error
    assert 1 + np.log2(1 + typical / 2) < first.value < 1 + np.log2(1 + largest)
    i, j = (np.flatnonzero(labels[1] == b) for b in range(2))
    assert correlation[i[0], i[1]] == largest > correlation[j[0], j[1]]
    assert alpha.effective.value > 1 + 8 * alpha.effective.error


def test_fully_correlated_units_have_alpha_two(checked, rng):
    x = rng.normal(size=(300, 1)) + 1e-6 * rng.normal(size=(300, 64))
    alpha = run(x).exponents()["alpha"].effective
    checked(TOPIC, "alpha, fully correlated", 2.0, alpha.value, rtol=1e-9)


@pytest.mark.parametrize("hurst", [0.3, 0.8])
def test_contiguous_blocks_of_fractional_noise_have_twice_hurst(hurst, checked):
    x = fractional_gaussian_noise(256, 2000, hurst=hurst, rng=1)
    alpha = run(x, hierarchy=contiguous(256, 7)).exponents()["alpha"]
    assert alpha.refusal == "" and alpha.estimate.error < 0.01
    checked(
        TOPIC,
        f"alpha, contiguous blocks of fractional noise, H = {hurst}",
        2 * hurst,
        alpha.estimate.value,
        alpha.estimate.error,
    )


def test_power_law_correlations_give_alpha_and_mu(checked):
    # C ~ r^(-2 Delta) with 2 Delta = 1 - sigma: alpha = 2 - 2 Delta = 1 + sigma, mu = alpha - 1.
    sigma, size = 0.6, 32
    x, covariance = power_law_ring(2048, 2000, sigma, np.random.default_rng(7))
    flow = run(x[:, :512], hierarchy=contiguous(512, 8))
    exact = [np.sum(toeplitz(covariance[:k])) for k in flow.scales.tolist()]
    found = flow.observables["variance"]
    assert np.abs((found.values - exact) / found.errors()).max() < 4.5
    alpha = flow.exponents()["alpha"].effective
    known = np.polyfit(np.log(flow.scales), np.log(exact), 1)[0]
    quantity = "alpha, k^-0.6 on a ring of 2048, against the exact covariance"
    checked(TOPIC, quantity, known, alpha.value, alpha.error)
    assert known == pytest.approx(1 + sigma, abs=0.08)  # the ring is finite
    spectrum = next(s for s in flow.spectra if s.size == size)
    variances = np.linalg.eigvalsh(toeplitz(covariance[:size]))[::-1]
    ranks = [np.arange(16, 33), *(np.arange(a, 2 * a) for a in (8, 4, 2, 1))]
    logs = np.array([np.log(variances[r - 1]).mean() for r in ranks])
    known = np.polyfit(np.log(spectrum.ratio[:4]), logs[:4], 1)[0]
    data = spectrum.logs.as_replicates(np.ones(flow.n_groups))
    mu = data.map(lambda y: np.polyfit(np.log(spectrum.ratio[:4]), y[:4], 1)[0]).estimate()
    checked(
        TOPIC,
        "mu, k^-0.6 on a ring of 2048, ranks 2 .. 32 of 32, against exact eigenvalues",
        known,
        mu.value,
        mu.error,
    )
    # Ranks of a finite block lie on a power only between its ends.
    large = np.linalg.eigvalsh(toeplitz(covariance[:1024]))[::-1]
    slope = np.polyfit(np.log(np.arange(16, 256)), np.log(large[15:255]), 1)[0]
    assert -slope == pytest.approx(sigma, abs=0.02)


def test_critical_ising_squares(checked):
    # alpha = 15/8 and Delta = 1/8, up to corrections of small blocks and of the finite lattice.
    spins = ising((128, 128), 200, beta=np.log(1 + 2**0.5) / 2, rng=3).values
    values = np.asarray(spins, dtype=np.float64).reshape(200, -1)
    y, x = np.divmod(np.arange(128 * 128), 128)
    squares = Hierarchy([(y >> level) * (128 >> level) + (x >> level) for level in range(1, 5)])
    flow = run(values, hierarchy=squares)
    assert flow.scales.tolist() == [1, 4, 16, 64, 256]
    alpha = flow.observables["variance"].map(lambda m: np.log(m[-1] / m[1]) / np.log(64))
    found = alpha.estimate()
    checked(
        TOPIC,
        "alpha, critical Ising, squares of 2 x 2 to 16 x 16 on 128 x 128",
        15 / 8,
        found.value,
        found.error,
        uncertainty=0.005,
    )


def test_units_with_memory_of_their_block_have_the_known_times(checked):
    # Chains u_l of each block of 2^l units, of weight a^l and time 2 * 2^(l/2), added up: the
    # autocorrelation of a block sum is a sum of exponentials.
    n, depth, weight = 64, 6, 2**-0.2
    rng = np.random.default_rng(8)
    x = np.zeros((20000, n))
    times = 2 * 2.0 ** (np.arange(depth + 1) / 2)
    for level, time in enumerate(times):
        rho = np.exp(-1 / time)
        noise = np.sqrt(1 - rho**2) * rng.normal(size=(20500, n >> level))
        chain = lfilter([1], [1, -rho], noise, axis=0)[500:]
        x += weight**level * np.repeat(chain, 1 << level, axis=1)
    blocks = PairBlocks(series=True)
    flow = run(x, blocks=blocks, hierarchy=contiguous(n, 6))
    lag = np.arange(400)
    known = []
    for size in flow.scales.tolist():
        share = weight ** (2 * np.arange(depth + 1)) * np.minimum(size, 2 ** np.arange(depth + 1))
        rho = (share[:, None] * np.exp(-lag / times[:, None])).sum(axis=0) / share.sum()
        at = int(np.flatnonzero(rho < np.exp(-1))[0])
        known.append(np.interp(-np.exp(-1), -rho[at - 1 : at + 1], [at - 1, at]))
    slope = np.polyfit(np.log(flow.scales), np.log(known), 1)[0]
    z = flow.exponents()["z"].effective
    checked(TOPIC, "z, sums of exponentials, contiguous blocks", slope, z.value, z.error)
    assert z.value > 8 * z.error
    beaten = run(x[:, :32], blocks=blocks, nulls="independent", rng=1)
    score = next(s for s in beaten.scores if s.name == "z")
    assert score.z > 5 and abs(score.null_mean) < 0.03
    assert beaten.beaten and "alpha" in beaten.verdict


def test_silence_of_independent_units(checked, rng):
    # -ln P_0 of K independent units is the sum of theirs.
    chance = rng.uniform(0.02, 0.1, size=64)
    x = (rng.random((4000, 64)) < chance).astype(float)
    beta = run(x).exponents()["beta"]
    checked(
        TOPIC,
        "free energy exponent, independent units",
        1.0,
        beta.estimate.value,
        beta.estimate.error,
        uncertainty=0.005,  # the mean over blocks of P_0 is not the product of the means
    )
    assert beta.effective.error < 0.02


def test_heterogeneous_independent_units_do_not_beat_their_null():
    # False-alarm rate of the verdict: at most 1/21 a run; of 8 runs more than 3 with chance 3e-4.
    beaten = 0
    for seed in range(8):
        rng = np.random.default_rng([31, seed])
        x = rng.exponential(size=(300, 32)) * rng.lognormal(size=32)
        x *= rng.random((300, 32)) < rng.uniform(0.05, 0.6, size=32)
        flow = run(x, nulls="independent", rng=seed)
        beaten += flow.beaten
        assert flow.beaten or "no scaling" in flow.verdict
    assert beaten <= 3


def test_scores_of_noise_are_those_of_student():
    # 24 scores of Student's t with 19 degrees of freedom, two a field, treated as independent: the
    # mean beyond 4.5 of its deviations with chance 1e-5, the mean square outside with 1e-3.
    scores = []
    for seed in range(12):
        x = np.random.default_rng([32, seed]).normal(size=(200, 32))
        flow = run(x, nulls="independent", rng=seed)
        scores += [s.z for s in flow.scores if s.name in ("alpha", "kurtosis")]
    assert len(scores) == 24
    assert abs(np.mean(scores)) < 4.5 * np.sqrt(19 / 17 / 24)
    assert 0.3 < np.mean(np.square(scores)) < 2.8


def test_shared_tuning_is_no_scaling_beyond_independent_units():
    # Units tuned to one of 40 stimuli and independent given it: alpha is well above 1, and so is
    # that of the null which keeps the tuning. Without the labels it would be taken for more.
    rng = np.random.default_rng(33)
    stimulus = np.repeat(np.arange(40), 20)
    centre, width = rng.uniform(0, 40, size=64), rng.uniform(4, 15, size=64)
    rate = ndtr(1.2 - np.abs((stimulus[:, None] - centre + 20) % 40 - 20) / width)
    x = (rng.random(rate.shape) < rate).astype(float)
    blind = run(x, nulls="independent", rng=1)
    tuned = run(x, nulls="independent", stimulus=stimulus, rng=1)
    assert blind.exponents()["alpha"].effective.value > 1.1
    assert blind.beaten
    assert not tuned.beaten and "same tuning" in tuned.verdict


def test_a_common_signal_beats_independent_units_but_does_not_scale():
    rng = np.random.default_rng(34)
    x = rng.normal(size=(1000, 64)) + 0.5 * rng.normal(size=(1000, 1))
    flow = run(x, nulls=IndependentUnits(20), rng=1)
    # 1 + K / 4 times K: a slope that grows from 1 to 2.
    assert flow.beaten and flow.scores[0].adjusted < 1e-6
    assert "no scaling" in flow.verdict
    running = [s.value for s in flow.exponents()["alpha"].running]
    assert running == sorted(running)


def test_a_power_over_two_decades_that_beats_independent_units_is_scaling():
    x = fractional_gaussian_noise(1024, 400, hurst=0.8, rng=2)
    flow = run(x, hierarchy=contiguous(1024, 9), nulls="independent", rng=1)
    assert flow.beaten and "scaling of the variance within K = " in flow.verdict
    alpha = flow.exponents()["alpha"]
    assert alpha.decades >= 2 and not alpha.estimate.flag
    assert abs(alpha.estimate.value - 1.6) < 4 * alpha.estimate.error


def test_relabelled_units_give_the_same_numbers(rng):
    x = rng.normal(size=(400, 32)) @ rng.normal(size=(32, 32))
    one, other = run(x), run(x[:, rng.permutation(32)])
    for name, data in one.observables.items():
        np.testing.assert_allclose(other.observables[name].values, data.values, rtol=1e-9)
