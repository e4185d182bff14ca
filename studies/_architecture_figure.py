"""The figure of the study of architectures: the variance of learned blocks over random ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from _architectures import FAMILIES, Layer

from nnrg.plot import style
from nnrg.results import Run

LOWEST = 0.4
Runs = Mapping[str, Run]


def excess(run: Run, null: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return b, the variance of blocks over that of the null model, its error, and the band's."""
    cumulants = run.leading.cumulants
    i = cumulants.names.index("kappa_2")
    mean = cumulants.null_mean(null)[:, i]
    ratio, error = cumulants.values[:, i] / mean, cumulants.errors()[:, i] / mean
    return cumulants.scales, ratio, error, cumulants.null_spread(null)[:, i] / mean


def draw(layers: Sequence[Layer], runs: Runs, path: Callable[[str], Path]) -> None:
    """Draw the variance of learned blocks over that of random ones, a panel for each family."""
    from matplotlib.figure import Figure

    from nnrg import plot

    with style("aps"):
        figure = Figure(figsize=(7.0, 4.6), layout="constrained")
        panels = figure.subplots(2, 2, sharex=True)
        for ax, family, letter in zip(panels.flat, FAMILIES, "abcd", strict=True):
            shown = [x for x in layers if x.family == family and x.title in runs]
            for k, layer in enumerate(shown):
                b, ratio, error, spread = excess(runs[layer.title], "permutation")
                colour = f"C{k}"
                x = b[1:] * 1.03 ** (k - len(shown) / 2)
                ax.errorbar(x, ratio[1:], error[1:], color=colour, label=layer.title, zorder=3)
                band = np.maximum(1 - 2 * spread[1:], LOWEST), 1 + 2 * spread[1:]
                ax.fill_between(b[1:], *band, color=colour, alpha=0.2, lw=0)
                nulls = runs[layer.title].leading.cumulants.nulls
                if "configuration" in nulls:
                    _, rewired, _, _ = excess(runs[layer.title], "configuration")
                    ax.plot(b[1:], ratio[1:] / rewired[1:], color=colour, ls=":", marker="", lw=0.8)
            ax.axhline(1, color="0.5", lw=0.5)
            ax.set_xscale("log", base=2)
            ax.set_yscale("log", base=2)
            ax.set_title(f"({letter}) {family}", loc="left")
            if shown:
                ax.legend(loc="upper left")
            else:
                ax.text(0.5, 0.5, "not in a quick run", ha="center", transform=ax.transAxes)
            ax.set_ylim(LOWEST, ax.get_ylim()[1] * 4)
        for ax in panels[1]:
            ax.set_xlabel("mean block size $b$")
        for ax in panels[:, 0]:
            ax.set_ylabel(r"$\kappa_2(b)\,/\,\kappa_2$ permuted")
        figure.supxlabel(
            "bands: permuted units, two standard deviations; dotted: mean of rewired graphs",
            fontsize="small",
        )
        for ending in ("pdf", "png"):
            plot.save(figure, path(f"architectures.{ending}"))
