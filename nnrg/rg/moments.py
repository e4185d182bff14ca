"""From group sums to cumulants: the whole, and each jackknife replicate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.stats.jackknife import leave_one_out
from nnrg.stats.kstatistics import gaussian_error, kstatistics
from nnrg_kernels.pyramid import Pyramid

__all__ = ["cumulant_names", "flag_ratios", "observe"]

Array = npt.NDArray[np.float64]

# Variance, in units of the mean's square or of the variance at b = 1, that rounding alone makes.
_ROUNDING = 1e-24


def cumulant_names(order: int, dimension: int) -> tuple[str, ...]:
    """Return the names of everything that `observe` returns."""
    return (
        *(f"kappa_{n}" for n in range(1, order + 1)),
        *(f"ratio_{n}" for n in range(3, order + 1)),
        *(f"neighbour:{a}" for a in range(dimension)),
    )


def observe(statistics: Pyramid, order: int, *, replicates: bool) -> Array:
    """Return cumulants, ratios and neighbour correlations of the whole, then of each replicate.

    Returns
    -------
    array of shape (1 + n_groups or 1, n_scales, n_names)
    """

    def stacked(per_group: npt.NDArray[np.generic]) -> Array:
        by_group = np.moveaxis(per_group.astype(np.float64), 1, 0)
        total: Array = by_group.sum(axis=0, keepdims=True)
        if not replicates:
            return total
        return np.concatenate([total, leave_one_out(by_group)])

    counts = stacked(statistics.counts)
    sums = stacked(statistics.sums)[..., :order]
    kappa = kstatistics(sums, counts, shift=statistics.shift, scale=statistics.scale)
    bonds, squares = stacked(statistics.bonds), stacked(statistics.gradients)
    # A block mean that is constant up to rounding has no shape to speak of.
    variance = kappa[..., 1:2]
    floor = _ROUNDING * np.maximum(np.abs(variance[:, :1]), kappa[..., :1] ** 2)
    variance = np.where(variance > floor, variance, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = kappa[..., 2:] / variance ** (np.arange(3, order + 1) / 2)
        jump = squares / bonds * (statistics.scale**2)[:, None]
        neighbour = np.where(bonds > 0, 1 - jump / (2 * variance), np.nan)
    return np.concatenate([kappa, ratios, neighbour], axis=-1)


def flag_ratios(
    names: tuple[str, ...], values: Array, counts: npt.NDArray[np.int64], common: str
) -> tuple[tuple[str, ...], ...]:
    """Flag ratios that even independent Gaussian numbers would show, and what has no value.

    `common` is said of every number.
    """
    flags = []
    for level, n in enumerate(counts):
        row = []
        for i, name in enumerate(names):
            own = ""
            if not values[level, 1] > _ROUNDING * max(abs(values[0, 1]), values[level, 0] ** 2):
                own = "constant block means"
            elif np.isnan(values[level, i]):
                own = "too few blocks"
            elif name.startswith("ratio_") and abs(values[level, i]) < float(
                gaussian_error(int(name[6:]), n)
            ):
                own = "below Gaussian noise"
            row.append("; ".join(flag for flag in (own, common) if flag))
        flags.append(tuple(row))
    return tuple(flags)
