"""The other side of the duality: a scalar field and its modes in a flat expanding universe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats._arrays import real_array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Friedmann", "solve_friedmann"]

Array = npt.NDArray[np.float64]

_RTOL, _ATOL = 1e-11, 1e-13
# So many right-hand sides take a few seconds.
_MOST = 60_000
_STIFF = 50.0


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
        a, which is 1 at the first time and infinite beyond double precision, and H.
    momenta : array of shape (K,)
        Comoving.
    modes : array of shape (K, T)
        delta phi, from 1.
    slow_roll : array of shape (T,)
        epsilon_H = -dH/dt / H^2.
    backreaction : bool
        Whether the field's own energy makes space expand.
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

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each time; ``mode_0`` and so on are the modes."""
        import pandas as pd

        names = ("times", "background", "velocity", "scale_factor", "hubble", "slow_roll")
        columns = {name.removesuffix("s"): getattr(self, name) for name in names}
        modes = {f"mode_{i}": row for i, row in enumerate(self.modes)}
        return pd.DataFrame({**columns, **modes})

    def __str__(self) -> str:
        folds = float(np.trapezoid(self.hubble, self.times))
        return (
            f"universe from t = {self.times[0]:g} to {self.times[-1]:g}, {folds:.4g} e-folds, H "
            f"from {self.hubble[0]:.6g} to {self.hubble[-1]:.6g}, phi from "
            f"{self.background[0]:.6g} to {self.background[-1]:.6g}, {len(self.momenta)} modes"
        )


def solve_friedmann(
    times: npt.ArrayLike,
    *,
    cosmological_constant: float,
    mass2: float,
    phi: float = 1.0,
    velocity: float = 0.0,
    momenta: Sequence[float] = (),
    mode_velocities: Sequence[float] | None = None,
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
        Comoving momenta of modes that begin at one.
    mode_velocities : sequence of float, optional
        First derivatives of the modes at the first time; zero by default.
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
        If the equations cannot be solved to the end, or take too many steps, or the field's energy
        is more negative than Lambda: then space does not expand.

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

    t = real_array("times", times)
    if t.ndim != 1 or t.size < 2 or not np.isfinite(t).all() or (np.diff(t) <= 0).any():
        raise ArgumentError("times must be at least two finite rising numbers")
    density, m2 = as_real("cosmological_constant", cosmological_constant), as_real("mass2", mass2)
    if density <= 0:
        raise ArgumentError(f"cosmological_constant must be positive, got {density}")
    k = _vector("momenta", momenta)
    speeds = np.zeros(k.size)
    if mode_velocities is not None:
        speeds = _vector("mode_velocities", mode_velocities)
    if speeds.size != k.size:
        raise ArgumentError(
            f"mode_velocities must be one for each of {k.size} momenta, got {speeds.size}"
        )
    for name, value in (("redshift", redshift), ("backreaction", backreaction)):
        if not isinstance(value, bool):
            raise ArgumentError(f"{name} must be True or False, got {shown(value)}")
    # Friction over many Hubble times is for a method that takes steps longer than they are.
    how = "LSODA" if np.sqrt(density / 3) * (t[-1] - t[0]) > _STIFF else "DOP853"
    made = 0

    def expansion(field: float, speed: float) -> float:
        own = speed**2 / 2 + m2 * field**2 / 2 if backreaction else 0.0
        if density + own <= 0:
            raise AnalysisError(
                f"Lambda and the field's energy add up to {density + own:.3g}: space does not "
                "expand; take a larger Lambda, a shorter time or a mass2 that is not negative"
            )
        return float(np.sqrt((density + own) / 3))

    def slope(_: float, y: Array) -> Array:
        nonlocal made
        made += 1
        if made > _MOST:
            raise AnalysisError(
                f"the equations take more than {_MOST} evaluations: over this span of times rates "
                "and frequencies are too large; give a shorter one"
            )
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
            speeds,
        ]
    )
    with np.errstate(over="ignore", invalid="ignore"):
        found = solve_ivp(slope, (t[0], t[-1]), start, how, t_eval=t, rtol=_RTOL, atol=_ATOL)
    if not found.success or not np.isfinite(found.y).all():
        why = "numbers outgrow double precision" if found.success else found.message
        raise AnalysisError(f"the equations cannot be solved to the end: {why}")
    field, speed, log_a = found.y[:3]
    with np.errstate(over="ignore"):
        scale_factor = np.exp(log_a)
    h = np.array([expansion(f, v) for f, v in zip(field, speed, strict=True)])
    # dH/dt = -phi'^2 / 2, which is nothing without backreaction.
    epsilon = speed**2 / (2 * h**2) if backreaction else np.zeros_like(h)
    return Friedmann(
        times=t,
        background=field.copy(),
        velocity=speed.copy(),
        scale_factor=scale_factor,
        hubble=h,
        momenta=k,
        modes=found.y[3 : 3 + k.size].copy(),
        slow_roll=epsilon,
        backreaction=backreaction,
    )


def _vector(name: str, values: object) -> Array:
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str):
        raise ArgumentError(f"{name} must be a sequence of numbers, got {shown(values)}")
    return np.array([as_real(name, value) for value in values], dtype=np.float64)
