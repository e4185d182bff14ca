"""Which neighbourhoods the units of a tensor have that lie in no natural order, and why.

A graph of units comes from the weights that the same units have in other tensors, so that the
numbers which choose the blocks are not those which are measured; a tensor that holds the numbers of
the field once more, as a tied matrix stored twice does, is no other tensor. Where there is none,
half of the samples choose and the other half is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import isqrt, prod
from typing import Any

import numpy as np

from nnrg._unit_rules import UNIT_RULES
from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError, RepeatedSamplesError
from nnrg.fields import Lattice, SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.networks._label import label
from nnrg.networks._unit_graphs import UnitGraphs, listed
from nnrg.networks.network import Network
from nnrg.networks.topology import Population, Topology
from nnrg.rg.blocks import Blocks, GridBlocks, RandomBlocks
from nnrg.rg.neighbourhoods.hierarchy import Neighbourhoods
from nnrg.rg.neighbourhoods.rules import graph_rule

__all__ = ["Neighbours", "Placed"]

Rule = Blocks | Neighbourhoods

_INDEX_RULES: dict[str, Callable[[int], Blocks]] = {"random": RandomBlocks, "index": GridBlocks}

_SIDES = {"out": "out", "in": "in", "vocabulary": "in", "channel": "out"}
# Fewer units have no two scales of blocks to speak of, fewer samples cannot be split.
_FEWEST_UNITS = 16
_FEWEST_SAMPLES = 20
# Fewer inputs on a side are not asked after: every small number is a square.
_SMALLEST_IMAGE = 8
# Where there are such layers, matrices read what they give: features, not pixels.
_READ_FIRST = ("conv", "embedding", "position embedding", "recurrent")


@dataclass(frozen=True, slots=True)
class Placed:
    """A field, the blocks that suit its sites, and why."""

    field: SynapticField
    blocks: Rule
    why: str


class Neighbours:
    """Chooses sites and blocks of the tensors of one network.

    Parameters
    ----------
    net : Network
    rule : str
        What is done with units in index order: one of `UNIT_RULES`.
    """

    def __init__(self, net: Network, rule: str = "matching") -> None:
        if not isinstance(rule, str) or rule not in UNIT_RULES:
            raise ArgumentError(
                f"units must be one of {', '.join(UNIT_RULES)}, got {shown(rule)}; try 'matching'"
            )
        self._net, self._rule = net, rule
        self._topology: Topology | None = None
        self._graphs = UnitGraphs(net)

    def place(self, field: SynapticField) -> Placed:
        """Return a field on the sites that suit it: its lattice, graphs, or its index."""
        if field.natural or not isinstance(field.sites, Lattice):
            return Placed(field, GridBlocks(2), "natural order of its sites")
        if self._rule in _INDEX_RULES:
            return Placed(field, _INDEX_RULES[self._rule](2), f"{self._rule} order, as asked")
        if self._rule == "pairs":
            return self._split(field, "as asked")
        graphs = [self._graph(field, axis) for axis in range(field.sites.dimension)]
        found = [axis for axis, graph in enumerate(graphs) if graph is not None]
        make = graph_rule(self._rule)
        if len(found) == 2:
            from nnrg.rg.neighbourhoods.product import ProductBlocks

            rules = ProductBlocks(make(graphs[0]), make(graphs[1]))
            return Placed(field, rules, "; ".join(map(_chosen_by, field.sites.axes, graphs)))
        if found:
            graph = graphs[found[0]]
            assert graph is not None
            if field.sites.dimension == 1:
                on = replace(field, sites=graph)
            else:
                on = replace(_along(field, found[0]), sites=graph)
            why = _chosen_by(field.sites.axes[found[0]], graph)
            return self._with_hint(Placed(on, make(graph), why), field)
        why = "no other tensor with numbers of its own touches these units"
        return self._with_hint(self._split(field, why), field)

    def _with_hint(self, placed: Placed, field: SynapticField) -> Placed:
        """Say how an image is told, where inputs that no other tensor touches may be one."""
        if field.sites.dimension != 2 or "in" not in field.lattice.axes:
            return placed
        if any(self._net.roles[name].kind in _READ_FIRST for name in self._net.specs):
            return placed
        n = field.sites.shape[field.lattice.axes.index("in")]
        inputs, side = self._population(field.name, "in"), isqrt(n)
        if side < _SMALLEST_IMAGE or side**2 != n or inputs is None or len(inputs.ends) > 1:
            return placed
        hint = (
            f"if the {n} inputs are pixels, --sites '{label(field.name)}={side}x{side}' (sites=) "
            "measures them in their own order"
        )
        return replace(placed, why=f"{placed.why}; {hint}")

    def split(self, field: SynapticField) -> Placed:
        """Return a matrix whose units on one axis are alike, each to the next, with these as sites.

        As samples of the units of the other axis they would be one.

        Raises
        ------
        RepeatedSamplesError
            If those of the other axis are alike too, or it is no matrix without a natural order.
        """
        if not field.natural and isinstance(field.sites, Lattice) and field.sites.dimension == 2:
            alike = "units of one axis are each like the next, and so no samples"
            placed = self._split(field, alike)
            if not isinstance(placed.blocks, GridBlocks):
                return self._with_hint(placed, field)
        raise RepeatedSamplesError(f"field {field.name!r} cannot be split; give it a lattice")

    def _split(self, field: SynapticField, why: str) -> Placed:
        """Let half of the samples choose; of a matrix those are the units of the other axis."""
        if self._rule == "seriation":
            return Placed(field, GridBlocks(2), f"index order: {why}, and seriation takes a graph")
        how = "half of the samples choose the neighbours of the units in the other half"
        rule = _pairs() if self._rule == "pairs" else graph_rule(self._rule)(split=0.5)
        two = field.lattice.dimension == 2
        for one in [_along(field, axis) for axis in (1, 0)] if two else [field]:
            if one.n_samples < _FEWEST_SAMPLES or one.sites.n_sites < _FEWEST_UNITS:
                continue
            with suppress(AnalysisError):  # samples that repeat one another are on one side
                rule.choose(one, None, 2)
                return Placed(one, rule, f"{why}: {how}")
        return Placed(
            field, GridBlocks(2), f"index order: {why}, and too few samples can be told apart"
        )

    def _graph(self, field: SynapticField, axis: int) -> ConnectionGraph | None:
        """Return the graph of one axis's units by their weights in other tensors, if any."""
        n = field.sites.shape[axis]
        population = self._population(field.name, field.sites.axes[axis])
        if population is None or population.size != n or n < _FEWEST_UNITS:
            return None
        try:
            graph, shared = self._graphs.graph(population, measured=[field.name])
        except AnalysisError:  # no other tensor, or units that are all alike, or all unlike
            return None
        but = f" without {listed(shared)}, which holds the field's own numbers" if shared else ""
        return replace(graph, provenance=f"{graph.provenance}{but}")

    def _population(self, tensor: str, axis: str) -> Population | None:
        if self._topology is None:
            self._topology = self._net.topology()
        try:
            found = set(self._topology.of(tensor, _SIDES.get(axis, axis)))
        except ArgumentError:
            return None
        return found.pop() if len(found) == 1 else None


def _pairs() -> Neighbourhoods:
    from nnrg.rg.neighbourhoods.pairs import PairBlocks

    return PairBlocks()


def _along(field: SynapticField, axis: int) -> SynapticField:
    """Return a matrix as samples of the units of one axis, one for each unit of the other."""
    moved = np.moveaxis(field.values, 1 + axis, -1)
    n = moved.shape[-1]
    lattice = field.lattice
    other = lattice.axes[1 - axis]
    many = "" if field.n_samples == 1 else f", {field.sample}"
    return replace(
        field,
        values=moved.reshape(prod(moved.shape[:-1]), n),
        sites=Lattice(n, axes=(lattice.axes[axis],)),
        sample=f"{other} neuron{many}",
        notes=(*field.notes, f"{other} neurons are the samples of {lattice.axes[axis]} neurons"),
    )


def _chosen_by(axis: str, graph: Any) -> str:
    return f"no natural order of the {axis} axis: neighbours by {graph.provenance}"
