"""Flow: the block fields of one field at every scale, with their statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg._lattice_blocks import lattice_notes
from nnrg.rg.blocks import Blocks, Coarsening
from nnrg.rg.groups import Groups
from nnrg.rg.levels import block_lengths
from nnrg.rg.neighbourhoods.blocking import Arrangement
from nnrg.rg.neighbourhoods.hierarchy import Neighbourhoods
from nnrg.rg.rescaling import rescaling_factors
from nnrg.stats.jackknife import Jackknife
from nnrg_kernels.pyramid import Pyramid

if TYPE_CHECKING:
    from nnrg.rg.cumulants import Cumulants
    from nnrg.rg.nulls import Nulls

__all__ = ["Flow"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """The block fields of one field at scales b = 1, b1, b2, ..., with their statistics.

    Attributes
    ----------
    field : SynapticField
        The field at b = 1, its sites arranged as the blocks need them.
    blocks : Blocks
        The rule that made the blocks.
    scales : tuple of int or float
        b along one axis (the largest factor where axes differ), the label of each scale; on a graph
        the mean number of units in a block.
    sites : tuple of Lattice or ConnectionGraph
        The lattice, or the contracted graph, at each scale.
    rescale : str or float
        How the field is rescaled; `statistics` and `means` are those of the unrescaled block mean.
    means : tuple of arrays
        Unrescaled block means at each scale, of shape ``(n_samples, *sites.shape)``, in the unit
        of the field. Of a `Coarsening` other than means, its block fields.
    statistics : Pyramid
        Power sums and gradient sums of each group at each scale.
    groups : Groups
        The parts that the jackknife leaves out one at a time.
    errors : Jackknife
        The policy that chose the groups.
    arrangement : Arrangement or None
        The nested blocks of units without a natural order; None on a lattice.
    """

    field: SynapticField
    blocks: Blocks | Neighbourhoods
    scales: tuple[int | float, ...]
    sites: tuple[Lattice | ConnectionGraph, ...]
    rescale: str | float
    means: tuple[npt.NDArray[np.floating], ...]
    statistics: Pyramid
    groups: Groups
    errors: Jackknife
    arrangement: Arrangement | None = None

    def __repr__(self) -> str:
        first, last = self.sites[0].n_sites, self.sites[-1].n_sites
        return (
            f"Flow({len(self.scales)} scales, {first} -> {last} sites, "
            f"{self.field.n_samples} samples, {self.blocks!r}, rescale={self.rescale!r})"
        )

    def __len__(self) -> int:
        return len(self.scales)

    def __iter__(self) -> Iterator[tuple[int | float, SynapticField]]:
        for level, b in enumerate(self.scales):
            yield b, self.at(level)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know: trimmed sites, order without meaning, what was done before."""
        if self.arrangement is not None:
            own = self.arrangement.notes
        elif isinstance(self.blocks, Coarsening):
            own = self.blocks.notes(self.field, len(self))
        else:
            own = lattice_notes(self.field, self.factors_along_axes, len(self))
        return (*self.field.notes, *own)

    @property
    def factors_along_axes(self) -> tuple[int, ...]:
        """Block length along each axis of a lattice at one step."""
        assert isinstance(self.blocks, Blocks)
        return self.blocks.factors(self.field.lattice)

    @property
    def lattices(self) -> tuple[Lattice, ...]:
        """The lattice at each scale.

        Raises
        ------
        ArgumentError
            If blocks are those of a graph, or of units without a natural order.
        """
        found = tuple(s for s in self.sites if isinstance(s, Lattice))
        if self.arrangement is not None or len(found) < len(self):
            raise ArgumentError(
                f"{self.blocks!r} makes blocks of units that have no distances along axes: this "
                "analysis needs a field on a natural lattice, and GridBlocks; on graphs "
                "nnrg.fit_couplings(flow, basis=nnrg.Basis.scalar(shells=3, quartic=2)) measures "
                "couplings J and U at each distance"
            )
        return found

    @property
    def graphs(self) -> tuple[tuple[ConnectionGraph | None, ...], ...]:
        """At each scale the graph of the blocks along each axis; empty on a lattice."""
        return () if self.arrangement is None else self.arrangement.graphs

    def arranged(self, field: SynapticField) -> SynapticField:
        """Return a field on the sites before they were arranged, arranged as this flow's is."""
        if self.arrangement is not None:
            return self.arrangement.arranged(field)
        assert isinstance(self.blocks, Blocks)
        return self.blocks.arrange(field)

    def edges_at(self, level: int) -> tuple[npt.NDArray[np.int64], ...]:
        """Return where jackknife regions are cut along each axis, in blocks of one level."""
        if self.arrangement is not None:
            return self.arrangement.cuts(self.groups.edges, level)
        return self.groups.edges_at(self.factors_along_axes, level, self.sites[level].shape)

    @property
    def singular(self) -> str:
        """Why block fields have no density on their sites, or "" where they have one.

        Without a density there is no action of the sites together; one-site terms still say what
        the law of a single site is.
        """
        return str(getattr(self.blocks, "singular", ""))

    def variances(self) -> Array:
        """Return kappa_2 of the unrescaled block mean at each scale, shape (n_scales,)."""
        stats = self.statistics
        n = stats.counts.sum(axis=1)
        s1, s2 = stats.sums[:, :, 0].sum(axis=1), stats.sums[:, :, 1].sum(axis=1)
        return np.asarray((s2 - s1 * s1 / n) / (n - 1) * stats.scale**2)

    @property
    def lengths(self) -> Array:
        """Effective block length at each scale, (sites in a block)^(1/d), shape (n_scales,)."""
        if self.arrangement is not None:
            return self.arrangement.lengths()
        return block_lengths(self.factors_along_axes, len(self))

    def factors(self) -> Array:
        """Return the factor that rescales the block mean at each scale, shape (n_scales,)."""
        return rescaling_factors(
            self.rescale, self.lengths, self.variances(), self.field.sites.dimension
        )

    def at(self, level: int) -> SynapticField:
        """Return the rescaled block field at one level, 0 being the field as given."""
        n = len(self.scales)
        level = as_count("level", level, -n, n - 1, hint="0 is the field as given") % n
        if level == 0:
            return self.field
        values = self.means[level] * self.factors()[level]
        return SynapticField(
            values,
            self.sites[level],
            name=f"{self.field.name} at b = {self.scales[level]}",
            sample=self.field.sample,
            natural=self.field.natural,
            sources=self.field.sources,
        )

    def cumulants(self, order: int = 8, *, nulls: Nulls = None, rng: object = None) -> Cumulants:
        """Return kappa_1..kappa_order of the unrescaled block mean at each scale, with errors.

        See `nnrg.rg.cumulants.measure_cumulants`.
        """
        from nnrg.rg.cumulants import measure_cumulants

        return measure_cumulants(self, order=order, nulls=nulls, rng=rng)
