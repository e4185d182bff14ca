"""U(1) links of a background field on the weights and biases of a lattice of complex neurons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import ArgumentError
from nnrg.theory.hamiltonian._arguments import as_field, as_positive, as_shape

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = [
    "GaugeLinks",
    "GaugeTensors",
    "as_links",
    "covariance_residual",
    "covariant_differences",
    "covariant_laplacian",
]

Floats = npt.NDArray[np.float64]
Phases = npt.NDArray[np.complex128]

_LABELLINGS = {
    "lattice": "weight = links of space, bias (self-coupling) = link of time",
    "paper": "weight = link of time, bias = links of space (arXiv:2411.08138)",
}


@dataclass(frozen=True, slots=True)
class GaugeTensors:
    """The phases of one background field, called after the tensors that hold them.

    Attributes
    ----------
    weight, bias : complex arrays
        Links of space have shape (d, *shape), the link of time (*shape).
    labelling : {"lattice", "paper"}
        "lattice": weights between neurons hold the links of space, a neuron's own coupling that of
        time. "paper": what V. Vanchurin, arXiv:2411.08138, says in words: components of the weight
        tensor are the temporal, those of the bias tensor the spatial components of the gauge field.
        The step of the fields is the same.
    """

    weight: Phases
    bias: Phases
    labelling: str

    def __str__(self) -> str:
        return f"{self.labelling} labelling: {_LABELLINGS[self.labelling]}"


@dataclass(frozen=True, slots=True)
class GaugeLinks:
    r"""Phases that a signal takes on from one neuron to the next, and from one step to the next.

    Parameters
    ----------
    space : array of shape (d, *shape)
        :math:`U_i(x) = e^{i a A_i}`, the phase of the weight from x + i to x.
    time : array of shape (*shape), optional
        :math:`U_0(x) = e^{i \Delta t A_0}`, from the next step to this one; one if left out.

    Raises
    ------
    ArgumentError
        If shapes do not fit or an entry is no phase.

    Notes
    -----
    :math:`D_i \psi(x) = [U_i(x) \psi(x + i) - U_i^*(x - i) \psi(x - i)] / 2a \to (\partial_i + i
    A_i) \psi`. Under :math:`\psi \to e^{i\alpha} \psi` links go as :math:`U_i(x) \to e^{i
    \alpha(x)} U_i(x) e^{-i \alpha(x + i)}`. The field is a background: no dynamics of it follows
    from that of the neurons.

    Examples
    --------
    >>> import numpy as np
    >>> links = GaugeLinks.uniform_flux((8, 8), 3)
    >>> bool(np.allclose(links.plaquettes()[0], np.exp(2j * np.pi * 3 / 64)))
    True
    """

    space: Phases
    time: Phases | None = None

    def __post_init__(self) -> None:
        space = _phases("space", self.space)
        shape = as_shape(space.shape[1:])
        if space.shape[0] != len(shape):
            raise ArgumentError(
                f"space must have shape (d, *shape) with d axes of space, got {space.shape}"
            )
        time = np.ones(shape, np.complex128) if self.time is None else _phases("time", self.time)
        if time.shape != shape:
            raise ArgumentError(f"time must have shape {shape}, got {time.shape}")
        for name, array in (("space", space), ("time", time)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sites along each axis."""
        return cast(tuple[int, ...], self.space.shape[1:])

    @classmethod
    def free(cls, shape: int | tuple[int, ...]) -> GaugeLinks:
        """Return links of no field at all."""
        lengths = as_shape(shape)
        return cls(np.ones((len(lengths), *lengths), np.complex128))

    @classmethod
    def from_potential(
        cls,
        space: npt.ArrayLike,
        time: npt.ArrayLike | None = None,
        *,
        spacing: float = 1.0,
        dt: float = 1.0,
    ) -> GaugeLinks:
        """Return the links of potentials A_i, shape (d, *shape), and A_0, shape (*shape)."""
        a, dt = as_positive("spacing", spacing), as_positive("dt", dt)
        potential = as_field("space", space, np.shape(space))
        later = None if time is None else np.exp(1j * dt * as_field("time", time, np.shape(time)))
        return cls(np.exp(1j * a * potential), later)

    @classmethod
    def uniform_flux(cls, shape: tuple[int, int], quanta: int) -> GaugeLinks:
        r"""Return a uniform field on a torus: flux :math:`2\pi` quanta over n0 n1 plaquettes.

        Landau's gauge, with a seam that makes the plaquettes there as the others.
        """
        lengths = as_shape(shape)
        if len(lengths) != 2:
            raise ArgumentError(f"a uniform flux needs two axes, got shape {lengths}")
        most = lengths[0] * lengths[1]
        quanta = as_count("quanta", quanta, 0, most - 1)
        field = 2 * np.pi * quanta / most
        x, y = np.indices(lengths)
        along = np.zeros((2, *lengths))
        along[1] = field * x
        along[0] = np.where(x == lengths[0] - 1, -field * lengths[0] * y, 0.0)
        return cls(np.exp(1j * along))

    @classmethod
    def ring_flux(cls, n: int, flux: float) -> GaugeLinks:
        """Return a ring of n neurons about a flux, spread over its links."""
        n = as_count("n", n, 2)
        return cls(np.full((1, n), np.exp(1j * as_real("flux", flux) / n)))

    def transformed(
        self, alpha: npt.ArrayLike, alpha_next: npt.ArrayLike | None = None
    ) -> GaugeLinks:
        """Return the links where psi is turned by alpha now, and by `alpha_next` a step later."""
        now = as_field("alpha", alpha, self.shape)
        later = now if alpha_next is None else as_field("alpha_next", alpha_next, self.shape)
        turned = [
            np.exp(1j * (now - np.roll(now, -1, axis))) * u for axis, u in enumerate(self.space)
        ]
        return GaugeLinks(np.stack(turned), np.exp(1j * (now - later)) * self.time)

    def plaquettes(self) -> Phases:
        r"""Return the phase around each face of axes i < j, shape (n_pairs, *shape).

        :math:`U_i(x) U_j(x + i) U_i^*(x + j) U_j^*(x) = e^{i a^2 F_{ij}}`, invariant.
        """
        pairs = [(i, j) for j in range(len(self.shape)) for i in range(j)]
        faces = [
            self.space[i]
            * np.roll(self.space[j], -1, i)
            * np.conj(np.roll(self.space[i], -1, j) * self.space[j])
            for i, j in pairs
        ]
        return np.stack(faces) if faces else np.empty((0, *self.shape), np.complex128)

    def electric_plaquettes(self, following: GaugeLinks | None = None) -> Phases:
        r"""Return :math:`e^{i a \Delta t F_{0i}}` of this step and the next, shape (d, *shape).

        `following` holds the links of space of the next step, by default the same.
        """
        after = self.space if following is None else as_links(following, self.shape).space
        time = cast(Phases, self.time)
        return np.stack(
            [
                time * after[i] * np.conj(np.roll(time, -1, i) * self.space[i])
                for i in range(len(self.shape))
            ]
        )

    def loop(self, axis: int) -> Phases:
        """Return the product of links around the lattice along one axis, without that axis."""
        return np.asarray(np.prod(self.space[as_count("axis", axis, 0, len(self.shape) - 1)], axis))

    def tensors(self, labelling: str = "lattice") -> GaugeTensors:
        """Return the links as weight and bias tensors in one of the two labellings."""
        time = cast(Phases, self.time)
        if _labelling(labelling) == "lattice":
            return GaugeTensors(self.space, time, labelling)
        return GaugeTensors(time, self.space, labelling)

    @classmethod
    def from_tensors(cls, tensors: GaugeTensors) -> GaugeLinks:
        """Return the links that weight and bias tensors of a labelling stand for."""
        if not isinstance(tensors, GaugeTensors):
            raise ArgumentError(f"tensors must be GaugeTensors, got {shown(tensors)}")
        if _labelling(tensors.labelling) == "lattice":
            return cls(tensors.weight, tensors.bias)
        return cls(tensors.bias, tensors.weight)


def covariant_differences(links: GaugeLinks, spacing: float = 1.0) -> list[csr_array]:
    """Return the central differences D_i, sparse anti-Hermitian of shape (n_sites, n_sites)."""
    a = as_positive("spacing", spacing)
    return [(hop - hop.conj().T) / (2 * a) for hop in _hops(links)]


def covariant_laplacian(links: GaugeLinks, spacing: float = 1.0) -> csr_array:
    r"""Return :math:`\sum_i [U_i(x) T_i + h.c. - 2] / a^2`, sparse Hermitian."""
    from scipy.sparse import csr_array, eye_array

    a = as_positive("spacing", spacing)
    sites = int(np.prod(as_links(links).shape))
    hops = sum(hop + hop.conj().T for hop in _hops(links))
    return csr_array((hops - 2 * len(links.shape) * eye_array(sites)) / a**2)


def covariance_residual(
    build: Callable[[GaugeLinks], Any], links: GaugeLinks, alpha: npt.ArrayLike
) -> float:
    r"""Return the largest entry of :math:`M(U^\alpha) - e^{i\alpha} M(U) e^{-i\alpha}`.

    Parameters
    ----------
    build : callable
        Makes weights from links: sparse or dense, of n_sites rows or a multiple, component first.
    links : GaugeLinks
    alpha : array_like of shape (*shape)

    Examples
    --------
    >>> import numpy as np
    >>> alpha = np.random.default_rng(1).uniform(0, 6, (6, 6))
    >>> covariance_residual(covariant_laplacian, GaugeLinks.uniform_flux((6, 6), 2), alpha) < 1e-14
    True
    """
    from scipy.sparse import csr_array, diags_array

    if not callable(build):
        raise ArgumentError(f"build must make weights from links, got {shown(build)}")
    phases = np.exp(1j * as_field("alpha", alpha, as_links(links).shape)).ravel()
    before, after = csr_array(build(links)), csr_array(build(links.transformed(alpha)))
    copies, rest = divmod(before.shape[0], phases.size)
    if rest or not copies:
        raise ArgumentError(
            f"build must make a matrix of a multiple of {phases.size} rows, got {before.shape}"
        )
    turn = diags_array(np.tile(phases, copies))
    return float(abs(after - turn @ before @ turn.conj()).max())


def as_links(links: object, shape: tuple[int, ...] | None = None) -> GaugeLinks:
    """Return links, of a lattice if one is given."""
    wanted = "GaugeLinks" if shape is None else f"GaugeLinks of {shape}"
    if not isinstance(links, GaugeLinks):
        raise ArgumentError(f"links must be {wanted}, got {shown(links)}; try GaugeLinks.free")
    if shape is not None and links.shape != shape:
        raise ArgumentError(f"links must be {wanted}, got those of {links.shape}")
    return links


def _hops(links: GaugeLinks) -> list[csr_array]:
    from scipy.sparse import csr_array

    links = as_links(links)
    sites = np.arange(int(np.prod(links.shape))).reshape(links.shape)
    n = sites.size
    return [
        csr_array((u.ravel(), (sites.ravel(), np.roll(sites, -1, axis).ravel())), shape=(n, n))
        for axis, u in enumerate(links.space)
    ]


def _phases(name: str, values: object) -> Phases:
    try:
        out = np.array(values, dtype=np.complex128)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name} must be an array of phases: {error}") from None
    if out.ndim < 1 or not np.all(np.abs(np.abs(out) - 1) < 1e-12):
        raise ArgumentError(f"{name} must hold complex numbers of modulus 1; try from_potential")
    return out


def _labelling(labelling: object) -> str:
    if labelling not in _LABELLINGS:
        raise ArgumentError(
            f"labelling must be one of {tuple(_LABELLINGS)}, got {shown(labelling)}"
        )
    return str(labelling)
