"""What every test shares: one seed for the session, and Hypothesis without a clock."""

from __future__ import annotations

from zlib import crc32

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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--checks", metavar="FILE", help="write known answers and what was obtained to this file"
    )
