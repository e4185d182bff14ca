"""Figures of synaptic fields: what is drawn is what was recorded, and nothing overlaps."""

from functools import cache

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from unit.test_plot import check_layout

from nnrg import plot
from nnrg.errors import ArgumentError
from nnrg.lattice import Lattice
from nnrg.simulate.gaussian import ar1, gaussian_free_field
from nnrg.simulate.training import (
    MLP,
    CosineDecay,
    ExponentialDecay,
    HeavyBall,
    RecurrentNet,
    perceptron,
    train,
)
from nnrg.theory import synaptic

SEED = 7


@cache
def linear():
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=(50, 6)) * np.arange(0.3, 3.3, 0.5)
    made = train(
        perceptron(6),
        (x, x.sum(axis=1)),
        optimiser=HeavyBall(0.01, 0.9),
        steps=150,
        record=1,
        rng=1,
    )
    return synaptic.record_modes(made, x, x.sum(axis=1), count=4)


@cache
def trained():
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=(40, 5))
    y = np.tanh(x @ rng.normal(size=5))
    made = train(
        MLP((5, 8, 8, 8, 1)), (x, y), optimiser=HeavyBall(0.01, 0.95), steps=60, record=1, rng=1
    )
    return made, x, y


@cache
def unrolled():
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=(30, 6, 1))
    y = x.sum(axis=1)
    made = train(
        RecurrentNet(1, 6, length=6),
        (x, y),
        optimiser=HeavyBall(0.01, 0.9),
        steps=20,
        record=1,
        rng=1,
    )
    return synaptic.record_continuity(made, x, y, step=10)


@cache
def histories():
    schedules = {
        "constant": 0.01,
        "cosine": CosineDecay(0.02, 400, 1e-4),
        "exponential": ExponentialDecay(0.02, 0.01),
    }
    return {n: synaptic.cosmic_history(HeavyBall(s), 400) for n, s in schedules.items()}


@cache
def kernels():
    data = synaptic.perceptron_vertices(
        ar1(64, 1000, rho=0.7, rng=SEED), activation="linear", order=2
    )
    return [synaptic.gradient_expansion(data, reach=12, staggered=s) for s in (False, True)]


@cache
def cones():
    x = gaussian_free_field((10, 10), 800, mass2=0.5, rng=3).reshape(800, -1)
    data = synaptic.perceptron_vertices(
        x, np.ones((800, 2)), activation="linear", order=2, sites=Lattice((10, 10), periodic=True)
    )
    return synaptic.lorentz_report(data, hubble=0.5, duration=4)


@cache
def toys():
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=(400, 16))
    x = x - 0.6 * np.roll(x, 1, axis=1)
    return (
        synaptic.ring_toy(x),
        synaptic.ring_toy(x, synapses="independent"),
        synaptic.two_layer_toy(x, x + 0.5, (0.7, 1.0, 0.3)),
    )


@cache
def chain():
    rng = np.random.default_rng(SEED)
    net = synaptic.FeedForward.of(
        [1.3 / np.sqrt(30) * rng.normal(size=(30, 30)) for _ in range(16)], output="tanh"
    )
    return synaptic.coarse_grain_depth(net, rng.normal(size=(10, 30)))


@cache
def panels():
    made, x, y = trained()
    action = synaptic.record_action(made, x, y)
    steps = range(0, 60, 5)
    flows = [synaptic.record_continuity(made, x, y, step=t) for t in steps]
    sources = synaptic.record_sources(made, x, y)
    pair = synaptic.compare_modes(np.linspace(0, 6, 121), 20.0)
    return {
        "training": (
            lambda ax: plot.training_modes(linear(), ax=ax),
            lambda ax: plot.energy_law(action, ax=ax),
            lambda ax: plot.action_residual(action, ax=ax),
            lambda ax: plot.source_strengths(sources, ax=ax),
        ),
        "histories": (
            lambda ax: plot.expansion_history(histories(), ax=ax),
            lambda ax: plot.expansion_history(histories(), "log_scale_factor", ax=ax),
            lambda ax: plot.redshift(pair, ax=ax),
        ),
        "depth": (
            lambda ax: plot.energy_current(flows[2], ax=ax),
            lambda ax: plot.energy_current(unrolled(), ax=ax),
            lambda ax: plot.continuity_residual(flows, steps, ax=ax),
            lambda ax: plot.depth_flow(chain(), ax=ax),
        ),
        "along": (
            lambda ax: plot.energy_current(unrolled(), ax=ax),
            lambda ax: plot.continuity_residual(flows, steps, ax=ax),
            lambda ax: plot.depth_flow(chain(), ax=ax),
        ),
        "data": (
            lambda ax: plot.data_kernel(kernels()[0], ax=ax),
            lambda ax: plot.data_kernel(kernels()[1], ax=ax),
            lambda ax: plot.light_cones(cones(), ax=ax),
            lambda ax: plot.toy_dispersion(*toys(), ax=ax),
        ),
        "toys": (
            lambda ax: plot.data_kernel(kernels()[0], ax=ax),
            lambda ax: plot.light_cones(cones(), ax=ax),
            lambda ax: plot.toy_dispersion(*toys()[:2], ax=ax),
        ),
        "one": (lambda ax: plot.training_modes(linear(), ax=ax),),
        "curved": (
            lambda ax: plot.training_modes(curved(), ax=ax),
            lambda ax: plot.energy_law(action, ax=ax),
        ),
    }


@pytest.mark.parametrize("style", ["aps", "nature"])
@pytest.mark.parametrize(
    "name", ["training", "histories", "depth", "along", "data", "toys", "one", "curved"]
)
def test_no_text_overlaps_or_is_cut_off(name, style):
    fig = plot.page(*panels()[name], note="assumed: samples independent", style_name=style)
    with plot.style(style):
        check_layout(fig)


def errorbars(ax):
    return {c.get_label(): c for c in ax.containers if isinstance(c, ErrorbarContainer)}


def bars(container):
    """Points (n, 2), and half the length of each vertical bar."""
    marks, _, (*_, vertical) = container
    ends = np.array(vertical.get_segments())
    return marks.get_xydata(), (ends[:, 1, 1] - ends[:, 0, 1]) / 2


def test_modes_are_drawn_against_hubble_time_over_their_solution():
    modes = linear()
    ax = plot.training_modes(modes)
    marks = [line for line in ax.lines if line.get_label().startswith("$m^2")]
    assert len(marks) == 4
    for i, line in enumerate(marks):
        x, y = line.get_data()
        at = np.searchsorted(modes.hubble_times, x)
        np.testing.assert_allclose(y, modes.fields[at, i] / np.abs(modes.fields[:, i]).max())
    np.testing.assert_allclose(
        ax.lines[0].get_ydata(), modes.continuous[:, 0] / np.abs(modes.fields[:, 0]).max()
    )
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert said[4:] == ["continuous time", "discrete steps"]


@cache
def curved():
    """A tanh neuron that begins so far from its minimum that two of four modes feel V_3 and V_4."""
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=(60, 5)) * [1.5, 1.2, 0.9, 0.6, 0.3]
    w = rng.normal(size=(1, 5))
    y = np.tanh(x @ w[0])
    made = train(
        perceptron(5, 1, "tanh"), (x, y), optimiser=HeavyBall(0.05, 0.9), steps=150, record=1,
        initial={"layers.0.weight": w + 0.2}, rng=1,
    )  # fmt: skip
    return synaptic.record_modes(made, x, y, count=4)


def test_theory_of_a_cost_that_is_not_quadratic_is_left_out_and_said():
    modes = curved()
    off = modes.deviation() > 0.1
    assert off.sum() == 2 and any("of their largest amplitude" in flag for flag in modes.flags)
    ax = plot.training_modes(modes)
    marks = [line for line in ax.lines if line.get_label().startswith("$m^2")]
    assert [line.get_label().endswith("^*$") for line in marks] == [
        bool(a or b) for a, b in zip(off, modes.continuum_deviation() > 0.1, strict=True)
    ]
    size = np.abs(modes.fields).max(axis=0)
    for i, mark in enumerate(marks):
        ours = [x for x in ax.lines if x.get_color() == mark.get_color() and x is not mark]
        for line in ours:
            gap = np.abs(line.get_ydata() - modes.fields[:, i] / size[i]).max()
            assert gap <= 0.1 + 1e-12
        assert len(ours) <= 2 and (len(ours) > 0) == (not off[i])
    assert "not drawn" in ax.get_legend().get_texts()[-1].get_text()
    assert not linear().flags


def test_energy_is_what_friction_took_and_what_is_left():
    made, x, y = trained()
    action = synaptic.record_action(made, x, y)
    work, kept = plot.energy_law(action).lines[:2]
    np.testing.assert_allclose(work.get_ydata(), kept.get_ydata(), atol=1e-12)
    ax = plot.action_residual(action)
    assert ax.get_yscale() == "log" and max(ax.lines[0].get_ydata()) < 1e-10


def test_currents_are_drawn_with_errors_over_the_balance():
    flow = unrolled()
    ax = plot.energy_current(flow)
    at, error = bars(errorbars(ax)["current $J_l$"])
    np.testing.assert_allclose(at[:, 1], flow.current)
    np.testing.assert_allclose(error, flow.current_error, atol=1e-15)
    line = next(x for x in ax.lines if x.get_label() == "layer balance")
    np.testing.assert_allclose(line.get_ydata(), flow.current + flow.shared, atol=1e-12)


def test_light_cones_and_bands_are_those_of_the_reports():
    report = cones()
    at, error = bars(errorbars(plot.light_cones(report))["$K(x)=c^2(x)$"])
    np.testing.assert_allclose(at[:, 1], report.local_stiffness.values)
    np.testing.assert_allclose(error, report.local_stiffness.errors())
    ring, flat, _ = toys()
    ax = plot.toy_dispersion(ring, flat)
    at, error = bars(errorbars(ax)["shared"])
    np.testing.assert_allclose(np.sort(at[:, 1]), ring.curvatures().values)
    np.testing.assert_allclose(np.sort(error), np.sort(ring.curvatures().errors()))
    # Flat bands, two of them.
    lines = [
        x.get_ydata()
        for x in ax.lines
        if x.get_color() == errorbars(ax)["independent"][0].get_color()
    ]
    assert sum(len(y) > 100 and np.ptp(y) == 0 for y in lines) == 2


def test_flow_along_depth_is_drawn_with_errors():
    flow = chain()
    drawn = errorbars(plot.depth_flow(flow))
    at, error = bars(drawn["gain $g_b$"])
    np.testing.assert_allclose(at, np.stack([flow.scales, flow.gain.values], axis=1))
    np.testing.assert_allclose(error, flow.gain.errors())
    at, _ = bars(drawn[r"$\kappa/\kappa_b$"])
    np.testing.assert_allclose(at[:, 1], flow.compliance.values)


def test_vertices_are_drawn_stage_by_stage():
    history = synaptic.record_sources(*trained())
    drawn = errorbars(plot.source_strengths(history))
    for n in range(4):
        at, error = bars(drawn[rf"$V_{n + 1}$"])
        np.testing.assert_allclose(at[:, 1], [s.values[n] for s in history.stages])
        np.testing.assert_allclose(error, [s.errors()[n] for s in history.stages])
    dashed = [line for line in plot.source_strengths(history).lines if line.get_ls() == "--"]
    assert dashed[-1].get_label() == "first point"
    for n in range(4):
        known = [s.values[n] for s in history.at_first_point]
        np.testing.assert_allclose(dashed[n].get_ydata(), known)


def test_what_cannot_be_drawn_is_refused():
    flow = unrolled()
    for bad, match in (
        (lambda: plot.expansion_history({}), "a history"),
        (lambda: plot.expansion_history(histories(), "mass"), "quantity"),
        (lambda: plot.toy_dispersion(), "a toy"),
        (lambda: plot.continuity_residual([]), "one step for each"),
        (lambda: plot.continuity_residual([flow], [1, 2]), "one step for each"),
    ):
        with pytest.raises(ArgumentError, match=match):
            bad()
