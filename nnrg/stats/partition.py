"""Cutting samples and lattices into the groups of a jackknife."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError

__all__ = ["sample_groups", "spatial_edges"]


def sample_groups(n_samples: int, max_groups: int | None = None) -> npt.NDArray[np.intp]:
    """Cut samples into contiguous groups of nearly equal size.

    Contiguous, so that samples of one Markov chain that are correlated stay together.

    Parameters
    ----------
    n_samples : int
        Number of samples, at least 1.
    max_groups : int, optional
        At most so many groups. The default is one for each sample.

    Returns
    -------
    ndarray of shape (n_samples,)
        The group of each sample: 0, 0, ..., 1, 1, ... Sizes differ by at most one.

    Raises
    ------
    ArgumentError
        If either number is below 1.

    Examples
    --------
    >>> sample_groups(7, 3).tolist()
    [0, 0, 0, 1, 1, 2, 2]
    """
    groups = n_samples if max_groups is None else min(max_groups, n_samples)
    if n_samples < 1 or groups < 1:
        raise ArgumentError(
            "samples and groups must each be at least 1, "
            f"got {n_samples} and {max_groups}; leave max_groups out for one group a sample"
        )
    short, longer = divmod(n_samples, groups)
    sizes = np.full(groups, short, dtype=np.intp)
    sizes[:longer] += 1
    return np.repeat(np.arange(groups, dtype=np.intp), sizes)


def spatial_edges(
    shape: Sequence[int],
    factor: int | Sequence[int],
    levels: int,
    *,
    cells: int | Sequence[int] = 8,
    fewest: int = 2,
) -> tuple[npt.NDArray[np.intp], ...]:
    """Edges of the spatial cells of a lattice whose blocks never straddle two cells.

    Parameters
    ----------
    shape : sequence of int, length d
        Sites along each axis of the finest lattice.
    factor : int or sequence of int, length d
        Sites per block along each axis at one coarse-graining step.
    levels : int
        Number of steps: cells are made of whole blocks of ``factor**levels`` sites.
    cells : int or sequence of int, length d
        At most so many cells along each axis.
    fewest : int
        Fewest cells, over all axes together, that are of use.

    Returns
    -------
    tuple of d ndarrays of int
        Along each axis the edges, in sites of the finest lattice, from 0 to its length: one more
        than there are cells. Cells are nearly equal; the last also holds the trailing sites
        that fill no block.

    Raises
    ------
    ArgumentError
        If the arguments do not fit each other.
    AnalysisError
        If the lattice holds fewer than `fewest` cells.

    Examples
    --------
    >>> [edges.tolist() for edges in spatial_edges((28, 32), 2, 2, cells=3)]
    [[0, 8, 20, 28], [0, 12, 20, 32]]
    """
    d = len(shape)
    factors = (factor,) * d if isinstance(factor, int) else tuple(factor)
    most = (cells,) * d if isinstance(cells, int) else tuple(cells)
    if not d or len(factors) != d or len(most) != d:
        raise ArgumentError(
            f"shape, factor and cells must have one entry per axis, got {tuple(shape)}, "
            f"{factors} and {most}; one integer serves all axes"
        )
    if min(shape) < 1 or min(factors) < 1 or min(most) < 1 or levels < 0:
        raise ArgumentError(
            f"lengths, factor and cells must be at least 1 and levels at least 0, got "
            f"{tuple(shape)}, {factors}, {most} and {levels}"
        )
    edges = []
    for length, step, at_most in zip(shape, factors, most, strict=True):
        block = step**levels
        whole = length // block
        count = max(1, min(at_most, whole))
        edge = block * np.rint(np.linspace(0, whole, count + 1)).astype(np.intp)
        edge[-1] = length
        edges.append(edge)
    total = int(np.prod([edge.size - 1 for edge in edges]))
    if total < fewest:
        raise AnalysisError(
            f"a lattice of {tuple(shape)} holds {total} cell(s) of blocks of {factors} to the "
            f"power {levels}, at least {fewest} are needed; use fewer levels or more samples"
        )
    return tuple(edges)
