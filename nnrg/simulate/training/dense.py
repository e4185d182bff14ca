"""Multilayer perceptrons, and the perceptron that is the least of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.activation_functions import Activation, as_activation
from nnrg.errors import ArgumentError
from nnrg.simulate.training._lanes import LaneTape, is_small
from nnrg.simulate.training._model import (
    Array,
    Model,
    Tape,
    activate,
    differentiate,
    non_negative,
    set_activation,
)

__all__ = ["MLP", "perceptron"]

_WIDEST = 1 << 20


@dataclass(frozen=True, slots=True)
class MLP(Model):
    r"""Multilayer perceptron, :math:`z^l = W^l h^{l-1} + b^l`, :math:`h^l = \phi(z^l)`.

    Parameters
    ----------
    widths : sequence of int
        Inputs, neurons of each hidden layer, outputs; at least two numbers.
    activation : str, Activation or callable
        :math:`\phi` of the hidden layers.
    output_activation : str, Activation or callable
        Of the last layer.
    bias : bool
        Whether there are biases.
    sigma_w, sigma_b : float
        Weights start from :math:`N(0, \sigma_w^2 / n_{l-1})`, biases from
        :math:`N(0, \sigma_b^2)`.

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Notes
    -----
    Tensors are called ``layers.0.weight``, of shape (out, in), ``layers.0.bias``, and so on.

    Examples
    --------
    >>> model = MLP((8, 16, 1), "tanh")
    >>> model.n_parameters, list(model.shapes)[:2]
    (161, ['layers.0.weight', 'layers.0.bias'])
    """

    widths: Sequence[int]
    activation: Any = "tanh"
    _: KW_ONLY
    output_activation: Any = "linear"
    bias: bool = True
    sigma_w: float = 1.0
    sigma_b: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.widths, Sequence | np.ndarray):
            raise ArgumentError(f"widths must be a sequence of integers, got {shown(self.widths)}")
        widths = tuple(as_count("width", w, 1, _WIDEST) for w in self.widths)
        if len(widths) < 2:
            raise ArgumentError(f"widths must hold inputs and outputs at least, got {widths}")
        object.__setattr__(self, "widths", widths)
        set_activation(self, "activation")
        set_activation(self, "output_activation")
        if not isinstance(self.bias, bool):
            raise ArgumentError(f"bias must be True or False, got {shown(self.bias)}")
        for name in ("sigma_w", "sigma_b"):
            object.__setattr__(self, name, non_negative(name, getattr(self, name)))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, (n,)."""
        return (self.widths[0],)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one output, (n,)."""
        return (self.widths[-1],)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor."""
        found: dict[str, tuple[int, ...]] = {}
        for layer, (n_in, n_out) in enumerate(zip(self.widths, self.widths[1:], strict=False)):
            found[f"layers.{layer}.weight"] = (n_out, n_in)
            if self.bias:
                found[f"layers.{layer}.bias"] = (n_out,)
        return found

    @property
    def activations(self) -> tuple[Activation, ...]:
        """Activation function of each layer."""
        return (self.activation,) * (len(self.widths) - 2) + (self.output_activation,)

    def numbers(self, n_inputs: int) -> int:
        """Return how many numbers a tape of one seed keeps."""
        return 3 * n_inputs * sum(self.widths[1:])

    def tape(self, n_seeds: int, n_inputs: int, dtype: npt.DTypeLike) -> Tape:
        """Return a tape for so many seeds and inputs."""
        if np.dtype(dtype).kind == "f" and is_small(self, n_inputs):
            return LaneTape(self, n_seeds, n_inputs, dtype)
        return _Dense(self, n_seeds, n_inputs, dtype)


def perceptron(
    n_inputs: int,
    n_outputs: int = 1,
    activation: Any = "linear",
    *,
    bias: bool = False,
    sigma_w: float = 1.0,
    sigma_b: float = 0.0,
) -> MLP:
    r"""Return one layer, :math:`y = \phi(W x + b)`.

    Parameters
    ----------
    n_inputs, n_outputs : int
    activation : str, Activation or callable
    bias : bool
    sigma_w, sigma_b : float
        As of `MLP`.

    Returns
    -------
    MLP
        With two widths.

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Examples
    --------
    >>> perceptron(1024, 256).shapes
    {'layers.0.weight': (256, 1024)}
    """
    return MLP(
        (n_inputs, n_outputs),
        output_activation=activation,
        bias=bias,
        sigma_w=sigma_w,
        sigma_b=sigma_b,
    )


class _Dense(Tape):
    def __init__(self, model: MLP, n_seeds: int, n_inputs: int, dtype: npt.DTypeLike) -> None:
        self._bias, self._activations = model.bias, model.activations
        shapes = [(n_seeds, n_inputs, width) for width in model.widths[1:]]
        self._z = [np.empty(shape, dtype) for shape in shapes]
        # A linear layer is its own activation.
        self._h = [
            z if a is as_activation("linear") else np.empty_like(z)
            for z, a in zip(self._z, self._activations, strict=True)
        ]
        self._delta = [np.empty(shape, dtype) for shape in shapes[:-1]]
        self._ones = np.ones((1, n_inputs), dtype)
        self._weights = [f"layers.{layer}.weight" for layer in range(len(shapes))]
        self._biases = [f"layers.{layer}.bias" for layer in range(len(shapes))]

    def forward(self, weights: Mapping[str, Array], x: Array) -> Array:
        h = x
        for layer, activation in enumerate(self._activations):
            z = self._z[layer]
            np.matmul(h, weights[self._weights[layer]].swapaxes(1, 2), out=z)
            if self._bias:
                z += weights[self._biases[layer]][:, None, :]
            h = self._h[layer]
            if h is not z:
                activate(activation, z, h)
        return h

    def backward(
        self,
        weights: Mapping[str, Array],
        x: Array,
        delta: Array,
        gradients: Mapping[str, Array],
    ) -> None:
        for layer in range(len(self._z) - 1, -1, -1):
            differentiate(self._activations[layer], self._z[layer], self._h[layer], delta)
            below = self._h[layer - 1] if layer else x
            np.matmul(delta.swapaxes(1, 2), below, out=gradients[self._weights[layer]])
            if self._bias:
                # Three times as fast as a sum along a middle axis.
                np.matmul(self._ones, delta, out=gradients[self._biases[layer]][:, None, :])
            if layer:
                weight, back = weights[self._weights[layer]], self._delta[layer - 1]
                # With one output, products of a column and a row: not for BLAS.
                multiply = np.multiply if weight.shape[1] == 1 else np.matmul
                multiply(delta, weight, out=back)
                delta = back
