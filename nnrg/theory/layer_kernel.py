"""What a layer does to the covariance of two inputs: <phi phi>, <phi' phi'>, and their decay."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import ArgumentError
from nnrg.theory import _closed_forms
from nnrg.theory._averages import FAR, NARROW, SHARP, WIDE, density
from nnrg.theory._quadrature import integrate
from nnrg.theory.gaussian_averages import gaussian_average, pair_average

__all__ = ["decorrelation", "kernel", "slope_kernel"]

Array = npt.NDArray[np.float64]

_EXACT = 8 * np.finfo(np.float64).eps


def kernel(
    activation: str | Activation | Function,
    q1: npt.ArrayLike,
    q2: npt.ArrayLike,
    correlation: npt.ArrayLike,
    *,
    tolerance: float = 1e-11,
) -> tuple[Array, Array]:
    """Return <phi(u) phi(v)> of two Gaussian preactivations, and its error.

    Parameters
    ----------
    activation : str, Activation or callable
    q1, q2 : array_like
        Variances of u and v.
    correlation : array_like, dimensionless
        From -1 to 1.
    tolerance : float, dimensionless
        Of the quadrature, where there is no closed form.

    Returns
    -------
    value, error : ndarray of the shape that the arguments broadcast to

    Raises
    ------
    ArgumentError
        If a variance is negative, a correlation beyond 1, or the activation unknown.

    Notes
    -----
    Closed forms for linear, ReLU and leaky ReLU (Cho and Saul 2009), erf (Williams 1998), GELU
    (Tsuchida et al., arXiv:2002.08517), sin and cos; `pair_average` for all others.

    Examples
    --------
    >>> from nnrg.theory.layer_kernel import kernel
    >>> value, error = kernel("erf", 0.5, 0.5, 1.0)
    >>> value.round(12).item()  # 2 / pi arcsin(1 / 2)
    0.333333333333
    """
    return _pair(activation, q1, q2, correlation, tolerance, slope=False)


def slope_kernel(
    activation: str | Activation | Function,
    q1: npt.ArrayLike,
    q2: npt.ArrayLike,
    correlation: npt.ArrayLike,
    *,
    tolerance: float = 1e-11,
) -> tuple[Array, Array]:
    """Return <phi'(u) phi'(v)>, and its error: the derivative of `kernel` with the covariance.

    Parameters, errors and closed forms as for `kernel`; R. Price, IRE Trans. Inf. Theory 4, 69
    (1958), for the derivative.

    Examples
    --------
    >>> from nnrg.theory.layer_kernel import slope_kernel
    >>> slope_kernel("relu", 1.0, 1.0, 0.0)[0].item()
    0.25
    """
    return _pair(activation, q1, q2, correlation, tolerance, slope=True)


def _pair(
    activation: str | Activation | Function,
    q1: npt.ArrayLike,
    q2: npt.ArrayLike,
    correlation: npt.ArrayLike,
    tolerance: float,
    *,
    slope: bool,
) -> tuple[Array, Array]:
    phi = as_activation(activation)
    tolerance = max(tolerance, 200 * phi.accuracy[0])
    a, b, c = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (q1, q2, correlation)))
    if not ((a >= 0) & (b >= 0) & (np.abs(c) <= 1)).all():
        raise ArgumentError(
            "variances must be at least zero and correlations from -1 to 1, got "
            f"{min(a.min(), b.min()):g} and {c.min():g} to {c.max():g}"
        )
    closed = _closed_forms.slope_pair if slope else _closed_forms.pair
    exact = closed(phi, a, b, c)
    if exact is not None:
        # Away from c = 1 it is a difference of numbers of this size.
        largest = closed(phi, a, b, np.ones_like(c))
        assert largest is not None
        return exact, _EXACT * (np.abs(exact) + np.abs(largest))
    f = phi.first if slope else phi.function
    value, error = pair_average(f, f, a, b, c, kinks=(phi.kinks, phi.kinks), tolerance=tolerance)
    if slope and any(phi.accuracy):
        for variance in (a, b):
            square, _ = gaussian_average(lambda x: phi.first(x) ** 2, variance, kinks=phi.kinks)
            error = error + phi.accuracy[0] * np.sqrt(square)
    return value, error


def decorrelation(
    activation: str | Activation | Function,
    q: npt.ArrayLike,
    epsilon: npt.ArrayLike,
    *,
    tolerance: float = 1e-10,
) -> tuple[Array, Array]:
    """Return <phi^2> - <phi(u) phi(v)> at correlation 1 - epsilon, and its error.

    Parameters
    ----------
    activation : str, Activation or callable
    q : array_like
        Variance of u and of v.
    epsilon : array_like, dimensionless
        1 - c, from 0 to 2.
    tolerance : float, dimensionless
        Of the quadrature, relative to the result.

    Raises
    ------
    ArgumentError
        If q is not positive, or epsilon beyond 0 to 2.

    Notes
    -----
    <(phi(u) - phi(v))^2> / 2 over the sum and the difference of u and v, with digits that do not
    get lost for epsilon -> 0: the difference of phi is that of values where it is large, and the
    mean of phi' over [u, v] where it is small and has no kink. Closed forms, rearranged likewise,
    for linear, ReLU, leaky ReLU, erf, sin and cos.

    Examples
    --------
    >>> from nnrg.theory.layer_kernel import decorrelation
    >>> value, error = decorrelation("tanh", 1.0, 1e-20)
    >>> f"{value:.6e}"  # epsilon q <phi'^2>
    '4.644029e-21'
    """
    phi = as_activation(activation)
    tolerance = max(tolerance, 200 * phi.accuracy[0])
    variance, eps = np.broadcast_arrays(
        np.asarray(q, dtype=np.float64), np.asarray(epsilon, dtype=np.float64)
    )
    if not ((variance > 0) & (eps >= 0) & (eps <= 2)).all():
        raise ArgumentError(
            f"q must be above zero and epsilon from 0 to 2, got {variance.min():g} and "
            f"{eps.min():g} to {eps.max():g}"
        )
    exact = _closed_forms.decorrelation(phi, variance, eps)
    if exact is not None:
        return exact, _EXACT * np.abs(exact)
    value, error = np.empty((2, variance.size))
    for i, (s, e) in enumerate(zip(variance.ravel(), eps.ravel(), strict=True)):
        value[i], error[i] = _mean_square_difference(phi, s, e, tolerance) if e else (0.0, 0.0)
    if any(phi.accuracy):
        square, _ = gaussian_average(lambda x: phi.first(x) ** 2, variance, kinks=phi.kinks)
        error += 2 * phi.accuracy[0] * (eps * variance * np.sqrt(square)).ravel()
    return value.reshape(variance.shape), error.reshape(variance.shape)


# Below, phi(u) - phi(v) loses more digits than four Gauss-Legendre nodes for the mean of phi'.
_NEAR = 0.05
# The same where phi' is itself a difference.
_NEAR_DIFFERENCES = 1e-3
# Positive nodes on [-1, 1], and their weights.
_LEGENDRE = ((0.3399810435848563, 0.6521451548625461), (0.8611363115940526, 0.3478548451374538))


def _difference(phi: Activation, middle: Array, half: Array) -> Array:
    """Return phi(middle + half) - phi(middle - half) for half > 0."""
    far = half > (_NEAR_DIFFERENCES if any(phi.accuracy) else _NEAR) / 2
    for kink in phi.kinks:
        far |= np.abs(middle - kink) <= half
    mean = np.zeros_like(middle + half)
    for node, weight in _LEGENDRE:
        mean += weight * (phi.first(middle - node * half) + phi.first(middle + node * half)) / 2
    return np.where(far, phi.function(middle + half) - phi.function(middle - half), 2 * half * mean)


def _mean_square_difference(
    phi: Activation, q: float, epsilon: float, tolerance: float
) -> tuple[float, float]:
    """Return <(phi(u) - phi(v))^2> / 2: over the mean of u and v outside, their distance inside."""
    spread, width = np.sqrt(q * (1 - epsilon / 2)), np.sqrt(q * epsilon / 2)
    own = np.concatenate([NARROW, phi.kinks])
    turns = np.array([0.0, *phi.kinks])[:, None] + width * SHARP
    upper = WIDE[WIDE >= 0]

    def integrand(s: Array, owner: npt.NDArray[np.intp]) -> Array:
        near = np.abs(s) < 14
        middle = spread * s[near]
        with np.errstate(divide="ignore", over="ignore"):
            own_edges = np.abs(own - middle[:, None]) / width
        edges = np.concatenate(
            [np.broadcast_to(upper, (len(middle), len(upper))), np.minimum(own_edges, FAR)], axis=1
        )

        def inner(delta: Array, node: npt.NDArray[np.intp]) -> Array:
            x = _difference(phi, middle[node, None], width * delta)
            return (x * x * density(delta))[None]

        value, error = integrate(inner, np.sort(edges), tolerance / 4, importance=density(s[near]))
        out = np.zeros((2, *s.shape))
        out[:, near] = np.concatenate([value, error])
        return out * density(s)

    with np.errstate(divide="ignore", invalid="ignore"):
        narrow = np.concatenate([own, turns.ravel()]) / spread
    edges = np.concatenate([WIDE, np.clip(np.nan_to_num(narrow), -FAR, FAR)])
    value, error = integrate(integrand, np.sort(edges)[None], tolerance, noisy=True)
    return float(value[0, 0]), float(error[0, 0] + value[1, 0])
