"""Small networks, trained: weights as fields in time, recorded for many independent starts.

`train` makes steps of gradient descent, heavy ball, Nesterov's method or Adam on perceptrons, MLPs,
convolutional and recurrent networks, and returns a `TrainingRecord`; `open_record` reads one from
its file. `TrainingRecorder` writes the same record of a model that is trained elsewhere.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.simulate.training._model import Model as Model
    from nnrg.simulate.training.convolutional import ConvNet as ConvNet
    from nnrg.simulate.training.data import TrainingData as TrainingData
    from nnrg.simulate.training.data import exponential_inputs as exponential_inputs
    from nnrg.simulate.training.data import power_law_inputs as power_law_inputs
    from nnrg.simulate.training.data import teacher_data as teacher_data
    from nnrg.simulate.training.dense import MLP as MLP
    from nnrg.simulate.training.dense import perceptron as perceptron
    from nnrg.simulate.training.losses import CrossEntropy as CrossEntropy
    from nnrg.simulate.training.losses import MeanSquaredError as MeanSquaredError
    from nnrg.simulate.training.optimisers import Adam as Adam
    from nnrg.simulate.training.optimisers import GradientDescent as GradientDescent
    from nnrg.simulate.training.optimisers import HeavyBall as HeavyBall
    from nnrg.simulate.training.optimisers import Nesterov as Nesterov
    from nnrg.simulate.training.photographs import photograph_patches as photograph_patches
    from nnrg.simulate.training.record import TrainingRecord as TrainingRecord
    from nnrg.simulate.training.record import open_record as open_record
    from nnrg.simulate.training.recorder import TrainingRecorder as TrainingRecorder
    from nnrg.simulate.training.recording import Recording as Recording
    from nnrg.simulate.training.recording import logarithmic_steps as logarithmic_steps
    from nnrg.simulate.training.recurrent_model import RecurrentNet as RecurrentNet
    from nnrg.simulate.training.schedules import CosineDecay as CosineDecay
    from nnrg.simulate.training.schedules import ExponentialDecay as ExponentialDecay
    from nnrg.simulate.training.schedules import StepDecay as StepDecay
    from nnrg.simulate.training.stability import cost_gradient as cost_gradient
    from nnrg.simulate.training.stability import largest_curvature as largest_curvature
    from nnrg.simulate.training.trainer import train as train

_HOMES = {
    "Adam": "optimisers",
    "ConvNet": "convolutional",
    "CosineDecay": "schedules",
    "CrossEntropy": "losses",
    "ExponentialDecay": "schedules",
    "GradientDescent": "optimisers",
    "HeavyBall": "optimisers",
    "MLP": "dense",
    "MeanSquaredError": "losses",
    "Model": "_model",
    "Nesterov": "optimisers",
    "Recording": "recording",
    "RecurrentNet": "recurrent_model",
    "StepDecay": "schedules",
    "TrainingData": "data",
    "TrainingRecord": "record",
    "TrainingRecorder": "recorder",
    "cost_gradient": "stability",
    "exponential_inputs": "data",
    "largest_curvature": "stability",
    "logarithmic_steps": "recording",
    "open_record": "record",
    "perceptron": "dense",
    "photograph_patches": "photographs",
    "power_law_inputs": "data",
    "teacher_data": "data",
    "train": "trainer",
}

__all__ = [
    "MLP",
    "Adam",
    "ConvNet",
    "CosineDecay",
    "CrossEntropy",
    "ExponentialDecay",
    "GradientDescent",
    "HeavyBall",
    "MeanSquaredError",
    "Model",
    "Nesterov",
    "Recording",
    "RecurrentNet",
    "StepDecay",
    "TrainingData",
    "TrainingRecord",
    "TrainingRecorder",
    "cost_gradient",
    "exponential_inputs",
    "largest_curvature",
    "logarithmic_steps",
    "open_record",
    "perceptron",
    "photograph_patches",
    "power_law_inputs",
    "teacher_data",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.simulate.training' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.simulate.training.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
