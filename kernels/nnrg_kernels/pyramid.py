"""All scales of block means in one sweep: power sums and squared gradients at every level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._pyramid_plan import levels_at_once, plan_round
from nnrg_kernels._pyramid_round import (
    group_counts,
    lattice_sums,
    location_and_scale,
    sweep_round,
)

__all__ = ["Pyramid", "pyramid"]

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
        Block means of levels 1, ..., levels as they are, neither shifted nor scaled.
    """

    shift: Floats
    scale: Floats
    counts: Ints
    sums: Floats
    bonds: Ints
    gradients: Floats
    fields: list[Floats] | None


def pyramid(
    values: Array,
    factors: tuple[int, ...],
    levels: int,
    *,
    periodic: tuple[bool, ...],
    sample_group: Ints,
    edges: tuple[Ints, ...],
    order: int = 8,
    keep: bool = True,
) -> Pyramid:
    """Coarse-grain a field by block means, again and again, with statistics at every level.

    Parameters
    ----------
    values : ndarray, shape (S, n_0, ..., n_{d-1}), d = 1, ..., 4
        C-contiguous; float64, float32, float16 or bfloat16.
    factors : tuple of int
        Sites in a block along each axis, per step.
    levels : int
        Steps. Level l has ``n_a // factors[a] ** l`` sites along axis a: whole blocks counted
        from the origin, what is left at the end is left out.
    periodic : tuple of bool
        Axes whose last site is a neighbour of the first. Levels that leave sites out, and those
        with one or two sites along the axis, are open.
    sample_group : ndarray of int64, shape (S,)
        Group of each sample.
    edges : tuple of d ndarrays of int64
        Coordinates, ascending from 0 to n_a, that cut the lattice into cells. Inner ones are
        multiples of ``factors[a] ** levels``. The group of a site is
        ``sample_group * n_cells + cell``, cells counted in row-major order.
    order : int
        Highest power, at most 8; up to 4 takes about half the work of 5 to 8.
    keep : bool
        Whether to return the block means.

    Returns
    -------
    Pyramid
        The statistics, the same to the last bit for any number of threads.

    Notes
    -----
    Powers are taken of shifted and scaled numbers, in float64, and block means are made of them.
    One shift serves the levels up to blocks of about 1000 sites; the next levels get the mean and
    deviation of their own values. NaN and infinity spread to every sum they enter, and to none
    other.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg_kernels.pyramid import pyramid
    >>> field = np.arange(8.0).reshape(1, 8)
    >>> result = pyramid(
    ...     field, (2,), 2, periodic=(False,), sample_group=np.zeros(1, np.int64),
    ...     edges=(np.array([0, 8]),), order=2,
    ... )
    >>> [means.tolist() for means in result.fields]
    [[[0.5, 2.5, 4.5, 6.5]], [[1.5, 5.5]]]
    >>> (result.gradients[:, 0, 0] * result.scale**2 / result.bonds[:, 0, 0]).round(12).tolist()
    [1.0, 4.0, 16.0]
    """
    shape = values.shape[1:]
    d = len(shape)
    n_groups = int(sample_group.max() + 1) * int(np.prod([len(own) - 1 for own in edges]))
    per_group = np.bincount(sample_group)
    blocks = [tuple(f**level for f in factors) for level in range(levels + 1)]
    shapes = [tuple(n // b for n, b in zip(shape, own, strict=True)) for own in blocks]
    wraps = np.array(
        [
            [p and n > 2 and whole % b == 0 for p, n, whole, b in zip(
                periodic, own, shape, block, strict=True)]
            for own, block in zip(shapes, blocks, strict=True)
        ]
    )
    shift, scale = np.empty(levels + 1), np.empty(levels + 1)
    counts = np.empty((levels + 1, n_groups), np.int64)
    bonds = np.empty((levels + 1, n_groups, d), np.int64)
    sums = np.empty((levels + 1, n_groups, order))
    gradients = np.empty((levels + 1, n_groups, d))
    fields: list[Floats] = []

    # A round's last level is the next round's first; the map from its numbers to the field's
    # own is kept apart, so that means of 1e4 do not drown deviations of 1e-3.
    current, done, unit_shift, unit_scale = values, 0, 0.0, 1.0
    while done <= levels:
        steps = levels_at_once(factors, levels - done)
        here = slice(done, done + max(steps, 1))
        offset, width = location_and_scale(current, COARSE_SAMPLE if done else SAMPLE)
        unit_shift, unit_scale = unit_shift + unit_scale * offset, unit_scale * width
        cells = tuple(own // b for own, b in zip(edges, blocks[done], strict=True))
        plan = plan_round(
            shapes[done], factors, steps, wraps[here], sample_group, cells, keep
        )
        swept = sweep_round(
            current, plan, n_groups, (offset, width), (unit_shift, unit_scale), order
        )
        sums[here], gradients[here] = lattice_sums(swept.sums, plan.axes, order)
        shift[here], scale[here] = unit_shift, unit_scale
        for level in range(*here.indices(levels + 1)):
            own = tuple(edge // b for edge, b in zip(edges, blocks[level], strict=True))
            counts[level], bonds[level] = group_counts(
                shapes[level], wraps[level], own, per_group
            )
        if steps == 0:
            break
        if keep:
            kept = [(values.shape[0], *own) for own in shapes[done + 1 : done + steps + 1]]
            ends = np.cumsum([math.prod(own) for own in kept])[:-1]
            parts = np.split(swept.fields, ends)
            fields.extend(part.reshape(own) for part, own in zip(parts, kept, strict=True))
        current = swept.top.reshape(values.shape[0], *shapes[done + steps])
        done += steps
    return Pyramid(shift, scale, counts, sums, bonds, gradients, fields if keep else None)
