"""What a flow shows, in one line, and only with its evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nnrg._validate import as_items, as_real, shown
from nnrg.errors import ArgumentError
from nnrg.rg._protocols import Measured, Run, Scaling
from nnrg.rg._statements import Decision, decide
from nnrg.rg.evidence import Evidence, NullTest, gather, judge_null, judge_together
from nnrg.rg.observables import Observables
from nnrg.stats.multiple_testing import adjust_p_values

__all__ = ["Measured", "RunVerdict", "Scaling", "Verdict", "adjusted_scores", "verdict"]
__all__ += ["verdict_run"]

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a flow shows.

    Attributes
    ----------
    field : str
        The tensor or field.
    statement : str
        ``"indistinguishable from permuted"``, ``"local structure"``, ``"interactions beyond
        Gaussian"``, ``"scale-free within b = 1 .. 64"`` or ``"cannot be told"``: the strongest that
        the null models run allow.
    reason : str
        What it rests on, and what it does not say.
    tests : tuple of NullTest
        Every null model that was run, with all its numbers.
    missing : tuple of str
        Null models that a stronger statement would need.
    alpha : float
        Chance of a false claim that was allowed.
    """

    field: str
    statement: str
    reason: str
    tests: tuple[NullTest, ...]
    missing: tuple[str, ...]
    alpha: float

    @property
    def line(self) -> str:
        """The verdict as one line."""
        return f"{self.field}: {self.statement}: {self.reason}"

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Numbers whose adjusted p is at most alpha; of a null without any, its smallest p."""
        found: list[Evidence] = []
        for test in self.tests:
            below = [e for e in test.numbers if e.adjusted <= self.alpha]
            found += below or test.numbers[:1]
        return tuple(found)

    def __str__(self) -> str:
        lines = [self.line]
        for test in self.tests:
            if not test.numbers:
                lines.append(f"  {test.null}: no number that it changes")
                continue
            lines.append(
                f"  {test.null}: {len(test.numbers)} numbers, smallest adjusted p = {test.p:.2g}, "
                f"rank p = {test.rank_p:.2g} of {test.draws} draws"
            )
            lines += [f"    {e}" for e in test.numbers[:_SHOWN]]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """The verdict on each field of a run, with one chance of a false claim for all of them.

    Attributes
    ----------
    verdicts : mapping from field to Verdict
    method : str
        How the p-values of all numbers of all fields were adjusted.
    """

    verdicts: Mapping[str, Verdict]
    method: str = "holm"

    def __getitem__(self, name: str) -> Verdict:
        if name not in self.verdicts:
            raise ArgumentError(
                f"no verdict on {shown(name)}; there are {', '.join(list(self.verdicts)[:6])}"
            )
        return self.verdicts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)

    def __str__(self) -> str:
        return "\n".join(v.line for v in self.verdicts.values())


def verdict(*results: Observables, scaling: Scaling | None = None, alpha: float = 0.05) -> Verdict:
    """Say in one line what a flow shows.

    Parameters
    ----------
    *results : Couplings, Cumulants
        Of one flow, one or both, measured with the same null draws. Interactions need both: the
        couplings know how unequal the variances are, which looks like a fourth cumulant.
    scaling : Scaling, optional
        Tests of scaling: anything with ``passed`` and ``reason``, and with the ``scales`` it holds
        for if these are not all, such as `nnrg.criticality` gives.
    alpha : float
        Chance of a false claim, 0 < alpha < 1; draws must number at least 1 / alpha - 1.

    Returns
    -------
    Verdict

    Raises
    ------
    ArgumentError
        If there is no result, results do not share their draws, alpha is out of range, or `scaling`
        is no outcome of a test.

    Notes
    -----
    A null model is beaten if two tests say so: the smallest p of its numbers, adjusted by Holm's
    method, and the rank of the field among its draws in how far each stands out from the others.
    The second holds for numbers of any law and any dependence, so that a field which is one more
    draw of its null beats it with a chance of at most alpha; the first goes further down than one
    in the number of draws.

    "local structure" asks for the permutation (N1) to be beaten, and of N2 and N3 those that were
    run; "interactions beyond Gaussian" for the phases (N4) too, in numbers that unequal variances
    of samples or sites do not make; "scale-free" for `scaling.passed`.

    Examples
    --------
    >>> import numpy as np
    >>> import nnrg
    >>> from nnrg.rg.verdict import verdict
    >>> values = np.random.default_rng(1).normal(size=(64, 64))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(64)), levels=3)
    >>> verdict(flow.cumulants(order=4, rng=1)).statement
    'indistinguishable from permuted'
    """
    _check(results, alpha)
    return _verdict(results, _tests(results), scaling, alpha)


def verdict_run(
    run: Run,
    *,
    scaling: Mapping[str, Scaling] | None = None,
    alpha: float = 0.05,
    method: str = "holm",
) -> RunVerdict:
    """Return the verdict on every field of a run, with control over all of them together.

    Parameters
    ----------
    run : Run
        Measurements by name, such as `nnrg.flow_network` returns.
    scaling : mapping from field to Scaling, optional
    alpha : float
        Chance that any field of the run is falsely told from a null model.
    method : str
        How p-values are adjusted, see `nnrg.stats.multiple_testing.adjust_p_values`; all numbers of
        all fields against one null model are a family.

    Returns
    -------
    RunVerdict

    Raises
    ------
    ArgumentError
        If an option is not usable.
    """
    results = {name: (run[name].couplings, run[name].cumulants) for name in run}
    tests: dict[str, dict[str, NullTest]] = {}
    for name, pair in results.items():
        _check(pair, alpha)
        for test in _tests(pair):
            tests.setdefault(test.null, {})[name] = test
    tests = {null: judge_together(own, method) for null, own in tests.items()}
    verdicts = {}
    for name, pair in results.items():
        own = tuple(row[name] for row in tests.values() if name in row)
        verdicts[name] = replace(_verdict(pair, own, (scaling or {}).get(name), alpha), field=name)
    return RunVerdict(verdicts, method)


def adjusted_scores(
    run: Run, *, null: str = "permutation", method: str = "benjamini-hochberg"
) -> tuple[Evidence, ...]:
    """Return all numbers of a run against one null model, adjusted as one family.

    Parameters
    ----------
    run : Run
        Measurements by name, such as `nnrg.flow_network` returns.
    null : str
        The null model.
    method : str
        See `nnrg.stats.multiple_testing.adjust_p_values`; the family is every (scale, number,
        field) that the null model is judged by.

    Returns
    -------
    tuple of Evidence
        Smallest p first.

    Raises
    ------
    ArgumentError
        If the method is unknown, or the null model was not run on any field.
    """
    found: list[Evidence] = []
    for name in run:
        pair = (run[name].couplings, run[name].cumulants)
        found += [replace(e, field=name) for e in gather(pair, null)[0]]
    if not found:
        raise ArgumentError(
            f"no field was compared with the null model {shown(null)}; run it with nulls="
        )
    adjusted = adjust_p_values([e.p for e in found], method)
    both = zip(found, adjusted, strict=True)
    return tuple(sorted((replace(e, adjusted=float(a)) for e, a in both), key=lambda e: e.p))


def _check(results: Sequence[Observables], alpha: float) -> None:
    if not results or not all(isinstance(r, Observables) for r in results):
        raise ArgumentError(
            f"a verdict needs Couplings or Cumulants of a flow, got {shown(results)}; "
            "try verdict(nnrg.fit_couplings(flow))"
        )
    if len({r.kind for r in results}) < len(results):
        raise ArgumentError("a verdict is on one flow: give its couplings and cumulants once each")
    if isinstance(alpha, bool) or not isinstance(alpha, float) or not 0 < alpha < 1:
        raise ArgumentError(f"alpha must lie between 0 and 1, got {shown(alpha)}; try 0.05")


def _outcome(scaling: Scaling) -> tuple[bool, str, tuple[float, ...]]:
    """Return whether tests of scaling passed, why, and the scales they hold for, () for all."""
    if not (hasattr(scaling, "passed") and hasattr(scaling, "reason")):
        raise ArgumentError(
            f"scaling needs 'passed' and 'reason', got {shown(scaling)}; "
            "try scaling=nnrg.criticality(couplings)"
        )
    # Of other tests than those of `nnrg.criticality` it is all scales.
    held = getattr(scaling, "scales", ())
    scales = as_items(held)
    if scales is None:
        raise ArgumentError(
            f"scaling.scales must be the scales it holds for, got {shown(held)}; () is all"
        )
    each = tuple(as_real("each of scaling.scales", b) for b in scales)
    return bool(scaling.passed), str(scaling.reason), each


def _tests(results: Sequence[Observables]) -> tuple[NullTest, ...]:
    names = dict.fromkeys(null for r in results for null in r.nulls)
    return tuple(judge_null(results, null) for null in names)


def _verdict(
    results: Sequence[Observables],
    tests: tuple[NullTest, ...],
    scaling: Scaling | None,
    alpha: float,
) -> Verdict:
    outcome = None if scaling is None else _outcome(scaling)
    beaten = frozenset(t.null for t in tests if t.beaten(alpha))
    decision: Decision = decide(results, tests, beaten, outcome, alpha)
    name = next((str(r.attrs["field"]) for r in results if "field" in r.attrs), "field")
    return Verdict(
        field=name,
        statement=decision.statement,
        reason="; ".join(decision.reasons),
        tests=tests,
        missing=decision.missing,
        alpha=alpha,
    )
