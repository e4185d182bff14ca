"""Targets of hybrid Monte Carlo: the parameters of a network, and the modes of its limit."""

from __future__ import annotations

from math import pi

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.simulate._ball import fly
from nnrg.simulate.engineered_network import EngineeredNetwork

__all__ = ["ModeTarget", "NetworkTarget", "modes", "node_propagator"]

Floats = npt.NDArray[np.float64]

# Modes of less variance than this share of the largest are rounding.
_SMALLEST_MODE = 1e-13
# The matrix of the propagator between all pairs of nodes must fit into memory.
_MOST_NODES = 4000


class NetworkTarget:
    """Amplitudes, momenta and phases of a network as rows of q, shape (C, 1 + d + 1, N).

    Amplitudes turn harmonically; phases go round; momenta fly in the ball, as fast as changes
    the argument of their wave at the edge of the box by about two in the unit of time.
    """

    def __init__(self, network: EngineeredNetwork) -> None:
        self._network = network
        speed = min(4 / network.box, network.cutoff)
        self._speed = np.array([1.0, *(speed,) * network.dimension, 1.0])[:, None]

    def draw(self, rng: np.random.Generator, n_chains: int) -> Floats:
        a, b, c = self._network.draw_free(n_chains, rng)
        return np.concatenate([a[:, None], b, c[:, None]], axis=1)

    def evaluate(self, q: Floats) -> tuple[Floats, Floats]:
        value, by_a, by_b, by_c = self._network.potential(q[:, 0], q[:, 1:-1], q[:, -1])
        force = np.concatenate([by_a[:, None], by_b, by_c[:, None]], axis=1)
        return value, -self._speed * force

    def harmonic(self, q: Floats) -> Floats:
        return np.asarray(0.5 * np.square(q[:, 0]).sum(axis=1))

    def drift(self, q: Floats, p: Floats, time: float) -> tuple[Floats, Floats]:
        moved, turned = np.empty_like(q), np.empty_like(p)
        moved[:, 0], turned[:, 0] = _turn(q[:, 0], p[:, 0], time)
        speed = float(self._speed[1, 0])
        moved[:, 1:-1], turned[:, 1:-1] = fly(
            q[:, 1:-1], p[:, 1:-1], time * speed, self._network.cutoff
        )
        moved[:, -1] = np.mod(q[:, -1] + time * p[:, -1] + pi, 2 * pi) - pi
        turned[:, -1] = p[:, -1]
        return moved, turned


class ModeTarget:
    """Modes of the field in the box, of unit variance without interaction, shape (C, M).

    This is the limit of infinite width: the field is Gaussian but for the interaction.
    """

    def __init__(self, network: EngineeredNetwork) -> None:
        self._network = network
        self.basis = modes(network)

    def draw(self, rng: np.random.Generator, n_chains: int) -> Floats:
        return rng.standard_normal((n_chains, len(self.basis)))

    def evaluate(self, q: Floats) -> tuple[Floats, Floats]:
        value, force = self._network.interaction(q @ self.basis)
        return value, -force @ self.basis.T

    def harmonic(self, q: Floats) -> Floats:
        return np.asarray(0.5 * np.square(q).sum(axis=1))

    def drift(self, q: Floats, p: Floats, time: float) -> tuple[Floats, Floats]:
        return _turn(q, p, time)


def modes(network: EngineeredNetwork) -> Floats:
    """Return the Karhunen-Loeve modes of the free field at the nodes, shape (M, K).

    The field is a sum of modes with independent normal coefficients; M is about the number of waves
    below the cutoff that fit into the box.
    """
    weights = network.quadrature()[1]
    root = np.sqrt(weights)
    kernel = root[:, None] * node_propagator(network) * root
    variances, shapes = np.linalg.eigh(kernel)
    keep = variances > _SMALLEST_MODE * variances[-1]
    return np.asarray((np.sqrt(variances[keep]) * shapes[:, keep] / root[:, None]).T)


def node_propagator(network: EngineeredNetwork) -> Floats:
    """Return G between the nodes of the box, shape (K, K).

    Raises
    ------
    AnalysisError
        If there are too many.
    """
    nodes = network.quadrature()[0]
    if len(nodes) > _MOST_NODES:
        raise AnalysisError(
            f"a box of {network.cutoff * network.box:.0f} waves of the cutoff a side needs "
            f"{len(nodes)} nodes, at most {_MOST_NODES} can be kept in pairs; lower cutoff * box"
        )
    distance = np.sqrt(((nodes[:, None] - nodes[None]) ** 2).sum(axis=2))
    return network.two_point(distance)


def _turn(q: Floats, p: Floats, time: float) -> tuple[Floats, Floats]:
    cos, sin = np.cos(time), np.sin(time)
    return cos * q + sin * p, cos * p - sin * q
