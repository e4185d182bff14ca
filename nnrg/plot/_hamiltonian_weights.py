"""Figures of weights read as field theories: their parts against the size of blocks, with nulls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.networks._label import label
from nnrg.plot._theory_panels import legend, look, new_axes, points
from nnrg.theory.hamiltonian.network_reading import NetworkReading
from nnrg.theory.hamiltonian.weight_reading import WeightReading

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["matrix_scores", "weight_flow", "weight_scores"]

Array = npt.NDArray[np.float64]

_LABELS = {
    "symmetric": r"symmetric fraction $f_S$",
    "reciprocity": "reciprocity",
    "diagonal": "share of the diagonal",
    "klein_gordon": "Klein-Gordon share",
    "klein_gordon_distance": "distance to Klein-Gordon",
    "kinetic": "kinetic share",
    "on_site": "$c_0$",
    "stiffness": "stiffness $c_1$",
    "dirac": "Dirac share",
    "dirac_distance": "distance to Dirac",
    "clifford": "Clifford residual",
    "henrici": "Henrici's non-normality",
    "commutator": r"$|[W,W^T]|/|W|^2$",
    "variance": r"variance over $b^{-2}$",
}
_SHORT = {
    "symmetric": "symmetric",
    "klein_gordon_distance": "to Klein-Gordon",
    "dirac_distance": "to Dirac",
    "henrici": "Henrici",
}
# Each with the null that keeps most of what is not asked for.
_ASKED = (
    ("symmetric", "independent"),
    ("reciprocity", "signs"),
    ("henrici", "unaligned"),
)
_MOST_MATRICES = 24
_MOST_TICKS = 6
_LINEAR = 5.0
_MARKS = (-1000, -300, -100, -30, -10, -2, 0, 2, 10, 30, 100, 300, 1000)


def weight_flow(
    readings: WeightReading | Mapping[str, WeightReading],
    quantity: str = "symmetric",
    *,
    nulls: Sequence[str] = ("independent", "relabelled"),
    ax: Axes | None = None,
) -> Axes:
    """Plot one quantity of weights against the size of blocks, with bands of null models.

    Parameters
    ----------
    readings : WeightReading, or mapping of str to WeightReading
        Points with one standard deviation. With several, such as before and after training, bands
        are those of the first null, one for each.
    quantity : str
        Of those measured, see `read_weights`.
    nulls : sequence of str
        The band of each is the middle 95 % of its draws.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        If there is no such quantity or null, or it has no value at any scale.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.hamiltonian import read_weights
    >>> weights = np.random.default_rng(1).normal(size=(64, 64))
    >>> ax = nnrg.plot.weight_flow(read_weights(weights, draws=8, rng=1), "symmetric")
    """
    several = not isinstance(readings, WeightReading)
    sets = dict(readings) if isinstance(readings, Mapping) else {"measured": readings}
    if not sets or not all(isinstance(r, WeightReading) for r in sets.values()):
        raise ArgumentError(f"expected readings of weights, got {shown(readings)}")
    first = next(iter(sets.values()))
    q = _index(first.quantities, quantity, "quantity")
    for null in nulls:
        _index(tuple(first.nulls), null, "null")
    if all(np.isnan(r.values[:, q]).all() for r in sets.values()):
        raise ArgumentError(
            f"{quantity} has no value at any scale: of graphs there is no Dirac form, of more than "
            "512 neurons no eigenvalues, and Clifford's relations need components"
        )
    ax = new_axes(ax)
    _scales(ax, first)
    for i, (name, reading) in enumerate(sets.items()):
        b = np.array(reading.scales) * (1.06 ** (i - (len(sets) - 1) / 2))
        for j, null in enumerate(nulls[:1] if several else nulls):
            low, high = np.percentile(reading.nulls[null][:, :, q], [2.5, 97.5], axis=0)
            colour = look(i if several else j + 1)["color"]
            # A null that has the value by construction is a line that must be seen.
            ax.fill_between(
                b, low, high, color=colour, alpha=0.25, lw=0.8,
                label=None if several else null,
            )  # fmt: skip
        points(ax, b, reading.values[:, q], reading.errors[:, q], look(i), name=name)
    if quantity == "symmetric":
        ax.plot(
            first.scales, first.expected, color="black", ls="--", lw=0.8, marker="",
            label="independent, exact",
        )  # fmt: skip
    _range(ax, list(sets.values()), q, nulls[:1] if several else nulls)
    ax.set_ylabel(_LABELS[quantity])
    legend(ax, 2)
    return ax


def weight_scores(
    reading: WeightReading,
    quantities: Sequence[str] = tuple(_SHORT),
    *,
    null: str = "relabelled",
    ax: Axes | None = None,
) -> Axes:
    """Plot z of several quantities against the size of blocks; the band is two deviations.

    Parameters
    ----------
    reading : WeightReading
    quantities : sequence of str
    null : str
        Model that z is against. "relabelled" asks about the flow alone: it has the weights' own
        fraction at b = 1, which then has no point; nor has a quantity without a value.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Linear up to 5, logarithmic beyond.

    Raises
    ------
    ArgumentError
        If there is no such quantity or null.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.hamiltonian import read_weights
    >>> weights = np.random.default_rng(1).normal(size=(64, 64))
    >>> ax = nnrg.plot.weight_scores(read_weights(weights, draws=8, rng=1))
    """
    if not isinstance(reading, WeightReading):
        raise ArgumentError(f"expected the reading of weights, got {shown(reading)}")
    _index(tuple(reading.nulls), null, "null")
    ax = new_axes(ax)
    _scales(ax, reading)
    ax.axhspan(-2, 2, color="0.88", lw=0, zorder=0)
    every = []
    for i, quantity in enumerate(quantities):
        _index(reading.quantities, quantity, "quantity")
        z = np.array([reading.z(quantity, b, null) for b in reading.scales])
        known = np.isfinite(z)
        if not known.any():
            continue
        b = np.array(reading.scales) * 1.04 ** (i - (len(quantities) - 1) / 2)
        name = _SHORT.get(quantity, quantity.replace("_", " "))
        ax.plot(b[known], z[known], label=name, **{**look(i), "ls": "", "ms": 3.5})
        every.append(z[known])
    _signed(ax, np.concatenate([*every, [-3.0, 3.0]]))
    ax.set_ylabel(f"$z$ against {null}")
    legend(ax, 2)
    return ax


def matrix_scores(
    reading: NetworkReading,
    asked: Sequence[tuple[str, str]] = _ASKED,
    *,
    scale: float = 1,
    ax: Axes | None = None,
) -> Axes:
    """Plot z of several quantities for each square matrix of a network.

    Parameters
    ----------
    reading : NetworkReading
        The first 24 matrices are drawn.
    asked : sequence of (quantity, null)
    scale : float
        Neurons in a block.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Linear up to 5, logarithmic beyond; the band is two deviations.

    Raises
    ------
    ArgumentError
        If there is no such quantity, null or scale.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.theory.hamiltonian import read_network
    >>> rng = np.random.default_rng(1)
    >>> net = nnrg.load({"rnn.weight_hh_l0": rng.normal(size=(32, 32)),
    ...                  "rnn.weight_ih_l0": rng.normal(size=(32, 8))})
    >>> ax = nnrg.plot.matrix_scores(read_network(net, draws=8, rng=1))
    """
    if not isinstance(reading, NetworkReading) or not reading.readings:
        raise ArgumentError(f"expected the reading of a network, got {shown(reading)}")
    ax = new_axes(ax)
    ax.axvspan(-2, 2, color="0.88", lw=0, zorder=0)
    rows = reading.readings[:_MOST_MATRICES]
    every = [np.array([-3.0, 3.0])]
    for i, (quantity, null) in enumerate(asked):
        z = np.array([r.z(quantity, scale, null) for r in rows])
        known = np.isfinite(z)
        y = np.arange(len(rows)) + 0.22 * (i - (len(asked) - 1) / 2)
        name = f"{_SHORT.get(quantity, quantity.replace('_', ' '))}, {null}"
        ax.plot(z[known], y[known], label=name, **{**look(i), "ls": "", "ms": 3.2})
        every.append(z[known])
    _signed(ax, np.concatenate(every), across=True)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    names = [label(name, 22) for name in reading.short_names[: len(rows)]]
    ax.set_yticks(range(len(rows)), names, parse_math=False)
    ax.tick_params(axis="y", which="both", length=0)
    ax.set_xlabel("$z$" if scale == 1 else f"$z$ at $b = {scale:g}$")
    legend(ax, 1)
    return ax


def _index(known: Sequence[str], name: object, what: str) -> int:
    if name not in known:
        raise ArgumentError(f"{what} must be one of {', '.join(known)}, got {shown(name)}")
    return list(known).index(str(name))


def _scales(ax: Axes, reading: WeightReading) -> None:
    scales = reading.scales
    ax.set_xscale("log", base=2)
    kept = scales[:: -(-len(scales) // _MOST_TICKS)]
    ax.set_xticks(kept, [f"{b:.3g}" for b in kept])
    ax.minorticks_off()
    ax.set_xlim(scales[0] / 1.4, scales[-1] * 1.4)
    ax.set_xlabel("neurons in a block $b$")


def _range(ax: Axes, readings: Sequence[WeightReading], q: int, nulls: Sequence[str]) -> None:
    """Show points and bands; bars no further than once more their range."""
    held = [r.values[:, q] for r in readings]
    held += [
        np.percentile(r.nulls[n][:, :, q], [2.5, 97.5], axis=0).ravel()
        for r in readings
        for n in nulls
    ]
    values = np.concatenate(held)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    reach = (high - low) or 0.1 * abs(high) or 1.0
    bars = np.concatenate([[r.values[:, q] - r.errors[:, q], r.values[:, q] + r.errors[:, q]]
                           for r in readings], axis=1)  # fmt: skip
    low = min(low, max(float(np.nanmin(bars)), low - reach))
    high = max(high, min(float(np.nanmax(bars)), high + reach))
    room = 0.06 * (high - low) or 0.1 * reach
    if readings[0].quantities[q].endswith("_distance"):  # bars may, distances cannot be above
        high = min(high, 1.0)
    ax.set_ylim(low - room, high + room)


def _signed(ax: Axes, values: Array, *, across: bool = False) -> None:
    """Use a signed logarithm beyond five deviations, with few ticks."""
    low, high = float(values.min()), float(values.max())
    axis = ax.xaxis if across else ax.yaxis
    limit = ax.set_xlim if across else ax.set_ylim
    if max(-low, high) <= 2 * _LINEAR:
        room = 0.08 * (high - low)
        limit(low - room, high + room)
        return
    (ax.set_xscale if across else ax.set_yscale)("symlog", linthresh=_LINEAR, linscale=1.0)
    low, high = min(1.5 * low, -3.0), max(1.5 * high, 3.0)
    wide = max(-low, high) > 300
    marks = [m for m in _MARKS if low <= m <= high and not (wide and abs(m) in (30, 300))]
    axis.set_ticks(marks, [f"{m:d}" for m in marks])
    ax.minorticks_off()
    limit(low, high)
