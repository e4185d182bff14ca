"""Parameters of networks with one hidden layer: amplitudes, momenta, phases."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError, NonFiniteError

__all__ = ["Parameters", "as_parameters"]

Parameters = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


def as_parameters(
    a: npt.ArrayLike, b: npt.ArrayLike, c: npt.ArrayLike, dimension: int, width: int
) -> Parameters:
    """Return amplitudes (n, N), momenta (n, d, N) and phases (n, N) as arrays.

    Raises
    ------
    ArgumentError
        If shapes do not fit.
    NonFiniteError
        If a value is NaN or infinite.
    """
    arrays = tuple(np.asarray(values, dtype=np.float64) for values in (a, b, c))
    wanted = (width,), (dimension, width), (width,)
    for name, values, shape in zip("abc", arrays, wanted, strict=True):
        if values.shape[1:] != shape or values.ndim < 2 or len(values) != len(arrays[0]):
            raise ArgumentError(
                f"{name} must have shape (n, {', '.join(map(str, shape))}), got {values.shape}"
            )
        if not np.isfinite(values).all():
            raise NonFiniteError(f"{name} holds values that are NaN or infinite; drop them")
    return arrays[0], arrays[1], arrays[2]
