"""Swendsen-Wang clusters of the Ising model that the signs of a scalar field make."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._exp import exp_of_negative
from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._random import bits, uniforms

__all__ = ["flip_signs"]

Floats = npt.NDArray[np.float64]
Sites = npt.NDArray[np.int64]


@borrowing_kernel
def _root(parent: Sites, site: int) -> int:
    while parent[site] != site:
        parent[site] = parent[parent[site]]
        site = parent[site]
    return site


@borrowing_kernel
def _bind(
    parent: Sites,
    one: int,
    other: int,
    exponent: float,
    key: np.uint64,
    counter: np.uint64,
) -> None:
    """Join two sites with probability 1 - exp(-exponent); opposite signs make it negative."""
    if exponent > 0.0:
        if uniforms(key, counter)[0] > exp_of_negative(-exponent):
            a, b = _root(parent, one), _root(parent, other)
            # The lower site is the root, so that the order of the bonds does not matter.
            parent[max(a, b)] = min(a, b)


@borrowing_kernel
def _flip_signs(phi: Floats, stiffness: float, key: np.uint64, number: int, parent: Sites) -> None:
    n0, n1, n2 = phi.shape
    first = np.uint64(np.uint64(number) * np.uint64(4 * phi.size))
    for site in range(phi.size):
        parent[site] = site
    for i in range(n0):
        for j in range(n1):
            for k in range(n2):
                site = (i * n1 + j) * n2 + k
                counter = np.uint64(first + np.uint64(4 * site + 1))
                twice = 2.0 * stiffness * phi[i, j, k]
                right = k + 1 if k + 1 < n2 else 0
                exponent = twice * phi[i, j, right]
                _bind(parent, site, site - k + right, exponent, key, counter)
                if n1 > 1:
                    north = j + 1 if j + 1 < n1 else 0
                    exponent = twice * phi[i, north, k]
                    counter = np.uint64(counter + np.uint64(1))
                    _bind(parent, site, (i * n1 + north) * n2 + k, exponent, key, counter)
                if n0 > 1:
                    up = i + 1 if i + 1 < n0 else 0
                    exponent = twice * phi[up, j, k]
                    counter = np.uint64(counter + np.uint64(1))
                    _bind(parent, site, (up * n1 + j) * n2 + k, exponent, key, counter)
    flat = phi.reshape(-1)
    for site in range(phi.size):
        root = _root(parent, site)
        draw = bits(key, np.uint64(first + np.uint64(4 * root + 4)))
        if draw >> np.uint64(63):
            flat[site] = -flat[site]


def flip_signs(phi: Floats, stiffness: float, key: np.uint64, number: int, parent: Sites) -> None:
    r"""Flip the sign of each cluster with probability 1/2.

    At fixed :math:`|\phi|` the signs are an Ising model whose bonds between equal signs are drawn
    with probability :math:`1 - e^{-2 Z \phi_x \phi_y}`; clusters are what the bonds connect.

    Parameters
    ----------
    phi : float64 array of shape (n0, n1, n2), C-contiguous
        Periodic; an axis of length one is none. Overwritten.
    stiffness : float
        Z.
    key : uint64
        Seed.
    number : int
        Number of the update; no random number of one is used in another.
    parent : int64 array of n_sites
        Scratch.
    """
    _flip_signs(phi, stiffness, key, number, parent)
