"""Gaussian averages of activations that have closed forms; None or a gap where they have none.

Scale-invariant functions: Y. Cho and L. Saul, NeurIPS 2009 (arc-cosine kernels). erf: C. Williams,
Neural Computation 10, 1203 (1998). GELU: R. Tsuchida et al., AAAI 2021, arXiv:2002.08517. All of
them are found again by quadrature in the tests.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation

__all__ = ["decorrelation", "moments", "pair", "slope_pair"]

Array = npt.NDArray[np.float64]

_ERF, _GELU, _SIN, _COS = 4, 5, 7, 8
_PI = np.pi


def moments(phi: Activation, q: Array) -> dict[str, Array]:
    """Return those fields of `nnrg.theory.gaussian_averages.Moments` that have closed forms."""
    one, zero = np.ones_like(q), np.zeros_like(q)
    if phi.slopes is not None:
        a, b = phi.slopes
        a2, a4 = (a * a + b * b) / 2, (a**4 + b**4) / 2
        return {
            "square": a2 * q,
            "fourth": 3 * a4 * q * q,
            "slope_square": a2 * one,
            "slope_fourth": a4 * one,
            "curvature_square": zero,
            "first": a2 * one,
            "second": zero,
        }
    if phi.code == _ERF:
        first = 4 / _PI / ((1 + 2 * q) * np.sqrt(1 + 4 * q))
        return {
            # arcsin(2q / (1 + 2q)) as an angle that keeps its digits for large q
            "square": 2 / _PI * np.arctan2(2 * q, np.sqrt(1 + 4 * q)),
            "slope_square": 4 / _PI / np.sqrt(1 + 4 * q),
            "slope_fourth": 16 / _PI**2 / np.sqrt(1 + 8 * q),
            "curvature_square": 16 / _PI * q / (1 + 4 * q) ** 1.5,
            "first": first,
            "second": -first * (2 / (1 + 2 * q) + 2 / (1 + 4 * q)),
        }
    if phi.code in (_SIN, _COS):
        odd = phi.code == _SIN
        down, fourth = np.exp(-2 * q), np.exp(-8 * q)
        sine = -np.expm1(-2 * q) / 2
        square, other = (sine, 1 - sine) if odd else (1 - sine, sine)
        # <sin^4> = 3/8 - down/2 + fourth/8, without its cancellation at small q
        low = sine * sine * (3 + 2 * down + down * down) / 2
        high = 3 / 8 + down / 2 + fourth / 8
        return {
            "square": square,
            "fourth": low if odd else high,
            "slope_square": other,
            "slope_fourth": high if odd else low,
            "curvature_square": square,
            "first": down if odd else -down,
            "second": -2 * down if odd else 2 * down,
        }
    if phi.code == _GELU:
        return _gelu(q)
    return {}


def _gelu(q: Array) -> dict[str, Array]:
    root = np.sqrt(1 + 2 * q)
    cdf2 = 0.25 + np.arctan2(q, root) / (2 * _PI)  # <Phi(z)^2>
    h = 1 / ((1 + q) * root)
    ratio = -1 / (1 + q) - 1 / (1 + 2 * q)  # h' / h
    bend = 1 / (1 + q) ** 2 + 2 / (1 + 2 * q) ** 2
    return {
        "square": q * cdf2 + q * q * h / _PI,
        "slope_square": cdf2 + q * h / _PI + q / (2 * _PI * root**3),
        "first": cdf2 + q * h / (2 * _PI) + (2 * q + q * q * ratio) * h / _PI,
        "second": (h + h * (1 + q * ratio)) / (2 * _PI)
        + h * (2 + 4 * q * ratio + q * q * (ratio**2 + bend)) / _PI,
    }


def pair(phi: Activation, q1: Array, q2: Array, c: Array) -> Array | None:
    """Return <phi(u) phi(v)>."""
    r = c * np.sqrt(q1 * q2)
    if phi.slopes is not None:
        a, b = phi.slopes
        theta = np.arccos(c)
        bent = (np.sin(theta) + (_PI - theta) * c) / (2 * _PI)
        return np.asarray(a * b * r + (b - a) ** 2 * np.sqrt(q1 * q2) * bent)
    if phi.code == _ERF:
        x = 2 * r
        side = np.sqrt(1 + 2 * (q1 + q2) + 4 * q1 * q2 * (1 - c) * (1 + c))
        return np.asarray(2 / _PI * np.arctan2(x, side))
    if phi.code in (_SIN, _COS):
        middle = (q1 + q2) / 2
        if phi.code == _COS:
            return np.asarray((np.exp(r - middle) + np.exp(-r - middle)) / 2)
        return np.asarray(_sinh(r, middle))
    if phi.code == _GELU:
        d = _determinant(q1, q2, c)
        kappa = 1 / (1 + q1) + 1 / (1 + q2) - 1
        return np.asarray((q1 * q2 + r * r * kappa) / (2 * _PI * np.sqrt(d)) + r * _cdf_pair(r, d))
    return None


def slope_pair(phi: Activation, q1: Array, q2: Array, c: Array) -> Array | None:
    """Return <phi'(u) phi'(v)>, the derivative of <phi(u) phi(v)> with the covariance."""
    r = c * np.sqrt(q1 * q2)
    if phi.slopes is not None:
        a, b = phi.slopes
        apart = np.arccos(c) / _PI
        return np.asarray((a * a + b * b) / 2 * (1 - apart) + a * b * apart)
    if phi.code == _ERF:
        side = 1 + 2 * (q1 + q2) + 4 * q1 * q2 * (1 - c) * (1 + c)
        return np.asarray(4 / _PI / np.sqrt(side))
    if phi.code in (_SIN, _COS):
        middle = (q1 + q2) / 2
        if phi.code == _COS:
            return np.asarray(_sinh(r, middle))
        return np.asarray((np.exp(r - middle) + np.exp(-r - middle)) / 2)
    if phi.code == _GELU:
        d = _determinant(q1, q2, c)
        weight = 2 / (1 + q1) + 2 / (1 + q2) - 1
        return np.asarray(
            r * _numerator(q1, q2, c, r) / (2 * _PI * d**1.5)
            + r * weight / (2 * _PI * np.sqrt(d))
            + _cdf_pair(r, d)
        )
    return None


def decorrelation(phi: Activation, q: Array, epsilon: Array) -> Array | None:
    """Return <phi(u)^2> - <phi(u) phi(v)> at equal variances and correlation 1 - epsilon.

    Differences of nearly equal numbers are taken by hand.
    """
    if phi.slopes is not None:
        a, b = phi.slopes
        theta = 2 * np.arcsin(np.sqrt(epsilon / 2))
        return np.asarray(
            q * ((a * a + b * b) / 2 * epsilon - (b - a) ** 2 * _bend(theta) / (2 * _PI))
        )
    if phi.code == _ERF:
        x, y = 2 * q / (1 + 2 * q), (1 - epsilon) * 2 * q / (1 + 2 * q)
        gap = x * x * epsilon * (2 - epsilon)  # x^2 - y^2
        cos_x = np.sqrt(1 + 4 * q) / (1 + 2 * q)
        cos_y = np.sqrt(cos_x**2 + gap)
        # arcsin x - arcsin y as one angle; for y < 0 nothing cancels
        sine = np.where(y > 0, gap / (x * cos_y + np.abs(y) * cos_x), x * cos_y - y * cos_x)
        return np.asarray(2 / _PI * np.arctan2(sine, cos_x * cos_y + x * y))
    if phi.code in (_SIN, _COS):
        near = -np.expm1(-q * epsilon)
        if phi.code == _COS:
            return np.asarray(-near * np.expm1(q * (epsilon - 2)) / 2)
        return np.asarray(near * (1 + np.exp(q * (epsilon - 2))) / 2)
    return None


def _sinh(r: Array, middle: Array) -> Array:
    """Return exp(-middle) sinh(r) for |r| <= middle, without overflow."""
    size = np.abs(r)
    return np.asarray(np.sign(r) * np.exp(size - middle) * -np.expm1(-2 * size) / 2)


def _bend(theta: Array) -> Array:
    """Return sin(theta) - theta cos(theta)."""
    t2 = theta * theta
    series = theta * t2 * (1 / 3 - t2 * (1 / 30 - t2 * (1 / 840 - t2 * (1 / 45360 - t2 / 3991680))))
    return np.where(theta < 0.25, series, np.sin(theta) - theta * np.cos(theta))


def _determinant(q1: Array, q2: Array, c: Array) -> Array:
    """Return (1 + q1) (1 + q2) - r^2."""
    return 1 + q1 + q2 + q1 * q2 * (1 - c) * (1 + c)


def _numerator(q1: Array, q2: Array, c: Array, r: Array) -> Array:
    """Return q1 q2 - r^2 + r^2 / (1 + q1) + r^2 / (1 + q2)."""
    return q1 * q2 * (1 - c) * (1 + c) + r * r * (1 / (1 + q1) + 1 / (1 + q2))


def _cdf_pair(r: Array, determinant: Array) -> Array:
    """Return <Phi(u) Phi(v)> of normal distribution functions."""
    return 0.25 + np.arctan2(r, np.sqrt(determinant)) / (2 * _PI)
