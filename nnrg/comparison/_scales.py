"""Which scales of two flows are the same, and numbers of a flow between its scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Common", "Reading", "common_scales"]

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

# Scales this close in ln b are one and the same, whatever was done to compute them.
_SAME = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Where a flow is read: at its own scales, or between two of them, linearly in ln b.

    Attributes
    ----------
    low, high : int arrays of shape (m,)
        Neighbouring scales; the same where one of the flow's own is read.
    third : int array of shape (m,)
        One more scale, for the curvature; -1 where there is none.
    share : array of shape (m,)
        What of `high` is taken, 0 to 1.
    bend : array of shape (m,)
        (x - low)(x - high) in ln b, which times the second divided difference is the error of the
        straight line.
    x : array of shape (n_scales,)
        ln of the flow's own scales.
    """

    low: Indices
    high: Indices
    third: Indices
    share: Array
    bend: Array
    x: Array

    @property
    def between(self) -> npt.NDArray[np.bool_]:
        """Which readings are between two scales."""
        return np.asarray(self.low != self.high)

    def read(self, numbers: Array, axis: int = -2) -> Array:
        """Return numbers with scales along `axis` at the scales read."""
        low, high = np.take(numbers, self.low, axis), np.take(numbers, self.high, axis)
        shape = [1] * numbers.ndim
        shape[axis] = self.share.size
        share, between = self.share.reshape(shape), self.between.reshape(shape)
        return np.where(between, (1 - share) * low + share * high, low)

    def bending(self, values: Array) -> Array:
        """Return how far values (n_scales, n) may lie from the straight line; 0 if not known."""
        out = np.zeros((self.share.size, values.shape[1]))
        for row in np.flatnonzero(self.between & (self.third >= 0)):
            at = [self.low[row], self.high[row], self.third[row]]
            (x0, x1, x2), (y0, y1, y2) = self.x[at], values[at]
            second = ((y2 - y1) / (x2 - x1) - (y1 - y0) / (x1 - x0)) / (x2 - x0)
            out[row] = np.nan_to_num(np.abs(second * self.bend[row]))
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Common:
    """The scales at which two flows are compared.

    Attributes
    ----------
    positions : array of shape (m,)
        In the measure that is equal.
    first, second : Reading
    """

    positions: Array
    first: Reading
    second: Reading


def common_scales(first: Array, second: Array, *, tolerance: float, interpolate: bool) -> Common:
    """Return the scales that two flows share; none is outside either of them.

    Parameters
    ----------
    first, second : arrays of shape (n_scales,)
        Positions of the scales of each.
    tolerance : float
        Scales of either that are each other's nearest, and no further apart in ln b, are one.
    interpolate : bool
        Whether to read one flow between its scales at those of the other, the one with fewer in
        the range that both span.
    """
    a, b = np.log(first), np.log(second)
    if interpolate:
        low, high = max(a.min(), b.min()) - _SAME, min(a.max(), b.max()) + _SAME
        inside = [np.sort(p[(x >= low) & (x <= high)]) for p, x in ((first, a), (second, b))]
        positions = min(inside, key=lambda own: (own.size, tuple(own)))
        # Blocks left fall from scale to scale, lengths rise.
        positions = positions[::-1] if a[0] > a[-1] else positions
        at = np.log(positions)
        return Common(positions, _between(a, at), _between(b, at))
    gap = np.abs(a[:, None] - b)
    pairs = [
        (i, j)
        for i in range(a.size)
        for j in range(b.size)
        if gap[i, j] <= tolerance + _SAME
        and gap[i, j] == gap[i].min()
        and gap[i, j] == gap[:, j].min()
    ]
    # Of two that are equally near only the first is taken, for either flow.
    chosen: list[tuple[int, int]] = []
    for i, j in sorted(pairs, key=sum):
        if all(i != p and j != q for p, q in chosen):
            chosen.append((i, j))
    left, right = (np.array([pair[k] for pair in chosen], dtype=np.intp) for k in (0, 1))
    return Common(np.sqrt(first[left] * second[right]), _own(a, left), _own(b, right))


def _own(x: Array, at: Indices) -> Reading:
    zero = np.zeros(at.size)
    return Reading(at, at.copy(), np.full(at.size, -1), zero, zero.copy(), x)


def _between(x: Array, at: Array) -> Reading:
    order = np.argsort(x)
    rank = np.clip(np.searchsorted(x[order], at), 1, max(x.size - 1, 1))
    low, high = order[rank - 1], order[np.minimum(rank, x.size - 1)]
    nearest = np.argmin(np.abs(x[:, None] - at), axis=0)
    own = np.abs(x[nearest] - at) <= _SAME
    low, high = np.where(own, nearest, low), np.where(own, nearest, high)
    outer = np.where(rank >= 2, rank - 2, rank + 1)
    third = np.where(outer < x.size, order[np.minimum(outer, x.size - 1)], -1)
    span = np.where(own, 1.0, x[high] - x[low])
    share = np.where(own, 0.0, (at - x[low]) / span)
    bend = np.where(own, 0.0, (at - x[low]) * (at - x[high]))
    return Reading(low, high, np.where(own, -1, third), share, bend, x)
