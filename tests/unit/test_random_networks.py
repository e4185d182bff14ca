"""Ensembles of random networks: naive twins, seeds, checkpoints, bad input."""

from itertools import pairwise

import numba
import numpy as np
import pytest

from nnrg.errors import AnalysisError, ArgumentError, FormatError, NonFiniteError
from nnrg.simulate._network_law import LawSampler, factors
from nnrg.simulate._network_weights import WeightSampler
from nnrg.simulate.architectures import ConvolutionalNetwork, DenseNetwork
from nnrg.simulate.ensembles import random_networks
from nnrg.simulate.percolation import directed_percolation
from nnrg.simulate.weight_laws import WeightLaw, weight_law
from nnrg.stats.joint_cumulants import joint_cumulants

X = np.array([[1.0, 0.5, -0.3], [0.2, 1.0, 0.8]])
NET = DenseNetwork("tanh", 1.4, 0.3, width=12, depth=3, n_outputs=2)
RING = ConvolutionalNetwork("relu", 1.3, 0.2, positions=5, width=4, depth=2, n_outputs=2)
UNIFORM = DenseNetwork("tanh", width=4, weights="uniform")
RING_X = np.random.default_rng(1).normal(size=(2, 5))


def packed(matrix):
    return matrix[np.tril_indices(len(matrix))]


def generator(seed, member):
    """The generator that a network with all its weights drawn has."""
    sequence = np.random.SeedSequence(seed, spawn_key=(member,))
    return np.random.Generator(np.random.SFC64(sequence))


# -- weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("residual", [0.0, 0.6])
@pytest.mark.parametrize("weights", ["normal", "uniform", "student:4"])
def test_a_dense_network_equals_its_naive_twin(weights, residual):
    net = DenseNetwork(
        ["tanh", "relu"], [1.4, 0.9, 1.1], [0.3, 0.0, 0.2], width=[6, 6], n_outputs=3,
        weights=weights, residual=residual,
    )  # fmt: skip
    sampler = WeightSampler(net, X, np.random.SeedSequence(7))
    metrics, outputs, local = sampler.draw(3, 6)
    assert local.shape[2] == 0
    for m in range(3):
        rng, h, z = generator(7, 3 + m), X.T, None
        for t, (sigma_w, sigma_b) in enumerate(net.sigmas):
            n = (6, 6, 3)[t]
            expected = sigma_w**2 * h.T @ h / len(h) + sigma_b**2
            if t == 1:
                expected = expected + residual**2 * z.T @ z / len(z)
            np.testing.assert_allclose(metrics[m, t], packed(expected))
            w = net.law.draw(rng, (n, len(h))) * sigma_w / np.sqrt(len(h))
            new = w @ h + sigma_b * rng.standard_normal((n, 1))
            z = new + residual * z if t == 1 else new
            if t < 2:
                h = net.activations[t](z)
        np.testing.assert_allclose(outputs[m], z, rtol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_convolutional_network_equals_its_naive_twin(size):
    net = ConvolutionalNetwork("relu", 1.3, 0.2, positions=5, kernel_size=size, width=4, depth=2)
    x = np.random.default_rng(2).normal(size=(2, 3, 5))
    metrics, outputs, local = WeightSampler(net, x, np.random.SeedSequence(5)).draw(0, 2)
    reach = size // 2
    for m in range(2):
        rng, h = generator(5, m), np.moveaxis(x, 0, -1)
        for t in range(2):
            n = len(h)
            w = rng.standard_normal((4, n * size)).reshape(4, n, size)
            z = np.empty((4, 5, 2))
            for place in range(5):
                seen = [h[:, (place + d) % 5] for d in range(-reach, reach + 1)]
                own = sum(1.69 * s.T @ s / (n * size) for s in seen) + 0.04
                np.testing.assert_allclose(local[m, t, place], packed(own))
                for c in range(4):
                    parts = [w[c, :, d] @ s for d, s in enumerate(seen)]
                    z[c, place] = sum(parts) * 1.3 / np.sqrt(n * size)
            np.testing.assert_allclose(metrics[m, t], local[m, t].mean(axis=0))
            h = np.maximum(z + 0.2 * rng.standard_normal((4, 1, 1)), 0)
        whole = h.reshape(20, 2)
        expected = 1.69 * whole.T @ whole / 20 + 0.04
        np.testing.assert_allclose(metrics[m, 2], packed(expected))
        w = rng.standard_normal((1, 20))
        expected = 1.3 / np.sqrt(20) * w @ whole + 0.2 * rng.standard_normal((1, 1))
        np.testing.assert_allclose(outputs[m], expected)


@pytest.mark.parametrize("spec", ["normal", "uniform", "student:5"])
def test_weights_have_unit_variance(spec):
    """Within four standard errors, from fourth moments 3, 9/5 and 9."""
    w = weight_law(spec).draw(np.random.default_rng(1), (100_000,))
    fourth = {"normal": 3.0, "uniform": 1.8, "student:5": 9.0}[spec]
    assert abs((w**2).mean() - 1) < 4 * np.sqrt((fourth - 1) / w.size)
    assert abs(w.mean()) < 4 / np.sqrt(w.size)


def test_weights_of_a_law_of_ones_own():
    signs = WeightLaw("signs", lambda rng, shape: rng.choice([-1.0, 1.0], shape))
    net = DenseNetwork("linear", width=8, weights=signs, n_outputs=0)
    found = random_networks(net, [[1.0]], 20, rng=1)
    # With one input number every neuron is plus or minus one.
    assert found.method == "weights" and found.metric(1).value == 1.0
    assert found.metric(1).error == 0.0 and found.outputs is None


# -- the layer law ---------------------------------------------------------------------------------


def test_the_law_in_numpy_and_compiled_use_the_same_numbers():
    """One input and narrow layers: the order of the random numbers is then the same."""
    for residual in (0.0, 0.5):
        options = {"width": 20, "depth": 3, "n_outputs": 3, "residual": residual}
        compiled, arrays = (
            LawSampler(
                DenseNetwork(a, 1.2, 0.1, **options), np.array([[0.7]]), np.random.SeedSequence(3)
            ).draw(2, 9)
            for a in ("tanh", lambda z: np.tanh(z))
        )
        for a, b in zip(compiled, arrays, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10)


def test_factors_of_singular_matrices():
    x = np.array([[1.0, 0.5], [1.0, 0.5], [2.0, -1.0], [0.0, 0.0]])
    matrices = np.stack([x @ x.T, np.zeros((4, 4)), np.eye(4)])
    root = factors(matrices)
    np.testing.assert_allclose(root @ root.transpose(0, 2, 1), matrices, atol=1e-12)
    assert np.all(root[:, *np.triu_indices(4, 1)] == 0)


NETWORKS = pytest.mark.parametrize(
    ("net", "x", "method"),
    [
        (NET, X, "layer law"),
        (NET, X, "weights"),
        (RING, RING_X, "layer law"),
        (RING, RING_X, "weights"),
    ],
)


@NETWORKS
def test_any_number_of_threads_gives_the_same_networks(net, x, method, monkeypatch):
    def draw():
        return random_networks(net, x, 150, method=method, keep=("metrics", "outputs"), rng=4)

    several = draw()
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        for home in ("_network_weights", "_convolution_law"):
            monkeypatch.setattr(f"nnrg.simulate.{home}.available_threads", lambda: 1)
        one = draw()
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(one.metric_samples, several.metric_samples)
    np.testing.assert_array_equal(one.output_samples, several.output_samples)
    for a, b in zip(one.metrics, several.metrics, strict=True):
        np.testing.assert_array_equal(a.replicates.values, b.replicates.values)


@NETWORKS
def test_a_longer_run_begins_with_a_shorter_one(net, x, method, monkeypatch):
    options = {"method": method, "keep": ("metrics", "outputs"), "rng": 4}
    short, long = (random_networks(net, x, n, **options) for n in (30, 90))
    monkeypatch.setattr("nnrg.simulate._network_law._MEMBERS", 7)
    for home in ("_network_weights", "_convolution_law"):
        monkeypatch.setattr(f"nnrg.simulate.{home}._TOGETHER", 11)
    parts = random_networks(net, x, 90, **options)
    for name in ("metric_samples", "output_samples"):
        whole = getattr(long, name)
        np.testing.assert_array_equal(getattr(short, name), whole[:30])
        np.testing.assert_array_equal(getattr(parts, name), whole)


def test_seeds():
    same = [random_networks(NET, X, 20, rng=rng).metric(3).value for rng in (1, 1, 2)]
    assert same[0] == same[1] != same[2]
    rng = np.random.default_rng(3)
    assert random_networks(NET, X, 20, rng=rng).seed != random_networks(NET, X, 20, rng=rng).seed


def naive_ring(net, x, seed, member):
    """Metrics and outputs by numpy's Cholesky factors and the same normal numbers."""
    from nnrg_kernels.layer_law import member_normals

    key, k = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0], len(x)
    counter, metrics, h = 1, [], np.moveaxis(x, 0, -1)  # channels, positions, inputs

    def layer(covariance, width):
        nonlocal counter
        g = np.empty((1, len(covariance) * width))
        member_normals(key, member, counter, g)
        counter += (g.size + 1) // 2
        return np.linalg.cholesky(covariance) @ g.reshape(-1, width)

    for t, (sigma_w, sigma_b) in enumerate(net.sigmas):
        n, places = len(h), net.positions
        if t == net.n_hidden:
            whole = h.reshape(n * places, k)
            metrics.append(packed(sigma_w**2 * whole.T @ whole / len(whole) + sigma_b**2))
            last = sigma_w**2 * whole.T @ whole / len(whole) + sigma_b**2
            return metrics, layer(last, net.n_outputs).T
        covariance = np.full((places, k, places, k), sigma_b**2)
        for place, other in np.ndindex(places, places):
            for d in range(-(net.kernel_size // 2), net.kernel_size // 2 + 1):
                one, two = h[:, (place + d) % places], h[:, (other + d) % places]
                covariance[place, :, other] += sigma_w**2 * one.T @ two / (n * net.kernel_size)
        own = [packed(covariance[place, :, place]) for place in range(places)]
        metrics.append(np.mean(own, axis=0))
        z = layer(covariance.reshape(places * k, places * k), net.widths[t])
        h = net.activations[t](z).T.reshape(-1, places, k)
    raise AssertionError


@pytest.mark.parametrize("size", [1, 3])
def test_the_law_of_a_convolutional_network_equals_its_naive_twin(size):
    net = ConvolutionalNetwork(
        "tanh", 1.3, 0.2, positions=3, kernel_size=size, width=9, depth=2, n_outputs=2
    )
    x = np.random.default_rng(3).normal(size=(2, 8, 3))
    found = random_networks(net, x, 12, rng=6, method="layer law", keep=("metrics", "outputs"))
    for m in (0, 11):
        metrics, outputs = naive_ring(net, x, 6, m)
        np.testing.assert_allclose(found.metric_samples[m], metrics, rtol=1e-9)
        np.testing.assert_allclose(found.output_samples[m], outputs, rtol=1e-8)


def test_the_way_that_takes_fewer_numbers_is_chosen():
    for width, method in ((3, "weights"), (64, "layer law")):
        net = ConvolutionalNetwork("tanh", positions=5, width=width)
        assert random_networks(net, RING_X, 10, rng=1).method == method


# -- statistics ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn():
    return random_networks(NET, X, 2000, order=6, keep=("metrics", "outputs"), rng=5)


def test_statistics_are_those_of_the_networks(drawn):
    for t, cumulants in enumerate(drawn.metrics):
        expected = joint_cumulants(drawn.metric_samples[:, t], cumulants.order)
        np.testing.assert_allclose(
            cumulants.replicates.values, expected.replicates.values, rtol=1e-7, atol=1e-14
        )
    k00, k01, k11 = drawn.metric_samples[:, 2].T
    assert drawn.metric(2, 1, 0).value == pytest.approx(k01.mean())
    assert drawn.metric(2, 1).value == pytest.approx(k11.mean())
    assert drawn.metric_covariance(2, (0, 0), (1, 1)).value == pytest.approx(np.cov(k00, k11)[0, 1])
    assert drawn.metric_covariance(2, (0, 1)).value == pytest.approx(k01.var(ddof=1))
    assert drawn.relative_variance(2).value == pytest.approx(k00.var(ddof=1) / k00.mean() ** 2)
    assert drawn.log_metric(2, 1).value == pytest.approx(np.log(k11).mean())
    assert drawn.cosine(2).value == pytest.approx((k01 / np.sqrt(k00 * k11)).mean())
    flat = drawn.output_samples.reshape(2000, 4)
    expected = joint_cumulants(flat, 6).replicates.values
    np.testing.assert_allclose(drawn.outputs.replicates.values, expected, rtol=1e-6, atol=1e-12)


def test_errors_are_those_of_means(drawn):
    """An error from 64 to 128 groups is good to 9 %: within 45 % but for once in 1e6."""
    for t in (1, 2, 3):
        spread = drawn.metric_samples[:, t, 0].std() / np.sqrt(2000)
        assert drawn.metric(t).error == pytest.approx(spread, rel=0.45)


def test_correlators_are_sums_over_pairings(drawn):
    m = drawn.metrics[-1]

    def kappa(*pairs):
        return m.estimate(*[{(0, 0): 0, (0, 1): 1, (1, 1): 2}[p] for p in pairs]).value

    assert drawn.correlator(0, 1).value == kappa((0, 1))
    four = kappa((0, 0), (1, 1)) + 2 * kappa((0, 1), (0, 1))
    assert drawn.correlator(0, 1, 0, 1).value == pytest.approx(four)
    assert drawn.correlator((0, 0), (0, 1), (1, 0), (1, 1)).value == pytest.approx(
        kappa((0, 1), (0, 1))
    )
    assert drawn.correlator((0, 0), (0, 0), (1, 1), (1, 1)).value == pytest.approx(
        kappa((0, 0), (1, 1))
    )
    assert drawn.correlator(*[0] * 6).value == pytest.approx(15 * kappa((0, 0), (0, 0), (0, 0)))
    six = 3 * kappa((0, 0), (0, 0), (1, 1)) + 12 * kappa((0, 0), (0, 1), (0, 1))
    assert drawn.correlator(0, 0, 0, 0, 1, 1).value == pytest.approx(six)
    for odd in ((0,), (0, 0, 1), ((0, 0), (1, 0))):
        assert drawn.correlator(*odd).value == drawn.correlator(*odd).error == 0.0
    assert drawn.excess_kurtosis(1).value == pytest.approx(
        drawn.correlator(1, 1, 1, 1).value / drawn.metric(3, 1).value ** 2
    )
    middle = drawn.metrics[2].estimate(0, 2)
    assert drawn.correlator((3, 0), (3, 0), (5, 1), (5, 1), t=2).value == middle.value
    with pytest.raises(AnalysisError, match="order 1 to 4"):
        drawn.correlator(*[0] * 6, t=2)
    table = drawn.correlators(6)
    for legs in ((0, 1), (0, 0, 1, 1), (0, 0, 1, 1, 1, 1), (1, 1, 1, 1, 1, 1), (0, 0, 1)):
        a, b = table.estimate(*legs), drawn.correlator(*legs)
        assert a.value == pytest.approx(b.value) and a.error == pytest.approx(b.error)


def test_table_and_text(drawn):
    frame = drawn.to_dataframe()
    assert list(frame.columns) == ["hidden_layers", "quantity", "value", "error", "flag"]
    row = frame[(frame.hidden_layers == 2) & (frame.quantity == "Var K(0,1)")].iloc[0]
    assert row.value == drawn.metric_covariance(2, (0, 1)).value
    assert set(frame.quantity) >= {"K(0,1)", "ln K(1,1)", "c(0,1)"}
    text = str(drawn)
    assert "2000 networks by layer law" in text and "excess kurtosis" in text
    assert len(str(random_networks(DenseNetwork("tanh", depth=90), X, 20)).splitlines()) < 30
    assert drawn.provenance["command"] == "random_networks" and drawn.outputs.names[3] == "z1(1)"
    assert "exact law" in " ".join(drawn.assumptions)
    with pytest.raises(ValueError, match="read-only"):
        drawn.metric_samples[0] = 0


def test_tails_that_are_too_heavy_are_flagged():
    """Of a narrow and deep network one in thousands makes the whole variance."""
    net = DenseNetwork("relu", 2**0.5, width=4, depth=60, n_outputs=0)
    found = random_networks(net, [[1.0]], 5000, rng=1)
    assert "tails" in found.relative_variance(60).flag and "tails" in found.excess_kurtosis().flag
    assert "tails" in found.metric_covariance(60).flag and not found.relative_variance(1).flag
    assert not found.log_metric(1).flag.startswith("one group")


def test_silent_networks_are_counted_and_flagged():
    net = DenseNetwork("relu", 2**0.5, width=2, depth=2, n_outputs=0)
    found = random_networks(net, [[1.0], [-1.0]], 400, rng=1, keep="metrics")
    diagonal = found.metric_samples[:, :, [0, 2]]
    assert found.alive == tuple(np.all(diagonal > 0, axis=2).sum(axis=0).tolist())
    assert "silent" in found.log_metric(2).flag and "silent" in found.cosine(2).flag
    assert "silent" in str(found) and not found.log_metric(0).flag
    deep = DenseNetwork("relu", 2**0.5, width=2, depth=60)
    none = random_networks(deep, [[1.0]], 50, rng=1)
    assert none.alive[-1] == 0 and none.metric(60).value == 0.0
    with pytest.raises(AnalysisError, match="0 of 50 networks are not silent"):
        none.log_metric(60)


def test_many_inputs_leave_out_what_is_too_much():
    x = np.random.default_rng(1).normal(size=(14, 3))
    found = random_networks(DenseNetwork("tanh", width=4, n_outputs=0), x, 10, order=6, rng=1)
    assert "sixth-order" in found.notes[0] and "sixth-order" in str(found)
    with pytest.raises(AnalysisError, match="order 1 to 4"):
        found.correlator(*[0] * 6)


def test_local_metrics_of_a_convolutional_network():
    found = random_networks(RING, RING_X, 64, rng=3)
    assert len(found.local_metrics) == 3
    for t in (0, 1, 2):
        local = found.local_metrics[t].values(1).reshape(5, 3)
        np.testing.assert_allclose(local.mean(axis=0), found.metrics[t].values(1))


# -- checkpoints and progress ----------------------------------------------------------------------


def stop_after(count):
    def tell(done, total):
        if done >= count:
            raise KeyboardInterrupt

    return tell


@pytest.mark.parametrize("net", [NET, RING])
def test_an_interrupted_run_goes_on(net, tmp_path, monkeypatch):
    monkeypatch.setattr("nnrg.simulate._network_law._MEMBERS", 50)
    for home in ("_network_weights", "_convolution_law"):
        monkeypatch.setattr(f"nnrg.simulate.{home}._TOGETHER", 7)
    x, path = X if net is NET else RING_X, tmp_path / "networks.npz"
    whole = random_networks(net, x, 220, order=6, rng=1)
    with pytest.raises(KeyboardInterrupt):
        random_networks(net, x, 220, order=6, rng=1, checkpoint=path, progress=stop_after(100))
    told = []
    again = random_networks(
        net, x, 220, order=6, checkpoint=path, progress=lambda *state: told.append(state)
    )
    assert again.seed == whole.seed and told[0][0] > 100 and told[-1] == (220, 220)
    for a, b in zip((*again.metrics, again.outputs), (*whole.metrics, whole.outputs), strict=True):
        np.testing.assert_array_equal(a.replicates.values, b.replicates.values)
    assert all(a[0] < b[0] for a, b in pairwise(told))
    longer = random_networks(net, x, 300, order=6, checkpoint=path)
    assert longer.n_networks == longer.metrics[0].n_samples == 300


def test_other_checkpoints_are_refused(tmp_path):
    path = tmp_path / "networks.npz"
    random_networks(NET, X, 40, rng=1, checkpoint=path)
    for options, what in (({"rng": 2}, "seed"), ({"method": "weights"}, "method")):
        with pytest.raises(ArgumentError, match=f"another run: {what}"):
            random_networks(NET, X, 40, checkpoint=path, **options)
    with pytest.raises(ArgumentError, match="more than the 30"):
        random_networks(NET, X, 30, checkpoint=path)
    with pytest.raises(ArgumentError, match="inputs"):
        random_networks(NET, X + 1, 40, checkpoint=path)
    with pytest.raises(FormatError):
        random_networks(NET, X[:1], 40, checkpoint=path)
    with pytest.raises(ArgumentError, match="keep"):
        random_networks(NET, X, 40, checkpoint=path, keep="metrics")


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 1}, "width"),
        ({"width": [4, 1]}, "width"),
        ({"width": [4, 4], "depth": 3}, "depth is 3"),
        ({"depth": 0}, "depth"),
        ({"depth": 2.5}, "depth"),
        ({"sigma_w": -1.0}, "sigma_w .* negative"),
        ({"sigma_b": -0.1}, "sigma_b .* negative"),
        ({"sigma_w": float("nan")}, "sigma_w"),
        ({"sigma_w": [1.0, 1.0, 1.0]}, "3 entries for 2 layers"),
        ({"activation": ["tanh", "relu"]}, "2 entries for 1 hidden"),
        ({"activation": "tangent"}, "activation"),
        ({"activation": lambda z: z[0]}, "vectorised"),
        ({"weights": "cauchy"}, "weights"),
        ({"weights": "student:2"}, "NU > 2"),
        ({"weights": "student:x"}, "NU > 2"),
        ({"width": [4, 5], "residual": 0.5}, "equal widths"),
        ({"n_outputs": -1}, "n_outputs"),
    ],
)
def test_bad_architectures(options, message):
    with pytest.raises(ArgumentError, match=message):
        DenseNetwork(**{"activation": "tanh", **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 2}, "odd"),
        ({"kernel_size": 7}, "kernel_size"),
        ({"positions": 0}, "positions"),
        ({"width": 1}, "width"),
    ],
)
def test_bad_convolutional_architectures(options, message):
    with pytest.raises(ArgumentError, match=message):
        ConvolutionalNetwork(**{"activation": "tanh", "positions": 5, **options})


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("tanh", X, 100), {}, "architecture"),
        ((NET, X[0], 100), {}, "shape"),
        ((NET, np.zeros((0, 3)), 100), {}, "shape"),
        ((NET, X * np.nan, 100), {}, "finite"),
        ((RING, X, 100), {}, "positions"),
        ((NET, X, 9), {}, "n_networks"),
        ((NET, X, 100), {"order": 7}, "order"),
        ((NET, X, 100), {"method": "exact"}, "method"),
        ((NET, X, 100), {"keep": "weights"}, "keep"),
        ((NET, X, 100), {"rng": -1}, "rng"),
        ((UNIFORM, X, 100), {"method": "layer law"}, "holds for normal weights, got uniform"),
        ((DenseNetwork("tanh", n_outputs=40), X, 100), {"order": 6}, "100000"),
        ((DenseNetwork("tanh", depth=100_000), X, 100), {}, "fewer inputs or layers"),
    ],
)
def test_bad_arguments(arguments, options, message):
    with pytest.raises(ArgumentError, match=message):
        random_networks(*arguments, **options)


@pytest.mark.parametrize("method", ["layer law", "weights"])
@pytest.mark.parametrize("activation", ["linear", lambda z: 1.0 * z])
def test_metrics_that_grow_without_bound(method, activation):
    net = DenseNetwork(activation, 1e40, width=4, depth=6)
    with pytest.raises(NonFiniteError, match="grows without bound"):
        random_networks(net, X, 20, rng=1, method=method)


def test_legs_that_do_not_exist(drawn):
    for legs in ((2, 2), (0, -1), ((0, 3), (0, 0))):
        with pytest.raises(ArgumentError):
            drawn.correlator(*legs)
    with pytest.raises(AnalysisError, match="order 1 to 6"):
        drawn.correlator(*[0] * 8)
    with pytest.raises(ArgumentError, match="t must"):
        drawn.metric(4)
    for net, x in ((RING, RING_X), (DenseNetwork("tanh", depth=2, width=4, residual=0.5), X)):
        found = random_networks(net, x, 20, rng=1)
        assert found.correlator(0, 0, t=2).value == found.metric(2).value
        with pytest.raises(AnalysisError, match="without residual"):
            found.correlator(0, 0, t=1)
    with pytest.raises(AnalysisError, match="two different inputs"):
        drawn.cosine(1, 0, 0)
    with pytest.raises(AnalysisError, match="normal weights"):
        random_networks(UNIFORM, X, 20, rng=1).correlator(0, 0)


# -- directed percolation --------------------------------------------------------------------------


def test_percolation_with_all_and_no_bonds():
    full = directed_percolation(10, 10, [0, 3], probability=1.0, rng=1)
    none = directed_percolation(10, 10, [0, 3], probability=0.0, rng=1)
    np.testing.assert_array_equal(full.density.values, [1, 1])
    np.testing.assert_array_equal(none.density.values, [1, 0])
    assert "10 runs of 10 sites" in str(none)


def test_percolation_after_one_step():
    """The density is 1 - (1 - p)^2 exactly; within four errors."""
    found = directed_percolation(5000, 40, [1], probability=0.4, rng=2).density.estimates()[0]
    assert abs(found.value - 0.64) < 4 * found.error < 0.01


def test_percolation_is_seeded():
    one, two = (directed_percolation(100, n, 16, rng=3).density for n in (10, 20))
    assert one.values.shape == two.values.shape == (5,)
    again = directed_percolation(100, 10, 16, rng=3).density
    np.testing.assert_array_equal(one.replicates, again.replicates)


def test_bad_percolation():
    for arguments, message in (
        ((1, 10), "length"),
        ((10, 9), "n_runs"),
        ((10, 10, 0), "times"),
        ((10, 10, []), "times"),
    ):
        with pytest.raises(ArgumentError, match=message):
            directed_percolation(*arguments)
    for p in (-0.1, 1.1, float("nan")):
        with pytest.raises(ArgumentError, match="probability"):
            directed_percolation(10, 10, probability=p)
    found = directed_percolation(10, 10, 64, probability=0.2, rng=1)
    with pytest.raises(AnalysisError, match="no site is active"):
        found.exponent(first=1)
    with pytest.raises(AnalysisError, match="at least 3"):
        found.exponent(first=60)
