"""What a result records of the flow it was measured on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.rg.flow import Flow, field_exponent

__all__ = ["CORRELATED", "describe_flow", "flag_groups"]

# Correlation of half regions above which the jackknife's regions are called dependent.
CORRELATED = 0.2
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
        "axes": ", ".join(flow.field.sites.axes),
        "natural_order": int(flow.field.natural),
        "blocks": repr(flow.blocks),
        "blocks_chosen_by": flow.blocks.provenance,
        "rescale": str(flow.rescale),
        "exponent_Delta": "measured (kappa_2 kept)" if exponent is None else exponent,
        "jackknife_over": flow.groups.kind,
        "jackknife_groups": flow.groups.n_groups,
        "notes": "\n".join([*flow.notes, *([flow.groups.note] if flow.groups.note else [])]),
        "seed": str(seed.entropy),
    }


def flag_groups(flow: Flow) -> str:
    """Return a flag if the groups that the jackknife leaves out are few or dependent, else "".

    Regions must be two correlation lengths wide. The coarsest blocks that fit half a region are
    averaged up to about half its width; neighbours of these with a correlation above 0.2, and above
    twice its error by chance, say that regions are not wide enough.
    """
    few = ""
    if flow.groups.n_groups < _FEW:
        few = f"few groups: errors from {flow.groups.n_groups} are rough"
    if flow.groups.kind != "regions":
        return few
    factors = flow.blocks.factors(flow.field.sites)
    halves = [max(1, int(np.diff(edges).min()) // 2) for edges in flow.groups.edges]
    level = max(
        k
        for k in range(len(flow))
        if all(f**k <= half for f, half in zip(factors, halves, strict=True))
    )
    more = [half // f**level for f, half in zip(factors, halves, strict=True)]
    cut = [axis for axis, edges in enumerate(flow.groups.edges) if edges.size > 2]
    strongest = _strongest_correlation(flow.means[level], more, cut)
    if strongest <= CORRELATED:
        return few
    dependent = (
        f"correlated regions: half regions have correlation {strongest:.2f}, "
        "errors are lower bounds"
    )
    return f"{few}; {dependent}" if few else dependent


def _strongest_correlation(
    means: npt.NDArray[np.floating], more: list[int], axes: list[int]
) -> float:
    """Return the largest correlation of neighbouring boxes of `more` blocks along some axis.

    Zero where chance alone could make it.
    """
    y = means.astype(np.float64)
    for axis, count in enumerate(more):
        y = np.moveaxis(y, axis + 1, -1)
        length = y.shape[-1] // count * count
        y = y[..., :length].reshape(*y.shape[:-1], -1, count).mean(axis=-1)
        y = np.moveaxis(y, -1, axis + 1)
    y -= y.mean()
    variance = float(np.mean(y * y))
    strongest = 0.0
    for axis in axes:
        z = np.moveaxis(y, axis + 1, -1)
        products = z[..., 1:] * z[..., :-1]
        if products.size > 1 and variance > 0:
            correlation = float(products.mean()) / variance
            if correlation > CORRELATED + 2 / np.sqrt(products.size):
                strongest = max(strongest, correlation)
    return strongest
