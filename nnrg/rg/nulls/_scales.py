"""Scales of samples, scales and means of sites, as far as two halves of the data agree on them.

Gaussian fields of unequal scales are no Gaussian field, and no interacting one either: surrogates
keep the scales. Mean squares alone would not do, since those of equal scales scatter as well: a
surrogate scaled by them would scatter twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["means_of_sites", "scales_of_samples", "scales_of_sites"]

Floats = npt.NDArray[np.float64]

# Fewest samples, or sites, whose scales are compared.
_FEWEST = 16
# Standard errors of independent sites by which the correlation of the halves must differ from zero:
# of such sites one field in a thousand with equal ones passes. Sites of a smooth field count for
# fewer: of 32 chains of 64 sites with a correlation length of 10 means pass in 15 per cent of cases
# and scales in 5. Their surrogates keep a profile that is chance, which makes the null model looser
# and no claim more likely.
_SEEN = 3.1
# Sites are not independent: by chance their correlation is as large as this with few samples.
_SITES_AGREE = 0.25


class _Logs(NamedTuple):
    """Logarithms of mean squares, about their mean, and how much two halves have in common."""

    there: npt.NDArray[np.bool_]
    whole: Floats
    common: float
    spread: float

    def scales(self, common: float) -> Floats:
        """Return scales whose squares' logarithms have a variance of `common`; 0 of zeros."""
        share = min(1.0, common / float(np.mean(self.whole**2)))
        scales = np.zeros(self.there.size)
        scales[self.there] = np.exp(self.whole * np.sqrt(share) / 2)
        return scales


def scales_of_samples(deviation: Floats, surrogates: Iterable[Floats]) -> Floats | None:
    """Return the scale of each row, up to a common factor, or None where they seem to be equal.

    Both halves of a correlated row are large together with equal scales too: so much of what they
    have in common as `surrogates` of equal scales show is taken off.
    """
    logs = _logs(deviation, axis=1)
    least = _SEEN / np.sqrt(len(deviation))
    if logs is None or not logs.common > least * logs.spread:
        return None
    drawn = [own.common for one in surrogates if (own := _logs(one, axis=1)) is not None]
    excess = logs.common - float(np.mean(drawn))
    return logs.scales(excess) if excess > least * logs.spread else None


def scales_of_sites(deviation: Floats) -> Floats | None:
    """Return the scale of each column, or None where they seem to be equal."""
    logs = _logs(deviation, axis=0)
    least = max(_SITES_AGREE, _SEEN / np.sqrt(deviation.shape[1]))
    return (
        None if logs is None or not logs.common > least * logs.spread else logs.scales(logs.common)
    )


def means_of_sites(values: Floats) -> Floats | None:
    """Return the mean of each column, or None where they seem to be equal."""
    half = len(values) // 2
    first, second = (part.mean(axis=0) for part in (values[:half], values[half:]))
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.sqrt((first @ first) * (second @ second)))
    if not (first.size >= _FEWEST and norm > 0):
        return None
    seen = float(first @ second) > max(_SITES_AGREE, _SEEN / np.sqrt(first.size)) * norm
    return np.asarray(values.mean(axis=0)) if seen else None


def _logs(deviation: Floats, *, axis: int) -> _Logs | None:
    """Return what the halves along an axis have in common; None where too few rows are not zero."""
    half = deviation.shape[axis] // 2
    if half < 2:
        return None
    parts = np.split(deviation, [half], axis=axis)
    squares = np.stack([np.mean(part * part, axis=axis) for part in parts])
    there = np.all(squares > 0, axis=0)
    if np.count_nonzero(there) < _FEWEST:
        return None
    logs = np.log(squares[:, there])
    logs -= logs.mean(axis=1, keepdims=True)
    whole = np.log(squares[:, there].mean(axis=0))
    whole -= whole.mean()
    spread = float(np.sqrt(np.mean(logs[0] ** 2) * np.mean(logs[1] ** 2)))
    return _Logs(there, whole, float(np.mean(logs[0] * logs[1])), spread) if spread > 0 else None
