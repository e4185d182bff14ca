"""Derivatives of the cost of one sample by the outputs: squared error and cross-entropy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.simulate.training.losses import CrossEntropy, Loss, MeanSquaredError, as_loss
from nnrg.theory.synaptic._activation_series import squared_error_series
from nnrg.theory.synaptic._nilpotent import compose, multiply

__all__ = ["cost_derivative", "cost_series", "cost_slope", "known_loss"]

Array = npt.NDArray[np.float64]


def known_loss(loss: str | Loss) -> Loss:
    """Return a cost whose derivatives of all orders are known.

    Raises
    ------
    ArgumentError
        If it is another.
    """
    found = as_loss(loss) if isinstance(loss, str | Loss) else loss
    if not isinstance(found, MeanSquaredError | CrossEntropy):
        raise ArgumentError(f"vertices are known of mse and cross_entropy, got {shown(loss)}")
    return found


def cost_series(loss: Loss, series: Array, y: Array) -> Array:
    """Return the cost as a series in each output's own preactivation, (n + 1, P, n_out).

    Parameters
    ----------
    loss : Loss
    series : array of shape (n + 1, P, n_out)
        Of the outputs. The other outputs stay where they are.
    y : array of shape (P, n_out)
    """
    if isinstance(loss, MeanSquaredError):
        return squared_error_series(series, y)
    share = _softmax(series[0])
    grown, out = np.zeros_like(series), np.zeros_like(series)
    grown[0] = share  # p exp(u), u = f(h + t) - f(h)
    for k in range(1, len(series)):
        for j in range(1, k + 1):
            grown[k] += j * series[j] * grown[k - j]
        grown[k] /= k
    out[0] = -y * np.log(np.maximum(share, np.finfo(float).tiny))
    # ln(1 - p + p exp(u)) by its derivative; 1 - p + p exp(u) is 1 at t = 0.
    for k in range(1, len(series)):
        out[k] = grown[k] - sum(j * out[j] * grown[k - j] for j in range(1, k)) / k
    out[1:] -= y * series[1:]
    return out


def cost_derivative(loss: Loss, z: Array, y: Array) -> Array:
    """Return the mixed derivative of each sample's cost, (P,), of outputs with infinitesimals."""
    if isinstance(loss, MeanSquaredError):
        error = z.copy()
        error[0] -= y
        return np.asarray((multiply(error, error)[-1] / 2).sum(axis=1))
    _, total, top = _exponentials(z)
    n, t = _orders(z), total[0]
    logs = [np.log(t) + top, *((-1) ** (k + 1) / (k * t**k) for k in range(1, n + 1))]
    out = compose(np.stack(logs), total)[-1, :, 0]
    return np.asarray(out - (y * z[-1]).sum(axis=1))


def cost_slope(loss: Loss, z: Array, y: Array) -> Array:
    """Return the derivative of each sample's cost by the outputs, with the infinitesimals of z."""
    out: Array
    if isinstance(loss, MeanSquaredError):
        out = z.copy()
    else:
        grown, total, _ = _exponentials(z)
        t = total[0]
        inverse = np.stack([(-1) ** k / t ** (k + 1) for k in range(_orders(z) + 1)])
        out = multiply(grown, compose(inverse, total))
    out[0] -= y
    return out


def _orders(z: Array) -> int:
    """Return the number of infinitesimals."""
    return len(z).bit_length() - 1


def _exponentials(z: Array) -> tuple[Array, Array, Array]:
    """Return exp(z - top), its sum over outputs, and the largest output, of z with parts."""
    top = z[0].max(axis=1, keepdims=True)
    first = np.exp(z[0] - top)
    series = np.stack([first / math.factorial(k) for k in range(_orders(z) + 1)])
    grown = compose(series, z)
    return grown, grown.sum(axis=2, keepdims=True), top


def _softmax(f: Array) -> Array:
    grown = np.exp(f - f.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))
