"""Metropolis sweeps of the phi^4 field on a graph.

Nodes are updated one after the other, each from what its neighbours are by then. Random numbers are
a hash of (key, sweep, node).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._exp import exp_of_negative
from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._random import uniforms

__all__ = ["sweep_graph"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@borrowing_kernel
def sweep_graph(
    phi: Floats,
    indptr: Ints,
    indices: Ints,
    weights: Floats,
    couplings: Floats,
    width: float,
    key: np.uint64,
    start: int,
    stop: int,
) -> int:
    r"""Update every node once a sweep; return how many proposals were accepted.

    Parameters
    ----------
    phi : (n,) float64 array
        The field; overwritten.
    indptr, indices, weights : arrays
        Symmetric adjacency matrix by rows (CSR), without self-loops.
    couplings : (3,) float64 array
        r, u, Z of :math:`S = \sum_x \frac r2 \phi_x^2 + \frac u{24} \phi_x^4 + \frac Z2
        \sum_{\langle xy \rangle} |w_{xy}| (\phi_x - \mathrm{sgn}(w_{xy}) \phi_y)^2`.
    width : float
        At a node of strength s a proposal is uniform within width / sqrt(1 + Z s) of the old value.
    key : uint64
        Seed.
    start, stop : int
        Numbers of the sweeps; no random number of one is used in another.
    """
    r, quartic, stiffness = couplings[0], couplings[1] / 24.0, couplings[2]
    accepted = 0
    for number in range(start, stop):
        first = np.uint64(np.uint64(number) * np.uint64(phi.size))
        for x in range(phi.size):
            force = strength = 0.0
            for k in range(indptr[x], indptr[x + 1]):
                force += weights[k] * phi[indices[k]]
                strength += abs(weights[k])
            a, b = uniforms(key, np.uint64(first + np.uint64(x)))
            old = phi[x]
            step = width * (2.0 * a - 1.0) / np.sqrt(1.0 + stiffness * strength)
            new = old + step
            square, before = new * new, old * old
            quadratic = 0.5 * (r + stiffness * strength)
            rise = (square - before) * (quadratic + quartic * (square + before))
            rise -= stiffness * force * step
            keep = b < exp_of_negative(min(-rise, 0.0))
            phi[x] = new if keep else old
            accepted += keep
    return accepted
