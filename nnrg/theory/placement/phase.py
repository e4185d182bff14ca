"""One layer on the phase diagram: the mean-field theory of an endless network of such layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnrg.activation_functions import Activation
from nnrg.errors import AnalysisError
from nnrg.stats.estimate import Estimate
from nnrg.theory.criticality.critical_line import critical_line
from nnrg.theory.criticality.mean_field import MeanField
from nnrg.theory.placement.scales import LayerScales

__all__ = ["LayerPhase", "layer_phase"]

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
        Of a network all of whose layers have these; see `MeanField`.
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
    """Place one layer; errors by differences over one error of sigma_w and of sigma_b.

    Notes
    -----
    sigma_w and sigma_b are taken as independent, as weights and biases of a random network are.
    """
    w, b = scales.sigma_w, scales.sigma_b

    def theory(sigma_w: float, sigma_b: float) -> tuple[float, ...]:
        field = MeanField(activation, sigma_w, sigma_b)
        return field.q_star, field.chi_1, field.chi_par, field.xi_q, field.xi_c

    centre = MeanField(activation, w.value, b.value)
    values, errors = _propagated(theory, w, b)
    names = ("q_star", "chi_1", "chi_par", "xi_q", "xi_c")
    found = {
        name: Estimate(float(value), float(error))
        for name, value, error in zip(names, values, errors, strict=True)
    }
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
    theory: Callable[[float, float], tuple[float, ...]], w: Estimate, b: Estimate
) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and their errors from those of sigma_w and sigma_b."""
    values = np.array(theory(w.value, b.value))
    squares = np.zeros(values.size)
    for high, low in (
        ((w.value + w.error, b.value), (max(w.value - w.error, 0.0), b.value)),
        ((w.value, b.value + b.error), (w.value, max(b.value - b.error, 0.0))),
    ):
        if high == low:
            continue
        width = (high[0] - low[0]) + (high[1] - low[1])
        error = w.error if high[1] == low[1] else b.error
        with np.errstate(invalid="ignore"):
            slope = (np.array(theory(*high)) - np.array(theory(*low))) / width
        squares += (slope * error) ** 2
    return values, np.sqrt(squares)


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
