"""The jackknife group of every number of a block field."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.rg.flow import Flow

__all__ = ["group_of_values"]


def group_of_values(flow: Flow, level: int) -> npt.NDArray[np.int64]:
    """Return the group of each block of each sample at one scale, shaped like the block field."""
    shape = flow.sites[level].shape
    cell = np.zeros(shape, dtype=np.int64)
    cells = 1
    for axis, edges in enumerate(flow.edges_at(level)):
        along = np.searchsorted(edges, np.arange(shape[axis]), side="right") - 1
        cell = cell * (edges.size - 1) + along.reshape(
            [-1 if a == axis else 1 for a in range(cell.ndim)]
        )
        cells *= edges.size - 1
    sample = flow.groups.sample_group.reshape(-1, *(1,) * cell.ndim)
    return np.asarray(sample * cells + cell)
