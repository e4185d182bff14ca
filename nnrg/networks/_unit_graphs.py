"""Graphs of units that are alike by their weights in other tensors than those that are measured."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.graph.similarity import similarity_graph, similarity_graph_of_products
from nnrg.networks._label import label
from nnrg.networks._shared_numbers import SharedNumbers
from nnrg.networks._topology_vectors import vectors_of
from nnrg.networks.topology import Population

if TYPE_CHECKING:
    from nnrg.networks.network import Network

__all__ = ["UnitGraphs", "listed"]

NEIGHBOURS = 10
"""Units that each unit asks for, where nothing is said."""

Floats = npt.NDArray[np.float64]

_SIDES = {"incoming": ("out",), "outgoing": ("in",), "both": ("out", "in")}
# Units whose matrix of products, 8 bytes an entry, is kept for the next tensor, and bytes of all.
_MOST_KEPT = 2048
_ROOM = 48 << 20


class UnitGraphs:
    """Makes graphs of the populations of a network; what several of them need is found out once.

    Parameters
    ----------
    net : Network
    """

    def __init__(self, net: Network) -> None:
        self._net, self._shared, self._room = net, SharedNumbers(net), _ROOM
        self._products: dict[tuple[str, str, str], Floats | None] = {}

    def graph(
        self,
        population: Population,
        *,
        measured: Iterable[str],
        among: Collection[str] | None = None,
        weights: str = "both",
        neighbours: int | None = None,
        measure: str = "cosine",
        absolute: bool = False,
        joined_by: str = "either",
    ) -> tuple[ConnectionGraph, tuple[str, ...]]:
        """Return the graph of units, and the tensors left out as they hold measured numbers too.

        Parameters
        ----------
        population : Population
        measured : iterable of str
            Tensors that will be measured on the graph: neither they nor tensors that hold their
            numbers once more choose neighbours.
        among : collection of str, optional
            Tensors that may choose; by default all.
        weights : {"both", "incoming", "outgoing"}
        neighbours : int, optional
            As in `nnrg.similarity_graph`, as are the others; by default ten, or all of fewer units.

        Raises
        ------
        AnalysisError
            If no tensor is left that says anything of these units, or they are all alike, or all
            unlike.
        """
        if weights not in _SIDES:
            raise ArgumentError(f"weights must be one of {', '.join(_SIDES)}, got {shown(weights)}")
        sides, own = _SIDES[weights], list(dict.fromkeys(measured))
        touching = dict.fromkeys(e.tensor for e in population.ends if e.side in sides)
        may = [t for t in touching if t not in own and (among is None or t in among)]
        names, shared = self._shared.without(population, own, may)
        count = min(NEIGHBOURS, population.size - 1) if neighbours is None else neighbours
        kind = "" if weights == "both" else f"{weights} "
        made, used = None, tuple[str, ...]()
        if measure == "cosine" and len(touching) > 2 and population.size <= _MOST_KEPT:
            products, used = self._summed(population, names, weights)
            if products is not None:
                made = similarity_graph_of_products(
                    products, neighbours=count, absolute=absolute, joined_by=joined_by
                )
        else:
            vectors, used = vectors_of(self._net, population, names, sides)
            if vectors is not None:
                made = similarity_graph(
                    vectors,
                    neighbours=count,
                    measure=measure,
                    absolute=absolute,
                    joined_by=joined_by,
                )
        if made is None:
            excluded = listed([*own, *shared]) or "none"
            raise AnalysisError(
                f"no {kind}weights but those of {excluded} touch population {population.name!r}: "
                "neighbours chosen by a field's own numbers would be an artefact; choose them by "
                "nnrg.similarity_graph(activations.T), or by half of the samples and measure on "
                "the other half"
            )
        graph = replace(
            made,
            names=(population.name,),
            provenance=f"{measure} of {kind}weights in {listed(used)}",
            sources=frozenset(self._net.source_of(name) for name in used),
        )
        return graph, tuple(shared)

    def _summed(
        self, population: Population, tensors: Iterable[str], weights: str
    ) -> tuple[Floats | None, tuple[str, ...]]:
        """Return the products of the units' weights in some tensors, as `vectors_of` the vectors.

        Of a population that many tensors touch, such as a residual stream, the products of each are
        kept: no tensor is read again for each of the others.
        """
        total, used = None, []
        for tensor in tensors:
            key = (population.name, tensor, weights)
            if key in self._products:
                found = self._products[key]
            else:
                vectors, _ = vectors_of(self._net, population, [tensor], _SIDES[weights])
                found = None if vectors is None else vectors @ vectors.T
                size = 0 if found is None else found.nbytes
                if size <= self._room:
                    self._products[key] = found
                    self._room -= size
            if found is not None:
                total = found.copy() if total is None else np.add(total, found, out=total)
                used.append(tensor)
        return total, tuple(used)


def listed(names: Iterable[str]) -> str:
    """Return up to three names, or the first and how many others."""
    known = [label(name, 60) for name in names]
    return ", ".join(known) if len(known) <= 3 else f"{known[0]} and {len(known) - 1} others"
