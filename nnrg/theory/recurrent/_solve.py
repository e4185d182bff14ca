"""The variance c_0 for which the correlation function decays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from nnrg.activation_functions import Function
from nnrg.errors import AnalysisError
from nnrg.theory.gaussian_averages import pair_average
from nnrg.theory.recurrent._overlap import overlaps
from nnrg.theory.recurrent.potential import NewtonianPotential

__all__ = [
    "diverges",
    "first_root",
    "fixed_point",
    "force",
    "instability",
    "is_silent",
    "least_variance",
    "overlap_error",
    "solve_variance",
    "variance_error",
]

# A network without bias and noise is asked whether activity of this variance grows or dies.
_FAINT = 1e-10
_LARGEST = 1e9
_STEP = 4.0
_POORLY = 1e-5


def least_variance(potential: NewtonianPotential) -> float:
    """Return what bias and noise alone give, to which recurrent input only adds."""
    return potential.sigma_b**2 / potential.decay**2 + potential.noise / (2 * potential.decay)


def solve_variance(
    potential: NewtonianPotential, *, tolerance: float = 1e-13
) -> tuple[NewtonianPotential, str]:
    """Return the potential at the self-consistent c_0 (zero: nothing is active), and a remark.

    The tolerance is relative to c_0.

    With noise the excess energy is positive for small c_0 and negative for large c_0, where the
    activation saturates; its first zero is what activity grows to from below. Without noise the
    fixed point comes first; where it is unstable, the zero lies below it.

    Raises
    ------
    AnalysisError
        If it stays positive: activity grows without bound.
    """

    def at(q: float) -> NewtonianPotential:
        return replace(potential, variance=q)

    least, remark = least_variance(potential), ""
    if potential.noise > 0:
        root = first_root(lambda q: at(q).excess, least, tolerance)
    elif is_silent(potential):
        more = [q for q in 4.0 ** np.arange(-8, 9) if force(potential, float(q)) > 0]
        if more:
            remark = f"another solution has a variance above {more[0]:.3g}"
        return at(0.0), remark
    else:
        root = fixed_point(potential)
        if root is not None and instability(potential, root) > 0:
            ends = least or _FAINT, root * (1 - 1e-12)
            if at(ends[1]).excess < 0 < at(ends[0]).excess:
                least = tolerance * root / 100
                root = float(brentq(lambda q: at(q).excess, *ends, xtol=least, rtol=tolerance))
    if root is None:
        raise diverges(potential)
    return at(root), remark


def diverges(potential: NewtonianPotential) -> AnalysisError:
    """Return the error that says so."""
    return AnalysisError(
        f"the variance of a recurrent network must stay finite, but with {potential.activation}"
        f" and sigma_w = {potential.sigma_w:g}, decay = {potential.decay:g} it grows beyond "
        f"{_LARGEST:g}; try a smaller sigma_w or an activation that saturates"
    )


def is_silent(potential: NewtonianPotential) -> bool:
    """Tell whether nothing is active: no bias, no noise, and faint activity dies."""
    quiet = least_variance(potential) == 0 and float(potential.activation(0.0)) == 0
    return quiet and force(potential, _FAINT) <= 0


def fixed_point(potential: NewtonianPotential) -> float | None:
    """Return the first q > 0 with gamma^2 q = sigma_w^2 <phi^2> + sigma_b^2; None if none.

    By the averages of the potential, so that its force vanishes there to rounding: those of
    `nnrg.theory.criticality`, which finds all fixed points, are of another quadrature.
    """
    least = potential.sigma_b**2 / potential.decay**2 or _FAINT
    return first_root(lambda q: force(potential, q), least)


def force(potential: NewtonianPotential, q: float) -> float:
    """Force at c = c_0 = q, without the whole curve."""
    square = _equal(potential.activation.function, potential.activation.kinks, q)
    return potential.sigma_w**2 * square + potential.sigma_b**2 - potential.decay**2 * q


def instability(potential: NewtonianPotential, q: float) -> float:
    """Return sigma_w^2 <phi'^2> - gamma^2 at the variance q."""
    slope = _equal(potential.activation.first, potential.activation.kinks, q)
    return potential.sigma_w**2 * slope - potential.decay**2


def _equal(function: Function, kinks: tuple[float, ...], q: float) -> float:
    one = np.array([q])
    return float(overlaps(function, kinks, one, one, np.ones(1))[0])


def first_root(
    excess: Callable[[float], float], least: float, tolerance: float = 1e-13
) -> float | None:
    """Return where a function falls through zero first above `least`; None if it does not."""
    low, high = least, least * _STEP
    if excess(low) <= 0:
        return low
    while excess(high) > 0:
        low, high = high, high * _STEP
        if high > _LARGEST:
            return None
    return float(brentq(excess, low, high, xtol=tolerance * high / 100, rtol=tolerance))


def overlap_error(potential: NewtonianPotential) -> float:
    """Return the largest error of <phi phi>, from adaptive quadrature at a few arguments."""
    phi, q = potential.activation, potential.variance
    c = np.array([0.98, 0.7, 0.3])
    kinks = (phi.kinks, phi.kinks)
    value, error = pair_average(phi.function, phi.function, q, q, c, kinks=kinks, tolerance=1e-10)
    return float((np.abs(potential.overlap.value(q * c) - value) + error).max())


def variance_error(potential: NewtonianPotential, quadrature: float) -> float:
    """Return the error of c_0 that those of <phi phi> and of the root cause.

    Raises
    ------
    AnalysisError
        If c_0 is not determined: the edge of divergence.
    """
    q, step = potential.variance, 1e-5 * potential.variance
    error = potential.sigma_w**2 * quadrature + 4e-16 * potential.decay**2 * q
    if potential.motion == "constant":
        gradient = (force(potential, q + step) - force(potential, q)) / step
    else:
        near = replace(potential, variance=q + step)
        gradient, error = (near.excess - potential.excess) / step, error * q
        error += abs(potential.excess)
    if error > _POORLY * q * abs(gradient):
        raise AnalysisError(
            f"the variance of a recurrent network must be determined, but with "
            f"{potential.activation}, sigma_w = {potential.sigma_w:g} and decay = "
            f"{potential.decay:g} it is at the edge of divergence; try a smaller sigma_w"
        )
    return error / abs(gradient) + 1e-13 * q
