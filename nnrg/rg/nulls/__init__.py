"""Null models: the field with one property destroyed, through the same pipeline.

| | name | keeps | destroys |
|---|---|---|---|
| N1 | ``"permutation"`` | every value, products of samples | the order of the sites |
| N2 | ``"shuffle"`` | the one-point law of the layer | all else |
| N3 | ``"rows"``, ``"columns"`` | the values of each row, or column | order within them |
| N4 | ``"phase"`` | the two-point function | higher cumulants |
| N5 | ``"initialisation"`` | the tensor before training | training |
| N6 | ``"rotation"`` | the singular values | the singular vectors |
| N7 | ``"gaussian"`` | variance and neighbour differences | all else |
| | ``"configuration"`` | the field, the degrees of the graph | all else of the wiring |
| N8 | ``"independent"`` | the one-point law of every unit | what units have in common |

A flow that does not differ from N1 is the flow of random neighbourhoods; one that does not differ
from N4 has no interactions that these data can tell. On a graph the permutation is that of units
within each population, the Gaussian field is free on the same graph, and the configuration model
chooses blocks again on a rewired one.
"""

from __future__ import annotations

from nnrg.rg.nulls._defaults import (
    FURTHER_NULLS,
    DefaultNulls,
    Nulls,
    WherePossible,
    chosen_nulls,
)
from nnrg.rg.nulls._families import VALUES_KEPT
from nnrg.rg.nulls._run import measure_nulls
from nnrg.rg.nulls.model import NullModel, measure_null, null_models

__all__ = [
    "FURTHER_NULLS",
    "VALUES_KEPT",
    "DefaultNulls",
    "NullModel",
    "Nulls",
    "WherePossible",
    "chosen_nulls",
    "measure_null",
    "measure_nulls",
    "null_models",
]
