"""What is prepared once for the null draws of one scale: blocks, neighbours, equations."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.basis import Basis
from nnrg.rg.graph_action.shells import EDGES, edge_unit, neighbours
from nnrg.rg.graph_action.terms import NodeRow, NodeTerm, derivative_row
from nnrg.rg.neighbourhoods._equalised import kinds_of_sizes
from nnrg.rg.neighbourhoods.blocking import Arrangement
from nnrg_kernels.graph_rows import apply_laplacian, strengths

__all__ = ["Level", "Near", "prepared_level"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """Neighbours along one axis with their weights, and what a constant field makes of them."""

    axis: int
    indptr: Ints
    indices: Ints
    weights: Floats
    strength: Floats
    of_constant: Floats
    signed: bool

    def fill(self, u: Floats, out: Floats) -> None:
        """Write T of u, both of shape (n_0, n_1, samples)."""
        lists = self.indptr, self.indices, self.weights, self.strength
        if self.axis == 0:
            rows = u.shape[0]
            apply_laplacian(*lists, u.reshape(rows, -1), out.reshape(rows, -1))
            return
        turned = np.ascontiguousarray(u.swapaxes(0, 1))
        found = np.empty_like(turned)
        rows = turned.shape[0]
        apply_laplacian(*lists, turned.reshape(rows, -1), found.reshape(rows, -1))
        out[:] = found.swapaxes(0, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One scale: its blocks, its lists of neighbours, and its equations.

    Attributes
    ----------
    shape : pair of int
        Blocks along the two axes, the second 1 for sites of one axis.
    runs : tuple of (runs, axis)
        What block sums are of those of the scale before.
    sizes : array of shape (n_0, n_1)
        Sites in each block.
    kind : int64 array of shape (n_0, n_1) or None
        Which kind of block each is; None where all are of one size.
    kinds : array
        Sites in a block of each kind.
    near : tuple of Near
    terms : tuple of NodeTerm
        Those of the equations, the first ones of `near`.
    bonds : tuple of (axis, place among `near`, mean weight of an edge)
    """

    shape: tuple[int, int]
    runs: tuple[tuple[Ints, int], ...]
    sizes: Floats
    kind: Ints | None
    kinds: Ints
    near: tuple[Near, ...]
    terms: tuple[NodeTerm, ...]
    rows: tuple[NodeRow, ...]
    bonds: tuple[tuple[int, int, float], ...]
    shift: float
    scale: float

    def strength(self, place: int) -> float:
        """Return the sum over all blocks of the strength of their neighbours in one list."""
        strength = self.near[place].strength
        return float(strength.sum()) * (prod(self.shape) // strength.size)


def prepared_level(
    arrangement: Arrangement, k: int, basis: Basis, shift: float, scale: float
) -> Level:
    """Prepare one scale."""
    starts, graphs = arrangement.starts[k], arrangement.graphs[k]
    along = [np.diff(s) for s in starts]
    rows, columns = (*along, np.ones(1, np.int64))[:2]
    kind, kinds = None, np.ones(1, np.int64)
    if k and not (rows.min() == rows.max() and columns.min() == columns.max()):
        lengths, row_kind, _ = kinds_of_sizes(rows)
        widths, column_kind, _ = kinds_of_sizes(columns)
        kinds = np.outer(lengths, widths).ravel()
        kind = row_kind[:, None] * widths.size + column_kind
    runs: list[tuple[Ints, int]] = []
    if k:
        fine = arrangement.starts[k - 1]
        runs = [
            (np.searchsorted(i, o), a) for a, (i, o) in enumerate(zip(fine, starts, strict=True))
        ]
    equations = tuple(derivative_row(o) for o in basis)
    terms = tuple(dict.fromkeys(t for _, parts in equations for t in parts))
    edges = {
        axis: NodeTerm("quadratic", axis, EDGES)
        for axis, graph in enumerate(graphs)
        if graph is not None and graph.n_edges
    }
    lists = tuple(dict.fromkeys([*terms, *edges.values()]))
    bonds = []
    for axis, term in edges.items():
        graph = graphs[axis]
        assert graph is not None
        bonds.append((axis, lists.index(term), edge_unit(graph)))
    return Level(
        shape=(rows.size, columns.size),
        runs=tuple(runs),
        sizes=np.multiply.outer(rows, columns).astype(np.float64),
        kind=kind,
        kinds=kinds,
        near=tuple(_near(graphs[t.axis], t) for t in lists),
        terms=terms,
        rows=equations,
        bonds=tuple(bonds),
        shift=shift,
        scale=scale,
    )


def _near(graph: ConnectionGraph | None, term: NodeTerm) -> Near:
    assert graph is not None
    found = neighbours(graph, term.hops, term.axis)
    weights = found.weights if found.weights.size else np.ones(found.indices.size)
    # Zero to the last bit where no weight is negative.
    of_constant = strengths(found.indptr, np.abs(weights) - weights)
    strength = strengths(found.indptr, weights)
    return Near(
        term.axis,
        found.indptr,
        found.indices,
        weights,
        strength,
        of_constant,
        bool(of_constant.any()),
    )
