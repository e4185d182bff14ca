"""Sums of plane waves over the nodes of a box, and the pull of a function at the nodes on them.

A wave has an amplitude A, a momentum b and a phase c: the field is the sum of A cos(b x + c).
"""

from __future__ import annotations

from math import ceil

import numpy as np
import numpy.typing as npt

__all__ = ["LineWaves", "SquareWaves", "box_nodes", "legendre_nodes"]

Floats = npt.NDArray[np.float64]
Pull = tuple[Floats, Floats, Floats]


def box_nodes(cutoff: float, box: float) -> tuple[Floats, Floats]:
    """Return an even number of Gauss-Legendre nodes and weights on [-box/2, box/2].

    The fourth power of a field of momenta below the cutoff is integrated to rounding.
    """
    cells = cutoff * box
    count = 2 * ceil(0.5 * (cells + 3.5 * cells ** (1 / 3) + 8))
    nodes, weights = legendre_nodes(count)
    return 0.5 * box * nodes, 0.5 * box * weights


def legendre_nodes(count: int) -> tuple[Floats, Floats]:
    """Return nodes and weights of Gauss-Legendre quadrature on [-1, 1]."""
    from scipy.special import roots_legendre

    nodes, weights = roots_legendre(count)
    return nodes, weights


class LineWaves:
    """Waves along a line, at nodes that lie symmetrically about zero.

    Parameters
    ----------
    nodes : array of shape (K,)
        Ascending, K even.
    amplitude, phase : array of shape (C, N)
    momentum : array of shape (C, 1, N)
    """

    def __init__(self, nodes: Floats, amplitude: Floats, momentum: Floats, phase: Floats) -> None:
        self._half = nodes[nodes.size // 2 :]
        angles = momentum[:, 0, :, None] * self._half
        # Sine and cosine on half of the nodes are those of the other half.
        self._cos, self._sin = np.cos(angles), np.sin(angles, out=angles)
        self._phase = np.cos(phase), np.sin(phase)
        self._amplitude = amplitude

    def field(self) -> Floats:
        """Return the field at the nodes, shape (C, K)."""
        cos, sin = (self._amplitude * part for part in self._phase)
        even = (cos[:, None] @ self._cos)[:, 0]
        odd = (sin[:, None] @ self._sin)[:, 0]
        return np.concatenate([(even + odd)[:, ::-1], even - odd], axis=1)

    def pull(self, force: Floats) -> Pull:
        """Return the sums over nodes of force times cos, sin and x sin of the waves' arguments.

        Parameters
        ----------
        force : array of shape (C, K)

        Returns
        -------
        arrays of shape (C, N), (C, N) and (C, 1, N)
        """
        right, left = force[:, self._half.size :], force[:, self._half.size - 1 :: -1]
        even, odd, x = right + left, right - left, self._half
        c = self._cos @ np.stack([even, x * odd], axis=2)
        s = self._sin @ np.stack([odd, x * even], axis=2)
        cos, sin = self._phase
        moments = cos[..., None] * s + sin[..., None] * c
        return cos * c[..., 0] - sin * s[..., 0], moments[..., 0], moments[:, None, :, 1]


class SquareWaves:
    """Waves on a square, at the products of the nodes along its two sides.

    Parameters
    ----------
    nodes : array of shape (K,)
        Along each side.
    amplitude, phase : array of shape (C, N)
    momentum : array of shape (C, 2, N)
    """

    def __init__(self, nodes: Floats, amplitude: Floats, momentum: Floats, phase: Floats) -> None:
        self._nodes = nodes
        angles = momentum[..., None] * nodes
        waves = np.empty(angles.shape, np.complex128)
        waves.real, waves.imag = np.cos(angles), np.sin(angles)
        self._first, self._second = waves[:, 0], waves[:, 1]
        self._turned = np.exp(1j * phase)
        self._amplitude = amplitude

    def field(self) -> Floats:
        """Return the field at the nodes, shape (C, K * K), the second side running faster."""
        first = (self._amplitude * self._turned)[..., None] * self._first
        values = np.swapaxes(first, 1, 2) @ self._second
        return np.ascontiguousarray(values.real).reshape(len(values), -1)

    def pull(self, force: Floats) -> Pull:
        """Return the sums over nodes of force times cos, sin and x sin of the waves' arguments.

        Parameters
        ----------
        force : array of shape (C, K * K)

        Returns
        -------
        arrays of shape (C, N), (C, N) and (C, 2, N)
        """
        size = self._nodes.size
        across = np.swapaxes(force.reshape(-1, size, size), 1, 2)
        # Along the second side: the force, and the force times the second coordinate.
        both = np.concatenate([across, self._nodes[:, None] * across], axis=2)
        sums = self._second @ both.astype(np.complex128)
        plain, second = (self._first * part for part in (sums[..., :size], sums[..., size:]))
        total = self._turned * plain.sum(axis=2)
        x = self._turned[:, None] * np.stack([plain @ self._nodes, second.sum(axis=2)], axis=1)
        return total.real, total.imag, x.imag
