"""Shapes of lattices that a checkerboard covers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.fields import Lattice

__all__ = ["even_lattice"]

_LONGEST = 1 << 20
_MOST = 1 << 31


def even_lattice(shape: int | Sequence[int]) -> tuple[int, ...]:
    """Return one to three even lengths."""
    lattice = Lattice(shape).shape
    if len(lattice) > 3 or any(n % 2 or n > _LONGEST for n in lattice) or prod(lattice) > _MOST:
        raise ArgumentError(
            "shape must be one to three even lengths, which a checkerboard needs, of at most "
            f"2^20 each and 2^31 sites, got {shown(shape)}; try (64, 64)"
        )
    return lattice
