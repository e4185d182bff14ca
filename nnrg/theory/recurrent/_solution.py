"""What solutions of networks in time have in common: parameters, and how they print."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from nnrg.activation_functions import Activation
from nnrg.stats.estimate import Estimate

__all__ = ["Solution", "recurrent_assumptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution(ABC):
    """The mean-field theory of one network in time.

    Attributes
    ----------
    activation : Activation
    sigma_w, sigma_b, decay, noise : float
    variance : Estimate
        <z^2>.
    lyapunov : Estimate
        Largest Lyapunov exponent.
    assumptions : tuple of str
    flag : str
        Why the numbers are not to be trusted; empty if there is no reason.
    """

    activation: Activation
    sigma_w: float
    sigma_b: float
    decay: float
    noise: float
    variance: Estimate
    lyapunov: Estimate
    assumptions: tuple[str, ...]
    flag: str

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @abstractmethod
    def _title(self) -> str:
        """Return what was solved."""

    @abstractmethod
    def _rows(self) -> dict[str, str]:
        """Return what was found, by name."""

    def __str__(self) -> str:
        rows = [*self._rows().items(), *(("assumed", text) for text in self.assumptions)]
        if self.flag:
            rows.append(("flag", self.flag))
        return "\n".join(
            [
                self._title(),
                f"  sigma_w {self.sigma_w:g}, sigma_b {self.sigma_b:g}, decay {self.decay:g}, "
                f"noise {self.noise:g}",
                *(f"  {name:<12} {text}" for name, text in rows),
            ]
        )


def recurrent_assumptions(phi: Activation, times: str) -> tuple[str, ...]:
    """Return what the theory of recurrent networks takes for granted, at all `times`."""
    return (
        "infinite width: one self-consistent Gaussian process for every neuron",
        f"weights W_ij ~ N(0, sigma_w^2 / N) and biases drawn once and kept for all {times}",
        "stationary: memory of the initial state is lost",
        *((phi.note,) if phi.note else ()),
    )
