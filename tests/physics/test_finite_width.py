"""Networks of finite width against the expansion in 1/n, exact laws and explicit weights."""

import numpy as np
import pytest

from nnrg.activation_functions import as_activation
from nnrg.simulate.tangents import tangent_networks
from nnrg.theory.loops.edge import quenched_edge
from nnrg.theory.loops.quenched import exact_log_growth, quenched_exponent
from nnrg.theory.loops.recursion import finite_width
from nnrg.theory.loops.report import loop_report
from nnrg.theory.loops.two_input_comparison import two_input_report
from nnrg.theory.loops.universality import critical_slopes

TOPIC = "Networks of finite width"
RELU = 2**0.5


def mean_error(values):
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


@pytest.mark.parametrize(("name", "sigma_w", "gain"), [("linear", 1, 2), ("relu", RELU, 5)])
def test_scale_invariant_metric_is_a_product(name, sigma_w, gain, checked):
    # E[K^2] / E[K]^2 = (1 + gain / n)^(T - 1), whose two orders are those of the expansion.
    n, depth = 80, 12
    t = np.arange(depth)
    found = finite_width(name, sigma_w, 0, n, depth, q0=1.0)
    np.testing.assert_allclose(found.first["variance"], gain * t / n, rtol=1e-10)
    np.testing.assert_allclose(
        found.second["variance"], t * (t - 1) / 2 * (gain / n) ** 2, rtol=1e-9, atol=1e-16
    )
    np.testing.assert_allclose(found.first["metric"], 0, atol=1e-14)
    sample = tangent_networks(name, sigma_w, 0, n, 4, 40_000, rng=1)
    square, error = mean_error(sample.metric[:, 3] ** 2)
    exact = (1 + gain / n) ** 3
    checked(TOPIC, f"E[K^2] / E[K]^2 after 3 layers, {name}, n = 80", exact, square, error)


@pytest.mark.slow
def test_tanh_metric_at_criticality(checked):
    # Values of a simulation with n = 32 and of the recursion, both made elsewhere.
    found = finite_width("tanh", 1, 0, 32, 9, q0=1.0)
    known = {1: 0.627, 2: 1.213, 5: 3.020, 8: 4.891}
    for t, value in known.items():
        obtained = 32 * found.first["variance"][t] / found.leading["metric"][t] ** 2
        checked(
            TOPIC,
            f"n Var K / K^2, order 1/n, tanh, t = {t}",
            value,
            obtained,
            rtol=5e-4,
            source="physics.md",
        )
    sample = tangent_networks("tanh", 1, 0, 32, 9, 100_000, q0=1.0, rng=2)
    for t in (2, 5, 8):
        k = sample.metric[:, t]
        # Relative variance of a skew quantity: error from 100 groups.
        groups = [32 * np.var(part) / np.mean(part) ** 2 for part in np.array_split(k, 100)]
        measured, error = mean_error(groups)
        mean, variance = found.total("metric")[t], found.total("variance")[t]
        rest = float(found.truncation("variance")[t] / variance) * measured
        checked(
            TOPIC,
            f"n Var K / E[K]^2, order 1/n^2, tanh, n = 32, t = {t}",
            32 * variance / mean**2,
            measured,
            error,
            uncertainty=rest,
        )


@pytest.mark.slow
def test_tanh_metric_deep_at_criticality(checked):
    found = finite_width("tanh", 1, 0, 1000, 2001, q0=1.0, order=1)
    k, v = found.leading["metric"][2000], found.first["variance"][2000] * 1000
    checked(TOPIC, "t K, tanh, t = 2000", 0.500654, 2000 * k, rtol=2e-6, source="physics.md")
    checked(
        TOPIC, "n Var K / (t K^2), tanh, t = 2000", 0.665644, v / k**2 / 2000, rtol=2e-6,
        source="physics.md",
    )  # fmt: skip
    shift = found.first["metric"][2000] * 1000
    checked(TOPIC, "n K_1 / (t K), tanh, t = 2000 to 0.5 %", -1 / 3, shift / k / 2000, rtol=5e-3)


@pytest.mark.parametrize(("name", "depth"), [("tanh", 300), ("sin", 300)])
def test_corrections_grow_universally_at_criticality(name, depth, checked):
    # Differences over the last third: corrections to them fall as ln t / t.
    slopes = critical_slopes(name)
    found = finite_width(name, slopes.sigma_w, 0, 100, depth, order=1)
    k, a, b = found.leading["metric"], 2 * depth // 3, depth - 1
    obtained = {
        "V / K^2": found.spread,
        "K_1 / K": found.first["metric"] / k,
        "E[ln D]": found.first["log_tangent"],
    }
    expected = {"V / K^2": slopes.variance, "K_1 / K": slopes.shift, "E[ln D]": slopes.log_tangent}
    for quantity, values in obtained.items():
        slope = 100 * (values[b] - values[a]) / (b - a)
        what = f"growth of n {quantity} a layer at criticality, {name}, to 1 %"
        checked(TOPIC, what, expected[quantity], slope, rtol=1e-2)
    assert slopes.decay * k[b] * depth == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize(
    ("name", "q", "known"),
    [
        ("relu", 1.0, 15),
        ("tanh", 1.0, 1.88187242),
        ("erf", 1.0, 1.67951563),
        ("erf", 0.5, 2.4),
        ("cos", 1.0, None),
    ],
)
def test_output_kurtosis_of_one_hidden_layer(name, q, known, checked):
    found = finite_width(name, 1, 0, 100, 2, q0=q)
    if known is None:
        # phi = cos z: <phi^2> = (1 + e^-2q) / 2, <phi^4> = (3 + 4 e^-2q + e^-8q) / 8.
        square, fourth = (1 + np.exp(-2)) / 2, (3 + 4 * np.exp(-2) + np.exp(-8)) / 8
        known = 3 * (fourth / square**2 - 1)
    # Given K the output is normal, and K an average over independent neurons: no next order.
    assert found.second["kurtosis"][1] == pytest.approx(0, abs=1e-13)
    value = 100 * found.first["kurtosis"][1]
    what = f"N times excess kurtosis of an output, one hidden layer, {name}, q = {q:g}"
    checked(TOPIC, what, known, value, rtol=1e-8)


@pytest.mark.slow
def test_typical_and_mean_signal_differ(checked):
    # E|v|^2 = 1 at every depth, ln|v|^2 falls by 5 / (2n) a layer.
    n, layers = 64, 10
    sample = tangent_networks("relu", RELU, 0, n, layers + 1, 60_000, rng=4)
    last = sample.log_tangent[:, -1]
    mean, error = mean_error(np.exp(last))
    checked(TOPIC, "E[D] of ReLU networks, n = 64, T = 10", 1.0, mean, error)
    growth, error = mean_error(last[np.isfinite(last)] / layers)
    exact = exact_log_growth("relu", RELU, n)
    checked(TOPIC, "E[ln D] / T of ReLU networks, n = 64", exact, growth, error)
    exponent = quenched_exponent("relu", RELU, 0, n)
    checked(TOPIC, "n (E[ln D] / T), order 1/n, ReLU", -2.5, n * exponent.first, rtol=1e-10)
    linear = quenched_exponent("linear", 1, 0, n)
    checked(TOPIC, "n (E[ln D] / T), order 1/n, linear", -1.0, n * linear.first, rtol=1e-10)


def test_narrow_relu_networks_die(checked):
    # A layer is dead with probability 2^-n; the mean of ln D is of the others, and exact.
    n, layers, networks = 6, 5, 20_000
    sample = tangent_networks("relu", RELU, 0, n, layers + 1, networks, rng=5)
    alive = sample.alive[:, -1]
    expected = (1 - 2.0**-n) ** layers
    error = np.sqrt(expected * (1 - expected) / networks)
    checked(TOPIC, "ReLU networks alive, n = 6, T = 5", expected, alive.mean(), error)
    growth, error = mean_error(sample.log_tangent[alive, -1])
    exact = layers * exact_log_growth("relu", RELU, n)
    checked(TOPIC, "E[ln D] of ReLU networks alive, n = 6, T = 5", exact, growth, error)
    report = loop_report("relu", RELU, 0, n, layers + 1, simulate=500, rng=5)
    assert any("tangents died" in flag for flag in report.flags)


SIMULATED = {
    "tanh": (1.3, 0.05**0.5),
    "erf": (1.2, 0.2),
    "gelu": (1.2, 0.3),
    "relu": (RELU, 0.0),
}


@pytest.mark.parametrize(
    ("name", "width"),
    [(a, n) for a in SIMULATED for n in (16, 64, 256) if (a, n) != ("gelu", 16)],
)
def test_predictions_agree_with_simulation(name, width, checked):
    # Within 3 errors of simulation and of the estimated third order, which matters for GELU and
    # for Var ln D of ReLU networks alone. 44 numbers: were the seeds others, one of them would be
    # beyond with a chance of 12 %.
    seed = 1000 * list(SIMULATED).index(name) + width
    report = loop_report(name, *SIMULATED[name], width, 6, simulate=400_000 // width, rng=seed)
    exact = {}
    if name == "relu":
        exact = {
            "metric": 2.0,
            "variance": 4 * ((1 + 5 / width) ** 5 - 1),
            "log_tangent": 5 * exact_log_growth("relu", RELU, width),
        }
    for quantity in ("metric", "variance", "log_tangent", "log_tangent_variance"):
        row = report.row(quantity)
        # A sum to order 1/n^2 is as far from the exact number as it says.
        known = exact.get(quantity, row.total)
        assert abs(row.total - known) <= row.truncation + 1e-12
        checked(
            TOPIC,
            f"{quantity} of layer 6, {name}, n = {width}",
            known,
            row.measured,
            row.error,
            uncertainty=0.0 if quantity in exact else row.truncation / 3,
            within=3.0,
            source="exact" if quantity in exact else "order 1/n^2",
        )


def test_where_the_expansion_fails_the_report_says_so():
    # GELU far below its edge, n = 16: Var ln D to order 1/n^2 is half as large again as measured.
    report = loop_report("gelu", *SIMULATED["gelu"], 16, 6, simulate=20_000, rng=16)
    row = report.row("log_tangent_variance")
    assert row.sigmas < -20
    assert row.truncation > 0.2 * row.total
    assert any("not to be trusted" in flag for flag in report.flags)


def test_first_order_alone_is_not_enough_at_width_16():
    report = loop_report("tanh", 1.3, 0.05**0.5, 16, 8, simulate=60_000, rng=6)
    row = report.row("log_tangent_variance")
    assert row.sigmas_first > 8 and row.agrees and abs(row.measured - row.total) < 0.03
    assert row.truncation < abs(row.total - row.first) / 4
    shift = report.row("log_tangent")
    assert abs(shift.sigmas_leading) > 50 and abs(shift.sigmas) < 4


def test_unequal_widths_and_aligned_tangents():
    # 30 numbers of 5 layers, correlated: one beyond 4 errors with a chance below 0.2 %.
    widths = (200, 24, 80, 30, 100, 50)
    report = loop_report("tanh", 1.4, 0.3, widths, 6, alignment=0.7, simulate=20_000, rng=7)
    assert all(
        abs(row.measured - row.total) < 4 * row.error + row.truncation for row in report.rows
    )
    assert max(abs(row.sigmas_leading) for row in report.rows) > 20


def test_the_joint_law_is_that_of_networks_with_weights():
    # Explicit weights, tangents by the chain rule; and a finite difference of two inputs.
    n, d, depth, networks = 12, 5, 4, 4000
    sigma_w, sigma_b, phi = 1.4, 0.3, as_activation("gelu")
    rng = np.random.default_rng(8)
    x = rng.normal(size=d)
    u = rng.normal(size=d)
    first = [sigma_w**2 * a @ b / d for a, b in ((x, x), (x, u), (u, u))]
    metric, growth = np.empty((2, networks, depth))
    for i in range(networks):
        size, z, near, v = d, x, x + 1e-6 * u, u
        for t in range(depth):
            w = rng.normal(size=(n, size)) * sigma_w / np.sqrt(size)
            b = rng.normal(size=n) * sigma_b
            if t:
                metric[i, t] = sigma_w**2 * np.mean(phi(z) ** 2) + sigma_b**2
                v = phi.derivative(z) * v
                growth[i, t] = sigma_w**2 * np.mean(v**2) / first[2]
                z, near = phi(z), phi(near)
            z, near, v, size = w @ z + b, w @ near + b, w @ v, n
        np.testing.assert_allclose((near - z) * 1e6, v, atol=1e-4)
    q0 = first[0] + sigma_b**2
    alignment = first[1] / np.sqrt(q0 * first[2])
    sample = tangent_networks(
        phi, sigma_w, sigma_b, n, depth, 40_000, q0=q0, alignment=alignment, rng=9
    )
    for explicit, law in (
        (metric[:, 1:], sample.metric[:, 1:]),
        (metric[:, 1:] ** 2, sample.metric[:, 1:] ** 2),
        (np.log(growth[:, 1:]), sample.log_tangent[:, 1:]),
        (growth[:, 1:] * metric[:, 1:], np.exp(sample.log_tangent[:, 1:]) * sample.metric[:, 1:]),
    ):
        spread = np.sqrt(explicit.var(axis=0) / networks + law.var(axis=0) / 40_000)
        # 12 numbers at 4 errors: 0.08 % by chance.
        assert (np.abs(explicit.mean(axis=0) - law.mean(axis=0)) < 4 * spread).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sigma_w", "sigma_b", "width"),
    [("tanh", 1.3, 0.05**0.5, 16), ("relu", RELU, 0.0, 64), ("erf", 1.5, 0.3, 32)],
)
def test_two_inputs_agree_with_simulation(name, sigma_w, sigma_b, width):
    # 27 correlated numbers each at 4 errors: below 0.2 % by chance.
    report = two_input_report(
        name, sigma_w, sigma_b, width, 4, gram=(1.0, 0.4, 1.5), simulate=20_000, rng=11
    )
    allowed = 4 * report.errors[1:] + report.truncation[1:]
    assert (np.abs(report.measured - report.total)[1:] < allowed).all()
    away = np.abs(report.measured - report.leading)[1:] / report.errors[1:]
    assert away.max() > 20


@pytest.mark.slow
def test_two_linear_inputs_are_wishart(checked):
    # Cov(K_pq, K_rs) after one layer is (K_pr K_qs + K_ps K_qr) / n, and exact moments after more:
    # E[K_aa K_bb] and E[K_ab^2] obey a linear recursion of two numbers.
    n, layers, gram = 24, 4, np.array([1.0, 0.3, 1.2])
    report = two_input_report("linear", 1, 0, n, layers + 1, gram=gram, simulate=40_000, rng=12)
    product, square = gram[0] * gram[2], gram[1] ** 2
    for _ in range(layers):
        product, square = product + 2 * square / n, square + (product + square) / n
    across = report.names.index("Cov(K_aa, K_bb)")
    own = report.names.index("Var K_ab")
    for at, exact in ((across, product - gram[0] * gram[2]), (own, square - gram[1] ** 2)):
        found, error = report.measured[-1, at], report.errors[-1, at]
        quantity = f"{report.names[at]} of a linear network, n = 24, T = 4"
        checked(TOPIC, quantity, exact, found, error)
        assert abs(report.total[-1, at] - exact) < report.truncation[-1, at]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sigma_b"), [("tanh", 0.05**0.5), ("relu", 0.0)], ids=["tanh", "relu"]
)
def test_typical_signals_neither_grow_nor_shrink_at_the_quenched_edge(name, sigma_b, checked):
    n, start, depth, networks = 64, 15, 45, 3000
    edge = quenched_edge(name, sigma_b, n)
    # Of ReLU the metric has no fixed point there, and its size does not matter.
    q0 = 1.0 if name == "relu" else edge.exponent.metric
    sample = tangent_networks(name, edge.sigma_w, sigma_b, n, depth, networks, q0=q0, rng=13)
    alive = sample.alive[:, -1]
    steps = sample.log_tangent[alive, -1] - sample.log_tangent[alive, start - 1]
    growth, error = mean_error(steps / (depth - start))
    what = f"growth of E[ln D] at the quenched edge, {name}, n = 64"
    checked(TOPIC, what, 0.0, growth, error, uncertainty=edge.truncation)
    # At the edge of infinite width it shrinks, visibly.
    wide = tangent_networks(name, edge.infinite, sigma_b, n, depth, networks, rng=14)
    steps = wide.log_tangent[wide.alive[:, -1]]
    shrinking, error = mean_error((steps[:, -1] - steps[:, start - 1]) / (depth - start))
    assert shrinking < -10 * error
    if name == "relu":
        first = 1 + 2.5 / n
        checked(TOPIC, "chi_1 at the quenched edge, ReLU, n = 64", first, edge.chi_1, rtol=1e-3)


@pytest.mark.slow
def test_finite_width_shortens_the_correlation_length(checked):
    # The slope of E[ln D] and of ln E[D] with depth, tanh in the ordered phase.
    n, start, depth = 64, 8, 24
    exponent = quenched_exponent("tanh", 1.3, 0.05**0.5, n)
    sample = tangent_networks("tanh", 1.3, 0.05**0.5, n, depth, 20_000, q0=exponent.metric, rng=15)
    steps = (sample.log_tangent[:, -1] - sample.log_tangent[:, start]) / (depth - 1 - start)
    rate, error = mean_error(steps)
    what = "1 / quenched correlation length, tanh, n = 64"
    checked(TOPIC, what, 1 / exponent.correlation_lengths[1], -rate, error)
    assert exponent.correlation_lengths[1] < exponent.correlation_lengths[0] / 3
    # Without the alignment of tangent and signal the prediction would be many errors off.
    without = exponent.quenched - exponent.terms["alignment with the signal"]
    assert abs(rate - without) > 10 * error
