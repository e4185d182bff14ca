"""Steps of the lattice Klein-Gordon field in one to three dimensions, each field passed over once.

A step moves the field along its momentum, and the momentum down the gradient of the energy at the
new field. A plane of the momentum follows as soon as the planes of the field on both of its sides
have moved, while they are in the cache.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel

__all__ = ["advance"]

Reals = npt.NDArray[np.floating[Any]]
Weights = tuple[float, float, float, float, float]

# Fields of fewer sites are moved before the threads have met.
_SERIAL_SITES = 1 << 17


@borrowing_kernel
def _move_field(phi: Reals, beta: Reals, dt: float) -> None:
    for j in range(phi.shape[0]):
        row, momentum = phi[j], beta[j]
        for m in range(row.size):
            row[m] += dt * momentum[m]


@borrowing_kernel
def _pull_row(momentum: Reals, own: Reals, up: Reals, down: Reals, weights: Weights) -> None:
    on_site, along0, _, along2, _ = weights
    last = own.size - 1
    middle, left, right = own[1:last], own[: last - 1], own[2:]
    target, above, below = momentum[1:last], up[1:last], down[1:last]
    for m in range(middle.size):
        force = along0 * (above[m] + below[m]) + along2 * (left[m] + right[m])
        target[m] += force - on_site * middle[m]
    for m in (0, last):
        near = own[m - 1 if m > 0 else last] + own[m + 1 if m < last else 0]
        momentum[m] += along0 * (up[m] + down[m]) + along2 * near - on_site * own[m]
        if last == 0:
            break


@borrowing_kernel
def _pull_row_of_plane(
    momentum: Reals,
    own: Reals,
    up: Reals,
    down: Reals,
    north: Reals,
    south: Reals,
    weights: Weights,
) -> None:
    """Do as `_pull_row`, with the neighbours along the middle axis: two more rows to read."""
    on_site, along0, along1, along2, _ = weights
    last = own.size - 1
    middle, left, right = own[1:last], own[: last - 1], own[2:]
    target, above, below = momentum[1:last], up[1:last], down[1:last]
    before, behind = north[1:last], south[1:last]
    for m in range(middle.size):
        force = along0 * (above[m] + below[m]) + along1 * (before[m] + behind[m])
        target[m] += force + along2 * (left[m] + right[m]) - on_site * middle[m]
    for m in (0, last):
        near = own[m - 1 if m > 0 else last] + own[m + 1 if m < last else 0]
        force = along0 * (up[m] + down[m]) + along1 * (north[m] + south[m])
        momentum[m] += force + along2 * near - on_site * own[m]
        if last == 0:
            break


@borrowing_kernel
def _move_momentum(phi: Reals, beta: Reals, i: int, weights: Weights) -> None:
    n0, n1, _ = phi.shape
    plane, momentum = phi[i], beta[i]
    above, below = phi[(i + 1) % n0], phi[(i + n0 - 1) % n0]
    if n1 == 1:
        _pull_row(momentum[0], plane[0], above[0], below[0], weights)
        return
    for j in range(n1):
        north, south = plane[(j + 1) % n1], plane[(j + n1 - 1) % n1]
        rows = momentum[j], plane[j], above[j], below[j], north, south
        _pull_row_of_plane(*rows, weights)


@borrowing_kernel
def _move_inside(phi: Reals, beta: Reals, first: int, last: int, weights: Weights) -> None:
    """Move planes `first` to `last` of the field, and of the momentum all but the outermost two."""
    dt = weights[4]
    for i in range(first, last):
        _move_field(phi[i], beta[i], dt)
        if i >= first + 2:
            _move_momentum(phi, beta, i - 1, weights)


@borrowing_kernel
def _move_edges(phi: Reals, beta: Reals, first: int, last: int, weights: Weights) -> None:
    _move_momentum(phi, beta, first, weights)
    if last - 1 > first:
        _move_momentum(phi, beta, last - 1, weights)


@borrowing_kernel
def _advance_all(phi: Reals, beta: Reals, weights: Weights, steps: int) -> None:
    for _ in range(steps):
        _move_inside(phi, beta, 0, phi.shape[0], weights)
        _move_edges(phi, beta, 0, phi.shape[0], weights)


def advance(
    phi: Reals, beta: Reals, mass_squared: float, stiffness: float, dt: float, steps: int
) -> None:
    r"""Take steps of :math:`\phi' = \phi + \Delta t \beta, \beta' = \beta - \Delta t M \phi'`.

    Parameters
    ----------
    phi, beta : float32 or float64 arrays of shape (n0, n1, n2), C-contiguous
        Field and momentum, periodic; overwritten. An axis of length one is none. Two dimensions
        are (n0, 1, n2), so that rows are planes.
    mass_squared, stiffness : float
        :math:`M = m^2 + Z \sum_\mu (2 - T_\mu - T_\mu^{-1})`, T the shift by a site.
    dt : float
    steps : int
    """
    kind = phi.dtype.type
    axes = [n > 1 for n in phi.shape]
    on_site = dt * (mass_squared + 2 * stiffness * sum(axes))
    along = [dt * stiffness * axis for axis in axes]
    # Weights of the fields' own type: float32 rows stay float32 in the loops.
    weights: Any = (kind(on_site), kind(along[0]), kind(along[1]), kind(along[2]), kind(dt))
    planes = phi.shape[0]
    threads = min(numba.get_num_threads(), planes // 2) if phi.size >= _SERIAL_SITES else 1
    if threads < 2:
        _advance_all(phi, beta, weights, steps)
        return
    edges = [planes * band // threads for band in range(threads + 1)]
    bands = list(pairwise(edges))
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(steps):
            # The outermost planes of a band lie beside planes that another thread moves.
            for move in (_move_inside, _move_edges):
                waiting = [pool.submit(move, phi, beta, a, b, weights) for a, b in bands]
                for band in waiting:
                    band.result()
