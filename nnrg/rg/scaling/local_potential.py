"""The Wilson-Fisher fixed point of the local potential approximation in three dimensions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError
from nnrg.stats.estimate import Estimate

__all__ = ["LocalPotential", "local_potential"]

Array = npt.NDArray[np.float64]

# Where the eigenvalues -1/nu and omega of the O(N) models lie, N = 1 to infinity.
_LEADING = (-2.5, -0.9)
_CORRECTION = (0.2, 1.2)
_SOLVED = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class LocalPotential:
    """The fixed-point potential u(rho), rho = phi^2 / 2, of the O(N) model, d = 3.

    Attributes
    ----------
    n_components : int
        N.
    rho, slope : arrays of shape (n_nodes,)
        Where the equation is solved, rho = 0 first, and u'(rho) there; dimensionless, in units
        that absorb the volume factor of the regulator. The last rho is infinite and so is u'.
    nu, omega : Estimate
        Exponents of the correlation length and of the leading correction to scaling. The error is
        that of solving on finitely many nodes, not of the approximation.
    residual : float
        How far the nodes are from solving the equation.
    """

    n_components: int
    rho: Array
    slope: Array
    nu: Estimate
    omega: Estimate
    residual: float

    def __post_init__(self) -> None:
        self.rho.flags.writeable = False
        self.slope.flags.writeable = False

    def __str__(self) -> str:
        return (
            f"local potential approximation, d = 3, N = {self.n_components}, Litim regulator\n"
            f"  nu = {self.nu}\n  omega = {self.omega}"
        )


def local_potential(n_components: int = 1, *, nodes: int = 60) -> LocalPotential:
    r"""Solve the local potential approximation of the O(N) model with the optimised regulator.

    Parameters
    ----------
    n_components : int
        N, at least 1: 1 is the Ising class.
    nodes : int
        Order of the Chebyshev expansion, 30 to 120; the error is told from half as many.

    Returns
    -------
    LocalPotential

    Raises
    ------
    ArgumentError
        If an argument is out of range.
    AnalysisError
        If the equation could not be solved.

    Notes
    -----
    With :math:`w = u'(\rho)` and eta = 0,

    .. math:: \partial_t w = -2 w + \rho w' - \frac{3 w' + 2 \rho w''}{(1 + w + 2 \rho w')^2}
              - (N - 1) \frac{w'}{(1 + w)^2}

    (D. F. Litim, Phys. Rev. D 64 (2001) 105007, doi:10.1103/PhysRevD.64.105007). The solution grows
    as :math:`\rho^2` with corrections in powers of 1/rho, a perturbation of eigenvalue lambda as
    :math:`\rho^{2 + \lambda}`: divided by these powers both are smooth on the half line mapped to
    s = c / (rho + c), and Chebyshev collocation converges exponentially. A perturbation exists
    where the determinant of the linearised equation vanishes: lambda = -1/nu and lambda = omega.

    Examples
    --------
    >>> ising = local_potential()
    >>> f"{ising.nu.value:.10f} {ising.omega.value:.10f}"
    '0.6495617739 0.6557459392'
    """
    n = as_count("n_components", n_components, 1, 10_000)
    order = as_count("nodes", nodes, 30, 120)
    fine, rough = _solve(n, order), _solve(n, order // 2)
    nu, omega = (
        Estimate(value, abs(value - other), flag="" if other > 0 else "unresolved")
        for value, other in zip(fine[3], rough[3], strict=True)
    )
    return LocalPotential(n, fine[0], fine[1], nu, omega, fine[2])


def _solve(n_components: int, order: int) -> tuple[Array, Array, float, tuple[float, float]]:
    from scipy.optimize import root

    chebyshev, derivative = _chebyshev(order)
    s = (1 - chebyshev) / 2  # 1 at rho = 0, 0 at infinity
    d_s = -2 * derivative
    unit = np.eye(order + 1)
    # The minimum of u lies near (N + 2) / 3; nodes gather around four times that.
    minimum = (n_components + 2) / 3
    c = 4 * minimum
    others = n_components - 1

    def operators(power: float) -> tuple[Array, Array, Array]:
        """Return rho d/drho, d/drho and rho d^2/drho^2 of s^-power h, times s^power."""
        scaling = -(s * (1 - s))[:, None] * d_s + np.diag(power * (1 - s))
        first = -(s**2 / c)[:, None] * d_s + np.diag(power * s / c)
        return scaling, first, first @ scaling - first

    scaling, first, second = operators(2.0)
    radial = unit + 2 * scaling  # of w + 2 rho w'
    mixed = 3 * first + 2 * second

    def equation(f: Array) -> Array:
        # Divided by s: at infinity it then fixes the slope of f, where it was trivial.
        loops = (mixed @ f) / (s**2 + radial @ f) ** 2 + others * (first @ f) / (s**2 + f) ** 2
        return np.asarray(-(1 - s) * (d_s @ f) - 2 * f - s**3 * loops)

    # The shape for N = 1 in units of the minimum; Powell's method does the rest for every N.
    with np.errstate(divide="ignore"):
        rho = c * (1 - s) / s
    finite = np.where(s > 0, rho, 0.0) / minimum
    start = np.where(
        s > 0, (-0.186 + 0.087 * finite + 0.016 * finite**2) * s**2, 0.016 * (c / minimum) ** 2
    )
    f = root(equation, start, tol=1e-14).x
    residual = float(np.abs(equation(f)).max())
    if residual > _SOLVED:
        raise AnalysisError(
            f"the local potential of N = {n_components} was not found with {order} nodes: the "
            f"equation is off by {residual:.1e}; try more nodes"
        )
    inside, along = s**2 + radial @ f, s**2 + f

    def linearised(eigenvalue: float) -> Array:
        power = 2 + eigenvalue
        t, d1, d2 = operators(power)
        out = -(1 - s)[:, None] * d_s - power * unit
        out -= (s**3 / inside**2)[:, None] * (3 * d1 + 2 * d2)
        out += (2 * s**3 * (mixed @ f) / inside**3)[:, None] * (unit + 2 * t)
        out -= others * (s**3 / along**2)[:, None] * d1
        out += others * np.diag(2 * s**3 * (first @ f) / along**3)
        return np.asarray(out)

    leading = _eigenvalue(linearised, _LEADING)
    correction = _eigenvalue(linearised, _CORRECTION)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = f / s**2
    ascending = np.argsort(rho)
    return rho[ascending], slope[ascending], residual, (-1 / leading, correction)


def _eigenvalue(matrix: Callable[[float], Array], bracket: tuple[float, float]) -> float:
    """Return the lowest zero of the determinant in the bracket."""
    from scipy.optimize import brentq

    def determinant(eigenvalue: float) -> float:
        sign, size = np.linalg.slogdet(matrix(eigenvalue))
        return float(sign * np.exp(size - scale))

    grid = np.linspace(*bracket, 41)
    scale = float(np.linalg.slogdet(matrix(grid[0]))[1])
    signs = np.sign([determinant(x) for x in grid])
    crossings = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    if crossings.size == 0:
        raise AnalysisError(
            f"no eigenvalue of the local potential lies between {bracket[0]} and {bracket[1]}; try "
            "more nodes"
        )
    at = crossings[0]
    return float(brentq(determinant, grid[at], grid[at + 1], xtol=1e-14, rtol=1e-14))


def _chebyshev(order: int) -> tuple[Array, Array]:
    """Return the Chebyshev points of [-1, 1] and the matrix that differentiates on them."""
    k = np.arange(order + 1)
    points = np.cos(np.pi * k / order)
    weights = np.where((k == 0) | (k == order), 2.0, 1.0) * (-1.0) ** k
    gaps = points[:, None] - points + np.eye(order + 1)
    matrix = np.outer(weights, 1 / weights) / gaps
    # Rows sum to zero: a constant has no derivative.
    return points, matrix - np.diag(matrix.sum(axis=1))
