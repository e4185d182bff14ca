"""Data collapse: curves of systems of different size laid on one scaling function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnrg._validate import as_real
from nnrg.errors import ArgumentError
from nnrg.stats._scaling_function import ScalingFunction
from nnrg.stats._weighting import judge
from nnrg.stats.estimate import Estimate
from nnrg.stats.fits import POOR_FIT
from nnrg.stats.replicates import Replicates
from nnrg.stats.scaling_curve import ScalingCurve, collapse_quality

__all__ = ["Collapse", "ScalingCurve", "collapse", "collapse_quality"]


@dataclass(frozen=True, slots=True, eq=False)
class Collapse:
    """Where curves of different sizes fall on one another.

    Attributes
    ----------
    parameters : Replicates
        Critical value of the control parameter, 1/nu, and kappa if it was fitted.
    chi2, dof, p : float
        Of the fit of one polynomial to the curves of all sizes.
    quality : float
        Mean square distance of each point from a line through its neighbours of other sizes, in
        its errors; about 1 for a collapse.
    degree : int
        Of the polynomial that the scaling function is.
    sizes : tuple of float
    note : str
        How the covariance was handled.
    flag : str
        Why it should not be trusted; empty if there is no reason.
    """

    parameters: Replicates
    chi2: float
    dof: int
    p: float
    quality: float
    degree: int
    sizes: tuple[float, ...]
    note: str
    flag: str = ""

    @property
    def critical(self) -> Estimate:
        """Critical value of the control parameter, in its unit."""
        return self._estimate(self.parameters.select(0))

    @property
    def nu(self) -> Estimate:
        """Exponent of the correlation length."""
        return self._estimate(self.parameters.select(1).map(lambda y: 1 / y))

    @property
    def kappa(self) -> Estimate | None:
        """Power of the size that the observable goes with; None if it was not fitted."""
        fitted = self.parameters.values.size > 2
        return self._estimate(self.parameters.select(2)) if fitted else None

    def _estimate(self, number: Replicates) -> Estimate:
        one = number.estimates()[0]
        return Estimate(one.value, one.error, n_samples=one.n_samples, flag=self.flag)

    def __str__(self) -> str:
        sizes = ", ".join(f"{size:g}" for size in self.sizes)
        kappa = "" if self.kappa is None else f", kappa = {self.kappa}"
        text = (
            f"critical value {self.critical}, nu = {self.nu}{kappa}; sizes {sizes}\n"
            f"chi2/dof = {self.chi2:.1f}/{self.dof}, p = {self.p:.2g}, polynomial of degree "
            f"{self.degree}, quality {self.quality:.2f}\n{self.note}"
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
    fitted together, the polynomial too, and again in each replicate; weights and p-value are those
    of `nnrg.stats.correlated_fit`. Replicates are one standard error up and down along each
    direction of the covariance where that is fewer than were measured.

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
    0.99970(22) 0.978(17)
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
    scaling = ScalingFunction(curves, joined, (critical, 1 / nu), kappa)
    degree, best, chi2 = scaling.best_degree()
    refits = np.stack([scaling.minimum(degree, row, best, 1e-7)[0] for row in joined.replicates])
    dof = len(scaling.weighting.rows) - best.size - degree - 1
    p, inflation = judge(chi2, dof, scaling.weighting, scaling.slope(degree, best))
    parameters = joined.derived(best, refits).inflated(inflation)
    power = float(best[2]) if kappa is None else kappa
    quality, _ = collapse_quality(
        curves, joined.values, joined.errors(), float(best[0]), float(best[1]), power
    )
    flags = []
    if p < POOR_FIT:
        flags.append(f"poor collapse: p = {p:.1g}")
    if not scaling.control.min() < best[0] < scaling.control.max():
        flags.append("critical value outside the data")
    if best[1] <= 0:
        flags.append("nu is negative")
    note = scaling.weighting.note
    return Collapse(
        parameters, chi2, dof, p, quality, degree, tuple(sizes.tolist()), note, "; ".join(flags)
    )
