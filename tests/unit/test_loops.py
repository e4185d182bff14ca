"""Finite-width expansions: their formulas, what they refuse and how they print."""

import numpy as np
import pytest

from nnrg.activation_functions import Activation, as_activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.tangents import as_widths, tangent_networks
from nnrg.theory.gaussian_averages import gaussian_average, moments
from nnrg.theory.loops.dictionary import o_n_dictionary
from nnrg.theory.loops.edge import quenched_edge
from nnrg.theory.loops.quenched import exact_log_growth, quenched_exponent
from nnrg.theory.loops.recursion import finite_width
from nnrg.theory.loops.report import loop_report
from nnrg.theory.loops.two_input_comparison import two_input_report
from nnrg.theory.loops.two_inputs import two_input_finite_width
from nnrg.theory.loops.universality import critical_slopes
from nnrg.theory.loops.widths import width_scan

TANH = ("tanh", 1.3, 0.05**0.5)


@pytest.mark.parametrize("width", [10**5, 2**31])
def test_exact_log_growth_of_wide_layers_is_its_expansion(width):
    # psi(m / 2) of a binomial m: -5 / (2 n) next to ln 1, then O(1 / n^2).
    assert exact_log_growth("relu", 2**0.5, width) == pytest.approx(
        -2.5 / width, abs=20 / width**2 + 1e-14
    )


def test_deep_layers_repeat_the_law_of_the_fixed_point():
    shallow, deep = (finite_width(*TANH, 32, depth) for depth in (120, 1000))
    rate = np.diff(shallow.first["log_tangent"])[-1]
    assert np.diff(deep.first["log_tangent"])[-1] == pytest.approx(rate, rel=1e-12)


def test_a_metric_without_limit_is_no_number():
    found = quenched_exponent("relu", 1.9, 0.5, 64)
    assert np.isnan(found.metric)
    assert "no limit" in found.flag
    assert found.infinite == pytest.approx(np.log(1.9**2 / 2), rel=1e-12)
    gap, self_energy = (o_n_dictionary("relu", 2, 0.3).entries[i] for i in (3, 8))
    assert np.isnan(gap.value)
    assert np.isnan(self_energy.value)


def test_averages_that_overflow_are_not_called_flat():
    with pytest.raises(AnalysisError, match="beyond double precision"):
        finite_width(np.exp, 1.2, 0.3, 64, 5)


def test_first_order_is_the_recursion_that_is_stated():
    activation, sigma_w, sigma_b = TANH
    phi, widths, q0 = as_activation(activation), (20, 30, 40, 50, 60), 1.1
    found = finite_width(*TANH, widths, 5, q0=q0, order=1)
    k, v, shift, log, rho2, log_d = q0, 0.0, 0.0, 0.0, 0.0, 0.0
    for t, n in enumerate(widths):
        assert found.leading["metric"][t] == pytest.approx(k, rel=1e-10)
        assert found.first["variance"][t] == pytest.approx(v, rel=1e-9)
        assert found.first["metric"][t] == pytest.approx(shift, rel=1e-9)
        assert found.first["kurtosis"][t] == pytest.approx(3 * v / k**2, rel=1e-9)
        assert found.leading["log_tangent"][t] == pytest.approx(log_d, rel=1e-9)
        assert found.first["log_tangent"][t] == pytest.approx(log, rel=1e-8)
        assert found.alignment[t] == pytest.approx(rho2, rel=1e-9)
        m, h = moments(phi, k), 1e-4
        chi = [sigma_w**2 * float(moments(phi, x).slope_square) for x in (k - h, k, k + h)]
        slope = (np.log(chi[2]) - np.log(chi[0])) / (2 * h)
        bend = np.log(chi[0] * chi[2] / chi[1] ** 2) / h**2
        ratio = float(m.slope_fourth / m.slope_square**2)
        log += -(3 * ratio - 1) / (2 * n) + slope * shift + bend * v / 2 + 2 * k * slope * rho2
        log_d += np.log(chi[1])
        both = gaussian_average(lambda z: (phi(z) * phi.derivative(z)) ** 2, k)[0]
        par = sigma_w**2 * float(m.first)
        new = sigma_w**2 * float(m.square) + sigma_b**2
        rho2 = (par**2 * k * rho2 + sigma_w**4 * float(both) / n) / (chi[1] * new)
        shift = par * shift + sigma_w**2 * float(m.second) * v / 2
        v = par**2 * v + sigma_w**4 * float(m.fourth - m.square**2) / n
        k = new


def test_stationary_growth_is_that_of_deep_layers():
    exponent = quenched_exponent(*TANH, 64)
    deep = finite_width(*TANH, 64, 60)
    for order, terms in (("first", deep.first), ("second", deep.second)):
        last = {name: np.diff(values)[-1] for name, values in terms.items()}
        quenched = exponent.first if order == "first" else exponent.second
        annealed = exponent.annealed_first if order == "first" else exponent.annealed_second
        assert quenched == pytest.approx(last["log_tangent"], rel=1e-6)
        assert annealed == pytest.approx(last["tangent"], rel=1e-6)
    assert exponent.variance == pytest.approx(np.diff(deep.first["log_tangent_variance"])[-1])
    mean, typical = exponent.correlation_lengths
    assert typical < mean and exponent.lyapunov[1] == pytest.approx(-1 / typical / 2)


def test_the_edge_is_where_the_exponent_vanishes():
    edge = quenched_edge("tanh", 0.05**0.5, 128)
    assert abs(edge.exponent.infinite + edge.exponent.first) < 1e-10
    assert edge.infinite == pytest.approx(1.7609546396**0.5, rel=1e-9)
    assert edge.sigma_w > edge.infinite and edge.chi_1 == pytest.approx(edge.exponent.chi_1)
    wide = quenched_edge("tanh", 0.05**0.5, 1280)
    ratio = (edge.chi_1 - 1) / (wide.chi_1 - 1)
    assert ratio == pytest.approx(10, rel=0.03)


def test_exponents_that_are_not_to_be_trusted_say_so():
    # GELU at its edge forgets K slowly, chi_par = 0.986: K fluctuates by more than itself.
    slow = quenched_exponent("gelu", 1.3998682, 0.5, 64, q0=6.0)
    assert "Var K / K^2" in slow.flag and "not computed" in slow.flag
    assert np.isnan(slow.second) and slow.quenched == slow.infinite + slow.first
    assert not quenched_exponent(*TANH, 64).flag


def test_exact_growth_is_the_expansion_to_second_order():
    for name, sigma_w in (("linear", 1.0), ("relu", 2**0.5), ("leaky_relu:-1", 1.0)):
        n = 2000
        e = quenched_exponent(name, sigma_w, 0, n)
        assert abs(e.exact - e.quenched) < 100 / n**3
    assert np.isnan(exact_log_growth("tanh", 1, 10))
    assert np.isnan(exact_log_growth("leaky_relu:0.5", 1, 10))


def test_order_one_is_the_first_of_order_two():
    one, two = (finite_width("gelu", 1.4, 0.3, 100, 5, order=k, alignment=0.4) for k in (1, 2))
    for name in one.leading:
        np.testing.assert_allclose(one.first[name], two.first[name], rtol=1e-8, atol=1e-14)
        assert np.isnan(one.second[name]).all()
    assert (one.truncation("variance")[1:] > 0).all()
    pair = [two_input_finite_width("relu", 1.4, 0.3, 100, 3, order=k) for k in (1, 2)]
    np.testing.assert_allclose(pair[0].covariance_first, pair[1].covariance_first, atol=1e-12)
    np.testing.assert_allclose(pair[0].mean, pair[1].leading + pair[1].first, atol=1e-13)


def test_where_the_expansion_is_not_to_be_trusted():
    report = loop_report("relu", 2**0.5, 0, 64, 20)
    # V / K^2 = 5 (t - 1) / n exceeds 1/3 from layer 6 on, 25/64.
    assert report.expansion.trusted.tolist() == [True] * 5 + [False] * 15
    assert "from layer 6 on" in report.expansion.flag and len(report.flags) == 2
    assert report.loop_parameter == pytest.approx(19 / 64)
    assert not loop_report(*TANH, 1000, 6).flags
    steps = finite_width("linear", 1, 0, 1000, 20)
    assert steps.flag == "" and steps.trusted.all()


def test_reports_hold_rows_and_print_on_one_screen():
    report = loop_report(*TANH, 32, 5, simulate=400, rng=2)
    frame = report.to_dataframe()
    assert len(frame) == 4 * 6 and (frame.error > 0).all()
    row = report.row("variance")
    assert row.layer == 5 and row.sigmas_leading > 5 > abs(row.sigmas)
    assert np.isnan(loop_report(*TANH, 32, 5).row("metric", 3).sigmas)
    pair = two_input_report(*TANH, 32, 3, simulate=400, rng=2)
    assert pair.to_dataframe().shape == (27, 9) and pair.agrees.all()
    assert len(pair.expansion.to_dataframe()) == 9
    assert len(report.expansion.to_dataframe()) == 30
    table = o_n_dictionary(*TANH)
    assert table.to_dataframe().value.notna().sum() == 9
    shown = (
        report,
        report.expansion,
        pair,
        pair.expansion,
        table,
        o_n_dictionary(),
        quenched_exponent(*TANH, 32),
        quenched_edge("relu", 0, 32),
        critical_slopes("tanh"),
        tangent_networks("relu", 1, 0, 4, 3, 5, rng=1),
    )
    for result in shown:
        lines = str(result).splitlines()
        assert len(lines) <= 24, result
        assert max(map(len, lines)) <= 110, result
        assert "nan" not in str(result), result
    assert "infinity" not in str(table)


def test_several_widths_fall_on_one_curve():
    scan = width_scan("tanh", 1.0, 0.0, [400, 200, 100], 9, q0=1.0, simulate=400, rng=3)
    frame = scan.to_dataframe()
    assert scan.widths == (100, 200, 400)
    spread = frame[frame.quantity == "relative_variance"]
    ratio = spread["first"] / spread["loop_parameter"]
    by_layer = ratio.groupby(spread["layer"])
    assert (by_layer.max() / by_layer.min() - 1).max() < 1e-9
    assert len(spread) == 24 and (spread["error"] > 0).all()
    assert len(str(scan).splitlines()) == 5
    with pytest.raises(ArgumentError, match="sequence of integers"):
        width_scan("tanh", 1, 0, [], 3)


def test_the_package_lists_what_it_has():
    import nnrg.theory.loops as loops

    assert dir(loops) == sorted(loops._HOMES) == sorted(loops.__all__)
    assert all(callable(getattr(loops, name)) for name in loops.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = loops.nothing


def test_results_are_read_only_and_reproducible():
    one, two = (tangent_networks("gelu", 1.4, 0.1, 64, 4, 3000, rng=7) for _ in range(2))
    np.testing.assert_array_equal(one.metric, two.metric)
    np.testing.assert_array_equal(one.log_tangent, two.log_tangent)
    arrays = [one.metric, one.log_tangent]
    expansion = finite_width(*TANH, 32, 3)
    arrays += [expansion.first["metric"], expansion.alignment]
    pair = two_input_finite_width("relu", 1, 0, 32, 2)
    arrays += [pair.leading, pair.covariance_second]
    assert not any(array.flags.writeable for array in arrays)
    report = [loop_report(*TANH, 32, 3, simulate=300, rng=5).row("metric") for _ in range(2)]
    assert report[0] == report[1]


def test_a_callable_is_as_good_as_a_name():
    own = finite_width(lambda z: np.tanh(z), 1.3, 0.2, 50, 4)
    named = finite_width("tanh", 1.3, 0.2, 50, 4)
    np.testing.assert_allclose(own.first["log_tangent"], named.first["log_tangent"], rtol=1e-6)


def test_large_metric_and_kinks():
    # K = 1e4: tanh is a sign but for |z| < 1, all averages are 1 - O(K^-1/2).
    wide = finite_width("tanh", 100, 0, 50, 2, q0=1e4)
    deficit = 1 - wide.leading["metric"][1] / 1e4
    assert deficit == pytest.approx(np.sqrt(2 / np.pi) / 100, rel=1e-3)
    assert wide.error < 1e-8
    assert finite_width("relu", 2**0.5, 0, 50, 3, q0=1e12).first["kurtosis"][-1] == pytest.approx(
        3 * 10 / 50
    )


STEP = Activation(
    "ramp", lambda z: np.clip(z, -1, 1), lambda z: (np.abs(z) < 1) * 1.0, np.zeros_like, (-1.0, 1.0)
)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: finite_width("tanh", 1, 0, 1, 3), "width .* at least 2|from 2"),
        (lambda: finite_width("tanh", 1, 0, [8, 8], 3), "one for each of 3 layers, got 2"),
        (lambda: finite_width("tanh", 1, 0, 8, 0), "depth"),
        (lambda: finite_width("tanh", -1, 0, 8, 3), "sigma_w > 0"),
        (lambda: finite_width("tanh", 1, -0.1, 8, 3), "sigma_b >= 0"),
        (lambda: finite_width("tanh", 1, 0, 8, 3, order=3), "order"),
        (lambda: finite_width("tanh", 1, 0, 8, 3, alignment=1.5), "alignment"),
        (lambda: finite_width("tanh", 1, 0, 8, 3, q0=0), "K of the first layer"),
        (lambda: finite_width("tanh", 1, 0, 8, 3, q0=float("nan")), "q0"),
        (lambda: finite_width("tanh", 1, 0, 8, 3).total("mass"), "quantity must be one of"),
        (lambda: finite_width("tanh", 1, 0, 8, 3, order=1).total("metric", 2), "order"),
        (lambda: two_input_finite_width(STEP, 1, 0, 8, 2), "kinks at zero only"),
        (lambda: two_input_finite_width("tanh", 1, 0, 8, 2, gram=(1, 2, 1)), "K_aa K_bb > K_ab"),
        (lambda: two_input_finite_width("tanh", 0, 0, 8, 2), "sigma_w > 0"),
        (lambda: two_input_report("tanh", 1, 1, 8, 2, gram=(0.5, 0.1, 2)), "of two inputs"),
        (lambda: two_input_report("tanh", 1, 0, 8, 2, simulate=5), "simulate"),
        (lambda: loop_report("tanh", 1, 0, 8, 1), "first layer has no correction"),
        (lambda: loop_report("tanh", 1, 0, 8, 3, simulate=5), "simulate"),
        (lambda: quenched_exponent("tanh", 1.3, 0.2, 1), "width"),
        (lambda: quenched_exponent("tanh", 1.3, 0.2, 8, q0=-1), "q0"),
        (lambda: o_n_dictionary("tanh"), "give activation, sigma_w and sigma_b"),
        (lambda: o_n_dictionary("tanh", 0, 0), "sigma_w > 0"),
        (lambda: tangent_networks("tanh", 1, 0, 8, 3, 0), "n_networks"),
        (lambda: tangent_networks("tanh", 1, 0, 8, 3, 9, q0=-1), "q0 > 0"),
        (lambda: as_widths(True, 3), "width"),
    ],
)
def test_bad_arguments_are_named(call, words):
    with pytest.raises(ArgumentError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: finite_width("relu", 3, 0, 8, 200), "signal diverges"),
        (lambda: finite_width("relu", 0.1, 0, 8, 200), "signal dies"),
        (
            lambda: two_input_finite_width("relu", 1, 0, 8, 2, gram=(1, 0.9999, 1)),
            "indistinguishable in layer",
        ),
        (lambda: two_input_finite_width("tanh", 1, 0, 8, 2, gram=(1e3, 1, 1)), "leaves"),
        (lambda: quenched_exponent("tanh", 1, 0, 8), "take critical_slopes"),
        (lambda: quenched_exponent("gelu", 2.5, 0, 8), "has no limit"),
        (lambda: quenched_edge("tanh", 0, 64), "take critical_slopes"),
        (lambda: quenched_edge("gelu", 0.1, 64), "no stable edge"),
        (lambda: quenched_edge("gelu", 0.5, 64), "no edge of chaos .* of width 64: .* no limit"),
        (lambda: critical_slopes("gelu"), "unstable"),
        (lambda: critical_slopes("cos"), "no critical point"),
        (lambda: tangent_networks("relu", 1e20, 0, 8, 20, 5, rng=1), "without bound"),
    ],
)
def test_what_cannot_be_had_is_refused(call, words):
    with pytest.raises(AnalysisError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_depths_and_scales_beyond_the_expansion_are_named():
    with pytest.raises(ArgumentError, match="from 1 to 16384"):
        finite_width("tanh", 1.2, 0.1, 100, 1 << 20)
    with pytest.raises(ArgumentError, match="at most 1e"):
        finite_width("tanh", 1e300, 0.1, 100, 3)
    with pytest.raises(ArgumentError, match="at most 1e"):
        two_input_finite_width("erf", 1e300, 0.1, 100, 3, gram=[1.0, 0.5, 1.0])
    with pytest.raises(ArgumentError, match="sequence"):
        width_scan("relu", 1.2, 0.1, 16, 3)
