"""The pyramid of one field that is read in runs of rows and never held."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels import _pyramid_table as columns
from nnrg_kernels._pyramid_faces import join_runs
from nnrg_kernels._pyramid_ladder import Ladder, Pyramid, climb
from nnrg_kernels._pyramid_plan import Round, levels_at_once, plan_round, spread
from nnrg_kernels._pyramid_round import Workspace, as_used, lattice_sums, sweep_round, threads_for
from nnrg_kernels._pyramid_rows import MAX_ORDER, STATISTICS
from nnrg_kernels.aligned import aligned_empty

__all__ = ["PyramidStream"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ONE_SAMPLE = np.zeros(1, np.int64)


class _Part(NamedTuple):
    """What one run of rows adds: sums, and its first and last row at each level, in `faces`."""

    stop: int
    sums: Floats
    ends: Ints
    faces: Floats


class _Plan(NamedTuple):
    """A round, and for each level where its faces hold the first and the last row, and sites."""

    round: Round
    ends: Ints


class PyramidStream:
    """Block-mean statistics of one field, fed in runs of rows.

    Parameters
    ----------
    shape : tuple of int, length d = 1, ..., 4
        The whole field; its first axis is the one that is fed.
    dtype : numpy.dtype
        Of all rows fed.
    factors : tuple of int
        Sites in a block along each axis, per step.
    levels : int
        Steps, as in `pyramid`.
    shift, scale : float
        Mean and standard deviation of the field, or of a good sample of it: they serve the levels
        up to blocks of about 1000 sites, in the unit of the field. `scale` must not be zero.
    order : int
        Highest power, at most 8.
    periodic : tuple of bool, optional
        As in `pyramid`; open if not given.
    edges : ndarray of int64, optional
        Rows at which the field is cut into groups, from 0 to ``shape[0]``; inner ones are
        multiples of ``factors[0] ** levels``. One group if not given.

    Attributes
    ----------
    row_multiple : int
        Every run but the last has a multiple of this many rows.

    Notes
    -----
    Memory is one level of means over blocks of up to about 1000 sites, which is 1/128 of a float32
    field and less than that of the rows at hand for most, plus the rows next to a cut.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg_kernels.pyramid import PyramidStream
    >>> stream = PyramidStream((8, 4), np.float64, (2, 2), 1, shift=0.0, scale=1.0, order=2)
    >>> for rows in np.arange(32.0).reshape(4, 2, 4):
    ...     stream.feed(rows)
    >>> stream.finish().sums[:, 0, 0].tolist()
    [496.0, 124.0]
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        factors: tuple[int, ...],
        levels: int,
        *,
        shift: float,
        scale: float,
        order: int = 8,
        periodic: tuple[bool, ...] | None = None,
        edges: Ints | None = None,
    ) -> None:
        first = np.array([0, shape[0]], np.int64) if edges is None else edges
        others = tuple(np.array([0, n], np.int64) for n in shape[1:])
        self._ladder = Ladder(
            shape=shape,
            factors=factors,
            levels=levels,
            periodic=periodic or (False,) * len(shape),
            sample_group=ONE_SAMPLE,
            edges=(first, *others),
        )
        self._steps = levels_at_once(factors, levels)
        self._final = self._steps == levels
        self._map = as_used(shift, scale, np.dtype(dtype))
        self._order = order
        self._dtype = np.dtype(dtype)
        self._result = self._ladder.empty(order, keep=False)
        self._edges: list[int] = self._ladder.edges[0].tolist()
        self._rows = 0
        n_levels = self._steps + self._final
        self._n_levels = n_levels
        self._first: _Part | None = None
        top = 0 if self._final else math.prod(self._ladder.shapes[self._steps])
        self._top = np.empty(top)
        self._sums = np.zeros((n_levels, self._ladder.n_groups, STATISTICS))
        self._axes = spread(len(shape))
        self._plans: dict[tuple[int, tuple[int, ...]], _Plan] = {}
        self._space: Workspace | None = None
        # Faces are large enough for fresh ones to cost as much as a tenth of the sweep: those of
        # the last run merged are in use, those of the runs before it are free.
        self._last: _Part | None = None
        self._free_faces: list[Floats] = []
        self.row_multiple = self._ladder.blocks[self._steps][0]

    def feed(self, rows: Array) -> None:
        """Take the next rows, shape (m, ``*shape[1:]``), C-contiguous."""
        plan = self._planned(self._rows, rows)
        self._space = self._room(plan.round, self._space, threads_for(rows.size))
        self._merge(self._swept(self._rows, rows, plan, self._space))

    def pull(self, read: Callable[[int, Array], None], rows: int, *, at_once: bool = False) -> None:
        """Read all rows and take them, on as many threads as Numba is set to.

        Each thread reads a run of rows into a buffer of its own and sums it alone. The sums are
        merged in the order of the rows.

        Parameters
        ----------
        read : callable
            ``read(start, buffer)`` fills `buffer` with the rows from `start` on; called by one
            thread at a time and in the order of the rows.
        rows : int
            Rows in a run, a multiple of `row_multiple`.
        at_once : bool
            Whether `read` may be called by several threads at once, in any order: two that read
            and sum by turns wait for each other, two that read as they please do not.
        """
        total, row_shape = self._ladder.shape[0], self._ladder.shape[1:]
        starts = iter(range(self._rows, total, rows))
        done: dict[int, _Part] = {}
        reading, merging = Lock(), Lock()

        def work(_: int) -> None:
            buffer = aligned_empty((rows, *row_shape), self._dtype)
            space = None
            while True:
                with reading:
                    start = next(starts, None)
                    if start is None:
                        return
                    run = buffer[: min(rows, total - start)]
                    if not at_once:
                        read(start, run)
                if at_once:
                    read(start, run)
                plan = self._planned(start, run)
                space = self._room(plan.round, space, 1)
                part = self._swept(start, run, plan, space)
                with merging:
                    done[start] = part
                    while self._rows in done:
                        self._merge(done.pop(self._rows))

        threads = numba.get_num_threads()
        if threads == 1:
            work(0)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))

    def _room(self, plan: Round, space: Workspace | None, n_threads: int) -> Workspace:
        """Return the memory of the run before if it serves this one too."""
        if space is not None and space.serves(plan, n_threads):
            return space
        return Workspace.of(plan, self._dtype, n_threads)

    def _swept(self, start: int, rows: Array, planned: _Plan, space: Workspace) -> _Part:
        """Sum a run of rows; nothing of the stream is changed but its own part of the top."""
        plan, stop = planned.round, start + rows.shape[0]
        row_size = math.prod(self._ladder.shapes[self._steps][1:])
        block = self.row_multiple
        top = None
        if not self._final:
            top = self._top[start // block * row_size : stop // block * row_size]
        n_groups = len(plan.groups)
        faces = self._free_faces.pop() if self._free_faces else np.empty(0)
        if faces.size < plan.faces_size:
            faces = np.empty(plan.faces_size)
        swept = sweep_round(
            rows, plan, n_groups, self._map, self._map, self._order, top, faces, space
        )
        return _Part(stop, swept.sums, planned.ends, faces)

    def _merge(self, part: _Part) -> None:
        """Add the sums of the next run of rows, and the bonds that lead to it."""
        group = bisect_right(self._edges, self._rows) - 1
        self._sums[:, group : group + part.sums.shape[1]] += part.sums
        if self._first is None or self._last is None:
            self._first = part._replace(faces=part.faces.copy())
        else:
            self._join(self._last, part)
            self._free_faces.append(self._last.faces)
        self._last = part
        self._rows = part.stop

    def finish(self) -> Pyramid:
        """Return the statistics of all that was fed."""
        ladder, result = self._ladder, self._result
        n_levels = self._n_levels
        result.shift[:n_levels], result.scale[:n_levels] = self._map
        if self._first is not None and self._last is not None:
            self._join(self._last, self._first, ladder.wraps[:n_levels, 0])
        here = slice(n_levels)
        result.sums[here], result.gradients[here] = lattice_sums(
            self._sums, self._axes, self._order
        )
        if not self._final:
            top = self._top.reshape(1, *ladder.shapes[self._steps])
            climb(top, ladder, self._steps, self._map, self._order, result)
        return result

    def _planned(self, start: int, rows: Array) -> _Plan:
        """Return the plan for a run of rows; most runs have that of others before them."""
        n_rows = rows.shape[0]
        stop = start + n_rows
        cut = self._edges[bisect_right(self._edges, start) : bisect_left(self._edges, stop)]
        inner = tuple(edge - start for edge in cut)
        key = (n_rows, inner)
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
            )
            plan = self._plans[key] = _Plan(new, self._ends(new))
        return plan

    def _ends(self, plan: Round) -> Ints:
        """Return where faces hold the first and the last row of each level, and their sites."""
        axis = self._axes[0]
        ends = np.zeros((self._n_levels, 3), np.int64)
        for own, row in zip(ends, plan.geometry.table, strict=False):
            if row[columns.SHAPE + axis]:
                at, size = row[columns.FACE_AT + axis], row[columns.FACE_SIZE + axis]
                own[:] = at, at + (2 * plan.geometry.n_boxes[axis] - 1) * size, size
        return ends

    def _join(
        self, lower: _Part, upper: _Part, levels: npt.NDArray[np.bool_] | None = None
    ) -> None:
        """Add the bonds from the last rows of a run to the first rows of the one after it.

        A run without a row of some level, of which it has too few, is the last one: no bond leads
        on from there.
        """
        bonds = np.zeros(self._n_levels)
        join_runs(lower.faces, lower.ends, upper.faces, upper.ends, bonds)
        if levels is not None:
            bonds[~levels] = 0.0
        group = bisect_right(self._edges, lower.stop - 1) - 1
        self._sums[:, group, MAX_ORDER + self._axes[0]] += bonds
