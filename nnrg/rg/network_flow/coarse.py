"""Coarse networks: every tensor averaged over the blocks of the populations at its ends."""

from __future__ import annotations

import glob
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.networks._rebuilt import workable
from nnrg.networks._source import MemorySource
from nnrg.networks._topology_blocks import as_units
from nnrg.networks._topology_ends import End
from nnrg.networks.network import Network
from nnrg.networks.topology import Population, Topology
from nnrg.rg.neighbourhoods.hierarchy import Hierarchy

__all__ = ["blocked", "by_samples", "coarse_graph", "coarse_network", "coarse_topology", "ends_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Array = npt.NDArray[Any]


def ends_of(topology: Topology) -> dict[str, list[tuple[End, str]]]:
    """Return the ends of each tensor with the populations along them, by axis and entry."""
    found: dict[str, list[tuple[End, str]]] = {}
    for population in topology.populations:
        for end in population.ends:
            found.setdefault(end.tensor, []).append((end, population.name))
    for ends in found.values():
        ends.sort(key=lambda item: (item[0].axis, item[0].start))
    return found


def level_of(hierarchy: Hierarchy, level: int) -> int:
    """Return the level of one population at a level of the network: at most its coarsest."""
    return min(level, len(hierarchy) - 1)


def blocked(
    values: Array,
    ends: Sequence[tuple[End, str]],
    hierarchies: Mapping[str, Hierarchy],
    level: int,
) -> Floats:
    """Return the block mean of a tensor over the blocks of the populations at its ends.

    Taps of kernels stay as they are, as do gates and pixels of a unit: each has a mean of its own.
    """
    out: Floats = values.astype(np.float64)
    for axis in sorted({end.axis for end, _ in ends}):
        parts: list[Floats] = []
        done = 0
        for end, population in ends:
            if end.axis != axis:
                continue
            if end.start > done:
                parts.append(np.moveaxis(out, axis, 0)[done : end.start])
            parts.append(_means(out, end, hierarchies[population], level))
            done = end.stop
        if done < values.shape[axis]:
            parts.append(np.moveaxis(out, axis, 0)[done:])
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
        out = np.moveaxis(joined, 0, axis)
    return np.ascontiguousarray(out)


def _means(values: Floats, end: End, hierarchy: Hierarchy, level: int) -> Floats:
    """Return the means of one end's units over their blocks, with that axis in front."""
    at = level_of(hierarchy, level)
    units = as_units(values, end.axis, end)
    if at:
        starts = hierarchy.starts(at)
        sums = np.add.reduceat(units[hierarchy.order], starts[:-1], axis=0)
        units = sums / np.diff(starts).reshape(-1, *[1] * (units.ndim - 1))
    if end.copies_first:
        units = units.swapaxes(0, 1)
    return units.reshape(-1, *units.shape[2:])


def coarse_topology(
    topology: Topology, hierarchies: Mapping[str, Hierarchy], level: int
) -> Topology:
    """Return the populations of blocks, and where they lie along the coarse tensors."""
    moved: dict[End, End] = {}
    for ends in ends_of(topology).values():
        shift: dict[int, int] = {}
        for end, population in ends:
            hierarchy = hierarchies[population]
            count = hierarchy.n_blocks(level_of(hierarchy, level)) * end.copies
            start = end.start + shift.get(end.axis, 0)
            shift[end.axis] = start + count - end.stop
            moved[end] = replace(end, start=start, stop=start + count)
    populations = []
    for p in topology.populations:
        hierarchy = hierarchies[p.name]
        size = hierarchy.n_blocks(level_of(hierarchy, level))
        populations.append(Population(p.name, size, tuple(moved[e] for e in p.ends), p.evidence))
    return Topology(tuple(populations), topology.notes)


def coarse_network(
    net: Network,
    ends: Mapping[str, Sequence[tuple[End, str]]],
    hierarchies: Mapping[str, Hierarchy],
    level: int,
) -> Network:
    """Return the network of blocks, in memory, in the layouts of the file.

    Buffers are left out: running statistics of single units are not those of blocks. Its numbers go
    by the names of the old ones, so that blocks chosen by these are not measured on those.
    """
    specs, arrays = {}, {}
    for name, spec in net.specs.items():
        values = net.tensors[name]
        array = blocked(values, ends.get(name, ()), hierarchies, level)
        arrays[name] = array.astype(workable(values.dtype))
        specs[name] = replace(spec, shape=array.shape, dtype=arrays[name].dtype.name, storage=None)
    metadata = {
        **{k: v for k, v in net.metadata.items() if not k.startswith("nnrg.lattice.")},
        "nnrg.changed": f"block means, level {level}",
    }
    source = MemorySource(specs, arrays, format=net.format, path=net.path, metadata=metadata)
    out = Network(source, trained=[glob.escape(name) for name in specs])
    out._origins = {name: net.source_of(name) for name in specs}
    return out


def coarse_graph(
    net: Network,
    topology: Topology,
    hierarchies: Mapping[str, Hierarchy],
    level: int,
    excluding: Collection[str] = (),
) -> ConnectionGraph:
    """Return the graph of blocks from their coarse tensors: means times the sizes of both blocks.

    The same as contracting the graph of the units, which for a large network has too many edges.
    """
    ends = ends_of(topology)
    coarse = coarse_network(net, ends, hierarchies, level)
    graph = coarse.graph(
        coarse_topology(topology, hierarchies, level),
        combine="sum",
        excluding=[glob.escape(name) for name in excluding],
    )
    if level == 0:
        return graph
    sizes = np.concatenate(
        [hierarchies[name].sizes(level_of(hierarchies[name], level)) for name in graph.names]
    ).astype(np.float64)
    row = np.repeat(np.arange(graph.n_nodes), graph.degrees())
    return replace(graph, weights=graph.weights * sizes[row] * sizes[graph.indices])


def by_samples(values: Array, leave: End, entry: End) -> Array:
    """Return a tensor as matrices between two populations, (taps, gates and pixels, post, pre)."""
    units = as_units(values, leave.axis, leave)
    shifted = entry.axis + 2 - (1 if entry.axis > leave.axis else 0)
    both = as_units(units, shifted, entry)
    # In units, in copies, out units, out copies, taps.
    return np.moveaxis(both, (2, 0), (-2, -1)).reshape(-1, leave.units, entry.units)
