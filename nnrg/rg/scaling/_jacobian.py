"""The derivative of an RG map: complex step, or differences extrapolated to step zero."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError

__all__ = ["RGMap", "jacobian"]

Array = npt.NDArray[np.float64]
RGMap = Callable[[npt.NDArray[np.inexact]], npt.ArrayLike]

_IMAGINARY = 1e-30


def jacobian(rg_map: RGMap, point: Array) -> Array:
    """Return d g'_i / d g_j at `point`, shape (n, n); see `nnrg.rg.scaling.maps.linearise`."""
    exact = _complex_step(rg_map, point)
    matrix = _differences(rg_map, point) if exact is None else exact
    if not np.isfinite(matrix).all():
        raise AnalysisError(f"the map has no finite derivative at {point.tolist()}")
    return matrix


def _complex_step(rg_map: RGMap, point: Array) -> Array | None:
    """Return the derivative, or None for a map that is not made for complex numbers."""
    columns = []
    for j in range(point.size):
        moved = point.astype(np.complex128)
        moved[j] += 1j * _IMAGINARY
        try:
            with warnings.catch_warnings():
                # A map that makes them real again is found out below.
                warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
                image = np.asarray(rg_map(moved))
        except (TypeError, ValueError):
            return None
        if image.dtype.kind != "c":
            return None
        columns.append(image.imag / _IMAGINARY)
    matrix = np.column_stack(columns)
    # A map may drop the imaginary part, or take a modulus: differences tell.
    rough = _differences(rg_map, point)
    size = np.abs(rough).max()
    return matrix if np.abs(matrix - rough).max() <= 1e-5 * max(size, 1e-12) else None


def _differences(rg_map: RGMap, point: Array) -> Array:
    """Central differences at steps h, h/2, h/4, h/8, extrapolated in h^2."""
    columns = []
    for j in range(point.size):
        # The sixteenth of the last step keeps truncation and rounding alike, about 1e-11.
        width = 2e-2 * max(1.0, abs(point[j]))
        table = []
        for halving in range(4):
            h = width / 2**halving
            up, down = point.copy(), point.copy()
            up[j] += h
            down[j] -= h
            rise = np.asarray(rg_map(up), float) - np.asarray(rg_map(down), float)
            table.append(rise / (up[j] - down[j]))
        for order in range(1, 4):
            table = [(4**order * fine - rough) / (4**order - 1) for rough, fine in pairwise(table)]
        columns.append(table[0])
    return np.column_stack(columns)
