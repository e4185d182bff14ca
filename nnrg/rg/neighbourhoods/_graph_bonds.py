"""Differences of a field along the edges of a graph, summed for each jackknife group."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.graph.connection_graph import ConnectionGraph

__all__ = ["graph_bonds"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def graph_bonds(
    values: npt.NDArray[np.floating[Any]],
    graphs: tuple[ConnectionGraph | None, ...],
    scale: float,
    sample_group: Ints,
    cuts: tuple[Ints, ...],
) -> tuple[Floats, Floats]:
    """Return sum_e |w_e| and sum_e |w_e| (phi_x - sgn(w_e) phi_y)^2 / scale^2 along each axis.

    The field enters by its deviation from the mean. An edge belongs to both of its ends by halves.

    Returns
    -------
    bonds, squares : arrays of shape (n_groups, d)
        Zero along an axis without a graph.
    """
    n_groups = (int(sample_group.max()) + 1) * int(np.prod([c.size - 1 for c in cuts]))
    bonds = np.zeros((n_groups, len(graphs)))
    squares = np.zeros_like(bonds)
    wide = values.astype(np.float64)
    y = (wide - wide.mean()) / scale
    for axis, graph in enumerate(graphs):
        if graph is None or graph.n_edges == 0:
            continue
        strength = graph.strengths()
        moved = np.moveaxis(y, 1 + axis, -1)
        flat = moved.reshape(-1, graph.n_nodes)
        energy = flat * (strength * flat - (graph.to_sparse() @ flat.T).T)
        own = np.moveaxis(energy.reshape(moved.shape), -1, 1 + axis)
        squares[:, axis] = _by_group(own, sample_group, cuts)
        along = [-1 if a == axis else 1 for a in range(y.ndim - 1)]
        ends = np.broadcast_to(strength.reshape(along) / 2, y.shape)
        bonds[:, axis] = _by_group(ends, sample_group, cuts)
    return bonds, squares


def _by_group(numbers: Floats, sample_group: Ints, cuts: tuple[Ints, ...]) -> Floats:
    """Sum the numbers of each group: samples first, then cells in row-major order."""
    for axis, cut in enumerate(cuts):
        numbers = np.add.reduceat(numbers, cut[:-1], axis=1 + axis)
    cells = numbers.reshape(numbers.shape[0], -1)
    out = np.zeros((int(sample_group.max()) + 1, cells.shape[1]))
    np.add.at(out, sample_group, cells)
    return out.ravel()
