"""The renormalization group of the synaptic action: its vertices on blocks of sites."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.lattice import Lattice
from nnrg.stats.partition import sample_groups
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._displacements import Displacements
from nnrg.theory.synaptic._elimination import Elimination, block_modes, eliminate, inverse_kernel
from nnrg.theory.synaptic.expansion import expand_profile
from nnrg.theory.synaptic.perceptron import PerceptronVertices
from nnrg.theory.synaptic.vertex_flow import VertexFlow, VertexScale

__all__ = ["coarse_grain_vertices"]

Array = npt.NDArray[np.float64]

_GROUPS = 32
# Beyond this share of the mass one loop is not small.
_LARGE = 0.3


def coarse_grain_vertices(
    vertices: PerceptronVertices,
    *,
    levels: int = 3,
    output: int = 0,
    weight_decay: float = 0.0,
    temperature: float = 0.0,
    reach: int | None = None,
) -> VertexFlow:
    r"""Coarse-grain the action that data make of the weights of one neuron.

    Parameters
    ----------
    vertices : PerceptronVertices
        To second order at least; to fourth for a temperature.
    levels : int
        Scales b = 1, 2, .. 2^(levels - 1), which must divide every axis.
    output : int
        Of which output neuron.
    weight_decay : float
        lambda >= 0 of a term lambda w^2 / 2.
    temperature : float
        T >= 0 of the weights: adds one loop to the eliminated kernel.
    reach : int, optional
        As `gradient_expansion`, at b = 1; less in proportion at larger scales.

    Returns
    -------
    VertexFlow

    Raises
    ------
    ArgumentError
        If blocks do not divide the lattice or a number is out of range.
    AnalysisError
        If modes inside blocks have no positive curvature.

    Notes
    -----
    The block field is :math:`\Phi_I = B^{-1/2} \sum_{i \in I} w_i`, P its matrix: modes are
    orthonormal, the kinetic term stays as it is, no other rescaling. Projection replaces the
    inputs by :math:`P x`: every V_n stays a sum of rank-1 terms. Elimination of all other modes is
    exact for the quadratic part, :math:`K' = (P K^{-1} P^T)^{-1}`, :math:`J' = K' P K^{-1} J`, at
    zero frequency: for slow weights. Each order of T brings one loop more; the first is
    :math:`\tfrac12 T (V_4 G - V_3 G V_3 G - V_3 G (V_3 G))`. Errors: all is made again with groups
    of samples left out.

    Examples
    --------
    Data of a free massive field keep their range in sites, so that it falls as 1 / b in blocks:

    >>> from nnrg.lattice import Lattice
    >>> from nnrg.simulate.gaussian import gaussian_free_field
    >>> from nnrg.theory.synaptic.coarse_graining import coarse_grain_vertices
    >>> from nnrg.theory.synaptic.perceptron import perceptron_vertices
    >>> x = gaussian_free_field((32,), 2000, mass2=0.5, rng=1)
    >>> ring = Lattice(32, periodic=True)
    >>> data = perceptron_vertices(x, activation="linear", order=2, sites=ring)
    >>> flow = coarse_grain_vertices(data, levels=2)
    >>> [one.projected.displacements.sites.n_sites for one in flow.scales]
    [32, 16]
    """
    count = as_count("levels", levels, 1, 30)
    o = as_count("output", output, 0, vertices.shape[0] - 1)
    decay, heat = as_real("weight_decay", weight_decay), as_real("temperature", temperature)
    if decay < 0 or heat < 0:
        raise ArgumentError(
            f"weight_decay and temperature must not be negative, got {decay:g} and {heat:g}"
        )
    if vertices.order < (4 if heat else 2):
        raise AnalysisError(
            f"vertices of order {4 if heat else 2} are needed, got {vertices.order}"
        )
    last = 2 ** (count - 1)
    if any(n % last or n < 2 * last for n in vertices.sites.shape):
        raise ArgumentError(
            f"blocks of {last} sites must divide {vertices.sites!r} into two at least; take fewer "
            "levels"
        )
    group = sample_groups(vertices.n_samples, _GROUPS)
    sizes = np.bincount(group).astype(np.float64)
    start = max(Displacements.of(vertices.sites, reach).reach)
    plans = [_Plan.of(vertices, 2**level, start) for level in range(count)]
    x, factors = vertices.inputs, vertices.factors[:, :, o]
    parts = np.stack(
        [
            (x[group == g] * factors[2, group == g, None]).T @ x[group == g]
            for g in range(len(sizes))
        ]
    )
    total = parts.sum(axis=0)
    # All data come last, so that what is left is theirs.
    for left_out in [*range(len(sizes)), None]:
        at = slice(None) if left_out is None else group != left_out
        kernel = total / len(x)
        if left_out is not None:
            kernel = (total - parts[left_out]) / (len(x) - sizes[left_out])
        kernel[np.diag_indices_from(kernel)] += decay
        inverse = inverse_kernel(kernel)
        for plan in plans:
            plan.add(kernel, inverse)
            if heat:
                plan.add_loop(x[at], factors[:, at], heat)
    scales = tuple(plan.result(vertices, o, sizes) for plan in plans)
    return VertexFlow(
        scales=scales,
        weight_decay=decay,
        temperature=heat,
        n_samples=vertices.n_samples,
        assumptions=(
            "elimination at zero frequency: modes inside blocks follow at once",
            "of the source only its effect on the quadratic part",
        ),
        flags=tuple(
            f"b = {one.scale}: one loop is {share:.2g} of k_0; lower the temperature"
            for one in scales
            if (share := _loop_share(one, heat)) > _LARGE
        ),
    )


def _loop_share(one: VertexScale, heat: float) -> float:
    if one.loop is None:
        return 0.0
    return abs(heat * float(one.loop.values[0]) / one.projected.mass2.value)


@dataclass(slots=True, eq=False)
class _Plan:
    """One scale, and what was found there in each replicate."""

    scale: int
    modes: Array
    shape: Displacements
    rows: list[Array]
    loops: list[float]
    found: Elimination

    @classmethod
    def of(cls, vertices: PerceptronVertices, scale: int, reach: int) -> _Plan:
        modes = block_modes(vertices.sites, scale)
        # Nothing is eliminated before the first kernel comes.
        found = eliminate(np.eye(modes.shape[1]), modes)
        sites = vertices.sites.coarsened([scale] * vertices.sites.dimension)
        return cls(scale, modes, Displacements.of(sites, max(1, reach // scale)), [], [], found)

    def add(self, kernel: Array, inverse: Array) -> None:
        self.found = eliminate(inverse, self.modes)
        both = (self.modes @ kernel @ self.modes.T, self.found.kernel)
        self.rows.append(np.concatenate([self.shape.of_matrix(one) for one in both]))

    def add_loop(self, x: Array, factors: Array, heat: float) -> None:
        """Add one loop to what was added last."""
        profile = self.shape.of_matrix(self.found.loop(x, factors[3], factors[4]))
        self.loops.append(float(profile.sum()))
        self.rows[-1][-len(profile) :] += heat * profile

    def result(self, vertices: PerceptronVertices, output: int, sizes: Array) -> VertexScale:
        both = Replicates.from_jackknife(self.rows[-1], np.stack(self.rows[:-1]), sizes)
        half, shape = len(self.shape.vectors), self.shape
        spacing = vertices.spacing * self.scale
        x, bare = vertices.inputs, vertices.apply()[0][output]
        loop = None
        if self.loops:
            values = np.array(self.loops)[:, None]
            loop = Replicates.from_jackknife(values[-1], values[:-1], sizes)
        projected, eliminated = (both.select(np.arange(half) + k * half) for k in (0, 1))
        return VertexScale(
            scale=self.scale,
            projected=expand_profile(shape, projected, spacing, False),
            eliminated=expand_profile(shape, eliminated, spacing, False),
            projected_vertices=_on(vertices, x @ self.modes.T, shape.sites, output, spacing),
            eliminated_vertices=_on(
                vertices, x @ self.found.response, shape.sites, output, spacing
            ),
            source=-self.found.response.T @ bare,
            loop=loop,
        )


def _on(
    vertices: PerceptronVertices, inputs: Array, sites: Lattice, output: int, spacing: float
) -> PerceptronVertices:
    return replace(
        vertices,
        inputs=inputs,
        factors=vertices.factors[:, :, output : output + 1].copy(),
        sites=sites,
        spacing=spacing,
    )
