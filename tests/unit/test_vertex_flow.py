"""The flow of synaptic vertices: what is refused, printed, written and drawn."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from unit.test_plot import check_layout

import nnrg
from nnrg import cli, plot
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.lattice import Lattice
from nnrg.simulate.training import Adam, GradientDescent, HeavyBall, exponential_inputs
from nnrg.theory.synaptic._elimination import Elimination, block_modes, eliminate, inverse_kernel
from nnrg.theory.synaptic.coarse_graining import coarse_grain_vertices
from nnrg.theory.synaptic.perceptron import perceptron_vertices
from nnrg.theory.synaptic.support_law import relaxed_law
from nnrg.theory.synaptic.trained_flow import compare_kernel_flow
from nnrg.theory.synaptic.trained_law import training_law
from nnrg.theory.synaptic.vertex_flow import VertexFlow

STYLES = ["aps", "nature"]


@cache
def inputs():
    return exponential_inputs(100, 16, correlation_length=3.0, rng=1).inputs


@cache
def weights():
    """Least squares on noise of unit variance: kernel 100 times that of the data."""
    noise = np.random.default_rng(2).normal(size=(100, 320))
    return np.linalg.lstsq(inputs(), noise)[0].T


def linear(x=None, y=None, **options):
    x = inputs() if x is None else x
    return perceptron_vertices(x, y, activation="linear", order=2, **options)


@cache
def law(steps=300):
    return training_law(
        linear(), optimiser=HeavyBall(0.1, 0.8), steps=steps, sigma_w=0.5, label_noise=1.0
    )


@cache
def compared():
    untrained = np.random.default_rng(3).normal(0, 0.5, size=(320, 16))
    flow = coarse_grain_vertices(linear(sites=Lattice(16, periodic=True)), levels=2)
    return flow, compare_kernel_flow(flow, weights(), permutations=20, untrained=untrained, rng=4)


@cache
def quartic():
    ring = Lattice(16, periodic=True)
    vertices = perceptron_vertices(inputs(), order=6, sites=ring)
    return coarse_grain_vertices(vertices, levels=2, temperature=1e-3)


# Loops and exchange.


def test_both_ways_of_exchange_agree():
    """Few blocks and many: by cubic vertices, and by pairs of samples."""
    rng = np.random.default_rng(5)
    third, fourth = rng.normal(size=(2, 40))
    for sites, count in ((4, 2), (30, 15)):
        x = rng.normal(size=(40, sites))
        found = eliminate(inverse_kernel(x.T @ x / 40), block_modes(Lattice(sites), sites // count))
        got = found.loop(x, third, fourth)
        dressed, spread = x @ found.response, x @ found.fast @ x.T
        tadpole = (third * np.diag(spread)) @ spread / 40
        expected = (dressed.T * (fourth * np.diag(spread) - third * tadpole)) @ dressed / 80
        cubic = dressed * third[:, None]
        expected -= cubic.T @ spread**2 @ cubic / 3200
        np.testing.assert_allclose(got, expected, atol=1e-10)


def test_nothing_is_eliminated_from_single_sites():
    kernel = inputs().T @ inputs() / 100
    found = eliminate(inverse_kernel(kernel), np.eye(16))
    assert isinstance(found, Elimination) and not found.fast.any()
    assert not found.loop(inputs(), np.ones(100), np.ones(100)).any()


# What is refused.


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: coarse_grain_vertices(inputs()), ArgumentError, "PerceptronVertices"),
        (lambda: coarse_grain_vertices(linear(), levels=0), ArgumentError, "levels"),
        (lambda: coarse_grain_vertices(linear(), output=1), ArgumentError, "output"),
        (lambda: compare_kernel_flow("flow", weights()), ArgumentError, "flow must be"),
        (lambda: compare_kernel_flow(law(), weights()[:, :4]), ArgumentError, "shape"),
        (lambda: compare_kernel_flow(law(), weights()[0]), ArgumentError, "shape"),
        (lambda: compare_kernel_flow(law(), weights()[:17]), AnalysisError, "too few"),
        (lambda: compare_kernel_flow(law(), np.ones((99, 16))), AnalysisError, "the same"),
        (lambda: compare_kernel_flow(law(), weights() * np.nan), NonFiniteError, "finite"),
        (lambda: compare_kernel_flow(law(), weights(), temperature=1.0), ArgumentError, "law"),
        (lambda: compare_kernel_flow(law(), weights(), levels=5), ArgumentError, "divide"),
        (lambda: compare_kernel_flow(law(), weights(), permutations=1), ArgumentError, "permut"),
        (lambda: compare_kernel_flow(compared()[0], weights(), reach=2), ArgumentError, "reach"),
        (lambda: compare_kernel_flow(compared()[0], weights(), levels=3), ArgumentError, "levels"),
        (
            lambda: compare_kernel_flow(
                law(), nnrg.SynapticField(weights().reshape(-1, 8, 2), Lattice((8, 2)))
            ),
            ArgumentError,
            "must live on",
        ),
        (lambda: compared()[1].null_p("shuffled"), ArgumentError, "permuted, untrained"),
        (lambda: law().kernel(3), ArgumentError, "divide"),
    ],
)
def test_bad_arguments_are_named(call, error, match):
    with pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize(
    ("vertices", "options", "error", "match"),
    [
        (lambda: "x", {}, ArgumentError, "PerceptronVertices"),
        (linear, {"optimiser": Adam(0.1)}, ArgumentError, "no linear map"),
        (linear, {"optimiser": "sgd"}, ArgumentError, "optimiser must be"),
        (linear, {"steps": -1}, ArgumentError, "steps"),
        (linear, {"sigma_w": -1.0}, ArgumentError, "at least 0"),
        (linear, {"label_noise": np.nan}, ArgumentError, "label_noise"),
        (linear, {"batch": 101}, ArgumentError, "batch"),
        (linear, {"output": 2}, ArgumentError, "output"),
        (linear, {"optimiser": GradientDescent(5.0), "steps": 99}, ArgumentError, "diverges"),
        (
            lambda: perceptron_vertices(inputs(), np.ones(100), order=2),
            {},
            AnalysisError,
            "exact fit",
        ),
        (
            lambda: perceptron_vertices(inputs(), np.zeros(100), order=2),
            {"batch": 4},
            AnalysisError,
            "without teacher and batch",
        ),
        (
            lambda: perceptron_vertices(inputs(), activation="linear", order=1),
            {},
            AnalysisError,
            "V_2",
        ),
    ],
)
def test_laws_of_other_trainings_are_refused(vertices, options, error, match):
    with pytest.raises(error, match=match):
        training_law(vertices(), **{"optimiser": GradientDescent(0.1), "steps": 10, **options})


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: relaxed_law("x"), ArgumentError, "PerceptronVertices"),
        (lambda: relaxed_law(linear(), least_curvature=-1.0), ArgumentError, "negative"),
        (lambda: relaxed_law(linear(), least_curvature=np.nan), ArgumentError, "least_curvature"),
        (lambda: relaxed_law(linear(), least_curvature=99.0), ArgumentError, "take less"),
        (lambda: relaxed_law(linear(), output=1), ArgumentError, "output"),
        (lambda: relaxed_law(linear(np.zeros((9, 4)))), AnalysisError, "no positive curvature"),
        (
            lambda: relaxed_law(perceptron_vertices(inputs(), activation="linear", order=1)),
            AnalysisError,
            "V_2",
        ),
        (
            lambda: compare_kernel_flow(relaxed_law(linear()), weights(), temperature=0.0),
            ArgumentError,
            "above zero",
        ),
    ],
)
def test_laws_of_no_support_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_the_law_of_all_modes_is_the_kernel_of_the_data():
    """Without a cut it is the eliminated flow, with the same fitted temperature."""
    _, found = compared()
    whole = relaxed_law(linear(sites=Lattice(16, periodic=True)))
    same = compare_kernel_flow(whole, weights(), levels=2)
    np.testing.assert_allclose(same.deviations(), found.deviations(), rtol=1e-6, atol=1e-9)
    assert same.temperature.value == pytest.approx(found.temperature.value, rel=1e-10)
    assert "at the end of training" in str(whole) and "16 of 16 modes" in str(whole)
    given = compare_kernel_flow(whole, weights(), levels=2, temperature=0.01)
    assert "temperature 0.01 given" in str(given)
    bent = perceptron_vertices(inputs(), order=2, sites=Lattice(16, periodic=True))
    unknown = compare_kernel_flow(coarse_grain_vertices(bent, levels=2), weights())
    assert np.isnan(unknown.fourth_deviations()).all() and "not predicted" in str(unknown)


def test_a_law_without_noise_has_no_kernel():
    sure = training_law(linear(), optimiser=HeavyBall(0.1, 0.8), steps=20)
    with pytest.raises(AnalysisError, match="sigma_w or label_noise"):
        sure.kernel()


def test_cancelling_batches_and_large_steps_are_flagged():
    y = np.random.default_rng(6).normal(size=100)
    options = {"sigma_w": 0.1, "batch": 2}
    long = training_law(linear(y=y), optimiser=GradientDescent(0.02), steps=60, **options)
    assert any("one epoch" in flag for flag in long.flags)
    coarse = training_law(linear(y=y), optimiser=GradientDescent(0.1), steps=29, **options)
    assert any("own motion" in flag for flag in coarse.flags)
    assert "flag" in str(coarse)


def test_batches_that_make_no_noise():
    """All samples at once, or labels that are fitted from the start."""
    options = {"optimiser": GradientDescent(0.1), "steps": 9}
    y = np.random.default_rng(14).normal(size=100)
    whole = training_law(linear(y=y), batch=100, sigma_w=1.0, **options)
    plain = training_law(linear(y=y), sigma_w=1.0, **options)
    np.testing.assert_array_equal(whole.covariance, plain.covariance)
    still = training_law(linear(), batch=5, **options)
    assert not still.covariance.any() and still.flags == ()


def test_a_source_far_from_the_minimum_is_flagged():
    # Skewed inputs: V_3 of one sign, and labels that no weight near zero fits.
    x = np.random.default_rng(7).exponential(size=(200, 8))
    y = x[:, 0] - x[:, 1]
    flow = coarse_grain_vertices(perceptron_vertices(x, 2 * y, order=4), levels=2)
    assert any("expand at the minimum" in flag for flag in flow.flags)


# What is said.


def test_verdicts():
    flow, found = compared()
    assert found.agrees and found.quadratic
    chi2, n, joint = found.joint()
    assert n == 6 and joint > 0.01
    assert found.verdict == (
        f"flows as predicted from the data (adjusted p = {found.p:.2g}; together chi^2 = "
        f"{chi2:.1f} of 6 numbers, p = {joint:.2g}), apart from permuted and untrained fields"
    )
    other = compare_kernel_flow(flow, np.random.default_rng(8).normal(size=(320, 16)))
    assert other.verdict.startswith("does not flow as predicted")
    # Fields of white data are like fields that are permuted: nothing is learned from that.
    x = np.random.default_rng(9).normal(size=(4000, 8))
    white = np.random.default_rng(10).normal(size=(320, 8)) / 4000**0.5
    white_law = training_law(linear(x), optimiser=HeavyBall(0.3, 0.8), steps=200, label_noise=1.0)
    told = compare_kernel_flow(white_law, white, permutations=8, rng=11)
    assert told.verdict.startswith("cannot be told: agrees") and "permuted" in told.verdict
    # No number is far off by itself, all together are: along what they hardly vary in.
    numbers = found.measured[0].derived(
        np.concatenate([m.values for m in found.measured]),
        np.hstack([m.replicates for m in found.measured]),
    )
    values, directions = np.linalg.eigh(numbers.covariance())
    off = np.split(8 * values[0] ** 0.5 * directions[:, 0], 2)
    shifted = tuple(
        m.map(lambda row, by=by: row + by) for m, by in zip(found.measured, off, strict=True)
    )
    bent = replace(found, predicted=shifted)
    assert bent.p > 0.01 and bent.joint()[2] < 1e-4 and bent.joint()[0] == pytest.approx(64)
    assert bent.verdict.startswith("does not flow") and "; together chi^2" in bent.verdict
    # Fields that are not Gaussian.
    heavy = np.random.default_rng(12).standard_t(3, size=(320, 8))
    heavy = compare_kernel_flow(white_law, heavy / 4000**0.5)
    assert not heavy.quadratic and heavy.fourth_deviations().max() > 3
    assert not heavy.fourth_predicted.any() and "by scale: 0 | " in str(heavy)


def test_results_print_tabulate_and_tell_their_source():
    flow, found = compared()
    text = str(found)
    assert "together chi^2" in text and "permuted fields" in text
    frame = found.to_dataframe()
    assert {"permuted", "permuted_spread", "untrained"} < set(frame)
    assert found.provenance["inputs_sha256"] == flow.provenance["inputs_sha256"]
    assert {"fields_sha256", "seed"} < set(found.provenance)
    again = compare_kernel_flow(flow, weights(), permutations=20, rng=4)
    np.testing.assert_array_equal(again.nulls["permuted"].values, found.nulls["permuted"].values)
    assert "nothing fitted" in str(compare_kernel_flow(law(), weights()))
    assert "temperature 0.01 given" in str(compare_kernel_flow(flow, weights(), temperature=0.01))
    assert law().provenance["optimiser"]["momentum"] == 0.8
    assert law().relaxed == 1.0 and "100% of the modes relaxed" in str(law())
    modes = law().to_dataframe()
    assert (np.diff(modes["curvature"]) <= 0).all() and len(modes) == 16
    few = compare_kernel_flow(flow, weights(), levels=1, distances=2)
    assert few.scales == (1,) and np.isfinite(few.joint()[2])


def test_flow_of_higher_vertices_in_a_table():
    flow = quartic()
    frame = flow.to_dataframe().set_index(["scale", "scheme"])
    high = flow.scales[1].higher
    row = frame.loc[2, "eliminated"]
    assert row["V4:contact"] == high.contact.values[1]
    assert row["V6:uniform_error"] == high.uniform.errors()[3]
    assert row["V4:uniform_loop"] == high.uniform_loop.values[2]
    assert frame.loc[2, "projected"]["V4:plateau"] == high.plateau().value
    assert "V_4" in str(flow) and "V_6" in str(flow)
    assert {"tail", "exponent", "exponent_chi2", "rate_dof"} < set(frame)
    # All displacements of a ring are in k_0: it is the kernel of the uniform field.
    assert row["V2:uniform_loop"] == pytest.approx(row["loop_k0"])
    assert flow.scales[0].higher.uniform_loop.values.tolist() == [0.0] * 3
    assert coarse_grain_vertices(linear(), levels=2).scales[0].higher is None


def test_one_output_of_several_and_of_a_softmax():
    y = np.random.default_rng(13).normal(size=(100, 2))
    both = perceptron_vertices(inputs(), y, order=4)
    second = perceptron_vertices(inputs(), y[:, 1], order=4)
    one = coarse_grain_vertices(both, levels=2, output=1).scales[1]
    same = coarse_grain_vertices(second, levels=2).scales[1]
    np.testing.assert_array_equal(one.higher.contact.values, same.higher.contact.values)
    classes = np.arange(100) % 3
    flow = coarse_grain_vertices(
        perceptron_vertices(inputs(), classes, activation="linear", order=4, loss="cross_entropy"),
        levels=2,
    )
    assert any("other outputs fixed" in a for a in flow.assumptions)
    assert flow.scales[1].eliminated_vertices.contract(np.ones(8), np.ones(8)).value > 0


# Figures.


def panels():
    flow, found = compared()
    return {
        "flow": lambda ax: plot.kernel_flow(found, ax=ax),
        "k0": lambda ax: plot.kernel_flow(found, "k0", ax=ax),
        "range": lambda ax: plot.kernel_flow(found, "range", ax=ax),
        "deviations": lambda ax: plot.kernel_deviations(found, ax=ax),
        "vertex": lambda ax: plot.vertex_flow(flow, "k0", trained=found, ax=ax),
        "quartic": lambda ax: plot.vertex_flow(quartic(), "V4:contact", null=quartic(), ax=ax),
    }


@pytest.mark.parametrize("style", STYLES)
def test_no_text_overlaps(style):
    check_layout(plot.page(*panels().values(), style_name=style, note="assumed: much " * 9))
    check_layout(plot.page(panels()["deviations"], style_name=style))


def test_what_is_drawn_is_what_was_measured():
    flow, found = compared()
    ax = plot.kernel_flow(found)
    unit = found.predicted[0].values[0]
    drawn = [line.get_ydata() for line in ax.lines]
    predicted = np.array([p.values for p in found.predicted])[:, 0] / unit
    assert any(np.array_equal(y, predicted) for y in drawn)
    bars = [c for c in ax.containers if isinstance(c, ErrorbarContainer)]
    assert len(bars) == found.distances.size
    segments = np.array(bars[0][2][0].get_segments())[:, :, 1]
    measured = np.array([m.values[0] for m in found.measured]) / unit
    errors = np.array([m.errors()[0] for m in found.measured]) / unit
    np.testing.assert_allclose(segments.mean(axis=1), measured)
    np.testing.assert_allclose(np.diff(segments, axis=1)[:, 0] / 2, errors)
    names = {text.get_text() for text in ax.get_legend().get_texts()}
    assert {"permuted", "untrained", "predicted"} < names
    z = plot.kernel_deviations(found)
    assert any(np.array_equal(line.get_ydata(), found.deviations()[:, 0]) for line in z.lines)
    v = plot.vertex_flow(flow, "M2:0", trained=found)
    assert "trained" in {text.get_text() for text in v.get_legend().get_texts()}


def test_figures_refuse_what_they_cannot_draw():
    flow, found = compared()
    ring = Lattice(16, periodic=True)
    other = coarse_grain_vertices(linear(2 * inputs(), sites=ring), levels=2)
    few = replace(flow, scales=flow.scales[:1])
    assert isinstance(few, VertexFlow)
    for call, match in (
        (lambda: plot.kernel_flow(found, "mass"), "quantity must be"),
        (lambda: plot.vertex_flow(flow, "V4:contact"), "quantity must be"),
        (lambda: plot.vertex_flow(other, "k0", trained=found), "compared with this flow"),
        (lambda: plot.vertex_flow(flow, "far_share", trained=found), "k0, M2, Z and range"),
        (lambda: plot.vertex_flow(quartic(), "V4:contact", null=flow), "same order"),
    ):
        with pytest.raises(ArgumentError, match=match):
            call()


# The command.


def test_command_trains_and_compares(tmp_path, capsys):
    words = ["theory", "synaptic", "--flow", "--covariance", "exponential:2", "--sites", "16"]
    words += ["--samples", "100", "--learning-rate", "0.1", "--steps", "100", "--seed", "1"]
    assert cli.main([*words, "--json", "--quiet", "-o", str(tmp_path)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["against_law"]["agrees"] and printed["against_data"]["agrees"]
    assert printed["against_law"]["null_p"]["permuted"] < 0.01
    assert printed["law"]["steps"] == 100 and printed["vertices"]["rows"]
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {f"synaptic.{e}" for e in ("json", "csv", "pdf", "png")}


def test_command_compares_what_a_singular_kernel_has(capsys):
    """Fewer samples than sites: on the modes that the data have."""
    words = ["theory", "synaptic", "--flow", "--covariance", "exponential:2", "--sites", "16"]
    words += ["--samples", "12", "--learning-rate", "0.1", "--steps", "300", "--seed", "1"]
    assert cli.main([*words, "--json", "--quiet"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["vertices"] is None and printed["against_data"]["agrees"]
    assert printed["against_data"]["null_p"]["untrained"] < 0.01


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ([], "needs data"),
        (["--record", "x.safetensors"], "leave --record out"),
        (["--covariance", "white", "--staggered"], "--staggered"),
        (["--covariance", "white", "--sites", "9"], "power of two"),
        (["--covariance", "white", "--sites", "8", "--learning-rate", "9"], "diverged"),
    ],
)
def test_command_refuses(words, match, capsys):
    code = cli.main(["theory", "synaptic", "--flow", "--quiet", "--no-progress", *words])
    said = capsys.readouterr().err
    assert code != 0 and match in said and len(said.splitlines()) == 1
