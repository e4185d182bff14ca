"""Dispersion relations measured from fields that were simulated, with errors and windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.stats.estimate import Estimate
from nnrg.stats.jackknife import jackknife_covariance
from nnrg.theory.hamiltonian._arguments import as_positive, momenta
from nnrg.theory.hamiltonian._frequency import fit_frequency
from nnrg.theory.hamiltonian.klein_gordon import FieldHistory

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dispersion", "DispersionFit", "fit_dispersion", "measure_dispersion"]

Floats = npt.NDArray[np.float64]

_SCREEN = 16
_FEWEST_PERIODS = 2.0
_LARGEST_RESIDUAL = 1e-2
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
    delete-group jackknife over runs of time, omega fitted anew in each. A mode that makes fewer
    than two periods in the window, or that one frequency does not describe, has a flag.

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
    values = np.asarray(history.values)
    if values.ndim < 3 or not 1 <= values.ndim - 2 <= 3:
        raise ArgumentError(
            f"history must have values of shape (n_times, n_components, *shape), got {values.shape}"
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
    chosen = _modes(modes, shape)
    waves = np.fft.fftn(values[start:], axes=range(2, values.ndim))
    picked = waves[(slice(None), slice(None), *chosen.T)]
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
        flags.append(_flag(omega[i], residual[i], times[-1]))
    sizes = np.diff(edges)
    error = np.sqrt(np.diag(jackknife_covariance(replicates, omega, sizes)))
    return Dispersion(
        np.ascontiguousarray(k.T),
        omega,
        np.hypot(error, _ROUNDING * np.abs(omega)),
        np.full(len(omega), np.nan) if expected is None else np.asarray(expected(k)),
        residual,
        tuple(flags),
        replicates,
        (history.interval * start, history.interval * (len(values) - 1)),
        len(times),
        history.spacing,
    )


@dataclass(frozen=True, slots=True)
class DispersionFit:
    """A dispersion relation fitted to measured frequencies.

    Attributes
    ----------
    mass_squared, speed_squared : Estimate
    chi2, dof : float, int
    k_max : float
        Length of the largest k in the window.
    form : str
    """

    mass_squared: Estimate
    speed_squared: Estimate
    chi2: float
    dof: int
    k_max: float
    form: str

    def __str__(self) -> str:
        return (
            f"{self.form}: m^2 = {self.mass_squared}, c^2 = {self.speed_squared}, chi2/dof = "
            f"{self.chi2:.4g}/{self.dof}, |k| <= {self.k_max:.4g}"
        )


def fit_dispersion(
    measured: Dispersion, *, k_max: float | None = None, dt: float | None = None
) -> DispersionFit:
    r"""Fit mass and speed of waves to measured frequencies.

    Parameters
    ----------
    measured : Dispersion
    k_max : float, optional
        Only modes of smaller \|k\|; by default all without a flag.
    dt : float, optional
        With the step of time, the lattice relation :math:`\frac{4}{\Delta t^2} \sin^2
        \frac{\omega \Delta t}{2} = m^2 + c^2 \sum_\mu \frac{4}{a^2} \sin^2 \frac{k_\mu a}{2}`;
        without it the continuum's, :math:`\omega^2 = m^2 + c^2 k^2`.

    Returns
    -------
    DispersionFit
        Errors are from refits with one run of times left out; chi2 takes modes as independent.

    Raises
    ------
    AnalysisError
        If fewer than three modes without a flag, or one \|k\| only, are in the window.
    """
    largest = np.inf if k_max is None else as_positive("k_max", k_max)
    size = np.sqrt((measured.k**2).sum(axis=1))
    kept = measured.good & (size <= largest * (1 + 1e-12))
    if kept.sum() < 3 or np.ptp(size[kept]) == 0:
        raise AnalysisError(
            f"{int(kept.sum())} modes without a flag are within k_max: three of different |k| are "
            "needed; record longer or take a larger k_max"
        )
    k, a = measured.k[kept], measured.spacing
    if dt is None:
        x, form = (k**2).sum(axis=1), "continuum relation"
    else:
        dt = as_positive("dt", dt)
        x, form = (4 / a**2 * np.sin(k * a / 2) ** 2).sum(axis=1), "lattice relation"

    def height(omega: Floats) -> Floats:
        if dt is None:
            return np.asarray(omega**2)
        return np.asarray(4 / dt**2 * np.sin(omega * dt / 2) ** 2)

    omega = measured.omega[kept]
    slope = 2 * omega if dt is None else 2 / dt * np.sin(omega * dt)
    sigma = np.maximum(np.abs(slope), _ROUNDING) * measured.error[kept]
    design = np.stack([np.ones_like(x), x], axis=1) / sigma[:, None]

    def fitted(frequencies: Floats) -> Floats:
        return np.asarray(np.linalg.lstsq(design, height(frequencies) / sigma, rcond=None)[0])

    best = fitted(omega)
    refits = np.stack([fitted(row[kept]) for row in measured.replicates])
    errors = np.sqrt(np.diag(jackknife_covariance(refits, best)))
    floor = np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    errors = np.maximum(errors, np.minimum(floor, _ROUNDING * np.abs(best).max()))
    chi2 = float(np.sum((height(omega) / sigma - design @ best) ** 2))
    count = measured.n_times
    return DispersionFit(
        Estimate(float(best[0]), float(errors[0]), count),
        Estimate(float(best[1]), float(errors[1]), count),
        chi2,
        int(kept.sum()) - 2,
        float(size[kept].max()),
        form,
    )


def _modes(modes: npt.ArrayLike | None, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    if modes is None:
        index = np.indices(shape).reshape(len(shape), -1).T
        opposite = -index % np.array(shape)
        rank = np.ravel_multi_index(tuple(index.T), shape)
        return np.asarray(index[rank <= np.ravel_multi_index(tuple(opposite.T), shape)])
    chosen = np.asarray(modes)
    if chosen.ndim == 1 and len(shape) == 1:
        chosen = chosen[:, None]
    if chosen.ndim != 2 or chosen.shape[1] != len(shape) or chosen.dtype.kind not in "iu":
        raise ArgumentError(
            f"modes must be integers of shape (n_modes, {len(shape)}), got shape {chosen.shape}"
        )
    if not chosen.size or np.any(np.abs(chosen) >= np.array(shape)):
        raise ArgumentError(f"modes must be numbers of waves below the lengths {shape}")
    return np.asarray(chosen % np.array(shape))


def _flag(omega: float, residual: float, duration: float) -> str:
    if not np.isfinite(omega):
        return "the mode is not excited"
    if abs(omega) * duration < 2 * np.pi * _FEWEST_PERIODS:
        return "fewer than two periods in the window"
    if residual > _LARGEST_RESIDUAL:
        return "one frequency does not describe it"
    return ""
