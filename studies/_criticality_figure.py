"""The figure of the study of criticality: places, flow with depth, flow with scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnrg.plot import style
from nnrg.theory.criticality import critical_line

if TYPE_CHECKING:
    from _criticality_flows import Found
    from matplotlib.axes import Axes

# sigma_b^2 of layers without biases is drawn here, and said.
_NO_BIAS = 1e-5
_SCALES = ("patches", "patches, initial", "alexa", "mycroft", "crepe full", "MiniLM 0")
_KINDS = {"patches, initial": "patches"}


def draw(results: Sequence[Found], path: Callable[[str], Path]) -> None:
    """Draw the three panels."""
    from matplotlib.figure import Figure

    from nnrg import plot

    with style("aps"):
        figure = Figure(figsize=(7.0, 5.6), layout="constrained")
        grid = figure.add_gridspec(2, 2)
        _places(figure.add_subplot(grid[0, :]), results)
        _depth(figure.add_subplot(grid[1, 0]), results)
        _scale(figure.add_subplot(grid[1, 1]), results)
        for ending in ("pdf", "png"):
            plot.save(figure, path(f"criticality.{ending}"))


def _family(title: str) -> str:
    return _KINDS.get(title, "MiniLM" if title.startswith("MiniLM") else title)


def _places(ax: Axes, results: Sequence[Found]) -> None:
    colours: dict[str, str] = {}
    for found in results:
        family = _family(found.group.title)
        new = family not in colours
        colour = colours.setdefault(family, f"C{len(colours)}")
        hollow = found.group.normalised or found.group.network == "initial"
        for i, layer in enumerate(found.placed.layers):
            w, b = layer.scales.sigma_w, layer.scales.sigma_b
            height = max(b.value**2, _NO_BIAS)
            ax.errorbar(
                w.value**2,
                height,
                xerr=2 * w.value * w.error,  # of the square
                yerr=[[min(2 * b.value * b.error, 0.9 * height)], [2 * b.value * b.error]],
                fmt="s" if found.group.activation == "gelu" else "o",
                color=colour,
                mfc="white" if hollow else colour,
                label=family if new and i == 0 else None,
            )
    ax.axvline(2, color="k", lw=1)
    ax.text(2.1, 3e-5, "$\\chi_1 = 1$, ReLU", rotation=90, va="bottom")
    if any(found.group.activation == "gelu" for found in results):
        line = critical_line("gelu", q=np.logspace(-3, 2, 60))
        known = np.isfinite(line.sigma_b) & (line.sigma_b > 0)
        ax.plot(line.sigma_w[known] ** 2, line.sigma_b[known] ** 2, "k--", lw=1, marker="")
        ax.text(4.2, 3e-5, "GELU", rotation=90, va="bottom")
    ax.set(xscale="log", yscale="log", xlabel=r"$\sigma_w^2$")
    ax.set_ylabel(r"$\sigma_b^2$ (no biases: $10^{-5}$)")
    ax.set_ylim(_NO_BIAS / 2, None)
    ax.set_title("(a) places, one standard deviation; hollow: initial, or normalised", loc="left")
    ax.legend(ncols=3, loc="lower right")


def _depth(ax: Axes, results: Sequence[Found]) -> None:
    labels: list[str] = []
    for found in results:
        depth = found.placed.depth
        if depth is None:
            continue
        for layer in range(len(depth.names)):
            x = len(labels)
            labels.append(f"{found.group.title}, {layer + 1}")
            for quantity, marker in (("q", "o"), ("c", "s")):
                for null, colour in (("gaussian", "C0"), ("permuted", "C1")):
                    ax.plot(
                        x + (0.15 if null == "permuted" else -0.15),
                        depth.sigmas[quantity, null][layer],
                        marker,
                        color=colour,
                        mfc=colour if quantity == "q" else "white",
                        label=f"${quantity}$, {null}" if x == 0 else None,
                    )
    ax.set_title("(b) flow with depth, distance from nulls", loc="left")
    if not labels:
        ax.text(0.5, 0.5, "not in a quick run", ha="center", transform=ax.transAxes)
        return
    ax.axhspan(-2, 2, color="0.9", lw=0, zorder=0)
    ax.set_yscale("symlog", linthresh=10)
    ax.set_ylabel("standard deviations")
    ax.set_xticks(range(len(labels)), labels, rotation=90)
    ax.set_ylim(-20, 400)
    ax.legend(ncols=2, loc="upper right")


def _scale(ax: Axes, results: Sequence[Found]) -> None:
    for k, found in enumerate(f for f in results if f.group.title in _SCALES):
        if not found.blocks:
            continue
        tensor, (flow, cumulants) = next(iter(found.blocks.items()))
        b = flow.scales
        factor, error = flow.sites * flow.variance, flow.sites * flow.variance_error
        known = error < 0.5 * factor
        colour = f"C{k}"
        name = tensor.removesuffix(".weight").rpartition("layer.0.")[2].removesuffix(".dense")
        ax.errorbar(
            b[known] * 1.02**k,
            factor[known],
            error[known],
            color=colour,
            label=f"{found.group.title}, {name}",
            zorder=3,
        )
        i = cumulants.names.index("kappa_2")
        spread = cumulants.null_spread("shuffle")[:, i] * flow.sites / cumulants.values[0, i]
        mean = cumulants.null_mean("shuffle")[:, i] * flow.sites / cumulants.values[0, i]
        low = np.maximum(mean - 2 * spread, 0.25)
        ax.fill_between(b[known], low[known], (mean + 2 * spread)[known], color=colour, alpha=0.15)
    ax.axhline(1, color="0.5", lw=0.5)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=2)
    ax.set(xlabel="block length $b$", ylabel=r"$B\,\kappa_2(b)\,/\,\kappa_2(1)$")
    ax.set_title("(c) flow with scale; bands: shuffled", loc="left")
    ax.set_ylim(0.25, ax.get_ylim()[1] * 60)
    ax.legend(loc="upper left")
