"""Figures of mean-field theory: phase diagram and depth scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from nnrg.activation_functions import as_activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.plot._theory_panels import chosen, legend, look, new_axes, plain_log, points
from nnrg.stats.estimate import Estimate
from nnrg.theory.criticality.critical_line import CriticalLine
from nnrg.theory.criticality.mean_field import MeanField
from nnrg.theory.criticality.uniformity import UniformityLine

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["depth_scales", "phase_diagram"]

Array = npt.NDArray[np.float64]

_QUANTITIES = {"xi_c": r"$\xi_c$ (layers)", "xi_q": r"$\xi_q$ (layers)"}


class _Placed(Protocol):
    """A layer with its two numbers and their errors, such as `LayerScales`."""

    @property
    def sigma_w(self) -> Estimate: ...
    @property
    def sigma_b(self) -> Estimate: ...


def phase_diagram(
    line: CriticalLine,
    *,
    uniformity: UniformityLine | None = None,
    layers: Sequence[_Placed] = (),
    fields: Sequence[MeanField] = (),
    ax: Axes | None = None,
) -> Axes:
    r"""Plot the edge of chaos in the plane of sigma_w^2 and sigma_b^2, dimensionless.

    Parameters
    ----------
    line : CriticalLine
        Drawn solid, dashed where its fixed point is unstable.
    uniformity : UniformityLine, optional
        Where post-activations are closest to uniform; a star where it meets the edge.
    layers : sequence of layers with ``sigma_w`` and ``sigma_b``, each an Estimate, optional
        Layers of a network, drawn with one standard deviation; colours run from first to last.
    fields : sequence of MeanField, optional
        Single networks, as crosses.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    AnalysisError
        If the line has no point.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.criticality import critical_line
    >>> ax = nnrg.plot.phase_diagram(critical_line("tanh", sigma_b=np.linspace(0, 1, 30)))
    >>> ax.get_xlabel()
    '$\\sigma_w^2$'
    """
    w2, b2 = line.sigma_w**2, line.sigma_b**2
    known = np.isfinite(w2) & np.isfinite(b2)
    if not known.any():
        raise AnalysisError(
            f"the line of {line.activation} has no critical point on this grid: "
            f"{next((f for f in line.flags if f), 'take a wider one')}"
        )
    ax = new_axes(ax)
    # As far as the end of their bars.
    marks = [
        tuple(s.value**2 + 2 * s.value * np.nan_to_num(s.error) for s in (e.sigma_w, e.sigma_b))
        for e in layers
    ]
    marks += [(m.w2, m.b2) for m in fields]
    top = max([float(np.nanmax(b2)), *(1.15 * y for _, y in marks), 0.0]) or 1.0
    room = 1.9 if known.sum() == 1 else 1.5
    high = max([float(np.nanmax(w2)) * room, *(1.15 * x for x, _ in marks)])
    edge: dict[str, Any] = {"color": "black", "marker": ""}
    if known.sum() == 1:  # scale-invariant functions: chi_1 does not depend on sigma_b
        x = float(w2[known][0])
        ax.plot([x, x], [0, top], ls=":", lw=1, label=r"$\chi_1=1$, $q\to\infty$", **edge)
        ax.plot(x, b2[known][0], "o", color="black", ms=4, clip_on=False, label="critical point")
    else:
        unstable = known & np.array([flag != "" for flag in line.flags])
        joined = unstable | np.roll(unstable, 1) | np.roll(unstable, -1)
        ax.plot(np.where(unstable, np.nan, w2), b2, lw=1.2, label=r"$\chi_1=1$", **edge)
        if unstable.any():
            broken = np.where(joined & known, w2, np.nan)
            ax.plot(broken, b2, ls=(0, (3, 2)), lw=1, label=r"$\chi_1=1$, $q^*$ unstable", **edge)
    if uniformity is not None:
        _uniformity(ax, uniformity)
    _marks(ax, layers, fields)
    ax.set_xlim(0, high)
    ax.set_ylim(-0.02 * top if marks else 0, top)
    _name_phases(ax, line, w2[known], b2[known], top, high)
    ax.set_xlabel(r"$\sigma_w^2$")
    ax.set_ylabel(r"$\sigma_b^2$")
    legend(ax, 2)
    return ax


def _uniformity(ax: Axes, line: UniformityLine) -> None:
    ax.plot(
        line.sigma_w**2, line.sigma_b**2, color=look(0)["color"], ls="--", marker="",
        label="uniformity",
    )  # fmt: skip
    crossing = np.array(line.crossing) ** 2
    if np.isfinite(crossing).all():
        ax.plot(
            *crossing, "*", color=look(1)["color"], ms=7, zorder=4,
            label=f"at ({crossing[0]:.4g}, {crossing[1]:.3g})",
        )  # fmt: skip


def _marks(ax: Axes, layers: Sequence[_Placed], fields: Sequence[MeanField]) -> None:
    from matplotlib import colormaps

    for i, layer in enumerate(layers):
        colour = colormaps["viridis"](0.9 * i / max(len(layers) - 1, 1))
        ends = i in (0, len(layers) - 1)
        name = f"layer {i + 1}" if ends else None
        w, b = layer.sigma_w, layer.sigma_b
        points(
            ax,
            w.value**2,
            b.value**2,
            2 * b.value * b.error,
            {"color": colour, "marker": "o"},
            name=name,
            x_error=np.atleast_1d(2 * w.value * w.error),
        )
    for i, field in enumerate(fields):
        appearance = {"color": look(1)["color"], "marker": "X", "ls": "", "ms": 5}
        ax.plot(field.w2, field.b2, label=None if i else "network", zorder=4, **appearance)


def _name_phases(
    ax: Axes, line: CriticalLine, w2: Array, b2: Array, top: float, high: float
) -> None:
    """Write the phase on either side of the line, as found there."""
    y = 0.62 * top
    boundary = float(w2[np.argmin(np.abs(b2 - y))])
    for x, expected in ((boundary / 2, "ordered"), ((boundary + high) / 2, "chaotic")):
        name = expected
        try:
            found = MeanField(as_activation(line.activation), x**0.5, y**0.5)
            name = "$q$ diverges" if found.divergence else found.phase
        except ArgumentError:  # a callable is known here by its name only
            pass
        ax.text(
            x, y, name, ha="center", va="center", color="0.35",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip


def depth_scales(
    fields: Sequence[MeanField],
    quantity: str = "xi_c",
    *,
    line: CriticalLine | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot a map of a depth scale over sigma_w^2 and sigma_b^2.

    Parameters
    ----------
    fields : sequence of MeanField
        One for each point of a grid of (sigma_w, sigma_b), in any order.
    quantity : {"xi_c", "xi_q"}
        In layers, on a logarithmic scale of colours.
    line : CriticalLine, optional
        Drawn over the map.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Cells are grey where q has no limit, and the correlation no attracting value.

    Raises
    ------
    ArgumentError
        If there is no such quantity, or the networks are not those of a grid.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.theory.criticality import MeanField
    >>> grid = [MeanField("tanh", w, b) for w in (0.8, 1.0, 1.2) for b in (0.1, 0.2)]
    >>> ax = nnrg.plot.depth_scales(grid, "xi_q")
    """
    quantity = chosen(quantity, _QUANTITIES)
    widths = sorted({m.sigma_w for m in fields})
    biases = sorted({m.sigma_b for m in fields})
    if min(len(widths), len(biases)) < 2 or len(fields) != len(widths) * len(biases):
        raise ArgumentError(
            f"a map needs one network for each point of a grid, two or more each way; got "
            f"{len(fields)} for {len(widths)} sigma_w and {len(biases)} sigma_b"
        )
    table = np.full((len(biases), len(widths)), np.nan)
    for m in fields:
        table[biases.index(m.sigma_b), widths.index(m.sigma_w)] = getattr(m, quantity)
    ax = new_axes(ax)
    from matplotlib.colors import LogNorm

    finite = table[np.isfinite(table) & (table > 0)]
    most = float(finite.max()) if finite.size else 1.0
    least = float(finite.min()) if finite.size else 0.1
    norm = LogNorm(max(least, most / 1e3), most if most > least else 2 * least)
    ax.set_facecolor("0.85")
    shown = np.ma.masked_invalid(np.where(table == np.inf, most, table))
    edges = [_edges(np.array(v) ** 2) for v in (widths, biases)]
    image = ax.pcolormesh(*edges, shown, norm=norm, cmap="viridis", rasterized=True)
    bar = ax.figure.colorbar(image, ax=ax, label=_QUANTITIES[quantity], extend="both")
    plain_log(bar.ax)
    if line is not None:
        w2, b2 = line.sigma_w**2, line.sigma_b**2
        ax.plot(w2, b2, color="white", marker="", lw=1.2, label=r"$\chi_1=1$")
        if np.isfinite(w2).sum() == 1:
            ax.axvline(np.nanmax(w2), color="white", lw=1.2)
    ax.set_xlim(edges[0][0], edges[0][-1])
    ax.set_ylim(edges[1][0], edges[1][-1])
    ax.set_xlabel(r"$\sigma_w^2$")
    ax.set_ylabel(r"$\sigma_b^2$")
    return ax


def _edges(x: Array) -> Array:
    middle = (x[1:] + x[:-1]) / 2
    first, last = 1.5 * x[0] - 0.5 * x[1], 1.5 * x[-1] - 0.5 * x[-2]
    return np.concatenate([[max(first, 0.0)], middle, [last]])
