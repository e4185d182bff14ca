"""Attracting correlation of two inputs in the chaotic phase."""

from __future__ import annotations

import numpy as np

from nnrg.activation_functions import Activation
from nnrg.theory.layer_kernel import decorrelation, slope_kernel

__all__ = ["correlation_fixed_point"]

_SMALLEST = 1e-16


def correlation_fixed_point(
    phi: Activation, w2: float, b2: float, q: float, q_error: float
) -> tuple[float, float, float, float]:
    """Return c*, its error, the slope of the correlation map there and its error, for chi_1 > 1."""
    from scipy.optimize import brentq

    def gap(epsilon: float) -> float:
        return float(w2 * decorrelation(phi, q, epsilon)[0] / (q * epsilon)) - 1

    low = 1e-3
    while gap(low) <= 0 and low > _SMALLEST:
        low /= 30
    # At c = 0 the map is sigma_w^2 <phi>^2 + sigma_b^2 >= 0: zero only for odd functions without
    # bias, where c = 0 itself is the fixed point.
    end = gap(1.0)
    if end >= -1e-14:
        epsilon = 1.0
    else:
        log = brentq(lambda x: gap(np.exp(x)), np.log(low), 0.0, xtol=1e-14, rtol=1e-14)
        epsilon = float(np.exp(log))
    _, error = decorrelation(phi, q, epsilon)
    slope, slope_error = (float(w2 * x) for x in slope_kernel(phi, q, q, 1 - epsilon))
    # epsilon' = w2 decorrelation / q: what q and the quadrature leave open, over 1 - slope
    residual = w2 * float(error) / q + 4e-16 + epsilon * 2 * q_error / q
    epsilon_error = residual / max(1 - slope, 1e-16) + 2e-14 * epsilon
    shift = 1e-4 * epsilon
    above = float(w2 * slope_kernel(phi, q, q, 1 - epsilon + shift)[0])
    drift = abs(above - slope) / shift * epsilon_error + 2 * abs(slope) * q_error / q
    return 1 - epsilon, epsilon_error, slope, slope_error + drift
