"""Data collapse: curves of systems of different size laid on one scaling function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.estimate import Estimate
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates

__all__ = ["Collapse", "ScalingCurve", "collapse", "collapse_quality"]

Floats = npt.NDArray[np.float64]

# Of the polynomial that stands for the scaling function.
_DEGREES = range(2, 9)


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
        control = np.array(self.control, dtype=np.float64)
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


@dataclass(frozen=True, slots=True, eq=False)
class Collapse:
    """Where curves of different sizes fall on one another.

    Attributes
    ----------
    fit : FitResult
        Of ``critical``, ``inverse_nu``, ``kappa`` (if it was fitted) and the coefficients of the
        scaling function; with chi^2 and p.
    quality : float
        Mean square distance of each point from a line through its neighbours of other sizes, in
        its errors; about 1 for a collapse.
    degree : int
        Of the polynomial that the scaling function is.
    sizes : tuple of float
    flag : str
        Why it should not be trusted; empty if there is no reason.
    """

    fit: FitResult
    quality: float
    degree: int
    sizes: tuple[float, ...]
    flag: str = ""

    @property
    def critical(self) -> Estimate:
        """Critical value of the control parameter, in its unit."""
        return self._flagged(self.fit.estimate("critical"))

    @property
    def nu(self) -> Estimate:
        """Exponent of the correlation length."""
        at = self.fit.names.index("inverse_nu")
        inverse = self.fit.parameters.select(at)
        return self._flagged(inverse.map(lambda y: 1 / y).estimates()[0])

    @property
    def kappa(self) -> Estimate | None:
        """Power of the size that the observable goes with; None if it was not fitted."""
        fitted = "kappa" in self.fit.names
        return self._flagged(self.fit.estimate("kappa")) if fitted else None

    def _flagged(self, one: Estimate) -> Estimate:
        return Estimate(one.value, one.error, n_samples=one.n_samples, flag=self.flag)

    def __str__(self) -> str:
        sizes = ", ".join(f"{size:g}" for size in self.sizes)
        kappa = "" if self.kappa is None else f", kappa = {self.kappa}"
        text = (
            f"critical value {self.critical}, nu = {self.nu}{kappa}; sizes {sizes}\n"
            f"chi2/dof = {self.fit.chi2:.1f}/{self.fit.dof}, p = {self.fit.p:.2g}, polynomial of "
            f"degree {self.degree}, quality {self.quality:.2f}\n{self.fit.note}"
        )
        return f"{text}\nflag: {self.flag}" if self.flag else text


def collapse(
    curves: Sequence[ScalingCurve],
    *,
    start: tuple[float, float],
    kappa: float | None = 0.0,
) -> Collapse:
    r"""Find the critical point and exponents that lay curves of all sizes on one another.

    Parameters
    ----------
    curves : sequence of ScalingCurve
        Two sizes or more, independent of one another.
    start : tuple of two floats
        Where the search begins: critical value of the control parameter, and nu.
    kappa : float, optional
        Power of the size of the observable, 0 for a Binder cumulant; None to fit it.

    Returns
    -------
    Collapse
        Flagged where the curves do not collapse, or the critical point lies outside the data.

    Raises
    ------
    ArgumentError
        If there are fewer than two sizes, or `start` is out of range.
    AnalysisError
        If no minimum is found.

    Notes
    -----
    .. math:: O(t, L) = L^\kappa f\big( (t - t_c) L^{1/\nu} \big)

    with f a polynomial of the degree, 2 to 8, that :math:`\chi^2 + 2 k` prefers. Everything is
    fitted together by `nnrg.stats.correlated_fit`, the polynomial too, and again in each replicate.
    Replicates are one standard error up and down along each direction of the covariance where that
    is fewer than were measured.

    The quality is that of J. Houdayer and A. K. Hartmann, Physical Review B 70 (2004) 014418,
    doi:10.1103/PhysRevB.70.014418, which assumes no form of f but that it is straight between
    neighbouring points.

    Corrections to scaling are not part of the model: drop the smallest sizes and compare.

    Examples
    --------
    >>> import numpy as np
    >>> control, rng = np.linspace(0.97, 1.03, 13), np.random.default_rng(1)
    >>> curves = []
    >>> for size in (8, 16, 32):
    ...     exact = np.tanh((control - 1.0) * size)
    ...     measured = exact + 0.01 * rng.normal(size=13)
    ...     errors = Replicates.from_covariance(measured, np.full(13, 1e-4))
    ...     curves.append(ScalingCurve(size, control, errors))
    >>> found = collapse(curves, start=(0.98, 1.2))
    >>> print(found.critical, found.nu)
    1
    """
    sizes = np.array([curve.size for curve in curves])
    if np.unique(sizes).size < 2:
        raise ArgumentError(
            f"a collapse needs two sizes or more, got {sizes.tolist()}; measure a larger system"
        )
    critical, nu = (as_real("start", value) for value in start)
    if nu <= 0:
        raise ArgumentError(f"nu must be positive at the start, got {nu}; try 1")
    joined = Replicates.join([curve.data for curve in curves])
    if len(joined.replicates) > 2 * joined.values.size:
        joined = Replicates.from_covariance(joined.values, joined.covariance(), dof=joined.dof)
    control = np.concatenate([curve.control for curve in curves])
    length = np.concatenate([np.full(curve.control.size, curve.size) for curve in curves])
    fits = _fits(control, length / sizes.max(), joined, (critical, 1 / nu), kappa)
    degree = min(fits, key=lambda n: fits[n].comparable_chi2 + 2 * n)
    fit = fits[degree]
    best = dict(zip(fit.names, fit.parameters.values.tolist(), strict=True))
    power = best["kappa"] if kappa is None else kappa
    quality, _ = collapse_quality(
        curves, joined.values, joined.errors(), best["critical"], best["inverse_nu"], power
    )
    flags = [fit.flag.replace("poor fit", "poor collapse")] if fit.flag else []
    if not control.min() < best["critical"] < control.max():
        flags.append("critical value outside the data")
    if best["inverse_nu"] <= 0:
        flags.append("nu is negative")
    return Collapse(fit, quality, degree, tuple(sizes.tolist()), "; ".join(flags))


def _fits(
    control: Floats,
    length: Floats,
    data: Replicates,
    begin: tuple[float, float],
    kappa: float | None,
) -> dict[int, FitResult]:
    """Return the fits of all degrees that the data determine, by degree."""
    # Lengths are in units of the largest: kappa and the coefficients then vary independently.
    scale = float(np.abs(control - begin[0]).max())
    names = ["critical", "inverse_nu", *(["kappa"] if kappa is None else [])]
    first = [*begin, *([0.0] if kappa is None else [])]
    errors = data.errors()

    def columns(degree: int, critical: float, inverse_nu: float, power: float) -> Floats:
        u = (control - critical) / scale * length**inverse_nu
        return np.vander(u, degree + 1, increasing=True) * (length**power)[:, None]

    fits: dict[int, FitResult] = {}
    reason = AnalysisError("no polynomial describes the curves; give more points")
    for degree in _DEGREES:
        if degree + 1 + len(names) >= control.size:
            break

        def model(x: Floats, *parameters: float, degree: int = degree) -> Floats:
            power = parameters[2] if kappa is None else kappa
            coefficients = np.array(parameters[len(names) :])
            with np.errstate(over="ignore", invalid="ignore"):
                return columns(degree, parameters[0], parameters[1], power) @ coefficients

        design = columns(degree, first[0], first[1], first[2] if kappa is None else kappa)
        coefficients = np.linalg.lstsq(design / errors[:, None], data.values / errors)[0]
        called = [*names, *(f"c{i}" for i in range(degree + 1))]
        try:
            fit = correlated_fit(model, control, data, start=[*first, *coefficients], names=called)
        except AnalysisError as error:
            reason = error
            continue
        fits[degree] = fit
        first = fit.parameters.values[: len(names)].tolist()
    if not fits:
        raise reason
    return fits


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
