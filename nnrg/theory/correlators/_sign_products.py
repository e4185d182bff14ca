"""Averages of products of signs of Gaussian variables: what erf networks are made of."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from nnrg.theory._quadrature import legendre_panels

__all__ = ["erf_products", "sign_products"]

Floats = npt.NDArray[np.float64]

_NODES = (8, 12, 20, 32, 52)
# Terms of one product, above which a rule is not refined: 20 nodes for eight factors.
_MOST_WORK = 5_000_000_000
# Numbers held at a time by the innermost integral.
_CHUNK = 4_000_000


def erf_products(
    covariance: Floats, tuples: npt.NDArray[np.intp], tolerance: float
) -> tuple[Floats, Floats]:
    r"""Average of products of erf(z) over Gaussian z.

    erf(z) is the average of sign(z + n) over Gaussian n of variance 1/2, so that the average is
    that of signs with 1/2 added to each variance (C. K. I. Williams, Neural Computation 10 (1998)
    1203, for two factors).

    Parameters
    ----------
    covariance : array of shape (k, k)
    tuples : int array of shape (m, r)
    tolerance : float
        Absolute; the products are at most one.

    Returns
    -------
    values, errors : arrays of shape (m,)
    """
    order = tuples.shape[1]
    matrices = covariance[tuples[:, :, None], tuples[:, None, :]] + 0.5 * np.eye(order)
    if order == 2:
        return sign_products(matrices, 1), np.full(len(tuples), 1e-16)
    values, errors = np.zeros(len(tuples)), np.zeros(len(tuples))
    left = np.arange(len(tuples))
    for level, nodes in enumerate(_NODES):
        if level > 1 and _work(order, nodes) > _MOST_WORK:
            break
        found = sign_products(matrices[left], nodes)
        if level:
            errors[left] = np.abs(found - values[left]) + 1e-15
        values[left] = found
        if level:
            left = left[errors[left] > tolerance]
        if left.size == 0:
            break
    return values, errors


def sign_products(matrices: Floats, nodes: int) -> Floats:
    r"""Average of the product of r signs of Gaussian variables, r even.

    Parameters
    ----------
    matrices : array of shape (..., r, r)
        Positive definite covariances R.
    nodes : int
        Of each of the r/2 - 1 nested Gauss-Legendre rules.

    Returns
    -------
    array of shape (...)

    Notes
    -----
    With correlations scaled by t from independence (t = 0) to t = 1, and Price's theorem,

    .. math:: \frac{d}{dt} \langle \textstyle\prod_a s_a \rangle = \sum_{i<j} R_{ij} \frac{2}{\pi
              \sqrt{R_{ii} R_{jj} - t^2 R_{ij}^2}} \langle \prod_{a \ne i, j} s_a
              \rangle_{z_i = z_j = 0} ,

    r - 2 signs of the conditional covariance (R. L. Plackett, Biometrika 41 (1954) 351). With
    t = sin(theta) the integrand stays smooth where variables are nearly equal.
    """
    order = matrices.shape[-1]
    flat = matrices.reshape(-1, order, order)
    deviation = np.sqrt(np.diagonal(flat, axis1=1, axis2=2))
    correlation = flat / (deviation[:, :, None] * deviation[:, None, :])
    step = max(1, _CHUNK // _work(order, nodes))
    parts = [_signs(correlation[i : i + step], nodes) for i in range(0, len(flat), step)]
    return np.concatenate(parts).reshape(matrices.shape[:-2])


def _work(order: int, nodes: int) -> int:
    return 16 if order == 2 else order**2 * nodes * _work(order - 2, nodes)


@cache
def _rule(nodes: int) -> tuple[Floats, Floats]:
    """Nodes t = sin(theta) and weights cos(theta) dtheta on 0 .. pi/2."""
    theta, weight = (x[0] for x in legendre_panels([0.0, np.pi / 2], nodes))
    return np.sin(theta), weight * np.cos(theta)


def _signs(correlation: Floats, nodes: int) -> Floats:
    """Product of signs for correlation matrices of shape (n, r, r)."""
    order = correlation.shape[-1]
    if order == 2:
        return np.asarray(2 / np.pi * np.arcsin(np.clip(correlation[:, 0, 1], -1, 1)))
    t, weight = _rule(nodes)
    total = np.zeros(len(correlation))
    eye = np.eye(order)
    scaled = correlation[:, None] * t[:, None, None]
    scaled = scaled * (1 - eye) + eye
    for i, j in combinations(range(order), 2):
        rest = [a for a in range(order) if a not in (i, j)]
        rho = scaled[..., i, j]
        free = 1 - rho**2
        across = scaled[..., rest, :][..., [i, j]]
        p, q = across[..., 0], across[..., 1]
        # (p, q) times the inverse of [[1, rho], [rho, 1]] times (p, q).
        drop = p[..., :, None] * p[..., None, :] + q[..., :, None] * q[..., None, :]
        mixed = p[..., :, None] * q[..., None, :]
        drop -= rho[..., None, None] * (mixed + np.swapaxes(mixed, -1, -2))
        inner = scaled[..., rest, :][..., rest] - drop / free[..., None, None]
        spread = np.sqrt(np.maximum(np.diagonal(inner, axis1=-2, axis2=-1), 1e-300))
        inner = inner / (spread[..., :, None] * spread[..., None, :])
        below = _signs(inner.reshape(-1, order - 2, order - 2), nodes).reshape(free.shape)
        slope = correlation[:, i, j, None] * 2 / (np.pi * np.sqrt(free))
        total += (slope * below) @ weight
    return total
