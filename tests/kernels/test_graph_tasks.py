"""Ranges of rows are shared out once each, whoever calls and from wherever."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import numba
import numpy as np
import pytest

from nnrg_kernels._graph_tasks import run_ranges

EDGES = list(range(0, 4001, 40))


@pytest.fixture
def two_threads():
    before = numba.get_num_threads()
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
    yield
    numba.set_num_threads(before)


def fill(out: np.ndarray) -> None:
    def run(worker: int, start: int, stop: int) -> None:
        out[start:stop] += 1

    run_ranges(EDGES, run)


def test_each_range_is_done_once(two_threads) -> None:
    out = np.zeros(4000, np.int64)
    for _ in range(50):
        fill(out)
    assert np.all(out == 50)


def test_calls_within_calls_and_from_many_threads_end(two_threads) -> None:
    outs = np.zeros((4, 4000), np.int64)

    def repeated(own: np.ndarray) -> None:
        for _ in range(5):
            fill(own)

    callers = [threading.Thread(target=repeated, args=(outs[i],)) for i in range(1, 4)]
    for caller in callers:
        caller.start()
    counted = threading.Lock()
    done = []

    def inner(worker: int, start: int, stop: int) -> None:
        own = np.zeros(4000, np.int64)
        fill(own)
        with counted:
            done.append(int(own.sum()))

    run_ranges(list(range(9)), inner)
    for caller in callers:
        caller.join(timeout=60)
        assert not caller.is_alive()
    assert done == [4000] * 8
    assert np.all(outs[1:] == 5)


def test_an_error_in_a_range_is_raised(two_threads) -> None:
    def run(worker: int, start: int, stop: int) -> None:
        raise ValueError(f"range {start}")

    with pytest.raises(ValueError, match="range"):
        run_ranges(EDGES, run)


def test_an_error_leaves_no_one_at_work(monkeypatch) -> None:
    monkeypatch.setattr(numba, "get_num_threads", lambda: 4)
    working = []

    def run(worker: int, start: int, stop: int) -> None:
        working.append(worker)
        time.sleep(0.02)
        working.remove(worker)
        if worker:
            raise ValueError("a helper failed")

    with pytest.raises(ValueError, match="a helper failed"):
        run_ranges(list(range(40)), run)
    assert working == []


FORKING = """
import os
import numba
import numpy as np
from nnrg_kernels._graph_tasks import run_ranges

numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
out = np.zeros(400, np.int64)

def run(worker, start, stop):
    out[start:stop] += 1

run_ranges(list(range(401)), run)
child = os.fork()
run_ranges(list(range(401)), run)
assert np.all(out == 2)
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_child_has_threads_of_its_own() -> None:
    # Newer Pythons warn of any fork beside threads, which is what is tried here.
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING], check=True, timeout=60)
