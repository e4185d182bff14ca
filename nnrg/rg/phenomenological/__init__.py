"""Phenomenological RG: blocks of correlated units, their exponents, and independent units as null.

Pairs are chosen on other samples than those that are measured, and everything is repeated on units
that are independent but otherwise as they are: see `phenomenological_flow`.
"""

from __future__ import annotations

from nnrg.rg.phenomenological.analysis import phenomenological_flow
from nnrg.rg.phenomenological.exponents import ScalingExponent
from nnrg.rg.phenomenological.flow import PhenomenologicalFlow
from nnrg.rg.phenomenological.nulls import IndependentUnits

__all__ = [
    "IndependentUnits",
    "PhenomenologicalFlow",
    "ScalingExponent",
    "phenomenological_flow",
]
