"""One mode of the synaptic field beside one of a scalar in de Sitter space: redshift or none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.theory.synaptic._arguments import as_items
from nnrg.theory.synaptic._samples import finite

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ModePair", "compare_modes"]

Array = npt.NDArray[np.float64]

_TOLERANCE = 1e-11
_LARGEST, _E_FOLDS, _PHASE = 1e12, 300.0, 3e4


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ModePair:
    """A mode of momentum k in training and in de Sitter space, from the same beginning.

    Attributes
    ----------
    times, network, de_sitter : array of shape (T,)
    momentum, mass2, hubble, stiffness : float
    dimension : int
    redshift : bool
        Whether the data's stiffness falls as a^-2.
    horizon_time : float
        When sqrt(K) k exp(-H t) = H: before, and without redshift for ever, the mode oscillates.
    """

    times: Array
    network: Array
    de_sitter: Array
    momentum: float
    mass2: float
    hubble: float
    stiffness: float
    dimension: int
    redshift: bool
    horizon_time: float

    def __post_init__(self) -> None:
        for array in (self.times, self.network, self.de_sitter):
            array.flags.writeable = False

    @property
    def mismatch(self) -> float:
        """Largest difference of the two modes over the largest value."""
        top = max(float(np.abs(self.network).max()), float(np.abs(self.de_sitter).max()))
        return float(np.abs(self.network - self.de_sitter).max()) / top

    @property
    def frozen(self) -> tuple[float, float]:
        """|last value / largest value after the horizon time| of both; NaN if it lies outside."""
        late = self.times >= self.horizon_time
        if not late.any():
            return math.nan, math.nan
        pair = (self.network[late], self.de_sitter[late])
        first, second = (abs(float(x[-1])) / float(np.abs(x).max()) for x in pair)
        return first, second

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each time."""
        import pandas as pd

        return pd.DataFrame(
            {"time": self.times, "network": self.network, "de_sitter": self.de_sitter}
        )

    def __str__(self) -> str:
        kind = "stiffness falls as a^-2" if self.redshift else "static data: no redshift"
        network, other = self.frozen
        return (
            f"mode k = {self.momentum:g}, m^2 = {self.mass2:g}, H = {self.hubble:g}, d = "
            f"{self.dimension}, {kind}\n  horizon at t = {self.horizon_time:.6g}; left of its "
            f"largest value after: network {network:.3g}, de Sitter {other:.3g}; largest "
            f"difference {self.mismatch:.3g}"
        )


def compare_modes(
    times: npt.ArrayLike,
    momentum: float,
    *,
    mass2: float = 0.0,
    hubble: float = 1.0,
    dimension: int = 3,
    stiffness: float = 1.0,
    redshift: bool = False,
    initial: tuple[float, float] = (1.0, 0.0),
) -> ModePair:
    r"""Follow a mode of the synaptic field and its counterpart in de Sitter space.

    Parameters
    ----------
    times : array of shape (T,)
        Increasing, from the beginning on.
    momentum : float
        Comoving k.
    mass2 : float
        m^2, from 0.
    hubble : float
        H > 0, gamma / d of the training.
    dimension : int
        d.
    stiffness : float
        K >= 0, the squared speed in both.
    redshift : bool
        Of the network: whether the data make the stiffness fall as exp(-2 H t).
    initial : (float, float)
        Value and time derivative at the first time.

    Returns
    -------
    ModePair

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Notes
    -----
    .. math:: \ddot\phi + dH\dot\phi + (K k^2 + m^2) \phi = 0 \text{ (network)}, \quad
              \ddot\phi + dH\dot\phi + (K k^2 e^{-2Ht} + m^2) \phi = 0 \text{ (de Sitter)} .

    The scalar has the gradient term a^-2 in its Lagrangian, a cost with static data does not: the
    two agree for k = 0, or for data whose stiffness redshifts. Tests of decay at k = 0 do not tell
    them apart. arXiv:2503.08827 and its remark on Lorentz symmetry.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.synaptic.redshift import compare_modes
    >>> pair = compare_modes(np.linspace(0, 8, 81), 20.0)
    >>> pair.frozen[0] < 0.01, pair.frozen[1] > 0.5
    (True, True)
    """
    t = finite("times", times)
    if t.ndim != 1 or t.size < 2 or np.diff(t).min() <= 0:
        raise ArgumentError(f"times must be increasing, shape (T,), got shape {t.shape}")
    k, m2 = as_real("momentum", momentum), as_real("mass2", mass2)
    rate, c2 = as_real("hubble", hubble), as_real("stiffness", stiffness)
    d = as_count("dimension", dimension)
    if not rate > 0 or m2 < 0 or c2 < 0 or k < 0:
        raise ArgumentError(
            f"hubble > 0 and momentum, mass2, stiffness of zero or more are needed, got {rate:g}, "
            f"{k:g}, {m2:g} and {c2:g}"
        )
    if max(k, m2, rate, c2) > _LARGEST or rate * float(np.abs(t).max()) > _E_FOLDS:
        raise ArgumentError(
            f"numbers up to {_LARGEST:g} and {_E_FOLDS:g} e-folds can be followed, got {rate:g}, "
            f"{k:g}, {m2:g}, {c2:g} and {rate * float(np.abs(t).max()):g} e-folds"
        )
    start = np.array([as_real("initial", v) for v in as_items("initial", initial)])
    if start.shape != (2,) or not start.any():
        raise ArgumentError(f"initial must be two numbers, not both zero, got {shown(initial)}")
    speed = math.sqrt(c2) * k
    phase = math.hypot(speed, math.sqrt(m2)) * float(t[-1] - t[0])
    if phase > _PHASE:
        raise ArgumentError(
            f"modes are followed over {_PHASE:g} radians, got {phase:.3g}; take a smaller momentum "
            "or shorter times"
        )
    falling = _follow(t, start, d * rate, speed**2, m2, rate)
    still = falling if redshift else _follow(t, start, d * rate, speed**2, m2, 0.0)
    return ModePair(
        times=t,
        network=still.copy(),
        de_sitter=falling,
        momentum=k,
        mass2=m2,
        hubble=rate,
        stiffness=c2,
        dimension=d,
        redshift=bool(redshift),
        horizon_time=math.log(speed / rate) / rate if speed > 0 else -math.inf,
    )


def _follow(
    t: Array, start: Array, gamma: float, gradient: float, mass2: float, fall: float
) -> Array:
    from scipy.integrate import solve_ivp

    def motion(time: float, state: Array) -> list[float]:
        frequency2 = gradient * math.exp(-2 * fall * time) + mass2
        return [state[1], -gamma * state[1] - frequency2 * state[0]]

    size = _TOLERANCE * float(np.abs(start).max())
    found = solve_ivp(
        motion, (t[0], t[-1]), start, "DOP853", t, rtol=_TOLERANCE, atol=max(size * 1e-3, 1e-300)
    )
    if not found.success:
        raise AnalysisError(f"the mode could not be followed: {found.message}")
    return np.asarray(found.y[0])
