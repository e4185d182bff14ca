"""Couplings beyond the quadratic one of what is left when fast modes are integrated out."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["Powers", "loop_couplings", "series_powers", "tree_couplings"]

Array = npt.NDArray[np.float64]

# Coefficient of s^n in h(s)^k of each sample and direction, by (k, n).
Powers = dict[tuple[int, int], Array]


def series_powers(inputs: Array, factors: Array, towards: Array, fast: Array, order: int) -> Powers:
    r"""Return powers of h = x w(s) where fast modes follow slow ones to the order s^order.

    Parameters
    ----------
    inputs : array of shape (P, N)
    factors : array of shape (order + 2, P)
        F^(k) of each sample.
    towards : array of shape (N, m)
        Weights to first order in s, one direction a column.
    fast : array of shape (N, N)
        Inverse of the kernel between fast modes.
    order : int

    Notes
    -----
    The fast modes lie where the cost is least, order by order:
    :math:`w_n = -G \langle x N_n \rangle`, N_n the coefficient of s^n in
    :math:`F'(h) - F'(0) - F''(0) h`.
    """
    powers: Powers = {(1, 1): inputs @ towards}
    moving = bool(np.any(fast))
    for n in range(2, order + 1):
        for k in range(2, n + 1):
            powers[k, n] = np.sum(
                [powers[1, i] * powers[k - 1, n - i] for i in range(1, n - k + 2)], axis=0
            )
        powers[1, n] = np.zeros_like(powers[1, 1])
        if moving:
            force = _beyond_linear(powers, factors, n, 1)
            powers[1, n] = -inputs @ (fast @ (inputs.T @ force)) / len(inputs)
    return powers


def tree_couplings(powers: Powers, factors: Array) -> Array:
    """Return g_3, g_4 .. of each direction, exchange of fast modes included, shape (n, m)."""
    order = max(n for _, n in powers)
    rows = [
        math.factorial(n) * (powers[1, 1] * _beyond_linear(powers, factors, n, 1)).mean(axis=0)
        for n in range(2, order + 1)
    ]
    return np.array(rows)


def loop_couplings(inputs: Array, powers: Powers, factors: Array, fast: Array, order: int) -> Array:
    r"""Return the first order in temperature of g_2 .. g_order along the first direction.

    That is :math:`\tfrac12 \mathrm{Tr} \ln (1 + G \Sigma(s))`, Sigma the change of the kernel
    along the path on which fast modes follow.
    """
    if not np.any(fast):
        return np.zeros(order - 1)
    vertices = {}
    for n in range(1, order + 1):
        weights = _beyond_linear(powers, factors, n, 2)[:, 0] / len(inputs)
        vertices[n] = fast @ ((inputs * weights[:, None]).T @ inputs)
    total, power = np.zeros(order + 1), vertices
    for k in range(1, order + 1):
        for n, matrix in power.items():
            total[n] += (-1) ** (k + 1) / (2 * k) * np.trace(matrix)
        following: dict[int, Array] = {}
        for i, left in power.items():
            for j in range(1, order + 1 - i):
                following[i + j] = following.get(i + j, 0.0) + left @ vertices[j]
        power = following
    return np.array([math.factorial(n) * total[n] for n in range(2, order + 1)])


def _beyond_linear(powers: Powers, factors: Array, n: int, derivative: int) -> Array:
    """Return the coefficient of s^n in a derivative of F, its part linear in w left out."""
    terms = [
        factors[k + derivative][:, None] / math.factorial(k) * powers[k, n]
        for k in range(3 - derivative, n + 1)
    ]
    return np.asarray(np.sum(terms, axis=0))
