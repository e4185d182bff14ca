"""Real matrices of the Dirac equation, and how far given ones are from Clifford's relations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.theory.hamiltonian._arguments import real_array

__all__ = ["CliffordCheck", "clifford_check", "majorana_matrices"]

Floats = npt.NDArray[np.float64]

_ONE = np.eye(2)
_X = np.array([[0.0, 1.0], [1.0, 0.0]])
_Z = np.array([[1.0, 0.0], [0.0, -1.0]])
_TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])


def majorana_matrices(dimension: int) -> tuple[Floats, Floats]:
    r"""Return real :math:`\alpha^i` and :math:`i\beta` in so many dimensions of space.

    Parameters
    ----------
    dimension : int
        1, 2 or 3.

    Returns
    -------
    alpha : array of shape (d, n, n)
        Symmetric; n = 2, 2, 4.
    mass_matrix : array of shape (n, n)
        :math:`i\beta`, antisymmetric, of square -1.

    Raises
    ------
    ArgumentError
        If the dimension is none of these.

    Notes
    -----
    With :math:`\{\alpha^i, \alpha^j\} = 2\delta^{ij}, \{\alpha^i, \beta\} = 0, \beta^2 = 1` the
    generator :math:`-(\alpha^i \partial_i + i \beta m)` is real and antisymmetric, and its square
    is :math:`\nabla^2 - m^2`. Four components in 3 + 1 dimensions are the four types of neurons of
    V. Vanchurin, arXiv:2411.08138. The relations are put in by hand: an antisymmetric weight
    tensor does not have them of itself.

    Examples
    --------
    >>> alpha, mass_matrix = majorana_matrices(3)
    >>> alpha.shape, clifford_check(alpha, mass_matrix).residual
    ((3, 4, 4), 0.0)
    """
    d = as_count("dimension", dimension, 1, 3)
    if d < 3:
        return np.stack([_X, _Z][:d]), _TURN.copy()
    alpha = np.stack([np.kron(_X, _ONE), np.kron(_Z, _ONE), np.kron(_TURN, _TURN)])
    return alpha, np.kron(_TURN, _X)


@dataclass(frozen=True, slots=True)
class CliffordCheck:
    r"""Distances from Clifford's relations, relative to the size of the matrices.

    Attributes
    ----------
    between : float
        Largest :math:`|\{\alpha^i, \alpha^j\}| / 2 |\alpha^i||\alpha^j|`, i < j, spectral norms.
    with_mass : float
        Largest :math:`|\{\alpha^i, i\beta\}| / 2 |\alpha^i||\beta|`.
    squares : float
        Largest distance of :math:`(\alpha^i)^2`, all i, from one positive multiple of 1, and of
        :math:`-(i\beta)^2` from another, relative.
    """

    between: float
    with_mass: float
    squares: float

    @property
    def residual(self) -> float:
        """The largest of the three: 0 for the Dirac equation, of order 1 for any other matrices."""
        return max(self.between, self.with_mass, self.squares)

    def __str__(self) -> str:
        return (
            f"Clifford relations: alpha with alpha {self.between:.2g}, alpha with beta "
            f"{self.with_mass:.2g}, squares {self.squares:.2g}"
        )


def clifford_check(alpha: npt.ArrayLike, mass_matrix: npt.ArrayLike) -> CliffordCheck:
    r"""Tell how far matrices are from :math:`\{\alpha^i, \alpha^j\} = 2c \delta^{ij}` and the rest.

    Parameters
    ----------
    alpha : array_like of shape (d, n, n)
        Of any one scale: :math:`(\alpha^i)^2 = c` for all i is asked for.
    mass_matrix : array_like of shape (n, n)
        :math:`i \beta` times any mass; zero for a massless field.

    Returns
    -------
    CliffordCheck

    Raises
    ------
    ArgumentError
        If shapes do not fit, a number is not finite, or all alpha vanish.

    Examples
    --------
    >>> import numpy as np
    >>> turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> clifford_check(np.eye(2)[None], turn).residual
    1.0
    """
    a = real_array("alpha", "an array", alpha)
    b = real_array("mass_matrix", "a matrix", mass_matrix)
    if a.ndim != 3 or a.shape[1:] != b.shape or b.shape[0] != b.shape[1] or not a.size:
        raise ArgumentError(
            f"alpha must have shape (d, n, n) and mass_matrix (n, n), got {a.shape} and {b.shape}"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all() and a.any()):
        raise ArgumentError("alpha and mass_matrix must be finite, and alpha not all of them zero")
    # Each in units of its own size: the relations ask for no scale.
    a = a / np.abs(a).max()
    b = b / (np.abs(b).max() or 1.0)
    sizes, weight = np.linalg.norm(a, 2, axis=(1, 2)), float(np.linalg.norm(b, 2))
    one = np.eye(len(b))
    # Squares of alpha, and minus that of the mass matrix, are positive: waves, not growth.
    scale = max(float(np.mean([np.trace(m @ m) / len(b) for m in a])), 0.0)
    off = [np.linalg.norm(m @ m - scale * one, 2) / sizes.max() ** 2 for m in a]
    if weight:
        own = max(-float(np.trace(b @ b)) / len(b), 0.0)
        off.append(np.linalg.norm(b @ b + own * one, 2) / weight**2)
    pairs = [
        np.linalg.norm(a[i] @ a[j] + a[j] @ a[i], 2) / (2 * sizes[i] * sizes[j])
        for i in range(len(a))
        for j in range(i)
        if sizes[i] and sizes[j]
    ]
    massive = [
        np.linalg.norm(m @ b + b @ m, 2) / (2 * size * weight)
        for m, size in zip(a, sizes, strict=True)
        if size and weight
    ]
    return CliffordCheck(
        float(max(pairs, default=0.0)), float(max(massive, default=0.0)), float(max(off))
    )
