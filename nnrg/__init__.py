"""Renormalization-group flows of trained neural networks, with errors and null models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nnrg._version import __version__

if TYPE_CHECKING:
    from nnrg import errors as errors
    from nnrg import plot as plot
    from nnrg import simulate as simulate
    from nnrg import theory as theory
    from nnrg.comparison.compare import compare as compare
    from nnrg.comparison.result import Comparison as Comparison
    from nnrg.fields import Lattice as Lattice
    from nnrg.fields import SynapticField as SynapticField
    from nnrg.graph.connection_graph import ConnectionGraph as ConnectionGraph
    from nnrg.graph.similarity import similarity_graph as similarity_graph
    from nnrg.graph.spectral.flow import spectral_flow as spectral_flow
    from nnrg.networks.activations import activations as activations
    from nnrg.networks.alignment import align as align
    from nnrg.networks.alignment import ensemble_field as ensemble_field
    from nnrg.networks.gauge import canonical as canonical
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
    from nnrg.rg.momentum_shell import MomentumShell as MomentumShell
    from nnrg.rg.neighbourhoods.diffusion import DiffusionBlocks as DiffusionBlocks
    from nnrg.rg.neighbourhoods.hierarchy import Hierarchy as Hierarchy
    from nnrg.rg.neighbourhoods.labels import LabelBlocks as LabelBlocks
    from nnrg.rg.neighbourhoods.matching import MatchingBlocks as MatchingBlocks
    from nnrg.rg.neighbourhoods.modes import GraphModes as GraphModes
    from nnrg.rg.neighbourhoods.pairs import PairBlocks as PairBlocks
    from nnrg.rg.neighbourhoods.product import ProductBlocks as ProductBlocks
    from nnrg.rg.neighbourhoods.random import RandomUnits as RandomUnits
    from nnrg.rg.neighbourhoods.seriation import SeriationBlocks as SeriationBlocks
    from nnrg.rg.network_flow.renormalize import renormalize_network as renormalize_network
    from nnrg.rg.nulls import NullModel as NullModel
    from nnrg.rg.operators import Operator as Operator
    from nnrg.rg.phenomenological.analysis import phenomenological_flow as phenomenological_flow
    from nnrg.rg.principal_components import PrincipalComponents as PrincipalComponents
    from nnrg.rg.renormalize import renormalize as renormalize
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
    "ConnectionGraph": "nnrg.graph.connection_graph",
    "Couplings": "nnrg.rg.couplings",
    "Cumulants": "nnrg.rg.cumulants",
    "CustomOperator": "nnrg.rg.custom_operator",
    "Decimation": "nnrg.rg.decimation",
    "DiffusionBlocks": "nnrg.rg.neighbourhoods.diffusion",
    "Estimate": "nnrg.stats.estimate",
    "Flow": "nnrg.rg.flow",
    "GraphModes": "nnrg.rg.neighbourhoods.modes",
    "GridBlocks": "nnrg.rg.blocks",
    "Hierarchy": "nnrg.rg.neighbourhoods.hierarchy",
    "Jackknife": "nnrg.stats.jackknife",
    "LabelBlocks": "nnrg.rg.neighbourhoods.labels",
    "Lattice": "nnrg.fields",
    "MajorityBlocks": "nnrg.rg.decimation",
    "MatchingBlocks": "nnrg.rg.neighbourhoods.matching",
    "MomentumShell": "nnrg.rg.momentum_shell",
    "Network": "nnrg.networks.network",
    "NullModel": "nnrg.rg.nulls",
    "Operator": "nnrg.rg.operators",
    "PairBlocks": "nnrg.rg.neighbourhoods.pairs",
    "PrincipalComponents": "nnrg.rg.principal_components",
    "ProductBlocks": "nnrg.rg.neighbourhoods.product",
    "RandomBlocks": "nnrg.rg.blocks",
    "RandomUnits": "nnrg.rg.neighbourhoods.random",
    "Run": "nnrg.results",
    "SeriationBlocks": "nnrg.rg.neighbourhoods.seriation",
    "SynapticField": "nnrg.fields",
    "activations": "nnrg.networks.activations",
    "align": "nnrg.networks.alignment",
    "beta_functions": "nnrg.rg.scaling.beta",
    "block_operators": "nnrg.rg.scaling.operator_record",
    "canonical": "nnrg.networks.gauge",
    "compare": "nnrg.comparison.compare",
    "criticality": "nnrg.rg.scaling.criticality",
    "cross_check": "nnrg.rg.cross_check.table",
    "ensemble_field": "nnrg.networks.alignment",
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
    "phenomenological_flow": "nnrg.rg.phenomenological.analysis",
    "renormalize": "nnrg.rg.renormalize",
    "renormalize_network": "nnrg.rg.network_flow.renormalize",
    "similarity_graph": "nnrg.graph.similarity",
    "spectral_flow": "nnrg.graph.spectral.flow",
    "stream_cumulants": "nnrg.rg.stream",
    "verdict": "nnrg.rg.verdict",
    "verdict_run": "nnrg.rg.verdict",
}
_MODULES = ("errors", "plot", "simulate", "theory")

__all__ = [
    "Basis",
    "Bootstrap",
    "Comparison",
    "ConnectionGraph",
    "Couplings",
    "Cumulants",
    "CustomOperator",
    "Decimation",
    "DiffusionBlocks",
    "Estimate",
    "Flow",
    "GraphModes",
    "GridBlocks",
    "Hierarchy",
    "Jackknife",
    "LabelBlocks",
    "Lattice",
    "MajorityBlocks",
    "MatchingBlocks",
    "MomentumShell",
    "Network",
    "NullModel",
    "Operator",
    "PairBlocks",
    "PrincipalComponents",
    "ProductBlocks",
    "RandomBlocks",
    "RandomUnits",
    "Run",
    "SeriationBlocks",
    "SynapticField",
    "__version__",
    "activations",
    "align",
    "beta_functions",
    "block_operators",
    "canonical",
    "compare",
    "criticality",
    "cross_check",
    "ensemble_field",
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
    "phenomenological_flow",
    "plot",
    "renormalize",
    "renormalize_network",
    "similarity_graph",
    "simulate",
    "spectral_flow",
    "stream_cumulants",
    "theory",
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
