"""Every even polynomial of a few variables as an action, by the Schwinger-Dyson equations.

No expansion in eps: exact up to the degree of the polynomial. Everything is in moments that the
connected correlators need too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import factorial

import numpy as np
import numpy.typing as npt

from nnrg.rg.cross_check._cumulant_tensors import multiplicities
from nnrg.stats._multisets import multisets, ranks

__all__ = ["polynomial_action"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

# Beyond, the equations say nothing about a combination of couplings.
_SINGULAR = 1e12


def polynomial_action(moments: Mapping[int, Array], m: int, degree: int) -> dict[int, Array]:
    """Return g_2, g_4, .. of the action of m variables with all terms up to a degree.

    Parameters
    ----------
    moments : mapping from order to array of shape (n_rows, n_multisets)
        Of every even order up to 2 (degree - 1).
    m, degree : int

    Returns
    -------
    dict from r to array of shape (n_rows, n_multisets)
        NaN where the equations have no solution.
    """
    legs = list(range(2, degree + 1, 2))
    sizes = [len(multisets(m, r)) for r in legs]
    edges = np.cumsum([0, *sizes])
    n_rows, k = len(moments[2]), int(edges[-1])
    # O_a = phi^a / a!, so that dO_a/dphi_i is O of the multiset with i taken out.
    matrix, rhs = np.zeros((n_rows, k, k)), np.zeros((n_rows, k))
    for i in range(m):
        for a, r in enumerate(legs):
            rows, taken, weight = _without(m, r, i)
            rhs[:, edges[a] + rows] += _second(moments, m, r, i)
            for b, s in enumerate(legs):
                columns, others, other = _without(m, s, i)
                both = np.concatenate(
                    [
                        np.repeat(taken, len(others), axis=0),
                        np.tile(others, (len(taken), 1)),
                    ],
                    axis=1,
                )
                index = ranks(np.sort(both, axis=1)).reshape(len(taken), len(others))
                product = moments[r + s - 2][:, index] * (weight[:, None] * other)
                at = np.ix_(np.arange(n_rows), edges[a] + rows, edges[b] + columns)
                matrix[at] += product
    norm = np.sqrt(np.diagonal(matrix[0]))
    scaled, target = matrix / (norm[:, None] * norm), rhs / norm
    solution = np.full((n_rows, k), np.nan)
    spectrum = np.linalg.eigvalsh(scaled[0])
    if spectrum[0] * _SINGULAR > spectrum[-1]:
        solution = np.linalg.solve(scaled, target[..., None])[..., 0] / norm
    return {r: solution[:, edges[a] : edges[a + 1]] for a, r in enumerate(legs)}


@lru_cache(maxsize=256)
def _without(m: int, r: int, i: int) -> tuple[Index, Index, Array]:
    """Return the multisets that hold i, each with i taken out once, and 1 / a! of what is left."""
    index = multisets(m, r)
    rows = np.flatnonzero((index == i).any(axis=1))
    kept = np.empty((len(rows), r - 1), dtype=np.intp)
    for out, row in zip(kept, index[rows], strict=True):
        out[:] = np.delete(row, int(np.argmax(row == i)))
    weight = multiplicities(m, r - 1)[ranks(kept)] / factorial(r - 1)
    return rows, kept, weight


def _second(moments: Mapping[int, Array], m: int, r: int, i: int) -> Array:
    """Return <d^2 O_a / dphi_i^2> for the multisets a that hold i."""
    rows, kept, _ = _without(m, r, i)
    twice = (kept == i).any(axis=1)
    out = np.zeros((len(moments[2]), len(rows)))
    if r == 2:
        out[:, twice] = 1.0
        return out
    left = np.array([np.delete(row, int(np.argmax(row == i))) for row in kept[twice]])
    if len(left):
        at = ranks(left)
        weight = multiplicities(m, r - 2)[at] / factorial(r - 2)
        out[:, twice] = moments[r - 2][:, at] * weight
    return out
