"""Momentum-shell coarse-graining: the modes below a cut, on a lattice of fewer sites."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.fft import dct, dctn, fftn, idct, idctn, ifftn, irfft, rfft

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.rg._lattice_blocks import LatticeBlocks, coarser_lattices, lattice_notes

__all__ = ["MomentumShell"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MomentumShell(LatticeBlocks):
    r"""Keep the modes with :math:`|k_\mu| < \pi / b` along every axis, then rescale x to x / b.

    Modes are those of the Laplacian of the lattice: plane waves on a periodic axis, cosines
    :math:`\cos(\pi j (x + 1/2) / n)` on an open one, which does not become periodic by way of the
    transform. Coarse sites lie at the centres of the blocks of `GridBlocks`, and the lattices, the
    scales and the trimming where `b` does not divide an axis are those of `GridBlocks` too, so that
    the two can be compared: at scale :math:`b^l` the modes are those of the first
    :math:`b^l \lfloor n / b^l \rfloor` sites.

    Parameters
    ----------
    b : int or sequence of int
        Factor of the cut at each step, or one for each axis (1 leaves an axis as it is).
    cutoff : {"cube", "sphere"}
        ``"cube"`` keeps the Brillouin zone of the coarse lattice and so gives every coarse site a
        degree of freedom. ``"sphere"`` keeps :math:`\sum_\mu (b_\mu k_\mu)^2 \le \pi^2` of it: the
        corners of the zone are empty, and the block field has no density on its sites.

    Raises
    ------
    ArgumentError
        If a factor is no integer of at least 1, none is at least 2, or the cut is unknown.

    Notes
    -----
    .. math:: \phi'_K = b^{-d} \phi_{K/b}, \qquad
              G'(K) = b^{2\Delta - d} G(K / b) \quad\text{after}\quad \phi' \to b^\Delta \phi'.

    The mean is kept, as by a block average. A free field with
    :math:`1/G = r + Z \sum_\mu 4 \sin^2(k_\mu/2)` and :math:`\Delta = (d-2)/2` keeps Z:
    :math:`1/G'(K) = b^2 r + Z \sum_\mu [2b \sin(K_\mu/2b)]^2`, which is :math:`b^2 r + Z K^2` up to
    :math:`O(K^4)`. Composition is exact, :math:`R_b R_{b'} = R_{bb'}`, where `b` divides the axes.

    Of the two plane waves at the edge, :math:`k = \pm\pi/b`, a coarse lattice of even length holds
    one real combination, the one that peaks at its sites. It is multiplied by :math:`\sqrt 2`, so
    that it has the variance of its neighbours.

    The kernel of the cut falls like 1/distance along an axis: a block field depends, weakly, on all
    sites.

    Examples
    --------
    A plane wave below the cut keeps its values at the centres of the blocks:

    >>> import numpy as np
    >>> import nnrg
    >>> from nnrg.rg.momentum_shell import MomentumShell
    >>> wave = np.cos(2 * np.pi * np.arange(12) / 12)
    >>> field = nnrg.SynapticField(np.stack([wave, -wave]), nnrg.Lattice(12, periodic=True))
    >>> flow = nnrg.renormalize(field, MomentumShell(3), levels=2)
    >>> flow.means[1][0].round(6).tolist()
    [0.866025, -0.5, -0.866025, 0.5]
    """

    cutoff: Literal["cube", "sphere"] = "cube"

    def __post_init__(self) -> None:
        LatticeBlocks.__post_init__(self)
        if self.cutoff not in ("cube", "sphere"):
            raise ArgumentError(f"cutoff must be 'cube' or 'sphere', got {shown(self.cutoff)}")

    @property
    def singular(self) -> str:
        """Why a block field has no density on its sites, or "" where it has one."""
        return "no modes in the corners of the zone" if self.cutoff == "sphere" else ""

    def coarsen(self, field: SynapticField, n_levels: int) -> Iterator[tuple[Array, Lattice]]:
        """Yield the block field and the lattice at b, b^2, .."""
        factors = self.factors(field.lattice)
        fine = field.values.astype(np.float64)
        current, held = fine, field.lattice.shape
        for level, (sites, covered) in enumerate(
            coarser_lattices(field.lattice, factors, n_levels), start=1
        ):
            steps = factors
            if covered != held:
                # The modes of fewer sites are other modes: start from the field itself.
                current = fine[(slice(None), *(slice(n) for n in covered))]
                steps = tuple(f**level for f in factors)
                held = covered
            for axis, (step, closed) in enumerate(zip(steps, sites.periodic, strict=True), 1):
                if step > 1:
                    current = _resample(current, axis, step, closed)
            if self.cutoff == "sphere":
                current = _inside_sphere(current, sites.periodic)
            current = np.ascontiguousarray(current)
            yield current, sites

    def about_regions(self) -> str:
        """Say how regions of the lattice, left out for errors, map to block fields."""
        return (
            "a coarse site counts to the region its block lies in, but rests on other regions too: "
            "errors from regions are approximate"
        )

    def notes(self, field: SynapticField, n_levels: int) -> tuple[str, ...]:
        """Return what a reader of the flow must know."""
        notes = lattice_notes(field, self.factors(field.lattice), n_levels)
        if self.singular:
            notes += (f"{self.singular}: block fields have no density on their sites",)
        return notes


def _resample(values: Array, axis: int, b: int, periodic: bool) -> Array:
    """Return the modes below pi / b along one axis, at the centres of blocks of b sites."""
    count = values.shape[axis] // b
    if not periodic:
        modes = dct(values, axis=axis)
        kept = np.take(modes, np.arange(count), axis=axis)
        return np.asarray(idct(kept, axis=axis, overwrite_x=True) / b)
    mode = np.arange(count // 2 + 1)
    # From site 0 to the centre of block 0.
    turn = np.exp(1j * np.pi * mode * (b - 1) / values.shape[axis]) / b
    if count % 2 == 0:
        turn[-1] *= np.sqrt(2)  # its real part alone is used
    kept = np.take(rfft(values, axis=axis), mode, axis=axis)
    kept *= turn.reshape([-1 if a == axis else 1 for a in range(values.ndim)])
    return np.asarray(irfft(kept, n=count, axis=axis, overwrite_x=True))


def _inside_sphere(values: Array, periodic: tuple[bool, ...]) -> Array:
    """Return the modes with sum K^2 <= pi^2, K in units of the inverse lattice spacing."""
    squared = np.zeros(())
    for n, closed in zip(values.shape[1:], periodic, strict=True):
        k = 2 * np.pi * np.fft.fftfreq(n) if closed else np.pi * np.arange(n) / n
        squared = np.add.outer(squared, k * k)
    closed_axes = tuple(a for a, closed in enumerate(periodic, 1) if closed)
    open_axes = tuple(a for a, closed in enumerate(periodic, 1) if not closed)
    modes = dctn(values, axes=open_axes) if open_axes else values
    kept = np.where(squared <= np.pi**2 * (1 + 1e-12), fftn(modes, axes=closed_axes), 0.0)
    modes = ifftn(kept, axes=closed_axes).real
    return np.asarray(idctn(modes, axes=open_axes) if open_axes else modes)
