"""MatchingBlocks: pairs of strongly connected units, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.fields import SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods._graph_rule import GraphRule, more_edges
from nnrg.rg.neighbourhoods._levels import nested_levels
from nnrg.rg.neighbourhoods.hierarchy import Choice, Hierarchy

__all__ = ["MatchingBlocks"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, repr=False)
class MatchingBlocks(GraphRule):
    r"""Pair the two units of the heaviest connection, then the heaviest of the rest, and so on.

    Units that find no partner are paired with another such unit that shares their heaviest
    neighbour, so that stars too shrink; one that is still alone is a block alone. The graph is then
    contracted, weights between two blocks adding up, and its blocks are paired in the same way, by
    the mean weight between their units: they hold 1, 2, 4, .. units, or fewer where one was left
    alone. The flow equalises the variances of blocks of unequal size.

    Parameters
    ----------
    graph : ConnectionGraph, optional
        One node for each site; by default the graph that the field lives on. Of signed weights only
        sums above zero join: `ConnectionGraph.strength` makes magnitudes of them.
    split : float, optional
        Without a graph: share of the samples that choose, by the correlations of the sites in them;
        the others are measured.
    neighbours : int
        How many most correlated sites each site is joined to where samples choose.
    seed : int
        Seed of the split, at least 0.

    Raises
    ------
    ArgumentError
        If an argument is out of range, or there are both a graph and a split.

    Notes
    -----
    Heavy-edge matching of multilevel graph partitioning: G. Karypis and V. Kumar, SIAM Journal on
    Scientific Computing 20 (1998) 359, doi:10.1137/S1064827595287997, in the order of a global
    sort. No block joins two components of the graph. Equal weights are taken in the order of the
    nodes: blocks then depend on how nodes are numbered, and on nothing else.

    Levels that would leave more than three quarters of the blocks of the one before are not formed:
    two small steps are taken as one.

    Examples
    --------
    On a ring the blocks are those of the lattice:

    >>> import networkx as nx
    >>> import numpy as np
    >>> import nnrg
    >>> from nnrg.graph.connection_graph import ConnectionGraph
    >>> from nnrg.rg.neighbourhoods.matching import MatchingBlocks
    >>> ring = ConnectionGraph.from_networkx(nx.cycle_graph(16))
    >>> field = nnrg.SynapticField(np.random.default_rng(1).normal(size=(20, 16)), ring)
    >>> choice = MatchingBlocks().choose(field, 3, 2)
    >>> choice.hierarchies[0].labels[2].tolist()
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
    """

    @property
    def provenance(self) -> str:
        """Which numbers chose the blocks."""
        return f"heavy-edge matching of {self.chosen_by}"

    def choose(self, field: SynapticField, levels: int | None, fewest: int) -> Choice:
        """Choose nested blocks of the field's sites; see `Neighbourhoods.choose`.

        Raises
        ------
        ArgumentError
            If the graph does not fit the field, or there are not as many levels as asked for.
        AnalysisError
            If the numbers that choose are those that are measured, or no level can be formed.
        """
        measured, graph, notes = self.prepared(field)
        hint = more_edges(graph)
        if graph.signed:
            hint = "only positive sums of weights join: try graph.strength('absolute')"
        kept = nested_levels(
            _matchings(graph), graph.n_nodes, levels, fewest, name=field.name, hint=hint
        )
        if graph.signed:
            notes += ("signed graph: only blocks joined by a positive sum of weights are paired",)
        alone = np.bincount(kept[-1])[kept[-1]] == 1
        if len(kept) > 1 and np.any(alone):
            notes += (f"{np.count_nonzero(alone)} sites are alone at every scale",)
        return Choice(measured, (Hierarchy(kept, notes),), (graph,))


def _matchings(graph: ConnectionGraph) -> Iterator[Ints]:
    """Yield ever coarser blocks of the nodes, until nothing is joined any more."""
    from nnrg_kernels.graph_contraction import contract
    from nnrg_kernels.graph_matching import match_heaviest, match_two_hop

    indptr, indices, weights = graph.indptr, graph.indices, graph.weights
    labels = np.arange(graph.n_nodes, dtype=np.int64)
    sizes = np.ones(graph.n_nodes)
    while True:
        # Mean weights, not sums: the largest block would else be everybody's heaviest neighbour,
        # and most of the others stay alone.
        mean = weights / (sizes.repeat(np.diff(indptr)) * sizes[indices])
        mate = match_heaviest(indptr, indices, mean, floor=0.0)
        mate = match_two_hop(indptr, indices, mean, mate, floor=0.0)
        block = _numbered(mate)
        count = int(block.max()) + 1
        if count == mate.size:
            return
        labels = block[labels]
        yield labels
        sizes = np.bincount(block, sizes).astype(np.float64)
        indptr, indices, weights, _ = contract(indptr, indices, weights, block, count)


def _numbered(mate: Ints) -> Ints:
    """Return the pair of each node, pairs in the order of their first member."""
    first = np.minimum(mate, np.arange(mate.size))
    number = np.cumsum(first == np.arange(mate.size)) - 1
    return np.asarray(number[first], dtype=np.int64)
