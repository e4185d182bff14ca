r"""The law of one layer for two inputs: the Gram matrix :math:`K_{aa}, K_{ab}, K_{bb}`."""

from __future__ import annotations

from itertools import pairwise
from math import atan2, ceil, comb, factorial, pi, sqrt

import numpy as np
import numpy.typing as npt
from numpy.polynomial import hermite_e

from nnrg.activation_functions import Activation
from nnrg.theory._quadrature import legendre_panels
from nnrg.theory.loops._system_size import LayerLaw, layer_law, products
from nnrg.theory.loops._taylor import Taylor, monomials

__all__ = ["pair_layer"]

Array = npt.NDArray[np.float64]

# Standard deviations at which the average ends: products of six fields and Hermite polynomials of
# the eighth degree are below 1e-16 there.
_FAR = 12.0
_NODES, _COARSE = 16, 12
# Panels of the radius, and of the angle between two kinks: of smooth functions, and of those that
# are polynomials in the radius and trigonometric in the angle.
_SMOOTH, _SCALE_INVARIANT = (8, 3), (5, 2)
# The unit of the functions is about 1: panels of the size of two of it resolve them.
_UNIT = 2.0


def pair_layer(
    activation: Activation, sigma_w: float, sigma_b: float, gram: Array, order: int
) -> tuple[LayerLaw, float]:
    """Return the law of the next layer around a Gram matrix, and the error of its averages.

    Parameters
    ----------
    activation : Activation
        With no kink but at zero.
    sigma_w, sigma_b : float
    gram : ndarray of shape (3,)
        K_aa, K_ab, K_bb of this layer at infinite width.
    order : {1, 2}
        Orders of 1/n that the derivatives shall suffice for.

    Returns
    -------
    law : LayerLaw
    error : float
        Largest difference of averages and of their derivatives, in units of the averages and of the
        metric, between two quadratures.
    """
    fine = _law(activation, sigma_w, sigma_b, gram, order, _NODES)
    coarse = _law(activation, sigma_w, sigma_b, gram, order, _COARSE)
    reach = float(max(gram[0], gram[2]))
    worst = 0.0
    for a, b in ((fine.h, coarse.h), (fine.spread, coarse.spread)):
        size = float(np.abs(a[0]).max())
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            # Derivatives in the unit of the metric: some are exactly zero.
            worst = max(worst, float(np.abs(x - y).max()) * reach**k / size)
    return fine, worst


def _law(
    activation: Activation, sigma_w: float, sigma_b: float, gram: Array, order: int, nodes: int
) -> LayerLaw:
    degree = 2 * order
    keys = products(order)
    lower = np.linalg.cholesky(np.array([[gram[0], gram[1]], [gram[1], gram[2]]]))
    largest = 1.0 if activation.slopes else sqrt(max(gram[0], gram[2])) / _UNIT
    panels = _SCALE_INVARIANT if activation.slopes else _SMOOTH
    finer = ceil(max(1.0, largest))
    points, weights = _polar(lower, (panels[0] * finer, panels[1] * finer), nodes)
    z = lower @ points
    first, second = activation(z[0]), activation(z[1])
    powers = [2 * k[0] + k[1] for k in keys], [k[1] + 2 * k[2] for k in keys]
    fields = np.stack([first**p * second**q for p, q in zip(*powers, strict=True)]) * weights
    left = hermite_e.hermevander(points[0], 2 * degree).T
    right = hermite_e.hermevander(points[1], 2 * degree).T
    pairs = [(i, j) for i in range(2 * degree + 1) for j in range(2 * degree + 1 - i)]
    table = np.zeros((len(keys), 2 * degree + 1, 2 * degree + 1))
    table[:, [p[0] for p in pairs], [p[1] for p in pairs]] = (
        fields @ np.stack([left[i] * right[j] for i, j in pairs]).T
    )
    raw = {
        key: _series(table[row], lower, d) * sigma_w ** (2 * sum(key))
        for row, (key, d) in enumerate(keys.items())
    }
    return layer_law(raw, np.full(3, sigma_b**2), degree)


def _series(table: Array, lower: Array, degree: int) -> Taylor:
    r"""Return an average as a function of the Gram matrix.

    :math:`E_{K + \delta} F = E_K \exp(\frac12 \delta_{aa} \partial_a^2 + \delta_{ab} \partial_a
    \partial_b + \frac12 \delta_{bb} \partial_b^2) F`, with the derivatives moved to the Gaussian:
    ``table[i, j]`` is the average of F He_i He_j of the independent variables.
    """
    along, across, alone = (
        1 / lower[0, 0],
        -lower[1, 0] / (lower[0, 0] * lower[1, 1]),
        1 / lower[1, 1],
    )
    coefficients = np.empty(len(monomials(degree)))
    for place, (i, j, k) in enumerate(monomials(degree)):
        p, q = 2 * i + j, j + 2 * k
        total = sum(
            comb(p, m) * along ** (p - m) * across**m * table[p - m, m + q] for m in range(p + 1)
        )
        factor = 2.0 ** (i + k) * factorial(i) * factorial(j) * factorial(k)
        coefficients[place] = total * alone**q / factor
    return Taylor(coefficients, degree)


def _polar(lower: Array, panels: tuple[int, int], nodes: int) -> tuple[Array, Array]:
    """Return nodes, shape (2, n), and weights of an average over two independent variables.

    In polar coordinates, for the kinks of both functions are rays from the origin.
    """
    ray = atan2(-lower[1, 0], lower[1, 1])
    rays = np.sort(np.mod([pi / 2, -pi / 2, ray, ray + pi], 2 * pi))
    sectors = np.append(rays, rays[0] + 2 * pi)
    parts = [np.linspace(a, b, panels[1] + 1) for a, b in pairwise(sectors)]
    angles = np.unique(np.concatenate(parts))
    radii = np.linspace(0, _FAR, panels[0] + 1)
    theta, in_angle = (a.ravel() for a in legendre_panels(angles, nodes))
    r, in_radius = (a.ravel() for a in legendre_panels(radii, nodes))
    points = np.stack([np.outer(r, np.cos(theta)).ravel(), np.outer(r, np.sin(theta)).ravel()])
    weights = np.outer(in_radius * r * np.exp(-r * r / 2) / (2 * pi), in_angle).ravel()
    return points, weights
