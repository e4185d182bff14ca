"""Friction, Hubble rate and scale factor of optimisers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.simulate.training.optimisers import Adam, GradientDescent, HeavyBall, Nesterov, Optimiser
from nnrg.theory.synaptic._arguments import as_word
from nnrg.theory.synaptic._samples import finite

__all__ = ["FrictionMap", "friction", "momentum_of"]

Array = npt.NDArray[np.float64]

Discretisation = Literal["backward", "symmetric", "exponential"]
_MAPS = ("backward", "symmetric", "exponential")
# Beyond this share of a step in friction the maps differ by more than a tenth.
_COARSE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class FrictionMap:
    r"""Constants of w'' + gamma w' + dC/dw = 0 for one optimiser.

    Attributes
    ----------
    optimiser, discretisation : str
    learning_rate, momentum : float
        eta of the step that was asked for, and mu.
    time_step : float
        h, the time of one step, in the unit in which dC/dw has the coefficient 1.
    gamma : float
        Friction, in inverse units of time: of Adam the median over weights.
    dimension : int
        Number d of index directions.
    hessian_damping : float
        beta of a further friction beta d^2C/dw^2, which Nesterov's gradient ahead brings.
    effective_learning_rate : float
        Of slow motion, per step.
    spread : float
        Largest over smallest friction among weights; 1 where all weights have one.
    assumptions : tuple of str
    flags : tuple of str
    """

    optimiser: str
    discretisation: str
    learning_rate: float
    momentum: float
    time_step: float
    gamma: float
    dimension: int
    hessian_damping: float = 0.0
    effective_learning_rate: float
    spread: float = 1.0
    assumptions: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def hubble(self) -> float:
        """Hubble rate H = gamma / d."""
        return self.gamma / self.dimension

    @property
    def gamma_per_step(self) -> float:
        """Friction of w' = -dC/dw / gamma where time counts steps: 1 / effective learning rate."""
        return 1 / self.effective_learning_rate

    def damping(self, curvature: npt.ArrayLike) -> Array:
        """Return the friction of modes of these curvatures, gamma + beta lambda."""
        return np.asarray(self.gamma + self.hessian_damping * finite("curvature", curvature))

    def scale_factor(self, times: npt.ArrayLike) -> Array:
        """Return a(t) = exp(H t), of de Sitter space."""
        return np.asarray(np.exp(self.hubble * finite("times", times)))

    def __str__(self) -> str:
        lines = [
            f"{self.optimiser} ({self.discretisation} map), eta {self.learning_rate:.6g}, mu "
            f"{self.momentum:.6g}: gamma {self.gamma:.9g}, H = gamma / {self.dimension} = "
            f"{self.hubble:.9g}, time step {self.time_step:.9g}",
            f"  slow motion: effective learning rate {self.effective_learning_rate:.9g} a step",
        ]
        if self.hessian_damping:
            lines.append(f"  friction of a mode gamma + {self.hessian_damping:.6g} lambda")
        if self.spread != 1:
            lines.append(f"  friction differs by a factor {self.spread:.4g} among weights")
        lines += [f"  assumed: {a}" for a in self.assumptions]
        return "\n".join([*lines, *(f"  flag: {f}" for f in self.flags)])


def friction(
    optimiser: Optimiser,
    *,
    step: int = 0,
    dimension: int = 1,
    discretisation: Discretisation = "backward",
    second_moments: npt.ArrayLike | None = None,
) -> FrictionMap:
    r"""Return friction, Hubble rate and time step of an optimiser.

    Parameters
    ----------
    optimiser : GradientDescent, HeavyBall, Nesterov or Adam
        Of `nnrg.simulate.training`, eta and mu its learning rate and momentum; beta_1 of Adam.
    step : int
        Which step of a schedule; its learning rate is taken as if it stayed, see `cosmic_history`.
    dimension : int
        Number d of index directions of the field, not of parameters.
    discretisation : {"backward", "symmetric", "exponential"}
        How w_{t+1} - w_t = mu (w_t - w_{t-1}) - eta g is read. ``"backward"``: eta = h^2,
        mu = 1 - gamma h. ``"symmetric"``: mu = (1 - gamma h/2) / (1 + gamma h/2),
        eta = h^2 / (1 + gamma h/2). ``"exponential"``: eta = h^2, mu = exp(-gamma h), for which
        the discrete action is stationary exactly.
    second_moments : array
        Of Adam: the running means v of the squared gradients.

    Returns
    -------
    FrictionMap

    Raises
    ------
    ArgumentError
        If `optimiser` is none, a number is out of range, or Adam's second moments are missing.

    Notes
    -----
    S = int dt exp(gamma t) [w'^2 / 2 - C], exp(gamma t) = sqrt(-g) = a^d: arXiv:2503.08827. The
    maps agree to leading order in gamma h = 1 - mu. Nesterov's gradient is taken ahead, g(w + mu v)
    = g + mu h g' : friction gamma + mu h lambda. Adam is a heavy ball with eta (1 - beta_1) /
    (sqrt(v) + epsilon) for each weight, as long as v changes slowly.

    Examples
    --------
    >>> from nnrg.simulate.training import HeavyBall
    >>> from nnrg.theory.synaptic import friction
    >>> found = friction(HeavyBall(0.01, 0.9))
    >>> round(found.gamma, 12), round(found.hubble, 12), round(found.effective_learning_rate, 12)
    (1.0, 1.0, 0.1)
    """
    mu = momentum_of(optimiser)
    as_word("discretisation", discretisation, _MAPS)
    at, d = as_count("step", step, 0), as_count("dimension", dimension)
    eta = float(optimiser.rates(at + 1)[-1])
    if not eta > 0:
        raise ArgumentError(f"the learning rate of step {at} must be positive, got {eta:g}")
    if mu == 0 and discretisation == "exponential":
        raise ArgumentError(
            "mu = 0 has no exponential map: its friction is infinite; take backward"
        )
    assumptions, flags, spread, rate = [], [], 1.0, eta
    if isinstance(optimiser, Adam):
        rates = _adam_rates(eta, optimiser, second_moments)
        rate = float(np.median(rates))
        # gamma goes as eta^-1/2 in every map.
        spread = float(np.sqrt(rates.max() / rates.min()))
        assumptions.append("Adam as a heavy ball of its own learning rate for each weight")
        assumptions.append("second moments change slowly; bias corrections are over")
        if spread > 2:
            flags.append(
                f"no common Hubble rate: friction differs by {spread:.3g} among weights, and "
                "depends on the gradients: no action, no conserved law"
            )
    gamma, h = _map(rate, mu, discretisation)
    if isinstance(optimiser, GradientDescent):
        assumptions.append("first order in time: no action; the high-friction limit of one")
    if gamma * h > _COARSE:
        flags.append(f"gamma h = {gamma * h:.3g}: the three maps differ at first order in it")
    if callable(optimiser.learning_rate):
        assumptions.append(f"the learning rate stays what it is at step {at}")
    return FrictionMap(
        optimiser=type(optimiser).__name__,
        discretisation=discretisation,
        learning_rate=eta,
        momentum=mu,
        time_step=h,
        gamma=gamma,
        dimension=d,
        hessian_damping=mu * h if isinstance(optimiser, Nesterov) else 0.0,
        effective_learning_rate=rate / (1 - mu),
        spread=spread,
        assumptions=tuple(assumptions),
        flags=tuple(flags),
    )


def momentum_of(optimiser: object) -> float:
    """Return mu of an optimiser: zero of gradient descent, beta_1 of Adam.

    Raises
    ------
    ArgumentError
        If it is none that is known.
    """
    if isinstance(optimiser, HeavyBall):
        return optimiser.momentum
    if isinstance(optimiser, Adam):
        return optimiser.beta1
    if isinstance(optimiser, GradientDescent):
        return 0.0
    raise ArgumentError(
        "optimiser must be GradientDescent, HeavyBall, Nesterov or Adam of "
        f"nnrg.simulate.training, got {shown(optimiser)}"
    )


def _map(eta: float, mu: float, discretisation: str) -> tuple[float, float]:
    if discretisation == "symmetric":
        half = (1 - mu) / (1 + mu)  # gamma h / 2
        h = math.sqrt(eta * (1 + half))
        return 2 * half / h, h
    h = math.sqrt(eta)
    return ((1 - mu) if discretisation == "backward" else -math.log(mu)) / h, h


def _adam_rates(eta: float, adam: Adam, moments: npt.ArrayLike | None) -> Array:
    if moments is None:
        raise ArgumentError(
            "Adam's friction depends on the gradients: give second_moments, the running means of "
            "their squares"
        )
    v = finite("second_moments", moments).reshape(-1)
    if not v.size or v.min() < 0:
        raise ArgumentError("second_moments must not be negative or empty")
    return np.asarray(eta * (1 - adam.beta1) / (np.sqrt(v) + adam.epsilon))
