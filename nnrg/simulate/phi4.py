"""Markov-chain samples of the lattice phi^4 field in one to three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real
from nnrg.errors import ArgumentError
from nnrg.progress import Told
from nnrg.simulate._lattice import even_lattice
from nnrg.simulate._markov import SWEEPS_A_CALL, MetropolisChain, run
from nnrg_kernels.clusters import flip_signs
from nnrg_kernels.metropolis import merge_colours, split_colours, sweep

__all__ = ["hopping_couplings", "phi4_lattice"]

Floats = npt.NDArray[np.float64]


def phi4_lattice(
    shape: int | Sequence[int],
    n_samples: int,
    *,
    r: float,
    u: float,
    stiffness: float = 1.0,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    thermalise: int = 1000,
    stride: int = 100,
    clusters: int = 10,
    checkpoint: str | PathLike[str] | None = None,
    progress: Told | None = None,
) -> Floats:
    r"""Draw configurations of the scalar field with a quartic potential on a periodic lattice.

    Parameters
    ----------
    shape : int or sequence of int, length 1 to 3
        Sites along each axis; each must be even.
    n_samples : int
        Number of configurations.
    r, u, stiffness : float
        Couplings r, u, Z >= 0, dimensionless (the lattice spacing is 1); u > 0, or u = 0 < r.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        Source of randomness. The result is the same for any number of threads.
    thermalise : int
        Sweeps before the first configuration; they also set the width of the proposals, which
        is fixed from then on.
    stride : int
        Sweeps from one configuration to the next.
    clusters : int
        A cluster update after every so many sweeps: it decorrelates long waves and, in the ordered
        phase, the sign of the field. Zero for none.
    checkpoint : path, optional
        A file to go on from where it exists, and to keep once a minute, when interrupted, and at
        the end: the numbers are those of a run in one piece, and a longer run goes on from a
        shorter one.
    progress : callable, optional
        Called with (configurations done, n_samples). By default a bar on stderr after two
        seconds, if that is a terminal.

    Returns
    -------
    ndarray of shape (n_samples, *shape)
        The field, dimensionless. Configurations are consecutive states of one Markov chain,
        independent if `stride` is well above its autocorrelation time: with the other defaults
        some 30, 80 and 15 sweeps for the mean square field at r = -0.8 (ordered), -0.72 and
        -0.5, u = 3, on a 64 x 64 lattice.

    Raises
    ------
    ArgumentError
        If the lattice cannot be two-coloured, a count is not positive, the action is not
        bounded from below, or the checkpoint is of another chain.
    FormatError
        If the checkpoint is damaged.
    SourceError
        If the checkpoint cannot be read or written.

    Notes
    -----
    .. math:: P[\phi] \propto e^{-S}, \quad S = \sum_x \Big[ \tfrac Z2 \sum_\mu (\phi_{x+\mu} -
              \phi_x)^2 + \tfrac r2 \phi_x^2 + \tfrac u{24} \phi_x^4 \Big] .

    Sites of the two colours of a checkerboard are updated in turn, each by a uniform step that is
    accepted with probability :math:`\min(1, e^{-\Delta S})` (N. Metropolis et al., J. Chem. Phys.
    21 (1953) 1087, doi:10.1063/1.1699114). Cluster updates flip the signs of Swendsen-Wang clusters
    of the Ising model that holds at fixed :math:`|\phi|`, with couplings :math:`Z |\phi_x|
    |\phi_y|` (R. C. Brower and P. Tamayo, Phys. Rev. Lett. 62 (1989) 1087,
    doi:10.1103/PhysRevLett.62.1087); without them the chain can stay for thousands of sweeps in
    a state of two domains.

    Examples
    --------
    >>> phi = phi4_lattice((16, 16), 20, r=-0.8, u=3.0, rng=1, stride=20)
    >>> phi.shape
    (20, 16, 16)
    """
    lattice = even_lattice(shape)
    n_samples, stride = as_count("n_samples", n_samples), as_count("stride", stride)
    thermalise = as_count("thermalise", thermalise, 0)
    clusters = as_count("clusters", clusters, 0)
    couplings = as_real("r", r), as_real("u", u), as_real("stiffness", stiffness)
    r, u, stiffness = couplings
    if not (stiffness >= 0 and (u > 0 or (u == 0 and r > 0))):
        raise ArgumentError(
            "the action must be bounded from below: u > 0, or u = 0 < r, and stiffness >= 0, got "
            f"r={r}, u={u} and stiffness={stiffness}"
        )
    return run(
        lambda seed: _Chain(lattice, couplings, stride, clusters, seed),
        n_samples,
        thermalise,
        identity={
            "sampler": "phi^4 lattice",
            "shape": list(lattice),
            "couplings": [c.hex() for c in couplings],
            "stride": stride,
            "thermalise": thermalise,
            "clusters": clusters,
        },
        seed=as_seed(rng),
        seeded=rng is not None,
        checkpoint=checkpoint,
        progress=progress,
    )


def hopping_couplings(beta: float, lam: float, dimension: int) -> dict[str, float]:
    r"""Return r, u and the stiffness of an action that is written with a hopping term.

    Parameters
    ----------
    beta : float
        Coupling of nearest neighbours, at least zero, dimensionless.
    lam : float
        Quartic coupling :math:`\lambda` > 0, dimensionless; large values are the Ising model.
    dimension : int
        Axes of the lattice, 1 to 3.

    Returns
    -------
    dict of str to float
        Arguments ``r``, ``u`` and ``stiffness`` of `phi4_lattice`.

    Raises
    ------
    ArgumentError
        If a coupling or the dimension is out of range.

    Notes
    -----
    .. math:: S = \sum_x \big[ \phi_x^2 + \lambda (\phi_x^2 - 1)^2 \big]
              - \beta \sum_{\langle x y \rangle} \phi_x \phi_y

    is, but for a constant, the action of `phi4_lattice` with :math:`Z = \beta`,
    :math:`r = 2 (1 - 2 \lambda) - 2 d \beta` and :math:`u = 24 \lambda`. Critical are
    :math:`\beta = 0.680605(4)` at :math:`\lambda = 1` in two dimensions and
    :math:`\beta = 0.3750966(4)` at :math:`\lambda = 1.1` in three, where the leading
    corrections to scaling vanish (M. Hasenbusch, J. Phys. A 32 (1999) 4851,
    doi:10.1088/0305-4470/32/26/304).

    Examples
    --------
    >>> hopping_couplings(0.5, 1.0, 2)
    {'r': -4.0, 'u': 24.0, 'stiffness': 0.5}
    """
    beta, lam = as_real("beta", beta), as_real("lam", lam)
    dimension = as_count("dimension", dimension, 1, 3)
    if beta < 0 or lam <= 0:
        raise ArgumentError(
            f"beta must be at least zero and lam positive, got {beta} and {lam}; try 0.68 and 1"
        )
    return {"r": 2 * (1 - 2 * lam) - 2 * dimension * beta, "u": 24 * lam, "stiffness": beta}


class _Chain(MetropolisChain):
    """Field, width of the proposals, and how many updates were made of each kind."""

    def __init__(
        self,
        lattice: tuple[int, ...],
        couplings: tuple[float, float, float],
        stride: int,
        clusters: int,
        seed: np.random.SeedSequence,
    ) -> None:
        r, u, stiffness = couplings
        # Curvature of the quadratic part, and of the quartic where that is flat or inverted.
        curvature = max(0.0, r) + 2 * len(lattice) * stiffness + u**0.5
        # Kernels take three axes; an axis of length one is none.
        padded = (1,) * (3 - len(lattice)) + lattice
        keys, field = seed.spawn(2)
        phi = np.random.default_rng(field).normal(0.0, curvature**-0.5, padded)
        super().__init__(phi, curvature, keys.generate_state(2, np.uint64), stride)
        self._lattice, self._couplings, self._every = lattice, np.array(couplings), clusters
        self._colours = np.empty((2, *padded[:2], padded[2] // 2))
        self._parent = np.empty(phi.size, dtype=np.int64)

    def configuration(self) -> Floats:
        return self._phi.reshape(self._lattice)

    def _update(self, stop: int) -> int:
        """Make sweeps, with a cluster update where one is due."""
        accepted = 0
        while self._sweeps < stop:
            due = stop
            if self._every:
                due = min(stop, (self._sweeps // self._every + 1) * self._every)
            accepted += self._sweep(due)
            if self._every and due % self._every == 0:
                number = due // self._every
                flip_signs(self._phi, self._couplings[2], self._keys[1], number, self._parent)
        return accepted

    def _sweep(self, stop: int) -> int:
        split_colours(self._phi, self._colours)
        accepted = 0
        for start in range(self._sweeps, stop, SWEEPS_A_CALL):
            end = min(stop, start + SWEEPS_A_CALL)
            accepted += sweep(
                self._colours, self._couplings, self._width, self._keys[0], start, end
            )
        merge_colours(self._colours, self._phi)
        self._sweeps = stop
        return accepted
