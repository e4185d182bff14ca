"""Mean-field theory of one network: what it reports, and what it refuses."""

from dataclasses import FrozenInstanceError
from time import process_time

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import digamma

from nnrg.activation_functions import Activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.theory.criticality import (
    MeanField,
    approach_to_criticality,
    critical_line,
    half_stable_points,
    phase_diagram,
    uniformity_line,
)

CUBIC = Activation("cubic", lambda z: z**3, lambda z: 3 * z**2, lambda z: 6 * z)


def test_all_fixed_points_stable_and_unstable():
    # <z^6> = 15 q^3: q = 15 w q^3 + b, a cubic whose roots numpy knows.
    field = MeanField(CUBIC, 0.5, 0.1)
    roots = np.roots([15 * 0.25, 0, -1, 0.01])
    assert_allclose([p.q for p in field.fixed_points], np.sort(roots[roots > 0]), rtol=1e-12)
    assert [p.stability for p in field.fixed_points] == ["stable", "unstable"]
    for point in field.fixed_points:
        assert point.chi_par == pytest.approx(45 * 0.25 * point.q**2, rel=1e-11)
        assert point.chi_1 == pytest.approx(27 * 0.25 * point.q**2, rel=1e-11)


def test_the_fixed_point_reached_depends_on_the_start():
    below, above = MeanField(CUBIC, 0.5, 0.1, q0=0.5), MeanField(CUBIC, 0.5, 0.1, q0=0.52)
    assert below.q_star == pytest.approx(0.0100037537, rel=1e-6)
    assert np.isnan(above.q_star)
    assert "q grows" in above.divergence
    assert above.divergence in above.flag


def test_three_fixed_points_of_gelu_next_to_its_half_stable_point():
    field = MeanField("gelu", 1.99**0.5, 0.4)
    assert [p.stability for p in field.fixed_points] == ["stable", "unstable", "stable"]
    for point in field.fixed_points:
        assert field.q_map(point.q) == pytest.approx(point.q, abs=10 * point.q_error)


def test_a_fixed_point_that_is_only_touched_is_found():
    (point,) = half_stable_points("gelu")
    field = MeanField("gelu", point.sigma_w, point.sigma_b, q0=8.0)
    assert field.q_star == pytest.approx(point.q, rel=1e-6)
    assert field.fixed_points[-1].stability == "half-stable"
    assert "half-stable" in field.flag


@pytest.mark.parametrize(
    ("sigma_w", "sigma_b", "words"),
    [(1.6, 0.1, "1.28"), (2**0.5, 0.1, "adds to q"), (1.5, 0.0, "1.125")],
)
def test_relu_variance_that_diverges_is_no_number(sigma_w, sigma_b, words):
    field = MeanField("relu", sigma_w, sigma_b)
    assert np.isnan(field.q_star)
    assert words in field.divergence
    assert field.chi_1 == pytest.approx(sigma_w**2 / 2)
    assert "no limit" in str(field)


def test_a_variance_beyond_double_precision_is_named():
    field = MeanField(lambda z: np.exp(z * z), 1.0, 1.0)
    assert "finite" in field.divergence
    assert field.phase == "unknown"


def test_smooth_relatives_of_relu_diverge_likewise():
    assert MeanField("gelu", 1.5, 0.1, q0=3.0).phase == "chaotic"
    assert "1.125 > 1" in MeanField("silu", 1.5, 3.0).divergence


def test_a_map_that_falls_settles_or_alternates():
    settles = MeanField("cos", 1.0, 0.1)
    assert settles.chi_par < 0
    assert settles.q_map(settles.q_star) == pytest.approx(settles.q_star)
    steep = Activation(
        "bump",
        lambda z: np.exp(-z * z / 2),
        lambda z: -z * np.exp(-z * z / 2),
        lambda z: (z * z - 1) * np.exp(-z * z / 2),
    )
    # <phi^2> = (1 + 2 q)^(-1/2)
    field = MeanField(steep, 30.0, 0.0)
    q = field.fixed_points[0].q
    assert q * np.sqrt(1 + 2 * q) == pytest.approx(900)
    assert field.fixed_points[0].chi_par == pytest.approx(-q / (1 + 2 * q))


def test_every_variance_of_he_initialisation_is_kept():
    field = MeanField("relu", 2**0.5, 0.0, q0=3.0)
    assert (field.q_star, field.phase, field.c_star) == (3.0, "critical", 1.0)
    assert np.isinf(field.xi_q)
    assert "every q" in field.flag


@pytest.mark.parametrize("name", ["tanh", "relu", "linear", "sin"])
def test_signals_die_without_bias_in_the_ordered_phase(name):
    field = MeanField(name, 0.5, 0.0)
    assert (field.q_star, field.phase) == (0.0, "ordered")
    assert np.isnan(field.c_star)
    assert "die out" in field.flag


def test_constant_weights_of_zero():
    field = MeanField("tanh", 0.0, 0.3)
    assert field.q_star == pytest.approx(0.09)
    assert (field.chi_1, field.xi_c) == (0, 0)


@pytest.mark.parametrize(("w", "b"), [(1e6, 0.1), (1.0, 1e6), (1e-3, 1e-9), (1e5, 1e5)])
def test_fixed_points_of_extreme_networks(w, b):
    # <erf^2> = 2 / pi arctan(2 q / sqrt(1 + 4 q))
    field = MeanField("erf", w, b)
    q = field.q_star
    square = 2 / np.pi * np.arctan2(2 * q, np.sqrt(1 + 4 * q))
    assert field.divergence == ""
    assert q == pytest.approx(w * w * square + b * b, rel=1e-12)
    assert phase_diagram("erf", [w], [b]).q[0, 0] == pytest.approx(q, rel=1e-12)


def test_correlation_fixed_point_is_one():
    for name, w, b in (("tanh", 2.0, 0.3), ("erf", 3.0, 0.1), ("silu", 1.45, 0.5), ("sin", 2, 0.4)):
        field = MeanField(name, w, b)
        if field.phase != "chaotic":
            assert field.c_star == 1
            continue
        trajectory = field.propagate(1, c0=field.c_star)
        again = MeanField(name, w, b, q0=field.q_star).propagate(1, c0=field.c_star)
        assert trajectory.q.shape == (2,)
        assert again.c[1] == pytest.approx(field.c_star, abs=1e-10)


def test_odd_functions_without_bias_decorrelate_in_the_chaotic_phase():
    assert MeanField("tanh", 1.5, 0.0).c_star == 0


def test_slope_at_c_star_is_the_rate_of_approach():
    field = MeanField("tanh", 2.5, 0.2)
    steps = MeanField("tanh", 2.5, 0.2, q0=field.q_star).propagate(12, c0=field.c_star + 1e-4)
    rates = (steps.c[1:] - field.c_star) / (steps.c[:-1] - field.c_star)
    assert rates[-1] == pytest.approx(field.chi_c, rel=1e-4)


def test_fixed_points_beyond_the_search_are_not_called_critical():
    # q* = 1e61 and 1e60 are finite, but not looked for.
    steep, biased = MeanField("tanh", 10**30.5, 0.1), MeanField("tanh", 1, 1e30)
    assert "where the search for fixed points ends" in steep.divergence
    assert "where the search for fixed points ends" in biased.divergence
    assert steep.phase == "unknown"
    assert biased.phase == "ordered"


def test_trajectory_of_a_diverging_variance_stops():
    trajectory = MeanField("relu", 1e30, 0.0).propagate(10)
    assert np.isnan(trajectory.q[-1])
    assert "double precision" in trajectory.note
    assert len(trajectory.to_dataframe()) == 11
    assert "double precision" in str(trajectory)


def test_one_minus_c_keeps_its_digits():
    field = MeanField("tanh", 1.3, 0.2)
    start = MeanField("tanh", 1.3, 0.2, q0=field.q_star)
    e = start.propagate(3, c0=1 - 2.0**-50).one_minus_c
    assert_allclose(e[1:] / e[:-1], field.chi_1, rtol=1e-12)


def test_lyapunov_annealed_and_quenched():
    field = MeanField("relu", 2**0.5, 0.0)
    assert field.lyapunov().value == pytest.approx(0, abs=1e-15)
    # He initialisation: r = 2, E ln |v|^2 = -5 / (2 n) per layer
    typical = field.lyapunov("quenched", width=100)
    assert 2 * typical.value == pytest.approx(-5 / 200, rel=1e-12)
    assert field.lyapunov("annealed", width=100).value == pytest.approx(0, abs=1e-15)
    assert field.lyapunov("quenched").value == pytest.approx(0, abs=1e-15)
    smooth = MeanField("tanh", 1.5, 0.1).lyapunov("quenched", width=64)
    assert "nnrg.theory.loops" in str(smooth)
    assert smooth.error > abs(smooth.correction)


@pytest.mark.parametrize(("name", "sigma_w", "r"), [("linear", 1.0, 1), ("relu", 2**0.5, 2)])
def test_error_of_the_quenched_exponent_covers_the_exact_one(name, sigma_w, r):
    # exact: E ln of sums of squares, over the number m of neurons that are alive, at least one
    for n in (4, 16, 100):
        alive = np.arange(1, n + 1)
        chance = stats.binom.pmf(alive, n, 1 / r)
        mean = (chance * (digamma(alive / 2) + np.log(2 * r / n))).sum() / chance.sum()
        obtained = MeanField(name, sigma_w, 0.0).lyapunov("quenched", width=n)
        assert abs(obtained.value - mean / 2) <= obtained.error


def test_results_are_frozen_and_print_on_one_screen():
    field = MeanField("tanh", 1.3, 0.2)
    with pytest.raises(FrozenInstanceError):
        field.sigma_w = 2.0
    line = critical_line("tanh", sigma_b=np.linspace(0, 1, 60))
    for text in (field, line, uniformity_line("erf"), approach_to_criticality("erf", *_erf_edge())):
        assert len(str(text).splitlines()) <= 24
    with pytest.raises(ValueError, match="read-only"):
        line.q[0] = 1.0


def _erf_edge(q=0.5):
    w2 = np.pi / 4 * np.sqrt(1 + 4 * q)
    return w2**0.5, (q - w2 * 2 / np.pi * np.arcsin(2 * q / (1 + 2 * q))) ** 0.5


def test_critical_line_by_each_of_its_columns():
    by_q = critical_line("silu", q=[16.0, 20.0])
    by_b = critical_line("silu", sigma_b=by_q.sigma_b)
    by_w = critical_line("silu", sigma_w=by_q.sigma_w)
    assert_allclose(by_b.q, [16, 20], rtol=1e-9)
    assert_allclose(by_w.q, [16, 20], rtol=1e-9)
    assert_allclose(by_w.sigma_b, by_q.sigma_b, rtol=1e-9)
    for line in (by_q, by_b, by_w):
        for i in range(2):
            field = MeanField("silu", line.sigma_w[i], line.sigma_b[i], q0=line.q[i])
            assert field.phase == "critical"
            assert field.xi_q == pytest.approx(line.xi_q[i], rel=1e-6)


def test_critical_line_says_where_there_is_no_point():
    line = critical_line("tanh", sigma_w=[0.9, 1.0, 1.2])
    assert np.isnan(line.q[0])
    assert "no fixed point" in line.flags[0]
    assert (line.q[1], line.flags[1:]) == (0, ("", ""))
    assert line.to_dataframe().shape == (3, 12)
    assert "unstable" in critical_line("gelu", sigma_b=[0.1]).flags[0]


def test_a_function_flat_at_zero_is_not_critical_there():
    line = critical_line(np.square, sigma_b=[0.0, 0.1])
    assert np.isnan(line.sigma_w[0])
    assert line.solutions[0] == 0
    assert_allclose(line.sigma_w[1], 2.5, rtol=1e-9)  # sigma_w^2 = 1 / 4q, sigma_b^2 = q / 4


def test_critical_line_without_any_point_is_refused():
    with pytest.raises(AnalysisError, match="no critical point"):
        critical_line("tanh", sigma_w=[0.5, 0.9])
    with pytest.raises(AnalysisError, match=r"sigma_w = 1\.414"):
        critical_line("relu", sigma_b=[0.1, 0.2])


def test_scale_invariant_functions_are_critical_at_a_point():
    line = critical_line("leaky_relu:0.5", sigma_b=[0.0, 0.1])
    assert_allclose(line.sigma_w, [(2 / 1.25) ** 0.5, np.nan])
    assert half_stable_points("relu") == ()


def test_uniformity_line_is_a_line_of_equal_variance():
    line = uniformity_line("tanh", sigma_w=[0.5, 1.3, 3.0])
    assert np.isnan(line.sigma_b[2])
    for w, b in zip(line.sigma_w[:2], line.sigma_b[:2], strict=True):
        assert MeanField("tanh", w, b).q_star == pytest.approx(line.q, rel=1e-10)
    assert uniformity_line("erf").to_dataframe().shape == (50, 3)


def test_uniformity_of_a_shifted_and_scaled_function_is_the_same():
    # sigmoid(z) = (1 + tanh(z / 2)) / 2
    assert uniformity_line("sigmoid").q == pytest.approx(4 * uniformity_line("tanh").q, rel=1e-12)
    assert uniformity_line("sigmoid").kl == pytest.approx(uniformity_line("tanh").kl, abs=1e-12)


@pytest.mark.parametrize("name", ["relu", "gelu", "linear", "sin"])
def test_what_has_no_largest_entropy_is_refused(name):
    with pytest.raises(AnalysisError, match=r"increase|bounded"):
        uniformity_line(name)


def test_approach_needs_a_critical_point():
    with pytest.raises(AnalysisError, match="critical_line"):
        approach_to_criticality("tanh", 1.3, 0.2)
    with pytest.raises(AnalysisError, match="adds to q"):
        approach_to_criticality("relu", 2**0.5, 0.1)
    with pytest.raises(AnalysisError, match="no power law"):
        approach_to_criticality("erf", *_erf_edge()).law("q - q*")


@pytest.mark.parametrize("name", ["tanh", "gelu", "relu", "erf"])
def test_phase_diagram_is_that_of_its_points(name):
    w, b = np.array([0.0, 0.6, 1.2, 1.414, 1.5, 3.0]), np.array([0.0, 0.2, 0.9])
    diagram = phase_diagram(name, w, b)
    codes = {"ordered": -1, "critical": 0, "chaotic": 1}
    for i, j in np.ndindex(3, 6):
        field = MeanField(name, w[j], b[i])
        here = {key: getattr(diagram, key)[i, j] for key in ("q", "c", "xi_q", "xi_c", "phase")}
        if field.divergence:
            assert (here["phase"], np.isnan(here["q"])) == (2, True)
            continue
        assert here["phase"] == codes[field.phase]
        known = [field.q_star, field.c_star, field.xi_q, field.xi_c]
        obtained = [here[key] for key in ("q", "c", "xi_q", "xi_c")]
        assert_allclose(obtained, known, rtol=1e-8, atol=1e-8, equal_nan=True)
    assert diagram.to_xarray().xi_c.dims == ("sigma_b", "sigma_w")
    assert len(str(diagram).splitlines()) == 5


def test_phase_diagram_next_to_the_edge_falls_back_on_quadrature():
    line = critical_line("tanh", sigma_b=[0.3])
    w = line.sigma_w[0] * (1 + np.array([1e-7, 1e-5]))
    diagram = phase_diagram("tanh", w, [0.3])
    for j in range(2):
        field = MeanField("tanh", w[j], 0.3)
        assert diagram.c[0, j] == pytest.approx(field.c_star, abs=1e-13)
        assert diagram.xi_c[0, j] == pytest.approx(field.xi_c, rel=1e-4)


def test_phase_diagram_at_critical_points():
    relu = phase_diagram("relu", [1.0, 2**0.5, 1.5], [0.0, 0.1], q0=3.0)
    assert relu.phase.tolist() == [[-1, 0, 2], [-1, 2, 2]]
    assert (relu.q[0, 1], relu.xi_c[0, 1]) == (3.0, np.inf)
    tanh = phase_diagram("tanh", [1.0], [0.0])
    assert (tanh.phase[0, 0], tanh.q[0, 0]) == (0, 0)


def test_phase_diagram_of_a_map_that_falls_is_refused():
    with pytest.raises(AnalysisError, match="point by point"):
        phase_diagram("cos", [1.0], [0.1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: phase_diagram("tanh", [1.0, 0.5], [0.1]), "increasing"),
        (lambda: phase_diagram("tanh", [1.0], [-0.1]), "sigma_b"),
        (lambda: phase_diagram("tanh", [1.0], [0.1], q0=0), "q0"),
        (lambda: MeanField("tanh", -1.0, 0.1), "sigma_w"),
        (lambda: MeanField("tanh", 1.0, -0.1), "sigma_b"),
        (lambda: MeanField("tanh", np.nan, 0.1), "finite"),
        (lambda: MeanField("tanh", 1.0, 0.1, q0=0.0), "q0"),
        (lambda: MeanField("tang", 1.0, 0.1), "activation"),
        (lambda: MeanField(lambda z: np.sqrt(z), 1.0, 0.1), "finite"),
        (lambda: MeanField("tanh", 1.0, 0.1).propagate(0), "depth"),
        (lambda: MeanField("tanh", 1.0, 0.1).propagate(3, c0=1.5), "c0"),
        (lambda: MeanField("tanh", 1.0, 0.1).lyapunov("dmft"), "kind"),
        (lambda: MeanField("tanh", 1.0, 0.1).lyapunov(width=1), "width"),
        (lambda: critical_line("tanh"), "exactly one"),
        (lambda: critical_line("tanh", q=[1.0], sigma_b=[1.0]), "exactly one"),
        (lambda: critical_line("tanh", sigma_b=[-1.0]), "at least"),
        (lambda: critical_line("tanh", q=[0.0]), "above"),
        (lambda: critical_line("tanh", sigma_b="wide"), "finite"),
        (lambda: uniformity_line("tanh", sigma_w=[-1.0]), "at least zero"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()


def test_quenched_exponent_of_a_variance_that_diverges_is_taken_far_out():
    relu, gelu = (
        MeanField(name, 2.0, 0.1).lyapunov("quenched", width=100) for name in ("relu", "gelu")
    )
    assert_allclose(gelu.correction, relu.correction, rtol=1e-3)  # 0.005 at small q


def test_a_function_that_grows_fast_is_answered_soon():
    start = process_time()
    field = MeanField(lambda z: z**3, 1.2, 0.1)
    assert "q grows" in field.divergence
    assert "chaotic" in str(field)
    assert process_time() - start < 2  # 0.5 where derivatives that nothing needs are left out


def test_grids_and_kinds_that_are_none_are_named():
    with pytest.raises(ArgumentError, match="at most 1e"):
        critical_line("tanh", sigma_b=[1e300])
    for grid in ("abc", 1j, [1e300]):
        with pytest.raises(ArgumentError, match="sigma_w"):
            uniformity_line("tanh", sigma_w=grid)
    with pytest.raises(ArgumentError, match="kind"):
        MeanField("tanh", 1.2, 0.1).lyapunov(np.zeros(3))
