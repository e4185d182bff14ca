"""Comparisons of flows: laws of differences and distances, equal scales, what is refused."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from comparison_fields import NULLS, chain, degrees_of_freedom, flows, measured
from scipy import stats

import nnrg
from nnrg.comparison._scales import common_scales
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.results import Run


def table(result):
    """Every difference, keyed by pair, number and scale."""
    return {(r.first, r.second, r.quantity, round(r.scale, 9)): r for r in result.rows}


def as_run(measurements, sha):
    return Run({m.name: m for m in measurements}, {}, {"weights_sha256": sha})


# -- laws ------------------------------------------------------------------------------------------


def test_differences_are_antisymmetric_and_distances_symmetric():
    forth = nnrg.compare({k: flows()[k] for k in ("tiny", "other")})
    back = nnrg.compare({k: flows()[k] for k in ("other", "tiny")})
    mirrored = table(back)
    for (a, b, quantity, scale), row in table(forth).items():
        twin = mirrored[b, a, quantity, scale]
        for name in ("difference", "z", "excess", "excess_z"):
            np.testing.assert_array_equal(getattr(row, name), -getattr(twin, name))
        for name in ("error", "p", "holm", "fdr", "excess_error", "excess_holm"):
            np.testing.assert_array_equal(getattr(row, name), getattr(twin, name))
    one, two = forth.distance("tiny", "other"), back.distance("tiny", "other")
    assert one.square.value == pytest.approx(two.square.value, rel=1e-12)
    assert one.square.error == pytest.approx(two.square.error, rel=1e-12)
    assert one.p == pytest.approx(two.p, rel=1e-9)


def test_the_order_of_the_runs_changes_nothing():
    first = nnrg.compare(flows())
    for order in permutations(flows()):
        again = nnrg.compare({name: flows()[name] for name in order})
        square, error = again.distance_matrix()
        place = [order.index(name) for name in first.names]
        np.testing.assert_allclose(
            square[np.ix_(place, place)], first.distance_matrix()[0], rtol=1e-10
        )
        np.testing.assert_allclose(
            error[np.ix_(place, place)], first.distance_matrix()[1], rtol=1e-10
        )
        assert {frozenset(pair) for pair in again.told_apart()} == {
            frozenset(("tiny", "other")),
            frozenset(("full", "other")),
        }
        assert sorted(r.holm for r in again.rows if r.holm == r.holm) == pytest.approx(
            sorted(r.holm for r in first.rows if r.holm == r.holm), rel=1e-9
        )


def test_names_are_names_alone():
    plain = nnrg.compare({"a": flows()["tiny"], "b": flows()["other"]})
    named = nnrg.compare({"x": flows()["tiny"], "y": flows()["other"]})
    assert [r.z for r in plain.rows] == pytest.approx([r.z for r in named.rows], nan_ok=True)


def test_relabelled_samples_and_another_unit_give_the_same_distance():
    rng = np.random.default_rng(3)
    field, other = chain(64, 0.4, rng), measured(chain(64, 0.7, rng))
    mixed = field.replaced(1e-3 * field.values[rng.permutation(64)])
    one = nnrg.compare({"a": measured(field), "b": other}).distances[0]
    two = nnrg.compare({"a": measured(mixed), "b": other}).distances[0]
    # One sample a jackknife group: their order is nothing, and all numbers are dimensionless.
    assert two.square.value == pytest.approx(one.square.value, rel=1e-6)
    assert two.square.error == pytest.approx(one.square.error, rel=1e-6)


def test_two_widths_of_one_ensemble_agree_and_another_ensemble_does_not():
    result = nnrg.compare(flows())
    same, apart = result.distance("tiny", "full"), result.distance("full", "other")
    assert abs(same.square.value) < 3 * same.square.error
    assert same.adjusted > 0.05
    assert apart.square.value > 4 * apart.square.error
    assert apart.adjusted < 1e-6
    row = table(result)["tiny", "other", "neighbour:0", round(1 / 32, 9)]
    # The exact correlations of neighbours are 0.5 and 0.75.
    assert abs(row.difference + 0.25) < 4 * row.error
    assert row.holm < 1e-6 and row.excess_holm < 1e-3


def test_dimensionless_couplings_are_what_the_couplings_say():
    result = nnrg.compare({k: flows()[k] for k in ("tiny", "full")})
    g = flows()["tiny"].couplings
    row = table(result)["tiny", "full", "phi4", round(1 / 32, 9)]
    sigma = g.series["sigma"][0]
    assert row.value_first == pytest.approx(g.values[0, g.names.index("phi4")] * sigma**4)
    c = flows()["tiny"].cumulants
    row = table(result)["tiny", "full", "neighbour:0", round(1 / 32, 9)]
    i = c.names.index("neighbour:0")
    assert row.error_first == pytest.approx(c.errors()[0, i], rel=1e-9)
    assert row.null_first == pytest.approx(c.null_mean()[0, i])
    assert row.error == pytest.approx(np.hypot(row.error_first, row.error_second))
    own = [degrees_of_freedom(flows()[k].cumulants, 0, "neighbour:0") for k in ("tiny", "full")]
    squares = [row.error_first**2, row.error_second**2]
    welch = sum(squares) ** 2 / sum(v**2 / dof for v, dof in zip(squares, own, strict=True))
    assert row.p == pytest.approx(2 * stats.t.sf(abs(row.z), welch), rel=1e-9)


def test_sigma_is_refitted_in_replicates_where_it_can_be():
    # Of a Gaussian field phi2 sigma^2 is 1 but for the sites at the edges, which have no fit.
    basis = nnrg.Basis(("phi2",))
    rng = np.random.default_rng(5)
    pair, alone = {}, {}
    for name in "ab":
        flow = nnrg.renormalize(chain(64, 0.0, rng), levels=2)
        couplings = nnrg.fit_couplings(flow, basis=basis, nulls=(), rng=1)
        cumulants = flow.cumulants(order=4, nulls=(), rng=1)
        pair[name] = nnrg.results.Measurement(cumulants, couplings)
        alone[name] = couplings
    at = ("a", "b", "phi2", round(1 / 32, 9))
    together, apart = nnrg.compare(pair), nnrg.compare(alone)
    assert table(together)[at].error < 0.5 * table(apart)[at].error
    assert not together.notes
    assert "error of sigma is not in that" in apart.notes[0]


# -- equal scale -----------------------------------------------------------------------------------


def test_equal_scale_is_relative_or_blocks_left_or_b():
    rng = np.random.default_rng(2)
    pair = {
        "short": measured(chain(64, 0.3, rng, length=32)),
        "long": measured(chain(64, 0.3, rng, length=64)),
    }
    relative = nnrg.compare(pair)
    assert all(r.b_second == 2 * r.b_first for r in relative.rows)
    assert {r.scale for r in relative.rows} == {1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2}
    blocks = nnrg.compare(pair, at="blocks")
    assert {r.scale for r in blocks.rows} == {32, 16, 8, 4, 2}
    assert [r.difference for r in blocks.rows] == pytest.approx(
        [r.difference for r in relative.rows], nan_ok=True
    )
    plain = nnrg.compare(pair, at="scale")
    assert all(r.b_second == r.b_first == pytest.approx(r.scale) for r in plain.rows)
    alone = {name: m.couplings for name, m in pair.items()}
    assert {r.scale for r in nnrg.compare(alone, at="blocks").rows} == {32, 16, 8, 4, 2}


def test_scales_are_matched_only_within_the_tolerance():
    a, b = np.array([1.0, 2.0, 4.0, 8.0]), np.array([1.05, 2.3, 4.0, 100.0])
    near = common_scales(a, b, tolerance=0.1, interpolate=False)
    assert near.first.low.tolist() == [0, 2] and near.second.low.tolist() == [0, 2]
    assert near.positions == pytest.approx([np.sqrt(1.05), 4.0])
    wide = common_scales(a, b, tolerance=0.2, interpolate=False)
    assert wide.first.low.tolist() == [0, 1, 2]
    swapped = common_scales(b, a, tolerance=0.2, interpolate=False)
    np.testing.assert_array_equal(swapped.positions, wide.positions)


def test_interpolation_is_linear_in_ln_b_and_goes_nowhere_else():
    a, b = np.array([1.0, 2.0, 4.0, 8.0]), np.array([3.0, 6.0, 12.0, 24.0])
    common = common_scales(a, b, tolerance=0.1, interpolate=True)
    assert common.positions.min() >= 3 and common.positions.max() <= 8
    for numbers, reading, x in ((a, common.first, a), (b, common.second, b)):
        line = (2.0 + 3.0 * np.log(numbers))[:, None]
        read = reading.read(line)[:, 0]
        assert read == pytest.approx(2.0 + 3.0 * np.log(common.positions))
        assert reading.bending(line) == pytest.approx(0.0, abs=1e-12)
        # Of a parabola the curvature is the error of the straight line, exactly.
        curve = (np.log(x) ** 2)[:, None]
        wrong = np.abs(reading.read(curve)[:, 0] - np.log(common.positions) ** 2)
        assert reading.bending(curve)[:, 0] == pytest.approx(wrong, abs=1e-12)
    # Numbers that are not there are not made up, and do not spoil the scales beside them.
    holes = np.array([np.nan, 1.0, 1.0, 1.0])[:, None]
    assert np.isfinite(common.first.read(holes)).all()


def test_interpolated_flows_of_one_ensemble_agree():
    rng = np.random.default_rng(4)
    # Independent sites: every ratio and correlation is the same at every scale.
    pair = {
        "a": measured(chain(256, 0.0, rng, length=32)),
        "b": measured(chain(256, 0.0, rng, length=48)),
    }
    result = nnrg.compare(pair, interpolate=True)
    assert any("interpolated" in r.flag for r in result.rows)
    assert result.distances[0].p > 0.01
    with pytest.raises(AnalysisError, match="no common scale"):
        nnrg.compare(pair)


# -- one network -----------------------------------------------------------------------------------


def test_fields_of_one_network_use_correlated_replicates():
    rng = np.random.default_rng(6)
    base = chain(128, 0.5, rng)
    twin = base.replaced(base.values + 0.2 * rng.normal(size=base.values.shape))
    twin = nnrg.SynapticField(twin.values, twin.sites, name="twin")
    run = as_run([measured(base), measured(twin)], "abc")
    joint = nnrg.compare({"net": run}, field=(base.name, "twin"))
    assert joint.names == (f"net/{base.name}", "net/twin")
    assert "correlated replicates" in joint.notes[0]
    apart = nnrg.compare({"a": run[base.name], "b": run["twin"]})
    # The noise is nearly the same in both, and cancels.
    for one, other in zip(joint.rows, apart.rows, strict=True):
        if one.quantity == "neighbour:0" and one.b_first == 1:
            assert one.difference == other.difference
            assert one.error < 0.5 * other.error


def test_fields_of_one_network_with_other_groups_have_the_widest_errors():
    rng = np.random.default_rng(8)
    one, two = measured(chain(64, 0.5, rng)), measured(chain(96, 0.5, rng))
    two = replace(
        two,
        couplings=replace(two.couplings, attrs={**two.couplings.attrs, "field": "b"}),
        cumulants=replace(two.cumulants, attrs={**two.cumulants.attrs, "field": "b"}),
    )
    run = as_run([one, two], "abc")
    bound = nnrg.compare({"net": run}, field=(one.name, "b"))
    free = nnrg.compare({"a": one, "b": two})
    for wide, narrow in zip(bound.rows, free.rows, strict=True):
        assert wide.error == pytest.approx(np.sqrt(2) * narrow.error, nan_ok=True)
    assert bound.distances[0].rms < free.distances[0].rms
    assert "any correlation" in bound.notes[0]


def test_one_field_twice_is_refused():
    with pytest.raises(ArgumentError, match="hold the same numbers"):
        nnrg.compare({"a": flows()["tiny"], "b": flows()["tiny"]})


# -- what else is compared -------------------------------------------------------------------------


def test_ranges_and_exponents_go_along():
    rng = np.random.default_rng(9)
    fields = {"a": chain(64, 0.5, rng), "b": chain(64, 0.8, rng)}
    made = {k: nnrg.renormalize(f, levels=3) for k, f in fields.items()}
    tables = {k: flow.cumulants(order=4, nulls=(), rng=1) for k, flow in made.items()}
    reports = {k: nnrg.nonlocality(flow) for k, flow in made.items()}
    exponents = {
        "a": {"eta": nnrg.Estimate(0.25, 0.03), "own": nnrg.Estimate(1.0, 0.1)},
        "b": {"eta": nnrg.Estimate(0.05, 0.04)},
    }
    result = nnrg.compare(tables, ranges=reports, exponents=exponents)
    kinds = {r.kind for r in result.rows}
    assert kinds == {"cumulant", "range", "exponent"}
    (eta,) = (r for r in result.rows if r.kind == "exponent")
    assert eta.quantity == "eta" and eta.z == pytest.approx(4.0)
    assert eta.p == pytest.approx(2 * stats.norm.sf(4.0))
    width = next(r for r in result.rows if r.quantity == "C_width" and r.b_first == 1)
    assert width.difference < 0 and width.holm < 0.01
    with pytest.raises(ArgumentError, match="exponents of 'a' must be"):
        nnrg.compare(tables, exponents={"a": {"eta": 0.25}})
    with pytest.raises(ArgumentError, match="no flow of the comparison"):
        nnrg.compare(tables, ranges={"c": reports["a"]})
    with pytest.raises(ArgumentError, match=r"must be a report of nnrg\.nonlocality"):
        nnrg.compare(tables, ranges={"a": tables["a"]})


def test_graphs_of_different_networks_are_compared_between_their_scales():
    from networkx import random_regular_graph

    from nnrg.graph.connection_graph import ConnectionGraph
    from nnrg.rg.neighbourhoods.matching import MatchingBlocks

    pair = {}
    for n in (64, 128):
        graph = ConnectionGraph.from_networkx(random_regular_graph(4, n, seed=n))
        values = np.random.default_rng(n).normal(size=(64, n))
        pair[f"n{n}"] = measured(nnrg.SynapticField(values, graph), blocks=MatchingBlocks(graph))
    result = nnrg.compare(pair, interpolate=True)
    assert result.settings["blocks"] == "MatchingBlocks(graph)"
    assert result.distances[0].scales > 4
    # Independent numbers are what they are on any graph.
    assert result.distances[0].p > 0.01


def test_nested_names_and_chosen_fields():
    tiny, full, other = flows().values()
    run = Run({"one": tiny, "two": other}, {}, {})
    result = nnrg.compare({"net": run, "more": {"x": full}}, field={"net": ["one", "two"]})
    assert result.names == ("net/one", "net/two", "more/x")
    assert len(result.distances) == 3


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"order": 6}, "basis differs: 'a' has phi, phi2"),
        ({"rescale": "clt"}, "rescale differs: 'a' has variance, 'b' has clt"),
        ({"blocks": nnrg.GridBlocks(4), "levels": 2}, "blocks differs: 'a' has GridBlocks"),
        ({"nulls": NULLS}, "null models differs: 'a' has none, 'b' has permutation"),
    ],
)
def test_different_settings_are_named(change, setting):
    rng = np.random.default_rng(1)
    pair = {"a": measured(chain(32, 0.2, rng)), "b": measured(chain(32, 0.2, rng), **change)}
    with pytest.raises(ArgumentError, match=setting):
        nnrg.compare(pair)


def test_null_models_that_all_have_are_compared_and_others_named():
    rng = np.random.default_rng(1)
    a = measured(chain(32, 0.2, rng), nulls=("permutation", "columns"))
    b = measured(chain(32, 0.2, rng), nulls=("permutation", "shuffle"))
    alone = measured(chain(32, 0.2, rng), nulls=("rows",))
    result = nnrg.compare({"a": a, "b": b})
    assert result.null == "permutation" and result.settings["null models"] == "permutation"
    assert "a: null model columns not compared, not run on all flows" in result.notes
    assert "b: null model shuffle not compared, not run on all flows" in result.notes
    with pytest.raises(ArgumentError, match="null models differs: 'a' has columns, permutation"):
        nnrg.compare({"a": a, "alone": alone})
    with pytest.raises(ArgumentError, match="no null model 'columns' was run on all flows, only"):
        nnrg.compare({"a": a, "b": b}, null="columns")


def test_different_dimension_and_standardisation_are_named():
    rng = np.random.default_rng(1)
    line = chain(32, 0.2, rng)
    plane = nnrg.SynapticField(rng.normal(size=(32, 8, 8)), nnrg.Lattice((8, 8)))
    with pytest.raises(ArgumentError, match="dimension differs: 'a' has 1, 'b' has 2"):
        nnrg.compare({"a": measured(line), "b": measured(plane)})
    with pytest.raises(ArgumentError, match="standardised differs"):
        nnrg.compare({"a": measured(line), "b": measured(line.standardised())})


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([1, 2], "compare takes a mapping"),
        ({"a": 1, "b": 2}, "must be a Run, a Measurement"),
        ({}, "two flows or more, got 0"),
        ({3: None}, "must be text"),
    ],
)
def test_other_things_are_refused(runs, message):
    with pytest.raises(ArgumentError, match=message):
        nnrg.compare(runs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": "width"}, "at must be one of"),
        ({"level": 0}, "level must lie between"),
        ({"level": "x"}, "level must be a finite real number"),
        ({"tolerance": 1.0}, "tolerance must be from 0"),
        ({"null": "phase"}, "no null model 'phase' was run on all"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        nnrg.compare(flows(), **options)


def test_one_flow_missing_fields_and_no_common_table_are_refused():
    tiny, full = flows()["tiny"], flows()["full"]
    with pytest.raises(ArgumentError, match="two flows or more, got 1"):
        nnrg.compare({"a": tiny})
    run = Run({"one": tiny}, {}, {})
    with pytest.raises(ArgumentError, match="'net': no field 'nothing'"):
        nnrg.compare({"net": run, "b": full}, field="nothing")
    with pytest.raises(ArgumentError, match="no table in common"):
        nnrg.compare({"a": tiny.couplings, "b": full.cumulants})
    reports = {
        k: nnrg.nonlocality(nnrg.renormalize(chain(64, 0.5, np.random.default_rng(1))))
        for k in "ab"
    }
    with pytest.raises(ArgumentError, match="no table in common"):
        nnrg.compare({"a": tiny.couplings, "b": full.cumulants}, ranges=reports)
    with pytest.raises(AnalysisError, match="hold no flow"):
        nnrg.compare({"net": Run({}, {}, {}), "b": full})


def test_flows_without_a_number_are_refused():
    def emptied(table):
        nothing = np.full(table.values.shape, np.nan)
        return replace(table, values=nothing)

    rng = np.random.default_rng(1)
    pair = {
        name: replace(m, couplings=emptied(m.couplings), cumulants=emptied(m.cumulants))
        for name, m in (("a", measured(chain(32, 0.2, rng))), ("b", measured(chain(32, 0.2, rng))))
    }
    with pytest.raises(AnalysisError, match="no number has a value"):
        nnrg.compare(pair)


def test_too_few_groups_give_no_distance_and_say_so():
    rng = np.random.default_rng(1)
    pair = {
        name: nnrg.renormalize(
            chain(16, 0.2, rng), levels=3, errors=nnrg.Jackknife(blocks=2)
        ).cumulants(order=4, nulls=(), rng=1)
        for name in "ab"
    }
    distance = nnrg.compare(pair).distances[0]
    assert np.isnan(distance.square.value) and np.isnan(distance.p)
    assert "too few groups" in distance.square.flag
