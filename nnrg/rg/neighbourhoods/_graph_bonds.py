"""Differences of a field along the edges of a graph, summed for each jackknife group."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.graph_action.shells import EDGES, edge_unit, neighbours
from nnrg_kernels.graph_schwinger_dyson import GraphTerm, accumulate_on_graph

__all__ = ["graph_bonds"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def graph_bonds(
    values: npt.NDArray[np.floating[Any]],
    graphs: tuple[ConnectionGraph | None, ...],
    shift: float,
    scale: float,
    sample_group: Ints,
    cuts: tuple[Ints, ...],
) -> tuple[Floats, Floats]:
    """Return sum_e |w_e| and sum_e |w_e| (phi_x - sgn(w_e) phi_y)^2 / scale^2 along each axis.

    The field enters by its deviation from `shift`, its mean. An edge belongs to both of its ends by
    halves: with y the deviation and L the signed Laplacian the second is sum_x y_x (L y)_x.

    Returns
    -------
    bonds, squares : arrays of shape (n_groups, d)
        Zero along an axis without a graph.
    """
    n_groups = (int(sample_group.max()) + 1) * int(np.prod([c.size - 1 for c in cuts]))
    bonds = np.zeros((n_groups, len(graphs)))
    squares = np.zeros_like(bonds)
    joined = [(axis, g) for axis, g in enumerate(graphs) if g is not None and g.n_edges]
    if not joined:
        return bonds, squares
    sums = accumulate_on_graph(
        values,
        1 / scale,
        shift=shift,
        power=1,
        neighbours=[neighbours(graph, EDGES, axis) for axis, graph in joined],
        terms=[GraphTerm("quadratic", place) for place in range(len(joined))],
        sample_group=sample_group,
        edges=cuts,
    )
    axes, units = [axis for axis, _ in joined], [edge_unit(graph) for _, graph in joined]
    squares[:, axes] = sums.cross[:, 1] * units
    bonds[:, axes] = sums.second / 2 * units
    return bonds, squares
