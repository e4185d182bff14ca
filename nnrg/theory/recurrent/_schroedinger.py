"""Lowest level of a particle on the half line, with the error of its grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh_tridiagonal

__all__ = ["Level", "ground_level", "lowest_level"]

Array = npt.NDArray[np.float64]

_POINTS = (500, 1000, 2000, 4000, 8000, 16000, 32000)
_ENOUGH = 1e-10
# Relative to gamma^2: a level deeper than the edge of the continuum by less is none.
_SHALLOW = 1e-9


@dataclass(frozen=True, slots=True)
class Level:
    """An eigenvalue, what another halving of the grid would change, its function on the grid."""

    energy: float
    error: float
    points: int
    tau: Array
    wave: Array


def lowest_level(
    potential: Callable[[Array], Array], length: float, boundary: float | None
) -> Level:
    """Return the lowest level of -d^2/dtau^2 + W(tau) on 0 < tau < length, zero at the far end.

    Parameters
    ----------
    potential : callable
        W, on arrays.
    length : float
    boundary : float or None
        psi'(0) / psi(0), zero for even functions; None for psi(0) = 0, odd ones.

    Notes
    -----
    Second differences between the middles of cells, extrapolated twice in the square of the
    spacing; the grid is halved until two extrapolations agree to 1e-10 of the scale of W.
    """
    energies: list[float] = []
    once: list[float] = []
    twice: list[float] = []
    error = np.inf
    tau: Array = np.empty(0)
    wave: Array = np.empty(0)
    for n in _POINTS:
        h = length / n
        tau = np.asarray((np.arange(n) + 0.5) * h, dtype=np.float64)
        diagonal = potential(tau) + 2 / h**2
        # The value half a cell outside, from the two values that a derivative needs.
        ghost = -1.0 if boundary is None else (1 - boundary * h / 2) / (1 + boundary * h / 2)
        diagonal[0] -= ghost / h**2
        diagonal[-1] += 1 / h**2
        off = np.full(n - 1, -1 / h**2)
        level, vector = eigh_tridiagonal(diagonal, off, select="i", select_range=(0, 0))
        energies.append(float(level[0]))
        lowest = np.asarray(vector[:, 0], dtype=np.float64)
        wave = lowest * float(np.sign(lowest[np.abs(lowest).argmax()]) / np.sqrt(h))
        if len(energies) > 1:
            once.append(energies[-1] + (energies[-1] - energies[-2]) / 3)
        if len(once) > 1:
            twice.append(once[-1] + (once[-1] - once[-2]) / 15)
        if len(twice) > 1:
            error = abs(twice[-1] - twice[-2])
            # Rounding of the second difference grows as the grid is refined.
            floor = np.finfo(np.float64).eps * 4 / h**2
            if error < max(_ENOUGH * float(np.abs(diagonal - 2 / h**2).min()), floor):
                break
    return Level(twice[-1], error, len(tau), tau, wave)


def ground_level(
    well: Callable[[Array], Array], length: float, edge: float, gamma: float
) -> tuple[float, float]:
    """Return the lowest even level and its error.

    It is the edge of the continuum where the well holds none that is resolved.
    """
    depth = edge - float(well(np.array([0.0]))[0])
    if depth < _SHALLOW * gamma**2:
        return edge, max(depth, 1e-12 * gamma**2)
    level = lowest_level(well, length, 0.0)
    for _ in range(3):
        gap = edge - level.energy
        if gap > 0 and math.sqrt(gap) * length > 15:
            return level.energy, level.error
        # A shallow level reaches far out.
        length = min(20 / math.sqrt(gap), 16 * length) if gap > 0 else 8 * length
        level = lowest_level(well, length, 0.0)
    gap = edge - level.energy
    if gap <= 0:
        return edge, depth
    return level.energy, level.error + gap * math.exp(-2 * math.sqrt(gap) * length)
