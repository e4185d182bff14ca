"""Exact samples of Dyson's hierarchical model, whose block-spin recursion closes."""

from __future__ import annotations

from math import log2

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real
from nnrg.errors import ArgumentError
from nnrg.simulate._hierarchy import Level, first_level, next_level

__all__ = ["hierarchical"]

Floats = npt.NDArray[np.float64]


def hierarchical(
    length: int,
    n_samples: int,
    *,
    r: float,
    u: float = 0.0,
    stiffness: float = 1.0,
    sigma: float = 0.6,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> Floats:
    r"""Draw independent samples of Dyson's hierarchical model with a phi^4 potential.

    Parameters
    ----------
    length : int
        Sites, a power of two of at most 2^20.
    n_samples : int
        Number of samples.
    r, u : float
        Couplings of the potential, dimensionless; u > 0, or u = 0 < r.
    stiffness : float
        Z > 0, dimensionless.
    sigma : float
        0 < sigma < 1: couplings fall like distance to the power -(1 + sigma). The Gaussian fixed
        point is stable for sigma < 1/2.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        Source of randomness.

    Returns
    -------
    ndarray of shape (n_samples, length)
        The field, dimensionless. Blocks are of two neighbours, of two such pairs, and so on.

    Raises
    ------
    ArgumentError
        If a size or a coupling is out of range.

    Notes
    -----
    .. math:: S = \sum_x \Big( \tfrac r2 \phi_x^2 + \tfrac u{24} \phi_x^4 \Big) + \tfrac Z2
              \sum_{k \ge 1} 2^{(1-\sigma) k} \sum_{B \in k} t_B^2 ,

    with :math:`t_B` half the difference between the means of the two halves of block B, of
    :math:`2^k` sites. As :math:`2 t^2 = m_1^2 + m_2^2 - 2 m^2` for the means of the halves and of
    the whole, this is the model of F. J. Dyson, Commun. Math. Phys. 12 (1969) 91,
    doi:10.1007/BF01645907. The weight of a block with mean m obeys

    .. math:: p_{k+1}(m) = \int dt\, p_k(m + t)\, p_k(m - t)\, e^{-Z 2^{(1-\sigma)(k+1)} t^2 / 2},

    the integrand of which is the law of t given m: the mean of all sites is drawn first, then the
    difference of its halves, and so on down to the sites. Of a free field,
    :math:`\langle t_B^2 \rangle^{-1} = 2^k r + 2^{(1-\sigma)k} Z`, and the dimension of the field
    is :math:`\Delta = (1 - \sigma) / 2`. With u > 0 the recursion is done by quadrature; the
    relative error of the density, the only bias, is below 1e-6.

    Examples
    --------
    >>> field = hierarchical(64, 2000, r=0.5, u=6.0, rng=1)
    >>> field.shape, round(float(field.var()), 2)
    ((2000, 64), 0.47)
    """
    length = as_count("length", length, 1, 1 << 20)
    n_samples = as_count("n_samples", n_samples)
    if length & (length - 1):
        raise ArgumentError(f"length must be a power of two, got {length}; try 1024")
    r, u = as_real("r", r), as_real("u", u)
    stiffness, sigma = as_real("stiffness", stiffness), as_real("sigma", sigma)
    if not (u > 0 or (u == 0 and r > 0)) or stiffness <= 0 or not 0 < sigma < 1:
        raise ArgumentError(
            "u > 0, or u = 0 < r, stiffness > 0 and 0 < sigma < 1 are needed, got "
            f"r={r}, u={u}, stiffness={stiffness} and sigma={sigma}"
        )
    n_levels = round(log2(length))
    couplings = [stiffness * 2 ** ((1 - sigma) * k) for k in range(1, n_levels + 1)]
    generator = np.random.default_rng(as_seed(rng))
    if u == 0:
        return _free(r, couplings, n_samples, generator)
    levels = [first_level(r, u)]
    for coupling in couplings:
        levels.append(next_level(levels[-1], coupling))
    return _descend(levels, n_samples, generator)


def _free(
    r: float, couplings: list[float], n_samples: int, generator: np.random.Generator
) -> Floats:
    n = len(couplings)
    means = generator.normal(0.0, (r * 2**n) ** -0.5, (n_samples, 1))
    for k in range(n, 0, -1):
        spread = (r * 2**k + couplings[k - 1]) ** -0.5
        means = _halves(means, generator.normal(0.0, spread, means.shape))
    return means


def _descend(levels: list[Level], n_samples: int, generator: np.random.Generator) -> Floats:
    means = levels[-1].means(n_samples, generator)[:, None]
    for level in reversed(levels[1:]):
        difference = level.differences(means.ravel(), generator)
        means = _halves(means, difference.reshape(means.shape))
    return means


def _halves(means: Floats, difference: Floats) -> Floats:
    """Return the means of the two halves of each block, in order."""
    both = np.stack([means + difference, means - difference], axis=2)
    return both.reshape(len(means), -1)
