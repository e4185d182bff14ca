"""Networks of independent neurons: their correlators are those of one neuron."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, fields, replace
from math import prod
from typing import Self

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.errors import ArgumentError
from nnrg.stats._set_partitions import Partition
from nnrg.theory.correlators._set_partitions import (
    cumulant_weight,
    double_factorial,
    sum_over_partitions,
)
from nnrg.theory.correlators.architecture import Architecture

__all__ = ["IndependentNeurons", "linear_preactivations"]

Floats = npt.NDArray[np.float64]
Tuples = npt.NDArray[np.intp]


def _weight(partition: Partition) -> float:
    """Return the weight of a product of averages over hidden parameters in a cumulant."""
    return cumulant_weight(partition) * prod(double_factorial(len(block)) for block in partition)


@dataclass(frozen=True, kw_only=True)
class IndependentNeurons(Architecture):
    r"""A network whose neurons are independent and alike.

    Parameters
    ----------
    width : int
        Neurons N of the hidden layer, at least two.
    output_sigma_w : float
        Standard deviation of the output weights times the root of N, in the unit of the output.
    output_sigma_b : float
        Standard deviation of the output bias b, in the unit of the output.

    Raises
    ------
    ArgumentError
        If the width is below two or a deviation negative.

    Notes
    -----
    :math:`h = v f(x)` with an output weight :math:`v \sim N(0, \sigma^2)` and a function f of
    random hidden parameters. At every width

    .. math:: G_c^{(r)} = N^{1 - r/2} C_r, \quad C_r = \sigma^r \sum_\pi (-1)^{|\pi| - 1}
              (|\pi| - 1)! \prod_{B \in \pi} (|B| - 1)!! \langle \prod_{a \in B} f(x_a) \rangle ,

    exactly, over partitions into sets of even size (M. Demirtas et al., arXiv:2307.03223). An
    output bias adds its variance to the two-point function alone.
    """

    output_sigma_w: float = 1.0

    def __post_init__(self) -> None:
        as_count("width", self.width, 2, hint="connected correlators need two neurons or more")
        for each in fields(self):
            if "sigma" in each.name:
                number = as_real(each.name, getattr(self, each.name))
                if number < 0:
                    raise ArgumentError(
                        f"{each.name} must not be negative, got {number}; give a standard deviation"
                    )
                object.__setattr__(self, each.name, number)

    def with_width(self, width: int) -> Self:
        """Return the same kind of network with another width."""
        return replace(self, width=width)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the formulas rest on."""
        return (
            "neurons independent and alike (tested by measured_neurons)",
            "normal output weights",
        )

    @abstractmethod
    def products_of(self, points: Floats, tuples: Tuples) -> tuple[Floats, Floats, str]:
        """Return values, errors (m,) and the method of averages of products of f.

        Parameters
        ----------
        points : array of shape (k, d)
        tuples : int array of shape (m, r)
        """

    @abstractmethod
    def draw_hidden(
        self, inputs: Floats, shape: tuple[int, ...], rng: np.random.Generator
    ) -> Floats:
        """Draw f(x) of independent neurons, shape (*shape, k)."""

    def as_good_as(self, errors: Floats, points: Floats, tuples: Tuples) -> Self:
        """Return this network with averages that need be no better than those of products."""
        return self

    def cumulants_of(self, points: Floats, tuples: Tuples) -> tuple[Floats, Floats, str]:
        """Return values, errors (m,) and the method of joint cumulants of the output."""
        order = tuples.shape[1]
        values, errors, method = self.neuron_cumulants_of(points, tuples)
        factor = float(self.width) ** (1 - order / 2)
        shift = self.output_sigma_b**2 if order == 2 else 0.0
        return factor * values + shift, factor * errors, method

    def neuron_cumulants_of(self, points: Floats, tuples: Tuples) -> tuple[Floats, Floats, str]:
        """Return values, errors (m,) and the method of joint cumulants C_r of one neuron."""
        methods: dict[int, str] = {}
        source = self

        def value(sub: Tuples) -> tuple[Floats, Floats]:
            nonlocal source
            values, errors, methods[sub.shape[1]] = source.products_of(points, sub)
            if sub.shape[1] == tuples.shape[1] > 4:
                source = self.as_good_as(errors, points, sub)
            return values, errors

        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is flagged
            values, errors = sum_over_partitions(tuples, value, _weight)
            factor = np.float64(self.output_sigma_w) ** tuples.shape[1]
        return factor * values, factor * errors, methods[tuples.shape[1]]

    def draw_neurons(self, inputs: Floats, n_networks: int, rng: np.random.Generator) -> Floats:
        """Draw h_i(x), weighted by the output weights, shape (n_networks, width, k)."""
        hidden = self.draw_hidden(inputs, (n_networks, self.width), rng)
        hidden *= self.output_sigma_w * rng.standard_normal((n_networks, self.width, 1))
        return hidden


def linear_preactivations(
    inputs: Floats, shape: tuple[int, ...], sigma_w: float, rng: np.random.Generator
) -> Floats:
    """Draw w.x with independent normal weights of variance sigma_w^2 / d."""
    dimension = inputs.shape[1]
    weights = rng.standard_normal((*shape, dimension))
    return np.asarray(weights @ (inputs.T * (sigma_w / dimension**0.5)))
