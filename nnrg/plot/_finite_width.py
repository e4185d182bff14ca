"""Figures of what a finite width does: corrections against T/n, correlators against 1/N."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.plot._theory_panels import chosen, legend, look, new_axes, plain_log, points, zero_line
from nnrg.theory.loops.widths import WidthScan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnrg.theory.correlators.clusters import ClusterTest
    from nnrg.theory.correlators.widths import WidthScaling

__all__ = ["cluster_decomposition", "finite_width", "width_scaling"]

Array = npt.NDArray[np.float64]

_LABELS = {
    "variance": r"$\mathrm{Var}\,K/K_\infty^2$",
    "metric": r"$(\langle K\rangle-K_\infty)/K_\infty$",
    "kurtosis": "excess kurtosis",
    "log_tangent": r"$\langle\ln D\rangle-\ln D_\infty$",
    "log_tangent_variance": r"$\mathrm{Var}\,\ln D$",
}
_DIVISOR = {"variance": 2, "metric": 1}
_ROUNDING = 1e-10
_POSITIVE = ("variance", "kurtosis", "log_tangent_variance")


def finite_width(scan: WidthScan, quantity: str = "variance", *, ax: Axes | None = None) -> Axes:
    """Plot a correction of finite width against (t - 1)/n, where all widths fall on one curve.

    Parameters
    ----------
    scan : WidthScan
        Points: measured, one standard deviation. Lines: the expansion to its highest order, dotted
        where it is not to be trusted; dashed: to order 1/n, at the smallest width.
    quantity : {"variance", "metric", "kurtosis", "log_tangent", "log_tangent_variance"}
        Variance and shift of the metric are over its value at infinite width (squared): V/(n K^2)
        and K_1/(n K).
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        If there is no such quantity.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.theory.loops import width_scan
    >>> ax = nnrg.plot.finite_width(width_scan("relu", 2**0.5, 0, [50, 100], 10))
    """
    quantity = chosen(quantity, _LABELS)
    ax = new_axes(ax)
    if quantity in _POSITIVE:
        ax.set_xscale("log")
        ax.set_yscale("log")
    else:
        zero_line(ax)
    for i, (n, report) in enumerate(zip(scan.widths, scan.reports, strict=True)):
        expansion = report.expansion
        base = expansion.leading[quantity]
        unit = expansion.leading["metric"] ** _DIVISOR.get(quantity, 0)
        x = np.arange(expansion.depth) / n
        x[0] = np.nan  # the first layer has no correction
        colour = look(i)["color"]
        total = (expansion.total(quantity) - base) / unit
        good = expansion.trusted
        ax.plot(x, np.where(good, total, np.nan), color=colour, marker="", lw=0.9)
        beyond = ~good | np.roll(~good, -1)
        ax.plot(x, np.where(beyond, total, np.nan), color=colour, marker="", lw=0.7, ls=":")
        rows = [r for r in report.rows if r.quantity == quantity and np.isfinite(r.measured)]
        at = [r.layer - 1 for r in rows]
        drawn = points(
            ax,
            x[at],
            (np.array([r.measured for r in rows]) - base[at]) / unit[at],
            np.array([r.error for r in rows]) / unit[at],
            look(i),
            name=f"$n={n}$",
        )
        if not drawn:
            ax.plot([], [], color=colour, marker="", label=f"$n={n}$")
    _first_order(ax, scan, quantity)
    if quantity in _POSITIVE:
        plain_log(ax)
    elif max(map(abs, ax.get_ylim())) < _ROUNDING:  # a correction that is zero exactly
        ax.set_ylim(-1e-3, 1e-3)
    ax.set_xlabel(r"$(t-1)/n$")
    ax.set_ylabel(_LABELS[quantity])
    legend(ax, 4)
    return ax


def _first_order(ax: Axes, scan: WidthScan, quantity: str) -> None:
    """Draw the term of order 1/n of the narrowest network: of the others it is the beginning."""
    n, expansion = scan.widths[0], scan.reports[0].expansion
    unit = expansion.leading["metric"] ** _DIVISOR.get(quantity, 0)
    x = np.arange(expansion.depth) / n
    y = expansion.first[quantity] / unit
    ax.plot(x[1:], y[1:], color="black", ls="--", lw=0.8, marker="", label=r"to $1/n$")


def width_scaling(result: WidthScaling, *, ax: Axes | None = None) -> Axes:
    """Plot a connected correlator against 1/N with its exact line.

    Parameters
    ----------
    result : WidthScaling
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Logarithmic, unless a measured number has the other sign than the formula, which a
        logarithm would hide. Negative correlators are drawn with the sign turned.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.theory.correlators import CosNet, width_scaling
    >>> found = width_scaling(CosNet(width=8), [0.0] * 4, (8, 16, 32), n_networks=500, rng=1)
    >>> ax = nnrg.plot.width_scaling(found)
    """
    ax = new_axes(ax)
    x = 1.0 / result.widths
    sign = -1.0 if np.nanmedian(result.predicted) < 0 else 1.0
    log = bool((np.nan_to_num(sign * result.measured, nan=1.0) > 0).all())
    if log:
        ax.set_xscale("log")
        ax.set_yscale("log")
    else:
        zero_line(ax)
    ax.plot(x, sign * result.predicted, color="black", marker="", label="exact")
    name = "measured"
    if result.fit is not None:
        exponent = result.fit.estimate("exponent")
        quality = f"{result.fit.chi2:.1f}/{result.fit.dof}"
        name = f"measured, exponent\n{exponent}, $\\chi^2$ {quality}"
    points(
        ax, x, sign * result.measured, result.measured_errors, look(0), name=name,
        doubtful=np.full(len(x), bool(result.flag)),
    )  # fmt: skip
    if log:
        ax.set_xticks(x, [f"1/{n}" for n in result.widths])
        ax.minorticks_off()
        plain_log(ax)
    ax.set_xlabel("$1/N$")
    minus = "-" if sign < 0 else ""
    ax.set_ylabel(rf"${minus}G_c^{{({result.order})}}$")
    legend(ax, 1)
    return ax


def cluster_decomposition(result: ClusterTest, *, ax: Axes | None = None) -> Axes:
    """Plot a connected correlator as one half of its inputs moves away from the other half.

    Parameters
    ----------
    result : ClusterTest
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import nnrg, numpy as np
    >>> from nnrg.theory.correlators import CosNet, cluster_test
    >>> ax = nnrg.plot.cluster_decomposition(cluster_test(CosNet(width=8), np.linspace(0, 6, 9)))
    """
    ax = new_axes(ax)
    zero_line(ax)
    ax.plot(result.separations, result.values, color="black", marker="", label="exact")
    points(
        ax, result.separations, result.measured, result.measured_errors, look(0),
        name=f"measured, $N={result.width}$",
        doubtful=np.full(len(result.separations), bool(result.measured_flag)),
    )  # fmt: skip
    ax.set_xlabel("separation of the pairs")
    ax.set_ylabel(rf"$G_c^{{({result.order})}}$")
    legend(ax, 2)
    return ax
