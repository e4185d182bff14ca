"""Two flows at their common scales: values, errors and nulls of both, number by number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.comparison._flows import Flowing
from nnrg.comparison._scales import Common, Reading
from nnrg.comparison._settings import BOUND, PAIRED

__all__ = ["Pair", "Side", "pair_of", "refused"]

Array = npt.NDArray[np.float64]

# Where the action does not describe the field, jackknife errors are too small by a third or more.
_REFUSED = ("poor fit", "ill-conditioned", "unstable")


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of the two flows; arrays of shape (m, n_names) unless said otherwise.

    Attributes
    ----------
    values, errors, dof : arrays
    bending : array
        What a straight line between two scales may be wrong by.
    deviations : array of shape (n_groups, m, n_names)
    draws : array of shape (n_draws, m, n_names)
        Of the null model; no draw if there is none.
    flags : object array of str
    groups : array of shape (m,)
        Groups that a scale rests on.
    """

    values: Array
    errors: Array
    dof: Array
    bending: Array
    deviations: Array
    draws: Array
    flags: npt.NDArray[np.object_]
    groups: Array

    def null(self) -> tuple[Array, Array]:
        """Return mean and standard deviation over the draws; NaN if there are fewer than two."""
        if len(self.draws) < 2:
            nothing = np.full(self.values.shape, np.nan)
            return nothing, nothing
        mean, spread = self.draws.mean(axis=0), self.draws.std(axis=0, ddof=1)
        # What is left by rounding alone is not a spread.
        size = np.maximum(np.abs(mean), np.abs(self.values))
        return mean, np.where(spread <= 1e-9 * size, 0.0, spread)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two flows, the numbers of one kind that both have, and how their errors go together."""

    kind: str
    names: tuple[str, ...]
    broad: npt.NDArray[np.bool_]
    first: Side
    second: Side
    relation: str

    def tested(self) -> npt.NDArray[np.bool_]:
        """Tell which numbers have a law and an error to test with, shape (m, n_names)."""
        return ~(self.broad | refused(self.first.flags) | refused(self.second.flags))

    def deviations(self) -> Array:
        """Return what the covariance of the differences is the sum of squares of."""
        a, b = self.first.deviations, self.second.deviations
        if self.relation == PAIRED:
            return a - b
        # The variance of a difference is at most twice the sum of variances, if nothing is known.
        factor = np.sqrt(2.0) if self.relation == BOUND else 1.0
        return factor * np.concatenate([a, b])

    def errors(self) -> Array:
        """Return the standard errors of the differences, shape (m, n_names)."""
        a, b = self.first, self.second
        bending = a.bending**2 + b.bending**2
        if self.relation == PAIRED:
            return np.asarray(np.sqrt((self.deviations() ** 2).sum(axis=0) + bending))
        factor = 2.0 if self.relation == BOUND else 1.0
        return np.asarray(np.sqrt(factor * (a.errors**2 + b.errors**2) + bending))

    def dof(self) -> Array:
        """Return the degrees of freedom of the errors (Welch and Satterthwaite)."""
        a, b = self.first, self.second
        if self.relation == PAIRED:
            return np.minimum(a.dof, b.dof)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(
                (a.errors**2 + b.errors**2) ** 2 / (a.errors**4 / a.dof + b.errors**4 / b.dof)
            )


def refused(flags: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    """Tell which numbers are not what their name says, or have an error that is too small."""
    words = [any(word in flag for word in _REFUSED) for flag in flags.ravel()]
    return np.array(words, dtype=bool).reshape(flags.shape)


def pair_of(
    kind: str, first: Flowing, second: Flowing, common: Common, relation: str, null: str | None
) -> Pair:
    """Return one kind of numbers of two flows at their common scales."""
    sides = [
        _side(flow, kind, reading, null)
        for flow, reading in ((first, common.first), (second, common.second))
    ]
    table = first.tables[kind]
    return Pair(kind, table.names, table.broad(), sides[0], sides[1], relation)


def _side(flow: Flowing, kind: str, reading: Reading, null: str | None) -> Side:
    table = flow.tables[kind]
    draws = table.nulls.get(null) if null is not None else None
    deviations = reading.read(table.deviations)
    filled = (table.weights > 0).sum(axis=0).astype(np.float64)
    low = np.array(table.flags, dtype=object).reshape(table.values.shape)
    flags = low[reading.low]
    for row in np.flatnonzero(reading.between):
        for column, (one, other) in enumerate(
            zip(low[reading.low[row]], low[reading.high[row]], strict=True)
        ):
            said = dict.fromkeys(f for f in (one, other, "interpolated in ln b") if f)
            flags[row, column] = "; ".join(said)
    return Side(
        values=reading.read(table.values),
        errors=np.asarray(np.sqrt((deviations**2).sum(axis=0))),
        dof=np.minimum(table.dof[reading.low], table.dof[reading.high]),
        bending=reading.bending(table.values),
        deviations=deviations,
        draws=np.empty((0, reading.share.size, len(table.names)))
        if draws is None
        else reading.read(draws),
        flags=flags,
        groups=np.minimum(filled[reading.low], filled[reading.high]),
    )
