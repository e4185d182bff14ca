"""Networks as Hamiltonian field theories (V. Vanchurin, arXiv:2411.08138), and read the other way.

`HamiltonianNet` steps activations and biases, `KleinGordonLattice` and `DiracLattice` are the
fields of symmetric and antisymmetric weights, `GaugeLinks` a background field on them,
`measure_dispersion` their waves; `read_weights` and `read_network` take given weights apart.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.theory.hamiltonian.brillouin import BrillouinPath as BrillouinPath
    from nnrg.theory.hamiltonian.brillouin import brillouin_path as brillouin_path
    from nnrg.theory.hamiltonian.cayley import CayleyStep as CayleyStep
    from nnrg.theory.hamiltonian.clifford import CliffordCheck as CliffordCheck
    from nnrg.theory.hamiltonian.clifford import clifford_check as clifford_check
    from nnrg.theory.hamiltonian.clifford import majorana_matrices as majorana_matrices
    from nnrg.theory.hamiltonian.dirac import DiracLattice as DiracLattice
    from nnrg.theory.hamiltonian.dirac import Doublers as Doublers
    from nnrg.theory.hamiltonian.dispersion import Dispersion as Dispersion
    from nnrg.theory.hamiltonian.dispersion import measure_dispersion as measure_dispersion
    from nnrg.theory.hamiltonian.dispersion_fit import DispersionFit as DispersionFit
    from nnrg.theory.hamiltonian.dispersion_fit import fit_dispersion as fit_dispersion
    from nnrg.theory.hamiltonian.dynamics import HamiltonianNet as HamiltonianNet
    from nnrg.theory.hamiltonian.dynamics import HamiltonianRun as HamiltonianRun
    from nnrg.theory.hamiltonian.gauge import GaugeLinks as GaugeLinks
    from nnrg.theory.hamiltonian.gauge import GaugeTensors as GaugeTensors
    from nnrg.theory.hamiltonian.gauge import covariance_residual as covariance_residual
    from nnrg.theory.hamiltonian.gauge import covariant_differences as covariant_differences
    from nnrg.theory.hamiltonian.gauge import covariant_laplacian as covariant_laplacian
    from nnrg.theory.hamiltonian.klein_gordon import FieldHistory as FieldHistory
    from nnrg.theory.hamiltonian.klein_gordon import KleinGordonLattice as KleinGordonLattice
    from nnrg.theory.hamiltonian.matrices import Refused as Refused
    from nnrg.theory.hamiltonian.matrices import SquareMatrix as SquareMatrix
    from nnrg.theory.hamiltonian.matrices import square_matrices as square_matrices
    from nnrg.theory.hamiltonian.modes import ModeFrequencies as ModeFrequencies
    from nnrg.theory.hamiltonian.modes import mode_frequencies as mode_frequencies
    from nnrg.theory.hamiltonian.network_reading import NetworkReading as NetworkReading
    from nnrg.theory.hamiltonian.network_reading import read_network as read_network
    from nnrg.theory.hamiltonian.reading import read_weights as read_weights
    from nnrg.theory.hamiltonian.symplectic import SymplecticCheck as SymplecticCheck
    from nnrg.theory.hamiltonian.symplectic import symplectic_check as symplectic_check
    from nnrg.theory.hamiltonian.weight_reading import WeightReading as WeightReading

_HOMES = {
    "BrillouinPath": "brillouin",
    "CayleyStep": "cayley",
    "CliffordCheck": "clifford",
    "DiracLattice": "dirac",
    "Dispersion": "dispersion",
    "DispersionFit": "dispersion_fit",
    "Doublers": "dirac",
    "FieldHistory": "klein_gordon",
    "GaugeLinks": "gauge",
    "GaugeTensors": "gauge",
    "HamiltonianNet": "dynamics",
    "HamiltonianRun": "dynamics",
    "KleinGordonLattice": "klein_gordon",
    "ModeFrequencies": "modes",
    "NetworkReading": "network_reading",
    "Refused": "matrices",
    "SquareMatrix": "matrices",
    "SymplecticCheck": "symplectic",
    "WeightReading": "weight_reading",
    "brillouin_path": "brillouin",
    "clifford_check": "clifford",
    "covariance_residual": "gauge",
    "covariant_differences": "gauge",
    "covariant_laplacian": "gauge",
    "fit_dispersion": "dispersion_fit",
    "majorana_matrices": "clifford",
    "measure_dispersion": "dispersion",
    "mode_frequencies": "modes",
    "read_network": "network_reading",
    "read_weights": "reading",
    "square_matrices": "matrices",
    "symplectic_check": "symplectic",
}

__all__ = [
    "BrillouinPath",
    "CayleyStep",
    "CliffordCheck",
    "DiracLattice",
    "Dispersion",
    "DispersionFit",
    "Doublers",
    "FieldHistory",
    "GaugeLinks",
    "GaugeTensors",
    "HamiltonianNet",
    "HamiltonianRun",
    "KleinGordonLattice",
    "ModeFrequencies",
    "NetworkReading",
    "Refused",
    "SquareMatrix",
    "SymplecticCheck",
    "WeightReading",
    "brillouin_path",
    "clifford_check",
    "covariance_residual",
    "covariant_differences",
    "covariant_laplacian",
    "fit_dispersion",
    "majorana_matrices",
    "measure_dispersion",
    "mode_frequencies",
    "read_network",
    "read_weights",
    "square_matrices",
    "symplectic_check",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.theory.hamiltonian' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.theory.hamiltonian.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
