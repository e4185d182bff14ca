r"""The law of one layer of a wide network: metric K, tangent overlap C and tangent norm D.

Given :math:`\hat K, \hat C, \hat D` of a layer, its pairs (z_i, v_i) of preactivation and tangent
are independent Gaussian with this covariance, and the three of the next layer are averages over
neurons of :math:`\sigma_w^2 (\phi^2, \phi \phi' v, \phi'^2 v^2)`, the first plus
:math:`\sigma_b^2`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.polynomial import hermite_e

from nnrg.activation_functions import Activation
from nnrg.theory.gaussian_averages import gaussian_average
from nnrg.theory.loops._system_size import Key, LayerLaw, layer_law, products
from nnrg.theory.loops._taylor import Taylor, cut

__all__ = ["tangent_layer"]

Array = npt.NDArray[np.float64]

# Moments of a Gaussian v of mean alpha z and variance beta: powers of (alpha z), of beta, factor.
_NORMAL: dict[int, tuple[tuple[int, int, int], ...]] = {
    0: ((0, 0, 1),),
    1: ((1, 0, 1),),
    2: ((2, 0, 1), (0, 1, 1)),
    3: ((3, 0, 1), (1, 1, 3)),
    4: ((4, 0, 1), (2, 1, 6), (0, 2, 3)),
    5: ((5, 0, 1), (3, 1, 10), (1, 2, 15)),
    6: ((6, 0, 1), (4, 1, 15), (2, 2, 45), (0, 3, 15)),
}


def tangent_layer(
    activation: Activation,
    sigma_w: float,
    sigma_b: float,
    metric: float,
    overlap: float,
    order: int,
) -> tuple[LayerLaw, float]:
    """Return the law of the next layer around (K, C, D = 1), and the error of its averages.

    Parameters
    ----------
    activation : Activation
    sigma_w, sigma_b : float
    metric : float
        K of this layer at infinite width.
    overlap : float
        C of this layer at infinite width, in units where D = 1.
    order : {1, 2}
        Orders of 1/n that the derivatives shall suffice for.

    Returns
    -------
    law : LayerLaw
    error : float
        Largest quadrature error of the averages, relative to each.
    """
    degree = 2 * order
    keys = products(order)
    functions = [
        (i, j, p, max(d for k, d in keys.items() if (i, j) == _powers(k)))
        for i, j in sorted({_powers(k) for k in keys})
        for p in range(0, j + 1)
        if (p - j) % 2 == 0
    ]
    root = np.sqrt(metric)

    def integrand(z: Array) -> Array:
        value, slope = activation(z), activation.derivative(z)
        x = z / root
        rows = []
        for i, j, p, d in functions:
            base = value**i * slope**j * x**p
            rows += [base * hermite_e.hermeval(x, _unit(2 * k)) for k in range(d + 1)]
        return np.stack(rows)

    values, errors = gaussian_average(integrand, metric, kinks=activation.kinks)
    series: dict[tuple[int, int, int], Array] = {}
    start, worst = 0, 0.0
    for i, j, p, d in functions:
        part = values[start : start + d + 1]
        size = abs(part[0]) if part[0] else 1.0
        worst = max(worst, float(np.max(errors[start : start + d + 1]) / size))
        # z^p rather than x^p: derivatives with respect to K are at fixed function of z.
        scale = root**p / (2.0 * metric) ** np.arange(d + 1)
        series[i, j, p] = part * scale / np.cumprod([1.0, *range(1, d + 1)])
        start += d + 1
    alpha, beta = _conditional(metric, overlap, degree)
    raw = {
        key: _average(key, series, alpha, beta, d) * (sigma_w ** (2 * sum(key)))
        for key, d in keys.items()
    }
    return layer_law(raw, np.array([sigma_b**2, 0.0, 0.0]), degree), worst


def _powers(key: Key) -> tuple[int, int]:
    """Powers of phi and of phi' v in a product of the three averaged functions."""
    return 2 * key[0] + key[1], key[1] + 2 * key[2]


def _unit(n: int) -> Array:
    return np.asarray(np.eye(1, n + 1, n)[0])


def _conditional(metric: float, overlap: float, degree: int) -> tuple[Taylor, Taylor]:
    """Return C/K and D - C^2/K: what v is, given z."""
    inverse = Taylor.along(0, [(-1) ** k / metric ** (k + 1) for k in range(degree + 1)], degree)
    c, d = Taylor.variable(1, overlap, degree), Taylor.variable(2, 1.0, degree)
    alpha = c * inverse
    return alpha, d - c * alpha


def _average(
    key: Key, series: dict[tuple[int, int, int], Array], alpha: Taylor, beta: Taylor, degree: int
) -> Taylor:
    """Return the average of a product, phi^i (phi' v)^j, as a function of K, C and D."""
    i, j = _powers(key)
    alpha, beta = cut(alpha, degree), cut(beta, degree)
    one = Taylor.along(0, [1.0], degree)
    total = one * 0.0
    for p, q, factor in _NORMAL[j]:
        term = Taylor.along(0, series[i, j, p], degree) * float(factor)
        for _ in range(p):
            term = term * alpha
        for _ in range(q):
            term = term * beta
        total = total + term
    return total
