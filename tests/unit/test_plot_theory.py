"""Figures of theories: what is drawn is what was measured and predicted, and nothing overlaps."""

import re
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from unit.test_plot import check_layout, pdf_text, texts

import nnrg
from nnrg import plot
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate import DenseNetwork, random_networks
from nnrg.theory.correlators import CosNet, ReLUNet, cluster_test, width_scaling
from nnrg.theory.criticality import MeanField, critical_line, uniformity_line
from nnrg.theory.edgeworth import reconstruct_action
from nnrg.theory.information_flow import gaussian_modes, sigma_flow, wilsonian_flow
from nnrg.theory.loops import two_input_finite_width, width_scan
from nnrg.theory.placement import block_flow, layer_scales, signal_flow
from nnrg.theory.recurrent import chaos_transition, compare_recurrent, rnn_dmft

STYLES = ["aps", "nature"]
SEED = 7


@cache
def line(name="tanh"):
    return critical_line(name, sigma_b=np.linspace(0, 1, 40))


@cache
def layers():
    rng = np.random.default_rng(SEED)
    return [
        layer_scales(rng.normal(0, w / 8, (64, 64)), rng.normal(0, 0.3, 64)) for w in (1.2, 1.6)
    ]


@cache
def decay():
    """Trajectory, two ensembles that start where it does, and their expansions."""
    q = MeanField("tanh", 1.2, 0.2).q_star
    field = MeanField("tanh", 1.2, 0.2, q0=q)
    own = q - field.b2
    cosine = (0.5 * q - field.b2) / own
    inputs = np.sqrt(2 * own / field.w2) * np.array([[1, 0], [cosine, np.sqrt(1 - cosine**2)]])
    runs = [
        random_networks(
            DenseNetwork("tanh", 1.2, 0.2, width=n, depth=6), inputs, 200, order=2, rng=SEED
        )
        for n in (16, 64)
    ]
    gram = (q, 0.5 * q, q)
    expansions = [two_input_finite_width("tanh", 1.2, 0.2, n, 4, gram=gram, order=1) for n in (16,)]
    return field.propagate(6, c0=0.5), runs, expansions


@cache
def scan():
    return width_scan("tanh", 1, 0, [16, 64, 256], 12, simulate=400, rng=SEED)


@cache
def scaling():
    return width_scaling(CosNet(width=8), [0.0] * 4, (4, 8, 16, 32, 64), n_networks=3000, rng=SEED)


@cache
def action():
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=40_000)
    x = x[rng.random(x.size) < np.exp(-0.05 * x**4)]
    return reconstruct_action(x[:, None], order=2)


def true_action(x):
    return x**2 / 2 + 0.05 * x**4


@cache
def recurrence():
    one = compare_recurrent("tanh", 1.6, widths=(32, 48, 64), n_networks=3, duration=20.0, rng=SEED)
    return one, [rnn_dmft("tanh", g) for g in (0.8, 1.6)], chaos_transition("tanh")


@cache
def placed():
    rng = np.random.default_rng(SEED)
    weights = rng.normal(size=(100, 64))
    field = nnrg.SynapticField(weights + 0.3 * np.roll(weights, 1, axis=1), nnrg.Lattice(64))
    chain = [(rng.normal(0, 0.15, (64, 64)), None) for _ in range(4)]
    return block_flow(field), signal_flow(chain, "tanh", draws=8, rng=SEED)


@cache
def information():
    modes = wilsonian_flow(gaussian_modes(np.arange(1, 301.0) ** -2), n_data=60, ridge=0.1)
    grid = np.linspace(-2, 2, 5)[:, None]
    return modes, sigma_flow(CosNet(width=16), grid, [1, 1.5, 2], n_networks=2000, rng=SEED)


@cache
def panels():
    """Every figure at the number of panels that the command line draws."""
    cells = [MeanField("tanh", w, b) for w in (0.8, 1.0, 1.2) for b in (0.1, 0.3)]
    trajectory, runs, expansions = decay()
    one, fields, onset = recurrence()
    blocks, depth = placed()
    modes, sigma = information()
    found = action()
    curves = [found.compare(true_action, np.linspace(-3, 3, 41), kind=k) for k in found.kinds]
    clusters = cluster_test(CosNet(width=8), np.linspace(0, 6, 7), n_networks=500, rng=SEED)
    relu = width_scaling(ReLUNet(width=8), [1.0] * 4, (4, 8, 16), n_networks=3000, rng=SEED)
    return {
        "phases": (
            lambda ax: plot.phase_diagram(
                line(),
                uniformity=uniformity_line("tanh"),
                layers=layers(),
                fields=[MeanField("tanh", 1.5, 0.3)],
                ax=ax,
            ),
            lambda ax: plot.phase_diagram(line("gelu"), ax=ax),
            lambda ax: plot.phase_diagram(line("relu"), ax=ax),
        ),
        "one": (lambda ax: plot.phase_diagram(line(), layers=layers(), ax=ax),),
        "scales": (
            lambda ax: plot.depth_scales(cells, "xi_q", line=line(), ax=ax),
            lambda ax: plot.depth_scales(cells, "xi_c", line=line("relu"), ax=ax),
        ),
        "decay": (
            lambda ax: plot.correlation_decay(
                trajectory, measured=runs, finite_width=expansions, ax=ax
            ),
        ),
        "widths": tuple(
            lambda ax, q=q: plot.finite_width(scan(), q, ax=ax)
            for q in ("variance", "metric", "log_tangent", "log_tangent_variance")
        ),
        "correlators": (
            lambda ax: plot.width_scaling(scaling(), ax=ax),
            lambda ax: plot.width_scaling(relu, ax=ax),
            lambda ax: plot.cluster_decomposition(clusters, ax=ax),
        ),
        "action": (
            lambda ax: plot.action_curve(curves, ax=ax),
            lambda ax: plot.action_couplings(found, true={2: 1.0, 4: 1.2, 6: 0.0}, ax=ax),
        ),
        "recurrent": (
            lambda ax: plot.recurrent_correlation(one, ax=ax),
            lambda ax: plot.lyapunov_exponent(fields, measured=[one], transition=onset, ax=ax),
        ),
        "placed": (
            lambda ax: plot.block_flow(blocks, ax=ax),
            lambda ax: plot.block_flow(blocks, "ratio", ax=ax),
            lambda ax: plot.signal_flow(depth, ax=ax),
            lambda ax: plot.signal_flow(depth, "c", ax=ax),
        ),
        "information": (
            lambda ax: plot.kernel_mode_flow(modes, ax=ax),
            lambda ax: plot.kernel_mode_flow(modes, "learnability", ax=ax),
            lambda ax: plot.sigma_flow(sigma, "quartic", ax=ax),
        ),
    }


NAMES = [
    "phases", "one", "scales", "decay", "widths", "correlators", "action", "recurrent", "placed",
    "information",
]  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", NAMES)
def test_no_text_overlaps_or_is_cut_off(name, style):
    note = "assumed: " + "; ".join(MeanField("tanh", 1, 0.1).assumptions)
    fig = plot.page(*panels()[name], note=note, style_name=style)
    with plot.style(style):  # as `save` draws it: the fonts of formulae are the style's
        check_layout(fig)
        found = texts(fig)
    least, most = {"aps": (6.5, 9), "nature": (5, 7)}[style]
    for text, _ in found:
        letter = style == "nature" and re.fullmatch("[a-f]", text.get_text())
        # Subscripts and the like are smaller; what is written is not.
        assert letter or least <= text.get_fontsize() <= most, text


def errorbars(ax):
    return [c for c in ax.containers if isinstance(c, ErrorbarContainer)]


def bars(container):
    """Points (n, 2), and half the length of each vertical bar."""
    points, _, (*_, vertical) = container
    ends = np.array(vertical.get_segments())
    return points.get_xydata(), (ends[:, 1, 1] - ends[:, 0, 1]) / 2


def test_the_edge_is_drawn_in_squares_and_layers_with_their_errors():
    ax = plot.phase_diagram(line(), uniformity=uniformity_line("tanh"), layers=layers())
    edge = next(x for x in ax.lines if x.get_label() == r"$\chi_1=1$")
    np.testing.assert_allclose(edge.get_xdata(), line().sigma_w ** 2)
    np.testing.assert_allclose(edge.get_ydata(), line().sigma_b ** 2)
    star = next(x for x in ax.lines if x.get_marker() == "*").get_xydata()[0]
    np.testing.assert_allclose(star, [1.9487, 0.09025], rtol=1e-3)
    for container, layer in zip(errorbars(ax), layers(), strict=True):
        at, error = bars(container)
        np.testing.assert_allclose(at, [[layer.sigma_w.value**2, layer.sigma_b.value**2]])
        np.testing.assert_allclose(error, 2 * layer.sigma_b.value * layer.sigma_b.error)


@pytest.mark.parametrize(
    ("name", "words"),
    [("tanh", ["ordered", "chaotic"]), ("relu", ["ordered", "$q$ diverges"])],
)
def test_phases_are_those_on_either_side(name, words):
    ax = plot.phase_diagram(line(name))
    assert [t.get_text() for t in ax.texts] == words


def test_a_line_whose_fixed_point_is_unstable_is_broken():
    ax = plot.phase_diagram(line("gelu"))
    broken = next(x for x in ax.lines if "unstable" in x.get_label())
    solid = next(x for x in ax.lines if x.get_label() == r"$\chi_1=1$")
    unstable = np.array([flag != "" for flag in line("gelu").flags])
    assert unstable.any() and not unstable.all()
    assert np.isnan(solid.get_xdata()[unstable]).all()
    assert np.isfinite(broken.get_xdata()[unstable]).all()


def test_decay_shows_theory_and_every_ensemble():
    trajectory, runs, _ = decay()
    ax = plot.correlation_decay(trajectory, measured=runs)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), trajectory.one_minus_c)
    for container, run in zip(errorbars(ax), runs, strict=True):
        at, error = bars(container)
        found = [run.cosine(t) for t in range(7)]
        np.testing.assert_allclose(at[:, 1], [1 - e.value for e in found])
        np.testing.assert_allclose(error, [e.error for e in found], atol=1e-15)


def test_an_ensemble_that_starts_elsewhere_is_refused():
    _, runs, _ = decay()
    with pytest.raises(ArgumentError, match="trajectory starts from"):
        plot.correlation_decay(MeanField("tanh", 1.2, 0.2).propagate(6, c0=0.5), measured=runs)


def test_collapse_shows_relative_variances_with_errors():
    ax = plot.finite_width(scan())
    for container, n, report in zip(errorbars(ax), scan().widths, scan().reports, strict=True):
        frame = scan().to_dataframe()
        rows = frame[(frame.width == n) & (frame.quantity == "relative_variance")]
        at, error = bars(container)
        np.testing.assert_allclose(at[:, 0], rows.loop_parameter)
        np.testing.assert_allclose(at[:, 1], rows.measured)
        np.testing.assert_allclose(error, rows.error)
        assert report.expansion.depth == 12
    # The narrowest is not to be trusted at the end, where its line is dotted.
    assert not scan().reports[0].expansion.trusted[-1]
    solid, dotted = ax.lines[:2]
    assert np.isnan(solid.get_ydata()[-1]) and np.isfinite(dotted.get_ydata()[-1])


def test_no_measured_point_is_lost_to_a_logarithm():
    from dataclasses import replace

    found = scaling()
    for values, scale in (
        (np.abs(found.measured), "log"),
        (found.measured * [1, 1, 1, 1, -1] * np.sign(found.measured), "linear"),
    ):
        ax = plot.width_scaling(replace(found, measured=values))
        assert ax.get_yscale() == scale
        at, error = bars(errorbars(ax)[0])
        np.testing.assert_allclose(at, np.stack([1 / found.widths, values], axis=1))
        np.testing.assert_allclose(error, found.measured_errors)


def test_the_reconstructed_action_is_drawn_over_the_true_one():
    found = action().compare(true_action, np.linspace(-2, 2, 21), kind="schwinger-dyson")
    ax = plot.action_curve(found)
    true, reconstructed = ax.lines[:2]
    np.testing.assert_allclose(true.get_ydata(), found.true)
    np.testing.assert_allclose(reconstructed.get_ydata(), found.reconstructed)
    # False alarms: 3e-5, the errors being those of a jackknife over many groups.
    ax = plot.action_couplings(action(), true={2: 1.0, 4: 1.2})
    at, error = bars(errorbars(ax)[2])
    variance = float(action().cumulants.inverse.kernel[0, 0])
    assert abs(at[0, 1] - variance) < 4.2 * error[0]
    assert abs(at[1, 1] - 1.2 * variance**2) < 4.2 * error[1]
    flagged = [x for x in ax.lines if x.get_markerfacecolor() == "white" and len(x.get_xdata())]
    assert bool(flagged) == bool(action().flags)


def test_recurrent_points_are_the_ensembles():
    one, fields, onset = recurrence()
    ax = plot.recurrent_correlation(one)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), one.predicted[:-1])
    for container, run in zip(errorbars(ax), one.ensembles, strict=True):
        at, error = bars(container)
        values = {e.value: e.error for e in run.correlations()}
        for y, e in zip(at[:, 1], error, strict=True):
            assert min(abs(y - v) for v in values) < 1e-12
            assert min(abs(e - v) for v in values.values()) < 1e-12
    ax = plot.lyapunov_exponent(fields, measured=[one], transition=onset)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [f.lyapunov.value for f in fields])
    assert len(errorbars(ax)) == len(one.ensembles) + 1


def test_sigmas_stand_below_scales_and_layers():
    blocks, depth = placed()
    ticks = [t.get_text() for t in plot.block_flow(blocks).get_xticklabels()]
    assert ticks[0] == "1\n-"
    for tick, b, s in zip(ticks[1:], blocks.scales[1:], blocks.sigmas[1:], strict=True):
        assert tick == (f"{b:g}\n{s:+.1f}" if np.isfinite(s) else f"{b:g}\n-")
    ax = plot.signal_flow(depth, "c")
    ticks = [t.get_text().partition("\n")[2] for t in ax.get_xticklabels()]
    assert ticks == [f"{s:+.1f}" for s in depth.sigmas["c", "gaussian"]]
    theory = next(x for x in ax.lines if x.get_label() == "mean field")
    np.testing.assert_allclose(theory.get_ydata(), depth.c_theory)


def test_flows_in_information_space_say_so():
    modes, sigma = information()
    for ax in (plot.kernel_mode_flow(modes), plot.sigma_flow(sigma)):
        assert "information space" in ax.get_xlabel()
    ax = plot.kernel_mode_flow(modes)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), modes.ridges[1:])
    at, error = bars(errorbars(plot.sigma_flow(sigma, "mass2"))[0])
    np.testing.assert_allclose(at[:, 1], sigma.measured[:, 0])
    np.testing.assert_allclose(error, sigma.measured_errors[:, 0])


def test_pages_are_as_wide_as_the_journal_says_and_the_same_every_time(tmp_path):
    for style, name, width in (("aps", "scales", 178), ("nature", "decay", 89)):
        paths = [tmp_path / f"{style}-{i}.pdf" for i in range(2)]
        for path in paths:
            fig = plot.page(*panels()[name], style_name=style)
            plot.save(fig, path, style_name=style)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        data = pdf_text(paths[0])
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", data)
        assert float(box.group(1)) * 25.4 / 72 == pytest.approx(width, abs=0.01)
        assert b"/Type3" not in data


def test_bad_arguments_are_named():
    cells = [MeanField("tanh", 1, 0.1), MeanField("tanh", 1.2, 0.1)]
    modes, sigma = information()
    blocks, depth = placed()
    for call, match in (
        (lambda: plot.page(), "1 to 6 panels"),
        (lambda: plot.page(*[lambda ax: ax] * 7), "got 7"),
        (lambda: plot.page(lambda ax: ax, style_name="prl"), "style must be"),
        (lambda: plot.depth_scales(cells), "a map needs"),
        (lambda: plot.depth_scales(cells, "xi"), "quantity must be"),
        (lambda: plot.finite_width(scan(), "K"), "quantity must be"),
        (lambda: plot.correlation_decay(cells[0].propagate(5)), "one input"),
        (lambda: plot.action_curve([]), "no comparison"),
        (lambda: plot.lyapunov_exponent([]), "no exponent"),
        (lambda: plot.block_flow(blocks, "x"), "quantity must be"),
        (lambda: plot.signal_flow(depth, "x"), "quantity must be"),
        (lambda: plot.kernel_mode_flow(modes, "x"), "quantity must be"),
        (lambda: plot.sigma_flow(sigma, "x"), "quantity must be"),
    ):
        with pytest.raises(ArgumentError, match=match):
            call()


def test_a_line_without_a_point_has_no_figure():
    from dataclasses import replace

    none = np.full(3, np.nan)
    empty = replace(line(), sigma_w=none, sigma_b=none, flags=("nothing there",) * 3)
    with pytest.raises(AnalysisError, match="nothing there"):
        plot.phase_diagram(empty)


def test_figures_of_flows_import_no_theory():
    code = "import sys, nnrg.plot; print([m for m in sys.modules if m.startswith('nnrg.theory')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("quantity", ["none", ["xi_c"], None])
def test_a_quantity_that_is_none_is_named(quantity):
    with pytest.raises(ArgumentError, match="quantity must be one of"):
        nnrg.plot.depth_scales([MeanField("tanh", 1.0, 0.1)], quantity)
