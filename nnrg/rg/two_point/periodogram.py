"""The structure factor of large periodic lattices, from one transform a sample."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.flow import Flow
from nnrg.rg.moments import observe
from nnrg.rg.two_point._connected import as_replicates, centred, leave_out, squared_factors
from nnrg.rg.two_point.spectrum import Spectrum, bin_count, bin_edges, shares
from nnrg_kernels.two_point import radial_counts, radial_power

__all__ = ["periodogram"]

Array = npt.NDArray[np.float64]

# Narrow bins inside each bin, of which a model is the mean.
_FINE = 16
# Variances of which squares, and their sums, are well within single precision.
_SAFE = (1e-12, 1e12)
# Rows of momenta that are left out together.
_MODE_GROUPS = 32


def periodogram(flow: Flow, *, bins: int | None = None) -> Iterator[Spectrum]:
    r"""Yield the structure factor of a periodic field at every scale, from one transform a sample.

    Parameters
    ----------
    flow : Flow
        On a lattice whose axes are all periodic.
    bins : int, optional
        As for `spectrum`.

    Yields
    ------
    Spectrum
        Of the rescaled block field. Where samples are left out, errors are those of leaving them
        out. Where regions are left out, errors leave out every 32nd row of momenta instead, low
        bins are joined until they hold 512 (128 in one dimension), and errors hold for fields
        whose momenta fluctuate independently, as those of a Gaussian field do: this is flagged.

    Raises
    ------
    ArgumentError
        If the lattice has an open axis: use `spectrum` of `measure_two_point`.
    AnalysisError
        If a scale has fewer than three sites along every axis.

    Notes
    -----
    :math:`G(k) = \langle |\phi_k|^2 \rangle / V`; the mean over all samples and sites is taken off,
    and the mode k = 0 is left out. For large lattices: no lag is ever formed.
    """
    if not isinstance(flow, Flow):
        raise ArgumentError(f"expected a Flow, got {type(flow).__name__}; try nnrg.renormalize")
    count = bin_count(bins, flow.groups.n_groups)
    squares = squared_factors(flow)
    moments = observe(flow.statistics, 2, replicates=False)[0]
    by_sample = flow.groups.kind == "samples"
    flag = "" if by_sample else "errors assume that momenta fluctuate independently"
    for level, b in enumerate(flow.scales):
        sites = flow.lattices[level]
        if not all(sites.periodic):
            raise ArgumentError(
                f"b = {b}: periodogram needs a periodic lattice, got {sites!r}; "
                "try spectrum(measure_two_point(flow)[level])"
            )
        if max(sites.shape) < 3:
            raise AnalysisError(
                f"b = {b}: {sites!r} has no momenta to tell apart; use fewer levels"
            )
        values, unit = _bare(flow, level, moments[level])
        if flow.field.values.dtype.itemsize <= 4:  # block means have no more digits than the field
            values = values.astype(np.float32, copy=False)
        edges = bin_edges(sites.shape, count)
        if not by_sample:
            edges = _filled(sites.shape, edges)
        groups = flow.groups.sample_group if by_sample else np.zeros(len(values), np.int64)
        power, modes = _powers(values, groups, edges, rows=not by_sample)
        filled = modes.sum(axis=0) > 0
        power, modes = power[:, filled], modes[:, filled]
        with np.errstate(invalid="ignore", divide="ignore"):
            rows = leave_out(power) / leave_out(modes) / sites.n_sites
        scale2 = squares[:, level] if by_sample else squares[:1, level]
        one, square = (row[0, filled] for row in radial_counts(sites.shape, edges))
        nodes, node_bin, share = _fine_nodes(sites.shape, edges)
        yield Spectrum(
            scale=b,
            square=square,
            modes=one,
            values=as_replicates(rows * (unit**2 * scale2)[:, None], modes.sum(axis=1)),
            nodes=nodes,
            node_weights=shares(node_bin, share),
            method="periodogram of a periodic lattice, no zero mode",
            flag=flag,
        )


def _bare(flow: Flow, level: int, moments: Array) -> tuple[npt.NDArray[Any], float]:
    """Return values and their unit; about their mean only where that would cost digits.

    A constant is in the mode k = 0, which is left out; a copy takes as long as half the transform.
    """
    values = flow.means[level]
    mean, variance = moments[:2]
    if values.dtype.itemsize >= 4 and mean**2 < 100 * variance and _SAFE[0] < variance < _SAFE[1]:
        return values, 1.0
    return centred(values)


def _filled(shape: tuple[int, ...], edges: Array) -> Array:
    """Return edges without those between low bins of too few momenta for errors among them."""
    fewest = 4 * _MODE_GROUPS if len(shape) == 1 else 16 * _MODE_GROUPS
    total = np.cumsum(radial_counts(shape, edges)[0][0])
    first = min(int(np.searchsorted(total, fewest)) + 1, edges.size - 1)
    return np.concatenate([edges[:1], edges[first:]])


def _powers(
    values: npt.NDArray[Any], groups: npt.NDArray[np.int64], edges: Array, *, rows: bool
) -> tuple[Array, Array]:
    """Return sums of |phi_k|^2 and numbers of momenta, by group and bin."""
    from scipy.fft import rfftn

    shape = values.shape[1:]
    parts = _MODE_GROUPS if rows else 1
    n = int(groups.max()) + 1
    power = np.zeros((n * parts, edges.size - 1))
    threads = numba.get_num_threads() if values[0].size >= 1 << 18 else 1
    for sample, group in zip(values, groups, strict=True):
        transform = rfftn(sample, workers=threads)
        here = slice(group * parts, (group + 1) * parts)
        power[here] += radial_power(transform, shape, edges, parts)
    each = radial_counts(shape, edges, parts)[0]
    return power, np.tile(each, (n, 1)) * np.repeat(np.bincount(groups), parts)[:, None]


def _fine_nodes(shape: tuple[int, ...], edges: Array) -> tuple[Array, npt.NDArray[np.int64], Array]:
    """Return the means of narrow bins inside each bin that holds momenta, as `_nodes` does."""
    fine = np.exp(
        np.interp(
            np.arange(_FINE * (edges.size - 1) + 1) / _FINE, np.arange(edges.size), np.log(edges)
        )
    )
    counts, means = (row[0] for row in radial_counts(shape, fine))
    kept = np.flatnonzero(counts > 0)
    _, bin_of = np.unique(kept // _FINE, return_inverse=True)
    share = counts[kept] / np.bincount(bin_of, weights=counts[kept])[bin_of]
    return means[kept], bin_of.astype(np.int64), share
