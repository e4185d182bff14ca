"""Derivatives of operators on a graph, and their products, for a chunk of sites of a few samples.

Samples of one tile stand next to one another, ``y[site * width + sample]``, so that a list of
neighbours is read once for all of them. A run is a range of sites along the last axis; along any
other axis the sites of a run have the same neighbours, shifted by one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel, inlined_kernel
from nnrg_kernels._part_sums import weigh_sites
from nnrg_kernels._row_products import fill_powers, multiply_rows, weigh_rows
from nnrg_kernels._stencil import BOUNDED, SITE
from nnrg_kernels._user_rows import add_user_rows

__all__ = ["gather_sites", "neighbour_rows", "sum_products"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@borrowing_kernel
def gather_sites(y: Floats, width: int, runs: Ints, out: Floats) -> None:
    """Copy the sites of the runs, one run behind the other."""
    at = 0
    for r in range(runs.shape[0]):
        size = (runs[r, 1] - runs[r, 0]) * width
        source = y[runs[r, 0] * width : runs[r, 0] * width + size]
        target = out[at : at + size]
        for i in range(size):
            target[i] = source[i]
        at += size


@borrowing_kernel
def neighbour_rows(
    y: Floats,
    width: int,
    runs: Ints,
    indptr: Ints,
    indices: Ints,
    weights: Floats,
    stride: int,
    channel: Ints,
    derivative: Floats,
    slope: Floats,
) -> None:
    """Fill in T = dO/dy and dT/dy at the sites of the runs, of all kinds on one list of neighbours.

    Parameters
    ----------
    y : (n * width,) array
        All sites of the tile.
    indptr, indices : arrays
        Neighbours along one axis, of nodes 0 to indptr.size - 2.
    weights : array
        Of each neighbour; empty if all are one.
    stride : int
        Sites from one node of the axis to the next.
    channel : (3,) array
        Channel of the quadratic, the quartic and the cubic term; -1 where there is none.
    derivative, slope : (C, any) arrays
        Of the runs, one behind the other.
    """
    length = indptr.size - 1
    weighted = weights.size > 0
    q, u, c = channel[0], channel[1], channel[2]
    at = 0
    for r in range(runs.shape[0]):
        sites = runs[r, 1] - runs[r, 0]
        together = sites if stride > 1 else 1
        size = together * width
        for x in range(runs[r, 0], runs[r, 1], together):
            node = x // stride % length
            base = x - node * stride
            first, end = indptr[node], indptr[node + 1]
            if size == 1:
                _one_site(y, x, base, first, end, indices, weights, stride, channel,
                          derivative, slope, at)  # fmt: skip
                at += 1
                continue
            own = y[x * width : x * width + size]
            tq, sq = derivative[max(q, 0), at : at + size], slope[max(q, 0), at : at + size]
            su = slope[max(u, 0), at : at + size]
            tc, sc = derivative[max(c, 0), at : at + size], slope[max(c, 0), at : at + size]
            if q >= 0:
                for i in range(size):
                    sq[i] = 0.0
            if u >= 0:
                for i in range(size):
                    su[i] = 0.0
            if c >= 0:
                for i in range(size):
                    tc[i] = sc[i] = 0.0
            strength = 0.0
            for k in range(first, end):
                start = (base + indices[k] * stride) * width
                near = y[start : start + size]
                if q >= 0:
                    a = weights[k] if weighted else 1.0
                    strength += abs(a)
                    for i in range(size):
                        sq[i] += a * near[i]
                if u >= 0:
                    for i in range(size):
                        su[i] += near[i] * near[i]
                if c >= 0:
                    for i in range(size):
                        sc[i] += near[i]
                        tc[i] += near[i] * near[i] * near[i]
            if q >= 0:
                for i in range(size):
                    tq[i] = strength * own[i] - sq[i]
                    sq[i] = strength
            if u >= 0:
                tu = derivative[u, at : at + size]
                for i in range(size):
                    tu[i] = own[i] * su[i]
            if c >= 0:
                for i in range(size):
                    sc[i] *= own[i]
                    tc[i] = 0.5 * own[i] * sc[i] + tc[i] / 6.0
            at += size


@inlined_kernel
def _one_site(
    y: Floats,
    x: int,
    base: int,
    first: int,
    end: int,
    indices: Ints,
    weights: Floats,
    stride: int,
    channel: Ints,
    derivative: Floats,
    slope: Floats,
    at: int,
) -> None:
    """Do one site of a single sample, whose neighbours are all read once."""
    strength = total = plain = squares = cubes = 0.0
    weighted = weights.size > 0
    for k in range(first, end):
        n = y[base + indices[k] * stride]
        a = weights[k] if weighted else 1.0
        strength += abs(a)
        total += a * n
        plain += n
        squares += n * n
        cubes += n * n * n
    own = y[x]
    q, u, c = channel[0], channel[1], channel[2]
    if q >= 0:
        derivative[q, at], slope[q, at] = strength * own - total, strength
    if u >= 0:
        derivative[u, at], slope[u, at] = own * squares, squares
    if c >= 0:
        derivative[c, at], slope[c, at] = 0.5 * own * own * plain + cubes / 6.0, own * plain


@borrowing_kernel
def sum_products(
    own: Floats,
    width: int,
    slots: Ints,
    kinds: Ints,
    calls: Ints,
    derivative: Floats,
    slope: Floats,
    window: Floats,
    rows: Floats,
    weighted: Floats,
    room: Floats,
    products: Floats,
    second: Floats,
    edge: Floats,
) -> None:
    """Add the products of all rows of a chunk, sample by sample, to those of the sample's group.

    Parameters
    ----------
    own : (sites * width,) array
        The field at the sites of the chunk.
    slots : (width,) array
        Place of each sample's group in `products`, `second` and `edge`.
    kinds, calls : (C,) arrays
        Kind of each channel, and the address of the loop over a user's functions.
    derivative, slope : (C, any) arrays
        What `neighbour_rows` filled in; of channels without neighbours nothing is read.
    window : (2,) array
        Edges of the support; equal where there are none.
    rows, weighted, room : (K + C, R), (3 + C, R) and (R,) arrays
        Room for runs of up to R sites; the last two rows of `weighted` are one and zero.
    products, second, edge : (G, K + C, 4 + C), (G, C) and (G, 2) arrays
    """
    channels = kinds.size
    windowed = window[1] > window[0]
    columns = channels + (3 if windowed else 1)
    longest = room.size
    w, dw = weighted[weighted.shape[0] - 2], weighted[weighted.shape[0] - 1]
    y_row = rows[1 + channels if rows.shape[0] > 1 + channels else 0]
    sites = own.size // width
    for sample in range(width):
        g = slots[sample]
        for low in range(0, sites, longest):
            n = min(longest, sites - low)
            y, weight, s = y_row[:n], w[:n], room[:n]
            start = low * width + sample
            for i in range(n):
                y[i] = own[start + i * width]
            if windowed:
                weigh_sites(y, window, weight, dw[:n], edge[g])
            for c in range(channels):
                row = rows[1 + c, :n]
                total = 0.0
                if kinds[c] == BOUNDED:
                    for i in range(n):
                        u = 1.0 / (1.0 + y[i] * y[i])
                        t = y[i] * u
                        row[i] = t
                        total += (u - 2.0 * t * t) * weight[i]
                elif kinds[c] == SITE:
                    for i in range(n):
                        row[i] = s[i] = 0.0
                    add_user_rows(calls[c], y, y, row, s)
                    for i in range(n):
                        total += s[i] * weight[i]
                else:
                    t_c, s_c = derivative[c], slope[c]
                    for i in range(n):
                        row[i] = t_c[start + i * width]
                        total += s_c[start + i * width] * weight[i]
                second[g, c] += total
            fill_powers(rows, n, channels, products[g])
            if windowed:
                weigh_rows(rows, w, n, weighted)
            multiply_rows(rows, n, channels, weighted if windowed else rows, columns, products[g])
