"""How fast the samplers are, each with an exact check of the very run that was timed.

Times are processor times per update, which a busy machine changes least, and ratios to NumPy are of
one process, in turns. Pass marks are the goals: 25 ns a flipped spin, 10 ns a site, 30 x NumPy.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numba
import numpy as np
import pytest
from physics import exact
from physics.samplers import binned, energy, kaufman_energy

from nnrg_kernels.clusters import flip_signs
from nnrg_kernels.ising import flip_clusters, heat_bath
from nnrg_kernels.metropolis import merge_colours, split_colours, sweep

pytestmark = pytest.mark.benchmark

CRITICAL = np.log(1 + np.sqrt(2)) / 2
BOND = np.uint64(int(-np.expm1(-2 * CRITICAL) * 2**64))
KEY = np.uint64(20260)
COUPLINGS = np.array([0.5, 0.0, 1.0])


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Return processor and wall time of a call."""
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - cpu, time.perf_counter() - wall


@pytest.mark.parametrize("length", [64, 256, 1024])
def test_wolff(length: int) -> None:
    spins = np.ones((1, length, length), np.int8)
    stack = np.empty(spins.size + 1, np.uint64)
    counter = np.uint64(0)
    heat = [min(2**64 - 1, int(2**64 / (1 + np.exp(-2 * CRITICAL * h)))) for h in range(-6, 7)]
    heat_bath(spins, np.array(heat, np.uint64), KEY, 0, 50)
    # As many clusters between measurements in every case: the times are theirs alone.
    seconds, flipped, energies = 0.0, 0, []
    for number in range({64: 4000, 256: 800, 1024: 100}[length]):
        start = time.process_time()
        counter, count = flip_clusters(spins, 4, BOND, KEY, counter, stack)
        seconds += time.process_time() - start if number else 0.0
        flipped += count if number else 0
        energies.append(energy(spins)[0])
    kept = np.array(energies[len(energies) // 5 :])
    value, error = binned(lambda x: x, kept, bins=20)
    expected = kaufman_energy(CRITICAL, length, length)
    nanoseconds = seconds / flipped * 1e9
    print(f"\nWolff L={length:5d} {nanoseconds:6.1f} ns a flipped spin; energy {value:.5f}", end="")
    print(f" +- {error:.5f}, exact {expected:.6f}")
    assert abs(value - expected) < 4.5 * error
    assert nanoseconds < 25


def numpy_sweep(phi: np.ndarray, width: float, rng: np.random.Generator) -> None:
    """Update both colours of a periodic square lattice as one writes it down."""
    r, u, stiffness = COUPLINGS
    even = np.indices(phi.shape).sum(axis=0) % 2 == 0
    for colour in (even, ~even):
        near = sum(np.roll(phi, step, axis) for step in (1, -1) for axis in (0, 1))
        new = phi + width * rng.uniform(-1, 1, phi.shape)
        rise = (r / 2 + 2 * stiffness) * (new**2 - phi**2) + u / 24 * (new**4 - phi**4)
        rise -= stiffness * near * (new - phi)
        keep = colour & (rng.random(phi.shape) < np.exp(-np.maximum(rise, 0.0)))
        phi[keep] = new[keep]


@pytest.mark.parametrize("length", [256, 1024])
def test_phi4(length: int) -> None:
    width, sweeps, sites = 1.4, max(4, (1 << 24) // length**2), length**2
    phi = np.random.default_rng(1).normal(0, 0.56, (1, length, length))
    colours = np.empty((2, 1, length, length // 2))
    split_colours(phi, colours)
    sweep(colours, COUPLINGS, width, KEY, 0, 60)
    plain, rng = phi[0].copy(), np.random.default_rng(2)
    numpy_sweep(plain, width, rng)
    ours, theirs, done = [], [], 60
    for _ in range(3):
        stop = done + sweeps
        ours.append(timed(lambda: sweep(colours, COUPLINGS, width, KEY, done, stop)))  # noqa: B023
        done = stop
        theirs.append(timed(lambda: numpy_sweep(plain, width, rng)))
    cpu, wall = np.min(ours, axis=0) / (sweeps * sites) * 1e9
    other = np.min(theirs, axis=0)[0] / sites * 1e9
    squares = []
    for number in range(100):
        sweep(colours, COUPLINGS, width, KEY, done + 10 * number, done + 10 * number + 10)
        merge_colours(colours, phi)
        squares.append((phi**2).mean())
    value, error = binned(lambda x: x, np.array(squares), bins=20)
    expected = exact.free_correlation((length, length), 0.5).flat[0]
    print(
        f"\nphi^4 L={length:5d} {cpu:5.2f} ns of processor and {wall:5.2f} ns of wall a site on ",
        end="",
    )
    print(
        f"{numba.get_num_threads()} threads; NumPy {other:.0f} ns, {other / wall:.0f} x; <phi^2> ",
        end="",
    )
    print(f"{value:.6f} +- {error:.6f}, exact {expected:.6f}")
    assert abs(value - expected) < 4.5 * error
    # Two threads share the processor time of one.
    assert cpu < 10 and other / cpu > 30


def test_clusters_of_signs() -> None:
    phi = np.random.default_rng(3).normal(size=(1, 512, 512))
    parent = np.empty(phi.size, np.int64)
    flip_signs(phi, 0.5, KEY, 0, parent)
    cpu = min(timed(lambda: flip_signs(phi, 0.5, KEY, 1, parent))[0] for _ in range(5))
    print(f"\nsigns in clusters {cpu / phi.size * 1e9:5.1f} ns a site")
    assert cpu / phi.size < 150e-9
