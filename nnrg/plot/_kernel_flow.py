"""Figures of the kernel of trained weights at each scale beside what data predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.plot._theory_panels import legend, look, new_axes, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnrg.theory.synaptic.expansion import KernelExpansion
    from nnrg.theory.synaptic.trained_flow import TrainedKernelFlow

__all__ = ["SHIFT", "kernel_deviations", "kernel_flow", "kernel_numbers", "null_band", "scale_axes"]

Array = npt.NDArray[np.float64]

_KERNEL = {
    "kernel": r"$K_b(r)/K_1(0)$",
    "k0": r"$k_0/K_1(0)$",
    "range": r"range of $K_b$ (sites)",
}
_GREY = {"permuted": ("0.82", "x"), "untrained": ("0.55", "+")}
# Apart on a logarithmic axis of base two, so that bars do not cover each other.
SHIFT = 0.05
_LINEAR = 3.0


def kernel_flow(
    found: TrainedKernelFlow, quantity: str = "kernel", *, ax: Axes | None = None
) -> Axes:
    """Plot the kernel of trained weights against scale, with the prediction from data under it.

    Parameters
    ----------
    found : TrainedKernelFlow
    quantity : {"kernel", "k0", "range"}
        K(r) for each distance r in blocks, or the sum k_0 of K, over its predicted value K(0) at
        b = 1; or the range in sites.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Lines: predicted. Points: measured, one standard deviation. Grey: nulls, two of theirs.

    Raises
    ------
    ArgumentError
        If there is no such quantity.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.synaptic import (
    ...     coarse_grain_vertices, compare_kernel_flow, perceptron_vertices)
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(60, 8)) + rng.normal(size=(60, 1))
    >>> w = np.linalg.lstsq(x, rng.normal(size=(60, 300)))[0].T
    >>> flow = coarse_grain_vertices(perceptron_vertices(x, activation="linear", order=2), levels=2)
    >>> ax = nnrg.plot.kernel_flow(compare_kernel_flow(flow, w))
    """
    if quantity not in _KERNEL:
        raise ArgumentError(f"quantity must be one of {', '.join(_KERNEL)}, got {quantity!r}")
    ax = scale_axes(ax, found.scales)
    unit = found.predicted[0].values[0] if quantity != "range" else 1.0
    if quantity == "kernel":
        names = [f"$K({r})$" for r in found.distances]
        predicted = np.array([p.values for p in found.predicted])
        measured = np.array([m.values for m in found.measured])
        errors = np.array([m.errors() for m in found.measured])
        nulls = {name: (null.values, null.spreads) for name, null in found.nulls.items()}
    else:
        names = ["measured"]
        predicted, _ = kernel_numbers(found.predicted_kernels, quantity)
        measured, errors = kernel_numbers(found.measured_kernels, quantity)
        nulls = {name: kernel_numbers(null.kernels, quantity) for name, null in found.nulls.items()}
    b = np.array(found.scales, dtype=np.float64)
    for i, name in enumerate(names):
        colour = look(i)["color"]
        ax.plot(
            b, predicted[:, i] / unit, color=colour, marker="",
            label=None if i else "predicted",
        )  # fmt: skip
        points(
            ax, b * 2 ** (SHIFT * (i - (len(names) - 1) / 2)), measured[:, i] / unit,
            errors[:, i] / unit, look(i), name=name,
        )  # fmt: skip
    for name, (values, spreads) in nulls.items():
        null_band(ax, b, values / unit, spreads / unit, name, is_range=quantity == "range")
    ax.axhline(0, color="0.3", lw=0.4, zorder=0)
    ax.set_ylabel(_KERNEL[quantity])
    legend(ax, 4)
    return ax


def kernel_deviations(found: TrainedKernelFlow, *, ax: Axes | None = None) -> Axes:
    """Plot how many errors the kernel of trained weights is away from that predicted from data.

    Parameters
    ----------
    found : TrainedKernelFlow
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Bands of one and two errors, linear within three; grey marks: where the nulls lie, in the
        same errors.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.synaptic import (
    ...     coarse_grain_vertices, compare_kernel_flow, perceptron_vertices)
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(60, 8)) + rng.normal(size=(60, 1))
    >>> w = np.linalg.lstsq(x, rng.normal(size=(60, 300)))[0].T
    >>> flow = coarse_grain_vertices(perceptron_vertices(x, activation="linear", order=2), levels=2)
    >>> found = compare_kernel_flow(flow, w, permutations=5, rng=1)
    >>> ax = nnrg.plot.kernel_deviations(found)
    """
    ax = scale_axes(ax, found.scales)
    b = np.array(found.scales, dtype=np.float64)
    for width, colour in ((2, "0.92"), (1, "0.84")):
        ax.axhspan(-width, width, color=colour, lw=0, zorder=0)
    errors = np.array([m.errors() for m in found.measured])
    predicted = np.array([p.values for p in found.predicted])
    if not found.same_inputs:
        errors = np.hypot(errors, [p.errors() for p in found.predicted])
    shift = 2 ** (SHIFT * (found.distances - (found.distances.size - 1) / 2))
    for i, z in enumerate(found.deviations().T):
        ax.plot(b * shift[i], z, **{**look(i), "ls": "", "ms": 3.4}, label=f"$K({i})$")
    for name, null in found.nulls.items():
        away = (null.values - predicted) / errors
        ax.plot(
            (b[:, None] * shift).ravel(), away.ravel(), ls="", marker=_GREY[name][1], ms=3.5,
            color="0.5" if name == "permuted" else "black", mew=0.7, label=name, zorder=1,
        )  # fmt: skip
    ax.axhline(0, color="0.3", lw=0.4, zorder=0)
    ax.set_yscale("symlog", linthresh=_LINEAR, linscale=1.2)
    low, high = ax.get_ylim()
    ax.set_ylim(min(1.5 * low, -_LINEAR * 1.3), max(1.5 * high, _LINEAR * 1.3))
    _plain_symlog(ax)
    ax.set_ylabel("(measured \N{MINUS SIGN} predicted) / error")
    legend(ax, 4)
    return ax


def null_band(
    ax: Axes, b: Array, values: Array, spreads: Array, name: str, *, is_range: bool
) -> None:
    """Draw a null, two of its spreads each way."""
    # A range as uncertain as this says nothing.
    told = spreads < np.abs(values) / 2 if is_range else np.isfinite(values)
    values = np.where(told, values, np.nan)
    # Nor is a band of one scale seen as one.
    beside = np.pad(np.isfinite(values), ((1, 1), (0, 0)))
    values = np.where(beside[:-2] | beside[2:], values, np.nan)
    for i in range(values.shape[1]):
        low, high = ((values + k * spreads)[:, i] for k in (-2, 2))
        ax.fill_between(
            b, low, high, color=_GREY[name][0], alpha=0.5, zorder=0, lw=0.6,
            label=None if i else name,
        )  # fmt: skip


def kernel_numbers(kernels: tuple[KernelExpansion, ...], quantity: str) -> tuple[Array, Array]:
    """Return k_0, M_2, Z or the range of each scale and their errors, (n_scales, 1) each."""
    kind, _, axis = quantity.partition(":")
    found = []
    for one in kernels:
        if kind == "range":
            number = one.correlation_length()
        else:
            at = {"k0": 0, "M2": 1, "Z": 1 + one.dimension}[kind] + int(axis or 0)
            number = one.moments().estimate(at)
        found.append((number.value, number.error))
    both = np.array(found)
    return both[:, :1], both[:, 1:]


def scale_axes(ax: Axes | None, scales: Sequence[int]) -> Axes:
    """Return axes whose abscissa is the block length, with these scales as labels."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    ax = new_axes(ax)
    # As many labels whatever the height, or their width would not be known to the layout.
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.set_xscale("log", base=2)
    ax.set_xlim(scales[0] / 2**0.3, scales[-1] * 2**0.3)
    ax.xaxis.set_major_locator(FixedLocator(list(scales)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda b, _: f"{b:g}"))
    ax.set_xlabel("block length $b$ (sites)")
    return ax


def _plain_symlog(ax: Axes) -> None:
    """Label errors by plain numbers: three within the linear part, decades beyond."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = ax.get_ylim()
    ticks = [-2.0, 0.0, 2.0]
    for sign, end in ((-1, -low), (1, high)):
        ticks += [sign * t for t in (10.0, 100.0, 1000.0) if t <= end]
    ax.yaxis.set_major_locator(FixedLocator(sorted(ticks)))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(_signed))


def _signed(z: float, _: object) -> str:
    return f"{z:+g}".replace("-", "\N{MINUS SIGN}") if z else "0"
