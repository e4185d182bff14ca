"""Diffusion on the graph of a whole network, at every scale of its blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.graph.spectral import spectral_measure
from nnrg.rg.nulls import NullModel
from nnrg.rg.observables import Observables

__all__ = ["MOST_NODES", "TIMES", "graph_numbers"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TIMES = (0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 10.0, 30.0)
"""Diffusion times, in units of the inverse mean strength of a node."""
MOST_NODES = 300
"""Blocks of the largest graph whose eigenvalues are found, for every group and null draw."""

_GROUPS = 8
_FINE = 48


def graph_numbers(
    graph: ConnectionGraph,
    labels: Sequence[Ints],
    scales: Sequence[float],
    models: Sequence[NullModel],
    seed: np.random.SeedSequence,
) -> Observables:
    r"""Return the heat capacity of the graph of blocks at each scale, with errors and nulls.

    Parameters
    ----------
    graph : ConnectionGraph
        Of units, or of the finest blocks whose graph has not too many edges.
    labels : sequence of int64 arrays of shape (n_nodes,)
        Block of each node at each scale.
    scales : sequence of float
        Mean number of units in a block.
    models : sequence of NullModel
        Of these only the permutation of units is one of a graph.
    seed : numpy SeedSequence

    Returns
    -------
    Observables
        ``C:x`` is :math:`\tau^2 \operatorname{Var}(\lambda)` of the signed Laplacian's eigenvalues
        in the measure :math:`e^{-\tau\lambda}` at x = tau times the mean strength, ``C_peak`` its
        largest value from x = 0.1 to 30: dimensionless. Errors: one of eight groups of units is
        left out of all blocks at a time. NaN, with a flag, of more than 300 blocks.
    """
    rng = np.random.default_rng(seed)
    group = rng.permutation(graph.n_nodes) % _GROUPS
    values = np.stack([_numbers(graph, blocks) for blocks in labels])
    replicates = np.full((_GROUPS, *values.shape), np.nan)
    for g in range(_GROUPS):
        kept = np.flatnonzero(group != g)
        part = graph.subgraph(kept)
        for level, blocks in enumerate(labels):
            if np.isfinite(values[level, 0]):
                _, left = np.unique(blocks[kept], return_inverse=True)
                replicates[g, level] = _numbers(part, left.astype(np.int64))
    nulls = {}
    for model in models:
        if model.name != "permutation":
            continue
        draws = np.empty((model.draws, *values.shape))
        for draw in draws:
            order = _within(graph.population, rng)
            for level, blocks in enumerate(labels):
                alone = int(blocks.max()) + 1 == graph.n_nodes
                known = alone or not np.isfinite(values[level, 0])
                draw[level] = values[level] if known else _numbers(graph, blocks[order])
        nulls[model.name] = draws
    names = ("C_peak", *(f"C:{x:g}" for x in TIMES))
    counts = [int(blocks.max()) + 1 for blocks in labels]
    flags = tuple(
        ("" if np.isfinite(row[0]) else _why(count),) * len(names)
        for row, count in zip(values, counts, strict=True)
    )
    return Observables(
        scales=np.array(scales, dtype=np.float64),
        names=names,
        values=values,
        replicates=replicates,
        weights=np.bincount(group, minlength=_GROUPS)[:, None] * np.ones((1, len(labels))),
        nulls=nulls,
        flags=flags,
        n_samples=np.full(len(labels), _GROUPS, dtype=np.int64),
        attrs={
            "field": "graph of all populations",
            "jackknife_over": "groups of units",
            "jackknife_groups": _GROUPS,
            "edges_of": graph.provenance,
            "seed": str(seed.entropy),
        },
        series={"blocks": np.array(counts, dtype=np.float64)},
    )


def _why(count: int) -> str:
    if count > MOST_NODES:
        return f"{count} blocks, more than {MOST_NODES}: try flow.graph(level).heat_capacity(tau)"
    return "no edges are left"


def _numbers(graph: ConnectionGraph, blocks: Ints) -> Floats:
    out = np.full(1 + len(TIMES), np.nan)
    if int(blocks.max()) + 1 > MOST_NODES:
        return out
    coarse = graph.contracted(blocks)
    strength = float(coarse.strengths().mean())
    if not strength > 0:
        return out
    try:
        spectrum = spectral_measure(coarse, kind="signed", method="dense")
    except AnalysisError:
        return out
    fine = np.geomspace(TIMES[0], TIMES[-1], _FINE)
    tau = np.concatenate([fine, TIMES]) / strength
    heat = spectrum.at(tau).heat_capacity
    out[0] = heat[:_FINE].max()
    out[1:] = heat[_FINE:]
    return out


def _within(population: Ints, rng: np.random.Generator) -> Ints:
    """Return a permutation of the nodes within each population."""
    order = np.arange(population.size)
    for one in np.unique(population):
        nodes = np.flatnonzero(population == one)
        order[nodes] = rng.permutation(nodes)
    return order
