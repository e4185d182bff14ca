"""Roots of many functions at once, and the grids on which their signs are looked at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["bracketed_roots", "log_grid"]

Array = npt.NDArray[np.float64]


def log_grid(low: float, high: float, per_decade: int) -> Array:
    """Return numbers from low to high, evenly spaced in their logarithm."""
    start, stop = float(np.log10(low)), float(np.log10(high))
    return np.logspace(start, stop, int(np.ceil((stop - start) * per_decade)) + 1)


def bracketed_roots(
    function: Callable[[Array], Array], low: Array, high: Array, *, steps: int = 100
) -> Array:
    """Return roots of an elementwise function between ends where its signs differ.

    Notes
    -----
    What newer releases of SciPy have as `scipy.optimize.elementwise.find_root`:
    T. R. Chandrupatla, Adv. Eng. Software 28, 145 (1997): inverse quadratic interpolation where it
    is safe, else bisection, to four units in the last place.
    """
    a, b = np.array(high, dtype=np.float64), np.array(low, dtype=np.float64)
    fa, fb = function(a), function(b)
    c, fc = a.copy(), fa.copy()
    t = np.full_like(a, 0.5)
    for _ in range(steps):
        x = a + t * (b - a)
        fx = function(x)
        same = np.sign(fx) == np.sign(fa)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, fx
        best = np.where(np.abs(fa) < np.abs(fb), a, b)
        width = np.abs(b - a)
        tolerance = 4 * np.finfo(np.float64).eps * np.abs(best)
        if ((fa == 0) | (fb == 0) | (width <= 2 * tolerance)).all():
            break
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            inverse = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (
                fc - fb
            )
            safe = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi) & np.isfinite(inverse)
            least = np.minimum(tolerance / width, 0.5)
        t = np.where(safe, np.clip(np.nan_to_num(inverse), least, 1 - least), 0.5)
    return np.where(np.abs(fa) < np.abs(fb), a, b)
