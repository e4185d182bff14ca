"""Each null model: what its draws share with the field exactly, and what has no such draws."""

import ml_dtypes
import numba
import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.nulls import measure_null
from nnrg.rg.nulls._families import FAMILIES
from nnrg.rg.nulls._matrices import as_matrices, haar
from nnrg.simulate.gaussian import ar1


def null_flows(flow, model, seed):
    return measure_null(flow, model, seed, lambda null: null)


def one_draw(field, name, seed=7, **options):
    flow = nnrg.renormalize(field, levels=2)
    model = nnrg.NullModel(name, 3, **options)
    null, *_ = null_flows(flow, model, np.random.SeedSequence(seed))
    return null.field


def chains(n_samples=40, length=32, dtype=np.float64, **options):
    values = ar1(length, n_samples, rho=0.8, rng=3) ** 3 + 0.5
    return nnrg.SynapticField(values.astype(dtype), nnrg.Lattice(length), **options)


def matrix(shape=(24, 36), n_samples=1, populations=((0,), (1,)), **options):
    values = np.random.default_rng(4).laplace(size=(n_samples, *shape))
    lattice = nnrg.Lattice(shape, populations=populations)
    return nnrg.SynapticField(values, lattice, natural=False, **options)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", ["shuffle", "rows", "columns"])
def test_shuffles_keep_every_value(name, dtype):
    field = chains(dtype=dtype)
    drawn = one_draw(field, name).values
    assert drawn.dtype == field.values.dtype
    given, drawn = field.values.astype(float), drawn.astype(float)
    np.testing.assert_array_equal(np.sort(drawn, axis=None), np.sort(given, axis=None))
    assert np.mean(drawn != given) > 0.8


@pytest.mark.parametrize(("name", "axis"), [("rows", 1), ("columns", 0)])
def test_rows_are_samples_and_columns_sites(name, axis):
    field = chains()
    drawn = one_draw(field, name).values
    np.testing.assert_array_equal(np.sort(drawn, axis=axis), np.sort(field.values, axis=axis))
    other = 1 - axis
    assert not np.array_equal(np.sort(drawn, axis=other), np.sort(field.values, axis=other))


@pytest.mark.parametrize(("name", "axis"), [("rows", 2), ("columns", 1)])
def test_rows_and_columns_of_a_matrix_are_its_populations(name, axis):
    field = matrix(n_samples=2)
    drawn = one_draw(field, name).values
    np.testing.assert_array_equal(np.sort(drawn, axis=axis), np.sort(field.values, axis=axis))
    # Another order in each row: no two of them are moved alike.
    order = np.argsort(np.moveaxis(drawn, axis, -1)) - np.argsort(
        np.moveaxis(field.values, axis, -1)
    )
    assert len(np.unique(order.reshape(-1, order.shape[-1]), axis=0)) > 20


def test_a_population_of_several_axes_is_one_index():
    field = matrix((4, 6, 8), populations=((1,), (0, 2)))
    drawn = one_draw(field, "rows").values
    for row in range(6):
        given = np.sort(field.values[:, :, row], axis=None)
        np.testing.assert_array_equal(np.sort(drawn[:, :, row], axis=None), given)


def singular_values(field):
    matrices, _ = as_matrices(field)
    return np.linalg.svd(matrices, compute_uv=False)


@pytest.mark.parametrize(
    "field",
    [
        chains(),
        chains(12, 64),
        matrix(),
        matrix(n_samples=3),
        matrix((4, 6, 8), populations=((0,), (1,), (2,))),
    ],
    ids=["tall", "wide", "matrix", "gates", "three populations"],
)
def test_rotation_keeps_singular_values(field):
    drawn = one_draw(field, "rotation")
    np.testing.assert_allclose(singular_values(drawn), singular_values(field), rtol=1e-10)
    assert np.abs(drawn.values - field.values).max() > 0.1


@pytest.mark.parametrize("centred", [False, True])
def test_haar_vectors_are_orthonormal_and_uniform(centred):
    rng = np.random.default_rng(5)
    n, k, count = 6, 3, 4000
    drawn = np.array([haar(n, k, rng, centred=centred) for _ in range(count)])
    identity = np.broadcast_to(np.eye(k), (count, k, k))
    np.testing.assert_allclose(np.swapaxes(drawn, 1, 2) @ drawn, identity, atol=1e-12)
    if centred:
        assert np.abs(drawn.sum(axis=1)).max() < 1e-12
        return
    # Every entry of every vector: mean 0, <q^2> = 1/n, <q^4> = 3 / n(n + 2); a wrong sign rule
    # makes entries of the first row negative on average. At 5 sigma of 54 numbers: 3e-5.
    for power, expected in ((1, 0.0), (2, 1 / n), (4, 3 / (n * (n + 2)))):
        values = drawn**power
        deviation = values.mean(axis=0) - expected
        assert np.abs(deviation / (values.std(axis=0) / np.sqrt(count))).max() < 5


@pytest.mark.parametrize("shape", [(32,), (15,), (12, 10)])
def test_phases_keep_the_amplitude_of_every_mode(shape):
    values = np.random.default_rng(6).gamma(2.0, size=(5, *shape))
    field = nnrg.SynapticField(values, nnrg.Lattice(shape, periodic=True))
    drawn = one_draw(field, "phase").values
    axes = tuple(range(1, 1 + len(shape)))
    given, found = np.fft.fftn(values, axes=axes), np.fft.fftn(drawn, axes=axes)
    np.testing.assert_allclose(np.abs(found), np.abs(given), rtol=1e-10)
    np.testing.assert_allclose(drawn.mean(axis=axes), values.mean(axis=axes), rtol=1e-12)
    assert np.abs(drawn - values).max() > 0.1


def test_dependent_samples_share_their_phases():
    values = np.random.default_rng(8).normal(size=(3, 32))
    field = nnrg.SynapticField(values, nnrg.Lattice(32, periodic=True), independent=False)
    flow = nnrg.renormalize(field, levels=2)
    null, *_ = null_flows(flow, nnrg.NullModel("phase", 3), np.random.SeedSequence(1))
    given, drawn = np.fft.rfft(values), np.fft.rfft(null.field.values)
    np.testing.assert_allclose(drawn[0] * drawn[1].conj(), given[0] * given[1].conj(), atol=1e-10)


@pytest.mark.parametrize(("n_samples", "length"), [(40, 16), (20, 48), (600, 8)])
def test_mixed_samples_of_an_open_lattice_keep_all_covariances(n_samples, length):
    values = ar1(length, n_samples, rho=0.8, rng=5) + np.arange(length)
    field = nnrg.SynapticField(values, nnrg.Lattice(length))
    drawn = one_draw(field, "phase").values
    np.testing.assert_allclose(drawn.mean(axis=0), field.values.mean(axis=0), rtol=1e-10)
    given, found = np.cov(field.values.T), np.cov(drawn.T)
    np.testing.assert_allclose(found, given, rtol=1e-9, atol=1e-9 * given.max())
    assert np.abs(drawn - field.values).max() > 0.1


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("unequal", ["samples", "sites"])
def test_surrogates_keep_unequal_scales_of_samples_and_of_sites(periodic, unequal):
    rng = np.random.default_rng(11)
    shape = (200, 1) if unequal == "samples" else (1, 64)
    scales = np.exp(0.5 * rng.normal(size=shape))
    profile = np.sin(np.arange(64) / 10)
    values = scales * ar1(64, 200, rho=0.5, rng=rng) + profile
    field = nnrg.SynapticField(values, nnrg.Lattice(64, periodic=periodic))
    drawn = one_draw(field, "phase").values
    axis = 1 if unequal == "samples" else 0
    # What of log scale^2 is kept shows in its correlation with that of the draw: 1 less the errors
    # of mean squares of 64 sites, or 200 samples.
    found = np.log(np.mean((drawn - drawn.mean(axis=0)) ** 2, axis=axis))
    assert np.corrcoef(found, np.log(scales.ravel()))[0, 1] > 0.9
    np.testing.assert_allclose(drawn.mean(axis=0), values.mean(axis=0), atol=0.3)
    np.testing.assert_allclose(drawn.var(), values.var(), rtol=0.05)


@pytest.mark.parametrize("shape", [(600, 16), (24, 32)])
def test_correlated_samples_of_equal_scale_are_mixed_as_they_are(shape):
    # Both halves of a sample are large together, as they are of any Gaussian field.
    for seed in range(20):
        values = ar1(shape[1], shape[0], rho=0.9, rng=seed)
        field = nnrg.SynapticField(values, nnrg.Lattice(shape[1]))
        drawn = one_draw(field, "phase").values
        np.testing.assert_allclose(np.cov(drawn.T), np.cov(values.T), rtol=1e-9, atol=1e-9)


def test_surrogates_of_few_samples_keep_the_covariance_of_samples():
    rng = np.random.default_rng(9)
    shared = rng.normal(size=(1, 40, 40))
    values = np.concatenate([shared + rng.normal(size=(1, 40, 40)), 3 * shared])
    field = nnrg.SynapticField(values, nnrg.Lattice((40, 40)), independent=False)
    flow = nnrg.renormalize(field, levels=2)
    draws = null_flows(flow, nnrg.NullModel("phase", 100), np.random.SeedSequence(2))
    found = np.array([np.cov(n.field.values.reshape(2, -1)) for n in draws])
    error = found.std(axis=0) / np.sqrt(100)
    assert np.abs((found.mean(axis=0) - np.cov(values.reshape(2, -1))) / error).max() < 4.5


def test_samples_without_variation_have_no_surrogate():
    values = np.arange(8.0)[:, None] * np.ones(32)
    flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(32)), levels=2)
    with pytest.raises(AnalysisError, match="constant within each sample"):
        nnrg.NullModel("phase").prepare(flow)


@pytest.mark.parametrize(
    ("name", "periodic", "kept"),
    [
        ("shuffle", False, ["kappa_1", "kappa_2", "kappa_4", "ratio_3"]),
        ("rows", False, ["kappa_1", "kappa_2", "kappa_4", "ratio_3"]),
        ("columns", False, ["kappa_1", "kappa_2", "kappa_4", "ratio_3"]),
        ("phase", True, ["kappa_1", "kappa_2", "neighbour:0"]),
        ("phase", False, ["kappa_1", "kappa_2", "neighbour:0"]),
    ],
)
def test_what_a_null_keeps_has_no_score(name, periodic, kept):
    values = ar1(32, 40, rho=0.8, rng=3) ** 3 + 0.5
    field = nnrg.SynapticField(values, nnrg.Lattice(32, periodic=periodic))
    kappa = nnrg.renormalize(field, levels=2).cumulants(order=4, nulls=(name,), rng=1)
    z = dict(zip(kappa.names, kappa.z()[0], strict=True))
    assert all(np.isnan(z[n]) for n in kept)
    assert np.isfinite(kappa.z()[1]).any()


@pytest.mark.parametrize("name", ["shuffle", "rows", "columns", "phase", "rotation", "gaussian"])
@pytest.mark.parametrize("field", [chains(64, 320), matrix((130, 140))], ids=["chains", "matrix"])
def test_draws_of_every_null_are_reproducible_on_any_threads(name, field):
    flow = nnrg.renormalize(field, levels=2)
    model, before = nnrg.NullModel(name, 3), numba.get_num_threads()
    results = []
    try:
        for threads in (1, before):
            numba.set_num_threads(threads)
            nulls = list(null_flows(flow, model, np.random.SeedSequence(3)))
            results.append([n.field.values for n in nulls])
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(*results)
    assert not np.array_equal(results[0][0], results[0][1])
    assert nulls[0].field.notes != field.notes


def test_initialisations_are_drawn_as_they_are():
    fields = [chains().replaced(chains().values + i) for i in range(4)]
    model = nnrg.NullModel("initialisation", reference=fields)
    assert model.draws == 4
    flow = nnrg.renormalize(chains(), levels=2)
    nulls = list(null_flows(flow, model, np.random.SeedSequence(1)))
    for null, field in zip(nulls, fields, strict=True):
        np.testing.assert_array_equal(null.field.values, field.values)


def test_initialisation_goes_through_the_same_random_blocks():
    field = chains()
    flow = nnrg.renormalize(field, nnrg.RandomBlocks(2, seed=3), levels=2)
    model = nnrg.NullModel("initialisation", reference=[field] * 3)
    null, *_ = null_flows(flow, model, np.random.SeedSequence(1))
    np.testing.assert_allclose(null.variances(), flow.variances(), rtol=1e-12)


def test_samples_of_one_initialisation_are_drawn_with_replacement():
    start = chains(60)
    flow = nnrg.renormalize(chains(30), levels=2)
    null, *_ = null_flows(
        flow, nnrg.NullModel("initialisation", 3, start), np.random.SeedSequence(1)
    )
    assert null.field.n_samples == 20  # 1 / (1/30 + 1/60)
    rows = {tuple(row) for row in start.values}
    assert all(tuple(row) in rows for row in null.field.values)


def test_a_network_gives_the_tensor_of_the_same_name():
    rng = np.random.default_rng(14)
    nets = [nnrg.load({"fc.weight": rng.normal(size=(32, 64))}) for _ in range(4)]
    model = nnrg.NullModel("initialisation", reference=nets[1:])
    field = nets[0].field("fc.weight", sites=nnrg.Lattice((8, 8)))
    nulls = list(null_flows(nnrg.renormalize(field), model, np.random.SeedSequence(1)))
    np.testing.assert_array_equal(
        nulls[2].field.values.reshape(32, 64), nets[3].tensors["fc.weight"]
    )
    run = nnrg.flow_network(nets[0], sites=nnrg.Lattice((8, 8)), nulls=("phase", model), rng=1)
    assert list(run["fc.weight"].couplings.nulls) == ["phase", "initialisation"]
    assert run["fc.weight"].cumulants.nulls["initialisation"].shape[0] == 3


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        (None, "needs the tensor before training"),
        (3, "must be a field or several"),
        ("net", "must be a field or several"),
        ([1, 2, 3], "must hold fields only"),
        ([chains()] * 2, "one initialisation or at least 3"),
        ([], "one initialisation or at least 3"),
    ],
)
def test_references_that_are_none_are_refused(reference, says):
    with pytest.raises(ArgumentError, match=says):
        nnrg.NullModel("initialisation", reference=reference)


def test_only_initialisation_takes_a_reference():
    with pytest.raises(ArgumentError, match="takes no reference"):
        nnrg.NullModel("phase", reference=chains())


@pytest.mark.parametrize("start", [chains(5), chains(40, independent=False)])
def test_one_draw_without_an_error_is_refused(start):
    model = nnrg.NullModel("initialisation", reference=start)
    with pytest.raises(AnalysisError, match="give several initialisations"):
        model.prepare(nnrg.renormalize(chains(), levels=2))


def test_an_initialisation_on_other_sites_is_refused():
    model = nnrg.NullModel("initialisation", reference=chains(40, 16))
    with pytest.raises(ArgumentError, match="must live on"):
        model.prepare(nnrg.renormalize(chains(), levels=2))


def test_models_say_what_they_do_and_differ_where_their_numbers_do():
    models = [nnrg.NullModel(n) for n in FAMILIES if n != "initialisation"]
    models.append(nnrg.NullModel("initialisation", reference=chains()))
    assert {m.label for m in models} == {f"N{i}" for i in range(1, 9)}
    assert all(m.keeps and m.destroys and m.needs for m in models)
    other = nnrg.NullModel("initialisation", reference=chains().replaced(chains().values + 1))
    assert repr(other) != repr(models[-1])
    assert repr(nnrg.NullModel()) == "NullModel(name='permutation', draws=20)"
