"""Mass and speed of waves fitted to measured frequencies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.estimate import Estimate
from nnrg.stats.jackknife import jackknife_covariance
from nnrg.theory.hamiltonian._arguments import as_positive
from nnrg.theory.hamiltonian.dispersion import Dispersion

__all__ = ["DispersionFit", "fit_dispersion"]

Floats = npt.NDArray[np.float64]

_ROUNDING = 1e-13


@dataclass(frozen=True, slots=True)
class _Relation:
    """Omega of a frequency and a step of time, K of momenta and a spacing."""

    steps: Callable[[Floats, float], Floats]
    lattice: Callable[[Floats, float], Floats]
    timed: bool


_RELATIONS = {
    "continuum": _Relation(lambda w, _: w, lambda k, _: k, False),
    "klein_gordon": _Relation(
        lambda w, dt: 2 / dt * np.sin(w * dt / 2), lambda k, a: 2 / a * np.sin(k * a / 2), True
    ),
    "dirac": _Relation(lambda w, _: w, lambda k, a: np.sin(k * a) / a, False),
    "dirac_cayley": _Relation(
        lambda w, dt: 2 / dt * np.tan(w * dt / 2), lambda k, a: np.sin(k * a) / a, True
    ),
}


@dataclass(frozen=True, slots=True)
class DispersionFit:
    """A dispersion relation fitted to measured frequencies.

    Attributes
    ----------
    mass_squared, speed_squared : Estimate
    chi2, dof : float, int
    k_max : float
        Length of the largest k in the window.
    relation : str
    flag : str
        Why chi2 says nothing, or "".
    """

    mass_squared: Estimate
    speed_squared: Estimate
    chi2: float
    dof: int
    k_max: float
    relation: str
    flag: str = ""

    def __str__(self) -> str:
        return (
            f"{self.relation}: m^2 = {self.mass_squared}, c^2 = {self.speed_squared}, chi2/dof = "
            f"{self.chi2:.4g}/{self.dof}, |k| <= {self.k_max:.4g}"
            + (f"; {self.flag}" if self.flag else "")
        )


def fit_dispersion(
    measured: Dispersion,
    *,
    k_max: float | None = None,
    relation: str = "continuum",
    dt: float | None = None,
) -> DispersionFit:
    r"""Fit mass and speed of waves to measured frequencies.

    Parameters
    ----------
    measured : Dispersion
    k_max : float, optional
        Only modes of smaller \|k\|; by default all without a flag.
    relation : {"continuum", "klein_gordon", "dirac", "dirac_cayley"}
        :math:`\Omega^2 = m^2 + c^2 K^2`, where :math:`\Omega = \omega, K = k` in the continuum;
        :math:`\Omega = \frac{2}{\Delta t} \sin \frac{\omega \Delta t}{2}, K_\mu = \frac 2a \sin
        \frac{k_\mu a}{2}` of `KleinGordonLattice`; :math:`K_\mu = \frac 1a \sin k_\mu a` of
        `DiracLattice` without Wilson term with exact steps, and with :math:`\Omega =
        \frac{2}{\Delta t} \tan \frac{\omega \Delta t}{2}` with Cayley's.
    dt : float, optional
        Step of time, where the relation has one.

    Returns
    -------
    DispersionFit
        Errors are from refits with one run of times left out; chi2 takes modes as independent.

    Raises
    ------
    ArgumentError
        If there is no such relation, or its `dt` is missing.
    AnalysisError
        If fewer than three modes without a flag, or one \|k\| only, are in the window.
    """
    if not isinstance(measured, Dispersion):
        raise ArgumentError(f"expected a Dispersion, got {shown(measured)}; try measure_dispersion")
    if relation not in _RELATIONS:
        raise ArgumentError(f"relation must be one of {tuple(_RELATIONS)}, got {shown(relation)}")
    if dt is None and _RELATIONS[relation].timed:
        raise ArgumentError(f"the relation {relation!r} has a step of time; give dt")
    step = 0.0 if dt is None else as_positive("dt", dt)
    largest = np.inf if k_max is None else as_positive("k_max", k_max)
    size = np.sqrt((measured.k**2).sum(axis=1))
    kept = measured.good & (size <= largest * (1 + 1e-12))
    if kept.sum() < 3 or np.ptp(size[kept]) == 0:
        raise AnalysisError(
            f"{int(kept.sum())} modes without a flag are within k_max: three of different |k| are "
            "needed; record longer or take a larger k_max"
        )
    k, a = measured.k[kept], measured.spacing
    x = (_RELATIONS[relation].lattice(k, a) ** 2).sum(axis=1)

    def height(omega: Floats) -> Floats:
        return np.asarray(_RELATIONS[relation].steps(omega, step) ** 2)

    omega = measured.omega[kept]
    # A hair of a difference: the relations are smooth.
    nudge = 1e-6 * np.abs(omega) + _ROUNDING
    slope = (height(omega + nudge) - height(omega - nudge)) / (2 * nudge)
    sigma = np.maximum(np.abs(slope), _ROUNDING) * measured.error[kept]
    design = np.stack([np.ones_like(x), x], axis=1) / sigma[:, None]

    def fitted(frequencies: Floats) -> Floats:
        return np.asarray(np.linalg.lstsq(design, height(frequencies) / sigma, rcond=None)[0])

    best = fitted(omega)
    refits = np.stack([fitted(row[kept]) for row in measured.replicates])
    errors = np.sqrt(np.diag(jackknife_covariance(refits, best)))
    floor = np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    errors = np.maximum(errors, np.minimum(floor, _ROUNDING * np.abs(best).max()))
    chi2 = float(np.sum((height(omega) / sigma - design @ best) ** 2))
    count = measured.n_times
    rounded = np.median(measured.error[kept] / np.abs(omega)) < 2 * _ROUNDING
    return DispersionFit(
        Estimate(float(best[0]), float(errors[0]), count),
        Estimate(float(best[1]), float(errors[1]), count),
        chi2,
        int(kept.sum()) - 2,
        float(size[kept].max()),
        relation,
        "errors are those of rounding, and chi2 says nothing" if rounded else "",
    )
