"""ConnectionGraph: which neurons are connected, and how strongly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.graph import _convert

if TYPE_CHECKING:
    import networkx
    from scipy.sparse import csr_array

    from nnrg.graph.spectral import SpectralCurve, SpectralDimension

__all__ = ["ConnectionGraph"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Rng: TypeAlias = np.random.Generator | np.random.SeedSequence | int | None

_LAPLACIANS = ("combinatorial", "normalised", "signed")


@dataclass(frozen=True, slots=True, eq=False)
class ConnectionGraph:
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
        return self._row_sums(np.abs(self.weights))

    def _row_sums(self, numbers: Floats) -> Floats:
        rows = np.repeat(np.arange(self.n_nodes), self.degrees())
        return np.bincount(rows, numbers, minlength=self.n_nodes).astype(np.float64)

    def components(self) -> Ints:
        """Return the connected component of each node, numbered by their first node."""
        from nnrg_kernels.graph_components import components

        return components(self.indptr, self.indices)

    def laplacian(self, kind: str = "combinatorial") -> csr_array:
        """Return a Laplacian of the graph, positive semi-definite.

        Parameters
        ----------
        kind : {"combinatorial", "normalised", "signed"}
            D - A; 1 - D^{-1/2} A D^{-1/2} (zero on isolated nodes); D - A with D the sums of
            absolute weights, for graphs with negative weights.

        Raises
        ------
        ArgumentError
            If the kind is none of these, or weights are negative where they must not be.
        """
        from scipy.sparse import diags_array

        if kind not in _LAPLACIANS:
            raise ArgumentError(
                f"kind must be one of {', '.join(_LAPLACIANS)}, got {shown(kind)}; "
                "try 'combinatorial'"
            )
        if self.signed and kind != "signed":
            raise ArgumentError(
                f"the {kind} Laplacian needs positive weights, and "
                f"{np.count_nonzero(self.weights < 0) // 2} of {self.n_edges} edges are negative; "
                "try kind='signed', or strength('absolute') first"
            )
        strengths = self.strengths()
        if kind != "normalised":
            return diags_array(strengths).tocsr() - self.to_sparse()
        with np.errstate(divide="ignore"):
            root = np.where(strengths > 0, 1 / np.sqrt(strengths), 0.0)
        scaled = diags_array(root) @ self.to_sparse() @ diags_array(root)
        return (diags_array((strengths > 0).astype(float)) - scaled).tocsr()

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
        self,
        indptr: npt.NDArray[Any],
        indices: npt.NDArray[Any],
        weights: npt.NDArray[Any],
        population: Ints,
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
        from nnrg_kernels.graph_contraction import contract

        blocks = _convert.as_labels(labels, self.n_nodes)
        count = int(blocks.max()) + 1
        indptr, indices, weights, _ = contract(
            self.indptr, self.indices, self.weights, blocks, count
        )
        first = np.full(count, self.n_nodes, dtype=np.int64)
        np.minimum.at(first, blocks, np.arange(self.n_nodes))
        population = self.population[first]
        if np.any(population[blocks] != self.population):
            return replace(
                self._like(indptr, indices, weights, np.zeros(count, dtype=np.int64)),
                names=("blocks of several populations",),
            )
        return self._like(indptr, indices, weights, population)

    def distance_shells(self, longest: int, *, most: int = 50_000_000) -> Mapping[int, csr_array]:
        """Return the pairs of nodes at each hop distance from 1 to `longest`, both directions.

        Raises
        ------
        AnalysisError
            If there are more than `most` pairs.
        """
        from scipy.sparse import csr_array

        from nnrg_kernels.graph_neighbours import shells

        n = self.n_nodes
        found, pairs = shells(self.indptr, self.indices, longest, most)
        if pairs > most:
            raise AnalysisError(
                f"about {pairs} ordered pairs of {n} nodes are at most {longest} hops apart, more "
                f"than {most}; ask for shorter distances"
            )
        return {
            r: csr_array((np.ones(indices.size), indices, indptr), (n, n))
            for r, (indptr, indices) in enumerate(found, 1)
        }

    def spectrum(self, k: int | None = None, *, kind: str = "combinatorial") -> Floats:
        """Return the `k` smallest eigenvalues of a Laplacian, ascending; all of them by default.

        Raises
        ------
        AnalysisError
            If all are asked of a graph of more than 10 000 nodes.
        """
        from nnrg.graph.spectral import lowest_eigenvalues

        return lowest_eigenvalues(self.laplacian(kind), k)

    def spectral_entropy(
        self, tau: npt.ArrayLike, *, kind: str = "combinatorial", rng: Rng = None
    ) -> SpectralCurve:
        """Return S(tau) of rho = exp(-tau L)/Z in nats; see `nnrg.graph.spectral`."""
        from nnrg.graph.spectral import spectral_entropy

        return spectral_entropy(self, tau, kind=kind, rng=rng)

    def heat_capacity(
        self, tau: npt.ArrayLike, *, kind: str = "combinatorial", rng: Rng = None
    ) -> SpectralCurve:
        """Return C(tau) = -dS/d ln tau, dimensionless; see `nnrg.graph.spectral`."""
        from nnrg.graph.spectral import heat_capacity

        return heat_capacity(self, tau, kind=kind, rng=rng)

    def spectral_dimension(
        self, *, kind: str = "combinatorial", rng: Rng = None
    ) -> SpectralDimension:
        """Return d_s = 2 C on the plateau of C(tau), with its error; see `nnrg.graph.spectral`."""
        from nnrg.graph.spectral import spectral_dimension

        return spectral_dimension(self, kind=kind, rng=rng)
