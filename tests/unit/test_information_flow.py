"""Information-space flows: arguments, results, and naive twins of what they compute."""

from decimal import Decimal, localcontext

import numpy as np
import pytest

from nnrg.errors import AnalysisError, ArgumentError, NNRGError, NonFiniteError
from nnrg.stats.estimate import Estimate
from nnrg.stats.replicates import Replicates
from nnrg.theory import information_flow
from nnrg.theory.correlators import CosNet, GaussNet, ReLUNet
from nnrg.theory.criticality.mean_field import MeanField
from nnrg.theory.information_flow import (
    NetworkKernel,
    data_exponent,
    data_scaling,
    depth_relative_entropy,
    feature_modes,
    gaussian_modes,
    kernel_modes,
    momentum_flow,
    ridge_test,
    sigma_flow,
    wilsonian_flow,
)
from nnrg.theory.information_flow._ridge import self_consistent_ridge
from nnrg.theory.information_flow.depth import _entropy

SPECTRUM = np.arange(1, 41.0) ** -2
NOT_BLOCKS = "must not be overlaid with beta functions of block spins"


def small():
    return gaussian_modes(SPECTRUM)


# What every result says.


@pytest.mark.parametrize(
    "result",
    [
        sigma_flow(CosNet(width=4), [-0.3, 0.1, 0.4], [1, 2, 4], n_networks=2000, rng=1),
        momentum_flow([2.0, 0.1, 0.0], [0.0, 1.0], dimension=2),
        wilsonian_flow(small(), n_data=30, ridge=0.1),
        ridge_test(small(), n_data=20, ridge=0.5, n_datasets=12, rng=1),
        data_scaling(small(), [8, 16, 32], ridge=0.5, alpha=1.0, n_datasets=12, rng=1),
        depth_relative_entropy(MeanField("relu", 1.2, 0.1), 5, c0=0.2),
    ],
    ids=lambda r: type(r).__name__,
)
def test_results_print_on_a_screen_and_say_what_they_are(result):
    text = str(result)
    assert NOT_BLOCKS in text
    assert len(text.splitlines()) < 30
    frame = result.to_dataframe()
    assert len(frame) >= 2
    assert result.assumptions
    arrays = [v for v in map(result.__getattribute__, result.__slots__) if hasattr(v, "flags")]
    assert not any(a.flags.writeable for a in arrays if isinstance(a, np.ndarray))


def test_names_are_lazy_and_complete():
    assert sorted(information_flow.__all__) == dir(information_flow)
    for name in information_flow.__all__:
        assert getattr(information_flow, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = information_flow.nothing


# The scale of the weights.


@pytest.mark.parametrize(
    ("net", "inputs", "factors", "options", "message"),
    [
        (ReLUNet(width=4), [0.0, 1.0], [1], {}, "CosNet or a GaussNet"),
        (CosNet(width=4, output_sigma_b=1.0), [0.0, 1.0], [1], {}, "no output bias"),
        (CosNet(width=4, sigma_w=0.0), [0.0, 1.0], [1], {}, "above zero"),
        (CosNet(width=4), [1.0, 1.0], [1], {}, "two different points"),
        (CosNet(width=4), [0.0, 1.0], [], {}, "factors must be"),
        (CosNet(width=4), [0.0, 1.0], [1, -2], {}, "factors must be"),
        (CosNet(width=4), [0.0, 1.0], [1, np.nan], {}, "finite real number"),
        (CosNet(width=4), [0.0, 1.0], [1], {"change": "both"}, "'weights' or 'inputs'"),
        (CosNet(width=4), [0.0, 1.0], [1], {"n_networks": 5}, "n_networks"),
    ],
)
def test_sigma_flow_refuses(net, inputs, factors, options, message):
    with pytest.raises(ArgumentError, match=message):
        sigma_flow(net, inputs, factors, **options)


def test_sigma_flow_of_inputs_too_far_apart():
    with pytest.raises(AnalysisError, match="beyond double precision"):
        sigma_flow(CosNet(width=4), [0.0, 1e200], [1.0])


def test_mass_that_cannot_be_told_is_flagged():
    """Inputs ten correlation lengths apart: no correlation is clear of zero."""
    flow = sigma_flow(CosNet(width=4), [0.0, 10.0], [1, 0.9, 0.8], n_networks=500, rng=1)
    assert np.isnan(flow.measured[:, 0]).all()
    assert flow.mass_fits == (None,) * 3
    assert flow.mass_exponent is None
    assert all("cannot be told" in flag for flag in flow.flags)
    assert "cannot be told from these data" in str(flow)


def test_estimates_of_a_sigma_flow():
    flow = sigma_flow(GaussNet(width=9, sigma_b=0.1), [0.0, 0.2], [1, 2], n_networks=500, rng=3)
    found = flow.estimate("mass2", 1)
    assert found.value == flow.measured[1, 0]
    assert float(found.null) == 0.5
    assert found.z == pytest.approx(flow.sigmas_apart()[1, 0], rel=1e-6)
    assert flow.mass_fits[0].dof == 0
    with pytest.raises(ArgumentError, match="name must be one of"):
        flow.estimate("sextic")
    with pytest.raises(ArgumentError, match="at must be an integer"):
        flow.estimate("mass2", 2)


def test_sigma_flow_is_seeded():
    options = {"n_networks": 300, "rng": 7}
    one, two = (sigma_flow(CosNet(width=3), [0.0, 0.5], [1, 2], **options) for _ in range(2))
    np.testing.assert_array_equal(one.measured, two.measured)
    other = sigma_flow(CosNet(width=3), [0.0, 0.5], [1, 2], n_networks=300, rng=8)
    assert not np.array_equal(one.measured, other.measured)


# The momentum cutoff.


@pytest.mark.parametrize(
    ("couplings", "momenta", "options", "message"),
    [
        ([1.0, 0.1], [0, 1], {}, "three finite numbers"),
        ([-1.0, 0.1, 0.0], [0, 1], {}, "three finite numbers"),
        ([1.0, np.inf, 0.0], [0, 1], {}, "finite real number"),
        ([1.0, 0.1, 0.0], [0], {}, "two or more"),
        ([1.0, 0.1, 0.0], [0, 1, 0.5], {}, "rising or falling"),
        ([1.0, 0.1, 0.0], [-1, 1], {}, "none negative"),
        ([1.0, 0.1, 0.0], [0, 1], {"dimension": 0}, "dimension"),
        ([1.0, 0.1, 0.0], [0, 1], {"tolerance": 0.5}, "tolerance"),
    ],
)
def test_momentum_flow_refuses(couplings, momenta, options, message):
    with pytest.raises(ArgumentError, match=message):
        momentum_flow(couplings, momenta, **{"dimension": 1, **options})


def test_momentum_flow_that_ends():
    with pytest.raises(AnalysisError, match="the flow ends"):
        momentum_flow([0.05, 3.0, 0.0], [0.0, 5.0], dimension=1)


def test_errors_of_a_momentum_flow_are_those_of_its_start():
    start = Replicates.from_covariance([2.0, 0.1, 0.0], [0.01**2, 0.02**2, 1e-20])
    flow = momentum_flow(start, [0.0, 1.0], dimension=1)
    step = 1e-5
    slopes = [
        (momentum_flow(up, [0, 1], dimension=1).values[1]
         - momentum_flow(down, [0, 1], dimension=1).values[1]) / (2 * step)
        for up, down in (
            ([2 + step, 0.1, 0], [2 - step, 0.1, 0]), ([2, 0.1 + step, 0], [2, 0.1 - step, 0])
        )
    ]  # fmt: skip
    expected = np.hypot(0.01 * slopes[0], 0.02 * slopes[1])
    np.testing.assert_allclose(flow.errors[1], expected, rtol=0.02)
    assert flow.solver_error < 1e-6
    assert flow.estimate("quartic", 0).error == pytest.approx(0.02)
    with pytest.raises(ArgumentError, match="name must be"):
        flow.estimate("octic", 0)


def test_strong_coupling_is_flagged():
    flow = momentum_flow([1.0, 5.0, 0.0], [0.0, 0.1], dimension=1)
    assert "strong coupling" in flow.flags[0]
    assert "strong coupling" in str(flow)


# Kernels and modes.


def test_network_kernel_against_the_square_root_of_arcsines():
    """erf: each layer is an arcsine, here written out."""
    x = np.random.default_rng(1).normal(size=(4, 3))
    k = 1.5**2 * x @ x.T / 3 + 0.2**2
    for _ in range(2):
        q = np.diag(k)
        root = np.sqrt((1 + 2 * q)[:, None] * (1 + 2 * q))
        k = 1.5**2 * 2 / np.pi * np.arcsin(2 * k / root) + 0.2**2
    found = NetworkKernel("erf", 1.5, 0.2, 2)(x, x)
    np.testing.assert_allclose(found, k, rtol=1e-12)
    np.testing.assert_allclose(
        NetworkKernel("erf", 1.5, 0.2, 2)(x[:2], x[1:]), k[:2, 1:], rtol=1e-12
    )


def test_network_kernel_by_quadrature():
    x = np.array([[0.3, 1.0], [-0.5, 0.2]])
    found = NetworkKernel("tanh", 1.2, 0.1, 1)(x, x)
    rng = np.random.default_rng(2)
    k = 1.2**2 * x @ x.T / 2 + 0.01
    z = np.tanh(rng.multivariate_normal([0, 0], k, size=400_000))
    error = np.std(z[:, 0] * z[:, 1]) / len(z) ** 0.5
    assert abs(found[0, 1] - 0.01 - 1.44 * np.mean(z[:, 0] * z[:, 1])) < 4 * 1.44 * error


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NetworkKernel("tanh", -1.0, 0.0, 1), "sigma_w must not be negative"),
        (lambda: NetworkKernel("tanh", 1.0, 0.0, 0), "depth"),
        (lambda: NetworkKernel("relu", 1.0, 0.0, 1)([[0.0, 0.0]], [[1.0, 1.0]]), "a variance is"),
        (lambda: NetworkKernel("relu", 1.0, 0.0, 1)([[0.0, 1.0]], [[1.0]]), "one dimension"),
        (lambda: gaussian_modes([1.0, 0.0]), "positive numbers"),
        (lambda: gaussian_modes([]), "positive numbers"),
        (lambda: kernel_modes(np.ones((2, 3))), "square matrix"),
        (lambda: kernel_modes(np.array([[1.0, 0.5], [0.2, 1.0]])), "symmetric"),
        (lambda: kernel_modes(np.array([[1.0, 2.0], [2.0, 1.0]])), "positive"),
        (lambda: kernel_modes(np.array([[1.0, np.nan], [np.nan, 1.0]])), "NaN"),
        (lambda: kernel_modes(np.eye(3), [0.0, 1.0]), "one row for each input"),
        (lambda: kernel_modes(NetworkKernel("relu", 1.0, 0.0, 1)), "needs the inputs"),
        (lambda: kernel_modes(np.eye(5), groups=9), "groups"),
        (lambda: feature_modes(np.ones(4)), "n_points, n_features"),
        (lambda: feature_modes(np.zeros((4, 2))), "all features are zero"),
        (lambda: feature_modes(np.full((4, 2), np.inf)), "NaN or infinity"),
        (lambda: small().local_ridge(2), "Gaussian modes have no inputs"),
        (lambda: small().ridge_spread(40), "kept"),
        (lambda: small().spectrum_exponent(3, 4), "three modes or more"),
    ],
)
def test_modes_refuse(call, message):
    with pytest.raises(NNRGError, match=message):
        call()


def test_nan_kernel_is_a_named_error():
    with pytest.raises(NonFiniteError):
        kernel_modes(np.full((3, 3), np.nan))


def test_modes_of_a_kernel_and_of_its_features_agree():
    f = np.random.default_rng(3).normal(size=(60, 4)) * [3, 2, 1, 0.5]
    one, two = kernel_modes(f @ f.T), feature_modes(f)
    assert one.n_modes == two.n_modes == 4
    np.testing.assert_allclose(one.values, two.values, rtol=1e-10)
    np.testing.assert_allclose(one.eigenvalues.errors(), two.eigenvalues.errors(), rtol=1e-8)
    np.testing.assert_allclose(np.abs(one.functions), np.abs(two.functions), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(two.functions.T @ two.functions / 60, np.eye(4), atol=1e-10)
    local = np.sum((f @ f.T).diagonal()) / 60
    assert two.local_ridge(0).mean() == pytest.approx(local, rel=1e-12)
    assert two.tails().values[0] == pytest.approx(local, rel=1e-12)


def test_modes_of_a_network_of_correlators():
    x = np.linspace(-2, 2, 50)
    modes = kernel_modes(CosNet(width=5), x, sampled=False)
    assert modes.values.sum() == pytest.approx(0.5, rel=1e-9)
    assert (modes.eigenvalues.errors() == 0).all()
    assert "rounding" in modes.flag


def test_kurtosis_of_modes():
    assert (small().kurtosis()[0] == 0).all()
    signs = np.sign(np.random.default_rng(5).normal(size=(500, 1))) * [[1.0]]
    value, error = feature_modes(signs).kurtosis()
    assert value[0] == pytest.approx(-2, abs=1e-9)
    assert error[0] < 1e-9


def test_spectrum_exponent():
    fit = small().spectrum_exponent(2, 30)
    assert fit.estimate("alpha").value == pytest.approx(1, abs=1e-9)
    assert fit.window == (2, 30)
    f = np.random.default_rng(1).normal(size=(4000, 40)) * np.sqrt(SPECTRUM)
    found = feature_modes(f).spectrum_exponent(1, 10)
    alpha = found.estimate("alpha")
    assert abs(alpha.value - 1) < 4 * alpha.error
    assert found.dof == 8
    made = data_exponent(found)
    assert made.value == pytest.approx(alpha.value / (1 + alpha.value), rel=1e-9)
    assert made.error == pytest.approx(alpha.error / (1 + alpha.value) ** 2, rel=0.02)
    assert data_exponent(Estimate(1.0, 0.2)).error == pytest.approx(0.05)
    with pytest.raises(ArgumentError, match="alpha must be above zero"):
        data_exponent(-0.5)


# The Wilsonian flow.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_data": 0, "ridge": 1.0}, "n_data must be above zero"),
        ({"n_data": 5, "ridge": -1.0}, "ridge must not be negative"),
        ({"n_data": 5, "ridge": 1.0, "threshold": 1.0}, "threshold"),
        ({"n_data": np.nan, "ridge": 1.0}, "n_data"),
    ],
)
def test_wilsonian_flow_refuses(options, message):
    with pytest.raises(ArgumentError, match=message):
        wilsonian_flow(small(), **options)


def test_wilsonian_flow_step_by_step():
    """One mode after the other is turned into a ridge, until one is learnable."""
    n, ridge, kept = 30, 0.1, len(SPECTRUM)
    while kept:
        mode = SPECTRUM[kept - 1]
        if n * mode / (n * mode + ridge) >= 0.5:
            break
        ridge += mode
        kept -= 1
    flow = wilsonian_flow(small(), n_data=n, ridge=0.1)
    assert flow.stop == kept
    assert flow.effective_ridge.value == pytest.approx(ridge, rel=1e-12)
    sums = [0.1 + SPECTRUM[k:].sum() for k in range(len(SPECTRUM) + 1)]
    np.testing.assert_allclose(flow.ridges, sums, rtol=1e-12)
    own = n * SPECTRUM / (n * SPECTRUM + np.array(sums[1:]))
    np.testing.assert_allclose(flow.marginal, own, rtol=1e-12)
    y = np.ones(len(SPECTRUM))
    predictor = flow.predictor(y)
    np.testing.assert_allclose(
        predictor[:kept], SPECTRUM[:kept] / (SPECTRUM[:kept] + ridge / n), rtol=1e-12
    )
    assert (predictor[kept:] == 0).all()
    with pytest.raises(ArgumentError, match="coefficients last"):
        flow.predictor(y[:-1])


def test_self_consistent_learnabilities_add_up_to_the_data():
    """n = sum of learnabilities + n sigma^2 / s."""
    for n, ridge in ((5, 0.01), (30, 0.1), (400, 2.0)):
        s = self_consistent_ridge(SPECTRUM, n, ridge)
        flow = wilsonian_flow(small(), n_data=n, ridge=ridge)
        assert flow.self_consistent.sum() + n * ridge / s == pytest.approx(n, rel=1e-10)
    assert self_consistent_ridge(SPECTRUM, 100, 0.0) == 0
    assert self_consistent_ridge(SPECTRUM, 20, 0.0) > 0


def test_flow_says_what_is_wrong():
    assert "no mode is learnable" in wilsonian_flow(small(), n_data=0.1, ridge=1.0).flag
    flat = gaussian_modes(np.full(50, 0.02))
    # Each of 50 equal modes alone is learned from 30 data, but not all of them together.
    assert "kept modes add to the ridge" in wilsonian_flow(flat, n_data=30, ridge=0.1).flag
    assert "learned in part" in wilsonian_flow(flat, n_data=15, ridge=0.4).flag
    signs = np.sign(np.random.default_rng(5).normal(size=(500, 3))) * [3.0, 2.0, 1.0]
    found = wilsonian_flow(feature_modes(signs), n_data=5, ridge=1.0)
    assert "not Gaussian" in found.flag
    assert found.stop_kept.error >= 0
    assert found.effective_ridge.error > 0 or found.stop == 3


# Training sets.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ridge": 0.0}, "ridge must be above zero"),
        ({"n_data": 1}, "n_data"),
        ({"n_datasets": 3}, "n_datasets"),
        ({"kept": 40}, "kept"),
        ({"kept": 0}, "kept"),
        ({"n_data": 10_000, "kept": 2}, "does not fit"),
        ({"n_data": 2, "ridge": 50.0}, "no mode is learnable"),
    ],
)
def test_ridge_test_refuses(options, message):
    with pytest.raises(ArgumentError, match=message):
        ridge_test(small(), **{"n_data": 20, "ridge": 0.5, "n_datasets": 12, "rng": 1, **options})


def test_ridge_test_by_the_textbook():
    """One training set after the other, with an inverse."""
    values, n, ridge, kept, sets = SPECTRUM[:6], 9, 0.3, 2, 10
    found = ridge_test(
        gaussian_modes(values), n_data=n, ridge=ridge, kept=kept, n_datasets=sets, rng=4
    )
    learned, changes = [], []
    for child in np.random.SeedSequence(4).spawn(sets):
        phi = np.random.default_rng(child).standard_normal((n, 6))
        full = np.linalg.inv(phi @ np.diag(values) @ phi.T + ridge * np.eye(n))
        low = phi[:, :kept]
        few = np.linalg.inv(
            low @ np.diag(values[:kept]) @ low.T + (ridge + values[kept:].sum()) * np.eye(n)
        )
        one, two = (values[:kept] * np.diag(low.T @ m @ low) for m in (full, few))
        learned.append(one)
        changes.append(two - one)
    np.testing.assert_allclose(found.replicates.values[:2], np.mean(learned, axis=0), rtol=1e-10)
    np.testing.assert_allclose(found.replicates.values[2:4], np.mean(changes, axis=0), rtol=1e-9)
    spread = np.std(learned, axis=0, ddof=1) / sets**0.5
    np.testing.assert_allclose(found.replicates.errors()[:2], spread, rtol=1e-9)
    assert found.learnability(2).value == pytest.approx(np.mean(learned, axis=0)[1], rel=1e-10)
    assert found.change().value == pytest.approx(np.sum(changes) / np.sum(learned), rel=1e-9)
    with pytest.raises(ArgumentError, match="mode"):
        found.learnability(3)


def test_ridge_test_on_data_draws_from_the_measure():
    """Two inputs only, each with one value of each mode."""
    modes = feature_modes(np.array([[1.0, 1.0], [1.0, -1.0]]) * [2.0, 1.0], groups=2)
    found = ridge_test(modes, n_data=6, ridge=0.2, kept=1, n_datasets=10, rng=1)
    expected = []
    for child in np.random.SeedSequence(1).spawn(10):
        phi = modes.functions[np.random.default_rng(child).integers(0, 2, 6)]
        inverse = np.linalg.inv((phi * modes.values) @ phi.T + 0.2 * np.eye(6))
        expected.append(modes.values[0] * phi[:, 0] @ inverse @ phi[:, 0])
    assert found.replicates.values[0] == pytest.approx(np.mean(expected), rel=1e-10)


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        ([], {}, "sizes must be"),
        ([1], {}, "size"),
        ([4], {"ridge": 0.0}, "ridge must be above zero"),
        ([4], {"n_datasets": 2}, "n_datasets"),
        ([4], {"alpha": 0.0}, "alpha"),
    ],
)
def test_data_scaling_refuses(sizes, options, message):
    with pytest.raises(ArgumentError, match=message):
        data_scaling(small(), sizes, **{"ridge": 1.0, **options})


def test_loss_is_that_of_targets_drawn_from_the_kernel():
    """Mean square distance of drawn targets from their predictors."""
    values, n, ridge = SPECTRUM[:5], 6, 0.4
    found = data_scaling(gaussian_modes(values), [n, n + 1], ridge=ridge, n_datasets=3000, rng=1)
    rng, losses = np.random.default_rng(9), []
    for _ in range(6000):
        phi, target = rng.normal(size=(n, 5)), np.sqrt(values) * rng.normal(size=5)
        y = phi @ target + ridge**0.5 * rng.normal(size=n)
        kernel = (phi * values) @ phi.T + ridge * np.eye(n)
        losses.append(np.sum((target - values * (phi.T @ np.linalg.solve(kernel, y))) ** 2))
    error = np.hypot(np.std(losses) / len(losses) ** 0.5, found.measured_errors[0])
    assert abs(found.measured[0] - np.mean(losses)) < 4 * error
    assert found.fit is None
    assert np.isnan(found.exponent.value)
    assert "cannot be told" in str(found)


def test_errors_of_eigenvalues_are_carried():
    """Of the formulas too: two halves of the inputs differ by about what their errors say."""
    f = np.random.default_rng(2).normal(size=(800, 30)) * np.sqrt(SPECTRUM[:30])
    one, two = (
        data_scaling(feature_modes(part), [20, 40], ridge=0.5) for part in (f[:400], f[400:])
    )
    for name in ("self_consistent", "wilsonian"):
        spread = np.hypot(*(getattr(found, f"{name}_errors") for found in (one, two)))
        assert (spread > 0).all()
        assert (np.abs(getattr(one, name) - getattr(two, name)) < 4 * spread).all()
    flow = wilsonian_flow(feature_modes(f), n_data=40, ridge=0.5)
    assert (flow.learnability_errors > 0).all()
    assert (flow.self_consistent_errors > 0).all()
    np.testing.assert_array_equal(wilsonian_flow(small(), n_data=9, ridge=1).learnability_errors, 0)


def test_few_inputs_are_flagged():
    modes = feature_modes(np.random.default_rng(1).normal(size=(30, 3)))
    assert "few for training sets" in data_scaling(modes, [10, 20], ridge=1.0).flag


# Layers.


def test_depth_refuses():
    net = MeanField("tanh", 1.3, 0.2)
    with pytest.raises(ArgumentError, match="must be a MeanField"):
        depth_relative_entropy("tanh", 5)
    with pytest.raises(ArgumentError, match="c0"):
        depth_relative_entropy(net, 5, c0=1.0)
    with pytest.raises(ArgumentError, match="depth"):
        depth_relative_entropy(net, 0)


def test_two_inputs_by_their_matrices():
    found = depth_relative_entropy(MeanField("erf", 1.4, 0.3), 4, c0=-0.2)
    c = 1 - found.one_minus_c
    laws = [q * np.array([[1, r], [r, 1]]) for q, r in zip(found.q, c, strict=True)]
    for at in range(4):
        one, other = laws[at + 1], laws[at]
        ratio = np.linalg.solve(other, one)
        expected = 0.5 * (np.trace(ratio) - 2 - np.log(np.linalg.det(ratio)))
        assert found.consecutive[at] == pytest.approx(expected, rel=1e-8)
        assert found.consecutive_errors[at] < 1e-9


def test_small_steps_keep_their_digits():
    found = depth_relative_entropy(MeanField("tanh", 2.5, 0.05**0.5), 25)
    ratio = found.consecutive[1:] / found.consecutive[:-1]
    assert found.consecutive[-1] < 1e-25
    assert ratio[-6] == pytest.approx(MeanField("tanh", 2.5, 0.05**0.5).chi_par ** 2, rel=0.01)


@pytest.mark.parametrize("x", [-0.3, -9e-5, 3e-6, 9.9e-5, 1.1e-4, 0.5])
def test_relative_entropy_keeps_its_digits(x):
    """Against 50 digits, on both sides of where the series takes over."""
    with localcontext() as context:
        context.prec = 50
        one = np.float64(1 + x)
        exact = Decimal(float(one)) - 1
        expected = float((exact - (1 + exact).ln()) / 2)
    value, error = _entropy(np.array([one]), np.zeros(1), np.ones(1), np.zeros(1))
    assert value[0] == pytest.approx(expected, rel=1e-11)
    assert abs(value[0] - expected) <= error[0]


def test_growing_variance_is_flagged_not_dropped():
    found = depth_relative_entropy(MeanField("linear", 1e20, 0.0), 12)
    assert np.isnan(found.consecutive[-1])
    assert found.flag


@pytest.mark.parametrize(
    "call",
    [
        lambda: gaussian_modes("abc"),
        lambda: gaussian_modes(1j),
        lambda: wilsonian_flow("modes", n_data=10, ridge=0.1),
        lambda: wilsonian_flow(gaussian_modes([1.0, 0.5]), n_data=10, ridge=0.1).predictor("abc"),
        lambda: sigma_flow(CosNet(width=8), [-0.1, 0.0, 0.1], 2.0),
    ],
)
def test_what_is_no_kernel_or_factor_is_named(call):
    with pytest.raises(ArgumentError):
        call()
