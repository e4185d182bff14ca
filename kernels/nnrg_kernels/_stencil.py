"""Neighbours of a lattice site, and the rows of derivatives that they make.

Every lattice is treated as four-dimensional, with leading axes of length one. Lines of converted
sites are kept for the planes (offsets along the two leading axes) that a stencil touches.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._load import load

__all__ = ["ORIGIN", "Stencil", "build_stencil", "derivative_rows", "load_line"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


# Where the first site of a line stands in its buffer: on a cache line, behind room for a halo.
ORIGIN = 8


class Stencil(NamedTuple):
    """Neighbours of a site.

    Attributes
    ----------
    near : (P, 2, 3) array
        For each pair of opposite neighbours the plane, the offset along the last axis but one
        and the offset along the last axis.
    first : (C + 1,) array
        Pairs of channel c are ``first[c] : first[c + 1]``.
    kind : (C,) array
        0 for sum_n (y_x - y_n), 1 for y_x sum_n y_n^2, 2 for y_x / (1 + y_x^2), without neighbours.
    planes : (N, 3) array
        Offsets along the two leading axes, and the rows needed on either side.
    reach : int
        Largest number of rows needed on either side.
    halo : int
        Sites needed on either side along the last axis.
    """

    near: Ints
    first: Ints
    kind: Ints
    planes: Ints
    reach: int
    halo: int


@cache
def build_stencil(
    axes: int, second_neighbours: bool, diagonal: bool, quartic: bool, bounded: bool
) -> tuple[Stencil, tuple[str, ...]]:
    """List the neighbours of every channel, and the names of the channels."""
    unit = np.eye(4, dtype=np.int64)[4 - axes :]
    channels = [(f"grad2:{axis}", 0, [unit[axis]]) for axis in range(axes)]
    if second_neighbours:
        channels.append(("J:2", 0, [2 * e for e in unit]))
    if diagonal and axes > 1:
        pairs = [(unit[a], unit[b]) for a in range(axes) for b in range(a)]
        channels.append(("J:1.414", 0, [a + sign * b for a, b in pairs for sign in (1, -1)]))
    if quartic:
        channels.append(("U:1", 1, list(unit)))
    if bounded:
        channels.append(("bounded", 2, []))

    offsets = np.array([[o, -o] for _, _, steps in channels for o in steps])
    planes: dict[tuple[int, ...], int] = {(0, 0): 0}
    near = np.empty((len(offsets), 2, 3), np.int64)
    for pair, side in np.ndindex(near.shape[:2]):
        key = tuple(offsets[pair, side, :2].tolist())
        near[pair, side] = planes.setdefault(key, len(planes)), *offsets[pair, side, 2:]
    reach = [np.abs(near[near[..., 0] == p, 1]).max(initial=0) for p in planes.values()]
    return (
        Stencil(
            near=near,
            first=np.cumsum([0] + [len(steps) for _, _, steps in channels]),
            kind=np.array([kind for _, kind, _ in channels]),
            planes=np.column_stack([np.array(list(planes)), reach]).astype(np.int64),
            reach=int(max(reach)),
            halo=int(np.abs(near[..., 2]).max()),
        ),
        tuple(name for name, _, _ in channels),
    )


@borrowing_kernel
def load_line(
    raw: npt.NDArray[np.uint8],
    code: int,
    base: int,
    length: int,
    low: int,
    inverse: float,
    line: Floats,
) -> None:
    """Fill `line` with sites low, low + 1, ... of the row of `length` sites at `base`, wrapped."""
    start, stop = max(low, 0), min(low + line.size, length)
    load(raw, code, base + start, 0.0, inverse, line[start - low : stop - low])
    for k in range(start - low + low + line.size - stop):
        i = low + k if low + k < start else stop + k - (start - low)
        source = i % length
        if start <= source < stop:
            line[i - low] = line[source - low]
        else:
            load(raw, code, base + source, 0.0, inverse, line[i - low : i - low + 1])


@borrowing_kernel
def derivative_rows(
    lines: Floats, j: int, stencil: Stencil, rows: Floats, fill: int, n: int, second: Floats
) -> None:
    """Append `n` sites to the rows of derivatives; add what is not constant to `second`."""
    slots = lines.shape[1]
    y = lines[0, j % slots, ORIGIN : ORIGIN + n]
    for c in range(stencil.kind.size):
        row = rows[1 + c, fill : fill + n]
        first, end = stencil.first[c], stencil.first[c + 1]
        for p in range(first, end):
            plane, across, along = stencil.near[p, 0]
            a = lines[plane, (j + across) % slots, ORIGIN + along : ORIGIN + along + n]
            plane, across, along = stencil.near[p, 1]
            b = lines[plane, (j + across) % slots, ORIGIN + along : ORIGIN + along + n]
            if stencil.kind[c] == 0:
                if p == first:
                    for i in range(n):
                        row[i] = 2.0 * y[i] - a[i] - b[i]
                else:
                    for i in range(n):
                        row[i] += 2.0 * y[i] - a[i] - b[i]
            elif p == first:
                for i in range(n):
                    row[i] = a[i] * a[i] + b[i] * b[i]
            else:
                for i in range(n):
                    row[i] += a[i] * a[i] + b[i] * b[i]
        total = 0.0
        if stencil.kind[c] == 1:
            for i in range(n):
                total += row[i]
                row[i] *= y[i]
            second[c] += total
        elif stencil.kind[c] == 2:
            for i in range(n):
                # dT/dy = w - 2 T^2 saves a division. It is finite where only y^2 overflows, and
                # NaN where y is infinite, so that neither is mistaken for the other.
                w = 1.0 / (1.0 + y[i] * y[i])
                t = y[i] * w
                row[i] = t
                total += w - 2.0 * t * t
            second[c] += total
