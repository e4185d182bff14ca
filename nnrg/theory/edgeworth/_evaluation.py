"""The value of an action on fields, out of its couplings in the coordinates of the modes."""

from __future__ import annotations

from collections.abc import Mapping
from math import factorial

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError, NonFiniteError
from nnrg.rg.cross_check._cumulant_tensors import monomials, multiplicities
from nnrg.stats._arrays import real_array
from nnrg.theory.edgeworth.cumulant_tensors import CumulantTensors

__all__ = ["action_of_fields"]

Array = npt.NDArray[np.float64]

# Fields whose monomials are held at a time.
_CHUNK = 4096


def action_of_fields(
    cumulants: CumulantTensors,
    couplings: Mapping[int, Array],
    fields: npt.ArrayLike,
    *,
    centred: bool = False,
) -> tuple[Array, Array]:
    """Return sum_r g_r phi^r / r! and its error, shape (n_fields,) each.

    Parameters
    ----------
    cumulants : CumulantTensors
    couplings : mapping from r to array of shape (1 + n_rows, n_multisets)
    fields : array_like of shape (n_fields, n_points), or (n_fields,) for one point
    centred : bool
        Less the mean over the fields, in every replicate.

    Raises
    ------
    ArgumentError
        If the fields have another number of points.
    NonFiniteError
        If one is NaN or infinite.
    """
    x = real_array("fields", fields)
    n, m = cumulants.inverse.n_points, cumulants.n_modes
    if n == 1 and x.ndim <= 1:
        x = x.reshape(-1, 1)
    if x.ndim != 2 or x.shape[1] != n:
        raise ArgumentError(f"fields must have shape (n_fields, {n}), got {np.shape(fields)}")
    if not np.isfinite(x).all():
        raise NonFiniteError("fields must be finite, got NaN or infinity; leave those out")
    c = np.asarray(x @ cumulants.inverse.coordinates.T)
    values, errors = np.empty(len(c)), np.empty(len(c))
    parts = [slice(start, start + _CHUNK) for start in range(0, len(c), _CHUNK)]

    def rows_of(part: slice) -> Array:
        powers = monomials(c[part], max(couplings))
        return np.asarray(
            sum(
                (powers[r] * (multiplicities(m, r) / factorial(r))) @ rows.T
                for r, rows in couplings.items()
            )
        )

    mean = sum(rows_of(part).sum(axis=0) for part in parts) / len(c) if centred else 0.0
    for part in parts:
        found = cumulants.replicates((rows_of(part) - mean).T)
        values[part], errors[part] = found.values, found.errors()
    return values, errors
