"""The blocks of neurons that a square matrix is averaged over, scale by scale."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.fields import SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.theory.hamiltonian._weight_statistics import Forms, line_forms

__all__ = ["Scale", "dropped", "graph_scales", "line_scales"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scale:
    """One scale.

    Attributes
    ----------
    b : float
        Sites in a block, on average.
    labels : int64 array of shape (n,)
        Block and component of each neuron; -1 for those of a remainder, left out at this scale.
    region : int64 array of shape (n,)
        Coarsest block that each neuron is in, or nearest to: left out together for the errors.
    forms : Forms
        What the block matrix is compared with.
    """

    b: float
    labels: npt.NDArray[np.int64]
    region: npt.NDArray[np.int64]
    forms: Forms

    def independent(self, demeaned: bool) -> float:
        """Return the symmetric fraction of independent weights at this scale.

        Block means over s_I s_J weights have variance v / s_I s_J: (N + 1) / 2N for equal blocks.
        With their mean taken out, weights are correlated by -1 / (n^2 - 1).
        """
        sizes = np.bincount(self.labels[self.labels >= 0]).astype(np.float64)
        n2, blocks = float(self.labels.size) ** 2, len(sizes)
        common = -1 / (n2 - 1) if demeaned else 0.0
        own = (1 - common) * np.sum(1 / sizes**2) + common * blocks**2
        power = (1 - common) * np.sum(1 / sizes) ** 2 + common * blocks**2
        return float(0.5 * (1 + own / power))


def line_scales(
    n: int, factor: int, levels: int | None, components: int, fewest: int
) -> list[Scale]:
    """Return whole blocks of neighbours in the order of the file; a remainder is left out."""
    sites = n // components
    most = 0
    while sites // factor ** (most + 1) >= fewest:
        most += 1
    count = most if levels is None else as_count("levels", levels, 0, most)
    place, part = np.divmod(np.arange(n), components)
    region = np.minimum(place // factor**count, sites // factor**count - 1)
    scales = []
    for level in range(count + 1):
        b = factor**level
        blocks = sites // b
        labels = np.where(place // b < blocks, place // b * components + part, -1)
        scales.append(Scale(b, labels, region, line_forms(blocks, components)))
    return scales


def dropped(scales: list[Scale]) -> tuple[str, ...]:
    """Return a note on neurons that are in no whole block at some scale, if there are any."""
    counts = {s.b: int(np.sum(s.labels < 0)) for s in scales if np.any(s.labels < 0)}
    if not counts:
        return ()
    each = ", ".join(f"{number} at b = {b:g}" for b, number in counts.items())
    return (f"neurons in no whole block are left out: {each}",)


def graph_scales(
    matrix: Floats,
    graph: ConnectionGraph,
    levels: int | None,
    sources: Iterable[str],
    name: str,
    fewest: int,
) -> tuple[list[Scale], tuple[str, ...]]:
    """Return blocks of neighbours on a graph by heavy-edge matching, and notes on them."""
    from nnrg.rg.neighbourhoods.matching import MatchingBlocks

    n = len(matrix)
    if not isinstance(graph, ConnectionGraph) or graph.n_nodes != n:
        raise ArgumentError(f"graph must be a ConnectionGraph of {n} nodes, got {shown(graph)}")
    plain = graph.strength("absolute") if graph.signed else graph
    field = SynapticField(matrix, plain, name=name, sources=frozenset(sources))
    choice = MatchingBlocks().choose(field, levels, fewest)
    hierarchy = choice.hierarchies[0]
    region = hierarchy.labels[-1]
    scales = []
    for level in range(len(hierarchy)):
        labels = np.arange(n) if level == 0 else hierarchy.labels[level]
        here = plain.contracted(labels) if level else plain
        laplacian = here.laplacian().toarray()
        scales.append(Scale(n / len(laplacian), labels, region, Forms(laplacian, None)))
    notes = ("neighbours are those on the graph: " + plain.provenance, *hierarchy.notes)
    return scales, (*notes, "a graph has no central difference: no Dirac form")
