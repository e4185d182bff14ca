"""Block means of one variance, whatever the sizes of the blocks.

Blocks of unequal size have means of unequal variance, and a mixture of Gaussians with variances v
has excess kurtosis 3 Var(v)/E[v]^2: it would look like an interaction. So deviations from the mean
of the field are divided by the standard deviation of blocks of their size, fitted as ln v quadratic
in ln B, and multiplied by one common to all, the root of sum_X B_X v(B_X) / sum_X B_X. For
independent sites this common variance is kappa_2 / b with b the mean number of sites in a block, as
for blocks of equal size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels.graph_blocks import moments_by_kind, scaled_by_kind

__all__ = ["equalised", "equalising", "kinds_of_sizes"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def equalised(means: Floats, sizes: tuple[Ints, ...]) -> Floats:
    """Return block means of one common variance, whatever the sizes of the blocks.

    Parameters
    ----------
    means : float64 array of shape (n_samples, *blocks)
        Of one or two axes of blocks.
    sizes : tuple of int arrays, one for each axis of blocks
        Sites of each block along the axis.

    Returns
    -------
    array of the shape of `means`
        The same array where all sizes are equal.
    """
    rows, columns = (np.ones(1, np.int64), *sizes)[-2:]
    if rows.min() == rows.max() and columns.min() == columns.max():
        return means
    lengths, row_kind, row_count = kinds_of_sizes(rows)
    widths, column_kind, column_count = kinds_of_sizes(columns)
    size, count = np.outer(lengths, widths), np.outer(row_count, column_count) * means.shape[0]
    flat = np.ascontiguousarray(means).reshape(-1, rows.size, columns.size)
    shift = float(flat.mean())
    sums, squares = moments_by_kind(flat, shift, row_kind, column_kind, size.shape)
    above, factor = equalising(size, count, sums, squares)
    return scaled_by_kind(flat, shift + above, row_kind, column_kind, factor).reshape(means.shape)


def equalising(size: Ints, count: Ints, sums: Floats, squares: Floats) -> tuple[float, Floats]:
    """Return the mean of the field, and the factor of deviations from it for each kind of block.

    Parameters
    ----------
    size, count : int64 arrays
        Sites in a block of each kind, and how many such blocks there are in all samples.
    sums, squares : float64 arrays of the same shape
        Of the block means of each kind.
    """
    weight = size * count
    mean = float((size * sums).sum() / weight.sum())
    squares = squares + mean * (mean * count - 2 * sums)
    variance = _variance_of_size(size, count, squares)
    common = float((weight * variance).sum() / weight.sum())
    return mean, np.sqrt(common / variance)


def kinds_of_sizes(sizes: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the sizes there are, which of them each block has, and how often they occur."""
    kinds, kind, count = np.unique(sizes, return_inverse=True, return_counts=True)
    return kinds, kind.astype(np.int64), count


def _variance_of_size(size: Ints, count: Ints, squares: Floats) -> Floats:
    """Return the variance of blocks of each size, from how many there are and their squares.

    A parabola in ln v against ln B: a variance of its own for each size would make the few blocks
    of a rare size look less scattered than they are, by 6/n in the kurtosis of n numbers.
    """
    kinds, kind = np.unique(size, return_inverse=True)
    number = np.bincount(kind.ravel(), count.ravel())
    of_kind = np.bincount(kind.ravel(), squares.ravel()) / number
    known = of_kind > 0
    if np.count_nonzero(known) < 2:
        return np.ones(size.shape)
    x = np.log(kinds)
    degree = min(2, int(np.count_nonzero(known)) - 1)
    fit = np.polyfit(x[known], np.log(of_kind[known]), degree, w=np.sqrt(number[known]))
    return np.asarray(np.exp(np.polyval(fit, x))[kind].reshape(size.shape))
