"""Operators of Monte Carlo RG against naive twins; the RG matrix; bad input."""

from itertools import product

import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.scaling.lattice_operators import LatticeOperator, as_operators, operator_sums
from nnrg.rg.scaling.operator_record import block_operators, join_records, majority_operators
from nnrg.rg.scaling.swendsen import linearised_rg

NAMES = {
    1: ("phi", "phi3", "hermite4", "nn", "third", "phi3phi", "row"),
    2: ("phi2", "hermite3", "nn", "nnn", "third", "fourth", "plaquette", "phi2phi2", "corner"),
    3: ("phi6", "nn", "nnn", "third", "plaquette", "corner", "phi3phi"),
}


def naive(values, operator, periodic):
    """Site by site, term by term."""
    total = 0.0
    shape = values.shape
    for site in product(*map(range, shape)):
        for coefficient, factors in operator.terms:
            value = coefficient
            for offset, power in factors:
                place = [x + o for x, o in zip(site, offset, strict=True)]
                inside = [p or 0 <= x < n for x, n, p in zip(place, shape, periodic, strict=True)]
                if not all(inside):
                    value = 0.0
                    break
                value *= values[tuple(x % n for x, n in zip(place, shape, strict=True))] ** power
            total += value
    return total


@pytest.mark.parametrize(
    ("shape", "periodic"),
    [
        ((9,), (True,)),
        ((9,), (False,)),
        ((6, 5), (True, True)),
        ((6, 5), (True, False)),
        ((4, 3, 5), (True, True, False)),
    ],
)
def test_operators_equal_their_naive_twins(shape, periodic):
    values = np.random.default_rng(1).normal(size=(3, *shape))
    operators = as_operators(NAMES[len(shape)], len(shape))
    expected = [[naive(v, o, periodic) for o in operators] for v in values]
    np.testing.assert_allclose(operator_sums(values, operators, periodic), expected, rtol=1e-12)


def test_named_operators_count_each_bond_once():
    # On all spins up an operator is its number of terms a site.
    up = np.ones((1, 8, 8))
    names = ("phi", "nn", "nnn", "third", "fourth", "plaquette", "corner", "row")
    counts = operator_sums(up, as_operators(names, 2), (True, True))[0] / 64
    assert counts.tolist() == [1, 2, 2, 2, 4, 1, 4, 2]
    cube = operator_sums(np.ones((1, 6, 6, 6)), as_operators(names[1:6], 3), (True,) * 3)[0] / 216
    assert cube.tolist() == [3, 6, 4, 3, 3]


def test_many_configurations_in_runs_equal_one_by_one():
    values = np.random.default_rng(2).normal(size=(70, 64, 64))
    operators = as_operators(("phi4", "nn"), 2)
    once = operator_sums(values, operators, (True, True))
    each = [operator_sums(v[None], operators, (True, True))[0] for v in values]
    np.testing.assert_array_equal(once, each)


def test_stretched_operator_is_the_derivative_by_amplitude():
    operators = as_operators(("hermite4", "phi2phi2", "phi3"), 1)
    values = np.random.default_rng(3).normal(size=(2, 12))
    changed = operator_sums(values, [o.stretched for o in operators], [True])
    h = 1e-5
    up, down = (operator_sums(values * (1 + s * h), operators, [True]) for s in (1, -1))
    np.testing.assert_allclose(changed, (up - down) / (2 * h), rtol=1e-8)


def test_majority_of_blocks():
    rng = np.random.default_rng(4)
    spins = rng.choice([-1.0, 1.0], size=(500, 6, 6))
    field = nnrg.SynapticField(spins, nnrg.Lattice((6, 6), periodic=True))
    odd = majority_operators(field, "phi", levels=2, b=3, rng=1)
    sums = spins.reshape(500, 2, 3, 2, 3).sum(axis=(2, 4))
    np.testing.assert_array_equal(odd.values[1, :, 0], np.sign(sums).sum(axis=(1, 2)))
    even = majority_operators(field, "phi", levels=2, b=2, rng=1).values[1, :, 0]
    sums = spins.reshape(500, 3, 2, 3, 2).sum(axis=(2, 4))
    decided, ties = np.sign(sums).sum(axis=(1, 2)), (sums == 0).sum(axis=(1, 2))
    assert np.all(np.abs(even - decided) <= ties) and np.all((even - decided - ties) % 2 == 0)
    # Ties are fair: their sum is binomial, four standard deviations.
    assert 0 < abs((even - decided).sum()) < 4 * np.sqrt(ties.sum())


def test_matrix_is_the_regression_of_sites_on_blocks():
    values = np.random.default_rng(5).normal(size=(300, 32))
    field = nnrg.SynapticField(values, nnrg.Lattice(32, periodic=True))
    flow = nnrg.renormalize(field, levels=3, rescale="clt")
    record = block_operators(flow, ("phi2", "phi4", "nn"))
    t = linearised_rg(record)
    for step in (1, 2):
        fine, coarse = (x - x.mean(axis=0) for x in record.values[step - 1 : step + 1])
        slopes = np.linalg.lstsq(coarse, fine, rcond=None)[0]
        np.testing.assert_allclose(t.matrix(step), slopes, rtol=1e-8)


@pytest.mark.parametrize("rescale", ["clt", "variance"])
def test_replicates_equal_the_analysis_of_fewer_configurations(rescale):
    # Leaving a group out is the same as never having had it, rescaling by the variance included.
    values = np.random.default_rng(6).exponential(size=(64, 32)) - 1
    lattice = nnrg.Lattice(32, periodic=True)
    names = ("phi", "phi2", "hermite4")

    def of(data):
        flow = nnrg.renormalize(nnrg.SynapticField(data, lattice), levels=3, rescale=rescale)
        return linearised_rg(flow, names, symmetric=False, errors=nnrg.Jackknife(blocks=8))

    whole = of(values)
    for group in (0, 5):
        fewer = of(np.delete(values, np.s_[8 * group : 8 * group + 8], axis=0))
        for step in (1, 2):
            rows = slice(None)
            got = np.linalg.solve(
                whole.within[group + 1, step][rows], whole.across[group + 1, step - 1]
            )
            # k-statistics and means of squares differ by n / (n - 1); first order in the rest.
            np.testing.assert_allclose(got, fewer.matrix(step, "all"), rtol=2e-3, atol=2e-3)


def flow_of(values, **options):
    lattice = nnrg.Lattice(values.shape[1:], periodic=True)
    return nnrg.renormalize(nnrg.SynapticField(values, lattice), **options)


def test_table_and_frozen_arrays():
    flow = flow_of(np.random.default_rng(7).normal(size=(200, 32)), levels=3)
    t = linearised_rg(flow, ("phi2", "phi4", "phi"))
    text = str(t)
    assert "even operators added one by one, change of amplitude taken out" in text
    assert "1 -> 2" in text and "2 -> 4" in text and "200 configurations" in text
    assert max(map(len, text.splitlines())) <= 100
    with pytest.raises(ValueError, match="read-only"):
        t.within[0] = 0
    only = t.leading(1, "even", 1)
    assert np.isnan(only.value) and only.flag.startswith("redundant")
    assert t.exponents(1, "even", 1) == ()
    assert t.condition(1, "even", 1) == pytest.approx(1)
    assert np.all(t.matrix_errors(1) > 0) and t.matrix(1).shape == (2, 2)


def test_joined_records_are_one():
    rng = np.random.default_rng(8)
    spins = rng.choice([-1.0, 1.0], size=(60, 8, 8))
    lattice = nnrg.Lattice((8, 8), periodic=True)
    parts = [
        majority_operators(nnrg.SynapticField(s, lattice), ("nn", "phi"), levels=2, b=2, rng=3)
        for s in (spins[:20], spins[20:])
    ]
    joined = join_records(parts)
    assert joined.values.shape == (2, 60, 2) and joined.groups.tolist() == list(range(60))
    whole = majority_operators(nnrg.SynapticField(spins, lattice), ("nn", "phi"), levels=2, rng=3)
    np.testing.assert_array_equal(joined.values[0], whole.values[0])
    other = majority_operators(nnrg.SynapticField(spins, lattice), "nn", levels=2, rng=3)
    with pytest.raises(ArgumentError, match="cannot be joined"):
        join_records([joined, other])
    with pytest.raises(ArgumentError, match="one or more"):
        join_records([])
    flow = flow_of(rng.normal(size=(20, 16)), levels=2)
    record = block_operators(flow, "phi2")
    with pytest.raises(ArgumentError, match="own variance"):
        join_records([record, record])


def test_samples_that_repeat_one_another_stay_together():
    base = np.random.default_rng(9).normal(size=(40, 256))
    values = np.concatenate([base, base[::-1] * 1.01])
    t = linearised_rg(flow_of(values, levels=2, rescale="clt"), ("phi2", "phi4"))
    assert t.weights.size == 40 and np.all(t.weights == 2)
    alone = linearised_rg(flow_of(base, levels=2, rescale="clt"), ("phi2", "phi4"))
    assert t.leading(1).error > 0.8 * alone.leading(1).error


def test_unsymmetric_field_is_flagged_and_may_be_taken_as_one_sector():
    values = np.random.default_rng(10).exponential(size=(400, 32)) - 1
    flow = flow_of(values, levels=2, rescale="clt")
    split = linearised_rg(flow, ("phi", "phi2", "phi3"))
    assert split.flags[0].startswith("not symmetric") and "!" in str(split)
    assert split.leading(1).flag.startswith("not symmetric")
    whole = linearised_rg(flow, ("phi", "phi2", "phi3"), symmetric=False)
    assert not whole.flags and list(whole.sectors) == ["all"]
    assert whole.exponents(1, "all")[0].value == pytest.approx(0.5, abs=1e-6)


def test_too_little_data_is_refused():
    rng = np.random.default_rng(11)
    values = rng.normal(size=(100, 16))
    with pytest.raises(AnalysisError, match="too few for 2 operators"):
        linearised_rg(flow_of(values[:5], levels=2), ("phi2", "phi4"))
    with pytest.raises(AnalysisError, match="one scale"):
        linearised_rg(flow_of(values, levels=1), ("phi2", "phi4"))
    with pytest.raises(AnalysisError, match="do not fit"):
        block_operators(flow_of(values, levels=4), ("phi2", "third"))
    few = linearised_rg(flow_of(values[:12], levels=2), ("phi2", "phi4"))
    assert few.flags[0].startswith("few configurations")


def test_operators_that_coincide_or_do_not_move_are_refused():
    rng = np.random.default_rng(12)
    flow = flow_of(rng.normal(size=(100, 16)), levels=2, rescale="clt")
    with pytest.raises(AnalysisError, match="coincide"):
        linearised_rg(flow, ("phi2", "hermite2"))
    spins = rng.choice([-1.0, 1.0], size=(100, 8, 8))
    field = nnrg.SynapticField(spins, nnrg.Lattice((8, 8), periodic=True))
    with pytest.raises(AnalysisError, match="phi2 is the same"):
        linearised_rg(majority_operators(field, ("phi2", "nn"), levels=2, rng=1))


@pytest.mark.parametrize("names", ["phi9", "plaquette", ("nn", "nn"), (), 3, ("nn", None), ""])
def test_bad_operators(names):
    with pytest.raises(ArgumentError, match="operator"):
        as_operators(names, 1)


@pytest.mark.parametrize(
    "terms", [(), ((1.0, ()),), ((1.0, (((0,), 0),)),), ((1.0, (((0,), 1), ((0, 1), 1))),), 3]
)
def test_bad_terms(terms):
    with pytest.raises(ArgumentError, match="needs terms"):
        LatticeOperator("own", terms)


def test_own_operators_take_part():
    own = LatticeOperator("mixed", ((1.0, (((0,), 2),)), (0.5, (((0,), 1), ((2,), 3)))))
    assert own.even and own.degrees == (2, 4)
    flow = flow_of(np.random.default_rng(13).normal(size=(200, 32)), levels=2)
    t = linearised_rg(flow, ("phi2", own))
    assert t.names == ("phi2", "mixed") and np.isfinite(t.leading(1).value)
    with pytest.raises(ArgumentError, match="offsets of 1 axes"):
        as_operators(own, 2)
    both = LatticeOperator("both", ((1.0, (((0,), 2),)), (1.0, (((0,), 3),))))
    with pytest.raises(ArgumentError, match="symmetric=False"):
        linearised_rg(flow, ("phi2", both))


def test_bad_arguments():
    flow = flow_of(np.random.default_rng(14).normal(size=(50, 16)), levels=2)
    t = linearised_rg(flow, ("phi2", "phi4"))
    record = block_operators(flow, "phi2")
    for call, match in (
        (lambda: linearised_rg(flow), "needs operators"),
        (lambda: linearised_rg(record, "phi2"), "operators of a record"),
        (lambda: linearised_rg(3), "OperatorRecord or a Flow"),
        (lambda: linearised_rg(record, errors=3), "Jackknife"),
        (lambda: linearised_rg(record, symmetric=1), "symmetric"),
        (lambda: block_operators(flow.field, "phi2"), "Flow"),
        (lambda: majority_operators(flow.field, "phi", levels=2), r"not \+1 or -1"),
        (lambda: majority_operators(flow, "phi", levels=2), "SynapticField"),
        (lambda: majority_operators(flow.field, "phi", levels=1), "levels"),
        (lambda: majority_operators(flow.field, "phi", levels=9), "no longer than"),
        (lambda: t.matrix(2), "step"),
        (lambda: t.matrix(1, "odd"), "sector"),
        (lambda: t.matrix(1, "even", 3), "n_operators"),
    ):
        with pytest.raises(ArgumentError, match=match):
            call()
