"""Runs of rows of one field: planned, swept, and ready to be joined in order."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnrg_kernels import _pyramid_table as columns
from nnrg_kernels._pyramid_file import Window, goes_by_file, sweep_run_of_file
from nnrg_kernels._pyramid_ladder import Ladder
from nnrg_kernels._pyramid_plan import Round, plan_round, spread
from nnrg_kernels._pyramid_round import Workspace, sweep_round

__all__ = ["ONE_SAMPLE", "Part", "Runs"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ONE_SAMPLE = np.zeros(1, np.int64)
# A run that is swept while it is read is this many buffers long, at most, and at most this part
# of the field.
LONGEST_RUN, SMALLEST_SHARE = 8, 32


class Part(NamedTuple):
    """What one run of rows adds: sums, and its first and last row at each level, in `faces`."""

    start: int
    stop: int
    sums: Floats
    ends: Ints
    faces: Floats


class _Plan(NamedTuple):
    """A round, and for each level where its faces hold the first and the last row, and sites."""

    round: Round
    ends: Ints


class Runs:
    """How runs of rows are swept, each alone.

    Parameters
    ----------
    ladder : Ladder
        The whole field.
    steps : int
        Coarse-graining steps of a run.
    n_levels : int
        Levels whose sums are made: one more than `steps` if there is nothing above them.
    dtype : numpy.dtype
        Of the rows.
    value_map : tuple of float
        Shift and scale.
    order : int
        Highest power.

    Attributes
    ----------
    top : ndarray
        Block means of the level after the last, which all runs write to.
    """

    def __init__(
        self,
        ladder: Ladder,
        steps: int,
        n_levels: int,
        dtype: np.dtype[Any],
        value_map: tuple[float, float],
        order: int,
    ) -> None:
        self._ladder = ladder
        self._steps = steps
        self._n_levels = n_levels
        self._dtype = dtype
        self._map = value_map
        self._order = order
        self._axis = spread(len(ladder.shape))[0]
        self._edges: list[int] = ladder.edges[0].tolist()
        self._plans: dict[tuple[int, tuple[int, ...], bool], _Plan] = {}
        # Faces are large enough for fresh ones to cost as much as a tenth of the sweep: those of
        # the last run merged are in use, those of the runs before it are free.
        self._free_faces: list[Floats] = []
        self.top = np.empty(math.prod(ladder.shapes[steps]) if n_levels == steps else 0)

    def room(self, start: int, stop: int, space: Workspace | None, n_threads: int) -> Workspace:
        """Return the memory of the run before if it serves this one too."""
        plan = self._planned(start, stop).round
        if space is not None and space.serves(plan, n_threads):
            return space
        return Workspace.of(plan, self._dtype, n_threads)

    def window(self) -> Window:
        """Return the memory of a thread that sweeps runs of a file."""
        return Window.of(self._ladder.shape[-1], self._steps)

    def swept(self, start: int, rows: Array, space: Workspace) -> Part:
        """Sum a run of rows; nothing that runs share is changed but its own part of the top."""
        stop = start + len(rows)
        plan, ends = self._planned(start, stop)
        top, faces = self._places(plan, start, stop)
        maps, n_groups = (self._map, self._map), len(plan.groups)
        swept = sweep_round(rows, plan, n_groups, *maps, self._order, top, faces, space)
        return Part(start, stop, swept.sums, ends, faces)

    def buffers_in_run(self, start: int, rows: int) -> int:
        """Return how many buffers of `rows` make a run that is swept as it is read, 1 for none."""
        total = self._ladder.shape[0]
        count = min(LONGEST_RUN, (total - start) // (SMALLEST_SHARE * rows))
        if count < 2 or not self._goes_by_file(start, start + count * rows):
            return 1
        return count

    def swept_in_file(
        self, start: int, stop: int, descriptor: int, offset: int, window: Window
    ) -> Part | None:
        """Sum a run in a file whose first row is at `offset`; None if it must be read otherwise."""
        if not self._goes_by_file(start, stop):
            return None
        plan, ends = self._planned(start, stop, whole=True)
        top, faces = self._places(plan, start, stop)
        at = offset + start * self._ladder.shape[-1] * self._dtype.itemsize
        swept = sweep_run_of_file(descriptor, at, plan, self._map, self._order, top, faces, window)
        return None if swept is None else Part(start, stop, swept.sums, ends, faces)

    def give_back(self, part: Part) -> None:
        """Let the faces of a run be used again."""
        self._free_faces.append(part.faces)

    def _goes_by_file(self, start: int, stop: int) -> bool:
        plan = self._planned(start, stop, whole=True).round
        return goes_by_file(plan, self._dtype, self._map[1], self._order)

    def _places(self, plan: Round, start: int, stop: int) -> tuple[Floats, Floats]:
        """Return where a run of rows puts its part of the top, and its faces."""
        top = self.top
        if top.size:
            row_size = math.prod(self._ladder.shapes[self._steps][1:])
            block = self._ladder.blocks[self._steps][0]
            top = top[start // block * row_size : stop // block * row_size]
        try:
            faces = self._free_faces.pop()
        except IndexError:
            faces = np.empty(0)
        if faces.size < plan.faces_size:
            faces = np.empty(plan.faces_size)
        return top, faces

    def _planned(self, start: int, stop: int, *, whole: bool = False) -> _Plan:
        """Return the plan for a run of rows; most runs have that of others before them."""
        n_rows = stop - start
        cut = self._edges[bisect_right(self._edges, start) : bisect_left(self._edges, stop)]
        inner = tuple(edge - start for edge in cut)
        key = (n_rows, inner, whole)
        plan = self._plans.get(key)
        if plan is None:
            wraps = self._ladder.wraps[: self._n_levels].copy()
            wraps[:, 0] = False
            new = plan_round(
                (n_rows, *self._ladder.shape[1:]),
                self._ladder.factors,
                self._steps,
                wraps,
                ONE_SAMPLE,
                (np.array([0, *inner, n_rows], np.int64), *self._ladder.edges[1:]),
                keep=False,
                open_faces=True,
                whole=whole,
            )
            plan = self._plans[key] = _Plan(new, self._ends(new))
        return plan

    def _ends(self, plan: Round) -> Ints:
        """Return where faces hold the first and the last row of each level, and their sites."""
        axis = self._axis
        ends = np.zeros((self._n_levels, 3), np.int64)
        for own, row in zip(ends, plan.geometry.table, strict=False):
            if row[columns.SHAPE + axis]:
                at, size = row[columns.FACE_AT + axis], row[columns.FACE_SIZE + axis]
                own[:] = at, at + (2 * plan.geometry.n_boxes[axis] - 1) * size, size
        return ends
