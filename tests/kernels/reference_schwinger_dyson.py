"""Naive twin of the Schwinger-Dyson sums: whole arrays, np.roll and one mask for each group.

Also the terms and keywords that tests of the sums share.
"""

import itertools
from functools import cache
from math import isqrt

import numba
import numpy as np

from nnrg_kernels.schwinger_dyson import Term

BUILT_IN = ("quadratic", "quartic", "cubic")


def sine(y, n):
    return np.sin(y - n)


def cosine(y, n):
    return np.cos(y - n)


@numba.njit
def quarter_power(y):
    return y / (1.0 + y**2) ** 0.75


@numba.njit
def quarter_power_slope(y):
    return (1.0 - 0.5 * y**2) / (1.0 + y**2) ** 1.75


# v(y, n) = 1 - cos(y - n), compiled by the kernel, and a site's 2 (1 + y^2)^(1/4), compiled here.
USERS = {"pair": (sine, cosine), "site": (quarter_power, quarter_power_slope)}


@cache
def shell(d, squared):
    """One of each opposite pair of offsets at a distance, in d dimensions."""
    reach = isqrt(squared)
    box = itertools.product(range(-reach, reach + 1), repeat=d)
    return tuple(o for o in box if sum(a * a for a in o) == squared and o > (0,) * d)


def many_terms(d):
    """Every kind, and shells to the second neighbour of an axis."""
    shells = [shell(d, squared) for squared in ((1, 2, 4) if d > 1 else (1, 4))]
    terms = [Term(kind, offsets) for kind in BUILT_IN for offsets in shells]
    return (*terms, Term("bounded"))


def whole(values, **options):
    """Keywords for one group of everything, many terms, all axes periodic."""
    defaults = {
        "power": 3,
        "margin": 2,
        "periodic": (True,) * (values.ndim - 1),
        "sample_group": np.zeros(len(values), np.int64),
        "edges": tuple(np.array([0, n]) for n in values.shape[1:]),
        "terms": many_terms(values.ndim - 1),
    }
    return defaults | options


def neighbours(y, steps):
    """Fields shifted by each step, a tuple of one offset per lattice axis; wraps on every axis."""
    axes = tuple(range(1, y.ndim))
    return [np.roll(y, [-s for s in step], axes) for step in steps]


def channel(y, term):
    """T_c and dT_c/dy_x at every site."""
    near = neighbours(
        y, [tuple(sign * o for o in step) for step in term.offsets for sign in (1, -1)]
    )
    zero = np.zeros_like(y)
    if term.kind == "quadratic":
        return sum((y - n for n in near), zero), np.full(y.shape, float(len(near)))
    if term.kind == "quartic":
        squares = sum((n**2 for n in near), zero)
        return y * squares, squares
    if term.kind == "cubic":
        plain = sum(near, zero)
        return y**2 / 2 * plain + sum((n**3 for n in near), zero) / 6, y * plain
    if term.kind == "bounded":
        return y / (1 + y**2), (1 - y**2) / (1 + y**2) ** 2
    first, second = (getattr(f, "py_func", f) for f in term.function)
    if term.kind == "site":
        return first(y), second(y)
    return sum((first(y, n) for n in near), zero), sum((second(y, n) for n in near), zero)


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
    values, inverse, *, power, margin, periodic, sample_group, edges, terms, window=None
):
    """Return sites, moments, cross, gram, second and edge, as the kernel's driver does."""
    y = values.astype(np.float64) * inverse
    pairs = [channel(y, term) for term in terms]
    rows = np.array([pair[0] for pair in pairs]).reshape(-1, *y.shape)
    slopes = np.array([pair[1] for pair in pairs]).reshape(-1, *y.shape)
    group, n_groups = groups(y.shape, sample_group, edges)
    w, dw = np.ones_like(y), np.zeros_like(y)
    if window:
        low, high = window
        w = 4 * (y - low) * (high - y) / (high - low) ** 2
        dw = 4 * (low + high - 2 * y) / (high - low) ** 2
    inside = tuple(
        slice(None) if wraps else slice(margin, max(margin, n - margin))
        for wraps, n in zip(periodic, y.shape[1:], strict=True)
    )
    inside = (..., *inside)
    y, group, w, dw, rows, slopes = (a[inside] for a in (y, group, w, dw, rows, slopes))

    sites, moments, cross, gram, second, edge = [], [], [], [], [], []
    for g in range(n_groups):
        here = group == g
        phi, weight, slope = y[here], w[here], dw[here]
        t, dt = rows[:, here], slopes[:, here]
        sites.append(phi.size)
        moments.append([np.sum(weight * phi**p) for p in range(2 * power + 1)])
        cross.append([(weight * phi**k * t).sum(axis=1) for k in range(power + 1)])
        gram.append(weight * t @ t.T)
        second.append((weight * dt + slope * t).sum(axis=1))
        edge.append([np.sum(slope * phi**k) for k in range(power + 1)])
    return tuple(map(np.array, (sites, moments, cross, gram, second, edge)))
