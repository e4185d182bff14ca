"""The action of one scale: the solution, its goodness of fit, and what its assumptions say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nnrg.rg.basis import Basis, field_powers
from nnrg.rg.diagnostics import (
    constant_fraction,
    has_hard_edge,
    is_discrete,
    thinned,
    variance_spread,
)
from nnrg.rg.flow import Flow
from nnrg.rg.goodness import Goodness, goodness_of_fit
from nnrg.rg.schwinger_dyson import LinearSystem, linear_system, solve

__all__ = ["LevelFit", "fit_level"]

Array = npt.NDArray[np.float64]

# False alarms of the fit's test stay below one in a hundred at this level, even with ten groups.
POOR_FIT = 0.001
# Fewest sites with all neighbours, for each operator: below, the bias of order 1/n is not small.
SITES_AN_OPERATOR = 16
ATOM = 0.005
ILL_CONDITIONED = 1e8
UNEQUAL_VARIANCE = 0.1


@dataclass(frozen=True, slots=True)
class LevelFit:
    """Couplings of one scale in the unit of the unrescaled block mean, and what is known.

    Attributes
    ----------
    solutions : array of shape (1 + n_groups, n_operators)
        Of the whole, and with each group left out.
    system : LinearSystem
    condition : float
        Of the scaled matrix.
    flags : tuple of str
    refused : bool
        Whether no number may be given.
    quality : Goodness or None
        None where it was not asked for, or the numbers are refused.
    spreads : mapping from "samples" and "sites" to (spread, error)
    """

    solutions: Array
    system: LinearSystem
    condition: float
    flags: tuple[str, ...] = ()
    refused: bool = False
    quality: Goodness | None = None
    spreads: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def whole(self) -> Array:
        """Couplings of the whole, shape (n_operators,)."""
        return np.asarray(self.solutions[0])

    @property
    def residuals(self) -> dict[str, float]:
        """Studentised residual of each function outside the basis."""
        if self.quality is None:
            return {}
        return dict(zip(self.quality.tests, self.quality.residuals.tolist(), strict=True))


def fit_level(flow: Flow, level: int, basis: Basis, *, check: bool = True) -> LevelFit:
    """Solve the Schwinger-Dyson equations of one scale.

    Without `check`, as for null draws, neither assumptions nor goodness of fit are looked at.
    """
    system = linear_system(flow, level, basis, test=check)
    solutions, condition = solve(system)
    in_field_units = solutions / system.unit ** field_powers(basis.names)
    if not check:
        return LevelFit(in_field_units, system, condition)
    means = flow.means[level]
    spreads = {
        "samples": variance_spread(means, over="samples"),
        "sites": variance_spread(means, over="sites"),
    }
    flags, refused = _assumptions(means, system, condition, len(basis), spreads)
    quality = None if refused else goodness_of_fit(system, solutions)
    if quality is not None and quality.p < POOR_FIT:
        flags.append(f"poor fit: p = {quality.p:.1g}, the basis does not describe the field")
    return LevelFit(in_field_units, system, condition, tuple(flags), refused, quality, spreads)


def _assumptions(
    means: npt.NDArray[np.floating],
    system: LinearSystem,
    condition: float,
    n_operators: int,
    spreads: Mapping[str, tuple[float, float]],
) -> tuple[list[str], bool]:
    """Check what the estimator assumes; the second value says that no number may be given."""
    values = thinned(means)
    refusals: list[str] = []
    flags: list[str] = []
    if system.sites < SITES_AN_OPERATOR * n_operators or system.filled < min(8, n_operators + 2):
        refusals.append(
            f"too few blocks: {system.sites} sites with all neighbours in {system.filled} groups"
        )
    if has_hard_edge(values):
        refusals.append("hard edge: the density does not vanish at the edge of its support")
    if is_discrete(values):
        refusals.append("discrete values: the action has no derivative")
    share = constant_fraction(values)
    if share > ATOM:
        refusals.append(f"atom: {100 * share:.2g} % of the values are one and the same number")
    if condition > ILL_CONDITIONED and not refusals:
        (refusals if condition > 1e14 else flags).append(f"ill-conditioned: {condition:.0e}")
    for over, (spread, error) in spreads.items():
        if spread > UNEQUAL_VARIANCE and spread > 3 * error:
            flags.append(f"unequal variance of {over}: Var(v)/E[v]^2 = {spread:.2f}")
    return refusals + flags, bool(refusals)
