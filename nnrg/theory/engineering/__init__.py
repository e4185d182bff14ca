"""Networks whose infinite-width limit is a chosen free or phi^4 theory, and what became of it.

`engineer` gives the density of parameters, `nnrg.simulate.engineered` samples it, and
`measure_engineered` measures the action of the sample, with what the finite width adds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.theory.engineering.bare_interaction import Contamination as Contamination
    from nnrg.theory.engineering.bare_interaction import bare_four_point as bare_four_point
    from nnrg.theory.engineering.bare_interaction import contamination as contamination
    from nnrg.theory.engineering.bare_interaction import free_contamination as free_contamination
    from nnrg.theory.engineering.density import engineer as engineer
    from nnrg.theory.engineering.measured import EngineeredAction as EngineeredAction
    from nnrg.theory.engineering.measured import measure_engineered as measure_engineered
    from nnrg.theory.engineering.widths import WidthExtrapolation as WidthExtrapolation
    from nnrg.theory.engineering.widths import extrapolate_width as extrapolate_width

_HOMES = {
    "Contamination": "bare_interaction",
    "EngineeredAction": "measured",
    "WidthExtrapolation": "widths",
    "bare_four_point": "bare_interaction",
    "contamination": "bare_interaction",
    "engineer": "density",
    "extrapolate_width": "widths",
    "free_contamination": "bare_interaction",
    "measure_engineered": "measured",
}

__all__ = [
    "Contamination",
    "EngineeredAction",
    "WidthExtrapolation",
    "bare_four_point",
    "contamination",
    "engineer",
    "extrapolate_width",
    "free_contamination",
    "measure_engineered",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.theory.engineering' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.theory.engineering.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
