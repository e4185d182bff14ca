"""How fast Hamiltonian lattices step: against reading and writing their fields once.

Processor times of one process, in turns, the smallest of each; threads share theirs. The goal of
1024 x 1024 is 3; rows of a hundred sites, and planes above and below, cost more.
"""

import time

import numba
import numpy as np
import pytest

from nnrg_kernels.klein_gordon import advance

pytestmark = pytest.mark.benchmark

STEPS = 10


def seconds(run):
    start = time.process_time()
    run()
    return (time.process_time() - start) / STEPS


def read_and_write(*fields):
    for _ in range(STEPS):
        for field in fields:
            np.add(field, 0.5, out=field)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("shape", "goal"), [((1024, 1, 1024), 3), ((100, 100, 100), 10)])
def test_klein_gordon_step(shape, goal, threads):
    threads = min(threads, numba.config.NUMBA_NUM_THREADS)
    phi, beta = np.random.default_rng(1).normal(size=(2, *shape))
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        ours, once = [], []
        advance(phi, beta, 0.1, 1.0, 0.1, 1)
        for _ in range(40):
            ours.append(seconds(lambda: advance(phi, beta, 0.1, 1.0, 0.1, STEPS)))
            once.append(seconds(lambda: read_and_write(phi, beta)))
    finally:
        numba.set_num_threads(before)
    ratio = min(ours) / threads / min(once)
    print(
        f"\nKlein-Gordon {shape}, {threads} threads: {min(ours) * 1e3:.2f} ms of processor in all, "
        f"{ratio:.1f} x reading and writing both fields once in place"
    )
    assert ratio < goal
