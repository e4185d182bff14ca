"""The distribution of block activity in units of its own standard deviation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.rg.phenomenological._activity import Activity
from nnrg.stats.jackknife import leave_one_out
from nnrg.stats.replicates import Replicates

__all__ = ["BlockDensity", "measure_density"]

Array = npt.NDArray[np.float64]

_EDGE = 6.0
_BINS = 48


@dataclass(frozen=True, slots=True, eq=False)
class BlockDensity:
    """Density of block activity, mean zero and variance one in each block, over all blocks.

    Attributes
    ----------
    edges : array of shape (n_bins + 1,)
        In standard deviations. What lies beyond the last ones is in no bin.
    values, errors : arrays of shape (n_scales, n_bins)
        Per standard deviation.
    """

    edges: Array
    values: Array
    errors: Array

    def __post_init__(self) -> None:
        for array in (self.edges, self.values, self.errors):
            array.flags.writeable = False


def measure_density(activity: Activity) -> BlockDensity:
    """Count block activity in bins, at each level."""
    centred = activity.values - activity.values.mean(axis=0)
    edges = np.linspace(-_EDGE, _EDGE, _BINS + 1)
    values, errors = [], []
    for block in activity.sums(centred):
        spread = block.std(axis=0)
        standard = block[:, spread > 0] / spread[spread > 0]
        counts = np.empty((activity.starts.size, _BINS))
        for g, part in enumerate(activity.groups()):
            at = (standard[part] + _EDGE) * (_BINS / (2 * _EDGE))
            # One bin more on each side takes what is beyond the edges.
            bins = np.clip(np.floor(at).astype(np.int64) + 1, 0, _BINS + 1)
            counts[g] = np.bincount(bins.ravel(), minlength=_BINS + 2)[1:-1]
        totals = activity.lengths[:, None] * (standard.shape[1] * 2 * _EDGE / _BINS)
        density = Replicates.from_jackknife(
            counts.sum(axis=0) / totals.sum(),
            leave_one_out(counts) / leave_one_out(totals),
            activity.lengths,
        )
        values.append(density.values)
        errors.append(density.errors())
    return BlockDensity(edges, np.stack(values), np.stack(errors))
