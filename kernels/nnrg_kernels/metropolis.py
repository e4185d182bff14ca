"""Checkerboard Metropolis sweeps of the lattice phi^4 field in one to three dimensions.

Random numbers are a hash of (key, sweep, site): the field after a sweep is the same for any number
of threads. Sites of one colour do not interact, so their order does not matter either. The colours
are stored apart, so that neighbours in memory are updated together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._bands import half_sweeps, threads_for
from nnrg_kernels._exp import exp_of_negative
from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._random import uniforms

__all__ = ["merge_colours", "split_colours", "sweep"]

Floats = npt.NDArray[np.float64]


@borrowing_kernel
def split_colours(phi: Floats, colours: Floats) -> None:
    """Copy the sites of either colour of each row: (n0, n1, n2) to (2, n0, n1, n2 / 2)."""
    n0, n1, _ = phi.shape
    for i in range(n0):
        for j in range(n1):
            row, odd = phi[i, j], (i + j) % 2
            first, second = colours[odd, i, j], colours[1 - odd, i, j]
            for m in range(first.size):
                first[m] = row[2 * m]
                second[m] = row[2 * m + 1]


@borrowing_kernel
def merge_colours(colours: Floats, phi: Floats) -> None:
    """Undo `split_colours`."""
    n0, n1, _ = phi.shape
    for i in range(n0):
        for j in range(n1):
            row, odd = phi[i, j], (i + j) % 2
            first, second = colours[odd, i, j], colours[1 - odd, i, j]
            for m in range(first.size):
                row[2 * m] = first[m]
                row[2 * m + 1] = second[m]


@borrowing_kernel
def _update_run(
    own: Floats,
    near: Floats,
    far: Floats,
    up: Floats,
    down: Floats,
    north: Floats,
    south: Floats,
    weights: tuple[float, float, float, float, float],
    width: float,
    key: np.uint64,
    first: np.uint64,
) -> int:
    along0, along1, along2, quadratic, quartic = weights
    accepted = 0
    for m in range(own.size):
        force = along2 * (near[m] + far[m])
        force += along1 * (north[m] + south[m]) + along0 * (up[m] + down[m])
        old = own[m]
        a, b = uniforms(key, np.uint64(first + np.uint64(2 * m)))
        step = width * (2.0 * a - 1.0)
        new = old + step
        square, before = new * new, old * old
        rise = (square - before) * (quadratic + quartic * (square + before)) - force * step
        # No branch: half the guesses of one would be wrong.
        keep = b < exp_of_negative(min(-rise, 0.0))
        own[m] = new if keep else old
        accepted += keep
    return accepted


@borrowing_kernel
def _shift(near: Floats, far: Floats, odd: int) -> None:
    """Copy a row, shifted by one site and periodic: a loop, for an assignment would allocate."""
    last = near.size - 1
    source, target = (near[1:], far[:last]) if odd else (near[:last], far[1:])
    for m in range(source.size):
        target[m] = source[m]
    if odd:
        far[last] = near[0]
    else:
        far[0] = near[last]


@borrowing_kernel
def _update_rows(
    colours: Floats,
    couplings: Floats,
    width: float,
    key: np.uint64,
    number: int,
    colour: int,
    first_row: int,
    last_row: int,
    far: Floats,
) -> int:
    _, n0, n1, half = colours.shape
    r, u, stiffness = couplings[0], couplings[1], couplings[2]
    # An axis of length one is no axis: its neighbours do not count.
    along0 = stiffness if n0 > 1 else 0.0
    along1 = stiffness if n1 > 1 else 0.0
    weights = (along0, along1, stiffness, 0.5 * r + stiffness + along0 + along1, u / 24.0)
    mine, others = colours[colour], colours[1 - colour]
    accepted = 0
    for row in range(first_row, last_row):
        i, j = row // n1, row % n1
        own, near = mine[i, j], others[i, j]
        up, down = others[(i + 1) % n0, j], others[(i + n0 - 1) % n0, j]
        north, south = others[i, (j + 1) % n1], others[i, (j + n1 - 1) % n1]
        odd = (i + j + colour) % 2
        counter = np.uint64(np.uint64(number) * np.uint64(2 * n0 * n1 * half))
        counter = np.uint64(counter + np.uint64(row * 2 * half + odd))
        # The other neighbours along the row: one step back, or on where the row begins with the
        # other colour.
        _shift(near, far, odd)
        accepted += _update_run(
            own, near, far, up, down, north, south, weights, width, key, counter
        )
    return accepted


@borrowing_kernel
def _sweep_all(
    colours: Floats,
    couplings: Floats,
    width: float,
    key: np.uint64,
    start: int,
    stop: int,
    far: Floats,
) -> int:
    rows = colours.shape[1] * colours.shape[2]
    accepted = 0
    for number in range(start, stop):
        for colour in range(2):
            accepted += _update_rows(colours, couplings, width, key, number, colour, 0, rows, far)
    return accepted


def sweep(
    colours: Floats,
    couplings: Floats,
    width: float,
    key: np.uint64,
    start: int,
    stop: int,
) -> int:
    r"""Update every site once a sweep; return how many proposals were accepted.

    Parameters
    ----------
    colours : float64 array of shape (2, n0, n1, n2 / 2), C-contiguous
        What `split_colours` makes of a periodic field of shape (n0, n1, n2); each length is even
        or, for an axis that is none, 1; n2 > 1. Overwritten.
    couplings : float64 array of shape (3,)
        r, u, Z of :math:`S = \sum_x \frac Z2 \sum_\mu (\phi_{x+\mu} - \phi_x)^2 + \frac r2 \phi^2
        + \frac u{24} \phi^4`.
    width : float
        A proposal is uniform within so much of the old value.
    key : uint64
        Seed.
    start, stop : int
        Numbers of the sweeps; no random number of one is used in another.
    """
    _, n0, n1, half = colours.shape
    rows = n0 * n1
    threads = threads_for(rows, colours.size)
    far = np.empty((threads, half))
    fixed = colours, couplings, width, key
    if threads == 1:
        return int(_sweep_all(*fixed, start, stop, far[0]))

    def update(number: int, colour: int, band: int, first: int, last: int) -> int:
        return int(_update_rows(*fixed, number, colour, first, last, far[band]))

    return half_sweeps(update, rows, threads, start, stop)
