"""One round of the pyramid: several levels of one array of values, planned and swept."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._load import as_bytes
from nnrg_kernels._pyramid_boxes import sweep
from nnrg_kernels._pyramid_faces import stitch
from nnrg_kernels._pyramid_pairs import goes_in_pairs, sweep_pairs
from nnrg_kernels._pyramid_plan import Round
from nnrg_kernels._pyramid_rows import MAX_ORDER, STATISTICS
from nnrg_kernels._pyramid_table import EXTENT_COLUMNS, EXTENTS, Buffers

__all__ = [
    "Swept",
    "Workspace",
    "as_used",
    "by_group",
    "empty_sums",
    "lattice_sums",
    "location_and_scale",
    "sweep_round",
    "threads_for",
]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Threads cost more than they gain below this many sites.
SERIAL_SITES = 2**17
# Shares of the work per thread: the last to finish keeps the others waiting for one share.
SHARES = 4


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


@dataclass(frozen=True, slots=True)
class Workspace:
    """Memory of a round that a next round of the same shape can use again, for each thread.

    Fresh pages from the system cost a third of the time of a round of 4 MiB.
    """

    line: Array
    scratch: Floats
    work: Ints

    @classmethod
    def of(cls, plan: Round, dtype: np.dtype[Any], n_threads: int) -> Workspace:
        """Return what `plan` needs to sweep numbers of a type."""
        return cls(
            line=np.empty((n_threads, plan.line_size), line_type(dtype)),
            scratch=np.empty((n_threads, plan.scratch_size)),
            work=np.empty(
                (n_threads, EXTENTS + plan.geometry.levels + 1, EXTENT_COLUMNS), np.int64
            ),
        )

    def serves(self, plan: Round, n_threads: int) -> bool:
        """Return whether there is room for a round on so many threads."""
        return (
            len(self.line) == n_threads
            and self.line.shape[1] >= plan.line_size
            and self.scratch.shape[1] >= plan.scratch_size
            and self.work.shape[1] > EXTENTS + plan.geometry.levels
        )


def threads_for(n_sites: int) -> int:
    """Return on how many threads to sweep so many sites."""
    return numba.get_num_threads() if n_sites >= SERIAL_SITES else 1


def sweep_round(
    values: Array,
    plan: Round,
    n_groups: int,
    read_map: tuple[float, float],
    field_map: tuple[float, float],
    order: int,
    top: Floats | None = None,
    faces: Floats | None = None,
    space: Workspace | None = None,
) -> Swept:
    """Run `plan` over `values`, on as many threads as Numba is set to or as `space` is for.

    The maps are (shift, scale): `read_map` of the values read to the numbers whose powers are
    summed, `field_map` of these to the field. `top` and `faces` are where to write these, if given.
    """
    geometry = plan.geometry
    space = space or Workspace.of(plan, values.dtype, threads_for(values.size))
    n_threads = len(space.line)
    if top is None:
        top = np.empty(plan.top_size)
    if faces is None:
        faces = np.empty(plan.faces_size)
    fields = np.empty(plan.fields_size)
    sums = empty_sums(plan)
    raw, code = as_bytes(values)
    buffers = Buffers(raw, code, *read_map, *field_map, order, faces, fields, top, sums)
    in_pairs = goes_in_pairs(raw, code, buffers.scale, order, plan)

    def sweep_share(thread: int, first: int, last: int) -> None:
        own = space.line[thread], space.scratch[thread], space.work[thread]
        way = sweep_pairs if in_pairs else sweep
        way(geometry, buffers, first, last, *own)

    def stitch_share(thread: int, first: int, last: int) -> None:
        stitch(geometry, buffers, first, last, space.work[thread])

    _share(n_threads, geometry.chunks.size - 1, sweep_share)
    if plan.has_bonds:
        _share(n_threads, geometry.chunks.size - 1, stitch_share)
    return Swept(by_group(sums, plan, n_groups), faces, fields, top)


def empty_sums(plan: Round) -> Floats:
    """Return the accumulators of a round; one level more, for sums that no one asks for."""
    return np.zeros((plan.group_of_segment.size, plan.geometry.levels + 1, STATISTICS))


def by_group(sums: Floats, plan: Round, n_groups: int) -> Floats:
    """Return the sums of each level and group, from those of segments."""
    grouped = np.zeros((n_groups, plan.geometry.levels, STATISTICS))
    if plan.groups.size:
        grouped[plan.groups] = np.add.reduceat(sums[:, :-1], plan.first_segments, axis=0)
    return grouped.swapaxes(0, 1)


def _share(n_threads: int, n_chunks: int, do: Callable[[int, int, int], None]) -> None:
    """Share chunks of work among threads; whichever takes a chunk, its sums are the same."""
    if n_threads == 1:
        do(0, 0, n_chunks)
        return
    n_shares = min(n_chunks, SHARES * n_threads)
    ends = [share * n_chunks // n_shares for share in range(n_shares + 1)]
    pending = iter(list(itertools.pairwise(ends)))  # taking the next one is atomic

    def work_off(thread: int) -> None:
        for first, last in pending:
            do(thread, first, last)

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(work_off, range(n_threads)))


def line_type(dtype: np.dtype[Any]) -> type[np.float64] | type[np.float32]:
    """Return the arithmetic of the first level: float32 for numbers of 16 bits, float64 else."""
    return np.float32 if dtype.itemsize == 2 else np.float64


def as_used(shift: float, scale: float, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Round a map so that the arithmetic of the first level applies it as it is reported."""
    if line_type(dtype) is np.float64:
        return shift, scale
    scale = min(max(scale, 1e-37), 1e37)
    return float(np.float32(shift)), 1.0 / float(np.float32(1.0 / scale))


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
    return as_used(shift, scale if 0.0 < scale < np.inf else 1.0, values.dtype)


def lattice_sums(sums: Floats, axes: tuple[int, ...], order: int) -> tuple[Floats, Floats]:
    """Split statistics into power sums of the orders asked for and the axes of the lattice."""
    columns = [MAX_ORDER + axis for axis in axes]
    return sums[..., :order].copy(), sums[..., columns]
