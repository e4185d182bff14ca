"""Correlators that are given as tensors: their checks, and patterns of signs for their errors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError, NonFiniteError
from nnrg.stats._arrays import real_array

__all__ = ["given_tensor", "random_signs"]

Array = npt.NDArray[np.float64]


def given_tensor(name: str, values: npt.ArrayLike, n: int, k: int) -> Array:
    """Return a symmetric tensor of order k over n points."""
    tensor = real_array(name, values)
    if tensor.ndim == 0:
        tensor = tensor.reshape((1,) * k)
    if tensor.shape != (n,) * k:
        raise ArgumentError(f"{name} must have shape {(n,) * k}, got {tensor.shape}")
    if not np.isfinite(tensor).all():
        raise NonFiniteError(f"{name} holds NaN or infinity; got {shown(tensor.ravel()[:3])} ..")
    swapped = np.moveaxis(tensor, 0, -1)
    if not np.allclose(tensor, swapped, rtol=1e-6, atol=1e-9 * np.abs(tensor).max(initial=1e-300)):
        raise ArgumentError(f"{name} must be symmetric in its points; average over their orders")
    return tensor


def random_signs(rng: np.random.Generator, n: int, k: int) -> Array:
    """Return random signs, the same for all orders of the points: a bit of a sum of random keys."""
    keys = rng.integers(0, 2**64, size=n, dtype=np.uint64)
    total = np.zeros((), dtype=np.uint64)
    for _ in range(k):
        total = total[..., None] + keys
    return np.where(total >> np.uint64(63), -1.0, 1.0)
