"""Figures of training as a universe: what is drawn is what was measured, and nothing overlaps."""

from functools import cache

import numpy as np
import pytest
from unit.test_plot import check_layout
from unit.test_plot_theory import bars, errorbars

from nnrg import plot
from nnrg.errors import ArgumentError
from nnrg.simulate.training import MLP, GradientDescent, train
from nnrg.theory.cosmology import circle_data, hubble_scan, perturbation_spectrum

AXES = ("width", "depth", "n_data")


@cache
def scan(match="momentum"):
    return hubble_scan(
        match=match, widths=(32, 4), depths=(1, 2), data_sizes=(8, 4), n_seeds=3, steps=40, rng=2
    )


@cache
def spectrum():
    data = circle_data(8)
    made = train(MLP((2, 64, 1), sigma_b=0.5), data, optimiser=GradientDescent(0.02), steps=20,
                 n_seeds=4, rng=1)  # fmt: skip
    return perturbation_spectrum(made, data.inputs, data.targets, window=(0, 10))


def panels(match):
    one, universe = scan(match), scan(match).universe
    return {
        "scan": (
            lambda ax: plot.hubble_rates(one, ax=ax),
            lambda ax: plot.duality_failures(one, ax=ax),
            lambda ax: plot.duality_failures(one, "learning_rate", ax=ax),
            *(lambda ax, a=a: plot.hubble_invariant(one, a, ax=ax) for a in AXES),
        ),
        "universe": (
            lambda ax: plot.universe_trajectory(universe, ax=ax),
            lambda ax: plot.universe_trajectory(universe, 0, ax=ax),
            lambda ax: plot.universe_spectrum(universe, ax=ax),
            lambda ax: plot.perturbation_rates(spectrum(), ax=ax),
        ),
    }


@pytest.mark.parametrize(
    ("name", "match", "style"),
    [
        ("scan", "momentum", "aps"),
        ("scan", "second_order", "nature"),
        ("universe", "momentum", "aps"),
        ("universe", "second_order", "nature"),
    ],
)
def test_no_text_overlaps_or_is_cut_off(name, match, style):
    note = "assumed: " + "; ".join(scan(match).assumptions)
    fig = plot.page(*panels(match)[name], note=note, style_name=style)
    with plot.style(style):
        check_layout(fig)


def test_every_hubble_rate_is_drawn_with_its_error_over_the_match():
    ax = plot.hubble_rates(scan())
    match = next(line for line in ax.lines if line.get_label() == "match")
    x, y = match.get_data()
    np.testing.assert_allclose(y, 0.1 / 3 * x**0.5)
    law = scan().laws[scan().places[0]]
    fit = next(line for line in ax.lines if line.get_label().startswith("fit"))
    np.testing.assert_allclose(fit.get_ydata(), law.amplitude.value * x**-law.exponent.value)
    assert str(law.exponent) in fit.get_label() and law.verdict != "power law"
    assert fit.get_label().endswith("?") and fit.get_linestyle() == "--"
    for container, place in zip(errorbars(ax), scan().places, strict=True):
        rows = [row for row in scan().at(place) if row.fit is not None]
        at, error = bars(container)
        np.testing.assert_allclose(at[:, 0], [1 / row.learning_rate for row in rows])
        np.testing.assert_allclose(at[:, 1], [row.fit.hubble.value for row in rows])
        expected = [row.fit.hubble.error for row in rows]
        np.testing.assert_allclose(error, expected, rtol=1e-6, atol=1e-12)
    narrow = [row for row in scan().at(scan().along("width")[0]) if row.verdict != "holds"]
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert narrow and sum(len(line.get_xdata()) for line in hollow) == sum(
        row.verdict != "holds" and row.fit is not None for row in scan().rows
    )


@pytest.mark.parametrize("match", ["momentum", "second_order"])
@pytest.mark.parametrize("against", ["kernel_drift", "learning_rate"])
def test_every_row_is_among_the_failures_or_not(match, against):
    ax = plot.duality_failures(scan(match), against)
    rows = scan(match).rows
    drawn = {c.get_label(): bars(c)[0] for c in errorbars(ax)}
    for verdict in ("holds", "fails", "cannot be told"):
        mine = [r for r in rows if r.verdict == verdict and np.isfinite(r.deviation.value)]
        assert (verdict in drawn) == bool(mine)
        if mine:
            name = "rate_times_eigenvalue" if against == "learning_rate" else "kernel_drift"
            np.testing.assert_allclose(drawn[verdict][:, 0], [getattr(r, name) for r in mine])
            np.testing.assert_allclose(drawn[verdict][:, 1], [r.deviation.value for r in mine])
    crosses = [line for line in ax.lines if line.get_label() == "no $H$"]
    silent = sum(not np.isfinite(r.deviation.value) for r in rows)
    assert sum(len(line.get_xdata()) for line in crosses) == silent
    if match == "second_order":
        assert silent and (against == "kernel_drift") != any(
            line.get_label() == "steps alone" for line in ax.lines
        )


@pytest.mark.parametrize("quantity", ["invariant", "mass"])
def test_invariants_beyond_the_edge_are_marked_there(quantity):
    for match in ("momentum", "second_order"):
        ax = plot.hubble_invariant(scan(match), "width", quantity)
        low, high = ax.get_ylim()
        places = scan(match).along("width")
        rows = [scan(match).at(place)[i] for i in (4, 2, 0) for place in places]
        values = np.array([getattr(row, f"{quantity}_ratio").value for row in rows])
        at = np.concatenate([bars(c)[0][:, 1] for c in errorbars(ax)])
        np.testing.assert_allclose(at, values[np.isfinite(values)])
        marks = [line for line in ax.lines if line.get_markersize() == 4 and line.get_marker()]
        marked = sum(len(line.get_xdata()) for line in marks)
        assert marked == (~((values >= low) & (values <= high))).sum()


def test_trajectories_show_both_sides():
    universe = scan().universe
    ax = plot.universe_trajectory(universe, "0")
    i = universe.names.index("0")
    lines = {line.get_label(): line.get_ydata() for line in ax.lines}
    np.testing.assert_array_equal(lines["Friedmann, $k$ stays"], universe.static[i])
    np.testing.assert_array_equal(lines["Friedmann, $k/a$"], universe.redshifted[i])
    at, error = bars(errorbars(ax)[0])
    for time, y, e in zip(*at.T, error, strict=True):
        frame = int(np.abs(universe.hubble_times - time).argmin())
        assert y == universe.measured[i, frame]
        assert e == pytest.approx(universe.errors[i, frame], abs=1e-12)
    assert "Friedmann, $k/a$" not in {
        line.get_label() for line in plot.universe_trajectory(universe).lines
    }


def test_spectra_show_modes_and_rates():
    universe = scan().universe
    ax = plot.universe_spectrum(universe, [1.0])
    at, error = bars(errorbars(ax)[0])
    frame = int(np.abs(universe.hubble_times - 1).argmin())
    np.testing.assert_allclose(at[:, 0], universe.frequencies2[1:])
    np.testing.assert_allclose(at[:, 1], universe.measured[1:, frame])
    np.testing.assert_allclose(error, universe.errors[1:, frame], atol=1e-12)
    ax = plot.perturbation_rates(spectrum())
    at, _ = bars(errorbars(ax)[0])
    known = np.isfinite(spectrum().rates)
    np.testing.assert_allclose(at[:, 0], 0.02 * spectrum().eigenvalues[known])
    expected = (spectrum().exact + spectrum().excess) / spectrum().eigenvalues - 1
    np.testing.assert_allclose(at[:, 1], expected[known])


def test_bad_arguments_are_named():
    one = hubble_scan(learning_rates=[1e-3], widths=(8,), n_seeds=2, steps=20, rng=1)
    for call, says in (
        (lambda: plot.universe_trajectory(one.universe, 99), "mode must be one of mean, 0"),
        (lambda: plot.universe_spectrum(one.universe, []), "one to three"),
        (lambda: plot.universe_spectrum(one.universe, "ab"), "real numbers"),
        (lambda: plot.duality_failures(one, "time"), "against must be"),
        (lambda: plot.hubble_invariant(one, "time"), "axis must be"),
        (lambda: plot.hubble_invariant(one, "width", "charge"), "quantity invariant or mass"),
        (lambda: plot.hubble_invariant(one, "width"), "one network along width"),
    ):
        with pytest.raises(ArgumentError, match=says):
            call()
