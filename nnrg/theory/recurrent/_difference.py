"""The stationary solution in discrete time, and how replicas separate around it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh_tridiagonal, solve_banded
from scipy.optimize import brentq

from nnrg.errors import AnalysisError
from nnrg.stats.estimate import Estimate
from nnrg.theory.recurrent._overlap import Overlap
from nnrg.theory.recurrent._solve import (
    diverges,
    first_root,
    fixed_point,
    force,
    instability,
    overlap_error,
    solve_variance,
)
from nnrg.theory.recurrent._trajectory import decaying
from nnrg.theory.recurrent.potential import NewtonianPotential

__all__ = ["Stationary", "growth", "stationary"]

Array = npt.NDArray[np.float64]

_NEWTON = 40
_CONVERGED, _GUESSED, _ROUGHLY = 1e-12, 1e-7, 1e-3
_FEW = 16
_LAGS = 48
_MOST_LAGS = 1 << 13
# What is left of the correlation after three quarters of the lags, relative to c(0).
_SETTLED = 1e-6
# Steps in 1 - gamma, from the solution without memory.
_STEP = 0.125
# By how much the variance is moved for its derivative.
_SHIFT = 1e-5
# Change of the variance up to which that derivative is good enough.
_NEAR = 0.02


@dataclass(frozen=True, slots=True)
class Stationary:
    """c at lags 0, 1, ..., (only c(0) where it is constant), its error and its residual."""

    correlation: Array
    error: float
    residual: float


def stationary(network: NewtonianPotential) -> Stationary:
    """Solve for c at all lags; `network` gives the parameters, its variance is not used.

    Raises
    ------
    AnalysisError
        If the variance diverges, or Newton's method does not converge.
    """
    a = 1 - network.decay
    if network.noise == 0:
        q = fixed_point(network)
        if q is None:
            raise diverges(network)
        if instability(network, q) <= 0:
            error = network.sigma_w**2 * overlap_error(replace(network, variance=q))
            gradient = (force(network, q * (1 + 1e-5)) - force(network, q)) / (1e-5 * q)
            return Stationary(np.array([q]), error / abs(gradient), 0.0)
    failure: AnalysisError | None = None
    for begin in (_leapfrog, _exponential, _memoryless) if a > 0 else (_memoryless,):
        try:
            guess = begin(network)
            found = _settled(network, guess) if len(guess) <= _MOST_LAGS else None
        except AnalysisError as unsolved:
            failure = unsolved
            continue
        if found is None:
            raise AnalysisError(
                f"the correlation must settle within {_MOST_LAGS} steps, but with "
                f"{network.activation}, sigma_w = {network.sigma_w:g} and decay = "
                f"{network.decay:g} it lasts longer; take rnn_dmft, for continuous time"
            )
        c, change, residual = found
        error = network.sigma_w**2 * overlap_error(replace(network, variance=float(c[0])))
        return Stationary(c, change + error / network.decay, residual)
    assert failure is not None
    raise failure


def _settled(network: NewtonianPotential, c: Array) -> tuple[Array, float, float] | None:
    """Newton's method with as many lags as the correlation needs to reach its limit, if not more.

    None if it needs more.
    """
    while True:
        c, change, residual = _newton(network, c)
        if abs(c[3 * len(c) // 4] - c[-1]) < _SETTLED * c[0]:
            break
        if 2 * len(c) > _MOST_LAGS:
            return None
        c = np.concatenate([c, np.full(len(c), c[-1])])
    if network.noise == 0 and c[-1] > (1 - 1e-9) * c[0]:
        # The fixed point solves the same equation, but is not stable.
        raise _unsolved(network, residual)
    return c, change, residual


def _with_memory(network: NewtonianPotential, a: float) -> NewtonianPotential:
    """Return a network with 1 - gamma = a whose fixed points, and free variance, are the same."""
    ratio = (1 - a) / network.decay
    spread = (1 - a**2) / (1 - (1 - network.decay) ** 2)
    return replace(
        network,
        sigma_w=network.sigma_w * ratio,
        sigma_b=network.sigma_b * ratio,
        decay=1 - a,
        noise=network.noise * spread,
    )


def _leapfrog(network: NewtonianPotential) -> Array:
    """Begin with the motion whose leapfrog steps are the equation for c: good for slow ones."""
    root = math.sqrt(1 - network.decay)
    return _sampled(
        replace(
            network,
            sigma_w=network.sigma_w / root,
            sigma_b=network.sigma_b / root,
            decay=network.decay / root,
            noise=network.noise / root**2,
        )
    )


def _exponential(network: NewtonianPotential) -> Array:
    """Begin with the network in continuous time of which this is the exponential step."""
    a = 1 - network.decay
    rate = -math.log(a)
    ratio = rate / network.decay
    return _sampled(
        replace(
            network,
            sigma_w=network.sigma_w * ratio,
            sigma_b=network.sigma_b * ratio,
            decay=rate,
            noise=network.noise * 2 * rate / (1 - a**2),
        )
    )


def _sampled(smooth: NewtonianPotential) -> Array:
    path = decaying(solve_variance(smooth, tolerance=_GUESSED)[0])
    # One more lag than there may be says that it needs more.
    length = min(int(path.begin + 4 / path.rate) + _LAGS, _MOST_LAGS + 1)
    c = path(np.arange(length))
    if not (np.abs(c) <= 2 * c[0]).all():
        raise _unsolved(smooth, math.inf)
    return c


def _memoryless(network: NewtonianPotential) -> Array:
    """Begin with gamma = 1, where all lags but zero are alike, and let memory grow."""
    target = 1 - network.decay
    start = _with_memory(network, 0.0)
    q = first_root(
        lambda x: force(start, x) + start.noise, max(start.sigma_b**2 + start.noise, 1e-10)
    )
    if q is None:
        raise diverges(network)
    overlap, c = Overlap(start.activation, q), 0.0
    for _ in range(2000):
        # From below, to the lowest fixed point of the map.
        again = start.sigma_w**2 * float(overlap.value(c)) + start.sigma_b**2
        if abs(again - c) < 1e-13 * q:
            break
        c = min(again, q)
    guess = np.full(_LAGS, c)
    guess[0] = q
    steps = math.ceil(target / _STEP)
    for k in range(1, steps):
        guess = _newton(_with_memory(network, target * k / steps), guess, _ROUGHLY)[0]
    return guess


def _newton(
    network: NewtonianPotential, c: Array, tolerance: float = _CONVERGED
) -> tuple[Array, float, float]:
    """Return the solution, the last change of c(0), and the residual relative to c(0)."""
    n, a, w2 = len(c), 1 - network.decay, network.sigma_w**2
    # Rows of a banded matrix: what couples a lag to the next, itself, and the one before.
    band = np.zeros((3, n))
    band[0, 1:] = band[2, :-1] = -a
    band[0, 1] = -2 * a
    band[1] = 1 + a * a
    band[1, -1] -= a
    source = np.full(n, network.sigma_b**2)
    source[0] += network.noise
    change = residual = math.inf
    points = _FEW if tolerance > _CONVERGED else None
    before = None
    for _ in range(_NEWTON):
        q = float(c[0])
        here = Overlap(network.activation, q, points)
        if before is None or abs(q / before.variance - 1) > _NEAR:
            before, after = here, Overlap(network.activation, q * (1 + _SHIFT), points)
        value = here.value(c)
        linear = band[1] * c
        linear[:-1] += band[0, 1:] * c[1:]
        linear[1:] += band[2, :-1] * c[:-1]
        defect = linear - w2 * value - source
        residual = float(np.abs(defect).max() / q)
        jacobian = band.copy()
        jacobian[1, 1:] -= w2 * here.slope_of_value(c[1:])
        # All lags depend on c(0) besides: one full column.
        ends = (np.concatenate([[each.variance], c[1:]]) for each in (before, after))
        less, more = (each.value(end) for each, end in zip((before, after), ends, strict=True))
        column = -w2 * (more - less) / (before.variance * _SHIFT)
        step, tail = solve_banded((1, 1), jacobian, np.stack([defect, column], axis=1)).T
        step = step - tail * step[0] / (1 + tail[0])
        # A Gaussian process has |c(k)| <= c(0) > 0.
        new = c - step
        new[0] = min(max(new[0], q / 2), 2 * q)
        new[1:] = np.clip(new[1:], -new[0], new[0])
        change, c = float(np.abs(new - c).max()), new
        if change < tolerance * max(q, float(c[0])):
            return c, change, residual
    if change < 1e3 * _CONVERGED * float(c[0]):
        return c, change, residual
    raise _unsolved(network, residual)


def _unsolved(network: NewtonianPotential, residual: float) -> AnalysisError:
    return AnalysisError(
        f"Newton's method must converge, but with {network.activation}, sigma_w = "
        f"{network.sigma_w:g} and decay = {network.decay:g} it leaves {residual:.1e}; try another"
        " decay or sigma_w"
    )


def growth(network: NewtonianPotential, found: Stationary) -> tuple[Estimate, float]:
    """Return the largest Lyapunov exponent per step, and the local instability."""
    a, gamma, q = 1 - network.decay, network.decay, float(found.correlation[0])
    if q == 0:
        slopes = network.activation.derivative(np.array([-1e-12, 1e-12]))
        radius = network.sigma_w * math.sqrt(float(np.mean(slopes**2)))
        return Estimate(_log(a + radius), 1e-15), (radius / gamma) ** 2 - 1
    local = instability(network, q) + gamma**2
    if len(found.correlation) == 1:
        return Estimate(_log(a + math.sqrt(local)), 1e-12 + found.error / q), local / gamma**2 - 1
    well = network.sigma_w**2 * Overlap(network.activation, q).slope(found.correlation)
    whole = _log(_rate(well, a))
    part = _log(_rate(well[: max(2, 3 * len(well) // 4)], a))
    error = abs(whole - part) + found.error / q + found.residual + 1e-13
    return Estimate(whole, error), local / gamma**2 - 1


def _log(rate: float) -> float:
    return math.log(rate) if rate > 0 else -math.inf


def _rate(well: Array, a: float) -> float:
    """Largest mu for which mu^2 + a^2 is an eigenvalue of the well with hopping a mu."""
    off = np.ones(len(well) - 1)
    off[0] = math.sqrt(2)  # lags k and -k as one

    def over(mu: float) -> float:
        if a == 0:
            return float(well.max()) - mu * mu
        diagonal = well.copy()
        diagonal[-1] += a * mu
        last = (len(well) - 1, len(well) - 1)
        top = eigh_tridiagonal(
            diagonal, a * mu * off, select="i", select_range=last, eigvals_only=True
        )
        return float(top[0]) - mu * mu - a * a

    low, high = a + math.sqrt(max(well[-1], 0.0)), a + math.sqrt(max(float(well.max()), 0.0))
    if high == 0 or over(low) <= 0:
        return low
    return float(brentq(over, low, high * (1 + 1e-12), xtol=1e-15, rtol=1e-14))
