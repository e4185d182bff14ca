"""When the estimator's own assumptions fail: edges, discrete values, unequal variances."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["has_hard_edge", "is_discrete", "variance_spread"]

_SAMPLE = 1 << 16


def _thinned(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    flat = values.reshape(-1)
    return flat[:: max(1, flat.size // _SAMPLE)].astype(np.float64)


def has_hard_edge(values: npt.NDArray[Any]) -> bool:
    """Tell whether the density is finite at an edge of the support, as of uniform initial weights.

    The outermost 2 % of the range hold a handful of values if the density falls to zero there and
    2 % of them if it is uniform; 0.4 % (and at least six) is called an edge. The mean of two
    uniform numbers, whose density vanishes linearly, has 0.08 %.
    """
    x = _thinned(values)
    low, high = x.min(), x.max()
    width = 0.02 * (high - low)
    threshold = max(6.0, 0.004 * x.size)
    return bool(
        np.count_nonzero(x > high - width) > threshold
        or np.count_nonzero(x < low + width) > threshold
    )


def is_discrete(values: npt.NDArray[Any]) -> bool:
    """Tell whether the values are a few levels, a quarter of a standard deviation or more apart."""
    x = _thinned(values)
    distinct = np.unique(x)
    if distinct.size * 4 > x.size or distinct.size < 2:
        return False
    return bool(np.median(np.diff(distinct)) > 0.25 * x.std())


def variance_spread(values: npt.NDArray[Any], *, over: str) -> float:
    """Return the excess spread Var(v)/E[v]^2 of the variances of samples, or of sites.

    A mixture of Gaussians with variances v has excess kurtosis 3 Var(v)/E[v]^2, which reads as a
    quartic coupling. What n independent values give by chance, 2/n, is taken off.
    """
    axes = tuple(range(1, values.ndim)) if over == "samples" else (0,)
    n = int(np.prod([values.shape[a] for a in axes]))
    if n < 8 or values.size // n < 2:
        return 0.0
    v = values.var(axis=axes, dtype=np.float64)
    mean = float(v.mean())
    return max(0.0, float(v.var()) / mean**2 - 2 / (n - 1)) if mean > 0 else 0.0
