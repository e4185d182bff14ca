"""Block weights of the hierarchical model, level by level, and draws from what they split into.

A law on a grid is drawn from exactly: cells of an upper bound are chosen by their weight, a point
in the cell is uniform, and is accepted with the ratio of the density to the bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline
from scipy.special import logsumexp

__all__ = ["Level", "first_level", "next_level"]

Floats = npt.NDArray[np.float64]

# Cells of a grid in each direction, and entries of the finer table that draws interpolate in.
_CELLS = 512
_TABLE = 1 << 15
# A weight ends where it has fallen by exp(-60).
_HEIGHT = 60.0


@dataclass(frozen=True)
class _Weight:
    """The logarithm of an even weight on [0, edge], at most zero; minus infinity beyond."""

    edge: float
    table: Floats

    def __call__(self, x: Floats) -> Floats:
        last = self.table.size - 1
        place = np.abs(x) * (last / self.edge)
        inside = np.interp(place, np.arange(last + 1), self.table)
        # Rounding must not cut off the edge itself.
        return np.where(place > last + 1e-6, -np.inf, inside)


@dataclass(frozen=True)
class Level:
    """Blocks of one size: the weight of their mean, and the law of its split where they have one.

    Attributes
    ----------
    weight : callable
        Logarithm of the weight of the mean, with all the couplings inside the block.
    below : callable or None
        That of the halves.
    coupling : float
        Of the square of half their difference.
    span : float
        Largest half difference.
    bound : ndarray of shape (_CELLS, _CELLS)
        Logarithm of an upper bound of the law of the half difference, by cells of mean and half
        difference, at most about zero.
    """

    weight: _Weight
    below: _Weight | None = None
    coupling: float = 0.0
    span: float = 0.0
    bound: Floats | None = None

    def means(self, count: int, generator: np.random.Generator) -> Floats:
        """Draw means of blocks that are coupled to nothing else."""
        grid = np.linspace(0.0, self.weight.edge, _CELLS + 1)
        bound = _cell_bound(self.weight(grid)[None])
        width = self.weight.edge / _CELLS

        def log_density(x: Floats, _: npt.NDArray[np.intp]) -> Floats:
            return self.weight(x)

        cell = np.zeros(count, dtype=np.intp)
        return _draw(bound, width, cell, log_density, generator)

    def differences(self, means: Floats, generator: np.random.Generator) -> Floats:
        """Draw half the difference of the means of the halves, given the mean of each block."""
        assert self.below is not None and self.bound is not None
        below, coupling = self.below, self.coupling
        cell = np.minimum(np.abs(means) * (_CELLS / self.weight.edge), _CELLS - 1).astype(np.intp)

        def log_density(t: Floats, index: npt.NDArray[np.intp]) -> Floats:
            m = means[index]
            return below(m + t) + below(m - t) - 0.5 * coupling * t * t

        return _draw(self.bound, self.span / _CELLS, cell, log_density, generator)


def first_level(r: float, u: float) -> Level:
    """Return the level of single sites."""

    def log_weight(x: Floats) -> Floats:
        return -x * x * (r / 2 + x * x * (u / 24))

    edge = 1.0
    well = max(0.0, -6 * r / u) ** 0.5
    top = float(log_weight(np.array(well)))
    while top - float(log_weight(np.array(edge))) < _HEIGHT or edge < well:
        edge *= 1.05
    table = log_weight(np.linspace(0.0, edge, _TABLE))
    return Level(_Weight(edge, table - table.max()))


def next_level(level: Level, coupling: float) -> Level:
    """Return the level of blocks of twice the size."""
    below = level.weight
    edge, span = _ranges(below, coupling)
    means, halves = np.linspace(0.0, edge, _CELLS + 1), np.linspace(0.0, span, _CELLS + 1)
    joint = _joint(below, coupling, means, halves)
    # An even function on both sides of zero: the trapezoidal rule counts zero once.
    ends = np.full(halves.size, 2.0)
    ends[0] = 1.0
    values = logsumexp(joint, axis=1, b=ends)
    spline = CubicSpline(np.concatenate([-means[:0:-1], means]), np.r_[values[:0:-1], values])
    table = spline(np.linspace(0.0, edge, _TABLE))
    return Level(_Weight(edge, table - table.max()), below, coupling, span, _cell_bound(joint))


def _joint(below: _Weight, coupling: float, means: Floats, halves: Floats) -> Floats:
    m, t = means[:, None], halves[None, :]
    return np.asarray(below(m + t) + below(m - t) - 0.5 * coupling * t * t)


def _ranges(below: _Weight, coupling: float) -> tuple[float, float]:
    """Return where means and half differences end, by grids that close in on them."""
    edge = span = below.edge
    while True:
        means, halves = np.linspace(0.0, edge, 129), np.linspace(0.0, span, 129)
        joint = _joint(below, coupling, means, halves)
        weight = logsumexp(joint, axis=1)
        kept_means = means[weight > weight.max() - _HEIGHT]
        inside = joint[weight > weight.max() - _HEIGHT]
        high = (inside > inside.max(axis=1, keepdims=True) - _HEIGHT).any(axis=0)
        new_edge = min(edge, kept_means[-1] + means[1])
        new_span = min(span, halves[high][-1] + halves[1])
        if new_edge > 0.5 * edge and new_span > 0.5 * span:
            return float(new_edge), float(new_span)
        edge, span = new_edge, new_span


def _cell_bound(values: Floats) -> Floats:
    """Return an upper bound in each cell of a grid: its corners, and the curvature between them.

    A single row is a function of one variable.
    """
    corners = np.maximum(values[:, 1:], values[:, :-1])
    slack = _largest_second_difference(values, 1)
    if len(values) > 1:
        corners = np.maximum(corners[1:], corners[:-1])
        slack += _largest_second_difference(values, 0)
    return np.asarray(corners + slack / 4)


def _largest_second_difference(values: Floats, axis: int) -> float:
    high = np.where(values > values.max(initial=-np.inf) - 3 * _HEIGHT, values, np.nan)
    second = np.abs(np.diff(high, 2, axis))
    return float(np.nanmax(second, initial=0.0))


def _draw(
    bound: Floats,
    width: float,
    row: npt.NDArray[np.intp],
    log_density: Callable[[Floats, npt.NDArray[np.intp]], Floats],
    generator: np.random.Generator,
) -> Floats:
    """Draw one number for each entry of `row`, of an even density on cells of `width`.

    ``log_density(x, index)`` is that of entry ``index``, and is at most ``bound[row, cell]``.
    """
    weight = np.exp(bound - bound.max(axis=1, keepdims=True))
    share = np.cumsum(weight, axis=1)
    share /= share[:, -1:]
    # One table for all rows: row i lies between i and i + 1.
    table = (share + np.arange(len(share))[:, None]).ravel()
    cells = bound.shape[1]
    out = np.empty(row.size)
    waiting = np.arange(row.size)
    while waiting.size:
        rows = row[waiting]
        place = np.searchsorted(table, rows + generator.random(waiting.size), side="right")
        cell = np.clip(place - rows * cells, 0, cells - 1)
        x = (cell + generator.random(waiting.size)) * width
        x *= 1.0 - 2.0 * generator.integers(0, 2, waiting.size)
        log_ratio = log_density(x, waiting) - bound[rows, cell]
        accepted = -generator.standard_exponential(waiting.size) < log_ratio
        out[waiting[accepted]] = x[accepted]
        waiting = waiting[~accepted]
    return out
