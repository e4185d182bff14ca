"""What a result records of the flow it was measured on."""

from __future__ import annotations

import numpy as np

from nnrg.rg._regions import CORRELATED, correlation_of_halves
from nnrg.rg.flow import Flow
from nnrg.rg.graph_action.shells import edge_unit
from nnrg.rg.moments import observe
from nnrg.rg.rescaling import field_exponent

__all__ = ["describe_flow", "flag_groups"]

# Below so many groups an error is known to a quarter or worse.
_FEW = 8


def describe_flow(flow: Flow, seed: np.random.SeedSequence) -> dict[str, str | int | float]:
    """Return what a result records of its flow."""
    exponent = field_exponent(flow.rescale, flow.field.sites.dimension)
    return {
        "field": flow.field.name,
        "samples": flow.field.n_samples,
        "sample_is": flow.field.sample,
        "lattice": repr(flow.field.sites),
        "sites_kind": _kind(flow),
        "periodic": int(flow.arrangement is None and all(flow.field.lattice.periodic)),
        "axes": ", ".join(flow.field.sites.axes),
        "natural_order": int(flow.field.natural),
        "blocks": repr(flow.blocks),
        "blocks_chosen_by": flow.blocks.provenance,
        **({} if flow.arrangement is None else _about_graphs(flow)),
        "rescale": str(flow.rescale),
        "exponent_Delta": "measured (kappa_2 kept)" if exponent is None else exponent,
        "jackknife_over": flow.groups.kind,
        "jackknife_groups": flow.groups.n_groups,
        "notes": "\n".join([*flow.notes, *([flow.groups.note] if flow.groups.note else [])]),
        "seed": str(seed.entropy),
    }


def _strongest(flow: Flow) -> float:
    """Return the correlation of neighbouring half regions; of the coarsest blocks on a graph."""
    if flow.arrangement is None:
        return correlation_of_halves(flow.means, flow.factors_along_axes, flow.groups.edges)
    neighbours = observe(flow.statistics, 2, replicates=False)[0, -1, 2:]
    return float(np.nanmax(neighbours, initial=0.0))


def _kind(flow: Flow) -> str:
    """Name what the sites are: a lattice, the units of one graph, or a product of populations."""
    if flow.arrangement is None:
        return "lattice"
    return "graph" if flow.field.sites.dimension == 1 else "product"


def _about_graphs(flow: Flow) -> dict[str, str]:
    """Return who chose the blocks, and the mean absolute weight of an edge along axes, by scale.

    The stiffness grad2 of a scale is in units of that weight.
    """
    graphs = [g for g in flow.graphs[0] if g is not None]
    given = {s for g in graphs for s in g.sources} | set(getattr(flow.blocks, "sources", ()))
    # Of which file they are, the run says.
    names = {source.rpartition(" of ")[0] or source for source in given}
    units = [
        " x ".join("none" if g is None else f"{edge_unit(g):.6g}" for g in level)
        for level in flow.graphs
    ]
    return {
        "blocks_sources": ", ".join(sorted(names)) or "unknown",
        "edge_unit": ", ".join(units),
    }


def flag_groups(flow: Flow) -> str:
    """Return a flag if the groups that the jackknife leaves out are few or dependent, else ""."""
    few = ""
    if flow.groups.n_groups < _FEW:
        few = f"few groups: errors from {flow.groups.n_groups} are rough"
    if flow.groups.kind != "regions":
        return few
    strongest = _strongest(flow)
    if strongest <= CORRELATED:
        return few
    dependent = (
        f"correlated regions: half regions have correlation {strongest:.2f}, "
        "errors are lower bounds"
    )
    return f"{few}; {dependent}" if few else dependent
