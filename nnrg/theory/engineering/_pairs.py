"""The field of a network at pairs of points, out of its values at the nodes of the box."""

from __future__ import annotations

from math import floor, pi

import numpy as np
import numpy.typing as npt

from nnrg.simulate._waves import legendre_nodes
from nnrg.simulate.engineered_network import EngineeredNetwork

__all__ = ["field_at_pairs"]

Floats = npt.NDArray[np.float64]


def field_at_pairs(network: EngineeredNetwork) -> tuple[Floats, Floats, Floats]:
    """Return distances, and weights of the nodes (K, R) that give the field at both ends."""
    nodes = network.quadrature()[0]
    side = np.unique(nodes[:, -1])
    count = floor(network.box * network.cutoff / pi * (1 + 1e-12)) + 1
    distance = np.minimum(np.arange(count) * pi / network.cutoff, network.box)
    ends = [_interpolation(side, sign * distance / 2) for sign in (-1, 1)]
    if network.dimension == 2:
        middle = _interpolation(side, np.zeros(1))
        ends = [np.asarray(np.kron(end, middle), dtype=np.float64) for end in ends]
    return distance, ends[0], ends[1]


def _interpolation(nodes: Floats, points: Floats) -> Floats:
    """Return the matrix (K, R) from values at Gauss-Legendre nodes to values at points.

    The polynomial through the nodes is the field of a cutoff but for rounding.
    """
    half = nodes.size
    roots, weights = legendre_nodes(half)
    scale = nodes[-1] / roots[-1]
    at = np.polynomial.legendre.legvander(points / scale, half - 1)
    transform = np.polynomial.legendre.legvander(roots, half - 1) * weights[:, None]
    norms = np.arange(half) + 0.5
    return np.asarray(transform @ (norms[:, None] * at.T))
