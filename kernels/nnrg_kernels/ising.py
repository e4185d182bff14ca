"""Ising spins on a periodic lattice: Wolff clusters and checkerboard heat-bath sweeps.

Spins are int8 of shape (n0, n1, n2), +1 or -1; an axis of length one is none. Random numbers are
hashes of (key, counter), so that a sweep gives the same spins for any number of threads.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._bands import half_sweeps, threads_for
from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._random import bits

__all__ = ["flip_clusters", "heat_bath"]

Spins = npt.NDArray[np.int8]
Places = npt.NDArray[np.uint64]

# Bits of a place: 21 for each coordinate.
_SHIFT0, _SHIFT1 = np.uint64(42), np.uint64(21)
_MASK = np.uint64((1 << 21) - 1)


@borrowing_kernel
def _join(
    spins: Spins,
    site: np.uint64,
    place: np.uint64,
    spin: np.int8,
    bond: tuple[np.uint64, np.uint64],
    counter: np.uint64,
    stack: Places,
    top: np.uint64,
) -> tuple[np.uint64, np.uint64]:
    """Flip a neighbour and leave it on the stack if its bond is drawn; return counter and top."""
    # No branch: a bond is a coin toss, and half the guesses of one would be wrong.
    key, threshold = bond
    counter = np.uint64(counter + np.uint64(1))
    here = spins[site]
    joins = (here == spin) & (bits(key, counter) <= threshold)
    spins[site] = -here if joins else here
    stack[top] = place
    return counter, np.uint64(top + np.uint64(joins))


@borrowing_kernel
def _join_both(
    spins: Spins,
    base: np.uint64,
    stride: np.uint64,
    place: np.uint64,
    shift: np.uint64,
    length: np.uint64,
    spin: np.int8,
    bond: tuple[np.uint64, np.uint64],
    counter: np.uint64,
    stack: Places,
    top: np.uint64,
) -> tuple[np.uint64, np.uint64]:
    """Do so with both neighbours along an axis; `base` is the site at its coordinate zero."""
    one, zero = np.uint64(1), np.uint64(0)
    x = np.uint64(np.uint64(place >> shift) & _MASK)
    rest = np.uint64(place - np.uint64(x << shift))
    after = np.uint64(x + one) if np.uint64(x + one) < length else zero
    before = np.uint64(x - one) if x > zero else np.uint64(length - one)
    for y in (after, before):
        site = np.uint64(base + np.uint64(y * stride))
        next_place = np.uint64(rest | np.uint64(y << shift))
        counter, top = _join(spins, site, next_place, spin, bond, counter, stack, top)
    return counter, top


@borrowing_kernel
def _flip_cluster(
    spins: Spins,
    shape: tuple[np.uint64, np.uint64, np.uint64],
    bond: tuple[np.uint64, np.uint64],
    counter: np.uint64,
    stack: Places,
) -> tuple[np.uint64, int]:
    n0, n1, n2 = shape
    one = np.uint64(1)
    area = np.uint64(n1 * n2)
    counter = np.uint64(counter + one)
    share = np.float64(np.int64(bits(bond[0], counter) >> np.uint64(11))) * 2.0**-53
    site = np.uint64(share * spins.size)
    i, rest = np.uint64(site // area), np.uint64(site % area)
    j, k = np.uint64(rest // n2), np.uint64(rest % n2)
    spin = spins[site]
    spins[site] = -spin
    # A place holds its three coordinates: dividing a site's number would cost more than the rest.
    stack[0] = np.uint64(np.uint64(np.uint64(i << _SHIFT0) | np.uint64(j << _SHIFT1)) | k)
    top, flipped = one, 0
    while top > np.uint64(0):
        top = np.uint64(top - one)
        flipped += 1
        place = stack[top]
        i = np.uint64(place >> _SHIFT0)
        j, k = np.uint64(np.uint64(place >> _SHIFT1) & _MASK), np.uint64(place & _MASK)
        base = np.uint64(np.uint64(i * area) + np.uint64(j * n2))
        counter, top = _join_both(
            spins, base, one, place, np.uint64(0), n2, spin, bond, counter, stack, top
        )
        if n1 > one:
            base = np.uint64(np.uint64(i * area) + k)
            counter, top = _join_both(
                spins, base, n2, place, _SHIFT1, n1, spin, bond, counter, stack, top
            )
        if n0 > one:
            base = np.uint64(np.uint64(j * n2) + k)
            counter, top = _join_both(
                spins, base, area, place, _SHIFT0, n0, spin, bond, counter, stack, top
            )
    return counter, flipped


@borrowing_kernel
def _flip_clusters(
    spins: Spins,
    shape: tuple[np.uint64, np.uint64, np.uint64],
    count: int,
    bond: tuple[np.uint64, np.uint64],
    counter: np.uint64,
    stack: Places,
) -> tuple[np.uint64, int]:
    total = 0
    for _ in range(count):
        counter, flipped = _flip_cluster(spins, shape, bond, counter, stack)
        total += flipped
    return counter, total


def flip_clusters(
    spins: Spins,
    count: int,
    threshold: np.uint64,
    key: np.uint64,
    counter: np.uint64,
    stack: Places,
) -> tuple[np.uint64, int]:
    """Flip so many Wolff clusters; return the counter after them and how many spins were flipped.

    Parameters
    ----------
    spins : int8 array of shape (n0, n1, n2), C-contiguous
        Periodic, each length below 2^21. Overwritten.
    count : int
        Number of clusters.
    threshold : uint64
        A bond between equal spins is drawn if 64 random bits do not exceed it.
    key, counter : uint64
        Seed, and the number of random numbers used so far.
    stack : uint64 array of n_sites + 1
        Scratch.
    """
    shape = (np.uint64(spins.shape[0]), np.uint64(spins.shape[1]), np.uint64(spins.shape[2]))
    after, flipped = _flip_clusters(
        spins.reshape(-1), shape, count, (key, threshold), np.uint64(counter), stack
    )
    return np.uint64(after), int(flipped)


@borrowing_kernel
def _heat_bath_rows(
    spins: Spins,
    thresholds: Places,
    key: np.uint64,
    number: int,
    colour: int,
    first_row: int,
    last_row: int,
) -> None:
    n0, n1, n2 = spins.shape
    # An axis of length one is no axis: its neighbours do not count.
    along0 = np.int8(1 if n0 > 1 else 0)
    along1 = np.int8(1 if n1 > 1 else 0)
    counter = np.uint64(np.uint64(number) * np.uint64(spins.size))
    for row in range(first_row, last_row):
        i, j = row // n1, row % n1
        here = spins[i, j]
        up, down = spins[(i + 1) % n0, j], spins[(i + n0 - 1) % n0, j]
        north, south = spins[i, (j + 1) % n1], spins[i, (j + n1 - 1) % n1]
        first = np.uint64(counter + np.uint64(row * n2 + 1))
        for k in range((i + j + colour) % 2, n2, 2):
            row_field = here[k + 1 if k + 1 < n2 else 0] + here[k - 1 if k > 0 else n2 - 1]
            field = row_field + along0 * (up[k] + down[k]) + along1 * (north[k] + south[k])
            draw = bits(key, np.uint64(first + np.uint64(k)))
            here[k] = np.int8(1) if draw <= thresholds[6 + field] else np.int8(-1)


@borrowing_kernel
def _heat_bath_all(spins: Spins, thresholds: Places, key: np.uint64, start: int, stop: int) -> None:
    rows = spins.shape[0] * spins.shape[1]
    for number in range(start, stop):
        for colour in range(2):
            _heat_bath_rows(spins, thresholds, key, number, colour, 0, rows)


def heat_bath(spins: Spins, thresholds: Places, key: np.uint64, start: int, stop: int) -> None:
    """Draw every spin anew given its neighbours, once a sweep, one colour after the other.

    Metropolis steps in checkerboard order do not reach every state: with equal neighbours on
    either side a flip costs nothing and is always made.

    Parameters
    ----------
    spins : int8 array of shape (n0, n1, n2), C-contiguous
        Periodic; each length is even or, for an axis that is none, 1; n2 > 1. Overwritten.
    thresholds : uint64 array of shape (13,)
        A spin is up if 64 random bits do not exceed number 6 + (sum of its neighbours).
    key : uint64
        Seed.
    start, stop : int
        Numbers of the sweeps; no random number of one is used in another.
    """
    rows = spins.shape[0] * spins.shape[1]
    threads = threads_for(rows, spins.size)
    if threads == 1:
        _heat_bath_all(spins, thresholds, key, start, stop)
        return

    def update(number: int, colour: int, _: int, first: int, last: int) -> int:
        _heat_bath_rows(spins, thresholds, key, number, colour, first, last)
        return 0

    half_sweeps(update, rows, threads, start, stop)
