"""The Klein-Gordon field on a lattice: waves of neurons whose weights are a symmetric tensor."""

from __future__ import annotations

from dataclasses import dataclass
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
from nnrg.theory.hamiltonian.gauge import GaugeLinks, as_links, covariant_laplacian

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["FieldHistory", "KleinGordonLattice"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FieldHistory:
    """Fields at equal times, as `measure_dispersion` takes them.

    Attributes
    ----------
    values : array of shape (n_times, n_components, *shape)
        Real or complex.
    interval : float
        Time between records.
    spacing : float
        Lattice spacing a.

    Raises
    ------
    ArgumentError
        If the values are no array, or a number is not positive.
    """

    values: npt.NDArray[np.inexact]
    interval: float
    spacing: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.values, np.ndarray):
            raise ArgumentError(f"values must be an array, got {shown(self.values)}")
        for name in ("interval", "spacing"):
            object.__setattr__(self, name, as_positive(name, getattr(self, name)))
        view = self.values.view()
        view.flags.writeable = False
        object.__setattr__(self, "values", view)


@dataclass(frozen=True, slots=True)
class KleinGordonLattice:
    r"""A periodic lattice of neurons, :math:`H = \beta^2/2 + \phi^T M \phi/2, M = m^2 - \nabla^2`.

    Parameters
    ----------
    shape : int or tuple of one to three ints
        Sites along each axis, at least 2.
    mass : float
        m >= 0, in units of inverse time; the speed of waves is 1.
    spacing : float
        a.
    dt : float
        Step of time.

    Raises
    ------
    ArgumentError
        If an argument is out of range, or `dt` beyond the stability limit :math:`\Delta t^2 (m^2 +
        4 d / a^2) < 4` (for an odd length its largest momentum counts). At the limit itself a mode
        grows linearly.

    Notes
    -----
    The alternating steps of `HamiltonianNet` are :math:`\phi_{n+1} - 2 \phi_n + \phi_{n-1} = -
    \Delta t^2 M \phi_n`, so that

    .. math:: \frac{4}{\Delta t^2} \sin^2 \frac{\omega \Delta t}{2} = m^2 + \sum_\mu \frac{4}{a^2}
              \sin^2 \frac{k_\mu a}{2}

    (V. Vanchurin, arXiv:2411.08138: the field theory of symmetric weight tensors; the lattice
    formula is derived here).

    Examples
    --------
    >>> lattice = KleinGordonLattice((16, 16), mass=0.5, dt=0.2)
    >>> round(float(lattice.frequency()[0, 0]), 6), round(lattice.stability_limit, 6)
    (0.500209, 0.696311)
    """

    shape: tuple[int, ...]
    mass: float = 1.0
    spacing: float = 1.0
    dt: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", as_shape(self.shape))
        object.__setattr__(self, "mass", as_magnitude("mass", self.mass))
        object.__setattr__(self, "spacing", as_positive("spacing", self.spacing))
        object.__setattr__(self, "dt", as_positive("dt", self.dt))
        if self.mass < 0:
            raise ArgumentError(f"mass must be at least 0, got {self.mass:g}")
        if self.dt >= self.stability_limit:
            raise ArgumentError(
                f"dt = {self.dt:g} is beyond the stability limit {self.stability_limit:.6g} of "
                f"mass {self.mass:g} and spacing {self.spacing:g}; take a smaller dt"
            )

    @property
    def dimension(self) -> int:
        """Number of axes d."""
        return len(self.shape)

    @property
    def stability_limit(self) -> float:
        """Steps of time must be below this."""
        return float(2 / np.sqrt(self.eigenvalues().max()))

    def momenta(self) -> Floats:
        """Return k of each Fourier mode, shape (d, *shape)."""
        return momenta(self.shape, self.spacing)

    def eigenvalues(self, k: npt.ArrayLike | None = None) -> Floats:
        """Return those of M at momenta of shape (d, ...), by default all of the lattice."""
        at = self.momenta() if k is None else as_momenta(k, self.dimension)
        return np.asarray(
            self.mass**2 + (4 / self.spacing**2 * np.sin(at * self.spacing / 2) ** 2).sum(axis=0)
        )

    def frequency(self, k: npt.ArrayLike | None = None) -> Floats:
        """Return omega of the discrete steps at momenta of shape (d, ...)."""
        root = 0.5 * self.dt * np.sqrt(self.eigenvalues(k))
        return np.asarray(2 / self.dt * np.arcsin(root))

    def weights(self, links: GaugeLinks | None = None) -> csr_array:
        r"""Return M, the symmetric weights, sparse of shape (n_sites, n_sites).

        With links :math:`m^2 - \sum_i D_i^2` of the covariant differences, complex and Hermitian,
        on complex neurons of two real ones each.

        Raises
        ------
        ArgumentError
            If the links are not those of this lattice.
        """
        from scipy.sparse import csr_array, eye_array

        given = GaugeLinks.free(self.shape) if links is None else as_links(links, self.shape)
        one = eye_array(int(np.prod(self.shape)))
        total = csr_array(self.mass**2 * one - covariant_laplacian(given, self.spacing))
        return csr_array(total.real) if links is None else total

    def energy(self, phi: npt.ArrayLike, beta: npt.ArrayLike) -> tuple[float, float]:
        """Return H, a sum over sites, and the modified energy that the steps conserve."""
        x, p = as_field("phi", phi, self.shape), as_field("beta", beta, self.shape)
        pull = np.fft.ifftn(self.eigenvalues() * np.fft.fftn(x)).real
        energy = 0.5 * float(np.vdot(p, p) + np.vdot(x, pull))
        return energy, energy + 0.5 * self.dt * float(np.vdot(p, pull))

    def advance(self, phi: npt.ArrayLike, beta: npt.ArrayLike, steps: int) -> tuple[Floats, Floats]:
        """Return activations and biases, of the lattice's shape, after so many steps.

        Raises
        ------
        ArgumentError
            If a shape does not fit or `steps` is not positive.
        NonFiniteError
            If a number is not finite.
        """
        x, p = as_field("phi", phi, self.shape), as_field("beta", beta, self.shape)
        self._advance(x, p, as_count("steps", steps))
        return x, p

    def evolve(
        self, phi: npt.ArrayLike, beta: npt.ArrayLike, *, records: int, every: int = 1
    ) -> FieldHistory:
        """Return the activations at the start and after each `every` steps, `records` in all.

        Raises
        ------
        ArgumentError
            If a shape or number is out of range.
        NonFiniteError
            If a number is not finite.
        """
        records, every = as_count("records", records, 2), as_count("every", every)
        x, p = as_field("phi", phi, self.shape), as_field("beta", beta, self.shape)
        out = new_history(records, (1, *self.shape))
        out[0, 0] = x
        for number in range(1, records):
            self._advance(x, p, every)
            out[number, 0] = x
        return FieldHistory(out, self.dt * every, self.spacing)

    def _advance(self, x: Floats, p: Floats, steps: int) -> None:
        from nnrg_kernels.klein_gordon import advance

        # Rows of two dimensions are planes, so that a step passes over each field once.
        first, middle, last = {
            1: (1, 1, *self.shape),
            2: (self.shape[0], 1, self.shape[-1]),
            3: self.shape,
        }[self.dimension]
        box = first, middle, last
        stiffness = 1 / self.spacing**2
        advance(x.reshape(box), p.reshape(box), self.mass**2, stiffness, self.dt, steps)
