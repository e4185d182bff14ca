"""Figures of flows in information space, which say on their face that they are no block spins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnrg.plot._theory_panels import chosen, legend, look, new_axes, plain_log, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnrg.theory.information_flow import SigmaFlow, WilsonianFlow

__all__ = ["kernel_mode_flow", "sigma_flow"]

_MODES = ("ridge", "learnability")
_SIGMA = {
    "mass2": "mass squared",
    "quartic": r"$g_4$",
    "dimensionless": r"$g_4/m^{4-d}$",
    "residual": "share that is not local",
}


def kernel_mode_flow(
    flow: WilsonianFlow, quantity: str = "ridge", *, ax: Axes | None = None
) -> Axes:
    """Plot ridge or learnability against the number of kernel modes that are kept.

    Parameters
    ----------
    flow : WilsonianFlow
    quantity : {"ridge", "learnability"}
        The ridge of the modes kept, in the unit of the target squared, with a band of one standard
        deviation; or how much of each mode is learned.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        The flow runs from right to left and stops at the vertical line.

    Raises
    ------
    ArgumentError
        If there is no such quantity.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.information_flow import gaussian_modes, wilsonian_flow
    >>> flow = wilsonian_flow(gaussian_modes(np.arange(1, 501.0) ** -2), n_data=100, ridge=0.1)
    >>> ax = nnrg.plot.kernel_mode_flow(flow)
    """
    quantity = chosen(quantity, _MODES)
    ax = new_axes(ax)
    ax.set_xscale("log")
    kept = np.arange(1, flow.modes.n_modes + 1)
    line: dict[str, Any] = {"marker": "", "color": look(0)["color"]}
    if quantity == "ridge":
        ridge, error = flow.ridges[1:], np.nan_to_num(flow.ridge_errors[1:])
        ax.set_yscale("log")
        ax.plot(kept, ridge, label=r"$\sigma_c^2$", **line)
        low = np.maximum(ridge - error, 0.5 * ridge)
        ax.fill_between(kept, low, ridge + error, color=line["color"], alpha=0.25, lw=0)
        exact = flow.effective_ridge.null
        value, spread = (getattr(exact, name) for name in ("value", "error"))
        ax.axhspan(value - spread, value + spread, color=look(1)["color"], alpha=0.3, lw=0)
        ax.axhline(value, color=look(1)["color"], ls="--", lw=0.8, label="self-consistent")
        if flow.ridge > 0:
            ax.axhline(flow.ridge, color="0.5", ls=":", lw=0.8, label=r"noise $\sigma^2$")
        ax.set_ylabel(r"ridge $\sigma_c^2$")
        plain_log(ax)
    else:
        ax.plot(kept, flow.marginal, label="last one kept", **line)
        ax.plot(
            kept, flow.self_consistent, color=look(1)["color"], ls="--", marker="",
            label="self-consistent",
        )  # fmt: skip
        ax.axhline(flow.threshold, color="0.5", ls=":", lw=0.8, label="threshold")
        ax.set_ylim(0, 1.03)
        ax.set_ylabel("learnability")
    if flow.stop:
        ax.axvline(flow.stop, color="black", lw=0.8, label=rf"stop, $\kappa={flow.stop}$")
    ax.set_xlabel(r"modes kept $\kappa$ (information space)")
    legend(ax, 2)
    return ax


def sigma_flow(flow: SigmaFlow, quantity: str = "dimensionless", *, ax: Axes | None = None) -> Axes:
    """Plot a coupling at fixed inputs against sigma_w, the cutoff of a network field.

    Parameters
    ----------
    flow : SigmaFlow
    quantity : {"mass2", "quartic", "dimensionless", "residual"}
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Line: by formula; points: measured, one standard deviation, open where flagged.

    Raises
    ------
    ArgumentError
        If there is no such quantity.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.correlators import CosNet
    >>> from nnrg.theory.information_flow import sigma_flow
    >>> flow = sigma_flow(CosNet(width=32), np.linspace(-1, 1, 5)[:, None], [1, 1.5, 2])
    >>> ax = nnrg.plot.sigma_flow(flow)
    """
    quantity = chosen(quantity, _SIGMA)
    ax = new_axes(ax)
    at = list(_SIGMA).index(quantity)
    predicted, error = flow.predicted[:, at], np.nan_to_num(flow.predicted_errors[:, at])
    both = np.concatenate([predicted, flow.measured[:, at]])
    if (both[np.isfinite(both)] > 0).all():
        ax.set_yscale("log")
    ax.plot(flow.sigmas, predicted, color="black", marker="", label="by formula")
    ax.fill_between(flow.sigmas, predicted - error, predicted + error, color="0.7", lw=0)
    if np.isfinite(both[len(predicted) :]).any():
        points(
            ax, flow.sigmas, flow.measured[:, at], flow.measured_errors[:, at], look(0),
            name="measured", doubtful=[flag != "" for flag in flow.flags],
        )  # fmt: skip
    ax.set_xlabel(r"$\sigma_w/b$ (information space)")
    ax.set_ylabel(_SIGMA[quantity])
    if ax.get_yscale() == "log":
        plain_log(ax)
    legend(ax, 2)
    return ax
