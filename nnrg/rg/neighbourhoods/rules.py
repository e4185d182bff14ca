"""Rules that make blocks of units on a graph, by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from nnrg.rg.neighbourhoods.hierarchy import Neighbourhoods

__all__ = ["GRAPH_RULES", "graph_rule"]

_RULES = {
    "matching": ("nnrg.rg.neighbourhoods.matching", "MatchingBlocks"),
    "diffusion": ("nnrg.rg.neighbourhoods.diffusion", "DiffusionBlocks"),
    "seriation": ("nnrg.rg.neighbourhoods.seriation", "SeriationBlocks"),
}
GRAPH_RULES = tuple(_RULES)
"""Names that `graph_rule` takes."""


def graph_rule(name: str) -> Callable[..., Neighbourhoods]:
    """Return `MatchingBlocks`, `DiffusionBlocks` or `SeriationBlocks`."""
    # The command line asks for the names alone, and at once.
    module, rule = _RULES[name]
    return cast("Callable[..., Neighbourhoods]", getattr(import_module(module), rule))
