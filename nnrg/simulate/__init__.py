"""Fields drawn from known actions, for tests and calibration.

Gaussian fields, the fields made of them, the phi^4 chain and the hierarchical model are independent
samples of the exact law; `ising` and `phi4_lattice` are Markov chains that converge to it, and can
be interrupted and continued. `ising` returns a `SynapticField`, the others plain arrays, samples
first.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.simulate.chain import phi4_chain as phi4_chain
    from nnrg.simulate.dyson import hierarchical as hierarchical
    from nnrg.simulate.gaussian import ar1 as ar1
    from nnrg.simulate.gaussian import fractional_gaussian_noise as fractional_gaussian_noise
    from nnrg.simulate.gaussian import gaussian_free_field as gaussian_free_field
    from nnrg.simulate.gaussian import long_range_gaussian as long_range_gaussian
    from nnrg.simulate.graph_fields import graph_free_field as graph_free_field
    from nnrg.simulate.graph_fields import phi4_graph as phi4_graph
    from nnrg.simulate.hermite import rosenblatt as rosenblatt
    from nnrg.simulate.phi4 import hopping_couplings as hopping_couplings
    from nnrg.simulate.phi4 import phi4_lattice as phi4_lattice
    from nnrg.simulate.spins import ising as ising

_HOMES = {
    "ar1": "gaussian",
    "fractional_gaussian_noise": "gaussian",
    "gaussian_free_field": "gaussian",
    "graph_free_field": "graph_fields",
    "hierarchical": "dyson",
    "hopping_couplings": "phi4",
    "ising": "spins",
    "long_range_gaussian": "gaussian",
    "phi4_chain": "chain",
    "phi4_graph": "graph_fields",
    "phi4_lattice": "phi4",
    "rosenblatt": "hermite",
}

__all__ = [
    "ar1",
    "fractional_gaussian_noise",
    "gaussian_free_field",
    "graph_free_field",
    "hierarchical",
    "hopping_couplings",
    "ising",
    "long_range_gaussian",
    "phi4_chain",
    "phi4_graph",
    "phi4_lattice",
    "rosenblatt",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.simulate' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.simulate.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
