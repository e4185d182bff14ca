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
    from nnrg.plot._cosmology import perturbation_rates as perturbation_rates
    from nnrg.plot._cosmology import universe_spectrum as universe_spectrum
    from nnrg.plot._cosmology import universe_trajectory as universe_trajectory
    from nnrg.plot._cosmology_scan import duality_failures as duality_failures
    from nnrg.plot._cosmology_scan import hubble_invariant as hubble_invariant
    from nnrg.plot._cosmology_scan import hubble_rates as hubble_rates
    from nnrg.plot._criticality import depth_scales as depth_scales
    from nnrg.plot._criticality import phase_diagram as phase_diagram
    from nnrg.plot._decay import correlation_decay as correlation_decay
    from nnrg.plot._finite_width import cluster_decomposition as cluster_decomposition
    from nnrg.plot._finite_width import finite_width as finite_width
    from nnrg.plot._finite_width import width_scaling as width_scaling
    from nnrg.plot._hamiltonian import conservation as conservation
    from nnrg.plot._hamiltonian import dispersion_distance as dispersion_distance
    from nnrg.plot._hamiltonian import lattice_dispersion as lattice_dispersion
    from nnrg.plot._hamiltonian_weights import matrix_scores as matrix_scores
    from nnrg.plot._hamiltonian_weights import weight_flow as weight_flow
    from nnrg.plot._hamiltonian_weights import weight_scores as weight_scores
    from nnrg.plot._information_flow import kernel_mode_flow as kernel_mode_flow
    from nnrg.plot._information_flow import sigma_flow as sigma_flow
    from nnrg.plot._kernel_flow import kernel_deviations as kernel_deviations
    from nnrg.plot._kernel_flow import kernel_flow as kernel_flow
    from nnrg.plot._placement import block_flow as block_flow
    from nnrg.plot._placement import signal_flow as signal_flow
    from nnrg.plot._recurrent import lyapunov_exponent as lyapunov_exponent
    from nnrg.plot._recurrent import recurrent_correlation as recurrent_correlation
    from nnrg.plot._synaptic import action_residual as action_residual
    from nnrg.plot._synaptic import energy_law as energy_law
    from nnrg.plot._synaptic import expansion_history as expansion_history
    from nnrg.plot._synaptic import redshift as redshift
    from nnrg.plot._synaptic import training_modes as training_modes
    from nnrg.plot._synaptic_data import data_kernel as data_kernel
    from nnrg.plot._synaptic_data import light_cones as light_cones
    from nnrg.plot._synaptic_data import source_strengths as source_strengths
    from nnrg.plot._synaptic_data import toy_dispersion as toy_dispersion
    from nnrg.plot._synaptic_depth import continuity_residual as continuity_residual
    from nnrg.plot._synaptic_depth import depth_flow as depth_flow
    from nnrg.plot._synaptic_depth import energy_current as energy_current
    from nnrg.plot._theory_panels import page as page
    from nnrg.plot._training import training_costs as training_costs
    from nnrg.plot._vertex_flow import vertex_flow as vertex_flow

# Theories take long to import, and the figures of flows do not need them.
_HOMES = {
    "action_couplings": "_action",
    "action_curve": "_action",
    "block_flow": "_placement",
    "cluster_decomposition": "_finite_width",
    "conservation": "_hamiltonian",
    "correlation_decay": "_decay",
    "signal_flow": "_placement",
    "depth_scales": "_criticality",
    "duality_failures": "_cosmology_scan",
    "dispersion_distance": "_hamiltonian",
    "engineered_coupling": "_action",
    "finite_width": "_finite_width",
    "hubble_invariant": "_cosmology_scan",
    "hubble_rates": "_cosmology_scan",
    "kernel_deviations": "_kernel_flow",
    "kernel_flow": "_kernel_flow",
    "kernel_mode_flow": "_information_flow",
    "lattice_dispersion": "_hamiltonian",
    "lyapunov_exponent": "_recurrent",
    "matrix_scores": "_hamiltonian_weights",
    "page": "_theory_panels",
    "perturbation_rates": "_cosmology",
    "phase_diagram": "_criticality",
    "recurrent_correlation": "_recurrent",
    "sigma_flow": "_information_flow",
    "universe_spectrum": "_cosmology",
    "universe_trajectory": "_cosmology",
    "vertex_flow": "_vertex_flow",
    "weight_flow": "_hamiltonian_weights",
    "weight_scores": "_hamiltonian_weights",
    "width_scaling": "_finite_width",
    "action_residual": "_synaptic",
    "continuity_residual": "_synaptic_depth",
    "data_kernel": "_synaptic_data",
    "depth_flow": "_synaptic_depth",
    "energy_current": "_synaptic_depth",
    "energy_law": "_synaptic",
    "expansion_history": "_synaptic",
    "light_cones": "_synaptic_data",
    "redshift": "_synaptic",
    "source_strengths": "_synaptic_data",
    "toy_dispersion": "_synaptic_data",
    "training_costs": "_training",
    "training_modes": "_synaptic",
}

__all__ = [
    "PANELS",
    "STYLES",
    "action_couplings",
    "action_curve",
    "action_residual",
    "block_flow",
    "cluster_decomposition",
    "column",
    "comparison",
    "conservation",
    "continuity_residual",
    "correlation",
    "correlation_decay",
    "couplings",
    "data_kernel",
    "depth_flow",
    "depth_scales",
    "dispersion_distance",
    "duality_failures",
    "energy_current",
    "energy_law",
    "engineered_coupling",
    "expansion_history",
    "figure",
    "finite_width",
    "graph",
    "hubble_invariant",
    "hubble_rates",
    "kernel_deviations",
    "kernel_flow",
    "kernel_mode_flow",
    "lattice_dispersion",
    "light_cones",
    "lyapunov_exponent",
    "matrix_scores",
    "network_flow",
    "page",
    "perturbation_rates",
    "phase_diagram",
    "ratios",
    "recurrent_correlation",
    "redshift",
    "save",
    "sigma_flow",
    "signal_flow",
    "source_strengths",
    "style",
    "summary",
    "toy_dispersion",
    "training_costs",
    "training_modes",
    "universe_spectrum",
    "universe_trajectory",
    "variance",
    "vertex_flow",
    "weight_flow",
    "weight_scores",
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
