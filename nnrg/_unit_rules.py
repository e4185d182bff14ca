"""Names of the rules that make blocks of units without a natural order."""

from __future__ import annotations

from nnrg.rg.neighbourhoods.rules import GRAPH_RULES

__all__ = ["UNIT_RULES"]

UNIT_RULES = (*GRAPH_RULES, "pairs", "random", "index")
