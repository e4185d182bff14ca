"""Whether a step of activations and biases keeps the symplectic form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.theory.hamiltonian._arguments import as_field, as_positive
from nnrg.theory.hamiltonian.dynamics import HamiltonianNet, as_scheme

__all__ = ["SymplecticCheck", "symplectic_check"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SymplecticCheck:
    r"""How far a step is from symplectic.

    Attributes
    ----------
    residual : float
        Largest entry of :math:`J^T \Omega J - \Omega`, J the derivative of the step.
    error : float
        Of the residual, from halving the differences that J is made of.
    determinant : float
        Of J: 1 where volume is kept.
    """

    residual: float
    error: float
    determinant: float

    def __str__(self) -> str:
        return (
            f"|J^T Omega J - Omega| = {self.residual:.2g}, known to {self.error:.1g}; "
            f"det J = {self.determinant:.12g}"
        )


def symplectic_check(
    net: HamiltonianNet,
    phi: npt.ArrayLike,
    beta: npt.ArrayLike,
    *,
    dt: float,
    scheme: str = "alternate",
    difference: float = 1e-3,
) -> SymplecticCheck:
    """Differentiate a step at a point and see whether it keeps the symplectic form.

    Parameters
    ----------
    net : HamiltonianNet
    phi, beta : array_like of shape (n,)
        Where.
    dt : float
    scheme : {"alternate", "simultaneous"}
    difference : float
        Step of the central differences, extrapolated once to zero; exact for linear nets.

    Returns
    -------
    SymplecticCheck

    Raises
    ------
    ArgumentError
        If shapes, `dt` or `difference` are out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.hamiltonian.dynamics import HamiltonianNet
    >>> net = HamiltonianNet(lambda beta: beta, np.tanh)
    >>> check = symplectic_check(net, [0.3, -1.0], [0.5, 0.2], dt=0.1)
    >>> check.residual < 1e-9, round(check.determinant, 9)
    (True, 1.0)
    """
    dt, h = as_positive("dt", dt), as_positive("difference", difference)
    scheme = as_scheme(scheme)
    if not isinstance(net, HamiltonianNet):
        raise ArgumentError(f"net must be a HamiltonianNet, got {shown(net)}")
    n = np.size(phi)
    point = np.concatenate([as_field("phi", phi, (n,)), as_field("beta", beta, (n,))])

    def after(z: Floats) -> Floats:
        return np.concatenate(net.step(z[:n], z[n:], dt, scheme))

    def derivative(width: float) -> Floats:
        shifts = width * np.eye(2 * n)
        return np.stack(
            [(after(point + s) - after(point - s)) / (2 * width) for s in shifts], axis=1
        )

    form = np.block([[np.zeros((n, n)), np.eye(n)], [-np.eye(n), np.zeros((n, n))]])

    def residual(jacobian: Floats) -> float:
        return float(np.abs(jacobian.T @ form @ jacobian - form).max())

    wide, middle, narrow = (derivative(width) for width in (2 * h, h, h / 2))
    once, twice = (4 * middle - wide) / 3, (4 * narrow - middle) / 3
    found = residual(twice)
    return SymplecticCheck(found, abs(found - residual(once)), float(np.linalg.det(twice)))
