"""Ensembles of networks with one hidden layer, drawn by their parameters."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError, NonFiniteError
from nnrg.progress import Progress
from nnrg.simulate._inputs import as_inputs

__all__ = ["HiddenLayer", "one_hidden_layer", "one_hidden_layer_neurons"]

Floats = npt.NDArray[np.float64]

# Numbers drawn at a time. A chunk has its own seed: this must not depend on the workers.
_CHUNK = 1 << 17


class HiddenLayer(Protocol):
    """What is drawn: the architectures of `nnrg.theory.correlators`, or anything like them."""

    @property
    def width(self) -> int:
        """Neurons N."""

    @property
    def output_sigma_b(self) -> float:
        """Standard deviation of the output bias, in the unit of the output."""

    def draw_neurons(self, inputs: Floats, n_networks: int, rng: np.random.Generator) -> Floats:
        """Draw h_i(x), weighted by the output weights, shape (n_networks, width, k)."""


def one_hidden_layer(
    architecture: HiddenLayer,
    inputs: npt.ArrayLike,
    *,
    n_networks: int,
    rng: np.random.Generator | int | None = None,
    workers: int = 2,
    progress: Progress | None = None,
) -> Floats:
    r"""Draw networks of one hidden layer and return their outputs.

    Parameters
    ----------
    architecture : HiddenLayer
        A network of `nnrg.theory.correlators`, or anything with a width, an ``output_sigma_b`` and
        ``draw_neurons``.
    inputs : array_like of shape (k, d) or (k,)
        The points x.
    n_networks : int
        Independent networks.
    rng : numpy.random.Generator, int or None
        Source of randomness; the same for any number of workers.
    workers : int
        Threads.
    progress : Progress, optional

    Returns
    -------
    ndarray of shape (n_networks, k)
        :math:`\phi(x) = N^{-1/2} \sum_i h_i(x) + b`, in the unit of the output.

    Raises
    ------
    ArgumentError
        If a size is not positive or `architecture` cannot be drawn.
    NonFiniteError
        If an output is beyond double precision.

    Examples
    --------
    >>> from nnrg.simulate.shallow import one_hidden_layer
    >>> from nnrg.theory.correlators import CosNet
    >>> phi = one_hidden_layer(CosNet(width=4), [0.0, 1.0], n_networks=10_000, rng=1)
    >>> phi.shape, round(float((phi**2).mean()), 1)
    ((10000, 2), 0.5)
    """
    points = as_inputs(inputs)
    count = as_count("n_networks", n_networks, 1, 1 << 31)
    out = np.empty((count, len(points)))

    def fill(start: int, stop: int, seed: np.random.SeedSequence) -> None:
        generator = np.random.default_rng(seed)
        neurons = architecture.draw_neurons(points, stop - start, generator)
        bias = architecture.output_sigma_b * generator.standard_normal((stop - start, 1))
        out[start:stop] = neurons.sum(axis=1) / neurons.shape[1] ** 0.5 + bias

    _run(architecture, points, count, rng, workers, progress, fill)
    _check(out)
    return out


def one_hidden_layer_neurons(
    architecture: HiddenLayer,
    inputs: npt.ArrayLike,
    *,
    n_networks: int,
    rng: np.random.Generator | int | None = None,
    workers: int = 2,
    progress: Progress | None = None,
) -> Floats:
    """Draw networks of one hidden layer and return what every neuron gives to the output.

    Parameters
    ----------
    architecture, inputs, n_networks, rng, workers, progress
        As for `one_hidden_layer`.

    Returns
    -------
    ndarray of shape (n_networks, width, k)
        h_i(x), in the unit of the output. With the same `rng` they are the neurons of the same
        networks.

    Raises
    ------
    ArgumentError
        If a size is not positive or `architecture` cannot be drawn.
    NonFiniteError
        If a number is beyond double precision.

    Examples
    --------
    >>> from nnrg.simulate.shallow import one_hidden_layer_neurons
    >>> from nnrg.theory.correlators import CosNet
    >>> one_hidden_layer_neurons(CosNet(width=4), [0.0, 1.0], n_networks=100, rng=1).shape
    (100, 4, 2)
    """
    points = as_inputs(inputs)
    count = as_count("n_networks", n_networks, 1, 1 << 31)
    out = np.empty((count, architecture.width, len(points)))

    def fill(start: int, stop: int, seed: np.random.SeedSequence) -> None:
        generator = np.random.default_rng(seed)
        out[start:stop] = architecture.draw_neurons(points, stop - start, generator)

    _run(architecture, points, count, rng, workers, progress, fill)
    _check(out)
    return out


class _Fill(Protocol):
    def __call__(self, start: int, stop: int, seed: np.random.SeedSequence) -> None: ...


def _run(
    architecture: HiddenLayer,
    points: Floats,
    count: int,
    rng: object,
    workers: int,
    progress: Progress | None,
    fill: _Fill,
) -> None:
    """Fill chunk after chunk, on threads."""
    if not hasattr(architecture, "draw_neurons"):
        raise ArgumentError(
            "architecture must have a width and draw_neurons, as those of "
            f"nnrg.theory.correlators, got {shown(architecture)}"
        )
    threads = as_count("workers", workers)
    step = max(1, _CHUNK // (architecture.width * sum(points.shape)))
    starts = range(0, count, step)
    seeds = as_seed(rng).spawn(len(starts))

    def run(job: tuple[int, int, np.random.SeedSequence]) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # reported at the end
            fill(*job)

    def jobs() -> Iterator[tuple[int, int, np.random.SeedSequence]]:
        for start, seed in zip(starts, seeds, strict=True):
            yield start, min(start + step, count), seed

    with ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(run, jobs()), start=1):
            if progress is not None:
                progress("networks", done, len(starts))


def _check(values: Floats) -> None:
    if not np.isfinite(values).all():
        raise NonFiniteError(
            "outputs must be finite, got NaN or infinity: the activation overflows at these "
            "inputs; make them or sigma_w smaller"
        )
