"""Differences of single numbers of two flows, in sigmas and beyond their own nulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot, inf, isfinite, nan

import numpy as np
import numpy.typing as npt

from nnrg.comparison._pair import Pair
from nnrg.comparison._scales import Common
from nnrg.comparison._settings import INDEPENDENT
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.multiple_testing import adjust_p_values

__all__ = ["Difference", "adjust_together", "differences", "exponent_difference"]

Array = npt.NDArray[np.float64]

_BROAD = "law too broad for a p-value"
_ALIKE = "no error: the same for every such field"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One number of two flows at one common scale.

    Attributes
    ----------
    first, second : str
        The flows.
    kind : {"coupling", "cumulant", "range", "exponent"}
    quantity : str
        Couplings are g_n sigma^n; all are dimensionless, ranges are in blocks.
    scale : float
        The scale in the measure that is equal; NaN for an exponent.
    b_first, b_second : float
        Block lengths there.
    value_first, error_first, value_second, error_second : float
    null_first, spread_first, null_second, spread_second : float
        Mean and standard deviation over the draws of each one's own null model.
    difference, error, z, p : float
        First less second, its standard error, their quotient, and the two-sided p of Student's t.
    holm, fdr : float
        p adjusted for all p-values of the comparison: Holm (chance of one false claim),
        Benjamini and Hochberg (expected share of false ones).
    excess, excess_error, excess_z, excess_p, excess_holm, excess_fdr : float
        The same of (value - null), each with its own null.
    flag : str
        Why a number should not be trusted, or has no p.
    """

    first: str
    second: str
    kind: str
    quantity: str
    scale: float
    b_first: float
    b_second: float
    value_first: float
    error_first: float
    value_second: float
    error_second: float
    null_first: float
    spread_first: float
    null_second: float
    spread_second: float
    difference: float
    error: float
    z: float
    p: float
    excess: float
    excess_error: float
    excess_z: float
    excess_p: float
    flag: str
    holm: float = nan
    fdr: float = nan
    excess_holm: float = nan
    excess_fdr: float = nan

    def __str__(self) -> str:
        at = f" at {self.scale:.4g}" if isfinite(self.scale) else ""
        return (
            f"{self.first} - {self.second}: {self.quantity}{at}: "
            f"{format_value_error(self.value_first, self.error_first)} - "
            f"{format_value_error(self.value_second, self.error_second)}, z = {self.z:+.1f}, "
            f"adjusted p = {self.holm:.2g}"
        )


def differences(
    pair: Pair, first: str, second: str, common: Common, block_lengths: tuple[Array, Array]
) -> list[Difference]:
    """Return all differences of one kind of numbers of two flows, not adjusted."""
    a, b = pair.first, pair.second
    (null_a, spread_a), (null_b, spread_b) = a.null(), b.null()
    gap, error, dof = a.values - b.values, pair.errors(), pair.dof()
    tested = pair.tested()
    z, p = _score(gap, error, dof, tested)
    excess = gap - (null_a - null_b)
    squares = [
        spread**2 / max(len(side.draws), 1) for spread, side in ((spread_a, a), (spread_b, b))
    ]
    excess_error = np.sqrt(error**2 + (squares[0] + squares[1]))
    excess_z, excess_p = _score(excess, excess_error, dof, tested)
    # Where a null leaves the number as it is, there is nothing beyond it.
    kept = (spread_a == 0) | (spread_b == 0)
    excess_z, excess_p = np.where(kept, nan, excess_z), np.where(kept, nan, excess_p)
    rows = []
    for level, position in enumerate(common.positions):
        for i, name in enumerate(pair.names):
            at = level, i
            flags = [
                f"{who}: {flag}"
                for who, flag in ((first, a.flags[at]), (second, b.flags[at]))
                if flag
            ]
            if np.isfinite(gap[at]) and error[at] == 0:
                flags.append(_ALIKE)
            if np.isfinite(z[at]) and pair.broad[i]:
                flags.append(_BROAD)
            if pair.relation != INDEPENDENT:
                flags.append(pair.relation)
            rows.append(
                Difference(
                    first=first,
                    second=second,
                    kind=pair.kind,
                    quantity=name,
                    scale=float(position),
                    b_first=float(block_lengths[0][level]),
                    b_second=float(block_lengths[1][level]),
                    value_first=float(a.values[at]),
                    error_first=hypot(a.errors[at], a.bending[at]),
                    value_second=float(b.values[at]),
                    error_second=hypot(b.errors[at], b.bending[at]),
                    null_first=float(null_a[at]),
                    spread_first=float(spread_a[at]),
                    null_second=float(null_b[at]),
                    spread_second=float(spread_b[at]),
                    difference=float(gap[at]),
                    error=float(error[at]),
                    z=float(z[at]),
                    p=float(p[at]),
                    excess=float(excess[at]),
                    excess_error=float(excess_error[at]),
                    excess_z=float(excess_z[at]),
                    excess_p=float(excess_p[at]),
                    flag="; ".join(flags),
                )
            )
    return rows


def exponent_difference(
    name: str, first: tuple[str, Estimate], second: tuple[str, Estimate], *, one_network: bool
) -> Difference:
    """Return the difference of two exponents, whose errors are taken to be normal."""
    (who, a), (other, b) = first, second
    # Of one network nothing is known of their correlation: the errors add.
    error = a.error + b.error if one_network else hypot(a.error, b.error)
    gap = a.value - b.value
    z, p = _score(np.array(gap), np.array(error), np.array(inf), np.array(True))
    flags = [f"{n}: {e.flag}" for n, e in ((who, a), (other, b)) if e.flag]
    return Difference(
        first=who,
        second=other,
        kind="exponent",
        quantity=name,
        scale=nan,
        b_first=nan,
        b_second=nan,
        value_first=a.value,
        error_first=a.error,
        value_second=b.value,
        error_second=b.error,
        null_first=nan,
        spread_first=nan,
        null_second=nan,
        spread_second=nan,
        difference=gap,
        error=error,
        z=float(z),
        p=float(p),
        excess=nan,
        excess_error=nan,
        excess_z=nan,
        excess_p=nan,
        flag="; ".join(flags),
    )


def adjust_together(rows: Sequence[Difference]) -> tuple[Difference, ...]:
    """Return the differences with p adjusted over all of them, with and without their nulls."""
    family = [r.p for r in rows] + [r.excess_p for r in rows]
    holm, fdr = (adjust_p_values(family, m) for m in ("holm", "benjamini-hochberg"))
    n = len(rows)
    return tuple(
        replace(
            row,
            holm=float(holm[i]),
            fdr=float(fdr[i]),
            excess_holm=float(holm[n + i]),
            excess_fdr=float(fdr[n + i]),
        )
        for i, row in enumerate(rows)
    )


def _score(
    gap: Array, error: Array, dof: Array, tested: npt.NDArray[np.bool_]
) -> tuple[Array, Array]:
    """Return z and the two-sided p of Student's t; NaN where there is no error."""
    from scipy.special import ndtr, stdtr

    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(error > 0, gap / error, nan)
        tail = np.where(np.isfinite(dof), stdtr(np.maximum(dof, 1.0), -np.abs(z)), ndtr(-np.abs(z)))
    return z, np.where(tested, np.minimum(1.0, 2 * tail), nan)
