"""The numbers of a flow over blocks of one mean size, as if they were over blocks of another.

A rule forms a few blocks more or fewer on another graph. Cumulants of block means fall with the
size of the blocks even where nothing is correlated, so that numbers of unlike sizes do not compare.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnrg.rg.flow import Flow
from nnrg.rg.groups import whole
from nnrg.rg.rescaling import field_exponent
from nnrg.stats.kstatistics import kstatistics

__all__ = ["at_sizes_of"]

Floats = npt.NDArray[np.float64]


def at_sizes_of(flow: Flow, other: Flow) -> Flow:
    r"""Return a flow, in one group, with its numbers moved to the block sizes of another.

    Parameters
    ----------
    flow, other : Flow
        Of as many scales.

    Notes
    -----
    With c the ratio of the mean sizes, :math:`\kappa_n \to c^{n-1} \kappa_n`, which is exact for
    blocks of independent units; correlations of neighbours are left as they are. Deviations of the
    block field from its mean are multiplied by the root of c, as its standard deviation is.
    """
    d = flow.field.sites.dimension
    ratio = (flow.lengths / other.lengths) ** d
    stats = flow.statistics
    counts = stats.counts.sum(axis=1, keepdims=True)
    sums = _moved(stats.sums.sum(axis=1, keepdims=True), counts, ratio[:, None])
    gradients = stats.gradients.sum(axis=1, keepdims=True) * ratio[:, None, None]
    exponent = field_exponent(flow.rescale, d)
    # The flow's own sizes rescale the field too, unless its variance does.
    factors = ratio ** (0.5 - (exponent or 0.0) / d)
    means = []
    for values, factor in zip(flow.means, factors, strict=True):
        centre = values.mean(dtype=np.float64)
        moved = values if factor == 1.0 else centre + (values - centre) * factor
        means.append(np.asarray(moved, dtype=values.dtype))
    return replace(
        flow,
        means=tuple(means),
        statistics=replace(
            stats,
            counts=counts,
            sums=sums,
            bonds=stats.bonds.sum(axis=1, keepdims=True),
            gradients=gradients,
        ),
        groups=whole(flow.field),
    )


def _moved(sums: Floats, counts: npt.NDArray[np.int64], ratio: Floats) -> Floats:
    """Return power sums whose k-statistics are those of `sums` times ratio^(n-1)."""
    order = sums.shape[-1]
    target = kstatistics(sums, counts) * ratio[..., None] ** np.arange(order)
    out = np.zeros_like(sums)
    for p in range(order):
        # k_p is linear in the sum of the p-th powers.
        trial = out[..., : p + 1].copy()
        rest = kstatistics(trial, counts)[..., p]
        trial[..., p] = 1.0
        slope = kstatistics(trial, counts)[..., p] - rest
        with np.errstate(invalid="ignore", divide="ignore"):
            solved = (target[..., p] - rest) / slope
        # Too few blocks for this order: there is no k-statistic either way.
        out[..., p] = np.where(np.isfinite(solved), solved, 0.0)
    same = ratio == 1.0
    out[same] = sums[same]
    return out
