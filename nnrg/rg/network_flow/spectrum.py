"""Singular values of blocked weight matrices against Marchenko-Pastur, and their symmetry.

Independent entries of one variance, averaged over blocks and rescaled, are independent entries of
one variance again: the law of Marchenko and Pastur is a fixed line of the flow, with the aspect
ratio q kept. What leaves it is structure that the blocks share.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["NAMES", "SQUARE_NAMES", "johnstone_edge", "marchenko_pastur", "spectral_numbers"]

Floats = npt.NDArray[np.float64]

NAMES = ("mp_top", "mp_outliers", "mp_moment_2", "mp_distance")
"""Names of the numbers of every matrix; see `spectral_numbers`."""
SQUARE_NAMES = ("f_S", "non_normality")
"""Names of those of a matrix from a population to itself."""

# Fewer singular values have no density to speak of.
_FEWEST = 4
# Quantile 0.99 of the largest eigenvalue of white noise (Tracy and Widom, beta = 1).
_TRACY_WIDOM_99 = 2.0234
_STEPS = 2048


def spectral_numbers(matrices: npt.NDArray[np.floating], *, square: bool = False) -> Floats:
    r"""Return what singular values and symmetry say of matrices, dimensionless.

    Parameters
    ----------
    matrices : array of shape (n_samples, n_rows, n_columns)
        Each sample is a matrix of its own; numbers are means over them. For singular values the
        mean of all entries is taken out, and their variance is made one.
    square : bool
        Whether rows and columns are the same units.

    Returns
    -------
    array of `NAMES`, then of `SQUARE_NAMES` if square
        NaN where there are fewer than four singular values, or no variance.

    Notes
    -----
    Of the eigenvalues :math:`\lambda` of :math:`W W^T / n` with p <= n the two lengths and q = p/n:
    ``mp_top`` is the largest over the edge :math:`(1 + \sqrt q)^2`; ``mp_outliers`` the fraction
    beyond what the largest of white noise reaches in one matrix of a hundred (I. M. Johnstone,
    Annals of Statistics 29 (2001) 295, doi:10.1214/aos/1009210544); ``mp_moment_2`` their mean
    square over that of Gaussian entries, 1 + q + 1/n; ``mp_distance`` the largest difference of
    their distribution from that of V. A. Marchenko and L. A. Pastur, Math. USSR Sbornik 1 (1967)
    457, doi:10.1070/SM1967v001n04ABEH001994.

    ``f_S`` is :math:`\|(W + W^T)/2\|^2 / \|W\|^2`, (n + 1)/2n for independent entries;
    ``non_normality`` :math:`\|[W, W^T]\| / \|W\|^2` over :math:`\sqrt{2/n}`, 1 for them up to 1/n.
    """
    w = matrices.astype(np.float64)
    names = len(NAMES) + (len(SQUARE_NAMES) if square else 0)
    w -= w.mean()
    variance = float(np.mean(w * w))
    if not variance > 0:
        return np.full(names, np.nan)
    w /= np.sqrt(variance)
    if w.shape[1] > w.shape[2]:
        turned = w.swapaxes(1, 2)
    else:
        turned = w
    p, n = turned.shape[1:]
    out = np.full(len(NAMES), np.nan)
    if p >= _FEWEST:
        values = np.linalg.eigvalsh(turned @ turned.swapaxes(1, 2) / n)
        q = p / n
        out[0] = values[:, -1].mean() / (1 + np.sqrt(q)) ** 2
        out[1] = np.mean(values > johnstone_edge(p, n))
        out[2] = np.mean(values**2) / (1 + q + 1 / n)
        out[3] = _distance(values, q)
    return np.concatenate([out, _symmetry(matrices.astype(np.float64))]) if square else out


def johnstone_edge(p: int, n: int) -> float:
    """Return what the largest eigenvalue of p x n white noise exceeds in one of a hundred."""
    long, short = np.sqrt(max(n, 2) - 1), np.sqrt(p)
    spread = (long + short) * (1 / long + 1 / short) ** (1 / 3)
    return float(((long + short) ** 2 + _TRACY_WIDOM_99 * spread) / n)


def marchenko_pastur(x: npt.ArrayLike, q: float) -> Floats:
    """Return the share of eigenvalues below x, of entries of variance one and aspect q <= 1."""
    # x = 1 + q - 2 sqrt(q) cos t: the density is 2 sin^2 t / (pi x) dt, without the roots' edges.
    step = np.pi / _STEPS
    t = (np.arange(_STEPS) + 0.5) * step
    at = 1 + q - 2 * np.sqrt(q) * np.cos(t)
    share = np.concatenate([[0.0], np.cumsum(2 * np.sin(t) ** 2 / (np.pi * at)) * step])
    below = np.clip((1 + q - np.asarray(x, dtype=np.float64)) / (2 * np.sqrt(q)), -1, 1)
    return np.asarray(np.interp(np.arccos(below), np.arange(_STEPS + 1) * step, share / share[-1]))


def _distance(values: Floats, q: float) -> float:
    """Return the Kolmogorov distance of all eigenvalues from the law."""
    x = np.sort(values.ravel())
    law = marchenko_pastur(x, q)
    steps = np.arange(x.size + 1) / x.size
    return float(max(np.max(steps[1:] - law), np.max(law - steps[:-1])))


def _symmetry(w: Floats) -> Floats:
    n = w.shape[1]
    turned = w.swapaxes(1, 2)
    total = float(np.sum(w * w))
    symmetric = float(np.sum(((w + turned) / 2) ** 2)) / total
    commutator = w @ turned - turned @ w
    size = np.sqrt(np.sum(commutator**2, axis=(1, 2))) / np.sum(w * w, axis=(1, 2))
    return np.array([symmetric, float(size.mean()) / np.sqrt(2 / n)])
