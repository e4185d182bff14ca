"""One pass through the pipeline: all numbers of one arrangement of activity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nnrg.rg.phenomenological._activity import Activity
from nnrg.rg.phenomenological._modes import MOST_UNITS, Spectrum, block_spectra, mode_ratios
from nnrg.rg.phenomenological._statistics import Numbers, activity_of_blocks, silence
from nnrg.rg.phenomenological._times import correlation_times
from nnrg.rg.phenomenological.exponents import (
    ScalingExponent,
    fit_exponent,
    overall_slope,
    unmeasured,
)
from nnrg.stats.estimate import Estimate
from nnrg.stats.replicates import Replicates

__all__ = ["Pass", "draw_numbers", "fit_all", "judged_numbers", "measure_pass"]

Array = npt.NDArray[np.float64]

_OF = {"alpha": "variance", "beta": "free_energy", "z": "time"}
_NOISY = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What one pass measures.

    Attributes
    ----------
    observables : mapping from name to Numbers
        At each level: ``variance``, ``free_energy``, ``kurtosis``, ``mode_kurtosis``, ``time``.
    absent : mapping from name to str
        Why an observable was not measured.
    spectra : tuple of Spectrum
        By block size, ascending.
    """

    observables: Mapping[str, Numbers]
    absent: Mapping[str, str]
    spectra: tuple[Spectrum, ...]


def measure_pass(
    activity: Activity, *, silent: str, modes: bool, errors: bool, largest: bool = False
) -> Pass:
    """Measure everything that can be measured.

    Parameters
    ----------
    activity : Activity
    silent : str
        Why silence means nothing here; empty if it does.
    modes : bool
        Whether the joint modes of all units are looked for.
    errors : bool
        Whether groups are left out one at a time.
    largest : bool
        Whether of the spectra that of the largest blocks is enough.
    """
    found: dict[str, Numbers] = {}
    absent: dict[str, str] = {}
    found["variance"], found["kurtosis"] = activity_of_blocks(activity, errors)
    if silent:
        absent["free_energy"] = silent
    else:
        found["free_energy"] = silence(activity, errors)
    if activity.series:
        found["time"] = correlation_times(activity, errors)
    else:
        absent["time"] = "samples are no time series; PairBlocks(series=True) says that they are"
    ratios = mode_ratios(activity, errors) if modes else None
    if ratios is not None:
        found["mode_kurtosis"] = ratios
    else:
        absent["mode_kurtosis"] = f"more than {MOST_UNITS} units" if modes else "not asked for"
    return Pass(found, absent, tuple(block_spectra(activity, errors, largest=largest)))


def fit_all(
    one: Pass, activity: Activity
) -> tuple[dict[str, Replicates], dict[str, ScalingExponent]]:
    """Return the numbers as replicates, and the exponents."""
    groups = activity.lengths
    data = {name: numbers.as_replicates(groups) for name, numbers in one.observables.items()}
    k = np.array(activity.sizes, dtype=np.float64)
    fits: dict[str, ScalingExponent] = {}
    for name, observable in _OF.items():
        if observable in data:
            fits[name] = fit_exponent(name, k, data[observable])
        else:
            fits[name] = unmeasured(name, one.absent[observable])
    if one.spectra:
        fits["mu"] = _fit_spectrum(one.spectra[-1], groups)
    else:
        fits["mu"] = unmeasured(
            "mu", "no blocks with 8 modes, and 16 samples that choose for each mode"
        )
    return data, {name: fits[name] for name in ("alpha", "beta", "mu", "z")}


def _fit_spectrum(spectrum: Spectrum, groups: npt.NDArray[np.int64]) -> ScalingExponent:
    """Fit the spectrum of the largest blocks, and say how far noise of the modes flattens it."""
    logs = spectrum.logs.as_replicates(groups)
    fit = fit_exponent("mu", spectrum.ratio, logs.map(np.exp))
    if not np.all(np.isfinite(spectrum.biased)) or np.isnan(fit.effective.value):
        return fit
    slope, error = fit.effective.value, fit.effective.error
    biased = overall_slope(spectrum.ratio, np.exp(spectrum.biased))
    if abs(slope - biased) <= max(_NOISY * abs(slope), 2 * error):
        return fit
    flag = f"noisy modes: the slope over all is {biased:.2f} before extrapolation in the samples"
    said = "; ".join(filter(None, (fit.estimate.flag, flag)))
    return replace(fit, estimate=replace(fit.estimate, flag=said))


def judged_numbers(
    data: Mapping[str, Replicates], fits: Mapping[str, ScalingExponent]
) -> dict[str, Estimate]:
    """Return what is compared with null draws: slopes over all, and kurtosis of the largest."""
    numbers = {
        name: fit.effective for name, fit in fits.items() if np.isfinite(fit.effective.value)
    }
    for name in ("kurtosis", "mode_kurtosis"):
        if name in data:
            numbers[name] = data[name].estimate(data[name].values.size - 1)
    return numbers


def draw_numbers(
    one: Pass, activity: Activity, fits: Mapping[str, ScalingExponent]
) -> dict[str, float]:
    """Return the same numbers of a null draw, at the scales where the data have them."""
    k = np.array(activity.sizes, dtype=np.float64)
    numbers: dict[str, float] = {}
    for name, observable in _OF.items():
        if observable in one.observables and fits[name].x.size:
            at = np.isin(k, fits[name].x)
            numbers[name] = overall_slope(k[at], one.observables[observable].values[at])
    if one.spectra and fits["mu"].x.size:
        last = one.spectra[-1]
        at = np.isin(last.ratio, fits["mu"].x)
        numbers["mu"] = overall_slope(last.ratio[at], np.exp(last.logs.values[at]))
    for name in ("kurtosis", "mode_kurtosis"):
        if name in one.observables:
            numbers[name] = float(one.observables[name].values[-1])
    return numbers
