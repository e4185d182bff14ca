"""Taylor polynomials in three variables, cut at a total degree: derivatives of layer averages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import permutations, product
from math import factorial

import numpy as np
import numpy.typing as npt

__all__ = ["Taylor", "cut", "monomials"]

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

VARIABLES = 3


@cache
def monomials(degree: int) -> tuple[tuple[int, ...], ...]:
    """Exponents of all monomials up to a total degree, lowest degree first."""
    powers = product(range(degree + 1), repeat=VARIABLES)
    return tuple(sorted((p for p in powers if sum(p) <= degree), key=lambda p: (sum(p), p)))


@cache
def _products(degree: int) -> tuple[Indices, Indices, Indices]:
    """Which monomials multiply to which."""
    place = {p: i for i, p in enumerate(monomials(degree))}
    rows = [
        (i, j, place[c])
        for a, i in place.items()
        for b, j in place.items()
        if (c := tuple(x + y for x, y in zip(a, b, strict=True))) in place
    ]
    left, right, at = np.array(rows).T
    return left, right, at


@cache
def _entries(degree: int, order: int) -> tuple[tuple[Indices, ...], Indices, Array]:
    """Where the derivatives of one order stand in their tensor, and their factorials."""
    places, sources, factors = [], [], []
    for i, p in enumerate(monomials(degree)):
        if sum(p) == order:
            axes = [v for v, n in enumerate(p) for _ in range(n)]
            for place in set(permutations(axes)):
                places.append(place)
                sources.append(i)
                factors.append(float(np.prod([factorial(n) for n in p])))
    columns = np.array(places, dtype=np.intp).reshape(len(places), order).T
    return tuple(columns), np.array(sources, dtype=np.intp), np.array(factors)


class Taylor:
    """A polynomial in the deviations of three variables from a point.

    Parameters
    ----------
    coefficients : ndarray of shape (n_monomials,)
        In the order of `monomials`.
    degree : int
    """

    __slots__ = ("coefficients", "degree")

    def __init__(self, coefficients: Array, degree: int) -> None:
        self.coefficients = coefficients
        self.degree = degree

    @classmethod
    def variable(cls, index: int, value: float, degree: int) -> Taylor:
        """One of the variables itself."""
        return cls.along(index, [value, 1.0], degree)

    @classmethod
    def along(cls, index: int, series: Sequence[float] | Array, degree: int) -> Taylor:
        """Return a function of one variable by its Taylor series."""
        coefficients = np.zeros(len(monomials(degree)))
        for i, p in enumerate(monomials(degree)):
            if sum(p) == p[index] < len(series):
                coefficients[i] = series[p[index]]
        return cls(coefficients, degree)

    @property
    def value(self) -> float:
        """At the point itself."""
        return float(self.coefficients[0])

    def __add__(self, other: Taylor) -> Taylor:
        return Taylor(self.coefficients + other.coefficients, self.degree)

    def __sub__(self, other: Taylor) -> Taylor:
        return Taylor(self.coefficients - other.coefficients, self.degree)

    def __mul__(self, other: Taylor | float) -> Taylor:
        if not isinstance(other, Taylor):
            return Taylor(self.coefficients * other, self.degree)
        left, right, at = _products(self.degree)
        terms = self.coefficients[left] * other.coefficients[right]
        total = np.bincount(at, terms, self.coefficients.size).astype(np.float64)
        return Taylor(total, self.degree)

    def derivatives(self, order: int) -> Array:
        """Return all derivatives of one order, a symmetric tensor of shape (3,) * order."""
        tensor = np.zeros((VARIABLES,) * order)
        if order == 0:
            tensor[()] = self.value
            return tensor
        places, sources, factors = _entries(self.degree, order)
        tensor[places] = self.coefficients[sources] * factors
        return tensor


def cut(series: Taylor, degree: int) -> Taylor:
    """Return the polynomial without its terms of higher degree."""
    return Taylor(series.coefficients[: len(monomials(degree))], degree)
