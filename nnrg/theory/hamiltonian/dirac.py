"""The Dirac field on a lattice: neurons whose weights are an antisymmetric tensor."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.theory.hamiltonian._arguments import (
    as_field,
    as_magnitude,
    as_momenta,
    as_positive,
    as_shape,
    momenta,
    new_history,
)
from nnrg.theory.hamiltonian.clifford import majorana_matrices
from nnrg.theory.hamiltonian.gauge import (
    GaugeLinks,
    as_links,
    covariant_differences,
    covariant_laplacian,
)
from nnrg.theory.hamiltonian.klein_gordon import FieldHistory

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

__all__ = ["DiracLattice", "Doublers"]

Floats = npt.NDArray[np.float64]
_METHODS = ("cayley", "exponential")


@dataclass(frozen=True, slots=True)
class Doublers:
    """Minima of the energy at the corners of the Brillouin zone, as many species of particles.

    Attributes
    ----------
    corners : bool array of shape (n_corners, d)
        Which components of k are pi/a.
    gaps : array of shape (n_corners,)
        Energy at each corner.
    """

    corners: npt.NDArray[np.bool_]
    gaps: Floats

    def __post_init__(self) -> None:
        self.corners.flags.writeable = False
        self.gaps.flags.writeable = False

    @property
    def count(self) -> int:
        """Corners as light as the particle at k = 0, that one included: 2^d without Wilson term."""
        return int(np.sum(np.abs(self.gaps - self.gaps[0]) <= 1e-9 * max(1.0, self.gaps.max())))

    def to_dataframe(self) -> pd.DataFrame:
        """Return columns ``turned, corners, gap``: corners with so many components at pi/a."""
        import pandas as pd

        turned = self.corners.sum(axis=1)
        rows = [
            {
                "turned": int(n),
                "corners": int((turned == n).sum()),
                "gap": self.gaps[turned == n][0],
            }
            for n in np.unique(turned)
        ]
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        lines = [f"{self.count} of {len(self.gaps)} corners are as light as k = 0"]
        for row in self.to_dataframe().itertuples():
            lines.append(f"{row.corners} with {row.turned} components at pi/a: gap {row.gap:.6g}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class DiracLattice:
    r"""A periodic lattice of real spinors, :math:`\dot\psi = -(\alpha^i D_i + i\beta M) \psi`.

    Parameters
    ----------
    shape : int or tuple of one to three ints
    mass : float
    spacing : float
        a.
    wilson : float
        r of the Wilson term, which makes the doublers heavy; 0 is the naive lattice.
    dt : float
        Step of time; any is stable.

    Raises
    ------
    ArgumentError
        If an argument is out of range.

    Notes
    -----
    D is the central difference, antisymmetric, :math:`M = m - \frac{ra}{2} \nabla^2`. The weights
    of the step are real and antisymmetric, so :math:`|\psi|^2` is kept, and

    .. math:: \omega^2 = \sum_i \frac{\sin^2 k_i a}{a^2} + \Big(m + \frac ra \sum_i (1 - \cos k_i
              a) \Big)^2 .

    A step is exp(dt A), or Cayley's :math:`(1 - \tfrac{\Delta t}{2} A)^{-1} (1 + \tfrac{\Delta
    t}{2} A)`, whose frequency is :math:`\frac{2}{\Delta t} \arctan \frac{\omega \Delta t}{2}`.
    Euler's step would grow :math:`|\psi|^2` by :math:`1 + \omega^2 \Delta t^2`.

    The Wilson term is a symmetric second difference in space times the antisymmetric
    :math:`i\beta`: still antisymmetric, yet not the product of one first difference and matrices
    that the continuum has (V. Vanchurin, arXiv:2411.08138, for the continuum; the lattice formulas
    are derived here).

    Examples
    --------
    >>> DiracLattice((8, 8, 8), mass=0.0).doublers().count
    8
    >>> DiracLattice((8, 8, 8), mass=0.0, wilson=1.0).doublers().count
    1
    """

    shape: tuple[int, ...]
    mass: float = 0.0
    spacing: float = 1.0
    wilson: float = 0.0
    dt: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", as_shape(self.shape))
        object.__setattr__(self, "mass", as_magnitude("mass", self.mass))
        object.__setattr__(self, "wilson", as_magnitude("wilson", self.wilson))
        object.__setattr__(self, "spacing", as_positive("spacing", self.spacing))
        object.__setattr__(self, "dt", as_positive("dt", self.dt))

    @property
    def dimension(self) -> int:
        """Number of axes of space d."""
        return len(self.shape)

    @property
    def components(self) -> int:
        """Real components of a spinor: 2, 2, 4 types of neurons."""
        return 4 if self.dimension == 3 else 2

    def momenta(self) -> Floats:
        """Return k of each Fourier mode, shape (d, *shape)."""
        return momenta(self.shape, self.spacing)

    def _parts(self, k: npt.ArrayLike | None) -> tuple[Floats, Floats]:
        at = (self.momenta() if k is None else as_momenta(k, self.dimension)) * self.spacing
        # Exactly zero at pi, where the difference of the two neighbours, one site, is.
        slopes = np.where(np.isclose(np.abs(at), np.pi, rtol=1e-14), 0.0, np.sin(at)) / self.spacing
        heavy = self.mass + self.wilson / self.spacing * (1 - np.cos(at)).sum(axis=0)
        return slopes, heavy

    def frequency(self, k: npt.ArrayLike | None = None, method: str = "exponential") -> Floats:
        """Return omega at momenta of shape (d, ...), of exact steps or of Cayley's."""
        slopes, heavy = self._parts(k)
        omega = np.sqrt((slopes**2).sum(axis=0) + heavy**2)
        if _method(method) == "cayley":
            return np.asarray(2 / self.dt * np.arctan(0.5 * self.dt * omega))
        return np.asarray(omega)

    def doublers(self) -> Doublers:
        """Return the gaps at the corners of the Brillouin zone."""
        corners = np.array(list(product((False, True), repeat=self.dimension)))
        k = np.where(corners, np.pi / self.spacing, 0.0).T
        return Doublers(corners, self.frequency(k))

    def weights(self, links: GaugeLinks | None = None) -> csr_array:
        r"""Return the generator A, sparse of shape (n_components n_sites, ...), component first.

        Real and antisymmetric; with links complex and anti-Hermitian, on complex spinors of two
        real ones each.

        Raises
        ------
        ArgumentError
            If the links are those of another lattice.
        """
        from scipy.sparse import csr_array, eye_array, kron

        given = GaugeLinks.free(self.shape) if links is None else as_links(links, self.shape)
        alpha, turn = majorana_matrices(self.dimension)
        sites = int(np.prod(self.shape))
        heavy = self.mass * eye_array(sites)
        if self.wilson:
            heavy = heavy - 0.5 * self.wilson * self.spacing * covariant_laplacian(
                given, self.spacing
            )
        total = -kron(csr_array(turn), heavy, format="csr")
        for matrix, difference in zip(
            alpha, covariant_differences(given, self.spacing), strict=True
        ):
            total = total - kron(csr_array(matrix), difference, format="csr")
        total = csr_array(total)
        total.eliminate_zeros()
        return csr_array(total.real) if links is None else total

    def advance(self, psi: npt.ArrayLike, steps: int, method: str = "cayley") -> Floats:
        """Return spinors, shape (n_components, *shape), after so many steps.

        The matrix of all steps at each Fourier mode is a power of that of one.

        Raises
        ------
        ArgumentError
            If a shape does not fit, or `method` is unknown.
        NonFiniteError
            If a number is not finite.
        """
        spinor = as_field("psi", psi, (self.components, *self.shape))
        step = self._propagator(_method(method), as_count("steps", steps))
        return _field(_applied(step, _modes(spinor)))

    def evolve(
        self, psi: npt.ArrayLike, *, records: int, every: int = 1, method: str = "cayley"
    ) -> FieldHistory:
        """Return the spinors at the start and after each `every` steps, `records` in all.

        Raises
        ------
        ArgumentError
            If a shape or number is out of range, or `method` is unknown.
        NonFiniteError
            If a number is not finite.
        """
        records, every = as_count("records", records, 2), as_count("every", every)
        spinor = as_field("psi", psi, (self.components, *self.shape))
        step, modes = self._propagator(_method(method), every), _modes(spinor)
        out = new_history(records, spinor.shape)
        out[0] = spinor
        for number in range(1, records):
            modes = _applied(step, modes)
            out[number] = _field(modes)
        return FieldHistory(out, self.dt * every, self.spacing)

    def _propagator(self, method: str, steps: int) -> npt.NDArray[np.complex128]:
        """Return the matrix of so many steps at each k, shape (*shape, n, n)."""
        slopes, heavy = self._parts(None)
        alpha, turn = majorana_matrices(self.dimension)
        symbol = -1j * np.einsum("i...,iab->...ab", slopes, alpha) - heavy[..., None, None] * turn
        if method == "cayley":
            half, one = 0.5 * self.dt * symbol, np.eye(self.components)
            once = np.linalg.solve(one - half, one + half)
        else:
            from scipy.linalg import expm

            once = expm(self.dt * symbol)
        return np.asarray(np.linalg.matrix_power(once, steps))


def _modes(spinor: Floats) -> npt.NDArray[np.complex128]:
    return np.asarray(np.fft.fftn(spinor, axes=range(1, spinor.ndim)))


def _field(modes: npt.NDArray[np.complex128]) -> Floats:
    return np.asarray(np.fft.ifftn(modes, axes=range(1, modes.ndim)).real)


def _applied(
    step: npt.NDArray[np.complex128], modes: npt.NDArray[np.complex128]
) -> npt.NDArray[np.complex128]:
    return np.asarray(np.einsum("...ab,b...->a...", step, modes))


def _method(method: object) -> str:
    if method not in _METHODS:
        raise ArgumentError(f"method must be one of {_METHODS}, got {shown(method)}")
    return str(method)
