"""Figures of recurrent networks: correlation in time, and Lyapunov exponent against gain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrg.errors import ArgumentError
from nnrg.plot._theory_panels import legend, look, new_axes, points, zero_line
from nnrg.theory.recurrent.comparison import RecurrentComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnrg.theory.recurrent.continuous import RecurrentMeanField
    from nnrg.theory.recurrent.discrete import DiscreteRecurrentMeanField
    from nnrg.theory.recurrent.transition import ChaosTransition

__all__ = ["lyapunov_exponent", "recurrent_correlation"]

_MOST_LAGS = 13
# Fewer are marked: what lies between them is not theory.
_FEW_GAINS = 10


def recurrent_correlation(
    result: RecurrentComparison | RecurrentMeanField | DiscreteRecurrentMeanField,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Plot the stationary correlation c(tau) of a recurrent network, predicted and measured.

    Parameters
    ----------
    result : RecurrentComparison, RecurrentMeanField or DiscreteRecurrentMeanField
        The first has points of each width, one standard deviation over networks.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        tau is in the unit of time of 1/gamma, or in steps in discrete time. Points of different
        widths stand a little aside of each other; at most 13 lags of each are drawn.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.theory.recurrent import rnn_dmft
    >>> ax = nnrg.plot.recurrent_correlation(rnn_dmft("tanh", 1.5))
    """
    ax = new_axes(ax)
    line: dict[str, Any] = {"color": "black", "marker": "", "label": r"$N=\infty$"}
    if isinstance(result, RecurrentComparison):
        discrete = result.continuous is None
        ax.plot(result.tau, result.predicted[:-1], **line)
        for i, run in enumerate(result.ensembles):
            # Fewer lags, each width a little aside, so that bars can be told apart.
            step = -(-len(run.tau) // _MOST_LAGS)
            found = run.correlations()[::step]
            aside = i * 0.25 * float(np.diff(run.tau[::step]).min()) if len(found) > 1 else 0.0
            y, error = ([getattr(e, key) for e in found] for key in ("value", "error"))
            points(ax, run.tau[::step] + aside, y, error, look(i), name=f"$N={run.width}$")
    else:
        discrete = hasattr(result, "lags")
        tau = result.lags if hasattr(result, "lags") else result.tau
        ax.plot(tau, result.correlation, **line)
        ax.axhline(result.limit, color="0.6", ls=":", lw=0.8, label=r"$c(\infty)$")
    ax.set_ylim(min(0.0, ax.get_ylim()[0]), None)
    ax.set_xlabel(r"$\tau$ (steps)" if discrete else r"$\tau$ (time)")
    ax.set_ylabel(r"$c(\tau)=\langle z(t)\,z(t+\tau)\rangle$")
    legend(ax, 4)
    return ax


def lyapunov_exponent(
    theory: Sequence[RecurrentMeanField | DiscreteRecurrentMeanField],
    *,
    measured: Sequence[RecurrentComparison] = (),
    transition: ChaosTransition | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the largest Lyapunov exponent of recurrent networks against the gain sigma_w.

    Parameters
    ----------
    theory : sequence of RecurrentMeanField or DiscreteRecurrentMeanField
        At infinite width, one for each gain.
    measured : sequence of RecurrentComparison, optional
        At some gains; points of each width, one standard deviation over networks, and of the limit
        of infinite width where there were three widths (black).
    transition : ChaosTransition, optional
        Onset of chaos and local instability, as vertical lines.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        If there is nothing to draw.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.theory.recurrent import rnn_dmft
    >>> ax = nnrg.plot.lyapunov_exponent([rnn_dmft("tanh", g) for g in (0.8, 1.5)])
    """
    if not theory and not measured:
        raise ArgumentError("no exponent to draw; give what rnn_dmft returns at several gains")
    ax = new_axes(ax)
    zero_line(ax)
    if theory:
        rows = sorted((m.sigma_w, m.lyapunov.value) for m in theory)
        mark = "." if len(rows) < _FEW_GAINS else ""
        ax.plot(*np.array(rows).T, color="black", label=r"$N=\infty$", marker=mark, ms=3)
    widths = sorted({run.width for one in measured for run in one.ensembles})
    for i, width in enumerate(widths):
        found = [(r.sigma_w, r.lyapunov) for m in measured for r in m.ensembles if r.width == width]
        points(
            ax, [g for g, _ in found], [e.value for _, e in found], [e.error for _, e in found],
            look(i), name=f"$N={width}$",
        )  # fmt: skip
    limits = [
        (one.ensembles[0].sigma_w, one.fits[1].estimate("limit"), one.fits[1].flag)
        for one in measured
        if one.fits is not None
    ]
    if limits:
        points(
            ax, [g for g, _, _ in limits], [e.value for _, e, _ in limits],
            [e.error for _, e, _ in limits], {"color": "black", "marker": "_", "ms": 6},
            name=r"limit in $1/N$", doubtful=[flag != "" for _, _, flag in limits],
        )  # fmt: skip
    if transition is not None:
        onset, local = transition.sigma_w.value, transition.local_instability.value
        ax.axvline(onset, color=look(1)["color"], ls="--", lw=0.8, label="onset of chaos")
        if abs(local - onset) > 1e-6:
            ax.axvline(local, color="0.5", ls=":", lw=0.8, label="local instability")
    ax.set_xlabel(r"gain $\sigma_w$")
    ax.set_ylabel(r"$\lambda_{\max}$ (1/time)")
    legend(ax, 3)
    return ax
