"""Sums over sites behind the Schwinger-Dyson equations of a scalar field on a graph.

As `nnrg_kernels.schwinger_dyson`, with the sum over offsets replaced by the sum over neighbours: of
a field on the nodes of one graph, or on the product of two, which has neighbours along each axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._graph_lists import Neighbours, build_lists
from nnrg_kernels._graph_sd_rows import ROW, Channels, Scratch, sum_lines
from nnrg_kernels._graph_sums import TILE, fill_sums, turn_lines
from nnrg_kernels._stencil import KINDS, build_stencil
from nnrg_kernels._user_rows import compile_site
from nnrg_kernels.graph_neighbours import empty_columns
from nnrg_kernels.graph_rows import add_neighbours
from nnrg_kernels.schwinger_dyson import SERIAL, Sums, collect

__all__ = ["GraphTerm", "Neighbours", "accumulate_on_graph"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

COLUMNS = 2048  # sites of a piece of a line
HELD = 1 << 14  # sites whose sums over neighbours are held at a time
BATCH = 1 << 20  # values that are converted at a time
TASK = 1 << 15  # values of a task, at least
TASKS = 64
# From so many tiles of lines on threads take some of them each, else they share the columns of one.
FEW_TILES = 4
# Nodes whose numbers in a few dozen lines fit the second cache.
MOST_BY_ROWS = 1024
# Powers of the neighbours that are summed over.
_POWERS = {"quadratic": (1,), "quartic": (2,), "cubic": (1, 3)}


class GraphTerm(NamedTuple):
    """One operator O whose derivative T_x = dO/dy_x is a channel.

    Attributes
    ----------
    kind : str
        As in `nnrg_kernels.schwinger_dyson.Term`, with sums over neighbours n of weight w:
        ``"quadratic"``, T = sum_n (|w| y - w n); ``"quartic"``, ``"cubic"``, ``"bounded"`` and
        ``"site"``.
    near : int
        Which of the `neighbours`.
    function : pair of callables, optional
        Derivatives of a ``"site"`` term.
    """

    kind: str
    near: int = -1
    function: tuple[Callable[..., float], Callable[..., float]] | None = None


def accumulate_on_graph(
    values: npt.NDArray[Any],
    inverse: float,
    *,
    shift: float = 0.0,
    power: int,
    neighbours: Sequence[Neighbours],
    terms: Sequence[GraphTerm],
    sample_group: Ints,
    edges: tuple[Ints, ...],
    window: tuple[float, float] | None = None,
) -> Sums:
    """Sum products of derivatives over the sites of a field on a graph, group by group.

    Parameters
    ----------
    values : (S, n_0, ..., n_{d-1}) array
        The field, samples first; d = 1 on one graph, d = 2 on a product of two.
    inverse : float
        Rescaling, inverse field units: y = (values - shift) * inverse should be of order one.
    shift : float
        In field units. The zero of the field means something to the action: shifted are fields
        whose differences alone are asked for.
    power : int
        Largest power K of y, at least 1.
    neighbours : sequence of Neighbours
    terms : sequence of GraphTerm
        Operators other than powers of y; may be empty.
    sample_group : (S,) int64 array
        Group of each sample.
    edges : tuple of d int64 arrays
        For each axis ascending edges from 0 to n_a that cut the sites into cells. The group of a
        site is ``sample_group * cells + cell``, cells in row-major order.
    window : (low, high), optional
        Edges of the support of y: no site may lie outside them. Every site is weighted as in
        `nnrg_kernels.schwinger_dyson.accumulate`.

    Returns
    -------
    Sums
        Over all sites: a node has all its neighbours.

    Notes
    -----
    The sums are the same bit for bit for any number of threads. NaN and infinity propagate.

    Examples
    --------
    The three nodes of a path, each the neighbour of the next:

    >>> import numpy as np
    >>> path = Neighbours(0, np.array([0, 1, 3, 4]), np.array([1, 0, 2, 1]), np.empty(0))
    >>> sums = accumulate_on_graph(
    ...     np.array([[1.0, 2.0, 4.0]]), 1.0, power=1, neighbours=(path,),
    ...     terms=(GraphTerm("quadratic", 0),),
    ...     sample_group=np.array([0]), edges=(np.array([0, 3]),),
    ... )
    >>> sums.gram.tolist(), sums.second.tolist()
    ([[[6.0]]], [[4.0]])
    """
    shape = values.shape[1:]
    n_rows, n = (1, *shape)[-2:]
    flat = values.reshape(values.shape[0], n_rows, n)
    order = np.argsort(sample_group, kind="stable")
    rows, columns = (np.array([0, 1]), *edges)[-2:]
    n_columns = columns.size - 1
    n_cells = (rows.size - 1) * n_columns
    cell = (np.searchsorted(rows, np.arange(n_rows), side="right") - 1) * n_columns
    sizes = np.diff(rows)[:, None] * np.diff(columns)
    sites = (np.bincount(sample_group)[:, None] * sizes.ravel()).ravel()
    # The last of two axes, and the only one, is that of the columns.
    across = [near.axis < len(shape) - 1 for near in neighbours]
    work = _Work(terms, neighbours, across, (n_rows, n), power, window, columns)
    total = work.zeros(sites.size)
    threads = 1 if flat.size < SERIAL else numba.get_num_threads()
    # A cut that depends on the shape of the data alone, never on the threads.
    batch = max(1, BATCH // (n_rows * n))
    if n_rows % TILE:
        batch = -(-batch // TILE) * TILE
    for at in range(0, order.size, batch):
        samples = order[at : at + batch]
        lines = work.load(flat, samples, shift, inverse)
        group = (sample_group[samples][:, None] * n_cells + cell).ravel()
        for first, sums in _run(work.tasks(lines, group, n_cells), threads):
            for to, part in zip(total, sums, strict=True):
                to[first : first + part.shape[0]] += part
    return work.collect(sites, *total)


def _run(tasks: list[Callable[[], Any]], threads: int) -> list[Any]:
    """Return the results of the tasks in their order."""
    if threads < 2 or len(tasks) < 2:
        return [task() for task in tasks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda task: task(), tasks))


class _Work:
    """What all tiles of lines have in common."""

    def __init__(
        self,
        terms: Sequence[GraphTerm],
        neighbours: Sequence[Neighbours],
        across: Sequence[bool],
        shape: tuple[int, int],
        power: int,
        window: tuple[float, float] | None,
        columns: Ints,
    ) -> None:
        self._length, self._n = shape
        # Each sum over neighbours once: of which list, with its weights or not, of which power.
        sums: dict[tuple[int, bool, int], int] = {}
        first, second = np.full((2, len(terms)), -1, np.int64)
        for c, term in enumerate(terms):
            for of_channel, p in zip((first, second), _POWERS.get(term.kind, ()), strict=False):
                weighted = term.kind == "quadratic" and neighbours[term.near].weights.size > 0
                of_channel[c] = sums.setdefault((term.near, weighted, p), len(sums))
        self._lists, self._powers = build_lists(list(sums), neighbours, across)
        self._by_rows = self._n <= MOST_BY_ROWS and not self._lists.across.any()
        kinds = np.array([KINDS.index(t.kind) for t in terms], np.int64)
        self._loops = [compile_site(*t.function) if t.function else None for t in terms]
        calls = np.array([loop.address if loop else 0 for loop in self._loops], np.int64)
        self._channels = Channels(kinds, first, second, calls)
        self._power, self._windowed = power, window is not None
        self._window = np.array(window or (0.0, 0.0), np.float64)
        self._columns = columns.astype(np.int64)

    def zeros(self, groups: int) -> tuple[Floats, Floats, Floats]:
        """Return room for the sums of products, of second derivatives and of weights."""
        c = self._channels.kind.size
        return (
            np.zeros((groups, self._power + c, 4 + c)),
            np.zeros((groups, c)),
            np.zeros((groups, 2)),
        )

    def load(self, values: npt.NDArray[Any], samples: Ints, shift: float, inverse: float) -> Floats:
        """Return the lines of some samples, and the powers of them that neighbours enter with."""
        out = np.empty((self._powers, samples.size * self._length, self._n))
        y = out[0].reshape(samples.size, self._length, self._n)
        y[:] = values if samples.size == values.shape[0] == 1 else values[samples]
        if shift:
            y -= shift
        y *= inverse
        for p in range(1, self._powers):
            np.multiply(out[p - 1], out[0], out=out[p])
        return out

    def tasks(self, lines: Floats, group: Ints, n_cells: int) -> list[Callable[[], Any]]:
        """Cut the lines of a batch, of these groups, into tasks.

        Each returns the first of the groups that it has sums of, and the sums.
        """
        n_lines = group.size
        tiles = -(-n_lines // TILE)
        if tiles >= FEW_TILES:
            most = max(1, min(tiles, TASKS, lines[0].size // TASK))
            edges = TILE * (tiles * np.arange(most + 1) // most)
            cut = [(low, min(high, n_lines)) for low, high in pairwise(edges.tolist())]
            return [partial(self._sum, lines, group, n_cells, *at, 0, self._n, None) for at in cut]
        pieces = max(1, -(-self._n // COLUMNS))
        columns = [self._n * piece // pieces for piece in range(pieces + 1)]
        out: list[Callable[[], Any]] = []
        for low in range(0, n_lines, TILE):
            high = min(low + TILE, n_lines)
            turned = self._room()
            turn_lines(lines, low, high, turned)
            for left, right in pairwise(columns):
                at = low, high, left, right
                out.append(partial(self._sum, lines, group, n_cells, *at, turned))
        return out

    def _room(self) -> Floats:
        """Return room for the lines of a tile next to one another."""
        flat = empty_columns(self._powers * self._n, TILE)
        return flat.reshape(self._powers, self._n, TILE)

    def _sum(
        self,
        lines: Floats,
        group: Ints,
        n_cells: int,
        low: int,
        high: int,
        left: int,
        right: int,
        turned: Floats | None,
    ) -> tuple[int, tuple[Floats, Floats, Floats]]:
        """Sum over some lines; those of a task belong to a few groups, one after the other."""
        first = int(group[low]) // n_cells * n_cells
        last = int(group[high - 1]) // n_cells * n_cells + n_cells
        out = self.zeros(last - first)
        c, width = self._channels.kind.size, right - left
        weighted = empty_columns(3 + c, ROW + TILE)
        weighted[-2], weighted[-1] = 1.0, 0.0
        scratch = Scratch(empty_columns(self._power + c, ROW + TILE), weighted, np.empty(ROW))
        step = TILE * max(1, HELD // (TILE * width))
        n_sums, room = max(1, self._lists.across.size), TILE * -(-min(step, high - low) // TILE)
        sums = empty_columns(n_sums * room, width).reshape(n_sums, room, width)
        ready, group = turned is not None, group - first
        turned = self._room() if turned is None else turned
        for start in range(low, high, step):
            at = start, min(start + step, high), left, right
            if self._by_rows and not ready:
                self._fill_by_rows(lines, *at[:2], sums)
            else:
                fill_sums(lines, self._length, self._lists, *at, ready, turned, sums)
            sum_lines(
                lines[0], self._length, self._lists, sums, self._channels, self._window, group,
                self._columns, *at, scratch, *out,
            )  # fmt: skip
        return first, out

    def _fill_by_rows(self, lines: Floats, low: int, high: int, out: Floats) -> None:
        """Do as `fill_sums` with the numbers of a node next to one another: neighbours are rows."""
        lists = self._lists
        rows = [np.ascontiguousarray(power[low:high].T) for power in lines]
        found = np.empty((self._n, high - low))
        for q, (power, first) in enumerate(zip(lists.power, lists.first, strict=False)):
            indptr = lists.indptr[first : first + self._n + 1]
            add_neighbours(indptr, lists.indices, lists.weights, rows[power], found)
            out[q, : high - low] = found.T

    def collect(self, sites: Ints, products: Floats, second: Floats, edge: Floats) -> Sums:
        """Return the sums by kind of product."""
        if not self._windowed:
            edge[:, 0] = sites
        # Without offsets: second derivatives are complete, also those that are constant.
        kinds = build_stencil(1, tuple((KINDS[k], ()) for k in self._channels.kind))
        return collect(self._power, sites, products, second, edge, kinds, self._windowed)
