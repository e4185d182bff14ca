"""Rates of recorded modes: what a window of frames is, and what difference equation it obeys."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training import TrainingRecord
from nnrg.stats import jackknife_covariance, leave_one_out
from nnrg.stats.estimate import Estimate
from nnrg.theory.cosmology._modes import as_record
from nnrg.theory.cosmology.matches import MATCHES

__all__ = [
    "UntoldError",
    "decay",
    "dynamics",
    "fit_window",
    "matched",
    "pair_of_steps",
    "recursion",
    "require_seeds",
    "seeds_estimate",
    "seeds_jackknife",
]

Array = npt.NDArray[np.float64]

# Below this share of the start a mode is rounding.
_FLOOR = 1e-3
# The largest error of the friction from rounding, as a share of it.
_SURE = 0.01


class UntoldError(AnalysisError):
    """The frames of a record do not tell a rate, whether there is one or not."""


def seeds_estimate(values: Array) -> Estimate:
    """Return the mean over seeds with its standard error."""
    n = len(values)
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n), n)


def seeds_jackknife(function: Callable[..., Array], *values: Array) -> Estimate:
    """Return a function of means over seeds with its jackknife error.

    A mean of ratios is one seed's whose denominator is nearly zero; a ratio of means is not.
    """
    n = len(values[0])
    left_out = function(*(leave_one_out(one) / (n - 1) for one in values))
    value = float(function(*(one.mean() for one in values)))
    variance = jackknife_covariance(left_out[:, None], [value])[0, 0]
    return Estimate(value, math.sqrt(variance), n)


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


def matched(record: object, match: object) -> tuple[float, float]:
    """Return learning rate and momentum of a record that a match is of, with errors over seeds.

    Raises
    ------
    ArgumentError
        If there is no such match, or the record is of another kind of training.
    AnalysisError
        If there is but one seed.
    """
    if match not in MATCHES:
        raise ArgumentError(f"match must be one of {', '.join(MATCHES)}, got {shown(match)}")
    made = as_record(record)
    optimiser, eta, mu = dynamics(made)
    wanted = "HeavyBall" if match == "momentum" else "GradientDescent"
    if optimiser != wanted:
        raise ArgumentError(f"the {match} match is of {wanted}, but the record is of {optimiser}")
    require_seeds(made)
    return eta, mu


def require_seeds(record: TrainingRecord) -> None:
    """Raise AnalysisError unless there are two seeds, which errors are over."""
    if record.n_seeds < 2:
        raise AnalysisError("errors are over seeds: the record needs at least two, got one")


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
        If a mode does not move, or there are too few frames, or at unequal distances.
    """
    still = int((~np.abs(series).any(axis=1)).sum())
    if still:
        raise AnalysisError(
            f"the mode is at its target from the start in {still} of {len(series)} seeds: it has "
            "no rate"
        )
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
        ended = "" if record.diverged is None else f": training {record.diverged['message']}"
        raise UntoldError(
            f"a fit needs six frames at least, got {max(stop - first, 0)}; record more of the "
            f"start{ended}"
        )
    if (gaps != gaps[0]).any():
        raise UntoldError("a fit needs frames at equal distances; give record=n")
    return slice(first, stop), int(gaps[0])


def decay(x: Array, stride: int) -> Array:
    """Return the decay rate of each series in one step, from x_{t+n} = z x_t, or NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (x[:, 1:] * x[:, :-1]).sum(axis=1) / (x[:, :-1] ** 2).sum(axis=1)
    return np.asarray(-np.log(np.where((z > 0) & (z < 1), z, math.nan)) / stride)


def recursion(x: Array, stride: int, noise: Array) -> tuple[Array, Array]:
    """Return (a, b) of x_{t+1} = a x_t - b x_{t-1} of each series, from every n-th x, or NaN.

    Both solutions of the equation for frames are powers of those for steps, of which the ones that
    turn least are taken. Where one of them has died down to the rounding of the series, `noise`, a
    and b are NaN: what is left obeys many such equations.
    """
    found = [_least_squares(row, stride, float(e)) for row, e in zip(x, noise, strict=True)]
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


def _least_squares(x: Array, stride: int, noise: float) -> tuple[float, float]:
    """Return a and b from frame to frame, or NaN if rounding alters the friction they say."""
    left, singular, right = np.linalg.svd(np.stack([x[1:-1], -x[:-2]], axis=1), full_matrices=False)
    if singular[1] <= 0:
        return math.nan, math.nan
    a, b = right.T @ (left.T @ x[2:] / singular)
    error = noise * math.sqrt(1 + a**2 + b**2) * float(np.hypot(*(right[:, 1] / singular)))
    kept, more = (value ** (1 / stride) for value in (abs(b), abs(b) + error))
    if more - kept > _SURE * abs(1 - kept):  # what is lost of the velocity from step to step
        return math.nan, math.nan
    return float(a), float(b)
