"""Convolutional networks on periodic lattices, with a dense readout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.simulate.training._model import (
    Array,
    Model,
    Tape,
    activate,
    differentiate,
    non_negative,
    set_activation,
)

__all__ = ["ConvNet"]

_WIDEST = 1 << 20


@dataclass(frozen=True, slots=True)
class ConvNet(Model):
    r"""Convolutions on a periodic lattice of one or two dimensions, and a dense readout.

    .. math:: z^l_{c x} = \sum_{c' \delta} W^l_{c c' \delta} h^{l-1}_{c', x + \delta} + b^l_c,
              \qquad h^l = \phi(z^l), \qquad y = V h^L + b .

    Parameters
    ----------
    sites : sequence of int
        Shape of the lattice, one or two numbers.
    channels : sequence of int
        Of the inputs, and of each convolution; at least two numbers.
    n_outputs : int
    activation : str, Activation or callable
    kernel_size : int
        Odd, along every axis; at most the smallest side of the lattice.
    sigma_w, sigma_b : float
        Weights start from :math:`N(0, \sigma_w^2 / \text{fan in})`, biases from
        :math:`N(0, \sigma_b^2)`.

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Notes
    -----
    Tensors are ``conv.0.weight`` (out, in, *taps), ``conv.0.bias``, ..., ``readout.weight``
    (out, channels * sites), ``readout.bias``. Inputs have the shape (channels, *sites).

    Examples
    --------
    >>> ConvNet((8, 8), (1, 4), 2).shapes["conv.0.weight"]
    (4, 1, 3, 3)
    """

    sites: Sequence[int]
    channels: Sequence[int]
    n_outputs: int = 1
    _: KW_ONLY
    activation: Any = "tanh"
    kernel_size: int = 3
    sigma_w: float = 1.0
    sigma_b: float = 0.0

    def __post_init__(self) -> None:
        for name in ("sites", "channels"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
                raise ArgumentError(f"{name} must be a sequence of integers, got {shown(value)}")
            object.__setattr__(self, name, tuple(as_count(name, v, 1, _WIDEST) for v in value))
        if len(self.sites) not in (1, 2):
            raise ArgumentError(f"sites must be one or two lengths, got {self.sites}")
        if len(self.channels) < 2:
            raise ArgumentError(f"channels must be at least two numbers, got {self.channels}")
        size = as_count("kernel_size", self.kernel_size, 1, min(self.sites))
        if size % 2 == 0:
            raise ArgumentError(f"kernel_size must be odd, got {size}; try {size - 1}")
        object.__setattr__(self, "kernel_size", size)
        object.__setattr__(self, "n_outputs", as_count("n_outputs", self.n_outputs, 1, _WIDEST))
        set_activation(self, "activation")
        for name in ("sigma_w", "sigma_b"):
            object.__setattr__(self, name, non_negative(name, getattr(self, name)))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, (channels, *sites)."""
        return (self.channels[0], *self.sites)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one output, (n,)."""
        return (self.n_outputs,)

    @property
    def n_sites(self) -> int:
        """Number of sites of the lattice."""
        return math.prod(self.sites)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor."""
        taps = (self.kernel_size,) * len(self.sites)
        found: dict[str, tuple[int, ...]] = {}
        for layer, (n_in, n_out) in enumerate(zip(self.channels, self.channels[1:], strict=False)):
            found[f"conv.{layer}.weight"] = (n_out, n_in, *taps)
            found[f"conv.{layer}.bias"] = (n_out,)
        found["readout.weight"] = (self.n_outputs, self.channels[-1] * self.n_sites)
        found["readout.bias"] = (self.n_outputs,)
        return found

    def numbers(self, n_inputs: int) -> int:
        """Return how many numbers a tape of one seed keeps."""
        taps = math.prod((self.kernel_size,) * len(self.sites))
        return n_inputs * self.n_sites * (3 + 2 * taps) * sum(self.channels)

    def tape(self, n_seeds: int, n_inputs: int, dtype: npt.DTypeLike) -> Tape:
        """Return a tape for so many seeds and inputs."""
        return _Convolutions(self, n_seeds, n_inputs)


def _neighbours(sites: Sequence[int], size: int, sign: int) -> npt.NDArray[np.intp]:
    """Return the site at each tap from each site, shape (n_sites, taps)."""
    place = np.stack(np.unravel_index(np.arange(math.prod(sites)), tuple(sites)), axis=-1)
    offsets = np.indices((size,) * len(sites)).reshape(len(sites), -1).T - size // 2
    moved = (place[:, None] + sign * offsets) % np.array(sites)
    found: npt.NDArray[np.intp] = np.ravel_multi_index(
        tuple(np.moveaxis(moved, -1, 0)), tuple(sites)
    )
    return found


class _Convolutions(Tape):
    """Channels are the last axis in here, so that a window is gathered in runs."""

    def __init__(self, model: ConvNet, n_seeds: int, n_inputs: int) -> None:
        self._model, self._seeds, self._inputs = model, n_seeds, n_inputs
        self._ahead = _neighbours(model.sites, model.kernel_size, 1)
        self._behind = _neighbours(model.sites, model.kernel_size, -1)
        self._columns: list[Array] = []
        self._z: list[Array] = []
        self._h: list[Array] = []

    def _windows(self, h: Array) -> Array:
        """Return (..., P * sites, taps * channels) of (..., P, sites, channels)."""
        found = np.take(h, self._ahead, axis=-2)
        return found.reshape(*h.shape[:-3], h.shape[-3] * h.shape[-2], -1)

    def _matrix(self, weight: Array) -> Array:
        """Return kernels (S, out, in, *taps) as matrices (S, out, taps * in)."""
        flat = weight.reshape(*weight.shape[:3], -1)
        return flat.swapaxes(2, 3).reshape(*weight.shape[:2], -1)

    def _features(self) -> Array:
        """Return the last activations (S, P, channels * sites)."""
        h = self._h[-1].reshape(self._seeds, self._inputs, self._model.n_sites, -1)
        return h.swapaxes(2, 3).reshape(self._seeds, self._inputs, -1)

    def forward(self, weights: Mapping[str, Array], x: Array) -> Array:
        model = self._model
        axis = x.ndim - 1 - len(model.sites)
        h = np.moveaxis(x.reshape(*x.shape[: axis + 1], -1), -1, -2)
        self._columns, self._z, self._h = [], [], []
        for layer in range(len(model.channels) - 1):
            columns = self._windows(h)
            z = columns @ self._matrix(weights[f"conv.{layer}.weight"]).swapaxes(1, 2)
            z += weights[f"conv.{layer}.bias"][:, None, :]
            out = np.empty_like(z)
            activate(model.activation, z, out)
            self._columns.append(columns)
            self._z.append(z)
            self._h.append(out)
            h = out.reshape(self._seeds, self._inputs, model.n_sites, -1)
        read = self._features() @ weights["readout.weight"].swapaxes(1, 2)
        read += weights["readout.bias"][:, None, :]
        return read

    def backward(
        self,
        weights: Mapping[str, Array],
        x: Array,
        delta: Array,
        gradients: Mapping[str, Array],
    ) -> None:
        model, seeds, inputs = self._model, self._seeds, self._inputs
        np.matmul(delta.swapaxes(1, 2), self._features(), out=gradients["readout.weight"])
        np.add.reduce(delta, axis=1, out=gradients["readout.bias"])
        back = (delta @ weights["readout.weight"]).reshape(seeds, inputs, -1, model.n_sites)
        delta = back.swapaxes(2, 3).reshape(self._z[-1].shape)
        for layer in range(len(model.channels) - 2, -1, -1):
            differentiate(model.activation, self._z[layer], self._h[layer], delta)
            weight = weights[f"conv.{layer}.weight"]
            n_out, n_in = weight.shape[1:3]
            found = (delta.swapaxes(1, 2) @ self._columns[layer]).reshape(seeds, n_out, -1, n_in)
            gradients[f"conv.{layer}.weight"][...] = found.swapaxes(2, 3).reshape(weight.shape)
            np.add.reduce(delta, axis=1, out=gradients[f"conv.{layer}.bias"])
            if layer:
                windows = (delta @ self._matrix(weight)).reshape(
                    seeds, inputs, model.n_sites, -1, n_in
                )
                below = np.zeros((seeds, inputs, model.n_sites, n_in), delta.dtype)
                for tap in range(windows.shape[3]):
                    below += windows[:, :, self._behind[:, tap], tap]
                delta = below.reshape(self._z[layer - 1].shape)
