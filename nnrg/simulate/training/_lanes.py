"""Small dense networks, trained side by side: a seed is a lane of the vector registers.

BLAS is at its best where matrices are large, and a call of it or of NumPy takes as long as the
products of a small one. Here the products of a layer of eight seeds are one loop. Sums run in the
order of their terms in each lane, so that numbers are the same for one seed and for many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation, as_activation
from nnrg.simulate.training._model import Array, Tape, activate, differentiate

if TYPE_CHECKING:
    from nnrg.simulate.training.dense import MLP

__all__ = ["LANES", "LaneTape", "is_small"]

LANES = 8
# Products of one pass, and weights, of a network for which BLAS is no faster: eight of them stay in
# a core's cache.
_PRODUCTS, _WEIGHTS = 50_000, 4096
# Loops over activations run in whole registers: a last number that is computed alone may be rounded
# in another way.
_WHOLE = 64
_LINE = 64


def is_small(model: MLP, n_inputs: int) -> bool:
    """Return whether a network is trained in lanes; how many seeds there are does not matter."""
    hidden, weights = len(model.widths) > 2, model.n_parameters
    return hidden and weights <= _WEIGHTS and weights * n_inputs <= _PRODUCTS


class LaneTape(Tape):
    """One forward and one backward pass of a small MLP, for all seeds at once."""

    def __init__(self, model: MLP, n_seeds: int, n_inputs: int, dtype: npt.DTypeLike) -> None:
        width = 1 if n_seeds == 1 else LANES
        self._width, self._seeds, self._inputs = (0,) * width, n_seeds, n_inputs
        self._dtype = np.dtype(dtype)
        self._blocks = -(-n_seeds // width)
        self._layers = [
            _Layer(layer, model, self._blocks, width, n_inputs, dtype)
            for layer in range(len(model.widths) - 1)
        ]
        self._bias = model.bias
        self._none = np.empty((n_seeds, 0), dtype)
        self._constants = np.repeat(np.array([0, 1], dtype), width)
        self._x = _room(self._blocks * model.widths[0] * n_inputs * width, dtype)
        shape = (self._blocks * width, n_inputs, model.widths[-1])
        self._outputs = np.empty(shape, dtype)
        # Lanes beyond the last seed are copies of it.
        self._copied = np.minimum(np.arange(self._blocks * width), n_seeds - 1)

    def _seeds_last(self, values: Array) -> Array:
        """Return seeds (S, P, n) as blocks (blocks, n, P, width)."""
        if len(values) < len(self._copied):
            values = values[self._copied]
        shape = (self._blocks, len(self._width), *values.shape[1:])
        return values.reshape(shape).transpose(0, 3, 2, 1)

    def _rows(self, tensor: Array) -> Array:
        """Return a tensor (S, ...) as (S, n), laid out as training has it: compiled for that."""
        rows = tensor.reshape(self._seeds, -1)
        strided = self._seeds > 1 and not rows.flags.c_contiguous
        if rows.dtype == self._dtype and rows.flags.writeable and strided == (self._seeds > 1):
            return rows
        room = np.empty((self._seeds, rows.shape[1] + (self._seeds > 1)), self._dtype)
        room[:, : rows.shape[1]] = rows
        return room[:, : rows.shape[1]]

    def _below(self, x: Array) -> Array:
        """Return inputs (P, n) or (S, P, n) as blocks (1 or blocks, n * P * width)."""
        values = x.T[None, :, :, None] if x.ndim == 2 else self._seeds_last(x)
        blocks, n = values.shape[:2]
        size = n * self._inputs * len(self._width)
        found = self._x[: blocks * size].reshape(blocks, size)
        found.reshape(blocks, n, self._inputs, -1)[...] = values
        return found

    def forward(self, weights: Mapping[str, Array], x: Array) -> Array:
        from nnrg_kernels.lane_layers import forward_layer

        below = self._below(x)
        for layer in self._layers:
            layer.below = below
            forward_layer(
                self._width,
                self._rows(weights[layer.weight]),
                self._rows(weights[layer.bias]) if self._bias else self._none,
                below,
                self._inputs,
                layer.code,
                layer.slopes,
                layer.weights,
                layer.biases,
                layer.z,
                layer.h,
            )
            if layer.code < 0 and layer.h is not layer.z:
                activate(layer.activation, layer.z, layer.h)
            below = layer.h
        last = self._layers[-1].entries(below).transpose(0, 3, 2, 1)
        self._outputs.reshape(last.shape)[...] = last
        return self._outputs[: self._seeds]

    def backward(
        self,
        weights: Mapping[str, Array],
        x: Array,
        delta: Array,
        gradients: Mapping[str, Array],
    ) -> None:
        from nnrg_kernels.lane_layers import backward_layer

        last = self._layers[-1]
        last.entries(last.delta)[...] = self._seeds_last(delta)
        backs = [self._none[:1], *(layer.delta for layer in self._layers)]
        for layer, back in zip(self._layers[::-1], backs[-2::-1], strict=True):
            if layer.code < 0:
                differentiate(layer.activation, layer.z, layer.h, layer.delta)
            backward_layer(
                self._width,
                layer.weights,
                layer.below,
                self._inputs,
                layer.code,
                layer.slopes,
                layer.z,
                layer.delta,
                self._constants,
                layer.weight_block,
                layer.bias_block,
                gradients[layer.weight].reshape(self._seeds, -1),
                gradients[layer.bias] if self._bias else self._none,
                back,
            )


class _Layer:
    """The memory of a layer."""

    def __init__(
        self, at: int, model: MLP, blocks: int, width: int, n_inputs: int, dtype: npt.DTypeLike
    ) -> None:
        n_in, n_out = model.widths[at : at + 2]
        self.activation: Activation = model.activations[at]
        self.weight, self.bias = f"layers.{at}.weight", f"layers.{at}.bias"
        self.slopes = self.activation.slopes or (0.0, 0.0)
        # What NumPy computes is none of the kernel's: functions it does not have, and no function.
        linear, tanh = (self.activation is as_activation(name) for name in ("linear", "tanh"))
        compiled = tanh or self.activation.slopes is not None
        self.code = self.activation.code if compiled and not linear else -1
        self._shape, used = (blocks, n_out, n_inputs, width), n_out * n_inputs * width
        self._used, size = used, -(-used // _WHOLE) * _WHOLE

        def lanes(count: int) -> Array:
            return _room(blocks * count, dtype).reshape(blocks, count)

        self.weights, self.biases = lanes(n_out * n_in * width), lanes(n_out * width)
        self.z, self.delta = lanes(size), lanes(size)
        self.h = self.z if linear or tanh else lanes(size)
        self.weight_block = _room(n_out * n_in * width, dtype)
        self.bias_block = _room(n_out * width, dtype)
        self.below: Array = self.z

    def entries(self, values: Array) -> Array:
        """Return what is no padding, of shape (blocks, n_out, P, width)."""
        return values[:, : self._used].reshape(self._shape)


def _room(count: int, dtype: Any) -> Array:
    """Return zeros that begin on a cache line."""
    size = np.dtype(dtype).itemsize
    raw = np.zeros(count + _LINE // size, dtype)
    at = -raw.ctypes.data % _LINE // size
    return raw[at : at + count]
