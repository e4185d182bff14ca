"""Figures of a scan of Hubble rates: against the learning rate, over networks, and what fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.plot._theory_panels import legend, look, new_axes, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnrg.theory.cosmology import HubbleScan, ScanPlace, ScanRow

__all__ = ["duality_failures", "hubble_invariant", "hubble_rates"]

Array = npt.NDArray[np.float64]

_AXES = {"width": "width $n$", "depth": "hidden layers", "n_data": "data $P$"}
_AGAINST = {
    "kernel_drift": "change of the tangent kernel",
    "learning_rate": r"$\eta\theta$",
}
_ZERO = 1e-6
_VERDICTS = {"holds": 0, "cannot be told": 2, "fails": 1}


def hubble_rates(scan: HubbleScan, *, ax: Axes | None = None) -> Axes:
    r"""Plot the Hubble rates of trained networks against one over the learning rate.

    Parameters
    ----------
    scan : HubbleScan
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Black: the match. Grey: the power law fitted to the first network, dotted and with a
        question mark where the fit refuses it or cannot tell. Points with one standard deviation
        over seeds, open where the duality does not hold.

    Raises
    ------
    ArgumentError
        If no network has a Hubble rate.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.theory.cosmology import hubble_scan
    >>> scan = hubble_scan(learning_rates=[1e-4, 1e-3, 1e-2], n_seeds=3, rng=1)
    >>> ax = nnrg.plot.hubble_rates(scan)
    >>> ax.get_xlabel()
    '$1/\\eta$'
    """
    rows = [row for row in scan.rows if row.fit is not None and row.fit.hubble.value > 0]
    if not rows:
        raise ArgumentError("no network of the scan has a Hubble rate")
    ax = new_axes(ax)
    ax.set_xscale("log")
    ax.set_yscale("log")
    eta = np.array(sorted(row.learning_rate for row in scan.rows))
    ends = np.array([eta[0] / 1.3, eta[-1] * 1.3])
    one = scan.rows[0]
    power = -0.5 if scan.match == "momentum" else -1.0
    ax.plot(
        1 / ends, one.predicted_hubble * (ends / one.learning_rate) ** power, color="black",
        lw=1.0, marker="", label="match",
    )  # fmt: skip
    law = scan.laws.get(scan.places[0])
    if law is not None:
        straight = law.verdict == "power law"
        ax.plot(
            1 / ends, law.amplitude.value * ends**law.exponent.value, color="0.55", lw=2.0,
            ls="-" if straight else (0, (1.5, 1)), marker="", zorder=1,
            label=rf"fit, $\eta^{{{law.exponent}}}${'' if straight else '?'}",
        )  # fmt: skip
    for i, place in enumerate(_few(scan)):
        mine = [row for row in rows if row.place == place]
        points(
            ax,
            [1 / row.learning_rate for row in mine],
            [row.fit.hubble.value for row in mine if row.fit is not None],
            [row.fit.hubble.error for row in mine if row.fit is not None],
            look(i),
            name=_name(place),
            doubtful=[row.verdict != "holds" for row in mine],
        )
    ax.set_xlabel(r"$1/\eta$")
    ax.set_ylabel(f"$H$ (time in {_unit(scan.time_unit)})")
    _tidy(ax)
    legend(ax, 2)
    return ax


def hubble_invariant(
    scan: HubbleScan,
    axis: str = "width",
    quantity: str = "invariant",
    *,
    ax: Axes | None = None,
) -> Axes:
    """Plot m^2 / H^2, or m^2, over what the match says, against width, depth or data.

    Parameters
    ----------
    scan : HubbleScan
    axis : {"width", "depth", "n_data"}
    quantity : {"invariant", "mass"}
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        For the least, a middle and the largest learning rate, with one standard deviation over
        seeds, open where the duality does not hold; the match is the line at 1, with the tolerance
        of the scan as a band. Open triangles at an edge: beyond it; crosses: no Hubble rate.

    Raises
    ------
    ArgumentError
        If there is no such axis or quantity, or but one network along it.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.theory.cosmology import hubble_scan
    >>> scan = hubble_scan(learning_rates=[1e-3], widths=(128, 32), n_seeds=3, rng=1)
    >>> ax = nnrg.plot.hubble_invariant(scan, "width")
    """
    if axis not in tuple(_AXES) or quantity not in ("invariant", "mass"):
        raise ArgumentError(
            f"axis must be one of {', '.join(_AXES)}, and quantity invariant or mass, got "
            f"{axis!r} and {quantity!r}"
        )
    places = scan.along(axis)
    if len(places) < 2:
        raise ArgumentError(f"the scan has one network along {axis}; give hubble_scan several")
    ax = new_axes(ax)
    power = 2 if quantity == "invariant" else 1
    ax.axhspan(1 - power * scan.tolerance, 1 + power * scan.tolerance, color="0.9", lw=0)
    ax.axhline(1, color="black", lw=1.0, label="match")
    count = min(len(scan.at(place)) for place in places)
    ax.set_ylim(*_range(scan, places, quantity, power))
    values = [getattr(p, axis) for p in places]
    for n, i in enumerate(dict.fromkeys([count - 1, count // 2, 0])):
        rows = [scan.at(place)[i] for place in places]
        found = [getattr(row, f"{quantity}_ratio") for row in rows]
        share = float(np.mean([row.rate_times_eigenvalue for row in rows]))
        # Side by side, so that bars do not hide each other.
        at = np.array([getattr(p, axis) for p in places]) * 1.06 ** (n - 1)
        points(
            ax, at, [e.value for e in found], [e.error for e in found], look(n),
            name=rf"$\eta\theta\approx{_short(share)}$",
            doubtful=[row.verdict != "holds" for row in rows],
        )  # fmt: skip
        edges(ax, at, np.array([e.value for e in found]), ax.get_ylim(), look(n))
        missing = np.array([np.isnan(e.value) for e in found])
        if missing.any():
            low, high = ax.get_ylim()
            ax.plot(at[missing], [low + 0.04 * (high - low)] * missing.sum(), "x",
                    color=look(n)["color"], ms=4)  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks(values, [str(v) for v in values])
    ax.minorticks_off()
    ax.set_xlim(values[0] / 1.4, values[-1] * 1.4)
    ax.set_xlabel(_AXES[axis])
    what = "m^2/H^2" if quantity == "invariant" else "m^2"
    ax.set_ylabel(f"${what}$ / match")
    legend(ax, 2)
    return ax


def duality_failures(
    scan: HubbleScan, against: str = "kernel_drift", *, ax: Axes | None = None
) -> Axes:
    r"""Plot how far Hubble rates are from the match, and where that is too far.

    Parameters
    ----------
    scan : HubbleScan
    against : {"kernel_drift", "learning_rate"}
        How much the tangent kernel changes; or :math:`\eta\theta`, beside the deviation that
        discrete steps make with a constant kernel.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Root mean square over seeds of H / match - 1, with one standard deviation; a dashed line at
        the tolerance. Crosses at the upper edge: runs that have no Hubble rate. What is below 1e-6
        is drawn there.

    Raises
    ------
    ArgumentError
        If there is no such abscissa.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.theory.cosmology import hubble_scan
    >>> scan = hubble_scan(learning_rates=[1e-3, 1e-2], widths=(128, 8), n_seeds=3, rng=1)
    >>> ax = nnrg.plot.duality_failures(scan)
    """
    if against not in tuple(_AGAINST):
        raise ArgumentError(f"against must be one of {', '.join(_AGAINST)}, got {against!r}")
    ax = new_axes(ax)
    ax.set_xscale("log")
    ax.set_yscale("log")
    fitted = [row for row in scan.rows if np.isfinite(row.deviation.value)]
    for verdict, i in _VERDICTS.items():
        rows = [row for row in fitted if row.verdict == verdict]
        points(
            ax,
            [_abscissa(row, against) for row in rows],
            [max(row.deviation.value, _ZERO) for row in rows],
            [row.deviation.error for row in rows],
            look(i),
            name=verdict,
        )
    ax.axhline(scan.tolerance, color="0.3", ls=(0, (4, 2)), lw=0.8, label="tolerance")
    if against == "learning_rate":
        rows = sorted(scan.rows, key=lambda row: row.rate_times_eigenvalue)
        share = np.array([row.rate_times_eigenvalue for row in rows])
        apart = np.array([abs(row.discrete_hubble / row.predicted_hubble - 1) for row in rows])
        if (apart > 1e-12).any():
            ax.plot(share, apart, color="black", lw=1.0, marker="", label="steps alone")
    silent = [row for row in scan.rows if not np.isfinite(row.deviation.value)]
    if silent:
        top = ax.get_ylim()[1] * 2
        ax.set_ylim(top=top)
        ax.plot(
            [_abscissa(row, against) for row in silent], [top / 1.4] * len(silent), "x",
            color=look(1)["color"], ms=4, label="no $H$",
        )  # fmt: skip
    ax.set_xlabel(_AGAINST[against])
    ax.set_ylabel(r"$|H/H_\mathrm{match}-1|$")
    _tidy(ax)
    legend(ax, 2)
    return ax


def edges(
    ax: Axes, x: Array, y: Array, limits: tuple[float, float], appearance: dict[str, Any]
) -> None:
    """Set limits, and mark what lies beyond them with open triangles."""
    ax.set_ylim(*limits)
    room = 0.03 * (limits[1] - limits[0])
    for beyond, at, marker in (
        (y < limits[0], limits[0] + room, "v"),
        (y > limits[1], limits[1] - room, "^"),
    ):
        if beyond.any():
            line = {"color": appearance["color"], "mfc": "white", "ms": 4, "zorder": 4}
            ax.plot(x[beyond], np.full(beyond.sum(), at), ls="", marker=marker, **line)


def _range(
    scan: HubbleScan, places: Sequence[ScanPlace], quantity: str, power: int
) -> tuple[float, float]:
    """Return limits that hold all numbers with errors below a half, but no others."""
    low, high = 1 - 2 * power * scan.tolerance, 1 + 2 * power * scan.tolerance
    for place in places:
        for row in scan.at(place):
            found = getattr(row, f"{quantity}_ratio")
            if found.error < 0.5:
                low, high = (
                    min(low, found.value - found.error),
                    max(high, found.value + found.error),
                )
    room = 0.06 * (high - low)
    return low - room, high + room


def _tidy(ax: Axes) -> None:
    """Label logarithmic axes by decades, or by plain numbers where there is one decade at most."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (ax.xaxis, ax.yaxis):
        low, high = np.log10(axis.get_view_interval())
        if np.floor(high) > np.ceil(low):  # two decades at least
            axis.set_major_locator(LogLocator(numticks=7))
        else:
            subs = (1.0, 2.0, 5.0) if high - low > 0.5 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
            axis.set_major_locator(LogLocator(subs=subs, numticks=12))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _abscissa(row: ScanRow, against: str) -> float:
    if against == "learning_rate":
        return row.rate_times_eigenvalue
    return max(row.kernel_drift, _ZERO)


def _few(scan: HubbleScan) -> Sequence[ScanPlace]:
    """Return as many networks as a legend can tell apart: the first, and ends of each axis."""
    chosen = [scan.places[0]]
    for axis in _AXES:
        places = scan.along(axis)
        chosen += [places[0], places[-1]]
    return list(dict.fromkeys(chosen))[:5]


def _name(place: ScanPlace) -> str:
    return f"$n={place.width}$, $L={place.depth}$, $P={place.n_data}$"


def _short(value: float) -> str:
    return f"{value:.1g}" if value < 0.01 else f"{value:.2g}"


def _unit(text: str) -> str:
    return {
        "steps": "steps",
        "eta x steps": r"$\eta\times$ steps",
        "sqrt(eta) x steps": r"$\sqrt{\eta}\times$ steps",
    }[text]
