"""Numbers with errors: estimates, k-statistics, jackknife and bootstrap, correlated fits."""

from __future__ import annotations

from nnrg.stats.autocorrelation import Autocorrelation, autocorrelation_time, block_length
from nnrg.stats.bootstrap import Bootstrap, percentile_interval
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.jackknife import (
    Jackknife,
    jackknife_bias,
    jackknife_covariance,
    leave_one_out,
)
from nnrg.stats.kstatistics import gaussian_error, kstatistics, recentre
from nnrg.stats.model_average import ModelAverage, average_fits, fit_windows
from nnrg.stats.partition import sample_groups, spatial_edges
from nnrg.stats.replicates import Replicates

__all__ = [
    "Autocorrelation",
    "Bootstrap",
    "Estimate",
    "FitResult",
    "Jackknife",
    "ModelAverage",
    "Replicates",
    "autocorrelation_time",
    "average_fits",
    "block_length",
    "correlated_fit",
    "fit_windows",
    "format_value_error",
    "gaussian_error",
    "jackknife_bias",
    "jackknife_covariance",
    "kstatistics",
    "leave_one_out",
    "percentile_interval",
    "recentre",
    "sample_groups",
    "spatial_edges",
]
