"""When the estimator's own assumptions fail: edges, atoms, discrete values, unequal variances."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["constant_fraction", "has_hard_edge", "is_discrete", "variance_spread"]

Array = npt.NDArray[np.float64]

_SAMPLE = 1 << 16


def thinned(values: npt.NDArray[Any]) -> Array:
    """Return at most 65536 of the values, chosen at random but the same ones every time.

    Every n-th value would be one column of a lattice.
    """
    flat = values.reshape(-1)
    if flat.size > _SAMPLE:
        flat = flat[np.random.default_rng(0).integers(0, flat.size, _SAMPLE)]
    return flat.astype(np.float64)


def has_hard_edge(x: Array) -> bool:
    """Tell whether the density is finite at an edge of the support, as of uniform initial weights.

    The outermost twentieth of the range is compared with the next one inwards. A density that is
    finite at the edge has about as many values in both; one that falls to zero linearly has a
    third as many in the outer one, and tails have fewer. Sixteen values and 0.4 % of all are needed
    in the outer one: the summit of one smooth peak looks like an edge too, but holds few. The edge
    of a uniform law is seen from about 400 values on.
    """
    low, high = float(x.min()), float(x.max())
    counts = np.histogram(x, bins=20, range=(low, high))[0] if high > low else np.zeros(20)
    edges = ((counts[0], counts[1]), (counts[-1], counts[-2]))
    fewest = max(16.0, 0.004 * x.size)
    return any(outer >= fewest and outer > 0.7 * inner for outer, inner in edges)


def constant_fraction(x: Array) -> float:
    """Return the share of the values that are one and the same number, such as pruned zeros.

    A number with a share of its own is an atom of the density, at which the action has no
    derivative. A handful of equal values is rounding, and counts as none.
    """
    most = int(np.unique(x, return_counts=True)[1].max())
    return most / x.size if most > 6 else 0.0


def is_discrete(x: Array) -> bool:
    """Tell whether the values are a few levels, a quarter of a standard deviation or more apart."""
    distinct = np.unique(x)
    if distinct.size * 4 > x.size or distinct.size < 2:
        return False
    return bool(np.median(np.diff(distinct)) > 0.25 * x.std())


def variance_spread(
    values: npt.NDArray[Any], *, over: Literal["samples", "sites"]
) -> tuple[float, float]:
    """Return the spread Var(v)/E[v]^2 of the true variances of samples, or of sites, and its error.

    A mixture of Gaussians with variances v has excess kurtosis 3 Var(v)/E[v]^2, which reads as a
    quartic coupling. The variances are estimated twice, from the two halves of the lattice (of the
    samples): what is common to both estimates is their covariance, whatever the law of the values
    and their correlations inside a half.
    """
    if values.shape[0] < 4:
        return 0.0, 0.0
    axis = 1 + int(np.argmax(values.shape[1:])) if over == "samples" else 0
    length = values.shape[axis]
    if length < 4 or values.size // length < 4:
        return 0.0, 0.0
    sample = thinned(values)
    mean, scale = np.float32(sample.mean()), np.float32(float(sample.std()) or 1.0)
    lead = (slice(None),) * axis
    # One half at a time, and in place: of a large field its copies are most of the memory.
    first, second = (
        _mean_square(values[(*lead, part)], mean, scale, over)
        for part in (slice(length // 2), slice(length - length // 2, length))
    )
    if first.size < 4 or not first.mean() * second.mean() > 0:
        return 0.0, 0.0
    products = (first / first.mean() - 1) * (second / second.mean() - 1)
    return float(products.mean()), float(products.std(ddof=1) / np.sqrt(products.size))


def _mean_square(values: npt.NDArray[Any], mean: np.float32, scale: np.float32, over: str) -> Array:
    centred = values - mean
    centred /= scale
    centred = centred.astype(np.float32, copy=False)
    centred *= centred
    axes = tuple(range(1, values.ndim)) if over == "samples" else (0,)
    return np.asarray(np.mean(centred, axis=axes, dtype=np.float64)).ravel()
