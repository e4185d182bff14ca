"""The ridge that modes make, and what is learned of each with it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import ArgumentError

__all__ = ["as_ridge", "learnability", "self_consistent_ridge", "stop_of"]

Floats = npt.NDArray[np.float64]


def learnability(values: Floats, n_data: float, ridge: float | Floats) -> Floats:
    """Return n lambda / (ridge + n lambda) of each eigenvalue."""
    return np.asarray(n_data * values / (ridge + n_data * values))


def self_consistent_ridge(values: Floats, n_data: float, ridge: float) -> float:
    r"""Solve :math:`s = \sigma^2 + \sum_k \lambda_k s / (n \lambda_k + s)` for s.

    Zero where the ridge is zero and there are as many data as modes.
    """
    from scipy.optimize import brentq

    values = values[values > 0]

    def excess(s: float) -> float:
        return float(1 - ridge / s - np.sum(values / (n_data * values + s)))

    high = (ridge + float(values.sum())) * (1 + 1e-12)
    low = ridge if ridge > 0 else 1e-14 * high
    if excess(low) >= 0:
        return low if ridge > 0 else 0.0
    return float(brentq(excess, low, high, xtol=1e-300, rtol=1e-14))


def as_ridge(ridge: object, n_data: object) -> tuple[float, float]:
    """Return a ridge of at least zero and a positive number of data."""
    noise, n = as_real("ridge", ridge), as_real("n_data", n_data)
    if noise < 0:
        raise ArgumentError(f"ridge must not be negative, got {noise:g}; it is a variance")
    if not n > 0:
        raise ArgumentError(f"n_data must be above zero, got {n:g}; it is a size of a data set")
    return noise, n


def stop_of(values: Floats, n: float, ridges: Floats, threshold: float = 0.5) -> int:
    """Return the largest kappa whose mode is learnable with the ridge of all beyond it."""
    learnable = np.flatnonzero(learnability(values, n, ridges) >= threshold)
    return int(learnable[-1]) + 1 if learnable.size else 0
