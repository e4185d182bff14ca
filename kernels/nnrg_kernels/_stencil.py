"""Neighbours of a lattice site, and the rows of derivatives that they make.

Every lattice is treated as four-dimensional, with leading axes of length one. Lines of converted
sites are kept for the planes (offsets along the two leading axes) that a stencil touches.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import inlined_kernel
from nnrg_kernels._load import load
from nnrg_kernels._user_rows import add_user_rows

__all__ = ["KINDS", "Stencil", "Term", "build_stencil", "derivative_rows", "load_line"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

KINDS = ("quadratic", "quartic", "bounded", "cubic", "pair", "site")
QUADRATIC, QUARTIC, BOUNDED, CUBIC, PAIR, SITE = range(6)


class Term(NamedTuple):
    """One operator O whose derivative T_x = dO/dy_x is a channel.

    Attributes
    ----------
    kind : str
        What is summed over the neighbours n of a site of value y:

        - ``"quadratic"``, O = (1/2) sum_pairs (y - n)^2: T = sum_n (y - n).
        - ``"quartic"``, O = (1/4) sum_x sum_n y^2 n^2: T = y sum_n n^2.
        - ``"cubic"``, O = (1/6) sum_x sum_n y^3 n: T = (y^2/2) sum_n n + (1/6) sum_n n^3.
        - ``"bounded"``, O = (1/2) sum_x log(1 + y^2): T = y / (1 + y^2), without neighbours.
        - ``"pair"``, O = (1/2) sum_x sum_n v(y, n), v symmetric: T = sum_n dv/dy.
        - ``"site"``, O = sum_x v(y), without neighbours: T = dv/dy.
    offsets : tuple of tuple of d int
        Neighbours of a site: one of each opposite pair, the other is added.
    function : pair of callables, optional
        First and second derivative of v with respect to y, scalar functions of (y, n) or of y:
        plain Python or compiled by Numba.
    """

    kind: str
    offsets: tuple[tuple[int, ...], ...] = ()
    function: tuple[Callable[..., float], Callable[..., float]] | None = None


class Stencil(NamedTuple):
    """Neighbours of a site.

    Attributes
    ----------
    near : (Q, 4, 3) array
        Two pairs of opposite neighbours at a time, so that sums are stored half as often: of each
        neighbour the plane, the offset along the last axis but one and that along the last axis.
        In place of a pair that is missing stand the site itself for ``"quadratic"``, where it
        counts nothing, and plane N, of zeros, for the other kinds.
    first : (C + 1,) array
        Neighbours of channel c are ``near[first[c] : first[c + 1]]``.
    neighbours : (C,) array
        Number of them.
    kind : (C,) array
        Places in `KINDS`.
    planes : (N, 3) array
        Offsets along the two leading axes, and the rows needed on either side.
    reach : int
        Largest number of rows needed on either side.
    halo : int
        Sites needed on either side along the last axis.
    origin : int
        Where the first site of a line stands in its buffer: on a cache line, behind the halo.
    """

    near: Ints
    first: Ints
    neighbours: Ints
    kind: Ints
    planes: Ints
    reach: int
    halo: int
    origin: int


@lru_cache(maxsize=64)
def build_stencil(
    axes: int, channels: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...]
) -> Stencil:
    """List the neighbours of every channel, given as its kind and offsets."""
    kind = np.array([KINDS.index(name) for name, _ in channels], np.int64)
    pairs = np.array([len(offsets) for _, offsets in channels], np.int64)
    first = np.concatenate([[0], np.cumsum((pairs + 1) // 2)])
    steps = np.zeros((first[-1], 2, 2, 4), np.int64)
    missing = np.ones((first[-1], 2), bool)
    for (_, offsets), start in zip(channels, first, strict=False):
        for n, offset in enumerate(offsets):
            steps[start + n // 2, n % 2, :, 4 - axes :] = offset, tuple(-o for o in offset)
            missing[start + n // 2, n % 2] = False

    flat = steps.reshape(-1, 4)
    planes = dict.fromkeys([(0, 0), *map(tuple, flat[:, :2].tolist())])
    place = {plane: p for p, plane in enumerate(planes)}
    near = np.column_stack([[place[tuple(o)] for o in flat[:, :2].tolist()], flat[:, 2:]])
    near = near.astype(np.int64).reshape(-1, 2, 2, 3)
    others = np.repeat(kind, np.diff(first)) != QUADRATIC
    near[missing & others[:, None], :, 0] = len(planes)
    reach = [np.abs(near[near[..., 0] == p, 1]).max(initial=0) for p in range(len(planes))]
    halo = int(np.abs(near[..., 2]).max(initial=0))
    return Stencil(
        near=near.reshape(-1, 4, 3),
        first=first.astype(np.int64),
        neighbours=2 * pairs,
        kind=kind,
        planes=np.column_stack([np.array(list(planes)), reach]).astype(np.int64),
        reach=int(max(reach)),
        halo=halo,
        origin=max(8, -(-halo // 8) * 8),
    )


@inlined_kernel
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
    done = 0
    while done < line.size:
        source = (low + done) % length
        end = min(done + length - source, line.size)
        load(raw, code, base + source, 0.0, inverse, line[done:end])
        done = end


@inlined_kernel
def derivative_rows(
    lines: Floats,
    slot: Ints,
    stencil: Stencil,
    calls: Ints,
    rows: Floats,
    fill: int,
    n: int,
    room: Floats,
    weight: Floats,
    second: Floats,
) -> None:
    """Append `n` sites to the rows of derivatives; add what is not constant to `second`.

    Derivatives of the rows stand in `room` for a while, and are summed times `weight`.
    """
    near, ends, kinds = stencil.near, stencil.first, stencil.kind
    origin, reach, planes = stencil.origin, stencil.reach, stencil.planes.shape[0]
    y = lines[0, slot[reach], origin : origin + n]
    s = room[:n]
    for c in range(kinds.size):
        row = rows[1 + c, fill : fill + n]
        kind = kinds[c]
        first, end = ends[c], ends[c + 1]
        if kind != QUADRATIC or first == end:
            for i in range(n):
                row[i] = s[i] = 0.0
        for p in range(first, end):
            plane, across, along = near[p, 0]
            a = lines[plane, slot[reach + across], origin + along : origin + along + n]
            plane, across, along = near[p, 1]
            b = lines[plane, slot[reach + across], origin + along : origin + along + n]
            plane, across, along = near[p, 2]
            e = lines[plane, slot[reach + across], origin + along : origin + along + n]
            plane, across, along = near[p, 3]
            f = lines[plane, slot[reach + across], origin + along : origin + along + n]
            if kind == QUADRATIC:
                if p == first:
                    for i in range(n):
                        row[i] = (2.0 * y[i] - a[i] - b[i]) + (2.0 * y[i] - e[i] - f[i])
                else:
                    for i in range(n):
                        row[i] += (2.0 * y[i] - a[i] - b[i]) + (2.0 * y[i] - e[i] - f[i])
            elif kind == QUARTIC:
                for i in range(n):
                    s[i] += a[i] * a[i] + b[i] * b[i] + e[i] * e[i] + f[i] * f[i]
            elif kind == CUBIC:
                for i in range(n):
                    aa, bb, ee, ff = a[i] * a[i], b[i] * b[i], e[i] * e[i], f[i] * f[i]
                    s[i] += a[i] + b[i] + e[i] + f[i]
                    row[i] += aa * a[i] + bb * b[i] + ee * e[i] + ff * f[i]
            else:
                add_user_rows(calls[c], y, a, row, s)
                add_user_rows(calls[c], y, b, row, s)
                if plane < planes:
                    add_user_rows(calls[c], y, e, row, s)
                    add_user_rows(calls[c], y, f, row, s)
        total = 0.0
        if kind == QUARTIC:
            for i in range(n):
                row[i] = s[i] * y[i]
                total += s[i] * weight[i]
        elif kind == CUBIC:
            for i in range(n):
                slope = s[i] * y[i]
                row[i] = 0.5 * y[i] * slope + row[i] / 6.0
                total += slope * weight[i]
        elif kind == BOUNDED:
            for i in range(n):
                # dT/dy = u - 2 T^2 saves a division. It is finite where only y^2 overflows, and
                # NaN where y is infinite, so that neither is mistaken for the other.
                u = 1.0 / (1.0 + y[i] * y[i])
                t = y[i] * u
                row[i] = t
                total += (u - 2.0 * t * t) * weight[i]
        elif kind != QUADRATIC:
            if kind == SITE:
                add_user_rows(calls[c], y, y, row, s)
            for i in range(n):
                total += s[i] * weight[i]
        second[c] += total
