"""Which tensors choose blocks and which are measured: every second layer, and then the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nnrg.networks.network import Network
from nnrg.networks.topology import Topology

__all__ = ["alternate", "touching"]

# Fewer numbers a unit do not tell which units are alike.
_FEWEST_NUMBERS = 4


def touching(topology: Topology) -> dict[str, list[str]]:
    """Return the weight tensors that touch each population, in the order of its ends."""
    return {
        p.name: list(dict.fromkeys(e.tensor for e in p.ends if e.side in ("in", "out")))
        for p in topology.populations
    }


def alternate(net: Network, topology: Topology) -> dict[str, int]:
    """Return 0 or 1 for each weight tensor, so that most populations are touched by both.

    Along a chain of layers this is every second one. Where several tensors touch a population (a
    residual stream, a recurrent state) they are shared out: first in the order of the file, then
    one is changed, or two, wherever that lets another population be touched by both.
    """
    order = dict.fromkeys(c.tensor for c in topology.connections())
    told = {
        name: [
            t
            for t in tensors
            if t in order and net.specs[t].size >= _FEWEST_NUMBERS * topology.population(name).size
        ]
        for name, tensors in touching(topology).items()
    }
    at: dict[str, list[str]] = {}
    for population, tensors in told.items():
        for tensor in tensors:
            at.setdefault(tensor, []).append(population)
    colour: dict[str, int] = {}
    last = 1
    for tensor in order:
        lacking = [0.0, 0.0]
        for population in at.get(tensor, ()):
            there = {colour[t] for t in told[population] if t in colour}
            if len(there) == 1:
                lacking[1 - there.pop()] += 1 / (len(told[population]) - 1)
        last = 1 - last if lacking[0] == lacking[1] else int(lacking[1] > lacking[0])
        colour[tensor] = last
    _improve(colour, at, told)
    return colour


def _improve(
    colour: dict[str, int], at: Mapping[str, list[str]], told: Mapping[str, list[str]]
) -> None:
    """Change one tensor, or two that meet, while more populations come to be touched by both."""

    def by_one(populations: Iterable[str]) -> list[str]:
        return [
            p for p in populations if len(told[p]) > 1 and len({colour[t] for t in told[p]}) < 2
        ]

    def helps(change: set[str]) -> bool:
        around = {p for tensor in change for p in at[tensor]}
        before = len(by_one(around))
        for tensor in change:
            colour[tensor] = 1 - colour[tensor]
        if len(by_one(around)) < before:
            return True
        for tensor in change:
            colour[tensor] = 1 - colour[tensor]
        return False

    better = True
    while better:
        changes = (
            {tensor, other}
            for population in by_one(told)
            for tensor in told[population]
            for near in at[tensor]
            for other in told[near]
        )
        better = any(helps(change) for change in changes)
