"""Friction, Hubble rate and scale factor of optimisers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import ArgumentError
from nnrg.theory.synaptic._samples import finite

__all__ = ["FrictionMap", "friction"]

Array = npt.NDArray[np.float64]

Optimiser = Literal["gradient_descent", "heavy_ball", "nesterov", "adam"]
_OPTIMISERS = ("gradient_descent", "heavy_ball", "nesterov", "adam")
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
            f"{self.optimiser} ({self.discretisation} map): gamma {self.gamma:.9g}, H = gamma / "
            f"{self.dimension} = {self.hubble:.9g}, time step {self.time_step:.9g}",
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
    learning_rate: float,
    momentum: float = 0.0,
    dimension: int = 1,
    discretisation: Discretisation = "backward",
    second_moments: npt.ArrayLike | None = None,
    epsilon: float = 1e-8,
) -> FrictionMap:
    r"""Return friction, Hubble rate and time step of an optimiser.

    Parameters
    ----------
    optimiser : {"gradient_descent", "heavy_ball", "nesterov", "adam"}
    learning_rate : float
        eta.
    momentum : float
        mu, below 1; of Adam beta_1.
    dimension : int
        Number d of index directions of the field, not of parameters.
    discretisation : {"backward", "symmetric", "exponential"}
        How w_{t+1} - w_t = mu (w_t - w_{t-1}) - eta g is read. ``"backward"``: eta = h^2,
        mu = 1 - gamma h. ``"symmetric"``: mu = (1 - gamma h/2) / (1 + gamma h/2),
        eta = h^2 / (1 + gamma h/2). ``"exponential"``: eta = h^2, mu = exp(-gamma h), for which
        the discrete action is stationary exactly.
    second_moments : array
        Of Adam: the running means v of the squared gradients.
    epsilon : float
        Of Adam.

    Returns
    -------
    FrictionMap

    Raises
    ------
    ArgumentError
        If a number is out of range, or Adam's second moments are missing.

    Notes
    -----
    S = int dt exp(gamma t) [w'^2 / 2 - C], exp(gamma t) = sqrt(-g) = a^d: arXiv:2503.08827. The
    maps agree to leading order in gamma h = 1 - mu. Nesterov's gradient is taken ahead, g(w + mu v)
    = g + mu h g' : friction gamma + mu h lambda. Adam is a heavy ball with eta (1 - beta_1) /
    (sqrt(v) + epsilon) for each weight, as long as v changes slowly.

    Examples
    --------
    >>> from nnrg.theory.synaptic.optimisers import friction
    >>> found = friction("heavy_ball", learning_rate=0.01, momentum=0.9, dimension=1)
    >>> round(found.gamma, 12), round(found.hubble, 12), round(found.effective_learning_rate, 12)
    (1.0, 1.0, 0.1)
    """
    if optimiser not in _OPTIMISERS:
        raise ArgumentError(f"optimiser must be one of {', '.join(_OPTIMISERS)}, got {optimiser!r}")
    if discretisation not in _MAPS:
        raise ArgumentError(
            f"discretisation must be one of {', '.join(_MAPS)}, got {discretisation!r}"
        )
    eta, mu = as_real("learning_rate", learning_rate), as_real("momentum", momentum)
    d = as_count("dimension", dimension)
    if not eta > 0 or not 0 <= mu < 1:
        raise ArgumentError(
            f"learning_rate > 0 and momentum from 0 to below 1 are needed, got "
            f"{shown(learning_rate)} and {shown(momentum)}"
        )
    if optimiser == "gradient_descent" and mu != 0:
        raise ArgumentError(f"gradient_descent has no momentum, got {mu:g}; take heavy_ball")
    if mu == 0 and discretisation == "exponential":
        raise ArgumentError(
            "mu = 0 has no exponential map: its friction is infinite; take backward"
        )
    assumptions, flags, spread = [], [], 1.0
    rate = eta
    if optimiser == "adam":
        rates = _adam_rates(eta, mu, second_moments, as_real("epsilon", epsilon))
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
    if optimiser == "gradient_descent":
        assumptions.append("first order in time: no action; the high-friction limit of one")
    if gamma * h > _COARSE:
        flags.append(f"gamma h = {gamma * h:.3g}: the three maps differ at first order in it")
    return FrictionMap(
        optimiser=optimiser,
        discretisation=discretisation,
        time_step=h,
        gamma=gamma,
        dimension=d,
        hessian_damping=mu * h if optimiser == "nesterov" else 0.0,
        effective_learning_rate=rate / (1 - mu),
        spread=spread,
        assumptions=tuple(assumptions),
        flags=tuple(flags),
    )


def _map(eta: float, mu: float, discretisation: str) -> tuple[float, float]:
    if discretisation == "symmetric":
        half = (1 - mu) / (1 + mu)  # gamma h / 2
        h = math.sqrt(eta * (1 + half))
        return 2 * half / h, h
    h = math.sqrt(eta)
    return ((1 - mu) if discretisation == "backward" else -math.log(mu)) / h, h


def _adam_rates(eta: float, beta: float, moments: npt.ArrayLike | None, epsilon: float) -> Array:
    if moments is None:
        raise ArgumentError(
            "Adam's friction depends on the gradients: give second_moments, the running means of "
            "their squares"
        )
    v = finite("second_moments", moments).reshape(-1)
    if not v.size or v.min() < 0 or not epsilon > 0:
        raise ArgumentError("second_moments must not be negative or empty, and epsilon positive")
    return np.asarray(eta * (1 - beta) / (np.sqrt(v) + epsilon))
