"""Sums of products of several variables to sixth order, of samples that pass by once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.stats._arrays import real_array
from nnrg.stats._joint_result import JointCumulants
from nnrg.stats._multisets import count, multisets, offset, partition_terms, ranks
from nnrg.stats.jackknife import leave_one_out
from nnrg.stats.replicates import Replicates

__all__ = ["JointMoments"]

Floats = npt.NDArray[np.float64]

MAX_ORDER = 6
# Groups are joined in pairs when there are so many: from then on half as many, or more.
_MOST_GROUPS = 128
_FEWEST_SAMPLES = 10
# Numbers of one pass over some samples: they stay in the second cache.
_TILE = 1 << 18
_MOST_PRODUCTS = 100_000


class JointMoments:
    r"""Sums of all products of some variables up to an order, in groups of samples.

    Samples may come in any number of pieces. They are summed about the mean of the first piece, in
    units of its standard deviation, so that cumulants do not drown in rounding; groups are of
    consecutive samples, 64 to 128 of them whatever the number of samples.

    Parameters
    ----------
    n_variables : int
        Number of variables k.
    order : int
        Highest order, 1 to 6.

    Raises
    ------
    ArgumentError
        If a number is out of range, or there are more than 100 000 products.

    Notes
    -----
    There are :math:`\binom{k + r - 1}{r}` products of order r: 84 of order six for four variables.

    Examples
    --------
    >>> import numpy as np
    >>> moments = JointMoments(2, order=3)
    >>> rng = np.random.default_rng(1)
    >>> for _ in range(10):
    ...     moments.add(rng.exponential(size=(1000, 2)))
    >>> found = moments.cumulants()
    >>> print(found.estimate(0, 0), found.estimate(0, 1), found.estimate(0, 0, 0))
    0.974(22) 0.009(9) 1.81(9)
    """

    def __init__(self, n_variables: int, order: int = 6) -> None:
        self.n_variables = as_count("n_variables", n_variables)
        self.order = as_count("order", order, 1, MAX_ORDER)
        products = offset(self.n_variables, self.order + 1)
        if products > _MOST_PRODUCTS:
            raise ArgumentError(
                f"{self.n_variables} variables have {products} products to order {self.order}, "
                f"at most {_MOST_PRODUCTS} are kept; take fewer variables or a lower order"
            )
        self.n_samples = 0
        self._sums = np.zeros((_MOST_GROUPS, products))
        self._counts = np.zeros(_MOST_GROUPS, dtype=np.int64)
        self._size = 1
        self._shift: Floats | None = None
        self._scale = np.ones(self.n_variables)

    def add(self, samples: npt.ArrayLike) -> None:
        """Sum more samples, shape (n, k), in any units.

        Raises
        ------
        ArgumentError
            If the shape does not fit.
        NonFiniteError
            If a number is NaN or infinite.
        """
        x = real_array("samples", samples)
        if x.ndim != 2 or x.shape[1] != self.n_variables:
            raise ArgumentError(
                f"samples must have shape (n, {self.n_variables}), got {x.shape}; put them first"
            )
        if not np.isfinite(x).all():
            row, column = np.argwhere(~np.isfinite(x))[0]
            raise NonFiniteError(
                f"samples must be finite, got {x[row, column]} as variable {column} of sample "
                f"{self.n_samples + row}; leave such samples out, and say so"
            )
        if not len(x):
            return
        if self._shift is None:
            self._shift = x.mean(axis=0)
            spread = np.abs(x - self._shift).max(axis=0) if len(x) > 1 else np.abs(self._shift)
            self._scale = np.where(spread > 1e-300, spread, 1.0)
        tile = max(1, _TILE // self._sums.shape[1])
        start = 0
        while start < len(x):
            if self.n_samples == _MOST_GROUPS * self._size:
                self._join_pairs()
            room = _MOST_GROUPS * self._size - self.n_samples
            stop = min(len(x), start + min(tile, room))
            self._sum(x[start:stop])
            start = stop

    def state(self) -> dict[str, npt.NDArray[np.float64] | npt.NDArray[np.int64]]:
        """Return copies of all that decides how the sums go on."""
        shift = np.full(self.n_variables, np.nan) if self._shift is None else self._shift.copy()
        return {
            "sums": self._sums.copy(),
            "counts": self._counts.copy(),
            "shift": shift,
            "scale": self._scale.copy(),
            "size": np.array([self.n_samples, self._size]),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from what `state` returned."""
        self._sums[:], self._counts[:] = state["sums"], state["counts"]
        self._shift = None if np.isnan(state["shift"]).any() else np.array(state["shift"])
        self._scale = np.array(state["scale"])
        self.n_samples, self._size = map(int, state["size"])

    def _join_pairs(self) -> None:
        half = _MOST_GROUPS // 2
        for array in (self._sums, self._counts):
            joined = array[0::2] + array[1::2]
            array[:half], array[half:] = joined, 0
        self._size *= 2

    def _sum(self, x: Floats) -> None:
        n = len(x)
        assert self._shift is not None
        y = np.ascontiguousarray(((x - self._shift) / self._scale).T)
        group = (self.n_samples + np.arange(n)) // self._size
        first = np.flatnonzero(np.diff(group, prepend=-1))
        rows = slice(int(group[0]), int(group[-1]) + 1)
        products, at = y, 0
        for order in range(1, self.order + 1):
            if order > 1:
                # Slices of one order times one variable each; see `multisets`.
                above = np.empty((count(self.n_variables, order), n))
                begin = 0
                for v, values in enumerate(y):
                    size = count(v + 1, order - 1)
                    np.multiply(products[:size], values, out=above[begin : begin + size])
                    begin += size
                products = above
            self._sums[rows, at : at + len(products)] += np.add.reduceat(products, first, axis=1).T
            at += len(products)
        self._counts[rows] += np.diff(first, append=n)
        self.n_samples += n

    def cumulants(self, names: Sequence[str] | None = None) -> JointCumulants:
        r"""Return the joint cumulants of all the samples so far, with errors.

        Parameters
        ----------
        names : sequence of str, optional
            One for each variable; their numbers by default.

        Raises
        ------
        AnalysisError
            If there are fewer than ten samples, or fewer than two more than the order.
        ArgumentError
            If there are not as many names as variables.

        Notes
        -----
        With :math:`S_B = \sum \prod_{i \in B} (x_i - \bar x_i)`, falling factorials
        :math:`n^{(m)}` and the coefficients :math:`A_m` of `nnrg.stats.kstatistics`,

        .. math:: k(x_1 \ldots x_r) = \sum_\pi \Big( \sum_m \frac{A_m}{n^{(m)}} \Big)
                  \prod_{B \in \pi} S_B

        over the partitions :math:`\pi` of the r places without single ones: the joint k-statistic,
        whose mean over independent samples is the cumulant exactly (M. G. Kendall and A. Stuart,
        *The Advanced Theory of Statistics*, vol. 1, chap. 13). It is computed again with each group
        of samples left out.
        """
        least = max(_FEWEST_SAMPLES, self.order + 2)
        if self.n_samples < least:
            raise AnalysisError(
                f"joint cumulants of order {self.order} need at least {least} samples, got "
                f"{self.n_samples}; take more, or a lower order"
            )
        labels = tuple(map(str, range(self.n_variables))) if names is None else tuple(names)
        if len(labels) != self.n_variables:
            raise ArgumentError(
                f"there are {self.n_variables} variables, got {len(labels)} names; name each"
            )
        filled = self._counts > 0
        sums, counts = self._sums[filled], self._counts[filled].astype(np.float64)
        rows = np.concatenate([sums.sum(axis=0)[None], leave_one_out(sums)])
        n = np.concatenate([[counts.sum()], leave_one_out(counts)])
        values = self._cumulants(rows, n)
        replicates = Replicates.from_jackknife(values[0], values[1:], counts)
        return JointCumulants(labels, self.order, self.n_samples, replicates)

    def _cumulants(self, sums: Floats, n: Floats) -> Floats:
        """Return k-statistics, shape (R, products), of R sets of sums of n samples each."""
        k = self.n_variables
        places = [offset(k, r) for r in range(self.order + 2)]
        mean = sums[:, :k] / n[:, None]
        central = np.empty_like(sums)
        out = np.empty_like(sums)
        assert self._shift is not None
        out[:, :k] = mean * self._scale + self._shift
        for r in range(1, self.order + 1):
            table = multisets(k, r)
            here = slice(places[r], places[r + 1])
            # About the mean: each variable of a product is itself, or minus its mean.
            total = sums[:, here].copy()
            for kept in range(r):
                for places_kept in combinations(range(r), kept):
                    rest = [p for p in range(r) if p not in places_kept]
                    factor = np.prod(-mean[:, table[:, rest]], axis=2)
                    if kept:
                        at = places[kept] + ranks(table[:, list(places_kept)])
                        total += factor * sums[:, at]
                    else:
                        total += factor * n[:, None]
            central[:, here] = total
            if r == 1:
                continue
            found = np.zeros_like(total)
            for blocks, coefficients in partition_terms(r):
                weight, falling = np.zeros_like(n), np.ones_like(n)
                for m, coefficient in enumerate(coefficients):
                    falling = falling * (n - m)
                    weight += coefficient / falling
                product = np.broadcast_to(weight[:, None], found.shape)
                for block in blocks:
                    at = places[len(block)] + ranks(table[:, list(block)])
                    product = product * central[:, at]
                found += product
            out[:, here] = found * np.prod(self._scale[table], axis=1)
        return out
