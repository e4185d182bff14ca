"""Derivatives of operators on a graph, and their products, for tiles of lines of sites."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnrg_kernels._graph_sums import TILE, Lists, fill_sums, turn_lines
from nnrg_kernels._jit import borrowing_kernel, inlined_kernel
from nnrg_kernels._part_sums import weigh_sites
from nnrg_kernels._row_products import fill_powers, multiply_rows, weigh_rows
from nnrg_kernels._stencil import BOUNDED, CUBIC, QUADRATIC, QUARTIC
from nnrg_kernels._user_rows import add_user_rows

__all__ = ["ROW", "Channels", "Scratch", "sum_lines"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROW = 512  # sites of a row: all rows together fit the second cache level, the few at work the first


class Channels(NamedTuple):
    """The rows of derivatives.

    Attributes
    ----------
    kind : (C,) int64 array
        Places in `nnrg_kernels._stencil.KINDS`.
    first, second : (C,) int64 arrays
        Which sums over neighbours each of them is made of.
    calls : (C,) int64 array
        Address of the loop over a user's functions.
    """

    kind: Ints
    first: Ints
    second: Ints
    calls: Ints


class Scratch(NamedTuple):
    """What one task works in.

    Attributes
    ----------
    turned : (P, n, 8) array
        Powers of the field at the lines of a tile, next to one another.
    sums : (Q, 8, any) array
        Sums over neighbours.
    rows, weighted, slope : (K + C, any), (3 + C, any) and (any,) arrays
        Rows of sites; the last two of `weighted` are one and zero without a window.
    """

    turned: Floats
    sums: Floats
    rows: Floats
    weighted: Floats
    slope: Floats


@borrowing_kernel
def sum_lines(
    powers: Floats,
    length: int,
    lists: Lists,
    channels: Channels,
    window: Floats,
    group: Ints,
    columns: Ints,
    first_line: int,
    last_line: int,
    cuts: Ints,
    ready: bool,
    scratch: Scratch,
    products: Floats,
    second: Floats,
    edge: Floats,
) -> None:
    """Add the products of all rows at some lines to those of the groups of their sites.

    Parameters
    ----------
    powers : (P, any, n) array
        The field, and as many powers of it as the lists ask for.
    length : int
        Lines of a sample.
    window : (2,) array
        Edges of the support; equal where there are none.
    group : (any,) array
        Group of the sites of each line in the first of the `columns`.
    columns : (G_n + 1,) array
        Where lines are cut into cells, of which the next belongs to the next group.
    first_line, last_line : int
        First of the lines, and the one behind the last.
    cuts : array
        Edges of the ranges of columns that are done one after the other.
    ready : bool
        Whether the lines, one tile of them, stand in `scratch.turned` already.
    products, second, edge : (G, K + C, 4 + C), (G, C) and (G, 2) arrays
    """
    for low in range(first_line, last_line, TILE):
        high = min(low + TILE, last_line)
        if not ready and high - low > 1:
            turn_lines(powers, low, high, scratch.turned)
        for cut in range(cuts.size - 1):
            left, right = cuts[cut], cuts[cut + 1]
            fill_sums(powers, length, scratch.turned, lists, low, high, left, right, scratch.sums)
            start = low
            while start < high:
                stop = start + 1
                while stop < high and group[stop] == group[start]:
                    stop += 1
                for cell in range(columns.size - 1):
                    begin, end = max(left, columns[cell]), min(right, columns[cell + 1])
                    if begin < end:
                        g = group[start] + cell
                        _sum_box(
                            powers[0], length, lists, channels, window, scratch, low, left,
                            start, stop, begin, end, products[g], second[g], edge[g],
                        )  # fmt: skip
                start = stop


@inlined_kernel
def _sum_box(
    field: Floats,
    length: int,
    lists: Lists,
    channels: Channels,
    window: Floats,
    scratch: Scratch,
    low: int,
    left: int,
    start: int,
    stop: int,
    begin: int,
    end: int,
    products: Floats,
    second: Floats,
    edge: Floats,
) -> None:
    """Add the products at columns `begin` to `end` of lines `start` to `stop`, of one group."""
    rows, weighted, sums = scratch.rows, scratch.weighted, scratch.sums
    count = channels.kind.size
    windowed = window[1] > window[0]
    others, columns = (weighted, count + 3) if windowed else (rows, count + 1)
    y_row = rows[1 + count if rows.shape[0] > 1 + count else 0]
    ones, zeros = weighted[weighted.shape[0] - 2], weighted[weighted.shape[0] - 1]
    line, at, fill = start, begin, 0
    while True:
        n = min(end - at, ROW - fill) if line < stop else 0
        if n == 0:
            if fill > 0:
                fill_powers(rows, fill, count, products)
                if windowed:
                    weigh_rows(rows, ones, fill, weighted)
                multiply_rows(rows, fill, count, others, columns, products)
                fill = 0
            if line == stop:
                break
            continue
        y, w = y_row[fill : fill + n], ones[fill : fill + n]
        source = field[line, at : at + n]
        for i in range(n):
            y[i] = source[i]
        if windowed:
            weigh_sites(y, window, w, zeros[fill : fill + n], edge)
        for c in range(count):
            row = rows[1 + c, fill : fill + n]
            a = sums[max(channels.first[c], 0), line - low, at - left : at - left + n]
            b = sums[max(channels.second[c], 0), line - low, at - left : at - left + n]
            kind, total = channels.kind[c], 0.0
            if kind == QUADRATIC:
                q = channels.first[c]
                if lists.across[q]:
                    one = lists.strength[lists.first[q] + line % length]
                    for i in range(n):
                        row[i] = one * y[i] - a[i]
                        total += one * w[i]
                else:
                    from_ = lists.first[q] + at
                    strength = lists.strength[from_ : from_ + n]
                    for i in range(n):
                        row[i] = strength[i] * y[i] - a[i]
                        total += strength[i] * w[i]
            elif kind == QUARTIC:
                for i in range(n):
                    row[i] = y[i] * a[i]
                    total += a[i] * w[i]
            elif kind == CUBIC:
                for i in range(n):
                    slope = y[i] * a[i]
                    row[i] = 0.5 * y[i] * slope + b[i] / 6.0
                    total += slope * w[i]
            elif kind == BOUNDED:
                for i in range(n):
                    u = 1.0 / (1.0 + y[i] * y[i])
                    t = y[i] * u
                    row[i] = t
                    total += (u - 2.0 * t * t) * w[i]
            else:
                s = scratch.slope[:n]
                for i in range(n):
                    row[i] = s[i] = 0.0
                add_user_rows(channels.calls[c], y, y, row, s)
                for i in range(n):
                    total += s[i] * w[i]
            second[c] += total
        fill += n
        at += n
        if at == end:
            line, at = line + 1, begin
