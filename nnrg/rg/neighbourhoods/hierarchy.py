"""Nested partitions of sites, and the rules that make them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.fields import SynapticField
from nnrg.graph._convert import as_labels
from nnrg.graph.connection_graph import ConnectionGraph

__all__ = ["Choice", "Hierarchy", "Neighbourhoods"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Hierarchy:
    """Nested partitions of n sites: each block of one level is a union of blocks of the one before.

    Parameters
    ----------
    partitions : sequence of int arrays of shape (n,)
        Block of each site at each level, finest first, numbered 0, 1, .. without gaps. The sites
        themselves, level 0, need not be among them.
    notes : sequence of str
        What a reader must know.

    Attributes
    ----------
    labels : tuple of int64 arrays of shape (n,)
        Block of each site at each level; at level 0 the place of the site in `order`. Blocks are
        renumbered so that they are contiguous once sites are taken in `order`.
    order : int64 array of shape (n,)
        Sites, those of a block of any level next to one another; blocks are in the order of their
        first site, so that sites already in order stay where they are.

    Raises
    ------
    ArgumentError
        If labels do not cover every site or are not nested.

    Examples
    --------
    >>> from nnrg.rg.neighbourhoods.hierarchy import Hierarchy
    >>> pairs = Hierarchy([[0, 1, 0, 1], [0, 0, 0, 0]])
    >>> pairs.order.tolist(), [pairs.sizes(level).tolist() for level in range(3)]
    ([0, 2, 1, 3], [[1, 1, 1, 1], [2, 2], [4]])
    """

    labels: tuple[Ints, ...]
    order: Ints
    notes: tuple[str, ...] = field(default=())

    def __init__(self, partitions: Sequence[npt.ArrayLike], notes: Iterable[str] = ()) -> None:
        given = [np.asarray(p) for p in partitions]
        if not given or given[0].ndim != 1:
            raise ArgumentError(
                "a hierarchy needs the block of each site, one integer array at least"
            )
        n = given[0].size
        levels = [np.arange(n, dtype=np.int64)]
        for i, partition in enumerate(given):
            labels = as_labels(partition, n)
            if i > 0 or not np.array_equal(labels, levels[0]):
                levels.append(labels)
        for fine, coarse in pairwise(levels):
            of_block = np.full(int(fine.max()) + 1, -1, dtype=np.int64)
            of_block[fine] = coarse
            if np.any(of_block[fine] != coarse):
                raise ArgumentError(
                    "partitions are not nested: sites of one block are in two blocks of the next "
                    "level; give the finest partition first"
                )
        keys = [_first_site(labels)[labels] for labels in levels]
        order = np.lexsort(keys)  # the last key, the coarsest level, counts most
        object.__setattr__(self, "labels", tuple(_numbered(labels, order) for labels in levels))
        object.__setattr__(self, "order", order.astype(np.int64))
        object.__setattr__(self, "notes", tuple(notes))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return int(self.order.size)

    def n_blocks(self, level: int) -> int:
        """Return the number of blocks at one level."""
        return int(self.labels[level].max()) + 1

    def sizes(self, level: int) -> Ints:
        """Return the number of sites in each block of one level."""
        return np.bincount(self.labels[level])

    def starts(self, level: int) -> Ints:
        """Return where each block of one level starts once sites are in `order`, and the end."""
        return np.concatenate([[0], np.cumsum(self.sizes(level))])

    def steps(self, level: int) -> Ints:
        """Return the block at `level` of each block at ``level - 1``."""
        fine, coarse = self.labels[level - 1], self.labels[level]
        out = np.empty(int(fine.max()) + 1, dtype=np.int64)
        out[fine] = coarse
        return out

    def cut(self, levels: int) -> Hierarchy:
        """Return the first `levels` levels."""
        # Labels of level 0 are places in `order`, no partition of the sites by their own numbers.
        return Hierarchy(self.labels[1:levels] or [np.arange(self.n_sites)], self.notes)


def _first_site(labels: Ints) -> Ints:
    first = np.full(int(labels.max()) + 1, labels.size, dtype=np.int64)
    np.minimum.at(first, labels, np.arange(labels.size))
    return first


def _numbered(labels: Ints, order: Ints) -> Ints:
    """Return labels with blocks numbered as they come when sites are taken in order."""
    sorted_labels = labels[order]
    new = np.concatenate([[0], np.cumsum(sorted_labels[1:] != sorted_labels[:-1])])
    out = np.empty_like(labels)
    out[order] = new
    out.flags.writeable = False
    return out


@dataclass(frozen=True, slots=True)
class Choice:
    """What a rule chose for a field.

    Attributes
    ----------
    field : SynapticField
        What is measured: the field as given, or without the samples that chose the blocks and the
        sites that are in none.
    hierarchies : tuple of Hierarchy
        Nested blocks along each axis of the field, all of as many levels.
    graphs : tuple of ConnectionGraph or None
        For each axis the graph that neighbours are taken from, None where there is none.
    """

    field: SynapticField
    hierarchies: tuple[Hierarchy, ...]
    graphs: tuple[ConnectionGraph | None, ...]


@runtime_checkable
class Neighbourhoods(Protocol):
    """A rule that gathers units without a natural order into nested blocks.

    `nnrg.renormalize` takes one wherever it takes `GridBlocks`. Means are taken over the blocks;
    those of unequal size are equalised in variance, see `nnrg.rg.neighbourhoods.blocking`.
    """

    @property
    def provenance(self) -> str:
        """Which numbers chose the blocks, in words."""
        ...

    def choose(self, field: SynapticField, levels: int | None, fewest: int) -> Choice:
        """Choose nested blocks of the field's sites.

        Level 0, the sites themselves, counts among `levels`; with None there are as many levels as
        leave at least `fewest` blocks.

        Raises
        ------
        AnalysisError
            If the numbers that choose are those that are measured, or no level can be formed.
        """
        ...
