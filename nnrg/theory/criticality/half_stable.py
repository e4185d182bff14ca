"""Half-stable critical points: where the fixed point of the variance is critical as well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.theory._roots import bracketed_roots
from nnrg.theory.criticality._critical_points import search_grid
from nnrg.theory.criticality.critical_line import critical_line
from nnrg.theory.gaussian_averages import moments

__all__ = ["HalfStablePoint", "half_stable_points"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HalfStablePoint:
    """A point with chi_1 = chi_par = 1 at q > 0: critical, and reached from one side only.

    Attributes
    ----------
    q, sigma_w, sigma_b : float
        With their errors `q_error`, `sigma_w_error`, `sigma_b_error`.
    bend : float
        sigma_w^2 d^2<phi^2>/dq^2: q is drawn in from above if negative, from below if positive.
    """

    q: float
    q_error: float
    sigma_w: float
    sigma_w_error: float
    sigma_b: float
    sigma_b_error: float
    bend: float


def half_stable_points(activation: str | Activation | Function) -> tuple[HalfStablePoint, ...]:
    """Return the points where chi_1 = chi_par = 1 at q > 0, by increasing q; empty if none.

    Parameters
    ----------
    activation : str, Activation or callable

    Notes
    -----
    <phi phi''>_q = 0 with sigma_w^2 = 1 / <phi'^2>_q and sigma_b^2 = q - sigma_w^2 <phi^2>_q >= 0,
    for 1e-7 < q < 1e7; D. Roberts, S. Yaida and B. Hanin, arXiv:2106.10165, section 5.3. For
    scale-invariant functions <phi phi''> vanishes at every q, and no point is singled out.

    Examples
    --------
    >>> from nnrg.theory.criticality.half_stable import half_stable_points
    >>> point, = half_stable_points("gelu")
    >>> round(point.q, 9), round(point.sigma_w**2, 9), round(point.sigma_b**2, 9)
    (3.561552813, 1.983058257, 0.172922391)
    """
    phi = as_activation(activation)
    if phi.slopes is not None:
        return ()
    grid = search_grid()
    m = moments(phi, grid)
    sign = np.where(np.abs(m.curvature) > 4 * m.errors["curvature"], np.sign(m.curvature), np.nan)
    place = np.flatnonzero(sign[:-1] * sign[1:] < 0)
    if not len(place):
        return ()

    def curvature(log_q: Array) -> Array:
        return np.asarray(moments(phi, np.exp(log_q)).curvature)

    x = np.log(grid)
    roots = np.exp(bracketed_roots(curvature, x[place], x[place + 1]))
    at, ends = moments(phi, roots), [moments(phi, roots * (1 + s * 1e-4)) for s in (-1, 1)]
    tilt = np.abs(ends[1].curvature - ends[0].curvature) / (2e-4 * roots)
    q_error = at.errors["curvature"] / tilt + 1e-15 * roots
    line = critical_line(phi, q=roots)
    return tuple(
        HalfStablePoint(
            q=float(roots[i]),
            q_error=float(q_error[i]),
            sigma_w=float(line.sigma_w[i]),
            # Both are stationary in q there.
            sigma_w_error=float(line.sigma_w_error[i] + q_error[i] ** 2),
            sigma_b=float(line.sigma_b[i]),
            sigma_b_error=float(line.sigma_b_error[i] + q_error[i] ** 2),
            bend=float(line.sigma_w[i] ** 2 * at.second[i]),
        )
        for i in range(len(roots))
        if np.isfinite(line.sigma_b[i])
    )
