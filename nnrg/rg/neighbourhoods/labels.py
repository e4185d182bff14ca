"""LabelBlocks: blocks that the user names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.fields import SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods._graph_rule import as_graph, check_size
from nnrg.rg.neighbourhoods._levels import nested_levels
from nnrg.rg.neighbourhoods.hierarchy import Choice, Hierarchy
from nnrg.rg.neighbourhoods.independence import check_independence

__all__ = ["LabelBlocks"]


@dataclass(frozen=True, slots=True, init=False, eq=False)
class LabelBlocks:
    """Blocks given as labels: attention heads, gates, communities found elsewhere.

    Parameters
    ----------
    partitions : int array of shape (n_sites,), or sequence of them
        Block of each site, 0, 1, .. without gaps; several partitions are nested, finest first.
        Every site is in a block.
    graph : ConnectionGraph, optional
        Where neighbours are taken from; by default the graph that the field lives on, if any.
    sources : iterable of str
        Names of the tensors or data whose numbers made the labels. Labels made from what is
        measured are refused; of labels that do not say it is noted that this was not checked.
    provenance : str
        Where the labels are from.

    Raises
    ------
    ArgumentError
        If labels do not cover every site, or are not nested.

    Examples
    --------
    Two heads of three units, then all of them:

    >>> import numpy as np
    >>> import nnrg
    >>> from nnrg.rg.neighbourhoods.labels import LabelBlocks
    >>> heads = LabelBlocks([[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0]], provenance="heads")
    >>> field = nnrg.SynapticField(np.random.default_rng(1).normal(size=(20, 6)), nnrg.Lattice(6))
    >>> [heads.choose(field, 3, 1).hierarchies[0].n_blocks(level) for level in range(3)]
    [6, 2, 1]
    """

    hierarchy: Hierarchy
    graph: ConnectionGraph | None
    sources: frozenset[str]
    provenance: str

    def __init__(
        self,
        partitions: npt.ArrayLike | Sequence[npt.ArrayLike],
        *,
        graph: ConnectionGraph | None = None,
        sources: Iterable[str] = (),
        provenance: str = "labels given",
    ) -> None:
        object.__setattr__(self, "hierarchy", Hierarchy(_as_partitions(partitions)))
        object.__setattr__(self, "graph", None if graph is None else as_graph(graph))
        names = (sources,) if isinstance(sources, str) else sources
        object.__setattr__(self, "sources", frozenset(names))
        object.__setattr__(self, "provenance", provenance)

    def __repr__(self) -> str:
        counts = " -> ".join(
            str(self.hierarchy.n_blocks(level)) for level in range(len(self.hierarchy))
        )
        return f"LabelBlocks({counts} blocks)"

    def choose(self, field: SynapticField, levels: int | None, fewest: int) -> Choice:
        """Choose nested blocks of the field's sites; see `Neighbourhoods.choose`.

        Raises
        ------
        ArgumentError
            If the labels or the graph are of another number of sites, or more levels are asked for
            than there are.
        AnalysisError
            If the labels come from what is measured, or too few blocks are left.
        """
        check_size(field, self.hierarchy.n_sites)
        graph = self.graph
        if graph is None and isinstance(field.sites, ConnectionGraph):
            graph = field.sites
        if graph is not None:
            check_size(field, graph.n_nodes, graph.populations)
        kept = nested_levels(
            self.hierarchy.labels[1:],
            self.hierarchy.n_sites,
            levels,
            fewest,
            name=field.name,
            step=1.0,
            hint="give labels of smaller blocks",
        )
        notes = check_independence(field, self.sources)
        if graph is not None:
            check_independence(field, graph.sources)
        return Choice(field, (Hierarchy(kept, notes),), (graph,))


def _as_partitions(partitions: object) -> list[npt.NDArray[np.generic]]:
    """Return one array for each partition."""
    try:
        given = np.asarray(partitions)
    except ValueError:  # partitions of unequal length
        given = np.empty(0)
    if given.ndim not in (1, 2) or given.size == 0:
        raise ArgumentError(
            "labels must be one integer for each site, or several such arrays of one length, got "
            f"{shown(partitions)}"
        )
    if given.dtype.kind in "iu" and given.min() < 0:
        raise ArgumentError(
            f"{np.count_nonzero(given < 0)} labels are negative: every site must be in a block; "
            "leave sites without one out of the field"
        )
    return list(given.reshape(-1, given.shape[-1]))
