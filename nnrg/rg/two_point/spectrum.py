"""The structure factor G(k) in bins of lattice momentum, with errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.flow import Flow
from nnrg.rg.two_point._connected import centred, leave_out, squared_factors
from nnrg.rg.two_point._replicates import Replicates
from nnrg.rg.two_point.correlation import Correlation
from nnrg.stats.estimate import format_value_error
from nnrg_kernels.two_point import radial_counts, radial_power

__all__ = ["Spectrum", "lag_window", "periodogram", "spectrum"]

Array = npt.NDArray[np.float64]

# A bin's propagator is the mean over its momenta, of which so many stand for all where there are
# more.
_NODES = 1 << 12
_FINE = 16
_MODE_GROUPS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """G(k) = sum_u C(u) exp(iku) averaged over momenta in bins of khat^2 = sum 4 sin^2(k/2).

    Attributes
    ----------
    scale : int
        b along one axis.
    square : array of shape (n_bins,)
        Mean khat^2 of each bin, in squared inverse blocks.
    modes : array of shape (n_bins,)
        Momenta in each bin.
    values : Replicates
        G, in the unit of the field squared.
    nodes, node_weights : arrays of shape (n_nodes,)
        khat^2 of the momenta that a model is averaged over, and the share of each in its bin.
    node_bin : int array of shape (n_nodes,)
    method : str
        How G was estimated, and what its errors assume.
    flag : str
    """

    scale: int
    square: Array
    modes: Array
    values: Replicates
    nodes: Array
    node_weights: Array
    node_bin: npt.NDArray[np.int64]
    method: str
    flag: str = ""

    def averaged(self, function: Array) -> Array:
        """Return the bin means of numbers given at `nodes`, of shape (..., n_nodes)."""
        weighted = np.asarray(function) * self.node_weights
        return np.asarray(np.add.reduceat(weighted, self._starts(), axis=-1))

    def _starts(self) -> npt.NDArray[np.int64]:
        return np.searchsorted(self.node_bin, np.arange(self.square.size)).astype(np.int64)

    def __str__(self) -> str:
        errors = self.values.errors()
        lines = [f"b = {self.scale}: {self.method}", "   khat^2  modes  G"]
        for i in range(self.square.size):
            number = format_value_error(self.values.value[i], errors[i])
            lines.append(f"{self.square[i]:9.4g} {self.modes[i]:6.0f}  {number}")
        return "\n".join([*lines, *([f"  {self.flag}"] if self.flag else [])])


def spectrum(level: Correlation, *, bins: int | None = None) -> Spectrum:
    r"""Return the structure factor of one scale from its two-point function.

    Parameters
    ----------
    level : Correlation
    bins : int, optional
        At most so many bins, at least 2, of equal width in ln khat; k = 0 is one of its own. By
        default 16, and at most a third of the number of groups.

    Returns
    -------
    Spectrum

    Raises
    ------
    ArgumentError
        If `bins` is no integer in range.
    AnalysisError
        If there are fewer than three lags along every axis.

    Notes
    -----
    .. math:: G(k) = \sum_u w(u) C(u) e^{iku}

    With every lag of a periodic lattice, w = 1: the periodogram, exact at the momenta of the
    lattice. Else a correlogram: an open lattice is no ring, and its own transform would be polluted
    by the step from edge to edge. w is one up to half the longest lag m of an axis and falls as a
    squared cosine to zero at m + 1 (a flat-top lag window, D. N. Politis and J. P. Romano, Journal
    of Time Series Analysis 16 (1995) 67), so the bias is that of the tail of C beyond m / 2, and
    momenta closer than 2 pi / (2 m + 1) are not told apart.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.rg.two_point.correlation import measure_two_point
    >>> from nnrg.simulate.gaussian import gaussian_free_field
    >>> values = gaussian_free_field((32, 32), 50, mass2=1.0, rng=1)
    >>> field = nnrg.SynapticField(values, nnrg.Lattice((32, 32), periodic=True))
    >>> g = spectrum(measure_two_point(nnrg.renormalize(field, levels=1))[0])
    >>> exact = g.averaged(1 / (1 + g.nodes))
    >>> bool((abs(g.values.value - exact) < 4 * g.values.errors()).all())
    True
    """
    if not isinstance(level, Correlation):
        raise ArgumentError(
            f"spectrum takes a Correlation, got {type(level).__name__}; "
            "try measure_two_point(flow)[0]"
        )
    shape = tuple(lag.size for lag in level.lags)
    if max(shape) < 3:
        raise AnalysisError(
            f"b = {level.scale}: {level.sites!r} has no momenta to tell apart; use fewer levels"
        )
    momenta, bin_of, order = _bin_momenta(shape, _count(bins, level.weights.size), level.has_mean)
    rows = level.rows * lag_window(level)
    flat = np.empty((rows.shape[0], order.size))
    for i, row in enumerate(rows):
        flat[i] = np.fft.fftn(row).real.ravel()[order]
    start = np.flatnonzero(np.diff(bin_of, prepend=-1))
    modes = np.diff(np.append(start, order.size)).astype(np.float64)
    nodes, node_bin, share = _nodes(momenta, bin_of)
    return Spectrum(
        scale=level.scale,
        square=np.add.reduceat(momenta, start) / modes,
        modes=modes,
        values=Replicates(np.add.reduceat(flat, start, axis=1) / modes, level.weights),
        nodes=nodes,
        node_weights=share,
        node_bin=node_bin,
        method=(
            "periodogram of a periodic lattice"
            if level.whole
            else f"correlogram to lag {' x '.join(map(str, level.longest))}, flat-top window"
        ),
        flag=level.flag,
    )


def _count(bins: int | None, groups: int) -> int:
    if bins is None:
        return max(4, min(16, groups // 3))
    return as_count("bins", bins, 2, 4096, hint="try 16")


def lag_window(level: Correlation) -> Array:
    """Return the weight of each lag: 1 where all lags of a lattice are there, else flat-top."""
    axes = [np.ones(lag.size) if level.whole else _flat_top(lag) for lag in level.lags]
    return np.asarray(reduce(np.multiply.outer, axes))


def _flat_top(lag: npt.NDArray[np.int64]) -> Array:
    """Return 1 up to half the longest lag, then a squared cosine that is 0 beyond it."""
    m = int(lag.max())
    if m == 0:
        return np.ones(lag.size)
    x = np.clip(2 * np.abs(lag) / (m + 1) - 1, 0, 1)
    return np.asarray(np.cos(np.pi / 2 * x) ** 2)


def _edges(shape: tuple[int, ...], bins: int) -> Array:
    """Return edges in khat^2 of bins of equal width in ln khat, from the smallest momentum on."""
    low = 4 * np.sin(np.pi / max(shape)) ** 2
    high = sum(4 * np.sin(np.pi * (n // 2) / n) ** 2 for n in shape)
    # Edges keep clear of the momenta of the lattice, which rounding would put on either side.
    return np.asarray(np.geomspace(low * (1 - 1e-5), high * (1 + 1e-5), bins))


def _bin_momenta(
    shape: tuple[int, ...], bins: int, with_zero: bool
) -> tuple[Array, npt.NDArray[np.int64], npt.NDArray[np.intp]]:
    """Return khat^2 and the bin of the momenta that lie in one, sorted, and where they stand."""
    squares = [4 * np.sin(np.pi * np.arange(n) / n) ** 2 for n in shape]
    flat = reduce(np.add.outer, squares).ravel()
    found = np.searchsorted(_edges(shape, bins), flat, side="right")
    kept = np.flatnonzero((found > 0) | with_zero)
    order = kept[np.argsort(flat[kept], kind="stable")]
    _, bin_of = np.unique(found[order], return_inverse=True)
    return flat[order], bin_of.astype(np.int64), order


def _nodes(
    momenta: Array, bin_of: npt.NDArray[np.int64]
) -> tuple[Array, npt.NDArray[np.int64], Array]:
    """Return distinct momenta, or runs of neighbouring ones, with their bins and shares."""
    size = momenta.size
    step = max(1, size // _NODES)
    fresh = np.diff(momenta, prepend=-1.0) > 1e-9 * momenta[-1]
    fresh = np.diff(np.cumsum(fresh) // step, prepend=-1) > 0
    start = np.flatnonzero(fresh | (np.diff(bin_of, prepend=-1) > 0))
    counts = np.diff(np.append(start, size))
    share = counts / np.bincount(bin_of)[bin_of[start]]
    return np.add.reduceat(momenta, start) / counts, bin_of[start], share


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
    count = _count(bins, flow.groups.n_groups)
    squares = squared_factors(flow)
    by_sample = flow.groups.kind == "samples"
    flag = "" if by_sample else "errors assume that momenta fluctuate independently"
    for level, b in enumerate(flow.scales):
        sites = flow.sites[level]
        if not all(sites.periodic):
            raise ArgumentError(
                f"b = {b}: periodogram needs a periodic lattice, got {sites!r}; "
                "try spectrum(measure_two_point(flow)[level])"
            )
        if max(sites.shape) < 3:
            raise AnalysisError(
                f"b = {b}: {sites!r} has no momenta to tell apart; use fewer levels"
            )
        values, unit = centred(flow.means[level])
        if flow.field.values.dtype.itemsize <= 4:  # block means have no more digits than the field
            values = values.astype(np.float32, copy=False)
        edges = _edges(sites.shape, count)
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
            values=Replicates(rows * (unit**2 * scale2)[:, None], modes.sum(axis=1)),
            nodes=nodes,
            node_weights=share,
            node_bin=node_bin,
            method="periodogram of a periodic lattice, no zero mode",
            flag=flag,
        )


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
