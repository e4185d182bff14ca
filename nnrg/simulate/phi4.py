"""Markov-chain samples of the lattice phi^4 field in one to three dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg.errors import ArgumentError
from nnrg_kernels.metropolis import sweep, sweep_parallel

__all__ = ["phi4"]

Floats = npt.NDArray[np.float64]

# Below so many sites a parallel region costs more than it saves.
_PARALLEL_SITES = 1 << 16
# The proposal width is tuned in rounds of so many sweeps of the thermalisation.
_TUNING_SWEEPS = 25
_ACCEPTANCE = 0.6


def phi4(
    shape: Sequence[int],
    n_samples: int,
    *,
    r: float,
    u: float,
    stiffness: float = 1.0,
    rng: np.random.Generator | int | None = None,
    thermalise: int = 1000,
    stride: int = 100,
    overrelaxation: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Floats:
    r"""Draw configurations of the scalar field with a quartic potential on a periodic lattice.

    Parameters
    ----------
    shape : sequence of int, length 1 to 3
        Sites along each axis; each must be even.
    n_samples : int
        Number of configurations.
    r, u, stiffness : float
        Couplings r, u, Z >= 0, dimensionless (the lattice spacing is 1); u > 0, or u = 0 < r.
    rng : numpy.random.Generator, int or None
        Source of randomness. The result is the same for any number of threads.
    thermalise : int
        Sweeps before the first configuration; they also set the width of the proposals, which
        is fixed from then on.
    stride : int
        Sweeps from one configuration to the next.
    overrelaxation : int
        Reflections of every site after each Metropolis sweep; they decorrelate long waves.
    progress : callable, optional
        Called with (configurations done, n_samples).

    Returns
    -------
    ndarray of shape (n_samples, *shape)
        The field, dimensionless. Configurations are consecutive states of one Markov chain,
        independent only if `stride` is well above its autocorrelation time: that of the mean
        field grows like the square of the correlation length.

    Raises
    ------
    ArgumentError
        If the lattice cannot be two-coloured, a count is not positive, or the action is not
        bounded from below.

    Notes
    -----
    .. math:: P[\phi] \propto e^{-S}, \quad S = \sum_x \Big[ \tfrac Z2 \sum_\mu (\phi_{x+\mu} -
              \phi_x)^2 + \tfrac r2 \phi_x^2 + \tfrac u{24} \phi_x^4 \Big] .

    Sites of the two colours of a checkerboard are updated in turn, each by a uniform step that is
    accepted with probability :math:`\min(1, e^{-\Delta S})` (N. Metropolis et al., J. Chem. Phys.
    21 (1953) 1087, doi:10.1063/1.1699114). Over-relaxation reflects :math:`\phi_x` about the
    minimum of the quadratic part of its action, which is the same after it, and accepts by the
    quartic part.

    Examples
    --------
    >>> phi = phi4((16, 16), 20, r=-0.8, u=3.0, rng=1, stride=20)
    >>> phi.shape
    (20, 16, 16)
    """
    lattice = tuple(int(length) for length in shape)
    if not 1 <= len(lattice) <= 3 or any(length < 2 or length % 2 for length in lattice):
        raise ArgumentError(
            f"shape must be one to three even lengths, which a checkerboard needs, got {lattice}"
        )
    if n_samples < 1 or stride < 1 or thermalise < 0 or overrelaxation < 0:
        raise ArgumentError(
            "n_samples and stride must be at least 1, thermalise and overrelaxation at least 0, "
            f"got {n_samples}, {stride}, {thermalise} and {overrelaxation}"
        )
    bounded = u > 0 or (u == 0 and r > 0)
    if not (bounded and stiffness >= 0 and all(map(isfinite, (r, u, stiffness)))):
        raise ArgumentError(
            "the action must be bounded from below: u > 0, or u = 0 < r, and stiffness >= 0, got "
            f"r={r}, u={u} and stiffness={stiffness}"
        )
    if overrelaxation and r + 2 * len(lattice) * stiffness == 0:
        raise ArgumentError(
            f"over-relaxation needs r + 2 d Z different from 0, got r={r} and Z={stiffness}; "
            "use overrelaxation=0"
        )
    generator = np.random.default_rng(as_seed(rng))
    chain = _Chain(lattice, (r, u, stiffness), overrelaxation, generator)
    chain.thermalise(thermalise)
    out = np.empty((n_samples, *lattice))
    for n in range(n_samples):
        # The last sweep of the thermalisation is the first configuration's own.
        chain.advance(stride if n else 1)
        out[n] = chain.phi.reshape(lattice)
        if progress is not None:
            progress(n + 1, n_samples)
    return out


class _Chain:
    """One Markov chain: field, width of the proposals, and how many sweeps were made."""

    def __init__(
        self,
        lattice: tuple[int, ...],
        couplings: tuple[float, float, float],
        reflections: int,
        generator: np.random.Generator,
    ) -> None:
        r, u, stiffness = couplings
        # Between the curvature of the potential alone and the width the quartic term allows.
        curvature = max(0.0, r) + 2 * len(lattice) * stiffness + np.sqrt(u)
        self.width = 2.0 / np.sqrt(curvature)
        self.phi = generator.normal(0.0, curvature**-0.5, (1,) * (3 - len(lattice)) + lattice)
        self.couplings = np.array(couplings, dtype=np.float64)
        self.reflections = reflections
        self.key = generator.integers(2**64, dtype=np.uint64)
        self.done = 0

    def advance(self, sweeps: int) -> float:
        """Make Metropolis sweeps, each with its reflections; return the share accepted."""
        widths = np.zeros((sweeps, 1 + self.reflections))
        widths[:, 0] = self.width
        flat = widths.ravel()
        if self.phi.size < _PARALLEL_SITES:
            accepted = sweep(self.phi, self.couplings, flat, self.key, self.done)
        else:
            rows = np.zeros(self.phi.shape[0] * self.phi.shape[1], dtype=np.int64)
            sweep_parallel(self.phi, self.couplings, flat, self.key, self.done, rows)
            accepted = int(rows.sum())
        self.done += flat.size
        return accepted / (self.phi.size * flat.size)

    def thermalise(self, sweeps: int) -> None:
        """Approach equilibrium, and the acceptance aimed at."""
        for start in range(0, sweeps, _TUNING_SWEEPS):
            share = self.advance(min(_TUNING_SWEEPS, sweeps - start))
            self.width *= min(2.0, max(0.5, share / _ACCEPTANCE))
