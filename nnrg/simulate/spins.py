"""Markov-chain samples of the Ising model in one to three dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, expm1
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real
from nnrg.errors import ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.progress import Told
from nnrg.simulate._checkpoint import Arrays
from nnrg.simulate._lattice import even_lattice
from nnrg.simulate._markov import run

__all__ = ["ising"]

# A call of the thermalisation updates so many sites, so that it can be interrupted.
_SITES_A_CALL = 1 << 24


def ising(
    shape: int | Sequence[int],
    n_samples: int,
    *,
    beta: float,
    clusters: int | None = None,
    sweeps: int = 0,
    thermalise: int = 1000,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: Told | None = None,
) -> SynapticField:
    r"""Draw configurations of the ferromagnetic Ising model on a periodic lattice.

    Parameters
    ----------
    shape : int or sequence of int, length 1 to 3
        Sites along each axis; each must be even.
    n_samples : int
        Number of configurations.
    beta : float
        Coupling of nearest neighbours over the temperature, at least zero, dimensionless. The
        critical one is :math:`\frac12 \ln(1 + \sqrt2) = 0.440687` in two dimensions and
        0.22165463 in three.
    clusters : int, optional
        Wolff clusters flipped from one configuration to the next. By default as many as flip
        each spin about once, by their mean size in the second half of the thermalisation, and
        fixed from then on.
    sweeps : int
        Checkerboard sweeps from one configuration to the next, before the clusters.
    thermalise : int
        Steps before the first configuration, each of one sweep and one cluster; the chain starts
        from all spins up.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        Source of randomness. The result is the same for any number of threads.
    checkpoint : path, optional
        A file to go on from where it exists, and to keep once a minute, when interrupted, and at
        the end: the numbers are those of a run in one piece, and a longer run goes on from a
        shorter one.
    progress : callable, optional
        Called with (configurations done, n_samples). By default a bar on stderr after two
        seconds, if that is a terminal.

    Returns
    -------
    SynapticField
        Of +1 and -1, float32, dimensionless. Configurations are consecutive states of one Markov
        chain.

    Raises
    ------
    ArgumentError
        If the lattice cannot be two-coloured, a count or `beta` is out of range, nothing is
        updated, or the checkpoint is of another chain.
    FormatError
        If the checkpoint is damaged.
    SourceError
        If the checkpoint cannot be read or written.

    Notes
    -----
    .. math:: P[s] \propto \exp\Big( \beta \sum_{\langle x y \rangle} s_x s_y \Big), \quad
              s_x = \pm 1 .

    A cluster grows from a random site over bonds between equal spins, each taken with probability
    :math:`1 - e^{-2\beta}`, and is flipped (U. Wolff, Phys. Rev. Lett. 62 (1989) 361,
    doi:10.1103/PhysRevLett.62.361). The number of clusters between configurations must not depend
    on their sizes: to measure once enough spins are flipped is a biased rule, which shifts the
    Binder cumulant of a 64 x 64 lattice at the critical point from 0.611 to 0.634. Sweeps draw
    each spin from its law given its neighbours (heat bath), one colour after the other.

    Examples
    --------
    >>> field = ising((16, 16), 200, beta=0.3, rng=1)
    >>> field
    SynapticField('Ising model', 200 samples on Lattice(16 x 16, periodic), float32)
    >>> spins = field.values
    >>> round(float((spins * np.roll(spins, 1, axis=1)).mean()), 1)  # exactly 0.3523
    0.4
    """
    lattice = even_lattice(shape)
    coupling = as_real("beta", beta, hint="0.44 is close to the critical one in two dimensions")
    if coupling < 0:
        raise ArgumentError(f"beta must not be negative, got {beta}; clusters need a ferromagnet")
    n_samples = as_count("n_samples", n_samples)
    sweeps = as_count("sweeps", sweeps, 0)
    thermalise = as_count("thermalise", thermalise, 0)
    if clusters is not None:
        clusters = as_count("clusters", clusters, 0)
        if clusters + sweeps == 0:
            raise ArgumentError("clusters and sweeps must not both be zero, got 0 and 0; try 1")
    spins = run(
        lambda seed: _Chain(lattice, coupling, clusters, sweeps, seed),
        n_samples,
        thermalise,
        identity={
            "sampler": "ising",
            "shape": list(lattice),
            "beta": coupling.hex(),
            "clusters": clusters,
            "sweeps": sweeps,
            "thermalise": thermalise,
        },
        seed=as_seed(rng),
        seeded=rng is not None,
        checkpoint=checkpoint,
        progress=progress,
    )
    return SynapticField(
        spins.astype(np.float32),
        Lattice(lattice, periodic=True),
        name="Ising model",
        sample="configuration",
    )


class _Chain:
    """Spins, how many random numbers were used, and how many clusters make a configuration."""

    def __init__(
        self,
        lattice: tuple[int, ...],
        beta: float,
        clusters: int | None,
        sweeps: int,
        seed: np.random.SeedSequence,
    ) -> None:
        self._lattice = lattice
        self._spins = np.ones((1,) * (3 - len(lattice)) + lattice, dtype=np.int8)
        self._stack = np.empty(self._spins.size + 1, dtype=np.uint64)
        self._bond = _threshold(-expm1(-2 * beta))
        up = [_threshold(_logistic(2 * beta * total)) for total in range(-6, 7)]
        self._up = np.array(up, dtype=np.uint64)
        self._sweeps = sweeps
        self._given = clusters
        self._keys = seed.generate_state(2, np.uint64)
        # Steps of thermalisation, sweeps, random numbers of clusters, clusters, spins they flipped.
        self._counts = np.zeros(5, dtype=np.uint64)

    @property
    def thermalised(self) -> int:
        return int(self._counts[0])

    def thermalise(self, stop: int) -> None:
        steps = max(1, _SITES_A_CALL // self._spins.size)
        for _ in range(min(steps, stop - self.thermalised)):
            self._sweep(1)
            flipped = self._flip(1)
            if 2 * self.thermalised >= stop:
                self._counts[3:] += np.array([1, flipped], dtype=np.uint64)
            self._counts[0] += np.uint64(1)

    def advance(self) -> None:
        self._sweep(self._sweeps)
        self._flip(self._clusters())

    def configuration(self) -> npt.NDArray[Any]:
        return self._spins.reshape(self._lattice)

    def state(self) -> Arrays:
        return {
            "field": self._spins.copy(),
            "keys": self._keys.copy(),
            "counts": self._counts.copy(),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        self._spins[:] = np.where(state["field"] > 0, np.int8(1), np.int8(-1))
        self._keys[:], self._counts[:] = state["keys"], state["counts"]

    def _clusters(self) -> int:
        """Return how many clusters lie between configurations; thermalising alone decides it."""
        if self._given is not None:
            return self._given
        flipped = max(1, int(self._counts[4]))
        return max(1, round(int(self._counts[3]) * self._spins.size / flipped))

    def _sweep(self, sweeps: int) -> None:
        from nnrg_kernels.ising import heat_bath

        start = int(self._counts[1])
        heat_bath(self._spins, self._up, self._keys[0], start, start + sweeps)
        self._counts[1] = start + sweeps

    def _flip(self, clusters: int) -> int:
        from nnrg_kernels.ising import flip_clusters

        self._counts[2], flipped = flip_clusters(
            self._spins, clusters, self._bond, self._keys[1], self._counts[2], self._stack
        )
        return flipped


def _logistic(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def _threshold(probability: float) -> np.uint64:
    """Return what 64 random bits do not exceed with this probability."""
    return np.uint64(min(2**64 - 1, max(0, int(probability * 2**64) - 1)))
