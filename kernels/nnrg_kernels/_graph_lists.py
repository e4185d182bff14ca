"""Lists of neighbours, one behind the other, as the sums over them read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnrg_kernels._graph_sums import Lists, add_strengths

__all__ = ["Neighbours", "build_lists"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Neighbours(NamedTuple):
    """Neighbours along one axis, by rows (CSR).

    Attributes
    ----------
    axis : int
    indptr : (n + 1,) int64 array
    indices : int64 array
        Nodes of that axis.
    weights : float64 array
        Of each neighbour; empty if all are one. Read by ``"quadratic"`` terms alone.
    """

    axis: int
    indptr: Ints
    indices: Ints
    weights: Floats


def build_lists(
    sums: list[tuple[int, bool, int]], neighbours: Sequence[Neighbours], across: Sequence[bool]
) -> tuple[Lists, int]:
    """Return the lists that are summed over, one behind the other, and the largest power."""
    near = [neighbours[place] for place, _, _ in sums]
    weights = [
        one.weights if weighted else np.ones(one.indices.size)
        for one, (_, weighted, _) in zip(near, sums, strict=True)
    ]
    strengths = [np.empty(one.indptr.size - 1) for one in near]
    for one, w, strength in zip(near, weights, strengths, strict=True):
        add_strengths(one.indptr, w, strength)
    before = np.cumsum([0, *(one.indices.size for one in near)])
    sizes = [one.indptr.size for one in near]
    lists = Lists(
        np.array([across[place] for place, _, _ in sums], np.int64),
        np.array([p - 1 for _, _, p in sums], np.int64),
        np.cumsum([0, *sizes]).astype(np.int64),
        _joined([one.indptr + at for one, at in zip(near, before, strict=False)], np.int64),
        _joined([one.indices for one in near], np.int64),
        _joined(weights, np.float64),
        # As long as the pointers, so that both are found at the same places.
        _joined([np.append(s, 0.0) for s in strengths], np.float64),
    )
    return lists, max([1, *(p for _, _, p in sums)])


def _joined(arrays: Sequence[npt.NDArray[Any]], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return arrays one behind the other; one alone is not copied."""
    if len(arrays) == 1:
        return np.ascontiguousarray(arrays[0], kind)
    return np.concatenate([np.empty(0, kind), *arrays])
