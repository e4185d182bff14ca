"""Minima of chi^2 for slightly different data: Newton's method with the curvature of the model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["refit"]

Floats = npt.NDArray[np.float64]

# Steps for second derivatives, and where a search has settled, in errors of the parameters.
_STEP = 0.03
_SETTLED = 1e-3
_MOST_STEPS = 5
# Eigenvalue of the Hessian below which the minimum is too flat for its parabola; 1 if linear.
_FLAT = 0.2


def refit(
    predict: Callable[[Floats], Floats],
    at: Floats,
    slope: Floats,
    residual: Floats,
    shifts: Floats,
) -> Floats:
    """Return the minimum for each shift of the data; NaN where the steps do not settle.

    Parameters
    ----------
    predict : callable
        From parameters (p,) to the weighted model (k,).
    at : array of shape (p,)
        The minimum for the data themselves, with its derivatives `slope` (k, p) and its weighted
        `residual` (k,).
    shifts : array of shape (G, k)
        Differences of weighted data.
    """
    minima = np.full((len(shifts), at.size), np.nan)
    # In coordinates z in which the slopes are orthonormal, steps are in errors.
    slopes, scale, turn = np.linalg.svd(slope, full_matrices=False)
    to_parameters = turn.T / scale
    bend = _second_derivatives(lambda z: predict(at + to_parameters @ z), at.size)
    hessian = np.eye(at.size) - np.tensordot(residual, bend, axes=1)
    if not np.isfinite(hessian).all() or np.linalg.eigvalsh(hessian)[0] < _FLAT:
        return minima
    inverse = np.linalg.inv(hessian)
    centre = predict(at)
    for row, shift in zip(minima, shifts, strict=True):
        z = inverse @ (slopes.T @ shift)
        for _ in range(_MOST_STEPS):
            left = residual + shift - (predict(at + to_parameters @ z) - centre)
            move = inverse @ ((slopes + bend @ z).T @ left)
            z = z + move
            if not np.isfinite(z).all():
                break
            if np.abs(move).max() < _SETTLED * max(np.abs(z).max(), _SETTLED):
                row[:] = at + to_parameters @ z
                break
    return minima


def _second_derivatives(function: Callable[[Floats], Floats], count: int) -> Floats:
    """Return the second derivatives at zero, of shape (k, count, count)."""
    steps = _STEP * np.eye(count)
    centre = function(np.zeros(count))
    single = [function(step) + function(-step) for step in steps]
    out = np.empty((centre.size, count, count))
    for i in range(count):
        out[:, i, i] = single[i] - 2 * centre
        for j in range(i):
            both = steps[i] + steps[j]
            mixed = function(both) + function(-both) - single[i] - single[j] + 2 * centre
            out[:, i, j] = out[:, j, i] = mixed / 2
    return out / _STEP**2
