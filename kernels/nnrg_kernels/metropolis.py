"""Checkerboard Metropolis sweeps of the lattice phi^4 field in one to three dimensions.

Random numbers are a hash of (key, sweep, site): the field after a sweep is the same for any number
of threads. Sites of one colour do not interact, so their order does not matter either.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import kernel, parallel_kernel

__all__ = ["sweep", "sweep_parallel", "uniforms"]


@kernel
def uniforms(key: np.uint64, counter: np.uint64) -> tuple[float, float]:
    """Return two numbers in (0, 1), halves of one output of SplitMix64 seeded by `key`.

    `counter` is the number of the output, 1 for the first (G. L. Steele, D. Lea and C. H. Flood,
    OOPSLA 2014, doi:10.1145/2660193.2660195). Every step is cast: a signed operand would turn the
    whole into floating point.
    """
    z = np.uint64(key + np.uint64(counter * np.uint64(0x9E3779B97F4A7C15)))
    z = np.uint64(np.uint64(z ^ np.uint64(z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    z = np.uint64(np.uint64(z ^ np.uint64(z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    z = np.uint64(z ^ np.uint64(z >> np.uint64(31)))
    high = np.int64(z >> np.uint64(32))
    low = np.int64(z & np.uint64(0xFFFFFFFF))
    return (high + 0.5) * 2.0**-32, (low + 0.5) * 2.0**-32


@kernel
def _update_row(
    phi: npt.NDArray[np.float64],
    row: int,
    colour: int,
    couplings: npt.NDArray[np.float64],
    width: float,
    key: np.uint64,
    counter: np.uint64,
) -> int:
    n0, n1, n2 = phi.shape
    i, j = row // n1, row % n1
    here = phi[i, j]
    up, down = phi[(i + 1) % n0, j], phi[(i + n0 - 1) % n0, j]
    north, south = phi[i, (j + 1) % n1], phi[i, (j + n1 - 1) % n1]
    # An axis of length one is no axis: its neighbours do not count.
    stiffness = couplings[2]
    along0 = stiffness if n0 > 1 else 0.0
    along1 = stiffness if n1 > 1 else 0.0
    quadratic = 0.5 * couplings[0] + stiffness + along0 + along1
    quartic = couplings[1] / 24.0
    first = np.uint64(counter + np.uint64(row * n2))
    accepted = 0
    for k in range((i + j + colour) % 2, n2, 2):
        right = here[k + 1 if k + 1 < n2 else 0]
        left = here[k - 1 if k > 0 else n2 - 1]
        force = stiffness * (left + right)
        force += along0 * (up[k] + down[k]) + along1 * (north[k] + south[k])
        old = here[k]
        a, b = uniforms(key, np.uint64(first + np.uint64(k)))
        step = width * (2.0 * a - 1.0)
        new = old + step
        square, before = new * new, old * old
        rise = (square - before) * (quadratic + quartic * (square + before)) - force * step
        # No branch: half the guesses of one would be wrong.
        keep = b < np.exp(-rise)
        here[k] = new if keep else old
        accepted += keep
    return accepted


@kernel
def sweep(
    phi: npt.NDArray[np.float64],
    couplings: npt.NDArray[np.float64],
    width: float,
    key: np.uint64,
    start: int,
    stop: int,
) -> int:
    r"""Update every site once a sweep; return how many proposals were accepted.

    Parameters
    ----------
    phi : float64 array of shape (n0, n1, n2), C-contiguous
        Periodic; each length is even or, for an axis that is none, 1; n2 > 1. Overwritten.
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
    n0, n1, n2 = phi.shape
    rows = n0 * n1
    accepted = 0
    for number in range(start, stop):
        counter = np.uint64(np.uint64(number) * np.uint64(rows * n2))
        for colour in range(2):
            for row in range(rows):
                accepted += _update_row(phi, row, colour, couplings, width, key, counter)
    return accepted


@parallel_kernel
def sweep_parallel(
    phi: npt.NDArray[np.float64],
    couplings: npt.NDArray[np.float64],
    width: float,
    key: np.uint64,
    start: int,
    stop: int,
    accepted: npt.NDArray[np.int64],
) -> None:
    """Do what `sweep` does, rows in parallel; add the accepted proposals of each row.

    Parameters
    ----------
    phi, couplings, width, key, start, stop
        As for `sweep`.
    accepted : int64 array of shape (n0 * n1,)
        Added to, row by row.
    """
    n0, n1, n2 = phi.shape
    rows = n0 * n1
    for number in range(start, stop):
        counter = np.uint64(np.uint64(number) * np.uint64(rows * n2))
        for colour in range(2):
            for row in numba.prange(rows):
                accepted[row] += _update_row(phi, row, colour, couplings, width, key, counter)
