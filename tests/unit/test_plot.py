"""Figures: journal sizes, fonts, nothing that overlaps, the same bytes every time."""

import logging
import re
import zlib
from dataclasses import replace
from unittest.mock import patch

import matplotlib
import numpy as np
import pytest
from cli.runs import run
from matplotlib.container import ErrorbarContainer
from matplotlib.text import Text

import nnrg
from nnrg import plot
from nnrg.errors import ArgumentError, SourceError
from nnrg.plot._panels import _limit, _signed_log
from nnrg.plot._style import new_figure
from nnrg.results import Measurement

PAGE = {"aps": 178, "nature": 183}
COLUMN = {"aps": 86, "nature": 89}
FIELDS = ["fc1.weight", "fc2.weight", "embeddings.position_embeddings.weight", "last.weight"]


def texts(fig):
    """Every text that is drawn, with its box in pixels."""
    drawn = []
    original = Text.draw

    def recording(self, renderer, *args, **kwargs):
        drawn.append(self)
        return original(self, renderer, *args, **kwargs)

    renderer = fig.canvas.get_renderer()
    with patch.object(Text, "draw", recording):
        fig.draw(renderer)
    seen = [t for t in drawn if t.get_visible() and t.get_text().strip()]
    return [(t, t.get_window_extent(renderer)) for t in seen]


def check_layout(fig):
    found = texts(fig)
    width, height = fig.canvas.get_width_height()
    for text, box in found:
        inside = box.x0 >= -0.5 and box.y0 >= -0.5
        assert inside and box.x1 <= width + 0.5 and box.y1 <= height + 0.5, text
    for i, (a, first) in enumerate(found):
        for b, second in found[i + 1 :]:
            wide = min(first.x1, second.x1) - max(first.x0, second.x0)
            high = min(first.y1, second.y1) - max(first.y0, second.y0)
            assert wide < 1 or high < 1, (a.get_text(), b.get_text())
    for ax in fig.axes:
        legend = ax.get_legend()
        if legend is not None:
            assert legend.get_window_extent().y0 >= ax.get_window_extent().y1 - 1


def pdf_text(path):
    """The objects of a PDF, streams unpacked."""
    raw = path.read_bytes()
    parts = [raw]
    for match in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", raw, re.S):
        try:
            parts.append(zlib.decompress(match.group(1)))
        except zlib.error:
            continue
    return b"\n".join(parts)


def test_a_style_does_not_stop_a_notebook_from_showing_figures():
    before = dict(matplotlib.rcParams)
    try:
        with plot.style():
            matplotlib.interactive(True)  # as the first figure of a notebook does
        assert matplotlib.is_interactive()
        with plot.style("nature"):
            assert matplotlib.is_interactive()
    finally:
        matplotlib.interactive(before["interactive"])
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("style", ["aps", "nature"])
def test_a_page_is_as_wide_as_the_journal_says(tmp_path, style):
    plot.save(plot.figure(run().leading, style_name=style), tmp_path / "a.pdf", style_name=style)
    plot.save(
        plot.column(run().leading, "ratios", style_name=style), tmp_path / "b.pdf", style_name=style
    )
    for name, width in (("a.pdf", PAGE[style]), ("b.pdf", COLUMN[style])):
        data = pdf_text(tmp_path / name)
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", data)
        assert float(box.group(1)) * 25.4 / 72 == pytest.approx(width, abs=0.01)
        assert float(box.group(2)) * 25.4 / 72 <= 170
        assert b"/Type3" not in data
        assert b"/CIDFontType2" in data and b"/FontFile2" in data


@pytest.mark.parametrize("style", ["aps", "nature"])
@pytest.mark.parametrize("field", FIELDS)
def test_no_text_overlaps_or_is_cut_off(field, style):
    check_layout(plot.figure(run()[field], style_name=style))


@pytest.mark.parametrize("style", ["aps", "nature"])
@pytest.mark.parametrize("panel", list(plot.PANELS))
def test_no_text_overlaps_in_a_column(panel, style):
    check_layout(plot.column(run()["fc1.weight"], panel, style_name=style))


@pytest.mark.parametrize("style", ["aps", "nature"])
def test_no_text_overlaps_in_the_summary(style):
    check_layout(plot.summary(run(), style_name=style))


@pytest.mark.parametrize(("style", "least", "most"), [("aps", 6.5, 9), ("nature", 5, 7)])
def test_text_is_as_large_as_the_journal_says(style, least, most):
    for fig in (
        plot.figure(run().leading, style_name=style),
        plot.column(run().leading, style_name=style),
        plot.summary(run(), style_name=style),
    ):
        for text, _ in texts(fig):
            letter = style == "nature" and re.fullmatch("[a-f]", text.get_text())
            assert letter or least <= text.get_fontsize() <= most, text


def test_the_largest_run_still_fits_a_page():
    many = {f"encoder.layers.{i}.attention.query.weight": run()["fc2.weight"] for i in range(150)}
    many["fc1.weight"] = run()["fc1.weight"]
    for style, height in (("aps", 235), ("nature", 170)):
        fig = plot.summary(nnrg.Run(many), style_name=style)
        assert fig.get_figheight() * 25.4 <= height
        check_layout(fig)
        labels = [t.get_text() for t in fig.axes[0].get_yticklabels()]
        assert "fc1.weight" in labels


@pytest.mark.parametrize("ending", ["pdf", "png", "svg"])
def test_a_figure_has_the_same_bytes_every_time(tmp_path, ending):
    for i in range(2):
        plot.save(plot.figure(run().leading), tmp_path / f"{i}.{ending}")
    assert (tmp_path / f"0.{ending}").read_bytes() == (tmp_path / f"1.{ending}").read_bytes()


def test_global_settings_neither_matter_nor_change(tmp_path):
    plot.save(plot.column(run().leading), tmp_path / "a.png")
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "savefig.dpi": 50}):
        before = dict(matplotlib.rcParams)
        plot.save(plot.column(run().leading), tmp_path / "b.png")
        assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_missing_fonts_are_passed_over_in_silence(caplog):
    with caplog.at_level(logging.WARNING):
        plot.figure(run().leading, style_name="nature")
    assert not caplog.records


def test_bars_are_the_errors_and_the_band_is_two_spreads_of_the_null():
    c = run()["fc1.weight"].cumulants
    ax = plot.variance(c)
    i = c.names.index("kappa_2")
    first = c.values[0, i]
    (bars,) = (x for x in ax.containers if isinstance(x, ErrorbarContainer))
    segments = np.array(bars.lines[2][0].get_segments())
    np.testing.assert_allclose(
        (segments[:, 1, 1] - segments[:, 0, 1]) / 2, c.errors()[:, i] / first, rtol=1e-9
    )
    np.testing.assert_allclose(bars.lines[0].get_ydata(), c.values[:, i] / first)
    band = ax.collections[-1].get_paths()[0].vertices[:, 1]
    top = (c.null_mean() + 2 * c.null_spread())[:, i] / first
    assert band.max() == pytest.approx(top.max())


def test_flagged_points_are_open():
    g = run()["fc1.weight"].couplings
    flags = (("doubtful",) * len(g.names), *[("",) * len(g.names)] * (g.scales.size - 1))
    ax = plot.couplings(replace(g, flags=flags), operators=["phi2"])
    (opened,) = (line for line in ax.lines if line.get_markerfacecolor() == "white")
    assert len(opened.get_xdata()) == 1


def refused(measurement, why):
    g = measurement.couplings
    flags = ((why,) * len(g.names),) * g.scales.size
    nothing = replace(g, values=np.full(g.values.shape, np.nan), flags=flags)
    return Measurement(measurement.cumulants, nothing)


def test_an_empty_panel_says_why():
    empty = refused(run()["fc1.weight"], "hard edge: the density does not vanish")
    fig = plot.figure(empty)
    check_layout(fig)
    said = " ".join(" ".join(t.get_text() for t, _ in texts(fig)).split())
    assert "refused at every scale: hard edge" in said
    assert "no scale has a z-score" in said


def test_without_a_null_the_figure_says_so():
    m = run()["fc1.weight"]
    bare = Measurement(replace(m.cumulants, nulls={}), replace(m.couplings, nulls={}))
    fig = plot.figure(bare)
    check_layout(fig)
    assert "no null model was run" in " ".join(t.get_text() for t, _ in texts(fig))


@pytest.mark.parametrize("name", ["a$x_2^$\\frac", "x" * 300, "line\nbreak\x1b[2J"])
def test_names_from_files_are_never_read_as_formulas(name):
    m = run()["fc1.weight"]
    attrs = {**m.couplings.attrs, "field": name, "axes": "$^$, \\frac"}
    odd = Measurement(replace(m.cumulants, attrs=attrs), replace(m.couplings, attrs=attrs))
    check_layout(plot.figure(odd))
    check_layout(plot.summary(nnrg.Run({name: odd}, attrs={"model": name})))


def test_one_scale_and_many_scales_can_be_drawn():
    x = np.random.default_rng(1).normal(size=(12, 2**13))
    for levels in (1, None):
        net = nnrg.load({"w": x})
        r = nnrg.flow_network(
            net, sites=nnrg.Lattice(2**13), levels=levels, nulls=("permutation",), rng=1
        )
        check_layout(plot.figure(r.leading))


def test_panels_draw_into_the_axes_they_are_given():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    m = run().leading
    assert plot.variance(m.cumulants, ax=ax) is ax
    assert plot.z_scores(m.cumulants).get_ylabel() == "$z$ against permutation"


def test_what_cannot_be_drawn_is_an_argument_error(tmp_path):
    m = run().leading
    with pytest.raises(ArgumentError, match="one of aps, nature"):
        plot.figure(m, style_name="science")
    with pytest.raises(ArgumentError, match=r"\.pdf, \.svg or \.png"):
        plot.save(plot.column(m), tmp_path / "a.tiff")
    with pytest.raises(ArgumentError, match="no operator 'phi9'"):
        plot.couplings(m.couplings, operators=["phi9"])
    with pytest.raises(ArgumentError, match="panel must be"):
        plot.column(m, "flow")
    with pytest.raises(ArgumentError, match="orders must be a sequence of integers, got 3"):
        plot.ratios(m.cumulants, orders=3)
    with pytest.raises(ArgumentError, match="each of orders must be an integer"):
        plot.ratios(m.cumulants, orders=(3, "4"))
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot be written"):
        plot.save(plot.column(m), tmp_path / "file" / "a.png")


def test_a_signed_logarithm_has_room_for_the_last_error_bar():
    ax = new_figure(86, 65).subplots()
    points, bars = np.array([0.1, -0.1, 0.2, 43.0]), np.array([-3.0, 67.0])
    _limit(ax, points, bars)
    _signed_log(ax, points)
    assert ax.get_yscale() == "symlog"
    cap = ax.transAxes.inverted().transform(ax.transData.transform((1, bars.max())))[1]
    assert 0.8 < cap < 0.97
