"""Verdicts: which null models allow which statement, and what is refused without them."""

import re
import zlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import nnrg
from nnrg.errors import ArgumentError
from nnrg.rg._statements import decide
from nnrg.rg.couplings import Couplings
from nnrg.rg.cumulants import Cumulants
from nnrg.rg.evidence import judge_null
from nnrg.rg.verdict import adjusted_scores, verdict, verdict_run

DRAWS, GROUPS = 20, 32


def result(kind, names, shifts, *, draws=DRAWS, seed="1", flag="", spread=0.0, **attrs):
    """Numbers at b = 1, 2, 4 that lie `shifts[null][name]` standard deviations from each null."""
    rng = np.random.default_rng(zlib.crc32(" ".join((kind.kind, *names)).encode()))
    shape = (3, len(names))
    nulls = {}
    for null, by_name in shifts.items():
        drawn = rng.normal(size=(draws, *shape))
        drawn -= drawn.mean(axis=0)
        drawn /= drawn.std(axis=0, ddof=1)
        nulls[null] = drawn - np.array([by_name.get(n, 0.1) for n in names])
    replicates = rng.normal(size=(GROUPS, *shape))
    replicates = (replicates - replicates.mean(axis=0)) / GROUPS
    series = {"spread_samples": np.full(3, spread), "spread_sites": np.zeros(3)}
    return kind(
        scales=np.array([1, 2, 4]),
        names=names,
        values=np.zeros(shape),
        replicates=replicates,
        weights=np.ones((GROUPS, 3)),
        nulls=nulls,
        flags=((flag,) * len(names),) * 3,
        n_samples=np.full(3, GROUPS),
        attrs={
            "field": "layer",
            "seed": seed,
            "lattice": "Lattice(32, open)",
            "samples": 64,
            "jackknife_over": "samples",
            **attrs,
        },
        series=series,
    )


def pair(shifts, **options):
    return (
        result(Couplings, ("phi2", "phi4", "grad2:0"), shifts, **options),
        result(Cumulants, ("kappa_2", "ratio_3", "ratio_4", "neighbour:0"), shifts, **options),
    )


NOTHING = {"permutation": {}, "phase": {}}
STRUCTURE = {"permutation": {"neighbour:0": 30.0, "grad2:0": 25.0}, "phase": {}}
SUB_GAUSSIAN = {**STRUCTURE, "phase": {"ratio_4": -30.0}}
MIXTURE = {**STRUCTURE, "phase": {"ratio_4": 30.0, "phi4": -30.0}}
PASSED = SimpleNamespace(passed=True, reason="no drift over 3 steps, p = 0.4")
FAILED = SimpleNamespace(passed=False, reason="couplings drift, p = 1e-9")


@pytest.mark.parametrize(
    ("shifts", "statement", "says"),
    [
        (NOTHING, "indistinguishable from permuted", "neighbour correlation of .* would have been"),
        (STRUCTURE, "local structure", "no interactions beyond Gaussian"),
        (SUB_GAUSSIAN, "interactions beyond Gaussian", "ratio_4 at b = . has z = -"),
        (MIXTURE, "interactions beyond Gaussian", r"adjusted p = .*phase\), adjusted p ="),
    ],
)
def test_statements_follow_the_null_models_that_are_beaten(shifts, statement, says):
    v = verdict(*pair(shifts))
    assert v.statement == statement
    assert v.missing == ()
    assert v.line.startswith(f"layer: {statement}: ")
    assert "\n" not in v.line
    assert re.search(says, v.line)


def test_every_verdict_carries_its_evidence():
    v = verdict(*pair(SUB_GAUSSIAN))
    claimed = [e for e in v.evidence if e.null == "phase"]
    assert {e.name for e in claimed} == {"ratio_4"}
    assert all(e.adjusted <= v.alpha and e.p <= e.adjusted and e.z < -20 for e in claimed)
    assert {e.name for e in v.evidence if e.null == "permutation"} == {"neighbour:0", "grad2:0"}
    assert str(v).count("\n") < 24
    assert "z = -" in str(v)
    untouched = verdict(*pair(NOTHING))
    assert [e.null for e in untouched.evidence] == ["permutation", "phase"]


def test_a_missing_null_model_is_named():
    without = verdict(*pair({"phase": {"ratio_4": -30.0}}))
    assert (without.statement, without.missing) == ("cannot be told", ("permutation",))
    assert "'permutation' was not run" in without.line
    gaussian = verdict(*pair({"permutation": {"neighbour:0": 30.0}}))
    assert (gaussian.statement, gaussian.missing) == ("local structure", ("phase",))
    assert "'phase' was not run" in gaussian.line
    nothing = verdict(*pair({}))
    assert nothing.statement == "cannot be told"


@pytest.mark.parametrize("null", ["shuffle", "rows", "columns"])
def test_other_null_models_of_locality_must_be_beaten_where_they_were_run(null):
    v = verdict(*pair({**STRUCTURE, null: {}}))
    assert v.statement == "cannot be told"
    assert null in v.line
    beaten = verdict(*pair({**STRUCTURE, null: {"neighbour:0": 30.0}}))
    assert beaten.statement == "local structure"


def test_a_null_of_locality_with_too_few_draws_is_told_as_such():
    few = pair({"shuffle": {"neighbour:0": 386.0}}, draws=5)
    both = [
        replace(r, nulls={**r.nulls, **f.nulls}) for r, f in zip(pair(STRUCTURE), few, strict=True)
    ]
    v = verdict(*both)
    assert v.statement == "cannot be told"
    assert "'shuffle' is not: 5 draws of shuffle tell no p below" in v.line
    assert "as much" not in v.line
    assert "could show as much" in verdict(*pair({**STRUCTURE, "shuffle": {}})).line


@pytest.mark.parametrize(
    ("p", "rank_p", "says"),
    [
        (0.001, 0.02, r"on its own it stands out \(p = 0.001, rank p = 0.02\), but not among all"),
        (0.001, 0.3, r"beyond its error \(p = 0.001\), but among 20 draws of .* \(rank p = 0.3\)"),
    ],
)
def test_a_field_stands_out_on_its_own_only_by_both_tests(p, rank_p, says):
    results = pair(NOTHING)
    test = replace(judge_null(results, "permutation"), p=0.5, rank_p=0.5, alone=(p, rank_p))
    decision = decide(results, [test], frozenset(), None, 0.05)
    assert decision.statement == "cannot be told"
    assert re.search(says, decision.reasons[0])
    assert "fewer tensors" not in decision.reasons[0]
    # Of many fields some are first among their draws, or have a small p, by chance.
    for alone in ((0.3, 0.3), (0.3, 0.02), (0.02, 0.3)):
        permuted = decide(results, [replace(test, alone=alone)], frozenset(), None, 0.05)
        assert permuted.statement == "indistinguishable from permuted"


def test_too_few_draws_tell_nothing():
    v = verdict(*pair(STRUCTURE, draws=9))
    assert v.statement == "cannot be told"
    assert "take at least 19" in v.line
    assert verdict(*pair(STRUCTURE, draws=9), alpha=0.1).statement == "local structure"
    assert verdict(*pair(STRUCTURE, draws=19)).statement == "local structure"


def test_a_field_that_stands_out_less_than_its_own_errors_is_not_called_permuted():
    def unsure(shifts, *names):
        for r in pair(shifts):
            factors = [1000.0 if n in names or not names else 1.0 for n in r.names]
            yield replace(r, replicates=np.array(factors) * r.replicates)

    v = verdict(*unsure(STRUCTURE))
    assert v.statement == "cannot be told"
    assert "stands out among 20 draws of permutation (rank p = 0.048)" in v.line
    v = verdict(*unsure(SUB_GAUSSIAN, "ratio_4"))
    assert v.statement == "local structure"
    assert "interactions cannot be told: the field stands out among 20 draws of phase" in v.line
    v = verdict(*unsure(NOTHING))
    assert v.statement == "indistinguishable from permuted"


def test_interactions_that_a_draw_shows_as_much_are_not_denied():
    odd = []
    for r in pair(SUB_GAUSSIAN):
        phase = r.nulls["phase"].copy()
        phase[3] += [100.0 if n in ("phi4", "ratio_3") else 0.0 for n in r.names]
        odd.append(replace(r, nulls={**r.nulls, "phase": phase}))
    v = verdict(*odd)
    assert v.statement == "local structure"
    assert re.search("interactions cannot be told: ratio_4 .* some stand out as much", v.line)


@pytest.mark.parametrize("flag", ["poor fit: p = 1e-9", "ill-conditioned: 1e+09", "unstable: none"])
def test_flagged_couplings_are_no_evidence(flag):
    couplings, _ = pair({**STRUCTURE, "phase": {"phi4": 30.0}}, flag=flag)
    assert verdict(couplings).statement == "cannot be told"
    assert flag.partition(":")[0] in verdict(couplings).line
    # Flags of the couplings leave the cumulants as they are.
    plain = pair({**STRUCTURE, "phase": {"phi4": 30.0}})[1]
    v = verdict(couplings, plain)
    assert v.statement == "local structure"
    assert all(not e.name.startswith(("phi", "grad2")) for e in v.evidence)


def test_refused_numbers_are_no_evidence():
    couplings, _ = pair(STRUCTURE)
    refused = replace(
        couplings,
        values=np.full(couplings.values.shape, np.nan),
        flags=(("hard edge: the density does not vanish",) * 3,) * 3,
    )
    v = verdict(refused)
    assert v.statement == "cannot be told"
    assert "hard edge" in v.line
    assert v.evidence == ()


def spread_from(b, over, kept=0.0, shifts=MIXTURE):
    """Results whose variances are unequal from scale b on, and whose surrogates keep some of it."""
    couplings, cumulants = pair(shifts)
    coarse = couplings.scales >= b
    flag = f"unequal variance of {over}: Var(v)/E[v]^2 = 0.30"
    flags = tuple((flag if there else "",) * len(couplings.names) for there in coarse)
    series = {**couplings.series, f"spread_{over}": np.where(coarse, 0.3, 0.0)}
    # The fourth ratio of a mixture of Gaussians, in the field and in its surrogates.
    lift = np.array([3 * kept if n == "ratio_4" else 0.0 for n in cumulants.names])
    drawn = cumulants.nulls["phase"]
    drawn = drawn + lift - drawn.mean(axis=0) * (lift > 0)
    values = cumulants.values + lift * (1 + 100 * (shifts["phase"].get("ratio_4", 0) > 0))
    nulls = {**cumulants.nulls, "phase": drawn}
    return (
        replace(couplings, flags=flags, series=series),
        replace(cumulants, values=values, nulls=nulls),
    )


@pytest.mark.parametrize("over", ["samples", "sites"])
@pytest.mark.parametrize("b", [1, 2])
def test_unequal_variances_that_the_surrogates_have_not_do_not_pass_for_interactions(over, b):
    v = verdict(*spread_from(b, over))
    assert v.statement == "local structure"
    assert "unequal variances" in v.line
    assert verdict(*spread_from(b, over, kept=0.3)).statement == "interactions beyond Gaussian"
    # No mixture of Gaussians has a negative fourth cumulant.
    negative = verdict(*spread_from(b, over, shifts=SUB_GAUSSIAN))
    assert negative.statement == "interactions beyond Gaussian"


def test_a_small_spread_explains_a_small_excess():
    # ratio_4 lies 30 above its null; a spread of 6 makes 18, and up to twice that is not told.
    above = {**STRUCTURE, "phase": {"ratio_4": 30.0}}
    assert verdict(*pair(above, spread=6.0)).statement == "local structure"
    assert verdict(*pair(above, spread=4.0)).statement == "interactions beyond Gaussian"


def test_cumulants_alone_do_not_tell_interactions():
    v = verdict(pair(SUB_GAUSSIAN)[1])
    assert v.statement == "local structure"
    assert "cannot be told without couplings" in v.line


@pytest.mark.parametrize(
    ("shifts", "outcome", "statement"),
    [
        (STRUCTURE, PASSED, "scale-free within b = 1 .. 4"),
        (SUB_GAUSSIAN, PASSED, "scale-free within b = 1 .. 4"),
        (STRUCTURE, FAILED, "local structure"),
        (SUB_GAUSSIAN, FAILED, "interactions beyond Gaussian"),
        (NOTHING, PASSED, "indistinguishable from permuted"),
    ],
)
def test_scale_free_needs_structure_and_the_tests_of_scaling(shifts, outcome, statement):
    v = verdict(*pair(shifts), scaling=outcome)
    assert v.statement == statement
    if shifts is not NOTHING:
        assert outcome.reason in v.line


def test_scale_free_is_said_of_the_scales_that_were_tested():
    coarse = SimpleNamespace(passed=True, reason="stands still", scales=(2.0, 4.0))
    assert verdict(*pair(STRUCTURE), scaling=coarse).statement == "scale-free within b = 2 .. 4"


@pytest.mark.parametrize(
    ("scaling", "says"),
    [
        (SimpleNamespace(passed=True, reason="", scales=None), "scales it holds for, got None"),
        (SimpleNamespace(passed=True, reason="", scales=("b",)), "must be a finite real"),
        (True, "needs 'passed' and 'reason', got True"),
    ],
)
def test_tests_of_scaling_that_are_none_are_refused(scaling, says):
    with pytest.raises(ArgumentError, match=says):
        verdict(*pair(STRUCTURE), scaling=scaling)


def test_what_training_has_not_changed_is_said():
    v = verdict(*pair({**STRUCTURE, "initialisation": {}}))
    assert "not told from its initialisation" in v.line
    trained = verdict(*pair({**STRUCTURE, "initialisation": {"phi2": 30.0}}))
    assert "initialisation" not in trained.line


def test_results_must_share_their_draws():
    couplings, cumulants = pair(STRUCTURE)
    other = pair(STRUCTURE, seed="2")[1]
    with pytest.raises(ArgumentError, match="must share the draws"):
        verdict(couplings, other)
    with pytest.raises(ArgumentError, match="must share the draws"):
        verdict(couplings, pair(STRUCTURE, draws=30)[1])
    with pytest.raises(ArgumentError, match="must share the draws"):
        verdict(couplings, pair(STRUCTURE, field="another")[1])
    with pytest.raises(ArgumentError, match="once each"):
        verdict(cumulants, cumulants)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 2, True, None, "0.05", np.nan])
def test_levels_that_are_none_are_refused(alpha):
    with pytest.raises(ArgumentError, match="alpha must lie"):
        verdict(*pair(STRUCTURE), alpha=alpha)


@pytest.mark.parametrize("results", [(), (3,), ("couplings",)])
def test_what_is_no_result_is_refused(results):
    with pytest.raises(ArgumentError, match="a verdict needs"):
        verdict(*results)


def run_of(**layers):
    return {name: SimpleNamespace(couplings=p[0], cumulants=p[1]) for name, p in layers.items()}


def test_a_run_is_one_family():
    run = run_of(a=pair(STRUCTURE), b=pair(NOTHING), c=pair(SUB_GAUSSIAN))
    verdicts = verdict_run(run)
    assert [verdicts[n].statement for n in verdicts] == [
        "local structure",
        "indistinguishable from permuted",
        "interactions beyond Gaussian",
    ]
    assert str(verdicts).splitlines()[1].startswith("b: indistinguishable")
    alone, together = verdict(*pair(STRUCTURE)), verdicts["a"]
    assert together.tests[0].p == pytest.approx(3 * alone.tests[0].p, rel=1e-6)
    assert together.tests[0].rank_p == 1 / (DRAWS + 1)
    with pytest.raises(ArgumentError, match="no verdict on"):
        verdicts["d"]


def test_draws_of_a_run_count_with_the_largest_score_of_all_fields():
    # 3.5 sigma is beyond the draws of one field, not beyond those of a hundred.
    weak = {"permutation": {"neighbour:0": 3.5}}
    alone = judge_null(pair(weak), "permutation")
    assert alone.rank_p < 0.15
    fields = {
        f"f{i}": tuple(
            result(kind, names, {"permutation": {}}, field=f"f{i}")
            for kind, names in (
                (Couplings, ("phi2", "phi4", "grad2:0", *(f"J:{k}" for k in range(2, 3 + i)))),
                (Cumulants, ("kappa_2", "ratio_3", "ratio_4", "neighbour:0")),
            )
        )
        for i in range(20)
    }
    verdicts = verdict_run(run_of(weak=pair(weak), **fields))
    assert verdicts["weak"].tests[0].rank_p > alone.rank_p
    assert verdicts["weak"].statement == "indistinguishable from permuted"


def test_scores_of_a_run_are_adjusted_as_one_family():
    run = run_of(a=pair(STRUCTURE), b=pair(NOTHING))
    scores = adjusted_scores(run)
    assert len(scores) == 2 * (3 * 1 + 3 * 4)  # grad2 and four cumulants at three scales each
    assert {e.field for e in scores[:6]} == {"a"}
    assert all(e.adjusted <= 0.05 for e in scores[:6])
    assert all(e.adjusted >= e.p for e in scores)
    holm = adjusted_scores(run, method="holm")
    assert all(h.adjusted >= s.adjusted for h, s in zip(holm, scores, strict=True))
    with pytest.raises(ArgumentError, match="no field was compared"):
        adjusted_scores(run, null="rotation")


def test_a_network_gets_a_verdict_on_each_layer():
    rng = np.random.default_rng(3)
    smooth = rng.normal(size=(64, 16, 16)).cumsum(axis=1).cumsum(axis=2)
    net = nnrg.load({"a.weight": smooth.reshape(64, 256), "b.weight": rng.normal(size=(64, 256))})
    run = nnrg.flow_network(
        net, sites=nnrg.Lattice((16, 16)), nulls=("permutation", "phase"), rng=1
    )
    verdicts = verdict_run(run)
    assert verdicts["a.weight"].statement == "local structure"
    assert verdicts["b.weight"].statement == "indistinguishable from permuted"
