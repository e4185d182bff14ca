"""Speed of the structure factor, as ratios taken in one process."""

from functools import partial
from time import perf_counter, process_time

import numba
import numpy as np
import pytest
import scipy.fft
from numpy.testing import assert_allclose

import nnrg
from nnrg.rg.two_point.correlation import measure_two_point
from nnrg.rg.two_point.periodogram import periodogram
from nnrg_kernels.two_point import radial_power

pytestmark = pytest.mark.benchmark

SIDE = 4096
BINS = 32


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


def by_numpy(values, edges):
    k = 4 * np.sin(np.pi * np.arange(SIDE) / SIDE) ** 2
    power = np.abs(np.fft.fft2(values)) ** 2
    bins = np.searchsorted(edges, (k[:, None] + k).ravel(), side="right")
    return np.bincount(bins, weights=power.ravel(), minlength=edges.size + 1)[1:-1]


def one_scale(values, edges):
    return radial_power(scipy.fft.rfft2(values, workers=2), values.shape, edges)[0]


def test_structure_factor_of_one_scale_and_of_all(capsys):
    values = np.random.default_rng(1).standard_normal((SIDE, SIDE), np.float32)
    edges = np.geomspace(1e-6, 8.1, BINS)
    field = nnrg.SynapticField(values, nnrg.Lattice((SIDE, SIDE), periodic=True))
    flow = nnrg.renormalize(field, levels=9)
    one = nnrg.renormalize(field, levels=1)
    one_scale(values[:64, :64], edges)  # compiles
    next(periodogram(one))
    timed = fastest(
        9,
        partial(scipy.fft.rfft2, values, workers=2),
        partial(one_scale, values, edges),
        lambda: list(periodogram(one)),
        lambda: list(periodogram(flow)),
    )
    bare, fast, first, whole = (row[:2] for row in timed)
    found = timed[1][2]
    ((slow_wall, slow_core, expected),) = fastest(1, partial(by_numpy, values, edges))
    ((full_wall, full_core, _),) = fastest(1, partial(measure_two_point, one))
    assert_allclose(found, expected, rtol=1e-5)
    rows = {
        "scipy.fft.rfft2, workers=2": bare,
        "transform and radial sums": fast,
        "periodogram of one scale, with errors": first,
        "periodogram of 9 scales, with errors": whole,
        "numpy fft2 + abs + bincount": (slow_wall, slow_core),
        "measure_two_point, 64 regions, lags to 64": (full_wall, full_core),
    }
    with capsys.disabled():
        print(f"\n{SIDE}^2 float32, {numba.get_num_threads()} threads")
        for name, (wall, core) in rows.items():
            print(f"{name:45} {1e3 * wall:7.0f} ms {1e3 * core:7.0f} ms of a core")
    # Processor time, which a neighbour's load on the machine lengthens less than wall time.
    assert first[1] < 2.5 * bare[1]
    assert whole[1] < 1.6 * first[1]
    assert slow_core > 8 * fast[1]
