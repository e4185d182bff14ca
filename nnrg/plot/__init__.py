"""Figures of flows: every point with its error bar, every curve with the band of its null model.

Panels take and return Axes; none shows, saves, or touches global settings. `figure` puts the panels
of one measurement together at the full width of a journal's page, `column` one panel at that of a
column, `save` writes a figure.
"""

from __future__ import annotations

from nnrg.plot._comparison import comparison
from nnrg.plot._figures import PANELS, column, figure, summary
from nnrg.plot._graph import graph
from nnrg.plot._network_flow import network_flow
from nnrg.plot._panels import correlation, couplings, ratios, variance, z_scores
from nnrg.plot._style import STYLES, save, style

__all__ = [
    "PANELS",
    "STYLES",
    "column",
    "comparison",
    "correlation",
    "couplings",
    "figure",
    "graph",
    "network_flow",
    "ratios",
    "save",
    "style",
    "summary",
    "variance",
    "z_scores",
]
