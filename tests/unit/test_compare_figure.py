"""The figure of a comparison: one panel a quantity, nothing overlaps, journal sizes."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from comparison_fields import chain, flows, measured

import nnrg
from nnrg import plot
from nnrg.errors import ArgumentError

_SPEC = importlib.util.spec_from_file_location(
    "figures_of_flows", Path(__file__).parent / "test_plot.py"
)
figures_of_flows = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(figures_of_flows)


def with_data(fig):
    return [ax for ax in fig.axes if ax.get_visible() and ax.get_ylabel()]


@pytest.mark.parametrize("style", ["aps", "nature"])
def test_nothing_overlaps_and_the_width_is_the_journals(style):
    fig = plot.comparison(nnrg.compare(flows()), style_name=style)
    figures_of_flows.check_layout(fig)
    assert fig.get_figwidth() * 25.4 == pytest.approx(figures_of_flows.PAGE[style])
    assert fig.get_figheight() * 25.4 <= {"aps": 235, "nature": 170}[style]
    least, most = {"aps": (6.5, 9), "nature": (5, 8)}[style]
    for text, _ in figures_of_flows.texts(fig):
        assert least <= text.get_fontsize() <= most, text


def test_every_flow_is_drawn_with_its_errors_and_its_null():
    result = nnrg.compare(flows())
    fig = plot.comparison(result, quantities=["neighbour:0"])
    ax = fig.axes[0]
    assert len(ax.containers) == len(ax.collections) - len(ax.containers) == 3
    for flow, drawn in zip(result.curves, ax.containers, strict=True):
        i = flow.quantities.index("neighbour:0")
        np.testing.assert_allclose(drawn[0].get_ydata(), flow.values[:, i])
        bars = np.array([s[:, 1] for s in drawn[2][0].get_segments()])
        np.testing.assert_allclose(np.diff(bars, axis=1)[:, 0] / 2, flow.errors[:, i])
    assert [t.get_text() for t in fig.legends[0].get_texts()] == list(result.names)


def test_the_matrix_of_distances_is_drawn_in_errors():
    result = nnrg.compare(flows())
    fig = plot.comparison(result)
    image = next(ax.images[0] for ax in fig.axes if ax.images and ax.get_xticklabels())
    square, error = result.distance_matrix()
    drawn = np.asarray(image.get_array().filled(np.nan))
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(drawn[off], (square / np.where(off, error, 1.0))[off])
    assert np.isnan(drawn[~off]).all()


def test_many_flows_with_awkward_names_still_fit():
    rng = np.random.default_rng(1)
    many = {
        f"encoder.layers.{i}$\\alpha_weight": measured(chain(24, 0.4, rng), levels=3)
        for i in range(10)
    }
    result = nnrg.compare(many)
    assert len(str(result).splitlines()) <= 45
    for style in ("aps", "nature"):
        figures_of_flows.check_layout(plot.comparison(result, style_name=style))


def test_unknown_quantities_and_styles_are_refused():
    result = nnrg.compare(flows())
    with pytest.raises(ArgumentError, match="no quantity 'nothing'"):
        plot.comparison(result, quantities=["nothing"])
    with pytest.raises(ArgumentError, match="0 quantities for a figure"):
        plot.comparison(result, quantities=[])
    with pytest.raises(ArgumentError, match="style must be one of"):
        plot.comparison(result, style_name="prl")
