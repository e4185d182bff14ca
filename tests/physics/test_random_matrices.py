"""Random weight matrices under blocking: Marchenko-Pastur is kept, spikes grow or are lost."""

import numpy as np
import pytest
from scipy import stats

import nnrg
from nnrg.rg.neighbourhoods.hierarchy import Hierarchy
from nnrg.rg.network_flow.renormalize import renormalize_network
from nnrg.rg.network_flow.spectrum import NAMES, johnstone_edge, spectral_numbers

MATRIX = "Random matrices"
# Mean of the law of Tracy and Widom, beta = 1.
TRACY_WIDOM_MEAN = -1.2065335746


def eigenvalues(w):
    """Of W W^T / n for each matrix of shape (p, n), p <= n, in ascending order."""
    return np.linalg.eigvalsh(w @ w.swapaxes(1, 2) / w.shape[2])


def blocked(values, levels):
    """b and the block fields at Delta = 1, which keeps the variance of independent entries."""
    field = nnrg.SynapticField(values, nnrg.Lattice(values.shape[1:]))
    return [(b, f.values) for b, f in nnrg.renormalize(field, levels=levels, rescale=1.0)]


def mean_and_error(samples):
    return np.mean(samples), np.std(samples, ddof=1) / np.sqrt(len(samples))


def outlier(spike, q):
    return (1 + spike) * (1 + q / spike)


def spike_of(top, q):
    """The spike l > sqrt(q) whose outlier is at (1 + l)(1 + q/l)."""
    half = (top - 1 - q) / 2
    return half + np.sqrt(np.maximum(half**2 - q, 0.0))


# -- no spike: row 12 and 13 -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def white():
    """Forty matrices of unit variance, flat and square, and what blocking makes of them."""
    rng = np.random.default_rng(31)
    shapes = {0.25: (80, 320), 1.0: (160, 160)}
    return {q: blocked(rng.normal(size=(40, *shape)), 3) for q, shape in shapes.items()}


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("q", [0.25, 1.0])
def test_moments_of_marchenko_pastur_are_kept_by_blocking(white, q, level, checked):
    # Exact for Gaussian entries; to 1, 1 + q, 1 + 3q + q^2 as 1/n.
    b, w = white[q][level]
    p, n = w.shape[1:]
    assert p / n == q
    found = eigenvalues(w)
    known = (1.0, 1 + q + 1 / n, 1 + 3 * q + q**2 + 3 * (1 + q) / n + 4 / n**2)
    for order, expected in enumerate(known, 1):
        value, error = mean_and_error(np.mean(found**order, axis=1))
        quantity = f"moment {order} of eigenvalues, q = {q}, Delta = 1, b = {b}"
        checked(MATRIX, quantity, expected, value, error, source="Wishart law")


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("q", [0.25, 1.0])
def test_upper_edge_of_marchenko_pastur_is_kept_by_blocking(white, q, level, checked):
    # Edge and Tracy-Widom mean in the form of Z. Ma, Bernoulli 18 (2012) 322, right to p^(-2/3)
    # of the spread: 4 % of it at p = 20, against an error of 20 %.
    b, w = white[q][level]
    p, n = w.shape[1:]
    long, short = np.sqrt(n - 0.5), np.sqrt(p - 0.5)
    width = (long + short) * (1 / long + 1 / short) ** (1 / 3)
    shift = ((long + short) ** 2 + TRACY_WIDOM_MEAN * width) / n - (1 + np.sqrt(q)) ** 2
    value, error = mean_and_error(eigenvalues(w)[:, -1] - shift)
    quantity = f"upper edge of eigenvalues, q = {q}, Delta = 1, b = {b}"
    checked(MATRIX, quantity, (1 + np.sqrt(q)) ** 2, value, error, source="Tracy-Widom law")


@pytest.mark.parametrize("level", [0, 1])
def test_lower_edge_of_marchenko_pastur_is_kept_by_blocking(white, level, checked):
    # The smallest eigenvalue has the mirror image of the law in its logarithm.
    q = 0.25
    b, w = white[q][level]
    p, n = w.shape[1:]
    long, short = np.sqrt(n - 0.5), np.sqrt(p - 0.5)
    ratio = (1 / short - 1 / long) ** (1 / 3) / (long - short)
    centre = np.log((long - short) ** 2 / n) + ratio**3 / 8
    logs = np.log(eigenvalues(w)[:, 0]) + ratio * TRACY_WIDOM_MEAN - centre
    value, error = mean_and_error(logs)
    edge = (1 - np.sqrt(q)) ** 2
    quantity = f"lower edge of eigenvalues, q = {q}, Delta = 1, b = {b}"
    obtained = edge * np.exp(value)
    checked(MATRIX, quantity, edge, obtained, error * obtained, source="Tracy-Widom law")


@pytest.mark.parametrize("q", [0.25, 1.0])
def test_singular_value_statistics_say_that_blocked_noise_is_noise(white, q, checked):
    for b, w in white[q]:
        numbers = np.array([spectral_numbers(one[None]) for one in w])
        value, error = mean_and_error(numbers[:, NAMES.index("mp_moment_2")])
        quantity = f"mp_moment_2 of independent entries, q = {q}, b = {b}"
        # Taking out mean and variance of one matrix costs a share of order 1 / pn.
        checked(MATRIX, quantity, 1.0, value, error + 4 / w[0].size)
        # One matrix in a hundred has an outlier: more than five of forty, once in 20 000.
        assert np.count_nonzero(numbers[:, NAMES.index("mp_outliers")]) <= 5
        # All eigenvalues of forty matrices together lie on the law.
        together = spectral_numbers(w)
        assert together[NAMES.index("mp_distance")] < 1.5 / w.shape[1]


# -- one spike: row 14 -----------------------------------------------------------------------------


@pytest.mark.parametrize("spike", [1.0, 2.0, 4.0])
def test_spike_above_the_threshold_is_recovered(spike, checked):
    # Population eigenvalue 1 + l along one direction of p; corrections to its place fall as 1/n:
    # two sizes take the first of them out.
    rng = np.random.default_rng(int(10 * spike))
    q, means, variances = 0.25, [], []
    for p, draws in ((50, 800), (100, 400)):
        w = rng.normal(size=(draws, p, 4 * p))
        w[:, 0] *= np.sqrt(1 + spike)
        value, error = mean_and_error(eigenvalues(w)[:, -1])
        means.append(value)
        variances.append(error**2)
    top, error = 2 * means[1] - means[0], np.sqrt(4 * variances[1] + variances[0])
    place = f"outlier of a spike l = {spike:g}, q = {q}"
    checked(MATRIX, place, outlier(spike, q), top, error, source="n to infinity")
    slope = 1 / (1 - q / spike**2)
    quantity = f"spike l from its outlier, l = {spike:g}, q = {q}"
    checked(MATRIX, quantity, spike, spike_of(top, q), error * slope, source="n to infinity")


@pytest.mark.parametrize(("spike", "seen"), [(0.2, False), (0.35, False), (2.0, True)])
def test_spike_is_an_outlier_only_above_the_threshold(spike, seen):
    # sqrt(q) = 0.5. Below it the largest eigenvalue is that of noise, which exceeds Johnstone's
    # bound once in a hundred; binomial tests with false alarm 1e-3. Above, at l = 2, the outlier
    # lies five of its standard deviations beyond the bound.
    rng = np.random.default_rng(5)
    draws, p, n = 200, 100, 400
    w = rng.normal(size=(draws, p, n))
    w[:, 0] *= np.sqrt(1 + spike)
    hits = int(np.count_nonzero(eigenvalues(w)[:, -1] > johnstone_edge(p, n)))
    if seen:
        assert hits == draws
    else:
        # Near the threshold, within p^(-1/3) of it, the law of the largest is already wider.
        assert hits <= stats.binom(draws, 0.01 if spike < 0.3 else 0.05).isf(1e-3)


# -- a spike under the flow ------------------------------------------------------------------------


def domains(n, length, rng):
    """A unit vector of equal magnitudes whose signs are those of domains of units."""
    return np.repeat(rng.choice([-1.0, 1.0], size=n // length), length) / np.sqrt(n)


def planted(spike, rng, *, draws, p=256, n=512, length=16):
    """Noise and the spike u v^T of l = theta^2 / n, constant in domains of `length` units."""
    u, v = domains(p, length, rng), domains(n, length, rng)
    w = rng.normal(size=(draws, p, n))
    return w + np.sqrt(spike * n) * u[:, None] * v, u, v


def test_spike_grows_with_the_scale_along_its_own_neighbourhoods(checked):
    # theta is kept where blocks lie inside domains, and n falls: l' = b l, relevant with y = 1.
    # What is no outlier of the matrix (l = 0.3 < sqrt(1/2)) is one from b = 4 on.
    rng = np.random.default_rng(41)
    q, spike = 0.5, 0.3
    w, _, _ = planted(spike, rng, draws=60)
    for b, block in blocked(w, 5):
        top = eigenvalues(block)[:, -1]
        beyond = np.mean(top > johnstone_edge(*block.shape[1:]))
        if b * spike < np.sqrt(q):
            assert beyond <= 6 / 60  # of one in a hundred each: once in 20 000
            continue
        # By the Gaussian law of outliers 92 and 97 of a hundred are beyond at b = 8 and 16.
        assert beyond > 0.6 or b < 8
        value, error = mean_and_error(spike_of(top, q))
        # Corrections are of order 1/n; ten times as many draws see none beyond this.
        bias = (1 + b * spike) / block.shape[2]
        quantity = f"spike l along its own neighbourhoods, l = {spike} at b = 1, b = {b}"
        checked(MATRIX, quantity, b * spike, value, np.hypot(error, bias), source="n to infinity")


def test_spike_of_permuted_units_is_lost(checked):
    # Blocks of b random signs: |P u|^2 is 1 / b of that of aligned ones, on either axis: l' = l / b
    # on average, irrelevant with y = -1. The norms of the blocks at hand are used.
    rng = np.random.default_rng(42)
    q, spike = 0.5, 3.0
    w, u, v = planted(spike, rng, draws=60)
    rows, columns = rng.permutation(u.size), rng.permutation(v.size)
    expected, found = [], []
    for b, block in blocked(w[:, rows][:, :, columns], 5):
        top = eigenvalues(block)[:, -1]
        parts = [x.reshape(-1, b).sum(axis=1) for x in (u[rows], v[columns])]
        left = spike * b * np.prod([np.sum(part**2) / b for part in parts])
        expected.append(left)
        found.append(np.mean(top > johnstone_edge(*block.shape[1:])))
        if left > 2 * np.sqrt(q):
            value, error = mean_and_error(spike_of(top, q))
            bias = (1 + left) / block.shape[2]
            quantity = f"spike l of permuted units, l = {spike:g} at b = 1, b = {b}"
            known = "n to infinity"
            checked(MATRIX, quantity, left, value, np.hypot(error, bias), source=known)
    # Sums of b random signs: the norms scatter by 2 (b - 1) / p; four standard deviations.
    b = 2.0 ** np.arange(5)
    scatter = np.sqrt(2 * (b - 1) * (1 / u.size + 1 / v.size))
    assert np.all(np.abs(np.array(expected) * b / spike - 1) <= 4 * scatter + 1e-12)
    assert found[0] == 1 and found[4] <= 6 / 60


def test_network_flow_keeps_an_outlier_along_known_neighbourhoods_and_loses_it_along_random_ones():
    # One matrix of a network whose file has its units in no order.
    rng = np.random.default_rng(43)
    w, u, v = planted(2.0, rng, draws=1)
    rows, columns = rng.permutation(u.size), rng.permutation(v.size)
    net = nnrg.load({"fc.weight": w[0][rows][:, columns]})
    populations = {p.size: p.name for p in net.topology().populations}
    top = {}
    for name, (a, c) in {
        "own": (rows, columns),
        "random": (rng.permutation(u.size), rng.permutation(v.size)),
    }.items():
        blocks = {
            populations[x.size]: Hierarchy([x // 2**level for level in (1, 2, 3, 4)])
            for x in (a, c)
        }
        flow = renormalize_network(
            net, blocks, nulls=nnrg.NullModel("permutation", draws=19), rng=1
        )
        top[name] = [flow.estimate("fc.weight", "mp_top", level).value for level in range(5)]
        numbers = flow.tensor("fc.weight").spectrum
        z = numbers.z()[:, numbers.names.index("mp_top")]
        # Singular values of the matrix itself do not know of blocks.
        assert not np.isfinite(z[0]) or abs(z[0]) < 5
        assert z[3] > 8 if name == "own" else abs(z[3]) < 5
    edge = (1 + np.sqrt(0.5)) ** 2
    assert top["own"][0] == pytest.approx(top["random"][0], rel=1e-12)
    for level in range(5):
        p, n, spike = 256 >> level, 512 >> level, 2.0 * 2**level
        # The variance, to which singular values are scaled, has grown by l / p. Four standard
        # deviations of the outlier of a population eigenvalue, and corrections of order 1 / n.
        known = outlier(spike, 0.5) / edge / (1 + spike / p)
        spread = 4 * np.sqrt(2 / n) + 4 / n
        assert top["own"][level] == pytest.approx(known, rel=spread)
    # A third of a spike is left after a step, l / 4 < sqrt(1/2) after two: noise of 32 x 64 and
    # 16 x 32 is beyond 1.15 times Johnstone's bound once in a thousand.
    for level in (3, 4):
        assert top["random"][level] < 1.15 * johnstone_edge(256 >> level, 512 >> level) / edge
