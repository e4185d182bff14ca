"""A curve of one system size, and how far curves of several sizes are from one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats._arrays import real_array
from nnrg.stats.replicates import Replicates

__all__ = ["ScalingCurve", "collapse_quality"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScalingCurve:
    """One observable of a system of one size, measured at several values of the control parameter.

    Parameters
    ----------
    size : float
        Linear size L, in lattice spacings.
    control : array_like of shape (n,)
        Increasing; a temperature or a coupling, in any unit that all sizes share.
    data : Replicates
        n numbers with their replicates; independent runs are joined by `Replicates.join`.

    Raises
    ------
    ArgumentError
        If the size is not positive, the control does not increase, or shapes do not fit.
    AnalysisError
        If a number is not finite or has no error.
    """

    size: float
    control: Floats
    data: Replicates

    def __post_init__(self) -> None:
        control = real_array("control", self.control)
        size = as_real("size", self.size, hint="give the linear size in lattice spacings")
        if size <= 0 or control.shape != self.data.values.shape or not np.all(np.diff(control) > 0):
            raise ArgumentError(
                f"a curve needs a positive size and {self.data.values.size} increasing values of "
                f"the control parameter, got size {size} and shape {control.shape}; sort the data"
            )
        errors = self.data.errors()
        if not np.all(np.isfinite(self.data.values) & np.isfinite(errors) & (errors > 0)):
            raise AnalysisError(
                f"the curve of size {size:g} holds a number that is not finite or has no error; "
                "leave it out"
            )
        control.flags.writeable = False
        object.__setattr__(self, "control", control)
        object.__setattr__(self, "size", size)


def collapse_quality(
    curves: Sequence[ScalingCurve],
    values: Floats,
    errors: Floats,
    critical: float,
    inverse_nu: float,
    kappa: float,
) -> tuple[float, int]:
    """Return the mean square distance from the master curve, and how many points have one.

    Parameters
    ----------
    curves : sequence of ScalingCurve
        For their sizes and control parameters.
    values, errors : arrays of shape (n,)
        The numbers of all curves, one curve after the other.
    critical, inverse_nu, kappa : float
        Parameters of the collapse.

    Returns
    -------
    quality : float
        Dimensionless; infinity without overlap.
    n_points : int
    """
    scaled, start = [], 0
    for curve in curves:
        end = start + curve.control.size
        with np.errstate(over="ignore"):
            x = (curve.control - critical) * curve.size**inverse_nu
            factor = curve.size**-kappa
        scaled.append((x, values[start:end] * factor, errors[start:end] * factor))
        start = end
    total, count = 0.0, 0
    for i, (x, y, dy) in enumerate(scaled):
        sums = np.zeros((5, x.size))
        for j, (other, height, error) in enumerate(scaled):
            if j == i or curves[j].size == curves[i].size:
                continue
            right = np.searchsorted(other, x, side="right")
            inside = (right > 0) & (right < other.size)
            for at in (right - 1, right):
                k = np.where(inside, at, 0)
                weight = np.where(inside, 1 / error[k] ** 2, 0.0)
                # Abscissas from the point itself: the line's value there is its intercept.
                step = other[k] - x
                terms = (weight, weight * step, weight * step**2)
                sums += np.stack([*terms, weight * height[k], weight * step * height[k]])
        k0, k1, k2, ky, kxy = sums
        determinant = k0 * k2 - k1 * k1
        usable = determinant > 1e-12 * k0 * k2
        with np.errstate(divide="ignore", invalid="ignore"):
            line = (k2 * ky - k1 * kxy) / determinant
            square = (y - line) ** 2 / (dy**2 + k2 / determinant)
        square = square[usable]
        total, count = total + float(square.sum()), count + square.size
    return (total / count if count and isfinite(total) else float("inf")), count
