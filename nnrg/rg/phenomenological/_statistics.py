"""Numbers at every scale, from all samples and with each group of samples left out.

Every function takes sums over samples for each group, and gives the numbers of the whole and, where
errors are wanted, of all groups but one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.rg.phenomenological._activity import Activity
from nnrg.stats.jackknife import leave_one_out
from nnrg.stats.kstatistics import kstatistics
from nnrg.stats.replicates import Replicates

__all__ = ["Numbers", "activity_of_blocks", "fourth_ratio", "jackknifed", "power_sums", "silence"]

Array = npt.NDArray[np.float64]

# Samples in which a block must be silent, on average over blocks of a level, for a logarithm.
FEWEST_SILENT = 10.0


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers, and the same with each group left out; no rows where errors are not wanted."""

    values: Array
    replicates: Array

    def as_replicates(self, sizes: npt.ArrayLike) -> Replicates:
        """Return numbers with replicates of groups of these sizes."""
        return Replicates.from_jackknife(self.values, self.replicates, sizes)


def jackknifed(
    sums: Array, counts: Array, function: Callable[[Array, Array], Array], errors: bool
) -> Numbers:
    """Apply a function to sums over all groups, and over all but one.

    Parameters
    ----------
    sums : array of shape (G, ...)
    counts : array of shape (G, ...)
    function : callable
        From sums (R, ...) and counts (R, ...) to numbers (R, p).
    errors : bool
    """
    full = function(sums.sum(axis=0)[None], counts.sum(axis=0)[None])[0]
    if not errors:
        return Numbers(full, np.empty((0, full.size)))
    return Numbers(full, function(leave_one_out(sums), leave_one_out(counts)))


def power_sums(values: Array, activity: Activity, order: int) -> Array:
    """Return sums of powers 1 .. order over the samples of each group, shape (G, m, order)."""
    out = np.empty((activity.starts.size, values.shape[1], order))
    for g, part in enumerate(activity.groups()):
        here = values[part]
        power = here
        for p in range(order):
            out[g, :, p] = power.sum(axis=0)
            power = power * here if p + 1 < order else power
    return out


def fourth_ratio(sums: Array, counts: Array) -> Array:
    """Return kappa_4 / kappa_2^2, the mean over the columns that vary, shape (R, 1)."""
    k = kstatistics(sums, counts[:, None])
    varies = np.all(k[..., 1] > 0, axis=0)
    if not varies.any():
        return np.full((len(sums), 1), np.nan)
    ratio = k[:, varies, 3] / k[:, varies, 1] ** 2
    return np.asarray(ratio.mean(axis=1, keepdims=True))


def _variance(sums: Array, counts: Array) -> Array:
    return np.asarray(kstatistics(sums[..., :2], counts[:, None])[..., 1].mean(axis=1)[:, None])


def activity_of_blocks(activity: Activity, errors: bool) -> tuple[Numbers, Numbers]:
    """Return M_2 and kappa_4 / kappa_2^2 of block sums, means over blocks, at each level."""
    centred = activity.values - activity.values.mean(axis=0)
    # Powers of numbers of order one.
    scale = float(np.sqrt(np.mean(centred * centred))) or 1.0
    centred /= scale
    counts = activity.lengths.astype(np.float64)
    variances, ratios = [], []
    for block in activity.sums(centred):
        sums = power_sums(block, activity, 4)
        variances.append(jackknifed(sums, counts, _variance, errors))
        ratios.append(jackknifed(sums, counts, fourth_ratio, errors))
    return joined(variances, scale**2), joined(ratios)


def joined(numbers: list[Numbers], factor: float = 1.0) -> Numbers:
    """Return numbers of several levels one after another, times a factor."""
    return Numbers(
        factor * np.concatenate([one.values for one in numbers]),
        factor * np.concatenate([one.replicates for one in numbers], axis=1),
    )


def silence(activity: Activity, errors: bool) -> Numbers:
    """Return -ln P_0, P_0 being the chance that all units of a block are silent; NaN if unknown."""
    assert activity.threshold is not None
    active: npt.NDArray[Any] = (activity.values > activity.threshold).astype(np.int32)
    starts, lengths = activity.starts, activity.lengths.astype(np.float64)
    levels = []
    for block in activity.sums(active):
        silent = np.add.reduceat(block == 0, starts, axis=0, dtype=np.float64).mean(axis=1)
        levels.append(jackknifed(silent[:, None], lengths[:, None], _free_energy, errors))
    return joined(levels)


def _free_energy(silent: Array, counts: Array) -> Array:
    with np.errstate(divide="ignore"):
        energy = -np.log(silent / counts)
    # Nothing is left of P_0 = 1, which has no power of K, nor of a handful of events.
    return np.where((silent >= FEWEST_SILENT) & (silent < counts), energy, np.nan)
