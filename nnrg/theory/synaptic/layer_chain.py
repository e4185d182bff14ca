"""Networks of any kind as layers one after the other, recurrent ones unrolled in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.activation_functions import as_activation
from nnrg.errors import ArgumentError
from nnrg.simulate.training import MLP, ConvNet, Model, RecurrentNet
from nnrg.simulate.training._model import as_batch
from nnrg.theory.synaptic._samples import finite
from nnrg.theory.synaptic.feed_forward import FeedForward
from nnrg.theory.synaptic.layers import ConvolutionLayer, DenseLayer, Layer

__all__ = ["LayerChain"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LayerChain:
    r"""Layers z_l = f_l(w_l, z_{l-1}), some of which may share their parameters.

    Attributes
    ----------
    layers : tuple of Layer
    names : tuple of str
    fields : tuple of int
        Which field of parameters a layer has; layers of one number share it.
    columns : tuple of slice or None
        Which inputs enter a layer beside the neurons of the layer before, which come last.
    n_inputs : int
    recurrent : bool
        Whether the first layer starts from neurons at rest, not from the inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import RecurrentNet
    >>> from nnrg.theory.synaptic import LayerChain
    >>> model = RecurrentNet(2, 3, length=4)
    >>> weights = {name: np.ones(shape) for name, shape in model.shapes.items()}
    >>> chain = LayerChain.of_model(model, weights)
    >>> chain.names, chain.fields, chain.n_parameters
    (('time 1', 'time 2', 'time 3', 'time 4', 'readout'), (0, 0, 0, 0, 1), 22)
    """

    layers: tuple[Layer, ...]
    names: tuple[str, ...]
    fields: tuple[int, ...]
    columns: tuple[slice | None, ...]
    n_inputs: int
    recurrent: bool = False

    @classmethod
    def of(cls, network: FeedForward | LayerChain) -> LayerChain:
        """Return a network of dense layers as a chain, and a chain as it is.

        Raises
        ------
        ArgumentError
            If it is neither.
        """
        if isinstance(network, LayerChain):
            return network
        if not isinstance(network, FeedForward):
            raise ArgumentError(
                f"network must be a FeedForward or a LayerChain, got {shown(network)}"
            )
        rows = zip(network.weights, network.biases, network.activations, strict=True)
        return cls._dense([DenseLayer(w, b, a) for w, b, a in rows])

    @classmethod
    def of_model(cls, model: Model, tensors: Mapping[str, npt.ArrayLike]) -> LayerChain:
        """Return a model of `nnrg.simulate.training` with weights as a chain.

        Raises
        ------
        ArgumentError
            If the model is no `MLP`, `ConvNet` or `RecurrentNet`, or tensors do not fit it.
        """
        if not isinstance(model, MLP | ConvNet | RecurrentNet):
            raise ArgumentError(
                f"model must be an MLP, a ConvNet or a RecurrentNet, got {shown(model)}"
            )
        given, single = as_batch(model, tensors)
        if not single:
            raise ArgumentError("tensors must be those of one network, without an axis of seeds")
        t = {name: finite(name, value[0]) for name, value in given.items()}
        if isinstance(model, MLP):
            return cls._dense(
                [
                    DenseLayer(t[f"layers.{i}.weight"], t.get(f"layers.{i}.bias"), activation)
                    for i, activation in enumerate(model.activations)
                ]
            )
        readout = DenseLayer(t["readout.weight"], t["readout.bias"], as_activation("linear"))
        if isinstance(model, ConvNet):
            sites = tuple(model.sites)
            convolutions = [
                ConvolutionLayer(
                    t[f"conv.{i}.weight"], t[f"conv.{i}.bias"], model.activation, sites
                )
                for i in range(len(model.channels) - 1)
            ]
            n = len(convolutions)
            return cls(
                layers=(*convolutions, readout),
                names=(*(f"convolution {i + 1}" for i in range(n)), "readout"),
                fields=tuple(range(n + 1)),
                columns=(None,) * (n + 1),
                n_inputs=convolutions[0].n_inputs,
            )
        weight = np.hstack([t["rnn.weight_ih_l0"], t["rnn.weight_hh_l0"]])
        once = DenseLayer(weight, t["rnn.bias_ih_l0"], model.activation)
        n, wide = model.length, model.n_inputs
        return cls(
            layers=(*(once,) * n, readout),
            names=(*(f"time {i + 1}" for i in range(n)), "readout"),
            fields=(*(0,) * n, 1),
            columns=(*(slice(i * wide, (i + 1) * wide) for i in range(n)), None),
            n_inputs=n * wide,
            recurrent=True,
        )

    @classmethod
    def _dense(cls, layers: list[DenseLayer]) -> LayerChain:
        n = len(layers)
        return cls(
            layers=tuple(layers),
            names=tuple(f"layer {i + 1}" for i in range(n)),
            fields=tuple(range(n)),
            columns=(None,) * n,
            n_inputs=layers[0].n_inputs,
        )

    @property
    def depth(self) -> int:
        """Number of layers L."""
        return len(self.layers)

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return self.layers[-1].n_outputs

    @property
    def n_parameters(self) -> int:
        """Number of parameters, shared ones once."""
        return sum(self.layers[self.fields.index(k)].n_parameters for k in sorted(set(self.fields)))

    def bounds(self, layer: int) -> slice:
        """Where the parameters of a layer, counted from 1, stand in a row of all."""
        field, start = self.fields[layer - 1], 0
        for k in range(field):
            start += self.layers[self.fields.index(k)].n_parameters
        return slice(start, start + self.layers[layer - 1].n_parameters)

    def copies(self, layer: int) -> int:
        """Return how many layers share the parameters of this one, counted from 1."""
        return self.fields.count(self.fields[layer - 1])

    def row(self) -> Array:
        """Return all parameters in one row, field by field."""
        first = [self.layers[self.fields.index(k)] for k in sorted(set(self.fields))]
        return np.concatenate([layer.row() for layer in first])

    def at(self, row: Array) -> LayerChain:
        """Return the same network with other parameters."""
        return replace(
            self,
            layers=tuple(layer.at(row[self.bounds(i + 1)]) for i, layer in enumerate(self.layers)),
        )

    def start(self, x: Array) -> Array:
        """Return z_0 of inputs (P, n_inputs)."""
        if not self.recurrent:
            return x
        columns = self.columns[0]
        entering = 0 if columns is None else columns.stop - columns.start
        return np.zeros((len(x), self.layers[0].n_inputs - entering))

    def entering(self, layer: int, x: Array, z: Array) -> Array:
        """Return what enters a layer, counted from 1: inputs of its own, then neurons before it."""
        columns = self.columns[layer - 1]
        return z if columns is None else np.hstack([x[:, columns], z])

    def activities(self, x: Array) -> list[Array]:
        """Return z_0 .. z_L of the forward pass of inputs (P, n_inputs)."""
        out = [self.start(x)]
        for i, layer in enumerate(self.layers):
            into = self.entering(i + 1, x, out[-1])
            out.append(np.asarray(layer.activation(layer.preactivations(into))))
        return out
