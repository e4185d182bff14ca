"""What rules for blocks on a lattice have in common: a block length along each axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nnrg._validate import as_count, as_items, shown
from nnrg.errors import ArgumentError
from nnrg.fields import Lattice, SynapticField

__all__ = ["LatticeBlocks", "as_block_length", "coarser_lattices", "lattice_notes"]

# The compiled loops count sites in 64 bits: the product of two lengths must fit.
_LONGEST = 2**31 - 1


def as_block_length(b: object) -> int | tuple[int, ...]:
    """Return a block length, or one for each axis; one of them must be at least 2."""
    items = as_items(b)
    lengths = tuple(
        as_count("a block length", n, 1, _LONGEST, hint="try 2, or one for each axis")
        for n in ((b,) if items is None else items)
    )
    if max(lengths, default=0) < 2:
        raise ArgumentError(
            f"block lengths must be at least 2 along one axis, got {shown(b)}; try 2"
        )
    return lengths[0] if items is None else lengths


@dataclass(frozen=True, slots=True)
class LatticeBlocks:
    """Blocks of `b` sites along each axis of a lattice.

    Parameters
    ----------
    b : int or sequence of int
        Block length, or one for each axis (1 leaves an axis as it is).

    Raises
    ------
    ArgumentError
        If a length is no integer of at least 1, or none is at least 2.
    """

    b: int | tuple[int, ...] = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "b", as_block_length(self.b))

    @property
    def provenance(self) -> str:
        """Which numbers chose the blocks."""
        return "site index"

    def factors(self, sites: Lattice) -> tuple[int, ...]:
        """Block length along each axis of `sites`."""
        factors = (self.b,) * sites.dimension if isinstance(self.b, int) else self.b
        if len(factors) != sites.dimension:
            raise ArgumentError(
                f"blocks have {len(factors)} factors but the lattice has {sites.dimension} axes: "
                f"{sites!r}; give one factor, or one for each axis"
            )
        return factors

    def arrange(self, field: SynapticField) -> SynapticField:
        """Return `field`: neighbours on the lattice are next to one another already."""
        return field


def lattice_notes(field: SynapticField, factors: tuple[int, ...], n_levels: int) -> tuple[str, ...]:
    """Return what a reader of blocks on a lattice must know: trimmed sites, order without sense."""
    notes = []
    for level in range(n_levels):
        left = [n % f**level for n, f in zip(field.sites.shape, factors, strict=True)]
        if any(left):
            notes.append(
                f"b = {max(factors) ** level}: trailing {' x '.join(map(str, left))} sites left "
                "out (only whole blocks are formed)"
            )
    if not field.natural:
        notes.append(
            "site order is an index without meaning: blocks by index are random neighbourhoods"
        )
    return tuple(notes)


def coarser_lattices(
    sites: Lattice, factors: tuple[int, ...], n_levels: int
) -> Iterator[tuple[Lattice, tuple[int, ...]]]:
    """Yield the lattice of each scale after the first, and how many sites at b = 1 it covers."""
    coarse = sites
    for level in range(1, n_levels):
        coarse = coarse.coarsened(factors)
        yield coarse, tuple(n * f**level for n, f in zip(coarse.shape, factors, strict=True))
