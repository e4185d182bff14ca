"""Ensembles of random networks: metrics layer by layer, and connected correlators of outputs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError, FormatError
from nnrg.progress import Told, reporter
from nnrg.provenance import describe_run, utc_now
from nnrg.simulate import _checkpoint
from nnrg.simulate._convolution_law import ConvolutionLawSampler
from nnrg.simulate._network_arguments import (
    checked_inputs,
    checked_keep,
    digest,
    fingerprint,
    takes_law,
)
from nnrg.simulate._network_law import LawSampler
from nnrg.simulate._network_result import RandomNetworks
from nnrg.simulate._network_statistics import NetworkStatistics
from nnrg.simulate._network_weights import WeightSampler
from nnrg.simulate.architectures import ConvolutionalNetwork, DenseNetwork

__all__ = ["random_networks"]

Floats = npt.NDArray[np.float64]

# Numbers of the metrics of the members that are drawn at a time, at most.
_NUMBERS = 1 << 22
_FEWEST = 10
_EVERY = 60.0


def random_networks(
    architecture: DenseNetwork | ConvolutionalNetwork,
    inputs: npt.ArrayLike,
    n_networks: int,
    *,
    order: int = 4,
    method: Literal["auto", "layer law", "weights"] = "auto",
    keep: Sequence[str] = (),
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: Told | None = None,
) -> RandomNetworks:
    r"""Draw independent random networks and measure their statistics on given inputs.

    Parameters
    ----------
    architecture : DenseNetwork or ConvolutionalNetwork
    inputs : array_like of shape (k, d)
        k inputs of d numbers, dimensionless. For a convolutional network (k, positions) or (k,
        channels, positions).
    n_networks : int
        At least 10.
    order : int
        Highest order of the connected correlators of the outputs, 2 to 6.
    method : {"auto", "layer law", "weights"}
        ``"weights"`` draws every weight. ``"layer law"`` draws preactivations by their exact law
        given the layer before, for normal weights. ``"auto"`` takes it where it holds and, for a
        convolutional network, where it takes fewer numbers than the weights.
    keep : sequence of {"metrics", "outputs"}
        What to return of every single network.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        Source of randomness. Each network has random numbers of its own: the result is the same
        for any number of threads, and a longer run begins with the networks of a shorter one.
    checkpoint : path, optional
        A file to go on from where it exists, and to keep once a minute, when interrupted, and at
        the end.
    progress : callable, optional
        Called with (networks done, n_networks). By default a bar on stderr after two seconds, if
        that is a terminal.

    Returns
    -------
    RandomNetworks

    Raises
    ------
    ArgumentError
        If shapes or numbers do not fit, or the layer law does not hold for the architecture.
    NonFiniteError
        If the metric of a network grows beyond all numbers.
    FormatError, SourceError
        If a checkpoint is damaged, or cannot be read or written.

    Notes
    -----
    Given the preactivations of hidden layer t, those of the next are independent over its neurons
    and Gaussian over the inputs, with the metric as covariance,

    .. math:: K^t_{ab} = \frac{\sigma_w^2}{n_t} \sum_i \phi(z^t_{ia}) \phi(z^t_{ib}) + \sigma_b^2 ,
              \qquad K^0_{ab} = \frac{\sigma_w^2}{d} x_a \cdot x_b + \sigma_b^2 ,

    so that :math:`O(N k^2)` steps a layer do, not :math:`O(N^2)`, and no weight is drawn: the law
    is exact at any width. Where a dense layer is linear the sum has Wishart's law; where it is
    scale-invariant and there is one input, a chi-square law for the neurons above zero and one for
    those below. In a convolutional network channels take the place of neurons, and positions with
    inputs that of inputs. In a residual network the metric also holds what is carried, :math:`r^2
    \sum_i z_{ia} z_{ib} / n`: it is the mean of :math:`z^{t+1} z^{t+1}` over neurons that is
    expected of this network.

    Examples
    --------
    The square of the metric of a ReLU network over the square of its mean, (1 + 5/n)^T exactly:

    >>> net = DenseNetwork("relu", 2**0.5, width=32, depth=4)
    >>> found = random_networks(net, [[1.0, 1.0]], 20_000, rng=1)
    >>> print(found.relative_variance(4), round((1 + 5 / 32) ** 4 - 1, 3))
    0.811(15) 0.787
    """
    if not isinstance(architecture, DenseNetwork | ConvolutionalNetwork):
        raise ArgumentError(
            "architecture must be a DenseNetwork or a ConvolutionalNetwork, got "
            f"{shown(architecture)}; try DenseNetwork('tanh', width=64, depth=4)"
        )
    x = checked_inputs(architecture, inputs)
    n_networks = as_count("n_networks", n_networks, _FEWEST, hint="fewer have no errors")
    order = as_count("order", order, 2, 6)
    by_law = takes_law(architecture, method, len(x))
    kept = checked_keep(keep, checkpoint)
    seed, path, started = as_seed(rng), _checkpoint.as_path(checkpoint), utc_now()
    layers = architecture.n_hidden + 1
    positions = architecture.positions if isinstance(architecture, ConvolutionalNetwork) else 0
    statistics = NetworkStatistics(len(x), layers, architecture.n_outputs, order, positions)
    identity: dict[str, object] = {
        "sampler": "random networks",
        "architecture": str(architecture),
        "numbers": fingerprint(architecture),
        "inputs": digest(x),
        "order": order,
        "method": "layer law" if by_law else "weights",
        "seed": [str(seed.entropy), *map(str, seed.spawn_key)],
    }
    done = 0
    if path is not None and path.exists():
        done = _restored(path, identity, statistics, rng is not None, n_networks)
        entropy, *spawn = _words(identity["seed"])
        seed = np.random.SeedSequence(int(entropy), spawn_key=tuple(map(int, spawn)))
    samples = _draw(
        architecture,
        x,
        seed,
        by_law,
        statistics,
        (done, n_networks),
        kept,
        path,
        identity,
        progress,
    )
    return RandomNetworks(
        architecture=architecture,
        inputs=x,
        n_networks=n_networks,
        method="layer law" if by_law else "weights",
        seed=_words(identity["seed"]),
        metrics=statistics.metrics(),
        log_metrics=statistics.log_metrics(),
        cosines=statistics.cosines(),
        outputs=statistics.outputs(),
        local_metrics=tuple(m.cumulants() for m in statistics.local),
        alive=tuple(m.n_samples for m in statistics.log_metric),
        metric_samples=samples["metrics"],
        output_samples=samples["outputs"],
        notes=statistics.notes,
        provenance=describe_run("random_networks", started),
    )


def _draw(
    net: DenseNetwork | ConvolutionalNetwork,
    x: Floats,
    seed: np.random.SeedSequence,
    by_law: bool,
    statistics: NetworkStatistics,
    span: tuple[int, int],
    kept: set[str],
    path: Path | None,
    identity: dict[str, object],
    progress: Told | None,
) -> dict[str, Floats | None]:
    """Draw the networks of `span` and sum them; return what is kept of each."""
    first, last = span
    pairs, layers = len(x) * (len(x) + 1) // 2, net.n_hidden + 1
    samples: dict[str, Floats | None] = {"metrics": None, "outputs": None}
    if "metrics" in kept:
        samples["metrics"] = np.empty((last - first, layers, pairs))
    if "outputs" in kept:
        samples["outputs"] = np.empty((last - first, net.n_outputs, len(x)))
    sampler = _sampler(net, x, seed, by_law)
    size = max(1, min(sampler.members, _NUMBERS // (layers * pairs)))
    told, close = reporter("random networks", progress)
    position = (statistics.state(), first) if path is not None else None
    saved = time.monotonic()
    try:
        for start in range(first, last, size):
            stop = min(start + size, last)
            metrics, outputs, *local = sampler.draw(start, stop)
            statistics.add(metrics, outputs, local[0] if local else None)
            for name, values in (("metrics", metrics), ("outputs", outputs)):
                if (whole := samples[name]) is not None:
                    whole[start - first : stop - first] = values
            if path is not None:
                position = (statistics.state(), stop)
                if time.monotonic() - saved > _EVERY:
                    _save(path, identity, position)
                    saved = time.monotonic()
            told(stop, last)
    finally:
        close()
        if path is not None and position is not None:
            _save(path, identity, position)
    return samples


def _sampler(
    net: DenseNetwork | ConvolutionalNetwork, x: Floats, seed: np.random.SeedSequence, by_law: bool
) -> LawSampler | ConvolutionLawSampler | WeightSampler:
    if not by_law:
        return WeightSampler(net, x, seed)
    if isinstance(net, ConvolutionalNetwork):
        return ConvolutionLawSampler(net, x, seed)
    sigma_w, sigma_b = net.sigmas[0]
    return LawSampler(net, sigma_w**2 / x.shape[1] * (x @ x.T) + sigma_b**2, seed)


def _save(
    path: Path, identity: dict[str, object], position: tuple[_checkpoint.Arrays, int]
) -> None:
    state, done = position
    _checkpoint.save(path, identity, {**state, "done": np.array([done])})


def _restored(
    path: Path,
    identity: dict[str, object],
    statistics: NetworkStatistics,
    seeded: bool,
    n_networks: int,
) -> int:
    """Go on from a checkpoint; return how many networks it holds."""
    like = {**statistics.state(), "done": np.array([0])}
    known, arrays = _checkpoint.load(path, like)
    if not seeded:
        identity["seed"] = known.get("seed")
    _checkpoint.require_same(path, known, identity)
    done = int(arrays.pop("done")[0])
    if done > n_networks:
        raise ArgumentError(
            f"checkpoint {path} holds {done} networks, more than the {n_networks} asked for; ask "
            "for as many, or give another file"
        )
    statistics.restore(arrays)
    return done


def _words(seed: object) -> tuple[str, ...]:
    """Return entropy and spawn key as they are recorded."""
    if not isinstance(seed, list) or not all(isinstance(w, str) and w.isdigit() for w in seed):
        raise FormatError(
            f"the checkpoint has no seed, got {shown(seed)}; delete it to start afresh"
        )
    return tuple(seed)
