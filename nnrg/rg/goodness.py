"""Goodness of fit of an action on functions that are not in its basis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.rg.schwinger_dyson import LinearSystem
from nnrg.stats.jackknife import jackknife_covariance

__all__ = ["Goodness", "goodness_of_fit"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Goodness:
    """Studentised residuals of the Schwinger-Dyson equations outside the basis, and their test.

    Attributes
    ----------
    tests : tuple of str
    residuals : array of shape (n_tests,)
        In units of their own standard errors.
    chi2, dof, p : float
        Hotelling's T^2 of all residuals with their covariance; p from its F distribution.
    """

    tests: tuple[str, ...]
    residuals: Array
    chi2: float
    dof: float
    p: float


def goodness_of_fit(system: LinearSystem, couplings: Array) -> Goodness:
    """Test <F dS/dphi_x> = <dF/dphi_x> for every F outside the basis.

    Parameters
    ----------
    system : LinearSystem
    couplings : array of shape (1 + n_groups, n_operators)
        Solutions of the system, whole and with each group left out: the residual is refitted in
        every replicate, so that its covariance holds the errors of the couplings too.

    Returns
    -------
    Goodness
        NaN where there are too few groups for the number of tests.
    """
    from scipy.special import fdtrc

    residual = np.einsum("gta,ga->gt", system.test_matrix, couplings) - system.test_rhs
    unknown = Goodness(system.tests, np.full(len(system.tests), np.nan), np.nan, np.nan, np.nan)
    groups = system.filled
    if not np.all(np.isfinite(residual)) or not system.tests or groups < len(system.tests) + 4:
        return unknown
    covariance = jackknife_covariance(residual[1:], residual[0], system.weights)
    spread = np.sqrt(np.diag(covariance))
    if not np.all(spread > 0):
        return unknown
    scaled = residual[0] / spread
    # Directions that the tests share up to rounding are dropped, and not counted.
    values, vectors = np.linalg.eigh(covariance / np.outer(spread, spread))
    kept = values > 1e-8 * values[-1]
    dof = int(np.count_nonzero(kept))
    chi2 = float(np.sum((vectors[:, kept].T @ scaled) ** 2 / values[kept]))
    p = fdtrc(dof, groups - dof, chi2 * (groups - dof) / (dof * (groups - 1)))
    return Goodness(system.tests, scaled, chi2, float(dof), float(p))
