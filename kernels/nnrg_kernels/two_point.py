"""Radial sums over the momenta of a lattice, from real-to-complex Fourier transforms.

khat^2 = sum_a 4 sin^2(k_a / 2) grows along each row of a half transform, so that a row falls into
runs of one bin each: a bin costs two searches a row, and the sums inside a run are plain loops.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import kernel

__all__ = ["lattice_momenta", "radial_counts", "radial_power"]

Floats = npt.NDArray[np.float64]

SERIAL = 1 << 17  # below this many momenta threads cost more than they bring
TASKS = 64


@kernel
def _add_runs(
    spectrum: npt.NDArray[Any],
    row_square: Floats,
    row_weight: Floats,
    column_square: Floats,
    column_weight: Floats,
    edges: Floats,
    start: int,
    stop: int,
    out: Floats,
) -> None:
    """Add weight |spectrum|^2 of rows start .. stop to `out`, by part and bin of khat^2."""
    columns = column_square.size
    bins = edges.size - 1
    for row in range(start, stop):
        below = row_square[row]
        part = row % out.shape[0]
        j = np.searchsorted(column_square, edges[0] - below)
        b = max(0, np.searchsorted(edges, below + column_square[min(j, columns - 1)], "right") - 1)
        while b < bins and j < columns:
            end = j + np.searchsorted(column_square[j:], edges[b + 1] - below)
            total = 0.0
            for i in range(j, end):
                z = spectrum[row, i]
                re, im = np.float64(z.real), np.float64(z.imag)
                total += column_weight[i] * (re * re + im * im)
            out[part, b] += row_weight[row] * total
            j = end
            b += 1


def lattice_momenta(shape: tuple[int, ...]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return khat^2 of the rows and columns of a half transform, each with its weights.

    Parameters
    ----------
    shape : tuple of int
        Sites along each axis of the lattice.

    Returns
    -------
    rows, row_weights : (R,) arrays
        Sums over all axes but the last, in C order; of one axis, its momenta.
    columns, column_weights : arrays
        Of the last axis, ascending; of one axis, a single zero. The product of the weights is how
        many momenta of the whole transform one of the half stands for: 1 or 2.
    """
    squares = [4 * np.sin(np.pi * np.arange(n) / n) ** 2 for n in shape]
    rows = np.zeros(1)
    for square in squares[:-1]:
        rows = (rows[:, None] + square).ravel()
    last = shape[-1]
    columns = squares[-1][: last // 2 + 1]
    weights = np.full(columns.size, 2.0)
    weights[0] = 1.0
    if last % 2 == 0:
        weights[-1] = 1.0
    if len(shape) == 1:
        return columns, weights, np.zeros(1), np.ones(1)
    return rows, np.ones(rows.size), columns, weights


def radial_power(
    spectrum: npt.NDArray[Any], shape: tuple[int, ...], edges: Floats, parts: int = 1
) -> Floats:
    """Return sums of |phi_k|^2 over the momenta of each bin of khat^2.

    Parameters
    ----------
    spectrum : complex array
        ``rfftn`` of a real field on a periodic lattice of `shape`.
    shape : tuple of int
    edges : (B + 1,) array, ascending
        Bins hold edges[b] <= khat^2 < edges[b + 1].
    parts : int
        Row i of `lattice_momenta` belongs to part ``i % parts``.

    Returns
    -------
    (parts, B) float64 array
        The same for any number of threads.
    """
    rows, row_weights, columns, column_weights = lattice_momenta(shape)
    flat = spectrum.reshape(rows.size, columns.size)
    tasks = 1 if flat.size < SERIAL else min(TASKS, rows.size)
    cuts = [rows.size * t // tasks for t in range(tasks + 1)]
    out = np.zeros((tasks, parts, edges.size - 1))

    def run(t: int) -> None:
        _add_runs(
            flat,
            rows,
            row_weights,
            columns,
            column_weights,
            edges,
            cuts[t],
            cuts[t + 1],
            out[t],
        )

    threads = min(numba.get_num_threads(), tasks)
    if threads < 2:
        for t in range(tasks):
            run(t)
    else:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(run, range(tasks)):
                pass
    return np.asarray(out.sum(axis=0))


@kernel
def _count_runs(
    row_square: Floats,
    row_weight: Floats,
    column_square: Floats,
    weight_before: Floats,
    moment_before: Floats,
    edges: Floats,
    counts: Floats,
    moments: Floats,
) -> None:
    columns = column_square.size
    bins = edges.size - 1
    for row in range(row_square.size):
        below, part = row_square[row], row % counts.shape[0]
        j = np.searchsorted(column_square, edges[0] - below)
        b = max(0, np.searchsorted(edges, below + column_square[min(j, columns - 1)], "right") - 1)
        while b < bins and j < columns:
            end = j + np.searchsorted(column_square[j:], edges[b + 1] - below)
            number = weight_before[end] - weight_before[j]
            moment = below * number + (moment_before[end] - moment_before[j])
            counts[part, b] += row_weight[row] * number
            moments[part, b] += row_weight[row] * moment
            j = end
            b += 1


def radial_counts(shape: tuple[int, ...], edges: Floats, parts: int = 1) -> tuple[Floats, Floats]:
    """Return the number of momenta in each bin of khat^2, and the mean of khat^2 over them.

    Parameters
    ----------
    shape : tuple of int
    edges : (B + 1,) array, ascending
    parts : int
        As for `radial_power`.

    Returns
    -------
    counts, means : (parts, B) float64 arrays
        The mean is NaN in an empty bin.
    """
    counts, moments = np.zeros((2, parts, edges.size - 1))
    rows, row_weights, columns, weights = lattice_momenta(shape)
    # Weights are integers, so that differences of their sums are exact.
    before = np.zeros((2, columns.size + 1))
    np.cumsum([weights, weights * columns], axis=1, out=before[:, 1:])
    _count_runs(rows, row_weights, columns, before[0], before[1], edges, counts, moments)
    means = np.full(counts.shape, math.nan)
    np.divide(moments, counts, out=means, where=counts > 0)
    return counts, means
