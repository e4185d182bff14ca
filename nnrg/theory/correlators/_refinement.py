"""Averages over a few standard normal variables, refined until they agree, or quasi-random."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import Activation
from nnrg.theory.correlators._rules import (
    edge,
    homogeneous_rule,
    n_homogeneous_levels,
    product_rule,
    quasi_random_rule,
)
from nnrg.theory.correlators.quadrature import Quadrature

__all__ = ["quasi_random", "refined"]

Floats = npt.NDArray[np.float64]
Tuples = npt.NDArray[np.intp]
Result = tuple[Floats, Floats]

_ROUNDING = 4e-16
_EXPONENT = 13
# Two differences that fell by more may have done so by chance.
_LEAST_FACTOR = 0.02
# Of the step squared: error of a product rule where there are kinks.
_CORNER = 0.02
# Numbers held at a time, so that they stay in a core's cache, and nodes below which sums of many
# products are slow.
_CHUNK, _FEWEST_NODES = 1 << 17, 1 << 13
_MOST_NODES = 2_000_000
# Step 1/2: coarse, and at most 400 000 nodes in four dimensions.
_EDGE_LEVEL = 2


def refined(
    activation: Activation, rows: Floats, tuples: Tuples, quadrature: Quadrature
) -> tuple[Floats, Floats, Floats]:
    """Refine a rule until its levels agree, relative to Hoelder's bound of each product.

    The error is that of a geometric series of differences between levels: the last difference
    times r / (1 - r), where r is the factor by which the largest of them fell last. The third array
    are the bounds.
    """
    rank, order = rows.shape[1], tuples.shape[1]
    if rank == 0:
        constant = np.full(len(tuples), float(activation(np.zeros(1))[0]) ** order)
        return constant, np.zeros(len(tuples)), np.abs(constant)
    every = _with_diagonals(tuples, len(rows))
    values = scale = np.zeros(len(every))
    before, accuracy = 0.0, np.inf
    for level, (nodes, weights) in enumerate(_levels(activation, rows, order, quadrature)):
        found, size = _weighted_products(activation, rows, every, nodes, weights)
        scale = _hoelder(every, size[len(tuples) :])
        step = np.abs(found - values)
        values = found
        if level:
            largest = float(np.max(step / np.where(scale > 0, scale, 1.0)))
            ratio = largest / before if before > 0 else 1.0
            before = largest
            factor = max(ratio / (1 - ratio), _LEAST_FACTOR) if ratio < 0.9 else 10.0
            accuracy = (factor if level > 1 else 1.0) * largest + _ROUNDING
            if activation.kinks and activation.slopes is None:
                # Nodes may have missed a corner between two kinks altogether.
                accuracy = max(accuracy, _CORNER * 2.0**-level)
        # The first two steps can miss the same oscillation.
        if accuracy <= quadrature.tolerance and (level > 1 or activation.slopes is not None):
            break
    if activation.slopes is not None and n_homogeneous_levels(rank) == 1:
        accuracy = 4 * _ROUNDING  # a rule that is exact
    if not np.isfinite(accuracy):  # not even two levels
        return values[: len(tuples)], np.full(len(tuples), np.inf), scale[: len(tuples)]
    return values[: len(tuples)], accuracy * scale[: len(tuples)], scale[: len(tuples)]


def share_at_edge(activation: Activation, rows: Floats, tuples: Tuples) -> float:
    """Return what the outermost standard deviation of a product rule adds, relative to the whole.

    A function that grows fast has its average where the rule no longer looks, and all levels of the
    rule agree about the rest.
    """
    if activation.code >= 0 or not rows.shape[1]:
        return 0.0  # none that is known by name grows faster than its argument
    every = _with_diagonals(tuples, len(rows))
    rule = product_rule(rows.shape[1], _EDGE_LEVEL, _MOST_NODES)
    assert rule is not None
    nodes, weights = rule
    outer = np.linalg.norm(nodes, axis=1) > edge(rows.shape[1]) - 1
    with np.errstate(over="ignore", invalid="ignore"):
        _, whole = _weighted_products(activation, rows, every, nodes, weights)
        _, part = _weighted_products(activation, rows, every, nodes[outer], weights[outer])
        share = np.divide(part, whole, out=np.zeros_like(whole), where=whole != 0)
    return float(np.max(np.nan_to_num(share, nan=1.0, posinf=1.0)))


def _with_diagonals(tuples: Tuples, k: int) -> Tuples:
    """Add the products of one variable alone: they give the scale of the others."""
    diagonals = np.repeat(np.arange(k)[:, None], tuples.shape[1], axis=1)
    return np.concatenate([tuples, diagonals])


def _hoelder(tuples: Tuples, diagonals: Floats) -> Floats:
    """Return the bound prod_a <|phi_a|^r>^(1/r) on the average of each product."""
    return np.asarray(np.prod((diagonals ** (1 / tuples.shape[1]))[tuples], axis=1))


def _levels(
    activation: Activation, rows: Floats, order: int, quadrature: Quadrature
) -> Iterator[tuple[Floats, Floats]]:
    rank = rows.shape[1]
    if activation.slopes is not None:
        for level in range(n_homogeneous_levels(rank)):
            yield homogeneous_rule(rows, order, level)
        return
    for level in range(40):
        rule = product_rule(rank, level, quadrature.max_nodes)
        if rule is None:
            return
        yield rule


def _weighted_products(
    activation: Activation, rows: Floats, tuples: Tuples, nodes: Floats, weights: Floats
) -> Result:
    """Return sum_n w_n prod_a phi(z_a) and the same of absolute values, for each tuple."""
    half = tuples.shape[1] // 2
    left, at_left = np.unique(tuples[:, :half], axis=0, return_inverse=True)
    right, at_right = np.unique(tuples[:, half:], axis=0, return_inverse=True)
    signed = np.zeros((len(left), len(right)))
    size = np.zeros_like(signed)
    step = max(_FEWEST_NODES, _CHUNK // (len(rows) + len(left) + len(right)))
    for start in range(0, len(nodes), step):
        phi = activation(rows @ nodes[start : start + step].T)
        first = _products(phi, left) * weights[start : start + step]
        second = _products(phi, right)
        signed += first @ second.T
        size += np.abs(first) @ np.abs(second).T
    where = at_left.ravel(), at_right.ravel()
    return signed[where], size[where]


def _products(phi: Floats, tuples: Tuples) -> Floats:
    out = phi[tuples[:, 0]]
    for column in tuples.T[1:]:
        out *= phi[column]
    return out


def quasi_random(
    activation: Activation, rows: Floats, tuples: Tuples, quadrature: Quadrature
) -> Result:
    """Mean and standard error over independent shifts."""
    degree = None if activation.slopes is None else tuples.shape[1]
    every = _with_diagonals(tuples, len(rows))
    seeds = np.random.SeedSequence(quadrature.seed).spawn(quadrature.shifts)
    means, sizes = np.empty((len(seeds), len(every))), np.empty((len(seeds), len(every)))
    for at, seed in enumerate(seeds):
        nodes, weights = quasi_random_rule(rows.shape[1], _EXPONENT, seed, degree=degree)
        means[at], sizes[at] = _weighted_products(activation, rows, every, nodes, weights)
    spread = means.std(axis=0, ddof=1) / len(seeds) ** 0.5
    # What no node has met may have a probability of one over their number.
    unseen = _hoelder(every, sizes.mean(axis=0)[len(tuples) :]) / (len(seeds) << _EXPONENT + 1)
    kept = slice(len(tuples))
    return means.mean(axis=0)[kept], np.hypot(spread, unseen)[kept]
