"""The action of a neural-network field theory out of its connected correlators."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.theory.edgeworth.comparison import ActionComparison as ActionComparison
    from nnrg.theory.edgeworth.cumulant_tensors import CumulantTensors as CumulantTensors
    from nnrg.theory.edgeworth.diagrams import Diagram as Diagram
    from nnrg.theory.edgeworth.diagrams import FeynmanExpansion as FeynmanExpansion
    from nnrg.theory.edgeworth.diagrams import feynman as feynman
    from nnrg.theory.edgeworth.inverse import RegularisedInverse as RegularisedInverse
    from nnrg.theory.edgeworth.inverse import regularised_inverse as regularised_inverse
    from nnrg.theory.edgeworth.locality import LocalityResidual as LocalityResidual
    from nnrg.theory.edgeworth.locality import locality_residual as locality_residual
    from nnrg.theory.edgeworth.reconstruction import reconstruct_action as reconstruct_action
    from nnrg.theory.edgeworth.result import ReconstructedAction as ReconstructedAction

_HOMES = {
    "ActionComparison": "comparison",
    "CumulantTensors": "cumulant_tensors",
    "Diagram": "diagrams",
    "FeynmanExpansion": "diagrams",
    "LocalityResidual": "locality",
    "ReconstructedAction": "result",
    "RegularisedInverse": "inverse",
    "feynman": "diagrams",
    "locality_residual": "locality",
    "reconstruct_action": "reconstruction",
    "regularised_inverse": "inverse",
}

__all__ = [
    "ActionComparison",
    "CumulantTensors",
    "Diagram",
    "FeynmanExpansion",
    "LocalityResidual",
    "ReconstructedAction",
    "RegularisedInverse",
    "feynman",
    "locality_residual",
    "reconstruct_action",
    "regularised_inverse",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.theory.edgeworth' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.theory.edgeworth.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
