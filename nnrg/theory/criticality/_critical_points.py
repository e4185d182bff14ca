"""Critical points, chi_1 = 1, by the variance q at their fixed point, and the way back to q."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation
from nnrg.theory._roots import bracketed_roots, log_grid
from nnrg.theory.criticality.fixed_points import limit_moments
from nnrg.theory.gaussian_averages import selected_moments

__all__ = ["inverted", "line_at", "search_grid"]

Array = npt.NDArray[np.float64]

# Variances that are searched, and points per decade.
_LOWEST, _HIGHEST, _PER_DECADE = 1e-7, 1e7, 32


def search_grid() -> Array:
    """Return the variances that are searched."""
    return log_grid(_LOWEST, _HIGHEST, _PER_DECADE)


def line_at(phi: Activation, q: Array) -> tuple[Array, Array, Array, Array]:
    """Return sigma_w^2 and sigma_b^2 of the critical point with this q > 0, and their errors."""
    m, errors = selected_moments(phi, q, ("square", "slope_square"))
    with np.errstate(divide="ignore", invalid="ignore"):
        w2 = 1 / m["slope_square"]
        w2_error = errors["slope_square"] * w2**2
        b2 = q - w2 * m["square"]
        b2_error = w2 * errors["square"] + w2_error * m["square"] + 4e-16 * q
    return w2, b2, w2_error, b2_error


def inverted(phi: Activation, name: str, targets: Array) -> tuple[Array, npt.NDArray[np.intp]]:
    """Return q of a critical point for each target sigma^2, NaN if none, and how many there are."""
    grid = search_grid()
    w2, b2, w2_error, b2_error = line_at(phi, grid)
    column, error = (b2, b2_error) if name == "sigma_b" else (w2, w2_error)
    gap = column - targets[:, None]
    # Differences below their error have no sign; a root needs one at both ends.
    sign = np.where(np.abs(gap) > 4 * error, np.sign(gap), np.nan)
    row, place = np.nonzero(sign[:, :-1] * sign[:, 1:] < 0)

    def function(log_q: Array) -> Array:
        w2, b2, _, _ = line_at(phi, np.exp(log_q))
        return (b2 if name == "sigma_b" else w2) - targets[row]

    x = np.log(grid)
    roots = np.exp(bracketed_roots(function, x[place], x[place + 1])) if len(row) else np.empty(0)
    if len(roots):
        m, _ = selected_moments(phi, roots, ("square", "slope_square", "first"))
        _, b2, _, b2_error = line_at(phi, roots)
        sound = b2 >= -4 * b2_error
        stable = np.abs(m["first"] / m["slope_square"]) < 1
    else:
        sound = stable = np.empty(0, dtype=bool)
    q, solutions = np.full(len(targets), np.nan), np.zeros(len(targets), dtype=np.intp)
    at_zero = limit_moments(phi) if abs(float(phi(0.0))) < 1e-300 else None
    for i, target in enumerate(targets):
        mine = np.flatnonzero((row == i) & sound)
        order = mine[np.lexsort((roots[mine], ~stable[mine]))]
        solutions[i] = len(order)
        if len(order):
            q[i] = roots[order[0]]
        if at_zero and at_zero["slope_square"] > 1e-16:  # else phi is flat at zero
            wanted = 0.0 if name == "sigma_b" else 1 / at_zero["slope_square"]
            if abs(target - wanted) <= 1e-12 * wanted + 1e-300:
                solutions[i] += 1
                q[i] = 0.0
    return q, solutions
