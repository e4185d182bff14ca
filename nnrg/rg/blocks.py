"""Blocks: partitions of the sites of a field into neighbourhoods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg._lattice_blocks import LatticeBlocks

__all__ = ["Blocks", "Coarsening", "GridBlocks", "RandomBlocks", "as_blocks", "permute_sites"]


@runtime_checkable
class Blocks(Protocol):
    """A rule that gathers sites into blocks, again and again.

    The block field is the mean over each block, unless the rule is a `Coarsening`.
    """

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


@runtime_checkable
class Coarsening(Blocks, Protocol):
    """Blocks whose field is not the mean over the sites of a block."""

    @property
    def singular(self) -> str:
        """Why a block field has no density on its sites, or "" where it has one."""
        ...

    def coarsen(
        self, field: SynapticField, n_levels: int
    ) -> Iterable[tuple[npt.NDArray[np.floating[Any]], Lattice]]:
        """Return values, of shape (n_samples, *shape), and lattice at b, b^2, ..: one level less.

        The values are normalised like block means: a constant field keeps its value.
        """
        ...

    def about_regions(self) -> str:
        """Say how regions of the lattice, left out for errors, map to block fields.

        Raises
        ------
        AnalysisError
            If no region can be left out.
        """
        ...

    def notes(self, field: SynapticField, n_levels: int) -> tuple[str, ...]:
        """Return what a reader of the flow must know."""
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


@dataclass(frozen=True, slots=True)
class GridBlocks(LatticeBlocks):
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


@dataclass(frozen=True, slots=True)
class RandomBlocks(LatticeBlocks):
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

    seed: int = 0

    def __post_init__(self) -> None:
        LatticeBlocks.__post_init__(self)
        object.__setattr__(self, "seed", as_count("seed", self.seed, 0, hint="try 0"))

    @property
    def provenance(self) -> str:
        """Which numbers chose the blocks."""
        return f"random permutation, seed {self.seed}"

    def arrange(self, field: SynapticField) -> SynapticField:
        """Return the field with its sites relabelled at random."""
        return permute_sites(field, np.random.default_rng(self.seed))


def permute_sites(field: SynapticField, rng: np.random.Generator) -> SynapticField:
    """Relabel the sites of each population at random, alike in every sample (null model N1).

    The one-point law and all correlations between samples are kept; what a neuron's index says
    about its neighbours is destroyed.
    """
    values = field.values
    if isinstance(field.sites, ConnectionGraph):
        order = np.arange(field.sites.n_nodes)
        for population in range(len(field.sites.names)):
            units = np.flatnonzero(field.sites.population == population)
            order[units] = rng.permutation(units)
        return field.replaced(np.take(values, order, axis=1), "units permuted at random")
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
