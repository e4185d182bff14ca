"""The renormalization group of the synaptic action: its vertices on blocks of sites."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.partition import sample_groups
from nnrg.theory.synaptic._displacements import Displacements
from nnrg.theory.synaptic._elimination import inverse_kernel
from nnrg.theory.synaptic._scale_plan import QUARTIC, ScalePlan
from nnrg.theory.synaptic.vertex_flow import VertexFlow, VertexScale
from nnrg.theory.synaptic.vertices import PerceptronVertices

__all__ = ["coarse_grain_vertices"]

Array = npt.NDArray[np.float64]

_GROUPS = 32
# Beyond this share of the mass one loop, or what the source does to it, is not small.
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
        To second order at least; to fourth for a temperature and for V_3, V_4, .. at each scale.
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
    :math:`\tfrac12 T (V_4 G - V_3 G V_3 G - V_3 G (V_3 G))`. Beyond the kernel, the path w(s) on
    which eliminated modes follow a block field s e is found order by order, without any tensor:
    exchange at tree level is in V_4, V_6 and so on, and one loop of V_4 is in
    :math:`\tfrac12 T\, \mathrm{Tr} \ln (1 + G \Sigma(w(s)))`. Errors: all is made again with
    groups of samples left out. The projection of V_n is that of arXiv:2503.08827's vertices; the
    elimination is derived here.

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
    if not isinstance(vertices, PerceptronVertices):
        raise ArgumentError(
            f"vertices must be PerceptronVertices, got {shown(vertices)}; see perceptron_vertices"
        )
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
    plans = [ScalePlan.of(vertices, 2**level, start) for level in range(count)]
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
            if vertices.order >= QUARTIC:
                plan.add_higher(x[at], factors[:, at], bool(heat))
    scales = tuple(plan.result(vertices, o, sizes) for plan in plans)
    return VertexFlow(
        scales=scales,
        weight_decay=decay,
        temperature=heat,
        n_samples=vertices.n_samples,
        assumptions=(
            "elimination at zero frequency: modes inside blocks follow at once",
            "of the source only its effect on the quadratic part",
            *(("weights of the other outputs fixed",) if vertices.couples_outputs else ()),
        ),
        provenance=MappingProxyType(dict(vertices.provenance)),
        flags=(
            *(
                f"b = {one.scale}: one loop is {share:.2g} of k_0; lower the temperature"
                for one in scales
                if (share := _loop_share(one, heat)) > _LARGE
            ),
            *_source_flags(x, factors, plans, scales),
        ),
    )


def _loop_share(one: VertexScale, heat: float) -> float:
    if one.loop is None:
        return 0.0
    return abs(heat * float(one.loop.values[0]) / one.projected.mass2.value)


def _source_flags(
    x: Array, factors: Array, plans: list[ScalePlan], scales: tuple[VertexScale, ...]
) -> list[str]:
    """Say where the source moves the eliminated modes so far that V_3 changes the mass."""
    if len(factors) <= QUARTIC:
        return []
    flags = []
    for plan, one in zip(plans[1:], scales[1:], strict=True):
        moved = -x @ (plan.found.fast @ (x.T @ factors[1])) / len(x)
        slow = x @ plan.found.response.mean(axis=1)
        change = float((factors[3] * moved * slow**2).mean() * len(plan.modes))
        share = abs(change) / one.projected.mass2.value
        if share > _LARGE:
            flags.append(
                f"b = {one.scale}: the source moves eliminated modes, k_0 by {share:.2g} of "
                "itself; expand at the minimum"
            )
    return flags
