"""The edge of chaos of typical networks of finite width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log, nan

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation, as_activation
from nnrg.errors import AnalysisError
from nnrg.theory.criticality.critical_line import critical_line
from nnrg.theory.loops._stationary import stationary
from nnrg.theory.loops.quenched import (
    QuenchedExponent,
    checked_arguments,
    exact_log_growth,
    quenched_exponent,
)

__all__ = ["QuenchedEdge", "quenched_edge"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class QuenchedEdge:
    """Where a typical small difference neither grows nor shrinks, at finite width.

    Attributes
    ----------
    activation : str
    sigma_b : float
    width : int
    infinite : float
        sigma_w of the edge at infinite width, chi_1 = 1.
    sigma_w : float
        sigma_w where E[ln D] does not grow, to order 1/n.
    chi_1 : float
        chi_1 there, at infinite width.
    exponent : QuenchedExponent
        At this sigma_w.
    exact : float
        sigma_w without expansion, linear and ReLU, given that no layer is dead; NaN otherwise.
    """

    activation: str
    sigma_b: float
    width: int
    infinite: float
    sigma_w: float
    chi_1: float
    exponent: QuenchedExponent
    exact: float = nan

    @property
    def truncation(self) -> float:
        """What order 1/n^2 would change in chi_1, about."""
        second = self.exponent.second
        return abs(self.exponent.first) / self.width if np.isnan(second) else abs(second)

    def __str__(self) -> str:
        infinite = f"infinite width {self.infinite:.8g}"
        text = (
            f"{self.activation}, sigma_b={self.sigma_b:g}, width {self.width}: edge of chaos of a "
            f"typical network\nat sigma_w = {self.sigma_w:.8g}, chi_1 = {self.chi_1:.8g} (left out "
            f"about {self.truncation:.1g}); {infinite}"
        )
        text += f"; exact {self.exact:.8g}" if not np.isnan(self.exact) else ""
        return "\n".join([text, *([self.exponent.flag] if self.exponent.flag else [])])


def quenched_edge(
    activation: str | Activation | Callable[[Array], Array], sigma_b: float, width: int
) -> QuenchedEdge:
    r"""Return the edge of chaos of typical networks of finite width.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_b : float, dimensionless
    width : int
        Neurons of all layers, at least 2.

    Returns
    -------
    QuenchedEdge

    Raises
    ------
    ArgumentError
        If an argument is out of range.
    AnalysisError
        If there is no edge at infinite width, or the fluctuations there are not stationary (a
        smooth activation with sigma_b = 0).

    Notes
    -----
    The zero of E of `quenched_exponent` to order 1/n. Scale-invariant activations: chi_1 = 1 +
    (3r - 1) / (2n); others have three more terms.

    Examples
    --------
    >>> edge = quenched_edge("relu", 0, 250)
    >>> round(edge.chi_1, 4), round(edge.infinite**2, 12)
    (1.0101, 2.0)
    """
    from scipy.optimize import brentq

    phi = as_activation(activation)
    _, sigma_b, width = checked_arguments(1.0, sigma_b, width)
    start, metric = _infinite_edge(phi, sigma_b)
    # From below: at the fixed point itself rounding decides where the metric goes.
    metric *= 1 - 1e-3

    def growth(sigma_w: float) -> float:
        try:
            at = stationary(phi, sigma_w, sigma_b, metric)
        except AnalysisError as error:
            raise AnalysisError(
                f"no edge of chaos of typical {phi.name} networks of width {width}: {error}"
            ) from None
        return log(at.chi_1) + sum(at.terms.values()) / width

    step, value = 1.5 / width, growth(start)
    low = high = start
    for _ in range(12):
        low, high = (low, high * (1 + step)) if value < 0 else (low / (1 + step), high)
        if growth(low) * growth(high) <= 0:
            break
        step *= 1.5
    else:
        raise AnalysisError(
            f"no edge of chaos of typical {phi.name} networks of width {width} close to sigma_w = "
            f"{start:.4g}; take a larger width"
        )
    sigma_w = float(brentq(growth, low, high, xtol=1e-13, rtol=1e-12))
    exponent = quenched_exponent(phi, sigma_w, sigma_b, width, q0=metric)
    exact = exact_log_growth(phi, start, width)
    return QuenchedEdge(
        phi.name,
        sigma_b,
        width,
        start,
        sigma_w,
        exponent.chi_1,
        exponent,
        start * exp(-exact / 2),
    )


def _infinite_edge(phi: Activation, sigma_b: float) -> tuple[float, float]:
    """Return sigma_w and K* where chi_1 = 1 at infinite width."""
    if phi.slopes:
        # chi_1 does not depend on the metric, whatever sigma_b adds to it.
        return float(critical_line(phi, q=1.0).sigma_w[0]), 1.0
    if sigma_b == 0:
        raise AnalysisError(
            f"with sigma_b = 0 the metric of {phi.name} has no exponential approach at the edge: "
            "its fluctuations grow with depth; take critical_slopes, or give sigma_b"
        )
    try:
        line = critical_line(phi, sigma_b=sigma_b)
    except AnalysisError as error:
        raise AnalysisError(f"{phi.name} has no stable edge of chaos: {error}") from None
    if not abs(line.chi_par[0]) < 1:
        raise AnalysisError(f"{phi.name} has no stable edge of chaos at sigma_b = {sigma_b:g}")
    return float(line.sigma_w[0]), float(line.q[0])
