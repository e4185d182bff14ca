"""The parts of a field that the jackknife leaves out one at a time.

With several samples the parts are samples; with few they are regions of the lattice. A part is the
same region at every scale, so that the scales stay together in a replicate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.fields import SynapticField
from nnrg.stats.jackknife import Jackknife, sample_groups, spatial_edges

__all__ = ["Groups", "choose_groups", "fewest_blocks", "whole"]

# Fewest blocks along an axis at the coarsest scale where regions are left out, by dimension.
_FEWEST_BLOCKS = {1: 16, 2: 4, 3: 3, 4: 2}


@dataclass(frozen=True, slots=True)
class Groups:
    """A partition of samples and sites into jackknife groups.

    Attributes
    ----------
    sample_group : int array of shape (n_samples,)
    edges : one int array an axis
        Where the lattice at b = 1 is cut; multiples of the largest block.
    kind : str
        ``"samples"`` or ``"regions"``, for reports.
    """

    sample_group: npt.NDArray[np.int64]
    edges: tuple[npt.NDArray[np.int64], ...]
    kind: str

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        cells = int(np.prod([e.size - 1 for e in self.edges]))
        return (int(self.sample_group.max()) + 1) * cells

    def edges_at(
        self, factors: tuple[int, ...], level: int, shape: tuple[int, ...]
    ) -> tuple[npt.NDArray[np.int64], ...]:
        """Return the cuts in coordinates of the block lattice at one level."""
        cuts = []
        for edge, factor, length in zip(self.edges, factors, shape, strict=True):
            cut = edge // factor**level
            cut[-1] = length
            cuts.append(cut)
        return tuple(cuts)


def fewest_blocks(field: SynapticField, errors: Jackknife) -> int:
    """Return how many blocks along an axis the coarsest scale must keep for an error to exist."""
    if errors.unit(field.n_samples) == "samples":
        return 2
    return _FEWEST_BLOCKS[field.sites.dimension]


def choose_groups(
    field: SynapticField, factors: tuple[int, ...], steps: int, errors: Jackknife
) -> Groups:
    """Leave out samples where there are enough, else regions that no block straddles."""
    shape = field.sites.shape
    if errors.unit(field.n_samples) == "samples":
        return Groups(
            sample_groups(field.n_samples, errors.max_groups),
            tuple(np.array([0, n]) for n in shape),
            "samples",
        )
    return Groups(
        np.arange(field.n_samples),
        spatial_edges(shape, factors, steps, cells=errors.cells_per_axis(field.sites.dimension)),
        "regions",
    )


def whole(field: SynapticField) -> Groups:
    """Return one group that holds everything."""
    return Groups(
        np.zeros(field.n_samples, dtype=np.int64),
        tuple(np.array([0, n]) for n in field.sites.shape),
        "whole",
    )
