"""Figures of Hamiltonian networks: what is drawn is what was measured, and nothing overlaps."""

import re
from functools import cache

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from unit.test_plot import check_layout, texts

import nnrg
from nnrg import plot
from nnrg.errors import ArgumentError
from nnrg.theory.hamiltonian import (
    DiracLattice,
    FieldHistory,
    HamiltonianNet,
    KleinGordonLattice,
    brillouin_path,
    measure_dispersion,
    read_network,
    read_weights,
)

SEED = 3


def noisy(history, size):
    rng = np.random.default_rng(SEED)
    values = history.values + size * rng.normal(size=history.values.shape)
    return FieldHistory(values, history.interval, history.spacing)


@cache
def ring():
    lattice = KleinGordonLattice(16, mass=0.5, dt=0.2)
    start = np.random.default_rng(SEED).normal(size=(2, 16))
    return lattice, measure_dispersion(noisy(lattice.evolve(*start, records=200), 0.1))


@cache
def spinors():
    """A naive lattice and one with a Wilson term, on the path through the corners."""
    path = brillouin_path((8, 8), 0.5)
    lattices = {
        name: DiracLattice((8, 8), mass=0.6, spacing=0.5, wilson=r, dt=0.2)
        for name, r in (("naive", 0.0), ("Wilson", 1.0))
    }
    found = {}
    for name, lattice in lattices.items():
        psi = np.random.default_rng(SEED).normal(size=(2, 8, 8))
        history = noisy(lattice.evolve(psi, records=160, method="exponential"), 0.05)
        found[name] = measure_dispersion(history, np.unique(path.modes, axis=0))
    return lattices, found, path


@cache
def runs():
    net = HamiltonianNet.linear([[2.0, -1.0], [-1.0, 2.0]])
    start = [1.0, 0.0], [0.0, 0.3]
    return {
        "alternating": net.run(*start, dt=0.1, steps=300),
        "simultaneous": net.run(*start, dt=0.1, steps=300, scheme="simultaneous"),
        "Cayley": DiracLattice(8, mass=0.5).evolve(np.ones((2, 8)), records=300),
    }


@cache
def reading():
    weights = np.random.default_rng(SEED).normal(size=(64, 64))
    return read_weights(weights + 0.5 * weights.T, name="W", draws=12, rng=SEED)


@cache
def network():
    rng = np.random.default_rng(SEED)
    tensors = {
        "rnn.weight_hh_l0": rng.normal(size=(96, 32)) + np.tile(np.eye(32), (3, 1)) * 8,
        "rnn.weight_ih_l0": rng.normal(size=(96, 8)),
    }
    return read_network(nnrg.load(tensors), draws=8, levels=0, rng=SEED)


@cache
def panels():
    lattice, found = ring()
    lattices, both, path = spinors()
    return {
        "waves": (
            lambda ax: plot.lattice_dispersion(found, lattice, ax=ax),
            lambda ax: plot.dispersion_distance(found, lattice, tolerance=1e-6, ax=ax),
        ),
        "spinors": (
            lambda ax: plot.lattice_dispersion(both, lattices, path=path, ax=ax),
            lambda ax: plot.dispersion_distance(both, lattices, path=path, ax=ax),
        ),
        "conserved": (lambda ax: plot.conservation(runs(), ax=ax),),
        "flow": (
            lambda ax: plot.weight_flow(reading(), ax=ax),
            lambda ax: plot.weight_flow({"before": reading(), "after": reading()}, ax=ax),
            lambda ax: plot.weight_flow(reading(), "dirac_distance", ax=ax),
            lambda ax: plot.weight_scores(reading(), ax=ax),
        ),
        "matrices": (lambda ax: plot.matrix_scores(network(), ax=ax),),
    }


@pytest.mark.parametrize("style", ["aps", "nature"])
@pytest.mark.parametrize("name", ["waves", "spinors", "conserved", "flow", "matrices"])
def test_no_text_overlaps_or_is_cut_off(name, style):
    fig = plot.page(*panels()[name], note="assumed: normal numbers", style_name=style)
    with plot.style(style):  # as `save` draws it: the fonts of formulae are the style's
        check_layout(fig)
        found = texts(fig)
    least, most = {"aps": (6.5, 9), "nature": (5, 7)}[style]
    for text, _ in found:
        letter = style == "nature" and re.fullmatch("[a-f]", text.get_text())
        assert letter or least <= text.get_fontsize() <= most, text


def bars(container):
    """Points (n, 2), and half the length of each vertical bar."""
    points, _, (*_, vertical) = container
    ends = np.array(vertical.get_segments())
    return points.get_xydata(), (ends[:, 1, 1] - ends[:, 0, 1]) / 2


def only(ax):
    return [bars(c) for c in ax.containers if isinstance(c, ErrorbarContainer)]


def test_measured_frequencies_have_their_errors_and_lie_on_the_formula():
    lattice, found = ring()
    ax = plot.lattice_dispersion(found, lattice)
    ((at, error),) = only(ax)
    np.testing.assert_allclose(at, np.stack([np.abs(found.k[:, 0]), found.omega], axis=1))
    np.testing.assert_allclose(error, found.error, rtol=1e-9)
    line = next(x for x in ax.lines if x.get_label() == "formula")
    np.testing.assert_allclose(line.get_ydata(), lattice.frequency(line.get_xdata()[None]))
    doubtful = next(x for x in ax.lines if x.get_markerfacecolor() == "white")
    assert len(doubtful.get_xdata()) == np.sum(~found.good)


def test_corners_of_a_path_show_the_doublers():
    lattices, found, path = spinors()
    ax = plot.lattice_dispersion(found, lattices, path=path)
    corners = [place * 0.5 for _, place in path.corners]
    np.testing.assert_allclose(ax.get_xticks(), corners)
    for (at, _), lattice in zip(only(ax), lattices.values(), strict=True):
        assert len(at) == len(path.modes)  # the first corner is the last one too
        gaps = [at[np.argmin(np.abs(at[:, 0] - x)), 1] for x in corners[:3]]
        expected = [0.6 + 2 * lattice.wilson / 0.5 * n for n in range(3)]
        np.testing.assert_allclose(gaps, expected, atol=0.02)


def test_distances_leave_flagged_modes_out():
    lattice, found = ring()
    ax = plot.dispersion_distance(found, lattice, tolerance=0.5)
    drawn = next(x for x in ax.lines if x.get_label() == "distance").get_ydata()
    away = np.abs(found.omega - lattice.frequency(found.k.T))[found.good]
    np.testing.assert_allclose(np.sort(drawn), np.sort(away))


def test_conserved_numbers_are_drawn_as_the_largest_change_so_far():
    ax = plot.conservation(runs())
    lines = {x.get_label(): x.get_ydata() for x in ax.lines}
    assert list(lines) == [
        "alternating, $H$", "alternating, modified $H$", "simultaneous, $H$", "Cayley",
    ]  # fmt: skip
    assert all((np.diff(y) >= 0).all() for y in lines.values())
    energy = runs()["alternating"].energy
    assert lines["alternating, $H$"][-1] == np.abs(energy / energy[0] - 1).max()
    assert max(lines["alternating, modified $H$"][-1], lines["Cayley"][-1]) < 1e-12
    assert lines["simultaneous, $H$"][-1] > 1


def test_flow_has_errors_bands_and_the_exact_number():
    ax = plot.weight_flow(reading(), nulls=("independent", "signs"))
    ((at, error),) = only(ax)
    q = reading().quantities.index("symmetric")
    np.testing.assert_allclose(at, np.stack([reading().scales, reading().values[:, q]], axis=1))
    np.testing.assert_allclose(error, reading().errors[:, q])
    exact = next(x for x in ax.lines if x.get_label() == "independent, exact")
    np.testing.assert_allclose(exact.get_ydata(), reading().expected)
    for band, null in zip(ax.collections[:2], ("independent", "signs"), strict=True):
        low, high = np.percentile(reading().nulls[null][:, :, q], [2.5, 97.5], axis=0)
        heights = band.get_paths()[0].vertices[:, 1]
        assert heights.min() == low.min() and heights.max() == high.max()


def test_scores_are_those_of_the_readings():
    ax = plot.weight_scores(reading(), ["symmetric", "henrici"], null="unaligned")
    for line, quantity in zip(ax.lines, ("symmetric", "henrici"), strict=True):
        expected = [reading().z(quantity, b, "unaligned") for b in reading().scales]
        np.testing.assert_allclose(line.get_ydata(), expected)
    ax = plot.matrix_scores(network(), [("diagonal", "independent")])
    (line,) = ax.lines
    expected = [r.z("diagonal") for r in network().readings]
    np.testing.assert_allclose(line.get_xdata(), expected)
    assert min(expected) > 5
    wide = plot.matrix_scores(network(), [("symmetric", "independent"), ("dirac", "relabelled")])
    assert wide.get_xlim()[0] < -2 < 2 < wide.get_xlim()[1]


def test_figures_refuse():
    lattice, found = ring()
    _, both, path = spinors()
    for call, words in (
        (lambda: plot.lattice_dispersion(both, lattice), "the same names"),
        (lambda: plot.lattice_dispersion(found, DiracLattice((8, 8))), "need a path"),
        (lambda: plot.lattice_dispersion(3, lattice), "expected dispersions"),
        (lambda: plot.lattice_dispersion(found, lattice, path=path), "path must be that of"),
        (lambda: plot.conservation({}), "must be named"),
        (lambda: plot.conservation({"a": 3}), "a run with energies"),
        (
            lambda: plot.conservation({"a": DiracLattice(8).evolve(np.zeros((2, 8)), records=4)}),
            "starts from zero",
        ),
        (lambda: plot.weight_flow(3), "readings of weights"),
        (lambda: plot.weight_flow(reading(), "mass"), "quantity must be one of"),
        (lambda: plot.weight_flow(reading(), nulls=("phase",)), "null must be one of"),
        (lambda: plot.weight_flow(reading(), "clifford"), "no value at any scale"),
        (lambda: plot.weight_scores(3), "reading of weights"),
        (lambda: plot.matrix_scores(reading()), "reading of a network"),
    ):
        with pytest.raises(ArgumentError, match=words):
            call()
