"""Diffusion on graphs: the spectrum of a Laplacian, spectral entropy and heat capacity."""

from nnrg.graph.spectral.measure import SpectralMeasure, spectral_measure

__all__ = ["SpectralMeasure", "spectral_measure"]
