"""Figures of training as field dynamics: trajectories, energy law, histories of expansion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.plot._theory_panels import legend, look, new_axes
from nnrg.theory.synaptic.histories import CosmicHistory
from nnrg.theory.synaptic.mode_histories import TrainingModes
from nnrg.theory.synaptic.redshift import ModePair
from nnrg.theory.synaptic.trajectories import TrajectoryAction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["action_residual", "energy_law", "expansion_history", "redshift", "training_modes"]

Array = npt.NDArray[np.float64]

_MARKS = 28
_HISTORIES = {"hubble": r"$H$ (units of $1/\sqrt{\eta}$)", "log_scale_factor": r"$\ln a$"}
_TIME = r"time $t=\sum\sqrt{\eta}$"
_ROUNDING = 2.0**-52
# Theory is drawn where it is so near to the record, in largest amplitudes.
_NEAR = 0.1


def training_modes(modes: TrainingModes, *, ax: Axes | None = None) -> Axes:
    r"""Plot modes of recorded training against H t, over their exact solution.

    Parameters
    ----------
    modes : TrainingModes
        Recorded amplitudes are points, each over its largest; without statistical errors, for a
        trajectory has none. Solid: the damped field in continuous time from the same start; dashed:
        the optimiser's own recursion, where the two can be told apart. Both are of a quadratic
        cost: a curve that is off by more than a tenth of the largest amplitude is left out, and
        the mode has a star in the legend.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.simulate.training import HeavyBall, perceptron, train
    >>> from nnrg.theory.synaptic import record_modes
    >>> x = np.random.default_rng(1).standard_normal((50, 3)) * [1, 2, 3]
    >>> made = train(perceptron(3), (x, x[:, 0]), optimiser=HeavyBall(0.01, 0.9), steps=60,
    ...              record=1, rng=1)
    >>> ax = nnrg.plot.training_modes(record_modes(made, x, x[:, 0]))
    >>> ax.get_xlabel()
    '$Ht$'
    """
    ax = new_axes(ax)
    size = np.abs(modes.fields).max(axis=0)
    size = np.where(size > 0, size, 1.0)
    stride = max(1, len(modes.steps) // _MARKS)
    times = modes.hubble_times
    smooth, steps = modes.continuum_deviation(), modes.deviation()
    curves = (
        (modes.continuous, smooth <= _NEAR, "continuous time", "-", 1.0),
        (modes.discrete, (steps <= _NEAR) & ~(smooth <= 0.01), "discrete steps", (0, (3, 2)), 0.8),
    )
    off = ~((smooth <= _NEAR) & (steps <= _NEAR))
    for i in range(modes.n_modes):
        seen = look(i)
        for values, drawn, _, line, lw in curves:
            if drawn[i]:
                ax.plot(
                    times, values[:, i] / size[i], color=seen["color"], marker="", ls=line, lw=lw
                )
        star = "^*" if off[i] else ""
        ax.plot(
            times[::stride], modes.fields[::stride, i] / size[i], ls="", ms=3, mfc="white",
            label=rf"$m^2/H^2={modes.weights.invariant[i]:.3g}{star}$", **seen,
        )  # fmt: skip
    for _, drawn, name, line, lw in curves:
        if drawn.any():
            ax.plot([], [], color="black", marker="", ls=line, lw=lw, label=name)
    if off.any():
        ax.plot([], [], color="black", ls="", marker="", label=r"$^*$theory not drawn")
    ax.axhline(0, color="0.6", lw=0.6, zorder=0)
    ax.set_xlabel(r"$Ht$")
    ax.set_ylabel(r"field $\phi/\max|\phi|$")
    legend(ax, 3)
    return ax


def energy_law(action: TrajectoryAction, *, ax: Axes | None = None) -> Axes:
    r"""Plot kinetic energy, cost, and what friction took, which add up to the start.

    Parameters
    ----------
    action : TrajectoryAction
        Work of the gradient stands for the cost: at long steps the two differ.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
    """
    ax = new_axes(ax)
    times = action.times[1:-1]
    lost, work = np.cumsum(action.dissipated), np.cumsum(action.work)
    kinetic = action.kinetic[1:]
    fallen = action.cost[1] - action.cost[1:-1]
    rows: tuple[tuple[Array, str, dict[str, Any]], ...] = (
        (-work, "work of the gradient", {"color": "black", "ls": "-"}),
        (kinetic + lost - action.kinetic[0], "kinetic + lost", {"ls": (0, (4, 2))}),
        (fallen, "fall of the cost", {"ls": ":"}),
        (kinetic, "kinetic", {"ls": "-."}),
    )
    for i, (values, name, more) in enumerate(rows):
        colour = {"color": look(i)["color"]} if i else {}
        ax.plot(times, values, marker="", lw=1.1, label=name, **{**colour, **more})
    ax.set_xlabel(_TIME)
    ax.set_ylabel("energy (cost)")
    legend(ax, 2)
    return ax


def action_residual(action: TrajectoryAction, *, ax: Axes | None = None) -> Axes:
    r"""Plot how far recorded training is from making the action stationary, step by step.

    Parameters
    ----------
    action : TrajectoryAction
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Derivatives of the action and residuals of the energy law, each over its largest term, on a
        logarithmic scale; what is zero is drawn at the rounding of double precision.
    """
    ax = new_axes(ax)
    times = action.times[1:-1]
    parts = [np.diff(action.kinetic), action.dissipated, action.work]
    scale = np.max(np.abs(parts), axis=0)
    share = np.abs(action.energy_residual) / np.where(scale > 0, scale, 1.0)
    stride = max(1, len(times) // (8 * _MARKS))
    rows = (
        (action.stationarity, r"$|\partial S/\partial w|$ over its terms"),
        (share, "energy law over its terms"),
    )
    for i, (values, name) in enumerate(rows):
        shown = np.maximum(values[::stride], _ROUNDING)
        ax.plot(times[::stride], shown, ls="", ms=2, label=name, **look(i))
    ax.axhline(_ROUNDING, color="black", lw=0.8, ls=":", label="rounding")
    ax.set_yscale("log")
    ax.set_xlabel(_TIME)
    ax.set_ylabel("residual")
    legend(ax, 2)
    return ax


def expansion_history(
    histories: Mapping[str, CosmicHistory] | CosmicHistory,
    quantity: str = "hubble",
    *,
    ax: Axes | None = None,
) -> Axes:
    """Plot the Hubble rate or the scale factor of schedules.

    Parameters
    ----------
    histories : mapping of str to CosmicHistory, or one
    quantity : {"hubble", "log_scale_factor"}
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        If there is no such quantity, or no history.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.simulate.training import CosineDecay, HeavyBall
    >>> from nnrg.theory.synaptic import cosmic_history
    >>> ax = nnrg.plot.expansion_history(cosmic_history(HeavyBall(CosineDecay(0.1, 200)), 150))
    """
    if quantity not in _HISTORIES:
        raise ArgumentError(f"quantity must be one of {', '.join(_HISTORIES)}, got {quantity!r}")
    named = {"": histories} if isinstance(histories, CosmicHistory) else dict(histories)
    if not named:
        raise ArgumentError("a history is needed, got none")
    ax = new_axes(ax)
    lines = ("-", (0, (4, 2)), ":", "-.")
    lowest = np.inf
    for i, (name, one) in enumerate(named.items()):
        values = getattr(one, quantity)
        lowest = min(lowest, float(values.min()))
        ax.plot(
            one.times, values, color=look(i)["color"], marker="", lw=1.1,
            ls=lines[i % len(lines)], label=name or None,
        )  # fmt: skip
    if quantity == "hubble" and lowest > 0:
        high = max(float(one.hubble.max()) for one in named.values())
        if high > 5 * lowest:
            ax.set_yscale("log")
        else:
            ax.set_ylim(0, None)
    ax.set_xlabel(_TIME)
    ax.set_ylabel(_HISTORIES[quantity])
    legend(ax, 2)
    return ax


def redshift(pair: ModePair, *, ax: Axes | None = None) -> Axes:
    """Plot a mode of training and its counterpart in de Sitter space.

    Parameters
    ----------
    pair : ModePair
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        With the time at which the mode leaves the horizon of de Sitter space.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.synaptic import compare_modes
    >>> ax = nnrg.plot.redshift(compare_modes(np.linspace(0, 4, 41), 5.0))
    """
    ax = new_axes(ax)
    times = pair.hubble * pair.times
    name = "network, stiffness as $a^{-2}$" if pair.redshift else "network, static data"
    ax.plot(times, pair.de_sitter, color="black", marker="", lw=1.1, label="de Sitter")
    ax.plot(
        times, pair.network, color=look(1)["color"], marker="", lw=1, ls=(0, (3, 2)), label=name
    )
    at = pair.hubble * pair.horizon_time
    if times[0] < at < times[-1]:
        ax.axvline(at, color="0.5", lw=0.8, ls=":", label="horizon")
    ax.axhline(0, color="0.6", lw=0.6, zorder=0)
    ax.set_xlabel(r"$Ht$")
    ax.set_ylabel(rf"mode $\phi_k$, $k={pair.momentum:g}$")
    legend(ax, 2)
    return ax
