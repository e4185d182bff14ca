"""What is assumed of correlators, and where that fails."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from nnrg.rg.diagnostics import constant_fraction, has_hard_edge, is_discrete, thinned
from nnrg.rg.level_fit import ATOM
from nnrg.stats._multisets import multisets
from nnrg.stats.replicates import Replicates
from nnrg.theory.edgeworth.inverse import RegularisedInverse

__all__ = ["NO_DENSITY", "density_flags", "odd_flags", "regularisation_notes", "rounding_flags"]

Array = npt.NDArray[np.float64]

# One false alarm in ten thousand that an even law is called odd.
_ODD_CHANCE = 1e-4
# What flags begin with where no action of any kind can be given.
NO_DENSITY = "no smooth density"


def regularisation_notes(inverse: RegularisedInverse) -> tuple[str, ...]:
    """Say what the inverse makes of the field."""
    out: tuple[str, ...] = ()
    if inverse.n_modes < inverse.n_points:
        out += (
            f"the action is that of {inverse.n_modes} modes of G, chosen once and for all; the "
            "others are integrated out",
        )
    if inverse.nugget:
        out += (
            f"the action is that of the field plus Gaussian noise of variance {inverse.nugget:.3g}",
        )
    return out


def rounding_flags(inverse: RegularisedInverse, order: int) -> tuple[str, ...]:
    """Flag correlators that lose their digits in the weakest mode: each leg has its square root."""
    lost = 2e-16 * inverse.condition ** (order + 1)
    if lost < 1e-4:
        return ()
    return (f"rounding: {lost:.1g} of the weakest mode's correlator of order {2 * order + 2}",)


def odd_flags(moments: Mapping[int, Array], m: int, sizes: Array) -> tuple[str, ...]:
    """Flag means and third moments that are not zero within their errors."""
    from scipy.special import ndtri

    index = multisets(m, 3)
    cubes = np.flatnonzero((index == index[:, :1]).all(axis=1))
    rows = np.concatenate([moments[1], moments[3][:, cubes]], axis=1)
    found = Replicates.from_jackknife(rows[0], rows[1:], sizes)
    errors = found.errors()
    pull = np.abs(found.values) / np.where(errors > 0, errors, np.inf)
    if pull.max() < -float(ndtri(_ODD_CHANCE / (4 * m))):
        return ()
    what = "the mean" if pull[:m].max() >= pull[m:].max() else "a third moment"
    return (f"odd correlators are left out: {what} is {pull.max():.0f} errors from zero",)


def density_flags(samples: Array) -> tuple[str, ...]:
    """Flag a point whose values have no density that vanishes smoothly at infinity."""
    for k, column in enumerate(samples.T):
        values = thinned(column)
        share = constant_fraction(values)
        if is_discrete(values):
            return (f"{NO_DENSITY}: the values at point {k} are discrete",)
        if share > ATOM:
            return (f"{NO_DENSITY}: {100 * share:.2g} % of the values at point {k} are equal",)
        if has_hard_edge(values):
            return (f"{NO_DENSITY}: the values at point {k} have a hard edge",)
    return ()
