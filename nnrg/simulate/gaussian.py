"""Exact samples of Gaussian fields: AR(1), free and long-range fields, fractional noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, irfftn, rfft, rfftn
from scipy.signal import lfilter

from nnrg._random import as_seed
from nnrg.errors import ArgumentError

__all__ = ["ar1", "fractional_gaussian_noise", "gaussian_free_field", "long_range_gaussian"]

Floats = npt.NDArray[np.float64]


def _check_sizes(n_samples: int, *lengths: int) -> None:
    if not lengths or min(n_samples, *lengths) < 1:
        raise ArgumentError(
            "the number of samples and every length must be at least 1, "
            f"got {n_samples} and {lengths}"
        )


def ar1(
    length: int,
    n_samples: int,
    *,
    rho: float,
    rng: np.random.Generator | int | None = None,
) -> Floats:
    r"""Draw stationary first-order autoregressive chains of unit variance.

    Parameters
    ----------
    length : int
        Sites of each chain.
    n_samples : int
        Number of independent chains.
    rho : float
        Correlation of neighbours, -1 < rho < 1; the correlation length is -1 / ln|rho| sites.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    ndarray of shape (n_samples, length)
        The field, dimensionless.

    Raises
    ------
    ArgumentError
        If a size is not positive or `rho` is out of range.

    Notes
    -----
    :math:`\phi_{x+1} = \rho \phi_x + \sqrt{1 - \rho^2}\, \eta_x` with independent normal
    :math:`\eta`, started from its stationary law: :math:`\langle \phi_0 \phi_n \rangle = \rho^n`.

    Examples
    --------
    >>> phi = ar1(1000, 50, rho=0.5, rng=1)
    >>> round(float((phi[:, 1:] * phi[:, :-1]).mean()), 1)
    0.5
    """
    _check_sizes(n_samples, length)
    if not -1 < rho < 1:
        raise ArgumentError(f"rho must lie between -1 and 1, got {rho}; try 0.9")
    noise = np.random.default_rng(as_seed(rng)).standard_normal((n_samples, length))
    noise[:, 1:] *= np.sqrt(1 - rho**2)
    return np.asarray(lfilter([1.0], [1.0, -rho], noise, axis=1))


def gaussian_free_field(
    shape: Sequence[int],
    n_samples: int,
    *,
    mass2: float,
    stiffness: float = 1.0,
    sigma: float = 2.0,
    rng: np.random.Generator | int | None = None,
) -> Floats:
    r"""Draw free fields on a periodic lattice, short-ranged or long-ranged.

    Parameters
    ----------
    shape : sequence of int, length d
        Sites along each axis.
    n_samples : int
        Number of independent fields.
    mass2, stiffness : float
        Couplings r >= 0 and Z >= 0, dimensionless (the lattice spacing is 1), not both zero.
    sigma : float
        Exponent of the momentum, 0 < sigma <= 2: 2 couples nearest neighbours, less gives
        couplings that fall like distance to the power -(d + sigma).
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    ndarray of shape (n_samples, *shape)
        The field, dimensionless. With ``mass2=0`` its mean over sites, which has no finite
        variance, is set to zero.

    Raises
    ------
    ArgumentError
        If a size is not positive or the couplings do not bound the action from below.

    Notes
    -----
    .. math:: S = \frac{1}{2V} \sum_k (r + Z \hat k^\sigma) |\phi_k|^2, \quad
              \hat k^2 = \sum_\mu 4 \sin^2 (k_\mu / 2), \quad G(k) = \frac{1}{r + Z \hat k^\sigma} .

    White noise is filtered by :math:`\sqrt{G(k)}` in momentum space: exact on every lattice.

    Examples
    --------
    >>> phi = gaussian_free_field((32, 32), 100, mass2=1.0, rng=1)
    >>> phi.shape, round(float((phi**2).mean()), 2)
    ((100, 32, 32), 0.25)
    """
    _check_sizes(n_samples, *shape)
    if not (mass2 >= 0 and stiffness >= 0 and mass2 + stiffness > 0 and 0 < sigma <= 2):
        raise ArgumentError(
            "mass2 and stiffness must not be negative nor both zero, and 0 < sigma <= 2, got "
            f"{mass2}, {stiffness} and {sigma}; try mass2=1"
        )
    return _filtered(shape, n_samples, mass2 + stiffness * _squared(shape) ** (sigma / 2), rng)


def long_range_gaussian(
    shape: Sequence[int],
    n_samples: int,
    *,
    sigma: float,
    amplitude: float = 1.0,
    mass2: float = 0.0,
    stiffness: float = 0.0,
    rng: np.random.Generator | int | None = None,
) -> Floats:
    r"""Draw Gaussian fields with long-range and nearest-neighbour couplings on a periodic lattice.

    Parameters
    ----------
    shape : sequence of int, length d
        Sites along each axis.
    n_samples : int
        Number of independent fields.
    sigma : float
        Exponent of the momentum, 0 < sigma < 2: couplings fall like distance to the power
        -(d + sigma).
    amplitude : float
        A > 0 of the long-range couplings, dimensionless (the lattice spacing is 1).
    mass2, stiffness : float
        Couplings r >= 0 and Z >= 0 of the local part, dimensionless.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    ndarray of shape (n_samples, *shape)
        The field, dimensionless. With ``mass2=0`` its mean over sites, which has no finite
        variance, is set to zero.

    Raises
    ------
    ArgumentError
        If a size is not positive or a coupling is out of range.

    Notes
    -----
    .. math:: G(k)^{-1} = r + Z \hat k^2 + A \hat k^\sigma, \quad
              \hat k^2 = \sum_\mu 4 \sin^2 (k_\mu / 2) .

    With r = 0 block means over b sites along each axis flow to a Gaussian fixed point with field
    dimension :math:`\Delta = (d - \sigma) / 2` and eigenvalues :math:`y_2 = \sigma`,
    :math:`y_4 = 2 \sigma - d`; Z is irrelevant there.

    Examples
    --------
    >>> phi = long_range_gaussian((4096,), 20, sigma=0.5, rng=1)
    >>> means = phi.reshape(20, 256, 16).mean(axis=2)
    >>> bool(abs(means.std() * 16**0.25 / phi.std() - 1) < 0.1)  # Delta = 1/4
    True
    """
    _check_sizes(n_samples, *shape)
    if not (amplitude > 0 and mass2 >= 0 and stiffness >= 0 and 0 < sigma < 2):
        raise ArgumentError(
            "amplitude must be positive, mass2 and stiffness not negative, and 0 < sigma < 2, got "
            f"{amplitude}, {mass2}, {stiffness} and {sigma}; try sigma=0.5"
        )
    squared = _squared(shape)
    kernel = mass2 + stiffness * squared + amplitude * squared ** (sigma / 2)
    return _filtered(shape, n_samples, kernel, rng)


def _squared(shape: Sequence[int]) -> Floats:
    """Return the squared lattice momentum, for the half of the momenta that a real field needs."""
    squared = np.zeros(tuple(shape))
    for axis, length in enumerate(shape):
        k = 4 * np.sin(np.pi * np.arange(length) / length) ** 2
        squared += k.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return squared[..., : shape[-1] // 2 + 1]


def _filtered(
    shape: Sequence[int],
    n_samples: int,
    kernel: Floats,
    rng: np.random.Generator | int | None,
) -> Floats:
    """Draw fields of which 1 / G(k) is `kernel`; modes where that is zero are left out."""
    amplitude = np.zeros_like(kernel)
    np.divide(1.0, np.sqrt(kernel), out=amplitude, where=kernel > 0)
    noise = np.random.default_rng(as_seed(rng)).standard_normal((n_samples, *shape))
    axes = range(1, len(shape) + 1)
    return np.asarray(irfftn(rfftn(noise, axes=axes) * amplitude, s=shape, axes=axes))


def fractional_gaussian_noise(
    length: int,
    n_samples: int,
    *,
    hurst: float,
    rng: np.random.Generator | int | None = None,
) -> Floats:
    r"""Draw fractional Gaussian noise: the fixed line of block averaging of Gaussian fields.

    Parameters
    ----------
    length : int
        Sites of each sample.
    n_samples : int
        Number of independent samples.
    hurst : float
        Hurst exponent H, 0 < H < 1; 1/2 is white noise.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    ndarray of shape (n_samples, length)
        The field, dimensionless, of unit variance. Means over b sites times b to the power
        Delta = 1 - H have the same law.

    Raises
    ------
    ArgumentError
        If a size is not positive or `hurst` is out of range.

    Notes
    -----
    :math:`\langle \phi_0 \phi_n \rangle = \frac12 (|n+1|^{2H} - 2 |n|^{2H} + |n-1|^{2H})`,
    :math:`\sim n^{-2 \Delta}`. Sampled exactly as half of a ring of twice the length whose
    covariance is circulant (R. B. Davies and D. S. Harte, Biometrika 74 (1987) 95,
    doi:10.1093/biomet/74.1.95).

    Examples
    --------
    >>> phi = fractional_gaussian_noise(512, 200, hurst=0.8, rng=1)
    >>> round(float(phi.var()), 1)
    1.0
    """
    _check_sizes(n_samples, length)
    if not 0 < hurst < 1:
        raise ArgumentError(f"hurst must lie between 0 and 1, got {hurst}; 0.5 is white noise")
    lag = np.arange(length + 1.0)
    power = 2 * hurst
    covariance = 0.5 * ((lag + 1) ** power - 2 * lag**power + np.abs(lag - 1) ** power)
    # The circulant's eigenvalues are not negative for any H; only rounding can make them so.
    spectrum = np.maximum(rfft(np.concatenate([covariance, covariance[-2:0:-1]])).real, 0.0)
    noise = np.random.default_rng(as_seed(rng)).standard_normal((n_samples, 2 * length))
    filtered = irfft(rfft(noise, axis=1) * np.sqrt(spectrum), n=2 * length, axis=1)
    return np.ascontiguousarray(filtered[:, :length])
