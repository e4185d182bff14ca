"""Kernels averaged over translations: one number for each displacement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.lattice import Lattice

__all__ = ["Displacements", "require_staggered"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Displacements:
    """All displacements u up to a reach along each axis, both signs.

    Attributes
    ----------
    sites : Lattice
    reach : tuple of int
    vectors : int array of shape (n_u, d)
        Minimal images on periodic axes.
    """

    sites: Lattice
    reach: tuple[int, ...]
    vectors: npt.NDArray[np.intp]

    @classmethod
    def of(cls, sites: Lattice, reach: int | None) -> Displacements:
        """Return displacements up to `reach`; half of a periodic axis, a quarter of an open one."""
        ranges, most = [], []
        for n, closed in zip(sites.shape, sites.periodic, strict=True):
            limit = n // 2 if closed else n - 1
            r = (n // 2 if closed else n // 4) if reach is None else as_count("reach", reach, 0)
            r = min(r, limit)
            span = np.arange(-r, r + 1)
            # Half way round a ring of even length there is one site, not two.
            ranges.append(span[1:] if closed and 2 * r == n else span)
            most.append(r)
        grid = np.meshgrid(*ranges, indexing="ij")
        vectors = np.stack([g.ravel() for g in grid], axis=1)
        return cls(sites, tuple(most), vectors)

    def of_samples(self, inputs: Array, weights: Array) -> Array:
        """Return weight x mean over pairs of x(s) x(s + u) of each sample, shape (P, n_u)."""
        from scipy.fft import irfftn, next_fast_len, rfftn

        shape = self.sites.shape
        sizes = [
            n if closed else next_fast_len(n + r)
            for n, closed, r in zip(shape, self.sites.periodic, self.reach, strict=True)
        ]
        axes = tuple(range(1, len(shape) + 1))
        out = np.empty((len(inputs), len(self.vectors)))
        at = tuple(self.vectors[:, a] % sizes[a] for a in range(len(shape)))
        size = max(1, (1 << 22) // int(np.prod(sizes)))
        for start in range(0, len(inputs), size):
            part = slice(start, start + size)
            x = inputs[part].reshape(-1, *shape)
            power = np.abs(rfftn(x, sizes, axes=axes)) ** 2
            out[part] = irfftn(power, sizes, axes=axes)[(slice(None), *at)]
        return out * weights[:, None] / self.pairs()

    def of_matrix(self, kernel: Array) -> Array:
        """Return the mean over pairs of K(s, s + u) of a kernel (N, N), shape (n_u,)."""
        shape, closed = self.sites.shape, self.sites.periodic
        n = self.sites.n_sites
        at = np.unravel_index(np.arange(n), shape)
        first = self.vectors.min(axis=0)
        widths = self.vectors.max(axis=0) - first + 1
        label, inside = np.zeros((n, n), dtype=np.intp), np.ones((n, n), dtype=bool)
        for a, length in enumerate(shape):
            step = at[a][None, :] - at[a][:, None] - first[a]
            if closed[a]:
                step %= length
            inside &= (step >= 0) & (step < widths[a])
            label = label * widths[a] + step
        sums = np.bincount(label[inside], kernel[inside], len(self.vectors))
        return np.asarray(sums / self.pairs())

    def pairs(self) -> Array:
        """Return the number of pairs of sites at each displacement, shape (n_u,)."""
        count = np.ones(len(self.vectors))
        for a, (n, closed) in enumerate(zip(self.sites.shape, self.sites.periodic, strict=True)):
            count *= n if closed else n - np.abs(self.vectors[:, a])
        return count

    def along(self, axis: int) -> npt.NDArray[np.intp]:
        """Where displacements along one axis alone, from zero on, stand."""
        others = np.delete(self.vectors, axis, axis=1)
        here = np.flatnonzero((others == 0).all(axis=1) & (self.vectors[:, axis] >= 0))
        return np.asarray(here[np.argsort(self.vectors[here, axis])])


def require_staggered(sites: Lattice) -> None:
    """Raise ArgumentError where (-1)^x does not close."""
    for n, closed in zip(sites.shape, sites.periodic, strict=True):
        if closed and n % 2:
            raise ArgumentError(
                f"a staggered field needs periodic axes of even length, got {sites!r}"
            )
