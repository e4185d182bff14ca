"""Recurrent networks: arguments, tables, errors, and pieces against naive twins."""

import math

import numpy as np
import pytest

from nnrg.activation_functions import as_activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.linear_recurrent import linear_recurrent_growth
from nnrg.simulate.recurrent import recurrent_networks
from nnrg.theory import recurrent
from nnrg.theory.criticality import MeanField, critical_line
from nnrg.theory.gaussian_averages import pair_average
from nnrg.theory.layer_kernel import kernel
from nnrg.theory.recurrent._overlap import Overlap, overlaps
from nnrg.theory.recurrent._schroedinger import lowest_level

SMALL = {"width": 16, "n_networks": 3, "duration": 8.0}


@pytest.mark.parametrize("distance", [-1e-3, -1e-5, 1e-5, 1e-3])
def test_overlap_of_two_states_next_to_the_transition(distance):
    # With 2 gamma = 1 the equations for q and c are those of the layers of a deep network.
    gain = float(critical_line("tanh", sigma_b=[0.3]).sigma_w[0]) * (1 + distance)
    found = recurrent.continuous_feed_forward("tanh", gain, 0.3, decay=0.5)
    deep = MeanField("tanh", gain, 0.3)
    c, error = found.overlap.value / found.variance.value, found.overlap.error / deep.q_star
    assert abs(c - deep.c_star) <= 4 * (error + deep.c_star_error) + 1e-14
    assert error < 1e-8


def test_an_unstable_fixed_point_is_flagged():
    gain = float(critical_line("tanh", sigma_b=[0.3]).sigma_w[0]) * (1 + 1e-5)
    found = recurrent.rnn_dmft("tanh", gain, 0.3)
    assert found.lyapunov.value > 0
    assert found.phase == "chaotic" or "unstable" in found.flag


@pytest.mark.parametrize("name", ["tanh", "gelu"])
def test_overlap_of_two_noisy_states_solves_its_equation(name):
    found = recurrent.continuous_feed_forward(name, 1.1, 0.3, noise=0.4)
    q, c = found.variance.value, found.overlap.value
    value, _ = kernel(name, q, q, c / q)
    assert 0 < c < q
    assert 1.21 * value + 0.09 == pytest.approx(2 * c, rel=1e-10)


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu", "leaky_relu:0.2"])
@pytest.mark.parametrize("q", [0.01, 3.0])
def test_overlap_is_the_adaptive_average(name, q):
    phi = as_activation(name)
    c = np.array([1.0, 0.999, 0.6, 0.05])
    for function, values in (
        (phi.function, Overlap(phi, q).value(c * q)),
        (phi.first, Overlap(phi, q).slope(c * q)),
    ):
        exact, error = pair_average(function, function, q, q, c, kinks=(phi.kinks, phi.kinks))
        np.testing.assert_allclose(values, exact, rtol=1e-9, atol=1e-10 * q + error.max())


@pytest.mark.parametrize("q", [0.3, 20.0, 1e4])
def test_overlap_in_closed_form(q):
    c = np.array([1.0, 0.9999, 0.5, -0.7, -1.0])
    erf = Overlap(as_activation("erf"), q).value(c * q)
    expected = 2 / np.pi * np.arcsin(2 * c * q / (1 + 2 * q))
    np.testing.assert_allclose(erf, expected, atol=1e-9)
    angle = np.arccos(c)
    relu = Overlap(as_activation("relu"), q).value(c * q)
    expected = q / (2 * np.pi) * (np.sin(angle) + (np.pi - angle) * c)
    np.testing.assert_allclose(relu, expected, atol=1e-12 * q)


@pytest.mark.parametrize("name", ["tanh", "erf", "relu", "silu", "sin"])
def test_price_theorem(name):
    # The slope of the series of <phi phi> against <phi' phi'>, found from phi' alone.
    for q in (0.1, 5.0):
        assert Overlap(as_activation(name), q).price_residual() < 1e-9


def test_overlap_of_unequal_variances():
    q1, q2, r = np.array([0.5, 4.0]), np.array([2.0, 0.1]), np.array([0.8, -0.3])
    erf = as_activation("erf")
    expected = 2 / np.pi * np.arcsin(2 * r * np.sqrt(q1 * q2 / ((1 + 2 * q1) * (1 + 2 * q2))))
    np.testing.assert_allclose(overlaps(erf.function, (), q1, q2, r), expected, atol=1e-12)


def test_levels_with_known_energies():
    # Harmonic oscillator, and the Poeschl-Teller well -l (l + 1) / cosh^2 with E = -l^2.
    even = lowest_level(lambda x: x * x, 9.0, 0.0)
    odd = lowest_level(lambda x: x * x, 9.0, None)
    assert even.energy == pytest.approx(1, abs=1e-8) and odd.energy == pytest.approx(3, abs=1e-8)
    well = lowest_level(lambda x: -6 / np.cosh(x) ** 2, 15.0, 0.0)
    assert well.energy == pytest.approx(-4, abs=1e-8) and well.error < 1e-7
    # psi = exp(-k x) on the half line with psi'(0) = -k psi(0).
    edge = lowest_level(np.zeros_like, 30.0, -0.7)
    assert edge.energy == pytest.approx(-0.49, abs=1e-8)
    norm = (edge.wave**2).sum() * (edge.tau[1] - edge.tau[0])
    assert norm == pytest.approx(1, rel=1e-12)


def pairings(letters):
    if not letters:
        yield ()
        return
    for k in range(1, len(letters)):
        for rest in pairings(letters[1:k] + letters[k + 1 :]):
            yield ((letters[0], letters[k]), *rest)


def surfaces(steps):
    """Count of pairings by power of 1/N, from the cycles of indices of every single one."""
    counts = [0] * (steps + 1)
    size = 2 * steps  # letters; letter k carries indices k and k + 1, in reverse if transposed
    for pairing in pairings(tuple(range(size))):
        parent = list(range(size))

        def find(x, parent=parent):
            while parent[x] != x:
                x = parent[x]
            return x

        for a, b in pairing:
            ends = [(k, (k + 1) % size) if k < steps else ((k + 1) % size, k) for k in (a, b)]
            for x, y in zip(*ends, strict=True):
                parent[find(x)] = find(y)
        cycles = len({find(x) for x in range(size)})
        counts[steps + 1 - cycles] += 1
    return tuple(counts)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_moments_count_every_pairing(steps):
    assert recurrent.shared_weight_moments(steps) == surfaces(steps)


def test_two_times_against_a_naive_loop():
    found = recurrent.two_time_correlation(
        "relu", 0.8, 0.3, steps=4, decay=0.6, noise=0.2, variance=0.5
    )
    # z(t) as a combination of z(0) and the drives eta, with all covariances written out.
    a, n = 0.4, 5
    covariance = np.zeros((n, n))  # of z(0), eta(0), ... eta(3)
    covariance[0, 0] = 0.5
    rows = [np.eye(n)[0]]
    for t in range(4):
        for s in range(t + 1):
            c = [rows[x] @ covariance @ rows[y] for x, y in ((s, s), (t, t), (s, t))]
            angle = math.acos(min(1.0, c[2] / math.sqrt(c[0] * c[1])))
            average = math.sqrt(c[0] * c[1]) / (2 * math.pi)
            average *= math.sin(angle) + (math.pi - angle) * math.cos(angle)
            value = 0.64 * average + 0.09 + 0.2 * (s == t)
            covariance[s + 1, t + 1] = covariance[t + 1, s + 1] = value
        rows.append(a * rows[t] + np.eye(n)[t + 1])
    stack = np.array(rows)
    np.testing.assert_allclose(found.correlation, stack @ covariance @ stack.T, rtol=1e-10)


def test_results_print_on_one_screen_and_become_tables():
    net = recurrent.rnn_dmft("tanh", 1.5, 0.2, noise=0.1)
    found = [
        net,
        recurrent.rnn_dmft_discrete("tanh", 0.8, decay=0.5, noise=0.3),
        recurrent.two_time_correlation("tanh", 1.0, steps=3),
        recurrent.continuous_feed_forward("tanh", 1.0, 0.1),
        recurrent.chaos_transition("tanh"),
        recurrent.newtonian_potential("tanh", 2.0, variance=1.0),
        recurrent.shared_weight_growth(8, 3, 10, rng=1),
        recurrent_networks("tanh", 1.0, noise=1.0, rng=1, **SMALL),
        linear_recurrent_growth(8, 3, 10, rng=1),
    ]
    for result in found:
        lines = str(result).splitlines()
        assert len(lines) <= 24 and max(map(len, lines)) <= 160
        assert not str(result).endswith(" ")
    frame = net.to_dataframe()
    assert frame.columns.tolist() == ["tau", "correlation"]
    np.testing.assert_allclose(net.correlation_at(frame.tau), frame.correlation)
    assert frame.correlation.is_monotonic_decreasing
    with pytest.raises(ValueError, match="read-only"):
        net.correlation[0] = 1
    assert set(dir(recurrent)) == set(recurrent.__all__)


def test_units_of_time():
    # z -> z, t -> t / 2: decay, and gain, double; noise doubles with the rate.
    one = recurrent.rnn_dmft("tanh", 1.4, 0.3, decay=1.0, noise=0.2)
    two = recurrent.rnn_dmft("tanh", 2.8, 0.6, decay=2.0, noise=0.4)
    assert two.variance.value == pytest.approx(one.variance.value, rel=1e-9)
    assert two.lyapunov.value == pytest.approx(2 * one.lyapunov.value, rel=1e-7)


def test_ensembles_do_not_depend_on_the_number_of_workers():
    runs = [
        recurrent_networks("tanh", 2.0, 0.1, noise=0.5, rng=3, workers=k, **SMALL) for k in (1, 3)
    ]
    np.testing.assert_array_equal(runs[0].correlation, runs[1].correlation)
    np.testing.assert_array_equal(runs[0].exponents, runs[1].exponents)
    more = recurrent_networks(
        "tanh", 2.0, 0.1, noise=0.5, rng=3, width=16, n_networks=4, duration=8.0
    )
    np.testing.assert_array_equal(more.correlation[:3], runs[0].correlation)
    assert runs[0].lyapunov.n_samples == 3


@pytest.mark.parametrize("method", ["exponential", "euler", "discrete"])
def test_ensemble_is_a_plain_loop(method):
    h, gamma = (1.0 if method == "discrete" else 0.25), 0.8
    seen = []
    run = recurrent_networks(
        "tanh", 1.5, 0.2, width=5, n_networks=2, duration=12 * h, burn_in=0.0, decay=gamma,
        method=method, step=0.25, tau=[0, 3 * h], n_states=1, rng=9,
        progress=lambda done, of: seen.append((done, of)),
    )  # fmt: skip
    assert seen == [(1, 2), (2, 2)]
    keep = math.exp(-gamma * h) if method == "exponential" else 1 - gamma * h
    drive = (1 - keep) / gamma if method == "exponential" else h
    rng = np.random.default_rng(np.random.SeedSequence(9).spawn(2)[1])
    weights = rng.standard_normal((5, 5)) * (1.5 / math.sqrt(5))
    bias = rng.standard_normal((5, 1)) * 0.2
    z, v = rng.standard_normal((5, 1)), rng.standard_normal((5, 1))
    start, states = np.linalg.norm(v), []
    for _ in range(12):
        v = keep * v + drive * weights @ (v / np.cosh(z) ** 2)
        z = keep * z + drive * (weights @ np.tanh(z) + bias)
        states.append(z[:, 0])
    exponent = math.log(np.linalg.norm(v) / start) / (12 * h)
    assert run.exponents[1] == pytest.approx(exponent, rel=1e-9)
    states = np.array(states)
    expected = [(states**2).mean(), (states[:-3] * states[3:]).mean()]
    np.testing.assert_allclose(run.correlation[1], expected, rtol=1e-10)


def test_networks_that_forget_everything():
    run = recurrent_networks(lambda z: 0 * z, 1.0, method="discrete", noise=1.0, rng=1, **SMALL)
    assert (run.exponents == -math.inf).all()
    # What is left is the noise: variance one, 5 sigma.
    count = run.correlation.shape[0] * SMALL["width"] * SMALL["duration"]
    assert abs(run.correlation[:, 0].mean() - 1) < 5 * math.sqrt(2 / count)
    assert np.abs(run.correlation[:, 1:].mean(axis=0)).max() < 5 * 2 / math.sqrt(count)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recurrent.rnn_dmft("tanh", -1.0), "sigma_w must be at least zero"),
        (lambda: recurrent.rnn_dmft("tanh", 1.0, noise=-0.1), "noise must be at least zero"),
        (lambda: recurrent.rnn_dmft("tanh", 1.0, decay=0.0), "decay must be above zero"),
        (lambda: recurrent.rnn_dmft("tanh", math.nan), "sigma_w must be a finite"),
        (lambda: recurrent.rnn_dmft("nothing", 1.0), "activation must be one of"),
        (lambda: recurrent.rnn_dmft_discrete("tanh", 1.0, decay=1.5), "at most 1"),
        (lambda: recurrent.newtonian_potential("tanh", 1.0, variance=0.0), "variance must be"),
        (lambda: recurrent.two_time_correlation("tanh", 1.0, steps=0), "steps must be"),
        (lambda: recurrent.shared_weight_moments(13), "steps must be"),
        (lambda: recurrent.shared_weight_scale((8, 16)), "widths must be"),
        (lambda: recurrent.compare_recurrent("tanh", 1.0, widths=(64, 64)), "different"),
        (lambda: recurrent_networks("tanh", 1.0, **{**SMALL, "width": 1}), "width must be"),
        (lambda: recurrent_networks("tanh", 1.0, **{**SMALL, "n_networks": 1}), "n_networks"),
        (lambda: recurrent_networks("tanh", 1.0, method="heun", **SMALL), "method must be"),
        (lambda: recurrent_networks("tanh", 1.0, step=2.0, method="euler", **SMALL), "at most 1"),
        (lambda: recurrent_networks("tanh", 1.0, tau=[50.0], **SMALL), "tau must be from 0"),
        (lambda: recurrent_networks("tanh", 1.0, noise=-1.0, **SMALL), "noise must be"),
        (lambda: linear_recurrent_growth(1, 2, 3), "width must be"),
        (lambda: linear_recurrent_growth(10**6, 10**5, 3), "steps must be below"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recurrent.rnn_dmft("relu", 1.6, 0.5), "grows beyond"),
        (lambda: recurrent.rnn_dmft("relu", 1.6, 0.5, noise=1.0), "grows beyond"),
        (lambda: recurrent.rnn_dmft("linear", 1.0, noise=0.5), "edge of divergence"),
        (lambda: recurrent.rnn_dmft_discrete("relu", 2.0, 0.5, decay=0.8), "grows beyond"),
        (lambda: recurrent.continuous_feed_forward("linear", 1.5, 0.1), "grows without bound"),
        (lambda: recurrent.chaos_transition("relu"), "must exist"),
        (lambda: recurrent.chaos_transition("linear", 0.1, noise=0.1), "must exist"),
        (lambda: recurrent.two_time_correlation("linear", 40.0, steps=30), "after"),
        (
            lambda: recurrent_networks(
                "linear", 9.0, method="discrete", width=8, n_networks=2, duration=900
            ),
            "must stay finite",
        ),
    ],
)
def test_diverging_activity_is_an_error(call, message):
    with pytest.raises(AnalysisError, match=message):
        call()


def test_extreme_parameters():
    faint = recurrent.rnn_dmft("tanh", 1e-3, 1e-8)
    assert faint.variance.value == pytest.approx(1e-16 / (1 - 1e-6), rel=1e-9)
    none = recurrent.rnn_dmft("tanh", 0.0, 0.5, noise=0.3)
    assert none.variance.value == pytest.approx(0.25 + 0.15, rel=1e-9)
    assert none.lyapunov.value == pytest.approx(-1, abs=1e-6)
    # <sin sin> = exp(-c_0) sinh(c): at c_0 = 12 nothing but its edge is left.
    loud = recurrent.rnn_dmft("sin", 12.0)
    assert loud.phase == "chaotic" and loud.limit == 0 and abs(loud.zero_mode) < 1e-6
    edge = recurrent.rnn_dmft("relu", 1.414, 0.1)
    assert edge.variance.value == pytest.approx(0.01 / (1 - 1.414**2 / 2), rel=1e-9)


def test_flags_and_remarks():
    assert "cannot be told" in recurrent.rnn_dmft("tanh", 1.0).flag
    # Steeper away from zero: the silent state is stable, and a louder one exists.
    jump = recurrent.rnn_dmft(lambda z: 3 * np.tanh(z) ** 3 + 0.2 * np.tanh(z), 1.0)
    assert jump.phase == "silent" and "another solution" in jump.flag
    assert any("finite differences" in text for text in jump.assumptions)
    rare = recurrent.shared_weight_growth(3, 10, 40, rng=1)
    assert rare.flag.startswith("from T =")
    assert rare.to_dataframe().feed_forward.eq(1).all()


def test_a_correlation_that_lasts_too_long_is_named():
    with pytest.raises(AnalysisError, match=r"within 8192 steps.*take rnn_dmft"):
        recurrent.rnn_dmft_discrete("tanh", 1.5, decay=1e-3)


def test_faint_noise_is_no_noise():
    quiet, faint = (recurrent.rnn_dmft("tanh", 2.0, noise=d) for d in (0.0, 1e-12))
    assert faint.flag == ""
    np.testing.assert_allclose(faint.variance.value, quiet.variance.value, rtol=1e-9)
    np.testing.assert_allclose(faint.lyapunov.value, quiet.lyapunov.value, rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "value"), [("sigma_w", 1e300), ("noise", 1e-300), ("noise", 1e300), ("decay", 1e-300)]
)
def test_numbers_beyond_double_precision_are_named(name, value):
    for solve in (recurrent.rnn_dmft, recurrent.rnn_dmft_discrete):
        with pytest.raises(ArgumentError, match=name):
            solve("tanh", **{"sigma_w": 1.5, "decay": 0.5, name: value})
