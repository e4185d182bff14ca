"""Correlation maps as power series: the squares of the Hermite coefficients of phi."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation
from nnrg.theory._roots import bracketed_roots

__all__ = ["chaotic_fixed_points"]

Array = npt.NDArray[np.float64]

_TERMS = 160
# The last function oscillates up to z = 2 sqrt(terms).
_END, _STEP = 30.0, 1 / 64
_AT_ONCE = 256
# No series tells an epsilon from 0 below.
_NEAREST = 1e-7


def _functions() -> tuple[Array, Array]:
    """Return nodes, and normalised Hermite polynomials times the weights of a Gaussian sum."""
    z = np.arange(-_END, _END + _STEP / 2, _STEP)
    # Times the root of the density: they stay bounded, and their recursion stable.
    root = np.exp(-z * z / 4) / (2 * np.pi) ** 0.25
    h = np.empty((_TERMS, len(z)))
    h[0], h[1] = root, z * root
    for k in range(1, _TERMS - 1):
        h[k + 1] = (z * h[k] - np.sqrt(k) * h[k - 1]) / np.sqrt(k + 1)
    return z, h * root * _STEP


def chaotic_fixed_points(
    phi: Activation, w2: Array, b2: Array, q: Array
) -> tuple[Array, Array, Array, Array]:
    """Return c* < 1 and the slope of the correlation map there, with errors, where chi_1 > 1.

    Notes
    -----
    <phi(u) phi(v)> = sum_k a_k^2 c^k with phi(sqrt(q) z) = sum_k a_k h_k(z). The error is what half
    of the terms and half of the nodes change; it is large where phi is steep or c* close to 1.
    """
    z, h = _functions()
    fine, coarse = np.empty((2, len(q), _TERMS))
    for i in range(0, len(q), _AT_ONCE):
        values = phi.function(np.sqrt(q[i : i + _AT_ONCE, None]) * z)
        fine[i : i + _AT_ONCE] = (values @ h.T) ** 2
        coarse[i : i + _AT_ONCE] = (values[:, ::2] @ (2 * h[:, ::2]).T) ** 2
    coarse[:, _TERMS // 2 :] = 0
    c, slope = _solve(fine, w2, b2, q)
    other_c, other_slope = _solve(coarse, w2, b2, q)
    return c, np.abs(c - other_c) + 1e-14, slope, np.abs(slope - other_slope) + 1e-14


def _solve(squares: Array, w2: Array, b2: Array, q: Array) -> tuple[Array, Array]:
    """Return the root of the map below 1, NaN without one, and the slope."""
    powers = np.arange(_TERMS)
    weights = squares * (w2 / q)[:, None]

    def series(c: Array) -> Array:
        return np.asarray((weights * c[:, None] ** powers).sum(axis=1) + b2 / q)

    low, high = np.zeros_like(q), np.full_like(q, 1 - _NEAREST)
    crossed = series(high) < high
    at_zero = series(low) <= 1e-15
    safe = np.where(crossed, high, 2.0)
    # Without a sign change the root of a straight line stands in, and is thrown away.
    root = bracketed_roots(
        lambda c: np.where(crossed & ~at_zero, series(np.minimum(c, 1.0)) - c, c - 0.5),
        low,
        safe,
    )
    c = np.where(at_zero, 0.0, np.where(crossed, root, np.nan))
    inner = powers * np.nan_to_num(c)[:, None] ** np.maximum(powers - 1, 0)
    return c, np.where(np.isnan(c), np.nan, (weights * inner).sum(axis=1))
