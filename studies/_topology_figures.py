"""The figures of the study of topology: every panel with the band of its null model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from _diffusion import Diffusion

from nnrg.plot import style
from nnrg.rg.cumulants import Cumulants
from nnrg.rg.phenomenological import PhenomenologicalFlow

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
MARKERS = "os^D"


def means_something(title: str, exponent: str) -> bool:
    """Tell whether an exponent is one of activity: modes that weights chose are not its modes."""
    return exponent != "mu" or title.endswith("by activity")


def over_permuted(
    cumulants: Cumulants,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return b > 1, the variance of blocks over that of permuted units, its error, the band's."""
    i = cumulants.names.index("kappa_2")
    mean = cumulants.null_mean("permutation")[1:, i]
    values, errors = cumulants.values[1:, i], cumulants.errors()[1:, i]
    spread = cumulants.null_spread("permutation")[1:, i]
    return cumulants.scales[1:], values / mean, errors / mean, spread / mean


def draw_diffusion(found: Mapping[str, Diffusion], path: Callable[[str], Path]) -> None:
    """Draw C(tau) of every graph with the bands of rewired graphs and of shuffled weights."""
    from matplotlib.figure import Figure

    from nnrg import plot

    columns = min(5, len(found))
    rows = -(-len(found) // columns)
    with style("aps"):
        figure = Figure(figsize=(7.0, 0.4 + 1.6 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False)
        for k, (ax, (title, d)) in enumerate(zip(panels.flat, found.items(), strict=False)):
            for colour, draws in zip(("#E69F00", "#009E73"), d.draws.values(), strict=True):
                mean, spread = draws.mean(axis=0), draws.std(axis=0, ddof=1)
                band = mean - 2 * spread, mean + 2 * spread
                ax.fill_between(d.tau, *band, color=colour, lw=0.8)
            ax.plot(d.tau, d.capacity, color=COLOURS[0], marker="", lw=0.8)
            ax.set_xscale("log")
            ax.set_title(f"({'abcdefghij'[k]}) {title}", loc="left", fontsize="small")
            ax.set_xticks([1, 10, 100])
            ax.set_xlim(d.tau[0], d.tau[-1])
            ax.set_ylim(0, None)
        for ax in panels.flat[len(found) :]:
            ax.set_visible(False)
        for ax in panels[:, 0]:
            ax.set_ylabel(r"$C(\tau)$")
        figure.supxlabel(
            r"diffusion time $\tau$; blue: the graph; two standard deviations of graphs, orange: "
            "rewired, green: of shuffled weights",
            fontsize="small",
        )
        for ending in ("pdf", "png"):
            plot.save(figure, path(f"topology.{ending}"))


def draw_activity(
    flows: Mapping[str, PhenomenologicalFlow],
    blocks: Mapping[str, Cumulants],
    path: Callable[[str], Path],
) -> None:
    """Draw variance, silence and exponents over pairs, and the variance over blocks by weights."""
    from matplotlib.figure import Figure

    from nnrg import plot

    with style("aps"):
        figure = Figure(figsize=(7.0, 5.2), layout="constrained")
        panels = figure.subplots(2, 2)
        for ax, name, label in (
            (panels[0, 0], "variance", r"$M_2(K)\,/\,K M_2(1)$"),
            (panels[0, 1], "free_energy", r"$\ln P_0(K)\,/\,K \ln P_0(1)$"),
        ):
            for colour, (title, flow) in zip(COLOURS, flows.items(), strict=False):
                if name not in flow.observables:
                    continue
                k = flow.scales
                ratio = flow.observables[name].map(lambda v, k=k: v / (v[..., :1] * k))
                ax.errorbar(k, ratio.values, ratio.errors(), color=colour, label=title)
                drawn = flow.draws[name] / (flow.draws[name][:, :1] * k)
                mean, spread = drawn.mean(axis=0), drawn.std(axis=0, ddof=1)
                band = mean - 2 * spread, mean + 2 * spread
                ax.fill_between(k, *band, color=colour, alpha=0.25, lw=0)
            ax.set_xscale("log", base=2)
            ax.set_xlabel("units in a block $K$")
            ax.set_ylabel(label)
        panels[0, 0].legend(loc="upper left")
        _room(panels[0, 0], 0.3)
        _exponents(panels[1, 0], flows)
        for colour, (title, cumulants) in zip(COLOURS, blocks.items(), strict=False):
            b, ratio, error, spread = over_permuted(cumulants)
            panels[1, 1].errorbar(b, ratio, error, color=colour, label=title)
            panels[1, 1].fill_between(
                b, 1 - 2 * spread, 1 + 2 * spread, color=colour, alpha=0.2, lw=0
            )
            i = cumulants.names.index("kappa_2")
            rewired = cumulants.null_mean("configuration")[1:, i]
            rewired = rewired / cumulants.null_mean("permutation")[1:, i]
            panels[1, 1].plot(b, rewired, color=colour, ls=":", marker="", lw=0.8)
        panels[1, 1].set_xscale("log", base=2)
        panels[1, 1].set_xlabel("mean block size $b$")
        panels[1, 1].set_ylabel(r"$\kappa_2\,/\,\kappa_2$ permuted")
        panels[1, 1].legend(loc="upper left")
        _room(panels[1, 1], 0.35)
        for ax, letter in zip(panels.flat, "abcd", strict=True):
            ax.set_title(f"({letter})", loc="left")
        figure.supxlabel(
            "bands, two standard deviations: (a-c) independent units, (d) permuted units; "
            "dotted: mean of rewired graphs",
            fontsize="small",
        )
        for ending in ("pdf", "png"):
            plot.save(figure, path(f"topology_activity.{ending}"))


def _room(ax: object, share: float) -> None:
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + share * (high - low))


def _exponents(ax: object, flows: Mapping[str, PhenomenologicalFlow]) -> None:
    """Draw the slopes over all K beside those of independent units."""
    names = ("alpha", "beta", "mu")
    for k, (colour, (title, flow)) in enumerate(zip(COLOURS, flows.items(), strict=False)):
        scores = {s.name: s for s in flow.scores}
        for at, name in enumerate(names):
            fit, x = flow.fits[name], at + 0.15 * (k - 1.5)
            if name not in scores or not means_something(title, name):
                continue
            s = scores[name]
            ax.errorbar(
                [x], [fit.effective.value], [fit.effective.error], color=colour, marker=MARKERS[k]
            )
            ax.fill_between(
                [x - 0.06, x + 0.06], *[[s.null_mean + n * s.null_spread] * 2 for n in (-2, 2)],
                color=colour, alpha=0.25, lw=0,
            )  # fmt: skip
    ax.set_xticks(range(len(names)), [r"$\alpha$", r"$\tilde\beta$", r"$\mu$"])
    ax.minorticks_off()
    ax.set_ylabel("slope over all $K$")
