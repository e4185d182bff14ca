"""Data with known answers: fields drawn from known actions, and ensembles of random networks.

Gaussian fields, the fields made of them, the phi^4 chain and the hierarchical model are independent
samples of the exact law; `ising` and `phi4_lattice` are Markov chains that converge to it, and can
be interrupted and continued. `ising` returns a `SynapticField`, the others plain arrays, samples
first. `random_networks`, `tangent_networks` and `recurrent_networks` have random weights,
`sample_engineered` has weights that obey a chosen field theory.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.simulate._network_result import RandomNetworks as RandomNetworks
    from nnrg.simulate.architectures import ConvolutionalNetwork as ConvolutionalNetwork
    from nnrg.simulate.architectures import DenseNetwork as DenseNetwork
    from nnrg.simulate.chain import phi4_chain as phi4_chain
    from nnrg.simulate.dyson import hierarchical as hierarchical
    from nnrg.simulate.engineered import sample_engineered as sample_engineered
    from nnrg.simulate.engineered import sample_engineered_limit as sample_engineered_limit
    from nnrg.simulate.engineered_network import EngineeredNetwork as EngineeredNetwork
    from nnrg.simulate.engineered_sample import EngineeredSample as EngineeredSample
    from nnrg.simulate.engineered_sample import LimitSample as LimitSample
    from nnrg.simulate.ensembles import random_networks as random_networks
    from nnrg.simulate.gaussian import ar1 as ar1
    from nnrg.simulate.gaussian import fractional_gaussian_noise as fractional_gaussian_noise
    from nnrg.simulate.gaussian import gaussian_free_field as gaussian_free_field
    from nnrg.simulate.gaussian import long_range_gaussian as long_range_gaussian
    from nnrg.simulate.graph_fields import graph_free_field as graph_free_field
    from nnrg.simulate.graph_fields import phi4_graph as phi4_graph
    from nnrg.simulate.hermite import rosenblatt as rosenblatt
    from nnrg.simulate.linear_recurrent import LinearRecurrentGrowth as LinearRecurrentGrowth
    from nnrg.simulate.linear_recurrent import linear_recurrent_growth as linear_recurrent_growth
    from nnrg.simulate.percolation import DensityDecay as DensityDecay
    from nnrg.simulate.percolation import directed_percolation as directed_percolation
    from nnrg.simulate.phi4 import hopping_couplings as hopping_couplings
    from nnrg.simulate.phi4 import phi4_lattice as phi4_lattice
    from nnrg.simulate.recurrent import RecurrentEnsemble as RecurrentEnsemble
    from nnrg.simulate.recurrent import recurrent_networks as recurrent_networks
    from nnrg.simulate.shallow import HiddenLayer as HiddenLayer
    from nnrg.simulate.shallow import one_hidden_layer as one_hidden_layer
    from nnrg.simulate.shallow import one_hidden_layer_neurons as one_hidden_layer_neurons
    from nnrg.simulate.spins import ising as ising
    from nnrg.simulate.tangents import TangentSample as TangentSample
    from nnrg.simulate.tangents import tangent_networks as tangent_networks
    from nnrg.simulate.weight_laws import WeightLaw as WeightLaw
    from nnrg.simulate.weight_laws import weight_law as weight_law

_HOMES = {
    "ConvolutionalNetwork": "architectures",
    "DenseNetwork": "architectures",
    "DensityDecay": "percolation",
    "EngineeredNetwork": "engineered_network",
    "EngineeredSample": "engineered_sample",
    "HiddenLayer": "shallow",
    "LimitSample": "engineered_sample",
    "LinearRecurrentGrowth": "linear_recurrent",
    "RandomNetworks": "_network_result",
    "RecurrentEnsemble": "recurrent",
    "TangentSample": "tangents",
    "WeightLaw": "weight_laws",
    "ar1": "gaussian",
    "directed_percolation": "percolation",
    "fractional_gaussian_noise": "gaussian",
    "gaussian_free_field": "gaussian",
    "graph_free_field": "graph_fields",
    "hierarchical": "dyson",
    "hopping_couplings": "phi4",
    "ising": "spins",
    "linear_recurrent_growth": "linear_recurrent",
    "long_range_gaussian": "gaussian",
    "one_hidden_layer": "shallow",
    "one_hidden_layer_neurons": "shallow",
    "phi4_chain": "chain",
    "phi4_graph": "graph_fields",
    "phi4_lattice": "phi4",
    "random_networks": "ensembles",
    "recurrent_networks": "recurrent",
    "rosenblatt": "hermite",
    "sample_engineered": "engineered",
    "sample_engineered_limit": "engineered",
    "tangent_networks": "tangents",
    "weight_law": "weight_laws",
}

__all__ = [
    "ConvolutionalNetwork",
    "DenseNetwork",
    "DensityDecay",
    "EngineeredNetwork",
    "EngineeredSample",
    "HiddenLayer",
    "LimitSample",
    "LinearRecurrentGrowth",
    "RandomNetworks",
    "RecurrentEnsemble",
    "TangentSample",
    "WeightLaw",
    "ar1",
    "directed_percolation",
    "fractional_gaussian_noise",
    "gaussian_free_field",
    "graph_free_field",
    "hierarchical",
    "hopping_couplings",
    "ising",
    "linear_recurrent_growth",
    "long_range_gaussian",
    "one_hidden_layer",
    "one_hidden_layer_neurons",
    "phi4_chain",
    "phi4_graph",
    "phi4_lattice",
    "random_networks",
    "recurrent_networks",
    "rosenblatt",
    "sample_engineered",
    "sample_engineered_limit",
    "tangent_networks",
    "training",
    "weight_law",
]


def __getattr__(name: str) -> object:
    if name == "training":
        return import_module("nnrg.simulate.training")
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.simulate' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.simulate.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
