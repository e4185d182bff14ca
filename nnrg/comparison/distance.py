"""How far two flows are from each other, with the error of that and the chance that they agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.comparison._pair import Pair
from nnrg.comparison._settings import BOUND, PAIRED
from nnrg.stats.estimate import Estimate

__all__ = ["Distance", "flow_distance"]

Array = npt.NDArray[np.float64]

# Directions in which the numbers of one scale hardly vary, in units of the most variable one.
_FLAT = 1e-8
# Degrees of freedom below which F has no mean to speak of.
_FEWEST = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """The squared distance of two flows.

    Attributes
    ----------
    first, second : str
        The flows.
    square : Estimate
        D^2, without the noise: zero on average for flows of one ensemble, and so negative as often
        as positive. In units of the noise of one weight: 1 / D^2 is about the number of weights
        that tell the flows apart. Its null is the distance of their null models' draws.
    p : float
        Chance of a larger D^2 if both flows are equal.
    adjusted : float
        p by Holm's method over all pairs.
    rms : float
        Root mean square of the differences in their own errors; 1 is noise alone.
    kind : str
        Of which numbers: ``"couplings"``, ``"cumulants"`` or both by scale.
    scales : int
        Common scales that it is the mean over.
    numbers : int
        Numbers that it is made of.
    relation : str
        How the errors of both were put together.
    """

    first: str
    second: str
    square: Estimate
    p: float
    rms: float
    kind: str
    scales: int
    numbers: int
    relation: str
    adjusted: float = nan


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """One scale, in directions in which the differences have unit covariance."""

    pair: Pair
    row: int
    columns: npt.NDArray[np.intp]
    whiten: Array
    gap: Array
    deviations: Array
    dof: float
    wide: float

    @property
    def rank(self) -> int:
        """Number of directions."""
        return self.gap.size

    @property
    def last(self) -> float:
        """Degrees of freedom of the denominator of F."""
        return self.dof - self.rank + 1

    @property
    def widest(self) -> float:
        """The same, fewer if a few groups make the errors: the law of q is the wider for it."""
        return max(self.wide - self.rank + 1, _FEWEST)

    def square(self, gap: Array) -> float:
        """Return Hotelling's T^2 over its mean if nothing but noise is there."""
        shrink = (self.last - 2) / self.dof
        return shrink * float(gap @ gap) / self.rank


def flow_distance(
    pairs: Sequence[Pair], first: str, second: str, numbers: tuple[float, float]
) -> Distance:
    r"""Return the distance of two flows.

    Parameters
    ----------
    pairs : sequence of Pair
        Kinds of numbers at the same scales, the preferred one first: at each scale the first that
        can tell anything there is used.
    first, second : str
        Names of the flows.
    numbers : tuple of two floats
        Weights that each field has.

    Returns
    -------
    Distance
        NaN with a flag where there are no numbers, or too few groups.

    Notes
    -----
    Couplings are used at every scale where the action describes both fields, elsewhere the ratios
    of cumulants and the correlations of neighbours. With the vector d of k differences at one scale
    and its jackknife covariance C, of :math:`\nu` degrees of freedom, :math:`T^2 = d^T C^{-1} d`
    has the mean :math:`\nu k / (\nu - k - 1)` if both flows are equal (H. Hotelling, Ann. Math.
    Stat. 2 (1931) 360; :math:`\nu` of two covariances: K. Krishnamoorthy and J. Yu, Stat. Probab.
    Lett. 66 (2004) 161). With :math:`q = (\nu - k - 1) T^2 / (\nu k)`, averaged over the common
    scales,

    .. math:: D^2 = (\bar q - 1) (1/n_1 + 1/n_2)

    is free of bias, also from the noise of C, and tends to a limit as the numbers n of weights
    grow: one fixed by the flows. If both are equal, :math:`\bar q` is referred to F with
    :math:`h = 2 / \mathrm{Var}\,\bar q` and :math:`\nu - k + 1` degrees of freedom (G. E. P. Box,
    Ann. Math. Stat. 25 (1954) 290), the variance from the covariance of the scales with each
    other; for one scale that is Hotelling's test. Where a few groups make the errors,
    :math:`\nu` of that F is the number that the fourth moments of the deviations leave. The error
    follows from the same deviations.
    """
    told = []
    for row in range(len(pairs[0].first.values)):
        found = (_level(pair, row) for pair in _alike(pairs))
        if (one := next((level for level in found if level is not None), None)) is not None:
            told.append(one)
    kinds = dict.fromkeys(one.pair.kind for one in told)
    known: dict[str, Any] = {
        "first": first,
        "second": second,
        "kind": " and ".join(f"{kind}s" for kind in kinds),
        "scales": len(told),
        "numbers": sum(one.rank for one in told),
        "relation": pairs[0].relation,
    }
    if not told:
        why = "no number that both have, or too few groups for their covariance"
        return Distance(square=Estimate(nan, nan, flag=why), p=nan, rms=nan, **known)
    q = float(np.mean([one.square(one.gap) for one in told]))
    last = min(one.last for one in told)
    noise, error = _spread(told, q, last)
    unit = sum(1 / n for n in numbers)
    nulls = _null_squares(told)
    null = None
    if nulls.size > 1:
        null = Estimate(float(nulls.mean() - 1) * unit, float(nulls.std(ddof=1)) * unit)
    square = Estimate(
        (q - 1) * unit,
        error * unit,
        n_samples=sum(numbers),
        null=null,
        flag="" if np.isfinite(error) else "too few groups for an error",
    )
    return Distance(
        square=square, p=_p_value(q, noise, min(one.widest for one in told)), rms=sqrt(q), **known
    )


def _alike(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs whose deviations are of the same groups as those of the first."""
    groups = [len(side.deviations) for side in (pairs[0].first, pairs[0].second)]
    return [
        pair
        for pair in pairs
        if [len(side.deviations) for side in (pair.first, pair.second)] == groups
    ]


def _level(pair: Pair, row: int) -> _Level | None:
    """Return one scale, or None if nothing can be told there."""
    gap = pair.first.values[row] - pair.second.values[row]
    parts = pair.deviations()[:, row]
    # What a straight line between scales may be wrong by, each number on its own.
    bending = np.hypot(pair.first.bending[row], pair.second.bending[row])
    errors = np.sqrt((parts**2).sum(axis=0) + bending**2)
    with np.errstate(invalid="ignore"):
        use = pair.tested()[row] & np.isfinite(gap) & (errors > 0)
    columns = np.flatnonzero(use)
    if not columns.size:
        return None
    unit = parts[:, columns] / errors[columns]
    straight = np.diag((bending[columns] / errors[columns]) ** 2)
    spectrum, axes = np.linalg.eigh(unit.T @ unit + straight)
    kept = spectrum > _FLAT * spectrum[-1]
    whiten = (axes[:, kept] / np.sqrt(spectrum[kept])) / errors[columns, None]
    deviations = parts[:, columns] @ whiten
    sides = (pair.first, pair.second)
    dof = _dof(pair, row, columns, whiten, [float(side.groups[row]) - 1 for side in sides])
    heavy = [1 / float(np.mean(1 / side.dof[row, columns])) for side in sides]
    wide = min(dof, _dof(pair, row, columns, whiten, heavy))
    level = _Level(pair, row, columns, whiten, gap[columns] @ whiten, deviations, dof, wide)
    return level if level.last > 2 else None


def _dof(
    pair: Pair, row: int, columns: npt.NDArray[np.intp], whiten: Array, own: Sequence[float]
) -> float:
    """Return the degrees of freedom of the covariance of the differences, given each flow's own."""
    sides = (pair.first, pair.second)
    if pair.relation == PAIRED:
        return min(own)
    rank = whiten.shape[1]
    total = 0.0
    for side, nu in zip(sides, own, strict=True):
        inside = side.deviations[:, row, columns] @ whiten
        c = inside.T @ inside
        total += (float(np.sum(c * c)) + float(np.trace(c)) ** 2) / nu
    # Of twice the sum of both covariances each has twice its share.
    twice = 4 if pair.relation == BOUND else 1
    return float((rank + rank**2) / (twice * total))


def _spread(levels: list[_Level], q: float, last: float) -> tuple[float, float]:
    """Return the variance of the mean of q if both flows are equal, and the error as they are."""
    m = len(levels)
    noise = 0.0
    for one in levels:
        for other in levels:
            share = 1 / (m * one.rank * m * other.rank)
            if one is other:
                noise += 2 * share * one.rank
                continue
            cross = float(np.sum((one.deviations.T @ other.deviations) ** 2))
            # Less what the noise of the covariance itself adds.
            by_noise = one.rank * other.rank / min(one.dof, other.dof)
            noise += 2 * share * max(0.0, cross - by_noise)
    along = sum(one.deviations @ one.gap / (m * one.rank) for one in levels)
    # The gap holds noise itself, which twice the noise takes off again.
    known = max(noise, 4 * float(np.sum(np.square(along))) - noise)
    if last <= 4:
        return noise, inf
    return noise, sqrt(known * (1 + 2 / (last - 4)) + q * q * 2 / (last - 4))


def _p_value(q: float, noise: float, last: float) -> float:
    from scipy.special import fdtrc

    return float(fdtrc(2 / noise, last, q * last / (last - 2)))


def _null_squares(told: list[_Level]) -> Array:
    """Return the mean of q for draws of both null models in place of the fields."""
    count = min(len(side.draws) for one in told for side in (one.pair.first, one.pair.second))
    squares = np.zeros(count)
    for one in told:
        a, b = (side.draws[:count, one.row] for side in (one.pair.first, one.pair.second))
        gaps = (a - b)[:, one.columns] @ one.whiten
        squares += np.array([one.square(gap) for gap in gaps]).reshape(count) / len(told)
    return np.asarray(squares[np.isfinite(squares)])
