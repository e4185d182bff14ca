"""Data to train on: inputs of known covariance, photographs, and teachers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real, shown
from nnrg.activation_functions import as_activation
from nnrg.errors import ArgumentError
from nnrg.simulate.training._model import Array, Model, real_array
from nnrg.simulate.training.losses import Loss

__all__ = [
    "TrainingData",
    "as_training_data",
    "exponential_inputs",
    "power_law_inputs",
    "teacher_data",
]

Rng = np.random.Generator | int | None


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """Inputs, targets, and the covariance that the inputs were drawn from.

    Attributes
    ----------
    inputs : array of shape (P, n)
    targets : array of shape (P, m), or None before there are any
    covariance : array of shape (n, n), or None where it is not known
        Exact, of the law of the inputs, whose mean is zero.
    """

    inputs: Array
    targets: Array | None = None
    covariance: Array | None = None


def _ring(spectrum: Array, n_samples: int, rng: Rng) -> TrainingData:
    """Draw Gaussian rings of a spectrum, scaled to unit variance."""
    length = len(spectrum)
    spectrum = spectrum / spectrum.mean()
    try:
        noise = np.random.default_rng(as_seed(rng)).standard_normal((n_samples, length))
    except (MemoryError, ValueError):
        raise ArgumentError(
            f"{n_samples} inputs of {length} sites are more than there is memory; take fewer"
        ) from None
    half = np.sqrt(spectrum[: length // 2 + 1])
    inputs = np.fft.irfft(np.fft.rfft(noise, axis=1) * half, n=length, axis=1)
    row = np.fft.ifft(spectrum).real
    at = np.arange(length)
    return TrainingData(inputs, None, row[(at[:, None] - at) % length])


def _momenta(length: int) -> Array:
    squared: Array = 4 * np.sin(np.pi * np.arange(length) / length) ** 2
    return squared


def power_law_inputs(
    n_samples: int, length: int, *, exponent: float, mass2: float = 0.0, rng: Rng = None
) -> TrainingData:
    r"""Draw Gaussian inputs on a ring whose spectrum is a power law.

    Parameters
    ----------
    n_samples, length : int
        Number of inputs P, sites n of the ring.
    exponent : float
        :math:`\alpha \ge 0`.
    mass2 : float
        Not negative. With zero the mean over the ring is zero in each input.
    rng : numpy.random.Generator, int or None

    Returns
    -------
    TrainingData
        Without targets; of unit variance at each site.

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Notes
    -----
    :math:`G(k) \propto (m^2 + \hat k^2)^{-\alpha / 2}` with
    :math:`\hat k^2 = 4 \sin^2 (k / 2)`.

    Examples
    --------
    >>> data = power_law_inputs(20000, 8, exponent=1.0, rng=1)
    >>> sample = data.inputs.T @ data.inputs / 20000
    >>> bool(abs(sample - data.covariance).max() < 0.04)
    True
    """
    n, sites = as_count("n_samples", n_samples), as_count("length", length, 2)
    alpha, mass2 = as_real("exponent", exponent), as_real("mass2", mass2)
    if alpha < 0 or mass2 < 0:
        raise ArgumentError(f"exponent and mass2 must not be negative, got {alpha} and {mass2}")
    squared = mass2 + _momenta(sites)
    spectrum = np.zeros(sites)
    # Over the smallest, so that large exponents do not overflow.
    squared /= squared[squared > 0].min()
    np.power(squared, -alpha / 2, out=spectrum, where=squared > 0)
    return _ring(spectrum, n, rng)


def exponential_inputs(
    n_samples: int, length: int, *, correlation_length: float, rng: Rng = None
) -> TrainingData:
    r"""Draw Gaussian inputs on a ring whose correlations fall exponentially.

    Parameters
    ----------
    n_samples, length : int
        Number of inputs P, sites n of the ring.
    correlation_length : float
        :math:`\xi > 0`, in sites.
    rng : numpy.random.Generator, int or None

    Returns
    -------
    TrainingData
        Without targets; of unit variance at each site.

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Notes
    -----
    :math:`G(k) \propto 1 / (m^2 + \hat k^2)`, :math:`m = 2 \sinh (1 / 2 \xi)`, which is
    :math:`\langle x_0 x_r \rangle \propto e^{-r / \xi} + e^{-(n - r) / \xi}` on the ring.

    Examples
    --------
    >>> row = exponential_inputs(1, 64, correlation_length=4.0, rng=1).covariance[0]
    >>> round(float(row[5] / row[4]), 3), round(float(np.exp(-1 / 4)), 3)
    (0.779, 0.779)
    """
    n, sites = as_count("n_samples", n_samples), as_count("length", length, 2)
    xi = as_real("correlation_length", correlation_length)
    if xi <= 0:
        raise ArgumentError(f"correlation_length must be positive, got {xi}")
    # Of a length below 1 / 600 sites nothing is left at the next site.
    half = min(1 / (2 * xi), 300.0)
    return _ring(1 / (4 * np.sinh(half) ** 2 + _momenta(sites)), n, rng)


def teacher_data(
    inputs: TrainingData | npt.ArrayLike,
    weights: npt.ArrayLike,
    *,
    activation: Any = "linear",
    noise: float = 0.0,
    rng: Rng = None,
) -> TrainingData:
    r"""Return inputs with the targets of a perceptron, :math:`y = \phi(W x) + s \xi`.

    Parameters
    ----------
    inputs : TrainingData, or array of shape (P, n)
    weights : array of shape (m, n)
        W of the teacher.
    activation : str, Activation or callable
        :math:`\phi`.
    noise : float
        Standard deviation s of normal noise, not negative.
    rng : numpy.random.Generator, int or None

    Returns
    -------
    TrainingData

    Raises
    ------
    ArgumentError
        If shapes do not fit or the noise is negative.

    Examples
    --------
    >>> teacher_data([[1.0, 2.0]], [[3.0, 4.0]]).targets
    array([[11.]])
    """
    data = (
        inputs if isinstance(inputs, TrainingData) else TrainingData(real_array("inputs", inputs))
    )
    teacher, s = real_array("weights", weights), as_real("noise", noise)
    if teacher.ndim != 2 or data.inputs.ndim != 2 or teacher.shape[1] != data.inputs.shape[1]:
        raise ArgumentError(
            f"weights must have shape (m, n) and inputs (P, n), got {teacher.shape} and "
            f"{data.inputs.shape}"
        )
    if s < 0:
        raise ArgumentError(f"noise is a standard deviation, at least 0, got {s}")
    targets = as_activation(activation)(data.inputs @ teacher.T)
    if s:
        targets = targets + s * np.random.default_rng(as_seed(rng)).standard_normal(targets.shape)
    return TrainingData(data.inputs, targets, data.covariance)


def as_training_data(data: object, model: Model, loss: Loss) -> tuple[Array, Array]:
    """Return checked inputs (P, *input_shape) and targets (P, n); without targets, no rows.

    Raises
    ------
    ArgumentError
        If shapes do not fit the model.
    NonFiniteError
        If a value is NaN or infinite.
    """
    if isinstance(data, TrainingData):
        data = (data.inputs, data.targets)
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise ArgumentError(f"data must be TrainingData or (inputs, targets), got {shown(data)}")
    x, shape = real_array("inputs", data[0], finite=False), model.input_shape
    if x.ndim != 1 + len(shape) or x.shape[1:] != shape or not len(x):
        raise ArgumentError(
            f"inputs must have shape (P, {', '.join(map(str, shape))}) with P at least 1, as the "
            f"model takes them, got {x.shape}"
        )
    real_array("inputs", x)
    if data[1] is None:
        return x, np.empty((0, *model.output_shape))
    return x, loss.targets(data[1], len(x), model.output_shape[0])
