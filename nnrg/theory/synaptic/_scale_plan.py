"""One scale of the flow of vertices: what is found there with groups of samples left out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from nnrg.lattice import Lattice
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._displacements import Displacements
from nnrg.theory.synaptic._elimination import Elimination, block_modes, eliminate
from nnrg.theory.synaptic._tree import loop_couplings, series_powers, tree_couplings
from nnrg.theory.synaptic.expansion import expand_profile
from nnrg.theory.synaptic.vertex_flow import HigherVertices, VertexScale
from nnrg.theory.synaptic.vertices import PerceptronVertices

__all__ = ["ScalePlan"]

Array = npt.NDArray[np.float64]

# Fewer vertices hold no quartic one.
QUARTIC = 4


@dataclass(slots=True, eq=False)
class ScalePlan:
    """One scale, and what was found there in each replicate; all data come last."""

    scale: int
    modes: Array
    shape: Displacements
    found: Elimination
    kernels: list[Array] = field(default_factory=list)
    loops: list[Array] = field(default_factory=list)
    higher: list[Array] = field(default_factory=list)
    uniform_loops: list[Array] = field(default_factory=list)

    @classmethod
    def of(cls, vertices: PerceptronVertices, scale: int, reach: int) -> ScalePlan:
        """Return the plan of a scale, with displacements up to `reach` sites."""
        modes = block_modes(vertices.sites, scale)
        # Nothing is eliminated before the first kernel comes.
        found = eliminate(np.eye(modes.shape[1]), modes)
        sites = vertices.sites.coarsened([scale] * vertices.sites.dimension)
        return cls(scale, modes, Displacements.of(sites, max(1, reach // scale)), found)

    def add(self, kernel: Array, inverse: Array) -> None:
        """Add the kernel of one replicate, projected and eliminated."""
        self.found = eliminate(inverse, self.modes)
        both = (self.modes @ kernel @ self.modes.T, self.found.kernel)
        self.kernels.append(np.concatenate([self.shape.of_matrix(one) for one in both]))

    def add_loop(self, x: Array, factors: Array, heat: float) -> None:
        """Add one loop to the kernel that was added last."""
        profile = self.shape.of_matrix(self.found.loop(x, factors[3], factors[4]))
        self.loops.append(np.atleast_1d(profile.sum()))
        self.kernels[-1][-len(profile) :] += heat * profile

    def add_higher(self, x: Array, factors: Array, loop: bool) -> None:
        """Add the vertices beyond the quadratic one, of one block and of the uniform field."""
        order, blocks = len(factors) - 1, len(self.modes)
        even = np.full((blocks, 1), blocks**-0.5)
        slow = x @ self.modes.T
        # Per block, of a field that is the same on each.
        per_block = blocks ** (np.arange(2, order + 1) / 2 - 1)
        orders = range(3, order + 1)
        whole = (slow @ even)[:, 0]
        rows = [
            np.array([(factors[n, :, None] * slow**n).mean() for n in orders]),
            np.array([(factors[n] * whole**n).mean() * per_block[n - 2] for n in orders]),
        ]
        fast = self.found.fast
        contact = series_powers(x, factors, self.found.response, fast, order - 1)
        rows.append(tree_couplings(contact, factors).mean(axis=1))
        uniform = series_powers(x, factors, self.found.response @ even, fast, order - 1)
        rows.append(tree_couplings(uniform, factors)[:, 0] * per_block[1:])
        if loop:
            found = loop_couplings(x, uniform, factors, fast, order - 2)
            self.uniform_loops.append(found * per_block[: order - 3])
        self.higher.append(np.concatenate(rows))

    def result(self, vertices: PerceptronVertices, output: int, sizes: Array) -> VertexScale:
        """Return the scale, its numbers with the errors of the replicates."""
        both = _jackknife(self.kernels, sizes)
        half, shape = len(self.shape.vectors), self.shape
        spacing = vertices.spacing * self.scale
        projected, eliminated = (both.select(np.arange(half) + k * half) for k in (0, 1))
        x = vertices.inputs @ self.modes.T
        return VertexScale(
            scale=self.scale,
            projected=expand_profile(shape, projected, spacing, False),
            eliminated=expand_profile(shape, eliminated, spacing, False),
            projected_vertices=_on(vertices, x, shape.sites, output, spacing),
            eliminated_vertices=_on(
                vertices, vertices.inputs @ self.found.response, shape.sites, output, spacing
            ),
            source=-self.found.response.T @ vertices.apply()[0][output],
            loop=_jackknife(self.loops, sizes) if self.loops else None,
            higher=self._higher(x, vertices.factors[:, :, output], spacing, sizes)
            if self.higher
            else None,
        )

    def _higher(self, x: Array, factors: Array, spacing: float, sizes: Array) -> HigherVertices:
        found, orders = _jackknife(self.higher, sizes), np.arange(3, len(factors))
        parts = [found.select(i * orders.size + np.arange(orders.size)) for i in range(4)]
        pairs = Replicates.of_mean(self.shape.of_samples(x**2, factors[QUARTIC]))
        return HigherVertices(
            orders=orders,
            contact_projected=parts[0],
            uniform_projected=parts[1],
            contact=parts[2],
            uniform=parts[3],
            uniform_loop=_jackknife(self.uniform_loops, sizes) if self.uniform_loops else None,
            pairs=expand_profile(self.shape, pairs, spacing, False),
        )


def _jackknife(rows: list[Array], sizes: Array) -> Replicates:
    return Replicates.from_jackknife(rows[-1], np.stack(rows[:-1]), sizes)


def _on(
    vertices: PerceptronVertices, inputs: Array, sites: Lattice, output: int, spacing: float
) -> PerceptronVertices:
    # One output alone: what a softmax puts between outputs is not in it.
    return replace(
        vertices,
        series=None,
        targets=None,
        inputs=inputs,
        factors=vertices.factors[:, :, output : output + 1].copy(),
        sites=sites,
        spacing=spacing,
    )
