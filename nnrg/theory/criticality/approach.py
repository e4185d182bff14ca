"""Power laws in depth on the edge of chaos: exponents and amplitudes, from the theory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnrg._validate import as_real
from nnrg.activation_functions import Activation, Function
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.estimate import format_value_error
from nnrg.theory.criticality.fixed_points import limit_moments
from nnrg.theory.criticality.mean_field import MeanField
from nnrg.theory.gaussian_averages import moments

__all__ = ["Approach", "PowerLaw", "approach_to_criticality"]


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """What a quantity goes to with depth l: amplitude * l^exponent.

    Attributes
    ----------
    quantity : {"1 - c", "q - q*"}
    exponent : float
        Exact; zero if the quantity keeps a value that depends on the input.
    amplitude, amplitude_error : float
        NaN where it depends on the input.
    reason : str
        Which term of the map decides.
    """

    quantity: str
    exponent: float
    amplitude: float
    amplitude_error: float
    reason: str

    def __str__(self) -> str:
        if not self.exponent:
            return f"{self.quantity} keeps a value of the input: {self.reason}"
        amplitude = (
            "A"
            if np.isnan(self.amplitude)
            else format_value_error(self.amplitude, self.amplitude_error)
        )
        return f"{self.quantity} -> {amplitude} l^{self.exponent:g}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Approach:
    """Power laws on the edge of chaos.

    Attributes
    ----------
    activation : str
    sigma_w, sigma_b, q_star : float
    laws : tuple of PowerLaw
        Of 1 - c, and of q - q* where that is no exponential.
    xi_q : float, layers
        Decay of q - q*; infinite where it is a power law.
    valid_to : float, layers
        1 / |chi_1 - 1|: deeper, the distance from the line is seen.
    note : str
    """

    activation: str
    sigma_w: float
    sigma_b: float
    q_star: float
    laws: tuple[PowerLaw, ...]
    xi_q: float
    valid_to: float
    note: str

    def law(self, quantity: str) -> PowerLaw:
        """Return the power law of a quantity.

        Raises
        ------
        AnalysisError
            If it follows none.
        """
        for law in self.laws:
            if law.quantity == quantity:
                return law
        raise AnalysisError(
            f"{quantity!r} follows no power law here; those that do: "
            + (", ".join(repr(law.quantity) for law in self.laws) or "none")
        )

    def __str__(self) -> str:
        lines = [
            f"approach to criticality of {self.activation}, sigma_w = {self.sigma_w:.10g}, "
            f"sigma_b = {self.sigma_b:.10g}: q* = {self.q_star:.9g}, depth l up to "
            f"{self.valid_to:.2g}",
            *(f"  {law}" for law in self.laws),
        ]
        if np.isfinite(self.xi_q):
            lines.append(f"  q - q* decays as exp(-l / {self.xi_q:.6g})")
        return "\n".join([*lines, *([f"note: {self.note}"] if self.note else [])])


def approach_to_criticality(
    activation: str | Activation | Function,
    sigma_w: float,
    sigma_b: float,
    *,
    q0: float = 1.0,
    tolerance: float = 1e-6,
) -> Approach:
    """Return how correlations and variances settle with depth at a critical point.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : float
        On the edge of chaos, as from `critical_line`.
    q0 : float
        Variance in the first layer.
    tolerance : float, dimensionless
        How far from 1 chi_1 may be.

    Raises
    ------
    ArgumentError
        If an argument is out of range.
    AnalysisError
        If chi_1 is not 1 there: the approach is exponential then, see `MeanField.xi_c`.

    Notes
    -----
    With e = 1 - c the map is e' = e - sigma_w^2 q <phi''^2> e^2 / 2 for smooth phi, so that e ->
    kappa / l with kappa = 2 <phi'^2> / (q <phi''^2>); a jump D of phi' at k adds -a e^(3/2), a =
    2 sigma_w^2 D^2 rho(k) sqrt(q / pi) / 3 with rho the density of z, so that e -> 4 / (a l)^2: 9
    pi^2 / (2 l^2) for ReLU. q itself moves as 2 / (|g''| l) where chi_par = 1, g'' = sigma_w^2
    d^2<phi^2>/dq^2, and e -> kappa (1 + s Q) / l if smooth, with q - q* = Q / l and s = sigma_w^2
    d<phi'^2>/dq. The absorbing-state exponent delta of a network is minus that of 1 - c.

    Examples
    --------
    >>> from nnrg.theory.criticality.approach import approach_to_criticality
    >>> law = approach_to_criticality("relu", 2**0.5, 0.0).law("1 - c")
    >>> law.exponent, round(law.amplitude, 9)  # 9 pi^2 / 2
    (-2.0, 44.413219805)
    """
    slack = as_real("tolerance", tolerance)
    if not slack > 0:
        raise ArgumentError(f"tolerance must be above zero, got {slack:g}; try 1e-6")
    field = MeanField(activation, sigma_w, sigma_b, q0=q0)
    distance = abs(field.chi_1 - 1)
    if field.divergence or not distance <= slack:
        raise AnalysisError(
            f"power laws hold where chi_1 = 1, got chi_1 = {field.chi_1:.9g}"
            + (f", and {field.divergence}" if field.divergence else "")
            + "; take sigma_w and sigma_b from critical_line"
        )
    phi, q = field.phi, field.q_star
    valid = 1 / max(distance, field.chi_1_error, 1e-16)
    note = ""
    laws: tuple[PowerLaw, ...]
    if q == 0:
        laws, note = _at_zero(field)
    else:
        moving = abs(abs(field.chi_par) - 1) <= slack and not field.scale_free
        law_q = _variance_law(field) if moving else None
        law_c = _kinked(field) if _jumps(phi) else _smooth(field, law_q)
        laws = (law_c, *([law_q] if law_q else []))
    power_law_q = any(law.quantity == "q - q*" for law in laws) or field.scale_free
    return Approach(
        activation=str(phi),
        sigma_w=field.sigma_w,
        sigma_b=field.sigma_b,
        q_star=q,
        laws=laws,
        xi_q=np.inf if power_law_q else field.xi_q,
        valid_to=valid,
        note=note,
    )


def _jumps(phi: Activation) -> list[tuple[float, float]]:
    """Return places and sizes of the jumps of phi'."""
    if phi.slopes is not None:
        jump = phi.slopes[1] - phi.slopes[0]
        return [(0.0, jump)] if jump else []
    step = 1e-7
    out = []
    for kink in phi.kinks:
        below, above = phi.derivative(np.array([kink - step, kink + step]))
        out.append((kink, float(above - below)))
    return out


def _kinked(field: MeanField) -> PowerLaw:
    q, w2 = field.q_star, field.w2
    total = sum(
        jump**2 * np.exp(-place * place / (2 * q)) / np.sqrt(2 * np.pi * q)
        for place, jump in _jumps(field.phi)
    )
    a = 2 / 3 * w2 * total * np.sqrt(q / np.pi)
    smooth = 0.0 if field.phi.slopes is not None else 1e-6
    amplitude = 4 / a**2
    relative = 2 * field.q_star_error / q + smooth + 1e-15
    return PowerLaw(
        "1 - c", -2.0, float(amplitude), float(amplitude * relative), "jumps of phi', order e^(3/2)"
    )


def _smooth(field: MeanField, law_q: PowerLaw | None) -> PowerLaw:
    q = field.q_star
    m = moments(field.phi, q * np.array([1.0, 1 - 1e-4, 1 + 1e-4]))
    bend = float(m.curvature_square[0])
    if bend == 0:
        return PowerLaw("1 - c", 0.0, np.nan, np.nan, "phi is linear")
    kappa = 2 * m.slope_square / (m.variance * m.curvature_square)
    error = float(
        kappa[0]
        * (m.errors["slope_square"][0] / m.slope_square[0] + m.errors["curvature_square"][0] / bend)
        + abs(kappa[2] - kappa[1]) / (2e-4 * q) * field.q_star_error
    )
    amplitude, reason = float(kappa[0]), "phi'', order e^2"
    if law_q:
        s = field.w2 * float(m.slope_square[2] - m.slope_square[1]) / (2e-4 * q)
        factor = 1 + s * law_q.amplitude
        error = error * abs(factor) + amplitude * abs(s) * (law_q.amplitude_error + 1e-7)
        amplitude, reason = amplitude * factor, "phi'', order e^2, while q moves as 1 / l"
    return PowerLaw("1 - c", -1.0, amplitude, error, reason)


def _variance_law(field: MeanField) -> PowerLaw:
    m = moments(field.phi, field.q_star)
    bend, error = field.w2 * float(m.second), field.w2 * float(m.errors["second"])
    amplitude = -2 / bend
    relative = error / abs(bend) + 1e-6 * (field.q_star_error > 0)
    return PowerLaw(
        "q - q*", -1.0, amplitude, abs(amplitude) * relative, "half-stable: chi_par = 1"
    )


def _at_zero(field: MeanField) -> tuple[tuple[PowerLaw, ...], str]:
    limit = limit_moments(field.phi)
    bend, error = field.w2 * limit["second"], field.w2 * limit["error"]
    laws = (
        PowerLaw(
            "q - q*", -1.0, 2 / abs(bend), 2 * error / bend**2, "chi_par = 1 at q = 0, order q^2"
        ),
    )
    if abs(float(field.phi.second_derivative(0.0))) > 1e-6:
        return laws, "phi''(0) is not zero: correlations are moved by terms of order q, not given"
    still = PowerLaw("1 - c", 0.0, np.nan, np.nan, "signals die out faster than they align")
    return (still, *laws), ""
