"""What the study of criticality measures of each network, and how surprising it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from _criticality import Group
from scipy import stats

import nnrg
from nnrg.errors import AnalysisError
from nnrg.rg.cumulants import Cumulants
from nnrg.stats.multiple_testing import adjust_p_values
from nnrg.theory.placement import Placement, block_flow, place_network
from nnrg.theory.placement.blocks import BlockFlow

NULLS = ("permutation", "shuffle")
# Chances are by Student's t: that many draws know the spread of a null to a seventh.
BLOCK_DRAWS = 24


@dataclass(frozen=True)
class Found:
    """What was measured of one group.

    Attributes
    ----------
    group : Group
    placed : Placement
    blocks : mapping from tensor to (BlockFlow, Cumulants)
        Flow with scale against independent weights, and with null models.
    sites : mapping from tensor to str
    draws : int
        Of each null model of these.
    """

    group: Group
    placed: Placement
    blocks: Mapping[str, tuple[BlockFlow, Cumulants]]
    sites: Mapping[str, str]
    draws: int


def measure(group: Group, options: argparse.Namespace) -> Found:
    """Place the layers of a group, and follow them with depth and with scale."""
    net = group.load()
    placed = place_network(
        net,
        activation=group.activation,
        names=group.tensors[: group.placed or None],
        chain=group.tensors[:2] if group.chain else (),
        draws=20 if options.quick else 200,
        rng=options.seed,
    )
    blocks, shapes = {}, {}
    draws = 12 if options.quick else BLOCK_DRAWS
    for tensor in group.tensors[: group.placed or None]:
        sites = group.sites if tensor == group.tensors[0] else None
        field = net.field(tensor, sites=sites)
        shapes[tensor] = " x ".join(map(str, field.lattice.shape))
        try:
            flow = nnrg.renormalize(field)
            nulls = [nnrg.NullModel(null, draws=draws) for null in NULLS]
            cumulants = flow.cumulants(order=4, nulls=nulls, rng=options.seed)
            blocks[tensor] = (block_flow(field), cumulants)
        except AnalysisError as error:
            print(f"{group.title}, {tensor}: no flow with scale: {error}", file=sys.stderr)
    return Found(group, placed, blocks, shapes, draws)


def depth_chances(results: Sequence[Found]) -> dict[tuple[str, str, str, int], float]:
    """Return the adjusted chance of each departure with depth: of all chains, layers, nulls."""
    keys, chances = [], []
    for found in results:
        depth = found.placed.depth
        if depth is None:
            continue
        for (quantity, null), scores in depth.sigmas.items():
            for layer, score in enumerate(scores):
                keys.append((found.group.title, quantity, null, layer))
                chances.append(float(2 * stats.t.sf(abs(score), depth.draws - 1)))
    return dict(zip(keys, map(float, adjust_p_values(chances, "holm")), strict=True))


def scale_chances(results: Sequence[Found]) -> dict[tuple[str, str], float]:
    """Return the adjusted chance of each layer's departure with scale, of all layers together."""
    keys = [(f.group.title, tensor) for f in results for tensor in f.blocks]
    raw = [f.blocks[tensor][0].p for f in results for tensor in f.blocks]
    return dict(zip(keys, map(float, adjust_p_values(raw, "holm")), strict=True))


def farthest(flow: BlockFlow) -> int:
    """Return the scale of the largest departure from independent weights; -1 if none is known."""
    known = np.flatnonzero(np.isfinite(flow.sigmas))
    return int(known[np.abs(flow.sigmas[known]).argmax()]) if known.size else -1


def null_chances(results: Sequence[Found], null: str) -> dict[tuple[str, str], float]:
    """Return the adjusted chance of each layer's distance from a null model, at any scale.

    The smallest of all scales that are known, times their number, then Holm over all layers.
    """
    keys, raw = [], []
    for found in results:
        for tensor, (flow, cumulants) in found.blocks.items():
            z = cumulants.z(null)[np.isfinite(flow.sigmas), cumulants.names.index("kappa_2")]
            keys.append((found.group.title, tensor))
            chances = 2 * stats.t.sf(np.abs(z), found.draws - 1)
            raw.append(min(1.0, float(chances.min()) * chances.size) if z.size else np.nan)
    return dict(zip(keys, map(float, adjust_p_values(raw, "holm")), strict=True))
