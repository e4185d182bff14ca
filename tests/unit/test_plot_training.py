"""Figures of recorded training: what is drawn is what was recorded, and nothing overlaps."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from unit.test_plot import check_layout

from nnrg import plot
from nnrg.errors import AnalysisError
from nnrg.simulate.training import HeavyBall, Recording, logarithmic_steps, perceptron, train


@cache
def made(rate=0.05, n_seeds=3, growing=False):
    x = np.random.default_rng(1).standard_normal((50, 4))
    when = logarithmic_steps(200, 12) if growing else 1
    return train(
        perceptron(4), (x, x @ [1.0, 2, 3, 4]), optimiser=HeavyBall(rate, 0.8), steps=200,
        record=Recording(when), n_seeds=n_seeds, rng=1,
    )  # fmt: skip


@pytest.mark.parametrize("style", ["aps", "nature"])
def test_costs_of_starts_and_their_mean(style):
    record = made()
    figure = plot.page(lambda ax: plot.training_costs(record, ax=ax), style_name=style)
    (ax,) = figure.axes
    *starts, mean = (line.get_xydata() for line in ax.lines)
    for drawn, losses in zip(starts, record.losses, strict=True):
        np.testing.assert_array_equal(drawn, np.stack([record.steps, losses], axis=1))
    np.testing.assert_allclose(mean[:, 1], record.losses.mean(axis=0), rtol=1e-15)
    band = ax.collections[0].get_paths()[0].vertices
    error = record.losses.std(axis=0, ddof=1) / 3**0.5
    assert band[:, 1].max() == pytest.approx((record.losses.mean(axis=0) + error).max())
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["mean of 3"]
    check_layout(figure)


@pytest.mark.parametrize("style", ["aps", "nature"])
def test_divergence_and_one_start_on_a_logarithmic_axis(style):
    record, slow = made(9.0), made(n_seeds=1, growing=True)
    assert record.diverged is not None
    figure = plot.page(
        *(lambda ax, made=made: plot.training_costs(made, ax=ax) for made in (record, slow)),
        style_name=style,
    )
    left, right = figure.axes
    cross = left.lines[-1].get_xydata()
    assert cross[0, 0] == record.steps[-1] and left.lines[-1].get_label() == "diverged"
    assert right.get_xscale() == "symlog"
    assert [t.get_text() for t in right.get_legend().get_texts()] == ["one start"]
    check_layout(figure)


def test_a_record_without_costs_is_refused():
    with pytest.raises(AnalysisError, match="holds no costs"):
        plot.training_costs(replace(made(), losses=np.full((3, 201), np.nan)))
