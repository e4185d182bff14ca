"""One layer on the phase diagram: the mean-field theory of an endless network of such layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnrg.activation_functions import Activation
from nnrg.errors import AnalysisError
from nnrg.stats.estimate import Estimate
from nnrg.theory.criticality.critical_line import critical_line
from nnrg.theory.criticality.mean_field import MeanField
from nnrg.theory.placement.scales import LayerScales

__all__ = ["LayerPhase", "layer_phase"]

_NAMES = ("q_star", "chi_1", "chi_par", "xi_q", "xi_c")
# Sigmas from chi_1 = 1 below which ordered and chaotic are not told apart.
TOLD = 3.0


@dataclass(frozen=True, slots=True)
class LayerPhase:
    """A layer's place, errors propagated from those of (sigma_w, sigma_b).

    Attributes
    ----------
    scales : LayerScales
        The measured (sigma_w, sigma_b).
    q_star, chi_1, chi_par, xi_q, xi_c : Estimate
        Of a network all of whose layers have these; see `MeanField`. The error of a depth scale
        is infinite where an infinite one cannot be excluded.
    phase : str
        ``"ordered"`` or ``"chaotic"`` by 3 sigmas or more, else ``"cannot be told"``.
    sigmas : float
        (chi_1 - 1) in its errors; positive in the chaotic phase.
    critical_sigma_w : Estimate
        sigma_w on the line chi_1 = 1 at this sigma_b; NaN where there is none.
    distance : float
        (sigma_w - critical_sigma_w) in its errors.
    flag : str
        Why a number cannot be given, or what it takes for granted.
    """

    scales: LayerScales
    q_star: Estimate
    chi_1: Estimate
    chi_par: Estimate
    xi_q: Estimate
    xi_c: Estimate
    phase: str
    sigmas: float
    critical_sigma_w: Estimate
    distance: float
    flag: str


def layer_phase(scales: LayerScales, activation: Activation) -> LayerPhase:
    """Place one layer; errors by what one error of sigma_w, and of sigma_b, changes.

    Notes
    -----
    sigma_w and sigma_b are taken as independent, as weights and biases of a random network are.
    Depth scales diverge at the edge of chaos, on both sides of it: errors are those of their
    inverse, and the larger change of the two directions.
    """
    w, b = scales.sigma_w, scales.sigma_b
    centre = MeanField(activation, w.value, b.value)
    found = _propagated(activation, centre, w, b)
    chi = found["chi_1"]
    sigmas = (chi.value - 1) / chi.error if chi.error > 0 else np.nan
    phase = "cannot be told"
    if np.isfinite(sigmas) and abs(sigmas) >= TOLD:
        phase = "chaotic" if sigmas > 0 else "ordered"
    critical = _critical(activation, b)
    spread = float(np.hypot(w.error, critical.error))
    known = np.isfinite(critical.value) and spread > 0
    return LayerPhase(
        scales=scales,
        phase=phase,
        sigmas=float(sigmas),
        critical_sigma_w=critical,
        distance=(w.value - critical.value) / spread if known else float("nan"),
        flag=centre.flag,
        **found,
    )


def _propagated(
    activation: Activation, centre: MeanField, w: Estimate, b: Estimate
) -> dict[str, Estimate]:
    """Return numbers and their errors from those of sigma_w and sigma_b."""
    values = _numbers(centre)
    squares = np.zeros(values.size)
    for step in ((w.error, 0.0), (0.0, b.error)):
        if not any(step):
            continue
        moved = [
            _numbers(
                MeanField(
                    activation,
                    max(w.value + sign * step[0], 0.0),
                    max(b.value + sign * step[1], 0.0),
                )
            )
            for sign in (1, -1)
        ]
        with np.errstate(invalid="ignore"):  # a scale of zero
            squares += np.abs(np.array(moved) - values).max(axis=0) ** 2
    found = [
        Estimate(float(value), float(error))
        for value, error in zip(values, np.sqrt(squares), strict=True)
    ]
    return dict(zip(_NAMES, found, strict=True)) | {
        "xi_q": _scale(centre.xi_q, found[-2]),
        "xi_c": _scale(centre.xi_c, found[-1]),
    }


def _numbers(field: MeanField) -> np.ndarray:
    """Return what has an error, depth scales as their inverse."""
    with np.errstate(divide="ignore"):
        rates = 1 / np.array([field.xi_q, field.xi_c])
    return np.array([field.q_star, field.chi_1, field.chi_par, *rates])


def _scale(scale: float, rate: Estimate) -> Estimate:
    """Return a depth scale with the error of its inverse."""
    if np.isfinite(rate.error) and rate.error >= rate.value:
        return Estimate(scale, np.inf)
    return Estimate(scale, rate.error * scale**2)


def _critical(activation: Activation, b: Estimate) -> Estimate:
    """Return sigma_w of the critical line at a measured sigma_b."""
    if activation.slopes is not None:  # chi_1 does not depend on q, nor on sigma_b
        a, c = activation.slopes
        value = (2 / (a * a + c * c)) ** 0.5 if a or c else np.nan
        return Estimate(value, 0.0)
    grid = np.array([b.value, max(b.value - b.error, 0.0), b.value + b.error])
    try:
        line = critical_line(activation, sigma_b=grid)
    except AnalysisError:
        return Estimate(np.nan, np.nan)
    value, low, high = line.sigma_w
    width = grid[2] - grid[1]
    error = abs(high - low) / width * b.error if width > 0 else 0.0
    return Estimate(float(value), float(np.hypot(error, line.sigma_w_error[0])))
