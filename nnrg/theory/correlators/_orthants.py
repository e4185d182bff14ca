"""Averages of products of rectified Gaussian variables that are linearly independent."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation
from nnrg.theory.correlators._sign_products import sign_products

__all__ = ["homogeneous_products", "is_regular"]

Floats = npt.NDArray[np.float64]
Powers = tuple[int, ...]

_NODES = (12, 20, 32, 52)
_SMALLEST = 1e-5
_ROUNDING = 1e-13
_REMOVED = -1


def is_regular(covariance: Floats) -> bool:
    """Tell whether the correlations are far enough from singular for differences of them."""
    deviation = np.sqrt(np.diag(covariance))
    if not np.all(deviation > 0):
        return False
    return bool(np.linalg.eigvalsh(covariance / np.outer(deviation, deviation))[0] > _SMALLEST)


def homogeneous_products(
    activation: Activation, covariance: Floats, tuples: npt.NDArray[np.intp], tolerance: float
) -> tuple[Floats, Floats]:
    """Average products of phi(z) = a_+ z above zero, a_- z below.

    Parameters
    ----------
    activation : Activation
        With slopes.
    covariance : array of shape (k, k)
        Positive definite.
    tuples : int array of shape (m, r)
    tolerance : float
        Relative to the product of the deviations.

    Returns
    -------
    values, errors : arrays of shape (m,)

    Notes
    -----
    phi^n is a sum of powers of rectified z and -z, so that products are sums over orthants.
    """
    assert activation.slopes is not None
    below, above = activation.slopes
    k = len(covariance)
    sides = [s for s, slope in ((1, above), (-1, below)) if slope]
    signs = list(product(sides, repeat=k))
    powers = [tuple(int(n) for n in np.bincount(row, minlength=k)) for row in tuples]
    size = np.prod(np.sqrt(np.diag(covariance))[tuples], axis=1)
    values, errors = np.zeros(len(tuples)), np.full(len(tuples), np.inf)
    for level, nodes in enumerate(_NODES):
        found = np.zeros(len(tuples))
        for sign in signs:
            moments = _OrthantMoments(covariance * np.outer(sign, sign), nodes)
            slope = [above if s > 0 else -below for s in sign]
            for at, each in enumerate(powers):
                factor = np.prod([a**n for a, n in zip(slope, each, strict=True)])
                found[at] += factor * moments.of(each)
        if level:
            errors = np.abs(found - values) + _ROUNDING * size
        values = found
        if np.all(errors <= tolerance * size):
            break
    return values, errors


class _OrthantMoments:
    """Averages of powers of Gaussian variables over the orthant where all are positive."""

    def __init__(self, covariance: Floats, nodes: int) -> None:
        self._covariance = covariance
        self._nodes = nodes
        self._known: dict[Powers, float] = {}
        self._conditional: dict[Powers, Floats] = {}

    def of(self, powers: Powers) -> float:
        r"""Return the average of :math:`\prod_{z_a > 0} z_a^{n_a}`; removed variables are zero.

        Integration by parts, :math:`\langle z_a g \rangle = \sum_j R_{aj} \langle \partial_j g
        \rangle`, lowers the powers; at the edge of the orthant a variable is zero and the others
        have their conditional covariance (R. Kan and C. Robotti, J. Comput. Graph. Stat. 26 (2017)
        930).
        """
        if powers not in self._known:
            self._known[powers] = self._lowered(powers)
        return self._known[powers]

    def _lowered(self, powers: Powers) -> float:
        if max(powers) <= 0:
            return self._probability(powers)
        a = int(np.argmax(powers))
        rest = list(powers)
        rest[a] -= 1
        covariance = self._given(powers)
        total = 0.0
        for j, power in enumerate(rest):
            if power == _REMOVED:
                continue
            below = rest.copy()
            below[j] -= 1  # of a variable of power zero: removed
            factor = power if power else 1 / np.sqrt(2 * np.pi * covariance[j, j])
            total += covariance[a, j] * factor * self.of(tuple(below))
        return float(total)

    def _given(self, powers: Powers) -> Floats:
        """Return the covariance where the removed variables are zero."""
        removed = [j for j, power in enumerate(powers) if power == _REMOVED]
        key = tuple(removed)
        if key not in self._conditional:
            c = self._covariance
            across = c[:, removed]
            solved = np.linalg.solve(c[np.ix_(removed, removed)], across.T)
            self._conditional[key] = c - across @ solved
        return self._conditional[key]

    def _probability(self, powers: Powers) -> float:
        """Return the probability of the orthant of what is left: a sum over products of signs."""
        kept = [j for j, power in enumerate(powers) if power != _REMOVED]
        covariance = self._given(powers)
        total = 1.0
        for count in range(2, len(kept) + 1, 2):
            chosen = [covariance[np.ix_(c, c)] for c in combinations(kept, count)]
            total += float(sign_products(np.array(chosen), self._nodes).sum())
        return float(total / 2 ** len(kept))
