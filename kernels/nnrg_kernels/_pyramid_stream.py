"""The pyramid of one field that is read in runs of rows and never held."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._pyramid_faces import join_runs
from nnrg_kernels._pyramid_ladder import Ladder, Pyramid, climb
from nnrg_kernels._pyramid_plan import levels_at_once, spread
from nnrg_kernels._pyramid_round import Workspace, as_used, lattice_sums, threads_for
from nnrg_kernels._pyramid_rows import MAX_ORDER, STATISTICS
from nnrg_kernels._pyramid_runs import ONE_SAMPLE, Part, Runs
from nnrg_kernels.aligned import aligned_empty

__all__ = ["PyramidStream"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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
        self._first: Part | None = None
        self._sums = np.zeros((n_levels, self._ladder.n_groups, STATISTICS))
        self._axes = spread(len(shape))
        self._space: Workspace | None = None
        self._last: Part | None = None
        self._runs = Runs(self._ladder, self._steps, n_levels, self._dtype, self._map, order)
        self.row_multiple = self._ladder.blocks[self._steps][0]

    def feed(self, rows: Array) -> None:
        """Take the next rows, shape (m, ``*shape[1:]``), C-contiguous."""
        if not len(rows):
            return
        start, stop = self._rows, self._rows + len(rows)
        self._space = self._runs.room(start, stop, self._space, threads_for(rows.size))
        self._merge(self._runs.swept(start, rows, self._space))

    def pull(
        self,
        read: Callable[[int, Array], None],
        rows: int,
        *,
        at_once: bool = False,
        place: tuple[int, int] | None = None,
    ) -> None:
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
        place : tuple of int, optional
            Descriptor of an open file, and where in it the rows start, which follow one another as
            they are: they may be read there instead. What cannot be read is left to `read`, which
            is then called by several threads at once.
        """
        at_once = at_once or place is not None
        total, row_shape, runs = self._ladder.shape[0], self._ladder.shape[1:], self._runs
        length = rows * runs.buffers_in_run(self._rows, rows) if place else rows
        starts = iter(range(self._rows, total, length))
        done: dict[int, Part] = {}
        reading, merging = Lock(), Lock()

        def work(_: int) -> None:
            buffer = aligned_empty((rows, *row_shape), self._dtype)
            space = None
            window = runs.window() if length > rows else None
            while True:
                with reading:
                    start = next(starts, None)
                    if start is None:
                        return
                    stop = min(start + length, total)
                    if not at_once:
                        read(start, buffer[: stop - start])
                parts = []
                if place and window:
                    part = runs.swept_in_file(start, stop, *place, window)
                    parts = [part] if part else []
                for first in range(start, stop, rows) if not parts else ():
                    run = buffer[: min(rows, stop - first)]
                    if at_once:
                        read(first, run)
                    space = runs.room(first, first + len(run), space, 1)
                    parts.append(runs.swept(first, run, space))
                with merging:
                    done.update((part.start, part) for part in parts)
                    while self._rows in done:
                        self._merge(done.pop(self._rows))

        threads = numba.get_num_threads()
        if threads == 1:
            work(0)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))

    @np.errstate(invalid="ignore", over="ignore")  # of each thread: what is not finite shows
    def _merge(self, part: Part) -> None:
        """Add the sums of the next run of rows, and the bonds that lead to it."""
        group = bisect_right(self._edges, self._rows) - 1
        self._sums[:, group : group + part.sums.shape[1]] += part.sums
        if self._first is None or self._last is None:
            self._first = part._replace(faces=part.faces.copy())
        else:
            self._join(self._last, part)
            self._runs.give_back(self._last)
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
            top = self._runs.top.reshape(1, *ladder.shapes[self._steps])
            climb(top, ladder, self._steps, self._map, self._order, result)
        return result

    def _join(self, lower: Part, upper: Part, levels: npt.NDArray[np.bool_] | None = None) -> None:
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
