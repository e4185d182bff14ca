"""Perceptrons with one hidden layer of any activation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import AnalysisError
from nnrg.theory.correlators._gaussian_products import product_averages
from nnrg.theory.correlators.independent import IndependentNeurons, linear_preactivations
from nnrg.theory.correlators.quadrature import Quadrature

__all__ = ["ErfNet", "OneHiddenLayer", "ReLUNet", "TanhNet"]

Floats = npt.NDArray[np.float64]
Tuples = npt.NDArray[np.intp]

# Of the error of a product of six or eight factors, relative to their deviations: what products of
# fewer may have, of which there are some dozens in a cumulant.
_SHARE = 0.03
_LARGEST_TOLERANCE = 0.1


@dataclass(frozen=True, kw_only=True)
class OneHiddenLayer(IndependentNeurons):
    r"""Perceptron with one hidden layer: :math:`h = v \varphi(z)`, :math:`z = w \cdot x + c`.

    Parameters
    ----------
    activation : str, Activation or callable
        phi; see `nnrg.activation_functions.as_activation`.
    width : int
        Neurons N, at least two.
    sigma_w, sigma_b : float
        The hidden weights have variance sigma_w^2 / d, the hidden biases sigma_b^2.
    output_sigma_w, output_sigma_b : float
        As for `IndependentNeurons`; in the standard parametrisation equal to the hidden ones.
    quadrature : Quadrature
        Accuracy where there is no closed form.

    Raises
    ------
    ArgumentError
        If the width is below two, a deviation negative, or the activation not usable.

    Notes
    -----
    z is normal with covariance :math:`K(x, y) = \sigma_b^2 + \sigma_w^2\, x \cdot y / d`. An
    r-point function is an average over as many normal variables as K has rank, at most r and, for
    inputs of dimension d, d + 1. Linear, sine and cosine nets: closed forms. erf: a product of
    signs, r/2 - 1 integrals for r points (for two the arcsine of C. K. I. Williams, Neural
    Computation 10 (1998) 1203). ReLU and its like: up to rank three an integral over directions,
    cut where a preactivation changes its sign; beyond, for independent preactivations, integration
    by parts down to products of signs. Others: the trapezoidal rule up to rank four. What is left,
    as six points of a smooth activation in five dimensions: quasi-random numbers. The correlator
    says which it was, and its error.

    Excess kurtosis without output bias: :math:`\frac3N (\langle \varphi^4 \rangle / \langle
    \varphi^2 \rangle^2 - 1)`, 15/N for ReLU.

    Examples
    --------
    >>> from nnrg.theory.correlators import OneHiddenLayer
    >>> print(round(float(OneHiddenLayer("relu", width=100).excess_kurtosis([[1.0, 2.0]])[0]), 9))
    0.15
    """

    activation: str | Activation | Function = field(kw_only=False)
    sigma_w: float = 1.0
    sigma_b: float = 0.0
    quadrature: Quadrature = field(default_factory=Quadrature)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "activation", as_activation(self.activation))

    @property
    def name(self) -> str:
        """What the network is called in tables."""
        return (
            f"{self.activation}-net (sigma_w = {self.sigma_w:g}, sigma_b = {self.sigma_b:g}, "
            f"output {self.output_sigma_w:g})"
        )

    def covariance(self, points: Floats) -> Floats:
        """Return the covariance K of the hidden preactivations at points (k, d), shape (k, k).

        Raises
        ------
        AnalysisError
            If it is beyond double precision.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = points * (self.sigma_w / points.shape[1] ** 0.5)
            covariance = np.float64(self.sigma_b) ** 2 + scaled @ scaled.T
        if not np.isfinite(covariance).all():
            raise AnalysisError(
                "the preactivations must have a variance within double precision, got infinity; "
                "make the inputs, sigma_w or sigma_b smaller"
            )
        return np.asarray(covariance)

    def products_of(self, points: Floats, tuples: Tuples) -> tuple[Floats, Floats, str]:
        """Return values, errors (m,) and the method of averages of products of phi."""
        phi = as_activation(self.activation)
        return product_averages(phi, self.covariance(points), tuples, self.quadrature)

    def as_good_as(self, errors: Floats, points: Floats, tuples: Tuples) -> Self:
        """Return this network with averages that need be no better than those of products."""
        pairs = np.repeat(np.arange(len(points))[:, None], 2, axis=1)
        deviations = np.sqrt(self.products_of(points, pairs)[0])
        size = np.prod(deviations[tuples], axis=1)
        lost = float(np.min(errors[size > 0] / size[size > 0], initial=_LARGEST_TOLERANCE))
        tolerance = max(self.quadrature.tolerance, _SHARE * lost)
        return replace(self, quadrature=replace(self.quadrature, tolerance=tolerance))

    def draw_hidden(
        self, inputs: Floats, shape: tuple[int, ...], rng: np.random.Generator
    ) -> Floats:
        """Draw phi(z) of independent neurons, shape (*shape, k)."""
        bias = self.sigma_b * rng.standard_normal((*shape, 1))
        return as_activation(self.activation)(
            linear_preactivations(inputs, shape, self.sigma_w, rng) + bias
        )


@dataclass(frozen=True, kw_only=True)
class ReLUNet(OneHiddenLayer):
    r"""`OneHiddenLayer` with rectified linear units.

    Parameters
    ----------
    width, sigma_w, sigma_b, output_sigma_w, output_sigma_b, quadrature
        As for `OneHiddenLayer`.

    Notes
    -----
    The two-point function is the arc-cosine kernel, :math:`\frac{\sigma^2}{2\pi} \sqrt{K_{xx}
    K_{yy}} [\sin\theta + (\pi - \theta) \cos\theta]` with :math:`\cos\theta = K_{xy} /
    \sqrt{K_{xx} K_{yy}}` (Y. Cho and L. Saul, NIPS 2009).

    Examples
    --------
    >>> from nnrg.theory.correlators import ReLUNet
    >>> round(float(ReLUNet(width=10).cumulant4([1.0] * 4)), 6)
    0.375
    """

    activation: str | Activation | Function = field(default="relu", init=False)


@dataclass(frozen=True, kw_only=True)
class ErfNet(OneHiddenLayer):
    r"""`OneHiddenLayer` with error functions.

    Parameters
    ----------
    width, sigma_w, sigma_b, output_sigma_w, output_sigma_b, quadrature
        As for `OneHiddenLayer`.

    Notes
    -----
    The two-point function is :math:`\sigma^2 \frac2\pi \arcsin \frac{2 K_{xy}}{\sqrt{(1 + 2
    K_{xx})(1 + 2 K_{yy})}}`. Where the variance of the preactivation is 1/2, erf(z) is uniform
    between -1 and 1 and the excess kurtosis 12/5N.

    Examples
    --------
    >>> from nnrg.theory.correlators import ErfNet
    >>> print(round(float(ErfNet(width=10, sigma_w=0.5**0.5).excess_kurtosis([1.0])[0]), 9))
    0.24
    """

    activation: str | Activation | Function = field(default="erf", init=False)


@dataclass(frozen=True, kw_only=True)
class TanhNet(OneHiddenLayer):
    """`OneHiddenLayer` with hyperbolic tangents.

    Parameters
    ----------
    width, sigma_w, sigma_b, output_sigma_w, output_sigma_b, quadrature
        As for `OneHiddenLayer`.

    Examples
    --------
    >>> from nnrg.theory.correlators import TanhNet
    >>> print(round(float(TanhNet(width=100).excess_kurtosis([1.0])[0]), 9))
    0.018818724
    """

    activation: str | Activation | Function = field(default="tanh", init=False)
