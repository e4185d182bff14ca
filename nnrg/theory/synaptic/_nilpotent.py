"""Arrays with n infinitesimal parts, each of square zero: exact mixed derivatives of order n.

An array of shape (2^n, ...) holds one coefficient for each set of directions, bit k of its index
for direction k. The coefficient of the full set is the mixed derivative.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["compose", "linear", "multiply", "outer"]

Array = npt.NDArray[np.float64]


def _subsets(whole: int) -> list[int]:
    """Return all subsets of a set of bits."""
    out, part = [0], 0
    while part != whole:
        part = (part - whole) & whole
        out.append(part)
    return out


def multiply(a: Array, b: Array) -> Array:
    """Return the elementwise product."""
    out = np.zeros(np.broadcast_shapes(a.shape, b.shape))
    for whole in range(len(a)):
        for part in _subsets(whole):
            out[whole] += a[part] * b[whole ^ part]
    return out


def compose(series: Array, z: Array) -> Array:
    """Return a function of z from its Taylor series at z[0], shape (n + 1, ...)."""
    step = z.copy()
    step[0] = 0
    out = np.zeros_like(z)
    out[0] = series[-1]
    for coefficient in series[-2::-1]:
        out = multiply(out, step)
        out[0] += coefficient
    return out


def linear(a: Array, weight: Array, directions: Array, *, transpose: bool) -> Array:
    """Return a W^T (or a W) for W = weight + sum_k e_k directions[k]."""
    matrix = weight.T if transpose else weight
    out = a @ matrix
    for k, direction in enumerate(directions):
        bit = 1 << k
        step = direction.T if transpose else direction
        for whole in range(len(a)):
            if whole & bit:
                out[whole] += a[whole ^ bit] @ step
    return np.asarray(out)


def outer(a: Array, b: Array) -> Array:
    """Return the full coefficient of a^T b, summed over samples."""
    whole = len(a) - 1
    total = np.zeros((a.shape[2], b.shape[2]))
    for part in range(whole + 1):
        total += a[part].T @ b[whole ^ part]
    return total
