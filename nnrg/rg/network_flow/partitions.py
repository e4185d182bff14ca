"""Nested blocks of every population of a network, and which numbers chose them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.networks._unit_graphs import UnitGraphs
from nnrg.networks.geometry import lattice_from_hint
from nnrg.networks.network import Network
from nnrg.networks.topology import Population, Topology
from nnrg.rg.neighbourhoods.hierarchy import Hierarchy, Neighbourhoods
from nnrg.rg.neighbourhoods.labels import LabelBlocks
from nnrg.rg.neighbourhoods.rules import GRAPH_RULES, graph_rule
from nnrg.rg.neighbourhoods.seriation import seriation_order
from nnrg.rg.network_flow.layers import touching

__all__ = ["RULES", "Given", "Partition", "choosers", "given_partitions", "rule_partitions"]

Ints = npt.NDArray[np.int64]
Given = Neighbourhoods | Hierarchy | npt.ArrayLike

RULES = (*GRAPH_RULES, "random")
"""Rules that choose the blocks of every population on graphs of similar units, or at random."""

_FEWEST_UNITS = 8
# All pairs of units are compared.
_MOST_UNITS = 4096
# A level of fewer blocks has next to nothing to measure.
_FEWEST_BLOCKS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Nested blocks of one population's units.

    Attributes
    ----------
    hierarchy : Hierarchy
    graph : ConnectionGraph or None
        Where neighbours are taken from.
    sources : frozenset of str
        Names of the tensors or data whose numbers chose the blocks.
    provenance : str
        How they were chosen; why the units are left as they are, where they are.
    """

    hierarchy: Hierarchy
    graph: ConnectionGraph | None
    sources: frozenset[str]
    provenance: str

    @property
    def is_blocked(self) -> bool:
        """Whether there is any level but the units themselves."""
        return len(self.hierarchy) > 1


def choosers(
    net: Network, partitions: Mapping[str, Partition], chosen_by: Collection[str] = ()
) -> frozenset[str]:
    """Return the tensors whose numbers chose blocks: `chosen_by`, and what partitions name."""
    named = frozenset[str]().union(*(p.sources for p in partitions.values()))
    return frozenset(t for t in net.specs if t in chosen_by or net.source_of(t) in named)


def left_alone(size: int, why: str) -> Partition:
    """Return the partition of units that are left as they are."""
    return Partition(Hierarchy([np.arange(size)]), None, frozenset(), f"left as they are: {why}")


def given_partitions(
    topology: Topology, given: Mapping[str, Given], levels: int | None
) -> dict[str, Partition]:
    """Return what the caller gave for each population; those that are not named stay as they are.

    Raises
    ------
    ArgumentError
        If there is no such population, or blocks do not fit it.
    """
    for name in given:
        topology.population(name)
    return {
        p.name: _given(p, given[p.name], levels)
        if p.name in given
        else left_alone(p.size, "no blocks given")
        for p in topology.populations
    }


def _given(population: Population, given: Given, levels: int | None) -> Partition:
    if isinstance(given, Hierarchy):
        found = Partition(given, None, frozenset(), "blocks given, not said by which numbers")
    elif isinstance(given, type):
        raise ArgumentError(
            f"population {population.name!r}: give an object such as MatchingBlocks(graph), got "
            f"the class {given.__name__}"
        )
    elif isinstance(given, Neighbourhoods):
        found = _chosen(population, given, levels)
    else:
        found = Partition(
            LabelBlocks(given).hierarchy,
            None,
            frozenset(),
            "labels given, not said by which numbers",
        )
    if found.hierarchy.n_sites != population.size:
        raise ArgumentError(
            f"blocks of {found.hierarchy.n_sites} units do not fit the {population.size} of "
            f"population {population.name!r}; print(net.topology()) tells populations and sizes"
        )
    if levels is not None and len(found.hierarchy) > levels:
        found = replace(found, hierarchy=found.hierarchy.cut(levels))
    return found


def _chosen(population: Population, rule: Neighbourhoods, levels: int | None) -> Partition:
    if getattr(rule, "split", None) is not None:
        raise ArgumentError(
            f"population {population.name!r}: the blocks of a network are chosen by a graph, not "
            "by a share of samples; give one of held-out activations, nnrg.similarity_graph(a.T)"
        )
    n = population.size
    # What a rule leaves out can be read off the numbers of the sites that it returns.
    numbers = SynapticField(
        np.arange(n, dtype=np.float64)[None],
        Lattice(n),
        name=population.name,
        natural=False,
        sources=frozenset({"numbers of units"}),
    )
    choice = rule.choose(numbers, None, _FEWEST_BLOCKS)
    if choice.field.sites.n_sites != n:
        raise ArgumentError(
            f"population {population.name!r}: {rule!r} leaves out "
            f"{n - choice.field.sites.n_sites} of {n} units, and every unit of a network must be "
            "in a block; try LabelBlocks, or a number of units that its blocks divide"
        )
    graph = choice.graphs[0]
    sources = frozenset() if graph is None else graph.sources
    sources |= frozenset(getattr(rule, "sources", ()))
    return Partition(choice.hierarchies[0], graph, sources, rule.provenance)


def rule_partitions(
    net: Network,
    topology: Topology,
    rule: str,
    choosing: Collection[str],
    *,
    needed: Collection[str],
    levels: int | None,
    rng: np.random.Generator,
) -> dict[str, Partition]:
    """Choose blocks of every population by one rule, by the weights in some tensors.

    Parameters
    ----------
    net : Network
    topology : Topology
    rule : {"matching", "diffusion", "seriation", "random"}
        Random blocks are chosen by no numbers at all.
    choosing : collection of str
        Tensors that may choose.
    needed : collection of str
        Populations whose blocks are of use; others are left as they are.
    levels : int, optional
    rng : numpy Generator
        For random blocks.
    """
    lattices, graphs = _lattices(net, topology), UnitGraphs(net)
    out: dict[str, Partition] = {}
    for p in topology.populations:
        tensors = touching(topology)[p.name]
        if p.name in lattices:
            out[p.name] = _pixels(p, lattices[p.name], levels)
        elif p.name not in needed:
            out[p.name] = left_alone(p.size, "no number measured here touches them")
        elif p.size < _FEWEST_UNITS:
            out[p.name] = left_alone(p.size, f"{p.size} units are too few to block")
        elif rule == "random":
            ladder = _ladder([rng.permutation(p.size)], p.size, levels)
            out[p.name] = Partition(Hierarchy(ladder), None, frozenset(), "random order")
        else:
            may = [t for t in tensors if t in choosing]
            rest = [t for t in tensors if t not in choosing]
            out[p.name] = _by_rule(graphs, p, rule, may, rest, levels)
    return out


def _by_rule(
    graphs: UnitGraphs,
    population: Population,
    rule: str,
    tensors: list[str],
    measured: list[str],
    levels: int | None,
) -> Partition:
    n = population.size
    if n > _MOST_UNITS:
        return left_alone(n, f"{n} units are too many to compare all pairs of")
    try:
        graph, _ = graphs.graph(population, measured=measured, among=tensors)
        if rule == "seriation":
            runs, notes = seriation_order(graph)
            ladder = _ladder(runs, n, levels)
            return Partition(
                Hierarchy(ladder, notes),
                graph,
                graph.sources,
                f"spectral order of a graph ({graph.provenance})",
            )
        return _given(population, graph_rule(rule)(graph), levels)
    except AnalysisError as error:  # no other tensor, or units that are all alike or all unlike
        return left_alone(n, str(error))


def _ladder(runs: Iterable[Ints], n: int, levels: int | None) -> list[Ints]:
    """Return blocks of 1, 2, 4, .. units that follow one another within each run.

    The last block of a run may be shorter: every unit is in one.
    """
    parts = list(runs)
    out = [np.arange(n, dtype=np.int64)]
    length = 2
    while levels is None or len(out) < levels:
        labels = np.empty(n, dtype=np.int64)
        count = 0
        for run in parts:
            labels[run] = count + np.arange(run.size) // length
            count += -(-run.size // length)
        if count < _FEWEST_BLOCKS or count == int(out[-1].max()) + 1:
            break
        out.append(labels)
        length *= 2
    return out


def _lattices(net: Network, topology: Topology) -> dict[str, Lattice]:
    """Return the populations whose natural order the file names in its metadata."""
    found: dict[str, Lattice] = {}
    for p in topology.populations:
        for end in p.ends:
            hint = net.metadata.get(f"nnrg.lattice.{end.tensor}")
            if hint is not None and end.side == "in":
                lattice = lattice_from_hint(hint, end.tensor)
                if lattice.n_sites == p.size:
                    found[p.name] = lattice
    return found


def _pixels(population: Population, lattice: Lattice, levels: int | None) -> Partition:
    """Return blocks of neighbouring pixels: one axis is halved at a time, so that b doubles."""
    shape, d = lattice.shape, lattice.dimension
    where = np.indices(shape).reshape(d, -1)
    out = [np.arange(population.size, dtype=np.int64)]
    while levels is None or len(out) < levels:
        step = len(out)
        lengths = [2 ** ((step + d - 1 - axis) // d) for axis in range(d)]
        counts = [-(-n // length) for n, length in zip(shape, lengths, strict=True)]
        if prod(counts) < _FEWEST_BLOCKS or prod(counts) == int(out[-1].max()) + 1:
            break
        cells = [axis // length for axis, length in zip(where, lengths, strict=True)]
        out.append(np.ravel_multi_index(cells, counts).astype(np.int64))
    graph = _nearest(lattice, population.name)
    return Partition(Hierarchy(out), graph, frozenset(), f"natural order: {lattice!r}")


def _nearest(lattice: Lattice, name: str) -> ConnectionGraph:
    """Return the graph of nearest neighbours on an open lattice."""
    from scipy.sparse import coo_array

    number = np.arange(lattice.n_sites).reshape(lattice.shape)
    ones = [np.take(number, range(n - 1), axis=a).ravel() for a, n in enumerate(lattice.shape)]
    others = [np.take(number, range(1, n), axis=a).ravel() for a, n in enumerate(lattice.shape)]
    row = np.concatenate([*ones, *others])
    column = np.concatenate([*others, *ones])
    matrix = coo_array((np.ones(row.size), (row, column)), (lattice.n_sites, lattice.n_sites))
    return ConnectionGraph.from_sparse(
        matrix, populations=[(name, lattice.n_sites)], provenance="natural order"
    )


def check_rule(rule: str) -> None:
    """Refuse a rule of another name."""
    if rule not in RULES:
        raise ArgumentError(
            f"neighbourhoods must be one of {', '.join(RULES)}, or a mapping from the name of a "
            f"population to its blocks, got {shown(rule)}; try 'matching'"
        )
