"""Rates of recorded modes: what a window of frames is, and what difference equation it obeys."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training import TrainingRecord
from nnrg.stats.estimate import Estimate

__all__ = ["decay", "dynamics", "fit_window", "pair_of_steps", "recursion", "seeds_estimate"]

Array = npt.NDArray[np.float64]

# Below this share of the start a mode is rounding.
_FLOOR = 1e-3


def seeds_estimate(values: Array) -> Estimate:
    """Return the mean over seeds with its standard error."""
    n = len(values)
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n), n)


def dynamics(record: TrainingRecord) -> tuple[str, float, float]:
    """Return the optimiser, its learning rate and its momentum.

    Raises
    ------
    ArgumentError
        If steps do not see all samples, or the learning rate changes.
    """
    found = record.configuration.get("optimiser") or {}
    eta = found.get("learning_rate")
    if record.configuration.get("loss") != "mse" or record.configuration.get("batch") is not None:
        raise ArgumentError("the record must be of the mean squared error with batch=None")
    if not isinstance(eta, float):
        raise ArgumentError(f"the learning rate must be constant, got {shown(eta)}")
    return str(found["optimiser"]), eta, float(found.get("momentum", 0.0))


def pair_of_steps(window: object) -> tuple[int, int]:
    """Return first and last step of a window, or raise ArgumentError."""
    if not isinstance(window, tuple | list) or len(window) != 2:
        raise ArgumentError(f"window must be two steps, (first, last), got {shown(window)}")
    low = as_count("first step of the window", window[0], 0)
    return low, as_count("last step of the window", window[1], low + 1)


def fit_window(record: TrainingRecord, series: Array, window: object) -> tuple[slice, int]:
    """Return the frames of a fit, and how many steps lie between two.

    Raises
    ------
    ArgumentError
        If the window is none.
    AnalysisError
        If there are too few frames, or at unequal distances.
    """
    steps = record.steps
    if window is None:
        top = np.maximum.accumulate(np.abs(series[:, ::-1]), axis=1)[:, ::-1]
        alive = (top >= _FLOOR * top[:, :1]).all(axis=0) & (top > 0).all(axis=0)
        first, stop = 0, int(alive.sum())
    else:
        low, high = pair_of_steps(window)
        inside = np.flatnonzero((steps >= low) & (steps <= high))
        first, stop = (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, 0)
    gaps = np.diff(steps[first:stop])
    if gaps.size > 1 and gaps[-1] != gaps[0]:  # the last step is recorded at any distance
        stop, gaps = stop - 1, gaps[:-1]
    if stop - first < 6:
        raise AnalysisError(
            f"a fit needs six frames at least, got {max(stop - first, 0)}; record more of the start"
        )
    if (gaps != gaps[0]).any():
        raise AnalysisError("a fit needs frames at equal distances; give record=n")
    return slice(first, stop), int(gaps[0])


def decay(x: Array, stride: int) -> Array:
    """Return the decay rate of each series in one step, from x_{t+n} = z x_t, or NaN."""
    z = (x[:, 1:] * x[:, :-1]).sum(axis=1) / (x[:, :-1] ** 2).sum(axis=1)
    return np.asarray(-np.log(np.where((z > 0) & (z < 1), z, math.nan)) / stride)


def recursion(x: Array, stride: int) -> tuple[Array, Array]:
    """Return (a, b) of x_{t+1} = a x_t - b x_{t-1} of each series, from every n-th x, or NaN.

    Both solutions of the equation for frames are powers of those for steps, of which the ones that
    turn least are taken.
    """
    found = [
        np.linalg.lstsq(np.stack([row[1:-1], -row[:-2]], axis=1), row[2:], rcond=None)[0]
        for row in x
    ]
    a, b = np.array(found).T
    if stride == 1:
        return a, b
    square = a**2 / 4 - b
    with np.errstate(invalid="ignore"):
        length = np.sqrt(b)
        angle = np.arccos(np.clip(a / (2 * length), -1, 1))
        turning = 2 * length ** (1 / stride) * np.cos(angle / stride)
        low, high = (a / 2 + sign * np.sqrt(np.maximum(square, 0.0)) for sign in (-1, 1))
        low = np.where(low > 0, low, math.nan)
        still = low ** (1 / stride) + high ** (1 / stride)
        return np.where(square < 0, turning, still), b ** (1 / stride)
