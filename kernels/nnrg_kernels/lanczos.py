"""Lanczos tridiagonalisation of D - A from eight vectors at once, without reorthogonalisation.

A is the symmetric adjacency matrix of a graph in CSR form, D a diagonal. Each step reads the
graph once for all eight vectors. Sums are over fixed ranges of rows, added in their order: the
numbers are the same bit for bit for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._graph_tasks import cut, run_ranges
from nnrg_kernels._lanczos_rows import WIDTH, multiply_rows, subtract_rows
from nnrg_kernels.aligned import aligned_empty

__all__ = ["WIDTH", "Lanczos"]

Floats = npt.NDArray[np.float64]

# A vector shorter than this, relative to the one it was made of, is rounding: the space is spent.
SPENT = 1e-13


class Lanczos:
    """The matrix D - A, and what is done with it and eight vectors.

    Parameters
    ----------
    indptr, indices, weights : arrays
        CSR of A, symmetric.
    diagonal : (n,) array
        D.
    """

    def __init__(
        self,
        indptr: npt.NDArray[Any],
        indices: npt.NDArray[Any],
        weights: npt.NDArray[Any],
        diagonal: Floats,
    ) -> None:
        self._indptr = np.ascontiguousarray(indptr, np.int64)
        # Half the traffic where node numbers fit.
        short = diagonal.size < 1 << 31
        self._indices = np.ascontiguousarray(indices, np.uint32 if short else np.int64)
        self._weights = np.ascontiguousarray(weights, np.float64)
        self._diagonal = np.ascontiguousarray(diagonal, np.float64)
        self._edges = cut(self._indptr)
        self._task = {start: k for k, (start, _) in enumerate(pairwise(self._edges))}

    def product(self, vectors: Floats) -> Floats:
        """Return (D - A) V of any number of vectors, shape (n, K)."""
        n, columns = vectors.shape
        out = np.empty((n, columns))
        one, zero = np.ones(WIDTH), np.zeros(WIDTH)
        block, target = aligned_empty(WIDTH * n), aligned_empty(WIDTH * n)
        for first in range(0, columns, WIDTH):
            some = vectors[:, first : first + WIDTH]
            target[:] = 0.0
            block.reshape(n, WIDTH)[:, : some.shape[1]] = some
            self._multiply(block, one, zero, target)
            out[:, first : first + WIDTH] = target.reshape(n, WIDTH)[:, : some.shape[1]]
        return out

    def start(self, vectors: Floats) -> Recurrence:
        """Return the recurrence from eight vectors, shape (n, 8)."""
        return Recurrence(self, vectors)

    def filtered(self, vectors: Floats, low: float, high: float, degree: int) -> Floats:
        """Return T(D - A) V, shape (n, K), that leaves little of eigenvalues from low to high.

        T is the Chebyshev polynomial of that interval and degree, one at zero: it falls from there
        to low, and is small between low and high.

        Parameters
        ----------
        vectors : (n, K) array
        low, high : float
            0 < low < high.
        degree : int
            At least 1.
        """
        n, columns = vectors.shape
        half, centre = (high - low) / 2, (high + low) / 2
        shifted = Lanczos(self._indptr, self._indices, self._weights, self._diagonal - centre)
        # Each polynomial divided by its value at zero, so that nothing grows.
        ratio = -half / centre
        out = np.empty((n, columns))
        for first in range(0, columns, WIDTH):
            some = vectors[:, first : first + WIDTH]
            now, before = aligned_empty(WIDTH * n), aligned_empty(WIDTH * n)
            now[:] = before[:] = 0.0
            now.reshape(n, WIDTH)[:, : some.shape[1]] = some
            last = ratio
            shifted._multiply(now, np.full(WIDTH, last / half), np.zeros(WIDTH), before)
            now, before = before, now
            for _ in range(degree - 1):
                next_ratio = 1.0 / (2.0 / ratio - last)
                scale = np.full(WIDTH, 2.0 * next_ratio / half)
                shifted._multiply(now, scale, np.full(WIDTH, last * next_ratio), before)
                now, before, last = before, now, next_ratio
            out[:, first : first + WIDTH] = now.reshape(n, WIDTH)[:, : some.shape[1]]
        return out

    def _run(self, job: Callable[[int, int, int], None]) -> None:
        run_ranges(self._edges, lambda _, start, stop: job(self._task[start], start, stop))

    def _multiply(self, vectors: Floats, scale: Floats, back: Floats, before: Floats) -> Floats:
        sums = np.empty((len(self._task), 2, WIDTH))

        def job(task: int, start: int, stop: int) -> None:
            multiply_rows(
                self._indptr,
                self._indices,
                self._weights,
                self._diagonal,
                vectors,
                scale,
                back,
                start,
                stop,
                before,
                sums[task],
            )

        self._run(job)
        return np.asarray(sums[:, 1].sum(axis=0))

    def _subtract(self, vectors: Floats, factor: Floats, new: Floats) -> Floats:
        sums = np.empty((len(self._task), WIDTH))

        def job(task: int, start: int, stop: int) -> None:
            subtract_rows(vectors, factor, start, stop, new, sums[task])

        self._run(job)
        return np.asarray(sums.sum(axis=0))


class Recurrence:
    """Tridiagonal matrices T of eight starting vectors, grown step by step.

    Attributes
    ----------
    alpha : list of (8,) arrays
        Diagonals of T.
    beta : list of (8,) arrays
        Lengths of the starting vectors, then the numbers beside the diagonal. A zero ends a T:
        what follows it belongs to no vector.
    current : (8 n,) array
        The last vectors, normalised by `scale`.
    scale : (8,) array
    """

    def __init__(self, matrix: Lanczos, vectors: Floats) -> None:
        n = vectors.shape[0]
        self._matrix = matrix
        self.current, self._before = aligned_empty(WIDTH * n), aligned_empty(WIDTH * n)
        self.current[:] = vectors.ravel()
        self._before[:] = 0.0
        self.alpha: list[Floats] = []
        length = np.sqrt(matrix._subtract(self.current, np.zeros(WIDTH), self.current))
        self.beta = [length]
        self._size = np.zeros(WIDTH)
        self.scale = _inverse(length, np.zeros(WIDTH))
        self._before_scale = np.zeros(WIDTH)

    def step(self) -> None:
        """Add a row to each T."""
        back = self.beta[-1] * self._before_scale
        alpha = self._matrix._multiply(self.current, self.scale, back, self._before)
        squares = self._matrix._subtract(self.current, alpha * self.scale, self._before)
        beta = np.sqrt(squares)
        self._size = np.maximum(self._size, np.abs(alpha) + beta)
        self.current, self._before = self._before, self.current
        self._before_scale, self.scale = self.scale, _inverse(beta, SPENT * self._size)
        self.alpha.append(alpha)
        self.beta.append(np.where(self.scale > 0, beta, 0.0))


def _inverse(length: Floats, least: Floats) -> Floats:
    out = np.zeros(WIDTH)
    np.divide(1.0, length, out=out, where=length > least)
    return out
