"""Speed of pairing by correlation, as ratios taken in one process."""

from time import perf_counter, process_time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nnrg.rg.neighbourhoods.pairs import pair_hierarchy
from nnrg_kernels.correlation_pairing import correlations, greedy_pairs, sums_of_pairs

pytestmark = pytest.mark.benchmark

UNITS, SAMPLES = 4096, 10_000


def fastest(repeats, *functions):
    """Shortest wall time, shortest processor time and last result of each, run in turn."""
    walls, cores, results = [], [], []
    for _ in range(repeats):
        for function in functions:
            wall, core = perf_counter(), process_time()
            results.append(function())
            walls.append(perf_counter() - wall)
            cores.append(process_time() - core)
    n = len(functions)
    return [(min(walls[i::n]), min(cores[i::n]), results[(repeats - 1) * n + i]) for i in range(n)]


def show(capsys, title, rows):
    with capsys.disabled():
        print(f"\n{title}")
        for name, (wall, core, _) in rows.items():
            print(f"{name:45} {1e3 * wall:8.1f} ms {1e3 * core:8.1f} ms of a core")


def by_argmax(similarity):
    left = similarity.copy()
    np.fill_diagonal(left, -np.inf)
    pairs = []
    for _ in range(len(left) // 2):
        i, j = divmod(int(np.argmax(left)), len(left))
        pairs.append((i, j))
        left[[i, j]] = left[:, [i, j]] = -np.inf
    return np.array(pairs)


def test_pairing_against_the_argmax(capsys):
    x = np.random.default_rng(1).standard_normal((500, 2048), np.float32)
    similarity = correlations(x.T @ x)
    greedy_pairs(similarity[:64, :64].copy())  # compiles
    fast, read = fastest(5, lambda: greedy_pairs(similarity), lambda: np.sum(similarity))
    (slow,) = fastest(1, lambda: by_argmax(similarity))
    assert_array_equal(fast[2][0], slow[2])
    rows = {"greedy pairs": fast, "sum of the matrix": read, "argmax, again and again": slow}
    show(capsys, "2048 units, float32", rows)
    assert slow[1] > 50 * fast[1]


def test_one_signal_common_to_all_costs_no_more(capsys):
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((500, UNITS), np.float32)
    loading = rng.uniform(0.1, 1, UNITS).astype(np.float32)
    common = np.outer(loading, loading)
    independent = correlations(noise.T @ noise)
    greedy_pairs(independent[:64, :64].copy())
    ours, worst, read = fastest(
        5,
        lambda: greedy_pairs(independent),
        lambda: greedy_pairs(common),
        lambda: np.sum(independent),
    )
    rows = {"independent units": ours, "a common signal": worst, "sum of the matrix": read}
    show(capsys, f"{UNITS} units, float32", rows)
    assert worst[1] < 2 * ours[1]
    assert ours[1] < 16 * read[1]


def test_a_step_costs_little_more_than_the_product(capsys):
    x = np.random.default_rng(3).standard_normal((SAMPLES, UNITS), np.float32)
    pair_hierarchy(x[:, :64], 3)  # compiles
    bare, step = fastest(2, lambda: x.T @ x, lambda: pair_hierarchy(x, 2))
    whole, levels = fastest(1, lambda: x.T @ x, lambda: pair_hierarchy(x, 11))
    covariance = bare[2]
    similarity = correlations(covariance)
    pairs = greedy_pairs(similarity)[0]
    parts = fastest(
        2,
        lambda: correlations(covariance),
        lambda: greedy_pairs(similarity),
        lambda: sums_of_pairs(covariance, pairs),
    )
    rows = {
        "bare product": bare,
        "pairs from samples": step,
        "  correlations of a covariance": parts[0],
        "  greedy pairs": parts[1],
        "  covariance of sums": parts[2],
        "11 levels from samples": levels,
    }
    show(capsys, f"{UNITS} units x {SAMPLES} samples, float32", rows)
    # Processor time, which a neighbour's load on the machine lengthens less than wall time.
    assert step[1] < 1.5 * bare[1]
    assert levels[1] < 1.5 * whole[1]
