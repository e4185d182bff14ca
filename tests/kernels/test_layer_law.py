"""Kernels of random networks against naive twins that follow the same random numbers."""

import numpy as np
import pytest
from scipy import special, stats

from nnrg_kernels._activate import activate
from nnrg_kernels.directed_percolation import decay
from nnrg_kernels.layer_law import TILE, member_normals, propagate

# The hash wraps around, on purpose; only interpreted kernels say so.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")

MASK = 2**64 - 1
KEY = 2**63 + 815
SLOPES = (0.2, 1.1)
PHI = {
    0: lambda z: np.where(z >= 0, SLOPES[1] * z, SLOPES[0] * z),
    3: np.tanh,
    4: special.erf,
    5: lambda z: z * special.ndtr(z),
    6: lambda z: z * special.expit(z),
    7: np.sin,
    8: np.cos,
    9: special.expit,
    10: lambda z: z * special.expit(2 * np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)),
}


def splitmix(key, counter):
    z = (key + counter * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def naive_normals(key, counter, n):
    """Box and Muller's numbers: cosines first, of which there is one more where n is odd."""
    words = [splitmix(key, counter + m) for m in range((n + 1) // 2)]
    u = np.array([((w >> 32) + 0.5) * 2.0**-32 for w in words])
    v = np.array([((w & 0xFFFFFFFF) + 0.5) * 2.0**-32 for w in words])
    radius = np.sqrt(-2 * np.log(u))
    cosines, sines = radius * np.cos(2 * np.pi * v), radius * np.sin(2 * np.pi * v)
    return np.concatenate([cosines, sines[: n // 2]])


def naive_member(widths, codes, constants, member, metric, n_out):
    """All metrics, as matrices, and outputs of one member, with all its neurons at once."""
    key, counter, k = splitmix(KEY, member + 1), 1, len(metric)
    metrics, covariance, z = [metric], metric, 0.0

    def layer(width, covariance, carried):
        nonlocal counter
        g = np.empty((k, width))
        for start in range(0, width, TILE):
            count = min(TILE, width - start)
            for a in range(k):
                g[a, start : start + count] = naive_normals(key, counter, count)
                counter += (count + 1) // 2
        return carried + np.linalg.cholesky(covariance) @ g

    for width, code, row in zip(widths, codes, constants, strict=True):
        variance, offset, carry, next_carry = row[2:]
        z = layer(width, covariance, carry * z if carry else 0.0)
        phi = PHI[code](z)
        covariance = variance * phi @ phi.T / width + offset
        metrics.append(covariance + next_carry**2 * z @ z.T / width)
    return np.array(metrics), layer(n_out, covariance, 0.0)


def packed(matrices):
    rows, columns = np.tril_indices(matrices.shape[-1])
    return matrices[..., rows, columns]


def constants_of(depth, carry=0.0):
    table = np.zeros((depth, 6))
    table[:, :2], table[:, 2], table[:, 3] = SLOPES, 1.3 + 0.1 * np.arange(depth), 0.05
    table[1:, 4] = table[:-1, 5] = carry
    return table


def drawn(widths, codes, constants, metric, members=5, n_out=3, short=False, first=0):
    k = len(metric)
    metrics = np.zeros((members, len(widths) + 1, k * (k + 1) // 2))
    metrics[:, 0] = packed(metric)
    outputs = np.empty((members, k, n_out))
    arguments = np.array(widths), np.array(codes, dtype=np.int64), constants
    propagate(*arguments, short, np.uint64(KEY), first, metrics, outputs)
    return metrics, outputs


def metric_of(k):
    x = np.random.default_rng(k).normal(size=(k, k + 2))
    return x @ x.T / (k + 2)


@pytest.mark.parametrize("code", PHI)
def test_activation_functions(code):
    z = np.concatenate([np.linspace(-30, 30, 4001), np.logspace(-300, 0, 301), [0.0, 500.0]])
    z = np.concatenate([z, -z])
    found = np.empty_like(z)
    activate(code, *SLOPES, z, found)
    with np.errstate(over="ignore", under="ignore"):
        expected = PHI[code](z)
    if code in (7, 8):
        assert np.abs(found - expected).max() < 1e-15 * 500
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-290)
    assert np.isnan(_at(code, np.nan))


def _at(code, value):
    out = np.empty(1)
    activate(code, *SLOPES, np.array([value]), out)
    return out[0]


def test_normal_numbers():
    for size in (1, 2, 7, 64):
        out = np.empty((3, size))
        member_normals(np.uint64(KEY), 3, 5, out)
        for m, row in enumerate(out):
            np.testing.assert_allclose(
                row, naive_normals(splitmix(KEY, 4 + m), 5, size), atol=1e-13
            )


def test_normal_numbers_are_normal_and_independent():
    """Kolmogorov-Smirnov and six moments, each at a false-alarm rate of 1e-4."""
    out = np.empty((2000, 501))
    member_normals(np.uint64(KEY), 0, 1, out)
    n = out.size
    assert stats.kstest(out.ravel(), "norm").pvalue > 1e-4
    for power in range(1, 7):
        moment = 0 if power % 2 else special.factorial2(power - 1)
        spread = np.sqrt((special.factorial2(2 * power - 1) - moment**2) / n)
        assert abs((out**power).mean() - moment) < 3.9 * spread
    # Cosine and sine of one pair, the same number of two members, neighbours in one.
    for a, b in ((out[:, :250], out[:, 251:]), (out[1:], out[:-1]), (out[:, 1:], out[:, :-1])):
        for f in (np.asarray, np.square):
            r = np.corrcoef(f(a).ravel(), f(b).ravel())[0, 1]
            assert abs(r) < 3.9 / np.sqrt(a.size)


@pytest.mark.parametrize("code", PHI)
@pytest.mark.parametrize("k", [1, 3])
def test_a_network_equals_the_naive_twin(code, k):
    widths, codes = [7, 2 * TILE + 31, 16], [code, 3, code]
    constants = constants_of(3)
    metrics, outputs = drawn(widths, codes, constants, metric_of(k), n_out=TILE + 5, first=4)
    for m in range(len(metrics)):
        expected, out = naive_member(widths, codes, constants, 4 + m, metric_of(k), TILE + 5)
        np.testing.assert_allclose(metrics[m], packed(expected), rtol=1e-9)
        np.testing.assert_allclose(outputs[m], out, rtol=1e-8, atol=1e-10)


def test_a_residual_network_equals_the_naive_twin():
    widths, codes, constants = [300, 300, 300], [3, 0, 5], constants_of(3, carry=0.8)
    metrics, outputs = drawn(widths, codes, constants, metric_of(2))
    for m in range(len(metrics)):
        expected, out = naive_member(widths, codes, constants, m, metric_of(2), 3)
        np.testing.assert_allclose(metrics[m], packed(expected), rtol=1e-9)
        np.testing.assert_allclose(outputs[m], out, rtol=1e-8, atol=1e-10)


def test_inputs_that_depend_on_each_other():
    """Of equal inputs and their sum the preactivations are equal, and the sum: linear network."""
    x = np.array([[1.0, 0.5], [1.0, 0.5], [2.0, 1.0], [0.0, 0.0]])
    constants = constants_of(2)
    constants[:, :2], constants[:, 3] = 1.0, 0.0
    _, outputs = drawn([40, 40], [0, 0], constants, x @ x.T)
    np.testing.assert_allclose(outputs[:, 1], outputs[:, 0], rtol=1e-6)
    np.testing.assert_allclose(outputs[:, 2], 2 * outputs[:, 0], rtol=1e-6)
    assert np.all(outputs[:, 3] == 0)


def test_an_infinite_metric_is_not_hidden():
    constants = constants_of(2)
    constants[:, 2] = 1e300
    metrics, outputs = drawn([20, 20], [0, 0], constants, metric_of(2))
    assert not np.isfinite(metrics[:, -1]).any() and not np.isfinite(outputs).any()


@pytest.mark.parametrize("slopes", [(0.0, 1.0), (0.3, 1.2), (1.0, 1.0), (-1.0, 1.0)])
@pytest.mark.parametrize("width", [2, 5, 100])
def test_the_chi_square_law_of_a_scale_invariant_layer(slopes, width):
    """The same law with and without neurons; false-alarm rate 1e-4 for each of two tests."""
    constants = constants_of(2)
    constants[:, :2] = slopes
    short = drawn([width] * 2, [2, 2], constants, np.eye(1), members=20000, short=True)
    plain = drawn([width] * 2, [2, 2], constants, np.eye(1), members=20000, first=20000)
    for a, b in zip(short, plain, strict=True):
        assert stats.ks_2samp(a[:, -1, 0], b[:, -1, 0]).pvalue > 1e-4


@pytest.mark.parametrize("width", [3, 8, 100])
def test_wisharts_law_of_a_linear_layer(width):
    """Each entry of the metric after two layers; six tests of false-alarm rate 1e-4."""
    constants = constants_of(2)
    constants[:, :2] = 1.0
    short = drawn([width] * 2, [0, 0], constants, metric_of(3), members=10000, short=True)[0]
    plain = drawn([width] * 2, [0, 0], constants, metric_of(3), members=10000, first=10000)[0]
    assert short.shape[-1] == 6
    for p in range(6):
        assert stats.ks_2samp(short[:, -1, p], plain[:, -1, p]).pvalue > 1e-4


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads_and_parts_gives_the_same_numbers(threads, monkeypatch):
    widths, codes, constants = [70, 70], [3, 5], constants_of(2)
    whole = drawn(widths, codes, constants, metric_of(3), members=50)
    monkeypatch.setattr("nnrg_kernels.layer_law.numba.get_num_threads", lambda: threads)
    monkeypatch.setattr("nnrg_kernels.layer_law._MEMBERS_A_TASK", 7)
    parts = [drawn(widths, codes, constants, metric_of(3), 25, first=f) for f in (0, 25)]
    for at in (0, 1):
        np.testing.assert_array_equal(np.concatenate([p[at] for p in parts]), whole[at])


def naive_percolation(length, bond, run, times):
    key, counter = splitmix(KEY, run + 1), 1
    row, counts = np.ones(length, dtype=bool), [length]
    for _ in range(times - 1):
        words = [splitmix(key, counter + x) for x in range(length)]
        counter += length
        here = np.array([(w >> 32) < bond for w in words])
        there = np.array([(w & 0xFFFFFFFF) < bond for w in words])
        row = (row & here) | (np.roll(row, -1) & there)
        counts.append(int(row.sum()))
    return counts


@pytest.mark.parametrize("probability", [0.1, 0.65, 1.0])
def test_directed_percolation_equals_the_naive_twin(probability):
    counts, bond = np.empty((3, 12), np.int64), round(probability * 2**32)
    decay(37, bond, np.uint64(KEY), 2, counts)
    for m, row in enumerate(counts):
        assert row.tolist() == naive_percolation(37, bond, 2 + m, 12)
