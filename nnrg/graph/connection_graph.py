"""ConnectionGraph: which neurons are connected, and how strongly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.graph import _convert
from nnrg.graph._diffusing import Diffusing

if TYPE_CHECKING:
    import networkx
    from scipy.sparse import csr_array

__all__ = ["ConnectionGraph"]

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ConnectionGraph(Diffusing):
    """An undirected graph of neurons with signed weights. Two graphs are equal only if one object.

    Made by `from_sparse`, `from_networkx`, `nnrg.Network.graph` or `nnrg.similarity_graph`; a
    field lives on its nodes as it does on the sites of a `Lattice`, with d = 1: the scale b of a
    flow is then the number of units in a block.

    Attributes
    ----------
    indptr, indices, weights : int64, int64 and float64 arrays
        Symmetric adjacency matrix by rows (CSR), each edge twice; columns sorted, without
        duplicates, self-loops or zeros. Weights are in the unit of what connects.
    population : int64 array of shape (n_nodes,)
        Index into `names` of each node's population.
    names : tuple of str
        Names of the populations.
    provenance : str
        Which numbers made the graph.
    sources : frozenset of str
        Names of the tensors and data that those numbers came from.
    notes : tuple of str
        What was done to the edges on the way.

    Examples
    --------
    >>> import networkx as nx
    >>> from nnrg.graph.connection_graph import ConnectionGraph
    >>> ConnectionGraph.from_networkx(nx.cycle_graph(8))
    ConnectionGraph(8 nodes, 8 edges, 1 component)
    """

    indptr: Ints
    indices: Ints
    weights: Floats
    population: Ints
    names: tuple[str, ...] = ("nodes",)
    provenance: str = "given"
    sources: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for array in (self.indptr, self.indices, self.weights, self.population):
            array.flags.writeable = False

    def __repr__(self) -> str:
        count = int(self.components().max()) + 1
        signed = ", signed" if self.signed else ""
        plural = "" if count == 1 else "s"
        return (
            f"ConnectionGraph({self.n_nodes} nodes, {self.n_edges} edges, "
            f"{count} component{plural}{signed})"
        )

    @classmethod
    def from_sparse(
        cls,
        matrix: object,
        *,
        populations: Sequence[tuple[str, int]] | None = None,
        provenance: str = "given",
        sources: Iterable[str] = (),
    ) -> ConnectionGraph:
        """Return the graph of an adjacency matrix.

        Parameters
        ----------
        matrix : SciPy sparse array or matrix, or dense array, of shape (n, n)
            Weights of edges; zeros are no edges. One that is not symmetric has directed edges:
            the two directions are added up to one undirected edge. Duplicate entries are added up,
            self-loops left out. What was done is in `notes`.
        populations : sequence of (name, number of nodes), optional
            In the order of the nodes.
        provenance : str
            Which numbers made the graph.
        sources : iterable of str
            Names of the tensors or data that the weights come from.

        Raises
        ------
        ArgumentError
            If it is no square matrix of real numbers, is empty, or populations do not add up.
        NonFiniteError
            If a weight is NaN or infinite.

        Examples
        --------
        >>> from scipy.sparse import coo_array
        >>> from nnrg.graph.connection_graph import ConnectionGraph
        >>> one_way = coo_array(([2.0, 3.0], ([0, 1], [1, 2])), shape=(3, 3))
        >>> ConnectionGraph.from_sparse(one_way).notes
        ('directed edges: the weights of both directions are added up',)
        """
        csr, notes = _convert.as_csr(matrix)
        n = csr.shape[0]
        names, population = _convert.populations(populations, n)
        return cls(
            csr.indptr.astype(np.int64),
            csr.indices.astype(np.int64),
            csr.data.astype(np.float64),
            population,
            names,
            provenance,
            frozenset(sources),
            notes,
        )

    @classmethod
    def from_networkx(cls, graph: networkx.Graph, *, weight: str = "weight") -> ConnectionGraph:
        """Return the graph of a networkx graph, nodes in its order; edges without a weight have 1.

        Parallel edges are added up, as are the two directions of a directed graph. A node's
        attribute ``population`` is kept.

        Raises
        ------
        ArgumentError
            If it is no networkx graph, or has no node.
        NonFiniteError
            If a weight is NaN or infinite.
        """
        matrix, names, population = _convert.from_networkx(graph, weight)
        out = cls.from_sparse(matrix, provenance="networkx graph")
        return replace(out, names=names, population=population)

    def to_sparse(self) -> csr_array:
        """Return the symmetric adjacency matrix, float64."""
        from scipy.sparse import csr_array

        n = self.n_nodes
        return csr_array((self.weights.copy(), self.indices.copy(), self.indptr.copy()), (n, n))

    def to_networkx(self) -> networkx.Graph:
        """Return a networkx graph: ``weight`` of its edges, ``population`` of its nodes."""
        return _convert.to_networkx(self.to_sparse(), self.names, self.population)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return int(self.indptr.size - 1)

    @property
    def n_sites(self) -> int:
        """Number of nodes: the sites of a field on the graph."""
        return self.n_nodes

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return int(self.indices.size // 2)

    @property
    def shape(self) -> tuple[int]:
        """Shape of one sample of a field on the graph."""
        return (self.n_nodes,)

    @property
    def dimension(self) -> int:
        """One: the size of a block counts units."""
        return 1

    @property
    def axes(self) -> tuple[str]:
        """What the one axis of a field on the graph is."""
        return ("node",)

    @property
    def signed(self) -> bool:
        """Whether any weight is negative."""
        return bool(np.any(self.weights < 0))

    @property
    def populations(self) -> tuple[tuple[str, int], ...]:
        """Name and number of nodes of each population."""
        counts = np.bincount(self.population, minlength=len(self.names))
        return tuple(zip(self.names, counts.tolist(), strict=True))

    def degrees(self) -> Ints:
        """Return the number of neighbours of each node."""
        return np.diff(self.indptr)

    def strengths(self) -> Floats:
        """Return the sum of the absolute weights at each node."""
        rows = np.repeat(np.arange(self.n_nodes), self.degrees())
        return np.bincount(rows, np.abs(self.weights), minlength=self.n_nodes).astype(np.float64)

    def components(self) -> Ints:
        """Return the connected component of each node, numbered by their first node."""
        from nnrg_kernels.graph_components import components

        return components(self.indptr, self.indices)

    def strength(self, kind: str = "absolute") -> ConnectionGraph:
        """Return the graph with |w| (``"absolute"``) or w^2 (``"square"``) for its weights."""
        if kind not in ("absolute", "square"):
            raise ArgumentError(
                f"strength must be 'absolute' or 'square', got {shown(kind)}; try 'absolute'"
            )
        weights = np.abs(self.weights) if kind == "absolute" else self.weights**2
        return replace(self, weights=weights, notes=(*self.notes, f"{kind} weights"))

    def permuted(self, order: npt.ArrayLike) -> ConnectionGraph:
        """Return the same graph with node ``order[i]`` at place i."""
        nodes = _convert.as_nodes(order, self.n_nodes)
        if not np.array_equal(np.sort(nodes), np.arange(self.n_nodes)):
            raise ArgumentError(
                f"order must hold each of {self.n_nodes} nodes once; try numpy.argsort of labels"
            )
        return self._taken(nodes)

    def subgraph(self, nodes: npt.ArrayLike) -> ConnectionGraph:
        """Return the graph of some nodes, in the order given, and the edges among them."""
        chosen = _convert.as_nodes(nodes, self.n_nodes)
        if np.unique(chosen).size != chosen.size:
            raise ArgumentError("nodes must not repeat; try numpy.unique")
        return self._taken(chosen)

    def _taken(self, nodes: Ints) -> ConnectionGraph:
        csr = self.to_sparse()[nodes][:, nodes].tocsr()
        csr.sort_indices()
        return self._like(csr.indptr, csr.indices, csr.data, self.population[nodes])

    def _like(
        self, indptr: Array, indices: Array, weights: Array, population: Ints
    ) -> ConnectionGraph:
        return replace(
            self,
            indptr=indptr.astype(np.int64),
            indices=indices.astype(np.int64),
            weights=weights.astype(np.float64),
            population=population.astype(np.int64),
        )

    def of_population(self, name: str) -> ConnectionGraph:
        """Return the graph of the nodes of one population."""
        if name not in self.names:
            raise ArgumentError(
                f"no population {shown(name)}; there are {', '.join(self.names[:8])}"
            )
        return self.subgraph(np.flatnonzero(self.population == self.names.index(name)))

    def contracted(self, labels: npt.ArrayLike) -> ConnectionGraph:
        """Return the graph of blocks: weights between two blocks are added up (P^T A P, signed).

        Parameters
        ----------
        labels : int array of shape (n_nodes,)
            Block of each node, 0, 1, .. without gaps. Edges inside a block are left out, as are
            weights that cancel to zero.

        Raises
        ------
        ArgumentError
            If there is not one label for each node, or a block is empty.
        """
        blocks = _convert.as_labels(labels, self.n_nodes)
        population = self.population[np.unique(blocks, return_index=True)[1]]
        csr = _convert.contracted(self.indptr, self.indices, self.weights, blocks)
        if np.any(population[blocks] != self.population):
            mixed = self._like(*csr, np.zeros_like(population))
            return replace(mixed, names=("blocks of several populations",))
        return self._like(*csr, population)

    def distance_shells(self, longest: int, *, most: int = 50_000_000) -> Mapping[int, csr_array]:
        """Return the pairs of nodes at each hop distance from 1 to `longest`, both directions.

        Raises
        ------
        AnalysisError
            If there are more than `most` pairs.
        """
        return _convert.distance_shells(self.indptr, self.indices, longest, most)
