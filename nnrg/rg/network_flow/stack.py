"""Stacks of homogeneous layers: the same tensor of every layer, on units that all layers share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.networks._label import label
from nnrg.networks.network import Network
from nnrg.networks.topology import Topology
from nnrg.rg.network_flow._parts import Part, parts_of

__all__ = ["Stack", "stack"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The same quantity of every layer.

    Attributes
    ----------
    name : str
    layers : tuple of int
        Numbers of the layers, ascending.
    values : float64 array of shape (n_layers, n_rows, n_columns) or (n_layers, n_units)
    populations : tuple of str
        What the axes are, the same units in every layer.
    notes : tuple of str
    """

    name: str
    layers: tuple[int, ...]
    values: Floats
    populations: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_map(self) -> bool:
        """Whether it maps a population to itself, so that layers can be composed."""
        return self.values.ndim == 3 and self.populations[0] == self.populations[1]


def stack(
    net: Network,
    pattern: str | Sequence[str],
    *,
    aligned: bool = False,
    topology: Topology | None = None,
) -> Stack:
    """Return the tensors of a stack of layers, or the product of two in each layer.

    Parameters
    ----------
    net : Network
    pattern : str, or pair of str
        Name of a tensor with ``*`` for the number of the layer. Of a pair, the product of the two
        matrices over the units that they share and no other layer has.
    aligned : bool
        Whether units of one index are the same in every layer although they are populations of
        their own: you have brought them in order, `nnrg.networks.alignment`.
    topology : Topology, optional

    Raises
    ------
    ArgumentError
        If a pattern has no ``*``, or matches fewer than two layers.
    AnalysisError
        If layers have different shapes, or units that are not the same in all of them.
    """
    known = net.topology() if topology is None else topology
    patterns = (pattern,) if isinstance(pattern, str) else tuple(pattern)
    if len(patterns) not in (1, 2) or any(
        not isinstance(p, str) or p.count("*") != 1 for p in patterns
    ):
        raise ArgumentError(
            "pattern must be a tensor's name with one * for the number of the layer, or a pair of "
            f"them, got {shown(pattern)}; try 'encoder.layer.*.output.dense.weight'"
        )
    parts = {part.name: part for part in parts_of(net, known)}
    found = [_layers(list(parts), p) for p in patterns]
    layers = sorted(set.intersection(*(set(f) for f in found)))
    if len(layers) < 2:
        raise ArgumentError(
            f"{' x '.join(patterns)}: {len(layers)} layers of {net.name} have it, two at least are "
            "needed; print(net) lists the tensors"
        )
    notes = [] if layers[-1] - layers[0] == len(layers) - 1 else ["numbers of layers have gaps"]
    rows: list[Floats] = []
    names: list[tuple[str, ...]] = []
    for layer in layers:
        chosen = [parts[f[layer]] for f in found]
        matrix, populations = (
            _one(net, chosen[0]) if len(chosen) == 1 else _product(net, known, chosen)
        )
        if rows and matrix.shape != rows[0].shape:
            raise AnalysisError(
                f"{chosen[0].name!r} has shape {matrix.shape}, that of layer {layers[0]} has "
                f"{rows[0].shape}: depth is an axis of layers of one shape"
            )
        rows.append(matrix)
        names.append(populations)
    _check_shared(patterns, layers, names, aligned)
    if aligned:
        notes.append("units are compared by their index, as said to be aligned")
    return Stack(" x ".join(patterns), tuple(layers), np.stack(rows), names[0], tuple(notes))


def _layers(names: Sequence[str], pattern: str) -> dict[int, str]:
    """Return the tensor of each layer that a pattern fits."""
    before, _, after = pattern.partition("*")
    form = re.compile(re.escape(before) + r"(\d+)" + re.escape(after) + r"\Z")
    return {int(m[1]): name for name in names if (m := form.match(name))}


def _one(net: Network, part: Part) -> tuple[Floats, tuple[str, ...]]:
    values = part.values(net)
    if values.shape[0] > 1:
        raise AnalysisError(
            f"{part.name!r} has {values.shape[0]} taps or gates; give a dense matrix or a vector"
        )
    return values[0].astype(np.float64), part.populations


def _product(
    net: Network, topology: Topology, parts: Sequence[Part]
) -> tuple[Floats, tuple[str, ...]]:
    """Return the product of two matrices over the population that both, and no others, have."""
    one, other = parts
    if len(one.populations) != 2 or len(other.populations) != 2:
        raise AnalysisError(f"{one.name!r} and {other.name!r} are not both matrices; give one name")
    shared = [p for p in one.populations if p in other.populations]
    if not shared:
        raise AnalysisError(
            f"{one.name!r} and {other.name!r} share no population that they could be multiplied "
            "over; print(net.topology())"
        )
    # The stream is shared too, and by all layers: more is attached to it than to the inner units.
    over = min(shared, key=lambda name: len(topology.population(name).ends))
    left, right = _one(net, one)[0], _one(net, other)[0]
    if one.populations[0] == over:
        left = left.T
    if other.populations[0] != over:
        right = right.T
    outer = [part.populations[1 - part.populations.index(over)] for part in parts]
    return left @ right, tuple(outer)


def _check_shared(
    patterns: Sequence[str],
    layers: Sequence[int],
    names: Sequence[tuple[str, ...]],
    aligned: bool,
) -> None:
    for axis in range(len(names[0])):
        different = list(dict.fromkeys(populations[axis] for populations in names))
        if len(different) > 1 and not aligned:
            raise AnalysisError(
                f"{' x '.join(patterns)}: units along axis {axis} are a population of their own in "
                f"each of {len(layers)} layers ({label(different[0], 40)}, ..), and have no "
                "identity across them; give the pair of patterns whose product leaves them out, or "
                "align the layers first (nnrg.networks.alignment) and say aligned=True"
            )
