"""Coarse-graining that picks: one site of each block, or the sign of its majority."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.fields import Lattice, SynapticField
from nnrg.rg._lattice_blocks import LatticeBlocks, coarser_lattices, lattice_notes

__all__ = ["Decimation", "MajorityBlocks"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Decimation(LatticeBlocks):
    """Keep the first of every `b` sites along each axis, and integrate out the others.

    Lattices, scales and trimming are those of `GridBlocks`. Composition is exact. The law of one
    site does not change: cumulants stay as they are, and what flows are the correlations.

    Parameters
    ----------
    b : int or sequence of int
        Spacing of the sites that are kept, or one for each axis (1 leaves an axis as it is).

    Raises
    ------
    ArgumentError
        If a spacing is no integer of at least 1, or none is at least 2.

    Notes
    -----
    phi'_X = phi_{bX}. In one dimension exact for chains of nearest neighbours: AR(1) of correlation
    rho becomes AR(1) of rho^b, the Ising chain keeps its form with tanh K' = (tanh K)^b. In two
    dimensions and more there is no field rescaling that makes it a fixed point with eta = 0: the
    field exponent is that of one site, not of a block.

    Examples
    --------
    >>> import numpy as np
    >>> import nnrg
    >>> from nnrg.rg.decimation import Decimation
    >>> values = np.random.default_rng(1).normal(size=(20, 8))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(8)), Decimation(2))
    >>> bool(np.all(flow.means[1] == values[:, ::2]))
    True
    """

    @property
    def singular(self) -> str:
        """Why a block field has no density on its sites: "", it has one."""
        return ""

    def coarsen(self, field: SynapticField, n_levels: int) -> Iterator[tuple[Array, Lattice]]:
        """Yield the kept sites and their lattice at b, b^2, .."""
        factors = self.factors(field.lattice)
        values = field.values
        for sites, _ in coarser_lattices(field.lattice, factors, n_levels):
            values = values[
                (
                    slice(None),
                    *(slice(0, n * f, f) for n, f in zip(sites.shape, factors, strict=True)),
                )
            ]
            yield np.ascontiguousarray(values, dtype=np.float64), sites

    def about_regions(self) -> str:
        """Say how regions of the lattice, left out for errors, map to block fields: as they are."""
        return ""

    def notes(self, field: SynapticField, n_levels: int) -> tuple[str, ...]:
        """Return what a reader of the flow must know."""
        return lattice_notes(field, self.factors(field.lattice), n_levels)


@dataclass(frozen=True, slots=True)
class MajorityBlocks(LatticeBlocks):
    """The sign of the sum over each block of `b` sites along each axis: the rule for spins.

    A sum of zero is decided by a coin. Lattices, scales and trimming are those of `GridBlocks`.
    From the first step on the field is +1 or -1, and has cumulants but no couplings of a continuous
    action.

    Parameters
    ----------
    b : int or sequence of int
        Block length, or one for each axis (1 leaves an axis as it is).
    seed : int
        Seed of the coins, at least 0.

    Raises
    ------
    ArgumentError
        If a length or the seed is no integer in range.

    Notes
    -----
    phi'_X = sign(sum_{x in X} phi_x), again and again: R_b R_b' is not R_bb', a majority of
    majorities is not the majority.

    Examples
    --------
    >>> import numpy as np
    >>> import nnrg
    >>> from nnrg.rg.decimation import MajorityBlocks
    >>> spins = np.array([[1.0, 1, -1, -1, 1, -1], [1, -1, -1, -1, 1, 1]])
    >>> field = nnrg.SynapticField(spins, nnrg.Lattice(6))
    >>> nnrg.renormalize(field, MajorityBlocks(3), levels=2).means[1].tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """

    seed: int = 0

    def __post_init__(self) -> None:
        LatticeBlocks.__post_init__(self)
        object.__setattr__(self, "seed", as_count("seed", self.seed, 0, hint="try 0"))

    @property
    def singular(self) -> str:
        """Why a block field has no density on its sites."""
        return "block fields are signs"

    def coarsen(self, field: SynapticField, n_levels: int) -> Iterator[tuple[Array, Lattice]]:
        """Yield the signs and their lattice at b, b^2, .."""
        factors = self.factors(field.lattice)
        rng = np.random.default_rng(self.seed)
        values = field.values.astype(np.float64)
        for sites, _ in coarser_lattices(field.lattice, factors, n_levels):
            for axis, (n, f) in enumerate(zip(sites.shape, factors, strict=True), start=1):
                whole = np.moveaxis(values, axis, -1)[..., : n * f]
                values = np.moveaxis(whole.reshape(*whole.shape[:-1], n, f).sum(axis=-1), -1, axis)
            coins = rng.integers(0, 2, size=values.shape) * 2.0 - 1.0
            values = np.ascontiguousarray(np.where(values == 0, coins, np.sign(values)))
            yield values, sites

    def about_regions(self) -> str:
        """Say how regions of the lattice, left out for errors, map to block fields: as they are."""
        return ""

    def notes(self, field: SynapticField, n_levels: int) -> tuple[str, ...]:
        """Return what a reader of the flow must know."""
        return lattice_notes(field, self.factors(field.lattice), n_levels)
