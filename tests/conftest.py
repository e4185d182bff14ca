"""What every test shares: one seed for the session, and Hypothesis without a clock."""

from __future__ import annotations

import os
from zlib import crc32

# Before NumPy is loaded, here and in every interpreter that a test starts. Matrices of tests are
# small: a second thread of linear algebra waits for the first at full speed, which doubles the
# processor time of the suite and takes the core of the worker beside it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

SEED = 20260

# A kernel is compiled in the first example that calls it: no deadline could hold.
settings.register_profile("nnrg", deadline=None, derandomize=True, database=None)
settings.load_profile("nnrg")


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator of the test's own: its numbers do not depend on which tests ran before."""
    return np.random.default_rng([SEED, crc32(request.node.nodeid.encode())])


def pytest_report_header() -> str:
    return f"seed of the session: {SEED}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what takes longest in one piece: at the end the other worker would wait for it."""
    items.sort(key=lambda item: item.path.name != "test_style.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--checks", metavar="FILE", help="write known answers and what was obtained to this file"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--checks") is not None and config.getoption("numprocesses", None):
        raise pytest.UsageError("--checks writes what one process has seen: leave -n out")
