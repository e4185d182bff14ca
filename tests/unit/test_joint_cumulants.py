"""Joint cumulants from samples that pass by: exact identities, errors, bad input."""

from itertools import combinations_with_replacement, product
from math import comb, factorial, prod

import numpy as np
import pytest

from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.stats._multisets import count, multisets, partition_terms, ranks
from nnrg.stats.joint_cumulants import JointMoments, joint_cumulants
from nnrg.stats.kstatistics import kstatistics


def set_partitions(items):
    if not items:
        yield []
        return
    for rest in set_partitions(items[1:]):
        yield [[items[0]], *rest]
        for at in range(len(rest)):
            yield [*rest[:at], [items[0], *rest[at]], *rest[at + 1 :]]


def exact_cumulant(points, weights, variables):
    """The cumulant of a discrete law, by moments of all partitions."""
    total = 0.0
    for blocks in set_partitions(list(variables)):
        moments = prod(float(weights @ np.prod(points[:, b], axis=1)) for b in blocks)
        total += (-1) ** (len(blocks) - 1) * factorial(len(blocks) - 1) * moments
    return total


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_every_product_has_its_place(k, order):
    rows = multisets(k, order)
    assert len(rows) == count(k, order)
    expected = set(combinations_with_replacement(range(k), order))
    assert {tuple(map(int, row)) for row in rows} == expected
    np.testing.assert_array_equal(ranks(rows), np.arange(len(rows)))


def test_partitions_without_single_places():
    assert [len(partition_terms(r)) for r in range(2, 7)] == [1, 1, 4, 11, 41]


@pytest.mark.parametrize("n", [10, 1000])
def test_one_variable_has_the_known_k_statistics(n):
    x = np.random.default_rng(1).exponential(size=(n, 1)) + 3.0
    found = joint_cumulants(x, 6)
    expected = kstatistics([np.sum((x - 4) ** p) for p in range(1, 7)], n, shift=4.0)
    values = [found.estimate(*[0] * r).value for r in range(1, 7)]
    np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_the_mean_over_all_samples_is_the_cumulant():
    """Ten draws from three points: every outcome, with its probability. Exact for every order."""
    points = np.array([[0.0, 1.0], [2.0, -1.0], [1.0, 4.0]])
    weights = np.array([0.5, 0.3, 0.2])
    total, n = 0.0, 10
    for counts in product(range(n + 1), repeat=2):
        counts = (*counts, n - sum(counts))
        if counts[2] >= 0:
            ways = factorial(n) // prod(factorial(c) for c in counts)
            sample = np.repeat(points, counts, axis=0)
            values = joint_cumulants(sample, 6).replicates.values
            total = total + ways * np.prod(weights ** np.array(counts)) * values
    expected = [
        exact_cumulant(points, weights, row) for r in range(1, 7) for row in multisets(2, r)
    ]
    np.testing.assert_allclose(total, expected, rtol=1e-8, atol=1e-8)


def test_cumulants_are_linear_in_each_variable():
    """Those of a sum are sums of joint ones: exact for k-statistics, order by order."""
    rng = np.random.default_rng(2)
    x = rng.exponential(size=(300, 3)) @ rng.normal(size=(3, 3)) + 5.0
    a = np.array([0.7, -1.2, 2.0])
    found, single = joint_cumulants(x, 6), joint_cumulants(x @ a[:, None], 6)
    for order in range(1, 7):
        tensor = found.tensor(order)
        for _ in range(order):
            tensor = tensor @ a
        assert tensor == pytest.approx(single.values(order)[0], rel=1e-9)


def test_the_order_of_variables_does_not_matter():
    x = np.random.default_rng(3).exponential(size=(100, 3))
    found = joint_cumulants(x, 4)
    assert found.estimate(2, 0, 0, 1) == found.estimate(0, 1, 2, 0)
    tensor = found.tensor(3)
    np.testing.assert_array_equal(tensor, tensor.transpose(2, 0, 1))
    assert found.error_tensor(3)[0, 1, 2] == found.estimate(1, 2, 0).error
    swapped = joint_cumulants(x[:, ::-1], 4)
    assert swapped.estimate(0, 2, 2, 1).value == pytest.approx(
        found.estimate(2, 0, 0, 1).value, rel=1e-10
    )


@pytest.mark.parametrize("n", [127, 128, 129, 1000, 5000])
def test_any_pieces_give_the_same_numbers(n):
    x = np.random.default_rng(4).exponential(size=(n, 2))
    whole = joint_cumulants(x, 4)
    moments = JointMoments(2, 4)
    for piece in np.split(x, [1, 2, 60, 61, n // 2]):
        moments.add(piece)
    pieces = moments.cumulants()
    assert pieces.n_samples == n and 64 <= len(pieces.replicates.replicates) <= 128
    np.testing.assert_allclose(pieces.replicates.values, whole.replicates.values, rtol=1e-7)
    np.testing.assert_allclose(pieces.replicates.errors(), whole.replicates.errors(), rtol=1e-6)


def test_sums_that_stop_and_go_on():
    x = np.random.default_rng(5).normal(size=(3000, 2))
    first, second = JointMoments(2, 4), JointMoments(2, 4)
    first.add(x[:700])
    second.restore(first.state())
    for moments in (first, second):
        moments.add(x[700:])
    for name, array in first.state().items():
        np.testing.assert_array_equal(array, second.state()[name])


def test_a_large_mean_takes_no_digits():
    x = np.random.default_rng(6).exponential(size=(4000, 2))
    near, far = joint_cumulants(x, 6), joint_cumulants(x + 2.0**20, 6)
    for order in range(2, 7):
        np.testing.assert_allclose(far.values(order), near.values(order), rtol=1e-6, atol=1e-6)


def test_units():
    x = np.random.default_rng(7).exponential(size=(500, 2))
    small, plain = joint_cumulants(x * 1e-40, 6), joint_cumulants(x, 6)
    for order in range(1, 7):
        np.testing.assert_allclose(small.values(order), plain.values(order) * 1e-40**order)


def test_replicates_leave_out_groups():
    x = np.random.default_rng(8).exponential(size=(128 * 5, 2))
    found = joint_cumulants(x, 3)
    groups = len(found.replicates.replicates)
    size = len(x) // groups if len(x) % groups == 0 else 8
    for j in (0, 3):
        rest = np.delete(x, np.arange(j * size, (j + 1) * size), axis=0)
        expected = joint_cumulants(rest, 3).replicates.values
        np.testing.assert_allclose(found.replicates.replicates[j], expected, rtol=1e-9)


def test_errors_of_independent_normal_numbers():
    """Var k(x_i x_j ...) = prod_v (multiplicity of v)! / n to leading order.

    An error from 80 groups is good to 8 %; 126 of them within 45 % fail less than once in 1e4.
    """
    n = 20_000
    found = joint_cumulants(np.random.default_rng(9).normal(size=(n, 4)), 6)
    for order in (2, 4, 6):
        for row, error in zip(found.indices(order), found.errors(order), strict=True):
            expected = np.sqrt(prod(factorial(int(c)) for c in np.bincount(row)) / n)
            # Of high orders the numbers have long tails of their own.
            assert error == pytest.approx(expected, rel=0.45 if order < 6 else 0.8)


def test_normal_numbers_have_no_joint_cumulants():
    """Chi^2 of 120 independent numbers over their known errors, false-alarm rate 1e-4."""
    from scipy import stats

    n = 50_000
    found = joint_cumulants(np.random.default_rng(10).normal(size=(n, 3)), 4)
    pulls = []
    for order in (3, 4):
        for row, value in zip(found.indices(order), found.values(order), strict=True):
            pulls.append(value / np.sqrt(prod(factorial(int(c)) for c in np.bincount(row)) / n))
    p = stats.chi2.sf(np.sum(np.square(pulls)), len(pulls))
    assert 1e-4 < p < 1 - 1e-4


def test_neurons_with_a_common_scale_are_dependent():
    """s^2 takes 1/4 and 9/4: kappa(1,1,2,2) is its variance 1; within four errors."""
    rng = np.random.default_rng(11)
    scale = rng.choice([0.5, 1.5], size=(40_000, 1))
    found = joint_cumulants(scale * rng.normal(size=(40_000, 2)), 4)
    one = found.estimate(0, 0, 1, 1)
    assert abs(one.value - 1) < 4 * one.error < 0.2
    assert abs(found.estimate(0, 1).z) < 4


def test_table_and_text():
    found = joint_cumulants(np.random.default_rng(12).normal(size=(50, 2)), 4, names=("u", "v"))
    frame = found.to_dataframe()
    assert list(frame.columns) == ["order", "variables", "value", "error", "n_samples", "flag"]
    assert len(frame) == sum(comb(2 + r - 1, r) for r in range(1, 5))
    assert frame.variables[2] == "u u" and frame.value[3] == found.estimate(0, 1).value
    text = str(found)
    assert "u v v" in text and "50 samples" in text and len(text.splitlines()) < 40


def test_few_samples_are_flagged():
    found = joint_cumulants(np.random.default_rng(13).normal(size=(100, 1)), 6)
    assert "14400" in found.estimate(0, 0, 0, 0, 0, 0).flag and not found.estimate(0, 0).flag
    assert "14400" in str(found) and found.to_dataframe().flag.iloc[-1]


def test_constant_variables():
    found = joint_cumulants(np.full((50, 1), 3.0), 4)
    assert found.estimate(0).value == 3.0 and found.estimate(0, 0).value == 0.0


@pytest.mark.parametrize("order", [1, 4, 6])
def test_too_few_samples(order):
    with pytest.raises(AnalysisError, match="at least 10 samples, got 9"):
        joint_cumulants(np.zeros((9, 2)), order)
    joint_cumulants(np.arange(10.0)[:, None], order)


@pytest.mark.parametrize(
    ("samples", "order", "message"),
    [
        (np.zeros(20), 4, "shape"),
        (np.zeros((20, 0)), 4, "shape"),
        (np.zeros((20, 2)), 7, "order"),
        (np.zeros((20, 2)), 0, "order"),
        (np.zeros((20, 60)), 6, "100000"),
        (np.zeros((20, 2)) * 1j, 4, "real"),
    ],
)
def test_bad_arguments(samples, order, message):
    with pytest.raises(ArgumentError, match=message):
        joint_cumulants(samples, order)


def test_more_bad_arguments():
    x = np.random.default_rng(14).normal(size=(30, 2))
    x[4, 1] = np.nan
    with pytest.raises(NonFiniteError, match="variable 1 of sample 4"):
        joint_cumulants(x)
    moments = JointMoments(2, 3)
    with pytest.raises(ArgumentError, match="shape"):
        moments.add(np.zeros((5, 3)))
    with pytest.raises(AnalysisError, match="got 0"):
        moments.cumulants()
    found = joint_cumulants(np.zeros((20, 2)), 3)
    for variables in ((2,), (0, 0, 0, 0), (-1,), (0.5,)):
        with pytest.raises(ArgumentError):
            found.estimate(*variables)
    with pytest.raises(ArgumentError, match="names"):
        joint_cumulants(np.zeros((20, 2)), names=("a",))
