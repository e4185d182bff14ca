"""Schedules of learning rate and momentum as histories of a scale factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.theory.synaptic._samples import finite

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CosmicHistory", "cosmic_history"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CosmicHistory:
    r"""Friedmann-Robertson-Walker history of a schedule of learning rate and momentum.

    Attributes
    ----------
    times : array of shape (T,)
        Time at the beginning of each step, in units of sqrt(eta) summed up.
    gamma, hubble : array of shape (T,)
    log_scale_factor : array of shape (T,)
        ln a, d ln a = gamma dt.
    dimension : int
    flags : tuple of str
    """

    times: Array
    gamma: Array
    hubble: Array
    log_scale_factor: Array
    dimension: int
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for array in (self.times, self.gamma, self.hubble, self.log_scale_factor):
            array.flags.writeable = False

    @property
    def slow_roll(self) -> Array:
        """epsilon_H = -H' / H^2, zero in de Sitter space; infinite where H is zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(-np.gradient(self.hubble, self.times) / self.hubble**2)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each step."""
        import pandas as pd

        return pd.DataFrame(
            {
                "time": self.times,
                "gamma": self.gamma,
                "hubble": self.hubble,
                "log_scale_factor": self.log_scale_factor,
                "slow_roll": self.slow_roll,
            }
        )

    def __str__(self) -> str:
        low, high = float(self.hubble.min()), float(self.hubble.max())
        kind = "de Sitter" if high - low <= 1e-9 * abs(high) else "not de Sitter"
        lines = [
            f"history of {self.times.size} steps in d = {self.dimension}: {kind}, H from "
            f"{self.hubble[0]:.6g} to {self.hubble[-1]:.6g} (within {low:.6g} .. {high:.6g}), "
            f"{self.log_scale_factor[-1]:.6g} e-folds"
        ]
        return "\n".join([*lines, *(f"  flag: {f}" for f in self.flags)])


def cosmic_history(
    learning_rates: npt.ArrayLike,
    momenta: npt.ArrayLike = 0.0,
    *,
    dimension: int = 1,
    velocity: Literal["step", "gradient"] = "step",
) -> CosmicHistory:
    r"""Return the history of the scale factor that a schedule of the heavy ball amounts to.

    Parameters
    ----------
    learning_rates : array of shape (T,)
        eta of each step.
    momenta : float or array of shape (T,)
        mu of each step.
    dimension : int
    velocity : {"step", "gradient"}
        What the momentum carries on: ``"step"``, v = mu v - eta g, w += v; ``"gradient"``,
        v = mu v + g, w -= eta v. They differ as soon as eta changes.

    Returns
    -------
    CosmicHistory

    Raises
    ------
    ArgumentError
        If shapes do not fit or a number is out of range.

    Notes
    -----
    With steps of time h_n = sqrt(eta_n) the velocity is carried on by mu h_{n-1} / h_n
    (``"step"``) or mu h_n / h_{n-1}: :math:`\gamma_n = (1 - \mu h_{n-1} / h_n) / h_n`, that is
    :math:`(1 - \mu) / \sqrt\eta \pm \mu\, d\ln\sqrt\eta / dt`. The second term is small where the
    schedule changes little within one memory of the momentum, and only there is
    :math:`H = (1 - \mu) / (d \sqrt\eta)`.

    Examples
    --------
    Nesterov's momentum 1 - 3 / (n + 3) is a power law, gamma = 3 / t:

    >>> import numpy as np
    >>> from nnrg.theory.synaptic.schedules import cosmic_history
    >>> n = np.arange(4000.0)
    >>> h = cosmic_history(np.full(4000, 1e-4), 1 - 3 / (n + 3))
    >>> round(float(h.gamma[-1] * h.times[-1]), 2)
    3.0
    """
    eta = finite("learning_rates", learning_rates)
    mu = finite("momenta", momenta)
    d = as_count("dimension", dimension)
    if velocity not in ("step", "gradient"):
        raise ArgumentError(f"velocity must be 'step' or 'gradient', got {velocity!r}")
    if eta.ndim != 1 or eta.size < 2 or mu.shape not in ((), eta.shape):
        raise ArgumentError(
            f"learning_rates must have shape (T,), T of 2 or more, and momenta the same or one "
            f"number, got {eta.shape} and {mu.shape}"
        )
    if not (eta.min() > 0 and mu.min() >= 0 and mu.max() <= 1):
        raise ArgumentError("learning rates must be positive and momenta from 0 to 1")
    h = np.sqrt(eta)
    before = np.append(h[0], h[:-1])
    ratio = before / h if velocity == "step" else h / before
    gamma = (1 - mu * ratio) / h
    times = np.concatenate([[0.0], np.cumsum(h)[:-1]])
    log_a = np.concatenate([[0.0], np.cumsum(gamma * h)[:-1]]) / d
    flags = []
    if (gamma < 0).any():
        flags.append(f"friction is negative at step {int(np.argmax(gamma < 0))}: space contracts")
    jump = np.abs(ratio - 1) > 1 - mu
    if jump.any():
        flags.append(
            f"the schedule changes faster than the momentum forgets at {int(jump.sum())} steps, "
            f"first at step {int(np.argmax(jump))}: H is not (1 - mu) / (d sqrt(eta)) there"
        )
    return CosmicHistory(
        times=times,
        gamma=gamma,
        hubble=gamma / d,
        log_scale_factor=log_a,
        dimension=d,
        flags=tuple(flags),
    )
