"""Bond directed percolation in 1 + 1 dimensions: the absorbing-state class to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.progress import Told, reporter
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates

__all__ = ["CRITICAL_BOND", "DensityDecay", "directed_percolation"]

CRITICAL_BOND = 0.644700185
"""Critical probability of a bond to be open, error 5 in the last digit (I. Jensen, J. Phys. A 32
(1999) 5233, doi:10.1088/0305-4470/32/28/304)."""

_FEWEST = 10
_LONGEST = 1 << 24
_RUNS_A_CALL = 8


@dataclass(frozen=True, slots=True, eq=False)
class DensityDecay:
    """Density of active sites as it decays from a full row.

    Attributes
    ----------
    times : int array of shape (n,)
        Rows after the first.
    density : Replicates
        Mean over runs of the density at each time, dimensionless, with their covariance.
    length, n_runs : int
        Sites of a row, and independent runs.
    probability : float
        Of a bond to be open.
    seed : tuple of str
        Entropy, and spawn key, of the seed.
    """

    times: npt.NDArray[np.int64]
    density: Replicates
    length: int
    n_runs: int
    probability: float
    seed: tuple[str, ...]

    def __post_init__(self) -> None:
        self.times.flags.writeable = False

    def exponent(self, first: float = 100.0, last: float | None = None) -> FitResult:
        r"""Fit :math:`\rho(t) = A t^{-\delta}` to the times from `first` to `last`.

        Returns
        -------
        FitResult
            ``delta`` and ``ln A``, with window and chi^2. Its line is straight at the critical
            point only, for t much smaller than :math:`L^z` with z = 1.58.

        Raises
        ------
        AnalysisError
            If there are fewer than three times in the window, or no site is active at one of them.
        """
        stop = self.times[-1] if last is None else last
        at = np.flatnonzero((self.times >= first) & (self.times <= stop))
        if at.size < 3:
            raise AnalysisError(
                f"the window from {first:g} to {stop:g} holds {at.size} times, at least 3 are "
                "needed; widen it"
            )
        chosen = self.density.select(at)
        if not (chosen.values > 0).all() or not (chosen.replicates > 0).all():
            raise AnalysisError(
                f"no site is active at t = {self.times[at[np.argmin(chosen.values)]]}; end the "
                "window before, or take longer rows"
            )
        logs = np.log(self.times[at])
        columns = np.stack([-logs, np.ones(at.size)], axis=1)
        names = ("delta", "ln A")
        window = float(self.times[at[0]]), float(self.times[at[-1]])
        return correlated_fit(columns, logs, chosen.map(np.log), names=names, window=window)

    def __str__(self) -> str:
        lines = [
            f"directed percolation, {self.n_runs} runs of {self.length} sites, "
            f"p = {self.probability:.9g}",
            "      t  density",
        ]
        for t, one in zip(self.times, self.density.estimates(), strict=True):
            lines.append(f"{t:7d}  {one}")
        return "\n".join(lines)


def directed_percolation(
    length: int,
    n_runs: int,
    times: int | Sequence[int] = 1024,
    *,
    probability: float = CRITICAL_BOND,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    progress: Told | None = None,
) -> DensityDecay:
    r"""Let directed percolation decay from a full row, and measure the density of active sites.

    Parameters
    ----------
    length : int
        Sites of a row, periodic, at least 2.
    n_runs : int
        Independent runs, at least 10.
    times : int or sequence of int
        When the density is kept; of one number, the powers of two up to it.
    probability : float
        p of a bond to be open, between 0 and 1, to a multiple of 2^-32. The critical one by
        default.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        Source of randomness. The result is the same for any number of threads.
    progress : callable, optional
        Called with (runs done, n_runs). By default a bar on stderr after two seconds, if that is a
        terminal.

    Returns
    -------
    DensityDecay

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Notes
    -----
    A site is active if one of two sites of the row before is, and the bond from there is open. The
    row without any active site is absorbing. At the critical p the density decays as
    :math:`t^{-\delta}` with :math:`\delta = \beta / \nu_\parallel = 0.159464(6)`; mean-field theory
    has 1 (H. Hinrichsen, Adv. Phys. 49 (2000) 815, doi:10.1080/00018730050198152). Perturbations
    of convolutional networks in one dimension are reported to decay with depth in this class, of
    dense ones with smooth activation functions as in mean-field theory (K. Tamai et al.,
    arXiv:2307.02284). Independent runs do not show it of networks of a few channels: positions
    share their weights, and a small perturbation is multiplied by what fluctuates for all of them
    alike, so that its mean over a longer ring fluctuates as much from network to network, where
    that of percolation averages out. No exponent of such networks is given here.

    Examples
    --------
    >>> decay = directed_percolation(1 << 14, 16, 256, rng=1)
    >>> fit = decay.exponent(first=8)
    >>> print(fit.estimate("delta"))
    0.1579(14)
    """
    length = as_count("length", length, 2, _LONGEST)
    n_runs = as_count("n_runs", n_runs, _FEWEST, 1 << 31, hint="fewer have no errors")
    kept = _kept(times)
    p = as_real("probability", probability)
    if not 0 <= p <= 1:
        raise ArgumentError(f"probability must be between 0 and 1, got {probability}; try 0.6447")
    seed = as_seed(rng)
    density = _densities(length, n_runs, kept, round(p * 2**32), seed, progress)
    recorded = (str(seed.entropy), *map(str, seed.spawn_key))
    return DensityDecay(kept, Replicates.of_mean(density), length, n_runs, p, recorded)


def _kept(times: int | Sequence[int]) -> npt.NDArray[np.int64]:
    if isinstance(times, Sequence | np.ndarray):
        rows = sorted({as_count("times", t, 0, _LONGEST) for t in times})
        if not rows:
            raise ArgumentError(f"times must hold a number, got {shown(times)}; try 1024")
        return np.array(rows, dtype=np.int64)
    last = as_count("times", times, 1, _LONGEST)
    return np.array([2**i for i in range(last.bit_length())], dtype=np.int64)


def _densities(
    length: int,
    n_runs: int,
    kept: npt.NDArray[np.int64],
    bond: int,
    seed: np.random.SeedSequence,
    progress: Told | None,
) -> npt.NDArray[np.float64]:
    from nnrg_kernels.directed_percolation import decay

    key = seed.generate_state(1, np.uint64)[0]
    out = np.empty((n_runs, kept.size))
    told, close = reporter("directed percolation", progress)
    try:
        for start in range(0, n_runs, _RUNS_A_CALL):
            stop = min(start + _RUNS_A_CALL, n_runs)
            counts = np.empty((stop - start, int(kept[-1]) + 1), dtype=np.int64)
            decay(length, bond, key, start, counts)
            out[start:stop] = counts[:, kept] / length
            told(stop, n_runs)
    finally:
        close()
    return out
