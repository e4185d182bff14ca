"""Figures of recorded training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnrg.errors import AnalysisError
from nnrg.plot._theory_panels import legend, look, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnrg.simulate.training import TrainingRecord

__all__ = ["training_costs"]

_GROWN = 4


def training_costs(record: TrainingRecord, *, ax: Axes | None = None) -> Axes:
    """Plot the cost of each start against the step of training, and the mean of all.

    Parameters
    ----------
    record : TrainingRecord
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Thin lines: one start each. Thick: their mean, with a band of one standard error. A cross:
        the last step before training diverged. Steps that are recorded at growing distances stand
        on a logarithmic axis.

    Raises
    ------
    AnalysisError
        If the record holds no costs.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.simulate.training import HeavyBall, perceptron, train
    >>> x = np.random.default_rng(1).standard_normal((50, 4))
    >>> made = train(perceptron(4), (x, x @ [1, 2, 3, 4]), optimiser=HeavyBall(0.05, 0.8),
    ...              steps=100, n_seeds=3, rng=1)
    >>> ax = nnrg.plot.training_costs(made)
    >>> ax.get_xlabel()
    'step'
    """
    known = np.isfinite(record.losses).all(axis=0)
    if not known.any():
        raise AnalysisError("the record holds no costs; give the recorder the loss of each step")
    ax = new_axes(ax)
    steps, costs = record.steps[known], record.losses[:, known]
    for start in costs:
        ax.plot(steps, start, color="0.7", lw=0.6, marker="", zorder=1)
    mean, colour = costs.mean(axis=0), look(0)["color"]
    n = len(costs)
    if n > 1:
        error = costs.std(axis=0, ddof=1) / n**0.5
        ax.fill_between(steps, mean - error, mean + error, color=colour, alpha=0.3, lw=0)
    name = f"mean of {n}" if n > 1 else "one start"
    ax.plot(steps, mean, color=colour, lw=1.2, marker="", label=name)
    if record.diverged is not None:
        ax.plot(
            steps[-1:], mean[-1:], color="black", ls="", marker="x", clip_on=False, label="diverged"
        )
    if (costs > 0).all():
        ax.set_yscale("log")
    # The last distance is what is left of the steps.
    gaps = np.diff(steps)[:-1]
    if gaps.size and gaps.max() > _GROWN * gaps.min():
        ax.set_xscale("symlog", linthresh=1.0, linscale=0.3)
    ax.set_xlim(0, max(steps[-1], 1))
    ax.set_xlabel("step")
    ax.set_ylabel("cost")
    legend(ax, 2)
    return ax
