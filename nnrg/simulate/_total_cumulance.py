"""Cumulants of numbers that are Gaussian given their random covariance."""

from __future__ import annotations

import numpy as np

from nnrg.stats._multisets import multisets, offset
from nnrg.stats._set_partitions import pairings
from nnrg.stats.joint_cumulants import JointCumulants

__all__ = ["conditional_cumulants"]


def conditional_cumulants(
    metric: JointCumulants, k: int, order: int, assumptions: tuple[str, ...]
) -> JointCumulants:
    """Return the joint cumulants of k numbers with a random covariance, of mean zero given it.

    Parameters
    ----------
    metric : JointCumulants
        Of the entries of the covariance, lower triangle by rows, to half the order.
    k, order : int
    assumptions : tuple of str

    Notes
    -----
    The law of total cumulance; see `RandomNetworks.correlator`.
    """
    whole = metric.replicates
    rows = np.concatenate([whole.values[None], whole.replicates])
    values = np.zeros((len(rows), offset(k, order + 1)))
    for r in range(2, order + 1, 2):
        for at, row in enumerate(multisets(k, r), start=offset(k, r)):
            for pairing in pairings(tuple(range(r))):
                # Variables ascend along a row: q is not smaller than p.
                entries = [int(row[q] * (row[q] + 1) // 2 + row[p]) for p, q in pairing]
                values[:, at] += rows[:, metric.place(*entries)]
    names = tuple(f"z({a})" for a in range(k))
    replicates = whole.derived(values[0], values[1:])
    return JointCumulants(names, order, metric.n_samples, replicates, assumptions)
