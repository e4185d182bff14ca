"""Eigenvalues of a symmetric tridiagonal matrix, and the first components of its eigenvectors.

A quadrature needs no more: with one row instead of a whole matrix the work is quadratic, not cubic.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import kernel

__all__ = ["gauss_rule"]

Floats = npt.NDArray[np.float64]

SWEEPS = 60


@kernel
def _implicit_ql(d: Floats, e: Floats, first: Floats) -> bool:
    """Diagonalise in place by implicit QL (Golub and Welsch 1969); say whether it converged."""
    n = d.size
    for start in range(n):
        for sweep in range(SWEEPS + 1):
            m = start
            while m < n - 1:
                if abs(e[m]) <= 2.3e-16 * (abs(d[m]) + abs(d[m + 1])):
                    break
                m += 1
            if m == start:
                break
            if sweep == SWEEPS:
                return False
            g = (d[start + 1] - d[start]) / (2.0 * e[start])
            r = math.hypot(g, 1.0)
            g = d[m] - d[start] + e[start] / (g + math.copysign(r, g))
            s, c, p = 1.0, 1.0, 0.0
            i = m - 1
            while i >= start:
                f, b = s * e[i], c * e[i]
                r = math.hypot(f, g)
                e[i + 1] = r
                if r == 0.0:
                    d[i + 1] -= p
                    e[m] = 0.0
                    break
                s, c = f / r, g / r
                g = d[i + 1] - p
                r = (d[i] - g) * s + 2.0 * c * b
                p = s * r
                d[i + 1] = g + p
                g = c * r - b
                x, y = first[i], first[i + 1]
                first[i + 1], first[i] = s * x + c * y, c * x - s * y
                i -= 1
            if r == 0.0 and i >= start:
                continue
            d[start] -= p
            e[start] = g
            e[m] = 0.0
    return True


def gauss_rule(diagonal: Floats, beside: Floats) -> tuple[Floats, Floats]:
    """Return eigenvalues, ascending, and the first components of their eigenvectors, squared.

    Parameters
    ----------
    diagonal : (m,) array
    beside : (m - 1,) array

    Returns
    -------
    nodes, weights : (m,) arrays
        The weights add up to one.
    """
    d, e = diagonal.astype(np.float64), np.append(beside, 0.0)
    first = np.zeros(d.size)
    first[0] = 1.0
    if not _implicit_ql(d, e, first):
        raise ArithmeticError("the eigenvalues of a tridiagonal matrix did not converge")
    order = np.argsort(d, kind="stable")
    return d[order], first[order] ** 2
