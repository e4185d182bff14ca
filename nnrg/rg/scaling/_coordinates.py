"""Dimensionless coordinates of a measured flow, and where the trivial fixed points have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.rg.couplings import Couplings
from nnrg.rg.cumulants import Cumulants
from nnrg.rg.observables import Observables
from nnrg.rg.scaling.derived import as_members, numbers
from nnrg.stats.replicates import Replicates

__all__ = ["Results", "Unit", "coordinates", "default_names", "is_correlation", "trivial_values"]

Array = npt.NDArray[np.float64]
Results = Observables | Sequence[Observables]
Unit = Literal["variance", "first"]


def default_names(results: Results) -> tuple[str, ...]:
    """Return the dimensionless numbers of a result: couplings, or ratios and correlations."""
    first = as_members(results)[0]
    if isinstance(first, Couplings):
        return first.names
    if isinstance(first, Cumulants):
        low = [n for n in first.names if n in ("ratio_3", "ratio_4")]
        return (*low, *(n for n in first.names if n.startswith("neighbour:")))
    raise ArgumentError(f"expected Couplings or Cumulants, got {first.kind}")


def is_correlation(name: str) -> bool:
    """Tell whether a number vanishes for independent sites whatever their law."""
    return name.startswith(("neighbour", "grad2", "J:", "J("))


def trivial_values(name: str) -> tuple[float, ...]:
    """Return the values at the trivial fixed points, in units of the field's standard deviation.

    Independent Gaussian sites; for correlations and the fourth cumulant a frozen field too.
    """
    if name.startswith("neighbour"):
        return (0.0, 1.0)
    if name == "ratio_4":
        return (0.0, -2.0)
    return (1.0,) if name == "phi2" else (0.0,)


def coordinates(
    results: Results, names: Sequence[str], *, unit: Unit = "variance"
) -> tuple[Replicates, Array]:
    """Return g_n sigma^n of each name at every scale, scale by scale, and ln b of each scale.

    Of cumulants the numbers are dimensionless as they are. Of couplings sigma is the standard
    deviation of the rescaled field at the same scale (``"variance"``) or at b = 1 (``"first"``),
    the same in every replicate: a unit. Several members are averaged.
    """
    if unit not in ("variance", "first"):
        raise ArgumentError(f"unit must be 'variance' or 'first', got {shown(unit)}")
    members = as_members(results)
    found = numbers(members, names)
    first = members[0]
    scales = np.log(first.scales.astype(np.float64))
    if not isinstance(first, Couplings):
        return found, scales
    powers = [int(first.fields[first.names.index(name)]) for name in names]
    # One unit for all members, so that their mean is one of like numbers.
    sigma = np.exp(np.mean([np.log(one.series["sigma"]) for one in members], axis=0))
    if unit == "first":
        sigma = np.full_like(sigma, sigma[0])
    factor = (sigma[:, None] ** np.array(powers)).ravel()
    return found.derived(found.values * factor, found.replicates * factor), scales
