"""Fit windows of two-point functions: how their numbers are weighted, and which is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from nnrg.stats.fits import FitResult
from nnrg.stats.replicates import Replicates

__all__ = ["best", "handling"]

# Groups a number from which all correlations are used.
_PLENTY = 3
_ACCEPTED = 0.01


def handling(data: Replicates, points: int | None = None) -> Literal["full", "diagonal"]:
    """Return how a fit of numbers, or of so many, weights them.

    Bins are chosen with three groups each, where `correlated_fit` by itself asks for four degrees
    of freedom.
    """
    count = data.values.size if points is None else points
    return "full" if data.dof + 1 >= _PLENTY * count else "diagonal"


def best(fits: Sequence[FitResult]) -> FitResult:
    """Return the fit of the most points whose p-value is above 0.01, or the one that costs least.

    To take the window that fits best, chi^2 + 2 parameters + 2 points left out, of all of them
    would add the scatter of that choice to the parameters, and no error would know of it.
    """
    widest = sorted(fits, key=lambda fit: -fit.dof)
    return next((fit for fit in widest if fit.p > _ACCEPTED), min(fits, key=_cost))


def _cost(fit: FitResult) -> float:
    return fit.comparable_chi2 + 2 * len(fit.names) - 2 * fit.x.size
