"""Exact elimination of the modes inside blocks from a quadratic form, and one loop beyond it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.lattice import Lattice

__all__ = ["Elimination", "block_modes", "block_support", "eliminate", "inverse_kernel"]

Array = npt.NDArray[np.float64]

# Beyond this the inverse holds fewer than four digits.
_WORST = 1e12
# A mode of blocks is one of the support if more than this share of its square is there.
_INSIDE = 0.5
# Numbers of a table of pairs of sites that is held at once.
_AT_ONCE = 1 << 21


@dataclass(frozen=True, slots=True, eq=False)
class Elimination:
    """What is left of a kernel on N sites for n block modes.

    Attributes
    ----------
    kernel : array of shape (n, n)
        The Schur complement.
    response : array of shape (N, n)
        Where the weights lie for a given block field: the field itself and what follows it.
    fast : array of shape (N, N)
        Covariance of the eliminated modes, at unit temperature.
    """

    kernel: Array
    response: Array
    fast: Array

    def loop(self, inputs: Array, third: Array, fourth: Array) -> Array:
        r"""Return the correction of first order in the temperature to the kernel, shape (n, n).

        .. math:: \tfrac12 [V_4 G - V_3 G V_3 G - V_3 G (V_3 G)]

        with two legs open, G the covariance of the eliminated modes; in the last term, a tadpole,
        both are legs of one vertex.
        """
        n_blocks = self.response.shape[1]
        if not np.any(self.fast):
            return np.zeros((n_blocks, n_blocks))
        dressed = inputs @ self.response
        towards = inputs @ self.fast
        spread = np.einsum("ai,ai->a", towards, inputs)
        weights = fourth * spread
        cubic = bool(np.any(third))
        if cubic:
            weights = weights - third * (towards @ (inputs.T @ (third * spread))) / len(inputs)
        out = (dressed * weights[:, None]).T @ dressed / (2 * len(inputs))
        if cubic:
            out -= self._exchange(inputs, towards, dressed * third[:, None]) / 2
        return np.asarray(out)

    def _exchange(self, inputs: Array, towards: Array, weighted: Array) -> Array:
        """Return sum_ab w_a w_b (x_a G x_b)^2 / P^2 by whichever way has fewer products."""
        (n_samples, n_sites), n_blocks = inputs.shape, weighted.shape[1]
        if n_blocks * n_sites**2 > n_samples * (n_sites + n_blocks):
            squares = (towards @ inputs.T) ** 2
            return np.asarray(weighted.T @ (squares @ weighted) / n_samples**2)
        # V_3 with one leg on blocks: no larger than the data.
        cubic = np.zeros((n_blocks, n_sites**2))
        step = max(1, _AT_ONCE // n_sites**2)
        for start in range(0, n_samples, step):
            x = inputs[start : start + step]
            pairs = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
            cubic += weighted[start : start + step].T @ pairs
        dressed = self.fast @ cubic.reshape(n_blocks, n_sites, n_sites) / n_samples
        flat = dressed.reshape(n_blocks, -1)
        turned = dressed.transpose(0, 2, 1).reshape(n_blocks, -1)
        return np.asarray(flat @ turned.T)


def block_modes(sites: Lattice, factor: int) -> Array:
    """Return the orthonormal block modes, shape (n, N): 1 / sqrt(B) on each block of B sites."""
    labels = np.zeros(sites.shape, dtype=np.intp)
    for a, n in enumerate(sites.shape):
        place = (np.arange(n) // factor).reshape(*(-1 if i == a else 1 for i in range(labels.ndim)))
        labels = labels * (n // factor) + place
    count = int(labels.max()) + 1
    out = np.zeros((count, sites.n_sites))
    out[labels.ravel(), np.arange(sites.n_sites)] = factor ** (-sites.dimension / 2)
    return out


def block_support(modes: Array, support: Array | None) -> Array:
    """Return orthonormal modes of block fields that lie in the support, shape (n, m).

    Those of which more than half is in the span of the support, (N, m'); all of them for none.
    """
    if support is None:
        return np.eye(len(modes))
    directions, shares, _ = np.linalg.svd(modes @ support, full_matrices=False)
    return np.asarray(directions[:, shares**2 > _INSIDE])


def inverse_kernel(kernel: Array) -> Array:
    """Return the inverse of a positive kernel.

    Raises
    ------
    AnalysisError
        If the kernel is not positive, or singular to rounding.
    """
    values = np.linalg.eigvalsh(kernel)
    if not values[0] > values[-1] / _WORST:
        raise AnalysisError(
            f"modes of curvature {values[0]:.3g} (largest {values[-1]:.3g}) cannot be eliminated; "
            "give weight_decay, or more samples than inputs"
        )
    inverse = np.linalg.inv(kernel)
    return np.asarray((inverse + inverse.T) / 2)


def eliminate(inverse: Array, modes: Array) -> Elimination:
    """Integrate out all that is orthogonal to the modes, given the inverse of the kernel."""
    mixed = inverse @ modes.T
    left = np.linalg.inv(modes @ mixed)
    response = mixed @ left
    # Nothing is left to eliminate where every site is a block, not even rounding.
    fast = inverse - response @ mixed.T if len(modes) < len(inverse) else np.zeros_like(inverse)
    return Elimination((left + left.T) / 2, response, fast)
