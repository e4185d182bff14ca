"""Corrections of order 1/width to the infinite-width theory of deep networks.

`finite_width` expands metric, kurtosis and tangent growth of one input to order 1/n^2,
`two_input_finite_width` the Gram matrix of two; `loop_report` and `two_input_report` put them next
to a simulation. `quenched_exponent` and `quenched_edge` are about typical networks, deep down.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.theory.loops.dictionary import Dictionary as Dictionary
    from nnrg.theory.loops.dictionary import DictionaryEntry as DictionaryEntry
    from nnrg.theory.loops.dictionary import o_n_dictionary as o_n_dictionary
    from nnrg.theory.loops.edge import QuenchedEdge as QuenchedEdge
    from nnrg.theory.loops.edge import quenched_edge as quenched_edge
    from nnrg.theory.loops.expansion import FiniteWidth as FiniteWidth
    from nnrg.theory.loops.quenched import QuenchedExponent as QuenchedExponent
    from nnrg.theory.loops.quenched import exact_log_growth as exact_log_growth
    from nnrg.theory.loops.quenched import quenched_exponent as quenched_exponent
    from nnrg.theory.loops.recursion import finite_width as finite_width
    from nnrg.theory.loops.report import LoopReport as LoopReport
    from nnrg.theory.loops.report import LoopRow as LoopRow
    from nnrg.theory.loops.report import loop_report as loop_report
    from nnrg.theory.loops.two_input_comparison import TwoInputReport as TwoInputReport
    from nnrg.theory.loops.two_input_comparison import two_input_report as two_input_report
    from nnrg.theory.loops.two_inputs import TwoInputFiniteWidth as TwoInputFiniteWidth
    from nnrg.theory.loops.two_inputs import two_input_finite_width as two_input_finite_width
    from nnrg.theory.loops.universality import CriticalSlopes as CriticalSlopes
    from nnrg.theory.loops.universality import critical_slopes as critical_slopes
    from nnrg.theory.loops.widths import WidthScan as WidthScan
    from nnrg.theory.loops.widths import width_scan as width_scan

_HOMES = {
    "CriticalSlopes": "universality",
    "Dictionary": "dictionary",
    "DictionaryEntry": "dictionary",
    "FiniteWidth": "expansion",
    "LoopReport": "report",
    "LoopRow": "report",
    "QuenchedEdge": "edge",
    "QuenchedExponent": "quenched",
    "TwoInputFiniteWidth": "two_inputs",
    "TwoInputReport": "two_input_comparison",
    "WidthScan": "widths",
    "critical_slopes": "universality",
    "exact_log_growth": "quenched",
    "finite_width": "recursion",
    "loop_report": "report",
    "o_n_dictionary": "dictionary",
    "quenched_edge": "edge",
    "quenched_exponent": "quenched",
    "two_input_finite_width": "two_inputs",
    "two_input_report": "two_input_comparison",
    "width_scan": "widths",
}

__all__ = [
    "CriticalSlopes",
    "Dictionary",
    "DictionaryEntry",
    "FiniteWidth",
    "LoopReport",
    "LoopRow",
    "QuenchedEdge",
    "QuenchedExponent",
    "TwoInputFiniteWidth",
    "TwoInputReport",
    "WidthScan",
    "critical_slopes",
    "exact_log_growth",
    "finite_width",
    "loop_report",
    "o_n_dictionary",
    "quenched_edge",
    "quenched_exponent",
    "two_input_finite_width",
    "two_input_report",
    "width_scan",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.theory.loops' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.theory.loops.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
