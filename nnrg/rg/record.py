"""What a result records of the flow it was measured on."""

from __future__ import annotations

import numpy as np

from nnrg.rg.flow import Flow, field_exponent
from nnrg.rg.moments import observe

__all__ = ["correlated_regions", "describe_flow"]

# Correlation of half regions above which the jackknife's regions are called dependent.
_CORRELATED = 0.2


def describe_flow(flow: Flow, seed: np.random.SeedSequence) -> dict[str, str | int | float]:
    """Return what a result records of its flow."""
    exponent = field_exponent(flow.rescale, flow.field.sites.dimension)
    return {
        "field": flow.field.name,
        "samples": flow.field.n_samples,
        "sample_is": flow.field.sample,
        "lattice": repr(flow.field.sites),
        "axes": ", ".join(flow.field.sites.axes),
        "natural_order": int(flow.field.natural),
        "blocks": repr(flow.blocks),
        "blocks_chosen_by": flow.blocks.provenance,
        "rescale": str(flow.rescale),
        "exponent_Delta": "measured (kappa_2 kept)" if exponent is None else exponent,
        "jackknife_over": flow.groups.kind,
        "jackknife_groups": flow.groups.n_groups,
        "notes": "\n".join(flow.notes),
        "seed": str(seed.entropy),
    }


def correlated_regions(flow: Flow) -> str:
    """Return a flag if the regions that the jackknife leaves out are not independent, else "".

    Regions must be two correlation lengths wide. Blocks of half a region whose neighbours have a
    correlation above 0.2 (exp(-L/xi) times the variance of what is left) say that they are not.
    """
    if flow.groups.kind != "regions":
        return ""
    widths = [int(np.diff(e).min()) for e in flow.groups.edges if e.size > 2]
    if not widths:
        return ""
    level = max(k for k, b in enumerate(flow.scales) if 2 * b <= max(min(widths), 2))
    numbers = observe(flow.statistics, 2, replicates=False)[0, level]
    strongest = float(np.nanmax(numbers[2:], initial=0.0))
    if strongest <= _CORRELATED:
        return ""
    return (
        f"correlated regions: blocks of {flow.scales[level]} sites have correlation "
        f"{strongest:.2f}, errors are lower bounds"
    )
