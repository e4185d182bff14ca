"""RandomUnits: the null of every geometry, for units on a graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnrg._validate import as_count
from nnrg.fields import SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods._contiguous import as_length, contiguous_choice
from nnrg.rg.neighbourhoods._graph_rule import the_axis
from nnrg.rg.neighbourhoods.hierarchy import Choice

__all__ = ["RandomUnits"]


@dataclass(frozen=True, slots=True)
class RandomUnits:
    """Blocks of `b` units drawn at random within each population: the null of every geometry.

    On one population the blocks are those of `RandomBlocks(b, seed)`, which is for lattices: here
    the field may live on a graph, which is contracted along, and every scale is of the same sites.

    Parameters
    ----------
    b : int
        Units in a block, at each step.
    seed : int
        Seed of the permutation, at least 0.

    Raises
    ------
    ArgumentError
        If an argument is no integer in range.

    Examples
    --------
    >>> import numpy as np
    >>> import nnrg
    >>> from nnrg.rg.neighbourhoods.random import RandomUnits
    >>> field = nnrg.SynapticField(np.random.default_rng(1).normal(size=(20, 8)), nnrg.Lattice(8))
    >>> RandomUnits(2).choose(field, None, 2).hierarchies[0].sizes(2).tolist()
    [4, 4]
    """

    b: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "b", as_length(self.b))
        object.__setattr__(self, "seed", as_count("seed", self.seed, 0, hint="try 0"))

    @property
    def provenance(self) -> str:
        """Which numbers chose the blocks."""
        return f"random permutation, seed {self.seed}"

    def choose(self, field: SynapticField, levels: int | None, fewest: int) -> Choice:
        """Choose nested blocks of the field's sites; see `Neighbourhoods.choose`.

        Raises
        ------
        ArgumentError
            If the field has more than one axis, or there are not as many levels as asked for.
        AnalysisError
            If no level can be formed.
        """
        n = the_axis(field)
        graph = field.sites if isinstance(field.sites, ConnectionGraph) else None
        population = np.zeros(n, dtype=np.int64) if graph is None else graph.population
        rng = np.random.default_rng(self.seed)
        runs = [rng.permutation(np.flatnonzero(population == one)) for one in np.unique(population)]
        return contiguous_choice(field, runs, self.b, levels, fewest, graph=graph)
