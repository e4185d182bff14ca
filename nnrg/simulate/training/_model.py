"""What trained models share: tensors by name, random starts, and work on many seeds at once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real, shown
from nnrg.activation_functions import Activation, as_activation
from nnrg.errors import ArgumentError, NonFiniteError
from nnrg.simulate.training._fingerprint import is_named, sha256_of_activation

__all__ = [
    "Array",
    "Model",
    "Tape",
    "activate",
    "as_batch",
    "differentiate",
    "non_negative",
    "real_array",
    "set_activation",
    "views",
]

Array = npt.NDArray[Any]

# Not by name: a function of a caller may be called tanh.
_LINEAR, _RELU, _TANH = map(as_activation, ("linear", "relu", "tanh"))


class Tape(ABC):
    """One forward and one backward pass of several seeds, in memory that is used again.

    Weights have seeds first, (S, *shape); inputs have the shape (P, ...), the same of all seeds, or
    (S, P, ...).
    """

    @abstractmethod
    def forward(self, weights: Mapping[str, Array], x: Array) -> Array:
        """Return outputs (S, P, *output_shape), which the next call overwrites."""

    @abstractmethod
    def backward(
        self,
        weights: Mapping[str, Array],
        x: Array,
        delta: Array,
        gradients: Mapping[str, Array],
    ) -> None:
        """Write the derivatives of the sum of ``delta * outputs``; `delta` is overwritten."""


class Model(ABC):
    """A network that can be trained: shapes of its tensors, and its passes."""

    __slots__ = ()

    sigma_w: float
    sigma_b: float

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""

    @property
    @abstractmethod
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one output."""

    @property
    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each trained tensor; out axis first."""

    @property
    def n_parameters(self) -> int:
        """Trained numbers."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @abstractmethod
    def tape(self, n_seeds: int, n_inputs: int, dtype: npt.DTypeLike) -> Tape:
        """Return a tape for so many seeds and inputs."""

    @abstractmethod
    def numbers(self, n_inputs: int) -> int:
        """Return how many numbers a tape of one seed keeps, about."""

    def initial(self, rng: np.random.Generator) -> dict[str, Array]:
        """Draw weights from N(0, sigma_w^2 / fan_in) and biases from N(0, sigma_b^2)."""
        drawn = {}
        for name, shape in self.shapes.items():
            z = rng.standard_normal(shape)
            fan_in = math.prod(shape[1:])
            drawn[name] = z * (self.sigma_b if len(shape) == 1 else self.sigma_w / fan_in**0.5)
        return drawn

    def outputs(self, weights: Mapping[str, npt.ArrayLike], x: npt.ArrayLike) -> Array:
        """Return outputs of one network, or of several with seeds as the first axis of weights.

        Parameters
        ----------
        weights : mapping of str to array of shape (..., *shape)
        x : array of shape (P, *input_shape)

        Returns
        -------
        array of shape (P, *output_shape) or (S, P, *output_shape)
        """
        x = real_array("inputs", x, finite=False)
        if x.ndim != 1 + len(self.input_shape) or x.shape[1:] != self.input_shape:
            raise ArgumentError(
                f"inputs must have shape (n, {', '.join(map(str, self.input_shape))}), got "
                f"{x.shape}"
            )
        tensors, single = as_batch(self, weights)
        kind = np.result_type(x, *tensors.values())
        n = len(next(iter(tensors.values())))
        out = self.tape(n, len(x), kind).forward(tensors, x.astype(kind, copy=False))
        return out[0].copy() if single else out.copy()

    def describe(self) -> dict[str, object]:
        """Return the model as JSON."""
        described: dict[str, object] = {"model": type(self).__name__}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Activation):
                if not is_named(value):
                    described[f"{field.name}_sha256"] = sha256_of_activation(value)
                value = value.name
            described[field.name] = list(value) if isinstance(value, tuple) else value
        return described


def real_array(name: str, values: npt.ArrayLike, *, finite: bool = True) -> Array:
    """Return real numbers as an array.

    Raises
    ------
    ArgumentError
        If they are no array of real numbers.
    NonFiniteError
        If one is NaN or infinite, and must not be.
    """
    try:
        found = np.asarray(values)
    except ValueError:  # rows of different lengths
        found = np.empty(0, object)
    if found.dtype.kind not in "fiu":
        kind = f"an array of {found.dtype}" if found.size else shown(values)
        raise ArgumentError(f"{name} must be an array of real numbers, got {kind}")
    if finite and not np.isfinite(found).all():
        raise NonFiniteError(f"{name} hold values that are NaN or infinite; drop them")
    return found


def as_batch(model: Model, weights: Mapping[str, npt.ArrayLike]) -> tuple[dict[str, Array], bool]:
    """Return weights with seeds first, and whether there was one network without that axis."""
    if not isinstance(weights, Mapping):
        raise ArgumentError(f"weights must be a mapping of tensors by name, got {shown(weights)}")
    missing = [name for name in model.shapes if name not in weights]
    unknown = [name for name in weights if name not in model.shapes]
    if missing or unknown:
        raise ArgumentError(
            f"weights must be {', '.join(model.shapes)}; "
            + (
                f"{missing[0]} is missing"
                if missing
                else f"{shown(unknown[0])} is not of the model"
            )
        )
    tensors = {name: _tensor(name, weights[name]) for name in model.shapes}
    first = next(iter(model.shapes))
    single = tensors[first].ndim == len(model.shapes[first])
    if single:
        tensors = {name: w[None] for name, w in tensors.items()}
    n = len(tensors[first]) if tensors[first].ndim else 0
    for name, shape in model.shapes.items():
        if tensors[name].shape != (n, *shape):
            found = tensors[name].shape[1:] if single else tensors[name].shape
            raise ArgumentError(f"{name} must have shape {shape}, or seeds before it, got {found}")
    return tensors, single


def _tensor(name: str, values: npt.ArrayLike) -> Array:
    """Return a tensor of numbers, complex ones as well: derivatives are checked with them."""
    found = np.asarray(values) if isinstance(values, np.ndarray) else None
    if found is not None and found.dtype.kind == "c":
        return found
    return real_array(name, values, finite=False)


def views(model: Model, flat: Array) -> dict[str, Array]:
    """Return the tensors that lie one after the other along the last axis of `flat`, (S, n)."""
    found, at = {}, 0
    for name, shape in model.shapes.items():
        size = math.prod(shape)
        found[name] = flat[:, at : at + size].reshape(len(flat), *shape)
        at += size
    return found


def differentiate(activation: Activation, z: Array, h: Array, delta: Array) -> None:
    """Multiply `delta` by phi'(z), where h = phi(z); `h` is overwritten."""
    if activation is _LINEAR:
        return
    if activation is _TANH:
        np.square(h, out=h)
        np.subtract(1, h, out=h)
        delta *= h
    elif activation is _RELU:
        delta *= z >= 0
    else:
        delta *= activation.first(z)


def activate(activation: Activation, z: Array, out: Array) -> None:
    """Write phi(z)."""
    if activation is _LINEAR:
        out[...] = z
    elif activation is _TANH:
        np.tanh(z, out=out)
    elif activation is _RELU and z.dtype.kind == "f":
        np.maximum(z, 0, out=out)
    else:
        out[...] = activation.function(z)


def set_activation(model: object, name: str) -> None:
    """Replace the name or function in a field of a frozen model by an Activation."""
    object.__setattr__(model, name, as_activation(getattr(model, name)))


def non_negative(name: str, value: object) -> float:
    """Return a standard deviation."""
    number = as_real(name, value)
    if number < 0:
        raise ArgumentError(f"{name} is a standard deviation, at least 0, got {number}")
    return number
