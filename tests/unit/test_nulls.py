"""Null models: what they keep, what they destroy, what they refuse."""

import numba
import numpy as np
import pytest

import nnrg
from nnrg.errors import ArgumentError
from nnrg.rg.nulls import measure_null, null_models
from nnrg.simulate.gaussian import ar1


def null_flows(flow, model, seed):
    return measure_null(flow, model, seed, lambda null: null)


def test_draws_do_not_depend_on_the_threads():
    values = np.random.default_rng(5).normal(size=(40, 24, 24)).astype(np.float32)
    flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice((24, 24))))
    before = numba.get_num_threads()
    results = []
    try:
        for threads in (1, before):
            numba.set_num_threads(threads)
            results.append(nnrg.fit_couplings(flow, rng=3).nulls["permutation"])
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(*results)


@pytest.fixture(scope="module")
def flow():
    field = nnrg.SynapticField(ar1(64, 20, rho=0.9, rng=1), nnrg.Lattice(64), name="rows")
    return nnrg.renormalize(field, nnrg.GridBlocks(2), levels=4, rescale="clt")


def test_permutation_keeps_values_and_what_samples_share(flow):
    for null in null_flows(flow, nnrg.NullModel(draws=3), np.random.SeedSequence(2)):
        given, drawn = flow.field.values, null.field.values
        np.testing.assert_array_equal(np.sort(drawn, axis=1), np.sort(given, axis=1))
        np.testing.assert_allclose(drawn @ drawn.T, given @ given.T, rtol=1e-12)
        assert np.abs(drawn - given).max() > 0.1


def test_permutation_destroys_the_order_of_sites(flow):
    nulls = list(null_flows(flow, nnrg.NullModel(draws=20), np.random.SeedSequence(3)))
    variances = np.array([n.variances() for n in nulls])
    np.testing.assert_allclose(variances[:, 0], flow.variances()[0], rtol=1e-12)
    assert np.all(variances[:, 1:] < flow.variances()[1:])
    assert all(n.scales == flow.scales and n.rescale == flow.rescale for n in nulls)
    assert all("permuted" in n.field.notes[-1] for n in nulls)


def test_mean_over_all_relabellings_is_that_of_random_pairs(flow):
    # Var of a mean over b sites drawn without order: [c_0 + (b - 1) c] / b with c the mean
    # covariance of two different sites, c_0 that of one.
    values = flow.field.values
    drawn = null_flows(flow, nnrg.NullModel(draws=400), np.random.SeedSequence(4))
    variances = np.array([n.variances()[1] for n in drawn])
    deviation = values - values.mean()
    one = np.mean(deviation**2)
    length = values.shape[1]
    two = (np.mean(deviation.sum(axis=1) ** 2) - length * one) / (length * (length - 1))
    expected = (one + two) / 2 * (values.size / 2) / (values.size / 2 - 1)
    assert abs(variances.mean() - expected) < 4.5 * variances.std() / np.sqrt(400)


def test_draws_are_independent_and_reproducible(flow):
    def draw(seed):
        model = nnrg.NullModel(draws=3)
        return [n.field.values for n in null_flows(flow, model, np.random.SeedSequence(seed))]

    first, same, other = draw(5), draw(5), draw(6)
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], other[0])


def test_names_and_objects_are_one():
    assert null_models("permutation") == (nnrg.NullModel(),)
    assert null_models(nnrg.NullModel(draws=5)) == (nnrg.NullModel(draws=5),)
    assert null_models(["permutation"]) == (nnrg.NullModel("permutation", 20),)
    assert null_models(()) == ()


@pytest.mark.parametrize(
    ("name", "draws"),
    [("phases", 20), ("permutation", 2), ("permutation", 3.5), ("permutation", True)],
)
def test_null_models_that_are_none_are_refused(name, draws):
    with pytest.raises(ArgumentError, match="got"):
        nnrg.NullModel(name, draws)


@pytest.mark.parametrize("nulls", [("phases",), (3,), "all"])
def test_unknown_names_are_refused(nulls):
    with pytest.raises(ArgumentError, match="null model must be"):
        null_models(nulls)


@pytest.mark.parametrize("nulls", [None, 3, 1.5])
def test_what_names_no_null_model_is_refused(nulls):
    with pytest.raises(ArgumentError, match=r"nulls must be .* \(\) stands for none"):
        null_models(nulls)


def test_a_null_model_is_drawn_once():
    with pytest.raises(ArgumentError, match="must differ"):
        null_models(("permutation", nnrg.NullModel(draws=5)))


@pytest.mark.parametrize("name", [None, 3, ["permutation"]])
def test_names_that_are_no_text_are_refused(name):
    with pytest.raises(ArgumentError, match="null model must be"):
        nnrg.NullModel(name)


@pytest.mark.parametrize("draws", [None, "5", "x", np.nan, 5.0, True, 10**30])
def test_draws_that_are_no_number_are_refused(draws):
    with pytest.raises(ArgumentError, match="draws"):
        nnrg.NullModel("permutation", draws)
