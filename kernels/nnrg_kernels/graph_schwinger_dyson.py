"""Sums over sites behind the Schwinger-Dyson equations of a scalar field on a graph.

As `nnrg_kernels.schwinger_dyson`, with the sum over offsets replaced by the sum over neighbours: of
a field on the nodes of one graph, or on the product of two, which has neighbours along each axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, product
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._graph_sd_rows import gather_sites, neighbour_rows, sum_products
from nnrg_kernels._stencil import KINDS, build_stencil
from nnrg_kernels._user_rows import compile_site
from nnrg_kernels.schwinger_dyson import SERIAL, Sums, collect

__all__ = ["GraphTerm", "Neighbours", "accumulate_on_graph"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TILE = 8  # samples that share one pass over the lists of neighbours
CHUNK = 1 << 14  # values of a tile whose derivatives are held at a time
ROW = 512
TASKS = 64
# From so many tasks on threads take a task each, else they share the chunks of one.
FEW_TASKS = 4
_ON_NEIGHBOURS = ("quadratic", "quartic", "cubic")


class Neighbours(NamedTuple):
    """Neighbours along one axis, by rows (CSR).

    Attributes
    ----------
    axis : int
    indptr : (n + 1,) int64 array
    indices : int64 array
        Nodes of that axis.
    weights : float64 array
        Of each neighbour; empty if all are one. Read by ``"quadratic"`` terms alone.
    """

    axis: int
    indptr: Ints
    indices: Ints
    weights: Floats


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
        Rescaling, inverse field units: y = values * inverse should be of order one.
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
    flat = values.reshape(values.shape[0], -1)
    n = flat.shape[1]
    order = np.argsort(sample_group, kind="stable")
    groups = sample_group[order]
    n_tiles = -(-order.size // TILE)
    tasks = np.linspace(0, n_tiles, min(n_tiles, TASKS) + 1).astype(np.int64)
    # A cut that depends on the shape of the data alone, never on the threads.
    cells, chunks = _chunks(shape, edges, max(1, CHUNK // min(TILE, order.size)))
    n_cells = int(np.prod([e.size - 1 for e in edges]))
    work = _Work(terms, neighbours, shape, power, window)

    sizes = np.zeros(n_cells, np.int64)
    np.add.at(sizes, cells, [int((runs[:, 1] - runs[:, 0]).sum()) for runs in chunks])
    per_group = np.bincount(groups)
    sites = (per_group[:, None] * sizes).ravel()
    total = work.zeros(sites.size)
    threads = 1 if flat.size < SERIAL else numba.get_num_threads()
    apart = tasks.size - 1 >= FEW_TASKS

    def one(task: int, pool: ThreadPoolExecutor | None) -> tuple[Ints, tuple[Floats, ...]]:
        """Sum over the tiles of one task: results by chunk, then by group of its samples."""
        chosen = slice(TILE * tasks[task], TILE * tasks[task + 1])
        present, slots = np.unique(groups[chosen], return_inverse=True)
        sums = tuple(np.zeros((len(chunks), *s.shape)) for s in work.zeros(present.size))
        samples = order[chosen]
        for low in range(0, samples.size, TILE):
            tile = samples[low : low + TILE]
            y = np.empty((n, tile.size))
            np.multiply(flat[tile].T.astype(np.float64, copy=False), inverse, out=y)
            of_tile = slots[low : low + TILE].astype(np.int64)

            def run(chunk: int, y: Floats = y, of_tile: Ints = of_tile) -> None:
                work.sum_chunk(y, of_tile, chunks[chunk], *(s[chunk] for s in sums))

            for _ in pool.map(run, range(len(chunks))) if pool else map(run, range(len(chunks))):
                pass
        return present, sums

    for present, sums in _in_order(one, tasks.size - 1, threads, apart=apart):
        for g, group in enumerate(present):
            for to, part in zip(total, sums, strict=True):
                np.add.at(to, group * n_cells + cells, part[:, g])
    return work.collect(sites, *total)


def _in_order(one: Any, tasks: int, threads: int, *, apart: bool) -> Iterator[Any]:
    """Yield the results of the tasks in their order; threads take whole tasks if `apart`."""
    if threads < 2:
        yield from (one(task, None) for task in range(tasks))
        return
    with ThreadPoolExecutor(threads) as pool:
        if apart:
            yield from pool.map(lambda task: one(task, None), range(tasks))
        else:
            yield from (one(task, pool) for task in range(tasks))


class _Work:
    """What all chunks have in common."""

    def __init__(
        self,
        terms: Sequence[GraphTerm],
        neighbours: Sequence[Neighbours],
        shape: tuple[int, ...],
        power: int,
        window: tuple[float, float] | None,
    ) -> None:
        strides = [int(np.prod(shape[a + 1 :])) for a in range(len(shape))]
        # Terms of the same list and of different kinds are done in one pass over the list.
        passes: dict[tuple[int, int], Ints] = {}
        for c, term in enumerate(terms):
            if term.near >= 0:
                kind = _ON_NEIGHBOURS.index(term.kind)
                twin = sum(t.kind == term.kind and t.near == term.near for t in terms[:c])
                key = (term.near, twin)
                passes.setdefault(key, np.full(3, -1, np.int64))[kind] = c
        self._passes = [
            (neighbours[near], strides[neighbours[near].axis], channel)
            for (near, _), channel in passes.items()
        ]
        self._kinds = np.array([KINDS.index(t.kind) for t in terms], np.int64)
        self._loops = [compile_site(*t.function) if t.function else None for t in terms]
        self._calls = np.array([loop.address if loop else 0 for loop in self._loops], np.int64)
        self._power, self._windowed = power, window is not None
        self._window = np.array(window or (0.0, 0.0), np.float64)

    def zeros(self, groups: int) -> tuple[Floats, Floats, Floats]:
        """Return room for the sums of products, of second derivatives and of weights."""
        c = self._kinds.size
        return (
            np.zeros((groups, self._power + c, 4 + c)),
            np.zeros((groups, c)),
            np.zeros((groups, 2)),
        )

    def sum_chunk(
        self, y: Floats, slots: Ints, runs: Ints, products: Floats, second: Floats, edge: Floats
    ) -> None:
        """Add the sums of one chunk of sites of one tile of samples."""
        width, c = y.shape[1], self._kinds.size
        size = int((runs[:, 1] - runs[:, 0]).sum()) * width
        every = y.reshape(-1)
        own, derivative, slope = np.empty(size), np.empty((c, size)), np.empty((c, size))
        gather_sites(every, width, runs, own)
        for near, stride, channel in self._passes:
            neighbour_rows(
                every, width, runs, near.indptr, near.indices, near.weights, stride,
                channel, derivative, slope,
            )  # fmt: skip
        rows, weighted = np.empty((self._power + c, ROW)), np.empty((3 + c, ROW))
        weighted[-2], weighted[-1] = 1.0, 0.0
        sum_products(
            own, width, slots, self._kinds, self._calls, derivative, slope, self._window,
            rows, weighted, np.empty(ROW), products, second, edge,
        )  # fmt: skip

    def collect(self, sites: Ints, products: Floats, second: Floats, edge: Floats) -> Sums:
        """Return the sums by kind of product."""
        if not self._windowed:
            edge[:, 0] = sites
        # Without offsets: second derivatives are complete, also those that are constant.
        kinds = build_stencil(1, tuple((KINDS[k], ()) for k in self._kinds))
        return collect(self._power, sites, products, second, edge, kinds, self._windowed)


def _chunks(shape: tuple[int, ...], edges: tuple[Ints, ...], most: int) -> tuple[Ints, list[Ints]]:
    """Cut the sites into chunks of at most about `most` sites of one cell, as runs.

    Returns the cell of each chunk, and its runs, an array of first sites and ends.
    """
    strides = np.array([int(np.prod(shape[a + 1 :])) for a in range(len(shape))])
    cells, chunks = [], []
    spans = [np.column_stack([edge[:-1], edge[1:]]).astype(np.int64) for edge in edges]
    for cell, span in enumerate(product(*spans)):
        lead = np.meshgrid(*(np.arange(*s) for s in span[:-1]), indexing="ij")
        start = sum((i.ravel() * s for i, s in zip(lead, strides, strict=False)), np.zeros(1, int))
        low, high = span[-1]
        pieces = max(1, -(-(high - low) // most))
        at = low + (high - low) * np.arange(pieces + 1) // pieces
        each = max(1, most * pieces // max(1, high - low))
        for left, right in pairwise(at):
            for first in range(0, start.size, each):
                rows = start[first : first + each]
                cells.append(cell)
                chunks.append(np.column_stack([rows + left, rows + right]).astype(np.int64))
    return np.array(cells, np.int64), chunks
