"""Depth scales: in how many layers a deviation from a fixed point decays by e."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.theory.criticality.fixed_points import MARGINAL

__all__ = ["depth_scales"]

Array = npt.NDArray[np.float64]


def depth_scales(slope: npt.ArrayLike, error: npt.ArrayLike) -> tuple[Array, Array]:
    """Return -1 / ln |slope| of a map and its error; infinite at slope 1, NaN above."""
    size, spread = np.abs(slope), np.asarray(error, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = -1 / np.log(size)
        scale_error = np.where(size > 0, scale**2 * spread / size, 0.0)
    edge = np.abs(size - 1) <= np.fmax(MARGINAL, spread)
    value = np.where(edge, np.inf, np.where(size < 1, scale, np.nan))
    return value, np.where(np.isfinite(value), scale_error, np.nan)
