"""Layers of a network as maps of neurons, with their derivatives both ways."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation

__all__ = ["ConvolutionLayer", "DenseLayer", "Layer"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Layer(ABC):
    """A layer z -> f(A z + b) of flat neurons, samples first; its parameters in one row.

    Attributes
    ----------
    weight : array
    bias : array or None
        None where there is none to be trained.
    activation : Activation
    """

    weight: Array
    bias: Array | None
    activation: Activation

    @property
    @abstractmethod
    def n_inputs(self) -> int:
        """Number of neurons that come in."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Number of neurons that go out."""

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return self.weight.size + (0 if self.bias is None else self.bias.size)

    def row(self) -> Array:
        """Return weights, then biases."""
        parts = [self.weight.ravel(), *([] if self.bias is None else [self.bias])]
        return np.concatenate(parts)

    def at(self, row: Array) -> Self:
        """Return the same layer with other parameters."""
        weight = row[: self.weight.size].reshape(self.weight.shape)
        bias = None if self.bias is None else row[self.weight.size :]
        return replace(self, weight=weight, bias=bias)

    def preactivations(self, z: Array) -> Array:
        """Return A z + b, shape (P, n_outputs)."""
        return self._map(z, self.weight, self.bias)

    def tangent(self, z: Array, dz: Array, row: Array) -> Array:
        """Return the rate of the preactivations, of neurons and parameters that move."""
        dw = row[: self.weight.size].reshape(self.weight.shape)
        db = None if self.bias is None else row[self.weight.size :]
        return np.asarray(self._map(dz, self.weight, None) + self._map(z, dw, db))

    @abstractmethod
    def gradient(self, z: Array, delta: Array) -> Array:
        """Return sum over samples of delta . d(preactivations) / d(parameters), as a row."""

    @abstractmethod
    def back(self, delta: Array) -> Array:
        """Return A^T delta, shape (P, n_inputs)."""

    @abstractmethod
    def _map(self, z: Array, weight: Array, bias: Array | None) -> Array: ...


@dataclass(frozen=True, slots=True, eq=False)
class DenseLayer(Layer):
    """A layer of all bonds, weight of shape (n_out, n_in), bias (n_out,)."""

    @property
    def n_inputs(self) -> int:
        """Number of neurons that come in."""
        return int(self.weight.shape[1])

    @property
    def n_outputs(self) -> int:
        """Number of neurons that go out."""
        return len(self.weight)

    def gradient(self, z: Array, delta: Array) -> Array:
        """Return sum over samples of delta . d(preactivations) / d(parameters), as a row."""
        found = (delta.T @ z).ravel()
        return found if self.bias is None else np.concatenate([found, delta.sum(axis=0)])

    def back(self, delta: Array) -> Array:
        """Return A^T delta, shape (P, n_inputs)."""
        return np.asarray(delta @ self.weight)

    def _map(self, z: Array, weight: Array, bias: Array | None) -> Array:
        h = z @ weight.T
        return np.asarray(h if bias is None else h + bias)


@dataclass(frozen=True, slots=True, eq=False)
class ConvolutionLayer(Layer):
    """A convolution on a periodic lattice, weight (out, in, *taps), bias (out,).

    Neurons are (channels, *sites), flat; taps are odd in number along each axis.

    Attributes
    ----------
    sites : tuple of int
    """

    sites: tuple[int, ...]

    @property
    def n_inputs(self) -> int:
        """Number of neurons that come in."""
        return int(self.weight.shape[1]) * math.prod(self.sites)

    @property
    def n_outputs(self) -> int:
        """Number of neurons that go out."""
        return len(self.weight) * math.prod(self.sites)

    def gradient(self, z: Array, delta: Array) -> Array:
        """Return sum over samples of delta . d(preactivations) / d(parameters), as a row."""
        at = delta.reshape(len(delta), len(self.weight), -1)
        found = np.tensordot(at, self._windows(z), axes=([0, 2], [0, 2])).ravel()
        return found if self.bias is None else np.concatenate([found, at.sum(axis=(0, 2))])

    def back(self, delta: Array) -> Array:
        """Return A^T delta, shape (P, n_inputs)."""
        at = delta.reshape(len(delta), len(self.weight), -1)
        flat = self.weight.reshape(*self.weight.shape[:2], -1)
        below = np.zeros((len(delta), self.weight.shape[1], at.shape[2]))
        for tap, ahead in enumerate(self._neighbours().T):
            # Each tap is a shift of the lattice: no site comes twice.
            below[:, :, ahead] += np.matmul(flat[:, :, tap].T, at)
        return below.reshape(len(delta), -1)

    def _map(self, z: Array, weight: Array, bias: Array | None) -> Array:
        flat = weight.reshape(*weight.shape[:2], -1)
        h = np.tensordot(self._windows(z), flat, axes=([1, 3], [1, 2])).swapaxes(1, 2)
        if bias is not None:
            h = h + bias[:, None]
        return h.reshape(len(z), -1)

    def _windows(self, z: Array) -> Array:
        """Return the neurons at each tap from each site, (P, channels, sites, taps)."""
        at = z.reshape(len(z), self.weight.shape[1], -1)
        return np.asarray(at[:, :, self._neighbours()])

    def _neighbours(self) -> npt.NDArray[np.intp]:
        """Return the site at each tap from each site, (n_sites, taps)."""
        taps = self.weight.shape[2:]
        steps = np.indices(taps).reshape(len(taps), -1) - (np.array(taps) // 2)[:, None]
        at = np.indices(self.sites).reshape(len(taps), -1)
        moved = tuple(a[:, None] + s for a, s in zip(at, steps, strict=True))
        return np.asarray(np.ravel_multi_index(moved, self.sites, mode="wrap"))
