"""Bond directed percolation in 1 + 1 dimensions from a full row, one site after another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._random import bits

__all__ = ["decay"]

Bytes = npt.NDArray[np.uint8]


@borrowing_kernel
def _step(key: np.uint64, counter: np.uint64, bond: np.uint64, old: Bytes, new: Bytes) -> np.int64:
    """Write the next row to `new`, where sites have one or two neighbours in `old`."""
    n = new.size - 1
    near, far = old[:n], old[1:]
    active = np.int64(0)
    for x in range(n):
        word = bits(key, np.uint64(counter + np.uint64(x)))
        here = np.uint8(np.uint64(word >> np.uint64(32)) < bond)
        there = np.uint8(np.uint64(word & np.uint64(0xFFFFFFFF)) < bond)
        state = np.uint8(np.uint8(near[x] & here) | np.uint8(far[x] & there))
        new[x] = state
        active += np.int64(state)
    new[n] = new[0]
    return active


@borrowing_kernel
def _run(
    seed: np.uint64, run: int, bond: np.uint64, rows: Bytes, counts: npt.NDArray[np.int64]
) -> None:
    length = rows.shape[1] - 1
    key = bits(seed, np.uint64(run + 1))
    for x in range(length + 1):
        rows[0, x] = np.uint8(1)
    counts[0] = length
    counter = np.uint64(1)
    for t in range(1, counts.size):
        old, new = rows[(t + 1) % 2], rows[t % 2]
        counts[t] = _step(key, counter, bond, old, new)
        counter = np.uint64(counter + np.uint64(length))
        if counts[t] == 0:
            for later in range(t + 1, counts.size):
                counts[later] = 0
            return


def decay(
    length: int, bond: int, key: np.uint64, first: int, counts: npt.NDArray[np.int64]
) -> None:
    """Count the active sites of every row, in runs `first`, `first` + 1, ...

    Parameters
    ----------
    length : int
        Sites of a row, periodic.
    bond : int
        Probability that a bond is open, times 2^32. Site x is active if x or x + 1 in the row
        before is, and the bond from there is open.
    key : uint64
        Seed; each run has random numbers of its own.
    first : int
        Number of the first run.
    counts : int64 array of shape (runs, times), C-contiguous
        Overwritten; row 0 is full.
    """

    def work(run: int) -> None:
        rows = np.empty((2, length + 1), np.uint8)
        _run(key, first + run, np.uint64(bond), rows, counts[run])

    with ThreadPoolExecutor(max(1, min(numba.get_num_threads(), len(counts)))) as pool:
        list(pool.map(work, range(len(counts))))
