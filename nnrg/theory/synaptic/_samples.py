"""Data sets as arrays: inputs, targets, and numbers averaged over them with their errors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError, NonFiniteError
from nnrg.stats.estimate import Estimate
from nnrg.stats.replicates import Replicates

__all__ = ["averages", "data_arrays", "finite", "mean_estimate"]

Array = npt.NDArray[np.float64]


def finite(name: str, values: npt.ArrayLike) -> Array:
    """Return an array of finite float64 numbers.

    Raises
    ------
    ArgumentError
        If it is no array of real numbers.
    NonFiniteError
        If one is NaN or infinite.
    """
    try:
        array = np.array(values)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"{name} must be an array of real numbers, got {array.dtype}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise NonFiniteError(f"{name} must be finite, got NaN or infinity; leave these out first")
    return array


def data_arrays(inputs: npt.ArrayLike, targets: npt.ArrayLike | None) -> tuple[Array, Array]:
    """Return inputs (P, n_in) and targets (P, n_out), zero for one output if there are none.

    Raises
    ------
    ArgumentError
        If the shapes do not fit or there are fewer than two samples.
    """
    x = finite("inputs", inputs)
    x = x.reshape(len(x), -1) if x.ndim > 1 else x
    if x.ndim != 2 or len(x) < 2 or not x.shape[1]:
        raise ArgumentError(
            f"inputs must have shape (n_samples, n_inputs) with two samples or more, got {x.shape}"
        )
    if targets is None:
        return x, np.zeros((len(x), 1))
    y = finite("targets", targets)
    y = y[:, None] if y.ndim == 1 else y
    if y.ndim != 2 or len(y) != len(x):
        raise ArgumentError(
            f"targets must have shape ({len(x)},) or ({len(x)}, n_outputs) for inputs of shape "
            f"{x.shape}, got {np.shape(targets)}"
        )
    return x, y


def averages(samples: Array) -> Replicates:
    """Return means over samples (P, m), with delete-group jackknife replicates."""
    return Replicates.of_mean(samples)


def mean_estimate(samples: Array) -> Estimate:
    """Return the mean of one number for each sample."""
    return averages(samples[:, None]).estimates(n_samples=len(samples))[0]
