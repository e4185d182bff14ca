"""Random networks with a tangent vector, by the exact law from layer to layer."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real, shown
from nnrg.activation_functions import Activation, as_activation
from nnrg.errors import AnalysisError, ArgumentError

__all__ = ["TangentSample", "as_widths", "tangent_networks"]

Floats = npt.NDArray[np.float64]

# Neurons drawn at a time: they stay in the cache. Fixed, for it decides which numbers are drawn.
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class TangentSample:
    """Metric and tangent norm of independent random networks, layer by layer.

    Attributes
    ----------
    metric : ndarray of shape (n_networks, depth)
        Variance of the preactivations of each layer given the one before it.
    log_tangent : ndarray of shape (n_networks, depth)
        ln D, the logarithm of the variance of the tangent, relative to that of the first layer;
        minus infinity from where all neurons of a layer have slope zero.
    widths : tuple of int
    seed : tuple of str
        Entropy and spawn key of the random numbers.
    """

    metric: Floats
    log_tangent: Floats
    widths: tuple[int, ...]
    seed: tuple[str, ...]

    @property
    def alive(self) -> npt.NDArray[np.bool_]:
        """Whether the tangent is not zero, shape (n_networks, depth)."""
        return np.isfinite(self.log_tangent)

    def __str__(self) -> str:
        networks, depth = self.metric.shape
        dead = int((~self.alive[:, -1]).sum())
        seed = "/".join(self.seed)
        return f"{networks} networks of {depth} layers, tangent dead in {dead}, seed {seed}"


def as_widths(width: object, depth: int) -> tuple[int, ...]:
    """Return the number of neurons of each layer.

    Parameters
    ----------
    width : int or sequence of int, length depth
        Of all layers, or of each; at least 2.
    depth : int

    Raises
    ------
    ArgumentError
        If a width is below 2, or there are not as many as layers.

    Examples
    --------
    >>> as_widths(64, 3), as_widths([64, 32, 16], 3)
    ((64, 64, 64), (64, 32, 16))
    """
    hint = "a layer of one neuron has no average"
    if isinstance(width, list | tuple | np.ndarray):
        if len(width) != depth:
            raise ArgumentError(
                f"width must be one integer or one for each of {depth} layers, got {len(width)}"
            )
        return tuple(as_count("width", n, 2, 1 << 31, hint=hint) for n in width)
    return (as_count("width", width, 2, 1 << 31, hint=hint),) * depth


def tangent_networks(
    activation: str | Activation | Callable[[Floats], Floats],
    sigma_w: float,
    sigma_b: float,
    width: int | list[int] | tuple[int, ...],
    depth: int,
    n_networks: int,
    *,
    q0: float = 1.0,
    alignment: float = 0.0,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> TangentSample:
    r"""Draw random dense networks and the growth of an infinitesimal change of their input.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : float, dimensionless
        W_ij ~ N(0, sigma_w^2 / fan_in), b_i ~ N(0, sigma_b^2), independent in each layer.
    width : int or sequence of int, length depth
        Neurons of each layer, at least 2.
    depth : int
        Layers T of preactivations.
    n_networks : int
        Independent networks.
    q0 : float, dimensionless
        K of the first layer, sigma_w^2 |x|^2 / d + sigma_b^2 of an input x.
    alignment : float, dimensionless
        Correlation of z and v in the first layer, -1 .. 1: zero for a change of the input
        orthogonal to it.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        Source of randomness. What is drawn does not depend on the number of threads.

    Returns
    -------
    TangentSample

    Raises
    ------
    ArgumentError
        If an argument is out of range.
    AnalysisError
        If the preactivations leave double precision.

    Notes
    -----
    No weight is drawn. With :math:`v^{l+1} = W \phi'(z^l) v^l`, given layer l the pairs
    :math:`(z_i, v_i)` of layer l + 1 are independent Gaussian with

    .. math:: K = \frac{\sigma_w^2}{n} \sum_j \phi_j^2 + \sigma_b^2, \quad
              C = \frac{\sigma_w^2}{n} \sum_j \phi_j \phi'_j v_j, \quad
              D = \frac{\sigma_w^2}{n} \sum_j \phi'^2_j v_j^2 .

    Examples
    --------
    >>> sample = tangent_networks("relu", 2**0.5, 0, 32, 8, 4000, rng=1)
    >>> growth = sample.log_tangent[:, -1].mean() / 7  # close to -5 / (2 width) a layer
    >>> bool(-0.1 < growth < -0.07)
    True
    """
    phi = as_activation(activation)
    sigma_w, sigma_b = as_real("sigma_w", sigma_w), as_real("sigma_b", sigma_b)
    q0, alignment = as_real("q0", q0), as_real("alignment", alignment)
    depth = as_count("depth", depth, 1, 1 << 20)
    n_networks = as_count("n_networks", n_networks, 1, 1 << 31)
    widths = as_widths(width, depth)
    if sigma_w <= 0 or sigma_b < 0 or q0 <= 0 or not -1 <= alignment <= 1:
        raise ArgumentError(
            "sigma_w > 0, sigma_b >= 0, q0 > 0 and alignment in -1 .. 1 are needed, got "
            f"{shown(sigma_w)}, {shown(sigma_b)}, {shown(q0)} and {shown(alignment)}"
        )
    seed = as_seed(rng)
    size = max(1, _CHUNK // max(widths))
    starts = range(0, n_networks, size)
    metric, growth = np.empty((n_networks, depth)), np.empty((n_networks, depth))

    def draw(start: int, stream: np.random.SeedSequence) -> None:
        part = slice(start, min(start + size, n_networks))
        generator = np.random.Generator(np.random.SFC64(stream))
        _propagate(
            phi, sigma_w, sigma_b, widths, q0, alignment, generator, metric[part], growth[part]
        )

    with ThreadPoolExecutor(min(len(starts), os.cpu_count() or 1)) as pool:
        list(pool.map(draw, starts, seed.spawn(len(starts))))
    if not np.isfinite(metric).all():
        at = int(np.argmax(~np.isfinite(metric).all(axis=0)))
        raise AnalysisError(
            f"preactivations of layer {at + 1} leave double precision: {phi.name} with "
            f"sigma_w={sigma_w:g} makes them grow without bound; take fewer layers"
        )
    for array in (metric, growth):
        array.flags.writeable = False
    return TangentSample(metric, growth, widths, (str(seed.entropy), *map(str, seed.spawn_key)))


def _propagate(
    phi: Activation,
    sigma_w: float,
    sigma_b: float,
    widths: tuple[int, ...],
    q0: float,
    alignment: float,
    generator: np.random.Generator,
    metric: Floats,
    growth: Floats,
) -> None:
    """Carry a chunk of networks through all layers; v is kept at variance 1."""
    k, c = np.full(len(metric), q0), np.full(len(metric), alignment)
    total = np.zeros(len(metric))
    for layer, n in enumerate(widths):
        metric[:, layer], growth[:, layer] = k, total
        if layer == len(widths) - 1:
            return
        first = generator.standard_normal((len(k), n))
        z = first * np.sqrt(k)[:, None]
        v = generator.standard_normal((len(k), n))
        v *= np.sqrt(np.maximum(1 - c * c, 0))[:, None]
        v += c[:, None] * first
        value = phi(z)
        v *= phi.derivative(z)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.einsum("ij,ij->i", value, value)
            overlap = np.einsum("ij,ij->i", value, v)
            norm = np.einsum("ij,ij->i", v, v)
            k = sigma_w**2 / n * squares + sigma_b**2
            with np.errstate(divide="ignore"):
                total = total + np.log(sigma_w**2 / n * norm)
                # A dead tangent has no direction; its growth stays minus infinity.
                c = sigma_w**2 / n * overlap / np.sqrt(k * sigma_w**2 / n * norm)
        c = np.clip(np.where(norm > 0, c, 0.0), -1, 1)
