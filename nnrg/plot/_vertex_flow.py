"""Figures of the flow of synaptic vertices with scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnrg.errors import ArgumentError
from nnrg.plot._kernel_flow import SHIFT, kernel_numbers, null_band, scale_axes
from nnrg.plot._theory_panels import legend, look, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnrg.theory.synaptic.trained_flow import TrainedKernelFlow
    from nnrg.theory.synaptic.vertex_flow import VertexFlow

__all__ = ["vertex_flow"]


def vertex_flow(
    flow: VertexFlow,
    quantity: str = "k0",
    *,
    trained: TrainedKernelFlow | None = None,
    null: VertexFlow | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot a number of the synaptic action against scale, projected and with modes eliminated.

    Parameters
    ----------
    flow : VertexFlow
    quantity : str
        A column of ``flow.to_dataframe()`` that has an error: ``k0``, ``M2:0``, ``Z:0``,
        ``range``, ``V4:contact``, ``V6:uniform`` and so on.
    trained : TrainedKernelFlow, optional
        Of the same flow: its k_0, M_2, Z or range beside it, with its nulls.
    null : VertexFlow, optional
        Of data without order, such as inputs whose sites are permuted; drawn with modes eliminated,
        or projected where that is all there is.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Errors are those of another sample of data, one standard deviation.

    Raises
    ------
    ArgumentError
        If there is no such quantity, or the trained weights were not compared with this flow.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.synaptic import coarse_grain_vertices, perceptron_vertices
    >>> x = np.random.default_rng(1).normal(size=(200, 8))
    >>> flow = coarse_grain_vertices(perceptron_vertices(x, order=4), levels=2)
    >>> ax = nnrg.plot.vertex_flow(flow, "V4:contact")
    """
    frame = flow.to_dataframe()
    known = [c for c in frame if f"{c}_error" in frame]
    if quantity not in known:
        raise ArgumentError(f"quantity must be one of {', '.join(known)}, got {quantity!r}")
    ax = scale_axes(ax, [one.scale for one in flow.scales])
    marks: dict[str, dict[str, Any]] = {
        "projected": {**look(1), "mfc": "white", "ls": ":"},
        "eliminated": {**look(0), "ls": "-"},
    }
    for i, (scheme, appearance) in enumerate(marks.items()):
        rows = frame[frame["scheme"] == scheme]
        shift = 2 ** (SHIFT * (i - 1))
        points(
            ax, rows["scale"] * shift, rows[quantity], rows[f"{quantity}_error"], appearance,
            name=scheme,
        )  # fmt: skip
    if trained is not None:
        _beside(ax, flow, trained, quantity)
    if null is not None:
        _without_order(ax, null, quantity)
    ax.set_ylabel(_name(quantity, flow))
    values = frame[quantity].to_numpy()
    if np.nanmin(values) < 0 < np.nanmax(values):
        ax.axhline(0, color="0.3", lw=0.4, zorder=0)
    legend(ax, 3)
    return ax


def _beside(ax: Axes, flow: VertexFlow, trained: TrainedKernelFlow, quantity: str) -> None:
    ours, theirs = flow.scales[0].eliminated, trained.predicted_kernels[0]
    if ours.profile.values.shape != theirs.profile.values.shape or not np.array_equal(
        ours.profile.values, theirs.profile.values
    ):
        raise ArgumentError(
            "trained must be compared with this flow: compare_kernel_flow(flow, fields)"
        )
    if quantity.partition(":")[0] not in ("k0", "M2", "Z", "range"):
        raise ArgumentError(
            f"trained weights have k0, M2, Z and range of their kernel, got {quantity!r}"
        )
    b = np.array(trained.scales, dtype=np.float64)
    unit = b[:, None] if quantity == "range" else 1.0
    values, errors = kernel_numbers(trained.measured_kernels, quantity)
    appearance = {**look(2), "ls": ""}
    points(
        ax, b * 2**SHIFT, (values / unit)[:, 0], (errors / unit)[:, 0], appearance, name="trained"
    )
    for name, null in trained.nulls.items():
        values, errors = kernel_numbers(null.kernels, quantity)
        null_band(ax, b, values / unit, errors / unit, name, is_range=quantity == "range")


def _without_order(ax: Axes, null: VertexFlow, quantity: str) -> None:
    frame = null.to_dataframe()
    if quantity not in frame:
        raise ArgumentError(f"null has no {quantity}; make it of vertices of the same order")
    rows = frame[frame["scheme"] == "eliminated"]
    if rows[quantity].isna().all():
        rows = frame[frame["scheme"] == "projected"]
    values, errors = (rows[[name]].to_numpy() for name in (quantity, f"{quantity}_error"))
    b = rows["scale"].to_numpy(dtype=np.float64)
    null_band(ax, b, values, errors, "permuted", is_range=quantity == "range")


def _name(quantity: str, flow: VertexFlow) -> str:
    kind, _, rest = quantity.partition(":")
    plain = {"k0": "$k_0$", "range": "range (blocks)", "far_share": "far share of $K$",
             "loop_k0": "one loop of $k_0$, per $T$"}  # fmt: skip
    if kind in plain:
        return plain[kind]
    if kind in ("M2", "Z"):
        along = "" if flow.scales[0].projected.dimension == 1 else f", axis {rest}"
        return ("$M_2$" if kind == "M2" else "$Z$") + along
    return f"$V_{kind[1:]}$ {rest.replace('_', ' ')}"
