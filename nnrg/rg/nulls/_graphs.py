"""Null models of fields on graphs: free field, rewired graph, independent units."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.flow import Flow
from nnrg.rg.groups import fewest_blocks, whole
from nnrg.rg.neighbourhoods._graph_rule import GraphRule
from nnrg.rg.neighbourhoods.blocking import arrange, climb_blocks
from nnrg.rg.neighbourhoods.hierarchy import Neighbourhoods
from nnrg.rg.neighbourhoods.labels import LabelBlocks
from nnrg.rg.neighbourhoods.product import ProductBlocks
from nnrg.rg.neighbourhoods.seriation import SeriationBlocks
from nnrg.rg.nulls._free_field import most_likely
from nnrg.rg.nulls._matched import at_sizes_of
from nnrg.rg.nulls._rewiring import rewired
from nnrg.rg.nulls._surrogates import FEWEST_MIXED, mixed_samples

__all__ = ["configuration", "fit_free_field_on_graphs", "gaussian_on_graphs", "independent"]
__all__ += ["phase_on_graphs"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

# Nodes along an axis whose Laplacian is diagonalised.
_DENSE = 4000
# Rewired graphs that are tried for one with as many scales: draws are of those that have them.
_TRIES = 10


def independent(flow: Flow) -> Callable[[np.random.Generator], SynapticField]:
    """Prepare N8: the samples of every unit in an order of its own.

    Raises
    ------
    AnalysisError
        If there are fewer than two samples.
    """
    field = flow.field
    if field.n_samples < 2:
        raise AnalysisError(
            f"field {field.name!r} has one sample: units have no samples to be shuffled; leave "
            "out the null model 'independent'"
        )
    # Shuffled along contiguous memory; NumPy's shuffles do not know all 16-bit floats.
    words = field.values.view(np.uint16) if field.values.dtype.itemsize == 2 else field.values
    by_unit = np.ascontiguousarray(np.moveaxis(words, 0, -1))

    def draw(rng: np.random.Generator) -> SynapticField:
        mixed = np.moveaxis(rng.permuted(by_unit, axis=-1), -1, 0)
        values = np.ascontiguousarray(mixed).view(field.values.dtype)
        return field.replaced(values, "samples shuffled within each unit")

    return draw


def phase_on_graphs(flow: Flow) -> Callable[[np.random.Generator], SynapticField]:
    """Prepare N4: samples mixed by a random rotation, which keeps the covariance of all units.

    Raises
    ------
    AnalysisError
        If samples are few or depend on one another: units without an order have no phases.
    """
    field = flow.field
    if field.independent and field.n_samples >= FEWEST_MIXED:
        return mixed_samples(field)
    of = "" if field.independent else " that depend on one another"
    raise AnalysisError(
        f"field {field.name!r} has {field.n_samples} samples{of}: on a graph the surrogate 'phase' "
        f"mixes independent samples, at least {FEWEST_MIXED}; take the null model 'gaussian'"
    )


def fit_free_field_on_graphs(flow: Flow) -> tuple[float, Floats]:
    r"""Return mass r and stiffness Z of each axis of the free field that is most likely.

    Returns
    -------
    r : float
        In the unit of the field to the minus two.
    Z : array of shape (d,)
        In the same unit, with weights divided by the mean of their absolute values; zero along an
        axis without edges.

    Raises
    ------
    AnalysisError
        If the field does not vary along some axis, there are no edges, or an axis has more than
        4000 nodes.

    Notes
    -----
    .. math:: S = \tfrac12 (\phi - \mu) \big(r + \textstyle\sum_a Z_a L_a\big) (\phi - \mu)

    with the signed Laplacian of the graph of each axis, as `nnrg.fit_couplings` has it. The
    likelihood is largest where variance and mean square difference along the edges of each axis
    are those of the field; see `nnrg.rg.nulls._free_field`.
    """
    r, stiffness, _, _ = _fitted(flow)
    return r, stiffness


def gaussian_on_graphs(flow: Flow) -> Callable[[np.random.Generator], SynapticField]:
    """Prepare N7: exact draws of the free field fitted on the same graphs."""
    field = flow.field
    r, stiffness, spectra, modes = _fitted(flow)
    kernel = np.full(field.sites.shape, r)
    for z, spectrum in zip(stiffness, spectra, strict=True):
        kernel = kernel + z * spectrum
    mean = float(field.values.mean(dtype=np.float64))
    # Numbers as fine as those of the field: the products with all modes are most of the work.
    kind: type[Any] = np.float64 if field.values.dtype == np.float64 else np.float32
    amplitude = (1 / np.sqrt(np.where(kernel > 0, kernel, 1.0))).astype(kind)
    *row_modes, columns = [None if m is None else m.astype(kind) for m in modes]

    def draw(rng: np.random.Generator) -> SynapticField:
        values: Array = rng.standard_normal(field.values.shape, kind)
        values *= amplitude
        if columns is not None:
            values = values @ columns.T
        for rows in row_modes:
            if rows is not None:
                values = rows @ values
        values += kind(mean - values.mean(dtype=np.float64))
        return field.replaced(values, "Gaussian free field on the graph, fitted")

    return draw


def _fitted(flow: Flow) -> tuple[float, Floats, list[Floats], list[Floats | None]]:
    """Return r, Z of each axis, and the eigenvalues and modes of each axis."""
    field, graphs = flow.field, flow.graphs[0]
    values = field.values.astype(np.float64)
    values -= values.mean()
    from threadpoolctl import threadpool_limits

    shape, d = field.sites.shape, field.sites.dimension
    moments, axes = [float(np.mean(values**2))], []
    spectra: list[Floats] = []
    modes: list[Floats | None] = []
    # The modes in the common mean, of which one sample's share is spent.
    common = np.full(shape, 1.0)
    for axis, graph in enumerate(graphs):
        along = [-1 if a == axis else 1 for a in range(d)]
        if graph is None or graph.n_edges == 0:
            # Any basis will do along an axis that couples nothing.
            spectra.append(np.zeros([1] * d))
            modes.append(None)
            common = common / shape[axis]
            continue
        laplacian = _laplacian(graph, field.name)
        energy = np.tensordot(values, laplacian, axes=(axis + 1, 1))
        moments.append(float(np.mean(np.moveaxis(values, axis + 1, -1) * energy)))
        axes.append(axis)
        # Threads of LAPACK beside others, or none left, cost many times what they bring.
        with threadpool_limits(1, user_api="blas"):
            eigenvalues, vectors = np.linalg.eigh(laplacian)
        spectra.append(eigenvalues.reshape(along))
        modes.append(vectors)
        common = common * (vectors.sum(axis=0) ** 2 / shape[axis]).reshape(along)
    if not axes:
        raise AnalysisError(
            f"field {field.name!r} is blocked without a graph, or one without edges: it has no "
            "free field; leave out the null model 'gaussian'"
        )
    largest = float(np.max(np.abs(field.values), initial=0.0)) ** 2
    if not all(m > 1e-24 * largest for m in moments):
        raise AnalysisError(
            f"field {field.name!r} does not vary along the edges of a graph: it has no free "
            "field; leave out the null model 'gaussian'"
        )
    share = np.maximum(1 - common / field.n_samples, 0.0)
    share[share < 1e-9] = 0.0
    unit = moments[0]
    parts = [np.ones([1] * d), *(spectra[a] for a in axes)]
    theta = most_likely(np.array(moments) / unit, parts, share)
    if theta is None:
        raise AnalysisError(
            f"field {field.name!r} has no free field of its variance and differences along "
            "edges; leave out the null model 'gaussian'"
        )
    stiffness = np.zeros(d)
    stiffness[axes] = theta[1:] / unit
    return float(theta[0] / unit), stiffness, spectra, modes


def _laplacian(graph: ConnectionGraph, name: str) -> Floats:
    """Return the signed Laplacian of weights divided by the mean of their absolute values."""
    if graph.n_nodes > _DENSE:
        raise AnalysisError(
            f"the free field of {name!r} needs all modes of a graph of {graph.n_nodes} nodes, more "
            f"than {_DENSE}; leave out the null model 'gaussian', or start from larger blocks"
        )
    dense = graph.laplacian("signed").toarray()
    return np.asarray(dense / np.abs(graph.weights).mean())


def configuration(flow: Flow) -> Callable[[np.random.Generator], Flow]:
    """Prepare the configuration model: the field as it is, on rewired graphs.

    Blocks that a rule chose on a graph are chosen again, by the same rule, on the rewired one; the
    flow has as many scales, and its numbers are moved to the sizes of the blocks of this one.
    Blocks chosen otherwise stay, and their graph alone is exchanged.

    Raises
    ------
    AnalysisError
        If there is no graph, or no other one with its degrees, or none that has as many scales.
    """
    if not flow.graphs or all(g is None for g in flow.graphs[0]):
        raise AnalysisError(
            f"field {flow.field.name!r} is blocked without a graph: there is no wiring to draw "
            "again; leave out the null model 'configuration'"
        )
    graphs = flow.graphs[0]

    def draw(rng: np.random.Generator) -> Flow:
        for _ in range(_TRIES):
            drawn = [None if g is None else rewired(g, rng) for g in graphs]
            blocks = flow.blocks
            assert isinstance(blocks, Neighbourhoods)
            if isinstance(blocks, ProductBlocks):
                rules = [
                    None if rule is None else _on(flow, axis, rule, graph)
                    for axis, (rule, graph) in enumerate(
                        zip((blocks.rows, blocks.columns), drawn, strict=True)
                    )
                ]
                again: Neighbourhoods = ProductBlocks(rules[0], rules[1])
                field = flow.field
            else:
                again = _on(flow, 0, blocks, drawn[0])
                field = flow.field
                if isinstance(field.sites, ConnectionGraph) and drawn[0] is not None:
                    field = replace(field, sites=drawn[0])
            with suppress(ArgumentError):  # this graph makes fewer scales
                return at_sizes_of(_blocked(flow, field, again), flow)
        raise AnalysisError(
            f"blocks on {_TRIES} rewired graphs have fewer than the {len(flow)} scales of field "
            f"{flow.field.name!r}; leave out the null model 'configuration', or give fewer levels"
        )

    return draw


def _blocked(flow: Flow, field: SynapticField, rule: Neighbourhoods) -> Flow:
    """Return the flow of a field over blocks chosen again, with as many scales, in one group."""
    choice = rule.choose(field, len(flow), fewest_blocks(field, flow.errors))
    arranged, arrangement = arrange(choice)
    groups = whole(arranged)
    means, sites, statistics = climb_blocks(arranged, arrangement, groups)
    return replace(
        flow,
        field=arranged,
        blocks=rule,
        scales=arrangement.scales(),
        sites=sites,
        means=means,
        statistics=statistics,
        groups=groups,
        arrangement=arrangement,
    )


def _on(
    flow: Flow, axis: int, rule: Neighbourhoods, graph: ConnectionGraph | None
) -> Neighbourhoods:
    """Return the rule on another graph of the arranged sites of one axis."""
    if isinstance(rule, GraphRule) and graph is not None:
        return replace(rule, graph=graph, split=None)
    if isinstance(rule, SeriationBlocks) and graph is not None:
        return SeriationBlocks(graph, method=rule.method, b=rule.b)
    assert flow.arrangement is not None
    starts = [level[axis] for level in flow.arrangement.starts]
    labels = []
    for at in starts[1:]:
        sizes = np.diff(at)
        labels.append(np.repeat(np.arange(sizes.size), sizes))
    return LabelBlocks(
        labels or [np.arange(starts[0].size - 1)],
        graph=graph,
        provenance=rule.provenance,
    )
