"""Errors that a single group of samples makes: the tail of the law has not been seen."""

from __future__ import annotations

import numpy as np

from nnrg.stats.replicates import Replicates

__all__ = ["HEAVY_TAIL", "heavy_tail", "lonely_groups"]

# With normal deviations of 64 groups one of them has this share once in 1e12 times.
_LONELY = 0.5
HEAVY_TAIL = "one group of samples makes half of the error: tails too heavy for it"


def lonely_groups(numbers: Replicates) -> list[bool]:
    """Return whether one group of samples makes most of the variance of each of some numbers.

    Fewer than 32 groups cannot tell.
    """
    deviations = numbers.deviations
    if len(deviations) < 32:
        return [False] * numbers.values.size
    top = np.abs(deviations).max(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = 1 / np.sum((deviations / top) ** 2, axis=0)
    return [bool(s > _LONELY) for s in share]


def heavy_tail(numbers: Replicates) -> str:
    """Return a flag if a single group of samples makes most of the variance of one of the numbers.

    Then the tail of the law has not been seen: value and error are both too small.
    """
    return HEAVY_TAIL if any(lonely_groups(numbers)) else ""
