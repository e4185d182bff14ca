"""Synaptic field theory: weights as fields, training data as sources, friction as expansion.

`friction` and `cosmic_history` read optimisers and schedules, `record_action`, `record_modes` and
`record_continuity` a recorded training, `perceptron_vertices` and `network_vertices` are what data
make of the action, `gradient_expansion` and `lorentz_report` how local and how relativistic it is,
`ring_toy` and `two_layer_toy` where it is local. `coarse_grain_vertices` is its flow with scale,
`compare_kernel_flow` that beside trained weights; `depth_continuity` is the split into bulk and
boundary, `coarse_grain_depth` depth as a lattice direction.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.theory.synaptic.coarse_graining import (
        coarse_grain_vertices as coarse_grain_vertices,
    )
    from nnrg.theory.synaptic.continuity import DepthContinuity as DepthContinuity
    from nnrg.theory.synaptic.currents import depth_continuity as depth_continuity
    from nnrg.theory.synaptic.currents import step_continuity as step_continuity
    from nnrg.theory.synaptic.damping import DeSitterWeights as DeSitterWeights
    from nnrg.theory.synaptic.damping import de_sitter_weights as de_sitter_weights
    from nnrg.theory.synaptic.deep import NetworkVertices as NetworkVertices
    from nnrg.theory.synaptic.deep import network_vertices as network_vertices
    from nnrg.theory.synaptic.depth_scales import DepthScales as DepthScales
    from nnrg.theory.synaptic.depth_scales import coarse_grain_depth as coarse_grain_depth
    from nnrg.theory.synaptic.expansion import KernelExpansion as KernelExpansion
    from nnrg.theory.synaptic.expansion import gradient_expansion as gradient_expansion
    from nnrg.theory.synaptic.feed_forward import FeedForward as FeedForward
    from nnrg.theory.synaptic.friction_maps import FrictionMap as FrictionMap
    from nnrg.theory.synaptic.friction_maps import friction as friction
    from nnrg.theory.synaptic.histories import CosmicHistory as CosmicHistory
    from nnrg.theory.synaptic.histories import cosmic_history as cosmic_history
    from nnrg.theory.synaptic.layer_chain import LayerChain as LayerChain
    from nnrg.theory.synaptic.layers import ConvolutionLayer as ConvolutionLayer
    from nnrg.theory.synaptic.layers import DenseLayer as DenseLayer
    from nnrg.theory.synaptic.lorentz import LorentzReport as LorentzReport
    from nnrg.theory.synaptic.lorentz import lorentz_report as lorentz_report
    from nnrg.theory.synaptic.mode_histories import TrainingModes as TrainingModes
    from nnrg.theory.synaptic.mode_histories import record_modes as record_modes
    from nnrg.theory.synaptic.perceptron import perceptron_vertices as perceptron_vertices
    from nnrg.theory.synaptic.records import record_action as record_action
    from nnrg.theory.synaptic.records import record_continuity as record_continuity
    from nnrg.theory.synaptic.records import record_friction as record_friction
    from nnrg.theory.synaptic.records import record_history as record_history
    from nnrg.theory.synaptic.records import recorded_chain as recorded_chain
    from nnrg.theory.synaptic.records import recorded_network as recorded_network
    from nnrg.theory.synaptic.redshift import ModePair as ModePair
    from nnrg.theory.synaptic.redshift import compare_modes as compare_modes
    from nnrg.theory.synaptic.rings import RingToy as RingToy
    from nnrg.theory.synaptic.rings import ring_toy as ring_toy
    from nnrg.theory.synaptic.soft_neurons import SoftNeurons as SoftNeurons
    from nnrg.theory.synaptic.source_histories import SourceHistory as SourceHistory
    from nnrg.theory.synaptic.sources import record_sources as record_sources
    from nnrg.theory.synaptic.sources import source_history as source_history
    from nnrg.theory.synaptic.support_law import relaxed_law as relaxed_law
    from nnrg.theory.synaptic.trained_flow import NullKernels as NullKernels
    from nnrg.theory.synaptic.trained_flow import TrainedKernelFlow as TrainedKernelFlow
    from nnrg.theory.synaptic.trained_flow import compare_kernel_flow as compare_kernel_flow
    from nnrg.theory.synaptic.trained_law import TrainedLaw as TrainedLaw
    from nnrg.theory.synaptic.trained_law import training_law as training_law
    from nnrg.theory.synaptic.trajectories import TrajectoryAction as TrajectoryAction
    from nnrg.theory.synaptic.trajectories import trajectory_action as trajectory_action
    from nnrg.theory.synaptic.two_layers import TwoLayerToy as TwoLayerToy
    from nnrg.theory.synaptic.two_layers import two_layer_toy as two_layer_toy
    from nnrg.theory.synaptic.vertex_flow import HigherVertices as HigherVertices
    from nnrg.theory.synaptic.vertex_flow import VertexFlow as VertexFlow
    from nnrg.theory.synaptic.vertex_flow import VertexScale as VertexScale
    from nnrg.theory.synaptic.vertices import PerceptronVertices as PerceptronVertices

_HOMES = {
    "ConvolutionLayer": "layers",
    "CosmicHistory": "histories",
    "DeSitterWeights": "damping",
    "DenseLayer": "layers",
    "DepthContinuity": "continuity",
    "DepthScales": "depth_scales",
    "FeedForward": "feed_forward",
    "FrictionMap": "friction_maps",
    "HigherVertices": "vertex_flow",
    "KernelExpansion": "expansion",
    "LorentzReport": "lorentz",
    "LayerChain": "layer_chain",
    "ModePair": "redshift",
    "NetworkVertices": "deep",
    "PerceptronVertices": "vertices",
    "RingToy": "rings",
    "SoftNeurons": "soft_neurons",
    "SourceHistory": "source_histories",
    "NullKernels": "trained_flow",
    "TrainedKernelFlow": "trained_flow",
    "TrainedLaw": "trained_law",
    "training_law": "trained_law",
    "TrainingModes": "mode_histories",
    "TrajectoryAction": "trajectories",
    "TwoLayerToy": "two_layers",
    "VertexFlow": "vertex_flow",
    "VertexScale": "vertex_flow",
    "coarse_grain_depth": "depth_scales",
    "coarse_grain_vertices": "coarse_graining",
    "compare_kernel_flow": "trained_flow",
    "compare_modes": "redshift",
    "cosmic_history": "histories",
    "de_sitter_weights": "damping",
    "depth_continuity": "currents",
    "friction": "friction_maps",
    "gradient_expansion": "expansion",
    "lorentz_report": "lorentz",
    "network_vertices": "deep",
    "perceptron_vertices": "perceptron",
    "record_action": "records",
    "record_continuity": "records",
    "record_modes": "mode_histories",
    "record_sources": "sources",
    "record_friction": "records",
    "record_history": "records",
    "recorded_chain": "records",
    "recorded_network": "records",
    "relaxed_law": "support_law",
    "ring_toy": "rings",
    "source_history": "sources",
    "step_continuity": "currents",
    "trajectory_action": "trajectories",
    "two_layer_toy": "two_layers",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.theory.synaptic' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.theory.synaptic.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
