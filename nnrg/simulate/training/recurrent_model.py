"""Recurrent networks of one layer, read out after the last time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.simulate.training._model import (
    Array,
    Model,
    Tape,
    activate,
    differentiate,
    non_negative,
    set_activation,
)

__all__ = ["RecurrentNet"]

_WIDEST = 1 << 20


@dataclass(frozen=True, slots=True)
class RecurrentNet(Model):
    r"""Elman network, :math:`h_t = \phi(W h_{t-1} + U x_t + b)`, :math:`y = V h_T + c`.

    Parameters
    ----------
    n_inputs, width, n_outputs : int
        Numbers at each time, neurons, outputs after the last time.
    length : int
        Number of times T of one input.
    activation : str, Activation or callable
    sigma_w, sigma_b : float
        Weights start from :math:`N(0, \sigma_w^2 / \text{fan in})`, biases from
        :math:`N(0, \sigma_b^2)`; :math:`h_0 = 0`.

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Notes
    -----
    Tensors are ``rnn.weight_ih_l0`` (U), ``rnn.weight_hh_l0`` (W), ``rnn.bias_ih_l0``,
    ``readout.weight`` and ``readout.bias``. Inputs have the shape (T, n_inputs).

    Examples
    --------
    >>> RecurrentNet(2, 8, 1, length=5).shapes["rnn.weight_hh_l0"]
    (8, 8)
    """

    n_inputs: int
    width: int
    n_outputs: int = 1
    _: KW_ONLY
    length: int
    activation: Any = "tanh"
    sigma_w: float = 1.0
    sigma_b: float = 0.0

    def __post_init__(self) -> None:
        for name in ("n_inputs", "width", "n_outputs", "length"):
            object.__setattr__(self, name, as_count(name, getattr(self, name), 1, _WIDEST))
        set_activation(self, "activation")
        for name in ("sigma_w", "sigma_b"):
            object.__setattr__(self, name, non_negative(name, getattr(self, name)))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, (times, numbers)."""
        return (self.length, self.n_inputs)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one output, (n,)."""
        return (self.n_outputs,)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor."""
        return {
            "rnn.weight_ih_l0": (self.width, self.n_inputs),
            "rnn.weight_hh_l0": (self.width, self.width),
            "rnn.bias_ih_l0": (self.width,),
            "readout.weight": (self.n_outputs, self.width),
            "readout.bias": (self.n_outputs,),
        }

    def numbers(self, n_inputs: int) -> int:
        """Return how many numbers a tape of one seed keeps."""
        return n_inputs * self.width * (2 * self.length + 3)

    def tape(self, n_seeds: int, n_inputs: int, dtype: npt.DTypeLike) -> Tape:
        """Return a tape for so many seeds and inputs."""
        return _Recurrence(self, n_seeds, n_inputs, dtype)


class _Recurrence(Tape):
    def __init__(
        self, model: RecurrentNet, n_seeds: int, n_inputs: int, dtype: npt.DTypeLike
    ) -> None:
        self._activation = model.activation
        shape = (model.length, n_seeds, n_inputs, model.width)
        self._z = np.empty(shape, dtype)
        self._h = np.empty((model.length + 1, *shape[1:]), dtype)
        self._h[0] = 0

    def forward(self, weights: Mapping[str, Array], x: Array) -> Array:
        recurrent = weights["rnn.weight_hh_l0"].swapaxes(1, 2)
        incoming = weights["rnn.weight_ih_l0"].swapaxes(1, 2)
        bias = weights["rnn.bias_ih_l0"][:, None, :]
        for t, z in enumerate(self._z):
            np.matmul(x[..., t, :], incoming, out=z)
            z += bias
            z += self._h[t] @ recurrent
            activate(self._activation, z, self._h[t + 1])
        read: Array = self._h[-1] @ weights["readout.weight"].swapaxes(1, 2)
        read += weights["readout.bias"][:, None, :]
        return read

    def backward(
        self,
        weights: Mapping[str, Array],
        x: Array,
        delta: Array,
        gradients: Mapping[str, Array],
    ) -> None:
        np.matmul(delta.swapaxes(1, 2), self._h[-1], out=gradients["readout.weight"])
        np.add.reduce(delta, axis=1, out=gradients["readout.bias"])
        for name in ("rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0"):
            gradients[name][...] = 0
        back = delta @ weights["readout.weight"]
        for t in range(len(self._z) - 1, -1, -1):
            differentiate(self._activation, self._z[t], self._h[t + 1], back)
            gradients["rnn.weight_ih_l0"][...] += back.swapaxes(1, 2) @ x[..., t, :]
            gradients["rnn.weight_hh_l0"][...] += back.swapaxes(1, 2) @ self._h[t]
            gradients["rnn.bias_ih_l0"][...] += back.sum(axis=1)
            if t:
                back = back @ weights["rnn.weight_hh_l0"]
