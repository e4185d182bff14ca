"""The variance of preactivations of one network: parameters, fixed points, susceptibilities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnrg._validate import as_real
from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import ArgumentError
from nnrg.theory.criticality._depth_scales import depth_scales
from nnrg.theory.criticality.fixed_points import (
    MARGINAL,
    FixedPoint,
    find_fixed_points,
    reached,
    slopes_far_out,
)
from nnrg.theory.gaussian_averages import selected_moments

__all__ = ["VarianceField"]


@dataclass(frozen=True)
class VarianceField:
    """What `MeanField` says of one input; the attributes are described there."""

    activation: Activation | str | Function
    sigma_w: float
    sigma_b: float
    q0: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", as_activation(self.activation))
        for name in ("sigma_w", "sigma_b"):
            value = as_real(name, getattr(self, name))
            if value < 0 or value > 1e50:
                raise ArgumentError(
                    f"{name} must be a standard deviation of at least zero, and at most 1e50, got "
                    f"{value:g}"
                )
            object.__setattr__(self, name, value)
        q0 = as_real("q0", self.q0)
        if not q0 > 0:
            raise ArgumentError(f"q0 must be above zero, got {q0:g}; it is a variance, try 1")
        object.__setattr__(self, "q0", q0)

    @property
    def phi(self) -> Activation:
        """The activation."""
        assert isinstance(self.activation, Activation)
        return self.activation

    @property
    def w2(self) -> float:
        """sigma_w^2."""
        return self.sigma_w**2

    @property
    def b2(self) -> float:
        """sigma_b^2."""
        return self.sigma_b**2

    @cached_property
    def scale_free(self) -> bool:
        """Whether every q is a fixed point: a scale-invariant function at its critical point."""
        if self.phi.slopes is None or self.b2 > 0:
            return False
        a, b = self.phi.slopes
        return abs(self.w2 * (a * a + b * b) / 2 - 1) <= MARGINAL

    @cached_property
    def _found(self) -> tuple[tuple[FixedPoint, ...], str, bool]:
        if self.scale_free:
            assert self.phi.slopes is not None
            chi = self.w2 * (self.phi.slopes[0] ** 2 + self.phi.slopes[1] ** 2) / 2
            error = abs(chi - 1) + 4e-16
            point = FixedPoint(self.q0, 0.0, 1.0, error, 1.0, error, "marginal")
            return (point,), "", True
        return find_fixed_points(self.phi, self.w2, self.b2)

    @property
    def fixed_points(self) -> tuple[FixedPoint, ...]:
        """All fixed points of q; those of scale-invariant functions at criticality are q0 alone."""
        return self._found[0]

    @cached_property
    def _reached(self) -> tuple[FixedPoint | None, str]:
        return reached(self._found, self.q0, self.q_map)

    @property
    def divergence(self) -> str:
        """Why q has no limit from q0; empty if it has one."""
        return self._reached[1]

    @property
    def q_star(self) -> float:
        """Fixed point of the variance that is reached from q0."""
        return self._reached[0].q if self._reached[0] else np.nan

    @property
    def q_star_error(self) -> float:
        """Error of q_star."""
        return self._reached[0].q_error if self._reached[0] else np.nan

    @cached_property
    def _chi(self) -> tuple[float, float, float, float]:
        point = self._reached[0]
        if point:
            return point.chi_1, point.chi_1_error, point.chi_par, point.chi_par_error
        if "alternates" in self.divergence:
            return np.nan, np.nan, np.nan, np.nan
        return slopes_far_out(self.phi, self.w2)

    @property
    def chi_1(self) -> float:
        """sigma_w^2 <phi'^2> at q_star."""
        return self._chi[0]

    @property
    def chi_1_error(self) -> float:
        """Error of chi_1."""
        return self._chi[1]

    @property
    def chi_par(self) -> float:
        """Slope of the map of q at q_star."""
        return self._chi[2]

    @property
    def chi_par_error(self) -> float:
        """Error of chi_par."""
        return self._chi[3]

    @property
    def xi_q(self) -> float:
        """Layers in which a deviation of q decays by e."""
        return float(depth_scales(self.chi_par, self.chi_par_error)[0])

    @property
    def xi_q_error(self) -> float:
        """Error of xi_q."""
        return float(depth_scales(self.chi_par, self.chi_par_error)[1])

    def q_map(self, q: float) -> float:
        """Return sigma_w^2 <phi^2>_q + sigma_b^2, the variance one layer on."""
        square = selected_moments(self.phi, np.array(q), ("square",))[0]["square"]
        return self.w2 * float(square) + self.b2
