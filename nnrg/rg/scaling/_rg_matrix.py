"""Connected correlations of operators between scales, with and without each jackknife group."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nnrg.rg.scaling.operator_record import OperatorRecord

__all__ = ["connected", "matched_eigenvalues", "project_stretching"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def connected(record: OperatorRecord, labels: Ints) -> tuple[Array, Array, Array]:
    """Return correlations at each scale, those with the next scale, and the stretching vector.

    Of all configurations first, then without each group of `labels`.

    Returns
    -------
    within : array of shape (1 + G, n_levels, a, a)
        <S_i S_j>_c of one scale.
    across : array of shape (1 + G, n_levels - 1, a, a)
        <S'_i S_j>_c, i on the blocks of the sites of j.
    stretching : array of shape (1 + G, n_levels, a)
        <sum_x phi_x dS_i/dphi_x>.
    """
    levels, n, a = record.values.shape
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    size = np.diff(starts, append=n).astype(np.float64)
    both = np.concatenate([record.values, record.stretched], axis=2)
    offset = both.mean(axis=1)
    within, across, means = [], [], []
    for level in range(levels):
        here = both[level] - offset[level]
        means.append(_left_out(np.add.reduceat(here, starts), size))
        within.append(_left_out(_products(here, here, starts), size))
        if level:
            before = both[level - 1] - offset[level - 1]
            across.append(_left_out(_products(here, before, starts), size))
    mean = np.stack(means, axis=1)
    second, mixed = np.stack(within, axis=1), np.stack(across, axis=1)
    second = second - mean[..., :, None] * mean[..., None, :]
    mixed = mixed - mean[:, 1:, :, None] * mean[:, :-1, None, :]

    stretch = _amplitudes(record, starts, size)
    here = _stretched(second, stretch, stretch)
    between = _stretched(mixed, stretch[:, 1:], stretch[:, :-1])
    return here, between, mean[..., a:] + offset[:, a:]


def _products(left: Array, right: Array, starts: Ints) -> Array:
    edges = pairwise([*starts.tolist(), len(left)])
    return np.stack([left[i:j].T @ right[i:j] for i, j in edges])


def _left_out(sums: Array, size: Array) -> Array:
    """Return the mean over all configurations, then over all but each group."""
    total, n = sums.sum(axis=0), size.sum()
    weight = (n - size).reshape(-1, *[1] * (sums.ndim - 1))
    return np.asarray(np.concatenate([total[None] / n, (total - sums) / weight]))


def _amplitudes(record: OperatorRecord, starts: Ints, size: Array) -> Array:
    """Return by how much the field is stretched where its variance is taken without a group.

    Shape (1 + G, n_levels); zero for all configurations, and where the factor is not measured.
    """
    levels = record.values.shape[0]
    if record.moments is None:
        return np.zeros((1 + size.size, levels))
    sites = np.array(record.n_sites, dtype=np.float64)
    groups = np.add.reduceat(record.moments, starts, axis=1)
    mean = _left_out(groups.transpose(1, 0, 2), size) / sites[:, None]
    variance = mean[..., 1] - mean[..., 0] ** 2
    # Relative to what all configurations give, whose ratio is one but for n / (n - 1).
    ratio = variance[:, :1] / variance
    return np.asarray(np.sqrt(ratio / ratio[0]) - 1)


def _stretched(products: Array, left: Array, right: Array) -> Array:
    """Return the correlations of S + epsilon E from those of (S, E), exact for two fields."""
    a = products.shape[-1] // 2
    u, v = left[..., None, None], right[..., None, None]
    out = products[..., :a, :a] + u * products[..., a:, :a] + v * products[..., :a, a:]
    return np.asarray(out + u * v * products[..., a:, a:])


def project_stretching(matrix: Array, within: Array, stretching: Array) -> Array:
    """Take the direction of a mere change of field amplitude out of T, block operators first.

    The direction e solves <S' S'>_c e = <sum phi dS'/dphi>; it is taken out orthogonally in the
    metric <S' S'>_c. Leading axes are anything.
    """
    direction = np.linalg.solve(within, stretching[..., None])[..., 0]
    size = np.einsum("...i,...i->...", stretching, direction)
    kept = np.einsum("...i,...ij->...j", stretching, matrix)
    return np.asarray(matrix - direction[..., :, None] * (kept / size[..., None])[..., None, :])


def matched_eigenvalues(matrices: Array, drop: int = 0) -> npt.NDArray[np.complex128]:
    """Return eigenvalues of all matrices, shape (1 + G, n - drop), in the order of the first.

    By decreasing modulus in the first; in each other one matched to it by the smallest total
    distance. `drop` of them, the smallest, are left out.
    """
    from scipy.optimize import linear_sum_assignment

    values = np.linalg.eigvals(matrices).astype(np.complex128)
    values = np.take_along_axis(values, np.argsort(-np.abs(values), axis=1, kind="stable"), axis=1)
    values = values[:, : values.shape[1] - drop]
    for row in values[1:]:
        distance = np.abs(values[0][:, None] - row)
        row[:] = row[linear_sum_assignment(distance)[1]]
    return values
