"""Ranges of the rows of a graph, taken in turn by threads that each have a scratch of their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import pairwise

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["cut", "cut_evenly", "run_ranges"]

Ints = npt.NDArray[np.int64]

SERIAL = 1 << 16  # below this many entries threads cost more than they bring
TASKS = 32


def cut(cumulated: Ints, tasks: int = TASKS) -> list[int]:
    """Return the edges of ranges of rows with about equally many entries each.

    Parameters
    ----------
    cumulated : (n + 1,) int64 array, ascending
        Entries before each row.
    tasks : int
        Ranges at most; fewer rows than entries worth a thread make one.
    """
    rows, entries = cumulated.size - 1, int(cumulated[-1]) + cumulated.size - 1
    if entries < SERIAL:
        return [0, rows] if rows else [0]
    tasks = min(tasks, rows)
    # A row counts as one entry more, so that empty rows are shared out too.
    targets = np.arange(1, tasks) * (entries // tasks)
    inner = np.searchsorted(cumulated + np.arange(rows + 1), targets)
    return [0, *np.unique(inner[(inner > 0) & (inner < rows)]).tolist(), rows]


def cut_evenly(size: int, serial: int = SERIAL) -> list[int]:
    """Return the edges of equal ranges of 0 .. size; one range below `serial`."""
    tasks = TASKS if size >= serial else 1
    return [size * t // tasks for t in range(tasks + 1)]


def run_ranges(edges: list[int], run: Callable[[int, int, int], None]) -> None:
    """Call ``run(worker, start, stop)`` for each range; calls of one worker never overlap."""
    ranges = iter(list(pairwise(edges)))  # next() of a list's iterator holds the GIL: no lock

    def work(worker: int) -> None:
        for start, stop in ranges:
            run(worker, start, stop)

    helpers = min(numba.get_num_threads(), len(edges) - 1) - 1
    if helpers < 1:
        work(0)
        return
    pending = [_pool(helpers).submit(work, 1 + helper) for helper in range(helpers)]
    try:
        work(0)
    finally:
        # Who has not begun is not waited for: its thread may be at work on a call that waits for
        # this one, and what is left of the ranges is not wanted if there was an error.
        begun = [task for task in pending if not task.cancel()]
        wait(begun)
    for task in begun:
        task.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return threads that stay: to start them takes longer than to multiply a sparse matrix."""
    return ThreadPoolExecutor(threads, thread_name_prefix="nnrg")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of the threads
