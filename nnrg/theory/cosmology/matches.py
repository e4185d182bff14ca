"""Three ways to read training as a scalar field in an expanding universe."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import ArgumentError

__all__ = ["MATCHES", "CosmologicalMatch", "cosmological_match"]

MATCHES = ("slow_roll", "second_order", "momentum")
"""Names of the matches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CosmologicalMatch:
    """Hubble rate, mass and cosmological constant of a mode of training.

    Attributes
    ----------
    match : str
    learning_rate, eigenvalue, momentum : float
        eta, the eigenvalue theta of tangent kernel or Hessian, mu.
    dimension : int
        Number d of directions of space.
    hubble, mass2, cosmological_constant : float
        In inverse units of time, and their squares, the reduced Planck mass being one.
    time_unit : str
        The unit of time, without which H and Lambda mean nothing.
    step : float
        Time of one step of training, in that unit.
    """

    match: str
    learning_rate: float
    eigenvalue: float
    momentum: float
    dimension: int
    hubble: float
    mass2: float
    cosmological_constant: float
    time_unit: str
    step: float

    @property
    def invariant(self) -> float:
        """m^2 / H^2, which no unit of time changes; of slow roll a choice, as is H itself."""
        return self.mass2 / self.hubble**2

    @property
    def friction(self) -> float:
        """D H, the coefficient of the first derivative."""
        return self.dimension * self.hubble

    @property
    def rates(self) -> tuple[complex, complex]:
        """Decay rates of both solutions per unit of time, the slower first.

        In slow roll the second derivative is left out: the second rate is infinite.
        """
        if self.match == "slow_roll":
            return complex(self.mass2 / self.friction), complex(math.inf)
        half = self.friction / 2
        root = complex(half**2 - self.mass2) ** 0.5
        # The slow rate as a product of both over the fast one: no digits are lost.
        fast = half + root
        return self.mass2 / fast, fast

    @property
    def oscillates(self) -> bool:
        """Whether m > d H / 2; first-order equations, those of slow roll, never do."""
        return self.match != "slow_roll" and self.mass2 > self.friction**2 / 4

    def __str__(self) -> str:
        return (
            f"{self.match} match, time in {self.time_unit}: H {self.hubble:.6g}, m^2 "
            f"{self.mass2:.6g}, Lambda {self.cosmological_constant:.6g}, m^2/H^2 "
            f"{self.invariant:.6g}"
        )


def cosmological_match(
    learning_rate: float,
    eigenvalue: float,
    *,
    match: str,
    momentum: float = 0.0,
    dimension: int = 3,
) -> CosmologicalMatch:
    r"""Return what a mode of training is in cosmology.

    Parameters
    ----------
    learning_rate : float
        :math:`\eta > 0`.
    eigenvalue : float
        :math:`\theta \ge 0` of the tangent kernel, divided by the number of inputs.
    match : {"slow_roll", "second_order", "momentum"}
    momentum : float
        :math:`\mu` of the heavy ball, at least 0 and below 1; of the match of that name only.
    dimension : int
        d.

    Returns
    -------
    CosmologicalMatch

    Raises
    ------
    ArgumentError
        If a number is out of range, or the momentum is of no use.

    Notes
    -----
    With :math:`\ddot\phi + d H \dot\phi + m^2 (\phi - y) = 0` and
    :math:`H^2 = 2 \Lambda / [d (d - 1)]`, which is :math:`\Lambda / 3` for d = 3:

    ============ ======================= ========================== ======================
    match        unit of time            d H                        m^2
    ============ ======================= ========================== ======================
    slow roll    step                    :math:`1 / \eta`           :math:`\theta`
    second order :math:`\eta` steps      :math:`2 / \eta`           :math:`2\theta/\eta`
    momentum     :math:`\sqrt\eta` steps :math:`(1-\mu)/\eta^{1/2}` :math:`\theta`
    ============ ======================= ========================== ======================

    Slow roll leaves the second derivative out and so fixes :math:`m^2 / d H` alone: that
    :math:`m^2 = \theta` is a choice. The duality is that of S. Krippendorf and M. Spannowsky,
    arXiv:2202.11104; the numbers are derived here. The second-order match keeps
    :math:`f(t + \eta) - f(t) = \eta \dot f + \eta^2 \ddot f / 2`.

    Examples
    --------
    >>> print(cosmological_match(0.1, 0.5, match="second_order"))
    second_order match, time in eta x steps: H 6.66667, m^2 10, Lambda 133.333, m^2/H^2 0.225
    """
    eta, theta = as_real("learning_rate", learning_rate), as_real("eigenvalue", eigenvalue)
    mu, d = as_real("momentum", momentum), as_count("dimension", dimension, 2)
    if eta <= 0 or theta < 0 or not 0 <= mu < 1:
        raise ArgumentError(
            "learning_rate must be positive, eigenvalue not negative, and momentum at least 0 and "
            f"below 1, got {eta}, {theta} and {mu}"
        )
    if match not in MATCHES:
        raise ArgumentError(f"match must be one of {', '.join(MATCHES)}, got {shown(match)}")
    if mu and match != "momentum":
        raise ArgumentError(f"the {match} match is of plain gradient descent; try match='momentum'")
    friction, mass2, unit, step = {
        "slow_roll": (1 / eta, theta, "steps", 1.0),
        "second_order": (2 / eta, 2 * theta / eta, "eta x steps", eta),
        "momentum": ((1 - mu) / math.sqrt(eta), theta, "sqrt(eta) x steps", math.sqrt(eta)),
    }[match]
    hubble = friction / d
    with np.errstate(over="ignore"):
        density = float(d * (d - 1) / 2 * np.square(hubble))
    if not (math.isfinite(density) and math.isfinite(mass2) and hubble**2 > 0):
        raise ArgumentError(
            f"learning_rate {eta:.3g} and eigenvalue {theta:.3g} are too small or too large: H^2 "
            "or m^2 is no number in double precision"
        )
    return CosmologicalMatch(
        match=match,
        learning_rate=eta,
        eigenvalue=theta,
        momentum=mu,
        dimension=d,
        hubble=hubble,
        mass2=mass2,
        cosmological_constant=density,
        time_unit=unit,
        step=step,
    )
