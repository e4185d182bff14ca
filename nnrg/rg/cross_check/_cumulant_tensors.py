"""Joint cumulants of a few variables: symmetric tensors, of which one entry per multiset is kept.

A symmetric tensor of order d over m variables is an array whose last axis has one entry for each
multiset of d variables, in colexicographic order: those of the first k variables come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations
from math import comb, factorial

import numpy as np
import numpy.typing as npt

from nnrg.stats._multisets import multisets, ranks

__all__ = [
    "cumulants_from_moments",
    "expand",
    "moment_sums",
    "monomials",
    "multiplicities",
    "symmetric_entries",
    "transformed",
]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

# Samples whose monomials are held at a time.
_CHUNK = 8192


@lru_cache(maxsize=64)
def multiplicities(m: int, d: int) -> Array:
    """Return in how many orders each multiset can be written."""
    index = multisets(m, d)
    counts = (index[:, :, None] == np.arange(m)).sum(axis=1)
    table = np.array([factorial(k) for k in range(d + 1)], dtype=np.float64)
    out = np.asarray(factorial(d) / table[counts].prod(axis=1))
    out.flags.writeable = False
    return out


@lru_cache(maxsize=8)  # of up to 16 MB each
def _positions(m: int, d: int) -> Index:
    """Return the multiset of every entry of the full tensor, shape (m^d,)."""
    grid = np.indices((m,) * d, dtype=np.int16).reshape(d, -1)
    return ranks(np.sort(grid, axis=0).T.astype(np.intp))


@lru_cache(maxsize=32)
def _firsts(m: int, d: int) -> Index:
    """Return one entry of the full tensor, counted in C order, for every multiset."""
    return np.asarray(multisets(m, d) @ m ** np.arange(d - 1, -1, -1))


def expand(entries: Array, m: int, d: int) -> Array:
    """Return the full tensor of shape (..., m, .., m)."""
    return entries[..., _positions(m, d)].reshape(*entries.shape[:-1], *(m,) * d)


def symmetric_entries(tensor: Array, d: int) -> Array:
    """Return one entry for each multiset of a full symmetric tensor, the last d of its axes."""
    m = tensor.shape[-1]
    flat = tensor.reshape(*tensor.shape[: tensor.ndim - d], m**d)
    return np.asarray(flat[..., _firsts(m, d)])


def transformed(tensor: Array, matrix: Array) -> Array:
    """Return a tensor with `matrix` applied to each of its axes."""
    for _ in range(tensor.ndim):  # one after the other; the last axis comes first again
        tensor = np.tensordot(matrix, tensor, axes=(1, tensor.ndim - 1))
    return tensor


def monomials(values: Array, degree: int) -> list[Array]:
    """Return the monomials of each degree from 0 on, each of shape (n, n_multisets)."""
    n, m = values.shape
    out = [np.ones((n, 1))]
    for d in range(1, degree + 1):
        last = out[-1]
        # Those whose largest variable is k: any d - 1 of the variables up to k, times it.
        parts = [last[:, : comb(k + d - 1, d - 1)] * values[:, k : k + 1] for k in range(m)]
        out.append(np.concatenate(parts, axis=1))
    return out


def moment_sums(values: Array, degree: int, group: Index) -> list[Array]:
    """Return sums over each group of all monomials, degree by degree from 0 on.

    `group` numbers contiguous samples 0, 0, .., 1, 1, ..; `degree` is even. Monomials of half the
    degree are multiplied in pairs, which a matrix product does.
    """
    m, half = values.shape[1], degree // 2
    n_groups = int(group[-1]) + 1
    offsets = np.cumsum([0, *(comb(m + d - 1, d) for d in range(half + 1))])
    pairs = []
    for d in range(degree + 1):
        index, near = multisets(m, d), d // 2
        pairs.append(
            (offsets[near] + ranks(index[:, :near]), offsets[d - near] + ranks(index[:, near:]))
        )
    sums = [np.empty((n_groups, len(rows))) for rows, _ in pairs]
    edges = np.searchsorted(group, np.arange(n_groups + 1))
    for g in range(n_groups):
        gram = np.zeros((int(offsets[-1]),) * 2)
        for start in range(edges[g], edges[g + 1], _CHUNK):
            part = values[start : min(start + _CHUNK, edges[g + 1])]
            features = np.concatenate(monomials(part, half), axis=1)
            gram += features.T @ features
        for d, (rows, columns) in enumerate(pairs):
            sums[d][g] = gram[rows, columns]
    return sums


def cumulants_from_moments(
    moments: Mapping[int, Array], m: int, *, even: bool = False
) -> dict[int, Array]:
    """Return the joint cumulants of every order of which there are moments.

    Parameters
    ----------
    moments : mapping from order d to an array of shape (..., n_multisets)
        Of every order from 1 on, or with `even` of orders 2, 4, ..
    m : int
        Number of variables.
    even : bool
        Whether all odd moments vanish.

    Notes
    -----
    kappa(x_1 .. x_d) = M(x_1 .. x_d) - sum kappa(B) M(rest) over the sets B that hold x_1 and not
    all: with one fixed, every way to be connected to it is counted once.
    """
    out: dict[int, Array] = {}
    for d in sorted(moments):
        index = multisets(m, d)
        kappa = np.array(moments[d], dtype=np.float64)
        for size in range(2 if even else 1, d, 2 if even else 1):
            for others in combinations(range(1, d), size - 1):
                block = (0, *others)
                rest = [k for k in range(d) if k not in block]
                connected = out[size][..., ranks(index[:, block])]
                kappa -= connected * moments[d - size][..., ranks(index[:, rest])]
        out[d] = kappa
    return out
