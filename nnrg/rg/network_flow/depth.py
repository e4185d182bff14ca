"""Depth as one more axis: blocks of consecutive layers, and how weights correlate along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.networks.network import Network
from nnrg.networks.topology import Topology
from nnrg.rg.cumulants import align
from nnrg.rg.levels import as_levels
from nnrg.rg.network_flow.stack import Stack, stack
from nnrg.rg.observables import Observables
from nnrg.stats.estimate import format_value_error

__all__ = ["HOW", "NULLS", "DepthFlow", "depth_blocks"]

Floats = npt.NDArray[np.float64]

HOW = ("average", "compose", "residual")
"""What a block of layers becomes; see `depth_blocks`."""

NULLS = ("layer order", "units")
"""Layers in random order; units of each layer in a random order of its own."""

_BANDS = 8
# An exponent takes two decades, and never fewer points than this.
_FEWEST_SCALES = 4


@dataclass(frozen=True, slots=True, eq=False)
class DepthFlow:
    """Blocks of consecutive layers at scales b = 1, b, b^2, .. in depth; made by `depth_blocks`.

    Attributes
    ----------
    stack : Stack
        The layers.
    how : str
        ``"average"``, ``"compose"`` or ``"residual"``.
    fields : tuple of float64 arrays of shape (n_blocks, ...)
        The blocks at each scale.
    numbers : Observables
        ``kappa_2`` of the entries (unit of the weights squared), ``growth`` = b kappa_2(b) /
        kappa_2(1), ``depth:r`` the correlation of blocks r apart, ``beyond_sum`` the share of a
        residual composition that is not in the sum of its layers; all but kappa_2 dimensionless.
    notes : tuple of str
    """

    stack: Stack
    how: str
    fields: tuple[Floats, ...]
    numbers: Observables
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        counts = " -> ".join(str(len(f)) for f in self.fields)
        return f"DepthFlow({self.stack.name}, {self.how}: {counts} layers)"

    @property
    def verdict(self) -> str:
        """Whether anything can be said of scaling in depth."""
        n, scales = len(self.stack.layers), len(self.fields)
        if scales < _FEWEST_SCALES:
            return (
                f"{n} layers make {scales} scales in depth: an exponent cannot be told, "
                f"{_FEWEST_SCALES} scales at least are needed"
            )
        return f"{n} layers make {scales} scales in depth"

    def __str__(self) -> str:
        errors, z = self.numbers.errors(), self.numbers.z()
        lines = [["b", "layers", *self.numbers.names]]
        for level, b in enumerate(self.numbers.scales):
            row = [f"{b:g}", str(len(self.fields[level]))]
            for i in range(len(self.numbers.names)):
                value = self.numbers.values[level, i]
                text = format_value_error(value, errors[level, i]) if np.isfinite(value) else "-"
                score = z[level, i]
                row.append(text if np.isnan(score) else f"{text} [{score:+.1f}]")
            lines.append(row)
        said = "value(error), z against layers in random order in brackets"
        return "\n".join([repr(self), align(lines), said, *self.notes, self.verdict])


def depth_blocks(
    net: Network,
    pattern: str | Sequence[str],
    b: int = 2,
    *,
    how: str = "average",
    levels: int | None = None,
    aligned: bool = False,
    draws: int = 100,
    topology: Topology | None = None,
    rng: object = None,
) -> DepthFlow:
    r"""Block consecutive layers of a stack, and measure how weights correlate along depth.

    Parameters
    ----------
    net : Network
    pattern : str, or pair of str
        A tensor with ``*`` for the number of the layer, whose units are the same in every layer: on
        the residual stream. Or a pair of matrices whose product is: output times value of
        attention, query times key, second times first of a feed-forward part.
    b : int
        Layers in a block, at each step.
    how : {"average", "compose", "residual"}
        The mean of the layers; the product W_b .. W_2 W_1 of linear maps, the first layer first; or
        (1 + W_b) .. (1 + W_1) - 1, for maps that are added to a stream. Both products leave out
        activations and normalisations between layers, and are statements of the weights alone.
    levels : int, optional
        Number of scales; by default as many as leave two blocks of layers.
    aligned : bool
        That units of one index are the same in every layer although they are populations of their
        own.
    draws : int
        Of each null model: layers in random order, and units in a random order of each layer.
    topology : Topology, optional
    rng : int, numpy Generator or None

    Returns
    -------
    DepthFlow

    Raises
    ------
    ArgumentError
        If an option is out of range, or fewer than two layers fit the pattern.
    AnalysisError
        If units have no identity across layers, or layers cannot be composed.

    Notes
    -----
    The axis is open: a remainder of layers, the last ones, is left out of the blocks, with a note.
    ``depth:r`` is the mean over all pairs of blocks r apart of the correlation of their entries,
    each with its own mean taken out. With independent layers all are zero and ``growth`` stays one;
    with identical layers they are one and ``growth`` is b, by ``"average"``.

    Errors leave out bands of rows, then bands of columns, and add the squares of both: an upper
    bound, by at most sqrt(2) for independent entries. Few layers are few whatever the error of
    their correlation: the first null is that of their order. The second says what of a correlation
    is that of the same units: it keeps variances, and the diagonal of a map from units to
    themselves.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.rg.network_flow.depth import depth_blocks
    >>> rng = np.random.default_rng(1)
    >>> shift = {f"layer.{i}.norm.bias": rng.normal(size=64) for i in range(8)}
    >>> net = nnrg.load(shift)
    >>> flow = depth_blocks(net, "layer.*.norm.bias", aligned=True, rng=1)
    >>> [len(f) for f in flow.fields], abs(flow.numbers.z()[0, 2]) < 4
    ([8, 4, 2], np.True_)
    """
    length = as_count("b", b, 2, hint="a block has at least 2 layers")
    count = as_count("draws", draws, 3)
    if how not in HOW:
        raise ArgumentError(f"how must be one of {', '.join(HOW)}, got {shown(how)}")
    layers = stack(net, pattern, aligned=aligned, topology=topology)
    if how != "average" and not layers.is_map:
        raise AnalysisError(
            f"{layers.name}: layers that map {' to '.join(layers.populations[::-1])} cannot be "
            "composed; try how='average'"
        )
    n = len(layers.layers)
    scales = [1]
    while n // (scales[-1] * length) >= 2:
        scales.append(scales[-1] * length)
    if levels is not None:
        wanted = as_levels(levels)
        if wanted > len(scales):
            raise ArgumentError(
                f"{wanted} scales were asked of {n} layers, blocks of {length} make {len(scales)}; "
                "ask for fewer levels"
            )
        scales = scales[:wanted]
    seed = as_seed(rng)
    fields = tuple(_blocks(layers.values, size, how) for size in scales)
    notes = [*layers.notes]
    if n % scales[-1]:
        notes.append(f"the last {n % scales[-1]} of {n} layers are in no block of {scales[-1]}")
    notes.append(_said(how))
    for field in fields:
        field.flags.writeable = False
    return DepthFlow(
        layers, how, fields, _observables(layers, fields, scales, how, count, seed), tuple(notes)
    )


def _said(how: str) -> str:
    if how == "average":
        return "blocks of layers are their mean"
    form = "W_b .. W_1" if how == "compose" else "(1 + W_b) .. (1 + W_1) - 1"
    return f"blocks of layers are {form}: activations and normalisations are left out"


def _blocks(values: Floats, size: int, how: str) -> Floats:
    """Return blocks of `size` consecutive layers; a remainder at the end is left out."""
    whole = len(values) // size
    parts = values[: whole * size].reshape(whole, size, *values.shape[1:])
    if how == "average":
        return np.asarray(parts.mean(axis=1))
    unit = np.eye(values.shape[1]) if how == "residual" else 0.0
    out = parts[:, 0] + unit
    for step in range(1, size):
        out = (parts[:, step] + unit) @ out
    return np.asarray(out - unit)


def _names(n: int, how: str) -> tuple[str, ...]:
    names = ("kappa_2", "growth", *(f"depth:{r}" for r in range(1, n)))
    return (*names, "beyond_sum") if how == "residual" else names


def _observables(
    layers: Stack,
    fields: Sequence[Floats],
    scales: Sequence[int],
    how: str,
    draws: int,
    seed: np.random.SeedSequence,
) -> Observables:
    n = len(layers.layers)
    sums = [_sums(f, layers.values, size) for f, size in zip(fields, scales, strict=True)]
    values = _numbers(sums, scales, n, how, None)
    axes = layers.values.ndim - 1
    groups = [(axis, band) for axis in range(axes) for band in range(sums[0].shape[axis])]
    replicates = np.stack([_numbers(sums, scales, n, how, group) for group in groups])
    rng = np.random.default_rng(seed)
    nulls = {name: np.empty((draws, *values.shape)) for name in NULLS}
    for name, out in nulls.items():
        for draw in out:
            mixed = _mixed(layers, name, rng)
            blocks = [_blocks(mixed, size, how) for size in scales]
            parts = [_sums(f, mixed, size) for f, size in zip(blocks, scales, strict=True)]
            draw[...] = _numbers(parts, scales, n, how, None)
    names = _names(n, how)
    flags = tuple(tuple("" if np.isfinite(v) else "too few layers" for v in row) for row in values)
    return Observables(
        scales=np.array(scales, dtype=np.int64),
        names=names,
        values=values,
        replicates=replicates,
        weights=np.ones((len(groups), len(scales))),
        nulls=nulls,
        flags=flags,
        n_samples=np.full(len(scales), len(groups), dtype=np.int64),
        attrs={
            "field": layers.name,
            "layers": ", ".join(map(str, layers.layers)),
            "blocks_of_layers": _said(how),
            "jackknife_over": "bands of rows, then of columns: squares added",
            "jackknife_groups": len(groups),
            "seed": str(seed.entropy),
        },
    )


def _mixed(layers: Stack, null: str, rng: np.random.Generator) -> Floats:
    """Return the layers in random order, or each with its units in a random order of its own."""
    if null == "layer order":
        return layers.values[rng.permutation(len(layers.values))]
    out = []
    for values in layers.values:
        rows = rng.permutation(values.shape[0])
        mixed = values[rows]
        if values.ndim == 2:
            # The same units on both axes keep their diagonal.
            mixed = mixed[:, rows if layers.is_map else rng.permutation(values.shape[1])]
        out.append(mixed)
    return np.stack(out)


def _sums(field: Floats, layers: Floats, size: int) -> Floats:
    """Return products of all pairs of blocks, their sums, and counts, for each cell of bands.

    Returns
    -------
    array of shape (*bands, n, n + 4)
        Products with the n blocks; sum; number of entries; square of the difference from the sum of
        the block's layers; square of the block.
    """
    n = len(field)
    whole = layers[: n * size].reshape(n, size, *layers.shape[1:]).sum(axis=1)
    beyond = np.square(field - whole)
    cuts = [
        np.linspace(0, length, min(_BANDS, length) + 1).astype(np.int64)
        for length in field.shape[1:]
    ]
    out = np.empty((*(c.size - 1 for c in cuts), n, n + 4))
    for cell in np.ndindex(*out.shape[:-2]):
        part = (slice(None), *(slice(c[i], c[i + 1]) for c, i in zip(cuts, cell, strict=True)))
        x = field[part].reshape(n, -1)
        out[cell][:, :n] = x @ x.T
        out[cell][:, n] = x.sum(axis=1)
        out[cell][:, n + 1] = x.shape[1]
        out[cell][:, n + 2] = beyond[part].reshape(n, -1).sum(axis=1)
        out[cell][:, n + 3] = np.square(x).sum(axis=1)
    return out


def _numbers(
    sums: Sequence[Floats],
    scales: Sequence[int],
    n_layers: int,
    how: str,
    left_out: tuple[int, int] | None,
) -> Floats:
    """Return all numbers at each scale, of all bands but one."""
    names = _names(n_layers, how)
    out = np.full((len(scales), len(names)), np.nan)
    for level, (part, size) in enumerate(zip(sums, scales, strict=True)):
        kept = part if left_out is None else np.delete(part, left_out[1], axis=left_out[0])
        total = kept.sum(axis=tuple(range(kept.ndim - 2)))
        n = len(total)
        products, sum_, count = total[:, :n], total[:, n], total[0, n + 1]
        covariance = products / count - np.outer(sum_, sum_) / count**2
        spread = np.sqrt(np.diag(covariance))
        out[level, 0] = np.mean(np.diag(covariance)) * count / (count - 1)
        out[level, 1] = size * out[level, 0] / out[0, 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = covariance / np.outer(spread, spread)
        for r in range(1, n):
            out[level, 1 + r] = np.mean(np.diag(correlation, r))
        if how == "residual" and size > 1:
            out[level, -1] = total[:, n + 2].sum() / total[:, n + 3].sum()
    return out
