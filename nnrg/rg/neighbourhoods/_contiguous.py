"""Blocks of b units that follow one another in a given order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.fields import SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods._graph_rule import take_sites
from nnrg.rg.neighbourhoods._levels import nested_levels
from nnrg.rg.neighbourhoods.hierarchy import Choice, Hierarchy

__all__ = ["as_length", "contiguous_choice"]

Ints = npt.NDArray[np.int64]


def as_length(b: object) -> int:
    """Return a number of units, at least two."""
    return as_count("b", b, 2, 2**31 - 1, hint="a block has at least 2 units")


def contiguous_choice(
    field: SynapticField,
    runs: Sequence[Ints],
    b: int,
    levels: int | None,
    fewest: int,
    *,
    graph: ConnectionGraph | None,
    notes: Iterable[str] = (),
) -> Choice:
    """Return blocks of b, b^2, .. units that follow one another within each run of sites.

    Every level is of the same sites, so that each run keeps a multiple of the largest block; its
    trailing remainder is left out, with a note.

    Parameters
    ----------
    field : SynapticField
    runs : sequence of int arrays
        Sites in the order in which they follow one another, in runs that no block crosses.
    b : int
    levels, fewest
        As in `Neighbourhoods.choose`.
    graph : ConnectionGraph, optional
        Of the sites in their own order.
    notes : iterable of str
    """
    n = field.sites.n_sites
    kept = len(
        nested_levels(
            _ladder([run.size for run in runs], b),
            n,
            levels,
            fewest,
            name=field.name,
            step=1.0,
            hint="give shorter blocks",
        )
    )
    largest = b ** (kept - 1)
    whole = [run[: run.size - run.size % largest] for run in runs]
    sites = np.concatenate(whole)
    left = n - sites.size
    lines = list(notes)
    if left:
        lines.append(f"{left} of {n} sites left out (only whole blocks of {largest} are formed)")
    place = np.arange(sites.size, dtype=np.int64)
    hierarchy = Hierarchy([place // b**level for level in range(kept)], lines)
    moved = left or not np.array_equal(sites, np.arange(n))
    return Choice(
        take_sites(field, sites),
        (hierarchy,),
        (graph.subgraph(sites) if graph is not None and moved else graph,),
    )


def _ladder(sizes: Sequence[int], b: int) -> Iterator[Ints]:
    """Yield as many labels as there are whole blocks of b, b^2, .. units.

    Which sites are kept depends on how many levels there are; so far only counts matter.
    """
    length = b
    while count := sum(size // length for size in sizes):
        yield np.arange(count, dtype=np.int64)
        length *= b
