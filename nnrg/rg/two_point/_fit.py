"""Least squares with the jackknife covariance, refitted with each group left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.two_point._replicates import Replicates
from nnrg.stats.estimate import Estimate, format_value_error

__all__ = ["Fit", "best", "fit_replicates"]

Array = npt.NDArray[np.float64]

# With fewer groups than this times the number of points the covariance is shrunk.
_PLENTY = 3
_STEPS = 4
_ACCEPTED = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Parameters of a correlated fit.

    Attributes
    ----------
    names : tuple of str
    parameters : Replicates
        Refitted with each group left out; deviations of the refits are widened, because weights
        that fluctuate with the data make the refits agree too well.
    chi2, p : float
        Of all residuals with their covariance; p from Hotelling's F distribution, NaN where the
        covariance had to be shrunk.
    dof : int
        Points less parameters.
    window : tuple of float
        First and last point used, in the unit of the abscissa.
    note : str
        How the covariance was treated.
    """

    names: tuple[str, ...]
    parameters: Replicates
    chi2: float
    dof: int
    p: float
    window: tuple[float, float]
    note: str

    @property
    def criterion(self) -> float:
        """Return chi^2 + 2 parameters - 2 points: of two windows, the lower is the better."""
        points = self.dof + len(self.names)
        return self.chi2 + 2 * len(self.names) - 2 * points

    def estimate(self, name: str) -> Estimate:
        """Return one parameter with its error."""
        if name not in self.names:
            raise ArgumentError(f"no parameter {name!r}; there are {', '.join(self.names)}")
        i = self.names.index(name)
        return self.derived(lambda row: row[:, i : i + 1])

    def derived(self, function: Callable[[Array], Array]) -> Estimate:
        """Return one number computed from the parameters, ``(rows, P) -> (rows, 1)``."""
        number = self.parameters.map(function)
        error = float(number.errors()[0])
        flag = "poor fit" if self.p < 0.01 else ""
        if np.isnan(error):
            flag = "unstable: there is no fit without some of the groups"
        return Estimate(float(number.value[0]), error, n_samples=number.n_groups, flag=flag)

    def __str__(self) -> str:
        errors = self.parameters.errors()
        cells = [
            f"{n} = {format_value_error(v, e)}"
            for n, v, e in zip(self.names, self.parameters.value, errors, strict=True)
        ]
        low, high = self.window
        fit = f"chi2/dof = {self.chi2:.1f}/{self.dof}, p = {self.p:.2g}"
        return ", ".join([*cells, fit, f"window {low:.4g} .. {high:.4g}", self.note])


def fit_replicates(
    data: Replicates,
    model: Callable[[Array], Array],
    start: Array,
    names: Sequence[str],
    window: tuple[float, float],
) -> Fit:
    """Fit ``model(parameters) -> (P,)`` to P numbers with one covariance.

    Raises
    ------
    AnalysisError
        If there are fewer points than parameters, a number or its error is not finite, or there
        is no minimum.

    Notes
    -----
    chi^2 (N - nu + 1) / (nu N) with N = G - 1 for G groups and nu degrees of freedom follows
    F(nu, N - nu + 1), and the covariance of the refitted parameters is multiplied by
    N (N - 1) / ((N - nu) (N - nu - 1)): (J^T S^-1 J)^-1 with a Wishart matrix S in place of its
    mean is (N - nu) / N of what it should be, and the parameters scatter (N - 1) / (N - nu - 1)
    times more. With fewer than three groups a point, correlations are halved instead; parameters
    and errors stay right, chi^2 has no known law.
    """
    from scipy.optimize import least_squares
    from scipy.special import fdtrc

    points, count = data.rows.shape[1], len(names)
    nu = points - count
    if nu < 0:
        raise AnalysisError(
            f"a fit of {', '.join(names)} needs {count} points or more, got {points} between "
            f"{window[0]:.4g} and {window[1]:.4g}; widen the window or fit fewer terms"
        )
    covariance = data.covariance()
    spread = np.sqrt(np.diag(covariance))
    if not (np.all(np.isfinite(data.rows)) and np.all(spread > 0)):
        raise AnalysisError(
            "a correlated fit needs finite numbers with errors; use more samples or other bins"
        )
    correlation = covariance / np.outer(spread, spread)
    full = data.n_groups >= _PLENTY * points
    if not full:
        correlation = (correlation + np.eye(points)) / 2
    values, vectors = np.linalg.eigh(correlation)
    kept = values > 1e-10 * values[-1]
    root = (vectors[:, kept] / np.sqrt(values[kept])).T / spread

    # The search has absolute tolerances: it must not see the unit of the field.
    unit = np.where(start != 0, np.abs(start), 1.0)

    def residual(relative: Array, y: Array) -> Array:
        misfit = root @ (model(relative * unit) - y)
        return np.where(np.isfinite(misfit), misfit, 1e6)

    with np.errstate(all="ignore"):
        found = least_squares(
            residual, start / unit, x_scale="jac", args=(data.rows[0],), max_nfev=200
        )
        rows = [found.x, *_refit(residual, found.x, data.rows[1:])]
    chi2 = float(2 * found.cost)
    if not found.success or not chi2 < 1e8:
        raise AnalysisError(
            f"no minimum was found for {', '.join(names)} between {window[0]:.4g} and "
            f"{window[1]:.4g}; fit fewer terms"
        )
    n, p, inflation = data.n_groups - 1, np.nan, 1.0
    if full and nu > 0:
        p = float(fdtrc(nu, n - nu + 1, chi2 * (n - nu + 1) / (nu * n)))
        inflation = float(np.sqrt(n * (n - 1) / ((n - nu) * (n - nu - 1))))
    how = "full covariance" if full else "correlations halved: few groups, no p"
    refits = unit * (found.x + inflation * (np.array(rows) - found.x))
    return Fit(tuple(names), Replicates(refits, data.weights), chi2, nu, p, window, how)


def _refit(residual: Callable[[Array, Array], Array], start: Array, replicates: Array) -> Array:
    """Return the minima for slightly different data: Newton steps with the slopes at `start`.

    NaN where they do not settle: the minimum is then not near, or is none.
    """
    y = replicates[0]
    slopes = np.empty((residual(start, y).size, start.size))
    for i in range(start.size):
        h = 1e-6 * max(abs(start[i]), 1e-3 * np.abs(start).max(), 1e-300)
        step = np.where(np.arange(start.size) == i, h, 0.0)
        slopes[:, i] = (residual(start + step, y) - residual(start - step, y)) / (2 * h)
    scale = np.linalg.norm(slopes, axis=0)
    minima = np.full((replicates.shape[0], start.size), np.nan)
    if not (np.all(np.isfinite(slopes)) and np.all(scale > 0)):
        return minima
    invert = np.linalg.pinv(slopes / scale) / scale[:, None]
    for row, y in zip(minima, replicates, strict=True):
        x, moves = start, []
        for _ in range(_STEPS):
            move = invert @ residual(x, y)
            x = x - move
            moves.append(float(np.linalg.norm(move * scale)))
        # Steps are in errors of the parameters, of which a replicate moves a fraction.
        if moves[-1] < max(1e-3, 0.1 * moves[0]):
            row[:] = x
    return minima


def best(fits: Sequence[Fit]) -> Fit:
    """Return the fit of the most points whose p-value is above 0.01, or the one that costs least.

    To take the window that fits best, chi^2 + 2 parameters + 2 points left out, of all of them
    would add the scatter of that choice to the parameters, and no error would know of it.
    """
    widest = sorted(fits, key=lambda fit: -fit.dof)
    return next((fit for fit in widest if fit.p > _ACCEPTED), min(fits, key=lambda f: f.criterion))
