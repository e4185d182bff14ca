"""Sums of one task: lines of sites are converted, rows of derivatives built and multiplied."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel, inlined_kernel
from nnrg_kernels._parts import Parts
from nnrg_kernels._row_products import fill_powers, multiply_rows, weigh_rows
from nnrg_kernels._stencil import Stencil, derivative_rows, load_line
from nnrg_kernels.aligned import aligned_empty

__all__ = ["Scratch", "allocate", "sum_parts"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Sites in a row: all rows together fit the second cache level, the few at work the first.
WIDTH = 512
CACHE_LINE = 8  # float64 numbers
NOWHERE = -(1 << 62)


class Scratch(NamedTuple):
    """What one task works in.

    Attributes
    ----------
    lines : (N + 1, 2 reach + 1, ...) array
        Converted sites of each plane, and zeros.
    held : (N, 2 reach + 1) array
        Which line of the lattice each of them is.
    slot : (2 reach + 1,) array
        Where lines j - reach, ..., j + reach of the lattice are held.
    rows : (K + C, ...) array
        Powers and derivatives of a run of sites.
    slope : (...) array
        Derivative of a derivative.
    weighted : (3 + C, ...) array
        Powers and derivatives times w, then w and w', which are one and zero without a window.
    """

    lines: Floats
    held: Ints
    slot: Ints
    rows: Floats
    slope: Floats
    weighted: Floats


def allocate(stencil: Stencil, power: int, channels: int) -> Scratch:
    """Allocate the lines of sites, what each of them holds, and the rows."""
    planes, slots = len(stencil.planes), 2 * stencil.reach + 1
    lines = aligned_empty((planes + 1, slots, WIDTH + 2 * stencil.origin))
    lines[planes] = 0.0
    # A cache line more than needed, so that rows do not compete for the same places in the cache.
    weighted = aligned_empty((3 + channels, WIDTH + CACHE_LINE))
    weighted[-2], weighted[-1] = 1.0, 0.0
    return Scratch(
        lines=lines,
        held=np.empty((planes, slots), np.int64),
        slot=np.empty(slots, np.int64),
        rows=aligned_empty((power + channels, WIDTH + CACHE_LINE)),
        slope=aligned_empty(WIDTH),
        weighted=weighted,
    )


@borrowing_kernel
def sum_parts(
    raw: npt.NDArray[np.uint8],
    code: int,
    shape: Ints,
    inverse: float,
    window: Floats,
    stencil: Stencil,
    calls: Ints,
    parts: Parts,
    task: int,
    scratch: Scratch,
    products: Floats,
    second: Floats,
    edge: Floats,
) -> None:
    """Sum over the parts of one task; rows of sites that belong to one part share the rows."""
    channels, halo, planes = stencil.kind.size, stencil.halo, stencil.planes
    origin = stencil.origin
    lines, held, rows = scratch.lines, scratch.held, scratch.rows
    weighted, windowed = scratch.weighted, window[1] > window[0]
    columns = channels + (3 if windowed else 1)
    w, dw = weighted[weighted.shape[0] - 2], weighted[weighted.shape[0] - 1]
    slots, reach, slot = lines.shape[1], stencil.reach, scratch.slot
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
            for row in range(parts.rows[part, 0], parts.rows[part, 1] + 1):
                last = row == parts.rows[part, 1]
                if last or fill + n > WIDTH:
                    fill_powers(rows, fill, channels, products[part])
                    if windowed:
                        weigh_rows(rows, w, fill, weighted)
                    others = weighted if windowed else rows
                    multiply_rows(rows, fill, channels, others, columns, products[part])
                    fill = 0
                if last:
                    break
                sample = parts.order[parts.sample[part] + row // volume]
                j = low[2] + row % n2
                i1 = low[1] + row // n2 % n1
                i0 = low[0] + row % volume // (n1 * n2)
                if row // n2 != plane_before:
                    plane_before = row // n2
                    for p in range(held.shape[0]):
                        for k in range(slots):
                            held[p, k] = NOWHERE
                for across in range(-reach, reach + 1):
                    slot[reach + across] = (j + across) % slots
                for p in range(planes.shape[0]):
                    base = sample * shape[0] + (i0 + planes[p, 0]) % shape[0]
                    base = base * shape[1] + (i1 + planes[p, 1]) % shape[1]
                    for across in range(-planes[p, 2], planes[p, 2] + 1):
                        k = slot[reach + across]
                        if held[p, k] != j + across:
                            held[p, k] = j + across
                            start = (base * shape[2] + (j + across) % shape[2]) * shape[3]
                            line = lines[p, k, origin - halo : origin + n + halo]
                            load_line(raw, code, start, shape[3], left - halo, inverse, line)
                y, to = lines[0, slot[reach], origin : origin + n], y_row[fill : fill + n]
                for i in range(n):
                    to[i] = y[i]
                weight, slope = w[fill : fill + n], dw[fill : fill + n]
                if windowed:
                    weigh_sites(y, window, weight, slope, edge[part])
                derivative_rows(
                    lines, slot, stencil, calls, rows, fill, n, scratch.slope, weight, second[part]
                )
                fill += n


@inlined_kernel
def weigh_sites(y: Floats, window: Floats, w: Floats, slope: Floats, edge: Floats) -> None:
    """Fill in w = 4 (y - low) (high - y) / (high - low)^2, zero at both edges, and dw/dy; add."""
    low, high = window[0], window[1]
    unit = 4.0 / ((high - low) * (high - low))
    weight = derivative = 0.0
    for i in range(y.size):
        w[i] = unit * (y[i] - low) * (high - y[i])
        slope[i] = unit * ((high - y[i]) - (y[i] - low))
        weight += w[i]
        derivative += slope[i]
    edge[0] += weight
    edge[1] += derivative
