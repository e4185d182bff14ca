"""The structure factor G(k) in bins of lattice momentum, with errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.two_point._connected import as_replicates
from nnrg.rg.two_point.correlation import Correlation
from nnrg.stats.estimate import format_value_error
from nnrg.stats.replicates import Replicates

__all__ = ["Spectrum", "bin_count", "bin_edges", "lag_window", "shares", "spectrum"]

Array = npt.NDArray[np.float64]

# A bin's propagator is the mean over its momenta, of which so many stand for all where there are
# more.
_NODES = 1 << 12
# Where a window mixes momenta: those of a lattice so many times as long, in runs of khat^2 that
# differ by less than this.
_FINER = 3
_RELATIVE = 0.003


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
    nodes : array of shape (n_nodes,)
        khat^2 of the momenta that a model is averaged over.
    node_weights : array of shape (n_bins, n_nodes)
        The share of each in a bin: of those inside it, and, where there are not all lags, of those
        around it that the lag window mixes in.
    method : str
        How G was estimated, and what its errors assume.
    flag : str
    """

    scale: float
    square: Array
    modes: Array
    values: Replicates
    nodes: Array
    node_weights: Array
    method: str
    flag: str = ""

    def averaged(self, function: Array) -> Array:
        """Return the bin means of numbers given at `nodes`, of shape (..., n_nodes)."""
        numbers = np.asarray(function)
        known = np.isfinite(numbers)
        if known.all():
            return np.asarray(numbers @ self.node_weights.T)
        # A propagator may be infinite at k = 0, which is in a bin of its own.
        means = np.where(known, numbers, 0.0) @ self.node_weights.T
        return np.asarray(np.where(~known @ (self.node_weights != 0).T, np.inf, means))

    def __str__(self) -> str:
        errors = self.values.errors()
        lines = [f"b = {self.scale}: {self.method}", "   khat^2  modes  G"]
        for i in range(self.square.size):
            number = format_value_error(self.values.values[i], errors[i])
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
    of Time Series Analysis 16 (1995) 67), so that momenta closer than 2 pi / (2 m + 1) are not told
    apart: G(k) is the propagator averaged over those around k. So are models that are fitted.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.rg.two_point.correlation import measure_two_point
    >>> from nnrg.simulate.gaussian import gaussian_free_field
    >>> values = gaussian_free_field((32, 32), 50, mass2=1.0, rng=1)
    >>> field = nnrg.SynapticField(values, nnrg.Lattice((32, 32), periodic=True))
    >>> g = spectrum(measure_two_point(nnrg.renormalize(field, levels=1))[0])
    >>> exact = g.averaged(1 / (1 + g.nodes))
    >>> bool((abs(g.values.values - exact) < 4 * g.values.errors()).all())
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
    momenta, bin_of, order = _bin_momenta(
        shape, bin_count(bins, level.weights.size), level.has_mean
    )
    window = lag_window(level)
    rows = level.rows * window
    flat = np.empty((rows.shape[0], order.size))
    for i, row in enumerate(rows):
        flat[i] = np.fft.fftn(row).real.ravel()[order]
    start = np.flatnonzero(np.diff(bin_of, prepend=-1))
    modes = np.diff(np.append(start, order.size)).astype(np.float64)
    if level.whole:
        nodes, node_bin, share = _nodes(momenta, bin_of)
        weights = shares(node_bin, share)
    else:
        nodes, weights = _mixed(window, level.lags, bin_of, order)
    return Spectrum(
        scale=level.scale,
        square=np.add.reduceat(momenta, start) / modes,
        modes=modes,
        values=as_replicates(np.add.reduceat(flat, start, axis=1) / modes, level.weights),
        nodes=nodes,
        node_weights=weights,
        method=(
            "periodogram of a periodic lattice"
            if level.whole
            else f"correlogram to lag {' x '.join(map(str, level.longest))}, flat-top window"
        ),
        flag=level.flag,
    )


def shares(node_bin: npt.NDArray[np.int64], share: Array) -> Array:
    """Return the share of each node in each bin from that in its own, shape (n_bins, n_nodes)."""
    out = np.zeros((int(node_bin.max()) + 1, node_bin.size))
    out[node_bin, np.arange(node_bin.size)] = share
    return out


def _mixed(
    window: Array,
    lags: tuple[npt.NDArray[np.int64], ...],
    bin_of: npt.NDArray[np.int64],
    order: npt.NDArray[np.intp],
) -> tuple[Array, Array]:
    r"""Return nodes, and their weights in each bin, of a transform of lags under a window.

    Of an infinite lattice, :math:`\sum_u w(u) C(u) e^{iku}` with
    :math:`C(u) = \int_q G(q) e^{-iqu}`, by the midpoint rule on a grid that is finer: k = 0,
    where a propagator may be infinite, is not on it.
    """
    finer = _FINER if window.ndim < 4 else _FINER - 1
    fine = [lag.size * finer if lag.size > 1 else 1 for lag in lags]
    q = [2 * np.pi * (np.arange(n) + 0.5 * (n > 1)) / n for n in fine]
    squares = reduce(np.add.outer, [4 * np.sin(x / 2) ** 2 for x in q]).ravel()
    run = np.floor(np.log(squares) / _RELATIVE)
    by_square = np.argsort(run, kind="stable")
    start = np.flatnonzero(np.diff(run[by_square], prepend=-np.inf))
    counts = np.diff(np.append(start, squares.size))
    # exp(-i pi u / n) on each axis moves the grid by half a step.
    halves = [np.exp(-1j * np.pi * lag / n) for lag, n in zip(lags, fine, strict=True)]
    moved = window * reduce(np.multiply.outer, halves)
    places = np.ix_(*[lag % n for lag, n in zip(lags, fine, strict=True)])
    weights = np.empty((int(bin_of[-1]) + 1, start.size))
    for i, row in enumerate(weights):
        inside = np.zeros(window.size)
        inside[order[bin_of == i]] = 1 / np.count_nonzero(bin_of == i)
        spread = np.zeros(fine, dtype=np.complex128)
        spread[places] = np.fft.fftn(inside.reshape(window.shape)).real * moved
        mixed = np.fft.fftn(spread).real.ravel() / squares.size
        row[:] = np.add.reduceat(mixed[by_square], start)
    return np.add.reduceat(squares[by_square], start) / counts, weights


def bin_count(bins: int | None, groups: int) -> int:
    """Return the number of bins asked for, or as many as the groups can tell apart."""
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


def bin_edges(shape: tuple[int, ...], bins: int) -> Array:
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
    found = np.searchsorted(bin_edges(shape, bins), flat, side="right")
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
