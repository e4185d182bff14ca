"""How residuals are weighted in a fit: the square root of an inverse covariance, or of part of it.

An inverse needs the covariance to be known well: from N degrees of freedom, that of n numbers has
its inverse too large by N / (N - n - 1), and for N < n there is none. Weights that are wrong cost
precision only, weights that fluctuate with the data make errors too small: measured, correlations
shrunk towards zero still make them too small by a quarter at N = n, weights from errors alone not.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.replicates import Replicates

__all__ = ["Handling", "Weighting", "choose_weighting", "judge"]

Floats = npt.NDArray[np.float64]
Handling = Literal["auto", "full", "truncate", "diagonal"]

HANDLINGS = ("auto", "full", "truncate", "diagonal")
# Degrees of freedom a number from which the inverse of a covariance is taken as it is.
_ENOUGH = 4
# Eigenvalues of a correlation matrix that are rounding alone.
_ROUNDING = 1e-12
# Variance of residuals, in units of their own, that is rounding alone.
_STILL = 1e-18


@dataclass(frozen=True, slots=True)
class Weighting:
    """Rows that turn residuals into numbers whose squares add up to chi^2.

    Attributes
    ----------
    rows : array of shape (k, n)
    dof : float
        Degrees of freedom of the covariance behind them.
    exact : bool
        Whether chi^2 is Hotelling's: the rows are the root of the inverse of the covariance.
    spread : array of shape (n,)
        The errors.
    correlation : array of shape (n, n)
    note : str
        What was done, for the reader.
    """

    rows: Floats
    dof: float
    exact: bool
    spread: Floats
    correlation: Floats
    note: str


def choose_weighting(data: Replicates, handling: Handling, parameters: int) -> Weighting:
    """Weight the residuals of `data` for a fit of so many parameters."""
    if handling not in HANDLINGS:
        raise ArgumentError(
            f"covariance must be one of {', '.join(map(repr, HANDLINGS))}, got {shown(handling)}; "
            "try 'auto'"
        )
    n = data.values.size
    spread = data.errors()
    unusable = np.flatnonzero(~(np.isfinite(data.values) & np.isfinite(spread) & (spread > 0)))
    if unusable.size:
        raise AnalysisError(
            f"number {unusable[0]} of {n} is {data.values[unusable[0]]:.3g} with error "
            f"{spread[unusable[0]]:.3g}: a fit needs finite values with errors above zero; "
            "leave it out"
        )
    correlation = data.correlation()
    dof = data.dof
    source = "known" if not isfinite(dof) else f"from {dof:.0f} degrees of freedom"
    if handling == "auto":
        handling = "full" if dof >= _ENOUGH * n else "diagonal"
        # Numbers that move as one leave fewer directions than parameters, as a frozen field does.
        spectrum = np.linalg.eigvalsh(correlation)
        if np.count_nonzero(spectrum > _ROUNDING * spectrum[-1]) <= parameters < n:
            handling = "diagonal"
    if handling == "diagonal":
        note = f"weights from {n} errors alone, correlations (covariance {source}) in errors and p"
        return Weighting(np.diag(1 / spread), dof, False, spread, correlation, note)
    values, vectors = np.linalg.eigh(correlation)
    kept = values > _ROUNDING * values[-1]
    if handling == "truncate":
        most = n if dof == inf else max(parameters + 1, int(dof) // _ENOUGH)
        kept[: max(0, n - most)] = False
    elif not dof > n + 1:
        raise AnalysisError(
            f"a covariance of {n} numbers from {dof:.0f} degrees of freedom has no inverse of use; "
            "try covariance='diagonal'"
        )
    count = int(np.count_nonzero(kept))
    note = f"full covariance of {n} numbers, {source}"
    if count < n:
        note += f", {n - count} directions of least fluctuation left out"
    return Weighting(_rows(values, vectors, kept, spread), dof, True, spread, correlation, note)


def _rows(values: Floats, vectors: Floats, kept: npt.NDArray[np.bool_], spread: Floats) -> Floats:
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])).T / spread)


def judge(chi2: float, dof: int, weighting: Weighting, slope: Floats) -> tuple[float, float]:
    """Return the p-value, and the factor by which estimated weights make errors too small.

    `slope` holds the derivatives of the weighted model by its parameters, of shape (k, p).
    """
    from scipy.special import chdtrc, fdtrc

    known = weighting.dof
    if dof == 0:
        return nan, 1.0
    if weighting.exact and not isfinite(known):
        return float(chdtrc(dof, chi2)), 1.0
    if weighting.exact:
        left = known - dof
        if left <= 1:
            return nan, nan
        f = chi2 * (left + 1) / (dof * known)
        return float(fdtrc(dof, left + 1, f)), sqrt(known * (known - 1) / (left * (left - 1)))
    # The part of the weighted residual that the fit cannot follow, and its covariance.
    rest = np.linalg.qr(slope, mode="complete")[0][:, slope.shape[1] :]
    rows = rest.T @ (weighting.rows * weighting.spread)
    spread = rows @ weighting.correlation @ rows.T
    first, second = float(np.trace(spread)), float(np.sum(spread * spread))
    if first < _STILL * dof:  # the numbers cannot leave the model
        return nan, 1.0
    if isfinite(known):
        # tr S^2 of a matrix from N degrees of freedom is too large by (tr S)^2 / N.
        second = max(second - first * first / known, first * first / dof)
    effective = first * first / second
    f = chi2 / first
    if not isfinite(known):
        return float(chdtrc(effective, f * effective)), 1.0
    return float(fdtrc(effective, known, f)), 1.0
