"""RG maps of the Ising model in closed form: Migdal-Kadanoff, and decimation of the chain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import ArgumentError

__all__ = ["ising_decimation", "migdal_kadanoff"]


def migdal_kadanoff(
    couplings: npt.ArrayLike, *, b: int = 2, dimension: int = 2
) -> npt.NDArray[np.inexact]:
    r"""Nearest-neighbour Ising coupling after one Migdal-Kadanoff step.

    Parameters
    ----------
    couplings : array_like
        K = J / kT, dimensionless; any shape, complex allowed.
    b : int
        Length factor, at least 2.
    dimension : int
        Number of axes d, at least 1. In one dimension this is decimation, and exact.

    Returns
    -------
    ndarray
        K', of the same shape.

    Raises
    ------
    ArgumentError
        If `b` or `dimension` is out of range.

    Notes
    -----
    Bonds are moved, then sites decimated: :math:`\tanh K' = \tanh^b (b^{d-1} K)` (A. A. Migdal,
    Sov. Phys. JETP 42 (1975) 743; L. P. Kadanoff, Ann. Phys. 100 (1976) 359,
    doi:10.1016/0003-4916(76)90066-X). For b = d = 2 it is :math:`K' = \frac12 \ln \cosh 4K`.

    Examples
    --------
    >>> migdal_kadanoff([0.3, 0.31]).round(6).tolist()
    [0.296844, 0.313637]
    """
    factor = as_count("b", b, 2)
    bonds = factor ** (as_count("dimension", dimension, 1) - 1)
    return np.asarray(np.arctanh(np.tanh(bonds * np.asarray(couplings)) ** factor))


def ising_decimation(couplings: npt.ArrayLike, *, b: int = 2) -> npt.NDArray[np.inexact]:
    r"""Couplings of the one-dimensional Ising chain in a field after decimation, exact.

    Parameters
    ----------
    couplings : array_like of shape (2,)
        :math:`(e^{-2K}, h)` with K = J / kT and h the field over kT, dimensionless; complex
        allowed. The first is zero at zero temperature.
    b : int
        Every b-th site is kept, at least 2.

    Returns
    -------
    ndarray of shape (2,)
        :math:`(e^{-2K'}, h')`.

    Raises
    ------
    ArgumentError
        If there are not two couplings or `b` is below 2.

    Notes
    -----
    The transfer matrix :math:`M_{s s'} = e^{K s s' + h (s + s') / 2}` to the power b is that of
    :math:`K', h'`: :math:`e^{-4K'} = M'_{+-} M'_{-+} / (M'_{++} M'_{--})` and
    :math:`h' = \frac12 \ln (M'_{++} / M'_{--})`. At the fixed point (0, 0) both eigenvalues are b:
    y_t = y_h = 1.

    Examples
    --------
    >>> from nnrg.rg.scaling.maps import fixed_point_of_map
    >>> chain = fixed_point_of_map(lambda g: ising_decimation(g, b=3), [0.0, 0.0], b=3)
    >>> chain.exponents.round(12).tolist()
    [1.0, 1.0]
    """
    factor = as_count("b", b, 2)
    given = np.asarray(couplings)
    if given.shape != (2,):
        raise ArgumentError(f"couplings must be (exp(-2K), h), got an array of shape {given.shape}")
    t, h = given
    # In units of exp(K): nothing overflows at zero temperature.
    step = np.array([[np.exp(h), t], [t, np.exp(-h)]])
    power = np.linalg.matrix_power(step, factor)
    # The two off-diagonal elements are equal, which keeps the root analytic at t = 0.
    bond = power[0, 1] / np.sqrt(power[0, 0] * power[1, 1])
    return np.array([bond, 0.5 * np.log(power[0, 0] / power[1, 1])])
