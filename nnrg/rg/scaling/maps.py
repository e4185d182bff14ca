"""RG maps as functions of the couplings: their fixed points and linearisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.scaling._jacobian import RGMap, jacobian

__all__ = [
    "FixedPointOfMap",
    "Linearisation",
    "RGMap",
    "fixed_point_of_map",
    "linearise",
]

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]


@dataclass(frozen=True, slots=True, eq=False)
class Linearisation:
    """The derivative of an RG map at a point, with its eigenvalues and eigenvectors.

    Attributes
    ----------
    couplings : array of shape (n,)
        Where the map was differentiated.
    b : float
        Length factor of the map.
    matrix : array of shape (n, n)
        T_ij = d g'_i / d g_j, in the units of the couplings.
    eigenvalues : complex array of shape (n,)
        By decreasing modulus.
    right, left : complex arrays of shape (n, n)
        Column i of `right` is the direction of a scaling operator, row i of `left` the combination
        of couplings that is its scaling field; ``left @ right`` is the unit matrix.
    """

    couplings: Array
    b: float
    matrix: Array
    eigenvalues: Complex
    right: Complex
    left: Complex

    def __post_init__(self) -> None:
        for array in (self.couplings, self.matrix, self.eigenvalues, self.right, self.left):
            array.flags.writeable = False

    @property
    def exponents(self) -> Array:
        """RG eigenvalues y_i = ln|eigenvalue_i| / ln b, dimensionless; relevant where positive."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.abs(self.eigenvalues)) / np.log(self.b))

    def __str__(self) -> str:
        place = ", ".join(f"{g:.10g}" for g in self.couplings)
        rows = [
            f"  y = {y:.10g}" + ("  (one of a complex pair)" if e.imag else "")
            for y, e in zip(self.exponents, self.eigenvalues, strict=True)
        ]
        return "\n".join([f"g = ({place}), b = {self.b:.6g}", *rows])


@dataclass(frozen=True, slots=True, eq=False)
class FixedPointOfMap(Linearisation):
    """A fixed point of an RG map with the map linearised there.

    Attributes
    ----------
    residual : float
        Largest |g'_i - g_i|, in the units of the couplings.
    """

    residual: float


def linearise(rg_map: RGMap, couplings: npt.ArrayLike, *, b: float) -> Linearisation:
    r"""Differentiate an RG map and find the eigenvalues of its derivative.

    Parameters
    ----------
    rg_map : callable
        Takes couplings of shape (n,) and returns those after one step, of the same shape.
    couplings : array_like of shape (n,)
        Where to differentiate.
    b : float
        Length factor of the map, above 1.

    Returns
    -------
    Linearisation

    Raises
    ------
    ArgumentError
        If the couplings, the map or `b` are not usable.
    AnalysisError
        If the map is not finite near the point.

    Notes
    -----
    :math:`y_i = \ln \lambda_i / \ln b`. A map that takes complex numbers is differentiated by the
    complex step, Im g'(g + i 1e-30) / 1e-30, exact to rounding (W. Squire and G. Trapp, SIAM
    Review 40 (1998) 110, doi:10.1137/S003614459631241X); any other one by central differences
    extrapolated to step zero, good to about ten digits.

    Examples
    --------
    >>> linearise(lambda g: 2.0 * g, [0.0], b=2.0).exponents.tolist()
    [1.0]
    """
    point, step = _checked(rg_map, couplings, b)
    return Linearisation(point, step, *_decomposed(jacobian(rg_map, point)))


def fixed_point_of_map(
    rg_map: RGMap, start: npt.ArrayLike, *, b: float, tolerance: float = 1e-10
) -> FixedPointOfMap:
    r"""Find a fixed point of an RG map near `start`, and linearise the map there.

    Parameters
    ----------
    rg_map : callable
        Takes couplings of shape (n,) and returns those after one step.
    start : array_like of shape (n,)
        Where the search begins: the fixed point that is found depends on it.
    b : float
        Length factor of the map, above 1.
    tolerance : float
        Largest :math:`|g'_i - g_i|` accepted, relative to :math:`\max(1, |g_i|)`.

    Returns
    -------
    FixedPointOfMap

    Raises
    ------
    ArgumentError
        If the start, the map or `b` are not usable.
    AnalysisError
        If no fixed point is found.

    Notes
    -----
    g' - g = 0 by Powell's hybrid method with the derivative of `linearise`.

    Examples
    --------
    The two-dimensional Ising model by the Migdal-Kadanoff map:

    >>> from nnrg.rg.scaling.ising_maps import migdal_kadanoff
    >>> print(fixed_point_of_map(migdal_kadanoff, [0.3], b=2))
    g = (0.3046889317), b = 2
      y = 0.7472357189
    """
    from scipy.optimize import root

    point, step = _checked(rg_map, start, b)
    with np.errstate(all="ignore"):  # a step of the search may leave the domain of the map
        found = root(
            lambda g: np.asarray(rg_map(g), dtype=np.float64) - g,
            point,
            jac=lambda g: jacobian(rg_map, g) - np.eye(point.size),
            options={"xtol": 1e-15},
        ).x
        residual = np.abs(np.asarray(rg_map(found), dtype=np.float64) - found)
    if not np.all(residual <= tolerance * np.maximum(1.0, np.abs(found))):
        raise AnalysisError(
            f"no fixed point within {tolerance:g} was found from {point.tolist()}: the search "
            f"ended at {found.tolist()}; start it elsewhere"
        )
    return FixedPointOfMap(
        found, step, *_decomposed(jacobian(rg_map, found)), residual=float(residual.max())
    )


def _checked(rg_map: RGMap, couplings: npt.ArrayLike, b: float) -> tuple[Array, float]:
    if not callable(rg_map):
        raise ArgumentError(
            f"rg_map must be a function of the couplings, got {type(rg_map).__name__}"
        )
    step = as_real("b", b, hint="give the length factor of the map")
    if step <= 1:
        raise ArgumentError(f"b must be above 1, got {step}; give the length factor of the map")
    try:
        point = np.atleast_1d(np.array(couplings, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"couplings must be real numbers, got {couplings!r}") from error
    if point.ndim != 1 or point.size == 0 or not np.isfinite(point).all():
        raise ArgumentError(
            f"couplings must be finite numbers of shape (n,), got shape {point.shape}"
        )
    moved = np.asarray(rg_map(point))
    if moved.shape != point.shape or moved.dtype.kind not in "fiu":
        raise ArgumentError(
            f"the map must return real numbers of shape {point.shape}, got {moved.dtype} of shape "
            f"{moved.shape}"
        )
    return point, step


def _decomposed(matrix: Array) -> tuple[Array, Complex, Complex, Complex]:
    values, right = np.linalg.eig(matrix)
    order = np.argsort(-np.abs(values), kind="stable")
    values, right = values[order].astype(complex), right[:, order].astype(complex)
    # A matrix without a full set of eigenvectors has no inverse here.
    try:
        left = np.linalg.inv(right)
    except np.linalg.LinAlgError:
        left = np.full_like(right, np.nan)
    return matrix, values, right, left
