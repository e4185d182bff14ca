"""Inputs of a network as an array of points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError, NonFiniteError

__all__ = ["as_inputs"]


def as_inputs(inputs: npt.ArrayLike, *, name: str = "inputs") -> npt.NDArray[np.float64]:
    """Return points of shape (k, d); k numbers are k points of dimension one.

    Raises
    ------
    ArgumentError
        If they are not real numbers of this shape.
    NonFiniteError
        If one is NaN or infinite.
    """
    try:
        points = np.array(inputs, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(
            f"{name} must be real numbers of shape (k, d), got {type(inputs).__name__}; "
            "try numpy.asarray first"
        ) from None
    if points.ndim == 1:
        points = points[:, None]
    if points.ndim != 2 or 0 in points.shape:
        raise ArgumentError(
            f"{name} must have shape (k, d), or (k,) in one dimension, got {points.shape}; "
            "one row for each point"
        )
    if not np.isfinite(points).all():
        raise NonFiniteError(f"{name} must be finite, got NaN or infinity; cut those points")
    return points
