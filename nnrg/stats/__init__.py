"""Numbers with errors: estimates, k-statistics and the delete-block jackknife."""

from __future__ import annotations

from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.jackknife import (
    Jackknife,
    jackknife_bias,
    jackknife_covariance,
    leave_one_out,
)
from nnrg.stats.kstatistics import gaussian_error, kstatistics, recentre
from nnrg.stats.partition import sample_groups, spatial_edges

__all__ = [
    "Estimate",
    "Jackknife",
    "format_value_error",
    "gaussian_error",
    "jackknife_bias",
    "jackknife_covariance",
    "kstatistics",
    "leave_one_out",
    "recentre",
    "sample_groups",
    "spatial_edges",
]
