"""Activity cut into samples that choose and samples that are measured, units in block order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.neighbourhoods._pairing import named_units, pair_levels, pairing_notes
from nnrg.rg.neighbourhoods._split import Split
from nnrg.rg.neighbourhoods.hierarchy import Hierarchy
from nnrg.rg.neighbourhoods.pairs import PairBlocks, pair_hierarchy
from nnrg.stats.partition import sample_groups

__all__ = ["Activity", "arranged", "varying_units"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Jackknife groups: errors are known to a tenth, and a covariance of 16 scales has freedom enough.
_MOST_GROUPS = 64
_FEWEST_GROUPS = 10
_FEWEST_PERIODS = 4
# Blocks that are left at the coarsest level, unless levels are asked for.
_FEWEST_BLOCKS = 4


@dataclass(frozen=True, slots=True)
class Activity:
    """What one pass through the pipeline measures.

    Attributes
    ----------
    values : float64 array of shape (n_samples, n_units)
        The samples that are measured, those of a jackknife group next to one another; units of a
        block at any level are next to one another.
    starts : int array of shape (n_groups,)
        First sample of each group.
    choosing : array of shape (n, n_units)
        The samples that choose, units in the same order.
    sizes : tuple of int
        Units in a block at each level: 1, 2, 4, ..
    series : bool
        Whether samples are steps of time, each group being one stretch of it.
    threshold : float or None
        Activity up to it is silence; None if silence means nothing.
    notes : tuple of str
    """

    values: Array
    starts: Ints
    choosing: npt.NDArray[Any]
    sizes: tuple[int, ...]
    series: bool
    threshold: float | None
    notes: tuple[str, ...]

    @property
    def lengths(self) -> Ints:
        """Number of samples in each group."""
        return np.diff(self.starts, append=len(self.values))

    def groups(self) -> Iterator[slice]:
        """Yield the samples of each group."""
        for start, length in zip(self.starts.tolist(), self.lengths.tolist(), strict=True):
            yield slice(start, start + length)

    def n_blocks(self, level: int) -> int:
        """Return the number of blocks at one level."""
        return int(self.values.shape[1]) // self.sizes[level]

    def sums(self, values: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
        """Yield sums over the blocks of each level, of values with units last."""
        size = 1
        for wanted in self.sizes:
            values = values.reshape(*values.shape[:-1], -1, wanted // size).sum(axis=-1)
            size = wanted
            yield values


def varying_units(values: npt.NDArray[Any], name: str) -> tuple[npt.NDArray[np.bool_], str]:
    """Return which units vary, and a note that names the others.

    Raises
    ------
    AnalysisError
        If fewer than two units vary.
    """
    varies = values.min(axis=0) != values.max(axis=0)
    count = int(np.count_nonzero(varies))
    if count < 2:
        raise AnalysisError(
            f"field {name!r} has {count} unit(s) that vary, of {varies.size}; pairs need two at "
            "least: give more units"
        )
    if varies.all():
        return varies, ""
    constant = named_units(np.flatnonzero(~varies))
    return varies, (
        f"units {constant} are the same in every sample and are left out; the others are numbered "
        "without them"
    )


def arranged(
    values: npt.NDArray[Any],
    held_out: npt.NDArray[Any] | None,
    split: Split,
    blocks: PairBlocks,
    hierarchy: Hierarchy | None,
    levels: int | None,
    threshold: float | None,
) -> Activity:
    """Choose blocks, and put units and samples in order.

    Raises
    ------
    AnalysisError
        If there are too few units, samples or groups of them, or blocks of unequal size.
    """
    chosen = values[split.choosing] if held_out is None else held_out
    if hierarchy is None:
        wanted = pair_levels(values.shape[1], levels, _fewest(levels))
        partitions = pair_hierarchy(chosen, wanted, magnitude=blocks.magnitude)
        notes = (*split.notes, *pairing_notes(chosen, partitions))
    else:
        partitions, notes = list(hierarchy.labels[:levels]), (*split.notes, *hierarchy.notes)
    sizes = _sizes(partitions)
    kept = np.flatnonzero(partitions[-1] >= 0)
    order = kept[np.lexsort([labels[kept] for labels in partitions])]
    group = _groups(split, blocks.series)
    by_group = np.argsort(group, kind="stable")
    measured = values[np.ix_(split.measuring[by_group], order)].astype(np.float64)
    starts = np.flatnonzero(np.diff(group[by_group], prepend=-1))
    return Activity(measured, starts, chosen[:, order], sizes, blocks.series, threshold, notes)


def _fewest(levels: int | None) -> int:
    return _FEWEST_BLOCKS if levels is None else 1


def _groups(split: Split, series: bool) -> Ints:
    count = int(split.group.max(initial=-1)) + 1
    fewest = _FEWEST_PERIODS if series else _FEWEST_GROUPS
    if count < fewest:
        raise AnalysisError(
            f"{split.measuring.size} samples are {count} independent one(s) to be measured: errors "
            f"need at least {fewest}; give more samples, or let fewer choose"
        )
    return np.asarray(sample_groups(count, _MOST_GROUPS)[split.group], dtype=np.int64)


def _sizes(partitions: list[Ints]) -> tuple[int, ...]:
    """Return the units of a block at each level."""
    out = []
    for level, labels in enumerate(partitions):
        sizes = np.bincount(labels[partitions[-1] >= 0])
        sizes = sizes[sizes > 0]
        if sizes.min() < sizes.max():
            raise ArgumentError(
                f"blocks must be of equal size, got {sizes.min()} to {sizes.max()} units at level "
                f"{level}; a mixture of sizes fakes interactions"
            )
        out.append(int(sizes[0]))
    return tuple(out)
