"""The action of one scale: the solution, its goodness of fit, and what its assumptions say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.rg.basis import Basis
from nnrg.rg.diagnostics import (
    constant_fraction,
    has_hard_edge,
    is_discrete,
    thinned,
    variance_spread,
)
from nnrg.rg.flow import Flow
from nnrg.rg.goodness import Goodness, goodness_of_fit
from nnrg.rg.graph_action.system import linear_system_on_graph
from nnrg.rg.graph_action.terms import out_of_room
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
    dropped : mapping from operator to the reason why it is NaN while others are not
    hard_edge : bool
        Whether the score was weighted with a function that vanishes at the edges of the support.
    """

    solutions: Array
    system: LinearSystem
    condition: float
    flags: tuple[str, ...] = ()
    refused: bool = False
    quality: Goodness | None = None
    spreads: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    hard_edge: bool = False

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


_out_of_room = lru_cache(maxsize=64)(Basis.out_of_room)


def fit_level(flow: Flow, level: int, basis: Basis, *, like: LevelFit | None = None) -> LevelFit:
    """Solve the Schwinger-Dyson equations of one scale.

    Operators that the lattice, or the graph, is too small to tell are left out of the basis there,
    and are NaN; so are those between sites where the block field has no density on its sites.
    With `like`, as for null draws, the equations are those of another fit, and neither assumptions
    nor goodness of fit are looked at.
    """
    means = flow.means[level]
    graphs = flow.graphs[level] if flow.graphs else ()
    dropped = dict(
        out_of_room(basis, graphs) if graphs else _out_of_room(basis, flow.lattices[level])
    )
    singular = flow.singular if level else ""
    if singular:
        dropped |= {o.name: f"no density: {singular}" for o in basis if not o.local}
    used = [a for a, o in enumerate(basis) if o.name not in dropped]
    if not used:
        raise AnalysisError(
            f"no operator of {', '.join(basis.names)} can be told on "
            f"{' x '.join(map(str, means.shape[1:]))} sites; add phi2, or take fewer levels"
        )
    values = thinned(means) if like is None else np.empty(0)
    # Of spins, too, most values are at the edge; but they have no density at all.
    hard_edge = like.hard_edge if like else has_hard_edge(values) and not is_discrete(values)
    here = basis.without(dropped) if dropped else basis
    build = linear_system_on_graph if graphs else linear_system
    system = build(flow, level, here, test=like is None, hard_edge=hard_edge)
    solutions, condition = solve(system)
    in_field_units = np.full((solutions.shape[0], len(basis)), np.nan)
    in_field_units[:, used] = solutions / system.unit**here.fields
    if like is not None:
        return LevelFit(in_field_units, system, condition)
    spreads = {
        "samples": variance_spread(means, over="samples"),
        "sites": variance_spread(means, over="sites"),
    }
    flags, refused = _assumptions(values, system, condition, len(here), spreads)
    if hard_edge:
        flags.append("hard edge: test functions weighted to vanish at the edges of the support")
    # What tests the range of a density has nothing to say where there is none.
    quality = None if refused or singular else goodness_of_fit(system, solutions)
    if quality is not None and quality.p < POOR_FIT:
        flags.append(f"poor fit: p = {quality.p:.1g}, the basis does not describe the field")
    return LevelFit(
        in_field_units,
        system,
        condition,
        tuple(flags),
        refused,
        quality,
        spreads,
        dropped,
        hard_edge,
    )


def _assumptions(
    values: Array,
    system: LinearSystem,
    condition: float,
    n_operators: int,
    spreads: Mapping[str, tuple[float, float]],
) -> tuple[list[str], bool]:
    """Check what the estimator assumes; the second value says that no number may be given."""
    refusals: list[str] = []
    flags: list[str] = []
    if system.sites < SITES_AN_OPERATOR * n_operators or system.filled < min(8, n_operators + 2):
        refusals.append(
            f"too few blocks: {system.sites} sites with all neighbours in {system.filled} groups"
        )
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
