"""Averages of products of activations over the hidden preactivations of one neuron."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation
from nnrg.stats._set_partitions import pairings
from nnrg.theory.correlators._orthants import homogeneous_products, is_regular
from nnrg.theory.correlators._refinement import quasi_random, refined, share_at_edge
from nnrg.theory.correlators._rules import MOST_HOMOGENEOUS, MOST_SMOOTH
from nnrg.theory.correlators._sign_products import erf_products
from nnrg.theory.correlators.quadrature import Quadrature
from nnrg.theory.gaussian_averages import gaussian_average, pair_average

__all__ = ["product_averages"]

Floats = npt.NDArray[np.float64]
Tuples = npt.NDArray[np.intp]
Result = tuple[Floats, Floats]

_SINGULAR = 1e-14
_ROUNDING = 4e-16
# Relative error of a product rule above which quasi-random numbers are tried.
_COARSE = 1e-5
# Share of the outermost standard deviation beyond which an average is not known.
_UNSEEN = 1e-3


def product_averages(
    activation: Activation, covariance: Floats, tuples: Tuples, quadrature: Quadrature
) -> tuple[Floats, Floats, str]:
    """Average prod_a phi(z_a) over z ~ N(0, covariance).

    Parameters
    ----------
    activation : Activation
    covariance : array of shape (k, k)
        Positive semidefinite; any rank.
    tuples : int array of shape (m, r)
        Which of the k variables are the factors; r even.
    quadrature : Quadrature

    Returns
    -------
    values, errors : arrays of shape (m,)
        Errors are bounds by refinement, or one standard deviation where quasi-random.
    method : str
    """
    known = activation.name if activation.code >= 0 else ""  # a callable may have any name
    if known == "linear":
        return (*_pairings(covariance, tuples), "closed form")
    if known in ("sin", "cos"):
        return (*_waves(covariance, tuples, known == "sin"), "closed form")
    rows = _factor(covariance)
    rank = rows.shape[1]
    if known == "erf" and (rank > 2 or tuples.shape[1] == 2):
        values, errors = erf_products(covariance, tuples, quadrature.tolerance)
        if tuples.shape[1] == 2:
            return values, errors, "closed form"
        return values, errors, f"{tuples.shape[1] // 2 - 1}-dimensional quadrature"
    homogeneous = activation.slopes is not None
    if activation.kinks and not homogeneous and (rank == 1 or tuples.shape[1] == 2):
        adaptive = _one_variable if rank == 1 else _two_variables
        return adaptive(activation, rows, tuples, quadrature.tolerance)
    if rank <= (MOST_HOMOGENEOUS if homogeneous else MOST_SMOOTH):
        return _by_rules(activation, rows, tuples, quadrature)
    supports = _supports(tuples)
    if len(supports) > 1 or supports[0][0].size < len(covariance):
        return _by_support(activation, covariance, tuples, quadrature, supports)
    if homogeneous and is_regular(covariance):
        found = homogeneous_products(activation, covariance, tuples, quadrature.tolerance)
        return (*found, f"{len(covariance) // 2 - 1}-dimensional quadrature")
    return (*quasi_random(activation, rows, tuples, quadrature), "quasi-random")


def _by_support(
    activation: Activation,
    covariance: Floats,
    tuples: Tuples,
    quadrature: Quadrature,
    supports: list[tuple[Tuples, Tuples]],
) -> tuple[Floats, Floats, str]:
    """Treat tuples of the same few variables together: fewer of them have a lower rank."""
    values, errors = np.empty(len(tuples)), np.empty(len(tuples))
    methods = []
    for members, at in supports:
        inside = np.searchsorted(members, tuples[at])
        sub = covariance[np.ix_(members, members)]
        values[at], errors[at], method = product_averages(activation, sub, inside, quadrature)
        methods.append(method)
    return values, errors, max(methods, key=lambda m: (m == "quasi-random", m))


def _supports(tuples: Tuples) -> list[tuple[Tuples, Tuples]]:
    """Return the distinct sets of variables and which tuples consist of them."""
    found: dict[tuple[int, ...], list[int]] = {}
    for at, row in enumerate(tuples.tolist()):
        found.setdefault(tuple(sorted(set(row))), []).append(at)
    return [(np.array(m, dtype=np.intp), np.array(a, dtype=np.intp)) for m, a in found.items()]


def _factor(covariance: Floats) -> Floats:
    """Return A of shape (k, rank) with covariance = A A^T."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _SINGULAR * max(values[-1], 0.0) * len(values)
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))


def _pairings(covariance: Floats, tuples: Tuples) -> Result:
    """Wick's theorem."""
    total, size = np.zeros(len(tuples)), np.zeros(len(tuples))
    for pairing in pairings(range(tuples.shape[1])):
        pairs = [covariance[tuples[:, a], tuples[:, b]] for a, b in pairing]
        term = np.prod(pairs, axis=0)
        total += term
        size += np.abs(term)
    return total, _ROUNDING * size


def _waves(covariance: Floats, tuples: Tuples, odd: bool) -> Result:
    """Products of sines or cosines: 2^-r sum over signs s of exp(-s.K.s / 2), with a phase."""
    order = tuples.shape[1]
    total = np.zeros(len(tuples))
    blocks = covariance[tuples[:, :, None], tuples[:, None, :]]
    for tail in product((1.0, -1.0), repeat=order - 1):
        signs = np.array([1.0, *tail])  # the opposite of every sign gives the same
        phase = (-1) ** (order // 2) * np.prod(signs) if odd else 1.0
        total += phase * np.exp(-0.5 * np.einsum("mab,a,b->m", blocks, signs, signs))
    rounding = _ROUNDING * (1 + np.abs(blocks).sum(axis=(1, 2)) / 2)
    return total / 2 ** (order - 1), rounding


def _by_rules(
    activation: Activation, rows: Floats, tuples: Tuples, quadrature: Quadrature
) -> tuple[Floats, Floats, str]:
    """Refine a rule of few dimensions; where it takes too many nodes, do without."""
    rank, order = rows.shape[1], tuples.shape[1]
    homogeneous = activation.slopes is not None
    beyond = 0.0 if homogeneous else share_at_edge(activation, rows, tuples)
    if beyond > quadrature.tolerance and (rank == 1 or order == 2):
        adaptive = _one_variable if rank == 1 else _two_variables
        return adaptive(activation, rows, tuples, quadrature.tolerance)
    values, errors, size = refined(activation, rows, tuples, quadrature)
    if beyond > _UNSEEN:
        # Nothing bounds what lies further out.
        return values, np.full(len(tuples), np.inf), f"{rank}-dimensional quadrature"
    errors = errors + beyond * size
    enough = quadrature.tolerance if order == 2 else max(_COARSE, quadrature.tolerance)
    if homogeneous or np.all(errors <= enough * size):
        return values, errors, f"{max(rank - homogeneous, 0)}-dimensional quadrature"
    if order == 2:
        return _two_variables(activation, rows, tuples, quadrature.tolerance)
    drawn, spread = quasi_random(activation, rows, tuples, quadrature)
    better = spread < errors
    values, errors = np.where(better, drawn, values), np.where(better, spread, errors)
    return values, errors, "quasi-random"


def _one_variable(
    activation: Activation, rows: Floats, tuples: Tuples, tolerance: float
) -> tuple[Floats, Floats, str]:
    """Average over one variable, cut at the kinks of every factor."""
    values, errors = np.empty(len(tuples)), np.empty(len(tuples))
    for at, chosen in enumerate(rows[tuples, 0]):
        cuts = sorted({kink / a for kink in activation.kinks for a in chosen if a})

        def factors(u: Floats, chosen: Floats = chosen) -> Floats:
            return np.asarray(np.prod(activation(u[..., None] * chosen), axis=-1))

        values[at], errors[at] = gaussian_average(factors, 1.0, kinks=cuts, tolerance=tolerance)
    return values, errors, "1-dimensional quadrature"


def _two_variables(
    activation: Activation, rows: Floats, tuples: Tuples, tolerance: float
) -> tuple[Floats, Floats, str]:
    """Average over two variables, one inside the other, each cut at the kinks."""
    first, second = rows[tuples[:, 0]], rows[tuples[:, 1]]
    q1, q2 = (first**2).sum(axis=1), (second**2).sum(axis=1)
    size = np.sqrt(q1 * q2)
    correlation = (first * second).sum(axis=1) / np.where(size > 0, size, 1.0)
    kinks = (activation.kinks, activation.kinks)
    values, errors = pair_average(
        activation,
        activation,
        q1,
        q2,
        np.clip(correlation, -1, 1),
        kinks=kinks,
        tolerance=max(tolerance, 1e-12),
    )
    return values, errors, "2-dimensional quadrature"
