"""One round of the pyramid: several levels of one array of values, planned and swept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._load import as_bytes
from nnrg_kernels._pyramid_boxes import EXTENTS, Buffers, sweep, sweep_parallel
from nnrg_kernels._pyramid_plan import Round
from nnrg_kernels._pyramid_rows import MAX_ORDER, STATISTICS

__all__ = ["Swept", "group_counts", "lattice_sums", "location_and_scale", "sweep_round"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# A parallel region costs more than it gains below this many sites.
SERIAL_SITES = 2**16


@dataclass(frozen=True, slots=True)
class Swept:
    """What one round gives.

    Attributes
    ----------
    sums : (levels, G, STATISTICS) float64
        Power sums, then squared differences along the four padded axes.
    faces : float64
        Planes at cuts, where the round's geometry says.
    fields : float64
        True block means of all levels above the first, one level after the other.
    top : float64
        Shifted and scaled block means of the level after the last.
    """

    sums: Floats
    faces: Floats
    fields: Floats
    top: Floats


def sweep_round(
    values: Array,
    plan: Round,
    n_groups: int,
    read_map: tuple[float, float],
    field_map: tuple[float, float],
    order: int,
    top: Floats | None = None,
) -> Swept:
    """Run `plan` over `values`.

    The maps are (shift, scale): `read_map` of the values read to the numbers whose powers are
    summed, `field_map` of these to the field. `top` may be given as a C-contiguous array to write into.
    """
    geometry = plan.geometry
    if top is None:
        top = np.empty(plan.level_sizes[-1] if plan.level_sizes else 0)
    fields = np.empty(sum(plan.level_sizes) if plan.keep else 0)
    faces = np.empty(plan.faces_size)
    sums = np.zeros((plan.group_of_segment.size, geometry.levels, STATISTICS))
    raw, code = as_bytes(values)
    buffers = Buffers(raw, code, *read_map, *field_map, order, faces, fields, top, sums)
    parallel = values.size >= SERIAL_SITES
    n_threads = numba.get_num_threads() if parallel else 1
    scratch = np.empty((n_threads, plan.scratch_size))
    work = np.empty((n_threads, EXTENTS + geometry.levels + 1, 8), np.int64)
    run = sweep_parallel if parallel else sweep
    run(geometry, buffers, False, scratch, work)
    if plan.faces_size:
        run(geometry, buffers, True, scratch, work)
    grouped = np.zeros((n_groups, geometry.levels, STATISTICS))
    if plan.group_of_segment.size:
        groups, starts = np.unique(plan.group_of_segment, return_index=True)
        grouped[groups] = np.add.reduceat(sums, starts, axis=0)
    return Swept(grouped.swapaxes(0, 1), faces, fields, top)


def location_and_scale(values: Array, most: int) -> tuple[float, float]:
    """Return mean and standard deviation of at most `most` finite values, evenly strided.

    The stride is odd, so that no column of a matrix of even width is left out. A deviation that
    is zero, or not finite, is replaced by one.
    """
    flat = values.reshape(-1)
    stride = -(-flat.size // most)
    stride += 1 - stride % 2
    sample = flat[::stride].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    shift = float(sample.mean())
    with np.errstate(over="ignore"):
        scale = float(sample.std())
    return shift, scale if 0.0 < scale < np.inf else 1.0


def group_counts(
    shape: tuple[int, ...],
    wraps: npt.NDArray[np.bool_],
    edges: tuple[Ints, ...],
    samples_per_group: Ints,
) -> tuple[Ints, Ints]:
    """Return sites (G,) and bonds (G, d) per group of a lattice cut at `edges`."""
    extents = [np.diff(np.minimum(own, n)) for own, n in zip(edges, shape, strict=True)]
    sites = _outer(extents)
    bonds = []
    for axis, n in enumerate(shape):
        lower_ends = extents[axis].copy()
        if n and not wraps[axis]:
            lower_ends[np.nonzero(lower_ends)[0][-1]] -= 1
        bonds.append(_outer([*extents[:axis], lower_ends, *extents[axis + 1 :]]))
    counts = np.outer(samples_per_group, sites).reshape(-1)
    per_axis = [np.outer(samples_per_group, own).reshape(-1) for own in bonds]
    return counts, np.stack(per_axis, axis=-1)


def _outer(extents: list[Ints]) -> Ints:
    product = np.ones(1, np.int64)
    for extent in extents:
        product = np.outer(product, extent).reshape(-1)
    return product


def lattice_sums(sums: Floats, axes: tuple[int, ...], order: int) -> tuple[Floats, Floats]:
    """Split statistics into power sums of the orders asked for and the axes of the lattice."""
    columns = [MAX_ORDER + axis for axis in axes]
    return sums[..., :order].copy(), sums[..., columns]
