"""Inverses of a two-point function: of all lags of a periodic lattice, or within a window."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.rg.two_point.correlation import Correlation

__all__ = ["Inverse", "circulant", "window"]

Array = npt.NDArray[np.float64]
# Lags along each axis, K there with each group left out, condition number, and the largest distance
# at which tails are fitted.
Inverse = tuple[tuple[npt.NDArray[np.int64], ...], Array, float, float]

# Half width of the window of neighbours that a site is regressed on, by dimension.
_WINDOW = {1: 128, 2: 6, 3: 2, 4: 1}


def circulant(level: Correlation) -> Inverse:
    """Invert G(k) at every momentum of a periodic lattice."""
    axes = tuple(range(1, level.rows.ndim))
    g = np.fft.fftn(level.rows, axes=axes).real
    _check_positive(level, g[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = np.fft.ifftn(1 / g, axes=axes).real
    condition = float(g[0].max() / g[0].min())
    reach = min(n for n in level.sites.shape if n > 1) / 4
    return level.lags, rows, condition, reach


def window(level: Correlation, asked: int | None) -> Inverse:
    """Invert C(u - v) of lags u, v within a window, and take the row of its centre."""
    width = _WINDOW[len(level.lags)] if asked is None else asked
    half = [min(width, m // 2 if m > 1 else 0) for m in level.longest]
    if max(half) < 1:
        raise AnalysisError(
            f"b = {level.scale}: a window needs lags of 2 blocks, got {level.longest}; "
            "measure longer lags or use fewer levels"
        )
    lags = tuple((np.fft.fftfreq(2 * h + 1) * (2 * h + 1)).round().astype(np.int64) for h in half)
    sites = np.stack([g.ravel() for g in np.meshgrid(*lags, indexing="ij")], axis=1)
    # K(u) = K(-u): unknown are the origin, which is first, and one lag of each pair.
    mirror = np.ravel_multi_index(
        tuple((-sites % [lag.size for lag in lags]).T), [lag.size for lag in lags]
    )
    half_of = np.flatnonzero(np.arange(len(sites)) <= mirror)
    apart = tuple((sites[half_of][:, None] - sites[half_of]).transpose(2, 0, 1))
    across = tuple((sites[half_of][:, None] + sites[half_of]).transpose(2, 0, 1))
    unit = np.zeros(half_of.size)
    unit[0] = 1.0
    rows = np.full((level.rows.shape[0], len(sites)), np.nan)
    condition = np.inf
    for i, c in enumerate(level.rows):
        matrix = c[apart] + c[across]
        if i == 0:
            # Halved at the origin, the even part of C(u - v) has the eigenvalues of symmetric form.
            norm = np.sqrt(np.where(np.arange(half_of.size) == 0, 0.5, 1.0))
            eigenvalues = np.linalg.eigvalsh(matrix * norm * norm[:, None])
            _check_positive(level, eigenvalues)
            condition = float(eigenvalues[-1] / eigenvalues[0])
        matrix[:, 0] /= 2
        rows[i, half_of] = np.linalg.solve(matrix, unit)
    rows[:, mirror[half_of]] = rows[:, half_of]
    shape = tuple(lag.size for lag in lags)
    # Towards the edge of the window the couplings make up for those beyond it.
    reach = max(1.0, min(h for h in half if h > 0) / (4 if len(half) == 1 else 2))
    return lags, rows.reshape(-1, *shape), condition, reach


def _check_positive(level: Correlation, eigenvalues: Array) -> None:
    if not (np.all(np.isfinite(eigenvalues)) and eigenvalues.min() > 0):
        raise AnalysisError(
            f"b = {level.scale}: the two-point function is not positive definite in these data, so "
            "it has no inverse; use more samples, or fewer lags (max_lag=)"
        )
