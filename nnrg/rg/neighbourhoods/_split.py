"""Samples that choose neighbourhoods, and those that are left to measure on."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg.errors import AnalysisError
from nnrg.fields import Lattice, SynapticField
from nnrg.rg.groups import label_repeats
from nnrg.stats.autocorrelation import autocorrelation_time
from nnrg.stats.partition import sample_groups

__all__ = ["Split", "all_measured", "at_random", "in_time", "is_sparse"]

Ints = npt.NDArray[np.int64]

# More samples are compared for exact repeats alone: all pairs would cost more than the pairing.
_MOST_COMPARED = 4096
# Autocorrelation times in one period of choosing and measuring, and in the gap between the two.
_PERIOD = 16
_GAP = 2
_MOST_PERIODS = 64
_FEWEST_PERIODS = 4
# Units whose autocorrelation time is measured.
_UNITS = 64


@dataclass(frozen=True, slots=True)
class Split:
    """A partition of the samples of a field.

    Attributes
    ----------
    choosing, measuring : int array
        Indices of samples, ascending. What is in neither is a gap in time between the two.
    group : int array of shape (n_measuring,)
        The independent part that a measuring sample belongs to: samples that repeat one another,
        or one stretch of time.
    notes : tuple of str
    """

    choosing: Ints
    measuring: Ints
    group: Ints
    notes: tuple[str, ...] = ()


def is_sparse(values: npt.NDArray[Any]) -> bool:
    """Whether more than half of the values are zero: samples then coincide by chance."""
    return bool(2 * np.count_nonzero(values) < values.size)


def at_random(values: npt.NDArray[Any], share: float, seed: int) -> Split:
    """Draw the samples that choose; those that repeat one another stay together.

    Raises
    ------
    AnalysisError
        If there are not two independent samples for each of the two.
    """
    label, note = _repeats(values)
    count = int(label.max()) + 1
    order = np.random.default_rng(as_seed(seed)).permutation(count)
    sizes = np.bincount(label)[order]
    filled = np.cumsum(sizes)
    # As near to the share as whole groups come, with two groups at least for each of the two.
    number = int(np.argmin(np.abs(filled - share * len(values)))) + 1
    number = min(max(number, 2), count - 2)
    if count < 4:
        raise AnalysisError(
            f"{count} independent samples cannot both choose neighbourhoods and be measured; at "
            "least two are needed for each: give more samples, or others that choose"
        )
    chosen = np.isin(label, order[:number])
    measuring = np.flatnonzero(~chosen)
    _, group = np.unique(label[measuring], return_inverse=True)
    return Split(np.flatnonzero(chosen), measuring, group.astype(np.int64), (note,) if note else ())


def in_time(values: npt.NDArray[Any], share: float) -> Split:
    """Cut a series into stretches that choose and are measured in turn, with gaps between them.

    Raises
    ------
    AnalysisError
        If the series is too short for its autocorrelation time.
    """
    steps = len(values)
    tau = _slowest(values)
    shortest = max(8, ceil(_PERIOD * tau), ceil(2 * _GAP * tau / min(share, 1 - share)))
    periods = min(_MOST_PERIODS, steps // shortest)
    if periods < _FEWEST_PERIODS:
        raise AnalysisError(
            f"a series of {steps} steps with an autocorrelation time of {tau:.3g} holds {periods} "
            f"stretches that could both choose and be measured, {_FEWEST_PERIODS} are needed; "
            "give a longer one, or another that chooses"
        )
    gap = ceil(_GAP * tau)
    edges = np.rint(np.linspace(0, steps, periods + 1)).astype(np.int64)
    step = np.arange(steps)
    period = np.searchsorted(edges, step, side="right") - 1
    start, length = edges[period], np.diff(edges)[period]
    within = step - start
    cut = np.rint(share * length)
    measuring = np.flatnonzero((within >= cut + gap) & (within < length - gap))
    return Split(
        np.flatnonzero(within < cut),
        measuring,
        period[measuring].astype(np.int64),
        (
            f"{periods} stretches of time choose and are measured in turn, {gap} steps between "
            f"them left out (autocorrelation time {tau:.2g} steps)",
        ),
    )


def all_measured(values: npt.NDArray[Any], series: bool) -> Split:
    """Measure every sample, others having chosen.

    Raises
    ------
    AnalysisError
        If a series is too short for its autocorrelation time.
    """
    n = len(values)
    if series:
        tau = _slowest(values)
        stretches = min(_MOST_PERIODS, n // ceil(_PERIOD * tau))
        if stretches < _FEWEST_PERIODS:
            raise AnalysisError(
                f"a series of {n} steps is {n / tau:.0f} autocorrelation times long, "
                f"{_FEWEST_PERIODS * _PERIOD} are needed; give a longer one"
            )
        group, note = sample_groups(n, stretches).astype(np.int64), ""
    else:
        group, note = _repeats(values)
    empty = np.empty(0, dtype=np.int64)
    return Split(empty, np.arange(n, dtype=np.int64), group, (note,) if note else ())


def _slowest(values: npt.NDArray[Any]) -> float:
    """Return the longer autocorrelation time of single units and of their sum, in steps."""
    some = values[:, :: max(1, values.shape[1] // _UNITS)].astype(np.float64)
    some -= some.mean(axis=0)
    spread = some.std(axis=0)
    total = values.sum(axis=1, dtype=np.float64)
    series = [np.ascontiguousarray((some[:, spread > 0] / spread[spread > 0]).T)]
    if np.ptp(total) > 1e-12 * np.abs(total).max():
        series.append(total)
    return max(
        (float(autocorrelation_time(one).tau) for one in series if one.size),
        default=0.5,
    )


def _repeats(values: npt.NDArray[Any]) -> tuple[Ints, str]:
    """Label samples so that those which repeat one another share a label."""
    n = len(values)
    alone = np.arange(n, dtype=np.int64)
    if n < 2 or is_sparse(values):
        return alone, ""
    if n <= _MOST_COMPARED:
        centred = values - values.mean(axis=0, dtype=np.float64)
        field = SynapticField(centred, Lattice(centred.shape[1]))
        label = label_repeats(field)[0]
    else:
        known: dict[int, int] = {}
        label = np.array([known.setdefault(hash(row.tobytes()), len(known)) for row in values])
    count = int(label.max()) + 1
    if count == n:
        return alone, ""
    note = f"{n} samples are {count} that do not repeat one another: repeats are kept together"
    return label.astype(np.int64), note
