"""A feed-forward network as numbers: layers, parameters in one row, and checked arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import ArgumentError
from nnrg.theory.synaptic._arguments import as_items
from nnrg.theory.synaptic._samples import finite

__all__ = ["FeedForward"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FeedForward:
    r"""Weights and biases of a network z_l = f_l(W_l z_{l-1} + b_l), l = 1 .. L.

    Parameters
    ----------
    weights : tuple of arrays of shape (n_out, n_in)
    biases : tuple of arrays of shape (n_out,)
        Zero where a layer has none.
    activations : tuple of Activation
        f_l of each layer.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.synaptic.feed_forward import FeedForward
    >>> net = FeedForward.of([np.ones((3, 2)), np.ones((1, 3))], activation="tanh")
    >>> net.n_parameters, [layer.name for layer in net.activations]
    (13, ['tanh', 'linear'])
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    activations: tuple[Activation, ...]

    @classmethod
    def of(
        cls,
        weights: Sequence[npt.ArrayLike],
        biases: Sequence[npt.ArrayLike | None] | None = None,
        *,
        activation: str | Activation | Function = "tanh",
        output: str | Activation | Function = "linear",
    ) -> FeedForward:
        """Return a network of dense layers, one activation for all but the last.

        Raises
        ------
        ArgumentError
            If the shapes do not follow each other.
        """
        w = tuple(
            finite(f"weights of layer {i + 1}", a)
            for i, a in enumerate(as_items("weights", weights))
        )
        if not w or any(a.ndim != 2 or not a.size for a in w):
            raise ArgumentError(
                "weights must be matrices (n_out, n_in), one for each layer, got shapes "
                f"{[a.shape for a in w]}"
            )
        for i, (a, b) in enumerate(pairwise(w)):
            if len(a) != b.shape[1]:
                raise ArgumentError(
                    f"layer {i + 2} takes {b.shape[1]} inputs, but layer {i + 1} has {len(a)} "
                    "outputs"
                )
        given = (None,) * len(w) if biases is None else as_items("biases", biases)
        if len(given) != len(w):
            raise ArgumentError(f"biases must be one for each of {len(w)} layers, or None in place")
        b_all = tuple(
            np.zeros(len(a)) if b is None else finite(f"biases of layer {i + 1}", b).reshape(-1)
            for i, (a, b) in enumerate(zip(w, given, strict=True))
        )
        for i, (a, c) in enumerate(zip(w, b_all, strict=True)):
            if len(a) != len(c):
                raise ArgumentError(f"layer {i + 1} has {len(a)} neurons and {len(c)} biases")
        hidden, last = as_activation(activation), as_activation(output)
        return cls(w, b_all, (hidden,) * (len(w) - 1) + (last,))

    @property
    def depth(self) -> int:
        """Number of layers L."""
        return len(self.weights)

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum(w.size + b.size for w, b in zip(self.weights, self.biases, strict=True))

    def bounds(self, layer: int) -> slice:
        """Where the parameters of a layer, counted from 1, stand in a row of all."""
        sizes = [w.size + b.size for w, b in zip(self.weights, self.biases, strict=True)]
        return slice(sum(sizes[: layer - 1]), sum(sizes[:layer]))

    def split(self, row: Array) -> list[tuple[Array, Array]]:
        """Return (weights, biases) of each layer from a row of all parameters."""
        out = []
        for i, w in enumerate(self.weights):
            part = row[self.bounds(i + 1)]
            out.append((part[: w.size].reshape(w.shape), part[w.size :]))
        return out

    def row(self, layers: Sequence[tuple[Array, Array]] | None = None) -> Array:
        """Return all parameters in one row: weights, then biases, layer by layer."""
        pairs = zip(self.weights, self.biases, strict=True) if layers is None else layers
        return np.concatenate([np.ravel(part) for pair in pairs for part in pair])

    def at(self, row: Array) -> FeedForward:
        """Return the same network with other parameters."""
        pairs = self.split(row)
        return FeedForward(tuple(w for w, _ in pairs), tuple(b for _, b in pairs), self.activations)

    def field(
        self,
        layer: int,
        weights: npt.ArrayLike | None = None,
        biases: npt.ArrayLike | None = None,
    ) -> Array:
        """Return a row of parameters that is zero but in one layer, counted from 1.

        Raises
        ------
        ArgumentError
            If there is no such layer or a shape does not fit.
        """
        if not 1 <= layer <= self.depth:
            raise ArgumentError(f"layer must be 1..{self.depth}, got {layer}")
        row = np.zeros(self.n_parameters)
        w, b = self.split(row)[layer - 1]
        for name, target, source in (("weights", w, weights), ("biases", b, biases)):
            if source is not None:
                values = finite(name, source)
                if values.shape != target.shape:
                    raise ArgumentError(
                        f"{name} of layer {layer} must have shape {target.shape}, got "
                        f"{values.shape}"
                    )
                target[...] = values
        return row
