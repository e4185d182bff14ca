"""Samples that follow one another: how long a run of them must be to be left out as one.

Configurations of a Markov chain, or frames of a trajectory, are alike where they are close. Rows of
a matrix have no order, and are told so here: neighbours are no more alike than chance makes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.fields import SynapticField
from nnrg.stats.autocorrelation import block_length

__all__ = ["run_length", "run_note"]

Array = npt.NDArray[np.float64]

_FEWEST = 32
# Values that are looked at: of larger fields those of some sites.
_VALUES = 1 << 20
# Correlation of neighbouring samples from which runs are left out, and in standard errors.
_ALIKE = 0.05
_SEEN = 4.5
# The sum over lags ends at so many autocorrelation times.
_WINDOW = 5.0


def run_length(field: SynapticField, first: npt.NDArray[np.intp]) -> tuple[int, float]:
    """Return how many samples in a row make one jackknife group, and their autocorrelation time.

    The length is 1 and the time 1/2 where samples that follow one another are not alike.

    `first` are the samples, those that repeat others left out. The autocorrelation is that of the
    field, and of its mean over sites, the slower of the two; each sample counts with the same size.
    """
    n = first.size
    if n < _FEWEST:
        return 1, 0.5
    flat = field.values.reshape(field.n_samples, -1)
    rows = flat[first, :: max(1, flat.size // _VALUES)].astype(np.float64)
    size = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows /= np.where(size > 0, size, 1.0)[:, None]
    rows -= rows.mean(axis=0)
    tau = max(_time(rows), _time(rows.mean(axis=1, keepdims=True)))
    if tau <= 0.5:
        return 1, 0.5
    try:
        length = block_length(n, tau)
    except AnalysisError:
        length = n // 2
    return length, tau


def run_note(count: int, groups: int, length: int, tau: float) -> str:
    """Say which runs of `count` samples are left out, and where they are shorter than `length`."""
    if tau <= 0.5:
        return ""
    shortest, more = divmod(count, groups)
    runs = f"{shortest} or {shortest + 1}" if more else f"{shortest}"
    said = (
        f"samples follow one another, with an autocorrelation time of {tau:.2g}: {groups} runs of "
        f"{runs} are left out together"
    )
    if shortest < length:
        said += (
            f", as blocks= asks; runs of {length} are advised: errors of shorter ones can be too "
            "small"
        )
    return said


def _time(rows: Array) -> float:
    """Return the integrated autocorrelation time in samples; 1/2 where neighbours are not alike."""
    n, square = len(rows), float(np.einsum("ij,ij->", rows, rows))
    if not square > 0:
        return 0.5
    rows = rows * np.sqrt(n / square)
    near = np.einsum("ij,ij->i", rows[:-1], rows[1:])
    # Neighbouring products share a sample, which adds nothing if samples are not alike.
    error = float(near.std()) / np.sqrt(n - 1)
    if not near.mean() > max(_ALIKE, _SEEN * error):
        return 0.5
    tau = 0.5
    for lag in range(1, n // 4 + 1):
        tau += float(np.einsum("ij,ij->", rows[:-lag], rows[lag:])) / (n - lag)
        if lag >= _WINDOW * tau:
            break
    return tau
