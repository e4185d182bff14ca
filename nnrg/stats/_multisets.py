"""Products of variables up to an order: which there are, and where each is kept."""

from __future__ import annotations

from functools import cache, lru_cache
from math import comb, factorial, prod

import numpy as np
import numpy.typing as npt

from nnrg.stats._set_partitions import partitions
from nnrg.stats.kstatistics import kstatistic_terms

__all__ = ["count", "multisets", "offset", "partition_terms", "ranks"]

Indices = npt.NDArray[np.intp]


def count(n_variables: int, order: int) -> int:
    """Return how many products of exactly so many of the variables there are."""
    return comb(n_variables + order - 1, order)


def offset(n_variables: int, order: int) -> int:
    """Return how many products of fewer variables come before those of this order."""
    return sum(count(n_variables, r) for r in range(1, order))


@lru_cache(maxsize=64)
def multisets(n_variables: int, order: int) -> Indices:
    """Return the products of one order, shape (count, order), each with ascending variables.

    Ordered by the last variable, then by the one before: those of variables up to v come first, so
    that all with v as the last are products of one slice with v.
    """
    if order == 0:
        return np.zeros((1, 0), dtype=np.intp)
    before = multisets(n_variables, order - 1)
    parts = []
    for v in range(n_variables):
        rows = before[: count(v + 1, order - 1)]
        parts.append(np.column_stack([rows, np.full(len(rows), v, dtype=np.intp)]))
    out = np.concatenate(parts)
    out.flags.writeable = False
    return out


def ranks(rows: Indices) -> Indices:
    """Return the places of products among those of their order.

    Variables ascend along the last axis.
    """
    top = int(rows.max(initial=0)) + 1
    total = np.zeros(rows.shape[:-1], dtype=np.intp)
    for j in range(rows.shape[-1]):
        # Combinatorial number system: the j-th variable i has C(i + j, j + 1) rows before it.
        before = np.array([comb(i + j, j + 1) for i in range(top)], dtype=np.intp)
        total += before[rows[..., j]]
    return total


@cache
def partition_terms(
    order: int,
) -> tuple[tuple[tuple[tuple[int, ...], ...], tuple[float, ...]], ...]:
    """Return the partitions of the places 0 .. r - 1 without single places, and coefficients.

    The coefficient of the m-th entry goes with 1 / n (n - 1) ... (n - m + 1): they are those of the
    k-statistic of one variable, shared evenly by the partitions of one shape.
    """
    shared = {}
    for parts, coefficients in kstatistic_terms(order):
        same = prod(factorial(parts.count(part)) for part in set(parts))
        ways = factorial(order) // prod(factorial(part) for part in parts) // same
        shared[parts] = tuple(c / ways for c in coefficients)
    terms = []
    for blocks in partitions(order):
        shape = tuple(sorted((len(b) for b in blocks), reverse=True))
        if shape[-1] > 1 or order == 1:
            terms.append((blocks, shared[shape]))
    return tuple(terms)
