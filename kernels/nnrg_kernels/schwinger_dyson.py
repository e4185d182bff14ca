"""Sums over sites behind the Schwinger-Dyson equations of a scalar lattice field.

The action S = sum_a g_a O_a obeys ``<F_x dS/dphi_x> = <dF_x/dphi_x>`` for every function F_x of the
field. What has to be summed over sites are products of *rows*: powers of the field (derivatives of
local operators, and test functions) and derivatives of operators that couple neighbours. Rows of a
few hundred sites are built in the first cache levels, then one update adds all their products, so
a further operator is one more row and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._load import as_bytes
from nnrg_kernels._parts import Parts, cut_parts
from nnrg_kernels._row_products import add_row_products
from nnrg_kernels._stencil import ORIGIN, Stencil, build_stencil, derivative_rows, load_line

__all__ = ["Sums", "accumulate"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Sites in a row: all rows together fit the second cache level, the few at work the first.
WIDTH = 512
CACHE_LINE = 8  # float64 numbers
SERIAL = 1 << 16  # below this many sites threads cost more than they bring
NOWHERE = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the used sites x of each group; y is the rescaled field, T_c a derivative row.

    All are in units of the rescaled field: dimensionless when `inverse` has inverse field units.

    Attributes
    ----------
    names : tuple of str, length C
        Operators whose derivative T_c = dO_c/dy_x is: ``"grad2:0"``, ``"J:2"``, ``"U:1"``,
        ``"bounded"``.
    sites : (G,) int64 array
        Number of sites used.
    moments : (G, 2K + 1) float64 array
        Sums of y^p.
    cross : (G, K + 1, C) float64 array
        Sums of y^k T_c.
    gram : (G, C, C) float64 array
        Sums of T_c T_c'.
    second : (G, C) float64 array
        Sums of dT_c/dy_x.
    """

    names: tuple[str, ...]
    sites: Ints
    moments: Floats
    cross: Floats
    gram: Floats
    second: Floats


@borrowing_kernel
def _run_parts(
    raw: npt.NDArray[np.uint8],
    code: int,
    shape: Ints,
    inverse: float,
    stencil: Stencil,
    parts: Parts,
    task: int,
    lines: Floats,
    held: Ints,
    rows: Floats,
    products: Floats,
    second: Floats,
) -> None:
    """Sum over the parts of one task; rows of sites that belong to one part share the rows."""
    channels, halo, planes = stencil.kind.size, stencil.halo, stencil.planes
    slots = lines.shape[1]
    y_row = rows[1 + channels if rows.shape[0] > 1 + channels else 0]
    for part in range(parts.tasks[task], parts.tasks[task + 1]):
        low, high = parts.boxes[parts.box[part]]
        n1, n2 = high[1] - low[1], high[2] - low[2]
        volume = (high[0] - low[0]) * n1 * n2
        tiles = -((low[3] - high[3]) // WIDTH)
        fill = int(np.int64(0))  # a literal would have the callees compiled a second time
        for tile in range(tiles):
            left = low[3] + (high[3] - low[3]) * tile // tiles
            n = low[3] + (high[3] - low[3]) * (tile + 1) // tiles - left
            plane_before = -1
            for row in range(parts.rows[part, 0], parts.rows[part, 1]):
                sample = parts.order[parts.sample[part] + row // volume]
                j = low[2] + row % n2
                i1 = low[1] + row // n2 % n1
                i0 = low[0] + row % volume // (n1 * n2)
                if row // n2 != plane_before:
                    plane_before = row // n2
                    for p in range(held.shape[0]):
                        for k in range(slots):
                            held[p, k] = NOWHERE
                for p in range(planes.shape[0]):
                    base = sample * shape[0] + (i0 + planes[p, 0]) % shape[0]
                    base = base * shape[1] + (i1 + planes[p, 1]) % shape[1]
                    for k in range(j - planes[p, 2], j + planes[p, 2] + 1):
                        if held[p, k % slots] != k:
                            held[p, k % slots] = k
                            start = (base * shape[2] + k % shape[2]) * shape[3]
                            line = lines[p, k % slots, ORIGIN - halo : ORIGIN + n + halo]
                            load_line(raw, code, start, shape[3], left - halo, inverse, line)
                if fill + n > WIDTH:
                    add_row_products(rows, fill, channels, products[part])
                    fill = 0
                y, to = lines[0, j % slots, ORIGIN : ORIGIN + n], y_row[fill : fill + n]
                for i in range(n):
                    to[i] = y[i]
                derivative_rows(lines, j, stencil, rows, fill, n, second[part])
                fill += n
        add_row_products(rows, fill, channels, products[part])


def accumulate(
    values: npt.NDArray[Any],
    inverse: float,
    *,
    power: int,
    margin: int,
    periodic: tuple[bool, ...],
    sample_group: Ints,
    edges: tuple[Ints, ...],
    second_neighbours: bool,
    diagonal: bool,
    quartic: bool,
    bounded: bool = False,
) -> Sums:
    """Sum products of derivatives over the sites of a lattice field, group by group.

    Parameters
    ----------
    values : (S, n_0, ..., n_{d-1}) array, C-contiguous, d = 1 to 4
        The field, samples first: float64, float32, float16 or bfloat16.
    inverse : float
        Rescaling, inverse field units: y = values * inverse should be of order one. The field is
        not shifted, because the zero of the field means something to the action.
    power : int
        Largest power K of y, at least 1.
    margin : int
        On an open axis, sites nearer than this to either end are left out; at least 1, and 2 with
        `second_neighbours`.
    periodic : tuple of d bool
        Axes that wrap; all their sites are used.
    sample_group : (S,) int64 array
        Group of each sample.
    edges : tuple of d int64 arrays
        For each axis ascending edges from 0 to n_a that cut the lattice into cells. The group of a
        site is ``sample_group * cells + cell``, cells in row-major order.
    second_neighbours, diagonal, quartic, bounded : bool
        Add the channels ``J:2``, ``J:1.414`` (for d > 1), ``U:1`` and ``bounded`` to ``grad2:0``,
        ..., in this order.

    Returns
    -------
    Sums
        Sums in groups 0 to G - 1, G = (largest sample group + 1) * cells.

    Notes
    -----
    The channels are derivatives of operators in y. A quadratic operator
    ``(1/2) sum (y_x - y_x')^2`` over pairs at one distance has ``T_x = sum_x' (y_x - y_x')``: over
    the two neighbours along one axis for ``grad2:a``, the 2d sites at distance 2 for ``J:2``, the
    2d(d - 1) sites at distance sqrt(2) for ``J:1.414``; dT_x/dy_x is the number of them. ``U:1`` is
    ``(1/4) sum_x sum_x' y_x^2 y_x'^2`` over nearest neighbours, T_x = y_x sum_x' y_x'^2.

    ``bounded`` is ``(1/2) sum_x log(1 + y_x^2)``: T_x = y_x / (1 + y_x^2), an odd function of the
    site alone, dT_x/dy_x = (1 - y_x^2) / (1 + y_x^2)^2. A test function that grows no faster than a
    constant sees a potential whose tails are not those of the basis, and its mean has a small
    error, whereas high powers are dominated by a few large values. See A. Hyvarinen, J. Mach.
    Learn. Res. 6 (2005) 695 for the equations that these sums enter.

    The sums are the same bit for bit for any number of threads. NaN and infinity propagate.

    Examples
    --------
    >>> import numpy as np
    >>> field = np.array([[1.0, 2.0, 4.0, 8.0]])
    >>> sums = accumulate(
    ...     field, 1.0, power=2, margin=1, periodic=(False,),
    ...     sample_group=np.array([0]), edges=(np.array([0, 4]),),
    ...     second_neighbours=False, diagonal=False, quartic=False,
    ... )
    >>> sums.names, sums.sites.tolist(), sums.moments.tolist()
    (('grad2:0',), [2], [[2.0, 6.0, 20.0, 72.0, 272.0]])
    >>> sums.cross.tolist(), sums.gram.tolist()
    ([[[-3.0], [-10.0], [-36.0]]], [[[5.0]]])
    """
    axes = values.ndim - 1
    lead = 4 - axes
    shape = (1,) * lead + values.shape[1:]
    margins = (0,) * lead + tuple(0 if wraps else margin for wraps in periodic)
    edges = (np.array([0, 1]),) * lead + edges
    stencil, names = build_stencil(axes, second_neighbours, diagonal, quartic, bounded)
    parts, sites = cut_parts(shape, margins, sample_group, edges)

    channels = len(names)
    products = np.zeros((parts.group.size, power + channels, 2 + channels))
    second = np.zeros((parts.group.size, channels))
    raw, code = as_bytes(values)
    lattice = np.array(shape)

    def run(task: int) -> None:
        scratch = _scratch(stencil, power + channels)
        _run_parts(
            raw, code, lattice, float(inverse), stencil, parts, task, *scratch, products, second
        )  # fmt: skip

    _run_tasks(run, parts.tasks.size - 1, serial=sites.sum() < SERIAL)
    return _collect(names, power, sites, parts.group, products, second, stencil)


def _scratch(stencil: Stencil, n_rows: int) -> tuple[Floats, Ints, Floats]:
    """Allocate the lines of sites, what each of them holds, and the rows."""
    planes, slots = len(stencil.planes), 2 * stencil.reach + 1
    lines = _aligned(planes, slots, WIDTH + 2 * ORIGIN)
    # A cache line more than needed, so that rows do not compete for the same places in the cache.
    rows = _aligned(n_rows, WIDTH + CACHE_LINE)
    return lines, np.empty((planes, slots), np.int64), rows


def _aligned(*shape: int) -> Floats:
    """Return an empty array that starts on a cache line: vector loads across two cost double."""
    size = math.prod(shape)
    buffer = np.empty(size + CACHE_LINE)
    start = -buffer.ctypes.data // buffer.itemsize % CACHE_LINE
    return buffer[start : start + size].reshape(shape)


def _run_tasks(run: Callable[[int], None], tasks: int, *, serial: bool) -> None:
    """Run all tasks, on threads unless they are too short.

    The kernel releases the GIL and runs for milliseconds, so Python's threads do as well as a
    compiled parallel loop, which takes longer to compile than all the rest together.
    """
    threads = 1 if serial else min(numba.get_num_threads(), tasks)
    if threads < 2:
        for task in range(tasks):
            run(task)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(run, range(tasks)):
            pass


def _collect(
    names: tuple[str, ...],
    power: int,
    sites: Ints,
    group: Ints,
    products: Floats,
    second: Floats,
    stencil: Stencil,
) -> Sums:
    """Add the parts of each group in their order and sort the products of rows by kind."""
    channels = len(names)
    total = np.zeros((sites.size, *products.shape[1:]))
    varying = np.zeros((sites.size, channels))
    if group.size:
        present, start = np.unique(group, return_index=True)
        total[present] = np.add.reduceat(products, start)
        varying[present] = np.add.reduceat(second, start)
    derivatives = slice(1, 1 + channels)
    powers = [*range(1 + channels, power + channels), 0]  # rows of y, ..., y^K
    upper = np.triu(total[:, derivatives, derivatives])
    constant = np.where(stencil.kind == 0, 2 * np.diff(stencil.first), 0)
    return Sums(
        names=names,
        sites=sites,
        moments=np.concatenate([sites[:, None], total[:, powers, -1], total[:, powers, 0]], axis=1),
        cross=np.concatenate(
            [total[:, None, derivatives, -1], total[:, powers, derivatives]], axis=1
        ),
        gram=upper + np.triu(upper, 1).transpose(0, 2, 1),
        second=varying + sites[:, None] * constant,
    )
