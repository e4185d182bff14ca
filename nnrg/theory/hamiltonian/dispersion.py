"""Dispersion relations measured from fields that were simulated, with errors and windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError, NonFiniteError
from nnrg.stats.estimate import Estimate
from nnrg.stats.jackknife import jackknife_covariance
from nnrg.theory.hamiltonian._arguments import momenta, real_array
from nnrg.theory.hamiltonian._frequency import fit_frequency, line_chance, noise_chance
from nnrg.theory.hamiltonian.brillouin import as_modes
from nnrg.theory.hamiltonian.klein_gordon import FieldHistory

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dispersion", "measure_dispersion"]

Floats = npt.NDArray[np.float64]

_SCREEN = 16
_FEWEST_PERIODS = 2.0
_LARGEST_RESIDUAL = 1e-2
_SMALL_CHANCE = 1e-5
# Frequencies are not known better than the rounding of the fields they come from.
_ROUNDING = 1e-13


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Frequencies of Fourier modes.

    Attributes
    ----------
    k : array of shape (n_modes, d)
        Momenta, in inverse units of the spacing's.
    omega, error : arrays of shape (n_modes,)
        In inverse units of time; one standard deviation.
    expected : array of shape (n_modes,)
        Of the formula that was given; NaN without one.
    residual : array of shape (n_modes,)
        Share of the mode's power that its one frequency leaves over.
    flags : tuple of str
        Why a frequency should not be trusted, or "".
    replicates : array of shape (n_groups, n_modes)
        With one group of times left out.
    window : (float, float)
        First and last time.
    n_times : int
    spacing : float
    """

    k: Floats
    omega: Floats
    error: Floats
    expected: Floats
    residual: Floats
    flags: tuple[str, ...]
    replicates: Floats
    window: tuple[float, float]
    n_times: int
    spacing: float

    def __post_init__(self) -> None:
        arrays = self.k, self.omega, self.error, self.expected, self.residual, self.replicates
        for array in arrays:
            array.flags.writeable = False

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """Which modes have no flag."""
        return np.array([not flag for flag in self.flags])

    @property
    def largest_deviation(self) -> float:
        """Largest distance from the formula, of modes without a flag; NaN if there is none."""
        away = np.abs(self.omega - self.expected)[self.good]
        return float(away.max()) if away.size else float("nan")

    def to_dataframe(self) -> pd.DataFrame:
        """Return ``k:0 .. , omega, omega_error, expected, residual, n_samples, flag``."""
        import pandas as pd

        columns: dict[str, object] = {f"k:{a}": self.k[:, a] for a in range(self.k.shape[1])}
        columns |= {"omega": self.omega, "omega_error": self.error, "expected": self.expected}
        columns |= {"residual": self.residual, "n_samples": self.n_times, "flag": self.flags}
        return pd.DataFrame(columns)

    def __str__(self) -> str:
        lines = [
            f"{len(self.omega)} modes over {self.n_times} times from {self.window[0]:g} to "
            f"{self.window[1]:g}, {int((~self.good).sum())} flagged"
        ]
        for i in range(min(_SCREEN, len(self.omega))):
            k = " ".join(f"{x:+.4f}" for x in self.k[i])
            value = str(Estimate(self.omega[i], self.error[i], flag=self.flags[i]))
            beside = "" if np.isnan(self.expected[i]) else f"  formula {self.expected[i]:.10g}"
            note = f"  {self.flags[i]}" if self.flags[i] else ""
            lines.append(f"  k = {k}  omega = {value}{beside}{note}")
        if len(self.omega) > _SCREEN:
            lines.append(f"  ... {len(self.omega) - _SCREEN} more: to_dataframe() has them")
        if np.isfinite(self.largest_deviation):
            lines.append(f"largest distance from the formula {self.largest_deviation:.2g}")
        return "\n".join(lines)


def measure_dispersion(
    history: FieldHistory,
    modes: npt.ArrayLike | None = None,
    *,
    expected: Callable[[Floats], Floats] | None = None,
    start: int = 0,
    groups: int = 8,
) -> Dispersion:
    r"""Measure the frequency of Fourier modes of a simulated field.

    Parameters
    ----------
    history : FieldHistory
    modes : array_like of int, shape (n_modes, d), optional
        Numbers of waves along each axis; by default all, one of each k and -k.
    expected : callable, optional
        Frequency at momenta of shape (d, n_modes), such as ``lattice.frequency``.
    start : int
        First record of the window.
    groups : int
        Runs of times that are left out one at a time for the errors, at least 4.

    Returns
    -------
    Dispersion

    Raises
    ------
    ArgumentError
        If modes or window do not fit the history.
    NonFiniteError
        If the field is not finite.

    Notes
    -----
    :math:`a_k(t) = P \cos \omega t + Q \sin \omega t` with P, Q complex, one for each component:
    least squares over omega, begun at the peak of the windowed spectrum. Errors are those of the
    delete-group jackknife over runs of time, omega fitted anew in each. Flagged is a mode that
    makes fewer than two periods in the window, does not stand out of noise, leaves more than 1 % of
    its power with a second frequency in it (Fisher's test of the largest line, chance 1e-5), or
    whose expected frequency is beyond :math:`\pi` over the interval of records.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.hamiltonian.klein_gordon import KleinGordonLattice
    >>> ring = KleinGordonLattice(16, mass=0.7, dt=0.2)
    >>> start = np.random.default_rng(1).normal(size=(2, 16))
    >>> found = measure_dispersion(ring.evolve(*start, records=400), expected=ring.frequency)
    >>> found.largest_deviation < 1e-9
    True
    """
    if not isinstance(history, FieldHistory):
        raise ArgumentError(f"history must be a FieldHistory, got {shown(history)}; try evolve")
    values = np.asarray(history.values)
    if not 1 <= values.ndim - 2 <= 3 or values.dtype.kind not in "fciu":
        raise ArgumentError(
            "history must have numbers of shape (n_times, n_components, *shape), got "
            f"{values.dtype} of {values.shape}"
        )
    if not np.isfinite(values).all():
        raise NonFiniteError("history holds NaN or infinite numbers; take a smaller step of time")
    shape = values.shape[2:]
    groups, start = as_count("groups", groups, 4), as_count("start", start, 0)
    if len(values) - start < 8 * groups:
        raise ArgumentError(
            f"the window must hold at least {8 * groups} records for {groups} groups, got "
            f"{len(values) - start}; record more"
        )
    if expected is not None and not callable(expected):
        raise ArgumentError(
            f"expected must be a function of momenta, got {shown(expected)}; try lattice.frequency"
        )
    chosen = as_modes(modes, shape)
    # One time after the other: all modes of all times would be twice the history.
    at = (slice(None), *chosen.T)
    axes = range(1, values.ndim - 1)
    picked = np.stack([np.fft.fftn(field, axes=axes)[at] for field in values[start:]])
    # In units of the largest of each mode, whose squares neither overflow nor vanish.
    top = np.abs(picked).max(axis=(0, 1))
    picked /= np.where(top > 0, top, 1.0)
    k = momenta(shape, history.spacing)[(slice(None), *chosen.T)]
    times = history.interval * np.arange(len(picked), dtype=np.float64)
    edges = [len(times) * g // groups for g in range(groups + 1)]
    omega, residual = np.empty(len(chosen)), np.empty(len(chosen))
    replicates = np.empty((groups, len(chosen)))
    flags = []
    for i in range(len(chosen)):
        series = picked[:, :, i]
        omega[i], residual[i] = fit_frequency(times, series)
        for g in range(groups):
            kept = np.r_[0 : edges[g], edges[g + 1] : len(times)]
            replicates[g, i] = fit_frequency(times[kept], series[kept], omega[i])[0]
        flags.append(_flag(times, series, omega[i], residual[i]))
    known = np.full(len(omega), np.nan)
    if expected is not None:
        known = real_array("what expected returns", "an array", expected(k))
        if known.shape != omega.shape:
            raise ArgumentError(
                f"expected must return a frequency for each of {len(omega)} modes, got shape "
                f"{known.shape}"
            )
        # Nothing in the records tells such a mode from a slower one.
        fastest = np.pi / history.interval * (1 + 1e-12)
        flags = [
            f or ("faster than half a period in a record" if w > fastest else "")
            for f, w in zip(flags, known, strict=True)
        ]
    sizes = np.diff(edges)
    error = np.sqrt(np.diag(jackknife_covariance(replicates, omega, sizes)))
    return Dispersion(
        np.ascontiguousarray(k.T),
        omega,
        np.hypot(error, _ROUNDING * np.abs(omega)),
        known,
        residual,
        tuple(flags),
        replicates,
        (history.interval * start, history.interval * (len(values) - 1)),
        len(times),
        history.spacing,
    )


def _flag(times: Floats, series: npt.NDArray[np.complex128], omega: float, residual: float) -> str:
    if not np.isfinite(omega):
        return "the mode is not excited"
    if noise_chance(residual, len(times) // 2, fitted=True) > _SMALL_CHANCE:
        return "no frequency stands out of the noise"
    if abs(omega) * np.ptp(times) < 2 * np.pi * _FEWEST_PERIODS:
        return "fewer than two periods in the window"
    if residual > _LARGEST_RESIDUAL and line_chance(times, series, omega) < _SMALL_CHANCE:
        return "one frequency does not describe it"
    return ""
