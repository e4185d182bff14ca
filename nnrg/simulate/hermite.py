"""Fields that are nonlinear functions of long-range Gaussian ones, with a non-Gaussian limit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.simulate.gaussian import fractional_gaussian_noise

__all__ = ["rosenblatt"]


def rosenblatt(
    length: int,
    n_samples: int,
    *,
    decay: float,
    rng: np.random.Generator | int | None = None,
) -> npt.NDArray[np.float64]:
    r"""Draw fields whose block means converge to the Rosenblatt law, not to a normal one.

    Parameters
    ----------
    length : int
        Sites of each sample.
    n_samples : int
        Number of independent samples.
    decay : float
        D, the power with which the underlying Gaussian correlation falls, 0 < D < 1/2.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    ndarray of shape (n_samples, length)
        The field, dimensionless, of zero mean and unit variance.

    Raises
    ------
    ArgumentError
        If a size is not positive or `decay` is out of range.

    Notes
    -----
    .. math:: \phi_x = (X_x^2 - 1) / \sqrt2

    is the second Hermite polynomial of fractional Gaussian noise X with H = 1 - D/2 and
    correlation matrix R. The sum of b sites has cumulants :math:`\kappa_n = 2^{n/2 - 1} (n-1)!\,
    \mathrm{tr} R_b^n`, exactly. With :math:`\Delta = D` the standardised block mean converges
    to a law with

    .. math:: \lambda_3 = 8 \big[ \tfrac12 (1 - 2D)(1 - D) \big]^{3/2}\,
              \frac{2\, B(1-D, 1-D)}{(1 - D)(2 - 3D)} ,

    2.770, 2.548 and 1.183 at D = 0.1, 0.2 and 0.4, up to terms of relative order
    :math:`b^{2D - 1}` (M. S. Taqqu, Z. Wahrscheinlichkeitstheorie verw. Geb. 31 (1975) 287,
    doi:10.1007/BF00532868; M. S. Veillette and M. S. Taqqu, Bernoulli 19 (2013) 982,
    doi:10.3150/12-BEJ421).

    Examples
    --------
    >>> phi = rosenblatt(256, 500, decay=0.2, rng=1)
    >>> bool(abs(phi.var() - 1) < 0.1), bool((phi.mean(axis=1) ** 3).mean() > 0)
    (True, True)
    """
    if not 0 < decay < 0.5:
        raise ArgumentError(
            f"decay must lie between 0 and 1/2, got {decay}; above 1/2 block means become normal"
        )
    noise = fractional_gaussian_noise(length, n_samples, hurst=1 - decay / 2, rng=rng)
    return np.asarray((noise * noise - 1) / np.sqrt(2))
