"""The parts of a network that are measured: matrices between two populations, and vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.networks._topology_blocks import as_units
from nnrg.networks._topology_ends import End
from nnrg.networks.network import Network
from nnrg.networks.topology import Topology
from nnrg.rg.network_flow.coarse import by_samples
from nnrg.rg.network_flow.measured import Axis
from nnrg.rg.network_flow.partitions import Partition

__all__ = ["Part", "parts_of"]


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor, or what of it joins one pair of populations."""

    name: str
    tensor: str
    populations: tuple[str, ...]
    ends: tuple[End, ...]

    @property
    def sample(self) -> str:
        """What one sample is."""
        return "tap or gate" if len(self.ends) == 2 else "entry of a unit"

    def values(self, net: Network) -> npt.NDArray[Any]:
        """Return the numbers, samples first: taps, gates and pixels."""
        array = net.tensors[self.tensor]
        if len(self.ends) == 2:
            return by_samples(array, *self.ends)
        (end,) = self.ends
        return np.ascontiguousarray(as_units(array, end.axis, end).reshape(end.units, -1).T)

    def axes(self, partitions: Mapping[str, Partition]) -> list[Axis]:
        """Return the populations along the axes, with their blocks."""
        sides = ("out", "in") if len(self.ends) == 2 else ("unit",)
        return [Axis(s, p, partitions[p]) for s, p in zip(sides, self.populations, strict=True)]


def parts_of(net: Network, topology: Topology) -> list[Part]:
    """Return what can be measured of a network, in the order of its file."""
    found: dict[str, list[Part]] = {}
    for c in topology.connections():
        part = Part(c.tensor, c.tensor, (c.post, c.pre), (c.leave, c.entry))
        found.setdefault(c.tensor, []).append(part)
    for population in topology.populations:
        for end in population.ends:
            if end.side == "unit":
                part = Part(end.tensor, end.tensor, (population.name,), (end,))
                found.setdefault(end.tensor, []).append(part)
    out = []
    for name in net.specs:
        parts = found.get(name, [])
        if len(parts) == 1:
            out += parts
            continue
        out += [
            Part(f"{name} [{' <- '.join(p.populations)}]", name, p.populations, p.ends)
            for p in parts
        ]
    return out
