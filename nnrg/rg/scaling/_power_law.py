"""Powers of the block length: windows of scales, their average, and when there is no power."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.stats.fits import POOR_FIT, FitResult, correlated_fit
from nnrg.stats.model_average import ModelAverage, average_fits, fit_windows
from nnrg.stats.replicates import Replicates

__all__ = ["PowerLaw", "fit_approach", "fit_power", "running_slopes"]

Floats = npt.NDArray[np.float64]

_LINE = ("logarithm", "power")
# Powers tried before the search: a field dimension or an eigenvalue is of this size.
_POWERS = np.concatenate([np.arange(-6.0, 0.0, 0.1), np.arange(0.1, 6.05, 0.1)])


@dataclass(frozen=True, slots=True, eq=False)
class PowerLaw:
    """The power of b that a quantity follows, or why there is none.

    Attributes
    ----------
    power : ModelAverage or None
        Of the parameter ``power``.
    refusal : str
        Why there is no power; empty if there is one.
    drifts : bool
        Whether no window follows one power: `power` then averages over fits that all fail.
    """

    power: ModelAverage | None
    refusal: str = ""
    drifts: bool = False

    @property
    def decades(self) -> float:
        """Decades of b that the widest window spans in which one power is a good fit."""
        if self.power is None:
            return 0.0
        windows = [fit.window for fit in self.power.fits if not fit.p < POOR_FIT]
        return max((log10(high / low) for low, high in windows), default=0.0)


def _columns(b: Floats) -> Floats:
    return np.stack([np.ones(b.size), np.log(b)], axis=1)


def fit_power(b: Floats, data: Replicates) -> PowerLaw:
    """Fit ln q = a + power ln b to windows of half the scales or more of a positive quantity."""
    try:
        fits = fit_windows(_columns, b, data.map(np.log), fewest=_fewest(b.size, 2), names=_LINE)
    except AnalysisError as error:
        return PowerLaw(None, str(error))
    return _judged(fits)


def fit_approach(b: Floats, data: Replicates, *, constant: float | None) -> PowerLaw:
    """Fit q = limit + amplitude b^power, with the limit free and, if it is given, fixed too.

    Both models take part in the average where a limit is given.
    """
    errors = data.errors()

    def start(at: Floats, values: Floats) -> list[float]:
        return _begin(at, values, errors[np.searchsorted(b, at)], None)

    def start_fixed(at: Floats, values: Floats) -> list[float]:
        return _begin(at, values, errors[np.searchsorted(b, at)], constant)

    def free(at: Floats, amplitude: float, power: float, limit: float) -> Floats:
        return limit + amplitude * at**power

    def fixed(at: Floats, amplitude: float, power: float) -> Floats:
        assert constant is not None
        return constant + amplitude * at**power

    try:
        still = correlated_fit(np.ones((b.size, 1)), b, data)
    except AnalysisError as error:
        return PowerLaw(None, str(error))
    if not still.p < POOR_FIT:
        return PowerLaw(
            None,
            f"does not change with b: constant {still.estimate('p0')} with p = {still.p:.2g}",
        )
    names = ("amplitude", "power", "limit")
    fits: list[FitResult] = []
    reason = ""
    for model, begin, count in ((fixed, start_fixed, 2), (free, start, 3)):
        if count == 2 and constant is None:
            continue
        try:
            fits += fit_windows(
                model,
                b,
                data,
                fewest=_fewest(b.size, count),
                start=begin,
                names=names[:count],
            )
        except AnalysisError as error:
            reason = str(error)
    settled = tuple(fit for fit in fits if not fit.flag.startswith("unstable"))
    if not settled:
        return PowerLaw(None, reason or "no window of scales determines a power")
    return _judged(settled)


def _begin(b: Floats, values: Floats, errors: Floats, limit: float | None) -> list[float]:
    """Return where a search begins: the best power of a list, the rest solved for each."""
    best, found = np.inf, [0.0, 1.0, 0.0]
    for power in _POWERS:
        columns = [b**power] if limit is not None else [b**power, np.ones(b.size)]
        design = np.stack(columns, axis=1) / errors[:, None]
        target = (values - (limit or 0.0)) / errors
        solution = np.linalg.lstsq(design, target, rcond=None)[0]
        distance = float(np.sum((target - design @ solution) ** 2))
        if distance < best:
            best, found = distance, [float(solution[0]), float(power), *map(float, solution[1:])]
    return found


def _judged(fits: tuple[FitResult, ...]) -> PowerLaw:
    """Average over windows, and say whether all of them drift."""
    try:
        average = average_fits(fits, "power")
    except AnalysisError as error:
        return PowerLaw(None, str(error))
    return PowerLaw(average, drifts=all(fit.p < POOR_FIT for fit in fits))


def _fewest(points: int, parameters: int) -> int:
    """Points of the smallest window: half of all at least, or some window fits by chance."""
    return max(parameters + 1, (points + 1) // 2)


def running_slopes(b: Floats, data: Replicates) -> Replicates:
    """Return d ln|q| / d ln b between neighbouring scales."""
    return data.map(lambda q: np.diff(np.log(np.abs(q))) / np.diff(np.log(b)))
