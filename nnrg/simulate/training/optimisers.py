"""Optimisers of first order, as discrete dynamics of the weights, in place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import ArgumentError
from nnrg.simulate.training.schedules import Schedule, describe_schedule, rates

__all__ = ["Adam", "GradientDescent", "HeavyBall", "Nesterov", "Optimiser"]

Array = npt.NDArray[Any]


def _share(name: str, value: object) -> float:
    number = as_real(name, value)
    if not 0 <= number < 1:
        raise ArgumentError(f"{name} must be at least 0 and below 1, got {number}")
    return number


@dataclass(frozen=True, slots=True)
class Optimiser(ABC):
    """What optimisers share.

    Parameters
    ----------
    learning_rate : float or callable
        Of the step 0, 1, 2, ...

    Attributes
    ----------
    slots : tuple of str
        Names of the tensors beside the weights that decide how training goes on.
    """

    learning_rate: Schedule

    slots: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        describe_schedule(self.learning_rate)

    def rates(self, steps: int) -> npt.NDArray[np.float64]:
        """Return the learning rates of the first `steps` steps."""
        return rates(self.learning_rate, steps)

    def describe(self) -> dict[str, object]:
        """Return the optimiser as JSON."""
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "learning_rate"}
        schedule = describe_schedule(self.learning_rate)
        return {"optimiser": type(self).__name__, "learning_rate": schedule, **rest}

    def stability_bound(self) -> float | None:
        """Return the largest stable product of learning rate and curvature; None if not known."""
        return None

    def look_ahead(self, w: Array, state: Mapping[str, Array]) -> None:  # noqa: B027  (most take it where they are)
        """Move the weights to where the gradient is taken."""

    @abstractmethod
    def update(self, w: Array, g: Array, state: Mapping[str, Array], rate: float, t: int) -> None:
        """Make step t with a gradient, which is overwritten."""


@dataclass(frozen=True, slots=True)
class GradientDescent(Optimiser):
    r"""Gradient descent, :math:`w \leftarrow w - \eta \nabla C`.

    Parameters
    ----------
    learning_rate : float or callable

    Notes
    -----
    A mode of curvature :math:`\lambda` is multiplied by :math:`1 - \eta \lambda` a step: stable if
    :math:`\eta \lambda < 2`.
    """

    def stability_bound(self) -> float:
        """Return 2."""
        return 2.0

    def update(self, w: Array, g: Array, state: Mapping[str, Array], rate: float, t: int) -> None:
        """Make a step."""
        g *= rate
        w -= g


@dataclass(frozen=True, slots=True)
class HeavyBall(Optimiser):
    r"""Heavy ball, :math:`v \leftarrow \mu v - \eta \nabla C(w)`, :math:`w \leftarrow w + v`.

    Parameters
    ----------
    learning_rate : float or callable
    momentum : float
        :math:`\mu`, at least 0 and below 1.

    Notes
    -----
    A mode of curvature :math:`\lambda` has the roots of
    :math:`z^2 - (1 + \mu - \eta \lambda) z + \mu = 0`: stable if
    :math:`\eta \lambda < 2 (1 + \mu)`. With the time step :math:`h = \sqrt\eta` this is
    :math:`\ddot w + \gamma \dot w + \nabla C = 0` with :math:`\gamma = (1 - \mu) / \sqrt\eta`. The
    recorded velocity is that of the last step, in weight per step.

    Examples
    --------
    >>> HeavyBall(0.01, 0.9).stability_bound()
    3.8
    """

    momentum: float = 0.9

    slots: ClassVar[tuple[str, ...]] = ("velocity",)

    def __post_init__(self) -> None:
        Optimiser.__post_init__(self)
        object.__setattr__(self, "momentum", _share("momentum", self.momentum))

    def stability_bound(self) -> float:
        """Return 2 (1 + momentum)."""
        return 2 * (1 + self.momentum)

    def update(self, w: Array, g: Array, state: Mapping[str, Array], rate: float, t: int) -> None:
        """Make a step."""
        v = state["velocity"]
        g *= rate
        v *= self.momentum
        v -= g
        w += v


@dataclass(frozen=True, slots=True)
class Nesterov(HeavyBall):
    r"""Nesterov's method: the heavy ball with the gradient taken at :math:`w + \mu v`.

    Parameters
    ----------
    learning_rate : float or callable
    momentum : float

    Notes
    -----
    A mode of curvature :math:`\lambda` has the roots of
    :math:`z^2 - (1 + \mu) q z + \mu q = 0`, :math:`q = 1 - \eta \lambda`: stable if
    :math:`\eta \lambda < 2 (1 + \mu) / (1 + 2 \mu)`.
    """

    def stability_bound(self) -> float:
        """Return 2 (1 + momentum) / (1 + 2 momentum)."""
        return 2 * (1 + self.momentum) / (1 + 2 * self.momentum)

    def look_ahead(self, w: Array, state: Mapping[str, Array]) -> None:
        """Move the weights by the momentum alone."""
        v = state["velocity"]
        v *= self.momentum
        w += v

    def update(self, w: Array, g: Array, state: Mapping[str, Array], rate: float, t: int) -> None:
        """Make the rest of the step."""
        g *= rate
        state["velocity"][...] -= g
        w -= g


@dataclass(frozen=True, slots=True)
class Adam(Optimiser):
    r"""Adam, with both moments corrected for their start at zero.

    Parameters
    ----------
    learning_rate : float or callable
    beta1, beta2 : float
        At least 0 and below 1.
    epsilon : float
        Positive.

    Notes
    -----
    D. P. Kingma and J. Ba, arXiv:1412.6980. The step is rescaled by the history of each weight, so
    that there is no bound by the largest curvature alone.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    slots: ClassVar[tuple[str, ...]] = ("first_moment", "second_moment")

    def __post_init__(self) -> None:
        Optimiser.__post_init__(self)
        for name in ("beta1", "beta2"):
            object.__setattr__(self, name, _share(name, getattr(self, name)))
        if as_real("epsilon", self.epsilon) <= 0:
            raise ArgumentError(f"epsilon must be positive, got {self.epsilon}; try 1e-8")

    def update(self, w: Array, g: Array, state: Mapping[str, Array], rate: float, t: int) -> None:
        """Make a step."""
        m, s = state["first_moment"], state["second_moment"]
        m *= self.beta1
        m += (1 - self.beta1) * g
        np.square(g, out=g)
        g *= 1 - self.beta2
        s *= self.beta2
        s += g
        np.sqrt(s, out=g)
        g *= (1 - self.beta2 ** (t + 1)) ** -0.5
        g += self.epsilon
        np.divide(m, g, out=g)
        g *= rate / (1 - self.beta1 ** (t + 1))
        w -= g
