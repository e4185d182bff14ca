"""Block fields over nested partitions, and their sums for each jackknife group.

Deviations of blocks of unequal size are equalised, see `nnrg.rg.neighbourhoods._equalised`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.fields import SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.lattice import Lattice
from nnrg.rg.groups import Groups
from nnrg.rg.neighbourhoods._equalised import equalised
from nnrg.rg.neighbourhoods._graph_bonds import graph_bonds
from nnrg.rg.neighbourhoods.hierarchy import Choice
from nnrg_kernels.graph_blocks import sum_runs
from nnrg_kernels.pyramid import Pyramid, pyramid

__all__ = ["Arrangement", "arrange", "climb_blocks"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """Nested blocks of sites that are in order: each block is a run of sites.

    Attributes
    ----------
    starts : tuple, one for each level, of tuples of int64 arrays, one for each axis
        The first site of each block, and the number of sites at the end.
    graphs : tuple, one for each level, of tuples of ConnectionGraph or None, one for each axis
        The graph of the blocks along each axis.
    orders : tuple of int64 arrays, one for each axis
        The site before that is now at each place.
    notes : tuple of str
        What a reader of the flow must know of the blocks.
    """

    starts: tuple[tuple[Ints, ...], ...]
    graphs: tuple[tuple[ConnectionGraph | None, ...], ...]
    orders: tuple[Ints, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.starts)

    def shape(self, level: int) -> tuple[int, ...]:
        """Return the number of blocks along each axis at one level."""
        return tuple(s.size - 1 for s in self.starts[level])

    def arranged(self, field: SynapticField) -> SynapticField:
        """Return a field with its sites in order."""
        values = field.values
        for axis, order in enumerate(self.orders, 1):
            values = np.take(values, order, axis=axis)
        return replace(field, values=values, sites=_sites(field, self, 0))

    def lengths(self) -> npt.NDArray[np.float64]:
        """Return (sites in a block)^(1/d) at each level, the mean over blocks."""
        n, d = prod(self.shape(0)), len(self.starts[0])
        return np.array([(n / prod(self.shape(level))) ** (1 / d) for level in range(len(self))])

    def scales(self) -> tuple[int | float, ...]:
        """Return the label of each scale: its length, to four digits where it is no integer."""
        lengths = self.lengths().tolist()
        return tuple(
            round(b) if abs(b - round(b)) < 1e-9 * b else float(f"{b:.4g}") for b in lengths
        )

    def cuts(self, edges: tuple[Ints, ...], level: int) -> tuple[Ints, ...]:
        """Return cuts between sites as cuts between the blocks of one level."""
        pairs = zip(self.starts[level], edges, strict=True)
        return tuple(np.searchsorted(starts, edge) for starts, edge in pairs)

    def region_edges(self, cells: int) -> tuple[Ints, ...]:
        """Return cuts of each axis into at most `cells` regions of whole coarsest blocks."""
        out = []
        for starts in self.starts[-1]:
            wanted = np.linspace(0, starts[-1], min(cells, starts.size - 1) + 1)
            nearest = np.abs(starts - wanted[:, None]).argmin(axis=1)
            out.append(np.unique(starts[nearest]))
        return tuple(out)


def arrange(choice: Choice) -> tuple[SynapticField, Arrangement]:
    """Put the sites of a field, and the nodes of its graphs, in the order of their blocks."""
    levels = len(choice.hierarchies[0])
    starts: list[list[Ints]] = [[] for _ in range(levels)]
    graphs: list[list[ConnectionGraph | None]] = [[] for _ in range(levels)]
    for hierarchy, graph in zip(choice.hierarchies, choice.graphs, strict=True):
        moved = not np.array_equal(hierarchy.order, np.arange(hierarchy.n_sites))
        here = graph.permuted(hierarchy.order) if graph is not None and moved else graph
        for level in range(levels):
            starts[level].append(hierarchy.starts(level))
            if level and here is not None:
                sizes = np.diff(np.searchsorted(starts[level - 1][-1], starts[level][-1]))
                here = here.contracted(np.repeat(np.arange(sizes.size), sizes))
            graphs[level].append(here)
    arrangement = Arrangement(
        tuple(map(tuple, starts)),
        tuple(map(tuple, graphs)),
        tuple(h.order for h in choice.hierarchies),
        tuple(dict.fromkeys(note for h in choice.hierarchies for note in h.notes)),
    )
    return arrangement.arranged(choice.field), arrangement


def _sites(field: SynapticField, arrangement: Arrangement, level: int) -> Lattice | ConnectionGraph:
    if isinstance(field.sites, Lattice):
        populations = field.sites.populations
        return Lattice(arrangement.shape(level), axes=field.sites.axes, populations=populations)
    graph = arrangement.graphs[level][0]
    return field.sites if graph is None else graph


def climb_blocks(
    field: SynapticField, arrangement: Arrangement, groups: Groups
) -> tuple[tuple[Values, ...], tuple[Lattice | ConnectionGraph, ...], Pyramid]:
    """Return the block field, equalised in variance, the sites, and the sums of every scale.

    Parameters
    ----------
    field : SynapticField
        Its sites in the order of the arrangement.
    arrangement : Arrangement
    groups : Groups
    """
    means: list[Values] = [field.values]
    total: npt.NDArray[Any] = np.ascontiguousarray(field.values)
    if total.dtype not in (np.float32, np.float64):
        total = total.astype(np.float64)
    for level in range(1, len(arrangement)):
        fine, coarse = arrangement.starts[level - 1], arrangement.starts[level]
        for axis, (inner, outer) in enumerate(zip(fine, coarse, strict=True)):
            total = sum_runs(total, np.searchsorted(inner, outer), 1 + axis)
        sizes = tuple(np.diff(starts) for starts in coarse)
        means.append(equalised(_divided(total, sizes), sizes))
    sites = tuple(_sites(field, arrangement, level) for level in range(len(arrangement)))
    parts = [_sums(values, arrangement, level, groups) for level, values in enumerate(means)]
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("shift", "scale", "counts", "sums", "bonds", "gradients")
    }
    return tuple(means), sites, Pyramid(**joined, fields=None)


def _divided(total: Floats, sizes: tuple[Ints, ...]) -> Floats:
    """Return means of blocks whose size is the product of those along each axis."""
    size: Floats = np.ones((1,) * len(sizes))
    for axis, along in enumerate(sizes):
        size = size * along.reshape([-1 if a == axis else 1 for a in range(len(sizes))])
    return total / size


def _sums(values: Values, arrangement: Arrangement, level: int, groups: Groups) -> Pyramid:
    """Return power sums as on a lattice, and differences along the edges of the graphs."""
    d = values.ndim - 1
    cuts = arrangement.cuts(groups.edges, level)
    sums = pyramid(
        np.ascontiguousarray(values),
        (1,) * d,
        0,
        periodic=(False,) * d,
        sample_group=groups.sample_group,
        edges=cuts,
        keep=False,
    )
    shift, scale = float(sums.shift[0]), float(sums.scale[0])
    mean = shift + scale * float(sums.sums[0, :, 0].sum() / sums.counts[0].sum())
    bonds, squares = graph_bonds(
        values, arrangement.graphs[level], mean, scale, groups.sample_group, cuts
    )
    return Pyramid(
        shift=sums.shift,
        scale=sums.scale,
        counts=sums.counts,
        sums=sums.sums,
        bonds=bonds[None],
        gradients=squares[None],
        fields=None,
    )
