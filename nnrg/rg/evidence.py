"""Numbers of a flow against one null model: scores, p-values, and one test of them all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.rg.observables import Observables
from nnrg.stats.estimate import format_value_error
from nnrg.stats.multiple_testing import adjust_p_values, outlier_scores, student_p_values

__all__ = ["Evidence", "NullTest", "gather", "judge_null", "judge_together"]

Array = npt.NDArray[np.float64]

_ONE_POINT = re.compile(r"phi[2-8]?")
_QUADRATIC = re.compile(r"phi|phi2|grad2(:\d)?|J:.*")
# Couplings and cumulants of high order have too broad a law to be read with Student's t.
_BROAD = re.compile(r"phi[5-8]")
# Numbers with such a flag are not what their name says.
_REFUSED = ("poor fit", "ill-conditioned", "unstable")
# Nulls that destroy the order of sites are judged by what depends on it; the Gaussian surrogate by
# what a Gaussian field has not; others by both, and by the one-point numbers.
_ORDER = ("permutation", "shuffle", "rows", "columns", "configuration", "independent")
_GAUSSIAN = ("phase",)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One number against one null model.

    Attributes
    ----------
    field : str
        The tensor or field.
    null : str
        The null model.
    name : str
        The cumulant, ratio, correlation or operator.
    scale : int or float
        b along one axis; on a graph the mean number of units in a block.
    value, error : float
        In the unit of the number.
    null_mean, null_spread : float
        Mean and standard deviation over the draws.
    z : float
        (value - mean) / (spread sqrt(1 + 1/R)).
    p : float
        Two-sided: the larger of that of z, Student's t with R - 1 degrees of freedom, and that of
        (value - mean) in units of the number's own error, with one less than its jackknife groups.
    adjusted : float
        p adjusted for all numbers of its family.
    """

    field: str
    null: str
    name: str
    scale: float
    value: float
    error: float
    null_mean: float
    null_spread: float
    z: float
    p: float
    adjusted: float

    def __str__(self) -> str:
        error = self.error if np.isfinite(self.error) else np.nan
        return (
            f"{self.name} at b = {self.scale}: {format_value_error(self.value, error)}, "
            f"{self.null} {format_value_error(self.null_mean, self.null_spread)}, "
            f"z = {self.z:+.1f}, adjusted p = {self.adjusted:.2g}"
        )


@dataclass(frozen=True, slots=True)
class NullTest:
    """All numbers of a field that a null model is judged by, and whether it could be the null.

    Attributes
    ----------
    null : str
    numbers : tuple of Evidence
        Smallest p first, adjusted by Holm's method within the field, or over the fields of a run.
    p : float
        The smallest adjusted one; NaN where there is no number.
    rank_p : float
        Share of the field and its draws whose score is as large as the field's: if the field is
        exchangeable with its draws, at most a with chance a, whatever the law of the numbers and
        however they depend on one another. Not below 1 / (draws + 1). In a run draws count with
        the largest score of all fields, so that this holds for all fields together.
    scores : tuple of float
        How far the field, then each draw, stands out among the others in all numbers together: the
        mean of log(S / S'), the sum of squares about the mean with and without that member.
    draws : int
    alone : tuple of float, or None
        In a run, `p` and `rank_p` of the field on its own.
    """

    null: str
    numbers: tuple[Evidence, ...]
    p: float
    rank_p: float
    scores: tuple[float, ...]
    draws: int
    alone: tuple[float, float] | None = None

    def beaten(self, alpha: float) -> bool:
        """Whether both p-values are at most `alpha`."""
        return self.rank_p <= alpha and self.p <= alpha


def gather(results: Sequence[Observables], null: str) -> tuple[list[Evidence], Array, Array]:
    """Return the numbers that a null model is judged by, with their values and draws.

    Returns
    -------
    evidence : list of Evidence
        Not adjusted: `adjusted` is p.
    values : array of shape (n_numbers,)
    draws : array of shape (n_draws, n_numbers)

    Raises
    ------
    ArgumentError
        If the results were not measured on the same draws.
    """
    ran = [r for r in results if null in r.nulls]
    sources = {(r.attrs.get("field"), r.attrs.get("seed"), len(r.nulls[null])) for r in ran}
    if len(sources) > 1:
        raise ArgumentError(
            f"results must share the draws of {null!r}: one field, one seed and as many draws; "
            "measure them with one call, or with the same rng and nulls"
        )
    evidence: list[Evidence] = []
    values, draws = [], []
    for result in ran:
        z, errors = result.z(null), result.errors()
        mean, spread = result.null_mean(null), result.null_spread(null)
        p = _p_values(result, null, z, errors)
        for level, b in enumerate(result.scales):
            for i, name in enumerate(result.names):
                if not np.isfinite(p[level, i]) or not _judges(null, result.kind, name):
                    continue
                if any(flag in result.flags[level][i] for flag in _REFUSED):
                    continue
                evidence.append(
                    Evidence(
                        field=str(result.attrs.get("field", "field")),
                        null=null,
                        name=name,
                        scale=int(b) if float(b).is_integer() else float(b),
                        value=float(result.values[level, i]),
                        error=float(errors[level, i]),
                        null_mean=float(mean[level, i]),
                        null_spread=float(spread[level, i]),
                        z=float(z[level, i]),
                        p=float(p[level, i]),
                        adjusted=float(p[level, i]),
                    )
                )
                values.append(result.values[level, i])
                draws.append(result.nulls[null][:, level, i])
    if not evidence:
        return [], np.empty(0), np.empty((0, 0))
    return evidence, np.array(values), np.stack(draws, axis=1)


def judge_null(results: Sequence[Observables], null: str) -> NullTest:
    """Test whether a field could be one more draw of a null model."""
    evidence, values, draws = gather(results, null)
    count = max((len(r.nulls[null]) for r in results if null in r.nulls), default=0)
    if not evidence:
        return NullTest(null, (), np.nan, np.nan, (), count)
    adjusted = adjust_p_values([e.p for e in evidence], "holm")
    numbers = sorted(
        (replace(e, adjusted=float(a)) for e, a in zip(evidence, adjusted, strict=True)),
        key=lambda e: e.p,
    )
    scores = outlier_scores(np.vstack([values, draws]))
    rank_p = float(np.mean(scores >= scores[0]))
    return NullTest(
        null, tuple(numbers), float(adjusted.min()), rank_p, tuple(scores.tolist()), count
    )


def judge_together(tests: Mapping[str, NullTest], method: str) -> dict[str, NullTest]:
    """Return the tests of several fields against one null model, adjusted over all of them."""
    told = {name: test for name, test in tests.items() if test.numbers}
    if not told:
        return dict(tests)
    adjusted = adjust_p_values([e.p for t in told.values() for e in t.numbers], method)
    draws = min(t.draws for t in told.values())
    highest = np.max([t.scores[1 : 1 + draws] for t in told.values()], axis=0)
    out = dict(tests)
    start = 0
    for name, test in told.items():
        own = adjusted[start : start + len(test.numbers)]
        start += len(test.numbers)
        numbers = tuple(
            replace(e, adjusted=float(a)) for e, a in zip(test.numbers, own, strict=True)
        )
        rank_p = (1 + int(np.sum(highest >= test.scores[0]))) / (1 + draws)
        alone = (test.p, test.rank_p)
        out[name] = replace(test, numbers=numbers, p=float(own.min()), rank_p=rank_p, alone=alone)
    return out


def _p_values(result: Observables, null: str, z: Array, errors: Array) -> Array:
    """Return p-values of numbers that differ from the null beyond its spread and their own error.

    A number of a broad law can lie far outside a few draws by chance; its own error says so.
    """
    draws, groups = len(result.nulls[null]), len(result.replicates)
    spread = result.null_spread(null)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = (result.values - result.null_mean(null)) / np.hypot(errors, spread / np.sqrt(draws))
    own = np.where(spread > 0, own, np.nan)
    return np.maximum(student_p_values(z, draws), student_p_values(own, groups))


def _judges(null: str, kind: str, name: str) -> bool:
    """Whether a number is one that a null model is judged by."""
    coupling = kind == "couplings"
    if coupling and _BROAD.fullmatch(name):
        return False
    order = not _ONE_POINT.fullmatch(name) if coupling else name.startswith("neighbour")
    higher = not _QUADRATIC.fullmatch(name) if coupling else name in ("ratio_3", "ratio_4")
    if null in _ORDER:
        return order or (not coupling and (higher or name == "kappa_2"))
    if null in _GAUSSIAN:
        return higher
    return coupling or order or higher or name == "kappa_2"
