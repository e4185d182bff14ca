"""Benchmarks run with all threads of linear algebra, as a user's program does."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits

from nnrg.simulate._network_weights import available_threads


@pytest.fixture(scope="session", autouse=True)
def all_threads() -> Iterator[None]:
    limit = os.environ.pop("OPENBLAS_NUM_THREADS", None)
    with threadpool_limits(available_threads(), user_api="blas"):
        yield
    if limit is not None:
        os.environ["OPENBLAS_NUM_THREADS"] = limit
