"""Figures of flows: every point with its error bar, every curve with the band of its null model.

Each function takes and returns Axes; none shows, saves, or touches global settings. `figure` puts
the panels of one measurement together at the width of a journal's column, `save` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError, SourceError
from nnrg.results import Measurement, Run
from nnrg.rg.action import Couplings, field_powers
from nnrg.rg.cumulants import Cumulants
from nnrg.rg.observables import Observables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "STYLES",
    "correlation",
    "couplings",
    "figure",
    "ratios",
    "save",
    "style",
    "summary",
    "variance",
    "z_scores",
]

Array = npt.NDArray[np.float64]

# Full width of a page in inches: 17.8 cm for Physical Review, 183 mm for Nature.
STYLES = {"aps": 7.0, "nature": 7.205}

_SYMBOLS = {
    "phi": r"$g_1$",
    "phi2": r"$r$",
    "phi3": r"$g_3$",
    "phi4": r"$u$",
    "phi5": r"$g_5$",
    "phi6": r"$g_6$",
    "phi7": r"$g_7$",
    "phi8": r"$g_8$",
}


@contextmanager
def style(name: str = "aps") -> Iterator[None]:
    """Use a journal's style within a ``with`` block: ``"aps"`` or ``"nature"``."""
    import matplotlib.style

    if name not in STYLES:
        raise ArgumentError(f"style must be one of {', '.join(STYLES)}, got {name!r}")
    sheet = resources.files("nnrg") / "styles" / f"{name}.mplstyle"
    with resources.as_file(sheet) as path, matplotlib.style.context(str(path)):
        yield


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(layout="constrained").subplots()


def _symbol(name: str, axes: Sequence[str]) -> str:
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    kind, _, axis = name.partition(":")
    if kind in ("grad2", "neighbour") and axis.isdigit() and int(axis) < len(axes):
        return (r"$Z$ " if kind == "grad2" else "") + axes[int(axis)]
    if kind.startswith("ratio_"):
        return rf"$\lambda_{kind[6:]}$"
    return name


def _curves(
    ax: Axes, result: Observables, names: Sequence[str], factor: Array, *, log: bool = False
) -> None:
    """Draw observables times a factor: errors, flagged points open, null band at two sigma."""
    errors, mean, spread = result.errors(), result.null_mean(), result.null_spread()
    axes = str(result.attrs.get("axes", "")).split(", ")
    for k, name in enumerate(names):
        i = result.names.index(name)
        shift = 1.05 ** (k - (len(names) - 1) / 2)
        b = result.scales * shift
        y, e = result.values[:, i] * factor[:, k], errors[:, i] * factor[:, k]
        known = np.isfinite(y)
        bars = ax.errorbar(b[known], y[known], np.nan_to_num(e[known]), label=_symbol(name, axes))
        colour = bars[0].get_color()
        flagged = known & np.array([row[i] != "" for row in result.flags])
        ax.plot(
            b[flagged],
            y[flagged],
            ls="",
            marker=bars[0].get_marker(),
            mfc="white",
            mec=colour,
            zorder=3,
        )
        centre, width = mean[:, i] * factor[:, k], 2 * spread[:, i] * factor[:, k]
        low, high = centre - width, centre + width
        drawn = known & np.isfinite(low) & ((low > 0) | (not log))
        if drawn.any():
            ax.fill_between(b[drawn], low[drawn], high[drawn], color=colour, alpha=0.22, lw=0)
    ax.set_xscale("log", base=2)
    ax.set_xticks(result.scales, [str(b) for b in result.scales], minor=False)
    ax.minorticks_off()
    ax.set_xlabel("block length $b$ (sites)")


def variance(result: Cumulants, *, ax: Axes | None = None) -> Axes:
    """Plot the variance of the unrescaled block mean over that at b = 1, against b.

    The dashed line is b^-d, independent sites.
    """
    ax = _axes(ax)
    first = result.values[0, result.names.index("kappa_2")]
    _curves(ax, result, ["kappa_2"], np.full((result.scales.size, 1), 1 / first), log=True)
    b = result.scales.astype(float)
    d = sum(n.startswith("neighbour") for n in result.names)
    ax.plot(b, b**-d, ls="--", marker="", color="0.4", label=f"$b^{{-{d}}}$ independent")
    ax.set_yscale("log")
    ax.set_ylabel(r"$\kappa_2(b)/\kappa_2(1)$")
    handles, labels = ax.get_legend_handles_labels()
    labels = ["field" if t == "kappa_2" else t for t in labels]
    ax.legend(handles, labels)
    return ax


def correlation(result: Cumulants, *, ax: Axes | None = None) -> Axes:
    """Plot the correlation of neighbouring blocks along each axis against b (dimensionless)."""
    ax = _axes(ax)
    names = [n for n in result.names if n.startswith("neighbour")]
    _curves(ax, result, names, np.ones((result.scales.size, len(names))))
    ax.axhline(0, color="0.6", lw=0.5)
    ax.set_ylabel("neighbour correlation")
    ax.legend()
    return ax


def ratios(result: Cumulants, *, orders: Sequence[int] = (3, 4, 6), ax: Axes | None = None) -> Axes:
    """Plot lambda_n = kappa_n / kappa_2^(n/2) against b (dimensionless)."""
    ax = _axes(ax)
    names = [f"ratio_{n}" for n in orders if f"ratio_{n}" in result.names]
    _curves(ax, result, names, np.ones((result.scales.size, len(names))))
    ax.axhline(0, color="0.6", lw=0.5)
    _signed_log(ax, result.values[:, [result.names.index(n) for n in names]])
    ax.set_ylabel(r"$\lambda_n=\kappa_n/\kappa_2^{n/2}$")
    ax.legend()
    return ax


def couplings(
    result: Couplings, *, operators: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Plot couplings in units of the rescaled field's standard deviation against b.

    g_n times the n-th power of sigma, the standard deviation of the field at b = 1 carried along by
    the rescaling: dimensionless, and free of the unit of the weights.
    """
    ax = _axes(ax)
    names = list(result.names if operators is None else operators)
    unknown = [n for n in names if n not in result.names]
    if unknown:
        raise ArgumentError(f"no operator {unknown[0]!r}; there are {', '.join(result.names)}")
    sigma = result.series["sigma"]
    factor = sigma[:, None] ** field_powers(names)
    _curves(ax, result, names, factor)
    ax.axhline(0, color="0.6", lw=0.5)
    at = [result.names.index(n) for n in names]
    _signed_log(ax, result.values[:, at] * factor)
    ax.set_ylabel(r"$g_n\,\sigma^n$")
    if np.isfinite(result.values[:, at]).any():
        ax.legend()
    else:
        ax.text(
            0.5,
            0.5,
            "refused at every scale:\n" + result.flags[0][0][:60],
            transform=ax.transAxes,
            ha="center",
            va="center",
            wrap=True,
        )
    return ax


def _signed_log(ax: Axes, shown: Array) -> None:
    """Use a signed logarithm where the numbers span more than two decades."""
    size = np.abs(shown[np.isfinite(shown)])
    size = size[size > 0]
    if size.size and size.max() > 100 * np.median(size):
        ax.set_yscale("symlog", linthresh=float(max(np.median(size), 1e-3 * size.max())))


def z_scores(result: Observables, *, ax: Axes | None = None) -> Axes:
    """Plot the z-score of every operator against the first null model; the band is |z| < 2."""
    ax = _axes(ax)
    axes = str(result.attrs.get("axes", "")).split(", ")
    z = result.z()
    for k, name in enumerate(result.names):
        shift = 1.03 ** (k - (len(result.names) - 1) / 2)
        ax.plot(result.scales * shift, z[:, k], ls="", label=_symbol(name, axes))
    ax.axhspan(-2, 2, color="0.85", lw=0, zorder=0)
    ax.set_xscale("log", base=2)
    ax.set_xticks(result.scales, [str(b) for b in result.scales], minor=False)
    ax.minorticks_off()
    ax.set_yscale("symlog", linthresh=5)
    ax.set_xlabel("block length $b$ (sites)")
    null = next(iter(result.nulls), "null")
    ax.set_ylabel(f"$z$ against {null}")
    if np.isfinite(z).any():
        ax.legend(ncols=2, columnspacing=0.8)
    return ax


def figure(result: Measurement, *, style_name: str = "aps") -> Figure:
    """Return the figure of one field's flow: six panels at full page width."""
    from matplotlib.figure import Figure

    c, g = result.cumulants, result.couplings
    with style(style_name):
        fig = Figure(figsize=(STYLES[style_name], 4.5), layout="constrained")
        panels = fig.subplots(2, 3)
        variance(c, ax=panels[0, 0])
        correlation(c, ax=panels[0, 1])
        ratios(c, ax=panels[0, 2])
        quadratic = [n for n in g.names if n == "phi2" or n.startswith("grad2")]
        rest = [n for n in g.names if n not in quadratic]
        couplings(g, operators=quadratic, ax=panels[1, 0])
        couplings(g, operators=rest or quadratic, ax=panels[1, 1])
        z_scores(g, ax=panels[1, 2])
        for ax, letter in zip(panels.flat, "abcdef", strict=True):
            _letter(ax, letter, style_name)
        order = "" if result.natural else " (index order: no natural neighbours)"
        fig.suptitle(f"{g.attrs['field']} — {g.attrs['lattice']}{order}", fontsize="medium")
    return fig


def summary(run: Run, *, style_name: str = "aps") -> Figure:
    """Return one figure of all fields of a run: z of the block variance, field by field and scale."""
    from matplotlib.figure import Figure

    names = list(run)
    scales = sorted({int(b) for m in run.measurements.values() for b in m.cumulants.scales})
    table = np.full((len(names), len(scales)), np.nan)
    for row, name in enumerate(names):
        c = run[name].cumulants
        for b, z in zip(c.scales, c.z()[:, c.names.index("kappa_2")], strict=True):
            table[row, scales.index(int(b))] = z
    with style(style_name):
        fig = Figure(
            figsize=(STYLES[style_name], min(9.0, 1.2 + 0.14 * len(names))), layout="constrained"
        )
        ax = fig.subplots()
        image = ax.imshow(table, aspect="auto", cmap="RdBu_r", vmin=-6, vmax=6)
        labels = [("" if run[n].natural else "(index) ") + n for n in names]
        ax.set_yticks(range(len(names)), labels, fontsize=min(7, 60 * 7 / max(len(names), 60)))
        ax.set_xticks(range(len(scales)), [str(b) for b in scales])
        ax.set_xlabel("block length $b$ (sites)")
        ax.tick_params(length=0)
        fig.colorbar(image, ax=ax, extend="both", label=r"$z$ of $\kappa_2(b)$ against permutation")
    return fig


def _letter(ax: Axes, letter: str, style_name: str) -> None:
    text, weight = (f"({letter})", "normal") if style_name == "aps" else (letter, "bold")
    ax.set_title(text, loc="left", fontweight=weight, pad=3)


def save(fig: Figure, path: str | Path, *, style_name: str = "aps") -> None:
    """Write a figure as PDF, SVG or PNG, the same bytes every time.

    Raises
    ------
    ArgumentError
        If the ending is none of these.
    SourceError
        If the file cannot be written.
    """
    target = Path(path)
    metadata: dict[str, dict[str, Any]] = {
        ".pdf": {"CreationDate": None},
        ".svg": {"Date": None},
        ".png": {"Software": None},
    }
    if target.suffix.lower() not in metadata:
        raise ArgumentError(f"{target}: a figure's name must end in .pdf, .svg or .png")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with style(style_name):
            fig.savefig(target, metadata=metadata[target.suffix.lower()])
    except OSError as error:
        raise SourceError(f"{target}: cannot be written ({error.strerror})") from None
