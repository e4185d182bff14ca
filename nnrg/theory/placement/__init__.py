"""Where a network lies among random ones: (sigma_w, sigma_b), phase, and flows beside theory.

`place_network` does it for a network from a file; `layer_scales`, `block_flow` and `depth_flow` for
arrays.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.theory.placement.blocks import BlockFlow as BlockFlow
    from nnrg.theory.placement.blocks import block_flow as block_flow
    from nnrg.theory.placement.depth import DepthFlow as DepthFlow
    from nnrg.theory.placement.depth import depth_flow as depth_flow
    from nnrg.theory.placement.phase import LayerPhase as LayerPhase
    from nnrg.theory.placement.place import Placement as Placement
    from nnrg.theory.placement.place import place_network as place_network
    from nnrg.theory.placement.scales import LayerScales as LayerScales
    from nnrg.theory.placement.scales import layer_scales as layer_scales

_HOMES = {
    "BlockFlow": "blocks",
    "DepthFlow": "depth",
    "LayerPhase": "phase",
    "LayerScales": "scales",
    "Placement": "place",
    "block_flow": "blocks",
    "depth_flow": "depth",
    "layer_scales": "scales",
    "place_network": "place",
}

__all__ = [
    "BlockFlow",
    "DepthFlow",
    "LayerPhase",
    "LayerScales",
    "Placement",
    "block_flow",
    "depth_flow",
    "layer_scales",
    "place_network",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.theory.placement' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.theory.placement.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
