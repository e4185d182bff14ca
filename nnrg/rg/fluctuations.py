"""Whether a field fluctuates, and by how much: powers to the eighth must be double precision."""

from __future__ import annotations

import numpy as np

from nnrg._field_values import check_finite
from nnrg.errors import AnalysisError
from nnrg.fields import SynapticField
from nnrg_kernels.pyramid import Pyramid

__all__ = ["check_fluctuations", "has_fluctuations"]

# A decade more than what is promised: the deviation of a sample is not that of its law.
_SMALLEST, _LARGEST = 1e-31, 1e31


def has_fluctuations(statistics: Pyramid) -> bool:
    """Tell whether the standard deviation at b = 1 is within 1e-30 .. 1e30."""
    n = statistics.counts[0].sum()
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is in no range
        s1, s2 = statistics.sums[0, :, 0].sum(), statistics.sums[0, :, 1].sum()
        square = s2 - s1 * s1 / n
        if not square > 1e-20 * s2:
            return False
        deviation = np.sqrt(square / max(n - 1, 1)) * statistics.scale[0]
    return bool(_SMALLEST <= deviation <= _LARGEST)


def check_fluctuations(field: SynapticField, statistics: Pyramid) -> None:
    """Refuse a field that is constant, or whose powers leave double precision.

    Raises
    ------
    AnalysisError
        If the standard deviation is outside 1e-30 .. 1e30.
    """
    if has_fluctuations(statistics):
        return
    check_finite(field.values, field.name)  # the caller's array may have changed since
    low, high = float(field.values.min()), float(field.values.max())
    if low == high:
        raise AnalysisError(
            f"field {field.name!r} is constant ({low:g} on every site): "
            "a field without fluctuations has no flow"
        )
    raise AnalysisError(
        f"field {field.name!r} must have a standard deviation within 1e-30 .. 1e30, for its powers "
        f"to the eighth, got values from {low:.3g} to {high:.3g}; multiply by a constant"
    )
