"""Fits over many windows, and their average with the spread between them as an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import hypot, nan

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats._solvers import Model
from nnrg.stats._weighting import Handling
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates

__all__ = ["ModelAverage", "average_fits", "fit_windows"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ModelAverage:
    """One parameter averaged over fits, with both of its errors.

    Attributes
    ----------
    name : str
    value : float
    statistical : float
        Root of the average variance of the single fits.
    systematic : float
        Weighted standard deviation of the single fits about the average.
    weights : array of shape (n_fits,)
        Probability of each fit; they add up to one.
    fits : tuple of FitResult
    replicates : Replicates
        The average in each replicate, at these weights: what derived numbers start from. Its
        error is statistical alone.
    """

    name: str
    value: float
    statistical: float
    systematic: float
    weights: Floats
    fits: tuple[FitResult, ...]
    replicates: Replicates

    def __post_init__(self) -> None:
        self.weights.flags.writeable = False

    @property
    def best(self) -> FitResult:
        """The fit of largest weight."""
        return self.fits[int(np.argmax(self.weights))]

    @property
    def estimate(self) -> Estimate:
        """The average with both errors in quadrature; flagged if the best fit is."""
        count = self.replicates.dof + 1
        return Estimate(
            self.value,
            hypot(self.statistical, self.systematic),
            n_samples=count if np.isfinite(count) else nan,
            flag=self.best.flag,
        )

    def __str__(self) -> str:
        low, high = self.best.window
        return (
            f"{self.name} = {format_value_error(self.value, self.statistical)} statistical "
            f"+- {self.systematic:.2g} from {len(self.fits)} windows; best x from {low:g} to "
            f"{high:g}, chi2/dof = {self.best.chi2:.2f}/{self.best.dof}"
        )

    def table(self) -> str:
        """Return one line a window, heaviest first."""
        lines = [f"{'from':>8}  {'to':>8}  {self.name:>14}  {'chi2/dof':>10}  {'p':>7}  weight"]
        for i in np.argsort(-self.weights, kind="stable"):
            fit = self.fits[i]
            low, high = fit.window
            ratio = f"{fit.chi2:.1f}/{fit.dof}"
            lines.append(
                f"{low:8g}  {high:8g}  {fit.estimate(self.name)!s:>14}  {ratio:>10}  "
                f"{fit.p:7.2g}  {self.weights[i]:.3f}"
            )
        return "\n".join(lines)


def fit_windows(
    model: Callable[[Floats], npt.ArrayLike] | Model,
    x: npt.ArrayLike,
    data: Replicates,
    *,
    fewest: int,
    start: Callable[[Floats, Floats], Sequence[float]] | None = None,
    names: Sequence[str] | None = None,
    covariance: Handling = "auto",
) -> tuple[FitResult, ...]:
    """Fit every window of neighbouring points.

    Parameters
    ----------
    model : callable
        Without `start`, a function of x that returns the columns of a linear model, of shape
        (n, p); with `start`, ``model(x, a, b, ...)``.
    x : array_like of shape (n,)
        Increasing.
    data : Replicates
        n numbers with their replicates.
    fewest : int
        Points of the smallest window.
    start : callable, optional
        From x and the values in a window to where its search begins.
    names, covariance
        As for `correlated_fit`.

    Returns
    -------
    tuple of FitResult
        Of all windows in which a fit was possible; there is at least one.

    Raises
    ------
    ArgumentError
        If x does not increase or shapes do not fit.
    AnalysisError
        If there are fewer points than `fewest`, or no window allows a fit.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(6.0)
    >>> data = Replicates.from_covariance(np.r_[9.0, 2.0, 2.1, 1.9, 2.0, 2.1], np.full(6, 0.01))
    >>> fits = fit_windows(lambda x: np.ones((x.size, 1)), x, data, fewest=3, names=["level"])
    >>> print(average_fits(fits, "level"))
    level = 2.01(5) statistical +- 0.011 from 10 windows; best x from 1 to 5, chi2/dof = 2.80/4
    """
    points = np.asarray(x, dtype=np.float64)
    if points.ndim != 1 or points.shape != data.values.shape or not np.all(np.diff(points) > 0):
        raise ArgumentError(
            f"x must be a row of {data.values.size} increasing numbers, got shape {points.shape}; "
            "sort the data by x"
        )
    size = as_count("fewest", fewest, hint="it counts points of a window")
    if size > points.size:
        raise AnalysisError(
            f"{points.size} points hold no window of {size}; measure more, or fit fewer parameters"
        )
    fits: list[FitResult] = []
    reason: AnalysisError | None = None
    for low in range(points.size - size + 1):
        for high in range(points.size, low + size - 1, -1):
            at = np.arange(low, high)
            inside, part = points[at], data.select(at)
            try:
                if start is None:
                    columns = np.asarray(model(inside), dtype=np.float64)
                    fit = correlated_fit(columns, inside, part, names=names, covariance=covariance)
                else:
                    begin = start(inside, part.values)
                    fit = correlated_fit(
                        model, inside, part, start=begin, names=names, covariance=covariance
                    )
            except AnalysisError as error:
                reason = reason or error
                continue
            fits.append(fit)
    if reason is not None and not fits:
        raise reason
    return tuple(fits)


def average_fits(fits: Sequence[FitResult], name: str) -> ModelAverage:
    r"""Average one parameter over fits to parts of the same data.

    Parameters
    ----------
    fits : sequence of FitResult
        From the same data, as `fit_windows` returns them; models may differ.
    name : str
        A parameter that all of them have.

    Returns
    -------
    ModelAverage

    Raises
    ------
    ArgumentError
        If there are no fits, or one lacks the parameter.
    AnalysisError
        If no fit gives it an error.

    Notes
    -----
    .. math:: w \propto e^{-\frac12 (\chi^2 + 2 k + 2 n_{cut})}, \quad
              a = \sum w\, a_w, \quad
              \sigma^2 = \sum w\, \sigma_w^2 + \sum w\, (a_w - a)^2

    with k parameters and :math:`n_{cut}` numbers left out of the window (W. I. Jay and E. T. Neil,
    Physical Review D 103 (2021) 114502, doi:10.1103/PhysRevD.103.114502). Where the covariance was
    estimated, chi^2 is the one that would have the same p-value if it were known.

    A fit without a degree of freedom, which cannot fail, takes part with the penalty of all that
    it leaves out.
    """
    chosen = [fit for fit in fits if name in fit.names]
    if not chosen or len(chosen) < len(fits):
        raise ArgumentError(
            f"{len(fits) - len(chosen)} of {len(fits)} fits have no parameter {name!r}; "
            "give fits that share it"
        )
    columns = [fit.parameters.select(fit.names.index(name)) for fit in chosen]
    errors = np.array([float(column.errors()[0]) for column in columns])
    usable = np.flatnonzero(np.isfinite(errors))
    if not usable.size:
        raise AnalysisError(
            f"none of {len(chosen)} fits gives {name!r} an error; use fewer points or more groups"
        )
    kept = tuple(chosen[i] for i in usable)
    most = max(fit.x.size for fit in chosen)
    score = np.array(
        [fit.comparable_chi2 + 2 * len(fit.names) + 2 * (most - fit.x.size) for fit in kept]
    )
    weights = np.exp(-(score - score.min()) / 2)
    weights /= weights.sum()
    values = np.array([columns[i].values[0] for i in usable])
    average = float(weights @ values)
    rows = np.stack([columns[i].replicates[:, 0] for i in usable], axis=1)
    return ModelAverage(
        name,
        average,
        float(np.sqrt(weights @ errors[usable] ** 2)),
        float(np.sqrt(weights @ (values - average) ** 2)),
        weights,
        kept,
        columns[usable[0]].derived(np.array([average]), (rows @ weights)[:, None]),
    )
