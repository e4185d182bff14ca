"""Renormalization-group flows of trained neural networks, with errors and null models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nnrg._version import __version__

if TYPE_CHECKING:
    from nnrg import errors as errors
    from nnrg import plot as plot
    from nnrg import simulate as simulate
    from nnrg.comparison.compare import compare as compare
    from nnrg.comparison.result import Comparison as Comparison
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
    from nnrg.rg.cross_check.table import cross_check as cross_check
    from nnrg.rg.cumulants import Cumulants as Cumulants
    from nnrg.rg.custom_operator import CustomOperator as CustomOperator
    from nnrg.rg.decimation import Decimation as Decimation
    from nnrg.rg.decimation import MajorityBlocks as MajorityBlocks
    from nnrg.rg.flow import Flow as Flow
    from nnrg.rg.renormalize import renormalize as renormalize
    from nnrg.rg.momentum_shell import MomentumShell as MomentumShell
    from nnrg.rg.nulls import NullModel as NullModel
    from nnrg.rg.operators import Operator as Operator
    from nnrg.rg.principal_components import PrincipalComponents as PrincipalComponents
    from nnrg.rg.scaling.beta import beta_functions as beta_functions
    from nnrg.rg.scaling.beta import fit_linear_flow as fit_linear_flow
    from nnrg.rg.scaling.criticality import criticality as criticality
    from nnrg.rg.scaling.exponents import fit_exponents as fit_exponents
    from nnrg.rg.scaling.fixed_points import find_fixed_point as find_fixed_point
    from nnrg.rg.scaling.ising_maps import migdal_kadanoff as migdal_kadanoff
    from nnrg.rg.scaling.local_potential import local_potential as local_potential
    from nnrg.rg.scaling.maps import fixed_point_of_map as fixed_point_of_map
    from nnrg.rg.scaling.operator_record import block_operators as block_operators
    from nnrg.rg.scaling.operator_record import majority_operators as majority_operators
    from nnrg.rg.scaling.swendsen import linearised_rg as linearised_rg
    from nnrg.rg.stream import stream_cumulants as stream_cumulants
    from nnrg.rg.two_point.correlation import measure_two_point as measure_two_point
    from nnrg.rg.two_point.nonlocality import nonlocality as nonlocality
    from nnrg.rg.verdict import verdict as verdict
    from nnrg.rg.verdict import verdict_run as verdict_run
    from nnrg.stats.bootstrap import Bootstrap as Bootstrap
    from nnrg.stats.estimate import Estimate as Estimate
    from nnrg.stats.jackknife import Jackknife as Jackknife

# Where each public name lives; imported on first use, so that `import nnrg` costs nothing.
_HOMES = {
    "Basis": "nnrg.rg.basis",
    "Bootstrap": "nnrg.stats.bootstrap",
    "Comparison": "nnrg.comparison.result",
    "Couplings": "nnrg.rg.couplings",
    "Cumulants": "nnrg.rg.cumulants",
    "CustomOperator": "nnrg.rg.custom_operator",
    "Decimation": "nnrg.rg.decimation",
    "Estimate": "nnrg.stats.estimate",
    "Flow": "nnrg.rg.flow",
    "GridBlocks": "nnrg.rg.blocks",
    "Jackknife": "nnrg.stats.jackknife",
    "Lattice": "nnrg.fields",
    "MajorityBlocks": "nnrg.rg.decimation",
    "MomentumShell": "nnrg.rg.momentum_shell",
    "Network": "nnrg.networks.network",
    "NullModel": "nnrg.rg.nulls",
    "Operator": "nnrg.rg.operators",
    "PrincipalComponents": "nnrg.rg.principal_components",
    "RandomBlocks": "nnrg.rg.blocks",
    "Run": "nnrg.results",
    "SynapticField": "nnrg.fields",
    "beta_functions": "nnrg.rg.scaling.beta",
    "block_operators": "nnrg.rg.scaling.operator_record",
    "compare": "nnrg.comparison.compare",
    "criticality": "nnrg.rg.scaling.criticality",
    "cross_check": "nnrg.rg.cross_check.table",
    "find_fixed_point": "nnrg.rg.scaling.fixed_points",
    "fit_couplings": "nnrg.rg.action",
    "fit_exponents": "nnrg.rg.scaling.exponents",
    "fit_linear_flow": "nnrg.rg.scaling.beta",
    "fixed_point_of_map": "nnrg.rg.scaling.maps",
    "flow_network": "nnrg.pipeline",
    "linearised_rg": "nnrg.rg.scaling.swendsen",
    "load": "nnrg.networks.load",
    "local_potential": "nnrg.rg.scaling.local_potential",
    "majority_operators": "nnrg.rg.scaling.operator_record",
    "measure_two_point": "nnrg.rg.two_point.correlation",
    "migdal_kadanoff": "nnrg.rg.scaling.ising_maps",
    "nonlocality": "nnrg.rg.two_point.nonlocality",
    "open_results": "nnrg.results",
    "renormalize": "nnrg.rg.renormalize",
    "stream_cumulants": "nnrg.rg.stream",
    "verdict": "nnrg.rg.verdict",
    "verdict_run": "nnrg.rg.verdict",
}
_MODULES = ("errors", "plot", "simulate")

__all__ = [
    "Basis",
    "Bootstrap",
    "Comparison",
    "Couplings",
    "Cumulants",
    "CustomOperator",
    "Decimation",
    "Estimate",
    "Flow",
    "GridBlocks",
    "Jackknife",
    "Lattice",
    "MajorityBlocks",
    "MomentumShell",
    "Network",
    "NullModel",
    "Operator",
    "PrincipalComponents",
    "RandomBlocks",
    "Run",
    "SynapticField",
    "__version__",
    "beta_functions",
    "block_operators",
    "compare",
    "criticality",
    "cross_check",
    "errors",
    "find_fixed_point",
    "fit_couplings",
    "fit_exponents",
    "fit_linear_flow",
    "fixed_point_of_map",
    "flow_network",
    "linearised_rg",
    "load",
    "local_potential",
    "majority_operators",
    "measure_two_point",
    "migdal_kadanoff",
    "nonlocality",
    "open_results",
    "plot",
    "renormalize",
    "simulate",
    "stream_cumulants",
    "verdict",
    "verdict_run",
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
