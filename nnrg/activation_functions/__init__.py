"""Activation functions by name, with derivatives, kinks and asymptotic slopes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real, shown
from nnrg.activation_functions._differences import difference, find_kinks
from nnrg.errors import ArgumentError

__all__ = ["ACTIVATION_NAMES", "Activation", "as_activation"]

Array = npt.NDArray[Any]
Function = Callable[[Array], Array]

_GELU = math.sqrt(2 / math.pi)
_CUBIC = 0.044715
_LEAK = 0.01
_STEEPEST = 1e50


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation function phi of one real variable, dimensionless.

    Parameters
    ----------
    name : str
    function, first, second : callable
        phi, phi' and phi'' on arrays of floats, elementwise; at a kink the value from the right.
    kinks : tuple of float
        Where phi' jumps. phi'' leaves out the delta functions there.
    slopes : (float, float) or None
        (a_-, a_+) of a scale-invariant function, phi(z) = a_- z below zero and a_+ z above.
    code : int
        Number of the function in compiled kernels, -1 if they do not have it.
    note : str
        What its numbers rest on.
    accuracy : (float, float)
        Absolute errors of phi' and phi'', where they are more than rounding.

    Examples
    --------
    >>> from nnrg.activation_functions import as_activation
    >>> relu = as_activation("leaky_relu:0.1")
    >>> relu([-1.0, 2.0]).tolist(), relu.derivative([-1.0, 2.0]).tolist(), relu.slopes
    ([-0.1, 2.0], [0.1, 1.0], (0.1, 1.0))
    """

    name: str
    function: Function
    first: Function
    second: Function
    kinks: tuple[float, ...] = ()
    slopes: tuple[float, float] | None = None
    code: int = -1
    note: str = ""
    accuracy: tuple[float, float] = (0.0, 0.0)

    def __call__(self, z: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return phi(z)."""
        return self.function(np.asarray(z, dtype=np.float64))

    def derivative(self, z: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return phi'(z), at a kink that from the right."""
        return self.first(np.asarray(z, dtype=np.float64))

    def second_derivative(self, z: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return phi''(z) without the delta functions at kinks."""
        return self.second(np.asarray(z, dtype=np.float64))

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        """Known functions travel to other processes by name."""
        if self.code >= 0 and as_activation(self.name) is self:
            return as_activation, (self.name,)
        return Activation, tuple(getattr(self, field.name) for field in fields(self))


def as_activation(
    spec: str | Activation | Function, *, kinks: tuple[float, ...] = ()
) -> Activation:
    """Return the activation function of a name, or a vectorised function as one.

    Parameters
    ----------
    spec : str, Activation or callable
        A name of `ACTIVATION_NAMES`, ``"leaky_relu:SLOPE"``, or a function that takes and returns
        float64 arrays of one shape, elementwise.
    kinks : tuple of float
        Of a callable: where its derivative jumps, beside those found within -16 to 16.

    Raises
    ------
    ArgumentError
        If the name is unknown, or the callable is not vectorised, not elementwise, not finite, or
        jumps.

    Notes
    -----
    ``"gelu"`` is z (1 + erf(z / sqrt 2)) / 2, ``"gelu_tanh"`` its tanh approximation, ``"silu"``
    z / (1 + exp(-z)). Derivatives of a callable are five-point differences, good to some 1e-11 and
    1e-9, one-sided next to `kinks`; an `Activation` with derivatives of its own does better.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.activation_functions import as_activation
    >>> as_activation("erf").derivative(0.0).round(6).item()
    1.128379
    >>> as_activation(lambda z: z / np.sqrt(1 + z * z)).derivative(0.0).round(6).item()
    1.0
    """
    if isinstance(spec, Activation):
        return spec
    if isinstance(spec, str):
        name, _, slope = spec.partition(":")
        if name == "leaky_relu":
            return _leaky(spec, slope)
        if spec in _TABLE:
            return _TABLE[spec]
    elif callable(spec):
        return _from_callable(spec, kinks)
    raise ArgumentError(
        f"activation must be one of {', '.join(ACTIVATION_NAMES)}, leaky_relu:SLOPE, or a "
        f"vectorised function, got {shown(spec)}"
    )


def _sigmoid(z: Array) -> Array:
    # exp of minus a magnitude does not overflow.
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + small), small / (1 + small))


def _sigmoid_slope(z: Array) -> Array:
    return _sigmoid(z) * _sigmoid(-z)


def _sigmoid_curvature(z: Array) -> Array:
    # 1 - 2 sigmoid(z) = -tanh(z / 2)
    return -_sigmoid_slope(z) * np.tanh(z / 2)


def _sech2(z: Array) -> Array:
    # 1 - tanh^2 loses all digits for |z| > 19, cosh^-2 overflows for |z| > 355.
    small = np.exp(-2 * np.abs(z))
    slope: Array = 4 * small / (1 + small) ** 2
    return slope


def _erf(z: Array) -> Array:
    from scipy.special import erf

    value: Array = erf(z)
    return value


def _normal_cdf(z: Array) -> Array:
    from scipy.special import ndtr

    value: Array = ndtr(z)
    return value


def _normal_pdf(z: Array) -> Array:
    value: Array = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return value


def _erf_slope(z: Array) -> Array:
    slope: Array = 2 / math.sqrt(math.pi) * np.exp(-z * z)
    return slope


def _inner(z: Array) -> Array:
    return _GELU * (z + _CUBIC * z**3)


def _gelu_tanh_slope(z: Array) -> Array:
    u, du = _inner(z), _GELU * (1 + 3 * _CUBIC * z**2)
    return (1 + np.tanh(u)) / 2 + z / 2 * _sech2(u) * du


def _gelu_tanh_curvature(z: Array) -> Array:
    u, du, ddu = _inner(z), _GELU * (1 + 3 * _CUBIC * z**2), _GELU * 6 * _CUBIC * z
    return _sech2(u) * (du + z / 2 * ddu - z * np.tanh(u) * du**2)


@lru_cache(maxsize=256)
def _leaky(name: str, slope: str) -> Activation:
    try:
        below = as_real("slope", float(slope)) if slope or ":" in name else _LEAK
    except ValueError:
        raise ArgumentError(
            f"the slope of leaky_relu must be a finite number, as in leaky_relu:0.1, got "
            f"{shown(name)}"
        ) from None
    if abs(below) > _STEEPEST:
        raise ArgumentError(f"the slope of leaky_relu must be within {_STEEPEST:g}, got {below:g}")
    return Activation(
        name,
        lambda z: np.where(z >= 0, z, below * z),
        lambda z: np.where(z >= 0, np.ones_like(z), below * np.ones_like(z)),
        np.zeros_like,
        kinks=(0.0,),
        slopes=(below, 1.0),
        code=2,
    )


_TABLE: dict[str, Activation] = {
    a.name: a
    for a in (
        Activation("linear", lambda z: z, np.ones_like, np.zeros_like, slopes=(1.0, 1.0), code=0),
        Activation(
            "relu",
            lambda z: np.maximum(z, 0),
            lambda z: np.where(z >= 0, np.ones_like(z), np.zeros_like(z)),
            np.zeros_like,
            kinks=(0.0,),
            slopes=(0.0, 1.0),
            code=1,
        ),
        _leaky("leaky_relu", ""),
        Activation("tanh", np.tanh, _sech2, lambda z: -2 * np.tanh(z) * _sech2(z), code=3),
        Activation("erf", _erf, _erf_slope, lambda z: -2 * z * _erf_slope(z), code=4),
        Activation(
            "gelu",
            lambda z: z * _normal_cdf(z),
            lambda z: _normal_cdf(z) + z * _normal_pdf(z),
            lambda z: (2 - z * z) * _normal_pdf(z),
            code=5,
        ),
        Activation(
            "silu",
            lambda z: z * _sigmoid(z),
            lambda z: _sigmoid(z) + z * _sigmoid_slope(z),
            lambda z: 2 * _sigmoid_slope(z) + z * _sigmoid_curvature(z),
            code=6,
        ),
        Activation("sin", np.sin, np.cos, lambda z: -np.sin(z), code=7),
        Activation("cos", np.cos, lambda z: -np.sin(z), lambda z: -np.cos(z), code=8),
        Activation("sigmoid", _sigmoid, _sigmoid_slope, _sigmoid_curvature, code=9),
        Activation(
            "gelu_tanh",
            lambda z: z / 2 * (1 + np.tanh(_inner(z))),
            _gelu_tanh_slope,
            _gelu_tanh_curvature,
            code=10,
        ),
    )
}

ACTIVATION_NAMES: tuple[str, ...] = tuple(_TABLE)
"""Names that `as_activation` knows; ``"leaky_relu"`` has the slope 0.01 below zero."""


def _from_callable(function: Function, kinks: tuple[float, ...]) -> Activation:
    name = getattr(function, "__name__", type(function).__name__)
    places = tuple(sorted(as_real("kink", k) for k in kinks))
    probe = np.linspace(-7.9, 8.3, 24).reshape(4, 6)
    want = "a vectorised function (float64 array in, array of the same shape out, elementwise)"
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(function(probe.copy()))
            part = np.asarray(function(probe[1, 2:5].copy()))
    except Exception as error:
        raise ArgumentError(
            f"activation must be {want}, but {name} raised {shown(error)}; try numpy functions"
        ) from None
    if values.shape != probe.shape or values.dtype.kind not in "fiu" or part.shape != (3,):
        raise ArgumentError(
            f"activation must be {want}, but {name} returned {values.dtype} of {values.shape} for "
            f"{probe.shape}; try np.vectorize"
        )
    if values.dtype.kind == "f" and values.dtype.itemsize < 8:
        raise ArgumentError(
            f"activation must return float64, but {name} returned {values.dtype}, which is too "
            "coarse for averages with an error; let it compute in the type that it is given"
        )
    if not np.isfinite(values).all():
        where = probe[~np.isfinite(values)].flat[0]
        raise ArgumentError(
            f"activation must be finite, but {name}({where:.3g}) is {values[probe == where][0]}"
        )
    if not np.allclose(values[1, 2:5], part, rtol=1e-9, atol=1e-12):
        raise ArgumentError(f"activation must be {want}, but {name} mixes the elements")

    def phi(z: Array) -> Array:
        return np.asarray(function(z), dtype=np.float64)

    places = tuple(sorted({*places, *find_kinks(phi, name)}))
    return Activation(
        name,
        phi,
        lambda z: difference(phi, z, places, 1),
        lambda z: difference(phi, z, places, 2),
        kinks=places,
        note="derivatives by finite differences",
        accuracy=(5e-12, 5e-9),
    )
