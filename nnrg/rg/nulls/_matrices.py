"""The matrix that a field is, its shuffles, and its rotation at fixed singular values."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.fields import SynapticField
from nnrg.lattice import Lattice

__all__ = ["as_matrices", "columns", "haar", "rotation", "rows", "shuffle"]

Array = npt.NDArray[Any]
Draw = Callable[[np.random.Generator], SynapticField]


def as_matrices(field: SynapticField) -> tuple[Array, Callable[[Array], Array]]:
    """Return the field as matrices, shape (n_matrices, n_rows, n_columns), and the way back.

    On sites of one population it is one matrix, samples x sites. On the product of several each
    sample is a matrix, the first population x all others.
    """
    values, sites = field.values, field.sites
    populations = sites.populations if isinstance(sites, Lattice) else ((0,),)
    if len(populations) == 1:
        return values.reshape(1, field.n_samples, -1), lambda m: m.reshape(values.shape)
    axes = [1 + a for a in populations[0]]
    first = range(1, 1 + len(axes))
    moved = np.moveaxis(values, axes, first)
    n_rows = prod(values.shape[a] for a in axes)

    def back(matrices: Array) -> Array:
        return np.moveaxis(matrices.reshape(moved.shape), first, axes)

    return moved.reshape(field.n_samples, n_rows, -1), back


def shuffle(field: SynapticField) -> Draw:
    """Prepare N2: all numbers of the layer in random order."""
    flat, shape = _words(field.values).ravel(), field.values.shape

    def draw(rng: np.random.Generator) -> SynapticField:
        mixed = rng.permutation(flat).view(field.values.dtype)
        return field.replaced(mixed.reshape(shape), "all values shuffled")

    return draw


def rows(field: SynapticField) -> Draw:
    """Prepare N3: the numbers of each row in random order, another order for each row."""
    return _within(field, 2, "values shuffled within each row")


def columns(field: SynapticField) -> Draw:
    """Prepare N3: the numbers of each column in random order, another order for each column."""
    return _within(field, 1, "values shuffled within each column")


def _within(field: SynapticField, axis: int, note: str) -> Draw:
    matrices, back = as_matrices(field)
    # Shuffled along contiguous memory, which is several times faster.
    words = np.ascontiguousarray(np.moveaxis(_words(matrices), axis, -1))

    def draw(rng: np.random.Generator) -> SynapticField:
        mixed = rng.permuted(words, axis=-1).view(matrices.dtype)
        return field.replaced(back(np.moveaxis(mixed, -1, axis)), note)

    return draw


def _words(values: Array) -> Array:
    """Return the bits of 16-bit floats as integers, which NumPy's shuffles know."""
    return values.view(np.uint16) if values.dtype.itemsize == 2 else values


def rotation(field: SynapticField) -> Draw:
    """Prepare N6: U S V^T -> U' S V'^T with U', V' of the Haar measure."""
    matrices, back = as_matrices(field)
    spectra = np.linalg.svd(matrices.astype(np.float64), compute_uv=False)
    n_rows, n_columns = matrices.shape[1:]
    kind = np.float64 if matrices.dtype == np.float64 else np.float32

    def draw(rng: np.random.Generator) -> SynapticField:
        turned = [(haar(n_rows, s.size, rng) * s) @ haar(n_columns, s.size, rng).T for s in spectra]
        return field.replaced(
            back(np.stack(turned)).astype(kind), "singular vectors drawn at random"
        )

    return draw


def haar(n: int, k: int, rng: np.random.Generator, *, centred: bool = False) -> Array:
    """Return k orthonormal vectors of n entries, uniform over all such sets; shape (n, k).

    If `centred`, uniform among those that are orthogonal to the vector of ones.

    Notes
    -----
    QR of normal numbers, with the signs that make the diagonal of R positive: without them the law
    is not uniform (F. Mezzadri, Notices of the AMS 54 (2007) 592).
    """
    normal = rng.standard_normal((n, k))
    if centred:
        normal -= normal.mean(axis=0)
    q, r = np.linalg.qr(normal)
    return np.asarray(q * np.where(np.diag(r) < 0, -1.0, 1.0))
