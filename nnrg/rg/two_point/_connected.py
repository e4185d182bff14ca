"""Connected products of a field at one scale: what is left when the mean is taken off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.fields import Lattice
from nnrg.rg.flow import Flow
from nnrg.rg.groups import Groups
from nnrg.rg.moments import observe
from nnrg.rg.rescaling import rescaling_factors
from nnrg.rg.two_point._lags import PairSums, lag_axes, pair_sums
from nnrg.stats.replicates import Replicates

__all__ = [
    "LevelSums",
    "as_replicates",
    "centred",
    "connected",
    "leave_out",
    "level_sums",
    "squared_factors",
    "squared_mean",
]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Longest lag by dimension where the lattice is larger: some ten thousand lags in all.
_LONGEST = {1: 512, 2: 64, 3: 16, 4: 6}
# Sites, and sites times groups, up to which every lag of a periodic lattice is kept.
_WHOLE = 1 << 16
_WHOLE_GROUPS = 1 << 25
# Largest values of which fourth powers, and their sums, are well within single precision.
_SAFE = (1e-3, 1e5)


@dataclass(frozen=True, slots=True, eq=False)
class LevelSums:
    """The centred field at one scale and its sums over pairs.

    Attributes
    ----------
    values : array of shape (n_samples, *sites.shape)
        About their mean, in units of `unit`.
    unit : float
    sites : Lattice
    edges : tuple of int arrays
    sums : PairSums
    whole : bool
        Whether the lags are all those of a periodic lattice.
    """

    values: npt.NDArray[Any]
    unit: float
    sites: Lattice
    edges: tuple[Ints, ...]
    sums: PairSums
    whole: bool


def centred(values: npt.NDArray[Any], mean: str = "field") -> tuple[npt.NDArray[Any], float]:
    """Return values about their mean in a unit near their standard deviation, and that unit.

    In float32 or float64, as the values are. The unit is 1 where squares are safe without one.
    """
    wide = values if values.dtype.itemsize >= 4 else values.astype(np.float32)
    axes = tuple(range(1, wide.ndim)) if mean == "sample" else None
    about = wide - wide.mean(axis=axes, dtype=np.float64, keepdims=True).astype(wide.dtype)
    top = float(max(about.max(), -about.min()))
    if top == 0 or _SAFE[0] < top < _SAFE[1]:
        return about, 1.0
    about /= wide.dtype.type(top)
    return about, top


def level_sums(
    flow: Flow, level: int, values: npt.NDArray[Any], unit: float, max_lag: int | None
) -> LevelSums:
    """Sum over pairs of values in units of `unit` on the block lattice of one level."""
    sites, groups = flow.lattices[level], flow.groups
    edges = flow.edges_at(level)
    whole = (
        max_lag is None
        and all(sites.periodic)
        and all(edge.size == 2 for edge in edges)
        and sites.n_sites <= _WHOLE
        and sites.n_sites * (groups.n_groups + 1) <= _WHOLE_GROUPS
    )
    longest = []
    for n, wraps, edge in zip(sites.shape, sites.periodic, edges, strict=True):
        most = (n - 1) // 2 if wraps else n - 1
        reach = int(np.diff(edge).min()) // 2 if edge.size > 2 else n // 2
        asked = min(max(1, reach), _LONGEST[sites.dimension]) if max_lag is None else max_lag
        longest.append(min(most, asked))
    lags = lag_axes(sites, tuple(longest), whole=whole)
    sums = pair_sums(values, sites, groups, edges, lags)
    return LevelSums(values, unit, sites, edges, sums, whole)


def connected(level: LevelSums, groups: Groups, mean: str) -> Array:
    """Return C(u) of the centred field, whole and with each group left out.

    Shape (1 + n_groups, *lags), in units of ``level.unit`` squared.
    """
    sums = level.sums
    column = (-1,) + (1,) * len(sums.lags)
    with np.errstate(invalid="ignore", divide="ignore"):
        pairs = leave_out(sums.pairs)
        products = leave_out(sums.sums) / pairs
        if mean == "sample":
            return np.asarray(products)
        if mean == "field":
            return np.asarray(products - squared_mean(sums.first, sums.sites).reshape(column))
        # Products of one site's values in different samples: all pairs of samples less the equal.
        labels = groups.sample_group
        each = [level.values[labels == g].sum(axis=0, dtype=np.float64) for g in np.unique(labels)]
        totals = leave_out(np.stack(each))
        alone = Groups(np.arange(len(totals)), groups.edges, groups.kind)
        across = pair_sums(totals, level.sites, alone, level.edges, sums.lags).sums
        n = leave_out(np.bincount(labels).astype(np.float64)).reshape(column)
        return np.asarray((n * products - across / pairs) / (n - 1))


def leave_out(parts: Array) -> Array:
    """Return the sum over all groups, then over all but each, along the first axis."""
    total = parts.sum(axis=0)
    return np.concatenate([total[None], total - parts])


def as_replicates(rows: Array, sizes: Array) -> Replicates:
    """Return numbers, of all data and then with each group left out, with their replicates."""
    flat = rows.reshape(rows.shape[0], -1)
    return Replicates.from_jackknife(flat[0], flat[1:], sizes)


def squared_mean(first: Array, sites: Array) -> Array:
    """Return <phi>^2 from products of different groups, whole and with each group left out."""
    numerator = leave_out(first) ** 2 - leave_out(first**2)
    return np.asarray(numerator / (leave_out(sites) ** 2 - leave_out(sites**2)))


def squared_factors(flow: Flow) -> Array:
    """Return the square of the rescaling factor, shape (1 + n_groups, n_scales)."""
    rows = 1 + flow.groups.n_groups
    variances = observe(flow.statistics, 2, replicates=True)[:, :, 1]
    if variances.shape[0] != rows:  # a null draw, whose statistics are totals
        variances = np.broadcast_to(variances[:1], (rows, variances.shape[1]))
    d = flow.field.sites.dimension
    return np.asarray(rescaling_factors(flow.rescale, flow.lengths, variances, d) ** 2)
