"""Derivatives of operators on a graph, and their products, for lines of sites."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnrg_kernels._graph_sums import Lists
from nnrg_kernels._jit import borrowing_kernel
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
    rows, weighted, slope : (K + C, any), (3 + C, any) and (any,) arrays
        Rows of sites; the last two of `weighted` are one and zero without a window.
    """

    rows: Floats
    weighted: Floats
    slope: Floats


@borrowing_kernel
def sum_lines(
    field: Floats,
    length: int,
    lists: Lists,
    sums: Floats,
    channels: Channels,
    window: Floats,
    group: Ints,
    columns: Ints,
    low: int,
    high: int,
    left: int,
    right: int,
    scratch: Scratch,
    products: Floats,
    second: Floats,
    edge: Floats,
) -> None:
    """Add the products of all rows at some lines to those of the groups of their sites.

    Parameters
    ----------
    field : (any, n) array
    length : int
        Lines of a sample.
    sums : (Q, any, any) array
        What `fill_sums` wrote at these lines and columns.
    window : (2,) array
        Edges of the support; equal where there are none.
    group : (any,) array
        Group of the sites of each line in the first of the `columns`.
    columns : (any,) array
        Where lines are cut into cells, of which the next belongs to the next group.
    low, high : int
        First of the lines, and the one behind the last.
    left, right : int
        The same of the columns.
    products, second, edge : (G, K + C, 4 + C), (G, C) and (G, 2) arrays
    """
    rows, weighted = scratch.rows, scratch.weighted
    count = channels.kind.size
    windowed = window[1] > window[0]
    others, width = (weighted, count + 3) if windowed else (rows, count + 1)
    y_row = rows[1 + count if rows.shape[0] > 1 + count else 0]
    ones, zeros = weighted[weighted.shape[0] - 2], weighted[weighted.shape[0] - 1]
    start = low
    while start < high:
        stop = start + 1
        while stop < high and group[stop] == group[start]:
            stop += 1
        for cell in range(columns.size - 1):
            begin, end = max(left, columns[cell]), min(right, columns[cell + 1])
            if begin >= end:
                continue
            g = group[start] + cell
            line, at, fill = start, begin, 0
            while True:
                n = min(end - at, ROW - fill) if line < stop else 0
                if n == 0:
                    if fill > 0:
                        fill_powers(rows, fill, count, products[g])
                        if windowed:
                            weigh_rows(rows, ones, fill, weighted)
                        multiply_rows(rows, fill, count, others, width, products[g])
                        fill = 0
                    if line == stop:
                        break
                    continue
                y, w = y_row[fill : fill + n], ones[fill : fill + n]
                source = field[line, at : at + n]
                for i in range(n):
                    y[i] = source[i]
                if windowed:
                    weigh_sites(y, window, w, zeros[fill : fill + n], edge[g])
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
                    second[g, c] += total
                fill += n
                at += n
                if at == end:
                    line, at = line + 1, begin
        start = stop
