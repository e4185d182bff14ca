"""Fixed points of the variance of preactivations, all of them, or why it has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation
from nnrg.theory._roots import bracketed_roots, log_grid
from nnrg.theory.gaussian_averages import moments, selected_moments

__all__ = [
    "FAR_OUT",
    "MARGINAL",
    "NEAR_ZERO",
    "FixedPoint",
    "bracketed_fixed_points",
    "find_fixed_points",
    "limit_moments",
    "reached",
    "slopes_far_out",
]

Array = npt.NDArray[np.float64]

# Slopes of a map that differ from 1 by less are those of a critical point.
MARGINAL = 1e-9

_LOWEST, FAR_OUT, _PER_DECADE = 1e-12, 1e8, 40
_BEYOND = 1e60
# A double root of (G(q) - q) / q is told from two or none to this.
_TOUCH = 1e-13
# Where the limit q -> 0 is taken: corrections are of order q, rounding 1e-16 / q in `second` only.
NEAR_ZERO = 1e-20
_STEP = 0.03
# Layers given to a map that is not monotone.
_SETTLING = 400
_OF_MAP = ("square", "first")
_SLOPES = ("slope_square", "first")


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A fixed point q = sigma_w^2 <phi^2> + sigma_b^2 of the variance of preactivations.

    Attributes
    ----------
    q, q_error : float
        Variance of a preactivation, and its error of quadrature, rounding and root finding.
    chi_1, chi_1_error : float, dimensionless
        sigma_w^2 <phi'^2>.
    chi_par, chi_par_error : float, dimensionless
        dq_(l+1) / dq_l = sigma_w^2 (<phi'^2> + <phi phi''>).
    stability : {"stable", "unstable", "half-stable", "marginal"}
        Half-stable: reached from one side only, |chi_par| = 1. Marginal: chi_par = 1 and q is
        drawn in as a power law, or, for scale-invariant functions at their critical point, kept.
    """

    q: float
    q_error: float
    chi_1: float
    chi_1_error: float
    chi_par: float
    chi_par_error: float
    stability: str


def find_fixed_points(
    phi: Activation, w2: float, b2: float
) -> tuple[tuple[FixedPoint, ...], str, bool]:
    """Return fixed points by increasing q, why q diverges from above the last, if it grows with q.

    Parameters
    ----------
    phi : Activation
        No scale-invariant function at its critical point: there every q is one.
    w2, b2 : float
        sigma_w^2 and sigma_b^2.
    """
    found: list[FixedPoint] = []
    if b2 == 0 and _is_zero(phi):
        found.append(_at_zero(phi, w2))
    if phi.slopes is not None:
        a2 = w2 * (phi.slopes[0] ** 2 + phi.slopes[1] ** 2) / 2
        if b2 > 0 and a2 < 1:
            error = 1e-15 * (1 + a2 / (1 - a2))
            q = b2 / (1 - a2)
            found.append(FixedPoint(q, q * error, a2, 1e-15 * a2, a2, 1e-15 * a2, "stable"))
        return tuple(found), _growth(phi, w2, b2, FAR_OUT) if a2 >= 1 else "", True
    grid, square, first, known = _searched(phi, w2, b2)
    count = len(grid) if known.all() else int(np.argmin(known))
    if count < 2:
        return tuple(found), f"<phi^2> has no finite value at q = {grid[0]:.3g}", True
    excess = ((w2 * square + b2) / grid - 1)[:count]
    tilt = (w2 * first - (w2 * square + b2) / grid)[:count]
    roots = _roots(phi, w2, b2, grid[:count], excess, tilt)
    found += [_fixed_point(phi, w2, b2, x) for x in roots]
    reason = ""
    if excess[-1] > 0:
        reason = (
            _growth(phi, w2, b2, grid[-1])
            if count == len(grid)
            else f"<phi^2> is beyond double precision above q = {grid[count - 1]:.3g}"
        )
    return tuple(found), reason, bool((first[:count] >= 0).all())


def _on(phi: Activation, grid: Array) -> list[Array]:
    """Return the grid, <phi^2>, its derivative, and 1 where they are known."""
    m, errors = selected_moments(phi, grid, _OF_MAP)
    known = np.isfinite(m["square"]) & (errors["square"] <= 1e-6 * m["square"] + 1e-300)
    return [grid, m["square"], m["first"], known.astype(np.float64)]


@lru_cache(maxsize=16)
def _scan(phi: Activation) -> list[Array]:
    """Return the part of the search that is the same for all sigma; its arrays are not written."""
    return _on(phi, log_grid(_LOWEST, FAR_OUT, _PER_DECADE))


def _searched(phi: Activation, w2: float, b2: float) -> list[Array]:
    """Return increasing variances that hold all fixed points, with the map there."""
    parts = [_scan(phi)]
    if b2 > 0:
        # G(q) >= sigma_b^2: no fixed point lies below.
        low = b2 * (1 - 1e-12)
        middle = [column[parts[0][0] > low] for column in parts[0]]
        start = np.array([low])
        if low < _LOWEST:
            start = np.append(start, log_grid(low, _LOWEST, _PER_DECADE)[1:-1])
        parts = [_on(phi, start), middle]
    end, square, _, known = (column[-1:] for column in parts[-1])
    top = w2 * (square[0] if len(square) else 1.0) + b2
    if not len(end) or (known[0] and top > end[0]):
        # A bounded function may have its fixed point further out.
        last = float(end[0]) if len(end) else float(parts[0][0][-1])
        high = min(1e3 * max(top, last), _BEYOND)
        if high > last:
            parts.append(_on(phi, log_grid(last, high, _PER_DECADE)[1:]))
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


def reached(
    found: tuple[tuple[FixedPoint, ...], str, bool], q0: float, q_map: Callable[[float], float]
) -> tuple[FixedPoint | None, str]:
    """Return the fixed point that q goes to from q0, or why there is none."""
    points, reason, growing = found
    for point in points:
        if abs(point.q - q0) <= 10 * point.q_error + 1e-12 * q0:
            return point, ""
    if growing:
        # The map keeps the order of numbers: q goes to the next fixed point that it points to.
        up = q_map(q0) > q0
        ahead = [p for p in points if (p.q >= q0 if up else p.q <= q0)]
        if ahead:
            return ahead[0 if up else -1], ""
        return None, reason or "q leaves the range 1e-12 .. 1e8 where fixed points are sought"
    q = q0
    for _ in range(_SETTLING):
        q = q_map(q)
        if not q < _BEYOND:
            return None, reason or f"q exceeds {_BEYOND:g}"
    for point in points:
        if abs(q - point.q) <= 1e-6 * point.q:
            return point, ""
    return None, f"q does not settle in {_SETTLING} layers: it alternates about a fixed point"


def _growth(phi: Activation, w2: float, b2: float, q: float) -> str:
    """Say how q grows without end."""
    if phi.slopes is None and q >= 0.999 * _BEYOND:
        return f"q exceeds {_BEYOND:g}, where the search for fixed points ends"
    if phi.slopes is not None:
        factor = w2 * (phi.slopes[0] ** 2 + phi.slopes[1] ** 2) / 2
    else:
        factor = w2 * float(selected_moments(phi, np.array(q), ("square",))[0]["square"]) / q
    if abs(factor - 1) < MARGINAL:
        return (
            f"sigma_w^2 <phi^2> / q is 1 at large q, and sigma_b^2 = {b2:.3g} adds to q per layer"
        )
    return f"sigma_w^2 <phi^2> / q = {factor:.6g} > 1 at large q: q grows by it per layer"


def limit_moments(phi: Activation) -> dict[str, float]:
    """Return first, slope_square and second (with its error) for q -> 0, where phi(0) = 0."""
    m = selected_moments(phi, np.array(NEAR_ZERO), ("square", *_SLOPES))[0]
    out = {name: float(m[name]) for name in _SLOPES}
    if phi.slopes is not None:
        return {**out, "second": 0.0, "error": 0.0}
    # d^2<phi^2>/dq^2 at q = 0 is half the curvature of phi'^2 + phi phi'' at 0.
    z = _STEP * np.array([-4.0, -2, -1, 0, 1, 2, 4])
    f = phi.first(z) ** 2 + phi.function(z) * phi.second(z)
    fine = float(-f[1] + 16 * f[2] - 30 * f[3] + 16 * f[4] - f[5]) / (12 * _STEP**2)
    coarse = float(-f[0] + 16 * f[1] - 30 * f[3] + 16 * f[5] - f[6]) / (48 * _STEP**2)
    best = (16 * fine - coarse) / 15
    noise = 8 * (np.finfo(np.float64).eps + sum(phi.accuracy)) * np.abs(f).max() / _STEP**2
    return {**out, "second": best / 2, "error": (abs(fine - coarse) / 100 + noise) / 2}


def slopes_far_out(phi: Activation, w2: float) -> tuple[float, float, float, float]:
    """Return chi_1 and chi_par at large q, each with what it still changes; NaN if not known."""
    m, errors = selected_moments(phi, np.array([FAR_OUT / 10, FAR_OUT]), ("square", *_SLOPES))
    values = []
    for name in _SLOPES:
        less, value = w2 * m[name]
        error = w2 * errors[name][1] + abs(value - less)
        values += [float(value), float(error)] if np.isfinite(error) else [np.nan, np.nan]
    return values[0], values[1], values[2], values[3]


def _is_zero(phi: Activation) -> bool:
    return bool(np.abs(phi(0.0)) < 1e-300)


def _at_zero(phi: Activation, w2: float) -> FixedPoint:
    m = limit_moments(phi)
    chi_1, chi_par = w2 * m["slope_square"], w2 * m["first"]
    error = w2 * (4e-16 + 4 * phi.accuracy[0])
    if abs(chi_par - 1) > max(MARGINAL, error):
        kind = "stable" if chi_par < 1 else "unstable"
    elif phi.slopes is not None or m["second"] < 0:
        kind = "marginal"
    else:
        kind = "unstable"
    return FixedPoint(0.0, 0.0, chi_1, error, chi_par, error, kind)


def _fixed_point(phi: Activation, w2: float, b2: float, q: float) -> FixedPoint:
    m = moments(phi, q * np.array([1.0, 1 - 1e-4, 1 + 1e-4]))
    chi_1, chi_par = w2 * m.slope_square, w2 * m.first
    # The root holds where the residual is below its own error: q to that over 1 - chi_par, or, if
    # that vanishes, to its square root.
    residual = w2 * float(m.errors["square"][0]) + 4e-16 * (q + b2)
    bend = w2 * abs(float(m.second[0])) + 1e-300
    gap = abs(1 - float(chi_par[0]))
    error = min(residual / gap if gap else np.inf, float(np.sqrt(2 * residual / bend)))
    drift_1, drift_par = (abs(float(x[2] - x[1])) / (2e-4 * q) * error for x in (chi_1, chi_par))
    error_1 = w2 * float(m.errors["slope_square"][0]) + drift_1
    error_par = w2 * float(m.errors["first"][0]) + drift_par
    slope = float(chi_par[0])
    if abs(slope - 1) <= max(MARGINAL, error_par):
        kind = "half-stable"
    else:
        kind = "stable" if abs(slope) < 1 else "unstable"
    return FixedPoint(q, error, float(chi_1[0]), error_1, slope, error_par, kind)


def _gap(phi: Activation, w2: Array | float, b2: Array | float, log_q: Array) -> Array:
    q = np.exp(log_q)
    square = selected_moments(phi, q, ("square",))[0]["square"]
    return np.asarray((w2 * square + b2) / q - 1)


def bracketed_fixed_points(
    phi: Activation, w2: Array | float, b2: Array | float, low: Array, high: Array
) -> Array:
    """Return q = sigma_w^2 <phi^2> + sigma_b^2 between ends ln q where the difference changes sign.

    There may be another sigma_w^2 and sigma_b^2 for each pair of ends.
    """
    return np.exp(bracketed_roots(lambda x: _gap(phi, w2, b2, x), low, high))


def _roots(
    phi: Activation, w2: float, b2: float, grid: Array, excess: Array, tilt: Array
) -> list[float]:
    """Return roots of G(q) = q, simple ones and those where it only touches."""

    def slope(log_q: Array) -> Array:
        q = np.exp(log_q)
        m = selected_moments(phi, q, _OF_MAP)[0]
        return np.asarray(w2 * m["first"] - (w2 * m["square"] + b2) / q)

    x = np.log(grid)
    crossed = np.flatnonzero(np.sign(excess[:-1]) * np.sign(excess[1:]) < 0)
    low, high = list(x[crossed]), list(x[crossed + 1])
    roots = list(grid[excess == 0])
    # Between points of one sign it may come to zero and go back.
    toward = np.sign(excess[:-1]) == -np.sign(tilt[:-1])
    turned = (np.sign(tilt[:-1]) * np.sign(tilt[1:]) < 0) & toward
    turned &= np.sign(excess[:-1]) * np.sign(excess[1:]) > 0
    places = np.flatnonzero(turned)
    if len(places):
        extrema = bracketed_roots(slope, x[places], x[places + 1])
        gaps = _gap(phi, w2, b2, extrema)
        for i, extremum, value in zip(places, extrema, gaps, strict=True):
            if abs(value) <= _TOUCH:
                roots.append(float(np.exp(extremum)))
            elif np.sign(value) != np.sign(excess[i]):
                low += [x[i], extremum]
                high += [extremum, x[i + 1]]
    if low:
        roots += list(bracketed_fixed_points(phi, w2, b2, np.array(low), np.array(high)))
    return sorted(float(q) for q in roots)
