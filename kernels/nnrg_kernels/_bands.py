"""Half sweeps of a checkerboard: bands of rows on threads, one colour after the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba

__all__ = ["half_sweeps", "threads_for"]

# Half sweeps of fewer sites are over before the threads have met.
_SERIAL_SITES = 1 << 17


def threads_for(rows: int, sites: int) -> int:
    """Return how many threads a half sweep is worth, of those that Numba is set to."""
    return min(numba.get_num_threads(), rows) if sites >= _SERIAL_SITES else 1


def half_sweeps(
    update: Callable[[int, int, int, int, int], int],
    rows: int,
    threads: int,
    start: int,
    stop: int,
) -> int:
    """Run ``update(sweep, colour, band, first_row, last_row)`` over sweeps, colours and bands.

    Each thread has a band of rows; the next colour waits for all of them. Returns the sum of what
    `update` returns.
    """
    edges = [rows * band // threads for band in range(threads + 1)]
    total = 0
    with ThreadPoolExecutor(threads) as pool:
        for number in range(start, stop):
            for colour in (0, 1):
                bands = [
                    pool.submit(update, number, colour, band, edges[band], edges[band + 1])
                    for band in range(1, threads)
                ]
                total += update(number, colour, 0, edges[0], edges[1])
                total += sum(band.result() for band in bands)
    return total
