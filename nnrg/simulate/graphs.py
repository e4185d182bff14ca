"""Graphs whose spectrum of diffusion is known: chains, tori, trees, fractals."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real, shown
from nnrg.errors import ArgumentError
from nnrg.graph.connection_graph import ConnectionGraph

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = [
    "barabasi_albert",
    "complete",
    "hierarchical_modules",
    "random_graph",
    "ring",
    "sierpinski_gasket",
    "torus",
]

Ints = npt.NDArray[np.int64]
Rng = np.random.Generator | np.random.SeedSequence | int | None

_CORNERS = np.array([[0, 0], [1, 0], [0, 1]])  # of a triangle, in steps along two of its sides


def _graph(n: int, first: Ints, second: Ints, name: str) -> ConnectionGraph:
    """Return the graph of unit weights of pairs of nodes; repeated pairs count once."""
    from scipy.sparse import coo_array

    apart = first != second
    i, j = first[apart], second[apart]
    pairs = np.unique(np.minimum(i, j) * np.int64(n) + np.maximum(i, j))
    i, j = np.divmod(pairs, n)
    half = coo_array((np.ones(pairs.size), (i, j)), shape=(n, n))
    matrix: csr_array = (half + half.T).tocsr()
    return ConnectionGraph.from_sparse(matrix, provenance=name)


def torus(shape: tuple[int, ...] | int) -> ConnectionGraph:
    r"""Return the nearest neighbours of a periodic lattice.

    Parameters
    ----------
    shape : tuple of int or int
        Sites along each axis, at least 3.

    Returns
    -------
    ConnectionGraph
        Unit weights; nodes in C order. Eigenvalues of its Laplacian are
        :math:`\sum_a 4 \sin^2(\pi k_a / n_a)`.

    Raises
    ------
    ArgumentError
        If an axis is shorter than 3.

    Examples
    --------
    >>> torus((4, 4))
    ConnectionGraph(16 nodes, 32 edges, 1 component)
    """
    lengths = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if not lengths:
        raise ArgumentError(f"shape must have an axis, got {shown(shape)}; try (8, 8)")
    lengths = tuple(as_count("each length", n, 3) for n in lengths)
    node = np.arange(int(np.prod(lengths)), dtype=np.int64).reshape(lengths)
    near = [np.roll(node, -1, axis).ravel() for axis in range(len(lengths))]
    return _graph(
        node.size, np.tile(node.ravel(), len(lengths)), np.concatenate(near), f"torus {lengths}"
    )


def ring(n: int) -> ConnectionGraph:
    """Return n >= 3 nodes in a circle, each connected to two.

    Raises
    ------
    ArgumentError
        If `n` is below 3.

    Examples
    --------
    >>> ring(8)
    ConnectionGraph(8 nodes, 8 edges, 1 component)
    """
    return torus((as_count("n", n, 3),))


def complete(n: int) -> ConnectionGraph:
    """Return n >= 2 nodes, each connected to all: eigenvalues 0 and n - 1 times n.

    Raises
    ------
    ArgumentError
        If `n` is below 2.

    Examples
    --------
    >>> complete(5)
    ConnectionGraph(5 nodes, 10 edges, 1 component)
    """
    i, j = np.triu_indices(as_count("n", n, 2), 1)
    return _graph(n, i.astype(np.int64), j.astype(np.int64), f"complete graph {n}")


def sierpinski_gasket(generation: int) -> ConnectionGraph:
    """Return the gasket of (3^(g + 1) + 3) / 2 corners of 3^g triangles.

    Its spectral dimension is 2 ln 3 / ln 5, with corrections periodic in the logarithm of time.

    Parameters
    ----------
    generation : int
        g, from 0 (one triangle) to 13.

    Raises
    ------
    ArgumentError
        If `generation` is out of range.

    Examples
    --------
    >>> sierpinski_gasket(2)
    ConnectionGraph(15 nodes, 27 edges, 1 component)
    """
    g = as_count("generation", generation, 0, 13)
    corner = np.zeros((1, 2), dtype=np.int64)
    for level in range(g):
        side = 1 << level
        corner = np.concatenate([corner + side * unit for unit in _CORNERS])
    wide = (1 << g) + 1
    places = [corner + unit for unit in _CORNERS]
    codes = [place[:, 0] * wide + place[:, 1] for place in places]
    names, node = np.unique(np.concatenate(codes), return_inverse=True)
    parts = np.split(node.astype(np.int64), 3)
    sides = list(combinations(parts, 2))
    return _graph(
        names.size,
        np.concatenate([a for a, _ in sides]),
        np.concatenate([b for _, b in sides]),
        f"Sierpinski gasket {g}",
    )


def barabasi_albert(n: int, m: int, *, rng: Rng = None) -> ConnectionGraph:
    """Return a graph grown by preferential attachment, m edges a node; m = 1 is a tree.

    Raises
    ------
    ArgumentError
        If `m` is below 1 or not below `n`.

    Examples
    --------
    >>> barabasi_albert(100, 1, rng=1)
    ConnectionGraph(100 nodes, 99 edges, 1 component)
    """
    import networkx as nx

    m = as_count("m", m, 1)
    n = as_count("n", n, m + 1)
    grown = nx.barabasi_albert_graph(n, m, seed=np.random.default_rng(as_seed(rng)))
    pairs = np.array(grown.edges, dtype=np.int64)
    return _graph(n, pairs[:, 0], pairs[:, 1], f"Barabasi-Albert graph {n}, m = {m}")


def random_graph(n: int, edges: int, *, rng: Rng = None) -> ConnectionGraph:
    """Return about `edges` edges between nodes chosen at random; repeated pairs count once.

    Raises
    ------
    ArgumentError
        If there are fewer than two nodes or no edge.

    Examples
    --------
    >>> random_graph(1000, 5000, rng=1).n_nodes
    1000
    """
    n, edges = as_count("n", n, 2), as_count("edges", edges, 1)
    i, j = np.random.default_rng(as_seed(rng)).integers(0, n, (2, edges))
    return _graph(n, i, j, f"random graph {n}")


def hierarchical_modules(
    levels: int, *, size: int = 8, decay: float = 0.3, rng: Rng = None
) -> ConnectionGraph:
    """Return modules of modules: 2^levels groups of `size` nodes, sparser from level to level.

    Parameters
    ----------
    levels : int
        Number of levels above the groups, 0 to 16.
    size : int
        Nodes of a group, all connected to each other; at least 2.
    decay : float
        0 < decay <= 1: mean number of edges of a node to the other half of its module, each level
        relative to the one below.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None

    Raises
    ------
    ArgumentError
        If an argument is out of range.

    Examples
    --------
    >>> hierarchical_modules(3, size=4, rng=1).n_nodes
    32
    """
    levels, size = as_count("levels", levels, 0, 16), as_count("size", size, 2)
    decay = as_real("decay", decay)
    if not 0 < decay <= 1:
        raise ArgumentError(f"decay must be above 0 and at most 1, got {decay}; try 0.3")
    draw = np.random.default_rng(as_seed(rng))
    n = size << levels
    node = np.arange(n, dtype=np.int64)
    inside = (node // size * size)[:, None] + np.arange(size)
    first, second = [np.repeat(node, size)], [inside.ravel()]
    for level in range(levels):
        half = size << level
        # One edge at least joins the halves of each module.
        count = max(1, round(half * size * decay ** (level + 1)))
        lower = np.arange(0, n, 2 * half, dtype=np.int64)[:, None]
        first.append((lower + draw.integers(0, half, (lower.size, count))).ravel())
        second.append((lower + half + draw.integers(0, half, (lower.size, count))).ravel())
    return _graph(n, np.concatenate(first), np.concatenate(second), f"modules of {size}")
