"""Names of the rules that make blocks of units without a natural order."""

from __future__ import annotations

__all__ = ["GRAPH_RULES", "INDEX_RULES", "UNIT_RULES"]

GRAPH_RULES = ("matching", "diffusion", "seriation")
INDEX_RULES = ("random", "index")
UNIT_RULES = (*GRAPH_RULES, "pairs", *INDEX_RULES)
