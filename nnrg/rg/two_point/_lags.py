"""Sums of products phi_x phi_{x+u} over pairs of sites, for each jackknife group and lag.

Where samples are left out a group is samples, and a pair belongs to its sample. Where regions are
left out a pair belongs to the region of one end, always that from which the other lies ahead, so
that sums over all regions are sums over all pairs, those across a border included. Products at
different ends are independent beyond a correlation length, whatever the lag: were a pair shared
between the regions of both ends, errors of long lags would be up to sqrt(2) too small.

Arrays of lags are in the order of a discrete Fourier transform: 0, 1, ..., m, -m, ..., -1 along an
axis, or all sites of a periodic axis. Only whole pairs are counted: on an open axis transforms are
padded with zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise, product
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg.fields import Lattice
from nnrg.rg.groups import Groups

__all__ = ["PairSums", "lag_axes", "lag_squares", "pair_sums"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Values transformed at once: transform and product stay in the shared cache.
_CHUNK = 1 << 20
_THREADED = 1 << 15


@dataclass(frozen=True, slots=True)
class PairSums:
    """Sums over pairs of each group, in units of the field squared.

    Attributes
    ----------
    lags : tuple of int arrays
        Lags along each axis.
    sums : array of shape (n_groups, *lags)
        Of phi_x phi_{x+u}, symmetric in u.
    pairs : array of shape (n_groups, *lags)
        Number of pairs.
    first : array of shape (n_groups,)
        Sums of phi_x.
    sites : array of shape (n_groups,)
        Number of values.
    """

    lags: tuple[Ints, ...]
    sums: Array
    pairs: Array
    first: Array
    sites: Array


def lag_axes(sites: Lattice, longest: tuple[int, ...], *, whole: bool) -> tuple[Ints, ...]:
    """Return the lags along each axis: up to `longest`, or all sites of a periodic lattice."""
    counts = sites.shape if whole else tuple(2 * m + 1 for m in longest)
    return tuple((np.fft.fftfreq(n) * n).round().astype(np.int64) for n in counts)


def lag_squares(lags: tuple[Ints, ...]) -> Ints:
    """Return u^2 of every lag, in squared lattice spacings."""
    return np.asarray(reduce(np.add.outer, [u * u for u in lags]))


def pair_sums(
    values: npt.NDArray[Any],
    sites: Lattice,
    groups: Groups,
    edges: tuple[Ints, ...],
    lags: tuple[Ints, ...],
) -> PairSums:
    """Sum phi_x phi_{x+u} over the pairs of each group.

    Parameters
    ----------
    values : float array of shape (n_samples, *sites.shape)
        About zero: what is not zero in the mean costs digits.
    sites : Lattice
    groups : Groups
    edges : tuple of int arrays
        Where the lattice is cut into regions.
    lags : tuple of int arrays
        From `lag_axes`.

    Returns
    -------
    PairSums
        The same for any number of threads.
    """
    boxes = list(product(*(list(pairwise(edge.tolist())) for edge in edges)))
    n = int(groups.sample_group.max()) + 1
    members = [np.flatnonzero(groups.sample_group == g) for g in range(n)]
    work = [(group, box) for group in members for box in boxes]
    measure = _lattice_sums if len(boxes) == 1 else _region_sums

    def one(task: tuple[npt.NDArray[np.intp], tuple[tuple[int, int], ...]]) -> Array:
        return measure(values, sites, lags, *task)

    threads = min(numba.get_num_threads(), len(work))
    if values.size < _THREADED or threads < 2:
        rows = [one(task) for task in work]
    else:
        with ThreadPoolExecutor(threads) as pool:
            rows = list(pool.map(one, work))
    # Of u and -u the one whose first lag that is not zero is positive stands for both.
    one_way = _one_way(lags)
    shape = (len(work), *(lag.size for lag in lags))
    sums = np.stack(rows).reshape(len(work), -1)[:, one_way].reshape(shape)
    counted = np.stack([len(group) * _pairs(sites, box, lags) for group, box in work])
    pairs = counted.reshape(len(work), -1)[:, one_way].reshape(shape)
    parts = [_part(values, group, box) for group, box in work]
    return PairSums(
        lags=lags,
        sums=sums,
        pairs=pairs,
        first=np.array([part.sum(dtype=np.float64) for part in parts]),
        sites=np.array([float(part.size) for part in parts]),
    )


def _one_way(lags: tuple[Ints, ...]) -> npt.NDArray[np.intp]:
    """Return for each lag, flat, which of it and its opposite is ahead in order of the axes."""
    shape = tuple(lag.size for lag in lags)
    index = np.indices(shape).reshape(len(shape), -1)
    opposite = np.ravel_multi_index(tuple(-index % np.array(shape)[:, None]), shape)
    # Base 3 digits of the signs: the first that is not zero decides.
    signs = np.stack([np.sign(lag[i]) for lag, i in zip(lags, index, strict=True)])
    ahead = 3 ** np.arange(len(shape))[::-1] @ signs > 0
    return np.asarray(np.where(ahead, np.arange(opposite.size), opposite))


def _part(
    values: npt.NDArray[Any], group: npt.NDArray[np.intp], box: tuple[tuple[int, int], ...]
) -> npt.NDArray[Any]:
    index: Any = (group, *(slice(low, high) for low, high in box))
    return np.asarray(values[index])


def _chunks(group: npt.NDArray[np.intp], size: int) -> Iterator[npt.NDArray[np.intp]]:
    step = max(1, _CHUNK // size)
    for start in range(0, group.size, step):
        yield group[start : start + step]


def _lattice_sums(
    values: npt.NDArray[Any],
    sites: Lattice,
    lags: tuple[Ints, ...],
    group: npt.NDArray[np.intp],
    box: tuple[tuple[int, int], ...],
) -> Array:
    """Sum over all pairs of some samples: the transform of |phi_k|^2."""
    from scipy.fft import irfftn, next_fast_len, rfftn

    del box  # the whole lattice
    lengths = tuple(
        n if wraps else next_fast_len(n + int(lag.max()), real=True)
        for n, wraps, lag in zip(sites.shape, sites.periodic, lags, strict=True)
    )
    axes = tuple(range(1, len(lengths) + 1))
    power = np.zeros((*lengths[:-1], lengths[-1] // 2 + 1))
    for chunk in _chunks(group, int(np.prod(lengths))):
        transform = rfftn(values[chunk], s=lengths, axes=axes)
        power += np.sum(transform.real**2 + transform.imag**2, axis=0, dtype=np.float64)
    return _at_lags(irfftn(power, s=lengths), lags)


def _region_sums(
    values: npt.NDArray[Any],
    sites: Lattice,
    lags: tuple[Ints, ...],
    group: npt.NDArray[np.intp],
    box: tuple[tuple[int, int], ...],
) -> Array:
    """Sum over pairs of which x is in the box and x + u anywhere: a local cross-correlation."""
    from scipy.fft import irfftn, next_fast_len, rfftn

    frames, inside, outside = [], [], []
    for (low, high), n, wraps, lag in zip(box, sites.shape, sites.periodic, lags, strict=True):
        reach = int(np.abs(lag).max())
        where = np.arange(low - reach, high + reach)
        beyond = np.zeros(where.size, bool) if wraps else (where < 0) | (where >= n)
        frames.append(where % n)
        inside.append((where < low) | (where >= high))
        outside.append(beyond)
    lengths = tuple(next_fast_len(f.size, real=True) for f in frames)
    axes = tuple(range(1, len(lengths) + 1))
    total = np.zeros((*lengths[:-1], lengths[-1] // 2 + 1), dtype=np.complex128)
    for chunk in _chunks(group, int(np.prod(lengths))):
        frame = values[np.ix_(chunk, *frames)]
        _clear(frame, outside)
        whole = rfftn(frame, s=lengths, axes=axes)
        _clear(frame, inside)
        part = rfftn(frame, s=lengths, axes=axes)
        total += np.sum(np.conj(part) * whole, axis=0)
    return _at_lags(irfftn(total, s=lengths), lags)


def _clear(frame: npt.NDArray[Any], where: list[npt.NDArray[np.bool_]]) -> None:
    for axis, mask in enumerate(where):
        np.moveaxis(frame, axis + 1, 0)[mask] = 0


def _at_lags(correlation: Array, lags: tuple[Ints, ...]) -> Array:
    return np.asarray(correlation[np.ix_(*lags)])


def _pairs(sites: Lattice, box: tuple[tuple[int, int], ...], lags: tuple[Ints, ...]) -> Array:
    """Return how many x of the box have x + u on the lattice, for each lag u."""
    counts = []
    for (low, high), n, wraps, lag in zip(box, sites.shape, sites.periodic, lags, strict=True):
        ends = np.minimum(high, n - lag) - np.maximum(low, -lag)
        counts.append(np.full(lag.size, high - low) if wraps else np.maximum(ends, 0))
    return np.asarray(reduce(np.multiply.outer, counts), dtype=np.float64)
