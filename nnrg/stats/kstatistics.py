"""Unbiased estimators of cumulants (k-statistics) from power sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from math import comb, factorial, prod

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError

__all__ = ["MAX_ORDER", "gaussian_error", "kstatistic_terms", "kstatistics", "recentre"]

Floats = npt.NDArray[np.float64]

MAX_ORDER = 8


def _partitions(total: int, largest: int) -> Iterator[tuple[int, ...]]:
    if total == 0:
        yield ()
    for part in range(min(total, largest), 0, -1):
        for rest in _partitions(total - part, part):
            yield (part, *rest)


def _stirling(n: int, k: int) -> int:
    """Count the partitions of n things into k non-empty sets (Stirling, second kind)."""
    signed: int = sum((-1) ** (k - j) * comb(k, j) * j**n for j in range(k + 1))
    return signed // factorial(k)


@cache
def kstatistic_terms(order: int) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    r"""Exact integer coefficients of the k-statistic of one order.

    Parameters
    ----------
    order : int
        The order r >= 1 of the cumulant.

    Returns
    -------
    tuple of (parts, coefficients)
        One entry for each integer partition of r: its `parts`, largest first, and coefficients
        :math:`A_1 \ldots A_r`.

    Notes
    -----
    With power sums :math:`s_p = \sum_i x_i^p` and falling factorials
    :math:`n^{(m)} = n (n-1) \cdots (n-m+1)`,

    .. math:: k_r = \sum_{\mathrm{parts}} \Big(\sum_m \frac{A_m}{n^{(m)}}\Big)
              \prod_{p \in \mathrm{parts}} s_p .

    The cumulant is :math:`\kappa_r = \sum_\pi (-1)^{m-1} (m-1)! \prod_{B \in \pi} \mu'_{|B|}` over
    the set partitions :math:`\pi` of r things into m sets. A product of m moments is estimated
    without bias by the sum over m *different* data divided by :math:`n^{(m)}`; that sum is a
    sum over the ways to merge the sets, each merger of j of them with
    :math:`(-1)^{j-1} (j-1)!` (M. G. Kendall and A. Stuart, *The Advanced Theory of Statistics*,
    vol. 1, chap. 12).

    Examples
    --------
    The variance: :math:`k_2 = s_2 / n - (s_1^2 - s_2) / n(n-1)`.

    >>> kstatistic_terms(2)
    (((2,), (1, 1)), ((1, 1), (0, -1)))
    """
    terms = []
    for parts in _partitions(order, order):
        same = prod(factorial(count) for count in Counter(parts).values())
        ways = factorial(order) // prod(factorial(part) for part in parts) // same
        # Coefficient of z^m: how the merged sets of these parts came from m sets.
        merged = np.array([1], dtype=object)
        for part in parts:
            split = [
                (-1) ** (j - 1) * factorial(j - 1) * _stirling(part, j) for j in range(1, part + 1)
            ]
            merged = np.convolve(merged, np.array([0, *split], dtype=object))
        coefficients = tuple(
            ways * (-1) ** (m - 1) * factorial(m - 1) * int(merged[m]) for m in range(1, order + 1)
        )
        terms.append((parts, coefficients))
    return tuple(terms)


def _checked(power_sums: npt.ArrayLike, n: npt.ArrayLike) -> tuple[Floats, Floats]:
    sums = np.asarray(power_sums, dtype=np.float64)
    if sums.ndim == 0 or not 1 <= sums.shape[-1] <= MAX_ORDER:
        raise ArgumentError(
            f"power sums must have shape (..., r) with 1 <= r <= {MAX_ORDER} along the last axis, "
            f"got {sums.shape}; give s_1 .. s_r last"
        )
    counts = np.asarray(n, dtype=np.float64)
    try:
        shape = np.broadcast_shapes(sums.shape[:-1], counts.shape)
    except ValueError:
        raise ArgumentError(
            f"counts must broadcast to the leading axes {sums.shape[:-1]} of the power sums, "
            f"got shape {counts.shape}; give one count for each set of sums"
        ) from None
    return np.broadcast_to(sums, (*shape, sums.shape[-1])), np.broadcast_to(counts, shape)


def recentre(power_sums: npt.ArrayLike, n: npt.ArrayLike) -> tuple[Floats, Floats]:
    r"""Power sums about the mean, from power sums about any point.

    Parameters
    ----------
    power_sums : array_like of shape (..., r)
        :math:`s_p = \sum_i y_i^p` for p = 1 .. r, r <= 8, in units of y to the p.
    n : array_like broadcastable to (...)
        How many numbers were summed.

    Returns
    -------
    mean : ndarray of shape (...)
        Mean of y, in units of y; NaN where n is 0.
    central : ndarray of shape (..., r)
        :math:`\sum_i (y_i - \bar y)^p`; the first is exactly zero.

    Raises
    ------
    ArgumentError
        If the shapes do not fit.

    Notes
    -----
    :math:`c_p = \sum_j \binom{p}{j} (-\bar y)^{p-j} s_j`, :math:`s_0 = n`. The relative rounding
    error of :math:`c_p` grows like :math:`(1 + |\bar y| / \mathrm{sd})^p`: sum
    :math:`y = (x - \mathrm{shift}) / \mathrm{scale}` with a shift within a few standard
    deviations of the mean.

    Examples
    --------
    >>> mean, central = recentre([6.0, 14.0], 3)  # of 1, 2, 3
    >>> float(mean), central.tolist()
    (2.0, [0.0, 2.0])
    """
    sums, counts = _checked(power_sums, n)
    orders = sums.shape[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums[..., 0] / counts
    powers = [np.ones_like(mean)]
    for _ in range(orders):
        powers.append(powers[-1] * -mean)
    central = np.empty_like(sums)
    central[..., 0] = np.where(counts > 0, 0.0, np.nan)
    for p in range(2, orders + 1):
        total = powers[p] * counts
        for j in range(1, p + 1):
            total = total + comb(p, j) * powers[p - j] * sums[..., j - 1]
        central[..., p - 1] = total
    return mean, central


def kstatistics(
    power_sums: npt.ArrayLike,
    n: npt.ArrayLike,
    *,
    shift: npt.ArrayLike = 0.0,
    scale: npt.ArrayLike = 1.0,
) -> Floats:
    r"""Unbiased estimates :math:`k_1 \ldots k_r` of the cumulants of independent numbers.

    Parameters
    ----------
    power_sums : array_like of shape (..., r)
        :math:`s_p = \sum_i y_i^p`, p = 1 .. r with r <= 8, of the dimensionless
        :math:`y_i = (x_i - \mathrm{shift}) / \mathrm{scale}`.
    n : array_like broadcastable to (...)
        How many numbers were summed. Leading axes are anything: scales, jackknife replicates.
    shift, scale : array_like broadcastable to (...), optional
        What was taken from x, and by what it was divided, before it was summed; in units of x.

    Returns
    -------
    ndarray of shape (..., r)
        :math:`k_p`, p = 1 .. r, in units of x to the p. NaN where n < p, for which no unbiased
        estimate exists.

    Raises
    ------
    ArgumentError
        If the shapes do not fit.

    See Also
    --------
    recentre : where the rounding error comes from, and how to keep it small.
    kstatistic_terms : the formula and its source.

    Notes
    -----
    :math:`\langle k_p \rangle = \kappa_p` exactly for independent, identically distributed
    numbers and every n >= p. For correlated numbers this holds only as n goes to infinity.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 4.0, 9.0])
    >>> kstatistics([np.sum(x**p) for p in (1, 2, 3)], x.size).round(6).tolist()
    [4.0, 12.666667, 60.0]
    """
    sums, counts = _checked(power_sums, n)
    mean, central = recentre(sums, counts)
    moved = np.asarray(scale, dtype=np.float64)
    out = np.full_like(central, np.nan)
    falling = [np.ones_like(counts)]
    for m in range(central.shape[-1]):
        falling.append(falling[-1] * (counts - m))
    for order in range(2, central.shape[-1] + 1):
        enough = counts >= order
        total = np.zeros_like(counts)
        for parts, coefficients in kstatistic_terms(order):
            if parts[-1] == 1:  # holds s_1, which vanishes about the mean
                continue
            weight = np.zeros_like(counts)
            for m, coefficient in enumerate(coefficients, start=1):
                if coefficient:
                    weight += np.divide(
                        coefficient, falling[m], where=enough, out=np.zeros(weight.shape)
                    )
            total += weight * prod(central[..., part - 1] for part in parts)
        out[..., order - 1] = np.where(enough, total * moved**order, np.nan)
    out[..., 0] = mean * moved + np.asarray(shift, dtype=np.float64)
    return out


def gaussian_error(order: npt.ArrayLike, n: npt.ArrayLike) -> Floats:
    r"""Return the standard error that a standardised cumulant of Gaussian numbers has.

    Parameters
    ----------
    order : array_like of int
        Order p >= 1 of :math:`\lambda_p = \kappa_p / \kappa_2^{p/2}`.
    n : array_like
        Number of independent numbers; broadcast with `order`.

    Returns
    -------
    ndarray
        :math:`\sqrt{p! / n}`, dimensionless. A measured :math:`|\lambda_p|` below about twice
        this cannot be told from zero.

    Raises
    ------
    ArgumentError
        If an order is not a positive integer.

    Notes
    -----
    Leading order in 1/n: the k-statistic of order p is then the mean of the Hermite polynomial
    :math:`He_p`, whose variance is p!.

    Examples
    --------
    >>> gaussian_error([4, 6], 24).round(6).tolist()
    [1.0, 5.477226]
    """
    orders = np.asarray(order)
    if orders.dtype.kind not in "iu" or orders.size == 0 or orders.min() < 1:
        raise ArgumentError(f"order must be a positive integer, got {order!r}; give 3, 4, 6 or 8")
    factorials = np.array([factorial(int(p)) for p in orders.ravel()], dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(np.sqrt(factorials.reshape(orders.shape) / np.asarray(n, np.float64)))
