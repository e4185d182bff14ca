"""Networks of which all neurons share a random scale: the simplest dependence, solved exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Self

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real, shown
from nnrg.errors import ArgumentError
from nnrg.theory.correlators._set_partitions import cumulant_weight, sum_over_partitions
from nnrg.theory.correlators.architecture import Architecture
from nnrg.theory.correlators.correlator import ConnectedCorrelator
from nnrg.theory.correlators.independent import IndependentNeurons
from nnrg.theory.correlators.neurons import Signature

__all__ = ["ScaleMixture"]

Floats = npt.NDArray[np.float64]
Tuples = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class ScaleMixture(Architecture):
    r"""Neurons :math:`h_i = s\, h^0_i` with one scale s for all neurons of a network.

    Parameters
    ----------
    layer : IndependentNeurons
        The network of which :math:`h^0` are the neurons.
    alpha : float
        Variance of :math:`s^2`, whose mean is one, dimensionless; zero is independence.

    Raises
    ------
    ArgumentError
        If `layer` is none of independent neurons or `alpha` is negative.

    Notes
    -----
    :math:`s^2` is Gamma distributed, :math:`\mu_{2m} = \langle s^{2m} \rangle = \prod_{j < m}
    (1 + j \alpha)`. Moments of the output are those of the layer times :math:`\mu_r`, so that

    .. math:: G_c^{(4)} = (1 + \alpha) G_{c,0}^{(4)} + \alpha \sum_{3} G(x_a, x_b) G(x_c, x_d) ,

    whose second part does not vanish with the width: the neurons' marginal law and 1/N
    (`independent_prediction`) do not tell it. It is of the order of the first where alpha ~ 1/N.
    M. Demirtas et al., arXiv:2307.03223, on the breaking of statistical independence.

    Examples
    --------
    Coincident points, N = 1000: 3 G^2 alpha + O(1/N), with G = 1/2.

    >>> from nnrg.theory.correlators import CosNet, ScaleMixture
    >>> net = ScaleMixture(CosNet(width=1000), alpha=0.2)
    >>> round(float(net.cumulant4([0.0] * 4)), 5)
    0.15045
    >>> round(float(net.independent_prediction([0.0] * 4)), 5)
    0.0006
    """

    layer: IndependentNeurons = field(kw_only=False)
    alpha: float
    width: int = field(init=False)
    output_sigma_b: float = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.layer, IndependentNeurons):
            raise ArgumentError(
                f"layer must be a network of independent neurons, got {shown(self.layer)}; "
                "try CosNet(width=100)"
            )
        number = as_real("alpha", self.alpha)
        if number < 0:
            raise ArgumentError(f"alpha must not be negative, got {number}; it is a variance")
        object.__setattr__(self, "alpha", number)
        object.__setattr__(self, "width", self.layer.width)
        object.__setattr__(self, "output_sigma_b", self.layer.output_sigma_b)

    @property
    def name(self) -> str:
        """What the network is called in tables."""
        return f"{self.layer.name} with a common scale (alpha = {self.alpha:g})"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the formulas rest on."""
        return ("neurons independent but for one scale", "its square Gamma distributed")

    def with_width(self, width: int) -> Self:
        """Return the same kind of network with another width."""
        return replace(self, layer=self.layer.with_width(width))

    def scale_moment(self, order: int) -> float:
        """Return the moment of s of an even order."""
        return prod(1 + j * self.alpha for j in range(order // 2))

    def cumulants_of(self, points: Floats, tuples: Tuples) -> tuple[Floats, Floats, str]:
        """Return values, errors (m,) and the method of joint cumulants of the output."""
        silent = replace(self.layer, output_sigma_b=0.0)
        values, errors, method = self._scaled(tuples, lambda sub: silent.cumulants_of(points, sub))
        shift = self.output_sigma_b**2 if tuples.shape[1] == 2 else 0.0
        return values + shift, errors, method

    def _scaled(
        self, tuples: Tuples, cumulant: Callable[[Tuples], tuple[Floats, Floats, str]]
    ) -> tuple[Floats, Floats, str]:
        """Return the cumulants of s times a variable of which the cumulants are given."""
        methods: dict[int, str] = {}

        def without(sub: Tuples) -> tuple[Floats, Floats]:
            values, errors, methods[sub.shape[1]] = cumulant(sub)
            return values, errors

        def moment(sub: Tuples) -> tuple[Floats, Floats]:
            values, errors = sum_over_partitions(sub, without, lambda _: 1.0)
            factor = self.scale_moment(sub.shape[1])
            return factor * values, factor * errors

        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is flagged
            values, errors = sum_over_partitions(tuples, moment, cumulant_weight)
        return values, errors, methods[tuples.shape[1]]

    def independent_prediction(self, points: npt.ArrayLike, order: int = 4) -> ConnectedCorrelator:
        r"""Return :math:`N^{1 - r/2} C_r[h]` of the neurons' law: wrong, unless alpha is zero.

        Parameters
        ----------
        points : array_like of shape (r, d), (r,) or (n, r, d)
        order : int
            r = 2, 4, 6 or 8.

        Raises
        ------
        ArgumentError
            If `points` are not r inputs.
        """
        return _AsIfIndependent(self.layer, alpha=self.alpha).cumulant(points, order)

    def neuron_moments(self, point: npt.ArrayLike) -> dict[Signature, float]:
        """Return joint moments of different neurons at one input, for `four_point_terms`.

        Parameters
        ----------
        point : array_like of shape (d,)
        """
        x = np.atleast_1d(np.asarray(point, dtype=np.float64))[None]
        zeros = np.zeros((1, 4), dtype=np.intp)
        two = self.layer.neuron_cumulants_of(x, zeros[:, :2])[0].item()
        four = self.layer.neuron_cumulants_of(x, zeros)[0].item() + 3 * two**2
        return {
            (2,): two,
            (4,): self.scale_moment(4) * four,
            (2, 2): self.scale_moment(4) * two**2,
        }

    def draw_neurons(self, inputs: Floats, n_networks: int, rng: np.random.Generator) -> Floats:
        """Draw h_i(x), weighted by the output weights, shape (n_networks, width, k)."""
        neurons = self.layer.draw_neurons(inputs, n_networks, rng)
        if self.alpha > 0:
            square = rng.gamma(1 / self.alpha, self.alpha, (n_networks, 1, 1))
            neurons *= np.sqrt(square)
        return neurons


class _AsIfIndependent(ScaleMixture):
    """The mixture of which each neuron has a scale of its own."""

    @property
    def name(self) -> str:
        return f"{super().name}, neurons taken as independent"

    def cumulants_of(self, points: Floats, tuples: Tuples) -> tuple[Floats, Floats, str]:
        values, errors, method = self._scaled(
            tuples, lambda sub: self.layer.neuron_cumulants_of(points, sub)
        )
        factor = float(self.width) ** (1 - tuples.shape[1] / 2)
        shift = self.output_sigma_b**2 if tuples.shape[1] == 2 else 0.0
        return factor * values + shift, factor * errors, method
