"""The diagrams evaluated: couplings as symmetric tensors, out of joint cumulants."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from string import ascii_uppercase

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.rg.cross_check._cumulant_tensors import (
    expand,
    multiplicities,
    symmetric_entries,
    transformed,
)
from nnrg.stats._multisets import multisets
from nnrg.theory.edgeworth.diagrams import Diagram, feynman

__all__ = ["MOST_ENTRIES", "check_memory", "coupling_terms", "lifted"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
Terms = dict[tuple[int, int], Array]

# Of one tensor: 16 MB, of which a few are held at a time.
MOST_ENTRIES = 2_000_000


def check_memory(m: int, order: int) -> None:
    """Refuse tensors that do not fit.

    Raises
    ------
    ArgumentError
        If the tensor of 2 order + 2 legs over m coordinates has more than two million entries.
    """
    legs = 2 * order + 2
    if m**legs > MOST_ENTRIES:
        fits = int(MOST_ENTRIES ** (1 / legs) + 1e-9)
        hint = f"keep modes={fits} or fewer points"
        if order > 1:
            lower = max(p for p in range(order) if p == 0 or m ** (2 * p + 2) <= MOST_ENTRIES)
            hint += f", or take order={lower}" if lower else ""
        raise ArgumentError(
            f"order {order} on {m} coordinates needs tensors of {m}^{legs} = {m**legs:.2g} "
            f"numbers, at most {MOST_ENTRIES:.0e} are held; {hint}"
        )


def coupling_terms(cumulants: Mapping[int, Array], m: int, order: int) -> Terms:
    """Return the contribution of each power of eps to each coupling.

    Parameters
    ----------
    cumulants : mapping from 2, 4, .., 2 order + 2 to arrays of shape (n_rows, n_multisets)
        Joint cumulants of m variables, in as many replicates as there are rows.
    m, order : int

    Returns
    -------
    dict from (r, power) to an array of shape (n_rows, n_multisets)
        Rows whose two-point function is not positive are NaN.
    """
    if m == 1:
        return _zero_dimensional(cumulants, order)
    n_rows = len(cumulants[2])
    legs = range(2, 2 * order + 3, 2)
    out: Terms = {
        (r, p): np.full((n_rows, len(multisets(m, r))), np.nan)
        for r in legs
        for p in range(r // 2 - 1, order + 1)
    }
    for row in range(n_rows):
        try:
            root = np.linalg.cholesky(expand(cumulants[2][row], m, 2))
        except np.linalg.LinAlgError:
            continue
        whitener = np.linalg.inv(root)
        white = {
            n: transformed(expand(cumulants[n][row], m, n), whitener)
            for n in range(4, 2 * order + 3, 2)
        }
        for (r, p), entries in out.items():
            if (r, p) == (2, 0):
                entries[row] = symmetric_entries(whitener.T @ whitener, 2)
                continue
            total = np.zeros(entries.shape[1])
            for diagram in feynman(r, order).of_power(p):
                total += _value(diagram, white, m)
            full = transformed(expand(total, m, r), whitener.T)
            entries[row] = symmetric_entries(full, r)
    return out


def lifted(rows: Array, m: int, r: int) -> Array:
    """Return weights w such that w @ entries is the tensor with a vector of `rows` on each leg.

    Shape (n_rows, n_multisets): sum over k_1 .. k_r of T_{k_1 .. k_r} v_{k_1} .. v_{k_r}.
    """
    index = multisets(m, r)
    out = np.repeat(multiplicities(m, r)[None], len(rows), axis=0)
    for leg in range(r):
        out *= rows[:, index[:, leg]]
    return out


def _value(diagram: Diagram, white: Mapping[int, Array], m: int) -> Array:
    """Return the sum over all labellings of a diagram, every line the identity."""
    subscripts = diagram.subscripts
    legs = "".join(c for letters in subscripts for c in letters if c in ascii_uppercase)
    tensor = np.einsum(
        f"{','.join(subscripts)}->{legs}",
        *(white[len(letters)] for letters in subscripts),
        optimize="greedy",
    )
    flat = tensor.ravel()
    total = sum(flat[entries] for entries in _places(diagram.labellings, m))
    return np.asarray(total * (diagram.sign / diagram.symmetry))


@lru_cache(maxsize=128)
def _places(labellings: tuple[tuple[tuple[int, ...], ...], ...], m: int) -> tuple[Index, ...]:
    """Return where each multiset is read for every labelling, axes in the order of the vertices."""
    r = sum(map(len, labellings[0]))
    index, strides = multisets(m, r), m ** np.arange(r - 1, -1, -1)
    return tuple(index[:, [x for share in lab for x in share]] @ strides for lab in labellings)


def _zero_dimensional(cumulants: Mapping[int, Array], order: int) -> Terms:
    """Return the terms of one variable, all rows at once."""
    kappa = {n: np.asarray(c) for n, c in cumulants.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(kappa[2] > 0, kappa[2], np.nan)
        ratio = {n: kappa[n] / variance ** (n / 2) for n in range(4, 2 * order + 3, 2)}
    out: Terms = {}
    for r in range(2, 2 * order + 3, 2):
        for p in range(r // 2 - 1, order + 1):
            total = np.ones_like(variance) if (r, p) == (2, 0) else np.zeros_like(variance)
            for diagram in feynman(r, order).of_power(p):
                term = np.full_like(variance, float(diagram.coefficient))
                for n in diagram.degrees:
                    term = term * ratio[n]
                total = total + term
            out[r, p] = total / variance ** (r / 2)
    return out
