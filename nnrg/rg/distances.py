"""Distances between the sites of a lattice, and the neighbours at each."""

from __future__ import annotations

from functools import cache
from itertools import product
from math import sqrt

__all__ = ["LONGEST", "distances", "reach_of", "shell"]

# Sites along an axis: the compiled sums keep room for so many on either side of a run.
LONGEST = 8


@cache
def distances(dimension: int, longest: int = LONGEST) -> tuple[int, ...]:
    """Return the squared distances between sites of a lattice, from 1 to ``longest**2``, ascending.

    Examples
    --------
    >>> from nnrg.rg.distances import distances
    >>> distances(2, longest=3)
    (1, 2, 4, 5, 8, 9)
    """
    steps = product(range(longest + 1), repeat=dimension)
    return tuple(sorted({n for s in steps if 0 < (n := sum(a * a for a in s)) <= longest**2}))


@cache
def shell(dimension: int, squared: int) -> tuple[tuple[int, ...], ...]:
    """Return the offsets at a squared distance, one of each opposite pair; empty if there are none.

    Examples
    --------
    >>> from nnrg.rg.distances import shell
    >>> shell(2, 2)
    ((1, -1), (1, 1))
    """
    reach = range(-int(sqrt(squared)), int(sqrt(squared)) + 1)
    steps = (s for s in product(reach, repeat=dimension) if sum(a * a for a in s) == squared)
    return tuple(s for s in steps if next(a for a in s if a) > 0)


def reach_of(offsets: tuple[tuple[int, ...], ...]) -> int:
    """Return the largest step along one axis; 0 if there are no offsets."""
    return max((abs(a) for o in offsets for a in o), default=0)
