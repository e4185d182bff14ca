"""Greedy pairing of units level by level, and what is to be said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError
from nnrg_kernels.correlation_pairing import correlations, greedy_pairs, sums_of_pairs

__all__ = ["named_units", "pair_hierarchy", "pair_levels", "pairing_notes"]

Ints = npt.NDArray[np.int64]

_NAMED = 5


def pair_hierarchy(
    samples: npt.NDArray[Any], n_levels: int, *, magnitude: bool = False
) -> list[Ints]:
    """Pair units greedily by their correlation in given samples, level by level.

    Parameters
    ----------
    samples : float array of shape (n_samples, n_units)
        Correlations are computed in its precision, in single precision of anything shorter.
    n_levels : int
        Level 0, the units themselves, is one of them.
    magnitude : bool
        Whether correlations of either sign count.

    Returns
    -------
    list of int64 arrays of shape (n_units,)
        Block of 2^l units that each unit is in at level l, in the order in which they were made;
        -1 for units that an odd number left over, at that level and all coarser ones.

    Notes
    -----
    Units that are constant have no correlation and count as uncorrelated. Coarser correlations are
    those of sums of units, from the covariance: the data are read once.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.rg.neighbourhoods.pairs import pair_hierarchy
    >>> x = np.random.default_rng(2).normal(size=(100, 3))
    >>> pair_hierarchy(np.hstack([x, x[:, :2] + 1]), 2)[1].tolist()
    [1, 0, -1, 1, 0]
    """
    covariance = _covariance(samples)
    labels = [np.arange(samples.shape[1], dtype=np.int64)]
    while len(labels) < n_levels:
        pairs, _ = greedy_pairs(correlations(covariance, magnitude=magnitude))
        block = np.full(len(covariance), -1, dtype=np.int64)
        block[pairs] = np.arange(len(pairs))[:, None]
        below = labels[-1]
        labels.append(np.where(below >= 0, block[below], -1))
        if len(labels) < n_levels:
            covariance = sums_of_pairs(covariance, pairs)
    return labels


def _covariance(samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the sums of products of centred samples, in units of the largest value."""
    dtype = np.float64 if samples.dtype == np.float64 else np.float32
    mean = samples.mean(axis=0, dtype=np.float64)
    low, high = samples.min(axis=0), samples.max(axis=0)
    mean[low == high] = low[low == high]
    # Squares must neither vanish nor overflow.
    peak = float(np.maximum(high - mean, mean - low).max(initial=0.0)) or 1.0
    centred = np.subtract(samples, mean, dtype=dtype, casting="unsafe")
    centred /= dtype(peak)
    centred[:, low == high] = 0
    return np.asarray(centred.T @ centred)


def named_units(units: npt.NDArray[np.integer[Any]]) -> str:
    """Return the indices of units for a message, the first of them if they are many."""
    listed = ", ".join(str(int(u)) for u in units[:_NAMED])
    return listed if units.size <= _NAMED else f"{listed} and {units.size - _NAMED} more"


def pairing_notes(chosen: npt.NDArray[Any], partitions: list[Ints]) -> list[str]:
    """Say which units have no correlation, and which are left over."""
    notes = []
    constant = np.flatnonzero(chosen.min(axis=0) == chosen.max(axis=0))
    if constant.size:
        notes.append(
            f"units {named_units(constant)} are constant in the samples that choose, and count as "
            "uncorrelated"
        )
    left = np.flatnonzero(partitions[-1] < 0)
    if left.size:
        notes.append(f"units {named_units(left)} are left over by odd numbers and in no block")
    return notes


def pair_levels(units: int, levels: int | None, fewest: int) -> int:
    """Return how many levels there are, the units themselves among them.

    Raises
    ------
    AnalysisError
        If there are no pairs, or fewer levels than asked for.
    """
    least = max(fewest, 1)
    possible = max((units // least).bit_length(), 1)
    if possible < 2:
        raise AnalysisError(
            f"{units} unit(s) do not make {least} pair(s), which blocks need; give more units"
        )
    wanted = possible if levels is None else as_count("levels", levels, 1)
    if wanted > possible:
        raise AnalysisError(
            f"{units} units make {possible} levels of pairs with at least {least} blocks, got "
            f"levels={levels}; leave it out for as many as there are"
        )
    return wanted
