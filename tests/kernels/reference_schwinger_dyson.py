"""Naive twin of the Schwinger-Dyson sums: whole arrays, np.roll and one mask for each group."""

from itertools import combinations

import numpy as np


def neighbours(y, steps):
    """Fields shifted by each step, a tuple of one offset per lattice axis; wraps on every axis."""
    axes = tuple(range(1, y.ndim))
    return [np.roll(y, [-s for s in step], axes) for step in steps]


def channels(y, *, second_neighbours, diagonal, quartic, bounded):
    """Name, T_c and dT_c/dy_x of every channel, at every site."""
    d = y.ndim - 1
    unit = [tuple(int(a == b) for b in range(d)) for a in range(d)]
    minus = [tuple(-s for s in step) for step in unit]
    result = []

    def quadratic(name, steps):
        derivative = sum(y - near for near in neighbours(y, steps))
        result.append((name, derivative, np.full(y.shape, float(len(steps)))))

    for axis in range(d):
        quadratic(f"grad2:{axis}", [unit[axis], minus[axis]])
    if second_neighbours:
        quadratic("J:2", [tuple(2 * s for s in step) for step in unit + minus])
    if diagonal and d > 1:
        quadratic(
            "J:1.414",
            [
                tuple(p * a + q * b for a, b in zip(e, f, strict=True))
                for e, f in combinations(unit, 2)
                for p in (1, -1)
                for q in (1, -1)
            ],
        )
    if quartic:
        squares = sum(near**2 for near in neighbours(y, unit + minus))
        result.append(("U:1", y * squares, squares))
    if bounded:
        result.append(("bounded", y / (1 + y**2), (1 - y**2) / (1 + y**2) ** 2))
    return result


def groups(shape, sample_group, edges):
    """Group of every site."""
    cells = np.zeros(shape[1:], int)
    for axis, edge in enumerate(edges):
        of_axis = np.searchsorted(edge, np.arange(shape[axis + 1]), side="right") - 1
        line = [1] * len(edges)
        line[axis] = -1
        cells = cells * (len(edge) - 1) + of_axis.reshape(line)
    n_cells = int(np.prod([len(edge) - 1 for edge in edges]))
    per_sample = np.asarray(sample_group).reshape([-1] + [1] * len(edges))
    return per_sample * n_cells + cells, (max(sample_group) + 1) * n_cells


def accumulate(
    values,
    inverse,
    *,
    power,
    margin,
    periodic,
    sample_group,
    edges,
    second_neighbours,
    diagonal,
    quartic,
    bounded,
):
    """Return names, sites, moments, cross, gram and second, as the kernel's driver does."""
    y = values.astype(np.float64) * inverse
    names, rows, seconds = zip(
        *channels(
            y,
            second_neighbours=second_neighbours,
            diagonal=diagonal,
            quartic=quartic,
            bounded=bounded,
        ),
        strict=True,
    )
    group, n_groups = groups(y.shape, sample_group, edges)
    inside = tuple(
        slice(None) if wraps else slice(margin, max(margin, n - margin))
        for wraps, n in zip(periodic, y.shape[1:], strict=True)
    )
    inside = (slice(None), *inside)
    y, group = y[inside], group[inside]
    rows = np.stack([row[inside] for row in rows])
    seconds = np.stack([row[inside] for row in seconds])

    sites, moments, cross, gram, second = [], [], [], [], []
    for g in range(n_groups):
        here = group == g
        phi, t = y[here], rows[:, here]
        sites.append(phi.size)
        moments.append([np.sum(phi**p) for p in range(2 * power + 1)])
        cross.append([[np.sum(phi**k * row) for row in t] for k in range(power + 1)])
        gram.append(t @ t.T)
        second.append(seconds[:, here].sum(axis=1))
    return names, *map(np.array, (sites, moments, cross, gram, second))
