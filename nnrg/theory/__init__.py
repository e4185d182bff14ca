"""What theory says of networks: one module for each source paper, and the bridge to measured flows.

`criticality` and `recurrent` are mean-field theory, `loops` its corrections at finite width,
`correlators`, `edgeworth` and `engineering` are ensembles of networks as field theories,
`information_flow` are flows in the space of laws, `hamiltonian` takes learning as Hamilton's
equations, `synaptic` weights as fields whose sources are the data, `cosmology` training
as expansion; `placement` puts a trained network beside theory.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.theory import correlators as correlators
    from nnrg.theory import cosmology as cosmology
    from nnrg.theory import criticality as criticality
    from nnrg.theory import edgeworth as edgeworth
    from nnrg.theory import engineering as engineering
    from nnrg.theory import hamiltonian as hamiltonian
    from nnrg.theory import information_flow as information_flow
    from nnrg.theory import loops as loops
    from nnrg.theory import placement as placement
    from nnrg.theory import recurrent as recurrent
    from nnrg.theory import synaptic as synaptic

__all__ = [
    "correlators",
    "cosmology",
    "criticality",
    "edgeworth",
    "engineering",
    "hamiltonian",
    "information_flow",
    "loops",
    "placement",
    "recurrent",
    "synaptic",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'nnrg.theory' has no attribute {name!r}")
    return import_module(f"nnrg.theory.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
