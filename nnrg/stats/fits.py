"""Fits to correlated numbers, refitted in every replicate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, isnan, nan

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats._arrays import real_array
from nnrg.stats._solvers import Linear, Model, Nonlinear
from nnrg.stats._weighting import Handling, choose_weighting, judge
from nnrg.stats.estimate import Estimate
from nnrg.stats.replicates import Replicates

__all__ = ["FitResult", "chance_of_zero", "correlated_fit"]

Floats = npt.NDArray[np.float64]

# Below this p-value a fit is called poor.
POOR_FIT = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class FitResult:
    """Parameters of a fit with one covariance, and whether the model describes the data.

    Attributes
    ----------
    names : tuple of str
    parameters : Replicates
        In the order of `names`; functions of them are taken with ``parameters.map``.
    chi2, dof, p : float
        Hotelling's T^2 where the covariance was estimated, with its F distribution; p is NaN
        where no degree of freedom is left.
    x : array of shape (n,)
        Where the data were taken.
    residuals : array of shape (n,)
        (data - model) / error.
    window : tuple of float
        First and last x that the data are about.
    note : str
        How the covariance was handled.
    flag : str
        Why the fit should not be trusted; empty if there is no reason.
    """

    names: tuple[str, ...]
    parameters: Replicates
    chi2: float
    dof: int
    p: float
    x: Floats
    residuals: Floats
    window: tuple[float, float]
    note: str
    flag: str = ""

    def __post_init__(self) -> None:
        self.x.flags.writeable = self.residuals.flags.writeable = False

    @property
    def comparable_chi2(self) -> float:
        """The chi^2 that has the same p-value where the covariance is known."""
        from scipy.special import chdtri

        if self.dof == 0:
            return 0.0
        same = float(chdtri(self.dof, self.p)) if self.p > 0 else inf
        return same if isfinite(same) else self.chi2

    def estimate(self, name: str) -> Estimate:
        """Return one parameter with its error and the flag of the fit.

        Raises
        ------
        ArgumentError
            If there is no such parameter.
        """
        if name not in self.names:
            raise ArgumentError(f"no parameter {name!r}; there are {', '.join(self.names)}")
        return self.parameters.estimate(self.names.index(name), flag=self.flag)

    def __str__(self) -> str:
        low, high = self.window
        shown = ", ".join(f"{name} = {self.estimate(name)}" for name in self.names)
        p = "" if isnan(self.p) else f", p = {self.p:.2g}"
        lines = [
            shown,
            f"chi2/dof = {self.chi2:.2f}/{self.dof}{p}, x from {low:g} to {high:g} "
            f"({self.x.size} points)",
            self.note,
        ]
        return "\n".join([*lines, f"flag: {self.flag}"] if self.flag else lines)


def correlated_fit(
    model: Model | npt.ArrayLike,
    x: npt.ArrayLike,
    data: Replicates,
    *,
    start: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
    covariance: Handling = "auto",
    window: tuple[float, float] | None = None,
) -> FitResult:
    r"""Fit a model by least squares with the full covariance, and refit it in every replicate.

    Parameters
    ----------
    model : array_like of shape (n, p), or callable
        The columns of a model linear in its parameters, or a function of x and the parameters,
        ``model(x, a, b, ...)``, that returns n numbers.
    x : array_like of shape (n,)
        Where the data were taken, in any unit.
    data : Replicates
        n numbers with their replicates.
    start : sequence of float, optional
        Where the search begins; needed by a callable.
    names : sequence of str, optional
        What the parameters are called; ``p0``, ``p1``, ... if left out.
    covariance : {"auto", "full", "truncate", "diagonal"}
        How residuals are weighted: ``"full"`` by the inverse covariance, ``"truncate"`` by that of
        its largest eigenvalues, one for four degrees of freedom, ``"diagonal"`` by the errors
        alone. ``"auto"`` is ``"full"`` where the covariance has at least four degrees of freedom a
        number, else ``"diagonal"``. `FitResult.note` says what was done.
    window : pair of float, optional
        First and last x that the data are about, where x are centres of bins; those of x if left
        out.

    Returns
    -------
    FitResult

    Raises
    ------
    ArgumentError
        If shapes do not fit or an option is unknown.
    AnalysisError
        If there are fewer numbers than parameters, a number has no error, the data do not determine
        the parameters, or no minimum is found.

    Notes
    -----
    :math:`\chi^2 = (y - f)^T C^{-1} (y - f)`. With C from N degrees of freedom and
    :math:`\nu = n - p`, :math:`\chi^2 (N - \nu + 1) / (\nu N)` follows
    :math:`F(\nu, N - \nu + 1)`, and the covariance of the refitted parameters is multiplied by
    :math:`\frac{N (N - 1)}{(N - \nu)(N - \nu - 1)}`: weights that fluctuate with the data make the
    refits agree too well and the parameters scatter more (derived for linear models and Gaussian
    data; compare D. Toussaint and W. Freeman, arXiv:0808.2211).

    With weights from the errors alone the parameters are less precise but no less right, and their
    errors, which come from the replicates, hold all correlations; chi^2 is then a sum of squares
    with unequal weights :math:`\lambda_i`, whose p-value uses :math:`\sum \lambda` and
    :math:`\sum \lambda^2` (F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110; M. Bruno and R.
    Sommer, arXiv:2209.14188). The covariance is the same in every replicate.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(6.0)
    >>> samples = 2.0 + 0.5 * x + np.random.default_rng(4).normal(size=(200, 6))
    >>> line = np.stack([np.ones(6), x], axis=1)
    >>> fit = correlated_fit(line, x, Replicates.of_mean(samples), names=("a", "b"))
    >>> print(fit)
    a = 2.05(5), b = 0.477(18)
    chi2/dof = 5.43/4, p = 0.26, x from 0 to 5 (6 points)
    full covariance of 6 numbers, from 127 degrees of freedom
    """
    points = real_array("x", x)
    if points.ndim != 1 or data.values.shape != points.shape:
        raise ArgumentError(
            f"x must be a row of as many numbers as the data, got {points.shape} and "
            f"{data.values.shape}; select the data of the window first"
        )
    solver: Linear | Nonlinear
    if callable(model):
        solver = Nonlinear(model, points, start)
    else:
        solver = Linear(real_array("model", model), points.size)
    count = solver.count
    called = tuple(names) if names is not None else tuple(f"p{i}" for i in range(count))
    if len(called) != count:
        raise ArgumentError(f"{count} parameters need as many names, got {', '.join(called)}")
    if points.size < count:
        raise AnalysisError(
            f"{points.size} numbers do not determine {count} parameters: {', '.join(called)} "
            "needs as many; widen the window or fit fewer"
        )
    weighting = choose_weighting(data, covariance, count)
    if len(weighting.rows) < count:
        raise AnalysisError(
            f"{len(weighting.rows)} directions of the covariance do not determine {count} "
            "parameters; try covariance='diagonal'"
        )
    whole, refits, slope = solver.fit(weighting.rows, data.values, data.replicates)
    residual = data.values - solver.predict(whole)
    chi2 = float(np.sum((weighting.rows @ residual) ** 2))
    dof = len(weighting.rows) - count
    p, inflation = judge(chi2, dof, weighting, slope)
    parameters = data.derived(whole, refits).inflated(inflation)
    flags = []
    if p < POOR_FIT:
        flags.append(f"poor fit: p = {p:.1g}")
    if not np.all(np.isfinite(refits)):
        flags.append("unstable: no minimum in some replicates")
    return FitResult(
        called,
        parameters,
        chi2,
        dof,
        p,
        points,
        np.asarray(residual / weighting.spread),
        (float(points.min()), float(points.max())) if window is None else window,
        weighting.note,
        "; ".join(flags),
    )


def chance_of_zero(data: Replicates) -> float:
    """Return the p-value of all numbers being zero, by Hotelling's T^2; NaN where it is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> samples = np.random.default_rng(2).normal(size=(200, 3))
    >>> chance_of_zero(Replicates.of_mean(samples)) > 0.01
    True
    >>> chance_of_zero(Replicates.of_mean(samples + 1)) < 1e-9
    True
    """
    try:
        weighting = choose_weighting(data, "full", 0)
    except AnalysisError:
        return nan
    rows = weighting.rows
    chi2 = float(np.sum((rows @ data.values) ** 2))
    return judge(chi2, len(rows), weighting, np.empty((len(rows), 0)))[0]
