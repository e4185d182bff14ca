"""The scaling function of a data collapse as a polynomial, and the search for its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, nan

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.stats._weighting import choose_weighting
from nnrg.stats.replicates import Replicates
from nnrg.stats.scaling_curve import ScalingCurve

__all__ = ["ScalingFunction"]

Floats = npt.NDArray[np.float64]

# Of the polynomial.
_DEGREES = range(2, 9)


class ScalingFunction:
    """Curves of all sizes as one polynomial, whose coefficients are solved for, not searched."""

    def __init__(
        self,
        curves: Sequence[ScalingCurve],
        data: Replicates,
        begin: tuple[float, float],
        kappa: float | None,
    ) -> None:
        self.control = np.concatenate([curve.control for curve in curves])
        length = np.concatenate([np.full(curve.control.size, curve.size) for curve in curves])
        # In units of the largest: exponents and coefficients then vary independently.
        self.length = length / length.max()
        self.scale = float(np.abs(self.control - begin[0]).max())
        self.data, self.kappa = data, kappa
        self.begin = np.array([*begin, *([0.0] if kappa is None else [])])
        self.weighting = choose_weighting(data, "auto", self.begin.size + _DEGREES[0] + 1)

    def columns(self, degree: int, at: Floats) -> Floats:
        power = at[2] if self.kappa is None else self.kappa
        with np.errstate(over="ignore", invalid="ignore"):
            u = (self.control - at[0]) / self.scale * self.length ** at[1]
            terms = np.vander(u, degree + 1, increasing=True) * (self.length**power)[:, None]
        return np.asarray(self.weighting.rows @ np.nan_to_num(terms, nan=1e150, posinf=1e150))

    def minimum(
        self, degree: int, values: Floats, start: Floats, tolerance: float
    ) -> tuple[Floats, float]:
        """Return the parameters of least chi^2, NaN where none are found, and chi^2."""
        from scipy.optimize import leastsq

        weighted = self.weighting.rows @ values

        def residual(at: Floats) -> Floats:
            basis = np.linalg.qr(self.columns(degree, at))[0]
            return np.asarray(weighted - basis @ (basis.T @ weighted))

        found, _, _, _, status = leastsq(
            residual, start, full_output=True, xtol=tolerance, ftol=1e-10, maxfev=300
        )
        if status not in (1, 2, 3, 4):
            return np.full(start.size, nan), nan
        return np.asarray(found), float(np.sum(residual(found) ** 2))

    def best_degree(self) -> tuple[int, Floats, float]:
        """Return the degree that chi^2 + 2 k prefers, its parameters and its chi^2."""
        best, start = (0, self.begin, inf), self.begin
        most = len(self.weighting.rows) - self.begin.size - 2
        for degree in _DEGREES:
            if degree > most:
                break
            found, chi2 = self.minimum(degree, self.data.values, start, 1e-10)
            if not isfinite(chi2):
                continue
            start = found
            if chi2 + 2 * degree < best[2] + 2 * best[0]:
                best = (degree, found, chi2)
        if not best[0]:
            raise AnalysisError(
                "no polynomial describes the curves from this start: start closer, or measure at "
                "more values of the control parameter"
            )
        return best

    def slope(self, degree: int, best: Floats) -> Floats:
        """Return the derivatives of the weighted model by all of its parameters."""
        inner = self.columns(degree, best)
        weighted = self.weighting.rows @ self.data.values
        coefficients = np.linalg.lstsq(inner, weighted)[0]
        outer = []
        for i, step in enumerate(1e-6 * np.maximum(np.abs(best), 1e-3)):
            shift = np.where(np.arange(best.size) == i, step, 0.0)
            up, down = (self.columns(degree, best + sign * shift) for sign in (1, -1))
            outer.append((up - down) @ coefficients / (2 * step))
        return np.column_stack([*outer, inner])
