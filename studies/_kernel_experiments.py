"""Trainings of many neurons on data of known covariance, recorded, and what data they had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnrg import Lattice
from nnrg.simulate.training import (
    GradientDescent,
    HeavyBall,
    Recording,
    TrainingData,
    exponential_inputs,
    perceptron,
    photograph_patches,
    power_law_inputs,
    train,
)
from nnrg.theory.synaptic.perceptron import PerceptronVertices, perceptron_vertices

__all__ = ["EXPERIMENTS", "Experiment", "trained", "vertices_of"]

RING = Lattice(64, periodic=True)
PATCH = Lattice((16, 16))
BALL = HeavyBall(0.03, 0.9)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Experiment:
    """One training of many neurons on one set of inputs.

    Attributes
    ----------
    title, file : str
    inputs : callable from number of samples and seed to TrainingData
    sites : Lattice
    optimiser : GradientDescent or HeavyBall
    steps, n_samples, fields : int
    label_noise, sigma_w : float
    batch : int or None
    activation : str
    reach : int
        In sites, of k_0 and range.
    main : bool
        Whether it is one of the question itself, or of what else may be between data and weights.
    quick : bool
        Whether it is small enough for ``--quick``.
    """

    title: str
    file: str
    inputs: Callable[[int, int], TrainingData]
    sites: Lattice
    optimiser: GradientDescent | HeavyBall
    steps: int
    n_samples: int = 512
    fields: int = 1024
    label_noise: float = 1.0
    sigma_w: float = 1.0
    batch: int | None = None
    activation: str = "linear"
    reach: int = 24
    main: bool = False
    quick: bool = False


def exponential(n: int, seed: int) -> TrainingData:
    """Rings with correlations exp(-r / 4)."""
    return exponential_inputs(n, 64, correlation_length=4.0, rng=seed)


def power_law(n: int, seed: int) -> TrainingData:
    """Rings with a spectrum k^(-1/2), cut off at k = 0.01: correlations fall as r^(-1/2)."""
    return power_law_inputs(n, 64, exponent=0.5, mass2=1e-4, rng=seed)


def photographs(n: int, seed: int) -> TrainingData:
    """Patches of 16 x 16 pixels."""
    return photograph_patches(n, 16, rng=seed)


EXPERIMENTS = (
    Experiment("exponential", "exponential", exponential, RING, BALL, 800, main=True, quick=True),
    Experiment("power law", "power_law", power_law, RING, BALL, 800, n_samples=2048, main=True),
    Experiment(
        "photographs", "photographs", photographs, PATCH, HeavyBall(0.12, 0.9), 150,
        n_samples=2048, reach=12, main=True,
    ),
    Experiment("exponential, part of the way", "part", exponential, RING, BALL, 40, quick=True),
    Experiment(
        "exponential, mini-batches", "batches", exponential, RING, GradientDescent(0.01), 2500,
        n_samples=80_000, label_noise=0.0, sigma_w=0.0, batch=8,
    ),
    Experiment(
        "exponential, tanh", "tanh", exponential, RING, HeavyBall(0.1, 0.9), 1500,
        label_noise=0.45, sigma_w=0.24, activation="tanh",
    ),
)  # fmt: skip


def teacher(data: TrainingData, seed: int) -> Array:
    """Weights whose output has the variance 1/4."""
    w = np.random.default_rng(seed).normal(size=data.inputs.shape[1])
    return np.asarray(w / (2 * (data.inputs @ w).std()))


def generator(one: Experiment, seed: int) -> np.random.Generator:
    """Randomness of an experiment of its own: of its labels and its start."""
    return np.random.default_rng([seed, *one.file.encode()])


def trained(one: Experiment, data: TrainingData, seed: int, folder: Path) -> tuple[Array, Array]:
    """Train, or read what was trained; return weights before and after, (S, N) each."""
    rng = generator(one, seed)
    size, s = one.sites.n_sites, one.fields
    record = Recording([0, one.steps], outputs=False, path=folder / f"{one.file}.safetensors")
    name, options = "layers.0.weight", {"optimiser": one.optimiser, "steps": one.steps}
    if one.batch is not None:
        y = rng.normal(size=one.n_samples)
        made = train(
            perceptron(size, sigma_w=one.sigma_w), (data.inputs, y), batch=one.batch, n_seeds=s,
            record=record, rng=seed, **options,
        )  # fmt: skip
        return made.weights[name][:, 0, 0], made.weights[name][:, -1, 0]
    # Neurons of one layer do not know of each other: each has noise of its own in its labels.
    noise = one.label_noise * rng.normal(size=(one.n_samples, s))
    exact = np.zeros(size) if one.activation == "linear" else teacher(data, seed)
    start = exact + one.sigma_w / np.sqrt(size) * rng.normal(size=(s, size))
    clean = data.inputs @ exact
    y = (clean if one.activation == "linear" else np.tanh(clean))[:, None] + noise
    made = train(
        perceptron(size, s, one.activation), (data.inputs, y), initial={name: start},
        record=record, rng=seed, **options,
    )  # fmt: skip
    return made.weights[name][0, 0], made.weights[name][0, -1]


def vertices_of(one: Experiment, data: TrainingData, seed: int, order: int) -> PerceptronVertices:
    """Vertices of the data, at the weights that fit the clean targets."""
    if one.batch is not None:
        y = generator(one, seed).normal(size=one.n_samples)
        return perceptron_vertices(
            data.inputs, y, activation="linear", order=order, sites=one.sites
        )
    if one.activation == "linear":
        return perceptron_vertices(data.inputs, activation="linear", order=order, sites=one.sites)
    exact = teacher(data, seed)
    return perceptron_vertices(
        data.inputs, np.tanh(data.inputs @ exact), activation=one.activation, weights=exact,
        order=order, sites=one.sites,
    )  # fmt: skip
