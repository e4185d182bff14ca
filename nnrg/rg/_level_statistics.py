"""Block fields of every scale and their sums for each jackknife group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.fields import Lattice, SynapticField
from nnrg.rg.blocks import Blocks, Coarsening
from nnrg.rg.fluctuations import check_fluctuations
from nnrg.rg.groups import Groups
from nnrg_kernels.pyramid import Pyramid, pyramid

__all__ = ["climb", "gather"]

Values = npt.NDArray[np.floating[Any]]


def climb(
    field: SynapticField, blocks: Blocks, n_levels: int, groups: Groups
) -> tuple[tuple[Values, ...], tuple[Lattice, ...], Pyramid]:
    """Return the unrescaled block field, the lattice, and the sums of every scale.

    Means over blocks, and the sums of all scales, are made in one sweep of the field; any other
    coarse-graining makes the field of each scale first.

    Raises
    ------
    AnalysisError
        From a coarse-graining other than means: if the field does not fluctuate, or its samples
        are too few to choose modes.
    """
    factors = blocks.factors(field.lattice)
    if isinstance(blocks, Coarsening) and n_levels > 1:
        finest = gather((field.values,), (field.lattice,), factors, groups)
        check_fluctuations(field, finest)
        values, lattices = zip(*blocks.coarsen(field, n_levels), strict=True)
        coarser = gather(values, lattices, factors, groups, first=1)
        return (field.values, *values), (field.lattice, *lattices), _stitch([finest, coarser])
    statistics = pyramid(
        field.values,
        # A single scale forms no blocks, and must not make room for one that exceeds the lattice.
        factors if n_levels > 1 else (1,) * len(factors),
        n_levels - 1,
        periodic=field.lattice.periodic,
        sample_group=groups.sample_group,
        edges=groups.edges,
    )
    sites = [field.lattice]
    for _ in range(n_levels - 1):
        sites.append(sites[-1].coarsened(factors))
    assert statistics.fields is not None
    return (field.values, *statistics.fields), tuple(sites), statistics


def gather(
    values: Sequence[Values],
    sites: Sequence[Lattice],
    factors: tuple[int, ...],
    groups: Groups,
    *,
    first: int = 0,
) -> Pyramid:
    """Return the sums of fields that are there already, those of level `first` and coarser."""
    parts = [
        pyramid(
            np.ascontiguousarray(here),
            (1,) * lattice.dimension,
            0,
            periodic=lattice.periodic,
            sample_group=groups.sample_group,
            edges=groups.edges_at(factors, level, lattice.shape),
            keep=False,
        )
        for level, (here, lattice) in enumerate(zip(values, sites, strict=True), first)
    ]
    return _stitch(parts)


def _stitch(parts: Sequence[Pyramid]) -> Pyramid:
    """Return the levels of several pyramids, the finest first, as one."""

    def joined(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    return Pyramid(
        shift=joined("shift"),
        scale=joined("scale"),
        counts=joined("counts"),
        sums=joined("sums"),
        bonds=joined("bonds"),
        gradients=joined("gradients"),
        fields=None,
    )
