"""Integrals over a ball of momenta, |p| < cutoff, of powers of the free propagator."""

from __future__ import annotations

from math import asinh, ceil, log1p, pi

import numpy as np
import numpy.typing as npt

__all__ = ["spectral_integral"]

Floats = npt.NDArray[np.float64]

# Gauss-Legendre nodes of one panel, which holds at most so many radians of the fastest wave.
_NODES = 20
_RADIANS = 6.0
# More distances than this are interpolated: the integral is an entire function of the distance.
_DIRECT = 400


def spectral_integral(
    r: npt.ArrayLike, mass: float, cutoff: float, dimension: int, power: float = 1.0
) -> tuple[Floats, float]:
    r"""Return the Fourier transform of (p^2 + m^2)^-power from the ball |p| < cutoff.

    .. math:: I(r) = \int_{|p| < \Lambda} \frac{d^d p}{(2 \pi)^d}
              \frac{e^{i p \cdot r}}{(p^2 + m^2)^s} .

    Parameters
    ----------
    r : array_like
        Distances, of any shape.
    mass, cutoff : float
        m > 0 and :math:`\Lambda > 0`, in the inverse unit of `r`.
    dimension : int
        1 or 2.
    power : float
        s, dimensionless.

    Returns
    -------
    ndarray of the shape of `r`, float
        The integral, and the largest difference that twice as many panels make to it.
    """
    distances = np.abs(np.asarray(r, dtype=np.float64))
    far = float(distances.max(initial=0.0))
    panels = 4 + ceil(cutoff * far * (1 + asinh(cutoff / mass)) / _RADIANS)

    def integral(at: Floats, n: int) -> Floats:
        return _integral(at, mass, cutoff, dimension, power, n)

    if distances.size <= _DIRECT:
        fine = integral(distances.ravel(), 2 * panels)
        coarse = integral(distances.ravel(), panels)
        return fine.reshape(distances.shape), float(np.abs(fine - coarse).max(initial=0.0))
    # Bessel coefficients of a wave fall off beyond its phase.
    degree = 30 + ceil(cutoff * far)
    chebyshev = np.polynomial.chebyshev.Chebyshev.interpolate(
        lambda at: integral(at, 2 * panels), degree, domain=[0.0, far]
    )
    probe = far * (0.5 + 0.5 * np.cos(np.arange(9) + 0.3))
    error = float(np.abs(chebyshev(probe) - integral(probe, panels)).max())
    return np.asarray(chebyshev(distances)), error


def _integral(
    r: Floats, mass: float, cutoff: float, dimension: int, power: float, panels: int
) -> Floats:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    # p = m sinh t, or p^2 + m^2 = m^2 e^t, spreads the momenta evenly over all scales.
    end = asinh(cutoff / mass) if dimension == 1 else log1p((cutoff / mass) ** 2)
    width = end / panels
    t = (width * (np.arange(panels)[:, None] + 0.5 * (1 + nodes))).ravel()
    step = np.tile(0.5 * width * weights, panels)
    phase: Floats
    if dimension == 1:
        p, measure = mass * np.sinh(t), step * mass * np.cosh(t) / pi
        phase = np.multiply.outer(r, p)
        waves = np.cos(phase, out=phase)
    else:
        from scipy.special import j0

        p, measure = mass * np.sqrt(np.expm1(t)), step * mass**2 * np.exp(t) / (4 * pi)
        phase = np.multiply.outer(r, p)
        waves = j0(phase, out=phase)
    return np.asarray(waves @ (measure * (p * p + mass * mass) ** -power))
