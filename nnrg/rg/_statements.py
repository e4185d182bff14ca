"""From null models that are beaten, or are not, to what may be said."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

import numpy as np

from nnrg.rg.evidence import Evidence, NullTest
from nnrg.rg.observables import Observables

__all__ = ["Decision", "decide"]

INDISTINGUISHABLE = "indistinguishable from permuted"
STRUCTURE = "local structure"
INTERACTIONS = "interactions beyond Gaussian"
UNTOLD = "cannot be told"

# Nulls that must be beaten besides the permutation, where they were run, and what it says if not.
_LOCALITY = {
    "shuffle": "all values of the layer shuffled could show as much",
    "rows": "values shuffled within each row could show as much",
    "columns": "values shuffled at each site could show as much, as a profile of all samples would",
    "configuration": "a rewired graph of the same degrees could show as much",
    "independent": "units with nothing in common but unequal one-point laws could show as much",
}
# Spread of variances, beyond what the surrogates keep, from which couplings say nothing.
_UNEQUAL = 0.1
# Share of alpha below which the p of a field on its own speaks against a null model in a run, too.
_STRIKING = 0.1


@dataclass(slots=True)
class Decision:
    """A statement, what it rests on, and the null models that a stronger one would need."""

    statement: str
    reasons: list[str]
    missing: tuple[str, ...] = field(default=())


def decide(
    results: Sequence[Observables],
    tests: Sequence[NullTest],
    beaten: frozenset[str],
    scaling: tuple[bool, str, tuple[float, ...]] | None,
    alpha: float,
) -> Decision:
    """Return the strongest statement that the null models allow."""
    by_name = {t.null: t for t in tests}
    order = by_name.get("permutation")
    if order is None:
        return Decision(UNTOLD, ["null model 'permutation' was not run"], ("permutation",))
    if problem := _problem(results, order, alpha):
        return Decision(UNTOLD, [problem])
    strongest = order.numbers[0]
    if "permutation" not in beaten:
        if doubt := _doubt(order, alpha):
            return Decision(UNTOLD, [doubt])
        return Decision(INDISTINGUISHABLE, [_largest(order), *_limit(order, alpha)])
    for null, meaning in _LOCALITY.items():
        if null in by_name and by_name[null].numbers and null not in beaten:
            test = by_name[null]
            why = _problem(results, test, alpha) or _doubt(test, alpha) or meaning
            return Decision(
                UNTOLD, [f"permutation is beaten ({_short(strongest)}), {null!r} is not: {why}"]
            )
    reasons = [_short(strongest), *_topology(results, by_name)]
    statement = STRUCTURE
    missing: tuple[str, ...] = ()
    told, why = _interactions(results, by_name.get("phase"), "phase" in beaten, alpha)
    reasons.append(why)
    if told:
        statement = INTERACTIONS
    elif "phase" not in by_name:
        missing = ("phase",)
    if scaling is not None:
        passed, reason, over = scaling
        if passed:
            scales = over or tuple(results[0].scales.tolist())
            statement = f"scale-free within b = {scales[0]:g} .. {scales[-1]:g}"
        reasons.append(reason if passed else f"not scale-free: {reason}")
    if "initialisation" in by_name and "initialisation" not in beaten:
        reasons.append("not told from its initialisation")
    return Decision(statement, reasons, missing)


def _problem(results: Sequence[Observables], test: NullTest, alpha: float) -> str:
    """Say why a null model can tell nothing, if so."""
    if not test.numbers:
        flags = {f for r in results for row in r.flags for cell in row for f in cell.split("; ")}
        said = ", ".join(sorted(f.partition(":")[0] for f in flags if f))
        return f"no number that {test.null} changes has a value ({said or 'one scale'})"
    if 1 / (test.draws + 1) > alpha:
        return (
            f"{test.draws} draws of {test.null} tell no p below {1 / (test.draws + 1):.2g}; "
            f"take at least {int(np.ceil(1 / alpha)) - 1}"
        )
    return ""


def _interactions(
    results: Sequence[Observables], test: NullTest | None, beaten: bool, alpha: float
) -> tuple[bool, str]:
    """Say whether there are interactions that a Gaussian field of unequal variances has not."""
    if test is None:
        return False, "interactions not tested: null model 'phase' was not run"
    if problem := _problem(results, test, alpha):
        return False, f"interactions cannot be told: {problem}"
    if not beaten:
        if doubt := _doubt(test, alpha):
            return False, f"interactions cannot be told: {doubt}"
        return False, f"no interactions beyond Gaussian: {_largest(test)}"
    couplings = next((r for r in results if r.kind == "couplings"), None)
    if couplings is None:
        return False, (
            "interactions cannot be told without couplings: unequal variances look like them"
        )
    kept = _not_from_unequal_variance(test, couplings, alpha)
    if kept:
        return True, _short(kept[0])
    return False, (
        "interactions cannot be told: unequal variances of samples or sites, which the surrogate "
        f"has not, look like {_short(test.numbers[0])}"
    )


def _not_from_unequal_variance(
    test: NullTest, couplings: Observables, alpha: float
) -> list[Evidence]:
    """Return the numbers that a Gaussian field of unequal variances v does not show.

    Its fourth ratio is 3 Var(v) / E[v]^2, never negative, and its couplings follow. The surrogates
    show as much of it as they keep of the variances; what they have not may be at the finest scale,
    if data are few, or at coarser ones, where two-point functions are unequal.
    """
    kept = {e.scale: max(0.0, e.null_mean) / 3 for e in test.numbers if e.name == "ratio_4"}
    left: dict[float, float] = {}
    unequal, before = False, 0.0
    for level, b in enumerate(couplings.scales.tolist()):
        spread = sum(
            max(0.0, float(np.nan_to_num(couplings.series[f"spread_{over}"][level])))
            for over in ("samples", "sites")
        )
        # Where blocks are too few for a spread it is as large as at the scale before.
        left[b] = before = max(before, spread - kept.get(b, 0.0))
        flagged = any("unequal variance" in cell for cell in couplings.flags[level])
        unequal |= flagged and before > _UNEQUAL
    numbers = [e for e in test.numbers if e.adjusted <= alpha]
    if unequal:
        return [e for e in numbers if e.name == "ratio_4" and e.z < 0]
    faked = {
        e.scale
        for e in numbers
        # Twice what the measured spread makes, since it is measured itself.
        if e.name == "ratio_4" and 0 < e.value - e.null_mean < 6 * left.get(e.scale, 0.0)
    }
    return [e for e in numbers if e.scale not in faked]


def _topology(results: Sequence[Observables], ran: Container[str]) -> list[str]:
    """Say what local means where sites have no order of their own, and what it may still be."""
    attrs = results[0].attrs
    if attrs.get("sites_kind", "lattice") == "lattice":
        return []
    said = [f"local on the topology of {attrs.get('blocks_chosen_by', 'a graph')}"]
    edges = str(attrs.get("edge_unit", "none")).replace(" x ", ", ").split(", ")
    if "configuration" not in ran and any(edge != "none" for edge in edges):
        said.append("degrees not ruled out: null model 'configuration' was not run")
    return said


def _largest(test: NullTest) -> str:
    first = test.numbers[0]
    return (
        f"largest of {len(test.numbers)} scores z = {first.z:+.1f} ({first.name} at "
        f"b = {first.scale}, {test.null}), adjusted p = {first.adjusted:.2g}"
    )


def _doubt(test: NullTest, alpha: float) -> str:
    """Say what speaks against a null model where only one of the two tests does.

    Or of a field on its own, but not where all fields of a run are tested at once.
    """
    if test.p <= alpha:  # the law of the numbers is broad: few draws do not tell how broad
        return (
            f"{_short(test.numbers[0])}, but among {test.draws} draws some stand out as much "
            f"(rank p = {test.rank_p:.2g}): take more draws"
        )
    if test.rank_p <= alpha:  # samples are too few to say how sure their numbers are
        return (
            f"the field stands out among {test.draws} draws of {test.null} (rank p = "
            f"{test.rank_p:.2g}), but no number of it does beyond its own error; {_largest(test)}"
        )
    # Of many fields some are first among their draws, or have a small p, by chance.
    if test.alone is None or test.alone[0] > _STRIKING * alpha:
        return ""
    p, rank_p = test.alone
    if rank_p <= alpha:
        said = (
            f"on its own it stands out (p = {p:.2g}, rank p = {rank_p:.2g}), but not among all "
            "fields at once: take more draws"
        )
    else:
        said = (
            f"on its own it has a number beyond its error (p = {p:.2g}), but among {test.draws} "
            f"draws of {test.null} some stand out as much (rank p = {rank_p:.2g}): take more "
            "draws"
        )
    # Fewer fields would do too, but not if they are chosen after their p-values were seen.
    return f"{said}; {_largest(test)}"


def _short(e: Evidence) -> str:
    return f"{e.name} at b = {e.scale} has z = {e.z:+.1f} ({e.null}), adjusted p = {e.adjusted:.2g}"


def _limit(test: NullTest, alpha: float) -> list[str]:
    """Say which correlation of neighbours would have been seen."""
    from scipy.special import stdtrit

    near = [e for e in test.numbers if e.name.startswith("neighbour")]
    if not near:
        return []
    best = min(near, key=lambda e: max(e.null_spread, e.error))
    quantile = float(stdtrit(test.draws - 1, 1 - alpha / (2 * len(test.numbers))))
    # One standard deviation more than the quantile: so strong a one is missed once in six times.
    seen = (quantile + 1) * max(best.null_spread, best.error) * np.sqrt(1 + 1 / test.draws)
    return [f"a neighbour correlation of {seen:.1g} at b = {best.scale} would have been seen"]
