"""Blocks of consecutive layers, and what is measured of them: products of all pairs of blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nnrg.rg.network_flow.stack import Stack
from nnrg.rg.observables import Observables

__all__ = ["NULLS", "block_layers", "depth_observables", "said"]

Floats = npt.NDArray[np.float64]

NULLS = ("layer order", "units")
"""Layers in random order; units of each layer in a random order of its own."""

_BANDS = 8


def said(how: str) -> str:
    """Say what a block of layers is."""
    if how == "average":
        return "blocks of layers are their mean"
    form = "W_b .. W_1" if how == "compose" else "(1 + W_b) .. (1 + W_1) - 1"
    return f"blocks of layers are {form}: activations and normalisations are left out"


def block_layers(values: Floats, size: int, how: str) -> Floats:
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


def depth_observables(
    layers: Stack,
    fields: Sequence[Floats],
    scales: Sequence[int],
    how: str,
    draws: int,
    seed: np.random.SeedSequence,
) -> Observables:
    """Return all numbers at each scale, with errors and the draws of both null models."""
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
            blocks = [block_layers(mixed, size, how) for size in scales]
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
            "blocks_of_layers": said(how),
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
