"""Modes of the covariance: chosen on the samples that choose, measured on the others."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.rg.phenomenological._activity import Activity
from nnrg.rg.phenomenological._statistics import (
    Numbers,
    fourth_ratio,
    jackknifed,
    joined,
    power_sums,
)
from nnrg.stats.kstatistics import kstatistics

__all__ = ["Spectrum", "block_spectra", "mode_ratios"]

Array = npt.NDArray[np.float64]

# Samples that choose for each mode of a block, and the most and fewest modes that are looked at.
_SAMPLES = 16
_MOST_RANKS = 512
_FEWEST_RANKS = 8
# Units whose joint modes are found: all of them at once are a problem of order N^3.
MOST_UNITS = 2048


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Variances along the modes of blocks of K units, the mean over blocks, by rank.

    Attributes
    ----------
    size : int
        K.
    ratio : array of shape (n_bins,)
        K / rank of each bin of ranks, ascending; bins are octaves.
    logs : Numbers
        Logarithms of the variances, the mean over the ranks of a bin; the share of their bias that
        falls as one over the samples that choose is taken out.
    biased : array of shape (n_bins,)
        The same with the bias that noise of the modes leaves, which flattens the spectrum.
    chosen : array of shape (n_bins,)
        The same in the samples that chose the modes, which are too steep.
    """

    size: int
    ratio: Array
    logs: Numbers
    biased: Array
    chosen: Array


def block_spectra(activity: Activity, errors: bool, *, largest: bool) -> list[Spectrum]:
    """Return the spectra inside blocks of each size that has modes enough, and samples for them.

    With `largest`, that of the largest such blocks alone.
    """
    most = min(_MOST_RANKS, len(activity.choosing) // _SAMPLES)
    sizes = [k for k in activity.sizes if _FEWEST_RANKS <= k <= most]
    if not sizes:
        return []
    if largest:
        sizes = sizes[-1:]
    measured = activity.values - activity.values.mean(axis=0)
    choosing = activity.choosing.astype(np.float64)
    return [_spectrum(measured, choosing, activity, size, errors) for size in sizes]


def _spectrum(
    measured: Array, choosing: Array, activity: Activity, size: int, errors: bool
) -> Spectrum:
    counts = activity.lengths.astype(np.float64)
    blocks = np.moveaxis(measured.reshape(len(measured), -1, size), 0, 1)
    bins = _octaves(size)

    def logs(totals: Array, number: Array) -> Array:
        k2 = kstatistics(totals, number[:, None])[..., 1]
        return _binned(k2.reshape(len(k2), -1, size).mean(axis=1), bins)

    def held_out(those: Array) -> tuple[Numbers, Array]:
        variances, vectors = _modes(those, size)
        amplitudes = np.moveaxis(blocks @ vectors, 0, 1).reshape(len(measured), -1)
        numbers = jackknifed(power_sums(amplitudes, activity, 2), counts, logs, errors)
        return numbers, _binned(variances.mean(axis=0)[None], bins)[0]

    half = len(choosing) // 2
    whole, chosen = held_out(choosing)
    parts = [held_out(part)[0] for part in (choosing[:half], choosing[half:])]
    # Half the samples have twice the bias: what is in proportion to 1/n drops out.
    extrapolated = Numbers(
        2 * whole.values - (parts[0].values + parts[1].values) / 2,
        2 * whole.replicates - (parts[0].replicates + parts[1].replicates) / 2,
    )
    ratio = np.array([np.exp(np.mean(np.log(size / ranks))) for ranks in bins])
    return Spectrum(size, ratio, extrapolated, whole.values, chosen)


def _modes(choosing: Array, size: int) -> tuple[Array, Array]:
    """Return variances (M, K), largest first, and modes (M, K, K) of the blocks."""
    units = np.moveaxis(choosing.reshape(len(choosing), -1, size), 0, 2)
    units = units - units.mean(axis=2, keepdims=True)
    variances, vectors = np.linalg.eigh(units @ units.transpose(0, 2, 1) / (len(choosing) - 1))
    return variances[:, ::-1], vectors[:, :, ::-1]


def _octaves(size: int) -> list[npt.NDArray[np.int64]]:
    """Return the ranks of each octave 1, 2..3, 4..7, .., the last octave first."""
    edges = [1 << e for e in range(size.bit_length())]
    if edges[-1] == size:  # the last rank alone is no octave
        edges[-1] = size + 1
    else:
        edges.append(size + 1)
    return [np.arange(a, b) for a, b in pairwise(edges)][::-1]


def _binned(variances: Array, bins: list[npt.NDArray[np.int64]]) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(variances)
    logs = np.where(np.isfinite(logs), logs, np.nan)
    return np.stack([logs[:, ranks - 1].mean(axis=1) for ranks in bins], axis=1)


def mode_ratios(activity: Activity, errors: bool) -> Numbers | None:
    """Return kappa_4 / kappa_2^2 of units after all but the leading N / K modes are left out.

    NaN at levels with more modes than samples can choose; None where units are too many.
    """
    n = activity.values.shape[1]
    if n > MOST_UNITS:
        return None
    choosing: npt.NDArray[Any] = activity.choosing.astype(np.float64)
    choosing -= choosing.mean(axis=0)
    vectors = np.linalg.eigh(choosing.T @ choosing)[1][:, ::-1]
    centred = activity.values - activity.values.mean(axis=0)
    centred /= float(np.sqrt(np.mean(centred * centred))) or 1.0
    amplitudes = centred @ vectors
    counts = activity.lengths.astype(np.float64)
    levels = []
    for size in activity.sizes:
        kept = n // size
        if size == 1:
            units = centred
        elif kept >= len(choosing):
            empty = np.full((activity.starts.size if errors else 0, 1), np.nan)
            levels.append(Numbers(np.full(1, np.nan), empty))
            continue
        else:
            units = amplitudes[:, :kept] @ vectors[:, :kept].T
        sums = power_sums(units, activity, 4)
        levels.append(jackknifed(sums, counts, fourth_ratio, errors))
    return joined(levels)
