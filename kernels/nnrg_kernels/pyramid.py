"""All scales of block means in one sweep: power sums and squared gradients at every level."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._pyramid_ladder import Ladder, Pyramid, climb
from nnrg_kernels._pyramid_stream import PyramidStream

__all__ = ["Pyramid", "PyramidStream", "pyramid"]


def pyramid(
    values: npt.NDArray[Any],
    factors: tuple[int, ...],
    levels: int,
    *,
    periodic: tuple[bool, ...],
    sample_group: npt.NDArray[np.int64],
    edges: tuple[npt.NDArray[np.int64], ...],
    order: int = 8,
    keep: bool = True,
) -> Pyramid:
    """Coarse-grain a field by block means, again and again, with statistics at every level.

    Parameters
    ----------
    values : ndarray, shape (S, n_0, ..., n_{d-1}), d = 1, ..., 4
        C-contiguous; float64, float32, float16 or bfloat16.
    factors : tuple of int
        Sites in a block along each axis, per step.
    levels : int
        Steps. Level l has ``n_a // factors[a] ** l`` sites along axis a: whole blocks counted
        from the origin, what is left at the end is left out.
    periodic : tuple of bool
        Axes whose last site is a neighbour of the first. Levels that leave sites out, and those
        with one or two sites along the axis, are open.
    sample_group : ndarray of int64, shape (S,)
        Group of each sample.
    edges : tuple of d ndarrays of int64
        Coordinates, ascending from 0 to n_a, that cut the lattice into cells. Inner ones are
        multiples of ``factors[a] ** levels``. The group of a site is
        ``sample_group * n_cells + cell``, cells counted in row-major order.
    order : int
        Highest power, at most 8; up to 4 takes about half the work of 5 to 8.
    keep : bool
        Whether to return the block means.

    Returns
    -------
    Pyramid
        The statistics, the same to the last bit for any number of threads.

    Notes
    -----
    Powers are taken of shifted and scaled numbers, in float64, and block means are made of them.
    Fields of 16 bits are an exception: their own level is done in float32. Of bfloat16 matrices in
    blocks of two by two so is the next one and, up to order 4, all up to blocks of about 1000
    sites. This adds a relative error of about 1e-7 to numbers that were rounded to 4e-3 or 5e-4,
    and more to the variance of block means where the shift is off by many deviations: 2e-4 if by
    ten, in blocks of 256 sites. All levels above are done in float64.
    One shift serves the levels up to blocks of about 1000 sites; the next levels get the mean and
    deviation of their own values. NaN and infinity spread to every sum they enter, and to none
    other. Work is shared among ``numba.get_num_threads()`` threads.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg_kernels.pyramid import pyramid
    >>> field = np.arange(8.0).reshape(1, 8)
    >>> result = pyramid(
    ...     field,
    ...     (2,),
    ...     2,
    ...     periodic=(False,),
    ...     sample_group=np.zeros(1, np.int64),
    ...     edges=(np.array([0, 8]),),
    ... )
    >>> [means.round(12).tolist() for means in result.fields]
    [[[0.5, 2.5, 4.5, 6.5]], [[1.5, 5.5]]]
    >>> (result.gradients[:, 0, 0] * result.scale**2 / result.bonds[:, 0, 0]).round(12).tolist()
    [1.0, 4.0, 16.0]
    """
    ladder = Ladder(values.shape[1:], factors, levels, periodic, sample_group, edges)
    result = ladder.empty(order, keep)
    climb(values, ladder, 0, (0.0, 1.0), order, result)
    return result
