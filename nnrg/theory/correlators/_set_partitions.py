"""Cumulants out of moments, and moments out of cumulants: sums over set partitions."""

from __future__ import annotations

from collections.abc import Callable
from math import factorial, prod

import numpy as np
import numpy.typing as npt

from nnrg.stats._set_partitions import Partition, even_partitions

__all__ = [
    "cumulant_weight",
    "double_factorial",
    "sum_over_partitions",
]

Floats = npt.NDArray[np.float64]
Tuples = npt.NDArray[np.intp]
Value = Callable[[Tuples], tuple[Floats, Floats]]


def double_factorial(order: int) -> int:
    """Return (order - 1)!!, the moment of a standard normal variable of even order."""
    return prod(range(1, order, 2))


def cumulant_weight(partition: Partition) -> float:
    """Return (-1)^(m-1) (m-1)!, the weight of a product of m moments in a cumulant."""
    return float((-1) ** (len(partition) - 1) * factorial(len(partition) - 1))


def sum_over_partitions(
    tuples: Tuples, value: Value, coefficient: Callable[[Partition], float]
) -> tuple[Floats, Floats]:
    """Sum coefficient x product over blocks, over the even partitions of each tuple.

    Parameters
    ----------
    tuples : int array of shape (m, r)
        Points of each r-point function.
    value : callable
        Values and error bounds, shape (n,) each, of tuples (n, s): first asked for the largest s.
    coefficient : callable
        Of a partition.

    Returns
    -------
    values, errors : arrays of shape (m,)
        The errors of all factors at their worst.
    """
    order = tuples.shape[1]
    known = {size: _Table(tuples, size, value) for size in range(order, 0, -2)}
    total, error = np.zeros(len(tuples)), np.zeros(len(tuples))
    for partition in even_partitions(order):
        term, worst = np.ones(len(tuples)), np.ones(len(tuples))
        for block in partition:
            values, errors = known[len(block)](block)
            term = term * values
            worst = worst * (np.abs(values) + errors)
        factor = coefficient(partition)
        total += factor * term
        error += abs(factor) * (worst - np.abs(term))
        error += 2e-16 * abs(factor) * np.abs(term)
    return total, error


class _Table:
    """Values of all sub-tuples of one size, each computed once."""

    def __init__(self, tuples: Tuples, size: int, value: Value) -> None:
        blocks = {b for p in even_partitions(tuples.shape[1]) for b in p if len(b) == size}
        self._row = {block: i for i, block in enumerate(sorted(blocks))}
        every = np.stack([tuples[:, block] for block in sorted(blocks)])
        every = np.sort(every, axis=-1)
        distinct, where = np.unique(every.reshape(-1, size), axis=0, return_inverse=True)
        self._values, self._errors = value(distinct)
        self._where = where.reshape(len(blocks), len(tuples))

    def __call__(self, block: tuple[int, ...]) -> tuple[Floats, Floats]:
        where = self._where[self._row[block]]
        return self._values[where], self._errors[where]
