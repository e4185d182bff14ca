"""Renormalization-group flows of trained neural networks, with errors and null models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nnrg._version import __version__

if TYPE_CHECKING:
    from nnrg import errors as errors
    from nnrg import plot as plot
    from nnrg import simulate as simulate
    from nnrg.fields import Lattice as Lattice
    from nnrg.fields import SynapticField as SynapticField
    from nnrg.networks.load import load as load
    from nnrg.networks.network import Network as Network
    from nnrg.pipeline import flow_network as flow_network
    from nnrg.results import Run as Run
    from nnrg.results import open_results as open_results
    from nnrg.rg.action import fit_couplings as fit_couplings
    from nnrg.rg.basis import Basis as Basis
    from nnrg.rg.blocks import GridBlocks as GridBlocks
    from nnrg.rg.blocks import RandomBlocks as RandomBlocks
    from nnrg.rg.couplings import Couplings as Couplings
    from nnrg.rg.cumulants import Cumulants as Cumulants
    from nnrg.rg.custom_operator import CustomOperator as CustomOperator
    from nnrg.rg.flow import Flow as Flow
    from nnrg.rg.flow import renormalize as renormalize
    from nnrg.rg.nulls import NullModel as NullModel
    from nnrg.rg.stream import stream_cumulants as stream_cumulants
    from nnrg.stats.estimate import Estimate as Estimate
    from nnrg.stats.jackknife import Jackknife as Jackknife

# Where each public name lives; imported on first use, so that `import nnrg` costs nothing.
_HOMES = {
    "Basis": "nnrg.rg.basis",
    "Couplings": "nnrg.rg.couplings",
    "Cumulants": "nnrg.rg.cumulants",
    "CustomOperator": "nnrg.rg.custom_operator",
    "Estimate": "nnrg.stats.estimate",
    "Flow": "nnrg.rg.flow",
    "GridBlocks": "nnrg.rg.blocks",
    "Jackknife": "nnrg.stats.jackknife",
    "Lattice": "nnrg.fields",
    "Network": "nnrg.networks.network",
    "NullModel": "nnrg.rg.nulls",
    "RandomBlocks": "nnrg.rg.blocks",
    "Run": "nnrg.results",
    "SynapticField": "nnrg.fields",
    "fit_couplings": "nnrg.rg.action",
    "flow_network": "nnrg.pipeline",
    "load": "nnrg.networks.load",
    "open_results": "nnrg.results",
    "renormalize": "nnrg.rg.flow",
    "stream_cumulants": "nnrg.rg.stream",
}
_MODULES = ("errors", "plot", "simulate")

__all__ = [
    "Basis",
    "Couplings",
    "Cumulants",
    "CustomOperator",
    "Estimate",
    "Flow",
    "GridBlocks",
    "Jackknife",
    "Lattice",
    "Network",
    "NullModel",
    "RandomBlocks",
    "Run",
    "SynapticField",
    "__version__",
    "errors",
    "fit_couplings",
    "flow_network",
    "load",
    "open_results",
    "plot",
    "renormalize",
    "simulate",
    "stream_cumulants",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = import_module(f"nnrg.{name}")
    else:
        raise AttributeError(f"module 'nnrg' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
