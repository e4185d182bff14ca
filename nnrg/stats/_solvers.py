"""Minima of chi^2 for models that are linear in their parameters, and for those that are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats._newton import refit

__all__ = ["Linear", "Model", "Nonlinear"]

Floats = npt.NDArray[np.float64]
Model = Callable[..., npt.ArrayLike]

# A search that takes longer follows a valley without a minimum.
_MOST_CALLS = 300
_UNDETERMINED = (
    "the data do not determine all parameters: some combination of them changes nothing; "
    "fit fewer parameters"
)


class Linear:
    """A model linear in its parameters: one matrix solves the whole and every replicate."""

    def __init__(self, design: Floats, points: int) -> None:
        if design.ndim != 2 or len(design) != points or not np.all(np.isfinite(design)):
            raise ArgumentError(
                f"a linear model must have one finite row for each of {points} numbers, got shape "
                f"{design.shape}; give one column for each parameter"
            )
        self.design, self.count = design, design.shape[1]

    def predict(self, parameters: Floats) -> Floats:
        return np.asarray(self.design @ parameters)

    def fit(self, rows: Floats, values: Floats, replicates: Floats) -> tuple[Floats, ...]:
        slope = rows @ self.design
        _determined(slope)
        solve = np.linalg.pinv(slope) @ rows
        return solve @ values, replicates @ solve.T, slope


class Nonlinear:
    """Any other model: minimised from `start`, and in each replicate from the minimum."""

    def __init__(self, model: Model, x: Floats, start: Sequence[float] | None) -> None:
        if start is None:
            raise ArgumentError(
                "a model given as a function needs start=, one number for each parameter; "
                "a linear one can be given as an array of its columns"
            )
        self.model, self.x = model, x
        self.start = np.array(start, dtype=np.float64)
        self.count = self.start.size
        shape = self.predict(self.start)
        if shape.shape != x.shape or not np.all(np.isfinite(shape)):
            raise ArgumentError(
                f"the model must return {x.size} finite numbers at start = {self.start.tolist()}, "
                f"got shape {shape.shape}; start elsewhere"
            )

    def predict(self, parameters: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self._model(parameters)

    def _model(self, parameters: Floats) -> Floats:
        return np.asarray(self.model(self.x, *parameters), dtype=np.float64)

    def fit(self, rows: Floats, values: Floats, replicates: Floats) -> tuple[Floats, ...]:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self._fit(rows, values, replicates)

    def _fit(self, rows: Floats, values: Floats, replicates: Floats) -> tuple[Floats, ...]:
        whole = self._minimum(rows, values, self.start, 1e-10)
        if not np.all(np.isfinite(whole)):
            raise AnalysisError(
                f"no minimum of chi^2 was found from start = {self.start.tolist()}; start closer, "
                "or fit fewer parameters"
            )
        slope = rows @ self._slope(whole)
        _determined(slope)
        residual, shifts = rows @ (values - self._model(whole)), (replicates - values) @ rows.T
        refits = refit(lambda x: rows @ self._model(x), whole, slope, residual, shifts)
        # Where that does not settle, the linear answer is still where to search.
        for at in np.flatnonzero(np.isnan(refits[:, 0])):
            start = whole + np.linalg.pinv(slope) @ shifts[at]
            refits[at] = self._minimum(rows, replicates[at], start, 1e-7)
        moved = np.any((refits != whole) & np.isfinite(refits), axis=0)
        if np.any(shifts) and not moved.all():  # on a plateau searches end where they begin
            raise AnalysisError(_UNDETERMINED)
        return whole, refits, slope

    def _minimum(self, rows: Floats, values: Floats, start: Floats, tolerance: float) -> Floats:
        """Return the minimum, or NaN where none is found."""
        from scipy.optimize import leastsq

        def residual(parameters: Floats) -> Floats:
            # A finite wall: the search must turn back from where the model overflows.
            distance = np.asarray(rows @ (values - self._model(parameters)))
            if np.isfinite(distance).all():
                return distance
            return np.nan_to_num(distance, nan=1e150, posinf=1e150, neginf=-1e150)

        found, _, _, _, status = leastsq(
            residual, start, full_output=True, xtol=tolerance, ftol=1e-10, maxfev=_MOST_CALLS
        )
        return np.asarray(found) if status in (1, 2, 3, 4) else np.full(self.count, nan)

    def _slope(self, at: Floats) -> Floats:
        unit = np.where(self.start != 0, np.abs(self.start), 1.0)
        steps = 1e-5 * np.maximum(np.abs(at), 1e-3 * unit)
        columns = []
        for i, step in enumerate(steps):
            up, down = at.copy(), at.copy()
            up[i], down[i] = at[i] + step, at[i] - step
            columns.append((self._model(up) - self._model(down)) / (2 * step))
        return np.stack(columns, axis=1)


def _determined(slope: Floats) -> None:
    """Refuse a fit in which some combination of parameters changes nothing."""
    top = np.abs(slope).max(axis=0)
    unit = slope / np.where(top > 0, top, 1.0)  # squares of large slopes overflow
    norms = np.sqrt((unit * unit).sum(axis=0))
    scaled = unit / np.where(norms > 0, norms, 1.0)
    # Central differences leave 1e-10 of a direction that is exactly flat.
    if (
        not (np.isfinite(scaled).all() and np.all(norms > 0))
        or np.linalg.svd(scaled, compute_uv=False)[-1] < 1e-9
    ):
        raise AnalysisError(_UNDETERMINED)
