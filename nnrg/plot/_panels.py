"""The panels of a figure, each one Axes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_names
from nnrg.errors import ArgumentError
from nnrg.networks._label import label
from nnrg.plot._given import as_orders, axes_of, given
from nnrg.plot._symbols import scale_name, symbol
from nnrg.rg.couplings import Couplings
from nnrg.rg.cumulants import Cumulants
from nnrg.rg.levels import scale_label
from nnrg.rg.observables import Observables

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["correlation", "couplings", "ratios", "variance", "z_scores"]

Array = npt.NDArray[np.float64]

_MOST_SCALE_LABELS = 6


def _looks(result: Observables, names: Sequence[str]) -> list[dict[str, Any]]:
    """Colour and marker of each observable: of its place in the result, alike in every panel."""
    from matplotlib import rcParams

    cycle = rcParams["axes.prop_cycle"].by_key()
    offset = min(result.names.index(n) for n in names) if isinstance(result, Cumulants) else 0
    places = [result.names.index(n) - offset for n in names]
    # The second time round a colour has another marker.
    return [
        {
            key: values[(p + (p // len(values) if key == "marker" else 0)) % len(values)]
            for key, values in cycle.items()
        }
        for p in places
    ]


def _curves(ax: Axes, result: Observables, names: Sequence[str], factor: Array) -> bool:
    """Draw observables times a factor: errors, flagged points open, null band at two sigma.

    Returns whether there was anything to draw.
    """
    errors, mean, spread = result.errors(), result.null_mean(), result.null_spread()
    axes = str(result.attrs.get("axes", "")).split(", ")
    points: list[Array] = []
    bars: list[Array] = []
    for k, (name, look) in enumerate(zip(names, _looks(result, names), strict=True)):
        i = result.names.index(name)
        b = result.scales * 1.05 ** (k - (len(names) - 1) / 2)
        y, e = result.values[:, i] * factor[:, k], errors[:, i] * np.abs(factor[:, k])
        known = np.isfinite(y)
        if not known.any():
            continue
        e_known = np.nan_to_num(e[known])
        points.append(y[known])
        bars += [y[known] - e_known, y[known] + e_known]
        ax.errorbar(b[known], y[known], e_known, label=symbol(name, axes), **look)
        # A point whose error or whose assumption is missing must not look like the others.
        doubtful = known & (np.array([row[i] != "" for row in result.flags]) | ~np.isfinite(e))
        open_look = {**look, "ls": "", "mfc": "white", "mec": look.get("color"), "zorder": 3}
        ax.plot(b[doubtful], y[doubtful], **open_look)
        centre, width = mean[:, i] * factor[:, k], 2 * spread[:, i] * np.abs(factor[:, k])
        band = known & np.isfinite(centre - width)
        if band.any():
            bars += [(centre - width)[band], (centre + width)[band]]
            ax.fill_between(
                b[band],
                (centre - width)[band],
                (centre + width)[band],
                color=look.get("color"),
                alpha=0.22,
                lw=0,
            )
    if points and ax.get_yscale() == "linear":
        _limit(ax, np.concatenate(points), np.concatenate(bars))
    return bool(points)


def _limit(ax: Axes, points: Array, bars: Array) -> None:
    """Show every point; bars and bands no further than once more the range of the points."""
    low, high = min(points.min(), 0.0), max(points.max(), 0.0)
    reach = (high - low) or 1.0
    bottom = max(bars.min(), low - reach)
    top = min(bars.max(), high + reach)
    room = 0.06 * (max(top, high) - min(bottom, low))
    ax.set_ylim(min(bottom, low) - room, max(top, high) + room)
    _few_ticks(ax)


def _few_ticks(ax: Axes) -> None:
    """Choose ticks whose number does not follow the size of the axes, which follows from them."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    log = ax.get_yscale() == "log"
    ax.yaxis.set_major_locator(LogLocator(numticks=6) if log else MaxNLocator(5))


def _scale_axis(ax: Axes, result: Observables) -> None:
    scales = result.scales
    ax.set_xscale("log", base=2)
    shown = scales[:: -(-scales.size // _MOST_SCALE_LABELS)]
    # Mean numbers of units need no more digits than a label has room for.
    ax.set_xticks(shown, [scale_label(b) if b == round(b) else f"{b:.3g}" for b in shown])
    ax.minorticks_off()
    ax.set_xlim(scales[0] / 1.3, scales[-1] * 1.3)
    ax.set_xlabel(scale_name(result.attrs.get("sites_kind", "lattice")))


def _legend(ax: Axes, most_columns: int = 4) -> None:
    """Put the legend above the axes, where it covers nothing."""
    n = len(ax.get_legend_handles_labels()[1])
    # Many entries stay as wide as the axes, so that they leave the panel's letter alone.
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    many = n > most_columns
    size = FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
    ax.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=min(n, most_columns),
        fontsize=size - 0.5 if many else size,
        handlelength=0.8 if many else None,
        columnspacing=0.3 if many else 0.9,
        handletextpad=0.2 if many else 0.4,
        borderaxespad=0.2,
        borderpad=0.1,
    )


def _say(ax: Axes, text: str) -> None:
    """Say in an empty panel why it is empty."""
    ax.set_yticks([])
    ax.text(
        0.5,
        0.5,
        textwrap.fill(label(text, 120), 26),
        transform=ax.transAxes,
        ha="center",
        va="center",
        parse_math=False,
    )


def _signed_log(ax: Axes, shown: Array, linear: float | None = None) -> None:
    """Use a signed logarithm where the numbers span more than two decades, or above `linear`."""
    size = np.abs(shown[np.isfinite(shown)])
    size = size[size > 0]
    if not size.size:
        return
    if linear is None:
        if size.max() <= 100 * np.median(size):
            return
        linear = 10 ** float(np.floor(np.log10(max(np.median(size), 1e-3 * size.max()))))
    elif size.max() <= linear:
        return
    ax.set_yscale("symlog", linthresh=linear, linscale=0.6)
    top = int(np.floor(np.log10(size.max() * 1.0001)))
    first = int(np.ceil(np.log10(linear)))
    step = max(1, -(-(top - first + 1) // 3))
    powers = np.arange(first, top + 1, step)
    # What is room enough on a line is none on a logarithm.
    low, high = (end * (1.6 if abs(end) > linear else 1.0) for end in ax.get_ylim())
    ax.set_ylim(low, high)
    ticks = [0.0]
    labels = ["0"]
    for p in powers:
        for sign, mark in ((1.0, ""), (-1.0, "-")):
            if low <= sign * 10.0**p <= high:
                ticks.append(sign * 10.0**p)
                labels.append(f"${mark}10^{{{p}}}$" if p not in (0, 1) else f"${mark}{10**p}$")
    ax.set_yticks(ticks, labels)
    ax.minorticks_off()


def variance(result: Cumulants, *, ax: Axes | None = None) -> Axes:
    """Plot the variance of the unrescaled block mean over that at b = 1, against b.

    The dashed line is b^-d, independent sites.

    Parameters
    ----------
    result : Cumulants
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
    """
    result, ax = given(result, Cumulants), axes_of(ax)
    first = result.values[0, result.names.index("kappa_2")]
    ax.set_yscale("log")
    if _curves(ax, result, ["kappa_2"], np.full((result.scales.size, 1), 1 / first)):
        ax.get_legend_handles_labels()[0][0].set_label("field")
    else:
        _say(ax, "no variance at any scale")
    b = result.scales.astype(float)
    d = sum(n.startswith("neighbour") for n in result.names)
    power = rf"$b^{{-{d}}}$" if d > 1 else r"$b^{-1}$"
    ax.plot(b, b**-d, ls="--", marker="", color="0.4", label=f"{power}, independent")
    _few_ticks(ax)
    ax.set_ylabel(r"variance $\kappa_2(b)/\kappa_2(1)$")
    _scale_axis(ax, result)
    _legend(ax)
    return ax


def correlation(result: Cumulants, *, ax: Axes | None = None) -> Axes:
    """Plot the correlation of neighbouring blocks along each axis against b (dimensionless).

    Parameters and return value as in `variance`.
    """
    result, ax = given(result, Cumulants), axes_of(ax)
    names = [n for n in result.names if n.startswith("neighbour")]
    ax.axhline(0, color="0.6", lw=0.5)
    if _curves(ax, result, names, np.ones((result.scales.size, len(names)))):
        _legend(ax)
    else:
        _say(ax, "no two blocks are neighbours")
    ax.set_ylabel("neighbour correlation")
    _scale_axis(ax, result)
    return ax


def ratios(result: Cumulants, *, orders: Sequence[int] = (3, 4, 6), ax: Axes | None = None) -> Axes:
    """Plot lambda_n = kappa_n / kappa_2^(n/2) against b (dimensionless).

    Parameters and return value as in `variance`; `orders` says which n.
    """
    result, wanted, ax = given(result, Cumulants), as_orders(orders), axes_of(ax)
    names = [f"ratio_{n}" for n in wanted if f"ratio_{n}" in result.names]
    ax.axhline(0, color="0.6", lw=0.5)
    if names and _curves(ax, result, names, np.ones((result.scales.size, len(names)))):
        _signed_log(ax, result.values[:, [result.names.index(n) for n in names]])
        _legend(ax)
    else:
        _say(ax, "too few blocks for any ratio")
    ax.set_ylabel(r"$\lambda_n=\kappa_n/\kappa_2^{n/2}$")
    _scale_axis(ax, result)
    return ax


def couplings(
    result: Couplings, *, operators: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Plot couplings in units of the rescaled field's standard deviation against b.

    g_n times the n-th power of sigma, the standard deviation of the rescaled field at that scale:
    dimensionless, and free of the unit of the weights. Open points carry a flag.

    Parameters
    ----------
    result : Couplings
    operators : sequence of str, optional
        Which; all by default.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        If an operator was not fitted.
    """
    result = given(result, Couplings)
    names = list(result.names if operators is None else as_names("operators", operators))
    unknown = [n for n in names if n not in result.names]
    if unknown or not names:
        raise ArgumentError(
            f"no operator {unknown[0] if unknown else ''!r}; there are {', '.join(result.names)}"
        )
    ax = axes_of(ax)
    powers = result.fields[[result.names.index(n) for n in names]]
    factor = result.series["sigma"][:, None] ** powers
    ax.axhline(0, color="0.6", lw=0.5)
    if _curves(ax, result, names, factor):
        _signed_log(ax, result.values[:, [result.names.index(n) for n in names]] * factor)
        _legend(ax)
    else:
        flags = [f.partition(":")[0] for f in result.flags[0][0].split("; ")]
        _say(ax, f"refused at every scale: {', '.join(flags)}")
    ax.set_ylabel(r"coupling $g_n\,\sigma^n$")
    _scale_axis(ax, result)
    return ax


def z_scores(result: Observables, *, ax: Axes | None = None) -> Axes:
    """Plot the z-score of every operator against the first null model; the band is |z| < 2.

    Parameters and return value as in `variance`, for cumulants or couplings.
    """
    result, ax = given(result, Observables), axes_of(ax)
    axes = str(result.attrs.get("axes", "")).split(", ")
    z = result.z()
    ax.axhspan(-2, 2, color="0.85", lw=0, zorder=0)
    for k, (name, look) in enumerate(zip(result.names, _looks(result, result.names), strict=True)):
        known = np.isfinite(z[:, k])
        if known.any():
            b = result.scales * 1.03 ** (k - (len(result.names) - 1) / 2)
            ax.plot(b[known], z[known, k], label=symbol(name, axes), **{**look, "ls": ""})
    null = next(iter(result.nulls), None)
    if np.isfinite(z).any():
        room = 3 if np.nanmax(np.abs(z)) > 10 else 1.3
        ax.set_ylim(min(-6, room * float(np.nanmin(z))), max(6, room * float(np.nanmax(z))))
        _few_ticks(ax)
        _signed_log(ax, z, linear=10.0)
        _legend(ax)
    else:
        _say(ax, "no null model was run" if null is None else "no scale has a z-score")
    ax.set_ylabel(f"$z$ against {null or 'null model'}")
    _scale_axis(ax, result)
    return ax
