"""Regression of beta on couplings that carry measurement errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from nnrg.errors import AnalysisError
from nnrg.stats.replicates import Replicates

__all__ = ["Regression", "regress"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Regression:
    """A, g* and the eigenvalues of A one after another, with replicates; and how good the data are.

    Attributes
    ----------
    numbers : Replicates
        a^2 elements of A row by row, a of g*, a eigenvalues.
    condition, noise : float
    complex_pair : bool
    """

    numbers: Replicates
    condition: float
    noise: float
    complex_pair: bool


def regress(tables: Sequence[Replicates], n_names: int, step: float) -> Regression:
    """Fit beta = A (g - g*) to the steps of all tables, each of one member.

    Raises
    ------
    AnalysisError
        If the couplings vary over the points by no more than their errors.
    """
    members = np.stack([t.values.reshape(-1, n_names) for t in tables])
    noise = np.stack([_noise(t, n_names, step) for t in tables])
    values, condition, share, pair = _fit(members, noise, step)
    if len(tables) > 1:
        rows = [
            _fit(np.delete(members, m, axis=0), np.delete(noise, m, axis=0), step)[0]
            for m in range(len(tables))
        ]
        numbers = Replicates.from_jackknife(values, np.stack(rows))
    else:
        numbers = tables[0].map(lambda g: _fit(g.reshape(1, -1, n_names), noise, step)[0])
    return Regression(numbers, condition, share, pair)


def _points(members: Array, step: float) -> tuple[Array, Array]:
    low, high = members[:, :-1], members[:, 1:]
    a = members.shape[-1]
    middle, slope = (low + high) / 2, (high - low) / step
    return middle.reshape(-1, a), slope.reshape(-1, a)


def _noise(table: Replicates, n_names: int, step: float) -> Array:
    """Return the mean over the steps of the covariance of (g, beta) by error, (2a, 2a)."""
    covariance = table.covariance()
    k = covariance.shape[0] // n_names
    blocks = covariance.reshape(k, n_names, k, n_names)
    total = np.zeros((2 * n_names, 2 * n_names))
    for s in range(k - 1):
        low, high = blocks[s, :, s], blocks[s + 1, :, s + 1]
        cross = blocks[s, :, s + 1]
        total[:n_names, :n_names] += (low + high + cross + cross.T) / 4
        total[n_names:, n_names:] += (low + high - cross - cross.T) / step**2
        # Of beta, rows, with g, columns: (high - low)(low + high) / (2 step).
        mixed = (high - low + cross.T - cross) / (2 * step)
        total[n_names:, :n_names] += mixed
        total[:n_names, n_names:] += mixed.T
    return np.asarray(total / (k - 1))


def _fit(members: Array, noise: Array, step: float) -> tuple[Array, float, float, bool]:
    g, beta = _points(members, step)
    a = g.shape[1]
    if not (np.isfinite(g).all() and np.isfinite(noise).all()):
        raise AnalysisError(
            "a coupling or its error could not be told at one of the scales; leave that scale out"
        )
    x, y = g - g.mean(axis=0), beta - beta.mean(axis=0)
    count = len(g) - 1
    error = noise.mean(axis=0)
    spread, mixed = x.T @ x / count, y.T @ x / count
    signal = spread - error[:a, :a]
    try:
        factor = cho_factor(signal)
    except np.linalg.LinAlgError:
        raise AnalysisError(
            "the couplings vary over the flows by no more than their errors: beta functions cannot "
            "be fitted; use fewer couplings, more data, or flows that differ more"
        ) from None
    slope = cho_solve(factor, (mixed - error[a:, :a]).T).T
    scale = np.sqrt(np.diag(signal))
    exact, values = _exact(slope, step)
    fixed = g.mean(axis=0) - np.linalg.solve(slope, beta.mean(axis=0))
    order = np.argsort(-values.real, kind="stable")
    return (
        np.concatenate([exact.ravel(), fixed, values.real[order]]),
        float(np.linalg.cond(signal / scale / scale[:, None])),
        float(np.max(np.diag(error)[:a] / np.diag(spread))),
        bool(np.any(np.abs(values.imag) > 1e-12 * np.abs(values))),
    )


def _exact(slope: Array, step: float) -> tuple[Array, npt.NDArray[np.complex128]]:
    """Return the A whose flow over one step has this slope between the means of its ends."""
    values, vectors = np.linalg.eig(slope)
    # A slope beyond 2 / step is that of no linear flow: noise, or steps too long to be linear.
    true = (2 / step) * np.arctanh(values.astype(np.complex128) * step / 2)
    matrix = (vectors * true) @ np.linalg.inv(vectors)
    return np.asarray(matrix.real, dtype=np.float64), np.asarray(true)
