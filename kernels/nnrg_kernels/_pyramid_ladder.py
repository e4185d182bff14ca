"""The levels of one lattice, from the field itself to the coarsest, and the climb through them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._pyramid_plan import levels_at_once, plan_round
from nnrg_kernels._pyramid_round import lattice_sums, location_and_scale, sweep_round

__all__ = ["Ladder", "Pyramid", "climb"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Values whose mean and deviation stand for the field's, and for those of a coarse level.
SAMPLE, COARSE_SAMPLE = 2**16, 2**18


@dataclass(frozen=True, slots=True)
class Pyramid:
    """Statistics of a field and of its block means, level by level and group by group.

    Attributes
    ----------
    shift, scale : ndarray of float64, shape (levels + 1,)
        The affine map of each level: its statistics are those of ``(phi - shift) / scale``.
        Both have the unit of the field.
    counts : ndarray of int64, shape (levels + 1, G)
        Sites of each group.
    sums : ndarray of float64, shape (levels + 1, G, order)
        Sum over the group's sites of ``((phi - shift) / scale) ** p``, p = 1, ..., order.
    bonds : ndarray of int64, shape (levels + 1, G, d)
        Nearest-neighbour bonds along each axis. A bond belongs to the group of its lower end,
        a bond around a periodic axis to the group of the last site.
    gradients : ndarray of float64, shape (levels + 1, G, d)
        Sum over bonds of ``((phi(x + mu) - phi(x)) / scale) ** 2``.
    fields : list of ndarray of float64, or None
        Block means of levels 1, ..., levels, neither shifted nor scaled.
    """

    shift: Floats
    scale: Floats
    counts: Ints
    sums: Floats
    bonds: Ints | Floats
    gradients: Floats
    fields: list[Floats] | None


@dataclass(slots=True)
class Ladder:
    """What is known of all levels before any number is read.

    Attributes
    ----------
    shapes, blocks : list of tuple of int
        Sites of each level, and first-level sites in a block of it, along each axis.
    wraps : ndarray of bool, shape (levels + 1, d)
        Axes on which the last site of a level is a neighbour of the first.
    """

    shape: tuple[int, ...]
    factors: tuple[int, ...]
    levels: int
    periodic: tuple[bool, ...]
    sample_group: Ints
    edges: tuple[Ints, ...]
    shapes: list[tuple[int, ...]] = field(init=False)
    blocks: list[tuple[int, ...]] = field(init=False)
    wraps: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        factors = np.array(self.factors, np.int64)
        blocks = factors ** np.arange(self.levels + 1)[:, None]
        shapes = np.array(self.shape, np.int64) // blocks
        whole = np.array(self.shape) % blocks == 0
        self.blocks = [tuple(row) for row in blocks.tolist()]
        self.shapes = [tuple(row) for row in shapes.tolist()]
        self.wraps = np.array(self.periodic) & (shapes > 2) & whole

    @property
    def n_groups(self) -> int:
        """Groups in all: those of the samples times the cells of the lattice."""
        return int(self.sample_group.max() + 1) * math.prod(len(own) - 1 for own in self.edges)

    def cells(self, level: int) -> tuple[Ints, ...]:
        """Return the edges in sites of a level."""
        return tuple(own // b for own, b in zip(self.edges, self.blocks[level], strict=True))

    def empty(self, order: int, keep: bool) -> Pyramid:
        """Return a result whose counts are there and whose sums are yet to come."""
        n_levels, n_groups, d = self.levels + 1, self.n_groups, len(self.shape)
        samples = np.bincount(self.sample_group)
        counts = np.empty((n_levels, n_groups), np.int64)
        bonds = np.empty((n_levels, n_groups, d), np.int64)
        for level in range(n_levels):
            extents = [np.diff(own) for own in self.cells(level)]
            counts[level] = _outer(samples, extents)
            for axis in range(d):
                lower_ends = extents[axis].copy()
                if not self.wraps[level, axis] and lower_ends.any():
                    lower_ends[np.flatnonzero(lower_ends)[-1]] -= 1
                along = [*extents[:axis], lower_ends, *extents[axis + 1 :]]
                bonds[level, :, axis] = _outer(samples, along)
        return Pyramid(
            shift=np.empty(n_levels),
            scale=np.empty(n_levels),
            counts=counts,
            sums=np.zeros((n_levels, n_groups, order)),
            bonds=bonds,
            gradients=np.zeros((n_levels, n_groups, d)),
            fields=[] if keep else None,
        )


def _outer(samples: Ints, extents: list[Ints]) -> Ints:
    product = samples
    for extent in extents:
        product = np.multiply.outer(product, extent).reshape(-1)
    return product


def climb(
    values: Array,
    ladder: Ladder,
    done: int,
    value_map: tuple[float, float],
    order: int,
    result: Pyramid,
) -> None:
    """Fill `result` from level `done`, whose numbers are `values`, up.

    `value_map` is the (shift, scale) that takes the values to those of the field. A round's last
    level is the next round's first, and the map is kept apart from its numbers, so that a mean of
    1e4 does not drown deviations of 1e-3.
    """
    shift, scale = value_map
    current = values
    final = False
    while not final:
        steps = levels_at_once(ladder.factors, ladder.levels - done)
        final = done + steps == ladder.levels
        here = slice(done, done + steps + final)
        offset, width = location_and_scale(current, COARSE_SAMPLE if done else SAMPLE)
        shift, scale = shift + scale * offset, scale * width
        plan = plan_round(
            ladder.shapes[done],
            ladder.factors,
            steps,
            ladder.wraps[here],
            ladder.sample_group,
            ladder.cells(done),
            result.fields is not None,
        )
        swept = sweep_round(current, plan, ladder.n_groups, (offset, width), (shift, scale), order)
        result.sums[here], result.gradients[here] = lattice_sums(swept.sums, plan.axes, order)
        result.shift[here], result.scale[here] = shift, scale
        n_samples = values.shape[0]
        if result.fields is not None:
            kept = [(n_samples, *own) for own in ladder.shapes[done + 1 : done + steps + 1]]
            ends = np.cumsum([math.prod(own) for own in kept])
            parts = np.split(swept.fields, ends[:-1]) if kept else []
            result.fields.extend(part.reshape(own) for part, own in zip(parts, kept, strict=True))
        done += steps
        if not final:
            current = swept.top.reshape(n_samples, *ladder.shapes[done])
