"""Schedules of learning rate and momentum as histories of a scale factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.simulate.training.optimisers import Adam, GradientDescent, Nesterov, Optimiser
from nnrg.theory.synaptic._arguments import as_word
from nnrg.theory.synaptic._samples import finite
from nnrg.theory.synaptic.friction_maps import momentum_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CosmicHistory", "cosmic_history", "history_of_rates"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CosmicHistory:
    r"""Friedmann-Robertson-Walker history of a schedule of learning rate and momentum.

    Attributes
    ----------
    times : array of shape (T,)
        Time at the beginning of each step, in units of sqrt(eta) summed up.
    gamma, hubble : array of shape (T,)
        Of Adam the median over weights, as are the times.
    log_scale_factor : array of shape (T,)
        ln a, d ln a = gamma dt / d.
    dimension : int
    spread : array of shape (T,)
        Largest over smallest rate 1 / sqrt(eta) among weights: 1 but for Adam.
    assumptions, flags : tuple of str
    """

    times: Array
    gamma: Array
    hubble: Array
    log_scale_factor: Array
    dimension: int
    spread: Array
    assumptions: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("times", "gamma", "hubble", "log_scale_factor", "spread"):
            getattr(self, name).flags.writeable = False

    @property
    def e_folds(self) -> float:
        """Change of ln a from the first step to the last."""
        return float(self.log_scale_factor[-1] - self.log_scale_factor[0])

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
            f"{self.e_folds:.6g} e-folds",
            *(f"  assumed: {a}" for a in self.assumptions),
        ]
        return "\n".join([*lines, *(f"  flag: {f}" for f in self.flags)])


def cosmic_history(
    optimiser: Optimiser,
    steps: int,
    *,
    momenta: npt.ArrayLike | None = None,
    dimension: int = 1,
    velocity: Literal["step", "gradient"] = "step",
    second_moments: npt.ArrayLike | None = None,
) -> CosmicHistory:
    r"""Return the history of the scale factor that an optimiser with its schedule amounts to.

    Parameters
    ----------
    optimiser : GradientDescent, HeavyBall, Nesterov or Adam
        Of `nnrg.simulate.training`, with a learning rate or a schedule of it.
    steps : int
        Steps of training, two or more.
    momenta : float or array of shape (T,), optional
        mu of each step, where it is not the optimiser's own.
    dimension : int
        Number d of index directions of the field.
    velocity : {"step", "gradient"}
        What the momentum carries on: ``"step"``, v = mu v - eta g, w += v, as the trainer does;
        ``"gradient"``, v = mu v + g, w -= eta v, as other programs do. They differ as soon as eta
        changes.
    second_moments : array of shape (T, n)
        Of Adam: the running means of the squared gradients of n weights after each step.

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
    :math:`H = (1 - \mu) / (d \sqrt\eta)`. Adam carries its gradient, at eta (1 - beta_1) /
    (1 - beta_1^n) / (sqrt(v / (1 - beta_2^n)) + epsilon) for each weight; the medians are given.

    Examples
    --------
    Nesterov's momentum 1 - 3 / (n + 3) is a power law, gamma = 3 / t:

    >>> import numpy as np
    >>> from nnrg.simulate.training import HeavyBall
    >>> from nnrg.theory.synaptic import cosmic_history
    >>> h = cosmic_history(HeavyBall(1e-4), 4000, momenta=1 - 3 / (np.arange(4000.0) + 3))
    >>> round(float(h.gamma[-1] * h.times[-1]), 2)
    3.0
    """
    mu = momentum_of(optimiser)
    count = as_count("steps", steps, 2)
    eta = optimiser.rates(count)
    assumptions = []
    if isinstance(optimiser, GradientDescent) and momenta is None:
        assumptions.append("first order in time: no action; the high-friction limit of one")
    if isinstance(optimiser, Nesterov):
        assumptions.append("friction of modes without curvature; see friction for the others")
    if isinstance(optimiser, Adam):
        if momenta is not None:
            raise ArgumentError("momenta are of the heavy ball; Adam's is beta1")
        assumptions.append("medians over weights, each a heavy ball of its own learning rate")
        eta, velocity = _adam(optimiser, eta, second_moments), "gradient"
    given = finite("momenta", mu if momenta is None else momenta)
    if given.shape not in ((), (count,)):
        raise ArgumentError(f"momenta must be one number or {count}, got shape {given.shape}")
    return history_of_rates(
        eta, given, dimension=dimension, velocity=velocity, assumptions=tuple(assumptions)
    )


def history_of_rates(
    eta: Array,
    mu: Array,
    *,
    dimension: int,
    velocity: Literal["step", "gradient"],
    assumptions: tuple[str, ...] = (),
) -> CosmicHistory:
    """Return the history of learning rates (T,), or (T, n) of n weights, and momenta () or (T,)."""
    d = as_count("dimension", dimension)
    as_word("velocity", velocity, ("step", "gradient"))
    if not eta.min() > 0:
        at = int(np.argmin(eta.reshape(len(eta), -1).min(axis=1)))
        raise ArgumentError(
            f"learning rates must be positive, got {eta.min():g} at step {at}; take fewer steps"
        )
    if not (mu.min() >= 0 and mu.max() <= 1):
        raise ArgumentError(f"momenta must be from 0 to 1, got {mu.min():g} to {mu.max():g}")
    h = np.sqrt(eta).reshape(len(eta), -1)
    carried = np.broadcast_to(mu, len(eta))[:, None]
    before = np.concatenate([h[:1], h[:-1]])
    ratio = before / h if velocity == "step" else h / before
    gamma = np.median((1 - carried * ratio) / h, axis=1)
    typical = np.median(h, axis=1)
    times = np.concatenate([[0.0], np.cumsum(typical)[:-1]])
    log_a = np.concatenate([[0.0], np.cumsum(gamma * typical)[:-1]]) / d
    spread = h.max(axis=1) / h.min(axis=1)
    flags = []
    if (gamma < 0).any():
        flags.append(f"friction is negative at step {int(np.argmax(gamma < 0))}: space contracts")
    jump = (np.abs(ratio - 1) > 1 - carried).any(axis=1)
    if jump.any():
        flags.append(
            f"learning rates change faster than the momentum forgets at {int(jump.sum())} steps, "
            f"first at step {int(np.argmax(jump))}: H is not (1 - mu) / (d sqrt(eta)) there"
        )
    if spread.max() > 2:
        flags.append(
            f"no common Hubble rate: it differs by up to {spread.max():.3g} among weights, and "
            "depends on the gradients: no action, no conserved law"
        )
    return CosmicHistory(
        times=times,
        gamma=gamma,
        hubble=gamma / d,
        log_scale_factor=log_a,
        dimension=d,
        spread=spread,
        assumptions=assumptions,
        flags=tuple(flags),
    )


def _adam(adam: Adam, rates: Array, moments: npt.ArrayLike | None) -> Array:
    """Return the learning rate of each step and weight, (T, n)."""
    if moments is None:
        raise ArgumentError(
            "Adam's friction depends on the gradients: give second_moments, the running means of "
            "their squares after each step, shape (T, n)"
        )
    v = finite("second_moments", moments)
    if v.ndim != 2 or len(v) != len(rates) or not v.size or v.min() < 0:
        raise ArgumentError(
            f"second_moments must be (T, n) with T = {len(rates)} and not negative, got {v.shape}"
        )
    n = np.arange(1, len(rates) + 1)[:, None]
    size = np.sqrt(v / (1 - adam.beta2**n)) + adam.epsilon
    return np.asarray(rates[:, None] * (1 - adam.beta1) / (1 - adam.beta1**n) / size)
