"""The kernel of a wide network, layer by layer: a Gaussian process in the inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate._inputs import as_inputs
from nnrg.theory.layer_kernel import kernel

__all__ = ["NetworkKernel"]

Floats = npt.NDArray[np.float64]

# Relative error of a layer that is let pass.
_ACCURATE = 1e-8


@dataclass(frozen=True)
class NetworkKernel:
    r"""Covariance of the output of an infinitely wide network between two inputs.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : float, dimensionless
        Of all layers: W_ij ~ N(0, sigma_w^2 / fan_in), b ~ N(0, sigma_b^2).
    depth : int
        Hidden layers.

    Raises
    ------
    ArgumentError
        If a deviation is negative or there is no hidden layer.

    Notes
    -----
    :math:`K^0 = \sigma_w^2 x \cdot y / d + \sigma_b^2`, :math:`K^{l+1} = \sigma_w^2 \langle
    \phi(u) \phi(v) \rangle_{K^l} + \sigma_b^2`: J. Lee et al., arXiv:1711.00165. Of (sigma_w,
    sigma_b) of a `nnrg.theory.criticality.MeanField` take the same numbers. Linear, ReLU, leaky
    ReLU, erf, GELU, sin and cos are closed forms; others take a quadrature for every pair;
    errors of a layer are below 1e-8.

    Examples
    --------
    >>> import numpy as np
    >>> k = NetworkKernel("relu", 2**0.5, 0.0, 3)
    >>> k(np.array([[1.0, 1.0]]), np.array([[1.0, 1.0], [-1.0, -1.0]])).round(4).tolist()
    [[2.0, 0.9875]]
    """

    activation: Activation | str | Function
    sigma_w: float
    sigma_b: float
    depth: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", as_activation(self.activation))
        object.__setattr__(self, "depth", as_count("depth", self.depth))
        for name in ("sigma_w", "sigma_b"):
            value = as_real(name, getattr(self, name))
            if value < 0:
                raise ArgumentError(
                    f"{name} must not be negative, got {value:g}; it is a deviation"
                )
            object.__setattr__(self, name, value)

    def __call__(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
        """Return the kernel between inputs (k, d) and (m, d), shape (k, m).

        Raises
        ------
        AnalysisError
            If a variance leaves double precision, or an input has none.
        """
        first, second = as_inputs(x, name="x"), as_inputs(y, name="y")
        if first.shape[1] != second.shape[1]:
            raise ArgumentError(
                f"x and y must have inputs of one dimension, got {first.shape} and {second.shape}"
            )
        w2, b2 = self.sigma_w**2, self.sigma_b**2
        qx = w2 * (first**2).mean(axis=1) + b2
        qy = w2 * (second**2).mean(axis=1) + b2
        cross = w2 * (first @ second.T) / first.shape[1] + b2
        for _ in range(self.depth):
            root = np.sqrt(qx[:, None] * qy)
            if not (root > 0).all() or not np.isfinite(root).all():
                raise AnalysisError(
                    "a variance is zero or beyond double precision: the kernel has no correlation "
                    "there; take other inputs, a bias, or fewer layers"
                )
            correlation = np.clip(cross / root, -1.0, 1.0)
            q1, q2 = np.broadcast_to(qx[:, None], root.shape), np.broadcast_to(qy, root.shape)
            cross = w2 * self._average(q1, q2, correlation) + b2
            one = np.ones(1)
            qx = w2 * self._average(qx, qx, one) + b2
            qy = w2 * self._average(qy, qy, one) + b2
        return np.asarray(cross)

    def _average(self, q1: Floats, q2: Floats, correlation: Floats) -> Floats:
        assert isinstance(self.activation, Activation)
        value, error = kernel(self.activation, q1, q2, correlation)
        if not (error <= _ACCURATE * np.abs(value).max()).all():
            raise AnalysisError(
                f"the quadrature of {self.activation.name} has errors of {error.max():.1e}: give "
                "its kinks, or smaller deviations"
            )
        return value
