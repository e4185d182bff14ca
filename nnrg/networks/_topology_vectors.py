"""What is known of each unit of a population: its weights in tensors other than one field's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.networks._shared_numbers import without_shared
from nnrg.networks._topology_blocks import as_units
from nnrg.networks._topology_graph import matching
from nnrg.networks.topology import Population

if TYPE_CHECKING:
    from nnrg.networks.network import Network

__all__ = ["weight_vectors"]

_BOTH = ("out", "in")
_SIDES = {"incoming": ("out",), "outgoing": ("in",), "both": _BOTH}

Floats = npt.NDArray[np.float64]


def weight_vectors(
    net: Network, population: Population, *, excluding: Iterable[str] | str, weights: str
) -> tuple[Floats, tuple[str, ...]]:
    """Return the weight vectors of a population's units, and the tensors that they come from.

    Every tensor has the same share: its numbers are divided by their root mean square and by the
    root of how many a unit has. Tensors that hold the numbers of an excluded one are excluded too.

    Raises
    ------
    AnalysisError
        If no tensor is left that says anything of these units.
    """
    if weights not in _SIDES:
        raise ArgumentError(f"weights must be one of {', '.join(_SIDES)}, got {shown(weights)}")
    left_out = matching(net, excluding, "excluding")
    ends = [e for e in population.ends if e.side in _SIDES[weights] and e.tensor not in left_out]
    names, shared = without_shared(
        net, population, sorted(left_out), dict.fromkeys(e.tensor for e in ends)
    )
    vectors, used = vectors_of(net, population, names, _SIDES[weights])
    if vectors is None:
        excluded = ", ".join([*sorted(left_out), *shared]) or "none"
        raise AnalysisError(
            f"no {'' if weights == 'both' else weights + ' '}weights but those of {excluded} touch "
            f"population {population.name!r}: neighbours chosen by a field's own numbers would be "
            "an artefact; choose them by nnrg.similarity_graph(activations.T), or by half of the "
            "samples and measure on the other half"
        )
    return vectors, used


def vectors_of(
    net: Network, population: Population, tensors: Iterable[str], sides: Sequence[str] = _BOTH
) -> tuple[Floats | None, tuple[str, ...]]:
    """Return the weight vectors of units in some tensors; None if these hold nothing but zeros."""
    wanted = set(tensors)
    parts, used = [], []
    for end in population.ends:
        if end.tensor not in wanted or end.side not in sides:
            continue
        values = net.tensors[end.tensor].astype(np.float64)
        vectors = as_units(values, end.axis, end).reshape(end.units, -1)
        size = float(np.sqrt(np.mean(np.square(vectors))))
        if size > 0:
            parts.append(vectors / (size * np.sqrt(vectors.shape[1])))
            used.append(end.tensor)
    return (np.concatenate(parts, axis=1) if parts else None), tuple(dict.fromkeys(used))
