"""Nodes and weights for averages over a few standard normal variables."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import gamma, pi

import numpy as np
import numpy.typing as npt

from nnrg.theory._quadrature import legendre_panels

__all__ = [
    "MOST_HOMOGENEOUS",
    "MOST_SMOOTH",
    "edge",
    "homogeneous_rule",
    "n_homogeneous_levels",
    "product_rule",
    "quasi_random_rule",
]

Floats = npt.NDArray[np.float64]
Rule = tuple[Floats, Floats]

# Dimensions of which there is a rule without randomness.
MOST_SMOOTH = 4
MOST_HOMOGENEOUS = 3

# Beyond the edge even sixth powers of z have less than 1e-10 of the average.
_EDGE = {1: 9.6, 2: 9.6, 3: 8.4, 4: 8.4}
_ANGULAR = (10, 16, 26, 42)
# Nodes of a rule that is kept for the next average: 16 MB.
_KEPT = 400_000


def edge(dimension: int) -> float:
    """Return how far from zero the nodes of `product_rule` reach."""
    return _EDGE[dimension]


def product_rule(dimension: int, level: int, max_nodes: int) -> Rule | None:
    """Return the trapezoidal rule of step 2^(-level / 2), or None if it has too many nodes.

    For analytic functions it converges exponentially in 1 / step; where there are kinks its
    error falls like the step squared.
    """
    ball = {1: 2.0, 2: pi, 3: 4 * pi / 3, 4: pi**2 / 2}[dimension]
    nodes = ball * (_EDGE[dimension] * 2 ** (level / 2)) ** dimension
    if nodes > max_nodes:
        return None
    return (_kept_rule if nodes <= _KEPT else _trapezoidal_rule)(dimension, level)


def _trapezoidal_rule(dimension: int, level: int) -> Rule:
    step, edge = 2 ** (-level / 2), _EDGE[dimension]
    count = int(edge / step)
    x = np.arange(-count, count + 1, dtype=np.float64) * float(step)
    nodes, exponent = x[:, None], x * x / 2
    for _ in range(dimension - 1):
        # Axis after axis, so that what lies outside the ball is never built.
        total = exponent[:, None] + x * x / 2
        row, column = np.nonzero(total <= edge**2 / 2)
        nodes = np.concatenate([nodes[row], x[column, None]], axis=1)
        exponent = total[row, column]
    weights = np.exp(-exponent)
    weights /= weights.sum()
    for array in (nodes, weights):
        array.flags.writeable = False
    return nodes, weights


_kept_rule = lru_cache(maxsize=8)(_trapezoidal_rule)


def homogeneous_rule(rows: Floats, degree: int, level: int) -> Rule:
    """Return nodes for products of functions that scale with their argument.

    Parameters
    ----------
    rows : array of shape (k, rank)
        z_a = rows[a] . u for standard normal u; each function may have a kink at z_a = 0.
    degree : int
        Number of factors.
    level : int
        0, 1, ... refine the angular rule.

    Notes
    -----
    The average over |u| is a Gamma function. What is left is an integral over directions, cut at
    every z_a = 0, so that on each piece the integrand is analytic; along great circles it is a
    trigonometric polynomial, for which the rule is exact.
    """
    rank = rows.shape[1]
    rows = rows[np.linalg.norm(rows, axis=1) > 0]  # what is always zero cuts nothing
    radial = _radial(rank, degree)
    if rank == 1:
        return np.array([[-1.0], [1.0]]), np.array([0.5, 0.5]) * radial
    if rank == 2:
        angle = np.arctan2(rows[:, 1], rows[:, 0])
        theta, weight = _pieces(np.concatenate([angle + pi / 2, angle - pi / 2]), degree + 8)
        return np.stack([np.cos(theta), np.sin(theta)], axis=1), weight * radial / (2 * pi)
    frame = _frame(rows)
    directions, weight = _sphere(rows @ frame, degree, _ANGULAR[level])
    return directions @ frame.T, weight * radial / (4 * pi)


def n_homogeneous_levels(rank: int) -> int:
    """Return how many refinements there are: rules in one and two dimensions are exact."""
    return 1 if rank < 3 else len(_ANGULAR)


def _pieces(breaks: Floats, nodes: int) -> Rule:
    """Gauss-Legendre rule on the circle, piece by piece between the breaks."""
    cuts = np.unique(np.mod(breaks, 2 * pi))
    theta, weights = legendre_panels(np.append(cuts, cuts[0] + 2 * pi), nodes)
    return theta.ravel(), weights.ravel()


def _frame(rows: Floats) -> Floats:
    """Return axes (columns) of which the last is as far from every z_a = 0 as can be."""
    rank = rows.shape[1]
    poles = np.random.default_rng(0).normal(size=(400, rank))  # a fixed choice of candidates
    poles /= np.linalg.norm(poles, axis=1, keepdims=True)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pole = poles[np.abs(poles @ unit.T).min(axis=1).argmax()]
    axes, _ = np.linalg.qr(np.concatenate([pole[:, None], np.eye(rank)], axis=1))
    return np.ascontiguousarray(axes[:, ::-1])


def _sphere(rows: Floats, degree: int, nodes: int) -> Rule:
    """Rule on the sphere: half great circles between the poles, cut where z_a changes its sign."""
    first, second = np.array(list(combinations(range(len(rows)), 2))).reshape(-1, 2).T
    corners = np.cross(rows[first], rows[second])
    size = np.linalg.norm(corners, axis=1)
    lengths = np.linalg.norm(rows, axis=1)
    corners = corners[size > 1e-9 * lengths[first] * lengths[second]]
    meridians = np.concatenate([np.arctan2(v[:, 1], v[:, 0]) for v in (corners, -corners)])
    level = np.arctan2(rows[:, 1], rows[:, 0])
    breaks = np.concatenate([meridians, level + pi / 2, level - pi / 2])
    theta, weight = _pieces(breaks, nodes)
    equator = np.stack([np.cos(theta), np.sin(theta)], axis=1)
    along = equator @ rows[:, :-1].T
    cuts = np.sort(np.arctan(-along / rows[:, -1]), axis=1)
    ends = np.full((len(equator), 1), pi / 2)
    cuts = np.concatenate([-ends, cuts, ends], axis=1)
    psi, share = (x.reshape(len(equator), -1) for x in legendre_panels(cuts, degree + 8))
    share = share * np.cos(psi) * weight[:, None]
    across = np.cos(psi)[:, :, None] * equator[:, None, :]
    directions = np.concatenate([across, np.sin(psi)[:, :, None]], axis=2)
    return directions.reshape(-1, 3), share.ravel()


def quasi_random_rule(
    dimension: int, exponent: int, seed: np.random.SeedSequence, *, degree: int | None = None
) -> Rule:
    """Return 2^exponent pairs of opposite nodes of a randomly shifted Sobol sequence.

    With the `degree` of a homogeneous integrand: nodes of unit length, and the average over |u| in
    the weights.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    points = qmc.Sobol(dimension, scramble=False).random_base2(exponent)
    points = np.mod(points + np.random.default_rng(seed).random(dimension), 1.0)
    nodes = ndtri(np.clip(points, 1e-16, 1 - 1e-16))
    nodes = np.concatenate([nodes, -nodes])
    weights = np.full(len(nodes), 1.0 / len(nodes))
    if degree is not None:
        nodes /= np.linalg.norm(nodes, axis=1)[:, None]
        weights *= _radial(dimension, degree)
    return nodes, weights


def _radial(dimension: int, degree: int) -> float:
    """Return the average of |u|^degree."""
    return float(2 ** (degree / 2) * gamma((dimension + degree) / 2) / gamma(dimension / 2))
