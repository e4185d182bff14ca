"""Averages of functions of one or two Gaussian variables, with error estimates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real, shown
from nnrg.activation_functions import Activation, as_activation
from nnrg.errors import ArgumentError
from nnrg.stats._arrays import frozen
from nnrg.theory._averages import Function, averages, pair_averages
from nnrg.theory._closed_forms import moments as exact_moments
from nnrg.theory._moment_integrands import INTEGRANDS, difference_errors

__all__ = ["Moments", "gaussian_average", "moments", "pair_average", "selected_moments"]

Array = npt.NDArray[np.float64]

TOLERANCE = 1e-12
# Pairs whose inner averages are held in memory at a time.
_PAIRS = 8
_EXACT = 8 * np.finfo(np.float64).eps


def gaussian_average(
    function: Callable[[Array], Array],
    variance: npt.ArrayLike,
    *,
    mean: npt.ArrayLike = 0.0,
    kinks: Sequence[float] = (),
    tolerance: float = TOLERANCE,
) -> tuple[Array, Array]:
    """Return the averages of functions of a Gaussian variable, and their errors.

    Parameters
    ----------
    function : callable
        Elementwise on float64 arrays x; several functions at once return (n_functions, *x.shape).
    variance, mean : array_like
        Of the variable; broadcast against one another. Variance zero is the value at the mean.
    kinks : sequence of float
        Where the function or its derivative jumps.
    tolerance : float, dimensionless
        Error aimed at, relative to the average of the magnitude.

    Returns
    -------
    value, error : ndarray of shape variance.shape, or (n_functions, *variance.shape)
        The error is that of quadrature and rounding; larger than asked for where it does not
        converge, infinite where the average does not exist in double precision.

    Raises
    ------
    ArgumentError
        If a variance is negative or not finite, or the function does not return the right shape.

    Notes
    -----
    int dz exp(-z^2 / 2) / sqrt(2 pi) f(m + sqrt(q) z) by Gauss-Kronrod panels, bisected where they
    do not agree, |z| < 38. Panels begin at the kinks and on both scales, sqrt(q) and that of f, so
    that q = 1e4 and steps are no harder than q = 1.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.gaussian_averages import gaussian_average
    >>> value, error = gaussian_average(np.abs, np.pi / 2, kinks=(0,))
    >>> value.round(12).item(), bool(error < 1e-11)
    (1.0, True)
    """
    q, m = np.broadcast_arrays(_variance(variance), _finite("mean", mean))
    value, error = averages(function, q.ravel(), m.ravel(), kinks, _tolerance(tolerance))
    one = np.shape(function(m.ravel()[:1])) == (1,)
    out = q.shape if one else (len(value), *q.shape)
    return value.reshape(out), error.reshape(out)


def pair_average(
    f: Function,
    g: Function,
    q1: npt.ArrayLike,
    q2: npt.ArrayLike,
    correlation: npt.ArrayLike,
    *,
    kinks: tuple[Sequence[float], Sequence[float]] = ((), ()),
    tolerance: float = 1e-11,
) -> tuple[Array, Array]:
    """Return averages <f(u) g(v)> of two correlated Gaussian variables, and their errors.

    Parameters
    ----------
    f, g : callable
        Elementwise on float64 arrays.
    q1, q2 : array_like
        Variances of u and v.
    correlation : array_like, dimensionless
        <u v> / sqrt(q1 q2), from -1 to 1.
    kinks : (sequence of float, sequence of float)
        Where f, and where g, or a derivative of it, jumps.
    tolerance : float, dimensionless
        Error aimed at, relative to the average of the magnitude.

    Returns
    -------
    value, error : ndarray of the shape that q1, q2 and correlation broadcast to

    Raises
    ------
    ArgumentError
        If a variance is negative, or a correlation beyond 1.

    Notes
    -----
    <f(u) <g(v)>_{v | u}>: the average over v given u, whose mean is c sqrt(q2 / q1) u and whose
    variance q2 (1 - c^2), inside that over u, both adaptive; |c| = 1 leaves one variable. The
    error of the inner average goes into that of the whole.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.gaussian_averages import pair_average
    >>> value, error = pair_average(np.sign, np.sign, 1, 4, 0.5, kinks=((0,), (0,)))
    >>> value.round(10).item()  # 2 / pi arcsin(1 / 2)
    0.3333333333
    """
    a, b, c = np.broadcast_arrays(_variance(q1), _variance(q2), _finite("correlation", correlation))
    if (np.abs(c) > 1).any():
        raise ArgumentError(f"correlation must be from -1 to 1, got {c.flat[np.abs(c).argmax()]:g}")
    tolerance = _tolerance(tolerance)
    shape, a, b, c = a.shape, a.ravel(), b.ravel(), c.ravel()
    value, error = np.empty((2, len(a)))
    for i in range(0, len(a), _PAIRS):
        part = slice(i, i + _PAIRS)
        value[part], error[part] = pair_averages(f, g, a[part], b[part], c[part], kinks, tolerance)
    return value.reshape(shape), error.reshape(shape)


@dataclass(frozen=True, slots=True)
class Moments:
    """Gaussian averages of an activation phi at variances q; arrays of the shape of `variance`.

    Attributes
    ----------
    variance : ndarray
        q, of the preactivation z = sqrt(q) x.
    square, fourth : ndarray
        <phi^2>, <phi^4>.
    slope_square, slope_fourth : ndarray
        <phi'^2>, <phi'^4>.
    curvature_square : ndarray
        <phi''^2>, without the delta functions at kinks.
    curvature : ndarray
        <phi phi''>, with the delta functions at kinks.
    first, second : ndarray
        d<phi^2>/dq = <phi'^2> + <phi phi''> and d^2<phi^2>/dq^2: with g = sigma_w^2 <phi^2>,
        g' = sigma_w^2 first and g'' = sigma_w^2 second.
    errors : dict of str to ndarray
        Of each of them: quadrature and rounding.
    """

    variance: Array
    square: Array
    fourth: Array
    slope_square: Array
    slope_fourth: Array
    curvature_square: Array
    curvature: Array
    first: Array
    second: Array
    errors: dict[str, Array]


def moments(
    activation: str | Activation | Function,
    variance: npt.ArrayLike,
    *,
    tolerance: float = TOLERANCE,
) -> Moments:
    """Return the Gaussian averages of an activation and of its derivatives at variances q.

    Parameters
    ----------
    activation : str, Activation or callable
        See `nnrg.activation_functions.as_activation`.
    variance : array_like
        q > 0.
    tolerance : float, dimensionless
        Error aimed at.

    Raises
    ------
    ArgumentError
        If a variance is not positive, or the activation unknown.

    Notes
    -----
    By Stein's lemma d<phi^2>/dq = <x phi phi'> / q and d^2<phi^2>/dq^2 = <x phi phi' (x^2/q - 3)> /
    (2 q^2), which need no second derivative and hold with kinks. The rounding of the last one grows
    as 1/q for small q, and is in its error.

    Examples
    --------
    >>> from nnrg.theory.gaussian_averages import moments
    >>> m = moments("relu", 3.0)
    >>> m.square.round(12).item(), m.first.round(12).item(), m.slope_fourth.round(12).item()
    (1.5, 0.5, 0.5)
    """
    phi = as_activation(activation)
    q = _variance(variance)
    if not (q > 0).all():
        raise ArgumentError(f"variance must be above zero, got {q.min():g}; try a small one")

    values, errors = selected_moments(phi, q, tuple(INTEGRANDS), tolerance=tolerance)
    values["curvature"] = values["first"] - values["slope_square"]
    errors["curvature"] = errors["first"] + errors["slope_square"]
    return Moments(
        variance=frozen(q),
        errors={name: frozen(array) for name, array in errors.items()},
        **{name: frozen(array) for name, array in values.items()},
    )


def selected_moments(
    phi: Activation, q: Array, names: Sequence[str], *, tolerance: float = TOLERANCE
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return values and errors of some fields of `Moments`, by name; ``"second"`` needs "first"."""
    tolerance = max(tolerance, 10 * phi.accuracy[0])
    values = exact_moments(phi, q)
    errors = {name: _EXACT * np.abs(value) for name, value in values.items()}
    needed = [name for name in names if name not in values]
    if needed:

        def functions(x: Array) -> Array:
            known = phi.function(x), phi.first(x), phi.second(x)
            return np.stack([INTEGRANDS[name](x, *known) for name in needed])

        value, error = gaussian_average(functions, q, kinks=phi.kinks, tolerance=tolerance)
        values |= dict(zip(needed, value, strict=True))
        errors |= dict(zip(needed, error, strict=True))
        if "first" in needed:
            values["first"], errors["first"] = values["first"] / q, errors["first"] / q
        if "second" in needed:
            values["second"] = (values["second"] / q**2 - 3 * values["first"]) / (2 * q)
            errors["second"] = (errors["second"] / q**2 + 3 * errors["first"]) / (2 * q)
        for name, extra in difference_errors(phi, q, values).items():
            errors[name] = errors[name] + extra
    return values, errors


def _variance(value: npt.ArrayLike) -> Array:
    q = _finite("variance", value)
    if (q < 0).any():
        raise ArgumentError(f"variance must be at least zero, got {q.min():g}")
    return q


def _finite(name: str, value: npt.ArrayLike) -> Array:
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.empty(0)
    if array.dtype.kind not in "fiu" or not array.size or not np.isfinite(array).all():
        raise ArgumentError(f"{name} must be finite real numbers, got {shown(value)}")
    numbers: Array = array.astype(np.float64)
    return numbers


def _tolerance(value: float) -> float:
    number = as_real("tolerance", value)
    if not 0 < number < 1:
        raise ArgumentError(f"tolerance must be between 0 and 1, got {number:g}; try 1e-12")
    return number
