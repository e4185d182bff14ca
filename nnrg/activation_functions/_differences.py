"""Kinks and derivatives of a function that is known by its values only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError

__all__ = ["difference", "find_kinks"]

Array = npt.NDArray[Any]
Function = Callable[[Array], Array]

# The grid on which kinks are sought; a power of two, so that zero stays one of its points.
_MESH = 1 / 128
_HALVINGS = 32
# A kink between two points of the grid at most doubles; sqrt |z| grows by sqrt 2 at each halving.
_STEEPER = 4


def find_kinks(phi: Function, name: str) -> list[float]:
    """Return where the slope jumps: the second difference over h stays as h is halved."""
    z = np.arange(-16, 16 + _MESH / 2, _MESH)
    with np.errstate(all="ignore"):
        bend = np.abs(phi(z - _MESH) - 2 * phi(z) + phi(z + _MESH)) / _MESH
    bend = np.nan_to_num(bend)
    inner = bend[1:-1]
    peak = np.flatnonzero((inner >= bend[:-2]) & (inner > bend[2:]) & (inner > 1e-3)) + 1
    place, start, h = z[peak], bend[peak], _MESH
    for halving in range(_HALVINGS):
        h /= 2
        around = place[:, None] + h * np.arange(-2.0, 3.0)
        size = np.abs(phi(around - h) - 2 * phi(around) + phi(around + h)) / h
        best = size.argmax(axis=1)
        rows = np.arange(len(place))
        place, top = around[rows, best], size[rows, best]
        if halving == 12 and (jump := top > _STEEPER * start).any():
            raise ArgumentError(
                f"activation must be continuous with a finite slope, but {name} is not at "
                f"{place[jump][0]:.3f}; the mean square of its derivative may not exist"
            )
        # A kink keeps at least half, wherever between grid points it is; a bend loses it all.
        stays = top > 0.3 * start
        place, start = place[stays], start[stays]
    return [float(x) for x in place]


_CENTRAL = {1: (1, -8, 0, 8, -1), 2: (-1, 16, -30, 16, -1)}
_ONE_SIDED = {1: (-25, 48, -36, 16, -3), 2: (35, -104, 114, -56, 11)}
# Balance of the truncation h^4 and of the rounding 1e-16 / h^order.
_STEP = {1: 1e-3, 2: 3e-3}


def difference(phi: Function, z: Array, kinks: tuple[float, ...], order: int) -> Array:
    """Return phi' (order 1) or phi'' by five values, one-sided next to a kink."""
    h = _STEP[order] * np.maximum(1, np.abs(z) / 1e3)  # steps that z + h can resolve
    away = np.zeros_like(z)
    for kink in kinks:
        away = np.where(np.abs(z - kink) < 2 * h, np.where(z >= kink, 1.0, -1.0), away)
    total = np.zeros_like(z)
    for k in range(5):
        offset = np.where(away == 0, k - 2, away * k)
        weight = np.where(away == 0, _CENTRAL[order][k], _ONE_SIDED[order][k])
        total += weight * phi(z + offset * h)
    return total / (12 * h**order) * (np.where(away < 0, -1, 1) if order == 1 else 1)
