"""Arrays of real numbers, or an `ArgumentError`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError

__all__ = ["frozen", "paired_arrays", "real_array"]


def real_array(name: str, value: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return a copy in double precision; complex numbers, words and ragged lists are refused."""
    try:
        raw = np.asarray(value)
    except ValueError:  # rows of unequal length
        raw = np.asarray(None)
    if raw.dtype.kind not in "biuf" and raw.size:
        raise ArgumentError(
            f"{name} must be an array of real numbers, got {raw.dtype} of shape {raw.shape}; "
            "give real and imaginary parts one by one"
        )
    return np.array(raw, dtype=np.float64)


def frozen(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return a read-only copy in double precision."""
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def paired_arrays(
    values: npt.ArrayLike, replicates: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return numbers (p,) and their replicates (G, p), G of at least two."""
    full, rows = real_array("values", values), real_array("replicates", replicates)
    if rows.ndim != 2 or len(rows) < 2 or full.shape != rows.shape[1:]:
        raise ArgumentError(
            "replicates must have shape (G, p) with G >= 2 and the values shape (p,), got "
            f"{rows.shape} and {full.shape}; put the groups first"
        )
    return full, rows
