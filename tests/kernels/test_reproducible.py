"""Numbers do not depend on whether this process compiled a kernel or took it from the cache.

A function that other kernels call is compiled along with each of them; where one copy adds in
another order than the next, which copy runs is told by who compiled. The program of
`reproducible_calls` is run twice on one new, empty cache: first it compiles, then it loads.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("reproducible_calls.py")


@pytest.mark.slow
def test_a_process_that_compiles_and_one_that_loads_agree_to_the_last_bit(tmp_path):
    folder = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "NUMBA_CACHE_DIR": ""}
    found, compiled = [], []
    for turn in range(2):
        out = tmp_path / f"{turn}.npz"
        subprocess.run(
            [sys.executable, "-W", "error", str(PROGRAM), str(out)],
            check=True,
            env={**os.environ, **folder, "NUMBA_NUM_THREADS": "1"},
        )
        with np.load(out) as arrays:
            found.append({name: arrays[name] for name in arrays.files})
        compiled.append({p.name for p in (tmp_path / "cache").rglob("*.nbc")})
    assert compiled[0]
    assert compiled[0] == compiled[1]  # the second process compiled nothing that is kept
    first, second = found
    assert list(first) == list(second)
    assert [name for name in first if not np.array_equal(first[name], second[name])] == []
