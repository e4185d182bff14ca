"""Taylor coefficients of activation functions at any point, to any order."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation
from nnrg.errors import AnalysisError, ArgumentError

__all__ = ["activation_series", "product", "squared_error_series"]

Array = npt.NDArray[np.float64]

# Nodes and half width of the fit to a function that is known by its values only.
_NODES = 17
_RADIUS = 0.5
_TOLERANCE = 1e-4
_GELU = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def activation_series(activation: Activation, h: npt.ArrayLike, order: int) -> Array:
    r"""Return c_k with phi(h + t) = sum_k c_k t^k, shape (order + 1, *h.shape).

    Raises
    ------
    ArgumentError
        If derivatives above the first are asked for at a kink.
    AnalysisError
        If a function known by its values only is not smooth enough for them.

    Notes
    -----
    Named functions by the recurrences of their differential equations, y' = 1 - y^2 of tanh and so
    on, exact to rounding; others by polynomials through values within 1/2 of h, good to about 1e-5
    of the sixth derivative.
    """
    z = np.asarray(h, dtype=np.float64)
    if order > 1 and any(np.any(z == kink) for kink in activation.kinks):
        raise ArgumentError(
            f"{activation.name} has a kink at an expansion point: there are no vertices above the "
            "first there; take another point, or a smooth activation"
        )
    line = np.zeros((order + 1, *z.shape))
    line[0] = z
    if order > 0:
        line[1] = 1.0
    name = activation.name
    if activation.slopes is not None:
        out = np.zeros_like(line)
        out[0] = activation(z)
        if order > 0:
            out[1] = activation.derivative(z)
        return out
    if name == "tanh":
        return _tanh(line)
    if name == "sigmoid":
        return _sigmoid(line)
    if name == "silu":
        return product(line, _sigmoid(line))
    if name == "erf":
        return _integral(activation(z), 2 / math.sqrt(math.pi) * _gaussian(line, 1.0))
    if name == "gelu":
        from scipy.special import ndtr

        density = _gaussian(line, 0.5) / math.sqrt(2 * math.pi)
        return product(line, _integral(ndtr(z), density))
    if name == "gelu_tanh":
        cube = product(line, product(line, line))
        out = _tanh(_GELU * (line + _CUBIC * cube))
        out[0] += 1
        return product(line / 2, out)
    if name in ("sin", "cos"):
        shift = 0 if name == "sin" else 1
        cycle = (np.sin(z), np.cos(z), -np.sin(z), -np.cos(z))
        return np.stack([cycle[(k + shift) % 4] / math.factorial(k) for k in range(order + 1)])
    return _fitted(activation, z, order)


def product(a: Array, b: Array) -> Array:
    """Return the product of two series, cut at the same order."""
    out = np.zeros(np.broadcast_shapes(a.shape, b.shape))
    for k in range(len(out)):
        for j in range(k + 1):
            out[k] += a[j] * b[k - j]
    return out


def squared_error_series(series: Array, targets: npt.ArrayLike) -> Array:
    """Return the series of F = (f - y)^2 / 2 from that of f."""
    error = series.copy()
    error[0] -= targets
    return product(error, error) / 2


def _tanh(u: Array) -> Array:
    """Tanh of a series: y' = (1 - y^2) u'."""
    y, slope = np.zeros_like(u), np.zeros_like(u)
    y[0] = np.tanh(u[0])
    small = np.exp(-2 * np.abs(u[0]))
    slope[0] = 4 * small / (1 + small) ** 2
    for k in range(1, len(u)):
        for j in range(1, k + 1):
            y[k] += j * u[j] * slope[k - j]
        y[k] /= k
        for j in range(k + 1):
            slope[k] -= y[j] * y[k - j]
    return y


def _sigmoid(u: Array) -> Array:
    out = _tanh(u / 2) / 2
    # 1 + tanh cancels for large negative arguments.
    small = np.exp(-np.abs(u[0]))
    out[0] = np.where(u[0] >= 0, 1 / (1 + small), small / (1 + small))
    return out


def _gaussian(line: Array, rate: float) -> Array:
    """exp(-rate (h + t)^2) by e' = p' e."""
    p = -rate * product(line, line)
    e = np.zeros_like(p)
    e[0] = np.exp(p[0])
    for k in range(1, len(p)):
        for j in range(1, k + 1):
            e[k] += j * p[j] * e[k - j]
        e[k] /= k
    return e


def _integral(start: Array, slope: Array) -> Array:
    out = np.zeros_like(slope)
    out[0] = start
    for k in range(1, len(out)):
        out[k] = slope[k - 1] / k
    return out


def _fitted(activation: Activation, z: Array, order: int) -> Array:
    """Taylor coefficients by polynomials through Chebyshev nodes, two widths compared."""
    near = [k for k in activation.kinks if np.any(np.abs(z - k) < _RADIUS)]
    if near and order > 1:
        raise AnalysisError(
            f"{activation.name} has a kink at {near[0]:.3g}, within {_RADIUS} of an expansion "
            "point, and is known by its values only; give an Activation by name"
        )
    nodes = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    inverse = np.linalg.inv(np.vander(nodes, increasing=True))
    found = []
    for radius in (_RADIUS, 0.7 * _RADIUS):
        values = activation(z + radius * nodes.reshape(-1, *(1,) * z.ndim))
        found.append(np.tensordot(inverse[: order + 1], values, axes=1))
        found[-1] /= radius ** np.arange(order + 1.0).reshape(-1, *(1,) * z.ndim)
    gap = np.abs(found[0] - found[1]).max(initial=0.0)
    if gap > _TOLERANCE * max(1.0, float(np.abs(found[0]).max(initial=0.0))):
        raise AnalysisError(
            f"derivatives of {activation.name} up to order {order} cannot be had from its values: "
            f"two fits differ by {gap:.2g}; take a lower order or an Activation by name"
        )
    return np.asarray(found[0])
