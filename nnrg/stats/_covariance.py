"""The square root of a covariance that is given as it is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.stats._arrays import real_array

__all__ = ["covariance_steps"]


def covariance_steps(covariance: npt.ArrayLike, count: int) -> npt.NDArray[np.float64]:
    """Return rows (p, p) whose outer products add up to the covariance of p numbers."""
    matrix = real_array("covariance", covariance)
    matrix = np.diag(matrix) if matrix.ndim == 1 else matrix
    if not count or matrix.shape != (count, count):
        raise ArgumentError(
            "values must have shape (p,) and the covariance (p, p), got "
            f"{count} numbers and shape {matrix.shape}; give variances, not errors"
        )
    if not np.all(np.isfinite(matrix)):
        raise ArgumentError("the covariance must be finite; leave out numbers without an error")
    spectrum, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    top = max(float(spectrum[-1]), 0.0)
    if not np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-12 * top) or np.any(
        spectrum < -1e-10 * top
    ):
        raise ArgumentError(
            "the covariance must be symmetric with no negative eigenvalue, "
            f"its smallest is {spectrum[0]:.3g} of {top:.3g}"
        )
    return np.asarray((vectors * np.sqrt(np.maximum(spectrum, 0.0))).T)
