"""Figures: every point with its error bar, every curve with the band of its null model or theory.

Panels take and return Axes; none shows, saves, or touches global settings. `figure` puts the panels
of one measurement together at the full width of a journal's page, `column` one panel at that of a
column, `page` any panels, `save` writes a figure.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nnrg.plot._comparison import comparison
from nnrg.plot._figures import PANELS, column, figure, summary
from nnrg.plot._graph import graph
from nnrg.plot._network_flow import network_flow
from nnrg.plot._panels import correlation, couplings, ratios, variance, z_scores
from nnrg.plot._style import STYLES, save, style

if TYPE_CHECKING:
    from nnrg.plot._action import action_couplings as action_couplings
    from nnrg.plot._action import action_curve as action_curve
    from nnrg.plot._action import engineered_coupling as engineered_coupling
    from nnrg.plot._criticality import depth_scales as depth_scales
    from nnrg.plot._criticality import phase_diagram as phase_diagram
    from nnrg.plot._decay import correlation_decay as correlation_decay
    from nnrg.plot._finite_width import cluster_decomposition as cluster_decomposition
    from nnrg.plot._finite_width import finite_width as finite_width
    from nnrg.plot._finite_width import width_scaling as width_scaling
    from nnrg.plot._information_flow import kernel_mode_flow as kernel_mode_flow
    from nnrg.plot._information_flow import sigma_flow as sigma_flow
    from nnrg.plot._placement import block_flow as block_flow
    from nnrg.plot._placement import signal_flow as signal_flow
    from nnrg.plot._recurrent import lyapunov_exponent as lyapunov_exponent
    from nnrg.plot._recurrent import recurrent_correlation as recurrent_correlation
    from nnrg.plot._theory_panels import page as page

# Theories take long to import, and the figures of flows do not need them.
_HOMES = {
    "action_couplings": "_action",
    "action_curve": "_action",
    "block_flow": "_placement",
    "cluster_decomposition": "_finite_width",
    "correlation_decay": "_decay",
    "signal_flow": "_placement",
    "depth_scales": "_criticality",
    "engineered_coupling": "_action",
    "finite_width": "_finite_width",
    "kernel_mode_flow": "_information_flow",
    "lyapunov_exponent": "_recurrent",
    "page": "_theory_panels",
    "phase_diagram": "_criticality",
    "recurrent_correlation": "_recurrent",
    "sigma_flow": "_information_flow",
    "width_scaling": "_finite_width",
}

__all__ = [
    "PANELS",
    "STYLES",
    "action_couplings",
    "action_curve",
    "block_flow",
    "cluster_decomposition",
    "column",
    "comparison",
    "correlation",
    "correlation_decay",
    "couplings",
    "depth_scales",
    "engineered_coupling",
    "figure",
    "finite_width",
    "graph",
    "kernel_mode_flow",
    "lyapunov_exponent",
    "network_flow",
    "page",
    "phase_diagram",
    "ratios",
    "recurrent_correlation",
    "save",
    "sigma_flow",
    "signal_flow",
    "style",
    "summary",
    "variance",
    "width_scaling",
    "z_scores",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.plot' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.plot.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
