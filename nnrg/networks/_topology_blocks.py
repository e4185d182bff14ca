"""Weight tensors as matrices between two populations: taps and copies combined, sign kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.networks._topology_ends import End

__all__ = ["as_units", "combined", "selected", "spread"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def as_units(values: Array, axis: int, end: End) -> Array:
    """Return the entries of an end as two axes, units then copies, in front of all others."""
    moved = np.moveaxis(values, axis, 0)[end.start : end.stop]
    if end.copies == 1:
        return moved[:, None]
    if end.copies_first:
        shaped = moved.reshape(end.copies, end.units, *moved.shape[1:])
        return shaped.swapaxes(0, 1)
    return moved.reshape(end.units, end.copies, *moved.shape[1:])


def spread(numbers: Array, end: End) -> Array:
    """Return numbers of units as numbers of the entries of an end."""
    return np.tile(numbers, end.copies) if end.copies_first else np.repeat(numbers, end.copies)


def combined(values: Array, leave: End, entry: End, how: str) -> tuple[Floats, int]:
    """Return a matrix of units, out x in, and how many numbers make one of its entries.

    Of several numbers (taps, gates, pixels) the L2 norm or the signed sum.
    """
    units = as_units(values, leave.axis, leave)
    shifted = entry.axis + 2 - (1 if entry.axis > leave.axis else 0)
    # Entries of the in axis in front, so: in units, in copies, out units, out copies, taps.
    both = as_units(units, shifted, entry)
    numbers = np.moveaxis(both, 2, 0).reshape(leave.units, entry.units, -1, order="C")
    count = numbers.shape[2]
    if count == 1:
        return numbers[:, :, 0].astype(np.float64), 1
    wide = numbers.astype(np.float64)
    if how == "sum":
        return wide.sum(axis=2), count
    return np.sqrt(np.einsum("oik,oik->oi", wide, wide)), count


def selected(matrix: Floats, strongest: int | None, threshold: float | None) -> Array:
    """Return which entries of a matrix are edges.

    Of each row and of each column the strongest, those as strong as the last of them included:
    which are kept does not depend on the order of units.
    """
    strength = np.abs(matrix)
    keep = strength > 0 if threshold is None else strength >= max(threshold, np.nextafter(0, 1))
    if strongest is None:
        return keep
    near = np.zeros(matrix.shape, dtype=bool)
    for axis in (0, 1):
        length = matrix.shape[axis]
        if strongest >= length:
            return keep
        last = np.partition(strength, length - strongest, axis=axis)
        near |= strength >= np.take(last, [length - strongest], axis=axis)
    return keep & near
