"""Averages of a function at two times: <phi(z) phi(z')> of Gaussian z, z', quickly and for curves.

A correlation function needs this average at hundreds of arguments for each of many variances. The
adaptive `pair_average` is exact but takes one argument at a time; here panels are laid once, and
the curve as a function of the angle arccos(c / c_0), in which it is smooth even for functions with
kinks, is a Chebyshev series.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

from nnrg.activation_functions import Activation
from nnrg.theory._quadrature import legendre_panels

__all__ = ["Overlap", "overlaps"]

Array = npt.NDArray[np.float64]
Function = Callable[[Array], Array]

_NODES = 10
# Panels end at these arguments of the function (and at its kinks) ...
_OWN = 2.0 ** np.arange(-3, 9)
# ... and at these standard deviations of the Gaussian.
_WIDE = np.array([-8.4, -6.2, -4.1, -2.0, 0.0, 2.0, 4.1, 6.2, 8.4])
# A kink smoothed over a width w needs panels of that size around it.
_SMOOTHED = np.array([1.0, 2.5, 4.5, 7.0])
_SERIES = (32, 64, 128)
# Where it is looked whether a function is odd or even.
_SOME = np.array([1e-9, 0.013, 0.17, 0.5, 0.91, 1.3, 2.1, 3.7, 5.9, 8.3, 17.0, 60.0])
_ENOUGH = 1e-11
_LEAST_ANGLE = 1e-4
_CHUNK = 1 << 21


def overlaps(
    function: Function, kinks: tuple[float, ...], q1: Array, q2: Array, correlation: Array
) -> Array:
    """Return <f(x) f(y)> for variances q1, q2 and correlation coefficients, all of one shape (n,).

    x = sqrt(q1) (sqrt(r) u + sqrt(1 - r) v) and y likewise with the same u: the average is
    that over u of two averages over v, each over Gauss-Legendre panels that end at the kinks.
    """
    out = np.empty(len(correlation))
    mirrored = _is_odd_or_even(function)
    for k, (a, b, r) in enumerate(zip(q1, q2, correlation, strict=True)):
        common, own = np.sqrt(abs(r)), np.sqrt(max(1 - abs(r), 0.0))
        u, weight = _outer(kinks, min(a, b), max(a, b), common, own)
        if mirrored:  # negative u give the same
            u, weight = u[u > 0], 2 * weight[u > 0]
        first = _smoothed(function, kinks, np.sqrt(a) * common * u, np.sqrt(a) * own)
        if r >= 0 and a == b:
            out[k] = weight @ (first * first)
            continue
        sign = 1 if r >= 0 else -1
        second = _smoothed(function, kinks, sign * np.sqrt(b) * common * u, np.sqrt(b) * own)
        out[k] = weight @ (first * second)
    return out


def _is_odd_or_even(function: Function) -> bool:
    """Tell whether f(-x) is f(x), or -f(x), to the last digit."""
    there, back = function(_SOME), function(-_SOME)
    return bool((there == back).all() or (there == -back).all())


def _outer(
    kinks: tuple[float, ...], low: float, high: float, common: float, own: float
) -> tuple[Array, Array]:
    """Nodes and weights of the common Gaussian variable."""
    ends = [_WIDE]
    for q in {low, high}:
        scale = np.sqrt(q) * common
        if scale > 0:
            ends.append(np.array([*-_OWN, *_OWN]) / scale)
            spread = np.sqrt(q) * own * _SMOOTHED
            for kink in {*kinks, *(-k for k in kinks)}:
                ends.append(np.array([kink, *(kink - spread), *(kink + spread)]) / scale)
    edges = np.unique(np.clip(np.concatenate(ends), _WIDE[0], _WIDE[-1]))
    u, weight = legendre_panels(edges, _NODES)
    return u.ravel(), (weight * _density(u)).ravel()


def _smoothed(function: Function, kinks: tuple[float, ...], mean: Array, spread: float) -> Array:
    """Average f(m + s v) over a normal v, for each mean m."""
    if spread == 0:
        return function(mean)
    own = np.array([*-_OWN, 0.0, *_OWN, *kinks])
    total = np.zeros(len(mean))
    step = max(1, _CHUNK // (_NODES * (len(own) + len(_WIDE))))
    for start in range(0, len(mean), step):
        m = mean[start : start + step]
        edges = np.clip((own - m[:, None]) / spread, _WIDE[0], _WIDE[-1])
        edges = np.concatenate([edges, np.broadcast_to(_WIDE, (len(m), len(_WIDE)))], axis=1)
        edges.sort(axis=1)
        row, panel = np.nonzero(np.diff(edges, axis=1) > 2e-14)
        ends = np.stack([edges[row, panel], edges[row, panel + 1]], axis=1)
        v, weight = (x[:, 0] for x in legendre_panels(ends, _NODES))
        values = function(m[row][:, None] + spread * v) * _density(v)
        total[start : start + step] = np.bincount(
            row, weights=np.einsum("ij,ij->i", values, weight), minlength=len(m)
        )
    return total


def _density(x: Array) -> Array:
    return np.asarray(np.exp(-x * x / 2) / np.sqrt(2 * np.pi))


class Overlap:
    """f(c) = <phi(z) phi(z')>, <z^2> = <z'^2> = c_0 and <z z'> = c, with its slope and integral.

    Parameters
    ----------
    activation : Activation
    variance : float
        c_0 > 0.
    points : int, optional
        Of the series; as many as it needs by default.
    """

    def __init__(self, activation: Activation, variance: float, points: int | None = None) -> None:
        self.activation, self.variance = activation, variance
        self._points = _SERIES if points is None else (points,)
        self._series: dict[tuple[str, bool], Array] = {}

    def _chebyshev(self, which: str, negative: bool = False) -> Array:
        """Series in the angle from 0 to pi / 2, or from pi / 2 to pi."""
        key = (which, negative)
        if key not in self._series:
            phi = self.activation
            function = phi.function if which == "value" else phi.first
            values = np.empty(0)
            for n in self._points:
                nodes = chebyshev.chebpts2(n + 1)
                # Every second node is one of the series before.
                new = nodes[1::2] if len(values) else nodes
                angle = (np.pi / 4) * (1 + new) + negative * np.pi / 2
                q = np.full(len(new), self.variance)
                found = overlaps(function, phi.kinks, q, q, np.cos(angle))
                values = (
                    np.insert(values, np.arange(1, len(values)), found) if len(values) else found
                )
                # Orthogonality on these nodes; a least-squares fit of them takes most of the time.
                ends = np.ones(n + 1)
                ends[[0, -1]] = 0.5
                series = ends * (chebyshev.chebvander(nodes, n).T @ (ends * values)) * (2 / n)
                if np.abs(series[-4:]).max() <= _ENOUGH * np.abs(series).max():
                    break
            self._series[key] = np.asarray(series, dtype=np.float64)
        return self._series[key]

    def _evaluate(self, which: str, angle: Array) -> Array:
        below = angle > np.pi / 2
        values = chebyshev.chebval(angle * (4 / np.pi) - 1, self._chebyshev(which))
        if below.any():
            far = chebyshev.chebval(angle * (4 / np.pi) - 3, self._chebyshev(which, True))
            values = np.where(below, far, values)
        return np.asarray(values)

    def angle(self, c: npt.ArrayLike) -> Array:
        """Return arccos(c / c_0)."""
        return np.asarray(
            np.arccos(np.clip(np.asarray(c, dtype=np.float64) / self.variance, -1, 1))
        )

    def value(self, c: npt.ArrayLike) -> Array:
        """Return <phi phi> at covariances c."""
        return self._evaluate("value", self.angle(c))

    def slope(self, c: npt.ArrayLike) -> Array:
        """Return <phi' phi'>, which is d<phi phi>/dc by Price's theorem."""
        return self._evaluate("slope", self.angle(c))

    def angular_slope(self, angle: npt.ArrayLike) -> Array:
        """Return d<phi phi>/d(angle), from the series of <phi phi> alone; angles to pi / 2."""
        x = np.asarray(angle, dtype=np.float64) * (4 / np.pi) - 1
        slope = chebyshev.chebval(x, chebyshev.chebder(self._chebyshev("value")))
        return np.asarray(slope * (4 / np.pi), dtype=np.float64)

    def slope_of_value(self, c: npt.ArrayLike) -> Array:
        """Return d<phi phi>/dc from the series of <phi phi> alone: less exact next to c_0."""
        angle = np.maximum(self.angle(c), _LEAST_ANGLE)
        below = angle > np.pi / 2
        slope = np.zeros_like(angle)
        for negative, here in ((False, ~below), (True, below)):
            if here.any():
                x = angle[here] * (4 / np.pi) - (3 if negative else 1)
                series = chebyshev.chebder(self._chebyshev("value", negative))
                slope[here] = chebyshev.chebval(x, series)
        return np.asarray(-slope * (4 / np.pi) / (self.variance * np.sin(angle)))

    def price_residual(self) -> float:
        """Largest distance of d<phi phi>/dc from <phi' phi'>, relative to the largest value."""
        angle = np.linspace(0.15, 1, 15) * np.pi / 2
        expected = -self.variance * np.sin(angle) * self._evaluate("slope", angle)
        scale = np.abs(expected).max() or 1.0
        return float(np.abs(self.angular_slope(angle) - expected).max() / scale)
