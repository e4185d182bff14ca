"""Training as a scalar field in an expanding universe (arXiv:2202.11104).

The field is the output of a network: its mean over data is the background, deviations from it are
perturbations. `cosmological_match` is the dictionary in three versions, `fit_background` measures
Hubble rate and mass of recorded training and says where the duality fails, `perturbation_spectrum`
does so mode by mode, `hubble_law` fits the exponent in the learning rate, and `solve_friedmann` is
the other side; `compare_universe` puts both beside each other, and `hubble_scan` trains networks
over learning rate, width, depth and data, and says where the duality holds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.theory.cosmology._background_result import BackgroundFit as BackgroundFit
    from nnrg.theory.cosmology._scan_result import HubbleScan as HubbleScan
    from nnrg.theory.cosmology._scan_rows import ScanPlace as ScanPlace
    from nnrg.theory.cosmology._scan_rows import ScanRow as ScanRow
    from nnrg.theory.cosmology._universe_result import UniverseComparison as UniverseComparison
    from nnrg.theory.cosmology.against_rate import HubbleLaw as HubbleLaw
    from nnrg.theory.cosmology.against_rate import hubble_law as hubble_law
    from nnrg.theory.cosmology.background import fit_background as fit_background
    from nnrg.theory.cosmology.both_sides import compare_universe as compare_universe
    from nnrg.theory.cosmology.circles import circle_data as circle_data
    from nnrg.theory.cosmology.friedmann import Friedmann as Friedmann
    from nnrg.theory.cosmology.friedmann import solve_friedmann as solve_friedmann
    from nnrg.theory.cosmology.kernels import output_jacobian as output_jacobian
    from nnrg.theory.cosmology.kernels import tangent_kernel as tangent_kernel
    from nnrg.theory.cosmology.matches import MATCHES as MATCHES
    from nnrg.theory.cosmology.matches import CosmologicalMatch as CosmologicalMatch
    from nnrg.theory.cosmology.matches import cosmological_match as cosmological_match
    from nnrg.theory.cosmology.scan import hubble_scan as hubble_scan
    from nnrg.theory.cosmology.spectrum import PerturbationSpectrum as PerturbationSpectrum
    from nnrg.theory.cosmology.spectrum import mean_background as mean_background
    from nnrg.theory.cosmology.spectrum import perturbation_spectrum as perturbation_spectrum

_HOMES = {
    "BackgroundFit": "_background_result",
    "CosmologicalMatch": "matches",
    "Friedmann": "friedmann",
    "HubbleLaw": "against_rate",
    "HubbleScan": "_scan_result",
    "MATCHES": "matches",
    "PerturbationSpectrum": "spectrum",
    "ScanPlace": "_scan_rows",
    "ScanRow": "_scan_rows",
    "UniverseComparison": "_universe_result",
    "circle_data": "circles",
    "compare_universe": "both_sides",
    "cosmological_match": "matches",
    "fit_background": "background",
    "hubble_law": "against_rate",
    "hubble_scan": "scan",
    "mean_background": "spectrum",
    "output_jacobian": "kernels",
    "perturbation_spectrum": "spectrum",
    "solve_friedmann": "friedmann",
    "tangent_kernel": "kernels",
}

__all__ = [
    "MATCHES",
    "BackgroundFit",
    "CosmologicalMatch",
    "Friedmann",
    "HubbleLaw",
    "HubbleScan",
    "PerturbationSpectrum",
    "ScanPlace",
    "ScanRow",
    "UniverseComparison",
    "circle_data",
    "compare_universe",
    "cosmological_match",
    "fit_background",
    "hubble_law",
    "hubble_scan",
    "mean_background",
    "output_jacobian",
    "perturbation_spectrum",
    "solve_friedmann",
    "tangent_kernel",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.theory.cosmology' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.theory.cosmology.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
