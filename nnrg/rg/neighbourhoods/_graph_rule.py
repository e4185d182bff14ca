"""What rules that choose blocks on a graph have in common: whose graph, and on which samples."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods.independence import as_share, check_independence, split_samples

__all__ = ["GraphRule", "as_graph", "check_size", "graph_for", "more_edges"]
__all__ += ["take_sites", "the_axis"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, repr=False)
class GraphRule:
    """A rule that chooses blocks on a graph.

    Parameters
    ----------
    graph : ConnectionGraph, optional
        One node for each site. By default the graph that the field lives on, if it lives on one.
    split : float, optional
        Without a graph: share of the samples that choose, by the correlations of the sites in them;
        the others are measured.
    neighbours : int
        How many most similar sites each site is joined to where samples choose.
    seed : int
        Seed of the split, at least 0.

    Raises
    ------
    ArgumentError
        If an argument is out of range, or there are both a graph and a split.
    """

    graph: ConnectionGraph | None = None
    _: KW_ONLY
    split: float | None = None
    neighbours: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.graph is not None:
            as_graph(self.graph)
        if self.split is not None:
            object.__setattr__(self, "split", as_share(self.split))
            if self.graph is not None:
                raise ArgumentError(
                    "blocks are chosen by a graph or by a split of the samples, got both; leave "
                    "out split= to measure all samples on the graph"
                )
        object.__setattr__(self, "neighbours", as_count("neighbours", self.neighbours))
        object.__setattr__(self, "seed", as_count("seed", self.seed, 0, hint="try 0"))

    def __repr__(self) -> str:
        defaults = {f.name: f.default for f in fields(self)}
        given = [repr(self.graph)] if self.graph is not None else []
        given += [
            f"{name}={getattr(self, name)!r}"
            for name, default in defaults.items()
            if name != "graph" and getattr(self, name) != default
        ]
        return f"{type(self).__name__}({', '.join(given)})"

    @property
    def chosen_by(self) -> str:
        """Which numbers made the graph."""
        if self.graph is not None:
            return f"a graph ({self.graph.provenance})"
        if self.split is None:
            return "the graph of the field"
        return (
            f"a graph of the {self.neighbours} most correlated units in {self.split:.0%} of the "
            f"samples, drawn with seed {self.seed}; the others are measured"
        )

    def prepared(
        self, field: SynapticField
    ) -> tuple[SynapticField, ConnectionGraph, tuple[str, ...]]:
        """Return what is measured, the graph that chooses, and what is to be said of them.

        Raises
        ------
        ArgumentError
            If the graph does not fit the field, or there is none.
        AnalysisError
            If the numbers that choose are those that are measured, or there are too few samples.
        """
        the_axis(field)
        if self.split is not None:
            return self._similar(field, self.split)
        graph = graph_for(
            self, field, self.graph, ", or split=0.5 to choose on half of the samples"
        )
        return field, graph, (*check_independence(field, graph.sources), *_about(graph))

    def _similar(
        self, field: SynapticField, share: float
    ) -> tuple[SynapticField, ConnectionGraph, tuple[str, ...]]:
        from nnrg.graph.similarity import similarity_graph

        halves = split_samples(field, share, self.seed)
        vectors = field.values[halves.choosing].T.astype(np.float64)
        count = min(self.neighbours, max(vectors.shape[0] - 1, 1))
        name = f"{halves.choosing.size} samples of {field.name} that are not measured"
        graph = similarity_graph(
            vectors, neighbours=count, measure="correlation", provenance=name, sources=(name,)
        )
        if isinstance(field.sites, ConnectionGraph):
            graph = replace(graph, names=field.sites.names, population=field.sites.population)
        note = (
            f"{halves.measuring.size} of {field.n_samples} samples are measured, "
            f"{halves.choosing.size} others chose the blocks (seed {self.seed})"
        )
        measured = replace(field, values=field.values[halves.measuring])
        return measured, graph, (note, *halves.notes, *graph.notes, *_about(graph))


def graph_for(
    rule: object, field: SynapticField, graph: ConnectionGraph | None, instead: str = ""
) -> ConnectionGraph:
    """Return the graph given, or the one that a field lives on, if it has a node for each site."""
    if graph is None:
        if not isinstance(field.sites, ConnectionGraph):
            raise ArgumentError(
                f"field {field.name!r} lives on {field.sites!r}, which has no graph: give "
                f"{type(rule).__name__}(graph){instead}"
            )
        graph = field.sites
    check_size(field, graph.n_nodes, graph.populations)
    return graph


def more_edges(graph: ConnectionGraph) -> str:
    """Say what to do about a graph on which no blocks can be formed."""
    if graph.n_edges:
        return "give a graph with more edges"
    return (
        "give a graph with edges: weights between layers join no two units of one layer, "
        "net.similarity_graph those that are alike in other tensors"
    )


def _about(graph: ConnectionGraph) -> tuple[str, ...]:
    """Say of how many components a graph is, and how many of its nodes have no neighbour."""
    count = int(graph.components().max()) + 1
    if count == 1:
        return ()
    alone = int(np.count_nonzero(graph.degrees() == 0))
    isolated = f", {alone} of them isolated nodes" if alone else ""
    return (f"the graph has {count} components{isolated}: no block joins two of them",)


def as_graph(graph: object) -> ConnectionGraph:
    """Return a graph, or say how to make one."""
    if not isinstance(graph, ConnectionGraph):
        raise ArgumentError(
            f"expected a ConnectionGraph, got {type(graph).__name__}; "
            "try nnrg.ConnectionGraph.from_sparse or .from_networkx"
        )
    return graph


def the_axis(field: SynapticField) -> int:
    """Return the number of sites of a field whose sites have one axis."""
    if len(field.sites.shape) == 1:
        return field.sites.n_sites
    hint = "reshape them to one axis, or block them with GridBlocks"
    if isinstance(field.sites, Lattice) and field.sites.populations == ((0,), (1,)):
        hint = "try nnrg.ProductBlocks(rows, columns), one rule for each axis"
    raise ArgumentError(
        f"field {field.name!r} has {len(field.sites.shape)} axes, and blocks of units are chosen "
        f"along one; {hint}"
    )


def check_size(
    field: SynapticField, size: int, populations: tuple[tuple[str, int], ...] = ()
) -> None:
    """Refuse blocks of more or fewer units than a field has."""
    n = the_axis(field)
    if size == n:
        return
    own = field.sites.populations if isinstance(field.sites, ConnectionGraph) else ()
    names = [name for name, count in own if count == size]
    held = [name for name, count in populations if count == n]
    hint = "give one for each site of the field, in its order"
    if names:
        hint = f"they may be of population {names[0]!r} alone: measure the field of that population"
    elif held:
        hint = f"try graph.of_population({held[0]!r})"
    raise ArgumentError(
        f"blocks of {size} units do not fit the {n} of field {field.name!r}; {hint}"
    )


def take_sites(field: SynapticField, sites: Ints) -> SynapticField:
    """Return the field on some of its sites, in the order given."""
    if np.array_equal(sites, np.arange(field.sites.n_sites)):
        return field
    if isinstance(field.sites, ConnectionGraph):
        kept: Lattice | ConnectionGraph = field.sites.subgraph(sites)
    else:
        kept = Lattice(sites.size, axes=field.sites.axes)
    return replace(field, values=np.take(field.values, sites, axis=1), sites=kept)
