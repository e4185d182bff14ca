"""Quadrature on panels: Gauss-Legendre rules, and adaptive Gauss-Kronrod with error estimates.

`scipy.integrate.quad` takes one integral and a scalar function; maps, critical lines and inner
integrals need thousands, with the function called on arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["integrate", "legendre_panels"]

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

# Gauss-Kronrod 10-21 of QUADPACK; the Gauss nodes are every second one.
_X = (
    0.995657163025808080735527280689003, 0.973906528517171720077964012084452,
    0.930157491355708226001207180059508, 0.865063366688984510732096688423493,
    0.780817726586416897063717578345042, 0.679409568299024406234327365114874,
    0.562757134668604683339000099272694, 0.433395394129247190799265943165784,
    0.294392862701460198131126603103866, 0.148874338981631210884826001129720,
)  # fmt: skip
_W = (
    0.011694638867371874278064396062192, 0.032558162307964727478818972459390,
    0.054755896574351996031381300244580, 0.075039674810919952767043140916190,
    0.093125454583697605535065465083366, 0.109387158802297641899210590325805,
    0.123491976262065851077958109585166, 0.134709217311473325928054001771707,
    0.142775938577060080797094273138717, 0.147739104901338491374841515972068,
)  # fmt: skip
_MIDDLE = 0.149445554002916905664936468389821
_G = (
    0.066671344308688137593568809893332, 0.149451349150580593145863397657697,
    0.219086362515982043995534934228163, 0.269266719309996355091226921569469,
    0.295524224714752870173815619188769,
)  # fmt: skip
_NODES = np.array([*(-x for x in _X), 0.0, *reversed(_X)])
_KRONROD = np.array([*_W, _MIDDLE, *reversed(_W)])
_GAUSS = np.zeros(21)
_GAUSS[1:10:2] = _G
_GAUSS[11:20:2] = _G[::-1]

_ROUNDING = 4 * np.finfo(np.float64).eps
_BISECTIONS = 48
# Panels evaluated at a time, and panels of one integral before it is given up as it is.
_CHUNK = 50_000
_PANELS = 1 << 13
_STRIKES = 4


@cache
def _legendre(count: int) -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(count)


def legendre_panels(edges: npt.ArrayLike, count: int) -> tuple[Array, Array]:
    """Return nodes and weights of a Gauss-Legendre rule on each panel between edges that follow.

    Parameters
    ----------
    edges : array_like of shape (..., n + 1)
    count : int
        Nodes of a panel.

    Returns
    -------
    nodes, weights : ndarray of shape (..., n, count)
    """
    x, w = _legendre(count)
    ends = np.asarray(edges, dtype=np.float64)
    half = np.diff(ends)[..., None] / 2
    return (ends[..., :-1, None] + half) + half * x, half * w


def integrate(
    integrand: Callable[[Array, Indices], Array],
    edges: Array,
    tolerance: float,
    *,
    noisy: bool = False,
    importance: Array | None = None,
) -> tuple[Array, Array]:
    """Return integrals and their errors.

    Parameters
    ----------
    integrand : callable
        Of nodes, shape (n_panels, 21), and of the integral each panel belongs to, shape
        (n_panels,); returns shape (n_functions, n_panels, 21).
    edges : ndarray of shape (n_integrals, n_edges)
        Sorted ends of the first panels; panels of width zero are left out.
    tolerance : float
        Of the error, relative to the integral of the magnitude.
    noisy : bool
        Whether the last function is the error of the values of the others: a panel is good enough
        when its error is not larger than the integral of that.
    importance : ndarray of shape (n_integrals,), optional
        Weights of the integrals in a sum: none is made better than that sum needs.

    Returns
    -------
    value, error : ndarray of shape (n_functions, n_integrals)
        The error is that of QUADPACK, plus rounding; larger than asked for where bisection ends.
    """
    n = len(edges)
    left, right = edges[:, :-1].ravel(), edges[:, 1:].ravel()
    owner = np.repeat(np.arange(n), edges.shape[1] - 1)
    keep = right > left
    left, right, owner = left[keep], right[keep], owner[keep]
    value = error = magnitude = np.zeros((0, n))
    panels = np.bincount(owner, minlength=n)
    parent, strikes = np.full(len(owner), np.inf), np.zeros(len(owner), dtype=int)
    for depth in range(_BISECTIONS + 1):
        parts = [
            _rule(integrand, left[i : i + _CHUNK], right[i : i + _CHUNK], owner[i : i + _CHUNK])
            for i in range(0, len(owner), _CHUNK)
        ]
        part, estimate, size = np.concatenate(parts, axis=2)
        if not len(value):
            value, error, magnitude = np.zeros((3, len(part), n))
        whole = magnitude + _sums(size, owner, n)
        if importance is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                whole = np.fmax(whole, (whole * importance).max(axis=1)[:, None] / importance)
        # A sixteenth for each panel: few are left when the last ones are accepted.
        allowed = np.maximum(tolerance / 16 * whole[:, owner], _ROUNDING * size)
        if noisy:
            allowed = np.maximum(allowed, part[-1])
            allowed[-1] = np.inf
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = np.where(estimate <= allowed, 0, estimate / allowed).max(axis=0)
        # Halves that are both no better than half of the whole are noise, not structure.
        if depth:
            worse = (excess > 0.3 * parent).reshape(2, -1).all(axis=0)
            strikes = strikes + np.tile(worse, 2)
        split = (excess > 0) & (strikes < _STRIKES) & np.isfinite(estimate).all(axis=0)
        split &= (panels[owner] < _PANELS) & (depth < _BISECTIONS)
        done = ~split
        value = value + _sums(part[:, done], owner[done], n)
        error = error + _sums(estimate[:, done] + _ROUNDING * size[:, done], owner[done], n)
        magnitude = magnitude + _sums(size[:, done], owner[done], n)
        if not split.any():
            break
        left, right, owner = left[split], right[split], owner[split]
        parent, strikes = np.tile(excess[split], 2), np.tile(strikes[split], 2)
        panels += np.bincount(owner, minlength=n)
        middle = (left + right) / 2
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
        owner = np.concatenate([owner, owner])
    return value, error


def _rule(
    integrand: Callable[[Array, Indices], Array], left: Array, right: Array, owner: Indices
) -> Array:
    """Return value, error and integral of the magnitude: shape (3, n_functions, n_panels)."""
    half = (right - left) / 2
    nodes = (left + right)[:, None] / 2 + half[:, None] * _NODES
    values = integrand(nodes, owner)
    value = values @ _KRONROD
    size = np.abs(values) @ _KRONROD
    spread = np.abs(values - value[..., None] / 2) @ _KRONROD
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.abs(value - values @ _GAUSS)
        ratio = np.minimum(1, (200 * difference / spread) ** 1.5)
    # A panel whose values are equal is exact; one that is not finite stays so.
    error = np.where(difference == 0, 0, spread * ratio)
    return np.stack([value, error, size]) * half


def _sums(values: Array, owner: Indices, n: int) -> Array:
    return np.stack([np.bincount(owner, weights=row, minlength=n) for row in values])
