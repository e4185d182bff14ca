"""Connected correlators of networks with one hidden layer, at any width.

The output of such a network is a sum over neurons, so that its connected correlators are those of a
single neuron times a power of the width where the neurons are independent. For more hidden layers
see `nnrg.theory.loops`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.theory.correlators.architecture import Architecture as Architecture
    from nnrg.theory.correlators.clusters import ClusterTest as ClusterTest
    from nnrg.theory.correlators.clusters import cluster_test as cluster_test
    from nnrg.theory.correlators.correlator import ConnectedCorrelator as ConnectedCorrelator
    from nnrg.theory.correlators.independent import IndependentNeurons as IndependentNeurons
    from nnrg.theory.correlators.measured import MeasuredCorrelators as MeasuredCorrelators
    from nnrg.theory.correlators.measured import measured_correlators as measured_correlators
    from nnrg.theory.correlators.neurons import NeuronDecomposition as NeuronDecomposition
    from nnrg.theory.correlators.neurons import four_point_terms as four_point_terms
    from nnrg.theory.correlators.neurons import measured_neurons as measured_neurons
    from nnrg.theory.correlators.perceptrons import ErfNet as ErfNet
    from nnrg.theory.correlators.perceptrons import OneHiddenLayer as OneHiddenLayer
    from nnrg.theory.correlators.perceptrons import ReLUNet as ReLUNet
    from nnrg.theory.correlators.perceptrons import TanhNet as TanhNet
    from nnrg.theory.correlators.quadrature import Quadrature as Quadrature
    from nnrg.theory.correlators.random_features import CosNet as CosNet
    from nnrg.theory.correlators.random_features import GaussNet as GaussNet
    from nnrg.theory.correlators.scale_mixture import ScaleMixture as ScaleMixture
    from nnrg.theory.correlators.translations import TranslationTest as TranslationTest
    from nnrg.theory.correlators.translations import translation_test as translation_test
    from nnrg.theory.correlators.widths import WidthScaling as WidthScaling
    from nnrg.theory.correlators.widths import width_scaling as width_scaling

_HOMES = {
    "Architecture": "architecture",
    "ClusterTest": "clusters",
    "ConnectedCorrelator": "correlator",
    "CosNet": "random_features",
    "ErfNet": "perceptrons",
    "GaussNet": "random_features",
    "IndependentNeurons": "independent",
    "MeasuredCorrelators": "measured",
    "NeuronDecomposition": "neurons",
    "OneHiddenLayer": "perceptrons",
    "Quadrature": "quadrature",
    "ReLUNet": "perceptrons",
    "ScaleMixture": "scale_mixture",
    "TanhNet": "perceptrons",
    "TranslationTest": "translations",
    "WidthScaling": "widths",
    "cluster_test": "clusters",
    "four_point_terms": "neurons",
    "measured_correlators": "measured",
    "measured_neurons": "neurons",
    "translation_test": "translations",
    "width_scaling": "widths",
}

__all__ = [
    "Architecture",
    "ClusterTest",
    "ConnectedCorrelator",
    "CosNet",
    "ErfNet",
    "GaussNet",
    "IndependentNeurons",
    "MeasuredCorrelators",
    "NeuronDecomposition",
    "OneHiddenLayer",
    "Quadrature",
    "ReLUNet",
    "ScaleMixture",
    "TanhNet",
    "TranslationTest",
    "WidthScaling",
    "cluster_test",
    "four_point_terms",
    "measured_correlators",
    "measured_neurons",
    "translation_test",
    "width_scaling",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.theory.correlators' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.theory.correlators.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
