"""Recurrent networks: known answers, exact solutions, and measured ensembles."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import erf

from nnrg.activation_functions import Activation
from nnrg.simulate.linear_recurrent import linear_recurrent_growth
from nnrg.simulate.recurrent import recurrent_networks
from nnrg.theory.recurrent.comparison import compare_recurrent
from nnrg.theory.recurrent.continuous import rnn_dmft
from nnrg.theory.recurrent.discrete import rnn_dmft_discrete
from nnrg.theory.recurrent.feed_forward import continuous_feed_forward
from nnrg.theory.recurrent.potential import newtonian_potential
from nnrg.theory.recurrent.shared_weights import shared_weight_growth, shared_weight_moments
from nnrg.theory.recurrent.sharing_scale import shared_weight_scale
from nnrg.theory.recurrent.transition import chaos_transition
from nnrg.theory.recurrent.two_time import two_time_correlation

TOPIC = "Recurrent networks, mean field"
HALF = math.sqrt(math.pi) / 2
SIGMOID = Activation(
    "erf(sqrt(pi) x / 2)",
    lambda z: erf(HALF * z),
    lambda z: np.exp(-((HALF * z) ** 2)),
    lambda z: -2 * HALF**2 * z * np.exp(-((HALF * z) ** 2)),
)


@pytest.mark.parametrize(
    ("gain", "exponent", "variance", "energy"),
    [
        (1.5, 0.051400, 0.83875253, -0.105442),
        (2.0, 0.123095, 2.06408002, -0.261342),
        (3.0, 0.254484, 5.63743196, -0.573730),
    ],
)
def test_chaotic_networks(gain, exponent, variance, energy, checked):
    net = rnn_dmft(SIGMOID, gain)
    assert net.phase == "chaotic" and not net.flag
    for name, known, found, tolerance in (
        ("lambda_max", exponent, net.lyapunov.value, 1e-5),
        ("c_0", variance, net.variance.value, 1e-8),
        ("E_0", energy, net.ground_energy.value, 1e-5),
    ):
        checked(TOPIC, f"{name}, erf(sqrt(pi) x / 2), g = {gain:g}", known, found, rtol=tolerance)
    # dc/dtau is an exact solution for E = 0, and chaos follows from that alone.
    assert abs(net.zero_mode) < 1e-9
    assert net.boundary_residual < 1e-9 and net.price_residual < 1e-9


@pytest.mark.parametrize(("sigma_b", "noise"), [(0.0, 0.5), (0.3, 0.0), (0.4, 2.0)])
def test_linear_network(sigma_b, noise, checked):
    # z'' = (gamma^2 - sigma_w^2) z away from tau = 0: an exponential.
    w, gamma = 0.6, 1.5
    net = rnn_dmft("linear", w, sigma_b, decay=gamma, noise=noise)
    rate = math.sqrt(gamma**2 - w**2)
    frozen = sigma_b**2 / rate**2
    label = f"linear, sigma_b = {sigma_b:g}, D = {noise:g}"
    checked(TOPIC, f"c_0, {label}", noise / (2 * rate) + frozen, net.variance.value)
    checked(TOPIC, f"lambda_max, {label}", w - gamma, net.lyapunov.value)
    tau = np.array([0.0, 0.5, -2.0, 7.0])
    expected = noise / (2 * rate) * np.exp(-rate * np.abs(tau)) + frozen
    np.testing.assert_allclose(net.correlation_at(tau), expected, rtol=1e-6)


def test_linear_network_in_discrete_time(checked):
    # Spectrum sigma^2 / (|e^(i w) - a|^2 - sigma_w^2), integrated over one period.
    w, gamma, d = 0.5, 0.8, 0.1
    net = rnn_dmft_discrete("linear", w, decay=gamma, noise=d)
    angle = np.arange(4096) * (2 * np.pi / 4096)
    spectrum = d / (np.abs(np.exp(1j * angle) - (1 - gamma)) ** 2 - w**2)
    for lag in (0, 1, 3):
        expected = float((spectrum * np.cos(lag * angle)).mean())
        label = f"c({lag}) in discrete time, linear, gamma = {gamma:g}"
        checked(TOPIC, label, expected, float(net.correlation[lag]))
    rate = net.lyapunov.value
    checked(TOPIC, "lambda_max in discrete time, linear", math.log(1 - gamma + w), rate)


def test_transition_without_noise(checked):
    for name, slope, gamma in (("tanh", 1.0, 1.0), ("erf", 2 / math.sqrt(math.pi), 2.0)):
        found = chaos_transition(name, decay=gamma).sigma_w.value
        checked(TOPIC, f"onset of chaos over gamma, {name}", 1 / slope, found / gamma)
    below, above = rnn_dmft("tanh", 0.99), rnn_dmft("tanh", 1.01)
    assert (below.phase, above.phase) == ("silent", "chaotic")
    assert below.lyapunov.value == pytest.approx(-0.01, rel=1e-9)
    # lambda_max ~ (g - 1)^2 / 2 just above.
    assert above.lyapunov.value == pytest.approx(0.5e-4, rel=0.05)
    # With a bias: sigma_w^2 <phi'^2> = gamma^2 at the fixed point.
    onset = chaos_transition("tanh", 0.3).sigma_w.value
    assert rnn_dmft("tanh", onset * 0.999, 0.3).phase == "fixed point"
    assert rnn_dmft("tanh", onset * 1.001, 0.3).phase == "chaotic"


def test_transition_with_noise_is_later_than_local_instability():
    name, sigma_b, noise = "tanh", 0.3, 0.5
    onset = chaos_transition(name, sigma_b, noise=noise)
    at = rnn_dmft(name, onset.sigma_w.value, sigma_b, noise=noise)
    # No force on c at tau = 0 and, from the Schroedinger problem, no growth.
    assert abs(at.transition) < 1e-9 and abs(at.lyapunov.value) < 1e-9
    assert onset.local_instability.value < 0.97 * onset.sigma_w.value
    local = rnn_dmft(name, onset.local_instability.value, sigma_b, noise=noise)
    assert abs(local.instability) < 1e-9 and local.lyapunov.value < -0.01
    for factor, phase in ((0.99, "noise-driven"), (1.01, "chaotic")):
        net = rnn_dmft(name, factor * onset.sigma_w.value, sigma_b, noise=noise)
        assert net.phase == phase and (net.lyapunov.value > 0) == (phase == "chaotic")
        assert abs(net.zero_mode) < 1e-8


def test_motion_in_the_potential():
    c0 = rnn_dmft("tanh", 2.0).variance.value
    kinds = {
        factor: newtonian_potential("tanh", 2.0, variance=factor * c0)
        for factor in (0.5, 1.0, 1.02, 1.5)
    }
    assert [v.motion for v in kinds.values()] == ["periodic", "decaying", "periodic", "unbounded"]
    # Across zero below c_0, on one side of it above.
    assert kinds[0.5].turning_point == pytest.approx(-0.5 * c0, rel=1e-9)
    assert 0 < kinds[1.02].turning_point < c0
    # A harmonic oscillator for c_0 -> 0: frequency^2 = sigma_w^2 phi'(0)^2 - gamma^2 = 3.
    small = newtonian_potential("tanh", 2.0, variance=1e-7)
    assert small.period == pytest.approx(2 * np.pi / math.sqrt(3), rel=1e-5)
    fixed = rnn_dmft("tanh", 1.2, 0.5).variance.value
    assert newtonian_potential("tanh", 1.2, 0.5, variance=fixed).motion == "constant"


def test_steps_of_feed_forward_networks_without_memory(checked):
    # gamma = 1: the variance, overlap and exponent of layers; rows 46 and 47 of the known answers.
    ordered = rnn_dmft_discrete("tanh", 1.3, math.sqrt(0.05))
    checked(TOPIC, "q*, gamma = 1, tanh, ordered", 0.5270871079, ordered.variance.value)
    exponent = math.log(0.9845121932) / 2
    checked(TOPIC, "lambda_max, gamma = 1, tanh, ordered", exponent, ordered.lyapunov.value)
    chaotic = rnn_dmft_discrete("tanh", 2.5, math.sqrt(0.05))
    q = chaotic.variance.value
    checked(TOPIC, "q*, gamma = 1, tanh, chaotic", 4.02677775, q, rtol=3e-9)
    overlap = chaotic.limit / q
    checked(TOPIC, "c*, gamma = 1, tanh, chaotic", 0.07190342, overlap, rtol=1e-6)
    exponent = math.log(1.59475045) / 2
    rate = chaotic.lyapunov.value
    checked(TOPIC, "lambda_max, gamma = 1, tanh, chaotic", exponent, rate, rtol=5e-9)


def test_small_steps_are_continuous_time():
    whole = rnn_dmft("tanh", 2.0, 0.2, noise=0.3)
    distance = []
    for h in (0.2, 0.1):
        a = math.exp(-h)
        drive, spread = 1 - a, 0.3 * (1 - a * a) / 2
        net = rnn_dmft_discrete("tanh", 2.0 * drive, 0.2 * drive, decay=1 - a, noise=spread)
        distance.append(net.lyapunov.value / h - whole.lyapunov.value)
    # The error of the step is of first order.
    assert distance[0] / distance[1] == pytest.approx(2, abs=0.2)
    assert abs(distance[1]) < 0.02


def test_two_times_become_stationary():
    late = two_time_correlation("tanh", 0.6, 0.2, steps=28, decay=0.7, noise=0.3).correlation
    net = rnn_dmft_discrete("tanh", 0.6, 0.2, decay=0.7, noise=0.3)
    np.testing.assert_allclose(late[-1, ::-1][:7], net.correlation_at(np.arange(7)), rtol=2e-5)


def test_linear_shared_weights_exactly(checked):
    assert shared_weight_moments(1) == (1, 0)
    assert shared_weight_moments(2) == (1, 0, 2)
    n = np.array([2, 3, 8])
    for steps in range(1, 9):
        assert shared_weight_moments(steps)[1] == 0
        # N = 1: W^(2T) of one normal number, (2T - 1)!! pairings.
        double = math.prod(range(1, 2 * steps, 2))
        assert sum(shared_weight_moments(steps)) == double
    for width in n.tolist():
        run = linear_recurrent_growth(width, 4, 30_000, rng=width)
        for steps in (2, 3, 4):
            series = shared_weight_moments(steps)
            exact = math.fsum(c / width**k for k, c in enumerate(series))
            label = f"E tr(W^T W^T^T) / N, shared weights, N = {width}, T = {steps}"
            checked("Shared weights", label, exact, run.mean[steps], run.error[steps])


def test_krylov_law_is_that_of_drawn_weights():
    width, steps, members = 12, 6, 6000
    rng = np.random.default_rng(5)
    state = np.zeros((members, width, 1))
    state[:, 0] = 1
    weights = rng.standard_normal((members, width, width)) / math.sqrt(width)
    for _ in range(steps):
        state = weights @ state
    drawn = np.log((state[..., 0] ** 2).sum(axis=1))
    law = np.log([linear_recurrent_growth(width, steps, 2, rng=k).mean[-1] for k in range(3000)])
    pairs = np.log(np.exp(drawn).reshape(-1, 2).mean(axis=1))
    # False alarm in 1 of 10^4 seeds.
    assert stats.ks_2samp(law, pairs).pvalue > 1e-4


def test_sharing_matters_when_the_square_of_time_is_the_width(checked):
    scale = shared_weight_scale((64, 128, 256, 512), 2400, rng=11)
    slope = scale.fit.estimate("s")
    checked(
        "Shared weights",
        "T / sqrt(N) where E tr(W^T W^T^T) / N = 3/2",
        scale.expected,
        slope.value,
        slope.error,
        source="limit",
    )
    assert scale.fit.p > 1e-3
    assert scale.other.p < 1e-3  # T ~ N does not describe it
    growth = shared_weight_growth(64, 12, 4000, rng=12)
    z = (growth.measured[1:] - growth.exact[1:]) / growth.error[1:]
    assert np.abs(z).max() < 4.5
    assert growth.exact[12] > 1.4  # and a feed-forward network has 1


def test_weights_white_in_time():
    # Given the state, W phi dt is Gaussian with covariance sigma_w^2 phi phi^T dt / N.
    net = continuous_feed_forward("tanh", 2.0, 0.3, decay=1.0, noise=0.2)
    rng = np.random.default_rng(3)
    n, h, copies, steps = 600, 0.02, 24, 900
    z = rng.standard_normal((copies, n)) * math.sqrt(net.variance.value)
    v = rng.standard_normal((copies, n))
    total, growth = [], np.zeros(copies)
    for t in range(steps):
        f, g = np.tanh(z), v / np.cosh(z) ** 2
        ff, fg, gg = (f * f).mean(axis=1), (f * g).mean(axis=1), (g * g).mean(axis=1)
        x, y = rng.standard_normal((2, copies, n))
        first = 2.0 * np.sqrt(ff)[:, None] * x
        second = 2.0 * ((fg / np.sqrt(ff))[:, None] * x + np.sqrt(gg - fg**2 / ff)[:, None] * y)
        other = math.sqrt(0.3**2 + 0.2) * rng.standard_normal((copies, n))
        z = (1 - h) * z + math.sqrt(h) * (first + other)
        v = (1 - h) * v + math.sqrt(h) * second
        size = np.sqrt((v * v).mean(axis=1))
        v /= size[:, None]
        if t >= 300:
            growth += np.log(size)
            total.append((z * z).mean(axis=1))
    found = np.array(total).mean(axis=0)
    rate = growth / ((steps - 300) * h)
    for values, known, bias in (
        (found, net.variance.value, h),
        (rate, net.lyapunov.value, h + 1 / n),
    ):
        error = values.std(ddof=1) / math.sqrt(copies)
        assert abs(values.mean() - known) < 4 * error + 3 * bias
        assert error < 0.02


def test_noise_driven_networks_are_as_predicted():
    found = compare_recurrent(
        "tanh", 1.0, 0.3, noise=1.0, widths=(128,), n_networks=12, duration=30.0, burn_in=10.0,
        tau=[0, 0.5, 1, 2, 4], step=0.2, rng=7,
    )  # fmt: skip
    frame = found.to_dataframe()
    curve = frame[frame.quantity == "correlation"]
    assert len(curve) == 5
    # Five numbers within 4 standard deviations of 12 networks: false alarm in 1 of 100 seeds.
    assert curve.sigmas.abs().max() < 4
    assert (curve.error / curve.predicted).iloc[0] < 0.02
    assert 0 < abs(found.step_effect[1]) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "gain", "widths"), [("tanh", 3.0, (128, 256, 512)), ("sin", 2.0, (128, 256, 512))]
)
def test_chaotic_networks_are_as_predicted_at_infinite_width(name, gain, widths, checked):
    found = compare_recurrent(
        name, gain, widths=widths, n_networks=12, duration=60.0, burn_in=30.0, step=0.2, rng=8,
    )  # fmt: skip
    frame = found.to_dataframe()
    limit = frame[np.isinf(frame.width)]
    for row in limit.itertuples():
        label = f"{row.quantity}, {name}, g = {gain:g}, N to infinity, simulated"
        checked(TOPIC, label, row.predicted, row.measured, row.error, source="mean field")
    for fit in found.fits:
        assert fit.p > 1e-3


def test_lyapunov_exponent_of_a_linear_network():
    # gamma = 1, no noise: ln|W^T e| / T, whose mean is that of the largest eigenvalue's modulus.
    run = recurrent_networks(
        "linear", 0.9, width=64, n_networks=8, duration=400, method="discrete", noise=1.0, rng=2
    )
    rng = np.random.SeedSequence(2)
    expected = []
    for child in rng.spawn(8):
        weights = np.random.default_rng(child).standard_normal((64, 64)) * (0.9 / 8)
        expected.append(math.log(np.abs(np.linalg.eigvals(weights)).max()))
    np.testing.assert_allclose(run.exponents, expected, atol=0.02)
