"""Which tensors of a network are layers with a fan-in, and which of them form one dense chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.networks.geometry import oriented
from nnrg.networks.network import Network
from nnrg.theory.placement.scales import LayerScales, layer_scales

__all__ = ["bias_of", "check_names", "dense_chain", "layer_matrix", "placeable", "scales_of"]

_KINDS = ("weight", "conv", "recurrent")


def placeable(net: Network, names: Sequence[str] | None) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of weights with a fan-in, and what was left out and why.

    Raises
    ------
    ArgumentError
        If a name is no trained tensor, one asked for has no fan-in, or there is none.
    """
    kept, notes = [], []
    for name in net.specs if names is None else check_names(net, names):
        reason = _reason(net, name)
        if not reason:
            kept.append(name)
        elif names is not None:
            raise ArgumentError(f"{name!r} has no place on the phase diagram: {reason}")
        elif net.roles[name].kind not in ("bias", "normalisation", "vector", "scalar"):
            notes.append(f"{name} is left out: {reason}")
    if not kept:
        raise ArgumentError(
            f"{net.name} has no dense, convolutional or recurrent weights of two units and two "
            "inputs: there is no layer to place"
        )
    return kept, tuple(notes)


def check_names(net: Network, names: Sequence[str]) -> list[str]:
    """Return names of trained tensors, one as well as several.

    Raises
    ------
    ArgumentError
        If a name is no trained tensor, or comes twice.
    """
    if not isinstance(names, Sequence):
        raise ArgumentError(f"names must be those of tensors, got {shown(names)}")
    listed = [names] if isinstance(names, str) else list(names)
    for at, name in enumerate(listed):
        if name not in net.specs:
            raise ArgumentError(
                f"no trained tensor {shown(name)}; print(net) lists them, names are taken as they "
                "are"
            )
        if name in listed[:at]:
            raise ArgumentError(f"{name!r} is named twice; name each layer once")
    return listed


def _reason(net: Network, name: str) -> str:
    role, spec = net.roles[name], net.specs[name]
    if role.kind not in _KINDS:
        return f"a {role.kind} has no fan-in"
    layout = spec.layout or ""
    if len(layout) != len(spec.shape) or "?" in layout or "O" not in layout or "I" not in layout:
        return f"its axes {layout or '?'} are not known as out and in"
    units = int(np.prod([n for n, a in zip(spec.shape, layout, strict=True) if a == "O"]))
    if units < 2 or spec.size // units < 2:
        return f"{units} units of {spec.size // max(units, 1)} inputs: two of each are needed"
    return ""


def layer_matrix(net: Network, name: str) -> npt.NDArray[np.float64]:
    """Return weights of shape (units, fan_in); the taps of a convolution are inputs."""
    values, layout = oriented(net.tensors[name], net.specs[name].layout)
    units = values.shape[0] if layout.startswith("O") else 1
    return np.asarray(values, dtype=np.float64).reshape(units, -1)


def bias_of(net: Network, name: str) -> str:
    """Return the name of the biases of a layer; empty if there are none."""
    layer, units = net.roles[name].layer, layer_matrix_units(net, name)
    found = [
        other
        for other, role in net.roles.items()
        if role.kind == "bias"
        and role.layer == layer
        and other in net.specs
        and net.specs[other].size == units
    ]
    return found[0] if len(found) == 1 else ""


def layer_matrix_units(net: Network, name: str) -> int:
    """Return how many units a layer has, without reading it."""
    spec = net.specs[name]
    return int(spec.shape[spec.layout.index("O")])


def scales_of(net: Network, name: str) -> LayerScales:
    """Return (sigma_w, sigma_b) of one layer."""
    bias = bias_of(net, name)
    values = net.tensors[bias] if bias else None
    found = layer_scales(layer_matrix(net, name), values, name=name, bias=bias)
    gates = net.specs[name].gates
    if not gates:
        return found
    return replace(found, notes=(*found.notes, f"gates are taken together: {', '.join(gates)}"))


def dense_chain(net: Network, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return (weights, biases) of dense layers each of which feeds the next, by the topology.

    Empty unless the units of every layer are the inputs of the next one and of no other.

    Raises
    ------
    ArgumentError
        If a name is no trained tensor.
    """
    names = check_names(net, names)
    if len(names) < 2 or any(net.roles[name].kind != "weight" for name in names):
        return ()
    if any(sorted(net.specs[name].layout) != ["I", "O"] for name in names):
        return ()
    topology = net.topology()
    ends = [(topology.of(name, "in"), topology.of(name, "out")) for name in names]
    for (_, units), (inputs, _) in pairwise(ends):
        if units != inputs:
            return ()
    layers = [units for _, units in ends]
    if len({tuple(p.name for p in units) for units in layers}) < len(layers):
        return ()  # several layers write to the same neurons
    return tuple((name, bias_of(net, name)) for name in names)
