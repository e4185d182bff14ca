"""What is known of each unit of a population: its weights in some tensors."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.networks._topology_blocks import as_units
from nnrg.networks.topology import Population

if TYPE_CHECKING:
    from nnrg.networks.network import Network

__all__ = ["vectors_of"]

Floats = npt.NDArray[np.float64]


def vectors_of(
    net: Network, population: Population, tensors: Iterable[str], sides: Collection[str]
) -> tuple[Floats | None, tuple[str, ...]]:
    """Return the weight vectors of units in some tensors; None if these hold nothing but zeros.

    Every tensor has the same share: its numbers are divided by their root mean square and by the
    root of how many a unit has.
    """
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
