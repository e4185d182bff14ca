"""A network with other numbers: the same tensors, layouts and metadata, in memory."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.networks._source import MemorySource
from nnrg.networks.network import Network

__all__ = ["rebuilt", "workable"]

Array = npt.NDArray[Any]


def workable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type that changed numbers are kept in: float32 at least."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def rebuilt(net: Network, arrays: Mapping[str, Array], what: str) -> Network:
    """Return `net` with these arrays in place of the trained tensors of their names.

    Its numbers go by the names of the old ones: neighbourhoods chosen by the one must not be
    measured on the other.
    """
    specs, values = {}, {}
    for name, role in net.roles.items():
        if role.trained and name not in net.specs:
            continue  # the same numbers as another tensor, which is here
        old = net.tensors[name] if name in net.specs else net.buffers[name]
        values[name] = np.asarray(arrays.get(name, old))
        specs[name] = replace(role.spec, dtype=values[name].dtype.name, storage=None)
    metadata = {**net.metadata, "nnrg.changed": what}
    source = MemorySource(specs, values, format=net.format, path=net.path, metadata=metadata)
    out = Network(
        source,
        buffers=[glob.escape(n) for n, r in net.roles.items() if not r.trained and n in specs],
        trained=[glob.escape(name) for name in net.specs],
    )
    out._origins = {name: net.source_of(name) for name in net.specs}
    return out
