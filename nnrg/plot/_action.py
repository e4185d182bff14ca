"""Figures of reconstructed and engineered actions, next to those that are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnrg.errors import ArgumentError
from nnrg.plot._theory_panels import legend, look, new_axes, points, zero_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnrg.theory.edgeworth.comparison import ActionComparison
    from nnrg.theory.edgeworth.result import ReconstructedAction
    from nnrg.theory.engineering.widths import WidthExtrapolation

__all__ = ["action_couplings", "action_curve", "engineered_coupling"]

_KINDS = {
    "action": "series with loops",
    "1PI": "tree: 1PI",
    "schwinger-dyson": "Schwinger-Dyson",
}


def action_curve(
    comparisons: ActionComparison | Sequence[ActionComparison], *, ax: Axes | None = None
) -> Axes:
    """Plot the reconstructed action of a field at one point over the true one.

    Of fields on several points the reconstructed action is drawn against the true one instead.

    Parameters
    ----------
    comparisons : ActionComparison, or a sequence of them
        From `ReconstructedAction.compare`: one for each kind, of the same fields.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Actions are dimensionless, less their mean over the fields.

    Raises
    ------
    ArgumentError
        If there is none.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.edgeworth import reconstruct_action
    >>> found = reconstruct_action({2: 1.0, 4: -0.1})
    >>> ax = nnrg.plot.action_curve(found.compare(lambda x: x**2 / 2, np.linspace(-2, 2, 30)))
    """
    from nnrg.theory.edgeworth import ActionComparison

    found = [comparisons] if isinstance(comparisons, ActionComparison) else list(comparisons)
    if not found:
        raise ArgumentError("no comparison to draw; give what ReconstructedAction.compare returns")
    ax = new_axes(ax)
    first = found[0]
    fields = first.fields[:, 0] if first.fields.ndim > 1 else first.fields
    one_point = first.fields.ndim == 1 or first.fields.shape[1] == 1
    x, name = (fields, r"$\phi$") if one_point else (first.true, "true $S$")
    order = np.argsort(x)
    ax.plot(x[order], first.true[order], color="black", marker="", label="true")
    for i, one in enumerate(found):
        colour = look(i)["color"]
        y, error = one.reconstructed[order], np.nan_to_num(one.errors[order])
        ax.plot(x[order], y, color=colour, ls="--", marker="", label=_KINDS.get(one.kind, one.kind))
        ax.fill_between(x[order], y - error, y + error, color=colour, alpha=0.22, lw=0)
    # A series that runs away must not hide the curve that it is to be compared with.
    span = float(np.ptp(first.true)) or 1.0
    ax.set_ylim(first.true.min() - 0.5 * span, first.true.max() + 0.5 * span)
    ax.set_xlabel(name)
    ax.set_ylabel(r"$S-\langle S\rangle$")
    legend(ax, 2)
    return ax


def action_couplings(
    result: ReconstructedAction,
    *,
    true: Mapping[int, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the local couplings g_r of each kind in units of the variance, next to the true ones.

    Parameters
    ----------
    result : ReconstructedAction
    true : mapping from r to g_r, optional
        In the unit of the field to the minus r.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        g_r <phi^2>^(r/2), dimensionless; points of the series are open where it is flagged.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.theory.edgeworth import reconstruct_action
    >>> ax = nnrg.plot.action_couplings(reconstruct_action({2: 1.0, 4: -0.1}), true={4: 0.1})
    """
    ax = new_axes(ax)
    zero_line(ax)
    frame = result.to_dataframe()
    legs = sorted({r for kind in result.kinds for r in result.legs(kind)})
    variance = float(np.mean(np.diag(result.cumulants.inverse.kernel)))
    known = {r: g * variance ** (r / 2) for r, g in (true or {}).items() if r in legs}
    values = list(known.values())
    for i, kind in enumerate(result.kinds):
        rows = frame[frame["kind"] == kind]
        at = [legs.index(int(str(name).removeprefix("g"))) for name in rows["coupling"]]
        points(
            ax,
            np.array(at) + 0.16 * (i - (len(result.kinds) - 1) / 2),
            rows["scaled"],
            rows["scaled_error"],
            look(i),
            name=_KINDS.get(kind, kind),
            doubtful=rows["flag"] != "",
        )
        values += rows["scaled"].tolist()
    for i, (r, y) in enumerate(sorted(known.items())):
        k = legs.index(r)
        ends = [k - 0.35, k + 0.35]
        ax.plot(ends, [y, y], color="black", marker="", label=None if i else "true")
    size = np.abs(np.array(values)[np.isfinite(values)])
    if size.size and size.max() > 30 * max(float(np.median(size)), 1e-12):
        ax.set_yscale("symlog", linthresh=float(np.median(size)) or 1.0)
        ax.minorticks_off()
    ax.set_xticks(range(len(legs)), [f"$g_{r}$" for r in legs])
    ax.set_xlim(-0.5, len(legs) - 0.5)
    ax.set_ylabel(r"$g_r\,\langle\phi^2\rangle^{r/2}$")
    legend(ax, 2)
    return ax


def engineered_coupling(result: WidthExtrapolation, *, ax: Axes | None = None) -> Axes:
    """Plot a coupling of engineered networks against 1/N, with its limit and the one asked for.

    Parameters
    ----------
    result : WidthExtrapolation
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.simulate import sample_engineered
    >>> from nnrg.theory.engineering import engineer, extrapolate_width, measure_engineered
    >>> nets = [engineer(1, 1, 4, 3, width=n) for n in (16, 32, 64)]
    >>> drawn = [sample_engineered(net, 12, n_chains=16, rng=1) for net in nets]
    >>> ax = nnrg.plot.engineered_coupling(extrapolate_width([*map(measure_engineered, drawn)]))
    """
    ax = new_axes(ax)
    x = 1.0 / np.array(result.widths)
    limit, slope = result.limit, result.slope
    line = np.array([0.0, 1.05 * x.max()])
    quality = rf"$\chi^2/\mathrm{{dof}}={result.fit.chi2:.1f}/{result.fit.dof}$"
    ax.plot(
        line, limit.value + slope.value * line, color="0.4", ls="--", marker="",
        label=f"fit, {quality}",
    )  # fmt: skip
    points(ax, x, result.values.values, result.values.errors(), look(0), name="measured")
    points(ax, 0.0, limit.value, limit.error, look(1), name=f"limit {limit}")
    ax.axhline(result.asked, color="black", lw=0.8, label="asked for")
    ax.set_xlim(-0.06 * x.max(), line[1])
    ax.set_xlabel("$1/N$")
    ax.set_ylabel(result.quantity.replace("_", " "))
    legend(ax, 2)
    return ax
