"""Where a network lies among random ones: (sigma_w, sigma_b), phase, and flows beside theory.

`place_network` does it for a network from a file; `layer_scales`, `block_flow` and `signal_flow`
for arrays.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.theory.placement.blocks import BlockFlow as BlockFlow
    from nnrg.theory.placement.blocks import block_flow as block_flow
    from nnrg.theory.placement.phase import LayerPhase as LayerPhase
    from nnrg.theory.placement.place import Placement as Placement
    from nnrg.theory.placement.place import place_network as place_network
    from nnrg.theory.placement.scales import LayerScales as LayerScales
    from nnrg.theory.placement.scales import layer_scales as layer_scales
    from nnrg.theory.placement.signal import SignalFlow as SignalFlow
    from nnrg.theory.placement.signal import signal_flow as signal_flow

_HOMES = {
    "BlockFlow": "blocks",
    "SignalFlow": "signal",
    "LayerPhase": "phase",
    "LayerScales": "scales",
    "Placement": "place",
    "block_flow": "blocks",
    "signal_flow": "signal",
    "layer_scales": "scales",
    "place_network": "place",
}

__all__ = [
    "BlockFlow",
    "LayerPhase",
    "LayerScales",
    "Placement",
    "SignalFlow",
    "block_flow",
    "layer_scales",
    "place_network",
    "signal_flow",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.theory.placement' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.theory.placement.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
