"""Figures of depth as a direction of space: currents, continuity, decimation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.plot._theory_panels import legend, look, new_axes, points
from nnrg.theory.synaptic.continuity import DepthContinuity
from nnrg.theory.synaptic.depth_scales import DepthScales

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["continuity_residual", "depth_flow", "energy_current"]

Array = npt.NDArray[np.float64]

_ROUNDING = 2.0**-52
_ASKED = 1e-10


def energy_current(continuity: DepthContinuity, *, ax: Axes | None = None) -> Axes:
    r"""Plot the energy that passes between layers, and what the layers' own balance makes of it.

    Parameters
    ----------
    continuity : DepthContinuity
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Currents with one standard deviation over samples; the line is J_0 less what layers up to
        there took up and lost: they agree where continuity holds.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.synaptic import FeedForward, depth_continuity
    >>> net, x = FeedForward.of([np.eye(3)] * 4, output="tanh"), np.eye(3)
    >>> flow = depth_continuity(net, x, x, np.ones(net.n_parameters), gamma=1.0)
    >>> ax = nnrg.plot.energy_current(flow)
    """
    ax = new_axes(ax)
    at = np.arange(continuity.n_layers + 1)
    taken = continuity.energy_rate + continuity.dissipation - continuity.inflow
    total = continuity.current + continuity.shared
    line = total[0] - np.concatenate([[0.0], np.cumsum(taken)])
    shared = bool(continuity.shared.any())
    name = "layer balance"
    ax.plot(at, line, color="black", marker="", lw=1, drawstyle="default", label=name)
    points(ax, at, continuity.current, continuity.current_error, look(1), name=r"current $J_l$")
    if shared:
        points(ax, at, continuity.shared, continuity.shared_error, look(2), name="shared $K_l$")
        ax.plot(at, total, ls="", ms=5, mfc="none", **look(3), label=r"$J_l+K_l$")
    ax.axhline(0, color="0.6", lw=0.6, zorder=0)
    step = max(1, -(-len(at) // 12))
    ax.set_xticks(at[::step])
    ax.set_xlabel("boundary between layers $l$ and $l+1$")
    ax.set_ylabel("energy passed on")
    legend(ax, 2)
    return ax


def continuity_residual(
    flows: Sequence[DepthContinuity],
    steps: npt.ArrayLike | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Plot how well energy is conserved along depth, step by step of training.

    Parameters
    ----------
    flows : sequence of DepthContinuity
    steps : array, optional
        Of training, one for each; counted if left out.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Largest residual of a layer over the largest term, on a logarithmic scale.

    Raises
    ------
    ArgumentError
        If there is no flow, or steps are not as many.
    """
    at = np.arange(len(flows)) if steps is None else np.asarray(steps, dtype=np.float64)
    if not flows or at.shape != (len(flows),):
        raise ArgumentError(
            f"one step for each of one flow or more is needed, got {len(flows)} flows and steps of "
            f"shape {at.shape}"
        )
    ax = new_axes(ax)
    worst = [max(flow.relative_residual, _ROUNDING) for flow in flows]
    ax.plot(at, worst, ls="", ms=3, label="residual over largest term", **look(0))
    ax.axhline(_ROUNDING, color="black", lw=0.8, ls=":", label="rounding")
    ax.axhline(_ASKED, color="0.5", lw=0.8, ls=(0, (4, 2)), label=r"$10^{-10}$")
    ax.set_yscale("log")
    ax.set_ylim(0.2 * _ROUNDING, 4 * max(_ASKED, *worst))
    ax.set_xlabel("step of training")
    ax.set_ylabel("residual of continuity")
    legend(ax, 2)
    return ax


def depth_flow(flow: DepthScales, *, ax: Axes | None = None) -> Axes:
    r"""Plot the chain along depth at each scale: growth of fluctuations, and softness of blocks.

    Parameters
    ----------
    flow : DepthScales
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Points with one standard deviation over samples; lines are layers that are all as one layer
        is on average and forget directions, a' = a^b; dotted is the fixed point.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.synaptic import FeedForward, coarse_grain_depth
    >>> net = FeedForward.of([0.8 * np.eye(3)] * 4)
    >>> ax = nnrg.plot.depth_flow(coarse_grain_depth(net, np.eye(3)))
    """
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

    ax = new_axes(ax)
    b = np.array(flow.scales, dtype=np.float64)
    fine = np.geomspace(1, b[-1], 60) if len(b) > 1 else b
    gain = flow.gain.values[0]
    soft = fine if gain == 1 else (1 - gain**fine) / (1 - gain)
    for i, (found, line, name) in enumerate(
        (
            (flow.gain, gain**fine, r"gain $g_b$"),
            (flow.compliance.map(lambda row: row * flow.stiffness), soft, r"$\kappa/\kappa_b$"),
        )
    ):
        seen = look(i)
        dashed = {"color": seen["color"], "marker": "", "lw": 0.9, "ls": (0, (4, 2))}
        ax.plot(fine, line, label=None if i else r"$g_1^b$, one layer repeated", **dashed)
        points(ax, b, found.values, found.errors(), seen, name=name)
    ax.plot(fine, np.ones_like(fine), color="0.5", marker="", lw=0.8, ls=":", label="fixed point")
    ax.plot(fine, fine, color="0.5", marker="", lw=0.8, ls=":")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(b, [f"{x:g}" for x in b])
    ax.xaxis.set_minor_locator(NullLocator())
    # Less than two decades have one or two ticks at powers of ten: the others need their numbers.
    low, high = ax.get_ylim()
    if high < 100 * low:
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("block of $b$ layers")
    ax.set_ylabel("coupling of the chain")
    legend(ax, 2)
    return ax
