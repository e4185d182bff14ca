"""Figure of how the correlation of two inputs goes with depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnrg.errors import ArgumentError
from nnrg.plot._theory_panels import legend, look, new_axes, plain_log, points
from nnrg.theory.criticality.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnrg.simulate import RandomNetworks
    from nnrg.theory.loops.two_inputs import TwoInputFiniteWidth

__all__ = ["correlation_decay"]


def correlation_decay(
    theory: Trajectory,
    *,
    measured: Sequence[RandomNetworks] = (),
    finite_width: Sequence[TwoInputFiniteWidth] = (),
    ax: Axes | None = None,
) -> Axes:
    """Plot 1 - c of two inputs against the layer.

    Parameters
    ----------
    theory : Trajectory
        At infinite width: the black line.
    measured : sequence of RandomNetworks, optional
        Ensembles of several widths, whose first two inputs have the correlation that the
        trajectory starts from; mean over networks, with one standard deviation.
    finite_width : sequence of TwoInputFiniteWidth, optional
        Expansions in 1/n, as dashed lines, in the order of `measured`.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        If the trajectory is that of one input, or an ensemble starts elsewhere.
    AnalysisError
        If too few networks are not silent.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.theory.criticality import MeanField
    >>> ax = nnrg.plot.correlation_decay(MeanField("tanh", 1, 0.1).propagate(20, c0=0.3))
    """
    if not np.isfinite(theory.one_minus_c).any():
        raise ArgumentError("the trajectory is that of one input; give propagate a c0")
    ax = new_axes(ax)
    ax.set_yscale("log")
    layers = np.arange(len(theory.one_minus_c))
    positive = theory.one_minus_c > 0
    ax.plot(
        layers[positive], theory.one_minus_c[positive], color="black", marker="",
        label=r"$n=\infty$",
    )  # fmt: skip
    for i, ensemble in enumerate(measured):
        found = [ensemble.cosine(t) for t in range(len(ensemble.cosines))]
        _same_start(theory, ensemble.metric(0).value, found[0].value)
        points(
            ax,
            np.arange(len(found)),
            [1 - e.value for e in found],
            [e.error for e in found],
            look(i),
            name=f"$n={_width(ensemble)}$",
            doubtful=[e.flag != "" for e in found],
        )
    for i, expansion in enumerate(finite_width):
        c = expansion.cosine.sum(axis=1)
        ax.plot(np.arange(len(c)), 1 - c, color=look(i)["color"], ls="--", marker="", lw=0.8)
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlabel("layer")
    ax.set_ylabel(r"$1-c_l$")
    plain_log(ax)
    legend(ax, 4)
    return ax


def _same_start(theory: Trajectory, q: float, c: float) -> None:
    """Raise ArgumentError unless theory and ensemble begin with the same inputs."""
    if abs(q - theory.q[0]) > 1e-6 * q or abs(c - theory.c[0]) > 1e-6:
        raise ArgumentError(
            f"the trajectory starts from q = {theory.q[0]:.6g}, c = {theory.c[0]:.6g}, the "
            f"networks from {q:.6g}, {c:.6g}; give MeanField the q0, and propagate the c0, of the "
            "networks"
        )


def _width(ensemble: RandomNetworks) -> str:
    widths = sorted(set(ensemble.architecture.widths))
    return str(widths[0]) if len(widths) == 1 else f"{widths[0]} .. {widths[-1]}"
