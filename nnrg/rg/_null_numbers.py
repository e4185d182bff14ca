"""Cumulants and couplings of one null draw, with the equations of the fit of the field itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnrg.fields import SynapticField
from nnrg.rg.basis import Basis
from nnrg.rg.flow import Flow
from nnrg.rg.graph_action.draws import DrawSums
from nnrg.rg.level_fit import LevelFit, fit_level
from nnrg.rg.moments import observe
from nnrg.rg.rescaling import rescaling_factors
from nnrg.rg.schwinger_dyson import solve

__all__ = ["numbers_of_draws", "numbers_of_flows", "units"]

Array = npt.NDArray[np.float64]
Numbers = tuple[Array, Array]


def numbers_of_flows(
    fits: Sequence[LevelFit], basis: Basis, order: int
) -> Callable[[Flow], Numbers]:
    """Return what gives cumulants and couplings of a null flow, of shape (n_scales, n_names)."""

    def numbers(null: Flow) -> Numbers:
        kappa = observe(null.statistics, order, replicates=False)
        g = np.stack([fit_level(null, k, basis, like=fit).whole for k, fit in enumerate(fits)])
        return kappa[0], g * units(null, basis, kappa[:, :, 1])[0]

    return numbers


def numbers_of_draws(
    flow: Flow, fits: Sequence[LevelFit], basis: Basis, order: int
) -> Callable[[SynapticField], Numbers] | None:
    """Return what gives the same of a field through the blocks of a flow, or None.

    It passes over the field once, and keeps no block field: there is one for flows on graphs, and
    bases of powers and squares of differences.
    """
    used = [[a for a, o in enumerate(basis) if o.name not in fit.dropped] for fit in fits]
    bases = [basis.without(fit.dropped) if fit.dropped else basis for fit in fits]
    if not all(
        DrawSums.serves(flow, here, hard_edge=fit.hard_edge)
        for here, fit in zip(bases, fits, strict=True)
    ):
        return None
    sums = DrawSums(flow, bases)
    bare = replace(flow, means=flow.means[:1])  # its block fields are not kept for the draws' sake

    def numbers(drawn: SynapticField) -> Numbers:
        statistics, systems = sums.measure(drawn.values)
        kappa = observe(statistics, order, replicates=False)
        g = np.full((len(bases), len(basis)), np.nan)
        for row, system, here, places in zip(g, systems, bases, used, strict=True):
            row[places] = solve(system)[0][0] / system.unit**here.fields
        return kappa[0], g * units(bare, basis, kappa[:, :, 1])[0]

    return numbers


def units(flow: Flow, basis: Basis, variances: Array) -> Array:
    """Return the factors that turn couplings of the block mean into those of the rescaled field.

    Shape (n_variances, n_scales, n_operators): phi' = f phi gives g' = g / f^n.
    """
    factors = rescaling_factors(flow.rescale, flow.lengths, variances, flow.field.sites.dimension)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.asarray(factors[..., None] ** -basis.fields)
