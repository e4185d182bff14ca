"""Blocks: partitions of the sites of a field into neighbourhoods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Protocol, cast, runtime_checkable

import numpy as np

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.fields import Lattice, SynapticField

__all__ = ["Blocks", "GridBlocks", "RandomBlocks", "as_blocks", "permute_sites"]

# The compiled loops count sites in 64 bits: the product of two lengths must fit.
_LONGEST = 2**31 - 1


@runtime_checkable
class Blocks(Protocol):
    """A rule that gathers sites into blocks, again and again."""

    @property
    def provenance(self) -> str:
        """Which numbers chose the blocks."""
        ...

    def factors(self, sites: Lattice) -> tuple[int, ...]:
        """Block length along each axis."""
        ...

    def arrange(self, field: SynapticField) -> SynapticField:
        """Return the field with the sites of each block next to one another."""
        ...


def as_blocks(blocks: object) -> Blocks:
    """Return the rule for making blocks; None stands for ``GridBlocks(2)``."""
    if blocks is None:
        return GridBlocks(2)
    if isinstance(blocks, type) or not isinstance(blocks, Blocks):
        raise ArgumentError(
            f"blocks must be a rule such as GridBlocks(2) or RandomBlocks(2), got {shown(blocks)}"
        )
    return blocks


def _check_factor(b: object) -> int | tuple[int, ...]:
    single = not isinstance(b, Iterable) or isinstance(b, str | bytes)
    items = (b,) if single else tuple(cast(Iterable[object], b))
    lengths = tuple(
        as_count("a block length", n, 1, _LONGEST, hint="try 2, or one for each axis")
        for n in items
    )
    if max(lengths, default=0) < 2:
        raise ArgumentError(
            f"block lengths must be at least 2 along one axis, got {shown(b)}; try 2"
        )
    return lengths[0] if single else lengths


@dataclass(frozen=True, slots=True)
class GridBlocks:
    """Blocks of `b` neighbouring sites along each axis, counted from the origin.

    Where `b` does not divide an axis, only whole blocks are formed: at scale b^l an axis of n
    sites has floor(n / b^l) blocks and the trailing remainder is left out, with a note. Blocks of
    unequal size are never mixed, because a mixture of variances fakes a fourth cumulant.

    Parameters
    ----------
    b : int or sequence of int
        Block length, or one for each axis (1 leaves an axis as it is).

    Raises
    ------
    ArgumentError
        If a length is no integer of at least 1, or none is at least 2.

    Examples
    --------
    >>> from nnrg.rg.blocks import GridBlocks
    >>> GridBlocks(2)
    GridBlocks(b=2)
    """

    b: int | tuple[int, ...] = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "b", _check_factor(self.b))

    @property
    def provenance(self) -> str:
        """Which numbers chose the blocks."""
        return "site index"

    def factors(self, sites: Lattice) -> tuple[int, ...]:
        """Block length along each axis of `sites`."""
        return _factors(self.b, sites)

    def arrange(self, field: SynapticField) -> SynapticField:
        """Return `field`: neighbours on the lattice are next to one another already."""
        return field


@dataclass(frozen=True, slots=True)
class RandomBlocks:
    """Blocks of as many sites as `GridBlocks(b)`, chosen at random: the null of every geometry.

    The sites of each population are relabelled by one random permutation, the same for all samples,
    and then blocked by index.

    Parameters
    ----------
    b : int or sequence of int
        Block length, as in `GridBlocks`.
    seed : int
        Seed of the permutation, at least 0.

    Raises
    ------
    ArgumentError
        If a length or the seed is no integer in range.
    """

    b: int | tuple[int, ...] = 2
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "b", _check_factor(self.b))
        object.__setattr__(self, "seed", as_count("seed", self.seed, 0, hint="try 0"))

    @property
    def provenance(self) -> str:
        """Which numbers chose the blocks."""
        return f"random permutation, seed {self.seed}"

    def factors(self, sites: Lattice) -> tuple[int, ...]:
        """Block length along each axis of `sites`."""
        return _factors(self.b, sites)

    def arrange(self, field: SynapticField) -> SynapticField:
        """Return the field with its sites relabelled at random."""
        return permute_sites(field, np.random.default_rng(self.seed))


def _factors(b: int | tuple[int, ...], sites: Lattice) -> tuple[int, ...]:
    factors = (b,) * sites.dimension if isinstance(b, int) else b
    if len(factors) != sites.dimension:
        raise ArgumentError(
            f"blocks have {len(factors)} factors but the lattice has {sites.dimension} axes: "
            f"{sites!r}; give one factor, or one for each axis"
        )
    return factors


def permute_sites(field: SynapticField, rng: np.random.Generator) -> SynapticField:
    """Relabel the sites of each population at random, alike in every sample (null model N1).

    The one-point law and all correlations between samples are kept; what a neuron's index says
    about its neighbours is destroyed.
    """
    values = field.values
    shape = field.sites.shape
    for axes in field.sites.populations:
        order = rng.permutation(prod(shape[a] for a in axes))
        if len(axes) == 1:
            values = np.take(values, order, axis=1 + axes[0])
            continue
        first = tuple(range(1, 1 + len(axes)))
        moved = np.moveaxis(values, [1 + a for a in axes], first)
        flat = np.take(
            moved.reshape(moved.shape[0], order.size, *moved.shape[1 + len(axes) :]), order, axis=1
        )
        values = np.moveaxis(flat.reshape(moved.shape), first, [1 + a for a in axes])
    return field.replaced(values, "sites permuted at random")
