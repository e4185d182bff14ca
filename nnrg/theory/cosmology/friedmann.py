"""The other side of the duality: a scalar field and its modes in a flat expanding universe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import AnalysisError, ArgumentError

__all__ = ["Friedmann", "solve_friedmann"]

Array = npt.NDArray[np.float64]

_RTOL, _ATOL = 1e-11, 1e-13


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Friedmann:
    """A scalar field in a flat universe, its background and its modes.

    Attributes
    ----------
    times : array of shape (T,)
        In units of the inverse mass scale that `mass2` is in.
    background, velocity : array of shape (T,)
        phi and its derivative; reduced Planck mass 1.
    scale_factor, hubble : array of shape (T,)
        a, which is 1 at the first time, and H.
    momenta : array of shape (K,)
        Comoving.
    modes : array of shape (K, T)
        delta phi, from 1 at rest.
    slow_roll : array of shape (T,)
        epsilon_H = -dH/dt / H^2.
    backreaction : bool
    """

    times: Array
    background: Array
    velocity: Array
    scale_factor: Array
    hubble: Array
    momenta: Array
    modes: Array
    slow_roll: Array
    backreaction: bool

    def __post_init__(self) -> None:
        for name in ("times", "background", "velocity", "scale_factor", "hubble", "momenta",
                     "modes", "slow_roll"):  # fmt: skip
            getattr(self, name).flags.writeable = False


def solve_friedmann(
    times: npt.ArrayLike,
    *,
    cosmological_constant: float,
    mass2: float,
    phi: float = 1.0,
    velocity: float = 0.0,
    momenta: Sequence[float] = (),
    redshift: bool = True,
    backreaction: bool = False,
) -> Friedmann:
    r"""Solve for a massive scalar field, its modes and the scale factor, in three dimensions.

    Parameters
    ----------
    times : array of shape (T,)
        Rising.
    cosmological_constant : float
        :math:`\Lambda > 0`.
    mass2 : float
        :math:`m^2`.
    phi, velocity : float
        At the first time.
    momenta : sequence of float
        Comoving momenta of modes that begin at one, at rest.
    redshift : bool
        Whether physical momenta are k / a. Without it they are k for ever, which is what training
        on data that do not change does.
    backreaction : bool
        Whether the field's own energy makes space expand.

    Returns
    -------
    Friedmann

    Raises
    ------
    ArgumentError
        If times do not rise, or a number is out of range.
    AnalysisError
        If the equations cannot be solved to the end.

    Notes
    -----
    .. math:: \ddot\phi + 3 H \dot\phi + m^2 \phi = 0, \quad
              \ddot{\delta\phi} + 3 H \dot{\delta\phi} + (k^2 / a^2 + m^2) \delta\phi = 0, \quad
              3 H^2 = \Lambda + [\tfrac12 \dot\phi^2 + \tfrac12 m^2 \phi^2]

    with the bracket for `backreaction` only. Metric perturbations are left out.

    Examples
    --------
    >>> import numpy as np
    >>> found = solve_friedmann(np.linspace(0, 2, 5), cosmological_constant=3.0, mass2=0.0)
    >>> bool(np.allclose(found.scale_factor, np.exp(found.times)))
    True
    """
    from scipy.integrate import solve_ivp

    t = np.array(times, dtype=np.float64, ndmin=1)
    if t.ndim != 1 or t.size < 2 or not np.isfinite(t).all() or (np.diff(t) <= 0).any():
        raise ArgumentError("times must be at least two finite rising numbers")
    density, m2 = as_real("cosmological_constant", cosmological_constant), as_real("mass2", mass2)
    if density <= 0:
        raise ArgumentError(f"cosmological_constant must be positive, got {density}")
    k = np.array([as_real("momentum", value) for value in momenta], dtype=np.float64)

    def expansion(field: float, speed: float) -> float:
        own = speed**2 / 2 + m2 * field**2 / 2 if backreaction else 0.0
        return float(np.sqrt(max((density + own) / 3, 0.0)))

    def slope(_: float, y: Array) -> Array:
        field, speed, log_a = y[:3]
        h = expansion(field, speed)
        wave, wave_speed = y[3 : 3 + k.size], y[3 + k.size :]
        frequency2 = k**2 * (np.exp(-2 * log_a) if redshift else 1.0) + m2
        rest = [speed, -3 * h * speed - m2 * field, h]
        return np.concatenate([rest, wave_speed, -3 * h * wave_speed - frequency2 * wave])

    start = np.concatenate(
        [
            [as_real("phi", phi), as_real("velocity", velocity), 0.0],
            np.ones(k.size),
            np.zeros(k.size),
        ]
    )
    found = solve_ivp(slope, (t[0], t[-1]), start, "DOP853", t_eval=t, rtol=_RTOL, atol=_ATOL)
    if not found.success or not np.isfinite(found.y).all():
        raise AnalysisError(f"the equations cannot be solved to the end: {found.message}")
    field, speed, log_a = found.y[:3]
    h = np.array([expansion(f, v) for f, v in zip(field, speed, strict=True)])
    # dH/dt = -phi'^2 / 2, which is nothing without backreaction.
    epsilon = speed**2 / (2 * h**2) if backreaction else np.zeros_like(h)
    return Friedmann(
        times=t,
        background=field.copy(),
        velocity=speed.copy(),
        scale_factor=np.exp(log_a),
        hubble=h,
        momenta=k,
        modes=found.y[3 : 3 + k.size].copy(),
        slow_roll=epsilon,
        backreaction=backreaction,
    )
