"""Gaussian averages over one variable and over two, on arrays that are known to be valid."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.theory._quadrature import integrate

__all__ = ["FAR", "NARROW", "SHARP", "WIDE", "averages", "density", "pair_averages"]

Array = npt.NDArray[np.float64]
Function = Callable[[Array], Array]

# Twice the exponent where doubles end; growing functions move weight far out.
FAR = 38.0
# First panels: in standard deviations, and around zero in the function's own unit. A panel that
# begins where the function still bends by more than the tolerance would not see it.
WIDE = np.array([-FAR, -14, -8, -5, -2.5, 0, 2.5, 5, 8, 14, FAR])
NARROW = np.array([-64.0, -16.0, -4.0, -1.0, 0.0, 1.0, 4.0, 16.0, 64.0])
# About a kink, in units of what smears it.
SHARP = np.array([-14.0, -5.0, -1.5, 1.5, 5.0, 14.0])


def averages(
    function: Function,
    q: Array,
    m: Array,
    kinks: Sequence[float],
    tolerance: float,
    importance: Array | None = None,
) -> tuple[Array, Array]:
    """Return averages and errors of shape (n_functions, len(q))."""
    sd = np.sqrt(q)
    own = np.concatenate([NARROW, [float(k) for k in kinks]])
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        narrow = np.nan_to_num((own - m[:, None]) / sd[:, None], nan=0.0)
    wide = np.broadcast_to(WIDE, (len(q), len(WIDE)))
    edges = np.sort(np.concatenate([wide, np.clip(narrow, -FAR, FAR)], axis=1))

    def integrand(z: Array, owner: npt.NDArray[np.intp]) -> Array:
        x = m[owner, None] + sd[owner, None] * z
        return _evaluate(function, x) * density(z)

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        value, error = integrate(integrand, edges, tolerance, importance=importance)
    bad = ~np.isfinite(value) | ~np.isfinite(error)
    value, error = np.where(bad, np.nan, value), np.where(bad, np.inf, error)
    if (q == 0).any():
        value[:, q == 0], error[:, q == 0] = _evaluate(function, m[None, q == 0])[:, 0], 0.0
    return value, error


def pair_averages(
    f: Function,
    g: Function,
    q1: Array,
    q2: Array,
    c: Array,
    kinks: tuple[Sequence[float], Sequence[float]],
    tolerance: float,
) -> tuple[Array, Array]:
    sd1, slope = np.sqrt(q1), c * np.sqrt(q2)
    width = np.sqrt(q2 * (1 - c) * (1 + c))
    own = np.concatenate([NARROW, [float(k) for k in kinks[0]]])
    # Where the inner average turns, as a function of z = u / sqrt(q1), and how sharply.
    turns = np.concatenate([NARROW, [float(k) for k in kinks[1]]])
    sharp = np.array([0.0, *kinks[1]])[:, None] + (SHARP * width[:, None, None])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        narrow = own / sd1[:, None]
        inner = np.concatenate(
            [turns / slope[:, None], sharp.reshape(len(c), -1) / slope[:, None]], axis=1
        )
    wide = np.broadcast_to(WIDE, (len(c), len(WIDE)))
    edges = np.nan_to_num(np.concatenate([wide, narrow, inner], axis=1), nan=0.0)
    edges = np.sort(np.clip(edges, -FAR, FAR))

    def integrand(z: Array, owner: npt.NDArray[np.intp]) -> Array:
        outer = _evaluate(f, sd1[owner, None] * z)[0] * density(z)
        given = np.repeat(owner, z.shape[1])
        (average,), (error,) = averages(
            g,
            width[given] ** 2,
            slope[given] * z.ravel(),
            kinks[1],
            tolerance / 4,
            np.abs(outer).ravel(),
        )
        return np.stack([outer * average.reshape(z.shape), np.abs(outer) * error.reshape(z.shape)])

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        value, error = integrate(integrand, edges, tolerance, noisy=True)
    bad = ~np.isfinite(value).all(axis=0) | ~np.isfinite(error[0])
    return np.where(bad, np.nan, value[0]), np.where(bad, np.inf, error[0] + value[1])


def density(z: Array) -> Array:
    return np.asarray(np.exp(-z * z / 2) / np.sqrt(2 * np.pi))


def _evaluate(function: Function, x: Array) -> Array:
    """Return (n_functions, *x.shape), or say that a function is not vectorised."""
    values = np.asarray(function(x), dtype=np.float64)
    if values.shape == x.shape:
        return values[None]
    if values.shape[1:] != x.shape:
        raise ArgumentError(
            f"a function averaged must return an array of the shape it gets, {x.shape}, or several "
            f"of them, got {values.shape}"
        )
    return values
