"""Frequencies of any weights under the alternating steps of activations and biases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.theory.hamiltonian._arguments import as_positive, as_square, is_symmetric

__all__ = ["ModeFrequencies", "mode_frequencies"]


@dataclass(frozen=True, slots=True)
class ModeFrequencies:
    """Frequencies of any weights under alternating steps.

    Attributes
    ----------
    eigenvalues : complex array of shape (n,)
        Of M, ascending by real part; what is not told from zero is zero.
    omega : complex array of shape (n,)
        With Im >= 0: each mode goes as exp(+-i omega t), and one of the two grows at Im omega.
    dt : float
    """

    eigenvalues: npt.NDArray[np.complex128]
    omega: npt.NDArray[np.complex128]
    dt: float

    @property
    def growth_rate(self) -> float:
        """Largest imaginary part: 0 for waves."""
        return float(self.omega.imag.max())

    def __str__(self) -> str:
        growing = int(np.sum(self.omega.imag > 1e-10 * np.abs(self.omega).max()))
        return (
            f"{self.omega.size} modes at dt = {self.dt:g}: frequencies {self.omega.real.min():.6g} "
            f"to {self.omega.real.max():.6g}, {growing} growing, the fastest at rate "
            f"{self.growth_rate:.6g}"
        )


def mode_frequencies(weights: npt.ArrayLike, *, dt: float) -> ModeFrequencies:
    r"""Return the frequencies of :math:`\phi_{n+1} - 2\phi_n + \phi_{n-1} = -\Delta t^2 M \phi_n`.

    Parameters
    ----------
    weights : array_like of shape (n, n)
        M.
    dt : float

    Returns
    -------
    ModeFrequencies

    Raises
    ------
    ArgumentError
        If the weights are not square or `dt` is not positive.
    NonFiniteError
        If a weight is not finite.

    Notes
    -----
    :math:`\frac{4}{\Delta t^2}\sin^2\frac{\omega \Delta t}{2} = \lambda`. Waves need a symmetric,
    positive M: an antisymmetric part makes eigenvalues, and so omega, complex.

    Examples
    --------
    >>> from nnrg.theory.hamiltonian.klein_gordon import KleinGordonLattice
    >>> ring = KleinGordonLattice(8, mass=0.0, dt=0.1)
    >>> mode_frequencies(ring.weights().toarray(), dt=0.1).growth_rate
    0.0
    """
    m, dt = as_square("weights", weights), as_positive("dt", dt)
    # Taken for general, a matrix symmetric but for rounding has waves that seem to grow.
    found = np.linalg.eigvalsh(m) if is_symmetric(m) else np.linalg.eigvals(m)
    values = found.astype(np.complex128)
    values = values[np.argsort(values.real, kind="stable")]
    rounding = len(m) * np.finfo(np.float64).eps * np.abs(values).max()
    values[np.abs(values) <= rounding] = 0
    omega = 2 / dt * np.arcsin(0.5 * dt * np.sqrt(values))
    omega = np.where(omega.imag < 0, -omega, omega)
    return ModeFrequencies(values, omega.astype(np.complex128), dt)
