"""Statistics of simulated networks with delete-group jackknife errors, all layers at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nnrg.simulate.tangents import TangentSample
from nnrg.stats.jackknife import leave_one_out
from nnrg.stats.partition import sample_groups
from nnrg.stats.replicates import Replicates

__all__ = ["jackknifed", "measured_gram", "measured_tangents"]

Array = npt.NDArray[np.float64]

_GROUPS = 100


def measured_tangents(
    sample: TangentSample, leading_metric: Array, leading_log: Array
) -> dict[str, tuple[Array, Array]]:
    """Return value and error of the quantities of `FiniteWidth`, each of shape (depth,).

    Parameters
    ----------
    sample : TangentSample
    leading_metric, leading_log : ndarray of shape (depth,)
        Metric and ln D at infinite width: sums are taken of deviations from them.
    """
    x = sample.metric / leading_metric - 1
    alive = sample.alive
    y = np.where(alive, sample.log_tangent - leading_log, 0.0)
    growth = np.where(alive, np.exp(y), 0.0)
    sums = np.stack([np.ones_like(x), x, x * x, alive, y, y * y, growth])

    def statistics(total: Array) -> Array:
        n, sx, sxx, m, sy, syy, sd = total
        with np.errstate(invalid="ignore", divide="ignore"):
            mean, log = 1 + sx / n, sy / m
            variance = (sxx - sx * sx / n) / (n - 1)
            spread = (syy - sy * sy / m) / (m - 1)
            return np.stack(
                [
                    leading_metric * mean,
                    leading_metric**2 * variance,
                    3 * variance / mean**2,
                    leading_log + log,
                    spread,
                    leading_log + np.log(sd / n),
                ]
            )

    values, errors = jackknifed(sums, statistics)
    names = (
        "metric",
        "variance",
        "kurtosis",
        "log_tangent",
        "log_tangent_variance",
        "tangent",
    )
    return {name: (v, e) for name, v, e in zip(names, values, errors, strict=True)}


def measured_gram(gram: Array, leading: Array) -> tuple[Array, Array]:
    """Return mean and covariance of the entries of Gram matrices, and their errors.

    Parameters
    ----------
    gram : ndarray of shape (n_networks, depth, 3)
    leading : ndarray of shape (depth, 3)

    Returns
    -------
    values, errors : ndarray of shape (depth, 9)
        Three means, then the upper triangle of the covariance.
    """
    x = gram - leading
    rows, columns = np.triu_indices(3)
    parts = [np.ones((*x.shape[:2], 1)), x, x[..., rows] * x[..., columns]]
    sums = np.moveaxis(np.concatenate(parts, axis=2), 2, 0)

    def statistics(total: Array) -> Array:
        n, first, second = total[0], total[1:4], total[4:]
        covariance = (second - first[rows] * first[columns] / n) / (n - 1)
        return np.concatenate([leading.T + first / n, covariance])

    values, errors = jackknifed(sums, statistics)
    return values.T, errors.T


def jackknifed(samples: Array, statistics: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Return statistics of sums over networks, and their errors.

    Parameters
    ----------
    samples : ndarray of shape (n_sums, n_networks, ...)
    statistics : callable
        Of the sums, shape (n_sums, ...).
    """
    group = sample_groups(samples.shape[1], _GROUPS)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    sums = np.moveaxis(np.add.reduceat(samples, starts, axis=1), 1, 0)
    sizes = np.bincount(group).astype(np.float64)
    values = statistics(sums.sum(axis=0))
    replicates = np.stack([statistics(part) for part in leave_one_out(sums)])
    flat = replicates.reshape(len(replicates), -1)
    errors = Replicates.from_jackknife(values.ravel(), flat, sizes).errors()
    return values, errors.reshape(values.shape)
