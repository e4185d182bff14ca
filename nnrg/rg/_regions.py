"""Whether regions of a lattice are far enough apart to count as independent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["CORRELATED", "correlation_of_halves"]

# Correlation of half regions above which regions are called dependent.
CORRELATED = 0.2


def correlation_of_halves(
    means: Sequence[npt.NDArray[np.floating]],
    factors: tuple[int, ...],
    edges: tuple[npt.NDArray[np.int64], ...],
) -> float:
    """Return the largest correlation of neighbouring half regions along some axis that is cut.

    Regions must be two correlation lengths wide. The coarsest blocks that fit half a region are
    averaged up to about half its width; neighbours of these with a correlation above 0.2, and above
    twice its error by chance, say that regions are not wide enough. Zero where chance could do it.
    """
    halves = [max(1, int(np.diff(edge).min()) // 2) for edge in edges]
    level = max(
        k
        for k in range(len(means))
        if all(f**k <= half for f, half in zip(factors, halves, strict=True))
    )
    more = [half // f**level for f, half in zip(factors, halves, strict=True)]
    cut = [axis for axis, edge in enumerate(edges) if edge.size > 2]
    return _strongest(means[level], more, cut)


def _strongest(means: npt.NDArray[np.floating], more: list[int], axes: list[int]) -> float:
    """Return the largest correlation of neighbouring boxes of `more` blocks along some axis."""
    y = means.astype(np.float64)
    for axis, count in enumerate(more):
        y = np.moveaxis(y, axis + 1, -1)
        length = y.shape[-1] // count * count
        y = y[..., :length].reshape(*y.shape[:-1], -1, count).mean(axis=-1)
        y = np.moveaxis(y, -1, axis + 1)
    y -= y.mean()
    variance = float(np.mean(y * y))
    strongest = 0.0
    for axis in axes:
        z = np.moveaxis(y, axis + 1, -1)
        products = z[..., 1:] * z[..., :-1]
        if products.size > 1 and variance > 0:
            correlation = float(products.mean()) / variance
            if correlation > CORRELATED + 2 / np.sqrt(products.size):
                strongest = max(strongest, correlation)
    return strongest
