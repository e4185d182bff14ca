"""Figures of a network placed among random ones: its flows with theory under them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.networks._label import label
from nnrg.plot._theory_panels import chosen, legend, look, new_axes, points, zero_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnrg.theory.placement.blocks import BlockFlow
    from nnrg.theory.placement.signal import SignalFlow

__all__ = ["block_flow", "signal_flow"]

Array = npt.NDArray[np.float64]

_DEPTH = {"q": r"$q_l=\langle z^2\rangle$", "c": r"correlation $c_l$"}
_BLOCK = {
    "variance": r"$\kappa_2(b)/\kappa_2(1)$",
    "ratio": r"$\lambda_4=\kappa_4/\kappa_2^2$",
}
# Labels with a number of sigmas that fit along the axis of a column.
_MOST_LABELS = 7


def block_flow(flow: BlockFlow, quantity: str = "variance", *, ax: Axes | None = None) -> Axes:
    """Plot the flow of block averages with that of independent weights under it.

    Parameters
    ----------
    flow : BlockFlow
    quantity : {"variance", "ratio"}
        kappa_2(b) / kappa_2(1), or lambda_4(b); both dimensionless.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Points carry one standard deviation; below each scale stands how many of them the theory is
        away, a dash where it cannot be told (open points).

    Raises
    ------
    ArgumentError
        If there is no such quantity.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.placement import block_flow
    >>> weights = np.random.default_rng(1).normal(size=(200, 64))
    >>> field = nnrg.SynapticField(weights, nnrg.Lattice(64))
    >>> ax = nnrg.plot.block_flow(block_flow(field))
    """
    quantity = chosen(quantity, _BLOCK)
    ax = new_axes(ax)
    ax.set_xscale("log", base=2)
    if quantity == "variance":
        ax.set_yscale("log")
        theory, sigmas = flow.theory_variance, flow.sigmas
    else:
        zero_line(ax)
        theory, sigmas = flow.theory_ratio, flow.ratio_sigmas
    values, errors = getattr(flow, quantity), getattr(flow, f"{quantity}_error")
    ax.plot(flow.scales, theory, color="black", ls="--", marker="", label="independent weights")
    told = np.isfinite(sigmas)
    told[0] = True
    name = label(flow.name, 20)
    if quantity == "variance" and np.isfinite(flow.p):
        name = f"{name}, p = {flow.p:.1g}"
    points(ax, flow.scales, values, errors, look(0), name=name, doubtful=~told)
    if quantity == "ratio":
        # The error of a fourth cumulant of few blocks would hide all other points.
        reach = np.abs(np.concatenate([values[told], theory, (values + errors)[told]]))
        ax.set_ylim(*(1.6 * float(np.nanmax(reach)) * np.array([-1, 1])))
    _sigma_ticks(ax, flow.scales, [f"{b:g}" for b in flow.scales], sigmas)
    ax.set_xlim(flow.scales[0] / 1.3, flow.scales[-1] * 1.3)
    ax.set_xlabel("block length $b$; sigmas from theory")
    ax.set_ylabel(_BLOCK[quantity])
    legend(ax, 2)
    shown = ax.get_legend()
    for text in shown.get_texts() if shown else ():
        text.set_parse_math(False)
    return ax


def signal_flow(flow: SignalFlow, quantity: str = "q", *, ax: Axes | None = None) -> Axes:
    """Plot variance or correlation of preactivations along a network, with mean field under it.

    Parameters
    ----------
    flow : SignalFlow
    quantity : {"q", "c"}
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Bands are two standard deviations of single networks of each null model; below each layer
        stands how many of them the network is away from the first of these.

    Raises
    ------
    ArgumentError
        If there is no such quantity.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.placement import signal_flow
    >>> rng = np.random.default_rng(1)
    >>> layers = [(rng.normal(0, 0.1, (100, 100)), None) for _ in range(3)]
    >>> ax = nnrg.plot.signal_flow(signal_flow(layers, "tanh", draws=16, rng=2))
    """
    quantity = chosen(quantity, _DEPTH)
    ax = new_axes(ax)
    layers = np.arange(1, len(flow.names) + 1, dtype=np.float64)
    values, theory = getattr(flow, quantity), getattr(flow, f"{quantity}_theory")
    nulls = getattr(flow, f"{quantity}_nulls")
    shown = [values, theory]
    for i, (name, draws) in enumerate(nulls.items(), 1):
        centre, spread = draws.mean(axis=0), 2 * draws.std(axis=0, ddof=1)
        colour = look(i)["color"]
        ax.fill_between(layers, centre - spread, centre + spread, color=colour, alpha=0.2, lw=0)
        ax.plot(
            layers, centre, color=colour, marker="", lw=0.8, label=f"{label(name, 20)}, 2 sigma"
        )
        shown += [centre - spread, centre + spread]
    ax.plot(layers, theory, color="black", ls="--", marker="", label="mean field")
    ax.plot(layers, values, **{**look(0), "ls": ""}, label="network")
    if quantity == "q":
        positive = np.concatenate([v[np.isfinite(v) & (v > 0)] for v in shown])
        if positive.size and positive.max() > 30 * positive.min():
            ax.set_yscale("log", nonpositive="clip")
    first = next(iter(nulls), "")
    sigmas = flow.sigmas.get((quantity, first), np.full(len(layers), np.nan))
    _sigma_ticks(ax, layers, [f"{layer:g}" for layer in layers], sigmas)
    ax.set_xlim(layers[0] - 0.3, layers[-1] + 0.3)
    ax.set_xlabel(f"layer; sigmas from {first}" if first else "layer")
    ax.set_ylabel(_DEPTH[quantity])
    legend(ax, 2)
    return ax


def _sigma_ticks(ax: Axes, at: Array, names: list[str], sigmas: Array) -> None:
    """Label ticks with their number and, below it, the sigmas there."""
    chosen = slice(None, None, -(-len(at) // _MOST_LABELS))
    lines = [
        f"{name}\n{s:+.1f}" if np.isfinite(s) else f"{name}\n-"
        for name, s in zip(names, sigmas, strict=True)
    ]
    ax.set_xticks(at[chosen], lines[chosen])
    ax.minorticks_off()
