"""The network that ``nnrg train`` trains, and the shape of its data."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from nnrg._theory_command.outcome import numbers
from nnrg._theory_command.training_data import as_classes
from nnrg._train_command.data import sites_of
from nnrg.errors import ArgumentError
from nnrg.simulate.training import MLP, ConvNet, Model, RecurrentNet, TrainingData, perceptron

__all__ = ["model_of"]

# Which options are of which networks.
_HOMES = {
    "activation": ("mlp", "conv", "recurrent"),
    "widths": ("mlp", "conv", "recurrent"),
    "output_activation": ("perceptron", "mlp"),
    "no_bias": ("mlp",),
    "sigma_b": ("mlp", "conv", "recurrent"),
    "kernel_size": ("conv",),
}


def model_of(arguments: argparse.Namespace, data: TrainingData) -> tuple[Model, TrainingData]:
    """Return the network that the data fit, and the data in the shape it takes."""
    kind = arguments.model
    for option, homes in _HOMES.items():
        value = getattr(arguments, option)
        if value not in (None, False) and kind not in homes:
            raise ArgumentError(
                f"--{option.replace('_', '-')} is of --model {' or '.join(homes)}, not of {kind}; "
                "leave it out"
            )
    if arguments.no_bias and arguments.sigma_b:
        raise ArgumentError("--sigma-b is of biases, and --no-bias leaves none; drop one of them")
    if arguments.data is not None and arguments.sites is not None and kind != "conv":
        raise ArgumentError("--sites of --data are for --model conv alone; leave it out")
    activation = arguments.activation or "tanh"
    inputs, targets = data.inputs, data.targets
    patches = arguments.data is None and (arguments.covariance or "").startswith("patches")
    if targets is None or inputs.ndim < 2 or not len(inputs):
        raise ArgumentError(f"inputs must have shape (P, n), got {inputs.shape}")
    if targets.shape[:1] != inputs.shape[:1]:
        raise ArgumentError(
            f"targets must have one row an input, {len(inputs)}, got shape {targets.shape}"
        )
    targets, outputs = _targets(arguments, targets)
    widths = numbers(arguments.widths or "32", "--widths", int)
    scales = {"sigma_w": arguments.sigma_w, "sigma_b": arguments.sigma_b}
    model: Model
    if kind in ("perceptron", "mlp"):
        inputs = inputs.reshape(len(inputs), -1)
        last = arguments.output_activation or "linear"
        ends = inputs.shape[1], outputs
        if kind == "perceptron":
            model = perceptron(*ends, last, bias=False, **scales)
        else:
            model = MLP(
                (ends[0], *widths, ends[1]), activation, output_activation=last,
                bias=not arguments.no_bias, **scales,
            )  # fmt: skip
    elif kind == "conv":
        inputs = _on_lattice(inputs, sites_of(arguments.sites), patches)
        model = ConvNet(
            inputs.shape[2:], (inputs.shape[1], *widths), outputs,
            activation=activation, kernel_size=arguments.kernel_size or 3, **scales,
        )  # fmt: skip
    else:
        if len(widths) != 1:
            raise ArgumentError(f"--widths of a recurrent net is one number, got {widths}")
        # A row of numbers is a series of one number at a time.
        inputs = inputs[:, :, None] if inputs.ndim == 2 else inputs
        if inputs.ndim != 3:
            raise ArgumentError(
                f"inputs of a recurrent net must have shape (P, times, n), got {inputs.shape}"
            )
        model = RecurrentNet(
            inputs.shape[2], widths[0], outputs, length=inputs.shape[1],
            activation=activation, **scales,
        )  # fmt: skip
    return model, TrainingData(inputs, targets, data.covariance)


def _targets(arguments: argparse.Namespace, targets: Any) -> tuple[Any, int]:
    """Return targets, as classes for a cross-entropy, and how many outputs they take."""
    if arguments.loss != "cross_entropy":
        return targets, targets[0].size
    targets = as_classes(targets)
    if targets.ndim > 1:
        return targets, targets[0].size
    if targets.dtype.kind != "i" or targets.min() < 0:
        raise ArgumentError(
            "targets of a cross-entropy must be classes 0, 1, 2, ..., or probabilities in rows; "
            "give --loss mse for other numbers"
        )
    return targets, int(targets.max()) + 1


def _on_lattice(
    inputs: np.ndarray[Any, Any], sites: tuple[int, ...], patches: bool
) -> np.ndarray[Any, Any]:
    """Return inputs (P, n) as (P, channels, *sites)."""
    if inputs.ndim > 2:
        return inputs
    n = inputs.shape[1]
    if patches:
        sites = (round(n**0.5),) * 2
    sites = sites or (n,)
    if n % int(np.prod(sites)):
        raise ArgumentError(
            f"inputs of {n} numbers do not fill {'x'.join(map(str, sites))} sites; give --sites "
            "that do"
        )
    return inputs.reshape(len(inputs), -1, *sites)
