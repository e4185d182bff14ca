"""SeriationBlocks: units put in a row, those that follow one another being neighbours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.fields import SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods._contiguous import as_length, contiguous_choice
from nnrg.rg.neighbourhoods._graph_rule import graph_for
from nnrg.rg.neighbourhoods._order import leaf_order, spectral_order
from nnrg.rg.neighbourhoods.hierarchy import Choice
from nnrg.rg.neighbourhoods.independence import check_independence

__all__ = ["SeriationBlocks", "seriation_order"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_METHODS = ("spectral", "leaf")


@dataclass(frozen=True, slots=True, init=False, eq=False)
class SeriationBlocks:
    r"""Put units in one row and form blocks of `b` that follow one another.

    Parameters
    ----------
    graph : ConnectionGraph or array of shape (n_sites, n_sites), optional
        A graph, or a symmetric matrix of similarities, large where units are alike; by default the
        graph that the field lives on.
    method : {"spectral", "leaf"}
        ``"spectral"`` sorts the units of each component by the Fiedler vector, the slowest mode of
        the Laplacian; ``"leaf"`` by the optimal order of the leaves of average linkage.
    b : int
        Units in a block, at each step. A remainder that fills no block is left out, with a note.
    sources : iterable of str
        Names of the tensors or data whose numbers made a matrix; a graph has its own.

    Raises
    ------
    ArgumentError
        If an argument is none of these, or the matrix is not square and symmetric.
    NonFiniteError
        If a similarity is NaN or infinite.

    Notes
    -----
    The Fiedler vector minimises :math:`\sum_{ij} w_{ij} (x_i - x_j)^2` at fixed length:
    J. E. Atkins, E. G. Boman and B. Hendrickson, SIAM Journal on Computing 28 (1998) 297,
    doi:10.1137/S0097539795285771. Its sign, which the vector does not have, is that of its third
    moment. Where it is not unique (a ring) the order depends on how units are numbered: a note.
    Negative weights are left out. Components follow one another, the largest first, and no block
    joins two of them.

    An order of leaves: Z. Bar-Joseph, D. K. Gifford and T. S. Jaakkola, Bioinformatics 17 (2001)
    S22. It is of the whole matrix, so that its blocks may join units without an edge.

    Examples
    --------
    A chain whose links are shuffled is put in order again:

    >>> import networkx as nx
    >>> import numpy as np
    >>> from nnrg.graph.connection_graph import ConnectionGraph
    >>> from nnrg.rg.neighbourhoods.seriation import seriation_order
    >>> chain = ConnectionGraph.from_networkx(nx.path_graph(6)).permuted([3, 0, 5, 1, 4, 2])
    >>> order = np.concatenate(seriation_order(chain)[0])
    >>> np.array([3, 0, 5, 1, 4, 2])[order].tolist() in ([0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0])
    True
    """

    graph: ConnectionGraph | None
    method: str
    b: int

    def __init__(
        self,
        graph: ConnectionGraph | npt.ArrayLike | None = None,
        *,
        method: str = "spectral",
        b: int = 2,
        sources: Iterable[str] = (),
    ) -> None:
        if method not in _METHODS:
            raise ArgumentError(f"method must be 'spectral' or 'leaf', got {shown(method)}")
        chosen = None if graph is None else _as_similarity(graph, sources)
        object.__setattr__(self, "graph", chosen)
        object.__setattr__(self, "method", method)
        object.__setattr__(self, "b", as_length(b))

    def __repr__(self) -> str:
        graph = "" if self.graph is None else f"{self.graph!r}, "
        return f"SeriationBlocks({graph}method={self.method!r}, b={self.b})"

    @property
    def provenance(self) -> str:
        """Which numbers chose the blocks."""
        if self.graph is None:
            return f"{self.method} order of the graph of the field"
        return f"{self.method} order of a graph ({self.graph.provenance})"

    def choose(self, field: SynapticField, levels: int | None, fewest: int) -> Choice:
        """Choose nested blocks of the field's sites; see `Neighbourhoods.choose`.

        Raises
        ------
        ArgumentError
            If the graph does not fit the field, or there are not as many levels as asked for.
        AnalysisError
            If the numbers that choose are those that are measured, the graph is too large to put in
            order, or no level can be formed.
        """
        graph = graph_for(self, field, self.graph)
        notes = check_independence(field, graph.sources)
        runs, about = seriation_order(graph, self.method)
        return contiguous_choice(
            field, runs, self.b, levels, fewest, graph=graph, notes=(*notes, *about)
        )


def seriation_order(
    graph: ConnectionGraph, method: str = "spectral"
) -> tuple[list[Ints], tuple[str, ...]]:
    """Return the nodes of a graph in a row, in runs that are not connected, and what to say of it.

    Parameters
    ----------
    graph : ConnectionGraph
    method : {"spectral", "leaf"}

    Returns
    -------
    list of int64 arrays
        One for each component, the largest first, by ``"spectral"``; one in all by ``"leaf"``.
    tuple of str
        Whether weights were left out, components are several, or the order is not unique.

    Raises
    ------
    AnalysisError
        If the graph is too large, or has no edge of positive weight.
    """
    if not np.any(graph.weights > 0):
        hint = "graph.strength('absolute')" if graph.n_edges else "one with edges"
        raise AnalysisError(
            f"a graph of {graph.n_nodes} nodes without an edge of positive weight cannot be put in "
            f"order; give {hint}, or RandomUnits for blocks at random"
        )
    return leaf_order(graph) if method == "leaf" else spectral_order(graph)


def _as_similarity(given: object, sources: Iterable[str]) -> ConnectionGraph:
    names = frozenset((sources,) if isinstance(sources, str) else sources)
    if isinstance(given, ConnectionGraph):
        if names:
            raise ArgumentError("sources= is for a matrix; a ConnectionGraph names its own")
        return given
    try:
        matrix = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ArgumentError(
            "give a ConnectionGraph or a square matrix of similarities, got "
            f"{shown(getattr(given, 'shape', None) or type(given).__name__)}"
        )
    if not np.all(np.isfinite(matrix)):
        raise NonFiniteError(
            f"{np.count_nonzero(~np.isfinite(matrix))} similarities are NaN or infinite; remove or "
            "repair them first"
        )
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=0):
        raise ArgumentError("a matrix of similarities must be symmetric; try (S + S.T) / 2")
    off = matrix - np.diag(np.diag(matrix))
    return ConnectionGraph.from_sparse(
        np.maximum(off, off.T), provenance="similarities given", sources=names
    )
