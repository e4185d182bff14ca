"""Activations of chains of dense layers on inputs: hidden units as sites, inputs as samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.activation_functions import ACTIVATION_NAMES, as_activation
from nnrg.errors import ArgumentError, NonFiniteError
from nnrg.fields import Lattice, SynapticField
from nnrg.networks.geometry import oriented
from nnrg.networks.network import Network

__all__ = ["FUNCTIONS", "activations"]

Array = npt.NDArray[Any]
Layer = tuple[str, str | None, str]

FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    name: as_activation(name).function for name in ACTIVATION_NAMES
}
"""Activation functions by name, of arrays of any float type; see `as_activation`."""


def activations(
    net: Network,
    inputs: npt.ArrayLike,
    layers: Sequence[Layer],
    *,
    layer: int = -1,
    preactivation: bool = False,
    data: str = "inputs",
) -> SynapticField:
    """Return what the units of one layer of a chain of dense layers do on many inputs.

    Parameters
    ----------
    net : Network
    inputs : array of shape (n_inputs, n_features)
        In the order and scale that the network was trained on.
    layers : sequence of (weight, bias or None, activation)
        Names of tensors, from the input on; activations as in `FUNCTIONS`. Which function a
        network uses, and in which order its layers follow, is not in its file: you say it.
    layer : int
        Which of `layers` to look at.
    preactivation : bool
        Whether to return z = W x + b in place of f(z).
    data : str
        What the inputs are, for the name of the field's source.

    Returns
    -------
    SynapticField
        float32, or float64 if weights or inputs are; samples are inputs, sites hidden units
        without a natural order. `sources` is ``{"activations of LAYER of NETWORK on DATA"}``.

    Raises
    ------
    ArgumentError
        If a tensor is no matrix, sizes do not fit, or an activation is unknown.
    NonFiniteError
        If an activation overflows.

    Notes
    -----
    Neighbours of units told from activations on some inputs must be measured on others, or on
    weights; see `SynapticField.sources`.

    Examples
    --------
    >>> import numpy as np, nnrg, nnrg.data
    >>> from nnrg.networks.activations import activations
    >>> net = nnrg.load(nnrg.data.default_network_path())
    >>> patches = np.random.default_rng(1).normal(size=(20, 1024)).astype(np.float32)
    >>> activations(net, patches, [("encoder.weight", "encoder.bias", "relu")], data="noise")
    SynapticField('encoder activations', 20 samples on Lattice(96, open), float32)
    """
    x = np.asarray(inputs)
    if x.ndim != 2 or not x.size or x.dtype.kind not in "fiu":
        raise ArgumentError(
            f"inputs must be numbers of shape (n_inputs, n_features), got {x.dtype} of {x.shape}"
        )
    x = x.astype(np.float64 if x.dtype == np.float64 else np.float32)
    if not layers:
        raise ArgumentError("layers must name one layer or more, got none")
    count = len(layers)
    number = as_count("layer", layer + count if -count <= layer < 0 else layer, 0, count - 1)
    for i, (weight, bias, function) in enumerate(layers[: number + 1]):
        if function not in FUNCTIONS:
            raise ArgumentError(
                f"activation must be one of {', '.join(FUNCTIONS)}, got {shown(function)}"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            z = _through(net, x, weight, bias)
            x = z if preactivation and i == number else FUNCTIONS[function](z)
        if not np.isfinite(x).all():
            raise NonFiniteError(f"activations of {weight!r} overflow; check the inputs' scale")
    name = net.roles[layers[number][0]].layer
    return SynapticField(
        x,
        Lattice(x.shape[1], axes=("unit",)),
        name=f"{name} {'pre' if preactivation else ''}activations",
        sample="input",
        natural=False,
        sources=frozenset({f"activations of {name} of {net.name} on {data}"}),
        notes=(f"activations on {x.shape[0]} of {data}",),
    )


def _through(net: Network, x: Array, weight: str, bias: str | None) -> Array:
    values, layout = oriented(net.tensors[weight], net.specs[weight].layout)
    if layout != "OI":
        raise ArgumentError(f"{weight!r} is no dense layer but {layout or 'unknown'}")
    if values.shape[1] != x.shape[1]:
        raise ArgumentError(
            f"{weight!r} takes {values.shape[1]} inputs and gets {x.shape[1]}; layers must follow "
            "one another"
        )
    type_ = np.result_type(x.dtype, np.float64 if values.dtype == np.float64 else np.float32)
    z: Array = x.astype(type_) @ values.astype(type_).T
    if bias is not None:
        shift = net.tensors[bias].astype(type_).reshape(-1)
        if shift.size != z.shape[1]:
            raise ArgumentError(f"{bias!r} has {shift.size} numbers for {z.shape[1]} units")
        z += shift
    return z
