"""Diffusion on graphs: the spectrum of a Laplacian, spectral entropy and heat capacity."""

from nnrg.graph.spectral.curve import SpectralCurve
from nnrg.graph.spectral.dimension import SpectralDimension, spectral_dimension
from nnrg.graph.spectral.eigenvalues import lowest_eigenvalues
from nnrg.graph.spectral.flow import (
    SpectralFlow,
    heat_capacity,
    spectral_entropy,
    spectral_flow,
)
from nnrg.graph.spectral.measure import SpectralMeasure, spectral_measure
from nnrg.graph.spectral.times import CharacteristicTimes, characteristic_times

__all__ = [
    "CharacteristicTimes",
    "SpectralCurve",
    "SpectralDimension",
    "SpectralFlow",
    "SpectralMeasure",
    "characteristic_times",
    "heat_capacity",
    "lowest_eigenvalues",
    "spectral_dimension",
    "spectral_entropy",
    "spectral_flow",
    "spectral_measure",
]
